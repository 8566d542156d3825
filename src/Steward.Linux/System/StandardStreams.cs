using System.Diagnostics;
using Steward.Linux.Interop;

namespace Steward.Linux.Host;

/// <summary>
/// Descriptors 0, 1 and 2 without a console class around them: the runtime's reads the terminal's capabilities and takes over
/// child signals, which a daemon cannot have.
/// </summary>
public static unsafe class StandardStreams
{
    /// <summary>stdin.</summary>
    public const int Input = 0;

    /// <summary>stdout.</summary>
    public const int Output = 1;

    /// <summary>stderr.</summary>
    public const int Error = 2;

    /// <summary>
    /// How long <see cref="Write(int, ReadOnlySpan{byte}, int)"/> waits for a descriptor that others have set to non-blocking and
    /// that is full, in milliseconds.
    /// </summary>
    public const int DefaultLimitMs = 5000;

    /// <summary>Says whether a descriptor is a terminal (man 3 isatty).</summary>
    public static bool IsTerminal(int fd) => LibC.isatty(fd) == 1;

    /// <summary>
    /// Writes all of the bytes. A blocking descriptor whose reader stands still blocks the caller, as it does for every program;
    /// a non-blocking one is waited for at most <paramref name="limitMs"/> in all.
    /// </summary>
    /// <returns>False when the reader is gone, the limit was reached or the disk is full: what is left is dropped.</returns>
    public static bool Write(int fd, ReadOnlySpan<byte> data, int limitMs = DefaultLimitMs)
    {
        long began = Stopwatch.GetTimestamp();
        fixed (byte* start = data)
        {
            byte* at = start;
            nuint left = (nuint)data.Length;
            while (left > 0)
            {
                nint written = LibC.write(fd, at, left);
                if (written >= 0)
                {
                    at += written;
                    left -= (nuint)written;
                    continue;
                }

                int errno = LibC.LastError;
                if (errno == Errno.EINTR)
                {
                    continue;
                }

                int remaining = limitMs - (int)Math.Min(Stopwatch.GetElapsedTime(began).TotalMilliseconds, int.MaxValue);
                if (errno != Errno.EAGAIN || remaining <= 0)
                {
                    return false;
                }

                var poll = new LibC.PollFd { Fd = fd, Events = LibC.POLLOUT };
                _ = LibC.poll(&poll, 1, remaining);
            }
        }

        return true;
    }

    /// <summary>Writes text as UTF-8; what came from the system undecodable goes out as the bytes it was.</summary>
    /// <returns>As the other overload.</returns>
    public static bool Write(int fd, string text) => Write(fd, NativeText.Encode(text));

    /// <summary>
    /// Opens <c>/dev/null</c> on each of the three descriptors that the caller of this program left closed, so that no log file or
    /// socket lands there and receives what is meant for a terminal. To be called before anything is opened.
    /// </summary>
    public static void EnsureOpen()
    {
        for (int fd = Input; fd <= Error; fd++)
        {
            if (LibC.fcntl(fd, LibC.F_GETFD, 0) == -1 && LibC.LastError == Errno.EBADF)
            {
                PointToNull(fd);
            }
        }
    }

    /// <summary>Replaces all three descriptors by <c>/dev/null</c>.</summary>
    /// <exception cref="StartException"><c>/dev/null</c> cannot be opened.</exception>
    public static void RedirectToNull()
    {
        for (int fd = Input; fd <= Error; fd++)
        {
            PointToNull(fd);
        }
    }

    private static void PointToNull(int fd)
    {
        int opened = LibC.open("/dev/null", LibC.O_RDWR | LibC.O_CLOEXEC, 0);
        if (opened == -1)
        {
            throw new StartException("cannot open /dev/null in place of a standard stream", LibC.LastError);
        }

        if (opened == fd)
        {
            // It landed where it belongs; only it must not be closed in children.
            _ = LibC.fcntl(fd, LibC.F_SETFD, 0);
            return;
        }

        int result;
        do
        {
            // EBUSY: a race between dup2 and open in another thread (man 2 dup).
            result = LibC.dup2(opened, fd);
        }
        while (result == -1 && LibC.LastError is Errno.EINTR or Errno.EBUSY);

        int errno = LibC.LastError;
        _ = LibC.close(opened);
        if (result == -1)
        {
            throw new StartException("cannot replace descriptor " + fd.ToString(System.Globalization.CultureInfo.InvariantCulture), errno);
        }
    }
}
