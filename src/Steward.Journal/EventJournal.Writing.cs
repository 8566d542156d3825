using System.Globalization;
using SQLitePCL;
using Steward.Core.Events;
using Steward.Core.Model;
using Steward.Core.Ports;

namespace Steward.Journal;

// The writer's thread.
public sealed partial class EventJournal
{
    private const int DamagedKept = 2;
    private const string BootIdPath = "/proc/sys/kernel/random/boot_id";
    private static readonly long s_pruneInterval = 3600 * Moment.Second;
    private static readonly long s_placeInterval = 10 * Moment.Second;

    // What follows belongs to the writer's thread alone.
    private readonly List<JournalEntry> _batch = new(64);
    private JournalStore? _store;
    private FactPlace _batchPlace;
    private int _batchAccepted;
    private int _batchLosses;
    private int _failures;
    private long _retryAt = long.MinValue;
    private long _pruneAt = long.MinValue;
    private long _placeAt;
    private int _writtenSincePruned;

    private void Run()
    {
        while (WaitForWork(out bool closing))
        {
            try
            {
                Turn();
            }
            catch (Exception failure) when (failure is SqliteException or IOException or UnauthorizedAccessException or DllNotFoundException)
            {
                Fail(failure);
            }
            catch (Exception defect)
            {
                // A defect must not take the daemon along, nor come again with the same batch for ever.
                LoseBatch("a defect of the journal: " + defect.Message);
                Fail(defect);
            }

            if (closing && (_batch.Count == 0 || _store is null))
            {
                bool empty;
                lock (_gate)
                {
                    empty = _queue.Count == 0;
                }

                if (empty || _store is null)
                {
                    break;
                }
            }
        }

        Finish();
    }

    private bool WaitForWork(out bool closing)
    {
        lock (_gate)
        {
            while (true)
            {
                closing = _isClosing;
                if (closing)
                {
                    return true;
                }

                // A failure is waited out even when more comes in; a flush does not hurry it.
                if (_retryAt > _clock.Now.Monotonic)
                {
                    Await(_retryAt, wakeOnAppend: false);
                    continue;
                }

                if (_store is null || _isDamageSeen)
                {
                    return true;
                }

                if (_batch.Count > 0 || _queue.Count > 0 || _lostSinceTold > 0)
                {
                    if (!_isHurried && _queue.Count < BatchEntries && _options.Gather > TimeSpan.Zero)
                    {
                        Gather();
                    }

                    return true;
                }

                if (_pruneAt <= _clock.Now.Monotonic)
                {
                    return true;
                }

                _isHurried = false;
                Await(_pruneAt, wakeOnAppend: true);
            }
        }
    }

    private void Await(long until, bool wakeOnAppend)
    {
        _isWaiting = wakeOnAppend;
        Monitor.Wait(_gate, Left(until));
        _isWaiting = false;
    }

    /// <summary>One commit for what comes in the next moment costs a fraction of one for each. Appends do not wake it, a flush does.</summary>
    private void Gather()
    {
        long until = Deadline(_options.Gather);
        while (!_isHurried && !_isClosing && Left(until) is > 0 and int left)
        {
            Monitor.Wait(_gate, left);
        }
    }

    private void Turn()
    {
        if (_isDamageSeen)
        {
            lock (_gate)
            {
                _isDamageSeen = false;
            }

            throw new SqliteException(raw.SQLITE_CORRUPT, "a reader met a damaged page");
        }

        long now = _clock.Now.Monotonic;
        if (_store is not null && now >= _placeAt)
        {
            _placeAt = now + s_placeInterval;
            if (!_store.IsInPlace())
            {
                _log(LogLevel.Warn, $"the journal {_options.Path} was removed; a new one is begun");
                CloseStore();
            }
        }

        if (_store is null)
        {
            OpenStore();
        }

        TakeBatch();
        if (_batch.Count > 0)
        {
            // A commit that failed may have come to its end all the same: then the file has the whole batch.
            if (!_store!.Place.Covers(_batchPlace))
            {
                _store.Write(_batch, _batchPlace);
            }

            Settle();
        }

        Recovered();
        if (now >= _pruneAt || _writtenSincePruned >= BatchEntries)
        {
            _writtenSincePruned = 0;
            long before = _clock.Now.Wall - _options.MaxAge.Ticks * 100;
            _pruneAt = _store!.Prune(_options.MaxBytes, before) ? now : now + s_pruneInterval;
        }
    }

    private void TakeBatch()
    {
        if (_batch.Count > 0)
        {
            // From the last turn, which failed.
            return;
        }

        int known = 0;
        lock (_gate)
        {
            while (_batch.Count < BatchEntries && _queue.TryDequeue(out (JournalEntry Entry, FactPlace Place) next))
            {
                _queuedBytes -= EntryWeight + 2 * next.Entry.Fact.TextLength;
                if (_store!.Place.Covers(next.Place))
                {
                    // A daemon that died has put it into the file.
                    known++;
                    continue;
                }

                _batch.Add(next.Entry);
                _batchPlace = next.Place.Series != 0 ? next.Place : _batchPlace;
            }

            _batchAccepted = _batch.Count;
            _batchLosses = 0;
            if (_lostSinceTold > 0 && _queue.Count == 0)
            {
                // What was lost came after everything that had found room.
                _batch.Add(new JournalEntry(0, _lostLast, null, null, 0, new LossFact(_lostSinceTold, _lostFirst, _lostLast, _lostReason)));
                _batchLosses = 1;
                _lostSinceTold = 0;
            }
        }

        if (known > 0)
        {
            _committed?.Invoke(_store!.Place);
            lock (_gate)
            {
                _settled += known;
                Monitor.PulseAll(_gate);
            }
        }
    }

    private void Settle()
    {
        int count = _batch.Count;
        string? told = null;
        Interlocked.Add(ref _written, count);
        Interlocked.Exchange(ref _lastNumber, _store!.LastNumber);
        if (_batchLosses > 0 && _batch[^1].Fact is LossFact loss)
        {
            told = string.Create(CultureInfo.InvariantCulture, $"the journal lost {loss.Count} entries: {loss.Reason}");
        }

        if (_batchPlace.Series != 0)
        {
            _committed?.Invoke(_batchPlace);
        }

        _batch.Clear();
        _batchPlace = default;
        _writtenSincePruned += count;
        lock (_gate)
        {
            _settled += _batchAccepted;
            TellFollowers();
            Monitor.PulseAll(_gate);
        }

        // Should the end come now, there is no batch to lose.
        _batchAccepted = 0;
        _batchLosses = 0;
        if (told is not null)
        {
            _log(LogLevel.Warn, told);
        }
    }

    private void OpenStore()
    {
        SqliteLibrary.Load();
        if (!File.Exists(_options.Path))
        {
            Directory.CreateDirectory(Path.GetDirectoryName(Path.GetFullPath(_options.Path))!);
            // A WAL without its database must not be taken for that of the new one.
            File.Delete(_options.Path + "-wal");
            File.Delete(_options.Path + "-shm");
            // It holds the output of programs, so it is for the daemon's user alone. The -wal and -shm files take their mode from it.
            using FileStream created = new(_options.Path, new FileStreamOptions
            {
                Mode = FileMode.CreateNew,
                Access = FileAccess.Write,
#pragma warning disable CA1416 // Steward is for Linux alone.
                UnixCreateMode = UnixFileMode.UserRead | UnixFileMode.UserWrite,
#pragma warning restore CA1416
            });
        }

        _store = new JournalStore(_options, LastNumber, File.Exists(BootIdPath) ? File.ReadAllText(BootIdPath).Trim() : "");
        _placeAt = _clock.Now.Monotonic + s_placeInterval;
        _pruneAt = long.MinValue;
        Interlocked.Exchange(ref _lastNumber, _store.LastNumber);
        if (_store.Skipped > 0)
        {
            _log(LogLevel.Info, string.Create(
                CultureInfo.InvariantCulture,
                $"the machine went down with the journal open: its numbers go on from {_store.LastNumber + 1}"));
        }

        DropReaders(closed: false);
    }

    /// <summary>Writing works: says so when it did not before.</summary>
    private void Recovered()
    {
        _failures = 0;
        _retryAt = long.MinValue;
        bool healed;
        lock (_gate)
        {
            healed = _failure is not null;
            _failure = null;
        }

        if (healed)
        {
            _log(LogLevel.Info, $"the journal {_options.Path} is written again");
        }
    }

    private void Fail(Exception failure)
    {
        CloseStore();
        if (failure is SqliteException { IsDamage: true } damage)
        {
            MoveAside(damage);
        }

        string text = $"the journal {_options.Path} cannot be written: {failure.Message}";
        bool isNew;
        lock (_gate)
        {
            isNew = _failure != text;
            _failure = text;
        }

        if (isNew)
        {
            _log(LogLevel.Warn, text);
        }

        // The first time after damage at once: there is a new file to be made.
        int factor = Math.Min(30, 1 << Math.Min(_failures, 5));
        _retryAt = _failures == 0 && failure is SqliteException { IsDamage: true }
            ? long.MinValue
            : _clock.Now.Monotonic + _options.RetryAfter.Ticks * 100 * factor;
        _failures++;
    }

    private void CloseStore()
    {
        _store?.Dispose();
        _store = null;
    }

    private void MoveAside(SqliteException damage)
    {
        try
        {
            long last = Math.Max(LastNumber, JournalStore.LastNumberOf(_options.Path));
            bool guessed = last == 0;
            if (guessed)
            {
                // Milliseconds of this century are more than any journal has counted to.
                last = _clock.Now.Wall / Moment.Millisecond;
            }

            string aside = string.Create(CultureInfo.InvariantCulture, $"{_options.Path}.damaged-{_clock.Now.UnixSeconds}");
            for (int i = 1; File.Exists(aside); i++)
            {
                aside = string.Create(CultureInfo.InvariantCulture, $"{_options.Path}.damaged-{_clock.Now.UnixSeconds}.{i}");
            }

            File.Move(_options.Path, aside);
            foreach (string suffix in (string[])["-wal", "-shm"])
            {
                if (File.Exists(_options.Path + suffix))
                {
                    File.Move(_options.Path + suffix, aside + suffix);
                }
            }

            Interlocked.Exchange(ref _lastNumber, last);
            _log(LogLevel.Error, string.Create(
                CultureInfo.InvariantCulture,
                $"the journal {_options.Path} is damaged ({damage.Message}): moved to {aside}, a new one begins with number {last + 1}")
                + (guessed ? " (the time, as the last number cannot be read)" : ""));
            RemoveOldDamaged(aside);
        }
        catch (Exception failure) when (failure is IOException or UnauthorizedAccessException)
        {
            _log(LogLevel.Error, $"the damaged journal {_options.Path} cannot be moved aside: {failure.Message}");
        }
    }

    private void RemoveOldDamaged(string newest)
    {
        string directory = Path.GetDirectoryName(Path.GetFullPath(_options.Path))!;
        string[] kept = [.. Directory.EnumerateFiles(directory, Path.GetFileName(_options.Path) + ".damaged-*")
            .Where(static file => !file.EndsWith("-wal", StringComparison.Ordinal) && !file.EndsWith("-shm", StringComparison.Ordinal))
            .Where(file => Path.GetFileName(file) != Path.GetFileName(newest))
            .OrderByDescending(File.GetLastWriteTimeUtc)];
        foreach (string old in kept.Skip(DamagedKept - 1))
        {
            foreach (string suffix in (string[])["", "-wal", "-shm"])
            {
                File.Delete(old + suffix);
            }

            _log(LogLevel.Warn, $"removed {old}: {DamagedKept} damaged journals are kept");
        }
    }

    /// <summary>Gives the batch up; it is counted.</summary>
    private void LoseBatch(string reason)
    {
        lock (_gate)
        {
            if (_batchAccepted > 0)
            {
                Lose(_batchAccepted, _batch[0].Wall, _batch[_batchAccepted - 1].Wall, reason);
            }

            if (_batchLosses > 0 && _batch.Count > 0 && _batch[^1].Fact is LossFact told)
            {
                // These were counted before; they are to be told of again.
                _lostFirst = _lostSinceTold == 0 ? told.First : Math.Min(_lostFirst, told.First);
                _lostLast = _lostSinceTold == 0 ? told.Last : Math.Max(_lostLast, told.Last);
                _lostSinceTold += told.Count;
                _lostReason = reason;
            }

            _settled += _batchAccepted;
            Monitor.PulseAll(_gate);
        }

        _batch.Clear();
        _batchPlace = default;
        _batchAccepted = 0;
        _batchLosses = 0;
    }

    private void Finish()
    {
        LoseBatch("the journal was closed while nothing could be written");
        lock (_gate)
        {
            while (_queue.TryDequeue(out (JournalEntry Entry, FactPlace Place) left))
            {
                _settled++;
                Lose(1, left.Entry.Wall, left.Entry.Wall, "the journal was closed while nothing could be written");
            }
        }

        try
        {
            _store?.Close();
        }
        catch (SqliteException failure)
        {
            _log(LogLevel.Error, $"the journal {_options.Path} cannot be closed in good order: {failure.Message}");
        }

        DropReaders(closed: true);
        CloseStore();
        string? told;
        lock (_gate)
        {
            TellFollowers();
            Monitor.PulseAll(_gate);
            told = _lostSinceTold == 0
                ? null
                : string.Create(CultureInfo.InvariantCulture, $"the journal lost {_lostSinceTold} entries: {_lostReason}");
        }

        if (told is not null)
        {
            _log(LogLevel.Warn, told);
        }
    }
}
