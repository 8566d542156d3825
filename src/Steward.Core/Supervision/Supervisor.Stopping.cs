using Steward.Core.Effects;
using Steward.Core.Events;
using Steward.Core.Model;

namespace Steward.Core.Supervision;

// Shutdown and reload: groups one after another from the highest priority number to the lowest, each as a whole.
public sealed partial class Supervisor
{
    private static readonly long StoppingReportInterval = 3 * Moment.Second;

    private readonly StoppingTimer _stoppingTimer = new();

    // The groups still to stop, the next one last; null while nobody wants the daemon to stop.
    private List<ProcessGroup>? _stopping;
    private ProcessGroup? _told;
    private DaemonState? _stoppedFor;
    private bool _mayHaveStopped;
    private RequestId _reloadRequest;
    private bool _reloadAsked;
    private string _reloadBy = "";
    private string _stoppingBy = "";

    private void TakeSignal(int number)
    {
        string name = Signals.LogName(number);
        switch (number)
        {
            case Signals.Term or Signals.Int or Signals.Quit:
                Log(LogLevel.Warn, $"received {name} indicating exit request");
                BeginStopping(DaemonState.Shutdown, name);
                break;

            case Signals.Hup when State == DaemonState.Shutdown:
                Log(LogLevel.Warn, $"ignored {name} indicating restart request (shutdown in progress)");
                break;

            case Signals.Hup:
                Log(LogLevel.Warn, $"received {name} indicating restart request");
                if (State == DaemonState.Running)
                {
                    AskForReload(default, name);
                }

                break;

            case Signals.Usr2:
                Log(LogLevel.Info, $"received {name} indicating log reopen request");
                Log(LogLevel.Info, "supervisord logreopen");
                _effects.Add(new ReopenLogs());
                break;

            default:
                Log(LogLevel.Info, $"received {name} indicating nothing");
                break;
        }
    }

    private void AskForReload(RequestId request, string requester)
    {
        if (_reloadAsked)
        {
            // One is being validated; what it comes to holds for this one too.
            Answer(request, Done.Instance);
            return;
        }

        _reloadAsked = true;
        _reloadRequest = request;
        _reloadBy = requester;
        _effects.Add(new ValidateReload());
    }

    private void TakeReloadValidated(string? failure)
    {
        RequestId request = _reloadRequest;
        string requester = _reloadBy;
        _reloadRequest = default;
        _reloadAsked = false;
        _reloadBy = "";
        if (failure is not null)
        {
            Log(LogLevel.Critical, $"the configuration cannot be reloaded, everything goes on with the present one: {failure}");
            if (IsRecording)
            {
                Tell(new ConfigFact(ConfigAction.Refused, failure, Named(requester)));
            }

            Refuse(request, FaultCode.Failed, failure);
        }
        else if (State != DaemonState.Running)
        {
            Refuse(request, FaultCode.ShutdownState);
        }
        else
        {
            Answer(request, Done.Instance);
            BeginStopping(DaemonState.Restarting, requester);
        }
    }

    private void BeginStopping(DaemonState state, string requester)
    {
        State = state;
        _mayHaveStopped = true;
        _stoppingBy = requester;
        if (IsRecording)
        {
            Tell(StoppingRequest);
        }

        if (_stopping is not null)
        {
            return;
        }

        foreach (ProcessSlot slot in _slots.Values)
        {
            CancelRecovery(slot);
        }

        _stopping = [.. _byPriority];
        Emit(EventType.SupervisorStateChangeStopping, "");
        ContinueStopping();
        ReportStopping();
    }

    /// <summary>Goes on with stopping when something may have come to an end. Cheap to call after each step.</summary>
    private void ContinueStopping()
    {
        if (_stopping is null || !_mayHaveStopped)
        {
            return;
        }

        while (_stopping.Count > 0)
        {
            ProcessGroup group = _stopping[^1];
            if (_told != group)
            {
                _told = group;
                for (int i = group.ByPriority.Length - 1; i >= 0; i--)
                {
                    ProcessSlot slot = group.ByPriority[i];
                    if (IsRecording && !slot.State.IsStopped())
                    {
                        TellOutsideOfRuns(slot, StoppingRequest);
                    }

                    Trigger(slot, ProcessTrigger.GiveUp);
                }
            }

            if (group.Slots.Exists(IsAwaited))
            {
                break;
            }

            _stopping.RemoveAt(_stopping.Count - 1);
        }

        _mayHaveStopped = false;
        if (_stopping.Count == 0 && _stoppedFor != State)
        {
            _stoppedFor = State;
            _stoppingTimer.SetDue(long.MaxValue, _deadlines);
            _effects.Add(new Stopped(State == DaemonState.Restarting));
        }
    }

    private RequestFact StoppingRequest => new(State == DaemonState.Restarting ? "reload" : "shutdown", Named(_stoppingBy), null);

    /// <summary>A child that takes no signals from us is left behind rather than waited for: it cannot be stopped.</summary>
    private static bool IsAwaited(ProcessSlot slot) => !slot.State.IsStopped() && !slot.OutOfReach;

    private void ReportStopping()
    {
        string[] names = [.. _byActivation.SelectMany(group => group.Slots).Where(IsAwaited).Select(slot => slot.Name)];
        if (names.Length > 0)
        {
            Log(LogLevel.Info, $"waiting for {string.Join(", ", names)} to die");
            _stoppingTimer.SetDue(_now.Monotonic + StoppingReportInterval, _deadlines);
        }
    }

    private void ForgetStopping()
    {
        _stopping = null;
        _told = null;
        _stoppedFor = null;
        _stoppingTimer.SetDue(long.MaxValue, _deadlines);
        _mayHaveStopped = State == DaemonState.Shutdown;
        if (State == DaemonState.Shutdown)
        {
            // A reload that became a shutdown on its way: there is nothing left to stop.
            _stopping = [];
        }
    }

    private sealed class StoppingTimer : Timed
    {
        public override long Rank => -2;
    }
}
