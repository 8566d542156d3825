using System.Runtime.InteropServices;
using Steward.Linux.Interop;

namespace Steward.Linux.Output;

/// <summary>
/// An epoll instance (man 7 epoll) and an eventfd that wakes who waits on it. Descriptors are watched level-triggered under a
/// number of the caller's choice. Waiting and changing belong to one thread; <see cref="Wake"/> to any.
/// </summary>
internal sealed unsafe class Poller : IDisposable
{
    /// <summary>The number under which <see cref="Wake"/> is reported.</summary>
    internal const int WakeNumber = -1;

    private const int MaxEvents = 256;

    // struct epoll_event is packed on x86-64 and nowhere else.
    private static readonly int EventSize = RuntimeInformation.ProcessArchitecture == Architecture.X64 ? 12 : 16;
    private static readonly int DataOffset = EventSize - 8;

    private readonly byte* _events;
    private readonly int _epoll;
    private readonly int _wake;
    private bool _isDisposed;

    internal Poller()
    {
        _epoll = LibC.epoll_create1(LibC.EPOLL_CLOEXEC);
        int errno = _epoll < 0 ? LibC.LastError : 0;
        _wake = LibC.eventfd(0, LibC.EFD_CLOEXEC | LibC.EFD_NONBLOCK);
        errno = _wake < 0 ? LibC.LastError : errno;
        errno = errno == 0 ? Control(LibC.EPOLL_CTL_ADD, _wake, LibC.EPOLLIN, WakeNumber) : errno;
        if (errno != 0)
        {
            throw new InvalidOperationException($"the output of programs cannot be watched: {ErrnoText.Python(errno)}");
        }

        _events = (byte*)NativeMemory.Alloc((nuint)(MaxEvents * EventSize));
    }

    /// <summary>Watches a descriptor; answers 0 or an error number (EPERM for what is always ready, a file).</summary>
    internal int Add(int fd, uint events, int number) => Control(LibC.EPOLL_CTL_ADD, fd, events, number);

    /// <summary>Changes what is watched; 0 events leave only errors and the end of the other side.</summary>
    internal int Change(int fd, uint events, int number) => Control(LibC.EPOLL_CTL_MOD, fd, events, number);

    /// <summary>Watches a descriptor no more. To be called before it is closed: a copy of it elsewhere would keep it watched.</summary>
    internal void Remove(int fd) => _ = Control(LibC.EPOLL_CTL_DEL, fd, 0, 0);

    /// <summary>Waits for something to happen, without a limit, or only looks; answers how many events there are.</summary>
    internal int Wait(bool isWaiting = true)
    {
        int count;
        do
        {
            count = LibC.epoll_wait(_epoll, _events, MaxEvents, isWaiting ? -1 : 0);
        }
        while (LibC.Interrupted(count));

        return count >= 0 ? count : throw new InvalidOperationException($"epoll_wait: {ErrnoText.Python(LibC.LastError)}");
    }

    /// <summary>The number of an event that <see cref="Wait"/> found.</summary>
    internal int Number(int index) => Marshal.ReadInt32((nint)(_events + (index * EventSize) + DataOffset));

    /// <summary>Makes <see cref="Wait"/> and <see cref="Pause"/> return.</summary>
    internal void Wake()
    {
        ulong one = 1;
        _ = LibC.write(_wake, (byte*)&one, sizeof(ulong));
    }

    /// <summary>Takes a wake-up away.</summary>
    internal void TakeWake()
    {
        ulong count;
        _ = LibC.read(_wake, (byte*)&count, sizeof(ulong));
    }

    /// <summary>Lets time pass, unless woken. The next <see cref="Wait"/> reports the wake-up.</summary>
    internal void Pause(long nanoseconds)
    {
        var time = new LibC.TimeSpec { Nanoseconds = nanoseconds };
        var wake = new LibC.PollFd { Fd = _wake, Events = LibC.POLLIN };
        _ = LibC.ppoll(&wake, 1, &time, null);
    }

    public void Dispose()
    {
        if (_isDisposed)
        {
            return;
        }

        _isDisposed = true;
        _ = LibC.close(_epoll);
        _ = LibC.close(_wake);
        NativeMemory.Free(_events);
    }

    private int Control(int operation, int fd, uint events, int number)
    {
        byte* change = stackalloc byte[EventSize];
        *(uint*)change = events;
        Marshal.WriteInt64((nint)(change + DataOffset), number);
        return LibC.epoll_ctl(_epoll, operation, fd, change) == 0 ? 0 : LibC.LastError;
    }
}
