using System.Globalization;
using SQLitePCL;

namespace Steward.Journal;

/// <summary>One connection to a database; used by one thread at a time.</summary>
internal sealed class SqliteDatabase : IDisposable
{
    private readonly sqlite3 _handle;
    private readonly List<SqliteStatement> _statements = [];

    /// <summary>Opens a database.</summary>
    /// <param name="path">The file; with <paramref name="write"/> it is created when it is missing.</param>
    /// <param name="write">Whether to write.</param>
    /// <param name="busyTimeoutMs">Milliseconds to wait for other connections.</param>
    public SqliteDatabase(string path, bool write, int busyTimeoutMs)
    {
        int flags = raw.SQLITE_OPEN_NOMUTEX | (write ? raw.SQLITE_OPEN_READWRITE | raw.SQLITE_OPEN_CREATE : raw.SQLITE_OPEN_READONLY);
        int code = raw.sqlite3_open_v2(path, out _handle, flags, null);
        if (code != raw.SQLITE_OK)
        {
            string text = Describe(code);
            _handle.Dispose();
            throw new SqliteException(code, text);
        }

        _ = raw.sqlite3_extended_result_codes(_handle, 1);
        _ = raw.sqlite3_busy_timeout(_handle, busyTimeoutMs);
    }

    /// <summary>Says whether no transaction is open.</summary>
    public bool IsAutoCommit => raw.sqlite3_get_autocommit(_handle) != 0;

    /// <summary>Compiles a statement that lives as long as the connection.</summary>
    public SqliteStatement Prepare(string sql)
    {
        Check(raw.sqlite3_prepare_v3(_handle, sql, raw.SQLITE_PREPARE_PERSISTENT, out sqlite3_stmt handle));
        var statement = new SqliteStatement(this, handle);
        _statements.Add(statement);
        return statement;
    }

    /// <summary>Runs statements without results.</summary>
    public void Execute(string sql) => Check(raw.sqlite3_exec(_handle, sql));

    /// <summary>Returns the first column of the first row; 0 when there is no row or it is null.</summary>
    public long Number(string sql)
    {
        Check(raw.sqlite3_prepare_v2(_handle, sql, out sqlite3_stmt handle));
        using var statement = new SqliteStatement(this, handle);
        return statement.Step() ? statement.Int64(0) : 0;
    }

    /// <summary>Returns the first column of the first row as text; null when there is no row or it is null.</summary>
    public string? Text(string sql)
    {
        Check(raw.sqlite3_prepare_v2(_handle, sql, out sqlite3_stmt handle));
        using var statement = new SqliteStatement(this, handle);
        return statement.Step() ? statement.Text(0) : null;
    }

    /// <summary>Throws for every code but success.</summary>
    public void Check(int code)
    {
        if (code is not (raw.SQLITE_OK or raw.SQLITE_ROW or raw.SQLITE_DONE))
        {
            throw new SqliteException(code, Describe(code));
        }
    }

    public void Dispose()
    {
        foreach (SqliteStatement statement in _statements)
        {
            statement.Dispose();
        }

        _statements.Clear();
        _handle.Dispose();
    }

    private string Describe(int code)
    {
        string text = _handle.IsInvalid ? raw.sqlite3_errstr(code).utf8_to_string() : raw.sqlite3_errmsg(_handle).utf8_to_string();
        return string.Create(CultureInfo.InvariantCulture, $"{text} (SQLite result {code})");
    }
}
