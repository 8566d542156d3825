using System.Globalization;
using Steward.Core.Config;
using Steward.Core.Effects;
using Steward.Core.Inputs;
using Steward.Core.Model;
using Steward.Core.Ports;
using Steward.Simulation.Checks;

namespace Steward.Simulation.Daemon;

/// <summary>The kernel's side of the daemon, over the simulated machine. Dies with the daemon.</summary>
internal sealed class Host(
    Machine machine, Hub hub, AdoptionList file, Crashes crashes, SimRandom random, IProcessHostEvents events, Names names, Tally tally) : IProcessHost
{
    private const int StdinSize = 120;
    private const int OutputSize = 200;

    private static readonly (string Error, string Stage)[] s_spawnErrors =
    [
        ("can't find command '/x'", "command"), ("too many open files to spawn 'p'", "pipes and logs"),
        ("unknown error making dispatchers for 'p': EMFILE", "pipes and logs"), ("Too many processes in process table to spawn 'p'", "fork"),
        ("unknown error during fork for 'p': EAGAIN", "fork"), ("unknown error during fork for 'p': ENOMEM", "fork"),
    ];

    private readonly HashSet<int> _supervised = [];

    // Those among them that are the keeper's children, and those that are nobody's; the ends of the latter that were noticed.
    private readonly HashSet<int> _kept = [];
    private readonly Dictionary<int, VirtualProgram> _foreign = [];
    private readonly Queue<(VirtualProgram Program, WaitStatus Status)> _foreignDead = new();
    private readonly Queue<(int Pid, WaitStatus Status)> _toldAgain = new();
    private readonly Queue<Action> _later = new();
    private bool _isTold;
    private bool _isInside;

    public GroupPrepared PrepareGroup(RequestId request, GroupConfig group)
    {
        Enter("prepare group");
        if (request != default && Fails(20))
        {
            return new GroupPrepared(request, group, [], "Could not create FastCGI socket tcp://x:1: in use");
        }

        var logs = new List<AutoLog>();
        foreach (ProcessConfig process in group.Processes)
        {
            logs.Add(new AutoLog(process.Name, OutputChannel.Stdout, names.Next(group.Name, process.Name, "stdout")));
            logs.Add(new AutoLog(process.Name, OutputChannel.Stderr, names.Next(group.Name, process.Name, "stderr")));
        }

        Leave("prepared group");
        return new GroupPrepared(request, group, logs, null);
    }

    public Core.Model.Fault? CheckCommand(ProcessConfig config)
    {
        Enter("check command");
        return Fails(15) ? new Core.Model.Fault(FaultCode.NoFile, "can't find command '/x'") : null;
    }

    public SpawnAnswer Spawn(Spawn request)
    {
        Enter("spawn");
        if (machine.Has(Fault.Spawn) && random.Percent(25))
        {
            (string error, string stage) = random.Pick<(string, string)>(s_spawnErrors);
            tally.Count("spawns that failed");
            return new SpawnAnswer(0, error, stage);
        }

        var pipes = new Pipes(request, new Pipe(StdinSize), new Pipe(OutputSize), new Pipe(OutputSize));
        machine.Hold(pipes);
        crashes.Point("spawn: held");
        file.Spawning(request.Group, request.Config);
        int pid = machine.Fork(pipes);
        crashes.Point("spawn: forked");
        if (!_supervised.Add(pid))
        {
            // The pid is that of a program that was nobody's child, and of whose end nobody has told yet.
            crashes.RarePoint("spawn: with the pid of another");
            tally.Count("spawns with the pid of one whose end was not known");
            machine.Undo(pid);
            file.NotSpawned();
            return new SpawnAnswer(0, "the pid that 'p' got is one whose former end is not yet known", "fork");
        }

        file.Spawned(machine.Find(pid)!, request.Config);
        hub.Add(pipes);
        Leave("spawned");
        return new SpawnAnswer(pid, null);
    }

    /// <summary>The child that a predecessor has spawned and not come to write down.</summary>
    public int? FindSpawned(Spawn spawn, long since)
    {
        VirtualProgram? program = machine.Find(spawn.Process, spawn.Incarnation);
        if (program is { Stage: Kernel.ChildStage.Gone, IsUncertain: true })
        {
            machine.ForgetUnseen(program);
            program = null;
        }

        int? pid = program?.Pid;
        if (pid is { } taken && _supervised.Contains(taken))
        {
            tally.Count("uncertain spawns with the pid of one whose end was not known");
            machine.Undo(taken);
            return null;
        }

        if (pid is not null && program!.Parent == Parent.Nobody)
        {
            tally.Count("uncertain spawns whose keeper had died");
        }

        tally.Count(pid is null ? "uncertain spawns that had not been" : "uncertain spawns that had been");
        return pid;
    }

    /// <summary>Takes a predecessor's child over.</summary>
    public void Adopt(Spawn spawn, int pid, bool isDead)
    {
        crashes.Point("adopt");
        VirtualProgram? program = isDead ? null : machine.Find(spawn.Process, spawn.Incarnation);
        if (!isDead && program?.Pid != pid)
        {
            throw new InvariantException($"pid {pid} is adopted as process {spawn.Process.Value}#{spawn.Incarnation}, which it is not");
        }

        if (isDead && machine.Find(pid) is { } other && other.Process == spawn.Process && other.Incarnation == spawn.Incarnation && other.DiesAt == long.MaxValue)
        {
            throw new InvariantException($"pid {pid} is adopted as a dead one, and lives");
        }

        if (program is not null)
        {
            TakeOver(program);
            if (!file.Has(program))
            {
                file.Spawned(program, spawn.Config);
            }
        }

        tally.Count(isDead ? "dead ones adopted" : "living ones adopted");
        if (machine.Held.TryGetValue((spawn.Process, spawn.Incarnation), out Pipes? pipes))
        {
            Spawn before = pipes.Spawn;
            if ((before.StdoutLog, before.StderrLog, before.TapStdout, before.TapStderr) != (spawn.StdoutLog, spawn.StderrLog, spawn.TapStdout, spawn.TapStderr)
                || before.Group != spawn.Group || !before.Config.Equals(spawn.Config))
            {
                throw new InvariantException($"process {spawn.Process.Value}#{spawn.Incarnation} is adopted with other logs or settings than it was started with");
            }

            hub.Add(pipes);
        }
        else if (!isDead)
        {
            throw new InvariantException($"the pipes of the living process {spawn.Process.Value}#{spawn.Incarnation} are gone");
        }
    }

    /// <summary>Takes a program over that a predecessor has taken on: it has no pipes.</summary>
    public void AdoptOrphan(ProcessId process, Incarnation incarnation, int pid, bool isDead)
    {
        crashes.Point("adopt");
        if (isDead)
        {
            return;
        }

        if (machine.Find(process, incarnation) is not { HasLostPipes: true } program || program.Pid != pid)
        {
            throw new InvariantException($"pid {pid} is taken over as process {process.Value}#{incarnation}, which it is not");
        }

        TakeOver(program);
    }

    /// <summary>Takes on what an earlier daemon has started, of which only the adoption file tells; false when it is gone.</summary>
    public bool TryAdopt(ProcessId process, Incarnation incarnation, VirtualProgram program)
    {
        crashes.Point("take on");
        if (program.Stage != Kernel.ChildStage.Alive || !_supervised.Add(program.Pid))
        {
            return false;
        }

        program.BecomeProcess(process, incarnation);
        _foreign.Add(program.Pid, program);
        tally.Count("programs taken on by the adoption file");
        crashes.Point("taken on");
        return true;
    }

    private void TakeOver(VirtualProgram program)
    {
        program.IsUncertain = false;
        _supervised.Add(program.Pid);
        if (program.Stage == Kernel.ChildStage.Gone)
        {
            tally.Count("ends noticed at the take-over, unobserved");
            _foreignDead.Enqueue((program, WaitStatus.Unobserved));
        }
        else if (program.Parent == Parent.Keeper)
        {
            _kept.Add(program.Pid);
        }
        else
        {
            tally.Count("programs taken over as nobody's children");
            _foreign.Add(program.Pid, program);
        }
    }

    /// <summary>After all were adopted: what nobody has taken over is closed.</summary>
    public void EndAdoption()
    {
        foreach ((ProcessId process, Incarnation incarnation) in machine.Held.Keys.ToArray())
        {
            if (!hub.Has(process, incarnation))
            {
                machine.Drop(process, incarnation);
            }
        }

        file.Retain(program => _supervised.Contains(program.Pid));
    }

    public SignalResult Signal(int pid, int number, bool toGroup, out string? error)
    {
        Enter("signal");
        SignalResult result = SignalResult.Gone;
        error = null;
        if (_foreign.TryGetValue(pid, out VirtualProgram? program))
        {
            result = machine.Signal(program, number, out error);
        }
        else if (_kept.Contains(pid))
        {
            // By its start time: when the keeper is dead, others may have waited for it.
            result = machine.Signal(machine.Programs.First(program => program.Pid == pid && program.Stage != Kernel.ChildStage.Reaped && program.Parent != Parent.Daemon), number, out error);
        }
        else if (!_foreignDead.Any(dead => dead.Program.Pid == pid))
        {
            result = machine.Signal(pid, number, out error);
        }

        Leave("signalled");
        return result;
    }

    public StdinResult WriteStdin(ProcessId process, Incarnation incarnation, ReadOnlyMemory<byte> data)
    {
        Enter("stdin");
        StdinResult result = hub.Write(process, incarnation, data.Span);
        Leave("stdin done");
        return result;
    }

    public bool TryFindDead(out int pid, out WaitStatus status)
    {
        Enter("find dead");
        if (_foreignDead.TryDequeue(out (VirtualProgram Program, WaitStatus Status) foreign))
        {
            foreign.Program.Told = foreign.Status;
            (pid, status) = (foreign.Program.Pid, foreign.Status);
            return true;
        }

        // It may have been told twice; the pid may be another's by now.
        while (_toldAgain.TryDequeue(out (int Pid, WaitStatus Status) again))
        {
            tally.Count("ends that the keeper told twice");
            if (_kept.Contains(again.Pid))
            {
                (pid, status) = again;
                return true;
            }
        }

        (int Pid, WaitStatus Status)? dead = machine.FindDead(_supervised.Contains);
        (pid, status) = dead ?? default;
        return dead is not null;
    }

    public void Reap(int pid)
    {
        crashes.Point("reap");
        if (machine.IsToReap(pid))
        {
            machine.Reap(pid);
        }

        if (_kept.Remove(pid) && machine.Has(Fault.LateKeeper) && random.Percent(30))
        {
            _toldAgain.Enqueue((pid, WaitStatus.FromExit(0)));
        }

        _foreign.Remove(pid);
        if (_supervised.Remove(pid))
        {
            file.Ended(pid);
        }

        crashes.Point("reaped");
    }

    public bool TryReap(out int pid, out WaitStatus status)
    {
        bool isThere = TryFindDead(out pid, out status);
        if (isThere && _supervised.Contains(pid))
        {
            Reap(pid);
        }

        return isThere;
    }

    public void ReapingDone()
    {
        _isTold = false;
        if (_foreignDead.Count > 0)
        {
            // It came after the last look, when it still counted as told.
            events.ChildrenExited();
        }
    }

    public void FinishOutput(ProcessId process, Incarnation incarnation, bool wantsOutput)
    {
        Enter("finish output");
        machine.FinishWithoutPipes(process, incarnation);
        hub.End(process, incarnation, wantsOutput);
    }

    public bool? TakeOutOfMemoryKill() => random.Percent(50) ? random.Percent(50) : null;

    public void OutputConsumed(int bytes)
    {
    }

    public bool ClearLogs(ProcessId process, string? stdoutLog, string? stderrLog)
    {
        Enter("clear logs");
        hub.ClearLogs(process, stdoutLog, stderrLog);
        Leave("cleared logs");
        return !Fails(20);
    }

    public void ReopenLogs()
    {
        Enter("reopen logs");
        hub.Reopen();
    }

    public IReadOnlyList<string> EndSurvivors(EndSurvivors request)
    {
        Enter("end survivors");
        return Fails(50) ? ["1 (it)"] : [];
    }

    public void MeasureMemory(ProcessId process, Incarnation incarnation, int pid) =>
        _later.Enqueue(() => events.MemoryMeasured(process, incarnation, Fails(40) ? 2 : 1, 1));

    public void ProbeHealth(ProcessId process, Incarnation incarnation, HealthConfig health) =>
        _later.Enqueue(() => events.HealthProbed(process, incarnation, Fails(40) ? "status 503" : null));

    /// <summary>What the daemon's other threads do meanwhile.</summary>
    public void Work()
    {
        foreach (VirtualProgram program in _foreign.Values.Where(program => program.Stage == Kernel.ChildStage.Gone).ToArray())
        {
            if (machine.IsCalm || random.Percent(50))
            {
                bool isObserved = !machine.IsOldKernel;
                tally.Count(isObserved ? "ends of nobody's children, told by the kernel" : "ends of nobody's children, unobserved");
                _foreign.Remove(program.Pid);
                _foreignDead.Enqueue((program, isObserved ? program.Status : WaitStatus.Unobserved));
                events.ChildrenExited();
            }
        }

        if (machine.HasDead && !_isTold && (machine.IsCalm || random.Percent(70)))
        {
            _isTold = true;
            events.ChildrenExited();
        }

        if (_later.Count > 0 && (machine.IsCalm || random.Percent(50)))
        {
            _later.Dequeue()();
        }

        if (machine.Has(Fault.StaleNews) && random.Percent(5) && hub.Ended is { } ended)
        {
            tally.Count("ends told twice");
            events.OutputFinished(ended.Process, ended.Incarnation);
        }

        int steps = machine.IsCalm ? int.MaxValue : random.Below(8);
        for (int i = 0; i < steps && hub.Step(); i++)
        {
        }
    }

    private bool Fails(int percent) => machine.Has(Fault.Preparation) && random.Percent(percent);

    /// <summary>The engine begins something outside. Meanwhile the hub, on its thread, does what it likes.</summary>
    private void Enter(string what)
    {
        crashes.Point(what);
        if (!_isInside && random.Percent(15))
        {
            _isInside = true;
            hub.Step();
            _isInside = false;
        }
    }

    private void Leave(string what) => crashes.Point(what);
}

/// <summary>Names of logs, none of which is given twice.</summary>
internal sealed class Names
{
    private int _last;

    public string Next(string group, string process, string channel) =>
        string.Create(CultureInfo.InvariantCulture, $"/var/log/{group}-{process}-{channel}-{++_last}.log");
}
