using System.Globalization;
using System.Runtime.InteropServices;
using Steward.Core.Effects;
using Steward.Core.Inputs;
using Steward.Core.Model;
using Steward.Core.Output;
using Steward.Core.Ports;
using Steward.Linux.Handover;
using Steward.Linux.Interop;
using Steward.Linux.Processes;

namespace Steward.Linux.Output;

/// <summary>
/// Moves the output of all children from their pipes to their logs, and input to their stdin.
/// </summary>
/// <remarks>
/// <para>
/// One thread, one poller, one buffer for all: a child costs some objects and no memory of its own. In one round every ready pipe is read
/// once, so a program that writes without end does not keep others waiting. After a round that brought little the thread rests for
/// <see cref="RestNanoseconds"/>: a program that writes line by line then costs one read for many lines. Without output the thread sleeps.
/// </para>
/// <para>
/// Who is too slow holds up only those who write to it. A log that is written through (a pipe, a terminal) and whose reader does not read
/// pauses the streams that go there; tapped bytes that the engine has not taken in pause the tapped streams; a full disk loses bytes,
/// which are counted (<see cref="LogFile"/>).
/// </para>
/// <para>
/// A dead child's pipes are read for as much as they held when its end was taken in hand. Descendants that still hold and fill them can
/// neither delay that nor make it longer; what they write later meets a closed pipe.
/// </para>
/// <para>
/// Threads: the members of <see cref="IOutputHub"/> are called on the engine's thread, which opens logs, starts writes to stdin and clears
/// logs; all else is done by the hub's thread, which learns of it through <c>_inbox</c>. <c>_children</c> has its own lock.
/// </para>
/// </remarks>
internal sealed unsafe partial class OutputHub : IOutputHub
{
    /// <summary>The most bytes reported and not yet given back.</summary>
    internal const int Credit = 4 << 20;

    /// <summary>One read, and so one PROCESS_LOG event, at the most.</summary>
    private const int BufferSize = OutputMemory.BufferSize;

    /// <summary>What an untouched pipe holds.</summary>
    private const int PipeSize = 64 << 10;

    private const int LargePipeSize = 1 << 20;
    private const int FullReadsBeforeEnlarging = 4;

    /// <summary>Fewer bytes than this for each ready pipe are little.</summary>
    private const int LittleBytes = 16 << 10;

    private const long RestNanoseconds = 200_000;

    // A pipe that brought this much this many times in a row is hot, until it brought nothing a few times.
    private const int HotBytes = 8 << 10;
    private const int ReadsUntilHot = 8;
    private const int EmptyReadsUntilCool = 3;
    private const int MaxHot = 64;

    // A filter may add what it had held back: the beginning of a token.
    private const int LargestOutput = BufferSize + 64;

    private static readonly TimeSpan StopPatience = TimeSpan.FromSeconds(5);

    private readonly IProcessHostEvents _events;
    private readonly Action<ProcessId, Incarnation>? _finished;
    private readonly LogFiles _logs;
    private readonly SyslogSender _syslog;
    private readonly Poller _poller = new();
    private Thread? _thread;
    private readonly byte* _buffer = (byte*)NativeMemory.AlignedAlloc(BufferSize, 4096);

    // Guarded by itself.
    private readonly Dictionary<ProcessId, ChildOutput> _children = [];

    // Guarded by _inboxGate.
    private readonly Lock _inboxGate = new();
    private List<Order> _inbox = [];
    private bool _isAwake;

    // The hub's thread alone.
    private readonly List<OutputStream> _hot = [];
    private List<Order> _taken = [];
    private readonly List<Watched?> _watched = [];
    private readonly Stack<int> _freeNumbers = new();
    private readonly List<int> _leftNumbers = [];
    private readonly Dictionary<LogFile, BlockedLog> _blocked = [];
    private readonly List<OutputStream> _waitingForCredit = [];
    private bool _canEnlarge = true;
    private bool _isStopping;

    private long _outstanding;
    private bool _isCreditWaitedFor;
    private ProcessHostOptions _options;
    private bool _isDisposed;

    /// <summary>Makes a hub and starts its thread.</summary>
    /// <param name="events">Takes what there is to report.</param>
    /// <param name="options">What it needs to know of the configuration.</param>
    /// <param name="finished">Told, on the hub's thread, when all of a dead child's output is written and reported; null: nobody wants to know.</param>
    internal OutputHub(IProcessHostEvents events, ProcessHostOptions options, Action<ProcessId, Incarnation>? finished = null)
        : this(events, options, outstanding: 0, finished) => StartThread();

    private OutputHub(IProcessHostEvents events, ProcessHostOptions options, long outstanding, Action<ProcessId, Incarnation>? finished)
    {
        _finished = finished;
        _outstanding = outstanding;
        _events = events;
        _options = options;
        _logs = new LogFiles(events.Log);
        _syslog = new SyslogSender(options.SyslogSocket, options.SyslogTag, events.Log);
    }

    private enum OrderKind
    {
        Attach,
        Finish,
        WatchStdin,
        ClearCaptures,
        ReopenLogs,
        CreditIsBack,
        Rest,
        Stop,
    }

    /// <inheritdoc/>
    public bool TryOpenLogs(Spawn request, out int errno)
    {
        LogFile? stdout = null;
        LogFile? stderr = null;
        errno = 0;
        if (request.StdoutLog is { } stdoutPath)
        {
            stdout = _logs.Acquire(stdoutPath, request.Config.Stdout.MaxBytes, request.Config.Stdout.Backups, out errno);
        }

        if (errno == 0 && request.StderrLog is { } stderrPath && !request.Config.RedirectStderr)
        {
            stderr = _logs.Acquire(stderrPath, request.Config.Stderr.MaxBytes, request.Config.Stderr.Backups, out errno);
            if (errno != 0 && stdout is not null)
            {
                _ = _logs.Release(stdout);
            }
        }

        if (errno != 0)
        {
            return false;
        }

        lock (_children)
        {
            _children[request.Process] = new ChildOutput(request.Process, request.Incarnation, request.Config.Name, stdout, stderr);
        }

        return true;
    }

    /// <inheritdoc/>
    public void Abandon(ProcessId process, Incarnation incarnation)
    {
        if (Find(process, incarnation) is { } child)
        {
            Forget(child);
            Release(child.StdoutLog);
            Release(child.StderrLog);
        }
    }

    /// <inheritdoc/>
    public void Attach(Spawn request, int pid, int stdin, int stdout, int stderr)
    {
        ChildOutput child = Find(request.Process, request.Incarnation)
            ?? throw new InvalidOperationException($"the logs of {request.Config.Name} were not opened");
        child.Stdin = stdin >= 0 ? new StdinQueue(stdin) : null;
        child.Stdout = Stream(OutputChannel.Stdout, stdout, child.StdoutLog, request.TapStdout, request.Config.Stdout.Syslog);
        child.Stderr = stderr >= 0
            ? Stream(OutputChannel.Stderr, stderr, child.StderrLog, request.TapStderr, request.Config.Stderr.Syslog)
            : null;
        Post(new Order(OrderKind.Attach, child));

        OutputStream Stream(OutputChannel channel, int fd, LogFile? log, bool isTapped, bool isSyslog) => new(
            child,
            channel,
            fd,
            new OutputFilter(OutputFilterOptions.For(request.Config, channel, _options.StripAnsi)),
            log,
            isTapped,
            isSyslog ? NativeText.Encode(child.Name + " ") : null);
    }

    /// <inheritdoc/>
    public StdinResult WriteStdin(ProcessId process, Incarnation incarnation, ReadOnlyMemory<byte> data)
    {
        if (Find(process, incarnation) is not { Stdin: { } stdin, IsFinishing: false } child)
        {
            return StdinResult.Closed;
        }

        StdinResult result = stdin.Write(data.Span, out bool waits);
        if (waits)
        {
            Post(new Order(OrderKind.WatchStdin, child));
        }

        return result;
    }

    /// <inheritdoc/>
    public void Finish(ProcessId process, Incarnation incarnation, bool wantsOutput)
    {
        if (Find(process, incarnation) is { IsFinishing: false } child)
        {
            child.IsOutputWanted = wantsOutput;
            child.IsFinishing = true;
            Post(new Order(OrderKind.Finish, child));
        }
    }

    /// <inheritdoc/>
    public void OutputConsumed(int bytes)
    {
        if (Interlocked.Add(ref _outstanding, -bytes) <= Credit / 2 && Volatile.Read(ref _isCreditWaitedFor))
        {
            Volatile.Write(ref _isCreditWaitedFor, false);
            Post(new Order(OrderKind.CreditIsBack, null));
        }
    }

    /// <inheritdoc/>
    public bool ClearLogs(ProcessId process, string? stdoutLog, string? stderrLog)
    {
        bool cleared = stdoutLog is null || _logs.Clear(stdoutLog);
        cleared &= stderrLog is null || stderrLog == stdoutLog || _logs.Clear(stderrLog);
        ChildOutput? child;
        lock (_children)
        {
            child = _children.GetValueOrDefault(process);
        }

        if (child is not null)
        {
            Post(new Order(OrderKind.ClearCaptures, child));
        }

        return cleared;
    }

    /// <inheritdoc/>
    public void ReopenLogs() => Post(new Order(OrderKind.ReopenLogs, null));

    /// <inheritdoc/>
    public void Reconfigure(ProcessHostOptions options) => _options = options;

    /// <summary>
    /// Reads what the pipes hold, writes it and closes everything; reports nothing any more. A disk that stands still is not waited
    /// for longer than <see cref="StopPatience"/>.
    /// </summary>
    public void Dispose()
    {
        if (_isDisposed)
        {
            return;
        }

        _isDisposed = true;
        Post(new Order(OrderKind.Stop, null));
        if (_thread is null || _thread.Join(StopPatience))
        {
            if (_thread is null)
            {
                // It never began: what the pipes hold is somebody else's.
                CloseAll();
            }

            _poller.Dispose();
            _syslog.Dispose();
            _memory?.Dispose();
            NativeMemory.AlignedFree(_buffer);
        }
    }

    private ChildOutput? Find(ProcessId process, Incarnation incarnation)
    {
        lock (_children)
        {
            return _children.TryGetValue(process, out ChildOutput? child) && child.Incarnation == incarnation ? child : null;
        }
    }

    private void Forget(ChildOutput child)
    {
        lock (_children)
        {
            // The slot's next start may have taken its place.
            if (_children.TryGetValue(child.Process, out ChildOutput? present) && present == child)
            {
                _children.Remove(child.Process);
            }
        }
    }

    private void Post(Order order)
    {
        lock (_inboxGate)
        {
            _inbox.Add(order);
            if (_isAwake)
            {
                return;
            }

            _isAwake = true;
        }

        _poller.Wake();
    }

    // From here on everything happens on the hub's thread.

    private void Run()
    {
        while (!_isStopping && !_isAtRest)
        {
            int count = _poller.Wait(isWaiting: _hot.Count == 0);
            int pipes = 0;
            long bytes = 0;
            bool isWoken = false;
            for (int i = 0; i < count; i++)
            {
                int number = _poller.Number(i);
                if (number == Poller.WakeNumber)
                {
                    isWoken = true;
                    continue;
                }

                switch (_watched[number])
                {
                    case OutputStream stream:
                        pipes++;
                        bytes += Read(stream);
                        break;

                    case StdinQueue stdin:
                        if (!stdin.Continue())
                        {
                            Unwatch(stdin, stdin.Descriptor);
                        }

                        break;

                    case BlockedLog blocked:
                        Unblock(blocked);
                        break;
                }
            }

            ReadHot(ref pipes, ref bytes);
            if (isWoken)
            {
                TakeOrders();
            }

            // A number is given out again only after the round: an event of the old owner may still have been in it.
            foreach (int number in _leftNumbers)
            {
                _freeNumbers.Push(number);
            }

            _leftNumbers.Clear();
            if (pipes > 0 && bytes < (long)pipes * LittleBytes && !_isStopping)
            {
                _poller.Pause(RestNanoseconds);
            }
        }

        if (_isStopping)
        {
            Stop();
        }
    }

    /// <summary>
    /// Reads the hot pipes once each. They are not watched: the kernel would tell us of every single write of theirs (man 7 epoll; in
    /// the kernel's pipe code a pipe that was polled once wakes on each write), which costs the writer a tenth of its speed and
    /// tells us nothing that we do not know.
    /// </summary>
    private void ReadHot(ref int pipes, ref long bytes)
    {
        for (int i = _hot.Count - 1; i >= 0; i--)
        {
            OutputStream stream = _hot[i];
            if (stream.IsHot)
            {
                int count = Read(stream);
                pipes++;

                // Unless it was full it gets its rest: read again at once it would give a few lines and hold up its writer.
                bytes += count >= PipeSize ? count : 0;
                stream.EmptyReads = count > 0 ? (sbyte)0 : (sbyte)(stream.EmptyReads + 1);
                if (stream.IsHot && stream.EmptyReads >= EmptyReadsUntilCool)
                {
                    stream.IsHot = false;
                    Watch(stream);
                }
            }

            if (!stream.IsHot)
            {
                _hot.RemoveAt(i);
            }
        }
    }

    private void NoticeHeat(OutputStream stream, int count)
    {
        if (stream.IsHot)
        {
            return;
        }

        stream.HotReads = count >= HotBytes ? (sbyte)(stream.HotReads + 1) : (sbyte)0;
        if (stream.HotReads >= ReadsUntilHot && _hot.Count < MaxHot)
        {
            Unwatch(stream, stream.Descriptor);
            stream.HotReads = 0;
            stream.EmptyReads = 0;
            stream.IsHot = true;
            _hot.Add(stream);
            Enlarge(stream);
        }
    }

    private void TakeOrders()
    {
        _poller.TakeWake();
        lock (_inboxGate)
        {
            (_inbox, _taken) = (_taken, _inbox);
            _isAwake = false;
        }

        foreach (Order order in _taken)
        {
            switch (order.Kind)
            {
                case OrderKind.Attach:
                    Watch(order.Child!.Stdout!);
                    Watch(order.Child.Stderr);
                    break;

                case OrderKind.Finish:
                    string? lastOutput = Finish(order.Child!);
                    _events.OutputFinished(order.Child!.Process, order.Child.Incarnation, lastOutput);
                    _finished?.Invoke(order.Child.Process, order.Child.Incarnation);
                    break;

                case OrderKind.WatchStdin:
                    WatchStdin(order.Child!.Stdin!);
                    break;

                case OrderKind.ClearCaptures:
                    ClearCapture(order.Child!.Stdout);
                    ClearCapture(order.Child.Stderr);
                    break;

                case OrderKind.ReopenLogs:
                    _logs.Reopen();
                    break;

                case OrderKind.CreditIsBack:
                    foreach (OutputStream stream in _waitingForCredit)
                    {
                        Resume(stream);
                    }

                    _waitingForCredit.Clear();
                    break;

                case OrderKind.Rest:
                    ComeToRest();
                    break;

                case OrderKind.Stop:
                    _isStopping = true;
                    break;
            }
        }

        _taken.Clear();
    }

    /// <summary>Reads a pipe once; returns how much there was.</summary>
    private int Read(OutputStream stream)
    {
        if (stream.Log is { IsBlocked: true } log)
        {
            Pause(stream, WaitFor(log).Waiting);
            return 0;
        }

        if (stream.IsTapped && !HasCredit())
        {
            Pause(stream, _waitingForCredit);
            return 0;
        }

        nint count = ReadPipe(stream);
        if (count <= 0)
        {
            if (count == 0 || LibC.LastError != Errno.EAGAIN)
            {
                // Its end: all writers have closed it. The process may go on without it.
                End(stream);
            }

            return 0;
        }

        Take(stream, (int)count);
        NoticeFullness(stream, (int)count);
        if (stream.Log is { IsBlocked: true } blocked)
        {
            Pause(stream, WaitFor(blocked).Waiting);
            CountWaiting();
        }
        else
        {
            NoticeHeat(stream, (int)count);
        }

        return (int)count;
    }

    private nint ReadPipe(OutputStream stream)
    {
        if (_memory is { } memory)
        {
            return memory.Read(stream.Descriptor, stream.Key, _reports);
        }

        nint count;
        do
        {
            count = LibC.read(stream.Descriptor, _buffer, BufferSize);
        }
        while (LibC.Interrupted(count));

        return count;
    }

    private void Take(OutputStream stream, int count)
    {
        var sink = new Sink(this, stream);
        _piece = 0;
        stream.Filter.Write(new ReadOnlySpan<byte>(_memory is null ? _buffer : _memory.Buffer, count), ref sink);
        Settle(stream);
    }

    private void NoticeFullness(OutputStream stream, int count)
    {
        if (stream.FullReads < 0 || !_canEnlarge)
        {
            return;
        }

        stream.FullReads = count >= PipeSize ? (sbyte)(stream.FullReads + 1) : (sbyte)0;
        if (stream.FullReads >= FullReadsBeforeEnlarging)
        {
            Enlarge(stream);
        }
    }

    private void Enlarge(OutputStream stream)
    {
        if (stream.FullReads < 0 || !_canEnlarge)
        {
            return;
        }

        stream.FullReads = -1;
        for (int size = LargePipeSize; size > PipeSize; size /= 2)
        {
            // EPERM: larger than the system allows, or together more than our user may have.
            if (LibC.fcntl(stream.Descriptor, LibC.F_SETPIPE_SZ, size) >= 0)
            {
                return;
            }
        }

        _canEnlarge = false;
    }

    /// <summary>Ends a stream: what was held back goes out, the pipe is closed.</summary>
    private void End(OutputStream stream)
    {
        if (stream.Descriptor < 0)
        {
            return;
        }

        if (stream.Filter.Place != 0)
        {
            _memory?.Begin(OutputMemory.Kind.End, stream.Key, _reports);
            Flush(stream);
        }

        Unwatch(stream, stream.Descriptor);
        stream.IsHot = false;
        _ = LibC.close(stream.Descriptor);
        stream.Descriptor = -1;
    }

    private void Flush(OutputStream stream)
    {
        var sink = new Sink(this, stream);
        _piece = 0;
        long unfinished = stream.Filter.Flush(ref sink);
        if (unfinished > 0)
        {
            _events.Log(LogLevel.Warn, string.Create(
                CultureInfo.InvariantCulture,
                $"'{stream.Child.Name}' {Name(stream.Channel)} ended within a capture; its {unfinished} bytes are lost"));
        }

        Settle(stream);
    }

    private string? Finish(ChildOutput child)
    {
        Drain(child.Stdout);
        Drain(child.Stderr);
        if (child.Stdin is { } stdin)
        {
            Unwatch(stdin, stdin.Descriptor);
            stdin.Close();
        }

        string? lastOutput = child.IsOutputWanted ? LastOutput.Of(child) : null;
        Release(child.StdoutLog);
        Release(child.StderrLog);
        Forget(child);
        return lastOutput;
    }

    /// <summary>Reads as much as the pipe holds now, whoever goes on writing, and ends the stream.</summary>
    private void Drain(OutputStream? stream)
    {
        if (stream is null || stream.Descriptor < 0)
        {
            return;
        }

        int held = 0;
        if (LibC.ioctl(stream.Descriptor, LibC.FIONREAD, &held) != 0)
        {
            held = LargePipeSize;
        }

        while (held > 0)
        {
            nint count = ReadPipe(stream);
            if (count <= 0)
            {
                break;
            }

            Take(stream, (int)count);
            held -= (int)count;
        }

        End(stream);
        if (stream.IsPaused)
        {
            _waitingForCredit.Remove(stream);
            if (stream.Log is not null && _blocked.TryGetValue(stream.Log, out BlockedLog? blocked))
            {
                blocked.Waiting.Remove(stream);
            }
        }
    }

    private void Release(LogFile? log)
    {
        if (log is not null && !_logs.Release(log) && log.IsBlocked)
        {
            // Somebody must still read what this child wrote: it stays open without users until then.
            _ = WaitFor(log);
        }
    }

    private bool HasCredit()
    {
        if (Interlocked.Read(ref _outstanding) + LargestOutput < Credit)
        {
            return true;
        }

        Volatile.Write(ref _isCreditWaitedFor, true);

        // The engine may have given back the last of it before it could see that somebody waits.
        Interlocked.MemoryBarrier();
        if (Interlocked.Read(ref _outstanding) <= Credit / 2)
        {
            Volatile.Write(ref _isCreditWaitedFor, false);
            return true;
        }

        return false;
    }

    private BlockedLog WaitFor(LogFile log)
    {
        if (!_blocked.TryGetValue(log, out BlockedLog? blocked))
        {
            blocked = new BlockedLog(log);
            _blocked.Add(log, blocked);
            Watch(blocked, log.Descriptor, LibC.EPOLLOUT);
        }

        return blocked;
    }

    private void Unblock(BlockedLog blocked)
    {
        blocked.Log.WritePending();
        CountWaiting();
        if (blocked.Log.IsBlocked)
        {
            return;
        }

        _blocked.Remove(blocked.Log);
        Unwatch(blocked, blocked.Log.Descriptor);
        foreach (OutputStream stream in blocked.Waiting)
        {
            Resume(stream);
        }

        _ = _logs.CloseUnused(blocked.Log);
    }

    private void Pause(OutputStream stream, List<OutputStream> waiting)
    {
        if (!stream.IsPaused)
        {
            // Unwatched altogether: with no events wanted the end of the other side would still be reported, again and again.
            Unwatch(stream, stream.Descriptor);
            stream.IsHot = false;
            stream.IsPaused = true;
            waiting.Add(stream);
        }
    }

    private void Resume(OutputStream stream)
    {
        stream.IsPaused = false;
        Watch(stream);
    }

    private void Watch(OutputStream? stream)
    {
        if (stream is { Descriptor: >= 0, Number: < 0 })
        {
            Watch(stream, stream.Descriptor, LibC.EPOLLIN);
        }
    }

    private void WatchStdin(StdinQueue stdin)
    {
        if (stdin.Number < 0 && stdin.Descriptor >= 0)
        {
            Watch(stdin, stdin.Descriptor, LibC.EPOLLOUT);
        }
    }

    private void Watch(Watched watched, int fd, uint events)
    {
        if (!_freeNumbers.TryPop(out int number))
        {
            number = _watched.Count;
            _watched.Add(null);
        }

        _watched[number] = watched;
        watched.Number = number;
        int errno = _poller.Add(fd, events, number);
        if (errno != 0)
        {
            _events.Log(LogLevel.Critical, $"a descriptor cannot be watched: {ErrnoText.Python(errno)}; it is not served any more");
        }
    }

    private void Unwatch(Watched watched, int fd)
    {
        if (watched.Number < 0)
        {
            return;
        }

        if (fd >= 0)
        {
            _poller.Remove(fd);
        }

        _watched[watched.Number] = null;
        _leftNumbers.Add(watched.Number);
        watched.Number = -1;
    }

    private void Stop()
    {
        ChildOutput[] children;
        lock (_children)
        {
            children = [.. _children.Values];
        }

        foreach (ChildOutput child in children)
        {
            _ = Finish(child);
        }

        foreach (BlockedLog blocked in _blocked.Values)
        {
            blocked.Log.WritePending();
            blocked.Log.Close();
        }
    }

    private static string Name(OutputChannel channel) => channel == OutputChannel.Stdout ? "stdout" : "stderr";

    /// <summary>Something to be done by the hub's thread.</summary>
    private readonly record struct Order(OrderKind Kind, ChildOutput? Child);

    /// <summary>Where the bytes of one stream go.</summary>
    private readonly ref struct Sink(OutputHub hub, OutputStream stream) : IOutputSink
    {
        public void Log(ReadOnlySpan<byte> data)
        {
            if (stream.Log is not { IsFile: true })
            {
                (stream.Recent ??= new RecentOutput()).Add(data);
            }

            if (hub._memory is { } memory)
            {
                hub.Log(stream, data, memory);
                return;
            }

            stream.Log?.Write(data);
            if (stream.SyslogPrefix is { } prefix)
            {
                hub._syslog.Send(prefix, data, WallClock.Now);
            }
        }

        public void Tap(ReadOnlySpan<byte> data)
        {
            if (stream.IsTapped && hub.IsNews())
            {
                Interlocked.Add(ref hub._outstanding, data.Length);
                hub._events.Output(stream.Child.Process, stream.Child.Incarnation, stream.Channel, data.ToArray());
            }
        }

        public void Captured(ReadOnlySpan<byte> data)
        {
            if (hub.IsNews())
            {
                hub._events.Communication(stream.Child.Process, stream.Child.Incarnation, stream.Channel, data.ToArray());
            }
        }
    }
}
