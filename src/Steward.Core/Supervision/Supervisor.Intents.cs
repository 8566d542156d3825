using Steward.Core.Effects;
using Steward.Core.Events;
using Steward.Core.Inputs;
using Steward.Core.Model;

namespace Steward.Core.Supervision;

// What operators want, apart from what processes do. Only commands change it: neither a crash, nor a shutdown, nor a removal of the group.
public sealed partial class Supervisor
{
    private const int MaxReason = 1000;

    private readonly SortedDictionary<string, Intent> _intents = new(StringComparer.Ordinal);

    // Valid during a step.
    private bool _haveIntentsChanged;

    /// <summary>Everything that is remembered, ordered by name.</summary>
    public Intent[] Intents() => [.. _intents.Values];

    private static string IntentName(ProcessSlot slot) => $"{slot.Group.Name}:{slot.Name}";

    private void TakeIntents(IReadOnlyList<Intent> intents)
    {
        _intents.Clear();
        foreach (Intent intent in intents)
        {
            _intents[intent.Name] = intent;
        }
    }

    /// <summary>A client has started or stopped it.</summary>
    private void Want(ProcessSlot slot, bool isWanted)
    {
        if (!slot.Config.AutoStartAsLast)
        {
            return;
        }

        string name = IntentName(slot);
        Intent? known = _intents.GetValueOrDefault(name);

        // What nobody has said anything about is wanted already.
        if ((known?.IsWanted ?? true) != isWanted)
        {
            Remember(new Intent(name, isWanted, known?.DisabledFor, _now.Wall, Clean(_requester)));
        }
    }

    private void SetIntent(RequestId request, SetIntent set)
    {
        Namespec spec = Namespec.Parse(set.Name);
        if (spec.Process is null || !_groups.TryGetValue(spec.Group, out ProcessGroup? group) || group.Find(spec.Process) is not { } slot)
        {
            Refuse(request, FaultCode.BadName, set.Name);
            return;
        }

        string name = IntentName(slot);
        string? reason = set.IsEnabled ? null : Clean(set.Reason);
        Intent? known = _intents.GetValueOrDefault(name);
        if (known?.DisabledFor != reason)
        {
            Remember(new Intent(name, known?.IsWanted, reason, _now.Wall, Clean(_requester)));
            TellOutsideOfRuns(
                slot, new RequestFact(set.IsEnabled ? "enable" : "disable", Named(_requester), null, Reason: string.IsNullOrEmpty(reason) ? null : reason));
            Log(LogLevel.Info, set.IsEnabled ? $"{slot.Namespec} is enabled" : $"{slot.Namespec} is disabled{Because(reason!)}");
        }

        Answer(request, Done.Instance);
    }

    /// <summary>Says why a process must not be started; null when it may.</summary>
    private string? Disablement(ProcessSlot slot) =>
        _intents.GetValueOrDefault(IntentName(slot))?.DisabledFor is { } reason ? $"{slot.Namespec} is disabled{Because(reason)}" : null;

    private bool IsToStart(ProcessSlot slot)
    {
        if (Disablement(slot) is { } disablement)
        {
            Log(LogLevel.Info, $"{disablement}: it is not started");
            TellOutsideOfRuns(slot, new DecisionFact(DecisionKind.Leave, disablement));
            return false;
        }

        if (slot.Config.AutoStartAsLast && _intents.GetValueOrDefault(IntentName(slot)) is { IsWanted: false })
        {
            Log(LogLevel.Info, $"{slot.Namespec} was stopped by hand: it is not started (autostart=last)");
            TellOutsideOfRuns(slot, new DecisionFact(DecisionKind.Leave, "it was stopped by hand, and autostart=last"));
            return false;
        }

        return true;
    }

    private void Remember(Intent intent)
    {
        if (intent is { IsWanted: null or true, DisabledFor: null })
        {
            // As if nobody had said anything.
            _intents.Remove(intent.Name);
        }
        else
        {
            _intents[intent.Name] = intent;
        }

        _haveIntentsChanged = true;
    }

    /// <summary>Once at the end of a step, however many have changed.</summary>
    private void SaveIntents()
    {
        if (_haveIntentsChanged)
        {
            _haveIntentsChanged = false;
            _effects.Add(new SaveIntents(Intents()));
        }
    }

    private static string Because(string reason) => reason.Length == 0 ? "" : $" ({reason})";

    /// <summary>One line, of a bounded length.</summary>
    private static string Clean(string text)
    {
        string line = string.Concat(text.Select(static c => char.IsControl(c) ? ' ' : c)).Trim();
        return line.Length <= MaxReason ? line : line[..MaxReason];
    }
}
