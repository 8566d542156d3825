using System.Buffers.Binary;
using System.Diagnostics;
using System.Globalization;
using Steward.Linux.Interop;

namespace Steward.Linux.Processes;

/// <summary>
/// The way of starting programs where the stub cannot be used (other architectures, systems that forbid new executable memory):
/// the daemon's own executable is started anew by posix_spawn, reads the plan of the child from a memory file, walks the list of
/// system calls in its own process and executes the program. Sound everywhere, because nothing runs between fork and exec that
/// is not the C library's, at the price of a start of this program for every child (some milliseconds).
/// </summary>
/// <remarks>
/// The helper has threads of the runtime when it changes its user. That is as it should be: the raw calls change the identity of
/// the one thread that then executes the program, and exec ends all others.
/// </remarks>
public static unsafe class ExecHelper
{
    /// <summary>The first argument that makes this program the helper; two descriptor numbers follow.</summary>
    public const string Verb = "--exec-child";

    private const int NotSpawned = 127;

    /// <summary>How long a helper may take until its exec: a loaded machine's start of a program, generously.</summary>
    private const int PatienceMilliseconds = 10_000;

    /// <summary>
    /// To be asked first thing in <c>Main</c>: when the arguments are the helper's, becomes the program, or fails with an exit
    /// code.
    /// </summary>
    /// <returns>False when the arguments are not meant for the helper.</returns>
    public static bool TryRun(IReadOnlyList<string> arguments, out int exitCode)
    {
        exitCode = NotSpawned;
        if (arguments.Count != 3 || arguments[0] != Verb
            || !int.TryParse(arguments[1], NumberStyles.None, CultureInfo.InvariantCulture, out int planFd)
            || !int.TryParse(arguments[2], NumberStyles.None, CultureInfo.InvariantCulture, out int reportFd))
        {
            return false;
        }

        SpawnStage stage = SpawnStage.Clone;
        int errno = Errno.EINVAL;
        if (LibC.fcntl(reportFd, LibC.F_SETFD, LibC.FD_CLOEXEC) == 0)
        {
            using var arena = new NativeArena();
            SystemCallList list = SystemCallList.Build(ChildPlan.Deserialize(ReadAll(planFd)), arena);
            (stage, errno) = Walk(list);
        }

        byte* report = stackalloc byte[8];
        BinaryPrimitives.WriteInt32LittleEndian(new Span<byte>(report, 4), (int)stage);
        BinaryPrimitives.WriteInt32LittleEndian(new Span<byte>(report + 4, 4), errno);
        while (LibC.Interrupted(LibC.write(reportFd, report, 8)))
        {
        }

        return true;
    }

    /// <summary>Starts the helper for a plan and waits until the program runs or the helper says why not.</summary>
    /// <param name="command">How this program is called: a path, and arguments before the verb (none but in tests).</param>
    /// <param name="plan">The child.</param>
    /// <param name="environment">The daemon's own environment, for the helper itself.</param>
    internal static SpawnResult Spawn(IReadOnlyList<byte[]> command, ChildPlan plan, IReadOnlyList<byte[]> environment)
    {
        int planFd = LibC.memfd_create("child-plan", LibC.MFD_CLOEXEC);
        if (planFd < 0)
        {
            return new SpawnResult(0, SpawnStage.Clone, LibC.LastError);
        }

        int* report = stackalloc int[2];
        report[0] = -1;
        report[1] = -1;
        try
        {
            int errno = WriteAll(planFd, plan.Serialize());
            if (errno == 0 && LibC.pipe2(report, LibC.O_CLOEXEC) != 0)
            {
                errno = LibC.LastError;
            }

            if (errno != 0)
            {
                return new SpawnResult(0, SpawnStage.Clone, errno);
            }

            errno = Start(command, plan, environment, planFd, report[1], out int pid);
            Close(ref report[1]);
            return errno != 0 ? new SpawnResult(0, SpawnStage.Clone, errno) : Await(pid, report[0]);
        }
        finally
        {
            Close(ref report[0]);
            Close(ref report[1]);
            _ = LibC.close(planFd);
        }
    }

    private static (SpawnStage Stage, int Errno) Walk(SystemCallList list)
    {
        for (int i = 0; i < list.Count; i++)
        {
            SystemCallList.SystemCall call = list.First[i];
            nint result = LibC.syscall(call.Number, call.A0, call.A1, call.A2, call.A3, call.A4, call.A5);
            if (result == -1 && (call.Flags & 1) == 0)
            {
                return (list.StageOf(i), LibC.LastError);
            }
        }

        throw new UnreachableException("The last call of the list is execve, which does not come back.");
    }

    private static int Start(
        IReadOnlyList<byte[]> command, ChildPlan plan, IReadOnlyList<byte[]> environment, int planFd, int reportFd, out int pid)
    {
        using var arena = new NativeArena();
        void* actions = arena.Allocate(LibC.SpawnFileActionsSize);
        void* attributes = arena.Allocate(LibC.SpawnAttributesSize);
        void* signals = arena.Allocate(LibC.SigSetSize);
        byte** argv = arena.Strings(
        [
            .. command,
            System.Text.Encoding.ASCII.GetBytes(Verb),
            System.Text.Encoding.ASCII.GetBytes(planFd.ToString(CultureInfo.InvariantCulture)),
            System.Text.Encoding.ASCII.GetBytes(reportFd.ToString(CultureInfo.InvariantCulture)),
        ]);
        int child = 0;
        int errno = LibC.posix_spawn_file_actions_init(actions);
        if (errno == 0)
        {
            errno = LibC.posix_spawnattr_init(attributes);
            if (errno == 0)
            {
                _ = LibC.sigfillset(signals);
                _ = LibC.posix_spawnattr_setsigdefault(attributes, signals);
                _ = LibC.sigemptyset(signals);
                _ = LibC.posix_spawnattr_setsigmask(attributes, signals);
                _ = LibC.posix_spawnattr_setpgroup(attributes, 0);
                errno = LibC.posix_spawnattr_setflags(
                    attributes, LibC.POSIX_SPAWN_SETPGROUP | LibC.POSIX_SPAWN_SETSIGDEF | LibC.POSIX_SPAWN_SETSIGMASK);

                // A duplicate onto itself clears close-on-exec (POSIX, posix_spawn_file_actions_adddup2).
                ReadOnlySpan<(int From, int To)> moves =
                    [(plan.Stdin, 0), (plan.Stdout, 1), (plan.Stderr, 2), (planFd, planFd), (reportFd, reportFd)];
                foreach ((int from, int to) in moves)
                {
                    errno = errno != 0 ? errno : LibC.posix_spawn_file_actions_adddup2(actions, from, to);
                }

                if (errno == 0)
                {
                    errno = LibC.posix_spawn(&child, NativeText.Decode(command[0]), actions, attributes, argv, arena.Strings(environment));
                }

                _ = LibC.posix_spawnattr_destroy(attributes);
            }

            _ = LibC.posix_spawn_file_actions_destroy(actions);
        }

        pid = child;
        return errno;
    }

    /// <summary>Reads the report: nothing when the program runs, stage and error number otherwise.</summary>
    private static SpawnResult Await(int pid, int fd)
    {
        byte* bytes = stackalloc byte[8];
        int have = 0;
        long deadline = Stopwatch.GetTimestamp() + (PatienceMilliseconds * (Stopwatch.Frequency / 1000));
        while (have < 8)
        {
            long left = (deadline - Stopwatch.GetTimestamp()) * 1000 / Stopwatch.Frequency;
            var ready = new LibC.PollFd { Fd = fd, Events = LibC.POLLIN };
            int count = left <= 0 ? 0 : LibC.poll(&ready, 1, (int)left);
            if (LibC.Interrupted(count))
            {
                continue;
            }

            if (count <= 0)
            {
                // It is our child and not reaped: the pid cannot be another's. It will be seen to die by SIGKILL.
                _ = LibC.kill(pid, Core.Model.Signals.Kill);
                return new SpawnResult(pid, SpawnStage.Clone, Errno.ETIMEDOUT);
            }

            nint got = LibC.read(fd, bytes + have, (nuint)(8 - have));
            if (LibC.Interrupted(got))
            {
                continue;
            }

            if (got <= 0)
            {
                break;
            }

            have += (int)got;
        }

        return have < 8
            ? new SpawnResult(pid, SpawnStage.Exec, 0)
            : new SpawnResult(
                pid,
                (SpawnStage)BinaryPrimitives.ReadInt32LittleEndian(new ReadOnlySpan<byte>(bytes, 4)),
                BinaryPrimitives.ReadInt32LittleEndian(new ReadOnlySpan<byte>(bytes + 4, 4)));
    }

    private static int WriteAll(int fd, byte[] data)
    {
        fixed (byte* start = data)
        {
            for (int done = 0; done < data.Length;)
            {
                nint count = LibC.write(fd, start + done, (nuint)(data.Length - done));
                if (count < 0 && !LibC.Interrupted(count))
                {
                    return LibC.LastError;
                }

                done += Math.Max(0, (int)count);
            }
        }

        return 0;
    }

    private static byte[] ReadAll(int fd)
    {
        using var data = new MemoryStream();
        byte* buffer = stackalloc byte[4096];
        while (true)
        {
            nint count = LibC.pread(fd, buffer, 4096, (nint)data.Length);
            if (LibC.Interrupted(count))
            {
                continue;
            }

            if (count <= 0)
            {
                return data.ToArray();
            }

            data.Write(new ReadOnlySpan<byte>(buffer, (int)count));
        }
    }

    private static void Close(ref int fd)
    {
        if (fd >= 0)
        {
            _ = LibC.close(fd);
            fd = -1;
        }
    }
}
