using Steward.Core.Events;
using Steward.Core.Model;
using Steward.Core.Ports;

namespace Steward.Journal;

/// <summary>
/// The durable journal: every event with a number, on disk, bounded, readable by cursor.
/// </summary>
/// <remarks>
/// What it must hold to: nobody who appends ever waits for a disk; what cannot be written is counted and said; a broken file or a full
/// disk is got over without anybody's help; numbers rise and are never given twice; readers do not hold up the writer.
/// <para>
/// So there is one bounded queue and one thread, which alone writes. It takes what has come together in <see cref="JournalOptions.Gather"/>
/// and writes it in one transaction; a number exists from its commit on. When writing fails it keeps the batch, closes the database and
/// tries again after a pause; meanwhile the queue fills, and what does not fit is lost, counted, and told of by a
/// <see cref="LossFact"/> in its place. A damaged file is moved aside and a new one begun. Readers have connections of their own.
/// </para>
/// <para>Every member may be called on any thread. Nothing is opened before the thread runs: <see cref="Open"/> returns at once.</para>
/// </remarks>
public sealed partial class EventJournal : IJournalSink, IDisposable
{
    private const int BatchEntries = 1000;
    private const int EntryWeight = 160;

    private readonly JournalOptions _options;
    private readonly IClock _clock;
    private readonly Action<LogLevel, string> _log;
    private readonly Action<FactPlace>? _committed;
    private readonly Thread _thread;

    // Everything below is guarded by the gate.
    private readonly object _gate = new();
    private readonly Queue<(JournalEntry Entry, FactPlace Place)> _queue = new();
    private readonly List<Follower> _followers = [];
    private long _queuedBytes;
    private long _accepted;
    private long _settled;
    private long _lost;
    private long _lostSinceTold;
    private long _lostFirst;
    private long _lostLast;
    private string _lostReason = "";
    private bool _isStarted;
    private bool _isWaiting;
    private bool _isHurried;
    private bool _isClosing;
    private bool _isClosed;
    private bool _isDamageSeen;
    private string? _failure;

    // Written by the writer's thread, read by anybody.
    private long _lastNumber;
    private long _written;

    private EventJournal(JournalOptions options, IClock clock, Action<LogLevel, string> log, Action<FactPlace>? committed)
    {
        _committed = committed;
        _options = options;
        _clock = clock;
        _log = log;
        _readTurns = new SemaphoreSlim(options.Readers);
        _thread = new Thread(Run, maxStackSize: 512 << 10) { Name = "journal", IsBackground = true };
    }

    /// <summary>Makes a journal and starts its thread, which opens the file. Does not wait for it and does not fail for what is on the disk.</summary>
    /// <param name="options">Where and how large.</param>
    /// <param name="clock">The clocks, for the age of entries.</param>
    /// <param name="log">Takes lines for the activity log; called on the journal's thread and on readers' threads.</param>
    /// <param name="committed">Told after a commit up to which place everything is on disk (or lost and counted); on the journal's thread.</param>
    public static EventJournal Open(JournalOptions options, IClock clock, Action<LogLevel, string> log, Action<FactPlace>? committed = null)
    {
        EventJournal journal = Create(options, clock, log, committed);
        journal.Start();
        return journal;
    }

    /// <summary>Makes a journal that queues what it is given and touches nothing before <see cref="Start"/>. The parameters are those of <see cref="Open"/>.</summary>
    public static EventJournal Create(JournalOptions options, IClock clock, Action<LogLevel, string> log, Action<FactPlace>? committed = null)
    {
        options.Check();
        return new EventJournal(options, clock, log, committed);
    }

    /// <summary>Starts the thread, which opens the file; once is enough.</summary>
    public void Start()
    {
        lock (_gate)
        {
            if (!_isStarted)
            {
                _isStarted = true;
                _thread.Start();
            }
        }
    }

    /// <summary>Entries on disk since this journal was opened.</summary>
    public long Written => Interlocked.Read(ref _written);

    /// <summary>Entries lost since this journal was opened.</summary>
    public long Dropped
    {
        get
        {
            lock (_gate)
            {
                return _lost;
            }
        }
    }

    /// <summary>The newest number on disk; 0 before the first, and before the file is open.</summary>
    public long LastNumber => Interlocked.Read(ref _lastNumber);

    /// <summary>Why nothing can be written at present; null when all is well.</summary>
    public string? Failure
    {
        get
        {
            lock (_gate)
            {
                return _failure;
            }
        }
    }

    /// <summary>Entries that wait to be written.</summary>
    public int Waiting
    {
        get
        {
            lock (_gate)
            {
                return (int)(_accepted - _settled);
            }
        }
    }

    /// <summary>Puts an entry in the queue. Never waits; when there is no room the entry is counted as lost. Its number is ignored.</summary>
    public void Append(in JournalEntry entry) => Append(entry, default);

    /// <summary>The same for an entry that may be in the file already: it is left out when the file has everything up to its place.</summary>
    public void Append(in JournalEntry entry, FactPlace place)
    {
        JournalFact fact = entry.Fact.Bounded();
        int weight = EntryWeight + 2 * fact.TextLength;
        lock (_gate)
        {
            if (_isClosing)
            {
                Lose(1, entry.Wall, entry.Wall, "the journal was closed");
            }
            else if (_queue.Count >= _options.QueueEntries || _queuedBytes + weight > _options.QueueBytes)
            {
                Lose(1, entry.Wall, entry.Wall, _failure is null ? "the queue was full" : "the queue was full while nothing could be written");
            }
            else
            {
                _queue.Enqueue((entry with { Fact = fact }, place));
                _queuedBytes += weight;
                _accepted++;
                if (_isWaiting)
                {
                    _isWaiting = false;
                    Monitor.PulseAll(_gate);
                }
            }
        }
    }

    /// <summary>Waits until everything appended so far is on disk (or lost and counted).</summary>
    /// <returns>False when that is not so after <paramref name="limit"/>.</returns>
    public bool Flush(TimeSpan limit)
    {
        long until = Deadline(limit);
        lock (_gate)
        {
            long goal = _accepted;
            if (_settled < goal)
            {
                // Once: two who flush must not wake each other in turns.
                _isHurried = true;
                Monitor.PulseAll(_gate);
            }

            while (_settled < goal && !_isClosed)
            {
                int left = Left(until);
                if (left == 0)
                {
                    return false;
                }

                Monitor.Wait(_gate, left);
            }

            return _settled >= goal;
        }
    }

    /// <summary>
    /// Takes no more entries, writes what waits and closes the file.
    /// </summary>
    /// <returns>False when that was not done after <paramref name="limit"/>; what waits is lost then.</returns>
    public bool Close(TimeSpan limit)
    {
        lock (_gate)
        {
            _isClosing = true;
            _isHurried = true;
            Monitor.PulseAll(_gate);
        }

        // What came in before the start is written all the same.
        Start();
        return _thread.Join(limit);
    }

    /// <summary>Closes it, waiting for at most five seconds.</summary>
    public void Dispose() => Close(TimeSpan.FromSeconds(5));

    /// <summary>
    /// Waits for an entry behind a cursor. Nothing is polled: it completes after the commit that brought it.
    /// </summary>
    /// <param name="cursor">The newest number that the follower knows.</param>
    /// <param name="cancellation">Ends the waiting.</param>
    public Task<FollowOutcome> WaitAsync(long cursor, CancellationToken cancellation)
    {
        Follower follower;
        lock (_gate)
        {
            if (LastNumber > cursor)
            {
                return Task.FromResult(FollowOutcome.Ready);
            }

            if (_isClosed)
            {
                return Task.FromResult(FollowOutcome.Closed);
            }

            if (_followers.Count >= _options.Followers)
            {
                return Task.FromResult(FollowOutcome.TooMany);
            }

            follower = new Follower(cursor);
            _followers.Add(follower);
        }

        return AwaitAsync(follower, cancellation);
    }

    private async Task<FollowOutcome> AwaitAsync(Follower follower, CancellationToken cancellation)
    {
        try
        {
            return await follower.Done.Task.WaitAsync(cancellation).ConfigureAwait(false);
        }
        finally
        {
            lock (_gate)
            {
                _followers.Remove(follower);
            }
        }
    }

    /// <summary>Tells followers; the gate is held. Their continuations run elsewhere.</summary>
    private void TellFollowers()
    {
        for (int i = _followers.Count - 1; i >= 0; i--)
        {
            Follower follower = _followers[i];
            if (_isClosed || LastNumber > follower.Cursor)
            {
                _followers.RemoveAt(i);
                follower.Done.TrySetResult(LastNumber > follower.Cursor ? FollowOutcome.Ready : FollowOutcome.Closed);
            }
        }
    }

    /// <summary>Counts what is lost; the gate is held.</summary>
    private void Lose(long count, long first, long last, string reason)
    {
        _lost += count;
        if (_lostSinceTold == 0)
        {
            _lostFirst = first;
        }

        _lostSinceTold += count;
        _lostLast = last;
        _lostReason = reason;
    }

    private long Deadline(TimeSpan limit) => limit == Timeout.InfiniteTimeSpan ? long.MaxValue : _clock.Now.Monotonic + limit.Ticks * 100;

    /// <summary>Milliseconds until a deadline, rounded up; -1 for no deadline.</summary>
    private int Left(long until) => until == long.MaxValue
        ? Timeout.Infinite
        : (int)Math.Clamp((until - _clock.Now.Monotonic + Moment.Millisecond - 1) / Moment.Millisecond, 0, int.MaxValue);

    private sealed class Follower(long cursor)
    {
        public long Cursor { get; } = cursor;

        public TaskCompletionSource<FollowOutcome> Done { get; } = new(TaskCreationOptions.RunContinuationsAsynchronously);
    }
}
