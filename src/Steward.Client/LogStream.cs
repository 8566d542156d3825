using System.Net.Sockets;

namespace Steward.Client;

/// <summary>
/// A log that is followed: <c>GET /logtail/NAME/CHANNEL</c> or <c>/mainlogtail</c>. It begins with the last 1024 bytes, goes on as the log
/// grows and ends with the server, with the process, or with <see cref="Stop"/>.
/// </summary>
/// <remarks>One thread reads; any thread may stop. At most one buffer is held: a slow reader slows the server's sending, no more.</remarks>
public sealed class LogStream : IDisposable
{
    private const string Headers =
        "Accept-Encoding: chunked\r\nAccept: */*\r\nUser-Agent: Supervisor HTTP Client (Steward)\r\n";

    private readonly HttpConnection _connection;
    private readonly HttpConnection.BodyReader _body;

    private LogStream(HttpConnection connection)
    {
        _connection = connection;
        _body = new HttpConnection.BodyReader(connection);
    }

    /// <summary>The path of the stream of a process's log.</summary>
    /// <param name="name">The process as <c>name</c> or <c>group:name</c>.</param>
    /// <param name="channel"><c>stdout</c> or <c>stderr</c>.</param>
    public static string ProcessPath(string name, string channel) =>
        "/logtail/" + Uri.EscapeDataString(name).Replace("%3A", ":", StringComparison.Ordinal) + "/" + channel;

    /// <summary>The path of the stream of the daemon's own log.</summary>
    public static string MainPath => "/mainlogtail";

    /// <summary>Opens a stream; a status other than 200 is a failure.</summary>
    public static Answer<LogStream> Open(ServerAddress address, Credentials? credentials, string path, ClientLimits? limits = null)
    {
        limits ??= new ClientLimits();
        Answer<HttpConnection> opened = HttpConnection.Open(address, limits);
        if (!opened.IsValue)
        {
            return new Answer<LogStream>(opened.Failure!);
        }

        HttpConnection connection = opened.Value;
        TransportFailure? unsent = connection.Send("GET", path, Headers, credentials, null);
        if (connection.ReadHead(limits.Answer) is { } failure)
        {
            connection.Dispose();
            return new Answer<LogStream>(unsent ?? failure);
        }

        if (connection.Head.Status != 200)
        {
            ResponseHead head = connection.Head;
            connection.Dispose();
            return new Answer<LogStream>(new TransportFailure(
                head.Status == 401 ? TransportFailureKind.Unauthorized : TransportFailureKind.HttpStatus, head.Status, head.Reason));
        }

        return new Answer<LogStream>(new LogStream(connection));
    }

    /// <summary>Waits for the next bytes. Nothing comes as long as the log does not grow, so there is no limit but <see cref="Stop"/>.</summary>
    /// <param name="part">The bytes, valid until the next call; empty when the stream has ended or was stopped.</param>
    /// <returns>Why the stream broke; null when it did not.</returns>
    public TransportFailure? Read(out ReadOnlyMemory<byte> part)
    {
        part = default;
        try
        {
            _connection.WaitWithoutLimit();
            TransportFailure? failure = _body.Read(int.MaxValue, out part);
            return _connection.IsAborted ? null : failure;
        }
        catch (SocketException e) when (!_connection.IsAborted)
        {
            return new TransportFailure(TransportFailureKind.Closed, Detail: e.Message);
        }
        catch (Exception e) when (e is SocketException or ObjectDisposedException)
        {
            // Stopped.
            return null;
        }
    }

    /// <summary>Ends the stream from any thread; a waiting <see cref="Read"/> returns.</summary>
    public void Stop() => _connection.Abort();

    /// <inheritdoc/>
    public void Dispose() => _connection.Dispose();
}
