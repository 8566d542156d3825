using System.Net;
using Microsoft.AspNetCore.Connections;

namespace Steward.Http;

/// <summary>
/// A transport that can stop accepting while connections that it has accepted go on: newcomers wait in the kernel's queue. The server
/// itself can only stop as a whole.
/// </summary>
internal sealed class GatedTransport(IConnectionListenerFactory inner, Action<ConnectionContext> accepted) : IConnectionListenerFactory
{
    private readonly List<Listener> _listeners = [];

    public async ValueTask<IConnectionListener> BindAsync(EndPoint endpoint, CancellationToken cancellationToken = default)
    {
        var listener = new Listener(await inner.BindAsync(endpoint, cancellationToken).ConfigureAwait(false), accepted);
        _listeners.Add(listener);
        return listener;
    }

    /// <summary>Stops accepting, for good. Who was let in before has been told of when this comes back.</summary>
    public async Task CloseAsync()
    {
        foreach (Listener listener in _listeners)
        {
            await listener.CloseAsync().ConfigureAwait(false);
        }
    }

    private sealed class Listener(IConnectionListener inner, Action<ConnectionContext> accepted) : IConnectionListener
    {
        private readonly TaskCompletionSource _unbound = new(TaskCreationOptions.RunContinuationsAsynchronously);
        private readonly TaskCompletionSource _ended = new(TaskCreationOptions.RunContinuationsAsynchronously);
        private volatile bool _isClosed;

        public EndPoint EndPoint => inner.EndPoint;

        public async ValueTask<ConnectionContext?> AcceptAsync(CancellationToken cancellationToken = default)
        {
            ConnectionContext? connection = await inner.AcceptAsync(cancellationToken).ConfigureAwait(false);
            if (connection is not null)
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

            return connection;
        }

        public async Task CloseAsync()
        {
            _isClosed = true;
            await inner.UnbindAsync().ConfigureAwait(false);
            await _ended.Task.ConfigureAwait(false);
        }

        public ValueTask UnbindAsync(CancellationToken cancellationToken = default)
        {
            _unbound.TrySetResult();
            return _isClosed ? ValueTask.CompletedTask : inner.UnbindAsync(cancellationToken);
        }

        public ValueTask DisposeAsync()
        {
            _unbound.TrySetResult();
            return inner.DisposeAsync();
        }
    }
}
