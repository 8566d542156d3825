using System.Collections.Concurrent;
using System.Globalization;
using System.Net;
using System.Net.Sockets;
using System.Text;
using Steward.Core.Config;
using Steward.Core.Model;
using Steward.Engine;
using Steward.Protocol.XmlRpc;

namespace Steward.Http.XmlRpc;

/// <summary>
/// The namespaces that other programs serve. A call goes over a connection of its own, as HTTP/1.0, so that a program of twenty lines
/// can answer it; nothing but the client that asked waits for it.
/// </summary>
/// <remarks>
/// Bounds: <see cref="MaxCalls"/> calls of a namespace at a time, <see cref="MaxWaiting"/> more wait, further ones are refused; the
/// waiting counts as part of <c>steward.rpc_timeout</c>; an answer has at most <see cref="XmlRpcReader.MaxBytes"/>. Any thread.
/// </remarks>
internal sealed class RpcPeers(ISupervisorControl control, CancellationToken endWaiting)
{
    /// <summary>Calls of one namespace that are under way at once.</summary>
    public const int MaxCalls = 16;

    /// <summary>Calls of one namespace that wait for one of these.</summary>
    public const int MaxWaiting = 64;

    private const int MaxHead = 64 << 10;
    private const int MaxMethods = 1000;

    /// <summary>How long a list of methods holds, and how long nobody is asked again after a failure, milliseconds.</summary>
    private const long ListLifetime = 10_000;

    // A client that wants a list does not want to wait for one hanging program as long as a call may take.
    private static readonly TimeSpan ListLimit = TimeSpan.FromSeconds(2);

    // As many as there are sections.
    private readonly ConcurrentDictionary<RpcInterfaceConfig, State> _states = new();

    /// <summary>Calls a method of another program.</summary>
    public async Task<PeerAnswer> CallAsync(RpcInterfaceConfig space, string method, XmlRpcValue[] parameters)
    {
        using var limit = CancellationTokenSource.CreateLinkedTokenSource(endWaiting);
        limit.CancelAfter(TimeSpan.FromSeconds(space.Peer!.TimeoutSeconds));
        return await CallAsync(space, method, parameters, limit.Token).ConfigureAwait(false);
    }

    /// <summary>The methods of a namespace as its program lists them; those of its last list, or none, when it does not answer.</summary>
    public async Task<IReadOnlyList<string>> MethodsAsync(RpcInterfaceConfig space)
    {
        State state = StateOf(space);
        if (Environment.TickCount64 < Interlocked.Read(ref state.ListedUntil))
        {
            return state.Methods;
        }

        using var limit = CancellationTokenSource.CreateLinkedTokenSource(endWaiting);
        limit.CancelAfter(ListLimit);
        PeerAnswer answer = await CallAsync(space, "system.listMethods", [], limit.Token).ConfigureAwait(false);
        if (answer.Value is XmlRpcArray names)
        {
            string prefix = space.Name + ".";
            state.Methods =
            [
                .. names.Items.OfType<XmlRpcString>().Select(name => name.Value)
                    .Where(name => name.StartsWith(prefix, StringComparison.Ordinal)).Distinct(StringComparer.Ordinal).Take(MaxMethods),
            ];
        }
        else
        {
            control.Log(LogLevel.Warn, $"the methods of RPC interface '{space.Name}' cannot be listed: {answer.Fault?.Text ?? "the answer is no array"}");
        }

        Interlocked.Exchange(ref state.ListedUntil, Environment.TickCount64 + ListLifetime);
        return state.Methods;
    }

    private State StateOf(RpcInterfaceConfig space) => _states.GetOrAdd(space, static _ => new State());

    private async Task<PeerAnswer> CallAsync(RpcInterfaceConfig space, string method, XmlRpcValue[] parameters, CancellationToken cancellation)
    {
        RpcPeer peer = space.Peer!;
        State state = StateOf(space);
        if (Interlocked.Increment(ref state.Open) > MaxCalls + MaxWaiting)
        {
            Interlocked.Decrement(ref state.Open);
            return Failed(space, $"{MaxCalls + MaxWaiting} calls are open already");
        }

        try
        {
            await state.WaitAsync(cancellation).ConfigureAwait(false);
            try
            {
                return await ExchangeAsync(space, peer, method, parameters, cancellation).ConfigureAwait(false);
            }
            finally
            {
                state.Release();
            }
        }
        catch (OperationCanceledException) when (!endWaiting.IsCancellationRequested)
        {
            return Failed(space, "did not answer in time");
        }
        catch (SocketException e)
        {
            // ENOENT has no name of its own among the socket errors.
            return Failed(space, peer.Path.Length > 0 && !File.Exists(peer.Path) ? "does not listen: there is no such socket" : e.SocketErrorCode switch
            {
                SocketError.ConnectionRefused => "does not listen: connection refused",
                SocketError.AccessDenied => "cannot be reached: permission denied",
                SocketError.ConnectionReset => "closed the connection before it answered",
                _ => "cannot be reached: " + e.Message,
            });
        }
        finally
        {
            Interlocked.Decrement(ref state.Open);
        }
    }

    private static async Task<PeerAnswer> ExchangeAsync(
        RpcInterfaceConfig space, RpcPeer peer, string method, XmlRpcValue[] parameters, CancellationToken cancellation)
    {
        bool isUnix = peer.Path.Length > 0;
        if (isUnix && Encoding.UTF8.GetByteCount(peer.Path) > 107)
        {
            // man 7 unix, sun_path.
            return Failed(space, "cannot be reached: the path of a socket has at most 107 bytes");
        }

        EndPoint end = isUnix ? new UnixDomainSocketEndPoint(peer.Path) : new IPEndPoint(IPAddress.Parse(peer.Address), peer.Port);
        using var socket = new Socket(end.AddressFamily, SocketType.Stream, isUnix ? ProtocolType.Unspecified : ProtocolType.Tcp);
        await socket.ConnectAsync(end, cancellation).ConfigureAwait(false);
        await SendAsync(socket, peer, method, parameters, cancellation).ConfigureAwait(false);

        var received = new byte[16 << 10];
        int length = 0;
        int head = -1;
        long? body = null;
        while (true)
        {
            if (length == received.Length)
            {
                Array.Resize(ref received, (int)Math.Min(2L * received.Length, (long)MaxHead + XmlRpcReader.MaxBytes + 1));
            }

            int count = await socket.ReceiveAsync(received.AsMemory(length), SocketFlags.None, cancellation).ConfigureAwait(false);
            length += count;
            if (head < 0)
            {
                head = EndOfHead(received.AsSpan(0, length));
                if (head >= 0)
                {
                    if (ReadHead(received.AsSpan(0, head), out body) is { } wrong)
                    {
                        return Failed(space, wrong);
                    }
                }
                else if (length > MaxHead || count == 0)
                {
                    return Failed(space, count == 0 ? "closed the connection before it answered" : "does not speak HTTP");
                }
            }

            if (head >= 0 && (body > XmlRpcReader.MaxBytes || length - head > XmlRpcReader.MaxBytes))
            {
                return Failed(space, string.Create(CultureInfo.InvariantCulture, $"gave an answer of more than {XmlRpcReader.MaxBytes >> 20} MiB"));
            }

            if (head >= 0 && (count == 0 || length - head >= body))
            {
                break;
            }
        }

        if (body is { } promised && length - head < promised)
        {
            return Failed(space, "closed the connection before its answer was complete");
        }

        int last = body is { } exact ? head + (int)exact : length;
        if (XmlRpcReader.ReadResponse(received.AsSpan(head, last - head), out XmlRpcResponse? response, XmlRpcReader.MaxBytes) != XmlRpcReadError.None)
        {
            return Failed(space, "gave an answer that is not XML-RPC");
        }

        return response!.Value is { } value
            ? new PeerAnswer(value, null)
            : new PeerAnswer(null, new Fault((FaultCode)response.FaultCode) { Foreign = response.FaultString ?? "" });
    }

    private static async Task SendAsync(Socket socket, RpcPeer peer, string method, XmlRpcValue[] parameters, CancellationToken cancellation)
    {
        using var call = new XmlRpcWriter();
        call.WriteCall(method, parameters);
        string host = peer.Path.Length > 0 ? "localhost"
            : string.Create(CultureInfo.InvariantCulture, $"{(peer.Address.Contains(':', StringComparison.Ordinal) ? $"[{peer.Address}]" : peer.Address)}:{peer.Port}");
        byte[] request =
        [
            .. Encoding.ASCII.GetBytes(string.Create(
                CultureInfo.InvariantCulture,
                $"POST {peer.Target} HTTP/1.0\r\nHost: {host}\r\nUser-Agent: Steward\r\nContent-Type: text/xml\r\nConnection: close\r\n"
                + $"Content-Length: {call.Written.Length}\r\n\r\n")),
            .. call.Written.Span,
        ];
        for (int sent = 0; sent < request.Length;)
        {
            sent += await socket.SendAsync(request.AsMemory(sent), SocketFlags.None, cancellation).ConfigureAwait(false);
        }
    }

    private static int EndOfHead(ReadOnlySpan<byte> bytes)
    {
        int crlf = bytes.IndexOf("\r\n\r\n"u8);
        int lf = bytes.IndexOf("\n\n"u8);
        return crlf >= 0 && (lf < 0 || crlf < lf) ? crlf + 4 : lf >= 0 ? lf + 2 : -1;
    }

    /// <summary>Reads the head of a response; returns what is wrong with it.</summary>
    private static string? ReadHead(ReadOnlySpan<byte> head, out long? length)
    {
        length = null;
        string[] lines = Encoding.Latin1.GetString(head).Split('\n', StringSplitOptions.TrimEntries);
        string[] status = lines[0].Split(' ', 3);
        if (!status[0].StartsWith("HTTP/1.", StringComparison.Ordinal) || status.Length < 2)
        {
            return "does not speak HTTP";
        }

        if (status[1] != "200")
        {
            return "answered HTTP " + string.Concat(lines[0].Skip(status[0].Length + 1).Where(c => c is >= ' ' and < (char)0x7f).Take(80));
        }

        foreach (string line in lines.Skip(1))
        {
            int colon = line.IndexOf(':', StringComparison.Ordinal);
            string value = colon < 0 ? "" : line[(colon + 1)..].Trim();
            if (line.StartsWith("content-length:", StringComparison.OrdinalIgnoreCase))
            {
                if (!long.TryParse(value, NumberStyles.None, CultureInfo.InvariantCulture, out long number))
                {
                    return "gave an answer without a proper length";
                }

                length = number;
            }
            else if (line.StartsWith("transfer-encoding:", StringComparison.OrdinalIgnoreCase)
                && !value.Equals("identity", StringComparison.OrdinalIgnoreCase))
            {
                return "answered in chunks, which HTTP/1.0 does not have";
            }
        }

        return null;
    }

    private static PeerAnswer Failed(RpcInterfaceConfig space, string what) =>
        new(null, new Fault(FaultCode.Failed, $"{space.Name}: the program at {space.Peer!.Url} {what}"));

    /// <summary>What is known of one program; as a semaphore, it admits its calls.</summary>
    private sealed class State() : SemaphoreSlim(MaxCalls)
    {
        public volatile IReadOnlyList<string> Methods = [];
        public int Open;
        public long ListedUntil;
    }
}
