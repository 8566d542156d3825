using Steward.Core.Effects;
using Steward.Core.Events;
using Steward.Core.Inputs;
using Steward.Core.Model;

namespace Steward.Core.Supervision;

// Programs that an earlier daemon started and that live on: they are taken on as they are, or ended and started anew.
public sealed partial class Supervisor
{
    private const string ByEarlierDaemon = "an earlier daemon";

    /// <summary>
    /// Says under which id a program of an earlier daemon can be taken on (<see cref="ChildAdopted"/>); null when there is no such process, or
    /// when it has been started already.
    /// </summary>
    public Spawn? Adoptable(string group, string process) =>
        _groups.TryGetValue(group, out ProcessGroup? found) && found.Find(process) is { } slot && IsAdoptable(slot)
            ? SpawnOf(slot, default(Incarnation).Next)
            : null;

    private static bool IsAdoptable(ProcessSlot slot) => slot is { State: ProcessState.Stopped, Pid: 0, LastStart: 0 };

    private void TakeOn(ProcessSlot slot, ChildAdopted adopted)
    {
        slot.Incarnation = adopted.Incarnation;
        slot.StartedBy = ByEarlierDaemon;
        slot.Pid = adopted.Pid;

        // Zero means that it was never started.
        slot.LastStart = Math.Max(1, Math.Min(_now.Wall, adopted.StartedAt));
        slot.StartedAt = Math.Max(0, _now.Monotonic - (_now.Wall - slot.LastStart));
        Enter(slot, ProcessState.Starting, " tries:0");
        if (IsRecording)
        {
            Tell(slot, new SpawnFact(slot.Pid, Tries: 0, By: ByEarlierDaemon));
        }

        Enter(slot, ProcessState.Running, $" pid:{slot.Pid}", LogLevel.Info,
            $"adopted: '{slot.Name}' with pid {slot.Pid}, which an earlier daemon started"
            + (adopted.HasOutput ? "" : "; what it writes is lost until it is started again"));
        if (adopted.IsOlder)
        {
            Log(LogLevel.Warn, $"{slot.Namespec} (pid {slot.Pid}) runs with an older configuration until it is started again");
        }

        string? reason = slot.Config.IsListener ? "its pipes ended with the daemon that started it"
            : adopted.IsToStop ? "orphan_policy=stop"
            : null;
        if (reason is null)
        {
            BeginWatches(slot);
            Schedule(slot);
            return;
        }

        bool again = slot.Config.AutoStart && IsToStart(slot);
        Log(LogLevel.Info, $"{slot.Namespec} (pid {slot.Pid}) is stopped{(again ? " and then started" : "")}: {reason}");
        if (again)
        {
            Recycle(slot, reason);
        }
        else
        {
            Trigger(slot, ProcessTrigger.Restart);
        }
    }
}
