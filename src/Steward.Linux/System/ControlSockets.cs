using System.Globalization;
using System.Net;
using System.Net.Sockets;
using Steward.Core.Config;
using Steward.Core.Snapshots;
using Steward.Linux.Handover;
using Steward.Linux.Interop;
using Steward.Linux.Processes;

namespace Steward.Linux.Host;

/// <summary>A control socket that is bound and listening.</summary>
/// <param name="Config">Its section.</param>
/// <param name="Fd">The descriptor; close-on-exec, owned by the <see cref="ControlSockets"/> it came from.</param>
public sealed record ControlSocket(ServerConfig Config, int Fd);

/// <summary>
/// The listening sockets of <c>[unix_http_server]</c> and <c>[inet_http_server]</c> sections: all of them, or none.
/// </summary>
/// <remarks>
/// A unix socket is bound under a name of its own, gets its mode, and is then linked to its path, so that nobody can connect before the
/// mode is right and two daemons cannot both believe that they have the path. A socket file that nobody listens on any more is
/// removed first; anything else at the path is left alone and reported.
/// A reload keeps the sockets that the new configuration has as well: no connection is refused in between.
/// </remarks>
public sealed unsafe class ControlSockets : IDisposable
{
    private const int Backlog = 1024;
    private const int MaxTries = 5;

    private const string InUse =
        "Another program is already listening on a port that one of our HTTP servers is configured to use.  Shut this program down first "
        + "before starting supervisord.";

    private readonly List<Open> _open = [];

    // Descriptors whose file has vanished: a server may still hold them, so they are closed with the others.
    private readonly List<int> _orphaned = [];

    // Guards both: files are looked after on threads of their own.
    private readonly Lock _gate = new();

    private ControlSockets()
    {
    }

    /// <summary>The sockets in the order of the configuration.</summary>
    public IReadOnlyList<ControlSocket> Sockets
    {
        get
        {
            lock (_gate)
            {
                return [.. _open.Select(static open => new ControlSocket(open.Config, open.Fd))];
            }
        }
    }

    /// <summary>The files of the unix sockets that are ours.</summary>
    public IReadOnlyList<string> Files => [.. _open.Where(static open => open.File is not null).Select(static open => open.Config.File)];

    /// <summary>
    /// Opens a new socket in the place of each whose file is gone. A file of another kind or owner that stands there by now is left alone.
    /// Not at the same time as <see cref="TakeOver"/>, <see cref="Renew"/> and <see cref="Dispose"/>.
    /// </summary>
    /// <param name="say">Receives what has happened, and why one could not be opened.</param>
    /// <returns>The new ones; the former descriptors stay open until the end.</returns>
    public IReadOnlyList<ControlSocket> Restore(Action<string> say)
    {
        var restored = new List<ControlSocket>();
        for (int i = 0; i < _open.Count; i++)
        {
            Open open = _open[i];
            LibC.StatX there;
            if (open.File is null || open.Waiting is not null
                || LibC.statx(LibC.AT_FDCWD, open.Config.File, LibC.AT_SYMLINK_NOFOLLOW, LibC.STATX_BASIC_STATS, &there) == 0
                || LibC.LastError != Errno.ENOENT)
            {
                continue;
            }

            try
            {
                Open anew = Unix(open.Config, say, former: null);
                lock (_gate)
                {
                    _open[i] = anew;
                    _orphaned.Add(open.Fd);
                }

                restored.Add(new ControlSocket(open.Config, anew.Fd));
                say($"socket file {open.Config.File} had vanished and is there again");
            }
            catch (StartException e)
            {
                say($"socket file {open.Config.File} has vanished and cannot be made anew: {e.Message}");
            }
        }

        return restored;
    }

    /// <summary>Opens the sockets of a configuration.</summary>
    /// <param name="servers">The sections.</param>
    /// <param name="say">Receives what is worth a line on stderr: <c>Unlinking stale socket PATH</c>.</param>
    /// <param name="former">
    /// The sockets in use until now; null at start. Those that the configuration has unchanged are shared: the descriptor is a
    /// duplicate, and the file belongs to the new object once <see cref="TakeOver"/> is called.
    /// </param>
    /// <param name="left">What a daemon left that died between opening them and writing that down; null: nothing.</param>
    /// <exception cref="StartException">One cannot be opened; all that were made here are closed and removed.</exception>
    public static ControlSockets Create(
        IReadOnlyList<ServerConfig> servers, Action<string> say, ControlSockets? former = null, DescriptorTable? left = null)
    {
        var sockets = new ControlSockets();
        try
        {
            foreach (ServerConfig server in servers)
            {
                sockets._open.Add(
                    sockets.Share(server, former) ?? Left(server, left) ?? (server.Kind == ServerKind.Unix ? Unix(server, say, former) : Inet(server)));
            }

            return sockets;
        }
        catch
        {
            sockets.Dispose();
            throw;
        }
    }

    /// <summary>
    /// The former sockets give way to these: their descriptors are closed, and the files that only they had are removed.
    /// </summary>
    /// <exception cref="StartException">A file cannot be put in the place of a former one.</exception>
    public void TakeOver(ControlSockets former)
    {
        foreach (Open open in _open)
        {
            if (open.Waiting is { } own)
            {
                if (LibC.rename(own, open.Config.File) != 0)
                {
                    throw Failure(LibC.LastError);
                }

                open.Waiting = null;
            }

            if (former._open.Find(other => other.Config.Kind == ServerKind.Unix && other.Config.File == open.Config.File) is { } same)
            {
                open.File ??= same.File;
                same.File = null;
            }
        }

        former.Dispose();
    }

    /// <summary>
    /// Goes on under descriptors that are new in this process, for the same sockets: the runtime takes each number only once, until it is
    /// closed.
    /// </summary>
    /// <exception cref="StartException">There are no descriptors left; those that are new stay.</exception>
    public void Renew()
    {
        foreach (Open open in _open)
        {
            int fd = Duplicate(open.Fd);
            if (fd < 0)
            {
                throw Failure(LibC.LastError);
            }

            _ = LibC.close(open.Fd);
            open.Fd = fd;
        }
    }

    /// <summary>Writes the sockets down, each as a field of its own, and leaves their descriptors.</summary>
    /// <param name="writer">Where to.</param>
    /// <param name="field">The field.</param>
    /// <param name="servers">The configuration in force, which has all of them.</param>
    /// <param name="table">Takes the descriptors.</param>
    public void Save(SnapshotWriter writer, int field, IReadOnlyList<ServerConfig> servers, DescriptorTable table)
    {
        Open[] all;
        lock (_gate)
        {
            all = [.. _open];
        }

        foreach (Open open in all)
        {
            table.Add(Role(open.Config), open.Fd);
            writer.Begin(field);
            writer.Integer(1, Enumerable.Range(0, servers.Count).First(place => ReferenceEquals(servers[place], open.Config) || servers[place] == open.Config));
            if (open.File is { } file)
            {
                writer.Integer(2, file.DeviceMajor);
                writer.Integer(3, file.DeviceMinor);
                writer.Integer(4, (long)file.Inode);
            }

            writer.End();
        }
    }

    /// <summary>Reads the sockets; they are listening, and have been all the time.</summary>
    /// <exception cref="SnapshotRefusedException">They cannot be taken up.</exception>
    public static ControlSockets Restore(ref SnapshotReader reader, int field, IReadOnlyList<ServerConfig> servers, DescriptorTable table)
    {
        var sockets = new ControlSockets();
        while (reader.Next(field, "sockets", out SnapshotReader inner))
        {
            ServerConfig config = servers[inner.Int32(1, "server", 0, servers.Count - 1)];
            var open = new Open(config, table.Take(inner, Role(config)));
            if (inner.OptionalInteger(2, "major", 0, uint.MaxValue) is { } major)
            {
                open.File = new LibC.StatX
                {
                    DeviceMajor = (uint)major,
                    DeviceMinor = (uint)inner.Integer(3, "minor", 0, uint.MaxValue),
                    Inode = (ulong)inner.Integer(4, "inode"),
                };
            }

            inner.End();
            sockets._open.Add(open);
        }

        return sockets;
    }

    /// <summary>Closes the sockets and removes the files of those that were made here, unless another file stands there by now.</summary>
    public void Dispose()
    {
        foreach (Open open in _open)
        {
            if (open.File is { } file && IsStill(open.Config.File, file))
            {
                _ = LibC.unlink(open.Config.File);
            }

            if (open.Waiting is { } own)
            {
                _ = LibC.unlink(own);
            }

            _ = LibC.close(open.Fd);
        }

        _open.Clear();
        foreach (int fd in _orphaned)
        {
            _ = LibC.close(fd);
        }

        _orphaned.Clear();
    }

    /// <summary>What the descriptor of a socket is called when it is handed over: by where it listens, which no two do.</summary>
    public static string Role(ServerConfig server) => server.Kind == ServerKind.Unix
        ? "listen=" + server.File.ReplaceLineEndings(" ")
        : string.Create(CultureInfo.InvariantCulture, $"listen={server.Host}:{server.Port}");

    private Open? Share(ServerConfig server, ControlSockets? former)
    {
        // Credentials may change on a socket that stays; mode and owner may not, they belong to the file.
        Open? same = former?._open.Find(open => Place(open.Config) == Place(server));
        if (same is null || (same.File is { } file && !IsStill(server.File, file)) || _open.Exists(open => Place(open.Config) == Place(server)))
        {
            return null;
        }

        int fd = Duplicate(same.Fd);
        return fd < 0 ? throw Failure(LibC.LastError) : new Open(server, fd);
    }

    private static Open? Left(ServerConfig server, DescriptorTable? left)
    {
        int fd = left?.TryTake(Role(server)) ?? -1;
        if (fd < 0)
        {
            return null;
        }

        // Its file got this path in the same moment as the socket was left.
        LibC.StatX file = default;
        bool isFile = server.Kind == ServerKind.Unix
            && LibC.statx(LibC.AT_FDCWD, server.File, LibC.AT_SYMLINK_NOFOLLOW, LibC.STATX_BASIC_STATS, &file) == 0 && file.Type == LibC.S_IFSOCK;
        return new Open(server, fd) { File = isFile ? file : null };
    }

    /// <summary>
    /// Another number for a socket, higher than all it had before. The runtime's epoll set knows each number under which the socket was
    /// served until the socket itself is closed (man 7 epoll, Q6); under one of these it could not be served again.
    /// </summary>
    private static int Duplicate(int fd) => LibC.fcntl(fd, LibC.F_DUPFD_CLOEXEC, fd + 1);

    private static ServerConfig Place(ServerConfig server) => server with { Section = "", Username = null, Password = null };

    private static Open Inet(ServerConfig server)
    {
        IPAddress address = Resolve(server.Host);
        int family = address.AddressFamily == AddressFamily.InterNetworkV6 ? LibC.AF_INET6 : LibC.AF_INET;
        int fd = Descriptors.AboveStandard(LibC.socket(family, LibC.SOCK_STREAM | LibC.SOCK_CLOEXEC, 0));
        int yes = 1;
        byte[] name = SocketName.Inet(address, server.Port);
        fixed (byte* bytes = name)
        {
            if (fd < 0
                || LibC.setsockopt(fd, LibC.SOL_SOCKET, LibC.SO_REUSEADDR, &yes, sizeof(int)) != 0
                || LibC.bind(fd, bytes, (uint)name.Length) != 0
                || LibC.listen(fd, Backlog) != 0)
            {
                int errno = LibC.LastError;
                _ = LibC.close(fd);
                throw errno == Errno.EADDRINUSE ? new StartException(InUse) : Failure(errno);
            }
        }

        return new Open(server, fd);
    }

    private static IPAddress Resolve(string host)
    {
        if (host.Length == 0)
        {
            return IPAddress.Any;
        }

        if (IPAddress.TryParse(host, out IPAddress? address))
        {
            return address;
        }

        try
        {
            IPAddress[] found = Dns.GetHostAddresses(host);
            return found.FirstOrDefault(static one => one.AddressFamily == AddressFamily.InterNetwork) ?? found[0];
        }
        catch (SocketException e)
        {
            // The numbers of man 3 getaddrinfo are negative and stay behind the runtime's: -2 is what a name without an address gives.
            throw new StartException($"Cannot open an HTTP server: socket.error reported -2 ({host}: {e.Message})");
        }
    }

    private static Open Unix(ServerConfig server, Action<string> say, ControlSockets? former)
    {
        string own = string.Create(CultureInfo.InvariantCulture, $"{server.File}.{Environment.ProcessId}");
        if (SocketName.Unix(own) is not { } name)
        {
            throw new StartException(
                $"Cannot open an HTTP server: the path of a unix socket may have {SocketName.MaxUnixPath} bytes with the pid behind it, and "
                + $"'{own}' has more; set a shorter file= in [{server.Section}]");
        }

        int fd = -1;
        try
        {
            fd = Descriptors.AboveStandard(LibC.socket(LibC.AF_UNIX, LibC.SOCK_STREAM | LibC.SOCK_CLOEXEC, 0));
            _ = LibC.unlink(own);
            fixed (byte* bytes = name)
            {
                // Bound before it has its mode, but under a name that nobody knows and not listening yet.
                if (fd < 0 || LibC.bind(fd, bytes, (uint)name.Length) != 0 || LibC.chmod(own, (uint)server.Chmod) != 0)
                {
                    throw Failure(LibC.LastError);
                }
            }

            if ((server.OwnerUid != -1 || server.OwnerGid != -1)
                && LibC.chown(own, unchecked((uint)server.OwnerUid), unchecked((uint)server.OwnerGid)) != 0)
            {
                int errno = LibC.LastError;
                throw errno == Errno.EPERM ? new StartException(ChownRefusal(server)) : Failure(errno);
            }

            LibC.StatX file;
            if (LibC.statx(LibC.AT_FDCWD, own, LibC.AT_SYMLINK_NOFOLLOW, LibC.STATX_BASIC_STATS, &file) != 0 || LibC.listen(fd, Backlog) != 0)
            {
                throw Failure(LibC.LastError);
            }

            // The path is ours already, with another mode or owner: it changes hands when the former sockets go.
            if (former?._open.Exists(open => open.File is { } old && open.Config.File == server.File && IsStill(server.File, old)) == true)
            {
                return new Open(server, fd) { File = file, Waiting = own };
            }

            Link(own, server, say);
            _ = LibC.unlink(own);
            return new Open(server, fd) { File = file };
        }
        catch (StartException)
        {
            _ = LibC.unlink(own);
            _ = LibC.close(fd);
            throw;
        }
    }

    private static void Link(string own, ServerConfig server, Action<string> say)
    {
        for (int i = 0; i < MaxTries; i++)
        {
            if (LibC.link(own, server.File) == 0)
            {
                return;
            }

            if (LibC.LastError != Errno.EEXIST)
            {
                throw Failure(LibC.LastError);
            }

            LibC.StatX there;
            if (LibC.statx(LibC.AT_FDCWD, server.File, LibC.AT_SYMLINK_NOFOLLOW, LibC.STATX_BASIC_STATS, &there) != 0)
            {
                // Gone in between: once more.
                continue;
            }

            if (there.Type != LibC.S_IFSOCK)
            {
                throw new StartException(
                    $"Cannot open an HTTP server: {server.File} exists and is no socket; remove it, or set another file= in [{server.Section}]");
            }

            if (IsListening(server.File))
            {
                throw new StartException(InUse);
            }

            say("Unlinking stale socket " + server.File);
            if (LibC.unlink(server.File) != 0 && LibC.LastError != Errno.ENOENT)
            {
                throw Failure(LibC.LastError);
            }
        }

        throw new StartException(InUse);
    }

    /// <summary>
    /// A connection that is accepted or queued has a listener behind it, even one that does not answer just now. It does not block: a
    /// full queue says so at once (man 7 unix), and that is a listener, too.
    /// </summary>
    private static bool IsListening(string path)
    {
        if (SocketName.Unix(path) is not { } name)
        {
            return false;
        }

        int fd = LibC.socket(LibC.AF_UNIX, LibC.SOCK_STREAM | LibC.SOCK_CLOEXEC | LibC.O_NONBLOCK, 0);
        if (fd < 0)
        {
            throw Failure(LibC.LastError);
        }

        fixed (byte* bytes = name)
        {
            int result = LibC.connect(fd, bytes, (uint)name.Length);
            int errno = LibC.LastError;
            _ = LibC.close(fd);
            return result == 0 || errno is not (Errno.ECONNREFUSED or Errno.ENOENT);
        }
    }

    private static bool IsStill(string path, in LibC.StatX identity)
    {
        LibC.StatX now;
        return LibC.statx(LibC.AT_FDCWD, path, LibC.AT_SYMLINK_NOFOLLOW, LibC.STATX_BASIC_STATS, &now) == 0 && now.IsSameFile(identity);
    }

    private static string ChownRefusal(ServerConfig server) => string.Create(
        CultureInfo.InvariantCulture,
        $"Not permitted to chown {server.File} to uid/gid ({server.OwnerUid}, {server.OwnerGid}); adjust \"sockchown\" value in config file "
        + $"or on command line to values that the current user ({Environment.UserName}) can successfully chown");

    private static StartException Failure(int errno) => new(string.Create(
        CultureInfo.InvariantCulture, $"Cannot open an HTTP server: socket.error reported errno.{ErrnoText.Code(errno)} ({errno})"));

    private sealed class Open(ServerConfig config, int fd)
    {
        public ServerConfig Config { get; } = config;

        public int Fd { get; set; } = fd;

        /// <summary>Unix: the file that this object is to remove; null when there is none.</summary>
        public LibC.StatX? File { get; set; }

        /// <summary>Unix: the name that the socket has until it takes the place of a former one; null when it has its own.</summary>
        public string? Waiting { get; set; }
    }
}
