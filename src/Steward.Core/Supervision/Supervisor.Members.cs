using Steward.Core.Config;
using Steward.Core.Effects;
using Steward.Core.Inputs;
using Steward.Core.Model;

namespace Steward.Core.Supervision;

// Processes that join an active group and leave it, without the file. They are gone when the group is: at reload, or at an update, for which
// such a group is a changed one.
public sealed partial class Supervisor
{
    /// <summary>Processes in all; a configuration has no more either.</summary>
    private const int MaxProcesses = 65536;

    /// <summary>Returns the names of the active groups, sorted.</summary>
    public string[] GroupNames() => [.. _groups.Keys.Order(StringComparer.Ordinal)];

    private void Extend(RequestId request, AddProcesses add)
    {
        if (!MayExtend(request, add.Group, add.Processes, out ProcessGroup? group))
        {
            return;
        }

        _effects.Add(new PrepareGroup(request, group.Config with { Processes = EquatableList.From(add.Processes) }, _requester, Extends: true));
    }

    /// <summary>Looked at twice: when it is asked for, and when its logs are there.</summary>
    private bool MayExtend(
        RequestId request,
        string name,
        IReadOnlyList<ProcessConfig> processes,
        [System.Diagnostics.CodeAnalysis.NotNullWhen(true)] out ProcessGroup? group)
    {
        if (!_groups.TryGetValue(name, out group))
        {
            Refuse(request, FaultCode.BadName, name);
            return false;
        }

        if (group.Pool is not null)
        {
            Refuse(request, FaultCode.Failed, $"{name} is a pool of event listeners");
            return false;
        }

        if (_slots.Count + processes.Count > MaxProcesses)
        {
            Refuse(request, FaultCode.Failed, $"there would be more than {MaxProcesses} processes");
            return false;
        }

        foreach (ProcessConfig process in processes)
        {
            if (group.Find(process.Name) is not null)
            {
                Refuse(request, FaultCode.BadName, process.Name);
                return false;
            }
        }

        return true;
    }

    private void Join(GroupPrepared prepared)
    {
        if (!MayExtend(prepared.Request, prepared.Group.Name, prepared.Group.Processes, out ProcessGroup? group))
        {
            return;
        }

        int first = group.Slots.Count;
        AddSlots(group, prepared.Group.Processes, prepared.AutoLogs);
        group.Reconfigure([.. group.Slots.Select(slot => slot.Config)]);
        ProcessSlot[] joined = [.. group.Slots.Skip(first)];
        Log(LogLevel.Info, $"added to group '{group.Name}': {string.Join(", ", joined.Select(slot => slot.Name))}");
        Answer(prepared.Request, Done.Instance);
        if (_isUp && State == DaemonState.Running)
        {
            AutoStart(joined);
        }
    }

    private void Remove(RequestId request, RemoveProcess remove)
    {
        if (!_groups.TryGetValue(remove.Group, out ProcessGroup? group))
        {
            Refuse(request, FaultCode.BadName, remove.Group);
        }
        else if (group.Find(remove.Process) is not { } slot)
        {
            Refuse(request, FaultCode.BadName, remove.Process);
        }
        else if (group.Pool is not null)
        {
            Refuse(request, FaultCode.Failed, $"{group.Name} is a pool of event listeners");
        }
        else if (!slot.State.IsStopped())
        {
            Refuse(request, FaultCode.StillRunning, remove.Process);
        }
        else
        {
            slot.StateDue = long.MaxValue;
            slot.ReportDue = long.MaxValue;
            Schedule(slot);
            _slots.Remove(slot.Id);
            group.Slots.Remove(slot);
            group.Reconfigure([.. group.Slots.Select(other => other.Config)]);
            _sorted = null;
            Log(LogLevel.Info, $"removed from group '{group.Name}': {slot.Name}");
            Answer(request, Done.Instance);
        }
    }
}
