using System.Globalization;
using Steward.Core.Config;
using Steward.Core.Effects;
using Steward.Core.Events;
using Steward.Core.Inputs;
using Steward.Core.Model;

namespace Steward.Core.Supervision;

// What is told to the journal. Every member is called only while somebody keeps what it tells: texts are made for readers alone.
public sealed partial class Supervisor
{
    private const string ByAutoStart = "autostart";
    private const string ByAutoRestart = "autorestart";
    private const string ByRetry = "retry";
    private const string ByRecovery = "unknown_restart";

    /// <summary>
    /// Says whether the end of a run is one that nobody asked for and the configuration does not expect: then the last lines of its output
    /// are worth keeping. Before <see cref="ChildExited"/>; false for a run that is over already.
    /// </summary>
    public bool IsUnexpected(ProcessId process, Incarnation incarnation, WaitStatus status) => Find(process, incarnation) switch
    {
        { State: ProcessState.Running } slot => !IsExpected(slot, status),
        { State: ProcessState.Starting } slot => slot.Config.StartSecs > 0 || !IsExpected(slot, status),
        _ => false,
    };

    /// <summary>Told to nobody while nobody records; callers that are often here look before they make the fact.</summary>
    private void Tell(in JournalEntry entry)
    {
        if (IsRecording)
        {
            _effects.Add(new Record(entry));
        }
    }

    private void Tell(JournalFact fact) => Tell(new JournalEntry(0, _now.Wall, null, null, 0, fact));

    private void Tell(ProcessGroup group, JournalFact fact) => Tell(new JournalEntry(0, _now.Wall, group.Name, null, 0, fact));

    /// <summary>A fact about the present run, or the one before while none is.</summary>
    private void Tell(ProcessSlot slot, JournalFact fact) =>
        Tell(new JournalEntry(0, _now.Wall, slot.Group.Name, slot.Name, slot.Incarnation.Value, fact));

    /// <summary>A fact about the process as such, whichever run it is in.</summary>
    private void TellOutsideOfRuns(ProcessSlot slot, JournalFact fact) =>
        Tell(new JournalEntry(0, _now.Wall, slot.Group.Name, slot.Name, 0, fact));

    private void TellState(ProcessSlot slot, ProcessState from) => Tell(slot, new StateFact(
        from,
        slot.State,
        slot.Pid == 0 ? null : slot.Pid,
        slot.State is ProcessState.Starting or ProcessState.Backoff ? slot.Backoff : null));

    private void TellExit(ProcessSlot slot, int pid, bool expected)
    {
        ChildExited exit = _exit!;
        Tell(slot, ExitFact.Of(
            pid, exit.Status, expected, exit.OutOfMemory, Math.Max(0, exit.ExitedAt - slot.StartedAt) / Moment.Millisecond, exit.LastOutput));
    }

    /// <summary>What follows from an exit that was not asked for.</summary>
    private void TellRestart(ProcessSlot slot, WaitStatus status, bool expected, bool again)
    {
        string ended = status.Exited
            ? string.Create(CultureInfo.InvariantCulture, $"exit code {status.Code} is {(expected ? "" : "not ")}in exitcodes={Codes(slot)}")
            : status.IsUnobserved ? "how it ended is not known" : "a death by signal is never expected";
        (DecisionKind decision, string reason) = slot.Config.AutoRestart switch
        {
            _ when again && State != DaemonState.Running => (DecisionKind.Leave, "the daemon stops"),
            AutoRestart.True => (DecisionKind.Restart, "autorestart=true"),
            AutoRestart.Unexpected => (again ? DecisionKind.Restart : DecisionKind.Leave, "autorestart=unexpected and " + ended),
            _ => (DecisionKind.Leave, "autorestart=false"),
        };
        Tell(slot, new DecisionFact(decision, reason));
    }

    private static string Codes(ProcessSlot slot) =>
        string.Join(',', slot.Config.ExitCodes.Select(static code => code.ToString(CultureInfo.InvariantCulture)));

    private void TellBackOff(ProcessSlot slot, bool isSpawned, long? until)
    {
        int limit = slot.Config.StartRetries;
        string reason = until is null
            ? string.Create(CultureInfo.InvariantCulture, $"startretries={limit} are used up")
            : isSpawned ? string.Create(CultureInfo.InvariantCulture, $"it ended before startsecs={slot.Config.StartSecs}") : "it could not be started";
        Tell(slot, new DecisionFact(until is null ? DecisionKind.GiveUp : DecisionKind.BackOff, reason, until, slot.Backoff, limit));
    }

    /// <summary>What somebody asked of a process; refused, where the cell says so.</summary>
    private void TellRequest(ProcessSlot slot, Operation operation, ProcessAction action)
    {
        string? refusal = action switch
        {
            ProcessAction.RefuseRunning => "it is started already",
            ProcessAction.RefuseStopping => "the former run has not ended yet",
            ProcessAction.RefuseStopped => "it is not running",
            _ => null,
        };
        TellRequest(slot, operation, refusal);
    }

    private void TellRequest(ProcessSlot slot, Operation operation, string? refusal)
    {
        string verb = operation.Kind switch
        {
            OperationKind.Start => "start",
            OperationKind.Stop => "stop",
            OperationKind.Signal when operation.Signal == 0 => "signal",
            OperationKind.Signal => "signal " + Signals.LogName(operation.Signal).Replace("SIG", "", StringComparison.Ordinal),
            OperationKind.Clear => "clear the logs",
            _ => "write to stdin",
        };
        TellOutsideOfRuns(slot, new RequestFact(verb, Named(operation.By), null, refusal));
    }

    private void TellSignal(ProcessSlot slot, SignalPurpose purpose, SignalAnswered answer)
    {
        bool toGroup = purpose switch
        {
            SignalPurpose.Stop => slot.Config.StopAsGroup,
            SignalPurpose.Kill => slot.Config.KillAsGroup,
            _ => false,
        };
        string? error = answer.Result == SignalResult.Delivered ? null : answer.Error ?? "no such process";
        Tell(slot, new SignalFact(answer.SignalNumber, slot.Pid, toGroup, error));
    }

    private void TellReread(Reread reread, string requester)
    {
        string[] changes = [.. Line("added", reread.Added), .. Line("changed", reread.Changed), .. Line("removed", reread.Removed)];
        Tell(new ConfigFact(ConfigAction.Reread, changes.Length == 0 ? "nothing changed" : string.Join('\n', changes), Named(requester)));

        static string[] Line(string what, IReadOnlyList<string> names) => names.Count == 0 ? [] : [$"{what}: {string.Join(", ", names)}"];
    }

    /// <summary>A group goes: for good, or because what was read last defines it in another way.</summary>
    private void TellRemoval(ProcessGroup group, string requester)
    {
        GroupConfig? next = _latest?.Groups.FirstOrDefault(other => other.Name == group.Name);
        foreach (ProcessSlot slot in group.Slots)
        {
            ProcessConfig? config = next?.Processes.FirstOrDefault(other => other.Name == slot.Name);
            string? changes = config is null ? null : ConfigDifference.Describe(slot.Config, config);
            if (changes?.Length == 0)
            {
                changes = group.Config.Equals(next) ? null : "the group's settings";
            }

            ConfigAction action = config is null || changes is null ? ConfigAction.Removed : ConfigAction.Changed;
            TellOutsideOfRuns(slot, new ConfigFact(action, changes, Named(requester)));
        }
    }

    private void TellAddition(ProcessGroup group, string requester)
    {
        foreach (ProcessSlot slot in group.Slots)
        {
            TellOutsideOfRuns(slot, new ConfigFact(ConfigAction.Added, null, Named(requester)));
        }
    }

    /// <summary>The journal's null for "not known".</summary>
    private static string? Named(string requester) => requester.Length == 0 ? null : requester;
}
