using System.Runtime.InteropServices;

namespace Steward.Linux.Interop;

// Memory that two processes share: man 2 mmap, munmap, madvise.
internal static unsafe partial class LibC
{
    internal const int MAP_SHARED = 1;

    /// <summary>What mmap answers when it failed.</summary>
    internal static readonly void* MAP_FAILED = (void*)-1;

    [LibraryImport("libc", SetLastError = true)]
    internal static partial int munmap(void* address, nuint length);

    [LibraryImport("libc", SetLastError = true)]
    internal static partial int madvise(void* address, nuint length, int advice);
}
