using System.Globalization;
using Steward.Core.Config;
using Steward.Core.Effects;
using Steward.Core.Inputs;
using Steward.Core.Model;

namespace Steward.Core.Supervision;

// What a main process leaves behind is ended before its death counts, so that "stopped" means that nothing of it runs, and a new start
// never meets the old one's children. By kill_mode alone; without it nothing here is ever reached.
public sealed partial class Supervisor
{
    private const long FirstLook = 20 * Moment.Millisecond;
    private const long LongestLook = Moment.Second;

    private static bool LeavesSurvivors(ProcessSlot slot) => slot.Config.KillMode switch
    {
        KillMode.Tree or KillMode.Cgroup => true,
        KillMode.Group => slot.State == ProcessState.Stopping,
        _ => false,
    };

    private void BeginLinger(ProcessSlot slot, ChildExited exit)
    {
        // A stop that came to SIGKILL has had its patience.
        bool isKilled = slot is { State: ProcessState.Stopping, IsKilled: true };
        long killAt = _now.Monotonic + (isKilled ? 0 : Math.Max(0, slot.Config.StopWaitSecs) * Moment.Second);
        slot.Linger = new Linger
        {
            Exit = exit,
            KillAt = killAt,
            GiveUpAt = killAt + Math.Max(1, slot.Config.StopWaitSecs) * Moment.Second,
            Pause = FirstLook,
        };
        slot.StateDue = long.MaxValue;
        EndWatches(slot);
        LookForSurvivors(slot, slot.Linger);
    }

    private void LookForSurvivors(ProcessSlot slot, Linger linger)
    {
        // Being asked once is enough; what comes to be meanwhile is killed with the others.
        int number = slot.Config.KillMode == KillMode.Group ? 0
            : _now.Monotonic >= linger.KillAt ? Signals.Kill
            : linger.IsSaid ? 0
            : slot.Config.StopSignal;
        linger.Due = long.MaxValue;
        Schedule(slot);
        _effects.Add(new EndSurvivors(slot.Id, slot.Incarnation, slot.Group.Name, slot.Config, slot.Pid, number));
    }

    private void TakeSurvivors(ProcessSlot slot, Linger linger, IReadOnlyList<string> survivors)
    {
        if (survivors.Count == 0)
        {
            if (linger.IsSaid)
            {
                Log(LogLevel.Info, $"nothing that {slot.Namespec} left behind is left");
            }

            EndLinger(slot, linger);
            return;
        }

        bool isKillTime = _now.Monotonic >= linger.KillAt;
        if (slot.Config.KillMode == KillMode.Group || _now.Monotonic >= linger.GiveUpAt)
        {
            string how = slot.Config.KillMode == KillMode.Group ? "its stop" : "SIGKILL";
            Log(LogLevel.Warn, $"left alone after {how}: {Of(slot, survivors)}: {List(survivors)}");
            EndLinger(slot, linger);
            return;
        }

        if (isKillTime && !linger.IsKillSaid)
        {
            Log(LogLevel.Warn, $"still there, killed with SIGKILL: {Of(slot, survivors)}: {List(survivors)}");
            linger.IsKillSaid = true;
            linger.Pause = FirstLook;
        }
        else if (!linger.IsSaid)
        {
            Log(LogLevel.Warn, $"still there, told to stop with {Signals.LogName(slot.Config.StopSignal)}: {Of(slot, survivors)}: {List(survivors)}");
        }

        linger.IsSaid = true;
        long next = _now.Monotonic + linger.Pause;
        linger.Pause = Math.Min(2 * linger.Pause, LongestLook);
        linger.Due = isKillTime ? Math.Min(next, linger.GiveUpAt) : Math.Min(next, linger.KillAt);
        Schedule(slot);
    }

    private void EndLinger(ProcessSlot slot, Linger linger)
    {
        slot.Linger = null;
        Reaped(slot, linger.Exit);
    }

    private static string Of(ProcessSlot slot, IReadOnlyList<string> survivors) => string.Create(
        CultureInfo.InvariantCulture, $"{survivors.Count} process{(survivors.Count == 1 ? "" : "es")} of {slot.Namespec}");

    private static string List(IReadOnlyList<string> survivors)
    {
        const int Shown = 10;
        return string.Join(", ", survivors.Take(Shown)) + (survivors.Count > Shown ? ", …" : "");
    }
}
