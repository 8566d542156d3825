using System.Runtime.InteropServices;

namespace Steward.Linux.Interop;

// Processes: man 2 clone, waitid, wait, kill, mmap, prctl; man 3 posix_spawn.
internal static unsafe partial class LibC
{
    internal const int P_ALL = 0;
    internal const int WNOHANG = 1;
    internal const int WEXITED = 4;
    internal const int WNOWAIT = 0x01000000;

    /// <summary>At least the size of siginfo_t.</summary>
    internal const int SizeOfSigInfo = 128;

    internal const int SIGCHLD = 17;
    internal const nint SIG_ERR = -1;

    internal const int CLONE_VM = 0x100;
    internal const int CLONE_FILES = 0x400;
    internal const int CLONE_VFORK = 0x4000;

    internal const int PROT_READ = 1;
    internal const int PROT_WRITE = 2;
    internal const int PROT_EXEC = 4;
    internal const int MAP_PRIVATE = 2;
    internal const int MAP_ANONYMOUS = 0x20;

    internal const int PR_GET_DUMPABLE = 3;
    internal const int PR_SET_DUMPABLE = 4;
    internal const int PR_SET_NAME = 15;
    internal const int PR_SET_CHILD_SUBREAPER = 36;

    internal const uint CLOSE_RANGE_UNSHARE = 2;
    internal const uint CLOSE_RANGE_CLOEXEC = 4;
    internal const uint MFD_CLOEXEC = 1;
    internal const uint MFD_NOEXEC_SEAL = 0x8;

    internal const short POSIX_SPAWN_SETPGROUP = 2;

    [LibraryImport("libc", SetLastError = true)]
    internal static partial int waitid(int idType, uint id, byte* info, int options);

    // Variadic in C; see the note on open in LibC.cs.
    [LibraryImport("libc", SetLastError = true)]
    internal static partial nint syscall(nint number, nint a0, nint a1, nint a2, nint a3, nint a4, nint a5);

    [LibraryImport("libc", SetLastError = true)]
    internal static partial void* mmap(void* address, nuint length, int protection, int flags, int fd, nint offset);

    [LibraryImport("libc", SetLastError = true)]
    internal static partial int mprotect(void* address, nuint length, int protection);

    [LibraryImport("libc", SetLastError = true)]
    internal static partial int prctl(int option, nint a2, nint a3, nint a4, nint a5);

    [LibraryImport("libc", SetLastError = true)]
    internal static partial int prlimit(int pid, int resource, ulong* set, ulong* get);

    [LibraryImport("libc", SetLastError = true)]
    internal static partial int close_range(uint first, uint last, int flags);

    [LibraryImport("libc", SetLastError = true, StringMarshalling = StringMarshalling.Utf8)]
    internal static partial int memfd_create(string name, uint flags);

    [LibraryImport("libc", SetLastError = true)]
    internal static partial nint pread(int fd, byte* buffer, nuint count, nint offset);

    [LibraryImport("libc")]
    internal static partial int posix_spawnattr_setpgroup(void* attributes, int group);

    [LibraryImport("libc")]
    internal static partial int sigfillset(void* set);

    [LibraryImport("libc")]
    internal static partial int sigemptyset(void* set);
}
