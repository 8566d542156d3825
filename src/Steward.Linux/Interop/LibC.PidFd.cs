using System.Runtime.InteropServices;

namespace Steward.Linux.Interop;

// Processes by descriptor: man 2 pidfd_open, pidfd_send_signal. The C library has no functions of these names before 2.36; the numbers
// are the same on every architecture.
internal static unsafe partial class LibC
{
    private const nint PidFdSendSignalNumber = 424;
    private const nint PidFdOpenNumber = 434;

    /// <summary>To the whole process group that the process leads; from Linux 6.9 on.</summary>
    internal const nint PIDFD_SIGNAL_PROCESS_GROUP = 4;

    /// <summary>The question for a <see cref="PidFdInfo"/>; from Linux 6.13 on.</summary>
    internal const nuint PIDFD_GET_INFO = 0xc040ff0b;

    /// <summary>Asks how the process ended, and says that the answer is there; from Linux 6.15 on, once it is reaped.</summary>
    internal const ulong PIDFD_INFO_EXIT = 8;

    /// <summary>The first 64 bytes of what the kernel tells of a process, which is how it began.</summary>
    [StructLayout(LayoutKind.Explicit, Size = 64)]
    internal struct PidFdInfo
    {
        [FieldOffset(0)]
        internal ulong Mask;

        /// <summary>A status as of man 2 wait.</summary>
        [FieldOffset(60)]
        internal int ExitCode;
    }

    /// <summary>A descriptor, close-on-exec, that means this process for ever; -1 when there is none.</summary>
    internal static int pidfd_open(int pid) => (int)syscall(PidFdOpenNumber, pid, 0, 0, 0, 0, 0);

    internal static int pidfd_send_signal(int pidfd, int number, nint flags = 0) =>
        (int)syscall(PidFdSendSignalNumber, pidfd, number, 0, flags, 0, 0);

    [LibraryImport("libc", SetLastError = true, StringMarshalling = StringMarshalling.Custom, StringMarshallingCustomType = typeof(NativeTextMarshaller))]
    internal static partial int mkdir(string path, uint mode);

    [LibraryImport("libc", SetLastError = true, StringMarshalling = StringMarshalling.Custom, StringMarshallingCustomType = typeof(NativeTextMarshaller))]
    internal static partial int rmdir(string path);
}
