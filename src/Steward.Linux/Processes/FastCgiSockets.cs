using System.Net;
using System.Net.Sockets;
using Steward.Core.Config;
using Steward.Core.Model;
using Steward.Core.Ports;
using Steward.Core.Snapshots;
using Steward.Linux.Handover;
using Steward.Linux.Host;
using Steward.Linux.Interop;

namespace Steward.Linux.Processes;

/// <summary>
/// The listening sockets of <c>[fcgi-program:x]</c> sections. A socket is shared by the processes of its section, in whichever
/// group they are: the first spawn creates it, the end of the last process closes it. The path of a unix socket stays.
/// </summary>
internal sealed unsafe class FastCgiSockets(IProcessHostEvents events, KeeperLink? keeper = null) : IDisposable
{
    // By value: a section whose settings changed is another socket.
    private readonly Dictionary<FastCgiSocketConfig, Shared> _open = [];

    /// <summary>Tries whether a socket can be made: binds, listens and closes it. A socket in use needs no trial.</summary>
    /// <returns>Null, or <c>Could not create FastCGI socket URL: reason</c>.</returns>
    public string? Test(FastCgiSocketConfig config)
    {
        if (_open.ContainsKey(config))
        {
            return null;
        }

        string? failure = Create(config, out int fd);
        if (failure is null)
        {
            Close(config, fd);
        }

        return failure;
    }

    /// <summary>Takes a reference for one process, creating the socket for the first.</summary>
    /// <returns>Null, or why there is no socket.</returns>
    public string? Acquire(FastCgiSocketConfig config, out int fd)
    {
        if (!_open.TryGetValue(config, out Shared? shared))
        {
            string? failure = Create(config, out fd);
            if (failure is not null)
            {
                return failure;
            }

            keeper?.Hold([KeptRole(config)], [fd]);
            shared = new Shared(fd);
            _open.Add(config, shared);
        }

        shared.References++;
        fd = shared.Fd;
        return null;
    }

    /// <summary>Under which role the keeper holds a socket.</summary>
    public static string KeptRole(FastCgiSocketConfig config) => "fcgi=" + config.Url.ReplaceLineEndings(" ");

    /// <summary>Takes a reference for a process that has the socket already; the first brings it.</summary>
    /// <param name="config">The socket.</param>
    /// <param name="fd">What the keeper held; -1 when it is open here already, or lost.</param>
    public void Adopt(FastCgiSocketConfig config, int fd)
    {
        if (!_open.TryGetValue(config, out Shared? shared))
        {
            shared = new Shared(fd);
            _open.Add(config, shared);
        }

        shared.References++;
    }

    /// <summary>Gives a reference back; the last closes the socket.</summary>
    public void Release(FastCgiSocketConfig config)
    {
        Shared shared = _open[config];
        if (--shared.References == 0)
        {
            _open.Remove(config);
            Close(config, shared.Fd);
            keeper?.Drop(KeptRole(config));
        }
    }

    /// <summary>Writes the sockets down, each as a field of its own, and leaves their descriptors.</summary>
    /// <param name="writer">Where to.</param>
    /// <param name="field">The field.</param>
    /// <param name="users">Which process of which start has a reference to which socket.</param>
    /// <param name="table">Takes the descriptors.</param>
    public void Save(
        SnapshotWriter writer, int field, IReadOnlyDictionary<(ProcessId, Incarnation), FastCgiSocketConfig> users, DescriptorTable table)
    {
        var roles = new HashSet<string>(StringComparer.Ordinal);
        foreach ((FastCgiSocketConfig config, Shared shared) in _open.OrderBy(static entry => entry.Key.Url, StringComparer.Ordinal))
        {
            table.Add(Role(config, roles), shared.Fd);
            writer.Begin(field);
            ConfigurationFormat.Write(writer, 1, config);
            foreach ((ProcessId process, Incarnation incarnation) in users.Where(entry => entry.Value.Equals(config)).Select(entry => entry.Key).Order(ByProcess))
            {
                writer.Begin(2);
                writer.Integer(1, process.Value);
                writer.Integer(2, incarnation.Value);
                writer.End();
            }

            writer.End();
        }
    }

    /// <summary>Reads the sockets and who uses them.</summary>
    /// <exception cref="SnapshotRefusedException">They cannot be taken up.</exception>
    public void Restore(
        ref SnapshotReader reader, int field, IDictionary<(ProcessId, Incarnation), FastCgiSocketConfig> users, DescriptorTable table)
    {
        var roles = new HashSet<string>(StringComparer.Ordinal);
        while (reader.Next(field, "sockets", out SnapshotReader inner))
        {
            FastCgiSocketConfig config = ConfigurationFormat.ReadSocket(inner.Record(1, "config"));
            var shared = new Shared(table.Take(inner, Role(config, roles)));
            if (!_open.TryAdd(config, shared))
            {
                throw inner.Refusal("config", $"two sockets are {config.Url}");
            }

            while (inner.Next(2, "users", out SnapshotReader user))
            {
                var key = (new ProcessId(user.Int32(1, "process", 1)), new Incarnation(user.Int32(2, "incarnation", 1)));
                if (!users.TryAdd(key, config))
                {
                    throw user.Refusal("process", $"{key.Item1.Value} uses two sockets");
                }

                user.End();
                shared.References++;
            }

            inner.End();
            if (shared.References == 0)
            {
                throw inner.Refusal("users", $"nobody uses {config.Url}");
            }
        }
    }

    public void Dispose()
    {
        foreach (Shared shared in _open.Values)
        {
            StateFile.Close(shared.Fd);
        }

        _open.Clear();
    }

    private void Close(FastCgiSocketConfig config, int fd)
    {
        events.Log(LogLevel.Info, "Closing socket " + config.Url);
        StateFile.Close(fd);
    }

    private string? Create(FastCgiSocketConfig config, out int fd)
    {
        events.Log(LogLevel.Info, "Creating socket " + config.Url);
        string? failure = config.Path is null ? Tcp(config, out fd) : Unix(config, config.Path, out fd);
        if (failure is null)
        {
            return null;
        }

        if (fd >= 0)
        {
            _ = LibC.close(fd);
            fd = -1;
        }

        return $"Could not create FastCGI socket {config.Url}: {failure}";
    }

    private static string? Tcp(FastCgiSocketConfig config, out int fd)
    {
        fd = -1;
        if (!TryResolve(config.Host, out IPAddress address, out string? failure))
        {
            return failure;
        }

        fd = Descriptors.AboveStandard(LibC.socket(LibC.AF_INET, LibC.SOCK_STREAM | LibC.SOCK_CLOEXEC, 0));
        int yes = 1;
        byte[] name = SocketName.Inet(address, config.Port);
        fixed (byte* bytes = name)
        {
            return fd < 0
                || LibC.setsockopt(fd, LibC.SOL_SOCKET, LibC.SO_REUSEADDR, &yes, sizeof(int)) != 0
                || LibC.bind(fd, bytes, (uint)name.Length) != 0
                || LibC.listen(fd, config.Backlog ?? LibC.SOMAXCONN) != 0
                ? ErrnoText.Python(LibC.LastError)
                : null;
        }
    }

    private static string? Unix(FastCgiSocketConfig config, string path, out int fd)
    {
        fd = -1;
        if (SocketName.Unix(path) is not { } name)
        {
            return "AF_UNIX path too long";
        }

        fd = Descriptors.AboveStandard(LibC.socket(LibC.AF_UNIX, LibC.SOCK_STREAM | LibC.SOCK_CLOEXEC, 0));
        if (fd < 0 || (LibC.unlink(path) != 0 && LibC.LastError != Errno.ENOENT))
        {
            return ErrnoText.Python(LibC.LastError);
        }

        fixed (byte* bytes = name)
        {
            if (LibC.bind(fd, bytes, (uint)name.Length) != 0)
            {
                return ErrnoText.Python(LibC.LastError);
            }
        }

        string? failure = null;
        if ((config.OwnerUid != -1 || config.OwnerGid != -1)
            && LibC.chown(path, unchecked((uint)config.OwnerUid), unchecked((uint)config.OwnerGid)) != 0)
        {
            failure = "Could not change ownership of socket file: " + ErrnoText.Python(LibC.LastError, path);
        }
        else if (LibC.chmod(path, (uint)config.Mode) != 0)
        {
            failure = "Could not change permissions of socket file: " + ErrnoText.Python(LibC.LastError, path);
        }
        else if (LibC.listen(fd, config.Backlog ?? LibC.SOMAXCONN) != 0)
        {
            failure = ErrnoText.Python(LibC.LastError);
        }

        if (failure is not null)
        {
            // A path that nobody listens on would only mislead. That it cannot be removed is less than the failure itself.
            _ = LibC.unlink(path);
        }

        return failure;
    }

    private static bool TryResolve(string host, out IPAddress address, out string? failure)
    {
        failure = null;
        address = IPAddress.Any;
        if (host.Length == 0 || (IPAddress.TryParse(host, out IPAddress? parsed) && parsed.AddressFamily == AddressFamily.InterNetwork
            && (address = parsed) is not null))
        {
            return true;
        }

        try
        {
            // Names stand in /etc/hosts as a rule (localhost); another one is asked for at the speed of the resolver.
            address = Dns.GetHostAddresses(host, AddressFamily.InterNetwork)[0];
            return true;
        }
        catch (SocketException e)
        {
            failure = e.Message;
            return false;
        }
    }

    private static readonly Comparer<(ProcessId Process, Incarnation Incarnation)> ByProcess =
        Comparer<(ProcessId Process, Incarnation Incarnation)>.Create(static (one, other) => one.Process.Value.CompareTo(other.Process.Value));

    /// <summary>The role of a socket among all: two sections may name the same file, of which the later socket has it.</summary>
    private static string Role(FastCgiSocketConfig config, HashSet<string> roles)
    {
        string role = KeptRole(config);
        while (!roles.Add(role))
        {
            role += "+";
        }

        return role;
    }

    private sealed class Shared(int fd)
    {
        public int Fd { get; } = fd;

        public int References { get; set; }
    }
}
