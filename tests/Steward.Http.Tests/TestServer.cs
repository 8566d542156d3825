using System.Net;
using System.Net.Sockets;
using System.Text;
using Steward.Core.Config;

namespace Steward.Http.Tests;

/// <summary>The servers on a unix socket in a folder of their own and on a free TCP port.</summary>
internal sealed class TestServer : IAsyncDisposable
{
    public const string Version = "9.8.7";

    private readonly List<Socket> _sockets = [];
    private readonly List<HttpServers> _former = [];
    private HttpServers? _servers;
    private Journal.JournalHolder? _journal;
    private Upgrader? _upgrade;

    private TestServer(FakeControl control)
    {
        Control = control;
        Folder = Directory.CreateTempSubdirectory("steward-http-").FullName;
        SocketPath = Path.Combine(Folder, "s.sock");
    }

    public FakeControl Control { get; }

    public string Folder { get; }

    public string SocketPath { get; }

    public int Port { get; private set; }

    public HttpServers Servers => _servers!;

    public static async Task<TestServer> StartAsync(
        FakeControl? control = null,
        (string User, string Password)? unix = null,
        (string User, string Password)? inet = null,
        Journal.JournalHolder? journal = null,
        Upgrader? upgrade = null)
    {
        var server = new TestServer(control ?? new FakeControl()) { _journal = journal, _upgrade = upgrade };
        await server.OpenAsync(unix, inet);
        return server;
    }

    public async Task OpenAsync((string User, string Password)? unix = null, (string User, string Password)? inet = null)
    {
        File.Delete(SocketPath);
        var local = new Socket(AddressFamily.Unix, SocketType.Stream, ProtocolType.Unspecified);
        _sockets.Add(local);
        local.Bind(new UnixDomainSocketEndPoint(SocketPath));
        local.Listen();
        var tcp = new Socket(AddressFamily.InterNetwork, SocketType.Stream, ProtocolType.Tcp);
        _sockets.Add(tcp);
        tcp.Bind(new IPEndPoint(IPAddress.Loopback, 0));
        tcp.Listen();
        Port = ((IPEndPoint)tcp.LocalEndPoint!).Port;
        _servers = await HttpServers.StartAsync(
            [
                new(new ServerConfig
                {
                    Kind = ServerKind.Unix,
                    Section = "unix_http_server",
                    File = SocketPath,
                    Username = unix?.User,
                    Password = unix?.Password,
                }, local.Handle),
                new(new ServerConfig
                {
                    Kind = ServerKind.Inet,
                    Section = "inet_http_server",
                    Host = "127.0.0.1",
                    Port = Port,
                    Username = inet?.User,
                    Password = inet?.Password,
                }, tcp.Handle),
            ],
            Control,
            Version,
            _journal,
            upgrade: _upgrade);
    }

    /// <summary>Other servers on duplicates of the unix socket, which was open all the time.</summary>
    public async Task OpenAgainAsync()
    {
        _former.Add(_servers!);
        var config = new ServerConfig { Kind = ServerKind.Unix, Section = "unix_http_server", File = SocketPath };
        _servers = await HttpServers.StartAsync([new(config, dup((int)_sockets[0].Handle))], Control, Version);
    }

    public async Task CloseAsync()
    {
        await Task.WhenAll(_former.Append(_servers!).Select(servers => servers.StopAsync()));
        _sockets.ForEach(socket => socket.Dispose());
        _sockets.Clear();
    }

    public string File_(string name, string content = "")
    {
        string path = Path.Combine(Folder, name);
        File.WriteAllText(path, content);
        return path;
    }

    public TestClient Connect() => TestClient.Connect(new UnixDomainSocketEndPoint(SocketPath));

    public TestClient ConnectTcp() => TestClient.Connect(new IPEndPoint(IPAddress.Loopback, Port));

    /// <summary>One request, one response, on a connection of its own.</summary>
    public TestResponse Send(string request)
    {
        using TestClient client = Connect();
        client.Send(request);
        return client.Receive();
    }

    public TestResponse Get(string target, string headers = "") => Send($"GET {target} HTTP/1.1\r\nHost: localhost\r\n{headers}\r\n");

    public TestResponse Post(string body, string headers = "", string target = "/RPC2") => Send(PostText(body, headers, target));

    public static string PostText(string body, string headers = "", string target = "/RPC2") =>
        $"POST {target} HTTP/1.1\r\nHost: localhost\r\nContent-Length: {Encoding.UTF8.GetByteCount(body)}\r\n{headers}\r\n{body}";

    public static string CallText(string method, string parameters = "") =>
        $"<?xml version='1.0'?>\n<methodCall>\n<methodName>{method}</methodName>\n{parameters}</methodCall>\n";

    [System.Runtime.InteropServices.DllImport("libc")]
    private static extern int dup(int fd);

    public async ValueTask DisposeAsync()
    {
        await CloseAsync();
        Directory.Delete(Folder, recursive: true);
    }
}
