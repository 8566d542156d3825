using System.Collections.Concurrent;
using System.Globalization;
using System.Net;
using System.Net.Sockets;
using System.Text;

namespace Steward.Hooks.Tests;

/// <summary>A request as it came in.</summary>
internal sealed record Request(string Line, Dictionary<string, string> Headers, byte[] Bytes)
{
    public string Body => Encoding.UTF8.GetString(Bytes);
}

/// <summary>A web server of a few lines, which does what it is told: answers, hangs, hangs up.</summary>
internal sealed class WebServer : IDisposable
{
    /// <summary>No answer, and the connection stays open.</summary>
    public const int Hang = -1;

    /// <summary>The connection is closed without an answer.</summary>
    public const int HangUp = -2;

    /// <summary>The connection is closed in the middle of the answer's head.</summary>
    public const int HalfAnAnswer = -3;

    private readonly TcpListener _listener;
    private readonly ConcurrentBag<TcpClient> _open = [];
    private readonly Func<Request, int, int> _answer;
    private int _count;

    /// <summary>Listens.</summary>
    /// <param name="answer">The status for a request and its number from 0.</param>
    /// <param name="port">The port; 0 for any.</param>
    public WebServer(Func<Request, int, int> answer, int port = 0)
    {
        _answer = answer;
        _listener = new TcpListener(IPAddress.Loopback, port);
        _listener.Server.SetSocketOption(SocketOptionLevel.Socket, SocketOptionName.ReuseAddress, true);
        _listener.Start();
        _ = AcceptAsync();
    }

    public ConcurrentQueue<Request> Requests { get; } = [];

    /// <summary>More lines of the head of each answer.</summary>
    public string MoreHead { get; init; } = "";

    public int Port => ((IPEndPoint)_listener.LocalEndpoint).Port;

    public string Url => string.Create(CultureInfo.InvariantCulture, $"http://127.0.0.1:{Port}/in/secret-path");

    public static int FreePort()
    {
        using var server = new WebServer(static (_, _) => 200);
        return server.Port;
    }

    public void Dispose()
    {
        _listener.Stop();
        foreach (TcpClient client in _open)
        {
            client.Dispose();
        }
    }

    private async Task AcceptAsync()
    {
        try
        {
            while (true)
            {
                TcpClient client = await _listener.AcceptTcpClientAsync();
                _open.Add(client);
                _ = ServeAsync(client);
            }
        }
        catch (Exception e) when (e is SocketException or ObjectDisposedException)
        {
            // The end of the test.
        }
    }

    private async Task ServeAsync(TcpClient client)
    {
        try
        {
            NetworkStream stream = client.GetStream();
            string head = "";
            byte[] one = new byte[1];
            while (!head.EndsWith("\r\n\r\n", StringComparison.Ordinal))
            {
                if (await stream.ReadAsync(one) == 0)
                {
                    return;
                }

                head += (char)one[0];
            }

            string[] lines = head.Split("\r\n", StringSplitOptions.RemoveEmptyEntries);
            var headers = lines.Skip(1).ToDictionary(
                line => line.Split(": ")[0].ToLowerInvariant(), line => line[(line.IndexOf(": ", StringComparison.Ordinal) + 2)..]);
            byte[] body = new byte[int.Parse(headers["content-length"], CultureInfo.InvariantCulture)];
            await stream.ReadExactlyAsync(body);
            var request = new Request(lines[0], headers, body);
            int status = _answer(request, Interlocked.Increment(ref _count) - 1);
            Requests.Enqueue(request);
            if (status == Hang)
            {
                return;
            }

            if (status != HangUp)
            {
                string answer = string.Create(CultureInfo.InvariantCulture, $"HTTP/1.1 {status} X\r\n{MoreHead}Content-Length: 0\r\n\r\n");
                await stream.WriteAsync(Encoding.ASCII.GetBytes(status == HalfAnAnswer ? "HTTP/1.1 20" : answer));
            }

            client.Dispose();
        }
        catch (Exception e) when (e is IOException or ObjectDisposedException or SocketException)
        {
            // The other side did not wait; what it did is what tests look at.
        }
    }
}
