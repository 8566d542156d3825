using Steward.Linux.Interop;

namespace Steward.Linux.Handover;

/// <summary>
/// The written state of the daemon in memory that has no name (man 2 memfd_create): who holds the descriptor can read it, nobody can change
/// it any more, and it is gone with its last holder.
/// </summary>
public static unsafe class StateFile
{
    // It does not change while this process lives, and there may be no descriptor to read it again. (A failure is not kept.)
    private static readonly Lazy<string> s_bootId = new(ReadBootId, LazyThreadSafetyMode.PublicationOnly);

    /// <summary>The most bytes that are read: a thousand times what a thousand programs take.</summary>
    public const int MaxBytes = 512 << 20;

    private const int Seals = LibC.F_SEAL_SEAL | LibC.F_SEAL_SHRINK | LibC.F_SEAL_GROW | LibC.F_SEAL_WRITE;

    /// <summary>Writes bytes into new memory and seals it.</summary>
    /// <param name="bytes">All of them.</param>
    /// <param name="failure">Why it could not be done.</param>
    /// <returns>The descriptor, which closes at exec; -1 when it could not be done.</returns>
    public static int Write(ReadOnlySpan<byte> bytes, out string? failure)
    {
        int fd = Processes.Descriptors.AboveStandard(LibC.memfd_create("steward-state", LibC.MFD_CLOEXEC | LibC.MFD_ALLOW_SEALING));
        int errno = fd < 0 ? LibC.LastError : 0;
        fixed (byte* start = bytes)
        {
            int done = 0;
            while (errno == 0 && done < bytes.Length)
            {
                nint written = LibC.write(fd, start + done, (nuint)(bytes.Length - done));
                done += (int)Math.Max(0, written);
                errno = written > 0 || LibC.LastError == Errno.EINTR ? 0 : written == 0 ? Errno.EIO : LibC.LastError;
            }
        }

        if (errno == 0 && LibC.fcntl(fd, LibC.F_ADD_SEALS, Seals) != 0)
        {
            errno = LibC.LastError;
        }

        failure = errno == 0 ? null : $"the state cannot be written: {ErrnoText.Python(errno)}";
        if (errno == 0)
        {
            return fd;
        }

        Close(fd);
        return -1;
    }

    /// <summary>Reads the state of another image.</summary>
    /// <param name="fd">The descriptor, as it was handed over.</param>
    /// <param name="failure">Why it could not be read.</param>
    /// <returns>All bytes; null when they could not be read.</returns>
    public static byte[]? Read(int fd, out string? failure)
    {
        failure = null;
        int seals = LibC.fcntl(fd, LibC.F_GET_SEALS, 0);
        LibC.StatX stat;
        if (seals < 0 || (seals & Seals) != Seals || LibC.statx(fd, "", LibC.AT_EMPTY_PATH, LibC.STATX_BASIC_STATS, &stat) != 0)
        {
            failure = $"the descriptor {fd} holds no state of a daemon";
            return null;
        }

        if (stat.Size > MaxBytes)
        {
            failure = $"the state has {stat.Size} bytes, more than {MaxBytes}";
            return null;
        }

        byte[] bytes = new byte[stat.Size];
        fixed (byte* start = bytes)
        {
            int done = 0;
            while (done < bytes.Length)
            {
                nint count = LibC.pread(fd, start + done, (nuint)(bytes.Length - done), done);
                if (count > 0)
                {
                    done += (int)count;
                }
                else if (!LibC.Interrupted(count))
                {
                    failure = "the state cannot be read: " + ErrnoText.Python(count == 0 ? Errno.EIO : LibC.LastError);
                    return null;
                }
            }
        }

        return bytes;
    }

    /// <summary>The kernel's id of this start of the machine.</summary>
    /// <exception cref="InvalidOperationException">There is none: <c>/proc</c> is not mounted.</exception>
    public static string BootId() => s_bootId.Value;

    private static string ReadBootId()
    {
        byte[]? text = Host.FileBytes.Read("/proc/sys/kernel/random/boot_id", 256, out int errno);
        return text is null
            ? throw new InvalidOperationException("the id of this start of the machine cannot be read: " + ErrnoText.Python(errno))
            : NativeText.Decode(text).Trim();
    }

    /// <summary>Closes a state; nothing for -1.</summary>
    public static void Close(int fd)
    {
        if (fd >= 0)
        {
            _ = LibC.close(fd);
        }
    }
}
