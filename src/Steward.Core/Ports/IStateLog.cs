namespace Steward.Core.Ports;

/// <summary>
/// Where the engine writes down what happens before it acts on it, so that a successor knows what it knew: a checkpoint, and records of
/// everything since then.
/// </summary>
public interface IStateLog
{
    /// <summary>
    /// Says whether a new checkpoint is due: the records have become long, or one did not fit and what is written down is of no use until then.
    /// </summary>
    bool IsCheckpointWanted { get; }

    /// <summary>Up to which number lines of the activity log are handed to the system; those behind it may have been lost with the daemon.</summary>
    long LinesOut { get; }

    /// <summary>Says up to which number lines of the activity log are handed to the system. Any thread; one at a time.</summary>
    void LinesAreOut(long number);

    /// <summary>
    /// Up to which number facts of the core are where they outlive the daemon, or wanted by nobody; those behind it are told again by a
    /// successor. May be behind the truth for a moment: whoever keeps facts knows by their <see cref="FactPlace"/> which he has.
    /// <see cref="long.MaxValue"/> when nobody keeps any.
    /// </summary>
    long FactsOut { get; }

    /// <summary>
    /// Appends a record; a successor sees it from the moment this returns. Any thread. A record that does not fit is left out with all that
    /// follow, until the next <see cref="Checkpoint"/>.
    /// </summary>
    void Append(ReadOnlySpan<byte> record);

    /// <summary>Puts a checkpoint in the place of everything before, in one moment: a successor sees either. Any thread.</summary>
    void Checkpoint(ReadOnlySpan<byte> checkpoint);
}
