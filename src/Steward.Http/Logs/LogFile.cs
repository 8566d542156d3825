using Microsoft.Win32.SafeHandles;
using Steward.Core.Model;

namespace Steward.Http.Logs;

/// <summary>The end of a log.</summary>
/// <param name="Text">The bytes.</param>
/// <param name="Offset">The file's size, or the offset that was asked for when it cannot be read.</param>
/// <param name="Overflow">Whether more than was asked for lies behind the offset.</param>
internal readonly record struct LogTail(ReadOnlyMemory<byte> Text, long Offset, bool Overflow);

/// <summary>Reads pieces of log files by byte offset.</summary>
internal static class LogFile
{
    /// <summary>
    /// The longest piece read in one call, in bytes: more than a log of default size holds. A longer request gets this much,
    /// and a client that goes on from there misses nothing.
    /// </summary>
    public const int MaxBytes = 64 << 20;

    /// <summary>
    /// Opens a regular file. Pipes, terminals and sockets (<c>stdout_logfile=/dev/stdout</c>) are refused: reading them would take
    /// away or wait for what somebody else is to read.
    /// </summary>
    /// <exception cref="IOException">Not there, not readable or not regular.</exception>
    public static SafeFileHandle Open(string path)
    {
        string target = File.ResolveLinkTarget(path, returnFinalTarget: true)?.FullName ?? Path.GetFullPath(path);
        if (target.StartsWith("/dev/", StringComparison.Ordinal) || target.StartsWith("/proc/", StringComparison.Ordinal))
        {
            throw new IOException(path + " is not a regular file.");
        }

        return File.OpenHandle(path, FileMode.Open, FileAccess.Read, FileShare.ReadWrite | FileShare.Delete);
    }

    /// <summary>The read methods: where a slice begins and how long it is, or why there is none.</summary>
    public static Fault? Read(string? path, long offset, long length, out ReadOnlyMemory<byte> text)
    {
        text = default;
        if (string.IsNullOrEmpty(path))
        {
            return new Fault(FaultCode.NoFile);
        }

        if (!File.Exists(path))
        {
            return new Fault(FaultCode.NoFile, path);
        }

        // From the end there is only "all of it"; from the start a length cannot be negative.
        if (offset < 0 ? length != 0 : length < 0)
        {
            return new Fault(FaultCode.BadArguments);
        }

        try
        {
            using SafeFileHandle file = Open(path);
            long size = RandomAccess.GetLength(file);
            long start = offset < 0 ? Math.Max(0, size + Math.Max(offset, -MaxBytes)) : offset;
            text = Slice(file, start, length == 0 ? size - start : length);
            return null;
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException or NotSupportedException)
        {
            return new Fault(FaultCode.Failed);
        }
    }

    /// <summary>The tail methods; never refuses.</summary>
    public static LogTail Tail(string? path, long offset, long length)
    {
        if (string.IsNullOrEmpty(path) || !File.Exists(path))
        {
            return new LogTail(default, 0, false);
        }

        try
        {
            using SafeFileHandle file = Open(path);
            long size = RandomAccess.GetLength(file);
            // Within these bounds nothing changes and no sum overflows.
            long start = Math.Clamp(offset, -(1L << 60), 1L << 60);
            long count = Math.Clamp(length, -(1L << 60), MaxBytes);
            bool overflow = false;
            if (size > start + count)
            {
                overflow = true;
                start = size - 1;
            }

            if (start + count > size)
            {
                if (start > size - 1)
                {
                    count = 0;
                }

                start = size - count;
            }

            return new LogTail(Slice(file, Math.Max(0, start), Math.Max(0, count)), size, overflow);
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException or NotSupportedException)
        {
            return new LogTail(default, offset, false);
        }
    }

    private static ReadOnlyMemory<byte> Slice(SafeFileHandle file, long start, long length)
    {
        length = Math.Clamp(Math.Min(length, RandomAccess.GetLength(file) - start), 0, MaxBytes);
        if (length == 0)
        {
            return default;
        }

        byte[] bytes = new byte[length];
        int read = 0;
        while (read < bytes.Length)
        {
            int n = RandomAccess.Read(file, bytes.AsSpan(read), start + read);
            if (n == 0)
            {
                break;
            }

            read += n;
        }

        // A slice that begins inside of a character begins with the next one.
        int skip = 0;
        while (start > 0 && skip < Math.Min(3, read) && (bytes[skip] & 0xC0) == 0x80)
        {
            skip++;
        }

        return bytes.AsMemory(skip, read - skip);
    }
}
