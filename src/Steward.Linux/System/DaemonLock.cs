using System.Globalization;
using System.Security.Cryptography;
using Steward.Core.Config;
using Steward.Core.Model;
using Steward.Linux.Handover;
using Steward.Linux.Interop;
using Steward.Linux.Watching;

namespace Steward.Linux.Host;

/// <summary>
/// What keeps a second daemon from the same configuration: a name in the kernel (man 7 unix, "abstract") that one socket can have. It
/// vanishes with its last holder, so none is ever left behind, and no file that somebody removes is needed for it.
/// </summary>
/// <remarks>
/// The name tells user, mount namespace, the folder of the configuration (which one, not what it is called), the file's name there, identifier
/// and pid file: daemons that share a configuration and differ in one of the last two are wanted to be two. The file's own number is no
/// part of it, as every editor gives it another one. Names are one namespace with the network's: daemons in different ones do not see each
/// other's.
/// </remarks>
public sealed unsafe class DaemonLock : IDisposable
{
    /// <summary>Those who ask who holds it stand in this queue for good, as nobody takes them out.</summary>
    private const int Backlog = 128;

    private int _fd;

    private DaemonLock(string name, int fd)
    {
        Name = name;
        _fd = fd;
    }

    /// <summary>The name that is held, without the zero before it.</summary>
    public string Name { get; }

    /// <summary>The name for a daemon.</summary>
    /// <param name="configuration">The absolute path of its configuration.</param>
    /// <param name="identifier">Its identifier.</param>
    /// <param name="pidFile">The absolute path of its pid file.</param>
    /// <param name="uid">Who it becomes; null: nobody else.</param>
    public static string NameFor(string configuration, string identifier, string pidFile, int? uid)
    {
        string text = string.Join('\n', MountNamespace(), FolderOf(Target(configuration)), FolderOf(pidFile), identifier);
        string hash = Convert.ToHexStringLower(SHA256.HashData(NativeText.Encode(text)).AsSpan(0, 16));
        return string.Create(CultureInfo.InvariantCulture, $"steward/{uid ?? (int)LibC.getuid()}/{hash}");
    }

    /// <summary>Takes the name.</summary>
    /// <param name="name">The name.</param>
    /// <param name="configuration">The configuration, for the refusal.</param>
    /// <param name="pidFile">The pid file, for the refusal: who took the name may have died and left it to a successor.</param>
    /// <param name="messages">Receives a warning where there is no lock: the kernel refuses one, or somebody else has taken the name.</param>
    /// <returns>The lock; null where there is none.</returns>
    /// <exception cref="StartException">Another daemon holds it.</exception>
    public static DaemonLock? Take(string name, string configuration, string pidFile, List<LoadMessage> messages)
    {
        byte[] address = Address(name);
        int fd = Processes.Descriptors.AboveStandard(LibC.socket(LibC.AF_UNIX, LibC.SOCK_STREAM | LibC.SOCK_CLOEXEC, 0));
        int errno = fd < 0 ? LibC.LastError : 0;
        fixed (byte* bytes = address)
        {
            if (errno == 0 && (LibC.bind(fd, bytes, (uint)address.Length) != 0 || LibC.listen(fd, Backlog) != 0))
            {
                errno = LibC.LastError;
            }
        }

        if (errno == 0)
        {
            return new DaemonLock(name, fd);
        }

        if (fd >= 0)
        {
            _ = LibC.close(fd);
        }

        string failure = ErrnoText.Python(errno);
        if (errno == Errno.EADDRINUSE)
        {
            LibC.Credentials? holder = Holder(address);
            if (holder is not { } who || who.Uid == 0 || who.Uid == LibC.getuid() || name.StartsWith(Prefix(who.Uid), StringComparison.Ordinal))
            {
                int known = PidProxyHost.ReadPidFile(pidFile) is { } told && ProcessEntry.Read(told) is { IsZombie: false } ? told : holder?.Pid ?? 0;
                string pid = known > 0 ? string.Create(CultureInfo.InvariantCulture, $" (pid {known})") : "";
                throw new StartException(
                    $"another supervisord{pid} runs with the configuration {configuration}, the same identifier and the same pidfile; "
                    + "shut it down first");
            }

            failure = string.Create(CultureInfo.InvariantCulture, $"its name is held by a process of another user (pid {who.Pid}, uid {who.Uid})");
        }

        messages.Add(new LoadMessage(LogLevel.Warn, $"a second supervisord with this configuration would not be kept from starting: {failure}"));
        return null;
    }

    /// <summary>The descriptor: whoever has a copy holds the name, too.</summary>
    public int Descriptor => _fd;

    /// <summary>Leaves it to the next image of the program.</summary>
    public void Leave(DescriptorTable table, string role) => table.Add(role, _fd);

    /// <summary>Takes over what another image held.</summary>
    public static DaemonLock Restore(string name, int fd) => new(name, fd);

    /// <summary>Gives the name free, unless another process holds it as well.</summary>
    public void Dispose()
    {
        if (_fd >= 0)
        {
            _ = LibC.close(_fd);
            _fd = -1;
        }
    }

    private static string Prefix(uint uid) => string.Create(CultureInfo.InvariantCulture, $"steward/{uid}/");

    private static byte[] Address(string name)
    {
        // struct sockaddr_un: family, zero, name; no zero behind it, for every byte counts.
        byte[] bytes = NativeText.Encode(name);
        byte[] address = new byte[3 + bytes.Length];
        BitConverter.TryWriteBytes(address, (ushort)LibC.AF_UNIX);
        bytes.CopyTo(address.AsSpan(3));
        return address;
    }

    /// <summary>Who listens under a name: who they were when they began to. Null when that is not told.</summary>
    private static LibC.Credentials? Holder(byte[] address)
    {
        int fd = LibC.socket(LibC.AF_UNIX, LibC.SOCK_STREAM | LibC.SOCK_CLOEXEC | LibC.SOCK_NONBLOCK, 0);
        if (fd < 0)
        {
            return null;
        }

        LibC.Credentials credentials = default;
        uint length = (uint)sizeof(LibC.Credentials);
        bool isTold;
        fixed (byte* bytes = address)
        {
            isTold = LibC.connect(fd, bytes, (uint)address.Length) == 0
                && LibC.getsockopt(fd, LibC.SOL_SOCKET, LibC.SO_PEERCRED, &credentials, &length) == 0;
        }

        _ = LibC.close(fd);
        return isTold ? credentials : null;
    }

    private static string MountNamespace()
    {
        try
        {
            return new FileInfo("/proc/self/ns/mnt").LinkTarget ?? "";
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            return "";
        }
    }

    /// <summary>Where a path leads in the end.</summary>
    private static string Target(string path)
    {
        try
        {
            return File.ResolveLinkTarget(path, returnFinalTarget: true)?.FullName ?? path;
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            return path;
        }
    }

    /// <summary>Which folder, and the file's name in it.</summary>
    private static string FolderOf(string path)
    {
        int end = path.LastIndexOf('/');
        string folder = end <= 0 ? "/" : path[..end];
        LibC.StatX stat;
        return LibC.statx(LibC.AT_FDCWD, folder, 0, LibC.STATX_BASIC_STATS, &stat) == 0
            ? string.Create(CultureInfo.InvariantCulture, $"{stat.DeviceMajor}:{stat.DeviceMinor}:{stat.Inode}/{path[(end + 1)..]}")
            : path;
    }
}
