using Steward.Core.Model;
using Steward.Engine;
using Steward.Http;
using Steward.Journal;
using Steward.Linux.Host;

namespace Steward;

/// <summary>
/// The HTTP servers on the control sockets. When the file of a unix socket vanishes (a cleaner of temporary folders, a hand that
/// slipped), nobody can reach the daemon by it any more, though it listens: the file is made anew, with a server of its own behind
/// it, and connections that are open stay open.
/// </summary>
/// <remarks>The kernel tells when a file goes (man 7 inotify): nothing looks, and nothing wakes up, while all are there.</remarks>
internal sealed class ControlServers : IAsyncDisposable
{
    /// <summary>Servers behind files that were made anew; the oldest gives way when there are more.</summary>
    private const int MaxLater = 4;

    private readonly ControlSockets _sockets;
    private readonly Engine.Engine _engine;
    private readonly JournalHolder _journal;
    private readonly IHookControl? _hooks;
    private readonly HttpServers _first;
    private readonly Queue<HttpServers> _later = new();
    private readonly List<FileSystemWatcher> _watchers = [];
    private readonly Lock _gate = new();
    private bool _isStopped;

    private ControlServers(ControlSockets sockets, Engine.Engine engine, JournalHolder journal, IHookControl? hooks, HttpServers first)
    {
        _sockets = sockets;
        _engine = engine;
        _journal = journal;
        _hooks = hooks;
        _first = first;
    }

    /// <summary>Begins to serve all sockets and to watch their files.</summary>
    public static ControlServers Start(ControlSockets sockets, Engine.Engine engine, JournalHolder journal, IHookControl? hooks)
    {
        var servers = new ControlServers(sockets, engine, journal, hooks, Serve(sockets.Sockets, engine, journal, hooks));
        servers.WatchFiles();
        return servers;
    }

    /// <summary>Stops serving; see <see cref="HttpServers.StopAsync"/>. A second call returns at once.</summary>
    public async Task StopAsync()
    {
        lock (_gate)
        {
            // From here on a file that goes is one that we remove.
            _isStopped = true;
        }

        foreach (FileSystemWatcher watcher in _watchers)
        {
            watcher.Dispose();
        }

        await Task.WhenAll(_later.Append(_first).Select(static server => server.StopAsync())).ConfigureAwait(false);
    }

    /// <inheritdoc/>
    public async ValueTask DisposeAsync() => await StopAsync().ConfigureAwait(false);

    private static HttpServers Serve(
        IEnumerable<ControlSocket> sockets, Engine.Engine engine, JournalHolder journal, IHookControl? hooks) => HttpServers.StartAsync(
        [.. sockets.Select(static socket => new HttpListener(socket.Config, socket.Fd))], engine, Program.SupervisorVersion, journal, hooks)
        .GetAwaiter().GetResult();

    private void WatchFiles()
    {
        foreach (string file in _sockets.Files)
        {
            try
            {
                var watcher = new FileSystemWatcher(Path.GetDirectoryName(file)!, Path.GetFileName(file)) { NotifyFilter = NotifyFilters.FileName };
                _watchers.Add(watcher);
                watcher.Deleted += (_, _) => Restore();
                watcher.Renamed += (_, _) => Restore();
                watcher.Error += (_, _) => Restore();
                watcher.EnableRaisingEvents = true;
            }
            catch (Exception e) when (e is IOException or ArgumentException or UnauthorizedAccessException)
            {
                _engine.Log(LogLevel.Warn, $"socket file {file} would not be made anew if it vanished: {e.Message}");
            }
        }

        // Whatever went before somebody looked.
        Restore();
    }

    private void Restore()
    {
        lock (_gate)
        {
            if (_isStopped)
            {
                return;
            }

            IReadOnlyList<ControlSocket> restored = _sockets.Restore(text => _engine.Log(LogLevel.Warn, text));
            if (restored.Count == 0)
            {
                return;
            }

            _later.Enqueue(Serve(restored, _engine, _journal, _hooks));
            if (_later.Count > MaxLater)
            {
                _later.Dequeue().StopAsync().GetAwaiter().GetResult();
            }
        }
    }
}
