using Steward.Core.Config;
using Steward.Core.Model;

namespace Steward.Core.Supervision;

/// <summary>What is known about a process at one moment; the source of <c>getProcessInfo</c>.</summary>
public sealed record ProcessSnapshot
{
    /// <summary>The process's name.</summary>
    public required string Name { get; init; }

    /// <summary>The group's name.</summary>
    public required string Group { get; init; }

    /// <summary>Wall time of the last start attempt, Unix nanoseconds; 0 for never.</summary>
    public required long Start { get; init; }

    /// <summary>Wall time at which it last ended, Unix nanoseconds; 0 for never.</summary>
    public required long Stop { get; init; }

    /// <summary>Wall time of the snapshot, Unix nanoseconds.</summary>
    public required long Now { get; init; }

    /// <summary>The state.</summary>
    public required ProcessState State { get; init; }

    /// <summary>The last spawn error; empty for none.</summary>
    public required string SpawnErr { get; init; }

    /// <summary>The last exit code; -1 for a death by signal; 0 while running, never run, or dead before <c>startsecs</c>.</summary>
    public required int ExitStatus { get; init; }

    /// <summary>How the last run ended; null if it never ended.</summary>
    public required WaitStatus? LastStatus { get; init; }

    /// <summary>The stdout log in use; empty for none.</summary>
    public required string StdoutLog { get; init; }

    /// <summary>The stderr log in use; empty for none.</summary>
    public required string StderrLog { get; init; }

    /// <summary>The pid; 0 when there is no child.</summary>
    public required int Pid { get; init; }

    /// <summary>Seconds up, from monotonic time; 0 unless RUNNING.</summary>
    public required long UptimeSeconds { get; init; }
}

/// <summary>A process of the configuration as last read; the source of <c>getAllConfigInfo</c>.</summary>
/// <param name="Group">Its group.</param>
/// <param name="Process">Its configuration.</param>
/// <param name="InUse">Whether a group of that name is active.</param>
/// <param name="StdoutLog">The resolved AUTO path of stdout when the group is active; null otherwise.</param>
/// <param name="StderrLog">The resolved AUTO path of stderr when the group is active; null otherwise.</param>
public sealed record ConfigSnapshot(GroupConfig Group, ProcessConfig Process, bool InUse, string? StdoutLog, string? StderrLog);
