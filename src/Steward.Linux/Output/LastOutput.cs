using System.Text;

namespace Steward.Linux.Output;

/// <summary>
/// The last lines of one run, for the fact that tells of its end. Nothing is kept for it while a program runs: they are read from the end
/// of its log file, not before the place where the run began. Only what goes to no file is remembered (<see cref="RecentOutput"/>).
/// </summary>
internal static class LastOutput
{
    /// <summary>Bytes of both streams together.</summary>
    internal const int Limit = 8192;

    /// <summary>
    /// Collects them when both streams have ended and their logs are still open. Standard error comes last, and has half of the room at
    /// least: what went wrong is most often there. A log that several programs share has lines of the others too.
    /// </summary>
    /// <returns>Null when there is nothing.</returns>
    internal static string? Of(ChildOutput child)
    {
        (byte[] stderr, bool isStderrCut) = Tail(child.Stderr, child.StderrMark);
        (byte[] stdout, bool isStdoutCut) = child.Stderr?.Log is { } log && log == child.Stdout?.Log
            ? ([], false)
            : Tail(child.Stdout, child.StdoutMark);
        int ofStderr = Math.Min(stderr.Length, Math.Max(Limit / 2, Limit - stdout.Length));
        int ofStdout = Math.Min(stdout.Length, Limit - ofStderr);
        var text = new StringBuilder();
        Append(text, stdout.AsSpan(stdout.Length - ofStdout), isStdoutCut || ofStdout < stdout.Length);
        if (text.Length > 0 && text[^1] != '\n')
        {
            text.Append('\n');
        }

        Append(text, stderr.AsSpan(stderr.Length - ofStderr), isStderrCut || ofStderr < stderr.Length);
        return text.Length == 0 ? null : text.ToString();
    }

    private static (byte[] Bytes, bool IsCut) Tail(OutputStream? stream, LogMark mark)
    {
        if (stream is null)
        {
            return ([], false);
        }

        return stream.Log is { IsFile: true } log
            ? log.ReadSince(mark, Limit)
            : stream.Recent is { } recent ? (recent.ToArray(), recent.IsCut) : ([], false);
    }

    /// <summary>Adds a tail; one that was cut begins with a whole line where there is one.</summary>
    private static void Append(StringBuilder text, ReadOnlySpan<byte> bytes, bool isCut)
    {
        if (isCut && bytes.IndexOf((byte)'\n') is >= 0 and int end && end + 1 < bytes.Length)
        {
            bytes = bytes[(end + 1)..];
        }

        text.Append(Encoding.UTF8.GetString(bytes));
    }
}
