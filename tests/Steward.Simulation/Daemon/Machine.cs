using System.Text;
using Steward.Core.Effects;
using Steward.Core.Inputs;
using Steward.Core.Model;
using Steward.Simulation.Checks;
using Steward.Simulation.Kernel;

namespace Steward.Simulation.Daemon;

/// <summary>
/// What lives on when the daemon dies: the kernel with its pids and zombies, the programs, and the keeper, which holds the pipes. It refuses what
/// a right daemon never asks for.
/// </summary>
internal sealed class Machine(SimRandom random, VirtualClock clock, Fault faults, Tally tally) : IKernel
{
    private readonly List<VirtualProgram> _programs = [];
    private readonly HashSet<(ProcessId, Incarnation)> _started = [];
    private readonly HashSet<int> _strangers = [];
    private readonly List<int> _freePids = [];
    private readonly Queue<(int Pid, WaitStatus Status)> _orphans = new();
    private int _lastPid = 100;

    public IReadOnlyList<VirtualChild> Children => _programs;

    public IReadOnlyList<VirtualProgram> Programs => _programs;

    /// <summary>The pipes that the keeper holds, by the role.</summary>
    public Dictionary<(ProcessId Process, Incarnation Incarnation), Pipes> Held { get; } = [];

    /// <summary>Deaths that have been waited for and must come to be told.</summary>
    public Dictionary<(string Group, string Process, int Incarnation), List<(WaitStatus Status, bool MayStaySo)>> Untold { get; } = [];

    public long Spawned { get; private set; }

    public long Reaped { get; private set; }

    /// <summary>Nothing goes wrong any more; for the end of a run.</summary>
    public bool IsCalm { get; set; }

    public bool Has(Fault fault) => !IsCalm && (faults & fault) != 0;

    /// <summary>The next moment at which a program dies by itself.</summary>
    public long NextDeath => _programs.Where(program => program.Stage == ChildStage.Alive).Select(program => program.DiesAt).DefaultIfEmpty(long.MaxValue).Min();

    /// <summary>A child comes to be. From here on it lives, whoever knows of it.</summary>
    public int Fork(Pipes pipes)
    {
        Spawn spawn = pipes.Spawn;
        foreach (VirtualProgram other in _programs)
        {
            if (other.Process == spawn.Process && (other.Stage != ChildStage.Reaped || !other.IsFinished))
            {
                throw new InvariantException(
                    $"process {spawn.Process.Value} is started as #{spawn.Incarnation} while pid {other.Pid} (#{other.Incarnation}) is {other.Stage}");
            }
        }

        _programs.RemoveAll(other => other.Process == spawn.Process);
        if (!_started.Add((spawn.Process, spawn.Incarnation)))
        {
            throw new InvariantException($"process {spawn.Process.Value}#{spawn.Incarnation} is started twice");
        }

        int pid;
        if (Has(Fault.PidReuse) && _freePids.Count > 0)
        {
            pid = _freePids[^1];
            _freePids.RemoveAt(_freePids.Count - 1);
            tally.Count("pids used again");
        }
        else
        {
            pid = ++_lastPid;
        }

        var program = new VirtualProgram(pid, pipes)
        {
            IgnoresSignals = Has(Fault.IgnoreTerm) && random.Percent(30),
            DeathTakes = Has(Fault.SlowDeath) && random.Percent(40) ? random.Below(4000) * Moment.Millisecond : random.Below(3) * Moment.Millisecond,
            IsForeign = Has(Fault.Refused) && random.Percent(15),
            IsListener = spawn.Config.IsListener,
            RejectsAlways = random.Percent(30),
            IsDeaf = Has(Fault.Stdin) && random.Percent(15),
        };
        PlanDeath(program, spawn.Config.StartSecs);
        if (program.IsListener)
        {
            program.HasViolated = Has(Fault.Listener) && random.Percent(10);
            Say(program, program.HasViolated ? "hello, world\n" : "READY\n");
        }

        _programs.Add(program);
        Spawned++;
        tally.Count("programs started");
        return pid;
    }

    /// <summary>The living or dead child of a spawn that nobody has waited for; null for none.</summary>
    public VirtualProgram? Find(ProcessId process, Incarnation incarnation) =>
        _programs.Find(program => program.Process == process && program.Incarnation == incarnation && program.Stage != ChildStage.Reaped);

    public VirtualProgram? Find(int pid) => _programs.Find(program => program.Pid == pid && program.Stage != ChildStage.Reaped);

    public SignalResult Signal(int pid, int number, out string? error)
    {
        if (_strangers.Contains(pid) || Find(pid) is not { } program)
        {
            throw new InvariantException($"signal {number} is sent to pid {pid}, which is {(_strangers.Contains(pid) ? "a stranger's" : "nobody's")}");
        }

        if (program.IsForeign || (Has(Fault.Refused) && random.Percent(5)))
        {
            error = "[Errno 1] Operation not permitted";
            program.WasRefused = true;
            return SignalResult.Refused;
        }

        error = null;
        Take(program, number);
        return SignalResult.Delivered;
    }

    /// <summary>The next dead child, which stays a zombie; also one that is no program of ours, which is gone then.</summary>
    public (int Pid, WaitStatus Status)? FindDead(Predicate<int> isSupervised)
    {
        if (_orphans.TryDequeue(out (int, WaitStatus) orphan))
        {
            return orphan;
        }

        VirtualProgram? dead = _programs.Find(program => program.Stage == ChildStage.Zombie);
        if (dead is null)
        {
            return null;
        }

        if (!isSupervised(dead.Pid))
        {
            throw new InvariantException($"pid {dead.Pid} of process {dead.Process.Value}#{dead.Incarnation} is dead and its daemon does not know it");
        }

        return (dead.Pid, dead.Status);
    }

    public bool HasDead => _orphans.Count > 0 || _programs.Exists(program => program.Stage == ChildStage.Zombie);

    /// <summary>Waits for a zombie: from here on its pid may be anybody's.</summary>
    public void Reap(int pid)
    {
        VirtualProgram? program = _programs.Find(candidate => candidate.Pid == pid && candidate.Stage == ChildStage.Zombie)
            ?? throw new InvariantException($"pid {pid} is waited for, which is no zombie");
        program.Stage = ChildStage.Reaped;
        program.ReapedAt = clock.Monotonic;
        Reaped++;
        Spawn spawn = program.Pipes.Spawn;

        // A process whose group was removed and added again counts its starts anew.
        (string, string, int) key = (spawn.Group, spawn.Config.Name, spawn.Incarnation.Value);
        if (!Untold.TryGetValue(key, out List<(WaitStatus, bool)>? untold))
        {
            Untold.Add(key, untold = []);
        }

        // A child that could not be signalled may have been given up.
        untold.Add((program.Status, program.WasRefused));
        if (Has(Fault.PidReuse) && random.Percent(30))
        {
            _strangers.Add(pid);
        }
        else
        {
            _freePids.Add(pid);
        }
    }

    /// <summary>The keeper takes pipes into its hands; what it held under the same role is closed.</summary>
    public void Hold(Pipes pipes) => Held[(pipes.Spawn.Process, pipes.Spawn.Incarnation)] = pipes;

    /// <summary>The keeper closes pipes.</summary>
    public void Drop(ProcessId process, Incarnation incarnation)
    {
        if (Held.Remove((process, incarnation), out Pipes? pipes) && pipes.Stdout.Count + pipes.Stderr.Count > 0)
        {
            throw new InvariantException($"{pipes.Stdout.Count} and {pipes.Stderr.Count} bytes of process {process.Value}#{incarnation} are thrown away with their pipes");
        }
    }

    public void AddOrphan() => _orphans.Enqueue((7, WaitStatus.FromExit(0)));

    /// <summary>Programs write, read and die.</summary>
    public void Live()
    {
        foreach (VirtualProgram program in _programs)
        {
            if (program.Stage != ChildStage.Alive)
            {
                continue;
            }

            if (!program.IsListener && random.Percent(25))
            {
                program.SayLine(OutputChannel.Stdout);
                if (random.Percent(30))
                {
                    program.SayLine(OutputChannel.Stderr);
                }
            }

            program.Write(IsCalm ? int.MaxValue : random.Pick<int>([1, 5, 30, 200]));
            if (program.Read(IsCalm || !Has(Fault.SlowReader) ? 64 : random.Below(30)))
            {
                Work(program);
                program.Write(int.MaxValue);
            }
        }

        foreach (VirtualProgram program in _programs)
        {
            if (program.Stage == ChildStage.Alive && program.DiesAt <= clock.Monotonic)
            {
                program.Stage = ChildStage.Zombie;
                program.Pipes.Stdin.IsProgramThere = false;
                program.Pipes.Stdout.IsProgramThere = false;
                program.Pipes.Stderr.IsProgramThere = false;
            }
        }

        if (_strangers.Count > 0 && random.Percent(20))
        {
            int pid = _strangers.First();
            _strangers.Remove(pid);
            _freePids.Add(pid);
        }
    }

    /// <summary>Forgets the dead whose end everybody has taken in.</summary>
    public void Forget(Predicate<VirtualProgram> isForgotten) => _programs.RemoveAll(program =>
        program.Stage == ChildStage.Reaped && program.IsFinished && isForgotten(program));

    /// <summary>A listener with an event in its hands.</summary>
    private void Work(VirtualProgram program)
    {
        bool misbehaves = Has(Fault.Listener);
        if (misbehaves && program.RejectsAlways)
        {
            Answer(program, "RESULT 4\nFAILREADY\n", false);
        }
        else if (!misbehaves || random.Percent(50))
        {
            Answer(program, "RESULT 2\nOKREADY\n", true);
        }
        else
        {
            switch (random.Below(6))
            {
                case 0:
                    tally.Count("listeners that stalled");
                    break;
                case 1:
                    program.HasViolated = true;
                    Answer(program, random.Percent(50) ? "RESULT two\nOK" : "RESULT 2\nOKREADY\nREADY\n", true);
                    break;
                case 2:
                    program.DiesAt = clock.Monotonic;
                    program.Status = WaitStatus.FromSignal(Signals.Quit);
                    break;
                default:
                    Answer(program, "RESULT 4\nFAILREADY\n", false);
                    break;
            }
        }
    }

    private static void Answer(VirtualProgram program, string text, bool isAccepted)
    {
        program.Finish(isAccepted);
        Say(program, text);
    }

    private static void Say(VirtualProgram program, string text) => program.Say(OutputChannel.Stdout, Encoding.ASCII.GetBytes(text));

    private void PlanDeath(VirtualProgram program, int startSecs)
    {
        program.Status = random.Percent(30)
            ? WaitStatus.FromSignal(random.Pick<int>([Signals.Kill, Signals.Term, 11]))
            : WaitStatus.FromExit(random.Pick<int>([0, 0, 1, 2]));
        if (Has(Fault.Exec) && random.Percent(20))
        {
            program.Status = WaitStatus.FromExit(127);
            program.DiesAt = clock.Monotonic;
            return;
        }

        long start = Math.Max(0, startSecs) * Moment.Second;
        if (Has(Fault.QuickExit) && random.Percent(45))
        {
            program.DiesAt = clock.Monotonic + (random.Below(5) switch
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
            program.DiesAt = clock.Monotonic + start + random.Below(20_000) * Moment.Millisecond;
        }
    }

    private static bool Ends(int signal) => signal is not (0 or Signals.Chld or 18 or 19 or 20 or 21 or 22 or 23 or 28);

    private void Take(VirtualProgram program, int signal)
    {
        if (program.Stage != ChildStage.Alive || !Ends(signal) || (program.IgnoresSignals && signal != Signals.Kill))
        {
            return;
        }

        program.IsKilled |= signal == Signals.Kill;
        long at = clock.Monotonic + program.DeathTakes;
        if (at < program.DiesAt)
        {
            program.DiesAt = at;
            program.Status = random.Percent(50) && signal != Signals.Kill ? WaitStatus.FromExit(0) : WaitStatus.FromSignal(signal);
        }
    }
}
