using System.Runtime.InteropServices;

namespace Steward.Linux.Interop;

// Listening sockets: man 2 socket, bind, listen, setsockopt.
internal static unsafe partial class LibC
{
    internal const int AF_UNIX = 1;
    internal const int AF_INET = 2;
    internal const int AF_INET6 = 10;
    internal const int SOCK_STREAM = 1;
    internal const int SOCK_CLOEXEC = 0x80000;
    internal const int SOL_SOCKET = 1;
    internal const int SO_REUSEADDR = 2;
    internal const int SO_PEERCRED = 17;

    /// <summary>man 7 unix, SO_PEERCRED.</summary>
    internal struct Credentials
    {
        internal int Pid;
        internal uint Uid;
        internal uint Gid;
    }

    /// <summary>What the C library's header says; the kernel lowers it to net.core.somaxconn.</summary>
    internal const int SOMAXCONN = 4096;

    [LibraryImport("libc", SetLastError = true)]
    internal static partial int socket(int family, int type, int protocol);

    [LibraryImport("libc", SetLastError = true)]
    internal static partial int setsockopt(int fd, int level, int option, int* value, uint length);

    [LibraryImport("libc", SetLastError = true)]
    internal static partial int getsockopt(int fd, int level, int option, void* value, uint* length);

    [LibraryImport("libc", SetLastError = true)]
    internal static partial int bind(int fd, byte* address, uint length);

    [LibraryImport("libc", SetLastError = true)]
    internal static partial int listen(int fd, int backlog);
}
