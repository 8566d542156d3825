using Steward.Core.Model;

namespace Steward.Core.Config;

/// <summary>
/// What the command line of the daemon says. Null: not given, the file counts. Given again at every reload, because the command
/// line outlives the file. Values have been checked when the command line was read; paths are as given.
/// </summary>
public sealed record ConfigOverrides
{
    /// <summary>A command line that says nothing.</summary>
    public static ConfigOverrides None { get; } = new();

    /// <summary><c>-a</c>, <c>--minfds</c></summary>
    public int? MinFds { get; init; }

    /// <summary><c>--minprocs</c></summary>
    public int? MinProcs { get; init; }

    /// <summary><c>-u</c>, <c>--user</c>: a name or number, looked up after the file was read.</summary>
    public string? User { get; init; }

    /// <summary><c>-m</c>, <c>--umask</c></summary>
    public int? Umask { get; init; }

    /// <summary><c>-d</c>, <c>--directory</c></summary>
    public string? Directory { get; init; }

    /// <summary><c>-l</c>, <c>--logfile</c>: a path or <c>syslog</c>.</summary>
    public string? LogFile { get; init; }

    /// <summary><c>-y</c>, <c>--logfile_maxbytes</c> in bytes.</summary>
    public long? LogFileMaxBytes { get; init; }

    /// <summary><c>-z</c>, <c>--logfile_backups</c></summary>
    public int? LogFileBackups { get; init; }

    /// <summary><c>-e</c>, <c>--loglevel</c></summary>
    public LogLevel? LogLevel { get; init; }

    /// <summary><c>-j</c>, <c>--pidfile</c></summary>
    public string? PidFile { get; init; }

    /// <summary><c>-i</c>, <c>--identifier</c></summary>
    public string? Identifier { get; init; }

    /// <summary><c>-q</c>, <c>--childlogdir</c></summary>
    public string? ChildLogDir { get; init; }

    /// <summary><c>-k</c>, <c>--nocleanup</c></summary>
    public bool? NoCleanup { get; init; }

    /// <summary><c>-n</c>, <c>--nodaemon</c></summary>
    public bool? NoDaemon { get; init; }

    /// <summary><c>-s</c>, <c>--silent</c></summary>
    public bool? Silent { get; init; }

    /// <summary><c>-t</c>, <c>--strip_ansi</c></summary>
    public bool? StripAnsi { get; init; }
}
