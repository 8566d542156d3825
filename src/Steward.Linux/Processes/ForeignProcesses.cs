using System.Diagnostics;
using System.Globalization;
using Steward.Core.Inputs;
using Steward.Core.Model;
using Steward.Core.Snapshots;
using Steward.Linux.Handover;
using Steward.Linux.Interop;
using Steward.Linux.Watching;

namespace Steward.Linux.Processes;

/// <summary>
/// Programs that are nobody's children of ours: their parent died, and init reaps them. Each is known by a descriptor (man 2 pidfd_open), which
/// means this process for ever: no number is ever signalled that may have become another's.
/// </summary>
/// <remarks>
/// <para>How one ended is told by the kernel from Linux 6.15 on, once its parent has reaped it; before that it is
/// <see cref="WaitStatus.Unobserved"/>. A parent that does not reap (an ordinary program as PID 1 of a container) is waited for no longer
/// than <see cref="ReapPatience"/>; what the dead process itself still shows is taken then.</para>
/// <para>Threads: one, from the first process on, which sleeps in the kernel while none ends. Members may be called on any thread.</para>
/// </remarks>
public sealed unsafe class ForeignProcesses : IDisposable
{
    /// <summary>How long a dead process may wait for its parent before its end is told without that.</summary>
    public static readonly TimeSpan ReapPatience = TimeSpan.FromSeconds(2);

    // How often those are looked at that the kernel does not watch together.
    private const int OneByOneMs = 100;

    private const int Field = 1;

    private readonly Lock _gate = new();
    private readonly Action<int, WaitStatus> _ended;
    private readonly Dictionary<int, Foreign> _living = [];
    private int _wake = -1;
    private Thread? _thread;
    private bool _isDisposed;

    /// <summary>Prepares; nothing runs before the first process.</summary>
    /// <param name="ended">Told once of the end of each process, on a thread of this class, which it must not hold up.</param>
    public ForeignProcesses(Action<int, WaitStatus> ended) => _ended = ended;

    /// <summary>
    /// Begins to watch a process, if it is the one that started at that time. The descriptor is opened first and the time compared after,
    /// so that no other process can come in between.
    /// </summary>
    /// <param name="pid">Its pid.</param>
    /// <param name="startTime">When it started, in ticks since boot (field 22 of <c>/proc/PID/stat</c>), on this start of the machine.</param>
    /// <param name="failure">Why it is not watched; null when it is.</param>
    /// <returns>False when it is gone, is dead already, or cannot be watched.</returns>
    public bool TryAdd(int pid, ulong startTime, out string? failure)
    {
        int fd = Open(pid, startTime, out failure);
        return fd >= 0 && Add(new Foreign(pid, startTime, fd), out failure);
    }

    /// <summary>Says whether a process is watched, or its end has not been told yet.</summary>
    public bool Contains(int pid)
    {
        lock (_gate)
        {
            return _living.ContainsKey(pid);
        }
    }

    /// <summary>Sends a signal (man 2 kill), through the descriptor.</summary>
    /// <param name="pid">A process that is watched.</param>
    /// <param name="number">The signal.</param>
    /// <param name="toGroup">Whether to its process group; only while the process itself lives, as the group's number is its own.</param>
    /// <param name="error">When refused: <c>[Errno 1] Operation not permitted</c> and the like.</param>
    public SignalResult Signal(int pid, int number, bool toGroup, out string? error)
    {
        error = null;
        lock (_gate)
        {
            // The descriptor is closed under the same lock only.
            if (!_living.TryGetValue(pid, out Foreign? process) || !Lives(process.Fd))
            {
                return SignalResult.Gone;
            }

            return Signal(process.Fd, pid, number, toGroup, out error);
        }
    }

    /// <summary>Sends a signal to a process that is not watched, if it is the one that started at that time and lives.</summary>
    /// <param name="pid">Its pid.</param>
    /// <param name="startTime">When it started, in ticks since boot.</param>
    /// <param name="number">The signal.</param>
    /// <param name="toGroup">Whether to its process group.</param>
    /// <param name="error">When refused: <c>[Errno 1] Operation not permitted</c> and the like.</param>
    public static SignalResult Signal(int pid, ulong startTime, int number, bool toGroup, out string? error)
    {
        error = null;
        int fd = Open(pid, startTime, out _);
        if (fd < 0 && !Lives(pid, startTime))
        {
            return SignalResult.Gone;
        }

        if (fd < 0)
        {
            // There is no descriptor left to have. A stop that is not sent would be worse than a number given away within this instant.
            return Result(LibC.kill(toGroup ? -pid : pid, number), out error);
        }

        SignalResult result = Signal(fd, pid, number, toGroup, out error);
        _ = LibC.close(fd);
        return result;
    }

    /// <summary>Stops a number of processes that nobody supervises: SIGTERM, patience, SIGKILL. Returns when they are gone, or cannot be.</summary>
    /// <param name="processes">Pid and start time of each; those that are gone are passed over.</param>
    /// <param name="patience">How long they may take after SIGTERM, all together; a second more after SIGKILL.</param>
    /// <param name="say">Receives what could not be done.</param>
    public static void End(IEnumerable<(int Pid, ulong StartTime)> processes, TimeSpan patience, Action<string> say)
    {
        var open = new List<(int Pid, int Fd)>();
        foreach ((int pid, ulong startTime) in processes)
        {
            int fd = Open(pid, startTime, out _);
            if (fd < 0)
            {
                continue;
            }

            open.Add((pid, fd));
            Send(pid, fd, Signals.Term);
        }

        WaitForAll(patience);
        foreach ((int pid, int fd) in open.Where(static one => Lives(one.Fd)))
        {
            Send(pid, fd, Signals.Kill);
        }

        WaitForAll(TimeSpan.FromSeconds(1));
        foreach ((int pid, int fd) in open)
        {
            if (Lives(fd))
            {
                say(string.Create(CultureInfo.InvariantCulture, $"pid {pid} does not end"));
            }

            _ = LibC.close(fd);
        }

        void Send(int pid, int fd, int number)
        {
            if (LibC.pidfd_send_signal(fd, number) != 0 && LibC.LastError != Errno.ESRCH)
            {
                say(string.Create(CultureInfo.InvariantCulture, $"unable to signal pid {pid}: {ErrnoText.Python(LibC.LastError)}"));
            }
        }

        void WaitForAll(TimeSpan limit)
        {
            long began = Stopwatch.GetTimestamp();
            foreach ((_, int fd) in open)
            {
                TimeSpan left = limit - Stopwatch.GetElapsedTime(began);
                while (!IsReady(fd, LibC.POLLIN, (int)Math.Max(0, left.TotalMilliseconds)) && LibC.LastError == Errno.EINTR && left > TimeSpan.Zero)
                {
                    left = limit - Stopwatch.GetElapsedTime(began);
                }
            }
        }
    }

    /// <summary>Says whether the process that started then lives.</summary>
    public static bool Lives(int pid, ulong startTime) =>
        ProcessEntry.Read(pid) is { IsZombie: false } entry && entry.StartTime == startTime;

    /// <summary>Writes down, as a field, what is watched, and leaves the descriptors. While nothing is added.</summary>
    internal void Save(SnapshotWriter writer, int field, DescriptorTable table)
    {
        lock (_gate)
        {
            if (_living.Count == 0)
            {
                return;
            }

            writer.Begin(field);
            foreach (Foreign process in _living.Values.OrderBy(static process => process.Pid))
            {
                // One whose end has been told, and not been taken yet, is told again by the next image: the descriptor knows it.
                writer.Begin(Field);
                writer.Integer(1, process.Pid);
                writer.Integer(2, (long)process.StartTime);
                writer.End();
                table.Add(Role(process.Pid), process.Fd);
            }

            writer.End();
        }
    }

    /// <summary>Reads what was watched; nothing is reported before <see cref="Begin"/>.</summary>
    /// <exception cref="SnapshotRefusedException">It cannot be taken up.</exception>
    internal static List<(int Pid, ulong StartTime, int Fd)> Restore(SnapshotReader reader, DescriptorTable table)
    {
        var all = new List<(int, ulong, int)>();
        while (reader.Next(Field, "foreign", out SnapshotReader inner))
        {
            int pid = inner.Int32(1, "pid", 1);
            ulong startTime = (ulong)inner.Integer(2, "startTime");
            int fd = table.Take(inner, Role(pid));
            inner.End();
            all.Add((pid, startTime, fd));
        }

        reader.End();
        return all;
    }

    /// <summary>Watches what another image watched.</summary>
    internal void Begin(IEnumerable<(int Pid, ulong StartTime, int Fd)> processes)
    {
        foreach ((int pid, ulong startTime, int fd) in processes)
        {
            if (!Add(new Foreign(pid, startTime, fd), out string? failure))
            {
                throw new InvalidOperationException(failure);
            }
        }
    }

    /// <summary>The end of a process has been taken: from here on its pid means nothing here.</summary>
    internal void Forget(int pid)
    {
        lock (_gate)
        {
            if (_living.Remove(pid, out Foreign? process))
            {
                _ = LibC.close(process.Fd);
            }
        }
    }

    /// <summary>Stops watching; the processes are left alone.</summary>
    public void Dispose()
    {
        Thread? thread;
        lock (_gate)
        {
            _isDisposed = true;
            thread = _thread;
            Wake();
        }

        if (thread is not null && thread != Thread.CurrentThread)
        {
            thread.Join();
        }

        lock (_gate)
        {
            foreach (Foreign process in _living.Values)
            {
                _ = LibC.close(process.Fd);
            }

            _living.Clear();
            if (_wake >= 0)
            {
                _ = LibC.close(_wake);
                _wake = -1;
            }
        }
    }

    private static string Role(int pid) => string.Create(CultureInfo.InvariantCulture, $"pidfd:{pid}");

    /// <summary>A descriptor of the process that started then; -1 when there is none.</summary>
    private static int Open(int pid, ulong startTime, out string? failure)
    {
        int fd = Descriptors.AboveStandard(LibC.pidfd_open(pid));
        if (fd < 0)
        {
            failure = ErrnoText.Python(LibC.LastError);
            return -1;
        }

        failure = ProcessEntry.Read(pid) is not { } entry || entry.StartTime != startTime ? "there is another process of this number by now"
            : entry.IsZombie ? "it is dead"
            : null;
        if (failure is null)
        {
            return fd;
        }

        _ = LibC.close(fd);
        return -1;
    }

    private static bool Lives(int fd) => !IsReady(fd, LibC.POLLIN, 0);

    private static bool IsReady(int fd, int events, int milliseconds)
    {
        var poll = new LibC.PollFd { Fd = fd, Events = (short)events };
        return LibC.poll(&poll, 1, milliseconds) > 0;
    }

    private static SignalResult Signal(int fd, int pid, int number, bool toGroup, out string? error) =>
        Result(toGroup ? SignalGroup(fd, pid, number) : LibC.pidfd_send_signal(fd, number), out error);

    private static SignalResult Result(int result, out string? error)
    {
        error = null;
        if (result == 0)
        {
            return SignalResult.Delivered;
        }

        int errno = LibC.LastError;
        if (errno == Errno.ESRCH)
        {
            return SignalResult.Gone;
        }

        error = ErrnoText.Python(errno);
        return SignalResult.Refused;
    }

    private static int SignalGroup(int fd, int pid, int number)
    {
        // From Linux 6.9 on the kernel does both at once.
        int result = LibC.pidfd_send_signal(fd, number, LibC.PIDFD_SIGNAL_PROCESS_GROUP);
        return result != 0 && LibC.LastError == Errno.EINVAL ? LibC.kill(-pid, number) : result;
    }

    private bool Add(Foreign process, out string? failure)
    {
        lock (_gate)
        {
            failure = _isDisposed ? "nothing is watched any more" : null;
            if (failure is null && _wake < 0)
            {
                _wake = Descriptors.AboveStandard(LibC.eventfd(0, LibC.EFD_CLOEXEC | LibC.EFD_NONBLOCK));
                failure = _wake < 0 ? ErrnoText.Python(LibC.LastError) : null;
            }

            if (failure is null && !_living.TryAdd(process.Pid, process))
            {
                failure = "it is watched already";
            }

            if (failure is not null)
            {
                _ = LibC.close(process.Fd);
                return false;
            }

            if (_thread is null)
            {
                _thread = new Thread(Watch, 256 << 10) { Name = "adopted", IsBackground = true };
                _thread.Start();
            }

            Wake();
            return true;
        }
    }

    private void Wake()
    {
        ulong one = 1;
        if (_wake >= 0)
        {
            _ = LibC.write(_wake, (byte*)&one, sizeof(ulong));
        }
    }

    private void Watch()
    {
        while (true)
        {
            LibC.PollFd[] polled;
            Foreign[] processes;
            int patience = -1;
            lock (_gate)
            {
                if (_isDisposed)
                {
                    return;
                }

                processes = [.. _living.Values.Where(static process => !process.IsTold)];
                polled = new LibC.PollFd[processes.Length + 1];
                polled[0] = new LibC.PollFd { Fd = _wake, Events = LibC.POLLIN };
                for (int i = 0; i < processes.Length; i++)
                {
                    // A dead one can be read for good; of that one only the reaping is still waited for, which shows without being asked for.
                    bool isDead = processes[i].DiedAt != 0;
                    polled[i + 1] = new LibC.PollFd { Fd = processes[i].Fd, Events = (short)(isDead ? 0 : LibC.POLLIN) };
                    if (isDead)
                    {
                        double left = (ReapPatience - Stopwatch.GetElapsedTime(processes[i].DiedAt)).TotalMilliseconds;
                        patience = Math.Min(patience < 0 ? int.MaxValue : patience, (int)Math.Max(0, Math.Ceiling(left)));
                    }
                }
            }

            fixed (LibC.PollFd* start = polled)
            {
                if (LibC.poll(start, (nuint)polled.Length, patience) < 0 && LibC.LastError == Errno.EINVAL)
                {
                    // They are more than the limit of descriptors, which somebody has lowered (man 2 poll): one by one, and not all the time.
                    _ = LibC.poll(start, 1, OneByOneMs);
                    for (int i = 1; i < polled.Length; i++)
                    {
                        _ = LibC.poll(start + i, 1, 0);
                    }
                }
            }

            ulong count;
            _ = polled[0].Returned == 0 ? 0 : LibC.read(_wake, (byte*)&count, sizeof(ulong));
            for (int i = 0; i < processes.Length; i++)
            {
                if (polled[i + 1].Returned != 0 || processes[i].DiedAt != 0)
                {
                    Look(processes[i]);
                }
            }
        }
    }

    /// <summary>It is dead: tells its end when that is known, or when it is known that it will not be.</summary>
    private void Look(Foreign process)
    {
        WaitStatus? status;
        lock (_gate)
        {
            if (_isDisposed || process.IsTold || _living.GetValueOrDefault(process.Pid) != process)
            {
                return;
            }

            if (process.DiedAt == 0)
            {
                process.DiedAt = Stopwatch.GetTimestamp();
            }

            status = Status(process, Stopwatch.GetElapsedTime(process.DiedAt) >= ReapPatience);
            process.IsTold = status is not null;
        }

        if (status is { } how)
        {
            _ended(process.Pid, how);
        }
    }

    private static WaitStatus? Status(Foreign process, bool isLast)
    {
        var info = new LibC.PidFdInfo { Mask = LibC.PIDFD_INFO_EXIT };
        if (LibC.ioctl(process.Fd, LibC.PIDFD_GET_INFO, &info) == 0)
        {
            if ((info.Mask & LibC.PIDFD_INFO_EXIT) != 0)
            {
                return new WaitStatus(info.ExitCode & 0xffff);
            }

            // Not reaped, or a kernel that never tells.
            return isLast ? OfZombie(process) : null;
        }

        // The kernel does not know the question, or has no answer to it any more.
        return OfZombie(process);
    }

    /// <summary>What a dead process that nobody has reaped shows of its end.</summary>
    private static WaitStatus OfZombie(Foreign process) =>
        ProcessEntry.Read(process.Pid, out int status) is { IsZombie: true } entry && entry.StartTime == process.StartTime && status != 0
            ? new WaitStatus(status & 0xffff)
            // Zero is also what is shown to those who may not know.
            : WaitStatus.Unobserved;

    /// <summary>A process that is watched.</summary>
    private sealed class Foreign(int pid, ulong startTime, int fd)
    {
        public int Pid { get; } = pid;

        public ulong StartTime { get; } = startTime;

        public int Fd { get; } = fd;

        /// <summary>When its death was noticed; 0 while it lives.</summary>
        public long DiedAt { get; set; }

        /// <summary>Whether its end has been told.</summary>
        public bool IsTold { get; set; }
    }
}
