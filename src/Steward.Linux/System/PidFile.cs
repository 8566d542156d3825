using System.Globalization;
using System.Text;
using Steward.Core.Snapshots;
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
    /// <param name="path">Its path.</param>
    /// <param name="pid">The process that was started: this one, or its keeper.</param>
    public static PidFile? Write(string path, int pid)
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

        byte[] text = Encoding.ASCII.GetBytes(string.Create(CultureInfo.InvariantCulture, $"{pid}\n"));
        LibC.StatX identity;
        bool written = StandardStreams.Write(fd, text)
            & LibC.statx(LibC.AT_FDCWD, path, LibC.AT_SYMLINK_NOFOLLOW, LibC.STATX_BASIC_STATS, &identity) == 0;
        _ = LibC.close(fd);
        return written ? new PidFile(path, identity) : null;
    }

    /// <summary>Writes down, as a field, which file it is.</summary>
    public void Save(SnapshotWriter writer, int field)
    {
        writer.Begin(field);
        writer.Text(1, _path);
        writer.Integer(2, _identity.DeviceMajor);
        writer.Integer(3, _identity.DeviceMinor);
        writer.Integer(4, (long)_identity.Inode);
        writer.End();
    }

    /// <summary>Reads which file it is: it stands as it is, with the same pid.</summary>
    /// <exception cref="SnapshotRefusedException">It cannot be taken up.</exception>
    public static PidFile Restore(SnapshotReader reader)
    {
        var file = new PidFile(
            reader.Text(1, "path"),
            new LibC.StatX
            {
                DeviceMajor = (uint)reader.Integer(2, "major", 0, uint.MaxValue),
                DeviceMinor = (uint)reader.Integer(3, "minor", 0, uint.MaxValue),
                Inode = (ulong)reader.Integer(4, "inode"),
            });
        reader.End();
        return file;
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
