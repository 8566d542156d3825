using System.Runtime.InteropServices;

namespace Steward.Linux.Interop;

// What the daemon process and the control tool ask about themselves: identity, limits, signals, terminal, spawning of helpers.
internal static unsafe partial class LibC
{
    internal const int F_OK = 0;
    internal const int X_OK = 1;
    internal const int W_OK = 2;

    internal const int POLLIN = 0x1;
    internal const int POLLOUT = 0x4;
    internal const int POLLERR = 0x8;
    internal const int POLLHUP = 0x10;

    internal const int CLOCK_REALTIME = 0;
    internal const int CLOCK_MONOTONIC = 1;
    internal const int CLOCK_BOOTTIME = 7;

    internal const int SIG_DFL = 0;
    internal const int SIG_IGN = 1;
    internal const int SIG_SETMASK = 2;

    /// <summary>Bytes of a <c>sigset_t</c> in the C library (the kernel uses the first 8).</summary>
    internal const int SigSetSize = 128;

    /// <summary>More than any <c>struct sigaction</c> takes; its handler comes first.</summary>
    internal const int SigActionSize = 256;

    internal const nuint TIOCGWINSZ = 0x5413;
    internal const int TCSADRAIN = 1;

    internal const int AT_FDCWD = -100;
    internal const int AT_SYMLINK_NOFOLLOW = 0x100;
    internal const uint STATX_BASIC_STATS = 0x7ff;

    internal const int S_IFMT = 0xf000;
    internal const int S_IFSOCK = 0xc000;
    internal const int S_IFLNK = 0xa000;
    internal const int S_IFREG = 0x8000;
    internal const int S_IFDIR = 0x4000;
    internal const int S_IFIFO = 0x1000;

    internal const int LOCK_EX = 2;
    internal const int LOCK_NB = 4;

    internal const int RLIMIT_NPROC = 6;
    internal const int RLIMIT_NOFILE = 7;
    internal const ulong RLIM_INFINITY = ulong.MaxValue;

    internal const short POSIX_SPAWN_SETSIGDEF = 0x04;
    internal const short POSIX_SPAWN_SETSIGMASK = 0x08;
    internal const short POSIX_SPAWN_SETSID = 0x80;

    /// <summary>More than the spawn attributes take in any C library (glibc 336 bytes).</summary>
    internal const int SpawnAttributesSize = 1024;

    /// <summary>More than the spawn file actions take in any C library (glibc 80 bytes).</summary>
    internal const int SpawnFileActionsSize = 512;

    internal const nuint AT_EXECFN = 31;

    /// <summary>man 2 poll.</summary>
    internal struct PollFd
    {
        internal int Fd;
        internal short Events;
        internal short Returned;
    }

    /// <summary>man 2 clock_gettime.</summary>
    internal struct TimeSpec
    {
        internal long Seconds;
        internal long Nanoseconds;
    }

    /// <summary>man 2 getrlimit.</summary>
    internal struct RLimit
    {
        internal ulong Soft;
        internal ulong Hard;
    }

    /// <summary>man 3 getpwnam.</summary>
    internal struct Passwd
    {
        internal byte* Name;
        internal byte* Password;
        internal uint Uid;
        internal uint Gid;
        internal byte* Gecos;
        internal byte* Directory;
        internal byte* Shell;
    }

    /// <summary>man 3 getgrnam.</summary>
    internal struct Group
    {
        internal byte* Name;
        internal byte* Password;
        internal uint Gid;
        internal byte** Members;
    }

    /// <summary>The beginning of a directory entry (man 3 readdir); the name follows at <see cref="Name"/>.</summary>
    [StructLayout(LayoutKind.Explicit)]
    internal struct DirEnt
    {
        [FieldOffset(0)]
        internal ulong Inode;

        [FieldOffset(19)]
        internal byte Name;
    }

    /// <summary>The part of <c>struct statx</c> (man 2 statx; the same on every architecture) that is looked at.</summary>
    [StructLayout(LayoutKind.Explicit, Size = 256)]
    internal struct StatX
    {
        [FieldOffset(20)]
        internal uint Uid;

        [FieldOffset(24)]
        internal uint Gid;

        [FieldOffset(28)]
        internal ushort Mode;

        [FieldOffset(32)]
        internal ulong Inode;

        [FieldOffset(40)]
        internal ulong Size;

        [FieldOffset(136)]
        internal uint DeviceMajor;

        [FieldOffset(140)]
        internal uint DeviceMinor;

        internal readonly int Type => Mode & S_IFMT;

        internal readonly bool IsSameFile(in StatX other) =>
            Inode == other.Inode && DeviceMajor == other.DeviceMajor && DeviceMinor == other.DeviceMinor;
    }

    /// <summary>man 3 termios, as glibc and musl have it on x86-64 and arm64.</summary>
    internal struct Termios
    {
        internal const uint BRKINT = 0x2;
        internal const uint INPCK = 0x10;
        internal const uint ISTRIP = 0x20;
        internal const uint ICRNL = 0x100;
        internal const uint IXON = 0x400;
        internal const uint ISIG = 0x1;
        internal const uint ICANON = 0x2;
        internal const uint ECHO = 0x8;
        internal const uint ECHONL = 0x40;
        internal const uint IEXTEN = 0x8000;
        internal const int VTIME = 5;
        internal const int VMIN = 6;

        internal uint InputFlags;
        internal uint OutputFlags;
        internal uint ControlFlags;
        internal uint LocalFlags;
        internal byte Line;
        internal fixed byte Characters[32];
        internal uint InputSpeed;
        internal uint OutputSpeed;
    }

    /// <summary>man 2 ioctl_tty.</summary>
    internal struct WinSize
    {
        internal ushort Rows;
        internal ushort Columns;
        internal ushort XPixels;
        internal ushort YPixels;
    }

    [LibraryImport("libc", SetLastError = true)]
    internal static partial int poll(PollFd* fds, nuint count, int timeoutMs);

    [LibraryImport("libc", SetLastError = true)]
    internal static partial int dup2(int from, int to);

    [LibraryImport("libc", SetLastError = true)]
    internal static partial int dup3(int from, int to, int flags);

    [LibraryImport("libc", SetLastError = true)]
    internal static partial int isatty(int fd);

    [LibraryImport("libc", SetLastError = true)]
    internal static partial int tcgetattr(int fd, Termios* modes);

    [LibraryImport("libc", SetLastError = true)]
    internal static partial int tcsetattr(int fd, int when, Termios* modes);

    // Variadic in C, see open.
    [LibraryImport("libc", SetLastError = true)]
    internal static partial int ioctl(int fd, nuint request, void* argument);

    // Answers from the vDSO in some 20 ns and never blocks, so the transition to native code would cost more than the call.
    [LibraryImport("libc")]
    [SuppressGCTransition]
    internal static partial int clock_gettime(int clock, TimeSpec* time);

    [LibraryImport("libc", SetLastError = true)]
    internal static partial nint signal(int number, nint handler);

    [LibraryImport("libc", SetLastError = true)]
    internal static partial int sigaction(int number, void* action, void* previous);

    [LibraryImport("libc")]
    internal static partial int pthread_sigmask(int how, void* set, void* previous);

    [LibraryImport("libc", SetLastError = true)]
    internal static partial int kill(int pid, int signal);

    [LibraryImport("libc", SetLastError = true)]
    internal static partial int waitpid(int pid, int* status, int options);

    [LibraryImport("libc")]
    internal static partial int getpid();

    [LibraryImport("libc")]
    internal static partial int getppid();

    [LibraryImport("libc")]
    internal static partial uint getgid();

    [LibraryImport("libc")]
    internal static partial uint umask(uint mask);

    [LibraryImport("libc", SetLastError = true, StringMarshalling = StringMarshalling.Custom, StringMarshallingCustomType = typeof(NativeTextMarshaller))]
    internal static partial int chdir(string path);

    [LibraryImport("libc", SetLastError = true)]
    internal static partial byte* getcwd(byte* buffer, nuint size);

    [LibraryImport("libc", SetLastError = true)]
    internal static partial int gethostname(byte* buffer, nuint size);

    [LibraryImport("libc", SetLastError = true)]
    internal static partial int getrlimit(int resource, RLimit* limit);

    [LibraryImport("libc", SetLastError = true)]
    internal static partial int setrlimit(int resource, RLimit* limit);

    // These three change every thread of the process (man 7 nptl, "NPTL and the set*id calls"), unlike the bare system calls.
    [LibraryImport("libc", SetLastError = true)]
    internal static partial int setgroups(nuint count, uint* groups);

    [LibraryImport("libc", SetLastError = true)]
    internal static partial int setgid(uint gid);

    [LibraryImport("libc", SetLastError = true)]
    internal static partial int setuid(uint uid);

    // The four lookups return the error number instead of setting errno.
    [LibraryImport("libc", StringMarshalling = StringMarshalling.Custom, StringMarshallingCustomType = typeof(NativeTextMarshaller))]
    internal static partial int getpwnam_r(string name, Passwd* entry, byte* buffer, nuint size, Passwd** result);

    [LibraryImport("libc")]
    internal static partial int getpwuid_r(uint uid, Passwd* entry, byte* buffer, nuint size, Passwd** result);

    [LibraryImport("libc", StringMarshalling = StringMarshalling.Custom, StringMarshallingCustomType = typeof(NativeTextMarshaller))]
    internal static partial int getgrnam_r(string name, Group* entry, byte* buffer, nuint size, Group** result);

    [LibraryImport("libc")]
    internal static partial int getgrgid_r(uint gid, Group* entry, byte* buffer, nuint size, Group** result);

    [LibraryImport("libc", SetLastError = true, StringMarshalling = StringMarshalling.Custom, StringMarshallingCustomType = typeof(NativeTextMarshaller))]
    internal static partial int getgrouplist(string user, uint group, uint* groups, int* count);

    [LibraryImport("libc", SetLastError = true, StringMarshalling = StringMarshalling.Custom, StringMarshallingCustomType = typeof(NativeTextMarshaller))]
    internal static partial int statx(int directory, string path, int flags, uint mask, StatX* result);

    [LibraryImport("libc", SetLastError = true, StringMarshalling = StringMarshalling.Custom, StringMarshallingCustomType = typeof(NativeTextMarshaller))]
    internal static partial int access(string path, int mode);

    [LibraryImport("libc", SetLastError = true, StringMarshalling = StringMarshalling.Custom, StringMarshallingCustomType = typeof(NativeTextMarshaller))]
    internal static partial nint opendir(string path);

    // The end and an error both answer null; the callers treat a directory that cannot be read on as ended.
    [LibraryImport("libc", SetLastError = true)]
    internal static partial DirEnt* readdir(nint directory);

    [LibraryImport("libc", SetLastError = true)]
    internal static partial int closedir(nint directory);

    [LibraryImport("libc", SetLastError = true, StringMarshalling = StringMarshalling.Custom, StringMarshallingCustomType = typeof(NativeTextMarshaller))]
    internal static partial int link(string from, string to);

    [LibraryImport("libc", SetLastError = true, StringMarshalling = StringMarshalling.Custom, StringMarshallingCustomType = typeof(NativeTextMarshaller))]
    internal static partial int rename(string from, string to);

    [LibraryImport("libc", SetLastError = true)]
    internal static partial int flock(int fd, int operation);

    [LibraryImport("libc")]
    internal static partial nuint getauxval(nuint type);

    [LibraryImport("libc", SetLastError = true, StringMarshalling = StringMarshalling.Custom, StringMarshallingCustomType = typeof(NativeTextMarshaller))]
    internal static partial int unsetenv(string name);

    // The spawn family returns the error number.
    [LibraryImport("libc", StringMarshalling = StringMarshalling.Custom, StringMarshallingCustomType = typeof(NativeTextMarshaller))]
    internal static partial int posix_spawn(int* pid, string path, void* actions, void* attributes, byte** argv, byte** envp);

    [LibraryImport("libc", StringMarshalling = StringMarshalling.Custom, StringMarshallingCustomType = typeof(NativeTextMarshaller))]
    internal static partial int posix_spawnp(int* pid, string file, void* actions, void* attributes, byte** argv, byte** envp);

    [LibraryImport("libc")]
    internal static partial int posix_spawnattr_init(void* attributes);

    [LibraryImport("libc")]
    internal static partial int posix_spawnattr_destroy(void* attributes);

    [LibraryImport("libc")]
    internal static partial int posix_spawnattr_setflags(void* attributes, short flags);

    [LibraryImport("libc")]
    internal static partial int posix_spawnattr_setsigdefault(void* attributes, void* set);

    [LibraryImport("libc")]
    internal static partial int posix_spawnattr_setsigmask(void* attributes, void* set);

    [LibraryImport("libc")]
    internal static partial int posix_spawn_file_actions_init(void* actions);

    [LibraryImport("libc")]
    internal static partial int posix_spawn_file_actions_destroy(void* actions);

    [LibraryImport("libc")]
    internal static partial int posix_spawn_file_actions_adddup2(void* actions, int from, int to);

    [LibraryImport("libc")]
    internal static partial int sigaddset(void* set, int number);
}
