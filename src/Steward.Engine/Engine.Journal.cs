using Steward.Core.Events;
using Steward.Core.Ports;

namespace Steward.Engine;

// Who keeps the facts. Nothing is told, and in the core nothing is made, while there is nobody (and no successor who counts them).
public sealed partial class Engine
{
    // Replaced whole, under the lock of the state.
    private volatile IJournalSink[] _sinks = [];

    /// <summary>Gives every fact from here on to a sink, after those that are there already; twice is once. Any thread; best before <see cref="Load"/>.</summary>
    public void AddSink(IJournalSink sink) => SetSinks(sinks => [.. sinks.Where(other => other != sink), sink]);

    /// <summary>Tells a sink nothing more. Any thread; a call that is under way may still reach it.</summary>
    public void RemoveSink(IJournalSink sink) => SetSinks(sinks => [.. sinks.Where(other => other != sink)]);

    /// <summary>
    /// Tells all sinks a fact that does not come from the core. Any thread. No successor tells it again: when the daemon is killed before
    /// a sink has put it where it stays, it is lost.
    /// </summary>
    /// <param name="fact">What happened.</param>
    /// <param name="group">The group's name; null for what concerns the daemon.</param>
    /// <param name="process">The process's name; null for what concerns a whole group or the daemon.</param>
    public void Record(JournalFact fact, string? group = null, string? process = null) =>
        Tell(new JournalEntry(0, _clock.Now.Wall, group, process, 0, fact), default);

    private void Tell(in JournalEntry entry, FactPlace place)
    {
        foreach (IJournalSink sink in _sinks)
        {
            sink.Append(entry, place);
        }
    }

    private void SetSinks(Func<IJournalSink[], IJournalSink[]> change)
    {
        lock (_state)
        {
            _sinks = change(_sinks);
            _supervisor.IsRecording = _sinks.Length > 0 || _areFactsKept;
        }
    }
}
