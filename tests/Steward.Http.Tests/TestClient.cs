using System.Globalization;
using System.Net;
using System.Net.Sockets;
using System.Text;

namespace Steward.Http.Tests;

internal sealed record TestResponse(string Version, int Status, Dictionary<string, string> Headers, string Body, string Head)
{
    public string? this[string header] => Headers.GetValueOrDefault(header);
}

/// <summary>A raw connection. Whatever is waited for has to come within a generous limit.</summary>
internal sealed class TestClient : IDisposable
{
    public const int LimitMs = 30_000;

    private readonly Socket _socket;
    private readonly byte[] _buffer = new byte[64 << 10];
    private readonly MemoryStream _pending = new();

    private TestClient(Socket socket) => _socket = socket;

    public static TestClient Connect(EndPoint endpoint)
    {
        var socket = new Socket(
            endpoint.AddressFamily, SocketType.Stream, endpoint is IPEndPoint ? ProtocolType.Tcp : ProtocolType.Unspecified)
        {
            ReceiveTimeout = LimitMs,
            SendTimeout = LimitMs,
        };
        socket.Connect(endpoint);
        return new TestClient(socket);
    }

    public void Send(string text) => Send(Encoding.UTF8.GetBytes(text));

    public void Send(byte[] bytes) => _socket.Send(bytes);

    public void EndSending() => _socket.Shutdown(SocketShutdown.Send);

    /// <summary>Reads one response whose end is known by its length, its chunks or the end of the connection.</summary>
    public TestResponse Receive(bool head = false)
    {
        TestResponse response = ReceiveHead();
        if (head)
        {
            return response;
        }

        if (response["Content-Length"] is { } length)
        {
            return response with { Body = Encoding.UTF8.GetString(Take(int.Parse(length, CultureInfo.InvariantCulture))) };
        }

        var body = new StringBuilder();
        while (true)
        {
            string? piece = response["Transfer-Encoding"] == "chunked" ? ReceiveChunk() : ReceiveSome();
            if (string.IsNullOrEmpty(piece))
            {
                return response with { Body = body.ToString() };
            }

            body.Append(piece);
        }
    }

    public TestResponse ReceiveHead()
    {
        string head = TakeUntil("\r\n\r\n");
        string[] lines = head.Split("\r\n");
        string[] status = lines[0].Split(' ', 3);
        var headers = new Dictionary<string, string>(StringComparer.OrdinalIgnoreCase);
        foreach (string line in lines.Skip(1))
        {
            int colon = line.IndexOf(':');
            headers[line[..colon]] = line[(colon + 1)..].Trim();
        }

        return new TestResponse(status[0], int.Parse(status[1], CultureInfo.InvariantCulture), headers, "", head);
    }

    /// <summary>One chunk; empty for the last.</summary>
    public string ReceiveChunk()
    {
        int length = int.Parse(TakeUntil("\r\n"), NumberStyles.HexNumber, CultureInfo.InvariantCulture);
        string chunk = Encoding.UTF8.GetString(Take(length));
        Assert.Equal("\r\n", Encoding.UTF8.GetString(Take(2)));
        return chunk;
    }

    /// <summary>Chunks until their text ends with something.</summary>
    public string ReceiveChunksUntil(string end)
    {
        var text = new StringBuilder();
        while (!text.ToString().EndsWith(end, StringComparison.Ordinal))
        {
            string chunk = ReceiveChunk();
            Assert.True(chunk.Length > 0, "the stream ended after: " + text);
            text.Append(chunk);
        }

        return text.ToString();
    }

    /// <summary>What there is; null at the end of the connection.</summary>
    public string? ReceiveSome()
    {
        if (_pending.Length == 0 && !Fill())
        {
            return null;
        }

        return Encoding.UTF8.GetString(Take((int)_pending.Length));
    }

    /// <summary>Says whether the server ended the connection; waits for it.</summary>
    public bool IsClosed()
    {
        try
        {
            return _pending.Length == 0 && !Fill();
        }
        catch (SocketException e) when (e.SocketErrorCode == SocketError.ConnectionReset)
        {
            return true;
        }
    }

    public void Dispose()
    {
        _socket.Dispose();
        _pending.Dispose();
    }

    private bool Fill()
    {
        int n = _socket.Receive(_buffer);
        _pending.Position = _pending.Length;
        _pending.Write(_buffer, 0, n);
        return n > 0;
    }

    private byte[] Take(int length)
    {
        while (_pending.Length < length)
        {
            Assert.True(Fill(), $"the connection ended after {_pending.Length} of {length} bytes");
        }

        byte[] all = _pending.ToArray();
        _pending.SetLength(0);
        _pending.Write(all.AsSpan(length));
        return all[..length];
    }

    private string TakeUntil(string end)
    {
        byte[] mark = Encoding.ASCII.GetBytes(end);
        int at;
        while ((at = _pending.GetBuffer().AsSpan(0, (int)_pending.Length).IndexOf(mark)) < 0)
        {
            Assert.True(Fill(), "the connection ended after: " + Encoding.UTF8.GetString(_pending.ToArray()));
        }

        string text = Encoding.UTF8.GetString(Take(at));
        Take(mark.Length);
        return text;
    }
}
