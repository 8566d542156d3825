using Steward.Core.Model;

namespace Steward.Linux.Output;

/// <summary>Everything the hub has of one child. Made on the engine's thread; from <see cref="OutputHub.Attach"/> on its streams belong to
/// the hub's thread.</summary>
internal sealed class ChildOutput(ProcessId process, Incarnation incarnation, string name, LogFile? stdoutLog, LogFile? stderrLog)
{
    /// <summary>The slot.</summary>
    public ProcessId Process { get; } = process;

    /// <summary>Which start of it.</summary>
    public Incarnation Incarnation { get; } = incarnation;

    /// <summary>Its name, for lines about it.</summary>
    public string Name { get; } = name;

    /// <summary>The open log of stdout; null for none.</summary>
    public LogFile? StdoutLog { get; } = stdoutLog;

    /// <summary>The open log of stderr; null for none.</summary>
    public LogFile? StderrLog { get; } = stderrLog;

    /// <summary>Where this run begins in the log of stdout.</summary>
    public LogMark StdoutMark { get; } = stdoutLog?.Mark() ?? default;

    /// <summary>Where this run begins in the log of stderr.</summary>
    public LogMark StderrMark { get; } = stderrLog?.Mark() ?? default;

    /// <summary>Its stdin; null when that is no pipe, or before it is attached.</summary>
    public StdinQueue? Stdin { get; set; }

    /// <summary>Its stdout; null before it is attached.</summary>
    public OutputStream? Stdout { get; set; }

    /// <summary>Its stderr; null when there is none.</summary>
    public OutputStream? Stderr { get; set; }

    /// <summary>The child is dead; engine's thread.</summary>
    public bool IsFinishing { get; set; }

    /// <summary>The last lines are wanted with its end; set before that is posted.</summary>
    public bool IsOutputWanted { get; set; }
}
