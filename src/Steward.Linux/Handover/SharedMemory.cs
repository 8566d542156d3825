using Steward.Linux.Interop;

namespace Steward.Linux.Handover;

/// <summary>
/// Memory without a name (man 2 memfd_create) that several processes hold by its descriptor and map: what one writes is there whatever ends it.
/// </summary>
internal static unsafe class SharedMemory
{
    /// <summary>Makes new memory, all zeros; pages are taken as they are used.</summary>
    /// <param name="name">What it is called in <c>/proc/PID/fd</c>.</param>
    /// <param name="size">Its size in bytes.</param>
    /// <param name="failure">Why it could not be made.</param>
    /// <returns>The descriptor, which closes at exec; -1 when it could not be made.</returns>
    public static int Create(string name, long size, out string? failure)
    {
        int fd = Processes.Descriptors.AboveStandard(LibC.memfd_create(name, LibC.MFD_CLOEXEC));
        if (fd < 0 || LibC.ftruncate(fd, (nint)size) != 0)
        {
            failure = ErrnoText.Python(LibC.LastError);
            StateFile.Close(fd);
            return -1;
        }

        failure = null;
        return fd;
    }

    /// <summary>Says whether a descriptor is open and has exactly this size.</summary>
    public static bool HasSize(int fd, long size)
    {
        LibC.StatX stat;
        return LibC.statx(fd, "", LibC.AT_EMPTY_PATH, LibC.STATX_BASIC_STATS, &stat) == 0 && (long)stat.Size == size;
    }

    /// <summary>Maps all of it for reading and writing.</summary>
    /// <param name="fd">The descriptor; it stays its owner's.</param>
    /// <param name="size">Its size.</param>
    /// <param name="what">What it is called in the failure: <c>the state</c>.</param>
    /// <param name="failure">Why it could not be mapped.</param>
    /// <returns>Where it begins; null when it could not be mapped.</returns>
    public static byte* Map(int fd, long size, string what, out string? failure)
    {
        void* start = LibC.mmap(null, (nuint)size, LibC.PROT_READ | LibC.PROT_WRITE, LibC.MAP_SHARED, fd, 0);
        failure = start == LibC.MAP_FAILED ? $"{what} cannot be mapped: " + ErrnoText.Python(LibC.LastError) : null;
        return failure is null ? (byte*)start : null;
    }
}
