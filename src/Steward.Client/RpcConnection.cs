using Steward.Protocol.XmlRpc;

namespace Steward.Client;

/// <summary>
/// Calls over XML-RPC: one connection, opened at the first call and kept. Everything that can go wrong is a value; nothing is thrown
/// but for misuse. One thread at a time.
/// </summary>
/// <remarks>
/// A call is sent once. A kept connection that the server ended meanwhile is replaced before anything is sent; one that ends while an
/// answer is awaited is a failure, since nobody knows what became of the call.
/// </remarks>
public sealed class RpcConnection : IDisposable
{
    private const string Headers = "User-Agent: Steward\r\nContent-Type: text/xml\r\nAccept: text/xml\r\n";

    private readonly ClientLimits _limits;
    private HttpConnection? _connection;

    /// <summary>Makes a client; nothing is connected yet.</summary>
    /// <param name="address">Where the daemon listens.</param>
    /// <param name="credentials">The login; null sends none.</param>
    /// <param name="limits">Bounds; null for the defaults.</param>
    public RpcConnection(ServerAddress address, Credentials? credentials = null, ClientLimits? limits = null)
    {
        Address = address;
        Credentials = credentials;
        _limits = limits ?? new ClientLimits();
    }

    /// <summary>Where the daemon listens.</summary>
    public ServerAddress Address { get; }

    /// <summary>The login; null when none is sent.</summary>
    public Credentials? Credentials { get; }

    /// <summary>Calls a method whose answer needs no waiting.</summary>
    public Answer<XmlRpcValue> Call(string method, params ReadOnlySpan<XmlRpcValue> parameters) => Call(_limits.Answer, method, parameters);

    /// <summary>Calls a method that answers when processes have done something, however long that takes.</summary>
    public Answer<XmlRpcValue> CallAndWait(string method, params ReadOnlySpan<XmlRpcValue> parameters) => Call(null, method, parameters);

    /// <inheritdoc/>
    public void Dispose()
    {
        _connection?.Dispose();
        _connection = null;
    }

    private Answer<XmlRpcValue> Call(TimeSpan? timeout, string method, ReadOnlySpan<XmlRpcValue> parameters)
    {
        using var call = new XmlRpcWriter();
        call.WriteCall(method, parameters);
        if (_connection is not null && !_connection.IsIdle)
        {
            Dispose();
        }

        if (_connection is null)
        {
            Answer<HttpConnection> opened = HttpConnection.Open(Address, _limits);
            if (!opened.IsValue)
            {
                return new Answer<XmlRpcValue>(opened.Failure!);
            }

            _connection = opened.Value;
        }

        Answer<XmlRpcValue> answer = Exchange(_connection, call.Written, timeout);
        if (answer.Failure is not null)
        {
            Dispose();
        }

        return answer;
    }

    private Answer<XmlRpcValue> Exchange(HttpConnection connection, ReadOnlyMemory<byte> call, TimeSpan? timeout)
    {
        // A server that refuses early (401) may close before it has read the call: what it said counts more than the broken pipe.
        TransportFailure? unsent = connection.Send("POST", "/RPC2", Headers, Credentials, call);
        if (connection.ReadHead(timeout) is { } failure)
        {
            return new Answer<XmlRpcValue>(unsent ?? failure);
        }

        ResponseHead head = connection.Head;
        if (head.Status != 200)
        {
            return new Answer<XmlRpcValue>(new TransportFailure(
                head.Status == 401 ? TransportFailureKind.Unauthorized : TransportFailureKind.HttpStatus, head.Status, head.Reason));
        }

        Answer<byte[]> body = connection.ReadBody("</methodResponse>"u8);
        if (!body.IsValue)
        {
            return new Answer<XmlRpcValue>(body.Failure!);
        }

        if (XmlRpcReader.ReadResponse(body.Value, out XmlRpcResponse? response, _limits.BodyBytes) != XmlRpcReadError.None)
        {
            return new Answer<XmlRpcValue>(new TransportFailure(TransportFailureKind.BadAnswer, Detail: "it is not XML-RPC"));
        }

        return response!.Value is { } value
            ? new Answer<XmlRpcValue>(value)
            : new Answer<XmlRpcValue>(new RpcFault(response.FaultCode, response.FaultString ?? ""));
    }
}
