using FsCheck;
using FsCheck.Fluent;
using Steward.Core.Events;

namespace Steward.Journal.Tests;

public sealed class PagingTests : IDisposable
{
    private const int Count = 300;

    private readonly TestJournal _test = new(options => options with { PageLimit = 50, ScanLimit = 23 });
    private readonly JournalEntry[] _all;

    public PagingTests()
    {
        for (int i = 0; i < Count; i++)
        {
            // Names, kinds and times without a common rhythm; the clock is set back once.
            JournalFact fact = i * i % 5 == 1 ? new HealthFact("ready", true) : new SignalFact(i % 31, i, false);
            string? name = i % 11 == 0 ? null : "p" + i * 7 % 4;
            _test.Journal.Append(new JournalEntry(0, i < 200 ? 10 * i : 10 * i - 700, name is null ? null : "g" + i % 3, name, i, fact));
        }

        _test.Flush();
        _all = [.. _test.All()];
        Assert.Equal(Count, _all.Length);
    }

    /// <summary>Whatever the query, the limits and the place to begin: pages put together are the matching entries, each once, in order.</summary>
    [Fact]
    public void Pages_put_together_are_what_matches()
    {
        Gen<JournalQuery> queries =
            from cursor in Gen.Choose(0, Count + 5)
            from backwards in Gen.Elements(true, false)
            from limit in Gen.Choose(0, 60)
            from grp in Gen.Elements<string?>(null, null, "g0", "g2", "nobody")
            from process in Gen.Elements<string?>(null, null, "p1", "p3")
            from kinds in Gen.Elements<JournalKind[]?>(null, null, [JournalKind.Health], [JournalKind.Exit])
            from until in Gen.Elements<long?>(null, null, 2500L)
            select new JournalQuery
            {
                Cursor = cursor, Backwards = backwards, Limit = limit, Group = grp, Process = process, Kinds = kinds, Until = until,
            };
        Prop.ForAll(queries.ToArbitrary(), query =>
        {
            IEnumerable<JournalEntry> wanted = _all.Where(entry =>
                (query.Backwards ? entry.Number < query.Cursor : entry.Number > query.Cursor)
                && (query.Group is null || entry.Group == query.Group)
                && (query.Process is null || entry.Process == query.Process)
                && (query.Kinds is null || query.Kinds.Contains(entry.Fact.Kind))
                && (query.Until is null || entry.Wall < query.Until));
            Assert.Equal(query.Backwards ? wanted.Reverse() : wanted, Pages(query));
        }).QuickCheckThrowOnFailure();
    }

    public void Dispose() => _test.Dispose();

    private List<JournalEntry> Pages(JournalQuery query)
    {
        var entries = new List<JournalEntry>();
        for (int pages = 0; pages < 2 * Count; pages++)
        {
            JournalPage page = _test.Journal.Read(query);
            Assert.Null(page.Failure);
            Assert.True(page.Entries.Count <= (query.Limit == 0 ? 50 : Math.Min(50, query.Limit)));
            entries.AddRange(page.Entries);
            if (!page.More)
            {
                return entries;
            }

            Assert.NotEqual(query.Cursor, page.Next);
            query = query with { Cursor = page.Next };
        }

        throw new InvalidOperationException("The pages have no end.");
    }
}
