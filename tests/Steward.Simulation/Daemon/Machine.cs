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

    /// <summary>Whether the keeper is dead and the daemon has not taken its place.</summary>
    public bool IsKeeperDead { get; private set; }

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

            if (other is { Stage: ChildStage.Alive, WasRefused: false } && other.Pipes.Spawn.Group == spawn.Group && other.Pipes.Spawn.Config.Name == spawn.Config.Name)
            {
                throw new InvariantException($"{spawn.Group}:{spawn.Config.Name} is started beside itself, pid {other.Pid} of an earlier daemon");
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
            IsUncertain = true,
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

    public VirtualProgram? Find(int pid) =>
        _programs.Find(program => program.Pid == pid && program.Stage is ChildStage.Alive or ChildStage.Zombie);

    /// <summary>The living program of a name, but for those that are known; null for none.</summary>
    public VirtualProgram? Find(string group, string process, Predicate<VirtualProgram> isKnown) => _programs.Find(
        program => program.Stage == ChildStage.Alive && !isKnown(program) && program.Pipes.Spawn.Group == group && program.Pipes.Spawn.Config.Name == process);

    public SignalResult Signal(int pid, int number, out string? error)
    {
        if (_strangers.Contains(pid) || Find(pid) is not { } program)
        {
            throw new InvariantException($"signal {number} is sent to pid {pid}, which is {(_strangers.Contains(pid) ? "a stranger's" : "nobody's")}");
        }

        return Signal(program, number, out error);
    }

    /// <summary>Through a descriptor of the process: whoever has its pid by now, only that process is meant.</summary>
    public SignalResult Signal(VirtualProgram program, int number, out string? error)
    {
        if (program.Stage is ChildStage.Gone or ChildStage.Reaped)
        {
            error = null;
            tally.Count("signals to one that was gone");
            return SignalResult.Gone;
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

        VirtualProgram? dead = _programs.Find(program => program.Stage == ChildStage.Zombie && !IsLate(program));
        if (dead is null)
        {
            return null;
        }

        if (!isSupervised(dead.Pid))
        {
            throw new InvariantException($"pid {dead.Pid} of process {dead.Process.Value}#{dead.Incarnation} is dead and its daemon does not know it");
        }

        dead.Told = dead.Status;
        return (dead.Pid, dead.Status);
    }

    /// <summary>Whether the keeper has not come to tell of it yet.</summary>
    private bool IsLate(VirtualProgram program)
    {
        bool isLate = program.Parent == Parent.Keeper && Has(Fault.LateKeeper) && random.Percent(60);
        if (isLate)
        {
            tally.Count("ends that the keeper told late");
        }

        return isLate;
    }

    /// <summary>Whether somebody of this pid is dead and was not waited for by the daemon.</summary>
    public bool IsToReap(int pid) => _programs.Exists(program => program.Pid == pid && program.Stage is ChildStage.Gone or ChildStage.Zombie);

    /// <summary>Whether the kernel does not tell how a process ended that is nobody's child.</summary>
    public bool IsOldKernel => (faults & Fault.Unobserved) != 0;

    /// <summary>The daemon has written down all that it started.</summary>
    public void AllIsKnown() => _programs.ForEach(program => program.IsUncertain = false);

    /// <summary>One without pipes has nothing that is still to be read.</summary>
    public void FinishWithoutPipes(ProcessId process, Incarnation incarnation)
    {
        if (_programs.Find(program => program.Process == process && program.Incarnation == incarnation) is { HasLostPipes: true } program)
        {
            program.IsFinished = true;
        }
    }

    public bool HasDead => _orphans.Count > 0 || _programs.Exists(program => program.Stage == ChildStage.Zombie);

    /// <summary>Waits for a zombie: from here on its pid may be anybody's. One that others have waited for is done with.</summary>
    public void Reap(int pid)
    {
        VirtualProgram? program = _programs.Find(candidate => candidate.Pid == pid && candidate.Stage == ChildStage.Gone)
            ?? _programs.Find(candidate => candidate.Pid == pid && candidate.Stage == ChildStage.Zombie)
            ?? throw new InvariantException($"pid {pid} is waited for, which is no zombie");
        bool isFree = program.Stage == ChildStage.Gone;
        program.Stage = ChildStage.Reaped;
        program.ReapedAt = clock.Monotonic;
        Reaped++;
        Spawn spawn = program.Pipes.Spawn;

        // A process whose group was removed and added again counts its starts anew.
        (string, string, int) key = (spawn.Group, spawn.Config.Name, program.Incarnation.Value);
        if (!Untold.TryGetValue(key, out List<(WaitStatus, bool)>? untold))
        {
            Untold.Add(key, untold = []);
        }

        // A child that could not be signalled may have been given up.
        untold.Add((program.Told, program.WasRefused));
        if (!isFree)
        {
            Free(pid);
        }
    }

    private void Free(int pid)
    {
        if (_freePids.Contains(pid) || _strangers.Contains(pid))
        {
            throw new InvalidOperationException($"Pid {pid} is free already.");
        }

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

    /// <summary>The keeper is killed: its children are nobody's, and those that are dead are waited for by others.</summary>
    public void KeeperDies()
    {
        tally.Count("keepers killed");
        IsKeeperDead = true;
        Orphan(Parent.Keeper);
    }

    /// <summary>The daemon is killed.</summary>
    public void DaemonDies()
    {
        if (IsKeeperDead)
        {
            Orphan(Parent.Daemon);
            return;
        }

        PassOn();
    }

    /// <summary>The daemon's children stay those of its process, which is the keeper from here on.</summary>
    public void DaemonBecomesKeeper()
    {
        IsKeeperDead = false;
        PassOn();
    }

    /// <summary>Neither a daemon nor a keeper is left: nothing of what they held in their memories is, and no pipe has another end.</summary>
    public void EverybodyIsDead()
    {
        IsKeeperDead = false;
        Orphan(Parent.Daemon);
        Orphan(Parent.Keeper);
        Held.Clear();
        Untold.Clear();
        _started.Clear();
        _orphans.Clear();
        _programs.RemoveAll(program => program.Stage is ChildStage.Reaped or ChildStage.Gone);
        foreach (VirtualProgram program in _programs)
        {
            program.LoseEverybody();
        }
    }

    /// <summary>Its daemon died over its start, it ended, and then its parent, before anybody looked: nothing is left that could tell of it.</summary>
    public void ForgetUnseen(VirtualProgram program)
    {
        tally.Count("starts that nobody saw, made again");
        _programs.Remove(program);
        _started.Remove((program.Process, program.Incarnation));
        Held.Remove((program.Process, program.Incarnation));
    }

    /// <summary>Those that died before anybody came to know of them.</summary>
    public void ForgetUnknown() => _programs.RemoveAll(program => program.Process == default && program.Stage == ChildStage.Gone);

    /// <summary>Nobody supervises it from here on: it is a stranger.</summary>
    public void LeaveAlone(VirtualProgram program)
    {
        _programs.Remove(program);
        if (program.Stage == ChildStage.Alive)
        {
            tally.Count("programs that the configuration does not know any more");
            _strangers.Add(program.Pid);
        }
    }

    /// <summary>The daemon kills a child of which nothing is known yet, and waits for it.</summary>
    public void Undo(int pid)
    {
        VirtualProgram program = _programs.Find(program => program.Pid == pid && program is { IsUncertain: true, Stage: ChildStage.Alive or ChildStage.Zombie })!;
        _programs.Remove(program);
        program.Stage = ChildStage.Reaped;
        _started.Remove((program.Process, program.Incarnation));
        Held.Remove((program.Process, program.Incarnation));
        Free(pid);
    }

    private void PassOn()
    {
        foreach (VirtualProgram program in _programs)
        {
            program.Parent = program.Parent == Parent.Daemon ? Parent.Keeper : program.Parent;
        }
    }

    private void Orphan(Parent parent)
    {
        foreach (VirtualProgram program in _programs.Where(program => program.Parent == parent))
        {
            program.Parent = Parent.Nobody;
            if (program.Stage == ChildStage.Zombie)
            {
                Vanish(program);
            }
        }
    }

    private void Vanish(VirtualProgram program)
    {
        program.Stage = ChildStage.Gone;
        Free(program.Pid);
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

            if (program.HasLostPipes)
            {
                if (!IsCalm && program.DiesAt > clock.Monotonic && random.Percent(10))
                {
                    tally.Count("programs that wrote into a pipe without an end");
                    program.DiesAt = clock.Monotonic;
                    program.Status = WaitStatus.FromSignal(13);
                }

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
                if (program.Parent == Parent.Nobody)
                {
                    Vanish(program);
                }
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
