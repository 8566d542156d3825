using System.Diagnostics;
using Steward.Core.Config;
using Steward.Core.Model;
using Steward.Core.Ports;
using Steward.Linux.Interop;

namespace Steward.Linux.Processes;

/// <summary>
/// The programs of hooks. They are children like others, but no part of supervision: made on a hook's thread, which waits for them; reaped by
/// the engine's thread with all the rest, because a status can be taken only once.
/// </summary>
/// <remarks>
/// <para>A race, told once. Hook: spawns pid 7. Engine: reaps 7 before the hook has written down that 7 is its own. So while a spawn is under
/// way the engine puts unknown pids aside (<see cref="_early"/>), and the hook looks there first. What nobody asks for when no spawn is under way
/// any more is an orphan, and is given back to the engine.</para>
/// <para>A pid is signalled under the same lock under which its reaping is written down, and only before: no signal reaches a stranger. For that
/// the lock is held around <c>waitpid</c> while a program runs.</para>
/// </remarks>
internal sealed unsafe class HookProcesses : IHookProcesses
{
    private const int OutputLimit = 4096;

    /// <summary>How long the end of a killed group is waited for, and output that somebody in the background still holds.</summary>
    private const int EndPatienceMs = 2000;

    private readonly Lock _gate = new();
    private readonly Spawner _spawner;
    private readonly ChildEnvironment _environment;
    private readonly Action _spawned;
    private readonly Action _orphansFound;
    private readonly Dictionary<int, Running> _running = [];
    private readonly Dictionary<int, WaitStatus> _early = [];
    private readonly Queue<(int Pid, WaitStatus Status)> _orphans = new();
    private int _spawning;
    private bool _isEnded;
    private volatile ProcessHostOptions? _options;

    /// <summary>Prepares; nothing runs yet.</summary>
    /// <param name="spawner">Makes children.</param>
    /// <param name="environment">The daemon's own variables.</param>
    /// <param name="spawned">Called after each spawn, for the one who watches for dead children.</param>
    /// <param name="orphansFound">Called when <see cref="Reap"/> has something though no child died since.</param>
    public HookProcesses(Spawner spawner, ChildEnvironment environment, Action spawned, Action orphansFound)
    {
        _spawner = spawner;
        _environment = environment;
        _spawned = spawned;
        _orphansFound = orphansFound;
    }

    /// <summary>What is in force.</summary>
    public ProcessHostOptions Options
    {
        set => _options = value;
    }

    /// <inheritdoc/>
    public HookProcessResult Run(HookProcess process)
    {
        // The finder and the environment know programs: this is one for a moment.
        var config = new ProcessConfig
        {
            Name = "hook", Program = "hook", Command = process.Command, Environment = EquatableList.From(process.Variables), RedirectStderr = true,
        };
        if (CommandFinder.Find(config, _environment.Path, out IReadOnlyList<string> words, out string file) is { } fault)
        {
            return Failed(fault.Extra ?? fault.Text);
        }

        UserIdentity? user = process.User is { } other && other.Uid != (int)LibC.getuid() ? other : null;
        using var descriptors = new Descriptors();
        int errno = descriptors.Open(stdin: true, stderr: false, user?.Uid ?? -1, user?.Gid ?? -1);
        int ended = errno == 0 ? LibC.eventfd(0, LibC.EFD_CLOEXEC | LibC.EFD_NONBLOCK) : -1;
        if (ended < 0)
        {
            return Failed("its pipes could not be made: " + ErrnoText.Code(errno != 0 ? errno : LibC.LastError));
        }

        using var running = new Running(ended);
        lock (_gate)
        {
            if (_isEnded)
            {
                return Failed("the daemon is on its way out");
            }

            _spawning++;
        }

        SpawnResult result = _spawner.Spawn(new ChildPlan
        {
            File = NativeText.Encode(file),
            Arguments = [.. words.Select(NativeText.Encode)],
            Environment = _environment.With(process.Variables),
            Stdin = descriptors.ChildStdin,
            Stdout = descriptors.ChildStdout,
            Stderr = descriptors.ChildStderr,
            User = user,
            NoFile = _options?.ChildNoFile,
        });
        Register(result.Pid, running);
        if (result.Pid == 0)
        {
            return Failed("it could not be started: " + ErrnoText.Code(result.Errno));
        }

        _spawned();
        (int stdin, int stdout, _) = descriptors.TakeOurs();
        descriptors.Dispose();
        HookProcessResult answer = Attend(running, stdin, stdout, process);
        return result.Errno == 0
            ? answer
            : Failed($"it could not be started: {ErrnoText.Code(result.Errno)} (stage: {result.Stage})");
    }

    /// <inheritdoc/>
    public void EndAll()
    {
        lock (_gate)
        {
            _isEnded = true;
            foreach (Running running in _running.Values)
            {
                running.IsKilled = true;
                _ = LibC.kill(-running.Pid, Signals.Kill);
            }
        }
    }

    /// <summary>
    /// Finds the next dead child of the daemon, on the engine's thread; those that are ours are taken out. A supervised program is not reaped
    /// yet, so that its end can be written down before; anybody else is.
    /// </summary>
    /// <param name="isKnown">Whether a pid is a supervised program's.</param>
    /// <param name="pid">The pid; 0 or negative for none.</param>
    /// <param name="status">How it ended.</param>
    public void Reap(HashSet<int> isKnown, out int pid, out WaitStatus status)
    {
        lock (_gate)
        {
            while (true)
            {
                if (!ChildStatus.TryPeek(0, out pid, out status))
                {
                    if (_spawning == 0 && _orphans.TryDequeue(out (int Pid, WaitStatus Status) orphan))
                    {
                        (pid, status) = orphan;
                    }

                    return;
                }

                if (isKnown.Contains(pid))
                {
                    return;
                }

                ChildStatus.Reap(pid);
                if (_running.Remove(pid, out Running? running))
                {
                    running.End(status);
                }
                else if (_spawning > 0)
                {
                    _early[pid] = status;
                }
                else
                {
                    return;
                }
            }
        }
    }

    private static HookProcessResult Failed(string error) => new(error, null, TimedOut: false, "");

    private void Register(int pid, Running running)
    {
        bool found = false;
        lock (_gate)
        {
            _spawning--;
            running.Pid = pid;
            if (pid != 0)
            {
                if (_early.Remove(pid, out WaitStatus status))
                {
                    running.End(status);
                }
                else
                {
                    _running.Add(pid, running);
                    if (_isEnded)
                    {
                        running.IsKilled = true;
                        _ = LibC.kill(-pid, Signals.Kill);
                    }
                }
            }

            if (_spawning == 0)
            {
                foreach ((int orphan, WaitStatus status) in _early)
                {
                    _orphans.Enqueue((orphan, status));
                    found = true;
                }

                _early.Clear();
            }
        }

        if (found)
        {
            _orphansFound();
        }
    }

    private void Kill(Running running)
    {
        lock (_gate)
        {
            if (_running.ContainsKey(running.Pid))
            {
                running.IsKilled = true;
                _ = LibC.kill(-running.Pid, Signals.Kill);
            }
        }
    }

    /// <summary>Feeds stdin, gathers output, waits for the end, kills when it takes too long.</summary>
    private HookProcessResult Attend(Running running, int stdin, int stdout, HookProcess process)
    {
        var output = new Tail();
        ReadOnlySpan<byte> input = process.Stdin.Span;
        byte* buffer = stackalloc byte[4096];
        LibC.PollFd* fds = stackalloc LibC.PollFd[3];
        long due = Stopwatch.GetTimestamp() + (process.TimeoutMs * Stopwatch.Frequency / 1000);
        bool isTimedOut = false;
        try
        {
            while (true)
            {
                if (stdin >= 0 && input.IsEmpty)
                {
                    Close(ref stdin);
                }

                fds[0] = new LibC.PollFd { Fd = running.EndedFd, Events = LibC.POLLIN };
                fds[1] = new LibC.PollFd { Fd = stdout, Events = LibC.POLLIN };
                fds[2] = new LibC.PollFd { Fd = stdin, Events = LibC.POLLOUT };
                long left = (due - Stopwatch.GetTimestamp()) * 1000 / Stopwatch.Frequency;
                int ready = left < 0 ? 0 : LibC.poll(fds, 3, (int)Math.Min(left + 1, int.MaxValue));
                if (ready < 0 && LibC.LastError == Errno.EINTR)
                {
                    continue;
                }

                if (ready <= 0)
                {
                    if (isTimedOut)
                    {
                        // Killed, and still not dead: it hangs in the kernel. It is reaped when it comes out.
                        return new HookProcessResult(null, null, TimedOut: true, output.Text);
                    }

                    isTimedOut = true;
                    Kill(running);
                    due = Stopwatch.GetTimestamp() + (EndPatienceMs * Stopwatch.Frequency / 1000);
                    continue;
                }

                if (fds[2].Returned != 0)
                {
                    fixed (byte* start = input)
                    {
                        nint written = LibC.write(stdin, start, (nuint)Math.Min(input.Length, 64 << 10));
                        if (written > 0)
                        {
                            input = input[(int)written..];
                        }
                        else if (LibC.LastError is not (Errno.EAGAIN or Errno.EINTR))
                        {
                            // It does not want it all: its own affair.
                            input = default;
                        }
                    }
                }

                if (fds[1].Returned != 0 && !Read(stdout, buffer, output))
                {
                    Close(ref stdout);
                }

                if (fds[0].Returned != 0)
                {
                    // Dead: what is in the pipe now is all that is its own.
                    while (stdout >= 0 && Read(stdout, buffer, output))
                    {
                        if (!MoreIn(stdout))
                        {
                            break;
                        }
                    }

                    return new HookProcessResult(null, running.Status, running.IsKilled, output.Text);
                }
            }
        }
        finally
        {
            Close(ref stdin);
            Close(ref stdout);
        }
    }

    /// <summary>Reads once; false at the end of the stream. Nothing there is no end.</summary>
    private static bool Read(int fd, byte* buffer, Tail output)
    {
        nint length = LibC.read(fd, buffer, 4096);
        if (length > 0)
        {
            output.Add(new ReadOnlySpan<byte>(buffer, (int)length));
            return true;
        }

        return length < 0 && LibC.LastError is Errno.EAGAIN or Errno.EINTR;
    }

    private static bool MoreIn(int fd)
    {
        var poll = new LibC.PollFd { Fd = fd, Events = LibC.POLLIN };
        return LibC.poll(&poll, 1, 0) > 0 && (poll.Returned & LibC.POLLIN) != 0;
    }

    private static void Close(ref int fd)
    {
        if (fd >= 0)
        {
            _ = LibC.close(fd);
        }

        fd = -1;
    }

    /// <summary>A program that runs, or has just ended. Its members belong to the gate.</summary>
    private sealed class Running(int endedFd) : IDisposable
    {
        private readonly Lock _closing = new();
        private bool _isClosed;
        private volatile int _status = -1;
        private volatile bool _isKilled;

        public int Pid { get; set; }

        /// <summary>Readable when it has ended.</summary>
        public int EndedFd { get; } = endedFd;

        public WaitStatus Status => new(_status);

        public bool IsKilled
        {
            get => _isKilled;
            set => _isKilled = value;
        }

        public void End(WaitStatus status)
        {
            _status = status.Raw;
            lock (_closing)
            {
                if (!_isClosed)
                {
                    long one = 1;
                    _ = LibC.write(EndedFd, (byte*)&one, sizeof(long));
                }
            }
        }

        public void Dispose()
        {
            lock (_closing)
            {
                if (!_isClosed)
                {
                    _isClosed = true;
                    _ = LibC.close(EndedFd);
                }
            }
        }
    }

    /// <summary>The last bytes of what is written into it.</summary>
    private sealed class Tail
    {
        private readonly byte[] _bytes = new byte[2 * OutputLimit];
        private int _length;

        public string Text => System.Text.Encoding.UTF8.GetString(_bytes.AsSpan(Math.Max(0, _length - OutputLimit), Math.Min(_length, OutputLimit)));

        public void Add(ReadOnlySpan<byte> bytes)
        {
            bytes = bytes[Math.Max(0, bytes.Length - OutputLimit)..];
            if (_length + bytes.Length > _bytes.Length)
            {
                int keep = OutputLimit;
                _bytes.AsSpan(_length - keep, keep).CopyTo(_bytes);
                _length = keep;
            }

            bytes.CopyTo(_bytes.AsSpan(_length));
            _length += bytes.Length;
        }
    }
}
