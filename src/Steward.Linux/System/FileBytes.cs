using Steward.Linux.Interop;

namespace Steward.Linux.Host;

/// <summary>Small files read whole.</summary>
internal static unsafe class FileBytes
{
    /// <summary>Reads a file of at most <paramref name="limit"/> bytes.</summary>
    /// <param name="path">Its path; links are followed.</param>
    /// <param name="limit">More bytes than this are an error (EFBIG).</param>
    /// <param name="errno">Why it could not be read; 0 when it could.</param>
    /// <returns>The content; null when it could not be read.</returns>
    public static byte[]? Read(string path, int limit, out int errno)
    {
        int fd;
        do
        {
            fd = LibC.open(path, LibC.O_RDONLY | LibC.O_CLOEXEC | LibC.O_NOCTTY, 0);
        }
        while (LibC.Interrupted(fd));

        if (fd == -1)
        {
            errno = LibC.LastError;
            return null;
        }

        try
        {
            byte[] buffer = new byte[Math.Min(limit, 16 << 10) + 1];
            int length = 0;
            while (true)
            {
                nint count;
                fixed (byte* at = &buffer[length])
                {
                    count = LibC.read(fd, at, (nuint)(buffer.Length - length));
                }

                if (LibC.Interrupted(count))
                {
                    continue;
                }

                if (count == -1)
                {
                    errno = LibC.LastError;
                    return null;
                }

                length += (int)count;
                if (length > limit)
                {
                    errno = Errno.EFBIG;
                    return null;
                }

                if (count == 0)
                {
                    errno = 0;
                    return buffer.AsSpan(0, length).ToArray();
                }

                if (length == buffer.Length)
                {
                    Array.Resize(ref buffer, (int)Math.Min((long)limit + 1, buffer.Length * 2L));
                }
            }
        }
        finally
        {
            _ = LibC.close(fd);
        }
    }
}
