using System.Buffers;
using System.Buffers.Text;
using System.Globalization;
using System.Net;
using System.Net.Sockets;
using System.Text;

namespace Steward.Client;

/// <summary>
/// One HTTP/1.x connection of a client, on a blocking socket. Sockets and nothing above them: the start of the whole command counts,
/// and the framework's HTTP client alone takes longer to load than a daemon takes to answer.
/// </summary>
/// <remarks>
/// Not for several threads, but for <see cref="Abort"/>. Speaks to Steward and to Supervisor's server, which counts the length of
/// late answers in characters (<see cref="ReadBody"/>) and leaves the connection dead after a 401 (so any status but 200 ends it).
/// </remarks>
internal sealed class HttpConnection : IDisposable
{
    private const int DrainBytes = 64 << 10;

    private readonly ServerAddress _address;
    private readonly ClientLimits _limits;
    private readonly Socket _socket;
    private byte[] _buffer = ArrayPool<byte>.Shared.Rent(16 << 10);
    private int _start;
    private int _end;
    private volatile bool _aborted;

    private HttpConnection(ServerAddress address, ClientLimits limits, Socket socket)
    {
        _address = address;
        _limits = limits;
        _socket = socket;
    }

    /// <summary>The head of the response that is being read.</summary>
    public ResponseHead Head { get; private set; }

    /// <summary>Says whether <see cref="Abort"/> was called.</summary>
    public bool IsAborted => _aborted;

    /// <summary>
    /// Says whether another request can be sent: the server keeps the connection, all of the last response was read, and nothing
    /// has come since (on an idle connection that is the end of it).
    /// </summary>
    public bool IsIdle => Head.KeepAlive && _start == _end && !_aborted && !_socket.Poll(0, SelectMode.SelectRead);

    public static Answer<HttpConnection> Open(ServerAddress address, ClientLimits limits)
    {
        try
        {
            return address.Kind switch
            {
                ServerAddressKind.Unix => OpenUnix(address, limits),
                ServerAddressKind.Tcp => OpenTcp(address, limits),
                _ => new Answer<HttpConnection>(new TransportFailure(TransportFailureKind.UnsupportedUrl)),
            };
        }
        catch (SocketException e)
        {
            return new Answer<HttpConnection>(FailureOf(e, address));
        }
    }

    /// <summary>Sends a request; null when it went out.</summary>
    /// <param name="method">GET or POST.</param>
    /// <param name="target">The path, already encoded.</param>
    /// <param name="headers">Lines of headers, each with its line end; without Host and Content-Length.</param>
    /// <param name="credentials">The login; null sends none.</param>
    /// <param name="body">The body; null for a request without one.</param>
    public TransportFailure? Send(string method, string target, string headers, Credentials? credentials, ReadOnlyMemory<byte>? body)
    {
        var head = new StringBuilder(256)
            .Append(method).Append(' ').Append(target).Append(" HTTP/1.1\r\nHost: ").Append(_address.HostHeader).Append("\r\n")
            .Append(headers);
        if (body is { } content)
        {
            head.Append(CultureInfo.InvariantCulture, $"Content-Length: {content.Length}\r\n");
        }

        if (credentials is not null)
        {
            head.Append("Authorization: Basic ")
                .Append(Convert.ToBase64String(Encoding.UTF8.GetBytes(credentials.UserName + ":" + credentials.Password)))
                .Append("\r\n");
        }

        byte[] bytes = Encoding.UTF8.GetBytes(head.Append("\r\n").ToString());
        try
        {
            SendAll(bytes);
            if (body is { } rest)
            {
                SendAll(rest.Span);
            }

            return null;
        }
        catch (SocketException e)
        {
            return FailureOf(e, _address);
        }
        catch (ObjectDisposedException)
        {
            return new TransportFailure(TransportFailureKind.Closed);
        }
    }

    /// <summary>Reads the head of the response; null when it is there, in <see cref="Head"/>.</summary>
    /// <param name="timeout">How long the server may be silent; null for as long as it lives.</param>
    public TransportFailure? ReadHead(TimeSpan? timeout)
    {
        Head = default;
        try
        {
            _socket.ReceiveTimeout = timeout is { } limit ? (int)limit.TotalMilliseconds : 0;
            while (true)
            {
                int length;
                while ((length = ResponseHead.Find(_buffer.AsSpan(_start, _end - _start))) < 0)
                {
                    if (_end - _start > _limits.HeadBytes)
                    {
                        return Bad("its head is too long");
                    }

                    if (Fill() == 0)
                    {
                        return _start == _end ? new TransportFailure(TransportFailureKind.Closed) : Bad("it ends inside its head");
                    }
                }

                if (!ResponseHead.TryParse(_buffer.AsSpan(_start, length), out ResponseHead head))
                {
                    return Bad("it is not HTTP");
                }

                _start += length;
                // 1xx: what was asked for comes later.
                if (head.Status >= 200)
                {
                    Head = head;
                    return null;
                }
            }
        }
        catch (SocketException e)
        {
            return FailureOf(e, _address);
        }
        catch (ObjectDisposedException)
        {
            return new TransportFailure(TransportFailureKind.Closed);
        }
    }

    /// <summary>Reads a whole body.</summary>
    /// <param name="ending">
    /// What a complete body ends with, white space aside. Supervisor gives the length of late answers in characters, which is too
    /// little as soon as a name is not ASCII: a body of the promised length without this ending is read on until it has it.
    /// </param>
    public Answer<byte[]> ReadBody(ReadOnlySpan<byte> ending)
    {
        try
        {
            _socket.ReceiveTimeout = (int)_limits.Answer.TotalMilliseconds;
            var body = new ArrayBufferWriter<byte>(Math.Max(256, (int)Math.Min(Head.Length ?? 4096, 1 << 20)));
            if (Head.Length > _limits.BodyBytes)
            {
                return new Answer<byte[]>(Bad("it is too long"));
            }

            if (Head is { Chunked: false, Length: { } length })
            {
                while (body.WrittenCount < length)
                {
                    if (_start == _end && Fill() == 0)
                    {
                        return new Answer<byte[]>(new TransportFailure(TransportFailureKind.Closed));
                    }

                    Take(body, (int)Math.Min(_end - _start, length - body.WrittenCount));
                }

                if (!body.WrittenSpan.TrimEnd("\r\n\t "u8).EndsWith(ending))
                {
                    // UTF-8 has at most four bytes for what counted as one; afterwards the connection is not to be trusted.
                    Head = Head with { KeepAlive = false };
                    _socket.ReceiveTimeout = 2000;
                    while (body.WrittenCount < length * 4 && !body.WrittenSpan.TrimEnd("\r\n\t "u8).EndsWith(ending))
                    {
                        if (_start == _end && Fill() == 0)
                        {
                            break;
                        }

                        Take(body, _end - _start);
                    }
                }

                return new Answer<byte[]>(body.WrittenSpan.ToArray());
            }

            var chunks = new BodyReader(this);
            while (true)
            {
                if (chunks.Read(int.MaxValue, out ReadOnlyMemory<byte> part) is { } failure)
                {
                    return new Answer<byte[]>(failure);
                }

                if (part.IsEmpty)
                {
                    return new Answer<byte[]>(body.WrittenSpan.ToArray());
                }

                if (body.WrittenCount + part.Length > _limits.BodyBytes)
                {
                    return new Answer<byte[]>(Bad("it is too long"));
                }

                body.Write(part.Span);
            }
        }
        catch (SocketException e)
        {
            return new Answer<byte[]>(FailureOf(e, _address));
        }
        catch (ObjectDisposedException)
        {
            return new Answer<byte[]>(new TransportFailure(TransportFailureKind.Closed));
        }
    }

    /// <summary>From here on the server may be silent as long as it likes.</summary>
    public void WaitWithoutLimit() => _socket.ReceiveTimeout = 0;

    /// <summary>Ends the connection from any thread: a thread that waits in it comes back at once.</summary>
    public void Abort()
    {
        _aborted = true;
        try
        {
            _socket.Shutdown(SocketShutdown.Both);
        }
        catch (SocketException)
        {
            // The other side was faster: what was wanted has happened.
        }
        catch (ObjectDisposedException)
        {
            // Likewise: this side was.
        }
    }

    public void Dispose()
    {
        _socket.Dispose();
        byte[] buffer = Interlocked.Exchange(ref _buffer, []);
        if (buffer.Length > 0)
        {
            ArrayPool<byte>.Shared.Return(buffer);
        }
    }

    private static Answer<HttpConnection> OpenUnix(ServerAddress address, ClientLimits limits)
    {
        UnixDomainSocketEndPoint end;
        try
        {
            end = new UnixDomainSocketEndPoint(address.Path);
        }
        catch (ArgumentException)
        {
            return new Answer<HttpConnection>(new TransportFailure(
                TransportFailureKind.UnsupportedUrl, Detail: address.Path.Length == 0 ? "names no file" : "is too long for a socket (107 bytes)"));
        }

        var socket = new Socket(AddressFamily.Unix, SocketType.Stream, ProtocolType.Unspecified)
        {
            // Also bounds connect, which waits while the listener's queue is full (man 7 unix).
            SendTimeout = (int)limits.Connect.TotalMilliseconds,
        };
        return Connect(socket, end, address, limits);
    }

    private static Answer<HttpConnection> OpenTcp(ServerAddress address, ClientLimits limits)
    {
        IPAddress[] candidates = IPAddress.TryParse(address.Host, out IPAddress? literal) ? [literal] : Dns.GetHostAddresses(address.Host);
        var answer = new Answer<HttpConnection>(new TransportFailure(TransportFailureKind.UnknownHost));
        foreach (IPAddress candidate in candidates)
        {
            try
            {
                var socket = new Socket(candidate.AddressFamily, SocketType.Stream, ProtocolType.Tcp) { NoDelay = true };
                // A host that vanished while an answer is awaited is noticed after about two minutes.
                socket.SetSocketOption(SocketOptionLevel.Socket, SocketOptionName.KeepAlive, true);
                socket.SetSocketOption(SocketOptionLevel.Tcp, SocketOptionName.TcpKeepAliveTime, 60);
                socket.SetSocketOption(SocketOptionLevel.Tcp, SocketOptionName.TcpKeepAliveInterval, 15);
                socket.SetSocketOption(SocketOptionLevel.Tcp, SocketOptionName.TcpKeepAliveRetryCount, 4);
                answer = Connect(socket, new IPEndPoint(candidate, address.Port), address, limits);
            }
            catch (SocketException e)
            {
                // No IPv6 in this kernel, for one: the next address may do.
                answer = new Answer<HttpConnection>(FailureOf(e, address));
            }

            if (answer.IsValue)
            {
                break;
            }
        }

        return answer;
    }

    private static Answer<HttpConnection> Connect(Socket socket, EndPoint end, ServerAddress address, ClientLimits limits)
    {
        try
        {
            socket.Connect(end);
            return new Answer<HttpConnection>(new HttpConnection(address, limits, socket));
        }
        catch (SocketException e)
        {
            socket.Dispose();
            return new Answer<HttpConnection>(FailureOf(e, address));
        }
    }

    internal static TransportFailure FailureOf(SocketException e, ServerAddress address) => e.SocketErrorCode switch
    {
        SocketError.ConnectionRefused => new TransportFailure(TransportFailureKind.Refused),
        SocketError.AccessDenied => new TransportFailure(TransportFailureKind.PermissionDenied),
        // ENOENT and ENOTDIR have no name of their own among the socket errors.
        SocketError.AddressNotAvailable or SocketError.SocketError when address.Kind == ServerAddressKind.Unix && !File.Exists(address.Path) =>
            new TransportFailure(TransportFailureKind.NoSuchFile),
        SocketError.HostNotFound or SocketError.NoData or SocketError.TryAgain => new TransportFailure(TransportFailureKind.UnknownHost),
        SocketError.TimedOut or SocketError.WouldBlock => new TransportFailure(TransportFailureKind.TimedOut),
        SocketError.ConnectionReset or SocketError.ConnectionAborted or SocketError.Shutdown or SocketError.NotConnected
            or SocketError.Interrupted or SocketError.OperationAborted => new TransportFailure(TransportFailureKind.Closed),
        SocketError.HostUnreachable or SocketError.HostDown => new TransportFailure(TransportFailureKind.Network, Detail: "host unreachable"),
        SocketError.NetworkUnreachable or SocketError.NetworkDown =>
            new TransportFailure(TransportFailureKind.Network, Detail: "network unreachable"),
        _ => new TransportFailure(TransportFailureKind.Network, Detail: string.Create(
            CultureInfo.InvariantCulture, $"network error {e.SocketErrorCode} ({e.ErrorCode})")),
    };

    private static TransportFailure Bad(string detail) => new(TransportFailureKind.BadAnswer, Detail: detail);

    private void SendAll(ReadOnlySpan<byte> bytes)
    {
        while (!bytes.IsEmpty)
        {
            bytes = bytes[_socket.Send(bytes)..];
        }
    }

    private void Take(ArrayBufferWriter<byte> target, int count)
    {
        target.Write(_buffer.AsSpan(_start, count));
        _start += count;
    }

    /// <summary>Reads more into the buffer, which grows up to the limit of a head; 0 at the end of the connection.</summary>
    private int Fill()
    {
        if (_start == _end)
        {
            _start = _end = 0;
        }
        else if (_end == _buffer.Length)
        {
            int kept = _end - _start;
            byte[] next = kept < _buffer.Length ? _buffer : ArrayPool<byte>.Shared.Rent(_buffer.Length * 2);
            _buffer.AsSpan(_start, kept).CopyTo(next);
            if (next != _buffer)
            {
                ArrayPool<byte>.Shared.Return(_buffer);
                _buffer = next;
            }

            _start = 0;
            _end = kept;
        }

        int count = _socket.Receive(_buffer.AsSpan(_end));
        _end += count;
        return count;
    }

    /// <summary>Hands out a body piece by piece: chunked, of a known length, or up to the end of the connection.</summary>
    internal sealed class BodyReader
    {
        private readonly HttpConnection _connection;
        private readonly bool _chunked;
        private long _left;
        private bool _first = true;

        public BodyReader(HttpConnection connection)
        {
            _connection = connection;
            _chunked = connection.Head.Chunked;
            _left = _chunked ? 0 : connection.Head.Length ?? long.MaxValue;
        }

        /// <summary>Reads what is there, at least one byte; an empty piece is the end of the body.</summary>
        /// <param name="limit">The most bytes that are wanted.</param>
        /// <param name="part">The piece; valid until the next call.</param>
        public TransportFailure? Read(int limit, out ReadOnlyMemory<byte> part)
        {
            part = default;
            if (_left == 0 && _chunked && NextChunk() is { } failure)
            {
                return failure;
            }

            if (_left == 0)
            {
                return null;
            }

            if (_connection._start == _connection._end && _connection.Fill() == 0)
            {
                if (!_chunked && _connection.Head.Length is null)
                {
                    _left = 0;
                    return null;
                }

                return new TransportFailure(TransportFailureKind.Closed);
            }

            int count = (int)Math.Min(Math.Min(_connection._end - _connection._start, _left), limit);
            part = _connection._buffer.AsMemory(_connection._start, count);
            _connection._start += count;
            if (_left != long.MaxValue)
            {
                _left -= count;
            }

            return null;
        }

        // Leaves the length of the next chunk in _left; 0 after the last one and its trailer.
        private TransportFailure? NextChunk()
        {
            if (!_first)
            {
                if (ReadLine(out ReadOnlySpan<byte> end) is { } broken)
                {
                    return broken;
                }

                if (!end.IsEmpty)
                {
                    return Bad("a chunk is longer than it says");
                }
            }

            _first = false;
            if (ReadLine(out ReadOnlySpan<byte> line) is { } failure)
            {
                return failure;
            }

            int extension = line.IndexOf((byte)';');
            ReadOnlySpan<byte> size = (extension < 0 ? line : line[..extension]).Trim((byte)' ');
            if (!Utf8Parser.TryParse(size, out uint length, out int used, 'x') || used != size.Length || length > int.MaxValue)
            {
                return Bad("a chunk has no length");
            }

            _left = length;
            if (length > 0)
            {
                return null;
            }

            int trailer = 0;
            do
            {
                if (ReadLine(out line) is { } broken)
                {
                    return broken;
                }

                trailer += line.Length + 2;
                if (trailer > DrainBytes)
                {
                    return Bad("its trailer is too long");
                }
            }
            while (!line.IsEmpty);
            return null;
        }

        private TransportFailure? ReadLine(out ReadOnlySpan<byte> line)
        {
            line = default;
            while (true)
            {
                ReadOnlySpan<byte> seen = _connection._buffer.AsSpan(_connection._start, _connection._end - _connection._start);
                int length = seen.IndexOf((byte)'\n');
                if (length >= 0)
                {
                    line = seen[..length].TrimEnd((byte)'\r');
                    _connection._start += length + 1;
                    return null;
                }

                if (seen.Length > DrainBytes)
                {
                    return Bad("a line is too long");
                }

                if (_connection.Fill() == 0)
                {
                    return new TransportFailure(TransportFailureKind.Closed);
                }
            }
        }
    }
}
