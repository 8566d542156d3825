using Steward.Linux.Interop;

namespace Steward.Linux.Processes;

/// <summary>
/// Three descriptors with low numbers, through which a child is handed its standard streams, so that it can leave all others behind at
/// one blow: it begins with the daemon's table of descriptors, shared, and gets one of its own with nothing in it beyond
/// <see cref="End"/> (man 2 close_range, CLOSE_RANGE_UNSHARE).
/// </summary>
/// <remarks>
/// A copy of the whole table, as fork and vfork make, costs with every descriptor that the daemon has, twice: once to copy and once to
/// close at exec. With a thousand programs that was half of the time of a start.
/// Between spawns the slots hold <c>/dev/null</c>: the end of a pipe in them would hide the end of the other side.
/// </remarks>
internal sealed class ChildSlots : IDisposable
{
    private readonly int _null;
    private readonly int[] _fds = [-1, -1, -1];
    private bool _isDisposed;

    private ChildSlots(int nothing) => _null = nothing;

    public int Stdin => _fds[0];

    public int Stdout => _fds[1];

    public int Stderr => _fds[2];

    /// <summary>One more than the highest of the three.</summary>
    public int End => _fds.Max() + 1;

    /// <summary>Takes the lowest numbers that are free; to be called before the daemon has many. Null when there are none.</summary>
    public static ChildSlots? TryCreate()
    {
        int nothing = Descriptors.AboveStandard(LibC.open("/dev/null", LibC.O_RDWR | LibC.O_CLOEXEC, 0));
        if (nothing < 0)
        {
            return null;
        }

        var slots = new ChildSlots(nothing);
        for (int i = 0; i < slots._fds.Length; i++)
        {
            slots._fds[i] = LibC.fcntl(nothing, LibC.F_DUPFD_CLOEXEC, 3);
            if (slots._fds[i] < 0)
            {
                slots.Dispose();
                return null;
            }
        }

        return slots;
    }

    /// <summary>Puts the streams of a child in; answers 0 or an error number.</summary>
    public int Fill(int stdin, int stdout, int stderr)
    {
        int errno = Put(stdin, Stdin);
        errno = errno != 0 ? errno : Put(stdout, Stdout);
        return errno != 0 ? errno : Put(stderr, Stderr);
    }

    /// <summary>Takes them out again.</summary>
    public void Empty()
    {
        foreach (int fd in _fds)
        {
            // Onto an open descriptor from an open one: there is nothing that could be missing.
            _ = Put(_null, fd);
        }
    }

    public void Dispose()
    {
        if (_isDisposed)
        {
            return;
        }

        _isDisposed = true;
        foreach (int fd in _fds)
        {
            if (fd >= 0)
            {
                _ = LibC.close(fd);
            }
        }

        _ = LibC.close(_null);
    }

    private static int Put(int from, int to)
    {
        int result;
        do
        {
            // EBUSY: a race with open in another thread (man 2 dup).
            result = LibC.dup3(from, to, LibC.O_CLOEXEC);
        }
        while (result < 0 && LibC.LastError is Errno.EINTR or Errno.EBUSY);

        return result < 0 ? LibC.LastError : 0;
    }
}
