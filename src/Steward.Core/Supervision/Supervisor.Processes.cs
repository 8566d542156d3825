using Steward.Core.Config;
using Steward.Core.Effects;
using Steward.Core.Events;
using Steward.Core.Inputs;
using Steward.Core.Model;

namespace Steward.Core.Supervision;

// The actions of the process table. Each is called for the states its cells name and for no other.
public sealed partial class Supervisor
{
    private const string TooQuick = "Exited too quickly (process log may have details)";

    private const string NotObserved = "How it ended is not known";

    private static readonly long ReportInterval = 2 * Moment.Second;

    /// <summary>Runs the cell of the table for a process.</summary>
    private void Trigger(ProcessSlot slot, ProcessTrigger trigger, Operation? operation = null)
    {
        ProcessAction action = ProcessTable.Action(slot.State, trigger);
        Observer?.Cell(slot, trigger, action);
        if (IsRecording && operation is not null)
        {
            TellRequest(slot, operation, action);
        }

        switch (action)
        {
            case ProcessAction.Nothing:
                break;

            case ProcessAction.Launch:
                Launch(slot, operation);
                break;

            case ProcessAction.Adopt:
                Adopt(slot);
                break;

            case ProcessAction.FailSpawn:
                FailSpawn(slot);
                break;

            case ProcessAction.Promote:
                Promote(slot);
                break;

            case ProcessAction.DieEarly:
                DieEarly(slot);
                break;

            case ProcessAction.Die:
                Die(slot);
                break;

            case ProcessAction.Terminate:
                Terminate(slot, operation);
                break;

            case ProcessAction.Recycle:
                Terminate(slot, null);
                break;

            case ProcessAction.KeepDown:
                KeepDown(slot, operation);
                break;

            case ProcessAction.Escalate:
                Escalate(slot);
                break;

            case ProcessAction.Settle:
                Settle(slot);
                break;

            case ProcessAction.Abandon:
                Abandon(slot, operation);
                break;

            case ProcessAction.Forsake:
                Forsake(slot);
                break;

            case ProcessAction.Deliver:
                Deliver(slot, operation!);
                break;

            case ProcessAction.RefuseRunning:
                Fail(slot, operation, FaultCode.AlreadyStarted);
                break;

            case ProcessAction.RefuseStopping:
                Log(LogLevel.Warn, $"process '{slot.Name}' already running");
                Fail(slot, operation, FaultCode.AbnormalTermination);
                break;

            case ProcessAction.RefuseStopped:
                Fail(slot, operation, FaultCode.NotRunning);
                break;
        }
    }

    /// <summary>The one door through which a state changes: event, log line, then those who wait for it.</summary>
    private void Enter(ProcessSlot slot, ProcessState state, string extras, LogLevel level = default, string? line = null)
    {
        ProcessState from = slot.State;
        slot.State = state;
        slot.StateDue = long.MaxValue;
        Observer?.Changed(slot, from);
        if (IsRecording)
        {
            TellState(slot, from);
        }

        EventType type = EventTypes.Of(state);
        if (IsWanted(type))
        {
            Emit(type, $"processname:{slot.Name} groupname:{slot.Group.Name} from_state:{from.Name()}{extras}");
        }

        if (line is not null)
        {
            Log(level, line);
        }

        if (state.IsStopped())
        {
            slot.ReportDue = long.MaxValue;
            _mayHaveStopped = true;
        }

        if (state is not (ProcessState.Starting or ProcessState.Running))
        {
            EndWatches(slot);
        }

        Schedule(slot);
        if (slot.Waiters.Count > 0)
        {
            TellWaiters(slot);
        }
    }

    private void Launch(ProcessSlot slot, Operation? operation)
    {
        if (State != DaemonState.Running)
        {
            // Nothing is started any more. A retry that falls due meanwhile stays in BACKOFF until the turn of its group comes.
            return;
        }

        slot.Incarnation = slot.Incarnation.Next;
        slot.StartedBy = operation?.By ?? slot.State switch
        {
            ProcessState.Backoff => ByRetry,
            ProcessState.Exited => ByAutoRestart,
            ProcessState.Stopped when slot.IsRecovering => ByRecovery,
            _ => ByAutoStart,
        };
        slot.SpawnErr = "";
        slot.ExitStatus = null;
        slot.OutOfReach = false;
        slot.IsKilled = false;
        slot.IsRecovering = false;
        slot.LastStart = _now.Wall;
        slot.StartedAt = _now.Monotonic;
        slot.Listener = slot.Config.IsListener ? new ListenerProtocol() : null;
        if (operation is not null)
        {
            // A start by hand begins with all its retries, whatever an earlier series came to.
            slot.Backoff = 0;
            slot.Violations = 0;
        }

        Enter(slot, ProcessState.Starting, $" tries:{slot.Backoff}");
        if (operation is not null)
        {
            slot.Waiters.Add(operation);
        }

        _effects.Add(SpawnOf(slot, slot.Incarnation));
    }

    private Spawn SpawnOf(ProcessSlot slot, Incarnation incarnation)
    {
        bool everything = Settings.LogLevel <= LogLevel.Debug;
        return new Spawn(
            slot.Id,
            incarnation,
            slot.Group.Name,
            slot.Config,
            slot.StdoutLog,
            slot.StderrLog,
            everything || slot.Config.IsListener || slot.Config.Stdout.EventsEnabled,
            everything || slot.Config.Stderr.EventsEnabled);
    }

    private void Adopt(ProcessSlot slot)
    {
        BeginWatches(slot);
        Log(LogLevel.Info, $"spawned: '{slot.Name}' with pid {slot.Pid}");
        if (IsRecording)
        {
            Tell(slot, new SpawnFact(slot.Pid, Tries: slot.Backoff, By: Named(slot.StartedBy)));
        }

        for (int i = slot.Waiters.Count - 1; i >= 0; i--)
        {
            if (slot.Waiters[i] is { Kind: OperationKind.Start, Wait: false } operation)
            {
                slot.Waiters.RemoveAt(i);
                Succeed(slot, operation);
            }
        }

        if (slot.Config.StartSecs <= 0)
        {
            Promote(slot);
            return;
        }

        // One nanosecond more: RUNNING means up for longer than startsecs.
        slot.StateDue = slot.StartedAt + slot.Config.StartSecs * Moment.Second + 1;
        Schedule(slot);
    }

    private void FailSpawn(ProcessSlot slot)
    {
        slot.Listener = null;
        Log(LogLevel.Info, $"spawnerr: {slot.SpawnErr}");
        if (IsRecording)
        {
            Tell(slot, new SpawnFact(null, slot.SpawnErr, _spawnStage, slot.Backoff, Named(slot.StartedBy)));
        }

        BackOff(slot, isSpawned: false);
    }

    private void BackOff(ProcessSlot slot, bool isSpawned, LogLevel level = default, string? line = null)
    {
        slot.Backoff++;
        Enter(slot, ProcessState.Backoff, $" tries:{slot.Backoff}", level, line);
        if (slot.Backoff > slot.Config.StartRetries)
        {
            if (IsRecording)
            {
                TellBackOff(slot, isSpawned, until: null);
            }

            slot.Backoff = 0;
            Enter(slot, ProcessState.Fatal, "", LogLevel.Info,
                $"gave up: {slot.Name} entered FATAL state, too many start retries too quickly");
        }
        else if (State != DaemonState.Running)
        {
            Trigger(slot, ProcessTrigger.GiveUp);
        }
        else
        {
            long pause = slot.Backoff * Moment.Second;
            slot.StateDue = _now.Monotonic + pause;
            Schedule(slot);
            if (IsRecording)
            {
                TellBackOff(slot, isSpawned, _now.Wall + pause);
            }
        }
    }

    private void Promote(ProcessSlot slot)
    {
        slot.Backoff = 0;
        Enter(slot, ProcessState.Running, $" pid:{slot.Pid}", LogLevel.Info,
            $"success: {slot.Name} entered RUNNING state, process has stayed up for > than {slot.Config.StartSecs} seconds (startsecs)");
        if (slot.Group.Pool is { } pool)
        {
            Dispatch(pool);
        }
    }

    /// <summary>The child is gone: what holds for every state comes first, then the cell.</summary>
    private void Reaped(ProcessSlot slot, ChildExited exit)
    {
        FinishOutput(slot);
        slot.LastStop = _now.Wall - Math.Max(0, _now.Monotonic - exit.ExitedAt);
        slot.LastStatus = exit.Status;
        _exit = exit;
        Trigger(slot, ProcessTrigger.Exited);
        _exit = null;
    }

    private void DieEarly(ProcessSlot slot)
    {
        WaitStatus status = slot.LastStatus!.Value;

        // Before it is called RUNNING for an instant: the dead are sent no events.
        ReturnEvent(slot);

        // A retry is a start on a guess where nobody knows how the run ended: it may have done all it was there for.
        bool isLeft = status.IsUnobserved && slot.Config.AutoRestart != AutoRestart.True;
        if (isLeft || _exit!.ExitedAt - slot.StartedAt >= Math.Max(0, slot.Config.StartSecs) * Moment.Second)
        {
            slot.Backoff = 0;
            Enter(slot, ProcessState.Running, $" pid:{slot.Pid}");
            Die(slot);
            return;
        }

        if (IsRecording)
        {
            TellExit(slot, slot.Pid, expected: false);
        }

        slot.Pid = 0;
        slot.ExitStatus = null;
        slot.SpawnErr = TooQuick;
        BackOff(slot, isSpawned: true, LogLevel.Warn, $"exited: {slot.Name} ({status.Describe()}; not expected)");
    }

    private void Die(ProcessSlot slot)
    {
        WaitStatus status = slot.LastStatus!.Value;
        bool expected = IsExpected(slot, status);
        int pid = slot.Pid;
        slot.Pid = 0;
        slot.Backoff = 0;
        slot.ExitStatus = status.Code;
        slot.SpawnErr = expected ? "" : status.IsUnobserved ? NotObserved : $"Bad exit code {status.Code}";
        ReturnEvent(slot);
        if (IsRecording)
        {
            TellExit(slot, pid, expected);
        }

        Enter(slot, ProcessState.Exited, $" expected:{(expected ? 1 : 0)} pid:{pid}", expected ? LogLevel.Info : LogLevel.Warn,
            $"exited: {slot.Name} ({status.Describe()}{(status.IsUnobserved ? "" : expected ? "; expected" : "; not expected")})");
        bool again = slot.Config.AutoRestart switch
        {
            AutoRestart.True => true,
            AutoRestart.Unexpected => !expected && !status.IsUnobserved,
            _ => false,
        };
        if (status.IsUnobserved && slot.Config.AutoRestart == AutoRestart.Unexpected)
        {
            Log(LogLevel.Warn, $"{slot.Namespec} is not started again: whether its end was expected is not known (autorestart=unexpected)");
        }

        if (IsRecording)
        {
            TellRestart(slot, status, expected, again);
        }

        if (again && State == DaemonState.Running)
        {
            Trigger(slot, ProcessTrigger.Start);
        }
    }

    private void Settle(ProcessSlot slot)
    {
        WaitStatus status = slot.LastStatus!.Value;
        int pid = slot.Pid;
        slot.Pid = 0;
        slot.ExitStatus = status.Code;
        slot.Backoff = 0;
        ReturnEvent(slot);
        if (IsRecording)
        {
            TellExit(slot, pid, expected: true);
        }

        Enter(slot, ProcessState.Stopped, $" pid:{pid}", IsExpected(slot, status) ? LogLevel.Info : LogLevel.Warn,
            $"stopped: {slot.Name} ({status.Describe()})");
        if (slot.RestartReason is not null)
        {
            slot.RestartReason = null;
            Trigger(slot, ProcessTrigger.Start);
            slot.StartedBy = ByAutoRestart;
        }
        else if (slot.IsRecovering)
        {
            slot.StateDue = _now.Monotonic + RecoveryPause(slot);
            Schedule(slot);
        }
    }

    private static bool IsExpected(ProcessSlot slot, WaitStatus status) => !status.IsUnobserved && slot.Config.ExitCodes.AsSpan().Contains(status.Code);

    private void Terminate(ProcessSlot slot, Operation? operation)
    {
        if (slot.Pid == 0)
        {
            // Between Spawn and its answer nothing else is looked at; should it be all the same, nobody is told a lie.
            Fail(slot, operation, FaultCode.Failed);
            return;
        }

        if (slot.Linger is not null)
        {
            // The main process is dead and what it left behind is being ended already: this is the stop.
            Enter(slot, ProcessState.Stopping, $" pid:{slot.Pid}");
            AwaitStop(slot, operation);
            return;
        }

        // Whether the kernel refuses once more is seen now; until then it counts as one that can be stopped.
        slot.OutOfReach = false;
        SendSignal(slot, slot.Config.StopSignal, slot.Config.StopAsGroup, SignalPurpose.Stop, operation);
    }

    private void Escalate(ProcessSlot slot)
    {
        Log(LogLevel.Warn, $"killing '{slot.Name}' ({slot.Pid}) with SIGKILL");
        if (IsRecording)
        {
            Tell(slot, new DecisionFact(DecisionKind.Kill, $"it did not stop within stopwaitsecs={slot.Config.StopWaitSecs}"));
        }

        // At least a second between two kills: the first one works unless the child cannot die.
        slot.StateDue = _now.Monotonic + Math.Max(1, slot.Config.StopWaitSecs) * Moment.Second;
        Schedule(slot);
        slot.IsKilled = true;
        SendSignal(slot, Signals.Kill, slot.Config.KillAsGroup, SignalPurpose.Kill, null);
    }

    private void KeepDown(ProcessSlot slot, Operation? operation)
    {
        if (slot.RestartReason is null)
        {
            Fail(slot, operation, FaultCode.NotRunning);
            return;
        }

        Log(LogLevel.Info, $"{slot.Namespec} is not started again once it is down: it was told to stop");
        slot.RestartReason = null;
        AwaitStop(slot, operation);
    }

    /// <summary>A stop is under way: its request is answered now, or once it is through.</summary>
    private void AwaitStop(ProcessSlot slot, Operation? operation)
    {
        if (operation is { Kind: OperationKind.Stop, Wait: true })
        {
            slot.Waiters.Add(operation);
            ReportWaiting(slot);
            Schedule(slot);
        }
        else
        {
            Succeed(slot, operation);
        }
    }

    private void Abandon(ProcessSlot slot, Operation? operation)
    {
        Log(LogLevel.Debug, $"Attempted to kill {slot.Name}, which is in BACKOFF state.");
        slot.Backoff = 0;
        Enter(slot, ProcessState.Stopped, " pid:0");
        Succeed(slot, operation);
    }

    private void Forsake(ProcessSlot slot)
    {
        if (IsRecording)
        {
            Tell(slot, new DecisionFact(DecisionKind.GiveUp, "the daemon stops"));
        }

        slot.Backoff = 0;
        Enter(slot, ProcessState.Fatal, "");
    }

    private void Deliver(ProcessSlot slot, Operation operation) =>
        SendSignal(slot, operation.Signal, operation.ToGroup, SignalPurpose.Request, operation);

    private void SendSignal(ProcessSlot slot, int number, bool toGroup, SignalPurpose purpose, Operation? operation)
    {
        if (Settings.LogLevel <= LogLevel.Debug)
        {
            string name = Signals.LogName(number);
            Log(LogLevel.Debug, purpose == SignalPurpose.Request
                ? $"sending {slot.Name} (pid {slot.Pid}) sig {name}"
                : $"killing {slot.Name} (pid {slot.Pid}) {(toGroup ? "process group " : "")}with signal {name}");
        }

        slot.Purpose = purpose;
        slot.InFlight = operation;
        _effects.Add(new Signal(slot.Id, slot.Incarnation, slot.Pid, number, toGroup, operation?.Request ?? default));
    }

    private void TakeSignalAnswer(ProcessSlot slot, SignalAnswered answer)
    {
        SignalPurpose purpose = slot.Purpose;
        if (purpose == SignalPurpose.None)
        {
            return;
        }

        Operation? operation = slot.InFlight;
        slot.Purpose = SignalPurpose.None;
        slot.InFlight = null;
        if (IsRecording)
        {
            TellSignal(slot, purpose, answer);
        }

        if (answer.Result == SignalResult.Gone)
        {
            Log(LogLevel.Debug, $"unable to signal {slot.Name} (pid {slot.Pid}), it probably just "
                + $"{(purpose == SignalPurpose.Request ? "now " : "")}exited on its own: {answer.Error}");
        }

        if (answer.Result == SignalResult.Refused)
        {
            string text = purpose == SignalPurpose.Request
                ? $"unknown problem sending sig {slot.Name} ({slot.Pid}):{answer.Error}"
                : $"unknown problem killing {slot.Name} ({slot.Pid}):{answer.Error}";
            Log(LogLevel.Critical, text);
            slot.OutOfReach |= purpose != SignalPurpose.Request;
            slot.RestartReason = purpose == SignalPurpose.Stop ? null : slot.RestartReason;
            _mayHaveStopped = true;
            Fail(slot, operation, FaultCode.Failed, text);
            return;
        }

        if (purpose != SignalPurpose.Request)
        {
            slot.OutOfReach = false;
        }

        if (purpose == SignalPurpose.Stop && slot.State is ProcessState.Starting or ProcessState.Running)
        {
            Enter(slot, ProcessState.Stopping, $" pid:{slot.Pid}");
            slot.StateDue = _now.Monotonic + Math.Max(0, slot.Config.StopWaitSecs) * Moment.Second;
            Schedule(slot);
        }

        AwaitStop(slot, operation);
    }

    private void ReportWaiting(ProcessSlot slot)
    {
        Log(LogLevel.Info, $"waiting for {slot.Name} to stop");
        slot.ReportDue = _now.Monotonic + ReportInterval;
    }

    /// <summary>Answers the waiting requests that the new state decides.</summary>
    private void TellWaiters(ProcessSlot slot)
    {
        for (int i = 0; i < slot.Waiters.Count;)
        {
            Operation operation = slot.Waiters[i];
            FaultCode? verdict = operation.Kind == OperationKind.Stop
                ? slot.State.IsStopped() ? FaultCode.Success : null
                : slot.State switch
                {
                    ProcessState.Starting => null,
                    ProcessState.Running => FaultCode.Success,
                    ProcessState.Backoff => FaultCode.SpawnError,
                    _ => FaultCode.AbnormalTermination,
                };
            if (verdict is not { } code)
            {
                i++;
                continue;
            }

            slot.Waiters.RemoveAt(i);
            Complete(slot, operation, code, null);
        }
    }

    // The exit, and the stage of the failed start, that the running step is about.
    private ChildExited? _exit;
    private string? _spawnStage;
}
