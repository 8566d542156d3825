using System.Globalization;
using System.Net.Sockets;
using System.Text;
using Steward.Protocol.XmlRpc;

namespace Steward.Client;

/// <summary>
/// One call, one connection, as HTTP/1.0: the body ends where the connection does, which is right with every server, also with
/// Supervisor's, whose length of a late answer is too short as soon as a name is not ASCII. Keeps no state; any thread.
/// </summary>
internal sealed class AsyncExchange(ServerAddress address, Credentials? credentials, ClientLimits limits)
{
    public async Task<Answer<XmlRpcValue>> CallAsync(
        string method, IReadOnlyList<XmlRpcValue> parameters, bool isLimited, CancellationToken cancellation)
    {
        if (address.Kind == ServerAddressKind.Unsupported)
        {
            return Failed(TransportFailureKind.UnsupportedUrl);
        }

        using var limit = CancellationTokenSource.CreateLinkedTokenSource(cancellation);
        try
        {
            limit.CancelAfter(limits.Connect);
            using Socket socket = await ConnectAsync(limit.Token).ConfigureAwait(false);
            limit.CancelAfter(isLimited ? limits.Answer : Timeout.InfiniteTimeSpan);
            TransportFailure? unsent = await SendAsync(socket, Request(method, parameters), limit.Token).ConfigureAwait(false);
            Answer<XmlRpcValue> answer = await ReceiveAsync(socket, limit.Token).ConfigureAwait(false);
            // A server that refuses early may close before it has read the call: what it said counts more than the broken pipe.
            return unsent is not null && answer.Failure is { Kind: TransportFailureKind.Closed } ? new Answer<XmlRpcValue>(unsent) : answer;
        }
        catch (OperationCanceledException) when (!cancellation.IsCancellationRequested)
        {
            return Failed(TransportFailureKind.TimedOut);
        }
        catch (SocketException e)
        {
            return new Answer<XmlRpcValue>(HttpConnection.FailureOf(e, address));
        }
    }

    private async Task<Socket> ConnectAsync(CancellationToken cancellation)
    {
        bool isUnix = address.Kind == ServerAddressKind.Unix;
        if (isUnix && Encoding.UTF8.GetByteCount(address.Path) > 107)
        {
            // man 7 unix, sun_path: such a socket cannot exist.
            throw new SocketException((int)SocketError.AddressNotAvailable);
        }

        Socket socket = isUnix
            ? new Socket(AddressFamily.Unix, SocketType.Stream, ProtocolType.Unspecified)
            : new Socket(SocketType.Stream, ProtocolType.Tcp) { NoDelay = true };
        try
        {
            if (isUnix)
            {
                await socket.ConnectAsync(new UnixDomainSocketEndPoint(address.Path), cancellation).ConfigureAwait(false);
            }
            else
            {
                // A host that vanishes while an answer is awaited is noticed after about two minutes.
                socket.SetSocketOption(SocketOptionLevel.Socket, SocketOptionName.KeepAlive, true);
                socket.SetSocketOption(SocketOptionLevel.Tcp, SocketOptionName.TcpKeepAliveTime, 60);
                socket.SetSocketOption(SocketOptionLevel.Tcp, SocketOptionName.TcpKeepAliveInterval, 15);
                socket.SetSocketOption(SocketOptionLevel.Tcp, SocketOptionName.TcpKeepAliveRetryCount, 4);
                await socket.ConnectAsync(address.Host, address.Port, cancellation).ConfigureAwait(false);
            }

            return socket;
        }
        catch
        {
            socket.Dispose();
            throw;
        }
    }

    private byte[] Request(string method, IReadOnlyList<XmlRpcValue> parameters)
    {
        using var call = new XmlRpcWriter();
        call.WriteCall(method, [.. parameters]);
        string login = credentials is null ? "" : "Authorization: Basic "
            + Convert.ToBase64String(Encoding.UTF8.GetBytes(credentials.UserName + ":" + credentials.Password)) + "\r\n";
        return
        [
            .. Encoding.UTF8.GetBytes(string.Create(
                CultureInfo.InvariantCulture,
                $"POST /RPC2 HTTP/1.0\r\nHost: {address.HostHeader}\r\nUser-Agent: Steward\r\nContent-Type: text/xml\r\nConnection: close\r\n"
                + $"Content-Length: {call.Written.Length}\r\n{login}\r\n")),
            .. call.Written.Span,
        ];
    }

    private static async Task<TransportFailure?> SendAsync(Socket socket, byte[] request, CancellationToken cancellation)
    {
        try
        {
            for (int sent = 0; sent < request.Length;)
            {
                sent += await socket.SendAsync(request.AsMemory(sent), SocketFlags.None, cancellation).ConfigureAwait(false);
            }

            return null;
        }
        catch (SocketException)
        {
            return new TransportFailure(TransportFailureKind.Closed);
        }
    }

    private async Task<Answer<XmlRpcValue>> ReceiveAsync(Socket socket, CancellationToken cancellation)
    {
        byte[] bytes = new byte[16 << 10];
        int length = 0;
        int head = -1;
        ResponseHead parsed = default;
        while (true)
        {
            if (length == bytes.Length)
            {
                Array.Resize(ref bytes, (int)Math.Min(2L * bytes.Length, (long)limits.HeadBytes + limits.BodyBytes + 1));
            }

            int count = await socket.ReceiveAsync(bytes.AsMemory(length), SocketFlags.None, cancellation).ConfigureAwait(false);
            length += count;
            if (head < 0)
            {
                head = ResponseHead.Find(bytes.AsSpan(0, length));
                if (head >= 0 && !ResponseHead.TryParse(bytes.AsSpan(0, head), out parsed))
                {
                    return Failed(TransportFailureKind.BadAnswer, "it is not HTTP");
                }

                if (head >= 0 && parsed.Status != 200)
                {
                    return new Answer<XmlRpcValue>(new TransportFailure(
                        parsed.Status == 401 ? TransportFailureKind.Unauthorized : TransportFailureKind.HttpStatus, parsed.Status, parsed.Reason));
                }
            }

            if (head < 0 ? length > limits.HeadBytes : length - head > limits.BodyBytes)
            {
                return Failed(TransportFailureKind.BadAnswer, head < 0 ? "its head is too long" : "it is too long");
            }

            // Whether the server then ends the connection or not.
            if (count == 0 || (head >= 0 && bytes.AsSpan(head, length - head).TrimEnd("\r\n\t "u8).EndsWith("</methodResponse>"u8)))
            {
                break;
            }
        }

        if (head < 0)
        {
            return length == 0 ? Failed(TransportFailureKind.Closed) : Failed(TransportFailureKind.BadAnswer, "it ends inside its head");
        }

        if (length - head < parsed.Length)
        {
            return Failed(TransportFailureKind.Closed);
        }

        if (XmlRpcReader.ReadResponse(bytes.AsSpan(head, length - head), out XmlRpcResponse? response, limits.BodyBytes) != XmlRpcReadError.None)
        {
            return Failed(TransportFailureKind.BadAnswer, "it is not XML-RPC");
        }

        return response!.Value is { } value
            ? new Answer<XmlRpcValue>(value)
            : new Answer<XmlRpcValue>(new RpcFault(response.FaultCode, response.FaultString ?? ""));
    }

    private static Answer<XmlRpcValue> Failed(TransportFailureKind kind, string detail = "") => new(new TransportFailure(kind, Detail: detail));
}
