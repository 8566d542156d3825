namespace Steward.Core.Output;

/// <summary>Takes in what an <see cref="OutputFilter"/> lets through. Spans are valid during the call only.</summary>
public interface IOutputSink
{
    /// <summary>Bytes for the log file and syslog, in order.</summary>
    void Log(ReadOnlySpan<byte> data);

    /// <summary>
    /// Bytes for those who look on (PROCESS_LOG events, the debug echo, the listener protocol), in order; always called after the
    /// <see cref="Log"/> of the same bytes. A sink of a stream that nobody taps ignores it.
    /// </summary>
    void Tap(ReadOnlySpan<byte> data);

    /// <summary>One complete capture: what stood between the BEGIN and END tokens, at most the newest <c>_capture_maxbytes</c>.</summary>
    void Captured(ReadOnlySpan<byte> data);
}
