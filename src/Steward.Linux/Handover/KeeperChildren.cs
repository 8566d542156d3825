using Steward.Core.Model;
using Steward.Linux.Host;
using Steward.Linux.Interop;
using Steward.Linux.Processes;

namespace Steward.Linux.Handover;

/// <summary>The keeper's children: the daemon, and what falls to it when a daemon dies (man 2 prctl, PR_SET_CHILD_SUBREAPER).</summary>
public sealed unsafe class KeeperChildren : IDisposable
{
    private readonly ChildWatcher _watcher;
    private readonly ulong _soft;

    /// <summary>Has what dies without a parent fall to this process, and takes all descriptors that it may have.</summary>
    /// <param name="exited">Told that a child died, on a thread of this object; not again before <see cref="LookAgain"/>.</param>
    /// <param name="failed">Told, once, why deaths are not noticed any more.</param>
    public KeeperChildren(Action exited, Action<string> failed)
    {
        // Refused, what is left behind falls to init: there is none before the first crash.
        _ = LibC.prctl(LibC.PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0);
        _soft = Limit(ulong.MaxValue);
        _watcher = new ChildWatcher(exited, failed);
        _watcher.Start();
    }

    /// <summary>Starts a program with our command line, streams and limits.</summary>
    /// <param name="image">Its file; null for the one that runs here, even if it is deleted by now.</param>
    /// <param name="words">Its command line, the name first.</param>
    /// <param name="keepFd">A descriptor that it gets under the same number.</param>
    /// <param name="holdsMany">
    /// Whether there is much to receive for it: it may have as many descriptors as we then, and not what we were started with. What its
    /// programs may have it knows from the one before.
    /// </param>
    /// <param name="failure">Why it could not be started.</param>
    /// <returns>The pid; 0 when it was not started.</returns>
    public int Start(string? image, IReadOnlyList<string> words, int keepFd, bool holdsMany, out string? failure)
    {
        // Programs are to inherit what we were started with. Nothing is received while this is lower, and no number beyond it can be passed on.
        if (!holdsMany)
        {
            _ = Limit(_soft);
        }

        int pid = HelperProcess.Start(
            image ?? "/proc/self/exe",
            [.. words.Select(NativeText.Encode)],
            ProcessEnvironment.Entries(),
            newSession: false,
            keepFd,
            out int errno,

            // At a terminal its signals (Ctrl-C) come to us alone, and are passed on: otherwise each would come twice.
            newGroup: LibC.isatty(StandardStreams.Input) == 1);
        _ = Limit(ulong.MaxValue);
        failure = pid == 0 ? ErrnoText.Python(errno) : null;
        _watcher.Spawned();
        return pid;
    }

    /// <summary>Looks whether a child is dead, without reaping it.</summary>
    public static bool IsDead(int pid, out WaitStatus status) => ChildStatus.TryPeek(pid, out _, out status);

    /// <summary>Looks for any dead child, without reaping it: the same one until it is reaped.</summary>
    public static bool TryFindDead(out int pid, out WaitStatus status) => ChildStatus.TryPeek(0, out pid, out status);

    /// <summary>Waits for the end of a child and reaps it.</summary>
    public static WaitStatus Wait(int pid) => HelperProcess.Wait(pid);

    /// <summary>Reaps a dead child.</summary>
    public static void Reap(int pid) => ChildStatus.Reap(pid);

    /// <summary>Sends a signal to a child that is not reaped.</summary>
    public static void Signal(int pid, int number) => _ = LibC.kill(pid, number);

    /// <summary>
    /// Takes on the rights of a child that has fewer, for good: user, groups, and before that its hard limit of descriptors, which may be
    /// higher than ours, so that the children after it have it as well.
    /// </summary>
    /// <exception cref="StartException">It is not possible, and this process must end.</exception>
    public static void ShareRightsOf(int pid)
    {
        LibC.RLimit theirs;
        LibC.RLimit ours;
        if (LibC.getuid() == 0
            && LibC.prlimit(pid, LibC.RLIMIT_NOFILE, null, (ulong*)&theirs) == 0
            && LibC.getrlimit(LibC.RLIMIT_NOFILE, &ours) == 0
            && theirs.Hard > ours.Hard)
        {
            // Refused in a container without CAP_SYS_RESOURCE, where the child could not raise it either.
            ours.Soft = ours.Hard = theirs.Hard;
            _ = LibC.setrlimit(LibC.RLIMIT_NOFILE, &ours);
        }

        DaemonUser.BecomeThatOf(pid);
    }

    /// <summary>Lets deaths be told again.</summary>
    public void LookAgain() => _watcher.ReapingDone();

    /// <inheritdoc/>
    public void Dispose() => _watcher.Dispose();

    /// <summary>Sets the soft limit of descriptors, at most to the hard one; answers what it was.</summary>
    private static ulong Limit(ulong wanted)
    {
        LibC.RLimit limit;
        if (LibC.getrlimit(LibC.RLIMIT_NOFILE, &limit) != 0)
        {
            return wanted;
        }

        ulong was = limit.Soft;
        limit.Soft = Math.Min(wanted, limit.Hard);
        _ = LibC.setrlimit(LibC.RLIMIT_NOFILE, &limit);
        return was;
    }
}
