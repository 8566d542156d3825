using Steward.Core.Events;

namespace Steward.Journal;

/// <summary>What a reader gets: a view of one moment.</summary>
/// <param name="Entries">The matching entries, in the direction asked for.</param>
/// <param name="Next">The cursor of the page that follows, also when nothing matched.</param>
/// <param name="More">Whether there was more to look at when this page was read.</param>
/// <param name="Oldest">The oldest number that is kept; one more than <paramref name="Newest"/> in an empty journal.</param>
/// <param name="Newest">The newest number; 0 in a journal that never had an entry.</param>
/// <param name="Failure">Why nothing could be read; null when it could.</param>
public sealed record JournalPage(IReadOnlyList<JournalEntry> Entries, long Next, bool More, long Oldest, long Newest, string? Failure = null)
{
    /// <summary>
    /// Says whether entries behind a cursor have been removed already, so that a reader who goes on from there has missed some. Numbers
    /// may have holes (after a power cut), so that in rare cases what is missing never existed.
    /// </summary>
    public bool HasGapAfter(long cursor) => Failure is null && cursor < Oldest - 1;

    internal static JournalPage Failed(long cursor, string failure) => new([], cursor, More: false, Oldest: 0, Newest: 0, failure);
}
