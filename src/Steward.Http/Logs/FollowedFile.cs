using System.Globalization;
using Microsoft.Win32.SafeHandles;

namespace Steward.Http.Logs;

/// <summary>
/// An open log file and how far it has been read. Whether another file has taken its place is told by what the kernel calls the
/// open one: <c>/proc/self/fd/N</c> follows a rename and says when it is deleted (man 5 proc).
/// </summary>
internal sealed class FollowedFile : IDisposable
{
    private readonly SafeFileHandle _handle;
    private readonly string _path;
    private readonly string _openedAs;
    private long _offset;

    private FollowedFile(SafeFileHandle handle, string path, long offset)
    {
        _handle = handle;
        _path = path;
        _offset = offset;
        _openedAs = NameOf(handle);
    }

    public DateTime LastModified => File.GetLastWriteTimeUtc(_handle);

    /// <summary>Opens a regular file to read its last bytes and what follows; null when that is not possible.</summary>
    public static FollowedFile? TryOpen(string path, long lastBytes = long.MaxValue)
    {
        SafeFileHandle? handle = null;
        try
        {
            if (!File.Exists(path))
            {
                return null;
            }

            handle = LogFile.Open(path);
            long offset = lastBytes == long.MaxValue ? 0 : Math.Max(0, RandomAccess.GetLength(handle) - lastBytes);
            var file = new FollowedFile(handle, path, offset);
            handle = null;
            return file;
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException or NotSupportedException)
        {
            return null;
        }
        finally
        {
            handle?.Dispose();
        }
    }

    /// <summary>Reads what was added; 0 for nothing. A file that shrank is read from its beginning.</summary>
    public int Read(Span<byte> buffer, out bool truncated)
    {
        truncated = RandomAccess.GetLength(_handle) < _offset;
        if (truncated)
        {
            _offset = 0;
        }

        int n = RandomAccess.Read(_handle, buffer, _offset);
        _offset += n;
        return n;
    }

    /// <summary>
    /// Opens the file that stands at <paramref name="path"/> now, to be read from its beginning; null while it is this one or there is
    /// none (a deleted file is followed until something takes its place).
    /// </summary>
    public FollowedFile? Successor(string path)
    {
        bool samePath = path == _path;
        if (samePath && NameOf(_handle) == _openedAs && !IsLink(path))
        {
            return null;
        }

        FollowedFile? next = TryOpen(path);
        if (next is null || next._openedAs != NameOf(_handle))
        {
            return next;
        }

        next.Dispose();
        return null;
    }

    public void Dispose() => _handle.Dispose();

    private static bool IsLink(string path)
    {
        try
        {
            return new FileInfo(path).LinkTarget is not null;
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            return false;
        }
    }

    private static string NameOf(SafeFileHandle handle)
    {
        string descriptor = "/proc/self/fd/" + handle.DangerousGetHandle().ToString(CultureInfo.InvariantCulture);
        return new FileInfo(descriptor).LinkTarget ?? "";
    }
}
