using Steward.Core.Config;
using Steward.Core.Effects;
using Steward.Core.Events;
using Steward.Core.Inputs;
using Steward.Core.Model;

namespace Steward.Core.Supervision;

/// <summary>Settings that the machine needs beside the groups.</summary>
/// <param name="Identifier">The <c>server:</c> token of events.</param>
/// <param name="LogLevel">Decides whether child output is echoed to the activity log.</param>
public sealed record SupervisorSettings(string Identifier, LogLevel LogLevel);

/// <summary>
/// The machine that decides everything. One call, one input, all consequences as effects; nothing in here reads a clock,
/// waits, or touches the outside.
/// </summary>
/// <remarks>
/// Parts: this file takes inputs in and answers queries; <c>.Processes</c> holds the actions of <see cref="ProcessTable"/>,
/// <c>.Watches</c> memory and health, <c>.Survivors</c> what a dead process left behind, <c>.Orphans</c> programs of an earlier daemon, <c>.Intents</c> what operators want, <c>.Requests</c> what clients ask for, <c>.Events</c> the listener pools, <c>.Stopping</c> shutdown and reload. State is plain
/// data: no closures, tasks or clocks, so that it can be written down.
/// </remarks>
public sealed partial class Supervisor
{
    private readonly Dictionary<ProcessId, ProcessSlot> _slots = [];
    private readonly Dictionary<string, ProcessGroup> _groups = new(StringComparer.Ordinal);
    private readonly DeadlineQueue _deadlines = new();

    // In ascending priority, ties in the order of activation.
    private readonly List<ProcessGroup> _byPriority = [];

    // In the order of activation.
    private readonly List<ProcessGroup> _byActivation = [];

    private ProcessSlot[]? _sorted;
    private Configuration? _latest;
    private int _lastProcess;
    private bool _isUp;

    // Valid during a step.
    private Moment _now;
    private List<Effect> _effects = [];

    /// <summary>Makes a machine without groups; the daemon's state is RUNNING once <see cref="DaemonStarted"/> came.</summary>
    public Supervisor(SupervisorSettings settings)
    {
        Settings = settings;
    }

    /// <summary>The settings in force.</summary>
    public SupervisorSettings Settings { get; private set; }

    /// <summary>The daemon's state.</summary>
    public DaemonState State { get; private set; } = DaemonState.Running;

    /// <summary>Monotonic nanoseconds of the next moment at which a step is needed; <see cref="long.MaxValue"/> for none.</summary>
    public long NextDeadline => _deadlines.Next;

    /// <summary>
    /// Whether facts are told as <see cref="Record"/>: false while nobody would read them. Not part of the state, as it is the outside
    /// that knows who listens.
    /// </summary>
    public bool IsRecording { get; set; }

    /// <summary>Told of each cell of the table that runs and of each change of a state; null in a daemon.</summary>
    internal IMachineObserver? Observer { get; set; }

    /// <summary>Every process of every active group, in no particular order.</summary>
    /// <summary>Whether the start-up sequence is complete: at start, and again after each reload.</summary>
    public bool IsUp => _isUp;

    /// <summary>Whether a signal whose answer is not there yet is one that a client sends, and does not stop a process.</summary>
    public bool IsAskedSignal(Signal signal) =>
        _slots.TryGetValue(signal.Process, out ProcessSlot? slot) && slot.Purpose == SignalPurpose.Request && slot.Incarnation == signal.Incarnation;

    internal IEnumerable<ProcessSlot> Slots => _slots.Values;

    /// <summary>Changes the state by one input and appends what is to be done.</summary>
    /// <param name="now">The time of this step; monotonic time never goes back between steps.</param>
    /// <param name="input">What happened.</param>
    /// <param name="effects">Where effects are appended.</param>
    public void Step(in Moment now, Input input, List<Effect> effects)
    {
        _now = now;
        _effects = effects;
        switch (input)
        {
            case TimePassed:
                RunDeadlines();
                break;

            case ChildSpawned spawned when Find(spawned.Process, spawned.Incarnation) is { State: ProcessState.Starting, Pid: 0 } slot:
                slot.Pid = spawned.Pid;
                Trigger(slot, ProcessTrigger.Spawned);
                break;

            case SpawnFailed failed when Find(failed.Process, failed.Incarnation) is { State: ProcessState.Starting, Pid: 0 } slot:
                slot.SpawnErr = failed.SpawnErr;
                _spawnStage = failed.Stage;
                Trigger(slot, ProcessTrigger.SpawnFailed);
                break;

            case ChildAdopted adopted when _slots.TryGetValue(adopted.Process, out ProcessSlot? slot) && IsAdoptable(slot):
                TakeOn(slot, adopted);
                break;

            case ChildReaped reaped when Find(reaped.Process, reaped.Incarnation) is { Pid: not 0, Linger: null } slot:
                slot.StateDue = long.MaxValue;
                EndWatches(slot);
                Schedule(slot);
                break;

            case ChildExited exited when Find(exited.Process, exited.Incarnation) is { Pid: not 0, Linger: null } slot:
                if (LeavesSurvivors(slot))
                {
                    BeginLinger(slot, exited);
                }
                else
                {
                    Reaped(slot, exited);
                }

                break;

            case SurvivorsFound found when Find(found.Process, found.Incarnation) is { Linger: { Due: long.MaxValue } linger } slot:
                TakeSurvivors(slot, linger, found.Survivors);
                break;

            case OrphanReaped orphan:
                Log(LogLevel.Info, $"reaped unknown pid {orphan.Pid} ({orphan.Status.Describe()})");
                break;

            case OutputArrived output when Find(output.Process, output.Incarnation) is { } slot:
                TakeOutput(slot, output.Channel, output.Data);
                break;

            case CommunicationCaptured captured when Find(captured.Process, captured.Incarnation) is { } slot:
                TakeCommunication(slot, captured.Channel, captured.Data);
                break;

            case SignalAnswered answer when Find(answer.Process, answer.Incarnation) is { } slot:
                TakeSignalAnswer(slot, answer);
                break;

            case StdinAnswered answer when _slots.TryGetValue(answer.Process, out ProcessSlot? slot):
                TakeStdinAnswer(slot, answer);
                break;

            case CommandChecked check when _slots.TryGetValue(check.Process, out ProcessSlot? slot):
                TakeCommandCheck(slot, check);
                break;

            case LogsCleared cleared when _slots.TryGetValue(cleared.Process, out ProcessSlot? slot):
                TakeLogsCleared(slot, cleared);
                break;

            case MemoryMeasured measured when Find(measured.Process, measured.Incarnation) is { } slot:
                TakeMemory(slot, measured);
                break;

            case HealthProbed probed when Find(probed.Process, probed.Incarnation) is { } slot:
                TakeHealth(slot, probed.Failure);
                break;

            case CommandReceived received:
                Carry(received);
                break;

            case IntentsRead read:
                TakeIntents(read.Intents);
                break;

            case SignalReceived signal:
                TakeSignal(signal.Number);
                break;

            case ReloadValidated validated:
                TakeReloadValidated(validated.Failure);
                break;

            case ConfigurationRead read:
                TakeConfiguration(read);
                break;

            case GroupPrepared prepared:
                Activate(prepared);
                break;

            case DaemonStarted:
                BeginRunning();
                break;

            case Reloading reloading:
                StartOver(reloading.Settings);
                break;

            default:
                // About a process or an incarnation that is no more, or told before: of no consequence.
                break;
        }

        ContinueStopping();
        SaveIntents();
        _effects = [];
    }

    /// <summary>Finds one process by the exact names of its group and itself.</summary>
    public ProcessSnapshot? Find(string group, string process, in Moment now) =>
        _groups.TryGetValue(group, out ProcessGroup? found) && found.Find(process) is { } slot ? Snapshot(slot, now) : null;

    /// <summary>Returns every process sorted by group name, then process name (code-point order).</summary>
    public ProcessSnapshot[] All(in Moment now)
    {
        _sorted ??= [.. _slots.Values
            .OrderBy(slot => slot.Group.Name, StringComparer.Ordinal)
            .ThenBy(slot => slot.Name, StringComparer.Ordinal)];
        var all = new ProcessSnapshot[_sorted.Length];
        for (int i = 0; i < all.Length; i++)
        {
            all[i] = Snapshot(_sorted[i], now);
        }

        return all;
    }

    /// <summary>Returns every process of the configuration as last read, sorted by process name (stable).</summary>
    public ConfigSnapshot[] AllConfigs()
    {
        if (_latest is null)
        {
            return [];
        }

        return [.. _latest.Groups
            .SelectMany(group => group.Processes, (group, process) =>
            {
                ProcessGroup? active = _groups.GetValueOrDefault(group.Name);
                ProcessSlot? slot = active?.Find(process.Name);
                return new ConfigSnapshot(group, process, active is not null, slot?.StdoutLog, slot?.StderrLog);
            })
            .OrderBy(config => config.Process.Name, StringComparer.Ordinal)];
    }

    /// <summary>Returns every pool of event listeners in the order of its activation.</summary>
    public EventPoolSnapshot[] EventPools() => [.. _pools.Select(Snapshot)];

    private static EventPoolSnapshot Snapshot(EventPool pool) => new()
    {
        Name = pool.Name,
        Events = pool.Group.Config.Pool!.Events,
        BufferSize = pool.Capacity,
        Buffered = pool.Count,
        Delivered = pool.Delivered,
        Rejected = pool.Rejections,
        Returned = pool.Returned,
        Discarded = pool.Discarded,
        Listeners = [.. pool.Group.Slots.Select(slot => new ListenerSnapshot(
            slot.Name, slot.State, slot.Listener is { } listener ? Name(listener.State) : "", slot.Listener?.Event?.Serial))],
    };

    private static ProcessSnapshot Snapshot(ProcessSlot slot, in Moment now) => new()
    {
        Name = slot.Name,
        Group = slot.Group.Name,
        Start = slot.LastStart,
        Stop = slot.LastStop,
        Now = now.Wall,
        State = slot.State,
        SpawnErr = slot.SpawnErr,
        ExitStatus = slot.ExitStatus ?? 0,
        LastStatus = slot.LastStatus,
        StdoutLog = slot.StdoutLog ?? "",
        StderrLog = slot.StderrLog ?? "",
        Pid = slot.Pid,
        UptimeSeconds = slot.State == ProcessState.Running ? (now.Monotonic - slot.StartedAt) / Moment.Second : 0,
    };

    private ProcessSlot? Find(ProcessId process, Incarnation incarnation) =>
        _slots.TryGetValue(process, out ProcessSlot? slot) && slot.Incarnation == incarnation ? slot : null;

    private void RunDeadlines()
    {
        while (_deadlines.TakeDue(_now.Monotonic) is { } due)
        {
            switch (due)
            {
                case ProcessSlot slot:
                    if (slot.Listener is { } listener && listener.Due <= _now.Monotonic)
                    {
                        TimeOut(slot, listener);
                    }

                    if (slot.ReportDue <= _now.Monotonic)
                    {
                        ReportWaiting(slot);
                    }

                    if (slot.StateDue <= _now.Monotonic)
                    {
                        slot.StateDue = long.MaxValue;
                        Trigger(slot, ProcessTrigger.Due);
                    }

                    RunWatches(slot);
                    if (slot.Linger is { } linger && linger.Due <= _now.Monotonic)
                    {
                        LookForSurvivors(slot, linger);
                    }

                    Schedule(slot);
                    break;

                case EventPool pool:
                    Dispatch(pool);
                    break;

                case TickTimer:
                    Tick();
                    break;

                case StoppingTimer:
                    ReportStopping();
                    break;
            }
        }
    }

    private void Schedule(ProcessSlot slot) =>
        slot.SetDue(
            Math.Min(
                Math.Min(Math.Min(slot.StateDue, slot.ReportDue), slot.Listener?.Due ?? long.MaxValue),
                Math.Min(WatchDue(slot), slot.Linger?.Due ?? long.MaxValue)),
            _deadlines);

    private void TakeConfiguration(ConfigurationRead read)
    {
        _latest = read.Configuration;
        if (read.Request == default)
        {
            return;
        }

        var added = new List<string>();
        var changed = new List<string>();
        var names = new HashSet<string>(StringComparer.Ordinal);
        foreach (GroupConfig group in read.Configuration.Groups)
        {
            if (!names.Add(group.Name))
            {
                continue;
            }

            if (!_groups.TryGetValue(group.Name, out ProcessGroup? active))
            {
                added.Add(group.Name);
            }
            else if (!active.Config.Equals(group))
            {
                changed.Add(group.Name);
            }
        }

        string[] removed = [.. _byActivation.Select(group => group.Name).Where(name => !names.Contains(name))];
        var reread = new Reread(added, changed, removed);
        if (IsRecording)
        {
            TellReread(reread, read.Requester);
        }

        Answer(read.Request, reread);
    }

    private void Activate(GroupPrepared prepared)
    {
        if (prepared.Failure is { } failure)
        {
            Log(LogLevel.Error, $"group '{prepared.Group.Name}' cannot be added: {failure}");
            Refuse(prepared.Request, FaultCode.Failed, failure);
            return;
        }

        if (prepared.Extends)
        {
            Join(prepared);
            return;
        }

        if (_groups.ContainsKey(prepared.Group.Name))
        {
            Refuse(prepared.Request, FaultCode.AlreadyAdded, prepared.Group.Name);
            return;
        }

        var group = new ProcessGroup(prepared.Group);
        AddSlots(group, prepared.Group.Processes, prepared.AutoLogs);
        group.Seal();
        _groups.Add(group.Name, group);
        _byActivation.Add(group);
        int place = _byPriority.FindLastIndex(other => other.Priority <= group.Priority);
        _byPriority.Insert(place + 1, group);
        _sorted = null;
        if (prepared.Group.Pool is not null)
        {
            AddPool(group);
        }

        Emit(EventType.ProcessGroupAdded, $"groupname:{group.Name}\n");
        if (IsRecording && prepared.Request != default)
        {
            TellAddition(group, prepared.Requester);
        }

        Answer(prepared.Request, Done.Instance);
        if (_isUp && State == DaemonState.Running)
        {
            AutoStart(group.Slots);
        }
    }

    private void AddSlots(ProcessGroup group, IReadOnlyList<ProcessConfig> processes, IReadOnlyList<AutoLog> autoLogs)
    {
        foreach (ProcessConfig config in processes)
        {
            var slot = new ProcessSlot(new ProcessId(++_lastProcess), group, config,
                LogPath(config, OutputChannel.Stdout, autoLogs), LogPath(config, OutputChannel.Stderr, autoLogs));
            group.Slots.Add(slot);
            _slots.Add(slot.Id, slot);
        }

        _sorted = null;
    }

    private static string? LogPath(ProcessConfig config, OutputChannel channel, IReadOnlyList<AutoLog> autoLogs)
    {
        ChildLogConfig log = channel == OutputChannel.Stdout ? config.Stdout : config.Stderr;
        return log.Kind switch
        {
            ChildLogKind.File => log.Path,
            ChildLogKind.Auto => autoLogs.FirstOrDefault(auto => auto.Process == config.Name && auto.Channel == channel)?.Path,
            _ => null,
        };
    }

    private void Deactivate(ProcessGroup group)
    {
        foreach (ProcessSlot slot in group.Slots)
        {
            slot.StateDue = long.MaxValue;
            slot.ReportDue = long.MaxValue;
            Schedule(slot);
            _slots.Remove(slot.Id);
        }

        _groups.Remove(group.Name);
        _byActivation.Remove(group);
        _byPriority.Remove(group);
        _sorted = null;
        if (group.Pool is { } pool)
        {
            RemovePool(pool);
        }

        Emit(EventType.ProcessGroupRemoved, $"groupname:{group.Name}\n");
    }

    private void BeginRunning()
    {
        if (State == DaemonState.Shutdown || _isUp)
        {
            return;
        }

        _isUp = true;
        State = DaemonState.Running;
        Emit(EventType.SupervisorStateChangeRunning, "");
        foreach (ProcessGroup group in _byPriority)
        {
            AutoStart(group.Slots);
        }
    }

    private void AutoStart(IReadOnlyList<ProcessSlot> slots)
    {
        foreach (ProcessSlot slot in slots)
        {
            if (slot.Config.AutoStart && slot.LastStart == 0 && IsToStart(slot))
            {
                Trigger(slot, ProcessTrigger.Start);
            }
        }
    }

    private void StartOver(SupervisorSettings settings)
    {
        // Only those of children that are left behind; all others have their answer since their process stopped.
        foreach (ProcessGroup group in _byPriority)
        {
            foreach (ProcessSlot slot in group.ByPriority)
            {
                foreach (Operation operation in slot.Waiters)
                {
                    Fail(slot, operation, FaultCode.ShutdownState);
                }
            }
        }

        _slots.Clear();
        _groups.Clear();
        _byPriority.Clear();
        _byActivation.Clear();
        _deadlines.Clear();
        _sorted = null;
        _latest = null;
        _isUp = false;
        ForgetPools();
        ForgetStopping();
        Settings = settings;
        if (IsRecording)
        {
            Tell(new ConfigFact(ConfigAction.Reloaded, null, Named(_stoppingBy)));
        }

        _stoppingBy = "";
    }

    private void Log(LogLevel level, string text) => _effects.Add(new Log(level, text));

    private void Answer(RequestId request, Outcome outcome)
    {
        if (request != default)
        {
            _effects.Add(new Reply(request, outcome));
        }
    }

    private void Refuse(RequestId request, FaultCode code, string? extra = null) => Answer(request, new Refused(new Fault(code, extra)));
}
