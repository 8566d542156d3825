using System.Runtime.InteropServices;

namespace Steward.Linux.Interop;

// Processes by descriptor: man 2 pidfd_open, pidfd_send_signal. The C library has no functions of these names before 2.36; the numbers
// are the same on every architecture.
internal static unsafe partial class LibC
{
    private const nint PidFdSendSignalNumber = 424;
    private const nint PidFdOpenNumber = 434;

    /// <summary>A descriptor, close-on-exec, that means this process for ever; -1 when there is none.</summary>
    internal static int pidfd_open(int pid) => (int)syscall(PidFdOpenNumber, pid, 0, 0, 0, 0, 0);

    internal static int pidfd_send_signal(int pidfd, int number) => (int)syscall(PidFdSendSignalNumber, pidfd, number, 0, 0, 0, 0);

    [LibraryImport("libc", SetLastError = true, StringMarshalling = StringMarshalling.Custom, StringMarshallingCustomType = typeof(NativeTextMarshaller))]
    internal static partial int mkdir(string path, uint mode);

    [LibraryImport("libc", SetLastError = true, StringMarshalling = StringMarshalling.Custom, StringMarshallingCustomType = typeof(NativeTextMarshaller))]
    internal static partial int rmdir(string path);
}
