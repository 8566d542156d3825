using Steward.Linux.Interop;

namespace Steward.Linux.Processes;

/// <summary>
/// Notices dead children. One thread sleeps in the kernel until there is one (<c>waitid</c> with WNOWAIT), says so, and waits
/// until the engine has reaped what there was; tell first, reap after: nothing is lost when the daemon ends in between.
/// </summary>
/// <remarks>
/// Why not SIGCHLD: as PID 1, or when the signal was ignored at the daemon's start, a handler of the runtime reaps children by
/// itself and their statuses are lost. SIGCHLD is therefore set to its default, under which the kernel keeps the dead for us.
/// </remarks>
internal sealed unsafe class ChildWatcher : IDisposable
{
    /// <summary>
    /// Where there are no children the thread waits for the next spawn. Only PID 1 of a container may be given orphans without a
    /// spawn (of a process that was put into the container from outside), so it looks again from time to time.
    /// </summary>
    private const int OrphanPatienceMilliseconds = 30_000;

    private readonly Action _exited;
    private readonly Action<string> _failed;
    private readonly AutoResetEvent _reapingDone = new(false);
    private readonly AutoResetEvent _spawned = new(false);
    private readonly Thread _thread;
    private volatile bool _stopping;

    /// <summary>Prepares; nothing is looked at before <see cref="Start"/>.</summary>
    /// <param name="exited">Told that there is a dead child; not again before <see cref="ReapingDone"/>.</param>
    /// <param name="failed">Told, once, why exits are not noticed any more.</param>
    internal ChildWatcher(Action exited, Action<string> failed)
    {
        _exited = exited;
        _failed = failed;
        if (LibC.signal(LibC.SIGCHLD, LibC.SIG_DFL) == LibC.SIG_ERR)
        {
            throw new InvalidOperationException($"SIGCHLD could not be set to its default: {ErrnoText.Python(LibC.LastError)}");
        }

        // Background: the thread may sleep in the kernel when the program ends.
        _thread = new Thread(Watch, 256 * 1024) { Name = "children", IsBackground = true };
    }

    /// <summary>Begins to look.</summary>
    internal void Start() => _thread.Start();

    /// <summary>A child was made.</summary>
    internal void Spawned() => _spawned.Set();

    /// <summary>The engine has reaped what there was.</summary>
    internal void ReapingDone() => _reapingDone.Set();

    /// <summary>
    /// Ends the thread: at once where it waits for us, with the next death where it sleeps in the kernel. It reports nothing
    /// any more and takes no child's status.
    /// </summary>
    public void Dispose()
    {
        _stopping = true;
        _spawned.Set();
        _reapingDone.Set();
    }

    private void Watch()
    {
        byte* info = stackalloc byte[LibC.SizeOfSigInfo];
        int patience = Environment.ProcessId == 1 ? OrphanPatienceMilliseconds : Timeout.Infinite;
        while (!_stopping)
        {
            int result = LibC.waitid(LibC.P_ALL, 0, info, LibC.WEXITED | LibC.WNOWAIT);
            int errno = result == 0 ? 0 : LibC.LastError;
            if (_stopping)
            {
                return;
            }

            switch (errno)
            {
                case 0:
                    _exited();
                    _reapingDone.WaitOne();
                    break;
                case Errno.ECHILD:
                    // A spawn between the call and here has left the event set.
                    _spawned.WaitOne(patience);
                    break;
                case Errno.EINTR:
                    break;
                default:
                    _failed($"waiting for children failed: {ErrnoText.Python(errno)}; exits are not noticed any more");
                    return;
            }
        }
    }
}
