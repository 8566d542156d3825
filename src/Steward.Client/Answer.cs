using System.Diagnostics.CodeAnalysis;
using System.Globalization;

namespace Steward.Client;

/// <summary>A refusal by the daemon.</summary>
/// <param name="Code">The fault code; <see cref="Core.Model.FaultCode"/> names those of the standard interface.</param>
/// <param name="Text">The fault string, for example <c>BAD_NAME: foo</c>.</param>
public sealed record RpcFault(int Code, string Text);

/// <summary>Why there is no answer.</summary>
public enum TransportFailureKind
{
    /// <summary>The URL is neither <c>http://</c> nor <c>unix://</c>, or its host, port or path cannot be used.</summary>
    UnsupportedUrl,

    /// <summary>There is no such socket file.</summary>
    NoSuchFile,

    /// <summary>Nobody listens.</summary>
    Refused,

    /// <summary>The socket's permissions keep this user out.</summary>
    PermissionDenied,

    /// <summary>The host name has no address.</summary>
    UnknownHost,

    /// <summary>No connection or no answer in time.</summary>
    TimedOut,

    /// <summary>The connection ended before the answer was complete.</summary>
    Closed,

    /// <summary>HTTP 401: a login is missing or wrong.</summary>
    Unauthorized,

    /// <summary>Any other HTTP status than 200.</summary>
    HttpStatus,

    /// <summary>The answer is not HTTP, not XML-RPC, not of the expected shape, or longer than <see cref="ClientLimits"/> allow.</summary>
    BadAnswer,

    /// <summary>Any other refusal of the network.</summary>
    Network,
}

/// <summary>Why there is no answer, with what belongs to it.</summary>
/// <param name="Kind">The reason.</param>
/// <param name="Status">The HTTP status; 0 unless there was one.</param>
/// <param name="Detail">The HTTP reason phrase, the system's text, or what is wrong with the answer; may be empty.</param>
public sealed record TransportFailure(TransportFailureKind Kind, int Status = 0, string Detail = "")
{
    /// <summary>Tells it in one line, beginning with the URL where the URL is the point.</summary>
    public string Describe(string url) => Kind switch
    {
        TransportFailureKind.UnsupportedUrl => Detail.Length == 0
            ? $"Unknown protocol for serverurl {url} (it must be http://HOST:PORT or unix:///PATH)"
            : $"{url} {Detail}",
        TransportFailureKind.NoSuchFile => $"{url} no such file",
        TransportFailureKind.Refused => $"{url} refused connection",
        TransportFailureKind.PermissionDenied => $"{url} permission denied",
        TransportFailureKind.UnknownHost => $"{url} unknown host",
        TransportFailureKind.TimedOut => $"{url} timed out",
        TransportFailureKind.Closed => $"{url} closed the connection before its answer was complete",
        TransportFailureKind.Unauthorized => "Server requires authentication",
        TransportFailureKind.HttpStatus => string.Create(CultureInfo.InvariantCulture, $"{url} answered {Status} {Detail}").TrimEnd(),
        TransportFailureKind.BadAnswer => $"{url} gave an answer that cannot be read: {Detail}",
        _ => $"{url} {Detail}",
    };
}

/// <summary>What came of a call: a value, a fault, or no answer at all.</summary>
/// <typeparam name="T">The type of the value.</typeparam>
public readonly record struct Answer<T>
{
    /// <summary>Makes an answer of a value.</summary>
    public Answer(T value) => Value = value;

    /// <summary>Makes an answer of a fault.</summary>
    public Answer(RpcFault fault) => Fault = fault;

    /// <summary>Makes an answer of a failure.</summary>
    public Answer(TransportFailure failure) => Failure = failure;

    /// <summary>The value; the default unless <see cref="IsValue"/>.</summary>
    public T? Value { get; }

    /// <summary>The daemon's refusal; null when there is none.</summary>
    public RpcFault? Fault { get; }

    /// <summary>Why nothing was answered; null when something was.</summary>
    public TransportFailure? Failure { get; }

    /// <summary>Says whether there is a value.</summary>
    [MemberNotNullWhen(true, nameof(Value))]
    public bool IsValue => Fault is null && Failure is null;

    /// <summary>Reads the value as another type; an answer that does not have the expected shape becomes a failure.</summary>
    internal Answer<TOther> Read<TOther>(Func<T, TOther?> read, string expected)
        where TOther : notnull
    {
        if (!IsValue)
        {
            return Fault is not null ? new Answer<TOther>(Fault) : new Answer<TOther>(Failure!);
        }

        return read(Value) is { } other
            ? new Answer<TOther>(other)
            : new Answer<TOther>(new TransportFailure(TransportFailureKind.BadAnswer, Detail: "it is not " + expected));
    }
}

/// <summary>How much a client waits for and takes in.</summary>
public sealed record ClientLimits
{
    /// <summary>
    /// How long a connection may take on a unix socket whose queue is full. Default 30 s. TCP connections give up by the kernel's
    /// own rule, after about two minutes of silence (man 7 tcp, tcp_syn_retries).
    /// </summary>
    public TimeSpan Connect { get; init; } = TimeSpan.FromSeconds(30);

    /// <summary>
    /// How long the daemon may be silent before an answer that needs no waiting. Default 60 s: a daemon is one loop, and a slow disk
    /// may hold it up. Calls that wait for processes have no limit of their own: they end with the daemon, or, over TCP, when
    /// keep-alive probes find its host gone.
    /// </summary>
    public TimeSpan Answer { get; init; } = TimeSpan.FromSeconds(60);

    /// <summary>The longest head of a response, in bytes. Default 64 KiB.</summary>
    public int HeadBytes { get; init; } = 64 << 10;

    /// <summary>The longest body of a response, in bytes. Default 256 MiB: <c>tail -N</c> may ask for a whole log.</summary>
    public int BodyBytes { get; init; } = 256 << 20;
}
