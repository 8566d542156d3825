using System.Net;
using System.Net.Sockets;
using Microsoft.AspNetCore.Connections;
using Microsoft.AspNetCore.Server.Kestrel.Transport.Sockets;
using Microsoft.Extensions.Logging;

namespace Steward.Http;

/// <summary>
/// A transport over sockets that listen already. It can stop accepting while connections that it has accepted go on: newcomers wait in the
/// kernel's queue. The server itself can only stop as a whole.
/// </summary>
/// <remarks>
/// Where the process has no descriptor or no memory for one more connection, newcomers wait in the queue as well, and accepting is tried again after
/// <see cref="ShortagePause"/>. (The server's own transport tries again at once, and takes a whole processor for as long as it lasts.)
/// </remarks>
/// <param name="log">Takes what the server has to say of connections.</param>
/// <param name="accepted">Told of each connection.</param>
/// <param name="say">Takes what an operator is to know.</param>
internal sealed class GatedTransport(ILoggerFactory log, Action<ConnectionContext> accepted, Action<string> say) : IConnectionListenerFactory
{
    /// <summary>How long nobody is accepted after that failed for want of something.</summary>
    private static readonly TimeSpan ShortagePause = TimeSpan.FromMilliseconds(100);

    private readonly List<Listener> _listeners = [];

    /// <inheritdoc/>
    public ValueTask<IConnectionListener> BindAsync(EndPoint endpoint, CancellationToken cancellationToken = default)
    {
        if (endpoint is not FileHandleEndPoint handle)
        {
            throw new NotSupportedException($"{endpoint} is not a socket that listens already.");
        }

        var listener = new Listener(
            new Socket(new SafeSocketHandle(checked((nint)handle.FileHandle), ownsHandle: false)),
            new SocketConnectionContextFactory(
                // Requests are answered on the thread that read them: a query costs no hop, and whatever waits is a task.
                new SocketConnectionFactoryOptions { IOQueueCount = 1, UnsafePreferInlineScheduling = true },
                log.CreateLogger("connections")),
            accepted,
            say);
        _listeners.Add(listener);
        return ValueTask.FromResult<IConnectionListener>(listener);
    }

    /// <summary>Stops accepting, for good. Who was let in before has been told of when this comes back.</summary>
    public async Task CloseAsync()
    {
        foreach (Listener listener in _listeners)
        {
            await listener.CloseAsync().ConfigureAwait(false);
        }
    }

    private sealed class Listener(Socket socket, SocketConnectionContextFactory connections, Action<ConnectionContext> accepted, Action<string> say)
        : IConnectionListener
    {
        private readonly TaskCompletionSource _unbound = new(TaskCreationOptions.RunContinuationsAsynchronously);
        private readonly TaskCompletionSource _ended = new(TaskCreationOptions.RunContinuationsAsynchronously);
        private readonly CancellationTokenSource _closing = new();
        private volatile bool _isClosed;
        private bool _isShort;

        public EndPoint EndPoint { get; } = socket.LocalEndPoint!;

        public async ValueTask<ConnectionContext?> AcceptAsync(CancellationToken cancellationToken = default)
        {
            if (await NextAsync(cancellationToken).ConfigureAwait(false) is { } connection)
            {
                accepted(connection);
                return connection;
            }

            _ended.TrySetResult();
            if (_isClosed)
            {
                // The server would take the end of accepting for its own end.
                await _unbound.Task.ConfigureAwait(false);
            }

            return null;
        }

        public async Task CloseAsync()
        {
            _isClosed = true;
            await _closing.CancelAsync().ConfigureAwait(false);
            await _ended.Task.ConfigureAwait(false);
        }

        public async ValueTask UnbindAsync(CancellationToken cancellationToken = default)
        {
            _unbound.TrySetResult();
            await _closing.CancelAsync().ConfigureAwait(false);
        }

        public async ValueTask DisposeAsync()
        {
            _unbound.TrySetResult();
            await _closing.CancelAsync().ConfigureAwait(false);
            socket.Dispose();
            connections.Dispose();
        }

        /// <summary>The next connection; null when there will be none.</summary>
        private async Task<ConnectionContext?> NextAsync(CancellationToken cancellation)
        {
            // Accepting is cancelled, never torn away with its socket: who was just let in by the kernel would be let go without an answer.
            using CancellationTokenSource? linked = cancellation.CanBeCanceled
                ? CancellationTokenSource.CreateLinkedTokenSource(cancellation, _closing.Token)
                : null;
            CancellationToken end = linked?.Token ?? _closing.Token;
            while (!end.IsCancellationRequested)
            {
                try
                {
                    Socket next = await socket.AcceptAsync(end).ConfigureAwait(false);
                    _isShort = false;
                    if (next.AddressFamily != AddressFamily.Unix)
                    {
                        next.NoDelay = true;
                    }

                    return connections.Create(next);
                }
                catch (Exception e) when (e is OperationCanceledException or ObjectDisposedException or SocketException { SocketErrorCode: SocketError.OperationAborted })
                {
                    return null;
                }
                catch (SocketException shortage) when (shortage.SocketErrorCode is SocketError.TooManyOpenSockets or SocketError.NoBufferSpaceAvailable)
                {
                    if (!_isShort)
                    {
                        _isShort = true;
                        string what = shortage.SocketErrorCode == SocketError.TooManyOpenSockets ? "too many open files" : "not enough memory";
                        say($"clients wait, as no connection can be accepted: {what}");
                    }

                    await PauseAsync().ConfigureAwait(false);
                }
                catch (SocketException)
                {
                    // Of the one who came (man 2 accept, "Error handling"): it has gone again.
                }
            }

            return null;
        }

        private async Task PauseAsync()
        {
            try
            {
                await Task.Delay(ShortagePause, _closing.Token).ConfigureAwait(false);
            }
            catch (OperationCanceledException)
            {
                // It is looked at next.
            }
        }
    }
}
