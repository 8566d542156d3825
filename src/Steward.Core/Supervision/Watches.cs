using Steward.Core.Snapshots;

namespace Steward.Core.Supervision;

/// <summary>What is known of the memory of a process that has a limit. The counts go on from run to run.</summary>
internal sealed class MemoryWatch
{
    /// <summary>When to look again; <see cref="long.MaxValue"/> while there is nothing to look at.</summary>
    public long Due { get; set; } = long.MaxValue;

    /// <summary>The last reading of this run; null before the first.</summary>
    public long? Bytes { get; set; }

    /// <summary>Readings in a row above the limit.</summary>
    public int High { get; set; }

    /// <summary>How often the limit was the reason of a restart.</summary>
    public int Restarts { get; set; }

    public void Write(SnapshotWriter writer, int field)
    {
        writer.Begin(field);
        writer.Due(1, Due);
        writer.Integer(2, Bytes);
        writer.Integer(3, High);
        writer.Integer(4, Restarts);
        writer.End();
    }

    public void Read(SnapshotReader reader)
    {
        Due = reader.Due(1, "due");
        Bytes = reader.OptionalInteger(2, "bytes", 0);
        High = reader.Int32(3, "high", 0);
        Restarts = reader.Int32(4, "restarts", 0);
        reader.End();
    }
}

/// <summary>What is known of the health of a process that is asked for it. The counts go on from run to run.</summary>
internal sealed class HealthWatch
{
    /// <summary>When to ask again; <see cref="long.MaxValue"/> while there is nobody to ask.</summary>
    public long Due { get; set; } = long.MaxValue;

    /// <summary>Whether a probe of this run has come back at all.</summary>
    public bool IsKnown { get; set; }

    /// <summary>Failed probes in a row.</summary>
    public int Failures { get; set; }

    /// <summary>What the last failed probe said; null after a good one.</summary>
    public string? Reason { get; set; }

    /// <summary>Whether it has been said that it is unhealthy.</summary>
    public bool IsUnhealthy { get; set; }

    /// <summary>Whether it has been said that the restart has to wait.</summary>
    public bool IsPutOff { get; set; }

    /// <summary>How often bad health was the reason of a restart.</summary>
    public int Restarts { get; set; }

    /// <summary>The pause after the next restart, in nanoseconds; 0 while there was none.</summary>
    public long Pause { get; set; }

    /// <summary>Monotonic time before which it is not restarted again.</summary>
    public long NotBefore { get; set; }

    public void Write(SnapshotWriter writer, int field)
    {
        writer.Begin(field);
        writer.Due(1, Due);
        writer.Flag(2, IsKnown);
        writer.Integer(3, Failures);
        writer.Text(4, Reason);
        writer.Flag(5, IsUnhealthy);
        writer.Flag(6, IsPutOff);
        writer.Integer(7, Restarts);
        writer.Integer(8, Pause);
        writer.Integer(9, NotBefore);
        writer.End();
    }

    public void Read(SnapshotReader reader)
    {
        Due = reader.Due(1, "due");
        IsKnown = reader.Flag(2, "isKnown");
        Failures = reader.Int32(3, "failures", 0);
        Reason = reader.OptionalText(4, "reason");
        IsUnhealthy = reader.Flag(5, "isUnhealthy");
        IsPutOff = reader.Flag(6, "isPutOff");
        Restarts = reader.Int32(7, "restarts", 0);
        Pause = reader.Integer(8, "pause", 0);
        NotBefore = reader.Integer(9, "notBefore");
        reader.End();
    }
}
