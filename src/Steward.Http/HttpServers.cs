using Microsoft.AspNetCore.Server.Kestrel.Core;
using Microsoft.AspNetCore.Server.Kestrel.Transport.Sockets;
using Microsoft.Extensions.Options;
using Steward.Core.Config;
using Steward.Engine;
using Steward.Journal;
using Steward.Protocol.XmlRpc;

namespace Steward.Http;

/// <summary>A control socket that is already bound and listening.</summary>
/// <param name="Config">Its section: credentials, and what it is called in the log.</param>
/// <param name="ListenFd">
/// The descriptor. It stays the caller's: close it after <see cref="HttpServers.StopAsync"/>. It can be handed over once: the
/// runtime's epoll set keeps it until it is closed, so another start on the same socket takes a duplicate (man 2 dup).
/// </param>
public sealed record HttpListener(ServerConfig Config, nint ListenFd);

/// <summary>
/// The control sockets of a running daemon: XML-RPC, log streams and the status pages, the same on each. Kestrel does the
/// HTTP; what a request means begins in <see cref="HttpApplication"/>.
/// </summary>
/// <remarks>
/// One Kestrel serves all sockets, so there is one heartbeat thread. A reload stops this object and starts another on new
/// descriptors; nothing is shared between the two.
/// </remarks>
public sealed class HttpServers : IAsyncDisposable
{
    /// <summary>How many connections are open at once over all sockets; more are closed at once.</summary>
    public const int MaxConnections = 1000;

    /// <summary>How long <see cref="StopAsync"/> lets requests finish that are being answered.</summary>
    public static readonly TimeSpan StopLimit = TimeSpan.FromSeconds(1);

    private readonly KestrelServer _server;
    private readonly CancellationTokenSource _endStreams;
    private readonly CancellationTokenSource _endWaiting;
    private int _stopped;

    private HttpServers(KestrelServer server, CancellationTokenSource endStreams, CancellationTokenSource endWaiting)
    {
        _server = server;
        _endStreams = endStreams;
        _endWaiting = endWaiting;
    }

    /// <summary>Begins to accept connections on every listener. An empty list is allowed and serves nobody.</summary>
    /// <param name="listeners">The sockets.</param>
    /// <param name="control">The daemon that they control.</param>
    /// <param name="supervisorVersion">What <c>getSupervisorVersion</c> answers and the pages show.</param>
    /// <param name="journal">What <c>/api/v1</c> and the namespace <c>steward</c> read; null for none.</param>
    /// <param name="hooks">The hooks; null for none.</param>
    /// <param name="cancellation">Gives up starting.</param>
    public static async Task<HttpServers> StartAsync(
        IReadOnlyList<HttpListener> listeners,
        ISupervisorControl control,
        string supervisorVersion,
        JournalHolder? journal = null,
        IHookControl? hooks = null,
        CancellationToken cancellation = default)
    {
        var options = new KestrelServerOptions
        {
            AddServerHeader = false,
            ApplicationServices = NoServices.Instance,
        };
        options.Limits.MaxConcurrentConnections = MaxConnections;
        options.Limits.MaxRequestBodySize = XmlRpcReader.MaxBytes;
        // What is read ahead of a connection before anybody has looked at its credentials.
        options.Limits.MaxRequestBufferSize = 128 << 10;
        // Clients such as Supervisor's own keep a connection for a whole session and do not try again when it is gone:
        // idle ones live as long as Supervisor lets them, 30 minutes.
        options.Limits.KeepAliveTimeout = TimeSpan.FromMinutes(30);
        options.Limits.RequestHeadersTimeout = TimeSpan.FromSeconds(30);
        foreach (HttpListener listener in listeners)
        {
            var endpoint = new Endpoint(listener.Config);
            options.ListenHandle((ulong)listener.ListenFd, listen =>
            {
                listen.Protocols = HttpProtocols.Http1;
                listen.Use(next => connection =>
                {
                    connection.Features.Set(endpoint);
                    return next(connection);
                });
            });
        }

        var log = new KestrelLog(control);
        // Requests are answered on the thread that read them: a query costs no hop, and whatever waits is a task.
        var transport = new SocketTransportFactory(
            Options.Create(new SocketTransportOptions { IOQueueCount = 1, UnsafePreferInlineScheduling = true, Backlog = 1024 }),
            log);
        var server = new KestrelServer(Options.Create(options), transport, log);
        var servers = new HttpServers(server, new CancellationTokenSource(), new CancellationTokenSource());
        try
        {
            await server.StartAsync(
                new HttpApplication(control, journal, hooks, supervisorVersion, servers._endStreams.Token, servers._endWaiting.Token),
                cancellation).ConfigureAwait(false);
            return servers;
        }
        catch
        {
            await servers.DisposeAsync().ConfigureAwait(false);
            throw;
        }
    }

    /// <summary>
    /// Stops accepting, ends log streams, gives other requests <see cref="StopLimit"/> to be answered and closes every
    /// connection. A second call returns at once.
    /// </summary>
    public async Task StopAsync()
    {
        if (Interlocked.Exchange(ref _stopped, 1) != 0)
        {
            return;
        }

        await _endStreams.CancelAsync().ConfigureAwait(false);
        _endWaiting.CancelAfter(StopLimit);
        using (var limit = new CancellationTokenSource(StopLimit))
        {
            try
            {
                await _server.StopAsync(limit.Token).ConfigureAwait(false);
            }
            catch (OperationCanceledException) when (limit.IsCancellationRequested)
            {
                // The connections that were left have been aborted.
            }
        }

        _server.Dispose();
        // Not disposed: an aborted request may still be looking at its token.
        await _endWaiting.CancelAsync().ConfigureAwait(false);
    }

    /// <inheritdoc/>
    public async ValueTask DisposeAsync() => await StopAsync().ConfigureAwait(false);

    private sealed class NoServices : IServiceProvider
    {
        public static readonly NoServices Instance = new();

        public object? GetService(Type serviceType) => null;
    }
}
