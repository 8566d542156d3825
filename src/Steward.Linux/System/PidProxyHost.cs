using System.Globalization;
using Steward.Core.Model;
using Steward.Linux.Interop;

namespace Steward.Linux.Host;

/// <summary>What <see cref="PidProxyHost.Next"/> reports: a signal to pass on, or the end of the command.</summary>
/// <param name="Signal">The signal; 0 when the command ended.</param>
/// <param name="Ended">How the command ended; null for a signal.</param>
public readonly record struct ProxyEvent(int Signal, WaitStatus? Ended);

/// <summary>
/// What <c>pidproxy</c> needs of the system: it runs a command, hears the signals TERM, HUP, INT, USR1, USR2 and QUIT that are meant
/// for it, and sends them to a pid that a file names.
/// </summary>
public sealed unsafe class PidProxyHost : IDisposable
{
    // A pid file holds a number and a newline; whatever is longer is something else.
    private const int MaxPidFile = 64;

    private readonly Lock _gate = new();
    private readonly SemaphoreSlim _news = new(0);
    // Bounded: a signal that is waiting already is not queued again, and a command ends once.
    private readonly Queue<ProxyEvent> _queue = new();
    private readonly SignalWatch _watch;

    /// <summary>Begins to catch signals.</summary>
    public PidProxyHost() => _watch = new SignalWatch(
        [Signals.Term, Signals.Hup, Signals.Int, Signals.Usr1, Signals.Usr2, Signals.Quit],
        number => Report(new ProxyEvent(number, null)));

    /// <summary>
    /// Starts the command with our streams, environment and working directory. A name without a slash is looked for in the working
    /// directory first, then in <c>PATH</c>. To be called once.
    /// </summary>
    /// <returns>The pid.</returns>
    /// <exception cref="StartException">It cannot be run.</exception>
    public int Spawn(IReadOnlyList<string> argv)
    {
        string file = argv[0];
        if (file.Length > 0 && !file.Contains('/', StringComparison.Ordinal) && LibC.access("./" + file, LibC.X_OK) == 0)
        {
            file = "./" + file;
        }

        int pid = HelperProcess.Start(
            file, [.. argv.Select(NativeText.Encode)], ProcessEnvironment.Entries(), newSession: false, keepFd: -1, out int errno);
        if (errno != 0)
        {
            throw new StartException("cannot run " + Core.Config.PythonText.Repr(argv[0]), errno);
        }

        var waiter = new Thread(() => Report(new ProxyEvent(0, HelperProcess.Wait(pid))), 128 << 10)
        {
            IsBackground = true,
            Name = "pidproxy wait",
        };
        waiter.Start();
        return pid;
    }

    /// <summary>Waits, without limit, for the next signal or the end of the command.</summary>
    public ProxyEvent Next()
    {
        _news.Wait();
        lock (_gate)
        {
            return _queue.Dequeue();
        }
    }

    /// <summary>Sends a signal (man 2 kill).</summary>
    /// <param name="pid">The process; must be positive.</param>
    /// <param name="signal">The signal.</param>
    /// <param name="error">When refused: <c>[Errno 3] No such process</c> and the like.</param>
    /// <returns>Whether it was sent.</returns>
    public static bool Kill(int pid, int signal, out string? error)
    {
        // 0 and below would mean groups of processes.
        int errno = pid <= 0 ? Errno.ESRCH : LibC.kill(pid, signal) == 0 ? 0 : LibC.LastError;
        error = errno == 0 ? null : ErrnoText.Python(errno);
        return errno == 0;
    }

    /// <summary>Reads the pid that a file names; null when it cannot be read or names none.</summary>
    public static int? ReadPidFile(string path)
    {
        byte[]? content = FileBytes.Read(path, MaxPidFile, out _);
        return content is not null
            && int.TryParse(NativeText.Decode(content).Trim(), NumberStyles.None, CultureInfo.InvariantCulture, out int pid)
            && pid > 0
            ? pid
            : null;
    }

    /// <inheritdoc/>
    public void Dispose()
    {
        _watch.Dispose();
        // The semaphore stays: the thread that waits for the command may still report to it.
    }

    private void Report(ProxyEvent happened)
    {
        lock (_gate)
        {
            if (happened.Ended is null && _queue.Contains(happened))
            {
                return;
            }

            _queue.Enqueue(happened);
        }

        _news.Release();
    }
}
