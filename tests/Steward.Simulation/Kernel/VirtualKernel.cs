using Steward.Core.Effects;
using Steward.Core.Inputs;
using Steward.Core.Model;
using Steward.Simulation.Checks;

namespace Steward.Simulation.Kernel;

/// <summary>
/// The kernel and the programs: spawns, signals, deaths, zombies, pids, pipes. It knows nothing of the supervisor but what comes as effects,
/// and refuses what no kernel would ever see of a supervisor that is right.
/// </summary>
internal sealed class VirtualKernel(SimRandom random, VirtualClock clock, Fault faults, Coverage coverage) : IKernel
{
    private static readonly string[] s_spawnErrors =
    [
        "can't find command '/x'", "command at '/x' is not executable", "too many open files to spawn 'p'",
        "unknown error making dispatchers for 'p': ENOENT", "Too many processes in process table to spawn 'p'",
        "unknown error during fork for 'p': ENOMEM", "can't parse command \"'\": No closing quotation",
    ];

    private readonly List<int> _freePids = [];
    private int _lastPid = 100;

    /// <summary>Children that are not forgotten yet: alive, zombies, or reaped with output to be read.</summary>
    public List<VirtualChild> Children { get; } = [];

    IReadOnlyList<VirtualChild> IKernel.Children => Children;

    /// <summary>Nothing goes wrong any more; for the end of a run.</summary>
    public bool IsCalm { get; set; }

    public long Spawned { get; private set; }

    public long Reaped { get; private set; }

    /// <summary>The next moment at which a child dies by itself; <see cref="long.MaxValue"/> for none.</summary>
    public long NextDeath
    {
        get
        {
            long next = long.MaxValue;
            foreach (VirtualChild child in Children)
            {
                if (child.Stage == ChildStage.Alive)
                {
                    next = Math.Min(next, child.DiesAt);
                }
            }

            return next;
        }
    }

    public bool Has(Fault fault) => !IsCalm && (faults & fault) != 0;

    public Input Spawn(Spawn spawn)
    {
        foreach (VirtualChild other in Children)
        {
            if (other.Process == spawn.Process)
            {
                throw new InvariantException($"process {spawn.Process.Value} is spawned while its pid {other.Pid} is {other.Stage}");
            }
        }

        if (Has(Fault.Spawn) && random.Percent(25))
        {
            coverage.Mark(Rare.SpawnFailed);
            return new SpawnFailed(spawn.Process, spawn.Incarnation, random.Pick<string>(s_spawnErrors));
        }

        int pid;
        if (Has(Fault.PidReuse) && _freePids.Count > 0)
        {
            pid = _freePids[^1];
            _freePids.RemoveAt(_freePids.Count - 1);
            coverage.Mark(Rare.PidReused);
        }
        else
        {
            pid = ++_lastPid;
        }

        var child = new VirtualChild(pid, spawn.Process, spawn.Incarnation)
        {
            IgnoresSignals = Has(Fault.IgnoreTerm) && random.Percent(30),
            DeathTakes = Has(Fault.SlowDeath) && random.Percent(40) ? random.Below(4000) * Moment.Millisecond : random.Below(3) * Moment.Millisecond,
            IsForeign = Has(Fault.Refused) && random.Percent(15),
            IsListener = spawn.Config.IsListener,
            RejectsAlways = random.Percent(30),
            IsDeaf = Has(Fault.Stdin) && random.Percent(15),
        };
        PlanDeath(child, spawn.Config.StartSecs);
        if (child.IsListener)
        {
            Say(child, Has(Fault.Listener) && random.Percent(10) ? "hello, world\n" : "READY\n");
        }

        Children.Add(child);
        Spawned++;
        return new ChildSpawned(spawn.Process, spawn.Incarnation, pid);
    }

    public SignalResult Signal(Signal signal, out string? error)
    {
        error = "[Errno 3] No such process";
        foreach (VirtualChild child in Children)
        {
            // The engine looks whose pid it is: the one of a child it has reaped may be somebody else's by now.
            if (child.Pid != signal.Pid || child.Stage == ChildStage.Reaped
                || child.Process != signal.Process || child.Incarnation != signal.Incarnation)
            {
                continue;
            }

            if (child.IsForeign || (Has(Fault.Refused) && random.Percent(5)))
            {
                coverage.Mark(Rare.SignalRefused);
                error = "[Errno 1] Operation not permitted";
                child.WasRefused = true;
                return SignalResult.Refused;
            }

            error = null;
            Take(child, signal.Number);
            return SignalResult.Delivered;
        }

        coverage.Mark(Rare.SignalGone);
        return SignalResult.Gone;
    }

    public StdinResult Write(WriteStdin write)
    {
        VirtualChild? child = Children.Find(c => c.Process == write.Process && c.Incarnation == write.Incarnation && c.Stage != ChildStage.Reaped);
        if (child is null || child.IsDeaf)
        {
            coverage.Mark(Rare.StdinClosed);
            return StdinResult.Closed;
        }

        if (Has(Fault.Stdin) && random.Percent(10))
        {
            coverage.Mark(Rare.StdinFull);
            return StdinResult.Full;
        }

        if (child.IsListener && write.Request == default && child.Stage == ChildStage.Alive)
        {
            Work(child);
        }

        return StdinResult.Accepted;
    }

    /// <summary>Lets everybody die whose time has come.</summary>
    public void Die()
    {
        foreach (VirtualChild child in Children)
        {
            if (child.Stage == ChildStage.Alive && child.DiesAt <= clock.Monotonic)
            {
                child.Stage = ChildStage.Zombie;
            }
        }
    }

    /// <summary>Waits for one zombie; from then on its pid is free.</summary>
    public VirtualChild? Reap()
    {
        VirtualChild? child = Children.Find(c => c.Stage == ChildStage.Zombie);
        if (child is not null)
        {
            child.Stage = ChildStage.Reaped;
            child.ReapedAt = clock.Monotonic;
            _freePids.Add(child.Pid);
            Reaped++;
        }

        return child;
    }

    /// <summary>A listener with an event in its hands.</summary>
    private void Work(VirtualChild child)
    {
        if (Has(Fault.Listener) && child.RejectsAlways)
        {
            coverage.Mark(Rare.EventRejected);
            Say(child, "RESULT 4\nFAILREADY\n");
            return;
        }

        if (!Has(Fault.Listener) || random.Percent(50))
        {
            Say(child, "RESULT 2\nOKREADY\n");
            return;
        }

        switch (random.Below(6))
        {
            case 0:
                coverage.Mark(Rare.ListenerStalled);
                break;
            case 1:
                coverage.Mark(Rare.ListenerViolated);
                Say(child, random.Percent(50) ? "RESULT two\nOK" : "RESULT 2\nOKREADY\nREADY\n");
                break;
            case 2:
                coverage.Mark(Rare.ListenerDied);
                child.DiesAt = clock.Monotonic;
                child.Status = WaitStatus.FromSignal(Signals.Quit);
                break;
            default:
                coverage.Mark(Rare.EventRejected);
                Say(child, "RESULT 4\nFAILREADY\n");
                break;
        }
    }

    private void Say(VirtualChild child, string text)
    {
        byte[] bytes = System.Text.Encoding.ASCII.GetBytes(text);
        int cut = random.Percent(30) ? random.Below(bytes.Length) : 0;
        if (cut > 0)
        {
            child.Output.Enqueue(bytes[..cut]);
        }

        child.Output.Enqueue(bytes[cut..]);
    }

    private void PlanDeath(VirtualChild child, int startSecs)
    {
        child.Status = random.Percent(30)
            ? WaitStatus.FromSignal(random.Pick<int>([Signals.Kill, Signals.Term, 11]))
            : WaitStatus.FromExit(random.Pick<int>([0, 0, 1, 2]));
        if (Has(Fault.Exec) && random.Percent(20))
        {
            coverage.Mark(Rare.ExecFailed);
            child.Status = WaitStatus.FromExit(127);
            child.DiesAt = clock.Monotonic;
            return;
        }

        long start = Math.Max(0, startSecs) * Moment.Second;
        if (Has(Fault.QuickExit) && random.Percent(45))
        {
            coverage.Mark(Rare.QuickExit);
            // Also in the very tick of the deadline, and one before and behind it.
            child.DiesAt = clock.Monotonic + (random.Below(5) switch
            {
                0 => start,
                1 => start + 1,
                2 => Math.Max(0, start - 1),
                3 => 0,
                _ => random.Below((int)(start / Moment.Millisecond) + 1) * Moment.Millisecond,
            });
        }
        else if (!IsCalm && random.Percent(50))
        {
            child.DiesAt = clock.Monotonic + start + random.Below(20_000) * Moment.Millisecond;
        }
    }

    private static bool Ends(int signal) => signal is not (0 or Signals.Chld or 18 or 19 or 20 or 21 or 22 or 23 or 28);

    private void Take(VirtualChild child, int signal)
    {
        if (child.Stage != ChildStage.Alive || !Ends(signal) || (child.IgnoresSignals && signal != Signals.Kill))
        {
            return;
        }

        long at = clock.Monotonic + child.DeathTakes;
        if (at < child.DiesAt)
        {
            child.DiesAt = at;
            child.Status = random.Percent(50) && signal != Signals.Kill ? WaitStatus.FromExit(0) : WaitStatus.FromSignal(signal);
        }
    }
}
