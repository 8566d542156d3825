using Steward.Core.Events;

namespace Steward.Hooks;

/// <summary>
/// What happened, for one or several hooks. What belongs to it but is told later (the decision, the new state) is filled in while it waits;
/// each field is written once or replaced by something later of the same run, so a reader sees one or the other.
/// </summary>
internal sealed class HookEvent(string delivery, HookEvents kind, JournalEntry entry)
{
    private volatile ExitFact? _exit;
    private volatile SpawnFact? _failure;
    private volatile DecisionFact? _decision;
    private volatile StateFact? _state;

    /// <summary>The number of the delivery: the journal's, or one that is unique without a journal.</summary>
    public string Delivery { get; } = delivery;

    /// <summary>Everything that it is.</summary>
    public HookEvents Kind { get; } = kind;

    /// <summary>The entry.</summary>
    public JournalEntry Entry { get; } = entry;

    /// <summary>The number of its fact among those that a successor tells again (<see cref="Core.Ports.FactPlace"/>); 0 for none.</summary>
    public long Number { get; init; }

    /// <summary>Whether somebody only wants to see that it arrives.</summary>
    public bool IsTest { get; init; }

    /// <summary>How the last run ended; null when it did not, or is not known.</summary>
    public ExitFact? Exit => _exit;

    /// <summary>Why the last start failed; null when it did not.</summary>
    public SpawnFact? Failure => _failure;

    /// <summary>What Steward decided; null for nothing, or not yet.</summary>
    public DecisionFact? Decision => _decision;

    /// <summary>The change of state that goes with it; null for none.</summary>
    public StateFact? State => _state;

    /// <summary>Adds what is known.</summary>
    public void Add(JournalFact? fact)
    {
        switch (fact)
        {
            case ExitFact exit:
                _exit = exit;
                break;
            case SpawnFact { Error: not null } failure:
                _failure = failure;
                break;
            case DecisionFact decision:
                _decision = decision;
                break;
            case StateFact state:
                // For a crash the state it led to; what comes after that is another story.
                _state ??= state;
                break;
        }
    }
}
