using Steward.Core.Model;
using Steward.Linux.Interop;

namespace Steward.Linux.Host;

/// <summary>
/// Starts a process that shares our standard streams and working directory, with default signal dispositions where the runtime
/// changed them. Supervised programs are not started this way: they have a host of their own.
/// </summary>
internal static unsafe class HelperProcess
{
    private const int SigXfsz = 25;

    /// <summary>Starts a program.</summary>
    /// <param name="path">Its file; looked for in <c>PATH</c> when it has no slash.</param>
    /// <param name="argv">Its arguments with its name.</param>
    /// <param name="environment">Its environment.</param>
    /// <param name="newSession">Whether it leads a session of its own, away from our terminal.</param>
    /// <param name="keepFd">A close-on-exec descriptor that it gets all the same; -1 for none.</param>
    /// <param name="errno">Why it was not started; 0 when it was.</param>
    /// <param name="output">The descriptor that becomes its stdout and stderr; -1: it shares ours.</param>
    /// <param name="newGroup">Whether it leads a process group of its own.</param>
    /// <returns>The pid; 0 when it was not started.</returns>
    public static int Start(
        string path, IReadOnlyList<byte[]> argv, IReadOnlyList<byte[]> environment, bool newSession, int keepFd, out int errno, int output = -1,
        bool newGroup = false)
    {
        using var nativeArgv = new NativeStrings(argv);
        using var nativeEnvironment = new NativeStrings(environment);
        byte* attributes = stackalloc byte[LibC.SpawnAttributesSize];
        byte* actions = stackalloc byte[LibC.SpawnFileActionsSize];
        byte* defaults = stackalloc byte[LibC.SigSetSize];
        new Span<byte>(defaults, LibC.SigSetSize).Clear();
        int pid = 0;
        errno = LibC.posix_spawnattr_init(attributes);
        if (errno != 0)
        {
            return 0;
        }

        errno = LibC.posix_spawn_file_actions_init(actions);
        if (errno != 0)
        {
            _ = LibC.posix_spawnattr_destroy(attributes);
            return 0;
        }

        try
        {
            // The runtime ignores SIGPIPE and DaemonSignals.Prepare SIGXFSZ; across exec that would be inherited.
            _ = LibC.sigaddset(defaults, Signals.Pipe);
            _ = LibC.sigaddset(defaults, SigXfsz);
            errno = LibC.posix_spawnattr_setsigdefault(attributes, defaults);
            short flags = LibC.POSIX_SPAWN_SETSIGDEF;
            if (newSession)
            {
                flags |= LibC.POSIX_SPAWN_SETSID;
            }
            else if (newGroup)
            {
                // The group of number 0 is its own; that is what fresh attributes hold.
                flags |= LibC.POSIX_SPAWN_SETPGROUP;
            }

            errno = errno != 0 ? errno : LibC.posix_spawnattr_setflags(attributes, flags);
            if (errno == 0 && keepFd >= 0)
            {
                // Onto itself: takes close-on-exec off in the child alone.
                errno = LibC.posix_spawn_file_actions_adddup2(actions, keepFd, keepFd);
            }

            if (errno == 0 && output >= 0)
            {
                errno = LibC.posix_spawn_file_actions_adddup2(actions, output, StandardStreams.Output);
                errno = errno != 0 ? errno : LibC.posix_spawn_file_actions_adddup2(actions, output, StandardStreams.Error);
            }

            if (errno == 0)
            {
                errno = path.Contains('/', StringComparison.Ordinal)
                    ? LibC.posix_spawn(&pid, path, actions, attributes, nativeArgv.Pointer, nativeEnvironment.Pointer)
                    : LibC.posix_spawnp(&pid, path, actions, attributes, nativeArgv.Pointer, nativeEnvironment.Pointer);
            }

            return errno == 0 ? pid : 0;
        }
        finally
        {
            _ = LibC.posix_spawn_file_actions_destroy(actions);
            _ = LibC.posix_spawnattr_destroy(attributes);
        }
    }

    /// <summary>Waits for the end of a child.</summary>
    public static WaitStatus Wait(int pid)
    {
        int status = 0;
        while (LibC.Interrupted(LibC.waitpid(pid, &status, 0)))
        {
        }

        return new WaitStatus(status);
    }
}
