using System.Runtime.InteropServices;
using Steward.Linux.Interop;

namespace Steward.Linux.Host;

/// <summary>Loads a shared library from memory, so that an executable that carries it needs no file beside it.</summary>
public static unsafe class MemoryLibrary
{
    /// <summary>
    /// Copies a library into an anonymous file (man 2 memfd_create) and loads it from there. It stays loaded until the process ends.
    /// </summary>
    /// <param name="name">A name for <c>/proc/self/maps</c>; at most 249 bytes.</param>
    /// <param name="library">The whole library, from the stream's position to its end.</param>
    /// <returns>The handle for <see cref="NativeLibrary.GetExport"/>.</returns>
    /// <exception cref="DllNotFoundException">It cannot be loaded; the message says at which step and why.</exception>
    public static nint Load(string name, Stream library)
    {
        int fd = LibC.memfd_create(name, LibC.MFD_CLOEXEC);
        if (fd < 0 && LibC.LastError == Errno.EACCES)
        {
            // sysctl vm.memfd_noexec=2 refuses files that could be executed. This one is only mapped, which that does not forbid.
            fd = LibC.memfd_create(name, LibC.MFD_CLOEXEC | LibC.MFD_NOEXEC_SEAL);
        }

        if (fd < 0)
        {
            throw new DllNotFoundException($"{name} cannot be loaded: memfd_create: {ErrnoText.Python(LibC.LastError)}");
        }

        try
        {
            Copy(name, library, fd);
            return NativeLibrary.Load(string.Create(System.Globalization.CultureInfo.InvariantCulture, $"/proc/self/fd/{fd}"));
        }
        finally
        {
            // The mappings hold on to the file.
            _ = LibC.close(fd);
        }
    }

    private static void Copy(string name, Stream library, int fd)
    {
        byte[] buffer = new byte[64 << 10];
        int count;
        while ((count = library.Read(buffer)) > 0)
        {
            fixed (byte* start = buffer)
            {
                for (int done = 0; done < count;)
                {
                    nint written = LibC.write(fd, start + done, (nuint)(count - done));
                    if (LibC.Interrupted(written))
                    {
                        continue;
                    }

                    if (written < 0)
                    {
                        throw new DllNotFoundException($"{name} cannot be loaded: write: {ErrnoText.Python(LibC.LastError)}");
                    }

                    done += (int)written;
                }
            }
        }
    }
}
