using System.Globalization;
using System.Text;
using Steward.Linux.Interop;

namespace Steward.Linux.Host;

/// <summary>The file with the daemon's pid, for as long as the daemon runs. It is no lock: the control sockets are.</summary>
public sealed unsafe class PidFile : IDisposable
{
    private readonly string _path;
    private readonly LibC.StatX _identity;

    private PidFile(string path, LibC.StatX identity)
    {
        _path = path;
        _identity = identity;
    }

    /// <summary>Writes the file: the pid and a newline, over what stands there (mode 0666 less the umask).</summary>
    /// <returns>Null when it could not be written whole.</returns>
    public static PidFile? Write(string path)
    {
        int fd;
        do
        {
            fd = LibC.open(path, LibC.O_WRONLY | LibC.O_CREAT | LibC.O_TRUNC | LibC.O_CLOEXEC | LibC.O_NOCTTY, 0x1b6);
        }
        while (LibC.Interrupted(fd));

        if (fd < 0)
        {
            return null;
        }

        byte[] text = Encoding.ASCII.GetBytes(string.Create(CultureInfo.InvariantCulture, $"{Environment.ProcessId}\n"));
        LibC.StatX identity;
        bool written = StandardStreams.Write(fd, text)
            & LibC.statx(LibC.AT_FDCWD, path, LibC.AT_SYMLINK_NOFOLLOW, LibC.STATX_BASIC_STATS, &identity) == 0;
        _ = LibC.close(fd);
        return written ? new PidFile(path, identity) : null;
    }

    /// <summary>Removes the file, unless another one stands in its place by now.</summary>
    public void Dispose()
    {
        LibC.StatX now;
        if (LibC.statx(LibC.AT_FDCWD, _path, LibC.AT_SYMLINK_NOFOLLOW, LibC.STATX_BASIC_STATS, &now) == 0 && now.IsSameFile(_identity))
        {
            _ = LibC.unlink(_path);
        }
    }
}
