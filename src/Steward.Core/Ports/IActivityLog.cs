using Steward.Core.Model;

namespace Steward.Core.Ports;

/// <summary>
/// The activity log. Members may be called on any thread. Writing never waits for a disk: lines are queued within a bound, and
/// what does not fit is counted and said when there is room again.
/// </summary>
public interface IActivityLog
{
    /// <summary>The file in use; null when the log goes to syslog alone.</summary>
    string? Path { get; }

    /// <summary>Says whether lines of a level are written at all.</summary>
    bool IsEnabled(LogLevel level);

    /// <summary>Queues a line; dropped when its level is below the configured one.</summary>
    /// <param name="level">Its level.</param>
    /// <param name="text">Its text; may hold newlines.</param>
    /// <param name="wall">Unix nanoseconds of the line's time stamp.</param>
    void Write(LogLevel level, string text, long wall);

    /// <summary>Queues a line of which it is told when it is out (<see cref="IStateLog.LinesAreOut"/>), where somebody keeps that.</summary>
    /// <param name="level">Its level.</param>
    /// <param name="text">Its text; may hold newlines.</param>
    /// <param name="wall">Unix nanoseconds of the line's time stamp.</param>
    /// <param name="number">Its number among these lines, from 1; each is greater than the one before.</param>
    void Write(LogLevel level, string text, long wall, long number) => Write(level, text, wall);

    /// <summary>
    /// Waits until everything queued so far is handed to the system, so that a client that has its answer also finds the line. Gives
    /// up soon when the disk is stalled, and does not wait again until it has recovered.
    /// </summary>
    void Flush();

    /// <summary>Closes and opens the file again.</summary>
    void Reopen();

    /// <summary>Removes the file and opens it again; false when that failed.</summary>
    bool Clear();
}
