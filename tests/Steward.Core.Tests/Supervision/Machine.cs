using System.Globalization;
using System.Text;
using Steward.Core.Config;
using Steward.Core.Effects;
using Steward.Core.Events;
using Steward.Core.Inputs;
using Steward.Core.Model;
using Steward.Core.Supervision;

namespace Steward.Core.Tests.Supervision;

/// <summary>
/// A supervisor with a clock in the hand and a kernel that answers what it is told to: every effect is carried out, and its answer
/// given back, before the next one. What happened is kept as lines of text.
/// </summary>
internal sealed class Machine
{
    /// <summary>The wall clock at monotonic zero: 2026-01-01T00:00:00Z.</summary>
    public const long Epoch = 1_767_225_600 * Moment.Second;

    /// <summary>The name of the pool that sees events and has no listener; its events are read from its buffer.</summary>
    public const string Recorder = "recorder";

    private static readonly string[] s_allButTicks =
        ["PROCESS_STATE", "PROCESS_COMMUNICATION", "PROCESS_LOG", "REMOTE_COMMUNICATION", "SUPERVISOR_STATE_CHANGE", "PROCESS_GROUP"];

    private readonly SortedDictionary<long, (TaskState, Outcome?)> _requests = [];
    private int _lastPid = 100;

    private enum TaskState
    {
        Open,
        Answered,
    }

    public Machine(LogLevel level = LogLevel.Info) => Supervisor = new Supervisor(new SupervisorSettings("supervisor", level));

    public Supervisor Supervisor { get; }

    /// <summary>Monotonic nanoseconds.</summary>
    public long Now { get; private set; }

    /// <summary>What the wall clock is ahead of the monotonic one.</summary>
    public long WallOffset { get; set; } = Epoch;

    public Moment Moment => new(Now, Now + WallOffset);

    /// <summary>Everything that happened, in order; cleared by whoever asks.</summary>
    public List<string> Lines { get; } = [];

    /// <summary>The kernel's answers.</summary>
    public Func<Spawn, string?> SpawnError { get; set; } = _ => null;

    public Func<Signal, (SignalResult, string?)> SignalAnswer { get; set; } = _ => (SignalResult.Delivered, null);

    public Func<ProcessConfig, Fault?> CommandFault { get; set; } = _ => null;

    public Func<WriteStdin, StdinResult> Stdin { get; set; } = _ => StdinResult.Accepted;

    public Func<EndSurvivors, string[]> Survivors { get; set; } = _ => [];

    /// <summary>What was last to be remembered.</summary>
    public IReadOnlyList<Intent> Saved { get; private set; } = [];

    public bool ClearsLogs { get; set; } = true;

    public string? ReloadFailure { get; set; }

    public string? PrepareFailure { get; set; }

    /// <summary>Every effect that was carried out, in order.</summary>
    public List<Effect> Carried { get; } = [];

    /// <summary>What was told to the journal, in order.</summary>
    public List<JournalEntry> Recorded { get; } = [];

    /// <summary>Called after every step of the core, nested ones included.</summary>
    public Action? AfterStep { get; set; }

    public static ProcessConfig Program(string name, Func<ProcessConfig, ProcessConfig>? with = null)
    {
        var config = new ProcessConfig { Name = name, Program = name, Command = "/bin/" + name };
        return with is null ? config : with(config);
    }

    public static GroupConfig Group(string name, int priority, params ProcessConfig[] processes) => new()
    {
        Kind = GroupKind.Program,
        Name = name,
        Priority = priority,
        Processes = EquatableList.From(processes),
    };

    public static GroupConfig Group(ProcessConfig process) => Group(process.Name, 999, process);

    public static GroupConfig Pool(string name, int bufferSize, string[] events, params ProcessConfig[] processes) => new()
    {
        Kind = GroupKind.EventListener,
        Name = name,
        Priority = -1,
        Processes = EquatableList.From(processes.Select(process => process with { IsListener = true })),
        // What follows a violation has tests of its own.
        Pool = new EventPoolConfig(EquatableList.From(events), bufferSize, "supervisor.dispatchers:default_handler") { UnknownRestart = false },
    };

    /// <summary>Everything but ticks, unless one asks for other events.</summary>
    public static GroupConfig RecorderGroup(params string[] events) => Pool(Recorder, 10_000, events.Length > 0 ? events : s_allButTicks,
        Program("recorder", c => c with { AutoStart = false }));

    public static Configuration Configuration(params GroupConfig[] groups) => new()
    {
        File = "steward.conf",
        FullPath = "/etc/steward.conf",
        Here = "/etc",
        Supervisord = new SupervisordConfig { PidFile = "/run/p", ChildLogDir = "/var/log" },
        Servers = [],
        RpcInterfaces = [],
        Groups = groups,
        ServerUrl = null,
        Messages = [],
    };

    /// <summary>Comes up with these groups, at time zero.</summary>
    public static Machine Up(params GroupConfig[] groups) => Up(LogLevel.Info, groups);

    public static Machine Up(LogLevel level, params GroupConfig[] groups)
    {
        var machine = new Machine(level);
        machine.Load(groups);
        machine.Step(new DaemonStarted());
        return machine;
    }

    public void Load(params GroupConfig[] groups)
    {
        Step(new ConfigurationRead(default, Configuration(groups)));
        foreach (GroupConfig group in groups)
        {
            Step(new GroupPrepared(default, group, [], null));
        }
    }

    public ProcessSlot Slot(string name) => Supervisor.Slots.Single(slot => slot.Namespec == name);

    public void At(double seconds)
    {
        long to = Nanoseconds(seconds);
        Assert.True(to >= Now, "monotonic time does not go back");
        Now = to;
    }

    public static long Nanoseconds(double seconds) => (long)Math.Round(seconds * Moment.Second);

    /// <summary>Lets time pass, a step at each deadline on the way.</summary>
    public void RunUntil(double seconds)
    {
        long end = Nanoseconds(seconds);
        while (Supervisor.NextDeadline <= end)
        {
            Now = Math.Max(Now, Supervisor.NextDeadline);
            Step(TimePassed.Instance);
        }

        At(seconds);
    }

    /// <summary>Gives a command; the number is that of the request.</summary>
    public long Ask(Command command, string requester = "")
    {
        long request = NewRequest();
        Step(new CommandReceived(new RequestId(request), command, requester));
        return request;
    }

    public long NewRequest()
    {
        long request = _requests.Count + 1;
        _requests.Add(request, (TaskState.Open, null));
        return request;
    }

    public Outcome? AnswerOf(long request) => _requests[request].Item2;

    public string AnswerText(long request) => AnswerOf(request) is { } outcome ? Describe(outcome) : "waits";

    public IEnumerable<long> OpenRequests => _requests.Where(pair => pair.Value.Item1 == TaskState.Open).Select(pair => pair.Key);

    public void Exit(string name, WaitStatus status, double? diedAt = null)
    {
        ProcessSlot slot = Slot(name);
        Step(new ChildExited(slot.Id, slot.Incarnation, status, diedAt is { } at ? Nanoseconds(at) : Now));
    }

    public void Exit(string name, int code) => Exit(name, WaitStatus.FromExit(code));

    public void Output(string name, string bytes, OutputChannel channel = OutputChannel.Stdout)
    {
        ProcessSlot slot = Slot(name);
        Step(new OutputArrived(slot.Id, slot.Incarnation, channel, Encoding.Latin1.GetBytes(bytes)));
    }

    public void Step(Input input)
    {
        var effects = new List<Effect>();
        Supervisor.Step(Moment, input, effects);
        RecordEvents();
        AfterStep?.Invoke();
        foreach (Effect effect in effects)
        {
            CarryOut(effect);
        }
    }

    /// <summary>The lines so far, which are then forgotten.</summary>
    public List<string> Take()
    {
        List<string> lines = [.. Lines];
        Lines.Clear();
        return lines;
    }

    public static string Describe(Outcome outcome) => outcome switch
    {
        Done => "true",
        Refused refused => refused.Fault.Text,
        Statuses statuses => "[" + string.Join("; ", statuses.Items.Select(
            item => $"{Namespec.Join(item.Group, item.Name)} {(int)item.Code} {item.Description}")) + "]",
        Reread reread => $"+[{string.Join(' ', reread.Added)}] ~[{string.Join(' ', reread.Changed)}] -[{string.Join(' ', reread.Removed)}]",
        _ => throw new InvalidOperationException(outcome.GetType().Name),
    };

    private void RecordEvents()
    {
        if (Supervisor.Slots.FirstOrDefault(slot => slot.Group.Name == Recorder)?.Group.Pool is not { } pool)
        {
            return;
        }

        while (pool.Take() is { } item)
        {
            string name = item.Type.Name();
            Lines.Add("event " + (name.StartsWith("PROCESS_STATE_", StringComparison.Ordinal) ? name["PROCESS_STATE_".Length..] : name)
                + (item.Payload.Length == 0 ? "" : " " + item.Payload));
        }
    }

    private void CarryOut(Effect effect)
    {
        Carried.Add(effect);
        switch (effect)
        {
            case Spawn spawn:
                Lines.Add("spawn " + spawn.Config.Name);
                Step(SpawnError(spawn) is { } error
                    ? new SpawnFailed(spawn.Process, spawn.Incarnation, error)
                    : new ChildSpawned(spawn.Process, spawn.Incarnation, ++_lastPid));
                break;

            case Signal signal:
                Lines.Add(string.Create(CultureInfo.InvariantCulture,
                    $"kill {(signal.ToGroup ? "-" : "")}{signal.Pid} {Signals.LogName(signal.Number)}"));
                (SignalResult result, string? refusal) = SignalAnswer(signal);
                Step(new SignalAnswered(signal.Process, signal.Incarnation, signal.Request, signal.Number, result, refusal));
                break;

            case WriteStdin write:
                Lines.Add("write " + Encoding.UTF8.GetString(write.Data).Replace("\n", "\\n", StringComparison.Ordinal));
                Step(new StdinAnswered(write.Process, write.Incarnation, write.Request, Stdin(write)));
                break;

            case CheckCommand check:
                Step(new CommandChecked(check.Process, check.Request, CommandFault(check.Config)));
                break;

            case PrepareGroup prepare:
                Step(new GroupPrepared(prepare.Request, prepare.Group, [], PrepareFailure, prepare.Requester) { Extends = prepare.Extends });
                break;

            case ClearLogs clear:
                Lines.Add($"clear {clear.StdoutLog ?? "-"} {clear.StderrLog ?? "-"}");
                Step(new LogsCleared(clear.Process, clear.Request, ClearsLogs));
                break;

            case EndSurvivors end:
                Lines.Add($"survivors of {end.Config.Name} {Signals.LogName(end.Number)}");
                Step(new SurvivorsFound(end.Process, end.Incarnation, Survivors(end)));
                break;

            case SaveIntents save:
                Lines.Add("intents " + string.Join(' ', save.Intents.Select(
                    intent => $"{intent.Name}={(intent.IsWanted is { } wanted ? wanted ? "up" : "down" : "-")}/{intent.DisabledFor ?? "-"}")));
                Saved = save.Intents;
                break;

            case MeasureMemory:
                Lines.Add("measure");
                break;

            case ProbeHealth probe:
                Lines.Add("probe " + probe.Health.Url);
                break;

            case ReopenLogs:
                Lines.Add("reopen logs");
                break;

            case Log log:
                Lines.Add($"{log.Level.Code()} {log.Text}");
                break;

            case Reply reply:
                Assert.Equal(TaskState.Open, _requests[reply.Request.Value].Item1);
                _requests[reply.Request.Value] = (TaskState.Answered, reply.Outcome);
                Lines.Add("answer " + Describe(reply.Outcome));
                break;

            case Core.Effects.Record record:
                Recorded.Add(record.Entry);
                break;

            case ValidateReload:
                Step(new ReloadValidated(ReloadFailure));
                break;

            case Stopped stopped:
                Lines.Add(stopped.Reload ? "stopped for a reload" : "stopped for good");
                break;

            default:
                throw new InvalidOperationException($"Nobody carries out {effect.GetType().Name}.");
        }
    }
}
