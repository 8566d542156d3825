using Steward.Core.Events;

namespace Steward.Journal;

/// <summary>What a reader wants.</summary>
public sealed record JournalQuery
{
    /// <summary>
    /// The cursor: entries behind this number forwards, before it backwards. 0 forwards is the beginning, <see cref="long.MaxValue"/>
    /// backwards the end. A page's <see cref="JournalPage.Next"/> is the cursor of the page that follows.
    /// </summary>
    public long Cursor { get; init; }

    /// <summary>Whether to read from the newer to the older.</summary>
    public bool Backwards { get; init; }

    /// <summary>Entries wanted; 0 and more than the journal's page limit mean that limit.</summary>
    public int Limit { get; init; }

    /// <summary>Only this group; null for all and for entries without one.</summary>
    public string? Group { get; init; }

    /// <summary>Only this process, of the group when that is given too; null for all.</summary>
    public string? Process { get; init; }

    /// <summary>Only these kinds; null for all.</summary>
    public IReadOnlyCollection<JournalKind>? Kinds { get; init; }

    /// <summary>Only what happened at this time (Unix nanoseconds) or later; null for all.</summary>
    public long? Since { get; init; }

    /// <summary>Only what happened before this time (Unix nanoseconds); null for all.</summary>
    public long? Until { get; init; }
}
