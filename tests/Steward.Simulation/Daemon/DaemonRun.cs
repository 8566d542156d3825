using System.Globalization;
using Steward.Core.Config;
using Steward.Core.Effects;
using Steward.Core.Events;
using Steward.Core.Inputs;
using Steward.Core.Model;
using Steward.Core.Snapshots;
using Steward.Core.Supervision;
using Steward.Engine;
using Steward.Simulation.Checks;
using Steward.Simulation.Clients;
using Steward.Simulation.Kernel;

namespace Steward.Simulation.Daemon;

/// <summary>
/// One run of the whole daemon: the real engine against a machine, a disk, clients and an operator who do as the seed says, and killed between any
/// two things it does; a successor goes on. After the given number of turns everything goes right again, the daemon is told to stop, and must come
/// to its end.
/// </summary>
internal sealed class DaemonRun
{
    private const int EndingTurns = 5000;
    private const int TurnsAtOnce = 2000;
    private const int EngineField = 4;
    private const string BootId = "boot";

    private readonly ulong _seed;
    private readonly int _turns;
    private readonly SimRandom _random;
    private readonly Fault _faults;
    private readonly Fault _with;
    private readonly Fault _without;
    private readonly Coverage _coverage;
    private readonly Tally _tally;
    private readonly TextWriter? _text;
    private readonly VirtualClock _clock = new();
    private readonly Machine _machine;
    private readonly Disk _disk;
    private readonly OutputMemory _memory = new();
    private readonly StateMemory _state = new();
    private readonly Crashes _crashes;
    private readonly VirtualClients _clients;
    private readonly ConfigurationMaker _configurations;
    private readonly Names _names = new();
    private readonly IntentFile _intents = new();
    private readonly LogText _log = new();
    private readonly JournalFile _journal = new();
    private readonly AdoptionList _file;
    private readonly UnobservedEnds _unobserved;

    // Whether programs that an earlier daemon left behind are not wanted.
    private readonly bool _isToStop;

    // Requests that wait in this life, and those whose clients an earlier life has taken with it.
    private readonly HashSet<long> _open = [];
    private readonly HashSet<long> _lost = [];

    // What the last start or reload was made with.
    private Configuration? _loaded;

    private Life? _life;
    private int _lives;
    private long _steps;
    private ulong _hash = 14695981039346656037;

    public DaemonRun(ulong seed, int turns, Coverage coverage, Tally tally, TextWriter? text = null, Fault without = Fault.None, Fault with = Fault.None)
    {
        _seed = seed;
        _turns = turns;
        _with = with;
        _without = without;
        _coverage = coverage;
        _tally = tally;
        _text = text;
        _random = new SimRandom(seed ^ 0xdae304);
        _faults = ((Fault)(_random.NextBits() & _random.NextBits() & (ulong)Fault.Everything) | (_random.Percent(85) ? Fault.Crash : Fault.None) | with) & ~without;
        _machine = new Machine(_random, _clock, _faults, tally);
        _disk = new Disk(_random, _clock, _machine, tally);
        _file = new AdoptionList(_machine, _clock, tally);
        _unobserved = new UnobservedEnds(tally);
        _isToStop = _machine.Has(Fault.KeeperCrash) && _random.Percent(25);
        _crashes = new Crashes(_random) { KillKeeper = KillKeeper };
        _clients = new VirtualClients(_random);
        _configurations = new ConfigurationMaker(_random);
    }

    private string HowToReplay => $"steward-sim --daemon --seed {_seed} --steps {_turns} --trace{Option("--with", _with)}{Option("--without", _without)}";

    /// <summary>Plays the run; a broken invariant says the seed and how to see it again.</summary>
    public RunResult Run()
    {
        try
        {
            Note($"seed {_seed}, faults: {_faults}");
            for (int turn = 0; turn < _turns && !IsOver; turn++)
            {
                Live(Turn);
            }

            _machine.IsCalm = true;
            _crashes.Spare();
            Note("from here on everything goes right");
            Live(() => Current.Engine.Signal(Signals.Term));
            for (int turn = 0; !IsOver; turn++)
            {
                if (turn == EndingTurns)
                {
                    throw new InvariantException($"the daemon does not come to its end: {string.Join(' ',
                        Current.Engine.Machine.Slots.Select(slot => $"{slot.Namespec}:{slot.State.Name()}"))}");
                }

                Live(() =>
                {
                    Settle();
                    ToTheNextEvent();
                });
            }

            CheckTheEnd();
            _tally.Count("crash points passed", _crashes.Passed);
            _tally.Count("lives", _lives);
            return new RunResult(_hash, _steps);
        }
        catch (Exception failure)
        {
            throw new InvariantException($"{failure.Message}\n  {HowToReplay}{(failure is InvariantException ? "" : "\n" + failure.StackTrace)}");
        }
    }

    private Life Current => _life ?? throw new InvalidOperationException("No daemon lives.");

    private bool IsOver => _life?.Engine.Stopped is { IsCompleted: true, Result: false };

    /// <summary>Does something with the daemon; when it is killed over it, that was all, and the next time there is a successor.</summary>
    private void Live(Action what)
    {
        try
        {
            if (_life is null)
            {
                Begin();
            }

            if (_machine.IsKeeperDead && !_crashes.IsSpared && (_machine.IsCalm || _random.Percent(40)))
            {
                TakeKeepersPlace();
                if (_life is null)
                {
                    Begin();
                }
            }

            what();
        }
        catch (CrashedException)
        {
            // Its successor is for the next turn.
        }

        if (_crashes.IsDead)
        {
            Die();
        }
    }

    private void Die()
    {
        Note($"the daemon is killed at '{_crashes.Where}'");
        _tally.Count("crashes");
        _tally.Count("crash at " + _crashes.Where);
        bool isKeeperDead = _machine.IsKeeperDead;
        _machine.DaemonDies();
        EndLife();
        if (isKeeperDead)
        {
            BothAreDead("both dead: the keeper first");
        }
        else if (_machine.Has(Fault.KeeperCrash) && _random.Percent(10))
        {
            KillKeeper();
            BothAreDead("both dead: the daemon first");
        }

        TimePasses();
    }

    private void EndLife()
    {
        _life = null;
        _lost.UnionWith(_open);
        _open.Clear();
    }

    private void KillKeeper()
    {
        if (!_machine.IsKeeperDead)
        {
            Note("the keeper is killed");
            _tally.Count(_life is null ? "keepers killed in a take-over" : "keepers killed beside a daemon");
            _machine.KeeperDies();
        }
    }

    /// <summary>The daemon comes to rest, becomes the keeper, and starts another daemon, which goes on by the same state.</summary>
    private void TakeKeepersPlace()
    {
        Settle();
        if (_crashes.IsDead || IsOver || _crashes.IsSpared)
        {
            return;
        }

        _crashes.Point("keeper's place: at rest");
        Current.Log.Flush();
        _crashes.Point("keeper's place: logged");
        _machine.DaemonBecomesKeeper();
        Note("the daemon takes the keeper's place");
        _tally.Count("daemons that became the keeper");
        EndLife();
        if (_machine.Has(Fault.KeeperCrash) && _random.Percent(10))
        {
            KillKeeper();
            BothAreDead("both dead: one that had just become the keeper");
        }

        TimePasses();
    }

    /// <summary>What both held in their memories is gone, and the pipes with it; the next daemon knows nothing but what stands in files.</summary>
    private void BothAreDead(string how)
    {
        Note(how);
        _tally.Count(how);
        if (_memory is { State: not ChunkState.None, Path: { } path })
        {
            _disk.LoseRest(path);
        }

        _memory.Vanish();
        _state.Vanish();
        _machine.EverybodyIsDead();
        _log.Begin();
        _unobserved.Clear();
        _lost.Clear();
    }

    private void TimePasses()
    {
        JumpInTakeOver();

        // Programs live on while there is no daemon.
        for (int i = _random.Below(4); i > 0; i--)
        {
            _clock.Advance(_random.Pick<long>([0, Moment.Millisecond, Moment.Second]));
            _machine.Live();
        }
    }

    private void JumpInTakeOver()
    {
        if (_machine.Has(Fault.KeeperCrash) && _machine.Has(Fault.WallJump) && _random.Percent(30))
        {
            _tally.Count("the clock set in a take-over");
            _clock.WallOffset += (_random.Below(20_000) - 10_000) * Moment.Second;
        }
    }

    private void Begin()
    {
        _lives++;
        _crashes.Begin(_machine.Has(Fault.Crash), _machine.Has(Fault.KeeperCrash));
        var clock = new DaemonClock(_clock);
        var stateLog = new StateLog(_state, _crashes, _random, _tally);
        var log = new DaemonLog(_log, stateLog, _crashes, _random, _tally, Note);
        Engine.Engine engine;
        Life life;
        if (_state.Checkpoint is { } checkpoint)
        {
            SnapshotReader reader = Snapshot.Open(checkpoint, "state", BootId, out _).Record(EngineField, "engine");
            engine = Engine.Engine.Restore(reader, log, clock, Read, ReadForReload);
            _ = _file.Read();
            life = Make(engine, log);
            life.Hub.RecoverFile();
            JumpInTakeOver();
            engine.BeginDriven();
            engine.Replay([.. _state.Records], stateLog);
            engine.Machine.Observer = life.Invariants;
            life.Host.EndAdoption();
            life.Hub.RecoverTaps(engine.ArrivedBytes);
            engine.Keep(stateLog, EngineField, Seal);
            _life = life;
            if (!engine.IsUp && engine.Stopped is { IsCompleted: false })
            {
                _tally.Count("starts that were gone on with");
                Load(engine, engine.ValidatedReload ?? engine.InForce ?? Configure());
                engine.BeginRunning();
            }

            return;
        }

        // What a predecessor logged before it had anything to leave was logged by another daemon.
        _log.Begin();
        _state.Vanish();
        _machine.ForgetUnknown();
        engine = new Engine.Engine(new SupervisorSettings("supervisor", LogLevel.Info), log, clock, Read, ReadForReload);
        life = Make(engine, log);
        engine.Machine.Observer = life.Invariants;
        engine.BeginDriven();
        life.Hub.RecoverTaps(0);
        engine.KeepFacts();
        engine.Recall(_intents.Saved);
        if (_file.Read() is { Count: > 0 } left)
        {
            Load(engine, Configure());
            TakeOn(life, left);
            engine.Keep(stateLog, EngineField, Seal);
        }
        else
        {
            // Where there is nothing to take on, the rest of the start is one that can be taken over at any point.
            engine.Keep(stateLog, EngineField, Seal);
            Load(engine, Configure());
        }

        engine.BeginRunning();
        _life = life;
    }

    /// <summary>What an earlier daemon left behind, of which the adoption file alone tells.</summary>
    private void TakeOn(Life life, IReadOnlyList<AdoptionLine> left)
    {
        var unknown = new List<VirtualProgram>();
        var known = new HashSet<VirtualProgram>();
        foreach (AdoptionLine line in left.Reverse())
        {
            Spawn spawn = line.Program.Pipes.Spawn;
            ProcessConfig? config = _loaded!.Groups.FirstOrDefault(group => group.Name == spawn.Group)?.Processes
                .FirstOrDefault(process => process.Name == spawn.Config.Name);
            switch (life.Engine.Adopt(
                spawn.Group, spawn.Config.Name, line.Program.Pid, line.StartedAt, config is not null && !config.Equals(line.Config), _isToStop,
                spawned => life.Host.TryAdopt(spawned.Process, spawned.Incarnation, line.Program) ? false : null))
            {
                case null:
                    unknown.Add(line.Program);
                    break;

                case true:
                    known.Add(line.Program);
                    break;

                case false:
                    _tally.Count("programs that ended while neither was there");
                    _machine.LeaveAlone(line.Program);
                    break;
            }
        }

        _file.Retain(known.Contains);
        unknown.ForEach(_machine.LeaveAlone);
        if (_machine.Programs.FirstOrDefault(program => program.Process == default && program.Stage == ChildStage.Alive) is { } forgotten)
        {
            throw new InvariantException($"pid {forgotten.Pid} ({forgotten.Pipes.Spawn.Group}:{forgotten.Pipes.Spawn.Config.Name}) runs, and no daemon has found it");
        }
    }

    private void Load(Engine.Engine engine, Configuration configuration)
    {
        _loaded = configuration;
        engine.Load(configuration);
    }

    private byte[] Seal(Action<SnapshotWriter> engine) => Snapshot.Seal(new SnapshotOrigin(BootId, _clock.Now, "0.1.0"), engine);

    private Life Make(Engine.Engine engine, DaemonLog log)
    {
        var hub = new Hub(_memory, _machine, _disk, _crashes, _random, engine, _tally);
        var host = new Host(_machine, hub, _file, _crashes, _random, engine, _names, _tally);
        var invariants = new Invariants(engine.Machine, _machine, _coverage);
        engine.Attach(host);
        engine.AddSink(new DaemonSink(_journal, _state, _crashes, _machine, _unobserved, engine, _random, _tally, Note));
        engine.Intents = new DaemonIntents(_crashes, _intents);
        engine.Answered = (request, _) => Answered(request.Value);
        return new Life(engine, host, hub, invariants, log);
    }

    private void Answered(long request)
    {
        if (!_open.Remove(request) && !_lost.Remove(request))
        {
            throw new InvariantException($"request {request} is answered although nobody waits for it");
        }
    }

    private void Turn()
    {
        if (Current is { IsStartingOver: false, Engine.Stopped: { IsCompleted: true, Result: true } } && _random.Percent(30))
        {
            StartOver();
            Settle();
            return;
        }

        int move = _random.Below(100);
        if (move < 30)
        {
            ToTheNextEvent();
        }
        else if (move < 45)
        {
            _clock.Advance(_random.Pick<long>([0, 1, Moment.Millisecond, 100 * Moment.Millisecond, 500 * Moment.Millisecond, Moment.Second]));
        }
        else if (move < 75)
        {
            Ask();
        }
        else if (move < 78)
        {
            Current.Engine.Signal(_random.Pick<int>([Signals.Hup, Signals.Hup, Signals.Hup, Signals.Hup, Signals.Usr2, Signals.Usr1, Signals.Term, Signals.Int]));
        }
        else if (move < 80)
        {
            _machine.AddOrphan();
        }
        else if (move < 86 && _machine.Has(Fault.WallJump))
        {
            _clock.WallOffset += (_random.Below(20_000) - 10_000) * Moment.Second;
        }
        else if (move == 87 && _machine.Has(Fault.KeeperCrash) && !_crashes.IsSpared)
        {
            KillKeeper();
        }
        else if (move == 86 && _machine.Has(Fault.Crash) && !_crashes.IsSpared)
        {
            _crashes.Kill("rest");
            return;
        }

        Settle();
    }

    /// <summary>Programs live, the hub moves, the engine does its turns until there is nothing to do.</summary>
    private void Settle()
    {
        Life life = Current;
        _machine.Live();
        life.Host.Work();
        if (_machine.Has(Fault.LateTimer) && _random.Percent(30))
        {
            return;
        }

        for (int turn = 0; life.Engine.TurnOnce(); turn++)
        {
            _steps++;
            if (_crashes.IsDead)
            {
                return;
            }

            if (turn == TurnsAtOnce)
            {
                throw new InvariantException("the engine does not come to rest");
            }

            if (_random.Percent(30))
            {
                life.Host.Work();
            }
        }

        AtRest(life);
    }

    private void AtRest(Life life)
    {
        Supervisor supervisor = life.Engine.Machine;
        life.Invariants.AtRest();
        foreach (ProcessSlot slot in supervisor.Slots)
        {
            if (slot is { State: ProcessState.Exited, LastStatus.IsUnobserved: true, Config.AutoRestart: AutoRestart.True } && supervisor.State == DaemonState.Running)
            {
                throw new InvariantException($"{slot.Namespec} is not started again after an end that nobody observed, and shall always be");
            }

            Mix((ulong)slot.State + ((ulong)slot.Id.Value << 8) + ((ulong)slot.Incarnation.Value << 20) + ((ulong)slot.Pid << 36));
            if (slot.Listener is { } listener
                && _machine.Programs.FirstOrDefault(program => program.Process == slot.Id && program.Incarnation == slot.Incarnation) is { HasViolated: false } program)
            {
                CheckListener(life, slot, listener, program);
            }
        }

        Mix((ulong)_clock.Monotonic);
        if (supervisor.IsUp && !life.Engine.InForce!.Groups.SequenceEqual(_loaded!.Groups))
        {
            throw new InvariantException("the configuration in force is another one than that which the daemon was started or reloaded with");
        }

        if (!supervisor.Intents().SequenceEqual(_intents.Saved))
        {
            throw new InvariantException("what operators want is not what is saved of it");
        }

        _machine.AllIsKnown();
        if (!life.Hub.IsBusy)
        {
            _disk.Check();
        }

        _machine.Forget(program => !supervisor.Slots.Any(slot => slot.Id == program.Process && slot.Incarnation == program.Incarnation && slot.Pid == program.Pid));
    }

    private void CheckListener(Life life, ProcessSlot slot, ListenerProtocol listener, VirtualProgram program)
    {
        if (listener.State == ListenerState.Unknown && slot.Group.Config.Pool is { ResultTimeout: 0 })
        {
            throw new InvariantException($"the listener {slot.Namespec} is called UNKNOWN and has kept to the protocol");
        }

        bool isWell = program.Stage == ChildStage.Alive && program is { IsKilled: false, WasRefused: false } && program.DiesAt > _clock.Monotonic && slot.State == ProcessState.Running;
        if (listener.State == ListenerState.Busy && isWell && program.WaitsForEvent && !life.Hub.IsBusy
            && !life.Hub.HoldsStdin(program.Process, program.Incarnation))
        {
            throw new InvariantException($"the listener {slot.Namespec} is BUSY, and waits for an event of which it has no more than a part");
        }
    }

    private void ToTheNextEvent()
    {
        long next = Math.Min(Current.Engine.Machine.NextDeadline, _machine.NextDeath);
        if (next < long.MaxValue)
        {
            _clock.AdvanceTo(next);
        }
    }

    private void Ask()
    {
        Engine.Engine engine = Current.Engine;
        int kind = _random.Below(40);
        Task<Outcome> task = kind switch
        {
            < 5 => engine.RereadAsync("somebody"),
            5 => engine.ExecuteAsync(new Restart(), "somebody"),
            6 when _random.Percent(30) => engine.ExecuteAsync(new Shutdown(), "somebody"),
            _ => engine.ExecuteAsync(_clients.Make(), "somebody"),
        };
        if (!task.IsCompleted)
        {
            RequestId request = engine.RequestOf(task) ?? throw new InvariantException("a request that waits has no number");
            // The number of one that an earlier life had not looked at yet when it ended may be given again.
            _lost.Remove(request.Value);
            if (!_open.Add(request.Value))
            {
                throw new InvariantException($"the number {request.Value} of a request is given twice");
            }

            _tally.Count("requests");
        }
    }

    private ReadResult Read() => _machine.Has(Fault.Preparation) && _random.Percent(20)
        ? new ReadResult(null, "steward.conf, line 1: no")
        : new ReadResult(Configure(), null);

    private ReadResult ReadForReload()
    {
        _crashes.Point("read for reload");
        return Read();
    }

    /// <summary>A configuration; some of its programs have their output told as events.</summary>
    private Configuration Configure()
    {
        Configuration configuration = _configurations.Next();
        return configuration with
        {
            Groups = [.. configuration.Groups.Select(group => group with
            {
                Processes = EquatableList.From<ProcessConfig>([.. group.Processes.Select(process => process.Name[^1] % 3 != 0 || process.IsListener
                    ? process
                    : process with { Stdout = process.Stdout with { EventsEnabled = true } })]),
            })],
        };
    }

    private void StartOver()
    {
        Engine.Engine engine = Current.Engine;
        Configuration next = engine.ValidatedReload ?? throw new InvariantException("a reload came to its end without a configuration");
        _tally.Count("reloads");
        Life life = Current;
        life.IsStartingOver = true;
        engine.InvokeAsync(() =>
        {
            engine.StartOver(new SupervisorSettings("supervisor", LogLevel.Info));
            Load(engine, next);
            engine.BeginRunning();
            life.IsStartingOver = false;
        });
    }

    private void CheckTheEnd()
    {
        Life life = Current;

        // One that refused signals may have taken the last one, and be reaped and then read to its end only now.
        bool isMoving = true;
        while (isMoving)
        {
            Settle();
            isMoving = false;
            while (life.Hub.Step())
            {
                isMoving = true;
            }
        }

        _journal.Close(life.Engine.FactsTold);
        life.Invariants.AtTheEnd(_open.Count, _open.Select(request => request.ToString(CultureInfo.InvariantCulture)));
        _disk.Check();
        if (_machine.Untold.Where(untold => untold.Value.Exists(end => !end.MayStaySo)).Select(untold => untold.Key).ToArray() is { Length: > 0 } ends)
        {
            throw new InvariantException($"ends were never told: {string.Join(", ", ends)}");
        }

        if (_machine.Held.Keys.FirstOrDefault(key => _machine.Find(key.Process, key.Incarnation) is null) is { Process.Value: > 0 } left)
        {
            throw new InvariantException($"the pipes of process {left.Process.Value}#{left.Incarnation} are left behind");
        }
    }

    private static string Option(string name, Fault faults) => faults == Fault.None ? "" : $" {name} {faults.ToString().Replace(" ", "", StringComparison.Ordinal)}";

    private void Note(string text)
    {
        foreach (char c in text)
        {
            _hash = (_hash ^ c) * 1099511628211;
        }

        _text?.WriteLine(string.Create(CultureInfo.InvariantCulture, $"{_clock.Monotonic / (double)Moment.Second,16:0.000000000}  {text}"));
    }

    private void Mix(ulong value)
    {
        _hash = (_hash ^ value) * 1099511628211;
        _hash ^= _hash >> 29;
    }

    /// <summary>What dies with the daemon.</summary>
    private sealed record Life(Engine.Engine Engine, Host Host, Hub Hub, Invariants Invariants, DaemonLog Log)
    {
        /// <summary>Whether the start after a reload is under way.</summary>
        public bool IsStartingOver { get; set; }
    }
}
