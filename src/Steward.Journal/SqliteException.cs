using SQLitePCL;

namespace Steward.Journal;

/// <summary>SQLite refused. Does not leave this project: the journal turns it into counters and log lines.</summary>
internal sealed class SqliteException(int code, string message) : Exception(message)
{
    /// <summary>The primary result code (sqlite.org/rescode.html).</summary>
    public int Code { get; } = code & 0xff;

    /// <summary>Says whether the file is not what it should be: waiting does not heal it.</summary>
    public bool IsDamage => Code is raw.SQLITE_CORRUPT or raw.SQLITE_NOTADB or raw.SQLITE_FORMAT;
}
