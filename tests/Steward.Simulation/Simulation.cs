using Steward.Core.Config;
using Steward.Core.Inputs;
using Steward.Core.Model;
using Steward.Core.Supervision;
using Steward.Simulation.Checks;
using Steward.Simulation.Clients;
using Steward.Simulation.Kernel;

namespace Steward.Simulation;

/// <summary>What a run came to.</summary>
/// <param name="Hash">A hash of everything that happened.</param>
/// <param name="Steps">Steps of the core.</param>
internal sealed record RunResult(ulong Hash, long Steps);

/// <summary>
/// One run: a supervisor against a kernel, clients and an operator who do as the seed says. After the given number of turns everything goes
/// right again, the daemon is told to stop, and must come to its end.
/// </summary>
internal sealed class Simulation
{
    private const int EndingTurns = 5000;

    private readonly ulong _seed;
    private readonly int _turns;
    private readonly SimRandom _random;
    private readonly Fault _faults;
    private readonly Coverage _coverage;
    private readonly Trace _trace;
    private readonly VirtualClock _clock = new();
    private readonly VirtualKernel _kernel;
    private readonly VirtualClients _clients;
    private readonly ConfigurationMaker _configurations;
    private readonly Supervisor _supervisor;
    private readonly Invariants _invariants;
    private readonly VirtualEngine _engine;

    public Simulation(ulong seed, int turns, Coverage coverage, TextWriter? text = null, Fault? faults = null)
    {
        _seed = seed;
        _turns = turns;
        _coverage = coverage;
        _random = new SimRandom(seed);
        _faults = faults ?? (Fault)(_random.NextBits() & _random.NextBits() & (ulong)Fault.All);
        _trace = new Trace(text);
        _kernel = new VirtualKernel(_random, _clock, _faults, coverage);
        _clients = new VirtualClients(_random);
        _configurations = new ConfigurationMaker(_random);
        _supervisor = new Supervisor(Settings());
        _invariants = new Invariants(_supervisor, _kernel, coverage);
        _supervisor.Observer = _invariants;
        _engine = new VirtualEngine(_supervisor, _kernel, _clock, _clients, _invariants, _random, coverage, _trace);
    }

    /// <summary>Plays the run; a broken invariant says the seed and how to see it again.</summary>
    public RunResult Run()
    {
        try
        {
            _trace.Note($"seed {_seed}, faults: {_faults}");
            Load();
            _engine.Apply(new DaemonStarted());
            _invariants.AtRest();
            for (int turn = 0; turn < _turns && !_engine.IsStoppedForGood; turn++)
            {
                Turn();
                _invariants.AtRest();
            }

            End();
            return new RunResult(_trace.Hash, _engine.Steps);
        }
        catch (Exception failure)
        {
            throw new InvariantException($"{failure.Message}\n  {HowToReplay}{(failure is InvariantException ? "" : "\n" + failure.StackTrace)}");
        }
    }

    private string HowToReplay => $"steward-sim --seed {_seed} --steps {_turns} --trace";

    private static SupervisorSettings Settings() => new("supervisor", LogLevel.Info);

    private void Turn()
    {
        if (_engine.IsStoppedForReload && _random.Percent(30))
        {
            StartOver();
            return;
        }

        int move = _random.Below(100);
        if (move < 30)
        {
            ToTheNextEvent();
        }
        else if (move < 50)
        {
            _clock.Advance(_random.Pick<long>([0, 1, Moment.Millisecond, 100 * Moment.Millisecond, 500 * Moment.Millisecond, Moment.Second]));
        }
        else if (move < 75)
        {
            Ask();
        }
        else if (move < 78)
        {
            _engine.Apply(new SignalReceived(
                _random.Pick<int>([Signals.Hup, Signals.Hup, Signals.Hup, Signals.Hup, Signals.Usr2, Signals.Usr1, Signals.Term, Signals.Int])));
        }
        else if (move < 80)
        {
            _engine.Apply(new OrphanReaped(7, WaitStatus.FromExit(0)));
        }
        else if (move < 86 && _kernel.Has(Fault.WallJump))
        {
            _coverage.Mark(Rare.WallClockSet);
            _clock.WallOffset += (_random.Below(20_000) - 10_000) * Moment.Second;
        }
        else if (_kernel.Has(Fault.StaleNews) && _engine.News.Count > 0)
        {
            TellAgain();
        }

        Settle();
    }

    /// <summary>The engine's turn: the dead, what the living have written, deadlines.</summary>
    private void Settle()
    {
        _kernel.Die();
        while (_kernel.Reap() is { } dead)
        {
            if (_supervisor.NextDeadline == _clock.Monotonic)
            {
                _coverage.Mark(Rare.DiedInTheTickOfADeadline);
            }

            _engine.Apply(new ChildReaped(dead.Process, dead.Incarnation));
        }

        for (int i = 0; i < _kernel.Children.Count; i++)
        {
            VirtualChild child = _kernel.Children[i];
            if (child.Output.Count > 0 && (_kernel.IsCalm || _random.Percent(70)))
            {
                _engine.Apply(new OutputArrived(child.Process, child.Incarnation, OutputChannel.Stdout, child.Output.Dequeue()));
            }

            if (child.Stage == ChildStage.Reaped && !(_kernel.Has(Fault.LateExit) && _random.Percent(60)))
            {
                Report(child);
                i--;
            }
        }

        if (_supervisor.NextDeadline <= _clock.Monotonic && !(_kernel.Has(Fault.LateTimer) && _random.Percent(50)))
        {
            _engine.Apply(TimePassed.Instance);
        }
    }

    private void Report(VirtualChild child)
    {
        while (child.Output.TryDequeue(out byte[]? last))
        {
            _engine.Apply(new OutputArrived(child.Process, child.Incarnation, OutputChannel.Stdout, last));
        }

        // Gone before the news is told: the news may start its successor.
        _kernel.Children.Remove(child);
        _engine.Apply(new ChildExited(child.Process, child.Incarnation, child.Status, child.ReapedAt));
    }

    private void ToTheNextEvent()
    {
        long next = Math.Min(_supervisor.NextDeadline, _kernel.NextDeath);
        if (next < long.MaxValue)
        {
            _clock.AdvanceTo(next);
        }
    }

    private void Ask()
    {
        if (_supervisor.State != DaemonState.Running)
        {
            _coverage.Mark(Rare.CommandDuringShutdown);
        }

        int kind = _random.Below(40);
        if (kind < 5)
        {
            _engine.Apply(new ConfigurationRead(_clients.Ask("reread"), _configurations.Next()));
        }
        else if (kind == 5)
        {
            _engine.Apply(new CommandReceived(_clients.Ask("restart"), new Restart()));
        }
        else if (kind == 6 && _random.Percent(30))
        {
            _engine.Apply(new CommandReceived(_clients.Ask("shutdown"), new Shutdown()));
        }
        else
        {
            _engine.Apply(_clients.Next());
        }
    }

    private void TellAgain()
    {
        Input news = _engine.News[_random.Below(_engine.News.Count)];
        if (_random.Percent(50))
        {
            _coverage.Mark(Rare.DuplicateInput);
            _engine.ApplyWithoutConsequence(news);
            return;
        }

        _coverage.Mark(Rare.StaleInput);
        _engine.ApplyWithoutConsequence(news switch
        {
            ChildSpawned x => x with { Incarnation = new Incarnation(x.Incarnation.Value - 1), Pid = 9999 },
            SpawnFailed x => x with { Incarnation = new Incarnation(x.Incarnation.Value - 1) },
            ChildExited x => x with { Incarnation = new Incarnation(x.Incarnation.Value - 1) },
            SignalAnswered x => x with { Incarnation = new Incarnation(x.Incarnation.Value - 1), Result = SignalResult.Refused },
            _ => news,
        });
    }

    private void StartOver()
    {
        _coverage.Mark(Rare.Reloaded);
        _engine.IsStoppedForReload = false;
        _engine.Apply(new Reloading(Settings()));
        if (_clients.Open > 0)
        {
            throw new InvariantException($"requests are lost in a reload: {string.Join(", ", _clients.OpenTexts)}");
        }

        if (_random.Percent(10))
        {
            _engine.Apply(new SignalReceived(Signals.Term));
            _coverage.Mark(Rare.ReloadBecameShutdown);
        }

        Load();
        _engine.Apply(new DaemonStarted());
    }

    private void Load()
    {
        Configuration configuration = _configurations.Next();
        _engine.Apply(new ConfigurationRead(default, configuration));
        foreach (GroupConfig group in configuration.Groups)
        {
            _engine.Apply(_engine.Prepare(default, group));
        }
    }

    private void End()
    {
        _kernel.IsCalm = true;
        _trace.Note("from here on everything goes right");
        if (!_engine.IsStoppedForGood)
        {
            _engine.Apply(new SignalReceived(Signals.Term));
        }

        for (int turn = 0; !_engine.IsStoppedForGood; turn++)
        {
            if (turn == EndingTurns)
            {
                throw new InvariantException($"the daemon does not come to its end: {string.Join(' ',
                    _supervisor.Slots.Select(slot => $"{slot.Namespec}:{slot.State.Name()}"))}");
            }

            Settle();
            _invariants.AtRest();
            ToTheNextEvent();
        }
    }
}
