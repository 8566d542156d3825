using System.Globalization;
using Steward.Core.Config;
using Steward.Core.Effects;
using Steward.Core.Events;
using Steward.Core.Inputs;
using Steward.Core.Model;

namespace Steward.Core.Supervision;

// What clients ask for. Names are looked up here and nowhere else; faults repeat them as given.
public sealed partial class Supervisor
{
    private void Carry(CommandReceived received)
    {
        RequestId request = received.Request;
        Command command = received.Command;
        _requester = received.Requester;
        if (command is SendRemoteCommEvent remote)
        {
            string payload = $"type:{remote.Type}\n{remote.Data}";
            TellEvent(EventType.RemoteCommunication, Emit(EventType.RemoteCommunication, payload), payload);
            Answer(request, Done.Instance);
            return;
        }

        if (State != DaemonState.Running)
        {
            Refuse(request, FaultCode.ShutdownState);
            return;
        }

        switch (command)
        {
            case StartProcess start:
                One(request, start.Name, start.Wait, OperationKind.Start, groups: true);
                break;
            case StartGroup start:
                Group(request, start.Name, start.Wait, OperationKind.Start);
                break;
            case StartAll start:
                Many(request, _byPriority, start.Wait, OperationKind.Start);
                break;
            case StopProcess stop:
                One(request, stop.Name, stop.Wait, OperationKind.Stop, groups: true);
                break;
            case StopGroup stop:
                Group(request, stop.Name, stop.Wait, OperationKind.Stop);
                break;
            case StopAll stop:
                Many(request, _byPriority, stop.Wait, OperationKind.Stop);
                break;
            case SignalProcess signal:
                One(request, signal.Name, wait: false, OperationKind.Signal, groups: true, signal.Signal);
                break;
            case SignalGroup signal:
                Group(request, signal.Name, wait: false, OperationKind.Signal, signal.Signal);
                break;
            case SignalAll signal:
                Many(request, _byPriority, wait: false, OperationKind.Signal, signal.Signal);
                break;
            case SignalProcessTree signal:
                One(request, signal.Name, wait: false, OperationKind.Signal, groups: true, signal.Signal, toGroup: true);
                break;
            case AddProcesses add:
                Extend(request, add);
                break;
            case RemoveProcess remove:
                Remove(request, remove);
                break;
            case SendProcessStdin stdin:
                SendStdin(request, stdin);
                break;
            case ClearProcessLogs clear:
                One(request, clear.Name, wait: false, OperationKind.Clear, groups: false);
                break;
            case ClearAllProcessLogs:
                Many(request, _byPriority, wait: false, OperationKind.Clear);
                break;
            case AddProcessGroup add:
                AddGroup(request, add.Name);
                break;
            case RemoveProcessGroup remove:
                RemoveGroup(request, remove.Name);
                break;
            case SetIntent set:
                SetIntent(request, set);
                break;
            case Shutdown:
                Answer(request, Done.Instance);
                BeginStopping(DaemonState.Shutdown, _requester);
                break;
            case Restart:
                AskForReload(request, _requester);
                break;
            default:
                Refuse(request, FaultCode.UnknownMethod);
                break;
        }
    }

    private void One(RequestId request, string name, bool wait, OperationKind kind, bool groups, string signal = "", bool toGroup = false)
    {
        Namespec spec = Namespec.Parse(name);
        if (!_groups.TryGetValue(spec.Group, out ProcessGroup? group) || (spec.Process is null && !groups))
        {
            Refuse(request, FaultCode.BadName, name);
            return;
        }

        if (spec.Process is null)
        {
            Many(request, [group], wait, kind, signal, toGroup);
            return;
        }

        if (group.Find(spec.Process) is { } slot)
        {
            Begin(slot, new Operation(kind, request, name, wait, Batch: null, _requester, ToGroup: toGroup), signal);
        }
        else
        {
            Refuse(request, FaultCode.BadName, name);
        }
    }

    private void Group(RequestId request, string name, bool wait, OperationKind kind, string signal = "")
    {
        if (_groups.TryGetValue(name, out ProcessGroup? group))
        {
            Many(request, [group], wait, kind, signal);
        }
        else
        {
            Refuse(request, FaultCode.BadName, name);
        }
    }

    private void Many(
        RequestId request, IReadOnlyList<ProcessGroup> groups, bool wait, OperationKind kind, string signal = "", bool toGroup = false)
    {
        if (kind == OperationKind.Stop)
        {
            foreach (ProcessSlot slot in groups.SelectMany(group => group.Slots))
            {
                CancelRecovery(slot);
            }
        }

        if (kind is OperationKind.Start or OperationKind.Stop)
        {
            // Also those that have nothing to do now: who stops everything wants none of it.
            foreach (ProcessSlot slot in groups.SelectMany(group => group.Slots))
            {
                Want(slot, kind == OperationKind.Start);
            }
        }

        ProcessSlot[] chosen = [.. groups.SelectMany(group => group.ByPriority).Where(slot => IsMeant(slot, kind))];
        var batch = new Batch(request, chosen.Length);
        if (chosen.Length == 0)
        {
            Answer(request, new Statuses(batch.Items));
        }

        foreach (ProcessSlot slot in chosen)
        {
            Begin(slot, new Operation(kind, request, slot.Namespec, wait, batch, _requester, ToGroup: toGroup), signal);
        }
    }

    /// <summary>Group commands leave out those that have nothing to do.</summary>
    private static bool IsMeant(ProcessSlot slot, OperationKind kind) => kind switch
    {
        OperationKind.Start => !slot.State.IsRunning(),
        OperationKind.Stop => slot.State.IsRunning() || slot is { State: ProcessState.Stopping, RestartReason: not null },
        OperationKind.Signal => slot.State.IsSignallable(),
        _ => true,
    };

    private void Begin(ProcessSlot slot, Operation operation, string signal)
    {
        switch (operation.Kind)
        {
            case OperationKind.Start:
                if (Disablement(slot) is { } disablement)
                {
                    TellRequest(slot, operation, disablement);
                    Fail(slot, operation, FaultCode.Failed, disablement);
                    break;
                }

                Want(slot, isWanted: true);

                // The command is looked at before the state: a running process whose file is gone answers NO_FILE.
                slot.InFlight = operation;
                _effects.Add(new CheckCommand(slot.Id, slot.Config, operation.Request));
                break;

            case OperationKind.Stop:
                CancelRecovery(slot);
                Want(slot, isWanted: false);
                Trigger(slot, ProcessTrigger.Stop, operation);
                break;

            case OperationKind.Signal when ParseSignal(signal) is { } number:
                Trigger(slot, ProcessTrigger.Signal, operation with { Signal = number });
                break;

            case OperationKind.Signal:
                if (IsRecording)
                {
                    TellRequest(slot, operation, $"'{signal}' is no signal");
                }

                Fail(slot, operation, FaultCode.BadSignal, signal);
                break;

            case OperationKind.Clear:
                if (IsRecording)
                {
                    TellRequest(slot, operation, refusal: null);
                }

                slot.InFlight = operation;
                _effects.Add(new ClearLogs(slot.Id, slot.StdoutLog, slot.StderrLog, operation.Request));
                break;
        }
    }

    private static int? ParseSignal(string text)
    {
        string trimmed = text.Trim();
        int number = int.TryParse(trimmed, NumberStyles.AllowLeadingSign, CultureInfo.InvariantCulture, out int parsed)
            ? parsed
            : Signals.FromName(trimmed);
        return Signals.IsKnown(number) ? number : null;
    }

    /// <summary>The request that an answer of the kernel's side is for; null when it has been answered.</summary>
    private static Operation? TakeInFlight(ProcessSlot slot, RequestId request)
    {
        if (slot.InFlight is not { } operation || operation.Request != request)
        {
            return null;
        }

        slot.InFlight = null;
        return operation;
    }

    private void TakeCommandCheck(ProcessSlot slot, CommandChecked check)
    {
        if (TakeInFlight(slot, check.Request) is not { } operation)
        {
            return;
        }

        if (check.Fault is { } fault)
        {
            if (IsRecording)
            {
                TellRequest(slot, operation, fault.Text);
            }

            Fail(slot, operation, fault.Code, fault.Extra);
        }
        else if (State != DaemonState.Running)
        {
            Fail(slot, operation, FaultCode.ShutdownState);
        }
        else
        {
            Trigger(slot, ProcessTrigger.Start, operation);
        }
    }

    private void SendStdin(RequestId request, SendProcessStdin stdin)
    {
        Namespec spec = Namespec.Parse(stdin.Name);
        if (spec.Process is null || !_groups.TryGetValue(spec.Group, out ProcessGroup? group) || group.Find(spec.Process) is not { } slot)
        {
            Refuse(request, FaultCode.BadName, stdin.Name);
        }
        else if (slot.Pid == 0 || slot.State == ProcessState.Stopping)
        {
            Refuse(request, FaultCode.NotRunning, stdin.Name);
        }
        else
        {
            slot.InFlight = new Operation(OperationKind.Stdin, request, stdin.Name, Wait: false, Batch: null, _requester);
            _effects.Add(new WriteStdin(slot.Id, slot.Incarnation, stdin.Data, request));
        }
    }

    private void TakeStdinAnswer(ProcessSlot slot, StdinAnswered answer)
    {
        if (answer.Request == default)
        {
            TakeDeliveryAnswer(slot, answer);
            return;
        }

        Complete(slot, TakeInFlight(slot, answer.Request), answer.Result switch
        {
            StdinResult.Accepted => FaultCode.Success,
            StdinResult.Closed => FaultCode.NoFile,
            _ => FaultCode.Failed,
        }, null);
    }

    private void TakeLogsCleared(ProcessSlot slot, LogsCleared cleared) =>
        Complete(slot, TakeInFlight(slot, cleared.Request), cleared.Succeeded ? FaultCode.Success : FaultCode.Failed, null);

    private void AddGroup(RequestId request, string name)
    {
        GroupConfig? config = _latest?.Groups.FirstOrDefault(group => group.Name == name);
        if (config is null)
        {
            Refuse(request, FaultCode.BadName, name);
        }
        else if (_groups.ContainsKey(name))
        {
            Refuse(request, FaultCode.AlreadyAdded, name);
        }
        else
        {
            _effects.Add(new PrepareGroup(request, config, _requester));
        }
    }

    private void RemoveGroup(RequestId request, string name)
    {
        if (!_groups.TryGetValue(name, out ProcessGroup? group))
        {
            Refuse(request, FaultCode.BadName, name);
        }
        else if (group.Slots.Exists(slot => !slot.State.IsStopped()))
        {
            Refuse(request, FaultCode.StillRunning, name);
        }
        else
        {
            if (IsRecording)
            {
                TellRemoval(group, _requester);
            }

            Deactivate(group);
            Answer(request, Done.Instance);
        }
    }

    // Who gave the command that the running step is about.
    private string _requester = "";

    private void Succeed(ProcessSlot slot, Operation? operation) => Complete(slot, operation, FaultCode.Success, null);

    private void Fail(ProcessSlot slot, Operation? operation, FaultCode code, string? extra = null) =>
        Complete(slot, operation, code, extra);

    /// <summary>Answers a request, or adds to the answer of its group command. Without a text the fault carries the name as given.</summary>
    private void Complete(ProcessSlot slot, Operation? operation, FaultCode code, string? extra)
    {
        if (operation is null)
        {
            return;
        }

        Fault? fault = code switch
        {
            FaultCode.Success => null,
            FaultCode.ShutdownState => new Fault(code),
            _ => new Fault(code, extra ?? operation.Name),
        };
        if (operation.Batch is not { } batch)
        {
            Answer(operation.Request, fault is null ? Done.Instance : new Refused(fault));
            return;
        }

        batch.Items.Add(new ProcessStatus(slot.Name, slot.Group.Name, code, fault?.Text ?? "OK"));
        if (--batch.Open == 0)
        {
            Answer(batch.Request, new Statuses(batch.Items));
        }
    }
}
