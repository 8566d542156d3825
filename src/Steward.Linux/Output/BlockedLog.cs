namespace Steward.Linux.Output;

/// <summary>A log whose reader does not read, and the streams that wait for it.</summary>
internal sealed class BlockedLog(LogFile log) : Watched
{
    /// <summary>The log.</summary>
    public LogFile Log { get; } = log;

    /// <summary>The streams that are not read meanwhile.</summary>
    public List<OutputStream> Waiting { get; } = [];
}
