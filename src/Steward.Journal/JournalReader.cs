using Steward.Core.Events;

namespace Steward.Journal;

/// <summary>The reading side: a connection of its own that cannot write, a snapshot per page.</summary>
internal sealed class JournalReader : IDisposable
{
    private readonly SqliteDatabase _database;
    private readonly SqliteStatement _bounds;
    private readonly SqliteStatement _forwards;
    private readonly SqliteStatement _backwards;
    private readonly SqliteStatement _nameForwards;
    private readonly SqliteStatement _nameBackwards;
    private readonly SqliteStatement _atLeast;
    private readonly SqliteStatement _allNames;
    private readonly Dictionary<long, (string Group, string? Process)> _names = [];

    public JournalReader(string path, int generation)
    {
        Generation = generation;
        _database = new SqliteDatabase(path, write: false, busyTimeoutMs: 1000);
        try
        {
            _database.Execute("PRAGMA cache_size=-512");
            const string Select = "SELECT number, wall, name, incarnation, kind, version, fact FROM entry ";
            _bounds = _database.Prepare("SELECT (SELECT min(number) FROM entry), (SELECT max(number) FROM entry)");
            _forwards = _database.Prepare(Select + "WHERE number > ?1 ORDER BY number");
            _backwards = _database.Prepare(Select + "WHERE number < ?1 ORDER BY number DESC");
            _nameForwards = _database.Prepare(Select + "WHERE name = ?2 AND number > ?1 ORDER BY number");
            _nameBackwards = _database.Prepare(Select + "WHERE name = ?2 AND number < ?1 ORDER BY number DESC");
            _atLeast = _database.Prepare("SELECT number, wall FROM entry WHERE number >= ?1 ORDER BY number LIMIT 1");
            _allNames = _database.Prepare("SELECT id, grp, process FROM name WHERE id > ?1 ORDER BY id");
        }
        catch
        {
            _database.Dispose();
            throw;
        }
    }

    /// <summary>Which file of that name this reads: one that was moved aside is not the journal any more.</summary>
    public int Generation { get; }

    /// <summary>Reads a page. After an exception the reader is to be disposed of.</summary>
    public JournalPage Read(JournalQuery query, int limit, int scanLimit)
    {
        _database.Execute("BEGIN");
        JournalPage page = ReadSnapshot(query, limit, scanLimit);
        _database.Execute("COMMIT");
        return page;
    }

    public void Dispose() => _database.Dispose();

    private JournalPage ReadSnapshot(JournalQuery query, int limit, int scanLimit)
    {
        _bounds.Step();
        bool isEmpty = _bounds.IsNull(1);
        long newest = _bounds.Int64(1);
        long oldest = isEmpty ? 1 : _bounds.Int64(0);
        _bounds.Reset();
        if (isEmpty)
        {
            return new JournalPage([], query.Cursor, More: false, oldest, newest);
        }

        LoadNames();
        long cursor = query.Cursor;
        if (!query.Backwards && query.Since is { } since)
        {
            cursor = Math.Max(cursor, FirstSince(since, oldest, newest) - 1);
        }

        SqliteStatement rows = Choose(query, out HashSet<long>? names);
        if (names is { Count: 0 })
        {
            // Nobody of that name has an entry. What comes later is behind the newest.
            return new JournalPage([], query.Backwards ? Math.Min(cursor, oldest) : Math.Max(cursor, newest), More: false, oldest, newest);
        }

        var entries = new List<JournalEntry>(Math.Min(limit, 64));
        bool more = false;
        int looked = 0;
        rows.Bind(1, cursor);
        try
        {
            while (rows.Step())
            {
                if (entries.Count == limit || looked == scanLimit)
                {
                    more = true;
                    break;
                }

                looked++;
                cursor = rows.Int64(0);
                if (Matches(query, names, rows))
                {
                    entries.Add(Entry(rows));
                }
            }
        }
        finally
        {
            rows.Reset();
        }

        if (!more && !query.Backwards)
        {
            // All that there is has been looked at, also where an index went past it.
            cursor = Math.Max(cursor, newest);
        }

        return new JournalPage(entries, cursor, more, oldest, newest);
    }

    private SqliteStatement Choose(JournalQuery query, out HashSet<long>? names)
    {
        names = null;
        if (query.Group is null && query.Process is null)
        {
            return query.Backwards ? _backwards : _forwards;
        }

        names = [];
        foreach ((long id, (string group, string? process)) in _names)
        {
            if ((query.Group is null || group == query.Group) && (query.Process is null || process == query.Process))
            {
                names.Add(id);
            }
        }

        if (names.Count != 1)
        {
            return query.Backwards ? _backwards : _forwards;
        }

        SqliteStatement byName = query.Backwards ? _nameBackwards : _nameForwards;
        byName.Bind(2, names.First());
        return byName;
    }

    private static bool Matches(JournalQuery query, HashSet<long>? names, SqliteStatement row)
    {
        long wall = row.Int64(1);
        return (query.Since is null || wall >= query.Since)
            && (query.Until is null || wall < query.Until)
            && (query.Kinds is null || query.Kinds.Contains((JournalKind)row.Int64(4)))
            && (names is null || (!row.IsNull(2) && names.Contains(row.Int64(2))));
    }

    private JournalEntry Entry(SqliteStatement row)
    {
        (string Group, string? Process) name = default;
        if (!row.IsNull(2))
        {
            _names.TryGetValue(row.Int64(2), out name);
        }

        return new JournalEntry(
            row.Int64(0),
            row.Int64(1),
            name.Group,
            name.Process,
            (int)row.Int64(3),
            JournalJson.ReadFact((int)row.Int64(4), (int)row.Int64(5), row.Bytes(6)));
    }

    private void LoadNames()
    {
        long known = _names.Count == 0 ? 0 : _names.Keys.Max();
        _allNames.Bind(1, known);
        try
        {
            while (_allNames.Step())
            {
                _names[_allNames.Int64(0)] = (_allNames.Text(1)!, _allNames.Text(2));
            }
        }
        finally
        {
            _allNames.Reset();
        }
    }

    /// <summary>
    /// The first number of that time or later, found by halving: right as long as the clock was not set back, which is why each entry is
    /// looked at as well.
    /// </summary>
    private long FirstSince(long wall, long oldest, long newest)
    {
        long low = oldest;
        long high = newest + 1;
        while (low < high)
        {
            long middle = low + (high - low) / 2;
            _atLeast.Bind(1, middle);
            bool isLater = !_atLeast.Step() || _atLeast.Int64(1) >= wall;
            _atLeast.Reset();
            if (isLater)
            {
                high = middle;
            }
            else
            {
                low = middle + 1;
            }
        }

        return low;
    }
}
