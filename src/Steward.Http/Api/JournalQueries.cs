using Steward.Core.Events;
using Steward.Core.Model;
using Steward.Engine;
using Steward.Journal;

namespace Steward.Http.Api;

/// <summary>
/// What clients ask of the journal, in whatever form they ask. Every member waits for the disk: not for threads that must not wait.
/// </summary>
internal sealed class JournalQueries(ISupervisorControl control, JournalHolder? holder)
{
    /// <summary>What a daemon without a journal answers.</summary>
    public const string NoJournal = "this daemon keeps no journal: set journal= in [supervisord]";

    /// <summary>Entries of a page, where nothing is said.</summary>
    public const int DefaultLimit = 100;

    // A few hundred entries tell every story; pages of other processes' entries are passed over within a bound.
    private const int StoryEntries = 400;
    private const int StoryPages = 20;

    // Who has the answer to a request also finds what came of it.
    private static readonly TimeSpan s_flushLimit = TimeSpan.FromSeconds(1);

    /// <summary>The journal in use; null for none.</summary>
    public EventJournal? Journal => holder?.Current;

    /// <summary>Waits for a moment until what was told so far is there to be read, and the file open.</summary>
    public static void Settle(EventJournal journal) => _ = journal.Flush(s_flushLimit);

    /// <summary>Reads a page forwards from a cursor.</summary>
    public static JournalPage Page(EventJournal journal, JournalQuery query)
    {
        Settle(journal);
        return journal.Read(query);
    }

    /// <summary>Reads the newest matching entries, oldest of them first.</summary>
    public static JournalPage Last(EventJournal journal, JournalQuery query, int limit, int pages = StoryPages)
    {
        Settle(journal);
        var found = new List<JournalEntry>();
        long cursor = long.MaxValue;
        JournalPage page;
        do
        {
            page = journal.Read(query with { Cursor = cursor, Backwards = true, Limit = limit - found.Count });
            if (page.Failure is not null)
            {
                return page;
            }

            found.AddRange(page.Entries);
            cursor = page.Next;
        }
        while (page.More && found.Count < limit && --pages > 0);

        found.Reverse();
        return page with { Entries = found, Next = page.Newest, More = false };
    }

    /// <summary>Narrows a query to what a client named: <c>p</c>, <c>g:p</c> or <c>g:*</c>.</summary>
    public static JournalQuery Of(JournalQuery query, string? name)
    {
        if (string.IsNullOrEmpty(name))
        {
            return query;
        }

        Namespec spec = Namespec.Parse(name);
        return query with { Group = spec.Group, Process = spec.Process };
    }

    /// <summary>Tells the story of a process; null when neither the daemon nor the journal knows it.</summary>
    /// <param name="journal">The journal.</param>
    /// <param name="name">As clients name it.</param>
    /// <param name="failure">Why nothing could be read.</param>
    public WhyStory? Why(EventJournal journal, string name, out string? failure)
    {
        Namespec spec = Namespec.Parse(name);
        JournalPage page = Last(journal, Of(new JournalQuery(), name), StoryEntries);
        failure = page.Failure;
        if (failure is not null || spec.Process is null || !IsKnown(spec, page))
        {
            return null;
        }

        string intent = $"{spec.Group}:{spec.Process}";
        string? disabledFor = Array.Find(control.Intents(), one => one.Name == intent)?.DisabledFor;
        return WhyStory.Of(spec.ToString(), page.Entries.Reverse(), disabledFor);
    }

    /// <summary>Says whether there is anything of a name.</summary>
    public bool IsKnown(Namespec spec, JournalPage page) =>
        page.Entries.Count > 0
        || (spec.Process is { } process ? control.Find(spec.Group, process) is not null : control.All().Any(one => one.Group == spec.Group));
}
