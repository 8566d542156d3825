using Steward.Core.Model;
using Steward.Http;
using Steward.Linux.Host;

namespace Steward;

/// <summary>
/// Watches the files of the control sockets. When one vanishes (a cleaner of temporary folders, a hand that slipped), nobody can reach the
/// daemon by it any more, though it listens: the file is made anew, with a server of its own behind it, and connections that are open
/// stay open.
/// </summary>
/// <remarks>The kernel tells when a file goes (man 7 inotify): nothing looks, and nothing wakes up, while all are there.</remarks>
internal sealed class SocketFiles
{
    /// <summary>Servers behind files that were made anew; the oldest gives way when there are more.</summary>
    private const int MaxLater = 4;

    private readonly ControlSockets _sockets;
    private readonly Engine.Engine _engine;
    private readonly Func<IReadOnlyList<ControlSocket>, HttpServers> _serve;
    private readonly Queue<HttpServers> _later = new();
    private readonly List<FileSystemWatcher> _watchers = [];
    private readonly Lock _gate = new();
    private bool _isEnded;

    /// <summary>Begins to watch.</summary>
    /// <param name="sockets">The sockets.</param>
    /// <param name="engine">Takes the lines for the log.</param>
    /// <param name="serve">Begins to serve sockets that were made anew.</param>
    public SocketFiles(ControlSockets sockets, Engine.Engine engine, Func<IReadOnlyList<ControlSocket>, HttpServers> serve)
    {
        _sockets = sockets;
        _engine = engine;
        _serve = serve;
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

    /// <summary>Ends watching: from here on a file that goes is one that we remove.</summary>
    /// <returns>The servers behind files that were made anew; they are the caller's now. Empty the second time.</returns>
    public IReadOnlyList<HttpServers> End()
    {
        HttpServers[] later;
        lock (_gate)
        {
            _isEnded = true;
            later = [.. _later];
            _later.Clear();
        }

        foreach (FileSystemWatcher watcher in _watchers)
        {
            watcher.Dispose();
        }

        _watchers.Clear();
        return later;
    }

    private void Restore()
    {
        lock (_gate)
        {
            if (_isEnded)
            {
                return;
            }

            IReadOnlyList<ControlSocket> restored = _sockets.Restore(text => _engine.Log(LogLevel.Warn, text));
            if (restored.Count == 0)
            {
                return;
            }

            _later.Enqueue(_serve(restored));
            if (_later.Count > MaxLater)
            {
                _later.Dequeue().StopAsync().GetAwaiter().GetResult();
            }
        }
    }
}
