using System.Runtime.InteropServices;

namespace Steward.Linux.Interop;

/// <summary>
/// Functions of the C library under their own names: the man pages are the documentation. Constants are Linux's and alike on
/// x86-64 and arm64 unless the name says otherwise. One file per subject (<c>LibC.*.cs</c>); each function is declared once.
/// </summary>
/// <remarks>
/// Calls answer -1 and leave the reason in <see cref="LastError"/>, to be read before any other call. Calls that can be
/// interrupted are repeated by their caller while <see cref="Interrupted"/>. Paths go out as <see cref="NativeText"/> writes them.
/// </remarks>
internal static unsafe partial class LibC
{
    internal const int O_RDONLY = 0;
    internal const int O_WRONLY = 1;
    internal const int O_RDWR = 2;
    internal const int O_CREAT = 0x40;
    internal const int O_EXCL = 0x80;
    internal const int O_NOCTTY = 0x100;
    internal const int O_TRUNC = 0x200;
    internal const int O_APPEND = 0x400;
    internal const int O_NONBLOCK = 0x800;
    internal const int O_CLOEXEC = 0x80000;

    internal const int F_DUPFD = 0;
    internal const int F_GETFD = 1;
    internal const int F_SETFD = 2;
    internal const int F_GETFL = 3;
    internal const int F_SETFL = 4;
    internal const int F_DUPFD_CLOEXEC = 1030;
    internal const int FD_CLOEXEC = 1;

    /// <summary>The reason of the last call that answered -1 on this thread.</summary>
    internal static int LastError => Marshal.GetLastPInvokeError();

    /// <summary>Says whether a call failed only because a signal came in between: repeat it.</summary>
    internal static bool Interrupted(nint result) => result == -1 && LastError == Errno.EINTR;

    // open and fcntl are variadic in C. On Linux (x86-64 and arm64) integers travel in the same registers either way.
    [LibraryImport("libc", SetLastError = true, StringMarshalling = StringMarshalling.Custom, StringMarshallingCustomType = typeof(NativeTextMarshaller))]
    internal static partial int open(string path, int flags, int mode);

    // Never to be repeated after EINTR: Linux has released the descriptor by then (man 2 close).
    [LibraryImport("libc", SetLastError = true)]
    internal static partial int close(int fd);

    [LibraryImport("libc", SetLastError = true)]
    internal static partial nint read(int fd, byte* buffer, nuint count);

    [LibraryImport("libc", SetLastError = true)]
    internal static partial nint write(int fd, byte* buffer, nuint count);

    [LibraryImport("libc", SetLastError = true)]
    internal static partial int fcntl(int fd, int command, nint argument);

    [LibraryImport("libc", SetLastError = true)]
    internal static partial int pipe2(int* pair, int flags);

    [LibraryImport("libc", SetLastError = true)]
    internal static partial int fsync(int fd);

    [LibraryImport("libc", SetLastError = true)]
    internal static partial int fchown(int fd, uint uid, uint gid);

    [LibraryImport("libc", SetLastError = true)]
    internal static partial int fchmod(int fd, uint mode);

    [LibraryImport("libc", SetLastError = true, StringMarshalling = StringMarshalling.Custom, StringMarshallingCustomType = typeof(NativeTextMarshaller))]
    internal static partial int chown(string path, uint uid, uint gid);

    [LibraryImport("libc", SetLastError = true, StringMarshalling = StringMarshalling.Custom, StringMarshallingCustomType = typeof(NativeTextMarshaller))]
    internal static partial int chmod(string path, uint mode);

    [LibraryImport("libc", SetLastError = true, StringMarshalling = StringMarshalling.Custom, StringMarshallingCustomType = typeof(NativeTextMarshaller))]
    internal static partial int unlink(string path);

    [LibraryImport("libc", SetLastError = true)]
    internal static partial uint getuid();

    [LibraryImport("libc", SetLastError = true)]
    internal static partial uint geteuid();
}
