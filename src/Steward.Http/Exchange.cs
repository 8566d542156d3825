using System.Globalization;
using System.IO.Pipelines;
using System.Net.Sockets;
using System.Runtime.InteropServices;
using System.Text;
using Microsoft.AspNetCore.Connections.Features;
using Microsoft.AspNetCore.Http;
using Microsoft.AspNetCore.Http.Features;
using Microsoft.Extensions.Primitives;
using Steward.Protocol.XmlRpc;

namespace Steward.Http;

/// <summary>
/// A connection's requests and responses, one after the other. Made once for a connection; the features that Kestrel
/// gives stay the same objects over its life.
/// </summary>
internal sealed class Exchange : IRequester
{
    public const string Html = "text/html";
    public const string HtmlUtf8 = "text/html;charset=utf-8";

    private const int PieceBytes = 64 << 10;

    private static readonly StringValues ServerName = "Steward";
    private static readonly StringValues NoSniff = "nosniff";

    private readonly IHttpRequestFeature _request;
    private readonly IHttpResponseFeature _response;
    private readonly IHttpResponseBodyFeature _body;
    private readonly IFeatureCollection _features;
    private readonly ConnectionState _state;
    private string? _acceptedAuthorization;
    private string? _requester;
    private XmlRpcWriter? _writer;

    public Exchange(IFeatureCollection features)
    {
        _features = features;
        _request = Feature<IHttpRequestFeature>();
        _response = Feature<IHttpResponseFeature>();
        _body = Feature<IHttpResponseBodyFeature>();
        Endpoint = Feature<Endpoint>();
        _state = Feature<ConnectionState>();
    }

    public Endpoint Endpoint { get; }

    public string Method => _request.Method;

    public string Path => _request.Path;

    public string Query => _request.QueryString;

    public string Protocol => _request.Protocol;

    public string Target => _request.RawTarget;

    public IHeaderDictionary RequestHeaders => _request.Headers;

    public IHeaderDictionary ResponseHeaders => _response.Headers;

    public int Status => _response.StatusCode;

    public bool HasStarted => _response.HasStarted;

    public PipeReader Body => Feature<IRequestBodyPipeFeature>().Reader;

    public PipeWriter Output => _body.Writer;

    /// <summary>Cancelled when the client is gone.</summary>
    public CancellationToken Gone => Feature<IHttpRequestLifetimeFeature>().RequestAborted;

    public bool IsHead => HttpMethods.IsHead(Method);

    /// <summary>A buffer for answers; it lives as long as the connection.</summary>
    public XmlRpcWriter Writer => _writer ??= new XmlRpcWriter();

    /// <summary>The peer as the access log names it; unix peers have no address.</summary>
    public string Peer
    {
        get
        {
            IHttpConnectionFeature? connection = _features.Get<IHttpConnectionFeature>();
            return connection?.RemoteIpAddress is { } address
                ? string.Create(CultureInfo.InvariantCulture, $"{address}:{connection.RemotePort}")
                : "localhost:0";
        }
    }

    /// <summary>
    /// Who sends the requests of this connection, in words for people: the process behind a unix socket as the kernel knows it, the
    /// address otherwise, and the login where there is one.
    /// </summary>
    public string Requester => _requester ??= FindRequester();

    /// <summary>The connection's descriptor; -1 when it has none any more.</summary>
    public int Descriptor()
    {
        Socket? socket = _features.Get<IConnectionSocketFeature>()?.Socket;
        return socket is null || socket.SafeHandle.IsClosed ? -1 : (int)socket.Handle;
    }

    public bool IsTcp => _features.Get<IHttpConnectionFeature>()?.RemoteIpAddress is not null;

    public void BeginResponse() => _response.Headers.Server = ServerName;

    public bool IsAuthorized()
    {
        if (!Endpoint.IsProtected)
        {
            return true;
        }

        string? given = _request.Headers.Authorization;
        if (given is not null && given == _acceptedAuthorization)
        {
            return true;
        }

        bool accepted = Endpoint.Accepts(given);
        if (accepted)
        {
            _acceptedAuthorization = given;
        }

        return accepted;
    }

    /// <summary>Sends a whole response.</summary>
    public Task SendAsync(int status, StringValues contentType, ReadOnlyMemory<byte> body)
    {
        _response.StatusCode = status;
        IHeaderDictionary headers = _response.Headers;
        headers.ContentType = contentType;
        headers.ContentLength = body.Length;
        if (IsHead)
        {
            return Task.CompletedTask;
        }

        if (body.Length > PieceBytes)
        {
            return SendPiecesAsync(body);
        }

        ValueTask<FlushResult> written = _body.Writer.WriteAsync(body);
        return written.IsCompletedSuccessfully ? Task.CompletedTask : written.AsTask();
    }

    // A long body goes out as the client takes it, instead of standing in the connection's buffers as a whole once more.
    private async Task SendPiecesAsync(ReadOnlyMemory<byte> body)
    {
        while (!body.IsEmpty)
        {
            int piece = Math.Min(PieceBytes, body.Length);
            FlushResult flushed = await _body.Writer.WriteAsync(body[..piece]).ConfigureAwait(false);
            if (flushed.IsCompleted)
            {
                return;
            }

            body = body[piece..];
        }
    }

    /// <summary>Sends a page with the headers that keep browsers from misusing it.</summary>
    public Task SendPageAsync(int status, string contentType, string text)
    {
        AddSecurityHeaders();
        return SendAsync(status, contentType, Encoding.UTF8.GetBytes(text));
    }

    /// <summary>Sends an error in the shape of Supervisor's.</summary>
    /// <param name="status">The status.</param>
    /// <param name="close">End the connection afterwards, because what follows on it cannot be understood.</param>
    public Task SendErrorAsync(int status, bool close = false)
    {
        if (close)
        {
            _response.Headers.Connection = "close";
        }

        AddSecurityHeaders();
        string reason = Reason(status);
        string body = string.Create(
            CultureInfo.InvariantCulture,
            $"<head>\r\n<title>Error response</title>\r\n</head>\r\n<body>\r\n<h1>Error response</h1>\r\n"
            + $"<p>Error code {status}.\r\n<p>Message: {reason}.\r\n</body>\r\n");
        return SendAsync(status, Html, Encoding.UTF8.GetBytes(body));
    }

    public void AddSecurityHeaders()
    {
        IHeaderDictionary headers = _response.Headers;
        headers.XContentTypeOptions = NoSniff;
        headers.XFrameOptions = "DENY";
        headers.ContentSecurityPolicy =
            "default-src 'none'; style-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'";
        headers["Referrer-Policy"] = "same-origin";
    }

    /// <summary>Ends the connection without an answer.</summary>
    public void Abort() => Feature<IHttpRequestLifetimeFeature>().Abort();

    /// <summary>Lets a response be as slow as its reader: for streams that a person watches.</summary>
    public void AllowSlowReader()
    {
        if (_features.Get<Microsoft.AspNetCore.Server.Kestrel.Core.Features.IHttpMinResponseDataRateFeature>() is { } rate)
        {
            rate.MinDataRate = null;
        }
    }

    public void SetStatus(int status) => _response.StatusCode = status;

    public void BeginRequest() => _state.HasBegun = true;

    public void EndRequest() => _writer?.Clear();

    public static string Reason(int status) => status switch
    {
        301 => "Moved Permanently",
        400 => "Bad Request",
        401 => "Unauthorized",
        403 => "Forbidden",
        404 => "Not Found",
        408 => "Request Timeout",
        411 => "Length Required",
        413 => "Payload Too Large",
        500 => "Internal Server Error",
        503 => "Service Unavailable",
        _ => "Error",
    };

    private string FindRequester()
    {
        // man 7 socket, SO_PEERCRED: struct ucred of pid, uid and gid.
        const int solSocket = 1;
        const int soPeerCred = 17;
        string who;
        if (IsTcp)
        {
            who = _features.Get<IHttpConnectionFeature>()!.RemoteIpAddress!.ToString();
        }
        else
        {
            Span<int> credentials = stackalloc int[3];
            Socket? socket = _features.Get<IConnectionSocketFeature>()?.Socket;
            int length = socket?.GetRawSocketOption(solSocket, soPeerCred, MemoryMarshal.AsBytes(credentials)) ?? 0;
            who = length == credentials.Length * sizeof(int)
                ? string.Create(CultureInfo.InvariantCulture, $"uid {credentials[1]} (pid {credentials[0]})")
                : "unix socket";
        }

        return Endpoint.Username is { } user ? who + " as " + user : who;
    }

    private T Feature<T>()
        where T : class =>
        _features.Get<T>() ?? throw new InvalidOperationException("The server gives no " + typeof(T).Name + ".");
}
