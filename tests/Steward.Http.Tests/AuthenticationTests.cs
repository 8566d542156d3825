using System.Text;
using Steward.Core.Config;

namespace Steward.Http.Tests;

public class AuthenticationTests
{
    private static string Basic(string credentials) => "Basic " + Convert.ToBase64String(Encoding.UTF8.GetBytes(credentials));

    private static bool Accepts(string? user, string? password, string? header) =>
        new Endpoint(new ServerConfig { Kind = ServerKind.Unix, Section = "s", Username = user, Password = password }).Accepts(header);

    [Theory]
    [InlineData("me", "secret", "me:secret", true)]
    [InlineData("me", "secret", "me:secre", false)]
    [InlineData("me", "secret", "me:secret2", false)]
    [InlineData("me", "secret", "ME:secret", false)]
    [InlineData("me", "secret", "you:secret", false)]
    [InlineData("me", "secret", "me", false)]
    [InlineData("me", "secret", "", false)]
    [InlineData("me", "secret", ":", false)]
    [InlineData("me", "p:w:", "me:p:w:", true)]
    [InlineData("me", "", "me:", true)]
    [InlineData("mé", "ö…", "mé:ö…", true)]
    [InlineData("me", "{SHA}e5e9fa1ba31ecd1ae84f75caaa474f3a663f05f4", "me:secret", true)]
    [InlineData("me", "{SHA}e5e9fa1ba31ecd1ae84f75caaa474f3a663f05f4", "me:other", false)]
    [InlineData("me", "{SHA}e5e9fa1ba31ecd1ae84f75caaa474f3a663f05f4", "me:{SHA}e5e9fa1ba31ecd1ae84f75caaa474f3a663f05f4", false)]
    [InlineData("me", "{SHA}", "me:secret", false)]
    [InlineData(null, null, "me:secret", true)]
    [InlineData("", "x", "me:secret", true)]
    public void Credentials_are_judged(string? user, string? password, string given, bool accepted) =>
        Assert.Equal(accepted, Accepts(user, password, Basic(given)));

    [Theory]
    [InlineData("basic bWU6c2VjcmV0", true)]
    [InlineData("BASIC   bWU6c2VjcmV0 ", true)]
    [InlineData("Basic", false)]
    [InlineData("Basic ", false)]
    [InlineData("Basic %%%", false)]
    [InlineData("Basic !!!!", false)]
    [InlineData("BasicbWU6c2VjcmV0", false)]
    [InlineData("Digest bWU6c2VjcmV0", false)]
    [InlineData("bWU6c2VjcmV0", false)]
    [InlineData("", false)]
    [InlineData(null, false)]
    public void Headers_are_judged(string? header, bool accepted) => Assert.Equal(accepted, Accepts("me", "secret", header));

    [Fact]
    public void An_endless_header_is_refused() => Assert.False(Accepts("me", "secret", "Basic " + new string('A', 1 << 20)));

    [Theory]
    [InlineData("/")]
    [InlineData("/RPC2")]
    [InlineData("/logtail/cat")]
    [InlineData("/mainlogtail")]
    [InlineData("/ok.html")]
    [InlineData("/stylesheets/supervisor.css")]
    [InlineData("/nothing")]
    public async Task Every_route_is_protected(string path)
    {
        await using TestServer server = await TestServer.StartAsync(unix: ("me", "secret"));
        TestResponse response = server.Get(path);
        Assert.Equal(401, response.Status);
        Assert.Equal("Basic realm=\"default\"", response["WWW-Authenticate"]);
        Assert.Equal("close", response["Connection"]);
        Assert.Equal("text/html", response["Content-Type"]);
        Assert.Equal(137, response.Body.Length);
    }

    [Fact]
    public async Task Each_server_has_its_own_credentials()
    {
        await using TestServer server = await TestServer.StartAsync(unix: ("local", "secret"), inet: ("tcp", "p:w"));
        int Status(bool tcp, string? credentials)
        {
            using TestClient client = tcp ? server.ConnectTcp() : server.Connect();
            string header = credentials is null ? "" : $"Authorization: {Basic(credentials)}\r\n";
            client.Send($"GET /ok.html HTTP/1.1\r\nHost: x\r\n{header}\r\n");
            return client.Receive().Status;
        }

        Assert.Equal(200, Status(false, "local:secret"));
        Assert.Equal(200, Status(true, "tcp:p:w"));
        Assert.Equal(401, Status(false, "tcp:p:w"));
        Assert.Equal(401, Status(true, "local:secret"));
        Assert.Equal(401, Status(true, "tcp:p"));
        Assert.Equal(401, Status(false, null));
    }

    [Fact]
    public async Task Every_request_of_a_connection_needs_its_credentials()
    {
        await using TestServer server = await TestServer.StartAsync(unix: ("me", "secret"));
        using TestClient client = server.Connect();
        client.Send($"GET /ok.html HTTP/1.1\r\nHost: x\r\nAuthorization: {Basic("me:secret")}\r\n\r\n");
        Assert.Equal(200, client.Receive().Status);
        client.Send($"GET /ok.html HTTP/1.1\r\nHost: x\r\nAuthorization: {Basic("me:secret")}\r\n\r\n");
        Assert.Equal(200, client.Receive().Status);
        client.Send("GET /ok.html HTTP/1.1\r\nHost: x\r\n\r\n");
        Assert.Equal(401, client.Receive().Status);
        Assert.True(client.IsClosed());
    }

    [Fact]
    public async Task A_command_carries_who_sent_it()
    {
        await using TestServer server = await TestServer.StartAsync(inet: ("admin", "secret"));
        const string body = "<methodCall><methodName>supervisor.stopAllProcesses</methodName></methodCall>";
        string Sender(bool tcp)
        {
            using TestClient client = tcp ? server.ConnectTcp() : server.Connect();
            string login = tcp ? $"Authorization: {Basic("admin:secret")}\r\n" : "";
            client.Send($"POST /RPC2 HTTP/1.1\r\nHost: x\r\n{login}Content-Length: {body.Length}\r\n\r\n{body}");
            Assert.Equal(200, client.Receive().Status);
            Assert.True(server.Control.Requesters.TryDequeue(out string? requester));
            return requester;
        }

        Assert.Equal($"uid {EffectiveUid()} (pid {Environment.ProcessId})", Sender(tcp: false));
        Assert.Equal("127.0.0.1 as admin", Sender(tcp: true));
    }

    private static string EffectiveUid() =>
        File.ReadLines("/proc/self/status").First(line => line.StartsWith("Uid:", StringComparison.Ordinal)).Split('\t')[2];
}
