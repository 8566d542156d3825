using Steward.Core.Config;
using Steward.Core.Effects;
using Steward.Core.Inputs;
using Steward.Core.Model;
using Steward.Core.Ports;
using Steward.Linux.Handover;
using Steward.Linux.Interop;
using Steward.Linux.Watching;

namespace Steward.Linux.Processes;

/// <summary>
/// The children of the daemon: made, signalled and reaped here; their streams are the output hub's.
/// </summary>
/// <remarks>
/// <para>
/// A program's start fails in one of two ways, as it does with Supervisor. What goes wrong before there is a process (the command,
/// the pipes, the log files, the socket, the process table) is a spawn error with its text. What goes wrong between fork and exec
/// (user, directory, exec itself) is a child that wrote two lines to its stderr and exited with 127: it has a pid, its lines are
/// in its log, it is reaped. The lines are written here, into the pipe that the child left behind, because the child itself runs
/// no code that could word them.
/// </para>
/// <para>
/// Threads: everything is called on the engine's thread, except for what <see cref="IProcessHostEvents"/> reports. A pid is
/// signalled only from its spawn until its reaping, both of which happen on that thread, so no signal can reach a stranger.
/// </para>
/// </remarks>
public sealed unsafe partial class ProcessHost : IProcessHost, IDisposable
{
    private readonly IOutputHub _hub;
    private readonly Spawner _spawner;
    private readonly ChildWatcher _watcher;
    private readonly FastCgiSockets _sockets;
    private readonly Survivors _survivors;
    private readonly MemorySampler _sampler;
    private readonly HealthProber _health;
    private readonly IProcessHostEvents _events;
    private readonly ChildEnvironment _environment = new();
    private readonly HookProcesses _hookProcesses;
    private readonly HashSet<int> _children = [];
    private readonly Dictionary<(ProcessId, Incarnation), FastCgiSocketConfig> _socketUsers = [];
    private readonly Host.OutOfMemoryWatch _memory = Host.OutOfMemoryWatch.OfThisProcess();

    // Those of the children that are no children of this process, and their ends that have not been taken yet.
    private readonly ForeignProcesses _foreign;
    private readonly HashSet<int> _foreignChildren = [];
    private readonly Queue<(int Pid, WaitStatus Status)> _foreignDead = new();
    private AdoptionFile? _adoptionFile;
    private ProcessHostOptions _options;

    /// <summary>Makes a host with its own output hub.</summary>
    /// <param name="events">Takes what happens to children, on any thread.</param>
    /// <param name="options">What it needs to know of the configuration.</param>
    /// <param name="keeper">Holds copies of what must outlive the daemon; null: nobody does.</param>
    public ProcessHost(IProcessHostEvents events, ProcessHostOptions options, KeeperLink? keeper = null)
        : this(events, options, new Output.OutputHub(events, options, DropFor(keeper)), keeper: keeper)
    {
    }

    /// <summary>Takes over a hub (and disposes it); the rest as in the public constructor.</summary>
    internal ProcessHost(
        IProcessHostEvents events, ProcessHostOptions options, IOutputHub hub, IReadOnlyList<string>? execHelper = null, KeeperLink? keeper = null)
        : this(events, options, hub, new FastCgiSockets(events, keeper), new Spawner(execHelper), keeper) => _watcher.Start();

    // Nothing begins here.
    private ProcessHost(
        IProcessHostEvents events, ProcessHostOptions options, IOutputHub hub, FastCgiSockets sockets, Spawner spawner, KeeperLink? keeper)
    {
        _events = events;
        _options = options;
        _hub = hub;
        _keeper = keeper;
        _spawner = spawner;
        _sockets = sockets;
        _watcher = new ChildWatcher(events.ChildrenExited, failure => events.Log(LogLevel.Critical, failure));
        _survivors = new Survivors(events, keeper?.KeeperPid ?? Environment.ProcessId);
        _sampler = new MemorySampler(events);
        _health = new HealthProber(events);
        _hookProcesses = new HookProcesses(_spawner, _environment, _watcher.Spawned, events.ChildrenExited) { Options = options };
        _foreign = new ForeignProcesses(ForeignEnded);
    }

    /// <summary>
    /// Makes a host in the place of one that died; programs come in by <see cref="Adopt"/>, and nothing moves before <see cref="Begin"/>.
    /// </summary>
    /// <param name="events">As in the constructor.</param>
    /// <param name="options">As in the constructor.</param>
    /// <param name="keeper">Who held what the other had.</param>
    /// <param name="file">The adoption file; the host's from here on.</param>
    /// <param name="known">What the file of the other tells.</param>
    public static ProcessHost Succeed(
        IProcessHostEvents events, ProcessHostOptions options, KeeperLink keeper, AdoptionFile file, IReadOnlyList<Orphan> known)
    {
        var host = new ProcessHost(
            events, options, Output.OutputHub.AtRest(events, options, DropFor(keeper)), new FastCgiSockets(events, keeper), new Spawner(), keeper);
        foreach (Orphan program in known)
        {
            host._known[program.Pid] = program.StartTime;
        }

        // Before anything is started. What has ended of it is known later.
        host._adoptionFile = file;
        file.Begin(known);
        host.TakeOutput(keeper.Table);
        return host;
    }

    /// <summary>The programs of hooks. They are children of the daemon, so their end is noticed only while the engine runs.</summary>
    public IHookProcesses HookProcesses => _hookProcesses;

    /// <summary>A reload brought new settings; they hold for spawns from now on.</summary>
    public void Reconfigure(ProcessHostOptions options)
    {
        _options = options;
        _hookProcesses.Options = options;
        _hub.Reconfigure(options);
    }

    /// <summary>
    /// Removes the AUTO logs that earlier runs with the same identifier left in <c>childlogdir</c>; what cannot be removed is
    /// logged. To be called before groups are prepared, at start and on each reload, unless <c>nocleanup</c> is set.
    /// </summary>
    public void CleanUpAutoLogs() => AutoLogs.CleanUp(_options.ChildLogDir, _options.Identifier, _events);

    /// <inheritdoc/>
    public GroupPrepared PrepareGroup(RequestId request, GroupConfig group)
    {
        string? failure = AutoLogs.Create(group, _options.ChildLogDir, _options.Identifier, out IReadOnlyList<AutoLog> logs);
        foreach (FastCgiSocketConfig socket in group.Processes.Select(static process => process.Socket).OfType<FastCgiSocketConfig>().Distinct())
        {
            failure ??= _sockets.Test(socket);
        }

        if (failure is not null)
        {
            AutoLogs.Remove(logs);
            logs = [];
        }

        return new GroupPrepared(request, group, logs, failure);
    }

    /// <inheritdoc/>
    public Fault? CheckCommand(ProcessConfig config) => CommandFinder.Find(config, _environment.Path, out _, out _);

    /// <inheritdoc/>
    public SpawnAnswer Spawn(Spawn request)
    {
        ProcessConfig config = request.Config;
        int socket = -1;
        if (config.Socket is not null && _sockets.Acquire(config.Socket, out socket) is { } noSocket)
        {
            return new SpawnAnswer(0, noSocket, "socket");
        }

        SpawnAnswer answer = Spawn(request, socket);
        if (config.Socket is not null)
        {
            if (answer.Pid == 0)
            {
                _sockets.Release(config.Socket);
            }
            else
            {
                _socketUsers.Add((request.Process, request.Incarnation), config.Socket);
            }
        }

        return answer;
    }

    /// <inheritdoc/>
    public SignalResult Signal(int pid, int number, bool toGroup, out string? error)
    {
        error = null;
        if (!_children.Contains(pid))
        {
            return SignalResult.Gone;
        }

        if (number != 0)
        {
            _survivors.Remember(pid);
        }

        if (_foreignChildren.Contains(pid))
        {
            return _foreign.Signal(pid, number, toGroup, out error);
        }

        if (_kept.TryGetValue(pid, out ulong startTime))
        {
            // When the keeper dies, others reap: until that is noticed the number alone proves nothing.
            return ForeignProcesses.Signal(pid, startTime, number, toGroup, out error);
        }

        if (LibC.kill(toGroup ? -pid : pid, number) == 0)
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

    /// <inheritdoc/>
    public StdinResult WriteStdin(ProcessId process, Incarnation incarnation, ReadOnlyMemory<byte> data) =>
        _hub.WriteStdin(process, incarnation, data);

    /// <inheritdoc/>
    public bool TryReap(out int pid, out WaitStatus status)
    {
        bool found = TryFindDead(out pid, out status);
        if (found && _children.Contains(pid))
        {
            Reap(pid);
        }

        return found;
    }

    /// <inheritdoc/>
    public bool TryFindDead(out int pid, out WaitStatus status)
    {
        if (!TakeForeign(out pid, out status) && !TryFindKept(out pid, out status))
        {
            do
            {
                _hookProcesses.Reap(_children, out pid, out status);
            }
            while (pid > 0 && TakeHelper(pid, status));
        }

        return pid > 0;
    }

    /// <inheritdoc/>
    public void Reap(int pid)
    {
        if (_kept.Remove(pid))
        {
            _keeper!.Reap(pid);
        }
        else if (_foreignChildren.Remove(pid))
        {
            _foreign.Forget(pid);
        }
        else
        {
            ChildStatus.Reap(pid);
        }

        if (_children.Remove(pid))
        {
            _survivors.Reaped(pid);
            _adoptionFile?.Ended(pid);
        }
    }

    /// <inheritdoc/>
    public void ReapingDone()
    {
        _watcher.ReapingDone();
        if (HasForeignDead)
        {
            // It came after the last look, when it still counted as told.
            _events.ChildrenExited();
        }
    }

    /// <inheritdoc/>
    public void FinishOutput(ProcessId process, Incarnation incarnation, bool wantsOutput)
    {
        if (_withoutOutput.Remove((process, incarnation)))
        {
            _events.OutputFinished(process, incarnation);
            return;
        }

        _hub.Finish(process, incarnation, wantsOutput);
        if (_socketUsers.Remove((process, incarnation), out FastCgiSocketConfig? socket))
        {
            _sockets.Release(socket);
        }
    }

    /// <inheritdoc/>
    public bool? TakeOutOfMemoryKill() => _memory.Take();

    /// <inheritdoc/>
    public void OutputConsumed(int bytes) => _hub.OutputConsumed(bytes);

    /// <summary>
    /// Says how many bytes that a host before this one reported are still to be <see cref="OutputConsumed">given back</see>. Once, before
    /// <see cref="Begin"/>.
    /// </summary>
    /// <param name="bytes">The number.</param>
    public void OutputReported(int bytes) => _hub.OutputConsumed(-bytes);

    /// <inheritdoc/>
    public bool ClearLogs(ProcessId process, string? stdoutLog, string? stderrLog) => _hub.ClearLogs(process, stdoutLog, stderrLog);

    /// <inheritdoc/>
    public void ReopenLogs() => _hub.ReopenLogs();

    /// <inheritdoc/>
    public IReadOnlyList<string> EndSurvivors(EndSurvivors request) => _survivors.End(request, _children.Contains);

    /// <inheritdoc/>
    public void MeasureMemory(ProcessId process, Incarnation incarnation, int pid) => _sampler.Measure(process, incarnation, pid);

    /// <inheritdoc/>
    public void ProbeHealth(ProcessId process, Incarnation incarnation, HealthConfig health) => _health.Probe(process, incarnation, health);

    /// <summary>
    /// Closes pipes, files and sockets and stops looking for dead children. Children that live are left alone.
    /// </summary>
    public void Dispose()
    {
        _foreign.Dispose();
        _adoptionFile?.Dispose();
        _sampler.Dispose();
        _health.Dispose();
        _watcher.Dispose();
        _hub.Dispose();
        _sockets.Dispose();
        _spawner.Dispose();
    }

    private SpawnAnswer Spawn(Spawn request, int socket)
    {
        ProcessConfig config = request.Config;
        if (CommandFinder.Find(config, _environment.Path, out IReadOnlyList<string> words, out string file) is { } fault)
        {
            return new SpawnAnswer(0, fault.Extra, "command");
        }

        // A user that the daemon already is changes nothing, not even the groups.
        UserIdentity? user = config.User is { } other && other.Uid != (int)LibC.getuid() ? other : null;
        using var descriptors = new Descriptors();
        int errno = descriptors.Open(stdin: socket < 0, stderr: !config.RedirectStderr, user?.Uid ?? -1, user?.Gid ?? -1);
        if (errno != 0 || !_hub.TryOpenLogs(request, out errno))
        {
            return new SpawnAnswer(0, errno == Errno.EMFILE
                ? $"too many open files to spawn '{config.Name}'"
                : $"unknown error making dispatchers for '{config.Name}': {ErrnoText.Code(errno)}", "pipes and logs");
        }

        // Before the spawn: whatever the program writes is somebody's to read, should we die in the next moment.
        HoldPipes(request, descriptors);
        string? controlGroup = _survivors.Prepare(request);
        _adoptionFile?.Spawning(request.Group, config);
        SpawnResult result = _spawner.Spawn(new ChildPlan
        {
            File = NativeText.Encode(file),
            Arguments = [.. words.Select(NativeText.Encode)],
            Environment = _environment.For(config, request.Group, _options.ServerUrl),
            Stdin = socket < 0 ? descriptors.ChildStdin : socket,
            Stdout = descriptors.ChildStdout,
            Stderr = descriptors.ChildStderr,
            User = user,
            Directory = config.Directory is null ? null : NativeText.Encode(config.Directory),
            Umask = config.Umask,
            NoFile = _options.ChildNoFile,
            ControlGroup = controlGroup is null ? null : NativeText.Encode(controlGroup + "/cgroup.procs"),
        });

        if (result.Pid == 0)
        {
            return NotSpawned(request, result.Errno == Errno.EAGAIN
                ? $"Too many processes in process table to spawn '{config.Name}'"
                : $"unknown error during fork for '{config.Name}': {ErrnoText.Code(result.Errno)}");
        }

        if (!_children.Add(result.Pid))
        {
            // The pid was that of a program of a daemon before, which died a moment ago and was reaped by others. Its end is to be told first.
            _ = LibC.kill(result.Pid, LibC.SIGKILL);
            _ = Host.HelperProcess.Wait(result.Pid);
            return NotSpawned(request, $"the pid that '{config.Name}' got is one whose former end is not yet known");
        }

        _adoptionFile?.Spawned(result.Pid, request.Group, config);
        _survivors.Follow(request, result.Pid, controlGroup);
        if (result.Errno != 0)
        {
            WriteLastWords(descriptors.ChildStderr, Explain(result, config, words[0]));
        }

        (int stdin, int stdout, int stderr) = descriptors.TakeOurs();
        _hub.Attach(request, result.Pid, stdin, stdout, stderr);
        _watcher.Spawned();
        return new SpawnAnswer(result.Pid, null);
    }

    /// <summary>Nothing came of it: what was made for the process is given up.</summary>
    private SpawnAnswer NotSpawned(Spawn request, string reason)
    {
        _adoptionFile?.NotSpawned();
        _hub.Abandon(request.Process, request.Incarnation);
        DropFor(_keeper)?.Invoke(request.Process, request.Incarnation);
        return new SpawnAnswer(0, reason, "fork");
    }

    private static string Explain(SpawnResult failure, ProcessConfig config, string command)
    {
        string code = ErrnoText.Code(failure.Errno);
        return failure.Stage switch
        {
            SpawnStage.Groups or SpawnStage.GroupId or SpawnStage.UserId => $"couldn't setuid to {config.User?.Uid}: " + failure.Stage switch
            {
                _ when LibC.getuid() != 0 => "Can't drop privilege as nonroot user",
                SpawnStage.Groups => "Could not set groups of effective user",
                SpawnStage.GroupId => "Could not set group id of effective user",
                _ => "Could not set user id of effective user: " + code,
            },
            SpawnStage.Directory => $"couldn't chdir to {config.Directory}: {code}",
            SpawnStage.Exec => $"couldn't exec {command}: {code}",
            SpawnStage stage => $"couldn't prepare the process ({stage}): {code}",
        };
    }

    /// <summary>What the child would have said, into the pipe of its stderr, which is empty and which nobody else holds.</summary>
    private static void WriteLastWords(int fd, string reason)
    {
        byte[] text = NativeText.Encode($"supervisor: {reason}\nsupervisor: child process was not spawned\n");

        // Longer than the pipe (a directory of several thousand characters): cut rather than wait for ourselves.
        _ = LibC.fcntl(fd, LibC.F_SETFL, LibC.O_WRONLY | LibC.O_NONBLOCK);
        fixed (byte* start = text)
        {
            while (LibC.Interrupted(LibC.write(fd, start, (nuint)text.Length)))
            {
            }
        }
    }
}
