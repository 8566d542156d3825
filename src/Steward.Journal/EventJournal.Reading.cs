namespace Steward.Journal;

// Readers: a bounded number of connections that are kept and used again.
public sealed partial class EventJournal
{
    private readonly SemaphoreSlim _readTurns;
    private readonly Stack<JournalReader> _idleReaders = new();

    // Rises with each opening of the file: a reader of an earlier one is not used again.
    private int _generation;

    /// <summary>
    /// Reads a page. Waits for the disk, and for its turn when as many read as may; not for threads that must not wait. What has not been
    /// committed yet is not seen.
    /// </summary>
    public JournalPage Read(JournalQuery query)
    {
        ArgumentOutOfRangeException.ThrowIfNegative(query.Cursor);
        int limit = query.Limit <= 0 ? _options.PageLimit : Math.Min(query.Limit, _options.PageLimit);
        if (!_readTurns.Wait(_options.ReadPatience))
        {
            return JournalPage.Failed(query.Cursor, $"{_options.Readers} others are reading the journal: try again");
        }

        int generation = 0;
        try
        {
            JournalReader? reader = TakeReader(out generation, out string? failure);
            if (reader is null)
            {
                return JournalPage.Failed(query.Cursor, failure!);
            }

            JournalPage page;
            try
            {
                page = reader.Read(query, limit, _options.ScanLimit);
            }
            catch
            {
                reader.Dispose();
                throw;
            }

            ReturnReader(reader);
            return page;
        }
        catch (SqliteException fault)
        {
            if (fault.IsDamage)
            {
                // The writer may not touch the damaged part for a long time. It is told, unless it knows: then this was the old file.
                lock (_gate)
                {
                    if (generation == _generation)
                    {
                        _isDamageSeen = true;
                        Monitor.PulseAll(_gate);
                    }
                }
            }

            return JournalPage.Failed(query.Cursor, $"the journal {_options.Path} cannot be read: {fault.Message}");
        }
        finally
        {
            _readTurns.Release();
        }
    }

    private JournalReader? TakeReader(out int generation, out string? failure)
    {
        lock (_gate)
        {
            generation = _generation;
            failure = _isClosed ? "the journal is closed" : _generation == 0 ? _failure ?? "the journal is not open yet: try again" : null;
            if (failure is not null)
            {
                return null;
            }

            if (_idleReaders.TryPop(out JournalReader? idle))
            {
                return idle;
            }
        }

        return new JournalReader(_options.Path, generation);
    }

    private void ReturnReader(JournalReader reader)
    {
        lock (_gate)
        {
            if (reader.Generation == _generation && !_isClosed)
            {
                _idleReaders.Push(reader);
                return;
            }
        }

        reader.Dispose();
    }

    /// <summary>The file is another one from here on, or none.</summary>
    private void DropReaders(bool closed)
    {
        JournalReader[] idle;
        lock (_gate)
        {
            _isClosed = closed;
            if (!closed)
            {
                _generation++;
            }

            idle = [.. _idleReaders];
            _idleReaders.Clear();
        }

        foreach (JournalReader reader in idle)
        {
            reader.Dispose();
        }
    }
}
