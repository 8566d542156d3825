using System.Runtime.InteropServices;

namespace Steward.Linux.Interop;

// Packets with descriptors between two processes: man 2 socketpair, sendmsg, recvmsg; man 3 cmsg; man 7 unix.
internal static unsafe partial class LibC
{
    internal const int SOCK_SEQPACKET = 5;
    internal const int SO_SNDTIMEO = 21;
    internal const int SCM_RIGHTS = 1;
    internal const int MSG_TRUNC = 0x20;
    internal const int MSG_CTRUNC = 0x8;
    internal const int MSG_CMSG_CLOEXEC = 0x40000000;
    internal const int SHUT_RDWR = 2;

    /// <summary>man 3 cmsg; the length counts this header.</summary>
    internal struct ControlHeader
    {
        internal nuint Length;
        internal int Level;
        internal int Type;
    }

    /// <summary>man 2 readv.</summary>
    internal struct IoVector
    {
        internal byte* Base;
        internal nuint Length;
    }

    /// <summary>man 2 sendmsg, on 64-bit systems.</summary>
    internal struct MessageHeader
    {
        internal byte* Name;
        internal uint NameLength;
        internal IoVector* Vectors;
        internal nuint VectorCount;
        internal byte* Control;
        internal nuint ControlLength;
        internal int Flags;
    }

    /// <summary>man 2 gettimeofday.</summary>
    internal struct TimeValue
    {
        internal long Seconds;
        internal long Microseconds;
    }

    [LibraryImport("libc", SetLastError = true)]
    internal static partial int socketpair(int family, int type, int protocol, int* pair);

    [LibraryImport("libc", SetLastError = true)]
    internal static partial nint sendmsg(int fd, MessageHeader* message, int flags);

    [LibraryImport("libc", SetLastError = true)]
    internal static partial nint recvmsg(int fd, MessageHeader* message, int flags);

    [LibraryImport("libc", SetLastError = true)]
    internal static partial int shutdown(int fd, int how);
}
