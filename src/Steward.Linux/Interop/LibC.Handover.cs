using System.Runtime.InteropServices;

namespace Steward.Linux.Interop;

// Handing over: man 2 execve, memfd_create, F_ADD_SEALS.
internal static unsafe partial class LibC
{
    internal const int O_ACCMODE = 3;
    internal const int O_PATH = 0x200000;

    internal const int SIG_BLOCK = 0;
    internal const int SIG_UNBLOCK = 1;

    internal const int P_PID = 1;
    internal const int SIGKILL = 9;

    internal const uint MFD_ALLOW_SEALING = 2;
    internal const int F_ADD_SEALS = 1033;
    internal const int F_GET_SEALS = 1034;
    internal const int F_SEAL_SEAL = 1;
    internal const int F_SEAL_SHRINK = 2;
    internal const int F_SEAL_GROW = 4;
    internal const int F_SEAL_WRITE = 8;

    [LibraryImport("libc", SetLastError = true, StringMarshalling = StringMarshalling.Custom, StringMarshallingCustomType = typeof(NativeTextMarshaller))]
    internal static partial int execve(string path, byte** argv, byte** envp);
}
