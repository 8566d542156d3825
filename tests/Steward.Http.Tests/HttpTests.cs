using System.Net.Sockets;
using System.Text;
using Steward.Core.Config;
using Steward.Core.Effects;
using Steward.Core.Inputs;
using Steward.Core.Model;

namespace Steward.Http.Tests;

public class HttpTests
{
    private const string Version = "<value><string>3.0</string></value>";

    private static readonly string Ok = TestServer.CallText("supervisor.getAPIVersion");

    private static string ErrorBody(int status, string reason) =>
        "<head>\r\n<title>Error response</title>\r\n</head>\r\n<body>\r\n<h1>Error response</h1>\r\n"
        + $"<p>Error code {status}.\r\n<p>Message: {reason}.\r\n</body>\r\n";

    [Theory]
    [InlineData("POST /RPC2 HTTP/1.1")]
    [InlineData("POST /RPC2/ HTTP/1.1")]
    [InlineData("POST /RPC2/more HTTP/1.1")]
    [InlineData("POST /RPC2foo HTTP/1.1")]
    [InlineData("POST /RPC2?x=1 HTTP/1.1")]
    [InlineData("POST /%52PC2 HTTP/1.1")]
    [InlineData("POST /RPC2 HTTP/1.0")]
    public async Task Calls_are_answered_under_the_prefix(string line)
    {
        await using TestServer server = await TestServer.StartAsync();
        TestResponse response = server.Send($"{line}\r\nHost: x\r\nContent-Length: {Ok.Length}\r\n\r\n{Ok}");
        Assert.Equal(200, response.Status);
        Assert.Equal("text/xml", response["Content-Type"]);
        Assert.Equal("Steward", response["Server"]);
        Assert.NotNull(response["Date"]);
        Assert.Contains(Version, response.Body);
    }

    [Fact]
    public async Task A_call_has_these_bytes_in_its_answer()
    {
        await using TestServer server = await TestServer.StartAsync();
        Assert.Equal(
            "<?xml version='1.0'?>\n<methodResponse>\n<params>\n<param>\n<value><string>3.0</string></value>\n</param>\n</params>\n"
            + "</methodResponse>\n",
            server.Post(Ok).Body);
    }

    [Theory]
    [InlineData("GET /RPC2", 400)]
    [InlineData("PUT /RPC2", 400)]
    [InlineData("HEAD /RPC2", 400)]
    [InlineData("POST /logtail/x", 400)]
    [InlineData("HEAD /logtail/x", 400)]
    [InlineData("POST /mainlogtail", 400)]
    [InlineData("PUT /", 400)]
    [InlineData("DELETE /index.html", 400)]
    [InlineData("POST /stylesheets/supervisor.css", 400)]
    [InlineData("POST /nothing", 400)]
    [InlineData("GET /nothing/here", 404)]
    [InlineData("GET /../../etc/passwd", 404)]
    [InlineData("GET /images/nothing.gif", 404)]
    [InlineData("GET /logtail", 404)]
    [InlineData("GET /logtail/", 404)]
    [InlineData("GET /logtail/nope", 404)]
    [InlineData("GET /mainlogtail", 404)]
    public async Task Other_routes_and_methods_are_refused(string line, int status)
    {
        await using TestServer server = await TestServer.StartAsync();
        using TestClient client = server.Connect();
        client.Send($"{line} HTTP/1.1\r\nHost: x\r\nContent-Length: 0\r\n\r\n");
        TestResponse response = client.Receive(head: line.StartsWith("HEAD", StringComparison.Ordinal));
        Assert.Equal(status, response.Status);
        Assert.Equal("text/html", response["Content-Type"]);
        if (!line.StartsWith("HEAD", StringComparison.Ordinal))
        {
            Assert.Equal(ErrorBody(status, status == 400 ? "Bad Request" : "Not Found"), response.Body);
        }

        Assert.Equal("nosniff", response["X-Content-Type-Options"]);
    }

    [Theory]
    [InlineData(400, "Bad Request", 136)]
    [InlineData(401, "Unauthorized", 137)]
    [InlineData(404, "Not Found", 134)]
    [InlineData(411, "Length Required", 140)]
    [InlineData(500, "Internal Server Error", 146)]
    [InlineData(301, "Moved Permanently", 142)]
    public void Error_bodies_are_as_long_as_recorded(int status, string reason, int length)
    {
        Assert.Equal(reason, Exchange.Reason(status));
        Assert.Equal(length, ErrorBody(status, reason).Length);
    }

    [Theory]
    [InlineData("this is not xml", "unmarshallable")]
    [InlineData("<methodCall><methodName>x</methodName>", "unmarshallable")]
    [InlineData("<!DOCTYPE a><a><methodName>x</methodName></a>", "unmarshallable")]
    [InlineData("<methodCall></methodCall>", "no method name")]
    [InlineData("<methodCall><methodName></methodName></methodCall>", "no method name")]
    public async Task Bodies_that_are_no_calls_are_400_and_logged(string body, string why)
    {
        await using TestServer server = await TestServer.StartAsync();
        TestResponse response = server.Post(body);
        Assert.Equal(400, response.Status);
        Assert.Equal(ErrorBody(400, "Bad Request"), response.Body);
        Assert.Equal([(LogLevel.Error, $"XML-RPC request data '{body}' is invalid: {why}")], server.Control.Lines);
    }

    [Fact]
    public async Task A_body_without_length_is_411_and_ends_the_connection()
    {
        await using TestServer server = await TestServer.StartAsync();
        foreach (string target in new[] { "/RPC2", "/index.html" })
        {
            using TestClient client = server.Connect();
            client.Send($"POST {target} HTTP/1.1\r\nHost: x\r\n\r\n");
            TestResponse response = client.Receive();
            Assert.Equal(411, response.Status);
            Assert.Equal(ErrorBody(411, "Length Required"), response.Body);
            Assert.Equal("close", response["Connection"]);
            Assert.True(client.IsClosed());
        }
    }

    [Fact]
    public async Task An_empty_body_is_400_at_once()
    {
        await using TestServer server = await TestServer.StartAsync();
        Assert.Equal(400, server.Post("").Status);
    }

    [Fact]
    public async Task A_body_over_the_limit_is_413()
    {
        await using TestServer server = await TestServer.StartAsync();
        TestResponse response = server.Send("POST /RPC2 HTTP/1.1\r\nHost: x\r\nContent-Length: 8388609\r\n\r\n");
        Assert.Equal(413, response.Status);

        using TestClient client = server.Connect();
        client.Send("POST /RPC2 HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n900000\r\n");
        for (int i = 0; i < 0x90; i++)
        {
            try
            {
                client.Send(new byte[0x10000]);
            }
            catch (SocketException)
            {
                // Refused before all of it was sent.
                break;
            }
        }

        Assert.Equal(413, client.Receive().Status);
    }

    [Fact]
    public async Task The_largest_body_is_taken()
    {
        await using TestServer server = await TestServer.StartAsync();
        Assert.Contains(Version, server.Post(Ok.PadRight(8 << 20)).Body);
    }

    [Fact]
    public async Task Chunked_bodies_are_taken()
    {
        await using TestServer server = await TestServer.StartAsync();
        using TestClient client = server.Connect();
        client.Send("POST /RPC2 HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n");
        foreach (char c in Ok)
        {
            client.Send("1\r\n" + c + "\r\n");
        }

        client.Send("0\r\n\r\n");
        Assert.Contains(Version, client.Receive().Body);
        client.Send("POST /RPC2 HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n");
        Assert.Equal(400, client.Receive().Status);
    }

    [Fact]
    public async Task A_request_may_come_in_pieces()
    {
        await using TestServer server = await TestServer.StartAsync();
        using TestClient client = server.Connect();
        foreach (byte b in Encoding.UTF8.GetBytes(TestServer.PostText(Ok)))
        {
            client.Send([b]);
        }

        Assert.Contains(Version, client.Receive().Body);
    }

    [Fact]
    public async Task Expect_100_continue_is_answered()
    {
        await using TestServer server = await TestServer.StartAsync();
        using TestClient client = server.Connect();
        client.Send($"POST /RPC2 HTTP/1.1\r\nHost: x\r\nExpect: 100-continue\r\nContent-Length: {Ok.Length}\r\n\r\n");
        Assert.Equal(100, client.ReceiveHead().Status);
        client.Send(Ok);
        Assert.Contains(Version, client.Receive().Body);
    }

    [Fact]
    public async Task Connections_are_kept_and_requests_pipelined()
    {
        await using TestServer server = await TestServer.StartAsync();
        using TestClient client = server.Connect();
        for (int i = 0; i < 3; i++)
        {
            client.Send(TestServer.PostText(Ok));
            Assert.Equal(200, client.Receive().Status);
        }

        client.Send(TestServer.PostText(Ok) + TestServer.PostText(TestServer.CallText("supervisor.getPID")));
        Assert.Contains(Version, client.Receive().Body);
        Assert.Contains("<int>4711</int>", client.Receive().Body);
        client.Send("GET /nothing HTTP/1.1\r\nHost: x\r\n\r\n");
        Assert.Equal(404, client.Receive().Status);
        client.Send(TestServer.PostText(Ok, "Connection: close\r\n"));
        TestResponse last = client.Receive();
        Assert.Equal("close", last["Connection"]);
        Assert.True(client.IsClosed());
    }

    [Fact]
    public async Task A_request_behind_a_waiting_one_is_answered_after_it()
    {
        var waiting = new TaskCompletionSource<Outcome>(TaskCreationOptions.RunContinuationsAsynchronously);
        await using TestServer server = await TestServer.StartAsync(new FakeControl { Answer = _ => waiting.Task });
        using TestClient client = server.Connect();
        client.Send(TestServer.PostText(TestServer.CallText("supervisor.startAllProcesses")) + TestServer.PostText(Ok));
        Assert.Contains(Version, server.Post(Ok).Body);
        waiting.SetResult(new Statuses([new ProcessStatus("ö…", "g", FaultCode.Success, "OK")]));
        TestResponse response = client.Receive();
        Assert.Contains("<value><string>ö…</string></value>", response.Body);
        Assert.Equal(Encoding.UTF8.GetByteCount(response.Body), int.Parse(response["Content-Length"]!));
        Assert.Contains(Version, client.Receive().Body);
    }

    [Fact]
    public async Task HTTP_1_0_closes_unless_asked_to_keep()
    {
        await using TestServer server = await TestServer.StartAsync();
        using TestClient client = server.Connect();
        client.Send("GET /ok.html HTTP/1.0\r\nConnection: keep-alive\r\n\r\n");
        TestResponse kept = client.Receive();
        Assert.Equal("keep-alive", kept["Connection"]);
        client.Send("GET /ok.html HTTP/1.0\r\n\r\n");
        Assert.Equal("OK", client.Receive().Body);
        Assert.True(client.IsClosed());
    }

    [Theory]
    [InlineData("rubbish\r\n\r\n")]
    [InlineData("GET /x\r\n\r\n")]
    [InlineData("\0\0\0\0\r\n\r\n")]
    public async Task A_request_line_that_is_none_ends_the_connection(string text)
    {
        await using TestServer server = await TestServer.StartAsync();
        using TestClient client = server.Connect();
        client.Send(text);
        Assert.Equal(400, client.Receive().Status);
        Assert.True(client.IsClosed());
    }

    [Theory]
    [InlineData("Origin: http://localhost\r\n", 200)]
    [InlineData("Origin: https://LOCALHOST\r\n", 200)]
    [InlineData("Origin: http://evil.test\r\n", 403)]
    [InlineData("Origin: http://localhost:8080\r\n", 403)]
    [InlineData("Origin: null\r\n", 403)]
    [InlineData("Sec-Fetch-Site: same-origin\r\n", 200)]
    public async Task Calls_from_other_sites_pages_are_refused(string header, int status)
    {
        await using TestServer server = await TestServer.StartAsync();
        Assert.Equal(status, server.Post(Ok, header).Status);
    }

    [Fact]
    public async Task An_unexpected_exception_is_500_and_logged_without_the_parameters()
    {
        var control = new FakeControl { Answer = _ => throw new InvalidOperationException("at once") };
        await using TestServer server = await TestServer.StartAsync(control);
        const string secret = "<params><param><value>p</value></param><param><value>s3cret</value></param></params>";
        TestResponse response = server.Post(TestServer.CallText("supervisor.sendProcessStdin", secret));
        Assert.Equal(500, response.Status);
        Assert.Equal(ErrorBody(500, "Internal Server Error"), response.Body);
        control.Answer = _ => Task.FromException<Outcome>(new InvalidOperationException("later"));
        Assert.Equal(500, server.Post(TestServer.CallText("supervisor.sendProcessStdin", secret)).Status);
        Assert.Equal(2, control.Lines.Count);
        Assert.All(control.Lines, line =>
        {
            Assert.Equal(LogLevel.Critical, line.Level);
            Assert.StartsWith(
                "Handling XML-RPC request with data 'supervisor.sendProcessStdin' raised an unexpected exception: ", line.Text);
            Assert.DoesNotContain("s3cret", line.Text);
        });
    }

    [Fact]
    public async Task Calls_and_requests_are_traced()
    {
        var control = new FakeControl { Level = LogLevel.Trace };
        await using TestServer server = await TestServer.StartAsync(control);
        using (TestClient client = server.Connect())
        {
            client.Send(TestServer.PostText(Ok));
            client.Receive();
            client.Send(TestServer.PostText(TestServer.CallText("supervisor.nothing")));
            client.Receive();
            client.Send("GET /error HTTP/1.1\r\nHost: x\r\n\r\n");
            client.Receive();
            client.Send("GET /ok.html HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n");
            client.Receive();
            Assert.True(client.IsClosed());
        }

        Assert.All(control.Lines, line => Assert.Equal(LogLevel.Trace, line.Level));
        string[] lines = [.. control.Lines.Select(line => line.Text)];
        Assert.Equal(8, lines.Length);
        Assert.Equal("XML-RPC method called: supervisor.getAPIVersion()", lines[0]);
        Assert.Equal("XML-RPC method supervisor.getAPIVersion() returned successfully", lines[1]);
        Assert.Matches(@"^localhost:0 - - \[\d\d/[A-Z][a-z]{2}/\d{4}:\d\d:\d\d:\d\d \+0000\] ""POST /RPC2 HTTP/1.1"" 200 \d+$", lines[2]);
        Assert.Equal("XML-RPC method supervisor.nothing() returned fault: [1] UNKNOWN_METHOD", lines[4]);
        Assert.EndsWith("\"GET /error HTTP/1.1\" 404 134", lines[6]);
        Assert.EndsWith("\"GET /ok.html HTTP/1.1\" 200 2", lines[7]);
    }

    [Fact]
    public async Task A_client_that_leaves_does_not_take_its_command_back()
    {
        var waiting = new TaskCompletionSource<Outcome>(TaskCreationOptions.RunContinuationsAsynchronously);
        var asked = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
        await using TestServer server = await TestServer.StartAsync(new FakeControl
        {
            Answer = _ =>
            {
                asked.TrySetResult();
                return waiting.Task;
            },
        });
        using (TestClient client = server.Connect())
        {
            client.Send(TestServer.PostText(TestServer.CallText("supervisor.stopAllProcesses")));
            await asked.Task.WaitAsync(TimeSpan.FromMilliseconds(TestClient.LimitMs));
        }

        waiting.SetResult(new Statuses([]));
        Assert.Contains(Version, server.Post(Ok).Body);
        Assert.Equal([new StopAll(true)], server.Control.Commands);
    }

    [Fact]
    public async Task Stopping_answers_what_can_be_answered_and_gives_up_the_rest()
    {
        var soon = new TaskCompletionSource<Outcome>(TaskCreationOptions.RunContinuationsAsynchronously);
        var never = new TaskCompletionSource<Outcome>(TaskCreationOptions.RunContinuationsAsynchronously);
        int asked = 0;
        using var both = new SemaphoreSlim(0);
        await using TestServer server = await TestServer.StartAsync(new FakeControl
        {
            Answer = _ =>
            {
                Task<Outcome> answer = Interlocked.Increment(ref asked) == 1 ? soon.Task : never.Task;
                both.Release();
                return answer;
            },
        });
        using TestClient first = server.Connect();
        using TestClient second = server.Connect();
        using TestClient idle = server.Connect();
        first.Send(TestServer.PostText(TestServer.CallText("supervisor.stopAllProcesses")));
        Assert.True(await both.WaitAsync(TestClient.LimitMs));
        second.Send(TestServer.PostText(TestServer.CallText("supervisor.stopAllProcesses")));
        Assert.True(await both.WaitAsync(TestClient.LimitMs));
        Task stopped = server.CloseAsync();
        soon.SetResult(new Statuses([]));
        Assert.Equal(200, first.Receive().Status);
        await stopped.WaitAsync(TimeSpan.FromMilliseconds(TestClient.LimitMs));
        Assert.True(second.IsClosed());
        Assert.True(idle.IsClosed());
    }

    [Fact]
    public async Task Servers_can_be_started_again_on_new_descriptors()
    {
        await using TestServer server = await TestServer.StartAsync();
        for (int i = 0; i < 5; i++)
        {
            using TestClient tcp = server.ConnectTcp();
            tcp.Send(TestServer.PostText(Ok));
            Assert.Contains(Version, tcp.Receive().Body);
            Assert.Contains(Version, server.Post(Ok).Body);
            await server.CloseAsync();
            Assert.True(tcp.IsClosed());
            await server.OpenAsync();
        }
    }

    [Fact]
    public async Task A_descriptor_stays_its_owners()
    {
        string path = Path.Combine(Directory.CreateTempSubdirectory("steward-http-").FullName, "s.sock");
        using var socket = new Socket(AddressFamily.Unix, SocketType.Stream, ProtocolType.Unspecified);
        socket.Bind(new UnixDomainSocketEndPoint(path));
        socket.Listen();
        var config = new ServerConfig { Kind = ServerKind.Unix, Section = "unix_http_server", File = path };
        var control = new FakeControl();
        HttpServers servers = await HttpServers.StartAsync([new(config, socket.Handle)], control, "1");
        using (TestClient client = TestClient.Connect(new UnixDomainSocketEndPoint(path)))
        {
            client.Send(TestServer.PostText(Ok));
            Assert.Contains(Version, client.Receive().Body);
        }

        await servers.StopAsync();
        await servers.StopAsync();
        Assert.StartsWith("socket:", new FileInfo("/proc/self/fd/" + socket.Handle).LinkTarget);

        // The same descriptor once more is refused by the kernel, and that is not kept quiet.
        servers = await HttpServers.StartAsync([new(config, socket.Handle)], control, "1");
        Assert.True(await control.LineAdded.WaitAsync(TestClient.LimitMs));
        Assert.StartsWith("HTTP server: ", control.Lines.First().Text);
        await servers.StopAsync();
        Directory.Delete(Path.GetDirectoryName(path)!, recursive: true);
    }

    [Fact]
    public async Task A_descriptor_that_is_none_fails_the_start()
    {
        var config = new ServerConfig { Kind = ServerKind.Unix, Section = "unix_http_server" };
        await Assert.ThrowsAnyAsync<Exception>(() => HttpServers.StartAsync([new(config, 1_000_000)], new FakeControl(), "1"));
        await using HttpServers none = await HttpServers.StartAsync([], new FakeControl(), "1");
    }

    [Fact]
    public async Task A_clients_line_ends_do_not_reach_the_log()
    {
        var control = new FakeControl { Level = LogLevel.Trace };
        await using TestServer server = await TestServer.StartAsync(control);
        server.Post(TestServer.CallText("a.b&#10;2026-11-24 CRIT forged" + new string('x', 1000)));
        Assert.All(control.Lines, line => Assert.DoesNotContain('\n', line.Text));
        Assert.All(control.Lines, line => Assert.True(line.Text.Length < 300));
    }

    [Fact]
    public async Task Connections_over_the_limit_are_closed()
    {
        await using TestServer server = await TestServer.StartAsync();
        var open = new List<TestClient>();
        try
        {
            for (int i = 0; i < HttpServers.MaxConnections; i++)
            {
                TestClient client = server.Connect();
                client.Send("GET /ok.html HTTP/1.1\r\nHost: x\r\n\r\n");
                Assert.Equal("OK", client.Receive().Body);
                open.Add(client);
            }

            using (TestClient refused = server.Connect())
            {
                Assert.True(refused.IsClosed());
            }

            open[0].Send("GET /ok.html HTTP/1.1\r\nHost: x\r\n\r\n");
            Assert.Equal("OK", open[0].Receive().Body);
        }
        finally
        {
            open.ForEach(client => client.Dispose());
        }
    }

    [Fact]
    public async Task Hostile_requests_leave_the_server_well()
    {
        await using TestServer server = await TestServer.StartAsync(new FakeControl { Level = LogLevel.Critical });
        string[] seeds =
        [
            TestServer.PostText(Ok),
            TestServer.PostText(TestServer.CallText("supervisor.readLog", "<params><param><int>0</int></param></params>")),
            "GET /index.html?processname=a&action=start HTTP/1.1\r\nHost: x\r\nAuthorization: Basic eDp5\r\n\r\n",
            "GET /logtail/a:b/stdout HTTP/1.1\r\nHost: x\r\n\r\n",
            "POST /index.html HTTP/1.1\r\nHost: x\r\nContent-Length: 13\r\n\r\naction=%41%zz",
            "POST /RPC2 HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n5\r\n<a/>x\r\n0\r\n\r\n",
        ];
        for (int seed = 0; seed < 10_000; seed++)
        {
            var random = new Random(seed);
            List<byte> request = [.. Encoding.UTF8.GetBytes(seeds[random.Next(seeds.Length)])];
            for (int change = random.Next(0, 6); change > 0 && request.Count > 0; change--)
            {
                int at = random.Next(request.Count);
                switch (random.Next(4))
                {
                    case 0:
                        request[at] = (byte)random.Next(256);
                        break;
                    case 1:
                        request.RemoveRange(at, Math.Min(request.Count - at, random.Next(1, 20)));
                        break;
                    case 2:
                        request.InsertRange(at, request.GetRange(0, at));
                        break;
                    default:
                        request.InsertRange(at, "\r\n:%<&\0"u8[..random.Next(1, 7)]);
                        break;
                }
            }

            using TestClient client = server.Connect();
            try
            {
                client.Send([.. request]);
                client.EndSending();
                while (client.ReceiveSome() is not null)
                {
                }
            }
            catch (SocketException e)
                when (e.SocketErrorCode is SocketError.ConnectionReset or SocketError.Shutdown)
            {
                // Refused before it was all sent: an answer too.
            }
        }

        Assert.Empty(server.Control.Lines);
        Assert.Contains(Version, server.Post(Ok).Body);
    }
}
