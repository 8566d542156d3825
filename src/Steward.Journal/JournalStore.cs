using System.Buffers;
using System.Globalization;
using System.Text.Json;
using SQLitePCL;
using Steward.Core.Events;
using Steward.Core.Ports;

namespace Steward.Journal;

/// <summary>
/// The writing side of one database file. Used by the writer's thread alone. Throws <see cref="SqliteException"/>; after that it is to
/// be disposed of and opened again.
/// </summary>
internal sealed class JournalStore : IDisposable
{
    /// <summary>"Stwd"; marks the file as a journal of ours (PRAGMA application_id).</summary>
    public const int ApplicationId = 0x53747764;

    /// <summary>The version of the tables (PRAGMA user_version).</summary>
    public const int SchemaVersion = 1;

    /// <summary>
    /// Numbers that are left out when the machine went down with the journal open. With <c>synchronous=NORMAL</c> a power cut may take the
    /// last transactions back (never after a checkpoint, which comes every 1,000 pages: some 50,000 entries), and a reader may have
    /// seen their numbers already.
    /// </summary>
    public const long PowerCutSkip = 1_000_000;

    private const int PageSize = 4096;
    private const int PruneRows = 2000; // More than come in with one transaction, or it would not keep up.
    private const int VacuumPages = 256;

    private readonly SqliteDatabase _database;
    private readonly SqliteStatement _insert;
    private readonly SqliteStatement _insertName;
    private readonly SqliteStatement _oldest;
    private readonly SqliteStatement _prune;
    private readonly SqliteStatement _mark;
    private readonly Dictionary<(string Group, string? Process), long> _names = [];
    private readonly ArrayBufferWriter<byte> _buffer = new(1024);
    private readonly Utf8JsonWriter _json;
    private readonly string _path;
    private long _nextName;

    /// <summary>Opens or creates the database.</summary>
    /// <param name="options">Where it is.</param>
    /// <param name="lastKnown">The last number given out in this process; numbers go on behind it.</param>
    /// <param name="bootId">Names the run of the machine (<c>/proc/sys/kernel/random/boot_id</c>); empty when it is not known.</param>
    public JournalStore(JournalOptions options, long lastKnown, string bootId)
    {
        _path = options.Path;
        _json = new Utf8JsonWriter(_buffer, JournalJson.WriterOptions);
        _database = new SqliteDatabase(options.Path, write: true, busyTimeoutMs: 1000);
        try
        {
            Prepare(options.HardPageLimit);
            LastNumber = Math.Max(lastKnown, _database.Number("SELECT max(number) FROM entry"));
            MarkOpen(bootId);
            _insert = _database.Prepare("INSERT INTO entry(number, wall, name, incarnation, kind, version, fact) VALUES(?1, ?2, ?3, ?4, ?5, ?6, ?7)");
            _insertName = _database.Prepare("INSERT INTO name(id, grp, process) VALUES(?1, ?2, ?3)");
            _oldest = _database.Prepare("SELECT wall FROM entry ORDER BY number LIMIT 1");
            // The newest entry stays whatever its age: it holds the number to go on from.
            _prune = _database.Prepare(
                "DELETE FROM entry WHERE number IN (SELECT number FROM entry WHERE number < (SELECT max(number) FROM entry) "
                + "AND (?2 = 0 OR wall < ?2) ORDER BY number LIMIT ?1)");
            _mark = _database.Prepare("INSERT OR REPLACE INTO meta(key, value) VALUES('place', ?1)");
            Place = ReadPlace();
            LoadNames();
        }
        catch
        {
            _database.Dispose();
            throw;
        }
    }

    /// <summary>The newest number in the database, or the one before the next.</summary>
    public long LastNumber { get; private set; }

    /// <summary>How many numbers were left out at opening.</summary>
    public long Skipped { get; private set; }

    /// <summary>Up to which place facts of the core are in the file, as its last writer told; no place when none had any.</summary>
    public FactPlace Place { get; private set; }

    /// <summary>Writes entries in one transaction: all or none. Gives them the numbers that follow.</summary>
    /// <param name="entries">The entries.</param>
    /// <param name="place">The place of the last of them that has one; stands in the file from the same moment on.</param>
    public void Write(List<JournalEntry> entries, FactPlace place = default)
    {
        long last = LastNumber;
        try
        {
            _database.Execute("BEGIN IMMEDIATE");
            foreach (JournalEntry entry in entries)
            {
                Insert(last + 1, entry);
                last++;
            }

            if (place.Series != 0)
            {
                _mark.Bind(1, string.Create(CultureInfo.InvariantCulture, $"{place.Series} {place.Number}"));
                _mark.Run();
            }

            _database.Execute("COMMIT");
        }
        catch
        {
            RollBack();
            throw;
        }

        Place = place.Series != 0 ? place : Place;
        LastNumber = last;
    }

    /// <summary>
    /// Removes some of what is too much, in a short transaction.
    /// </summary>
    /// <param name="maxBytes">The bound of the database's size.</param>
    /// <param name="before">Unix nanoseconds; what is older goes.</param>
    /// <returns>Whether there is more to do.</returns>
    public bool Prune(long maxBytes, long before)
    {
        long pages = _database.Number("PRAGMA page_count");
        long free = _database.Number("PRAGMA freelist_count");
        bool tooLarge = (pages - free) * PageSize > maxBytes;
        bool tooOld = false;
        if (!tooLarge)
        {
            tooOld = _oldest.Step() && _oldest.Int64(0) < before;
            _oldest.Reset();
        }

        int removed = 0;
        if (tooLarge || tooOld)
        {
            _prune.Bind(1, PruneRows);
            _prune.Bind(2, tooLarge ? 0 : before);
            _prune.Run();
            removed = (int)_database.Number("SELECT changes()");
        }

        // What is free is used again; only a lot of it goes back to the file system.
        bool shrink = free > VacuumPages && free > pages / 8;
        if (shrink)
        {
            _database.Execute(string.Create(CultureInfo.InvariantCulture, $"PRAGMA incremental_vacuum({VacuumPages})"));
        }

        return removed == PruneRows || shrink;
    }

    /// <summary>Says whether the file that is written to still has its name.</summary>
    public bool IsInPlace() => File.Exists(_path);

    /// <summary>The end in good order: everything is on the disk when this returns.</summary>
    public void Close()
    {
        _database.Execute("UPDATE meta SET value = '' WHERE key = 'boot'");
        _ = _database.Number("PRAGMA wal_checkpoint(TRUNCATE)");
    }

    public void Dispose()
    {
        _json.Dispose();
        _database.Dispose();
    }

    /// <summary>The highest number of a file that may be damaged; 0 when none can be read.</summary>
    public static long LastNumberOf(string path)
    {
        try
        {
            using var database = new SqliteDatabase(path, write: false, busyTimeoutMs: 1000);
            return database.Number("SELECT max(number) FROM entry");
        }
        catch (SqliteException)
        {
            // It is damaged: that is known already. The caller goes on from the clock.
            return 0;
        }
    }

    private void Prepare(int hardPageLimit)
    {
        _database.Execute(
            string.Create(CultureInfo.InvariantCulture, $"PRAGMA page_size={PageSize}; PRAGMA auto_vacuum=INCREMENTAL; PRAGMA cache_size=-1024; ")
            + "PRAGMA temp_store=MEMORY; PRAGMA journal_size_limit=4194304");
        if (hardPageLimit > 0)
        {
            _ = _database.Number(string.Create(CultureInfo.InvariantCulture, $"PRAGMA max_page_count={hardPageLimit}"));
        }

        long application = _database.Number("PRAGMA application_id");
        long version = _database.Number("PRAGMA user_version");
        if (application == ApplicationId && version > SchemaVersion)
        {
            throw new SqliteException(raw.SQLITE_FORMAT, $"the journal is of version {version}, and this Steward knows up to {SchemaVersion}");
        }

        if (application != ApplicationId && _database.Number("SELECT count(*) FROM sqlite_master") > 0)
        {
            throw new SqliteException(raw.SQLITE_CANTOPEN, "it is a database of another program: give the journal a path of its own");
        }

        _ = _database.Text("PRAGMA journal_mode=WAL");
        _database.Execute("PRAGMA synchronous=NORMAL");
        if (application != ApplicationId || version < SchemaVersion)
        {
            _database.Execute(string.Create(CultureInfo.InvariantCulture, $"""
                BEGIN IMMEDIATE;
                CREATE TABLE meta(key TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID;
                CREATE TABLE name(id INTEGER PRIMARY KEY, grp TEXT NOT NULL, process TEXT);
                CREATE TABLE entry(
                  number INTEGER PRIMARY KEY, wall INTEGER NOT NULL, name INTEGER, incarnation INTEGER NOT NULL,
                  kind INTEGER NOT NULL, version INTEGER NOT NULL, fact TEXT NOT NULL);
                CREATE INDEX entry_name ON entry(name, number) WHERE name IS NOT NULL;
                INSERT INTO meta VALUES('boot', '');
                PRAGMA application_id={ApplicationId};
                PRAGMA user_version={SchemaVersion};
                COMMIT
                """));
        }
    }

    private void MarkOpen(string bootId)
    {
        string? boot = _database.Text("SELECT value FROM meta WHERE key = 'boot'");
        if (!string.IsNullOrEmpty(boot) && boot != bootId)
        {
            Skipped = PowerCutSkip;
            LastNumber += PowerCutSkip;
        }

        using SqliteStatement mark = _database.Prepare("UPDATE meta SET value = ?1 WHERE key = 'boot'");
        mark.Bind(1, bootId);
        mark.Run();
    }

    private FactPlace ReadPlace()
    {
        // What nobody can read was not written by a Steward: it is as if it was not there, and the next commit replaces it.
        string[] parts = (_database.Text("SELECT value FROM meta WHERE key = 'place'") ?? "").Split(' ');
        return parts.Length == 2
            && long.TryParse(parts[0], NumberStyles.None, CultureInfo.InvariantCulture, out long series)
            && long.TryParse(parts[1], NumberStyles.None, CultureInfo.InvariantCulture, out long number)
                ? new FactPlace(series, number)
                : default;
    }

    private void LoadNames()
    {
        // Names that nothing speaks of any more go here, once per opening.
        _database.Execute("DELETE FROM name WHERE NOT EXISTS (SELECT 1 FROM entry WHERE entry.name = name.id)");
        using SqliteStatement names = _database.Prepare("SELECT id, grp, process FROM name");
        while (names.Step())
        {
            long id = names.Int64(0);
            _names[(names.Text(1)!, names.Text(2))] = id;
            _nextName = Math.Max(_nextName, id);
        }
    }

    private void Insert(long number, in JournalEntry entry)
    {
        _buffer.ResetWrittenCount();
        _json.Reset(_buffer);
        JournalJson.WriteFact(_json, entry.Fact);
        _json.Flush();
        _insert.Bind(1, number);
        _insert.Bind(2, entry.Wall);
        if (entry.Group is null)
        {
            _insert.BindNull(3);
        }
        else
        {
            _insert.Bind(3, NameId(entry.Group, entry.Process));
        }

        _insert.Bind(4, entry.Incarnation);
        _insert.Bind(5, (int)entry.Fact.Kind);
        _insert.Bind(6, JournalJson.Version);
        _insert.BindText(7, _buffer.WrittenSpan);
        _insert.Run();
    }

    private long NameId(string group, string? process)
    {
        if (_names.TryGetValue((group, process), out long known))
        {
            return known;
        }

        long id = ++_nextName;
        _insertName.Bind(1, id);
        _insertName.Bind(2, group);
        _insertName.Bind(3, process);
        _insertName.Run();
        _names.Add((group, process), id);
        return id;
    }

    private void RollBack()
    {
        // Names that the transaction made are gone with it. The caller opens the database again.
        _names.Clear();
        if (!_database.IsAutoCommit)
        {
            try
            {
                _database.Execute("ROLLBACK");
            }
            catch (SqliteException)
            {
                // Closing rolls back as well; the first failure is the one to tell of.
            }
        }
    }
}
