using System.Net;
using System.Net.Sockets;
using System.Text;
using Steward.Core.Config;
using Steward.Core.Model;
using Steward.Linux.Watching;

namespace Steward.Linux.Tests.Watching;

public sealed class HealthProberTests
{
    private static readonly TimeSpan s_long = TimeSpan.FromSeconds(60);

    [Theory]
    [InlineData("HTTP/1.1 200 OK\r\n\r\n", null)]
    [InlineData("HTTP/1.0 399\n", null)]
    [InlineData("HTTP/1.1 503 No\r\n\r\n", "status 503")]
    [InlineData("HTTP/1.1 404 Not Found\r\n", "status 404")]
    [InlineData("SSH-2.0-x 200 \r\n", "the answer is not HTTP")]
    [InlineData("HTTP/1.1 2", "the answer is not HTTP")]
    [InlineData("", "the connection was closed without an answer")]
    public async Task The_status_line_decides(string answer, string? expected)
    {
        using var server = new Server(answer);
        Assert.Equal(expected, await HealthProber.AskAsync(Health(server.Port), s_long, CancellationToken.None));
    }

    [Fact]
    public async Task The_request_names_host_path_and_user()
    {
        using var server = new Server("HTTP/1.1 200 OK\r\n\r\n");
        HealthConfig health = Health(server.Port) with { Url = $"http://u:p%40@127.0.0.1:{server.Port}/a?b=c#d" };
        Assert.Null(await HealthProber.AskAsync(health, s_long, CancellationToken.None));
        Assert.Equal(
            $"GET /a?b=c HTTP/1.1\r\nHost: 127.0.0.1:{server.Port}\r\nUser-Agent: steward\r\nAccept: */*\r\nAuthorization: Basic dTpwQA==\r\n"
            + "Connection: close\r\n\r\n",
            await server.Asked.WaitAsync(s_long));
    }

    [Fact]
    public async Task An_answer_without_an_end_is_not_read_to_the_end()
    {
        using var server = new Server(new string('x', 1 << 20));
        Assert.Equal("the answer is not HTTP", await HealthProber.AskAsync(Health(server.Port), s_long, CancellationToken.None));
    }

    [Fact]
    public async Task One_that_does_not_answer_is_given_up_in_time()
    {
        using var server = new Server(answer: null);
        Assert.Equal(
            "no answer within 0.2 seconds (waiting for the answer)",
            await HealthProber.AskAsync(Health(server.Port), TimeSpan.FromSeconds(0.2), CancellationToken.None));
    }

    [Fact]
    public void A_probe_is_reported_and_a_second_one_is_not_made_meanwhile()
    {
        var events = new WatchingEvents();
        using var prober = new HealthProber(events);
        using var server = new Server("HTTP/1.1 500 \r\n");
        prober.Probe(new ProcessId(1), new Incarnation(1), Health(server.Port));
        Assert.Equal("status 500", events.TakeHealth());
    }

    [Fact]
    public void A_closed_port_is_said_in_words()
    {
        int port;
        using (var server = new Server(""))
        {
            port = server.Port;
        }

        var events = new WatchingEvents();
        using var prober = new HealthProber(events);
        prober.Probe(new ProcessId(1), new Incarnation(1), Health(port));
        Assert.Equal("connecting failed: Connection refused", events.TakeHealth());
    }

    private static HealthConfig Health(int port) => new() { Url = $"http://127.0.0.1:{port}/" };

    /// <summary>Takes one connection, reads the request and answers as told; without an answer it stays silent.</summary>
    private sealed class Server : IDisposable
    {
        private readonly TcpListener _listener = new(IPAddress.Loopback, 0);
        private readonly CancellationTokenSource _end = new();

        public Server(string? answer)
        {
            _listener.Start();
            Asked = RunAsync(answer);
        }

        public int Port => ((IPEndPoint)_listener.LocalEndpoint).Port;

        public Task<string> Asked { get; }

        public void Dispose()
        {
            _end.Cancel();
            _listener.Stop();
            _end.Dispose();
        }

        private async Task<string> RunAsync(string? answer)
        {
            using Socket socket = await _listener.AcceptSocketAsync(_end.Token);
            byte[] buffer = new byte[4096];
            int length = 0;
            while (!Encoding.ASCII.GetString(buffer, 0, length).EndsWith("\r\n\r\n", StringComparison.Ordinal))
            {
                length += await socket.ReceiveAsync(buffer.AsMemory(length), _end.Token);
            }

            if (answer is null)
            {
                await Task.Delay(Timeout.Infinite, _end.Token);
            }

            await socket.SendAsync(Encoding.ASCII.GetBytes(answer!), _end.Token);
            return Encoding.ASCII.GetString(buffer, 0, length);
        }
    }
}
