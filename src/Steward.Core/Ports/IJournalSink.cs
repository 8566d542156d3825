using Steward.Core.Events;

namespace Steward.Core.Ports;

/// <summary>
/// Takes the facts that the core and the daemon tell: the journal, hooks, whoever else wants to know. There may be several; each gets
/// every entry, in order.
/// </summary>
public interface IJournalSink
{
    /// <summary>
    /// Takes an entry. Called on the engine's thread, and for what concerns the daemon on others: returns at once, never throws for what
    /// the outside can cause, and has a bound with a count of what did not fit. The entry's number is 0: a number belongs to the journal.
    /// </summary>
    void Append(in JournalEntry entry);

    /// <summary>
    /// Takes an entry that may have been told before, by this engine's predecessor: a sink that remembers up to which place it has everything
    /// leaves it out then. Otherwise as <see cref="Append(in JournalEntry)"/>.
    /// </summary>
    void Append(in JournalEntry entry, FactPlace place) => Append(entry);
}
