using Steward.Core.Model;
using Steward.Linux.Interop;

namespace Steward.Linux.Host;

/// <summary>
/// The signals that the daemon answers to: TERM, INT, QUIT, HUP, USR1 and USR2. Until <see cref="Listen"/> they have their
/// default effect, so that a start can be interrupted.
/// </summary>
public sealed unsafe class DaemonSignals : IDisposable
{
    private const int SigXfsz = 25;

    private static readonly int[] Answered = [Signals.Term, Signals.Int, Signals.Quit, Signals.Hup, Signals.Usr1, Signals.Usr2];

    private readonly SignalWatch _watch;

    private DaemonSignals(SignalWatch watch) => _watch = watch;

    /// <summary>
    /// Puts this process's dispositions in order, whatever its parent left: SIGCHLD default (ignored, the kernel would throw exit
    /// codes away), SIGPIPE and SIGXFSZ ignored (a write fails instead), no signal blocked. To be called first in the program, on
    /// its main thread. Children get the defaults back when they are spawned.
    /// </summary>
    public static void Prepare()
    {
        PrepareBlocked();
        // One thread that takes a signal is enough: threads that inherited a mask before this call may keep it.
        byte* none = stackalloc byte[LibC.SigSetSize];
        new Span<byte>(none, LibC.SigSetSize).Clear();
        _ = LibC.pthread_sigmask(LibC.SIG_SETMASK, none, null);
    }

    /// <summary>
    /// As <see cref="Prepare"/> for an image that took the place of another: the signals that the daemon answers to stay blocked, as
    /// the other left them, until <see cref="Unblock"/>.
    /// </summary>
    public static void PrepareBlocked()
    {
        _ = LibC.signal(Signals.Chld, LibC.SIG_DFL);
        _ = LibC.signal(Signals.Pipe, LibC.SIG_IGN);
        _ = LibC.signal(SigXfsz, LibC.SIG_IGN);
    }

    /// <summary>
    /// Lets the signals that the daemon answers to wait in the kernel, in the calling thread. Only these: the runtime has signals of its
    /// own, without which it cannot stop its threads.
    /// </summary>
    public static void Block() => Mask(LibC.SIG_BLOCK);

    /// <summary>Lets them come, in the calling thread: those that waited come at once.</summary>
    public static void Unblock() => Mask(LibC.SIG_UNBLOCK);

    /// <summary>Begins to report signals.</summary>
    /// <param name="deliver">
    /// Receives the number, on a thread of the runtime, never two at once. It must return soon: what it does not take in waits in
    /// the runtime.
    /// </param>
    /// <returns>Ends the reporting; the signals have their default effect again.</returns>
    public static DaemonSignals Listen(Action<int> deliver) =>
        new(new SignalWatch(Answered, deliver));

    private static void Mask(int how)
    {
        byte* set = stackalloc byte[LibC.SigSetSize];
        _ = LibC.sigemptyset(set);
        foreach (int number in Answered)
        {
            _ = LibC.sigaddset(set, number);
        }

        _ = LibC.pthread_sigmask(how, set, null);
    }

    /// <inheritdoc/>
    public void Dispose() => _watch.Dispose();
}
