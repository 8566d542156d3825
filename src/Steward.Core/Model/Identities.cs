using System.Globalization;

namespace Steward.Core.Model;

/// <summary>
/// Names one process slot (one instance of a program in one group) for the lifetime of the daemon.
/// Never reused, not even when a group is removed and added again.
/// </summary>
public readonly record struct ProcessId(int Value);

/// <summary>
/// Counts the starts of one process slot from 1. An input about an older incarnation is ignored, so a late exit
/// or a stale timer cannot cancel newer intent.
/// </summary>
public readonly record struct Incarnation(int Value)
{
    /// <summary>The incarnation that follows this one.</summary>
    public Incarnation Next => new(Value + 1);

    // The generated text would tell of Next, and of the Next of that, and so on without an end.

    /// <inheritdoc/>
    public override string ToString() => Value.ToString(CultureInfo.InvariantCulture);
}

/// <summary>Names one waiting request; given out by the engine, echoed in the reply. Zero means "nobody waits".</summary>
public readonly record struct RequestId(long Value);

/// <summary>One of the two output streams of a process.</summary>
public enum OutputChannel
{
    /// <summary>File descriptor 1 (and 2 with <c>redirect_stderr</c>).</summary>
    Stdout,

    /// <summary>File descriptor 2.</summary>
    Stderr,
}

/// <summary>The levels of the activity log with Supervisor's numbers.</summary>
public enum LogLevel
{
    /// <summary>BLAT</summary>
    Blather = 3,

    /// <summary>TRAC</summary>
    Trace = 5,

    /// <summary>DEBG</summary>
    Debug = 10,

    /// <summary>INFO</summary>
    Info = 20,

    /// <summary>WARN</summary>
    Warn = 30,

    /// <summary>ERRO</summary>
    Error = 40,

    /// <summary>CRIT</summary>
    Critical = 50,
}

/// <summary>Codes of <see cref="LogLevel"/> in the activity log.</summary>
public static class LogLevels
{
    /// <summary>Returns the four letters that stand in a log line, for example <c>INFO</c>.</summary>
    public static string Code(this LogLevel level) => level switch
    {
        LogLevel.Blather => "BLAT",
        LogLevel.Trace => "TRAC",
        LogLevel.Debug => "DEBG",
        LogLevel.Info => "INFO",
        LogLevel.Warn => "WARN",
        LogLevel.Error => "ERRO",
        _ => "CRIT",
    };
}
