namespace Steward.Core.Snapshots;

/// <summary>
/// A snapshot cannot be taken up: it is damaged, of another format, of another start of the machine, or says something that cannot be.
/// The only exception that reading a snapshot throws, whatever its bytes are.
/// </summary>
public sealed class SnapshotRefusedException : Exception
{
    internal SnapshotRefusedException(int version, string field, string reason)
        : base(version == 0
            ? $"the snapshot is refused: {field}: {reason}"
            : string.Create(System.Globalization.CultureInfo.InvariantCulture, $"the snapshot (format {version}) is refused: {field}: {reason}"))
    {
        Version = version;
        Field = field;
        Reason = reason;
    }

    /// <summary>The format that the snapshot says it has; 0 when it is not known.</summary>
    public int Version { get; }

    /// <summary>The place, for example <c>supervisor.groups[3].slots[0].pid</c>.</summary>
    public string Field { get; }

    /// <summary>What is wrong there.</summary>
    public string Reason { get; }
}
