using Steward.Core.Events;
using Steward.Core.Model;
using Steward.Core.Ports;

namespace Steward.Journal;

/// <summary>The journal in use, which a reload may replace, or none. Any thread.</summary>
/// <param name="clock">The clocks.</param>
/// <param name="log">Takes lines for the activity log; any thread.</param>
public sealed class JournalHolder(IClock clock, Action<LogLevel, string> log) : IJournalSink, IDisposable
{
    private readonly Lock _gate = new();
    private volatile EventJournal? _current;
    private JournalOptions? _options;
    private bool _isStarted;

    /// <summary>The journal in use; null for none.</summary>
    public EventJournal? Current => _current;

    /// <inheritdoc/>
    public void Append(in JournalEntry entry) => _current?.Append(entry);

    /// <inheritdoc/>
    public void Append(in JournalEntry entry, FactPlace place) => _current?.Append(entry, place);

    /// <summary>Told after each commit up to which number facts of the core are on disk; on the journal's thread. Null: nobody wants to know.</summary>
    public Action<long>? Committed { get; set; }

    /// <summary>
    /// Goes on with these options; null for no journal. With the same ones nothing happens; otherwise the former journal is closed when
    /// what it was given is written.
    /// </summary>
    public void Configure(JournalOptions? options)
    {
        EventJournal? former;
        lock (_gate)
        {
            if (options == _options)
            {
                return;
            }

            former = _current;
            _options = options;
            _current = options is null ? null : EventJournal.Create(options, clock, log, place => Committed?.Invoke(place.Number));
        }

        // It may be the same file with other bounds: the new one queues until the former has let go of it.
        former?.Dispose();
        if (Volatile.Read(ref _isStarted))
        {
            _current?.Start();
        }
    }

    /// <summary>Opens the file, now and after each change from here on. Until then entries wait in memory.</summary>
    public void Start()
    {
        Volatile.Write(ref _isStarted, true);
        _current?.Start();
    }

    /// <summary>Writes what waits and closes the file, waiting for at most five seconds.</summary>
    public void Dispose()
    {
        if (_current is { } journal && !journal.Close(TimeSpan.FromSeconds(5)))
        {
            log(LogLevel.Warn, $"the journal could not be closed in time: {journal.Waiting} entries are lost");
        }
    }
}
