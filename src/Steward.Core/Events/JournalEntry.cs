using Steward.Core.Model;

namespace Steward.Core.Events;

/// <summary>One entry of the journal: what happened, to whom, when.</summary>
/// <param name="Number">Its place in the journal, from 1, rising, never given twice; 0 before it is written.</param>
/// <param name="Wall">Unix nanoseconds at which it happened. Numbers give the order; a clock that is set back does not change it.</param>
/// <param name="Group">The group's name; null for what concerns the daemon.</param>
/// <param name="Process">The process's name; null for what concerns the daemon or a whole group.</param>
/// <param name="Incarnation">Which start of the process; 0 for none.</param>
/// <param name="Fact">What happened.</param>
public readonly record struct JournalEntry(long Number, long Wall, string? Group, string? Process, int Incarnation, JournalFact Fact)
{
    /// <summary>The name for clients; null for what concerns the daemon.</summary>
    public string? Name => Group is null ? null : Process is null ? Group + ":*" : Namespec.Join(Group, Process);
}
