using Steward.Core.Config;
using Steward.Core.Effects;
using Steward.Core.Inputs;
using Steward.Core.Model;
using Steward.Core.Supervision;

namespace Steward.Core.Tests.Snapshots;

/// <summary>
/// A world around the machine, made of a seed: programs that start, die, write and refuse signals, listeners that keep to their protocol
/// and that do not, clients that ask for anything. Answers to effects may come late, so that every kind of waiting is met.
/// </summary>
internal sealed class SupervisorWorld
{
    private static readonly RequestId Nobody = new(0);

    private readonly Random _random;
    private readonly List<Effect> _open = [];
    private readonly Dictionary<(ProcessId Process, Incarnation Incarnation), int> _children = [];
    private readonly List<Configuration> _configurations = [];
    private readonly bool _isPrompt;
    private long _monotonic = 1_000_000;
    private long _wall = 1_700_000_000_000_000_000;
    private long _request;
    private int _pid = 100;
    private bool _isStoppedForReload;

    public SupervisorWorld(int seed)
    {
        _random = new Random(seed);
        _isPrompt = _random.Next(2) == 0;
        for (int i = 0; i < 3; i++)
        {
            _configurations.Add(NextConfiguration());
        }
    }

    public SupervisorSettings NextSettings() => new(Pick("supervisor", "other"), Pick(LogLevel.Info, LogLevel.Debug));

    /// <summary>What comes first: a configuration, its groups, the start.</summary>
    public IEnumerable<Input> Beginning()
    {
        Configuration configuration = Pick(_configurations);
        yield return new ConfigurationRead(Nobody, configuration);
        foreach (GroupConfig group in configuration.Groups)
        {
            yield return Prepared(Nobody, group);
        }

        yield return new DaemonStarted();
    }

    /// <summary>The next thing that happens.</summary>
    public Input Next()
    {
        if (_isStoppedForReload)
        {
            _isStoppedForReload = false;
            return new Reloading(NextSettings());
        }

        if (_open.Count > 0 && (_isPrompt || _random.Next(3) > 0))
        {
            int index = _isPrompt ? 0 : _random.Next(_open.Count);
            Effect effect = _open[index];
            _open.RemoveAt(index);
            return Answer(effect);
        }

        return _random.Next(12) switch
        {
            0 or 1 => TimePassed.Instance,
            2 or 3 when _children.Count > 0 => Die(),
            4 or 5 or 6 when _children.Count > 0 => Write(),
            7 when _random.Next(40) == 0 => new SignalReceived(Pick(Signals.Term, Signals.Hup, Signals.Usr2, Signals.Usr1)),
            8 when _random.Next(10) == 0 => new OrphanReaped(7, WaitStatus.FromExit(1)),
            9 when _random.Next(4) == 0 => new ConfigurationRead(NextRequest(), Pick(_configurations)),
            9 when _random.Next(30) == 0 => new DaemonStarted(),
            _ => new CommandReceived(NextRequest(), NextCommand()),
        };
    }

    public Moment NextMoment(long due)
    {
        _monotonic += _random.Next(6) switch
        {
            0 => 0,
            1 => _random.Next(1000),
            2 when due != long.MaxValue => Math.Max(0, due - _monotonic),
            _ => _random.NextInt64(2 * Moment.Second),
        };
        _wall += _random.Next(20) == 0 ? _random.NextInt64(-100 * Moment.Second, 4000 * Moment.Second) : _random.Next(2_000_000);
        return new Moment(_monotonic, _wall);
    }

    public void Take(IEnumerable<Effect> effects)
    {
        foreach (Effect effect in effects)
        {
            if (effect is Stopped { Reload: true })
            {
                _isStoppedForReload = true;
            }
            else if (effect is not (Log or Reply or ReopenLogs or Stopped))
            {
                _open.Add(effect);
            }
        }
    }

    /// <summary>Everything about an effect as text.</summary>
    public static string Tell(Effect effect) => effect switch
    {
        WriteStdin write => $"{write} {Convert.ToHexString(write.Data)}",
        Spawn spawn => $"{spawn} {Dump.Of(spawn.Config)}",
        PrepareGroup prepare => Dump.Of(prepare),
        Reply { Outcome: Statuses statuses } reply => $"{reply.Request} {string.Join(", ", statuses.Items)}",
        Reply { Outcome: Reread reread } reply =>
            $"{reply.Request} {string.Join(", ", reread.Added)}; {string.Join(", ", reread.Changed)}; {string.Join(", ", reread.Removed)}",
        _ => effect.ToString(),
    };

    private Input Answer(Effect effect)
    {
        switch (effect)
        {
            case Spawn spawn when _random.Next(6) > 0:
                _children.Add((spawn.Process, spawn.Incarnation), ++_pid);
                return new ChildSpawned(spawn.Process, spawn.Incarnation, _pid);
            case Spawn spawn:
                return new SpawnFailed(spawn.Process, spawn.Incarnation, "can't find command '/x'");
            case Signal signal:
                SignalResult result = Pick(SignalResult.Delivered, SignalResult.Delivered, SignalResult.Delivered, SignalResult.Gone, SignalResult.Refused);
                return new SignalAnswered(signal.Process, signal.Incarnation, signal.Request, signal.Number, result,
                    result == SignalResult.Delivered ? null : "[Errno 1] Operation not permitted");
            case WriteStdin write:
                return new StdinAnswered(write.Process, write.Incarnation, write.Request,
                    Pick(StdinResult.Accepted, StdinResult.Accepted, StdinResult.Accepted, StdinResult.Closed, StdinResult.Full));
            case CheckCommand check:
                return new CommandChecked(check.Process, check.Request, _random.Next(6) == 0 ? new Fault(FaultCode.NoFile, "/x") : null);
            case PrepareGroup prepare:
                return Prepared(prepare.Request, prepare.Group) with { Extends = prepare.Extends };
            case ClearLogs clear:
                return new LogsCleared(clear.Process, clear.Request, _random.Next(4) > 0);
            case ValidateReload:
                return new ReloadValidated(_random.Next(3) == 0 ? "Error: bad" : null);
            default:
                throw new InvalidOperationException($"{effect} has no answer.");
        }
    }

    private GroupPrepared Prepared(RequestId request, GroupConfig group) => new(
        request,
        group,
        [.. group.Processes.Select(process => new AutoLog(process.Name, OutputChannel.Stdout, $"/tmp/{process.Name}-stdout.log"))],
        _random.Next(20) == 0 ? "no room" : null);

    private ChildExited Die()
    {
        (ProcessId process, Incarnation incarnation) = Pick(_children.Keys.ToArray());
        _children.Remove((process, incarnation));
        WaitStatus status = Pick(WaitStatus.FromExit(0), WaitStatus.FromExit(1), WaitStatus.FromSignal(Signals.Kill));
        return new ChildExited(process, incarnation, status, _monotonic - _random.Next(1000));
    }

    private Input Write()
    {
        (ProcessId process, Incarnation incarnation) = Pick(_children.Keys.ToArray());
        OutputChannel channel = _random.Next(5) == 0 ? OutputChannel.Stderr : OutputChannel.Stdout;
        byte[] data = Pick<byte[]>(
            [.. "READY\n"u8], [.. "READY\n"u8], [.. "READY\n"u8], [.. "RESULT 2\nOK"u8], [.. "RESULT 2\nOK"u8], [.. "RESULT 4\nFAIL"u8],
            [.. "RESULT 2\nO"u8], [.. "K"u8], [.. "REA"u8], [.. "RESULT x\n"u8], [0xe2, 0x82], [0xac], [0xff, 0xfe], [.. "text\n"u8]);
        return _random.Next(15) == 0
            ? new CommunicationCaptured(process, incarnation, channel, data)
            : new OutputArrived(process, incarnation, channel, data);
    }

    private Command NextCommand()
    {
        string group = Pick("web", "db", "listener", "single", "nobody");
        string name = Pick("web:a", "web:b", "web:*", "db:a", "listener:a", "listener:b", "single", "nobody");
        bool wait = _random.Next(2) == 0;
        return _random.Next(24) switch
        {
            0 or 1 or 2 => new StartProcess(name, wait),
            3 or 4 => new StopProcess(name, wait),
            5 => new StartGroup(group, wait),
            6 => new StopGroup(group, wait),
            7 => new StartAll(wait),
            8 => new StopAll(wait),
            9 => new SignalProcess(name, Pick("HUP", "9", "nonsense")),
            10 => new SignalGroup(group, "USR1"),
            11 => new SignalAll("0"),
            12 => new SendProcessStdin(name, [.. "in\n"u8]),
            13 or 14 or 15 => new SendRemoteCommEvent("type", Pick("data", "däta", "\ud83d\ude00")),
            16 => new ClearProcessLogs(name),
            17 => new ClearAllProcessLogs(),
            18 or 19 => new AddProcessGroup(group),
            20 or 21 => new RemoveProcessGroup(group),
            22 when _random.Next(20) == 0 => new Shutdown(),
            22 when _random.Next(4) == 0 => new Restart(),
            23 when _random.Next(2) == 0 => new AddProcesses(group, [NextProcess(Pick("extra", "more"), group, GroupKind.Program)]),
            23 => new RemoveProcess(group, Pick("extra", "more", "a")),
            _ => new SendRemoteCommEvent("x", ""),
        };
    }

    private Configuration NextConfiguration() => new()
    {
        File = "/etc/supervisord.conf",
        FullPath = "/etc/supervisord.conf",
        Here = "/etc",
        Supervisord = new SupervisordConfig { PidFile = "/run/pid", ChildLogDir = "/tmp" },
        Servers = [],
        RpcInterfaces = [new RpcInterfaceConfig("supervisor", "supervisor.rpcinterface:make_main_rpcinterface")],
        Groups =
        [
            .. new[]
            {
                NextGroup("web", GroupKind.Program, "a", "b"),
                NextGroup("db", GroupKind.Program, "a"),
                NextGroup("listener", GroupKind.EventListener, "a", "b"),
                NextGroup("single", GroupKind.Program, "single"),
            }.Where(_ => _random.Next(5) > 0),
        ],
        ServerUrl = Pick<string?>(null, "unix:///run/steward.sock"),
        Messages = [],
    };

    private GroupConfig NextGroup(string name, GroupKind kind, params string[] processes) => new()
    {
        Kind = kind,
        Name = name,
        Priority = Pick(1, 999, 999, 1000),
        Processes = EquatableList.From(processes.Select(process => NextProcess(process, name, kind))),
        Pool = kind == GroupKind.EventListener
            ? new EventPoolConfig([Pick("EVENT", "PROCESS_STATE", "TICK_5"), Pick("REMOTE_COMMUNICATION", "TICK")], Pick(1, 3, 10),
                "supervisor.dispatchers:default_handler")
            {
                UnknownRestart = _random.Next(3) > 0,
                ResultTimeout = Pick(0, 1, 5),
            }
            : null,
    };

    private ProcessConfig NextProcess(string name, string group, GroupKind kind) => new()
    {
        Name = name,
        Program = group,
        Command = "/bin/sleep 1",
        Priority = Pick(1, 999, 999),
        AutoStart = _random.Next(3) > 0,
        AutoRestart = Pick(AutoRestart.False, AutoRestart.True, AutoRestart.Unexpected),
        StartSecs = Pick(0, 1, 3),
        StartRetries = Pick(0, 1, 3),
        StopWaitSecs = Pick(0, 1, 10),
        Environment = [KeyValuePair.Create("NAME", Pick("x", "é", "\udcff"))],
        Stdout = new ChildLogConfig { EventsEnabled = _random.Next(2) == 0, Kind = Pick(ChildLogKind.Auto, ChildLogKind.None) },
        IsListener = kind == GroupKind.EventListener,
    };

    private RequestId NextRequest() => new(++_request);

    private T Pick<T>(params IReadOnlyList<T> items) => items[_random.Next(items.Count)];
}
