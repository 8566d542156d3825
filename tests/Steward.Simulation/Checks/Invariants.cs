using System.Globalization;
using System.Text;
using Steward.Core.Effects;
using Steward.Core.Events;
using Steward.Core.Model;
using Steward.Core.Supervision;
using Steward.Core.Tests.Supervision;
using Steward.Simulation.Kernel;

namespace Steward.Simulation.Checks;

/// <summary>What must hold at every step of every run.</summary>
internal sealed class Invariants(Supervisor supervisor, IKernel kernel, Coverage coverage) : IMachineObserver
{
    // By pool: the newest serial that was sent, and which are in somebody's hands or done with.
    private readonly Dictionary<EventPool, long> _newest = [];
    private readonly HashSet<(EventPool, long)> _accepted = [];

    public void Cell(ProcessSlot slot, ProcessTrigger trigger, ProcessAction action)
    {
        coverage.Cell(slot.State, trigger);
        if (trigger == ProcessTrigger.Due && slot.State == ProcessState.Backoff && supervisor.State != DaemonState.Running)
        {
            coverage.Mark(Rare.RetryDueWhileStopping);
        }
    }

    public void Changed(ProcessSlot slot, ProcessState from)
    {
        if (!ProcessGraph.Allows(from, slot.State))
        {
            throw new InvariantException($"{slot.Namespec}: {from.Name()} to {slot.State.Name()} is not a documented change");
        }

        if (slot.State == ProcessState.Starting && supervisor.State != DaemonState.Running)
        {
            throw new InvariantException($"{slot.Namespec} is started while the daemon stops");
        }

        if (from == ProcessState.Starting && slot.State == ProcessState.Running && Reaped(slot) is { } dead
            && !dead.Told.IsUnobserved && dead.ReapedAt - slot.StartedAt < Math.Max(0, slot.Config.StartSecs) * Moment.Second)
        {
            throw new InvariantException($"{slot.Namespec} is called RUNNING although it died before startsecs");
        }
    }

    /// <summary>What holds whenever every effect has been carried out.</summary>
    public void AtRest()
    {
        foreach (ProcessSlot slot in supervisor.Slots)
        {
            ProcessState state = slot.State;
            bool hasChild = state is ProcessState.Starting or ProcessState.Running or ProcessState.Stopping;
            if (hasChild != (slot.Pid != 0))
            {
                throw new InvariantException($"{slot.Namespec} is {state.Name()} with pid {slot.Pid}");
            }

            if (hasChild && slot.Linger is null && !Knows(slot))
            {
                throw new InvariantException($"{slot.Namespec} is {state.Name()} but the kernel has no pid {slot.Pid} for it");
            }

            if (state == ProcessState.Stopping && slot.StateDue == long.MaxValue && slot.Linger is null && Reaped(slot) is null)
            {
                throw new InvariantException($"{slot.Namespec} is STOPPING and no SIGKILL is due");
            }

            if (state == ProcessState.Backoff && slot.StateDue == long.MaxValue && supervisor.State == DaemonState.Running)
            {
                throw new InvariantException($"{slot.Namespec} is BACKOFF and no retry is due");
            }

            if (slot.InFlight is not null)
            {
                throw new InvariantException($"{slot.Namespec} has a request in flight between two inputs");
            }

            if (slot.Waiters.Count > 0 && state is not (ProcessState.Starting or ProcessState.Stopping))
            {
                throw new InvariantException($"{slot.Namespec} is {state.Name()} and keeps requests waiting");
            }

            if (state == ProcessState.Stopped && (slot.StateDue != long.MaxValue) != slot.IsRecovering)
            {
                throw new InvariantException($"{slot.Namespec} is STOPPED and a start is due, or none although it shall recover");
            }

            if (slot.Linger is { Due: long.MaxValue })
            {
                throw new InvariantException($"{slot.Namespec} has survivors that nobody looks for");
            }

            if (slot.RestartReason is not null && state != ProcessState.Stopping)
            {
                throw new InvariantException($"{slot.Namespec} is {state.Name()} and to be started again once it is down");
            }

            long watches = Math.Min(slot.Memory?.Due ?? long.MaxValue, slot.Health?.Due ?? long.MaxValue);
            if (slot.Due != Math.Min(Math.Min(Math.Min(slot.StateDue, slot.ReportDue), slot.Listener?.Due ?? long.MaxValue), Math.Min(watches, slot.Linger?.Due ?? long.MaxValue)))
            {
                throw new InvariantException($"{slot.Namespec} is queued for another time than its deadline");
            }

            if (slot.Group.Pool is { } pool)
            {
                CheckPool(slot, pool);
            }
        }
    }

    /// <summary>An event goes out.</summary>
    public void Sent(WriteStdin write)
    {
        ProcessSlot? slot = supervisor.Slots.FirstOrDefault(candidate => candidate.Id == write.Process);
        if (slot?.Group.Pool is not { } pool)
        {
            throw new InvariantException("an event is sent to a process that is in no pool");
        }

        string header = Encoding.UTF8.GetString(write.Data.AsSpan(0, Array.IndexOf(write.Data, (byte)'\n')));
        int at = header.IndexOf("serial:", StringComparison.Ordinal) + "serial:".Length;
        long serial = long.Parse(header.AsSpan(at, header.IndexOf(' ', at) - at), CultureInfo.InvariantCulture);
        if (_accepted.Contains((pool, serial)))
        {
            throw new InvariantException($"event {serial} is sent again although pool {pool.Name} is done with it");
        }

        foreach (ProcessSlot other in slot.Group.Slots)
        {
            if (other != slot && other.Listener?.Event?.Serial == serial)
            {
                throw new InvariantException($"event {serial} is in two hands of pool {pool.Name}");
            }
        }

        _newest[pool] = Math.Max(_newest.GetValueOrDefault(pool, -1), serial);
    }

    /// <summary>A listener has finished an event.</summary>
    public void Accepted(EventPool pool, long serial) => _accepted.Add((pool, serial));

    /// <summary>The daemon says that everything is stopped.</summary>
    public void AtTheEnd(int openRequests, IEnumerable<string> openTexts)
    {
        bool leaves = false;
        foreach (VirtualChild child in kernel.Children)
        {
            if (child.Stage == ChildStage.Reaped)
            {
                continue;
            }

            if (!child.WasRefused)
            {
                throw new InvariantException($"pid {child.Pid} of process {child.Process.Value} is left behind, and is {child.Stage}");
            }

            leaves = true;
            coverage.Mark(Rare.LeftBehind);
        }

        if (openRequests > 0 && !leaves && !supervisor.Slots.Any(slot => slot.OutOfReach))
        {
            throw new InvariantException($"requests are never answered: {string.Join(", ", openTexts)}");
        }

        if (kernel.Reaped > kernel.Spawned)
        {
            throw new InvariantException($"{kernel.Spawned} were spawned and {kernel.Reaped} reaped");
        }
    }

    /// <summary>All that an input may change, in one number.</summary>
    public static long Fingerprint(Supervisor supervisor)
    {
        var print = new HashCode();
        foreach (ProcessSlot slot in supervisor.Slots)
        {
            print.Add(HashCode.Combine(slot.Id, slot.State, slot.Incarnation, slot.Pid, slot.Backoff, slot.StateDue, slot.ReportDue, slot.OutOfReach));
            print.Add(HashCode.Combine(slot.SpawnErr, slot.ExitStatus, slot.LastStatus, slot.LastStart, slot.LastStop, slot.Waiters.Count,
                slot.Listener?.State, slot.Group.Pool?.Count));
        }

        print.Add(supervisor.State);
        print.Add(supervisor.NextDeadline);
        return print.ToHashCode();
    }

    private void CheckPool(ProcessSlot slot, EventPool pool)
    {
        if (pool.Count > pool.Capacity)
        {
            throw new InvariantException($"pool {pool.Name} holds {pool.Count} events, more than {pool.Capacity}");
        }

        if (pool.Due != long.MaxValue)
        {
            coverage.Mark(Rare.DeliveryPaused);
        }

        if (slot.Listener is { } listener && (listener.State == ListenerState.Busy) != (listener.Event is not null))
        {
            throw new InvariantException($"{slot.Namespec} is {listener.State} {(listener.Event is null ? "without" : "with")} an event");
        }

        if (pool.Count > 0 && pool.Due == long.MaxValue && slot.State == ProcessState.Running
            && slot.Listener is { State: ListenerState.Ready, IsDeaf: false })
        {
            throw new InvariantException($"{slot.Namespec} is READY and pool {pool.Name} keeps its events");
        }
    }

    private bool Knows(ProcessSlot slot)
    {
        foreach (VirtualChild child in kernel.Children)
        {
            if (child.Process == slot.Id && child.Incarnation == slot.Incarnation && child.Pid == slot.Pid)
            {
                return true;
            }
        }

        return false;
    }

    private VirtualChild? Reaped(ProcessSlot slot)
    {
        foreach (VirtualChild child in kernel.Children)
        {
            if (child.Process == slot.Id && child.Stage == ChildStage.Reaped)
            {
                return child;
            }
        }

        return null;
    }
}
