using System.Diagnostics;
using Microsoft.AspNetCore.Connections;
using Microsoft.AspNetCore.Server.Kestrel.Core;
using Microsoft.Extensions.Options;
using Steward.Core.Config;
using Steward.Core.Effects;
using Steward.Core.Model;
using Steward.Core.Snapshots;
using Steward.Engine;
using Steward.Http.Api;
using Steward.Http.XmlRpc;
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

    // How long a connection that has brought no request yet may keep the gate open.
    private static readonly TimeSpan FreshPatience = TimeSpan.FromMilliseconds(500);

    private readonly ISupervisorControl _control;
    private readonly RpcEndpoint _rpc;
    private readonly GatedTransport _transport;
    private readonly KestrelServer _server;
    private readonly CancellationTokenSource _endStreams;
    private readonly CancellationTokenSource _endWaiting;
    private readonly CancellationTokenSource _endAll = new();
    private readonly HashSet<ConnectionState> _connections = [];
    private Task? _stopping;
    private int _stopped;

    private HttpServers(
        ISupervisorControl control,
        RpcEndpoint rpc,
        GatedTransport transport,
        KestrelServer server,
        CancellationTokenSource endStreams,
        CancellationTokenSource endWaiting)
    {
        _control = control;
        _rpc = rpc;
        _transport = transport;
        _server = server;
        _endStreams = endStreams;
        _endWaiting = endWaiting;
    }

    /// <summary>Says whether the gate was closed and nobody is left: nothing is to be stopped any more.</summary>
    public bool IsOver => _stopping is { IsCompleted: true };

    /// <summary>Begins to accept connections on every listener. An empty list is allowed and serves nobody.</summary>
    /// <param name="listeners">The sockets.</param>
    /// <param name="control">The daemon that they control.</param>
    /// <param name="supervisorVersion">What <c>getSupervisorVersion</c> answers and the pages show.</param>
    /// <param name="journal">What <c>/api/v1</c> and the namespace <c>steward</c> read; null for none.</param>
    /// <param name="hooks">The hooks; null for none.</param>
    /// <param name="upgrade">Carries out <c>steward.upgrade</c>; null: there is no such method.</param>
    /// <param name="cancellation">Gives up starting.</param>
    public static async Task<HttpServers> StartAsync(
        IReadOnlyList<HttpListener> listeners,
        ISupervisorControl control,
        string supervisorVersion,
        JournalHolder? journal = null,
        IHookControl? hooks = null,
        Upgrader? upgrade = null,
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
        HttpServers? servers = null;
        foreach (HttpListener listener in listeners)
        {
            var endpoint = new Endpoint(listener.Config);
            options.ListenHandle((ulong)listener.ListenFd, listen =>
            {
                listen.Protocols = HttpProtocols.Http1;
                listen.Use(next => async connection =>
                {
                    connection.Features.Set(endpoint);
                    ConnectionState state = connection.Features.Get<ConnectionState>()!;
                    state.IsServed = true;
                    try
                    {
                        await next(connection).ConfigureAwait(false);
                    }
                    finally
                    {
                        servers!.Leave(state);
                    }
                });
            });
        }

        var log = new KestrelLog(control);
        var transport = new GatedTransport(log, connection => servers!.Enter(connection), text => control.Log(LogLevel.Error, text));
        var server = new KestrelServer(Options.Create(options), transport, log);
        var endWaiting = new CancellationTokenSource();
        servers = new HttpServers(
            control,
            new RpcEndpoint(control, new JournalQueries(control, journal), hooks, supervisorVersion, endWaiting.Token, upgrade),
            transport,
            server,
            new CancellationTokenSource(),
            endWaiting);
        if (listeners.Count == 0)
        {
            // Started without a place to listen at, the server would choose one.
            return servers;
        }

        try
        {
            await server.StartAsync(
                new HttpApplication(control, journal, supervisorVersion, servers._rpc, servers._endStreams.Token, servers._endWaiting.Token),
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
    /// Stops accepting for good, ends log streams, lets requests be answered that do not wait for the core, and closes idle connections. Calls
    /// that wait go on waiting. The sockets stay open and newcomers wait in their queues, for another image of the program or for
    /// another start on duplicates of them.
    /// </summary>
    /// <param name="patience">How long a request that is being answered may take; one that takes longer is cut off with this image.</param>
    public async Task CloseGateAsync(TimeSpan patience)
    {
        if (Interlocked.Exchange(ref _stopped, 1) != 0)
        {
            return;
        }

        await _endStreams.CancelAsync().ConfigureAwait(false);
        await _transport.CloseAsync().ConfigureAwait(false);

        // What was accepted just now is about to bring its request: a client that was let in is not turned away.
        await UntilAsync(() => Count(static state => !state.HasBegun) == 0, FreshPatience).ConfigureAwait(false);
        _stopping = _server.StopAsync(_endAll.Token);
        await UntilAsync(() => Count(static _ => true) <= _rpc.UnderWay.Waiting, patience).ConfigureAwait(false);
    }

    /// <summary>
    /// Waits until nobody is left but those that wait for the core: whose answer it has given already gets it here. After
    /// <see cref="CloseGateAsync"/>, while the core rests.
    /// </summary>
    /// <param name="requestOf">Under which id the core has what is waited for; null when it has given its answer.</param>
    /// <param name="patience">How long to wait; who is left then is cut off.</param>
    public Task SettleAsync(Func<Task<Outcome>, RequestId?> requestOf, TimeSpan patience) =>
        UntilAsync(() => Count(static _ => true) <= _rpc.UnderWay.Resting(requestOf), patience);

    /// <summary>Writes the calls down that wait for the core, each as a field of its own. After <see cref="SettleAsync"/>.</summary>
    /// <param name="writer">Where to.</param>
    /// <param name="field">The field.</param>
    /// <param name="place">The place of the first in the list of all, which may be of several servers.</param>
    /// <param name="leave">Takes the role and the descriptor of each connection.</param>
    /// <param name="requestOf">As in <see cref="SettleAsync"/>.</param>
    /// <returns>The place behind the last.</returns>
    public int SaveCalls(SnapshotWriter writer, int field, int place, Action<string, int> leave, Func<Task<Outcome>, RequestId?> requestOf) =>
        _rpc.UnderWay.Save(writer, field, place, leave, requestOf);

    /// <summary>Goes on with the calls that another image of the program has left.</summary>
    /// <param name="calls">The calls.</param>
    /// <param name="rejoin">Waits anew for what a call waits for; null when nothing had come of it.</param>
    /// <param name="upgrade">What became of the upgrade, for those who asked for it.</param>
    public void Resume(HeldCalls calls, Func<RequestId, Task<Outcome>?> rejoin, Outcome upgrade)
    {
        foreach (HeldCall call in calls.Calls)
        {
            bool isUpgrade = RpcCalls.IsUpgrade(call.Call, call.Part);
            Task<Outcome>? first = isUpgrade ? Task.FromResult(upgrade) : call.Request is { } request ? rejoin(request) : null;
            _ = _rpc.ResumeAsync(call, first);
        }
    }

    /// <summary>
    /// Stops accepting, ends log streams, gives other requests <see cref="StopLimit"/> to be answered and closes every
    /// connection. A second call returns at once.
    /// </summary>
    public async Task StopAsync()
    {
        if (Interlocked.Exchange(ref _stopped, 1) != 0 && _stopping is null)
        {
            return;
        }

        await _endStreams.CancelAsync().ConfigureAwait(false);
        _endWaiting.CancelAfter(StopLimit);
        if (Interlocked.Exchange(ref _stopping, null) is { } stopping)
        {
            // The gate was closed before, and those that wait were left waiting.
            _endAll.CancelAfter(StopLimit);
            await stopping.ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
            _server.Dispose();
            await _endWaiting.CancelAsync().ConfigureAwait(false);
            return;
        }

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

    private static async Task UntilAsync(Func<bool> condition, TimeSpan patience)
    {
        long began = Stopwatch.GetTimestamp();
        while (!condition() && Stopwatch.GetElapsedTime(began) < patience)
        {
            await Task.Delay(1).ConfigureAwait(false);
        }
    }

    private void Enter(ConnectionContext connection)
    {
        var state = new ConnectionState();
        lock (_connections)
        {
            _connections.Add(state);
        }

        connection.Features.Set(state);
        connection.ConnectionClosed.UnsafeRegister(
            static (object? given) =>
            {
                (HttpServers servers, ConnectionState state) = ((HttpServers, ConnectionState))given!;
                if (!state.IsServed)
                {
                    servers.Leave(state);
                }
            },
            (this, state));
    }

    private void Leave(ConnectionState state)
    {
        lock (_connections)
        {
            _connections.Remove(state);
        }
    }

    private int Count(Func<ConnectionState, bool> condition)
    {
        lock (_connections)
        {
            return _connections.Count(condition);
        }
    }

    /// <inheritdoc/>
    public async ValueTask DisposeAsync() => await StopAsync().ConfigureAwait(false);

    private sealed class NoServices : IServiceProvider
    {
        public static readonly NoServices Instance = new();

        public object? GetService(Type serviceType) => null;
    }
}
