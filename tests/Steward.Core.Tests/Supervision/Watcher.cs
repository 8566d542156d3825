using Steward.Core.Model;
using Steward.Core.Supervision;

namespace Steward.Core.Tests.Supervision;

/// <summary>Checks every change of a state against the documented graph, and what holds between two steps.</summary>
internal sealed class Watcher : IMachineObserver
{
    public HashSet<(ProcessState, ProcessTrigger)> Cells { get; } = [];

    public HashSet<(ProcessState, ProcessState)> Edges { get; } = [];

    public void Cell(ProcessSlot slot, ProcessTrigger trigger, ProcessAction action)
    {
        Assert.Equal(ProcessTable.Action(slot.State, trigger), action);
        Cells.Add((slot.State, trigger));
    }

    public void Changed(ProcessSlot slot, ProcessState from)
    {
        Assert.True(ProcessGraph.Allows(from, slot.State), $"{slot.Name}: {from.Name()} to {slot.State.Name()} is not a documented change");
        Edges.Add((from, slot.State));
    }

    /// <summary>What holds whenever every effect has been carried out.</summary>
    public static void CheckAtRest(Supervisor supervisor, long now)
    {
        foreach (ProcessSlot slot in supervisor.Slots)
        {
            bool mayLive = slot.State is ProcessState.Starting or ProcessState.Running or ProcessState.Stopping;
            Assert.True(mayLive == (slot.Pid != 0), $"{slot.Name} is {slot.State.Name()} with pid {slot.Pid}");
            bool isTimed = slot.State is ProcessState.Starting or ProcessState.Stopping
                || (slot.State == ProcessState.Backoff && supervisor.State == DaemonState.Running);
            Assert.True(!isTimed || slot.StateDue != long.MaxValue || slot.Linger is not null, $"{slot.Name} is {slot.State.Name()} without a deadline");
            Assert.True(slot.InFlight is null, $"{slot.Name} has a request in flight");
            Assert.True(slot.Waiters.Count == 0 || slot.State is ProcessState.Starting or ProcessState.Stopping,
                $"{slot.Name} is {slot.State.Name()} and keeps requests waiting");
            long[] dues =
            [
                slot.StateDue, slot.ReportDue, slot.Memory?.Due ?? long.MaxValue, slot.Health?.Due ?? long.MaxValue,
                slot.Linger?.Due ?? long.MaxValue, slot.Listener?.Due ?? long.MaxValue,
            ];
            Assert.Equal(dues.Min(), slot.Due);
            Assert.True(slot.RestartReason is null || slot.State == ProcessState.Stopping, $"{slot.Name} is {slot.State.Name()} and to be restarted");
        }

        Assert.True(supervisor.NextDeadline >= 0 && now >= 0);
    }
}
