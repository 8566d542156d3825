using Steward.Core.Config;
using Steward.Core.Model;

namespace Steward.Core.Output;

/// <summary>What an <see cref="OutputFilter"/> does with its stream.</summary>
public readonly record struct OutputFilterOptions
{
    /// <summary><c>strip_ansi</c>: remove terminal control sequences. Default false.</summary>
    public bool StripAnsi { get; init; }

    /// <summary>
    /// <c>_capture_maxbytes</c>: the newest bytes kept of a capture; 0 means no capture mode, tokens are plain output. Default 0.
    /// </summary>
    public long CaptureMaxBytes { get; init; }

    /// <summary>
    /// Whether captured bytes are not tapped. Default false: they are, as Supervisor does contrary to its manual.
    /// </summary>
    public bool CapturedIsNotTapped { get; init; }

    /// <summary>Whether the tap gets the bytes as read, before stripping: the listener protocol is exact. Default false.</summary>
    public bool TapsRaw { get; init; }

    /// <summary>The options of one stream of a process.</summary>
    /// <param name="process">The process.</param>
    /// <param name="channel">Which stream.</param>
    /// <param name="stripAnsi">The daemon's <c>strip_ansi</c>.</param>
    public static OutputFilterOptions For(ProcessConfig process, OutputChannel channel, bool stripAnsi)
    {
        // The stdout of a listener speaks the protocol: no capture there.
        bool protocol = process.IsListener && channel == OutputChannel.Stdout;
        ChildLogConfig log = channel == OutputChannel.Stdout ? process.Stdout : process.Stderr;
        return new OutputFilterOptions
        {
            StripAnsi = stripAnsi,
            CaptureMaxBytes = protocol ? 0 : log.CaptureMaxBytes,
            TapsRaw = protocol,
        };
    }
}
