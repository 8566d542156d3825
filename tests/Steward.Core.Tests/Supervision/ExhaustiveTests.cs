using Steward.Core.Config;
using Steward.Core.Inputs;
using Steward.Core.Model;
using Steward.Core.Supervision;

namespace Steward.Core.Tests.Supervision;

/// <summary>Everything that can happen, in every order, over a short stretch.</summary>
public sealed class ExhaustiveTests
{
    private static readonly (string Name, Action<Machine> Do)[] s_moves =
    [
        ("start a", m => m.Ask(new StartProcess("a", Wait: true))),
        ("start b", m => m.Ask(new StartProcess("b", Wait: false))),
        ("start all", m => m.Ask(new StartAll(Wait: true))),
        ("stop a", m => m.Ask(new StopProcess("a", Wait: true))),
        ("stop all", m => m.Ask(new StopAll(Wait: true))),
        ("signal a", m => m.Ask(new SignalProcess("a", "HUP"))),
        ("a exits", m => ExitIfAlive(m, "a", 0)),
        ("b exits", m => ExitIfAlive(m, "b", 1)),
        ("a deadline", ToDeadline),
        ("half a second", m => m.RunUntil((m.Now / (double)Moment.Second) + 0.5)),
        ("spawns fail", m => m.SpawnError = _ => "no luck"),
        ("signals are refused", m => m.SignalAnswer = _ => (SignalResult.Refused, "[Errno 1] Operation not permitted")),
        ("TERM", m => m.Step(new SignalReceived(Signals.Term))),
        ("reload", m => m.Ask(new Restart())),
        ("too much memory", m => TooMuch(m, "a")),
        ("late news", LateNews),
    ];

    // A deadline in STOPPED is the pause of a listener that broke the protocol; ListenerRecoveryTests have it.
    private static readonly (ProcessState, ProcessTrigger) ListenersOnly = (ProcessState.Stopped, ProcessTrigger.Due);

    private static void TooMuch(Machine machine, string name)
    {
        ProcessSlot slot = machine.Slot(name);
        machine.Step(new MemoryMeasured(slot.Id, slot.Incarnation, 2, 1));
        machine.Step(new MemoryMeasured(slot.Id, slot.Incarnation, 2, 1));
    }

    [Fact]
    public void Four_moves_in_any_order_over_two_processes_keep_what_always_holds()
    {
        var watcher = new Watcher();
        for (int first = 0; first < s_moves.Length; first++)
        {
            for (int second = 0; second < s_moves.Length; second++)
            {
                for (int third = 0; third < s_moves.Length; third++)
                {
                    for (int fourth = 0; fourth < s_moves.Length; fourth++)
                    {
                        Play(watcher, [first, second, third, fourth]);
                    }
                }
            }
        }

        Assert.Equal(ProcessGraph.Edges.Select(edge => (edge.From, edge.To)).ToHashSet(), watcher.Edges);
        Assert.Empty(
            (from state in Enum.GetValues<ProcessState>()
             from trigger in Enum.GetValues<ProcessTrigger>()
             where state != ProcessState.Unknown && ProcessTable.Action(state, trigger) != ProcessAction.Nothing
             select (state, trigger)).Except(watcher.Cells).Except([ListenersOnly]));
    }

    private static void Play(Watcher watcher, int[] moves)
    {
        Machine machine = Machine.Up(
            Machine.Group(Machine.Program("a", c => c with
            {
                StartRetries = 1, StopWaitSecs = 1, MemoryLimit = new MemoryLimitConfig { Bytes = 1, CheckSecs = 1000 },
            })),
            Machine.Group(Machine.Program("b", c => c with { StartSecs = 0, AutoStart = false, StopWaitSecs = 0, KillMode = KillMode.Tree })));
        machine.Supervisor.Observer = watcher;
        string done = "";
        try
        {
            foreach (int move in moves)
            {
                done += s_moves[move].Name + ", ";
                s_moves[move].Do(machine);
                Watcher.CheckAtRest(machine.Supervisor, machine.Now);
            }

            done += "and the end";
            End(machine);
        }
        catch (Exception failure)
        {
            throw new Xunit.Sdk.XunitException($"after {done}: {failure.Message}\n{string.Join('\n', machine.Lines)}\n{failure.StackTrace}");
        }
    }

    /// <summary>Whatever went before: a shutdown ends everything, once, and leaves no request without its answer.</summary>
    private static void End(Machine machine)
    {
        machine.SignalAnswer = _ => (SignalResult.Delivered, null);
        machine.Step(new SignalReceived(Signals.Term));
        for (int i = 0; i < 2; i++)
        {
            ExitIfAlive(machine, "a", 0);
            ExitIfAlive(machine, "b", 0);
        }

        Assert.Single(machine.Lines, line => line == "stopped for good");
        Assert.Empty(machine.OpenRequests);
        Assert.All(machine.Supervisor.Slots, slot => Assert.True(slot.State.IsStopped(), $"{slot.Name} is {slot.State.Name()}"));
        machine.RunUntil((machine.Now / (double)Moment.Second) + 100);
        Assert.DoesNotContain(machine.Lines.SkipWhile(line => line != "stopped for good"), line => line.StartsWith("spawn ", StringComparison.Ordinal));
    }

    private static void ExitIfAlive(Machine machine, string name, int code)
    {
        if (machine.Slot(name).Pid != 0)
        {
            machine.Exit(name, code);
        }
    }

    private static void ToDeadline(Machine machine)
    {
        if (machine.Supervisor.NextDeadline < long.MaxValue)
        {
            machine.RunUntil(Math.Max(machine.Now, machine.Supervisor.NextDeadline) / (double)Moment.Second);
        }
    }

    private static void LateNews(Machine machine)
    {
        foreach (ProcessSlot slot in machine.Supervisor.Slots.ToList())
        {
            var old = new Incarnation(slot.Incarnation.Value - 1);
            machine.Step(new ChildExited(slot.Id, old, WaitStatus.FromExit(9), machine.Now));
            machine.Step(new ChildSpawned(slot.Id, old, 9999));
            machine.Step(new SpawnFailed(slot.Id, old, "late"));
            machine.Step(new SignalAnswered(slot.Id, old, default, Signals.Term, SignalResult.Delivered, null));
            machine.Step(new OutputArrived(slot.Id, old, OutputChannel.Stdout, [65]));
        }
    }
}
