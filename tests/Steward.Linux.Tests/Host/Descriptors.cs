using System.Runtime.InteropServices;
using Steward.Linux.Interop;

namespace Steward.Linux.Tests.Host;

/// <summary>Bare descriptors for tests.</summary>
internal static class Descriptors
{
    public static (int Read, int Write) Pipe(int flags = LibC.O_CLOEXEC)
    {
        int[] pair = new int[2];
        Assert.Equal(0, pipe2(pair, flags));
        return (pair[0], pair[1]);
    }

    public static void Close(params ReadOnlySpan<int> fds)
    {
        foreach (int fd in fds)
        {
            _ = LibC.close(fd);
        }
    }

    [DllImport("libc")]
    private static extern int pipe2(int[] pair, int flags);
}
