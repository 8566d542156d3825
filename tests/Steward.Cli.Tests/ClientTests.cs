using System.Net;
using System.Net.Sockets;
using System.Text;
using FsCheck;
using FsCheck.Fluent;
using Steward.Client;
using Steward.Protocol.XmlRpc;

namespace Steward.Cli.Tests;

public sealed class ClientTests : IDisposable
{
    private readonly Place _place = new();
    private readonly FakeServer _server;

    public ClientTests() => _server = new FakeServer(_place.At("s.sock"));

    public void Dispose()
    {
        _server.Dispose();
        _place.Dispose();
    }

    [Theory]
    [InlineData("unix:///a/b", ServerAddressKind.Unix, "/a/b", "", 0)]
    [InlineData("http://localhost:9001", ServerAddressKind.Tcp, "", "localhost", 9001)]
    [InlineData("http://h/x/y", ServerAddressKind.Tcp, "", "h", 80)]
    [InlineData("http://[::1]:81/RPC2", ServerAddressKind.Tcp, "", "::1", 81)]
    [InlineData("http://[::1]", ServerAddressKind.Tcp, "", "::1", 80)]
    [InlineData("https://h", ServerAddressKind.Unsupported, "", "", 0)]
    [InlineData("http://h:0", ServerAddressKind.Unsupported, "", "", 0)]
    [InlineData("http://h:99999", ServerAddressKind.Unsupported, "", "", 0)]
    [InlineData("http://h:x", ServerAddressKind.Unsupported, "", "", 0)]
    [InlineData("http://", ServerAddressKind.Unsupported, "", "", 0)]
    [InlineData("localhost:9001", ServerAddressKind.Unsupported, "", "", 0)]
    public void A_url_is_split(string url, ServerAddressKind kind, string path, string host, int port)
    {
        var address = ServerAddress.Parse(url);
        Assert.Equal((kind, path, host, port, url), (address.Kind, address.Path, address.Host, address.Port, address.Url));
    }

    [Fact]
    public void A_call_goes_out_like_this()
    {
        using RpcConnection client = Connect(new Credentials("u", "p:w"));
        Assert.True(client.Call("supervisor.getVersion").IsValue);
        Assert.True(_server.Heads.TryDequeue(out string? head));
        Assert.StartsWith("POST /RPC2 HTTP/1.1\r\nHost: localhost\r\nUser-Agent: Steward\r\nContent-Type: text/xml\r\nAccept: text/xml\r\nContent-Length: ", head);
        Assert.EndsWith("\r\nAuthorization: Basic dTpwOnc=\r\n\r\n", head);
    }

    [Fact]
    public void One_connection_serves_until_the_server_ends_it()
    {
        using RpcConnection client = Connect();
        for (int i = 0; i < 3; i++)
        {
            Assert.Equal(new XmlRpcString("3.0"), client.Call("supervisor.getVersion").Value);
        }

        Assert.Equal(1, _server.Connections);
        _server.Http10 = true;
        for (int i = 0; i < 3; i++)
        {
            Assert.Equal(new XmlRpcString("3.0"), client.Call("supervisor.getVersion").Value);
        }

        Assert.Equal(3, _server.Connections);
    }

    [Fact]
    public void A_fault_keeps_the_connection()
    {
        using RpcConnection client = Connect();
        Assert.Equal(new RpcFault(1, "UNKNOWN_METHOD"), client.Call("no.such").Fault);
        Assert.True(client.Call("supervisor.getVersion").IsValue);
        Assert.Equal(1, _server.Connections);
    }

    // Supervisor gives the length of late answers in characters.
    [Fact]
    public void A_length_in_characters_is_seen_through()
    {
        _server.On("x", _ => "äöüß€ 𝄞");
        _server.Rewrite = answer =>
        {
            string text = Encoding.UTF8.GetString(answer);
            int body = text.IndexOf("\r\n\r\n", StringComparison.Ordinal) + 4;
            return Encoding.UTF8.GetBytes($"HTTP/1.1 200 OK\r\nContent-Length: {text[body..].EnumerateRunes().Count()}\r\n\r\n{text[body..]}");
        };
        using RpcConnection client = Connect();
        Assert.Equal(new XmlRpcString("äöüß€ 𝄞"), client.CallAndWait("x").Value);
        Assert.Equal(new XmlRpcString("äöüß€ 𝄞"), client.CallAndWait("x").Value);
        Assert.Equal(2, _server.Connections);
    }

    [Theory]
    [InlineData("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n", true)]
    [InlineData("HTTP/1.0 200 OK\r\n\r\n", false)]
    [InlineData("HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\n\n", false)]
    public void Bodies_come_in_chunks_or_to_the_end(string head, bool chunked)
    {
        _server.Http10 = !chunked;
        _server.Rewrite = answer =>
        {
            byte[] body = answer[(answer.AsSpan().IndexOf("\r\n\r\n"u8) + 4)..];
            return chunked
                ? [.. Encoding.ASCII.GetBytes(head + "A;x=y\r\n"), .. body[..10], .. Encoding.ASCII.GetBytes($"\r\n{body.Length - 10:X}\r\n"), .. body[10..], .. "\r\n0\r\nTrailer: x\r\n\r\n"u8]
                : [.. Encoding.ASCII.GetBytes(head), .. body];
        };
        using RpcConnection client = Connect();
        Assert.Equal(new XmlRpcString("3.0"), client.Call("supervisor.getVersion").Value);
        Assert.Equal(new XmlRpcString("3.0"), client.Call("supervisor.getVersion").Value);
        Assert.Equal(chunked ? 1 : 2, _server.Connections);
    }

    [Theory]
    [InlineData("HTTP/1.1 500 Internal Server Error\r\nContent-Length: 0\r\n\r\n", TransportFailureKind.HttpStatus, "URL answered 500 Internal Server Error")]
    [InlineData("HTTP/1.1 401 Unauthorized\r\n\r\n", TransportFailureKind.Unauthorized, "Server requires authentication")]
    [InlineData("SSH-2.0-OpenSSH_9.2p1\r\n\r\n", TransportFailureKind.BadAnswer, "URL gave an answer that cannot be read: it is not HTTP")]
    [InlineData("HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\n<x/>", TransportFailureKind.BadAnswer, "URL gave an answer that cannot be read: it is not XML-RPC")]
    [InlineData("HTTP/1.1 200 OK\r\nContent-Length: 400\r\n\r\n<x/>", TransportFailureKind.Closed, "URL closed the connection before its answer was complete")]
    [InlineData("HTTP/1.1 200 OK\r\nContent-Length: -4\r\n\r\n", TransportFailureKind.BadAnswer, "URL gave an answer that cannot be read: it is not HTTP")]
    [InlineData("HTTP/1.1 200 OK\r\nContent-Length: 999999999999\r\n\r\n", TransportFailureKind.BadAnswer, "URL gave an answer that cannot be read: it is too long")]
    [InlineData("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n", TransportFailureKind.BadAnswer, "URL gave an answer that cannot be read: a chunk has no length")]
    [InlineData("HTTP/1.1 200 OK\r\nX: y\r\n", TransportFailureKind.BadAnswer, "URL gave an answer that cannot be read: it ends inside its head")]
    [InlineData("", TransportFailureKind.Closed, "URL closed the connection before its answer was complete")]
    public void What_is_no_answer_is_told(string answer, TransportFailureKind kind, string text)
    {
        _server.Http10 = true;
        _server.Rewrite = _ => Encoding.ASCII.GetBytes(answer);
        using RpcConnection client = Connect();
        TransportFailure? failure = client.Call("supervisor.getVersion").Failure;
        Assert.Equal((kind, text), (failure?.Kind, failure?.Describe("URL")));
    }

    [Fact]
    public void Limits_hold()
    {
        using var client = new RpcConnection(
            ServerAddress.Parse(_server.Url), null, new ClientLimits { Answer = TimeSpan.FromMilliseconds(300), HeadBytes = 1000, BodyBytes = 1000 });
        _server.On("slow", _ => new ManualResetEvent(false).WaitOne(2000));
        Assert.Equal(TransportFailureKind.TimedOut, client.Call("slow").Failure?.Kind);
        _server.Rewrite = _ => Encoding.ASCII.GetBytes("HTTP/1.1 200 OK\r\nX: " + new string('x', 40000));
        Assert.Equal("its head is too long", client.Call("supervisor.getVersion").Failure?.Detail);
        _server.Rewrite = null;
        _server.On("long", _ => new string('x', 2000));
        Assert.Equal("it is too long", client.Call("long").Failure?.Detail);
        _server.Rewrite = answer => Encoding.ASCII.GetBytes("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1000\r\n" + new string('x', 4096));
        Assert.Equal("it is too long", client.Call("long").Failure?.Detail);
    }

    [Fact]
    public void Nobody_there_has_its_reasons()
    {
        Assert.Equal(TransportFailureKind.NoSuchFile, Failure("unix://" + _place.At("none")));
        Assert.Equal(TransportFailureKind.NoSuchFile, Failure("unix://" + _place.At("none/none")));
        Assert.Equal(TransportFailureKind.Refused, Failure("unix://" + _place.Write("file", "")));
        Assert.Equal(TransportFailureKind.UnsupportedUrl, Failure("unix:///" + new string('x', 200)));
        Assert.Equal(TransportFailureKind.UnsupportedUrl, Failure("unix://"));
        Assert.Equal(TransportFailureKind.UnsupportedUrl, Failure("ftp://x"));

        static TransportFailureKind? Failure(string url)
        {
            using var client = new RpcConnection(ServerAddress.Parse(url));
            return client.Call("supervisor.getVersion").Failure?.Kind;
        }
    }

    [Theory]
    [InlineData("localhost")]
    [InlineData("127.0.0.1")]
    public void Tcp_is_spoken_too(string host)
    {
        using var listener = new Socket(AddressFamily.InterNetwork, SocketType.Stream, ProtocolType.Tcp);
        listener.Bind(new IPEndPoint(IPAddress.Loopback, 0));
        listener.Listen();
        int port = ((IPEndPoint)listener.LocalEndPoint!).Port;
        string request = "";
        var thread = new Thread(() =>
        {
            using Socket connection = listener.Accept();
            byte[] buffer = new byte[4096];
            while (!request.EndsWith("</methodCall>\n", StringComparison.Ordinal))
            {
                request += Encoding.ASCII.GetString(buffer, 0, connection.Receive(buffer));
            }

            connection.Send("HTTP/1.0 200 OK\r\n\r\n<methodResponse><params><param><value>x</value></param></params></methodResponse>"u8);
        });
        thread.Start();
        using var client = new RpcConnection(ServerAddress.Parse($"http://{host}:{port}/ignored"));
        Assert.Equal(new XmlRpcString("x"), client.Call("supervisor.getVersion").Value);
        thread.Join();
        Assert.Contains($"POST /RPC2 HTTP/1.1\r\nHost: {host}:{port}\r\n", request);
    }

    [Fact]
    public void Typed_answers_of_another_shape_are_failures()
    {
        using var client = new SupervisorClient(ServerAddress.Parse(_server.Url));
        _server.On("supervisor.getAllProcessInfo", _ => "text");
        Assert.Equal("it is not a list of processes", client.GetAllProcessInfo().Failure?.Detail);
        _server.On("supervisor.getAllProcessInfo", _ => FakeServer.Array(FakeServer.Struct(("name", "x"))));
        Assert.Equal("it is not a list of processes", client.GetAllProcessInfo().Failure?.Detail);
        _server.On("supervisor.reloadConfig", _ => FakeServer.Array());
        Assert.Equal("it is not a list of changes", client.ReloadConfig().Failure?.Detail);
        _server.On("supervisor.getPID", _ => "x");
        Assert.Equal("it is not a number", client.GetPid().Failure?.Detail);
    }

    [Fact]
    public void Any_bytes_are_an_answer_or_a_failure() => Prop.ForAll(
        ArbMap.Default.ArbFor<byte[]>(),
        ArbMap.Default.ArbFor<int>(),
        (noise, cut) =>
        {
            // A good answer with noise at some place.
            byte[] good = Encoding.ASCII.GetBytes(
                "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n20\r\n<methodResponse><params><param><value>x</value></param></params></methodResponse>\r\n0\r\n\r\n");
            int at = (int)((uint)cut % (uint)good.Length);
            _server.Http10 = true;
            _server.Rewrite = _ => [.. good[..at], .. noise, .. good[at..]];
            using RpcConnection client = Connect();
            Answer<XmlRpcValue> answer = client.Call("supervisor.getVersion");
            return answer.IsValue || answer.Failure is not null || answer.Fault is not null;
        }).QuickCheckThrowOnFailure();

    private RpcConnection Connect(Credentials? credentials = null) => new(ServerAddress.Parse(_server.Url), credentials);
}
