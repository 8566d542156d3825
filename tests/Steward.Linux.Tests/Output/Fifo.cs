using System.Runtime.InteropServices;
using Steward.Linux.Interop;

namespace Steward.Linux.Tests.Output;

/// <summary>Named pipes.</summary>
internal static unsafe class Fifo
{
    public static int Make(string path) => mkfifo(path, 0b110_000_000);

    /// <summary>How many bytes wait in a pipe.</summary>
    public static int Held(int fd)
    {
        int held;
        Assert.Equal(0, LibC.ioctl(fd, LibC.FIONREAD, &held));
        return held;
    }

    /// <summary>Fills a buffer, waiting for the bytes.</summary>
    public static int Read(int fd, Span<byte> buffer)
    {
        int done = 0;
        fixed (byte* start = buffer)
        {
            while (done < buffer.Length)
            {
                var ready = new LibC.PollFd { Fd = fd, Events = LibC.POLLIN };
                Assert.True(LibC.poll(&ready, 1, (int)Outside.Patience.TotalMilliseconds) > 0, "nothing comes");
                nint count = LibC.read(fd, start + done, (nuint)(buffer.Length - done));
                Assert.True(count > 0, "the stream ended");
                done += (int)count;
            }
        }

        return done;
    }

    [DllImport("libc")]
    private static extern int mkfifo(string path, uint mode);
}
