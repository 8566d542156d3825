using System.Runtime.InteropServices;
using Steward.Linux.Interop;

namespace Steward.Linux.Processes;

/// <summary>
/// What a child does before its program, as a flat list of raw system calls. The stub (<see cref="SpawnStub"/>) walks it in a
/// child that shares the daemon's memory; the exec helper (<see cref="ExecHelper"/>) walks the same list in its own process.
/// Raw calls, because those of the C library would change the identity of all threads, take locks and touch errno.
/// </summary>
/// <remarks>
/// The order is Supervisor's: process group, descriptors, user, directory (with the rights of the new user), umask, exec.
/// Signals come first: no handler of the daemon may run in a child; the mask is emptied last, when all dispositions are default.
/// </remarks>
internal sealed unsafe class SystemCallList
{
    private const int Capacity = 96;
    private const int LastSignal = 64;

    private readonly SpawnStage[] _stages = new SpawnStage[Capacity];
    private int _controlGroup = -1;

    private SystemCallList(SystemCall* first)
    {
        First = first;
    }

    /// <summary>An entry; the layout is known to the stub.</summary>
    [StructLayout(LayoutKind.Sequential)]
    internal struct SystemCall
    {
        internal nint Number;
        internal nint A0;
        internal nint A1;
        internal nint A2;
        internal nint A3;
        internal nint A4;
        internal nint A5;

        /// <summary>1: go on when the call fails.</summary>
        internal nint Flags;
    }

    /// <summary>The first entry.</summary>
    internal SystemCall* First { get; }

    /// <summary>How many there are.</summary>
    internal int Count { get; private set; }

    /// <summary>Says which step an entry belongs to.</summary>
    internal SpawnStage StageOf(int index) => _stages[index];

    /// <summary>Closes what the list was made with; the child has run.</summary>
    internal void Close()
    {
        if (_controlGroup >= 0)
        {
            _ = LibC.close(_controlGroup);
            _controlGroup = -1;
        }
    }

    /// <summary>Makes the list in the arena, where it lives as long as the arena is not reset.</summary>
    /// <param name="plan">The child.</param>
    /// <param name="arena">Where the list lives.</param>
    /// <param name="unshareFrom">
    /// For a child that shares our table of descriptors: it gets one of its own before anything else, without those from this number
    /// on; -1 for a child that has its own.
    /// </param>
    internal static SystemCallList Build(ChildPlan plan, NativeArena arena, int unshareFrom = -1)
    {
        SystemCallNumbers numbers = SystemCallNumbers.Current;
        var list = new SystemCallList((SystemCall*)arena.Allocate(Capacity * sizeof(SystemCall)));
        if (plan.ControlGroup is { } controlGroup)
        {
            // Opened by whoever makes the list, with the daemon's rights; the child only writes "0", which means itself, while it has
            // the descriptor. Where that fails the process table is what is left to find its children by.
            list._controlGroup = LibC.open(NativeText.Decode(controlGroup), LibC.O_WRONLY | LibC.O_CLOEXEC, 0);
            list.Add(SpawnStage.ControlGroup, ignoreFailure: true, numbers.Write, list._controlGroup, (nint)arena.Bytes("0"u8), 1);
        }

        if (unshareFrom >= 0)
        {
            list.Add(
                SpawnStage.Descriptors, ignoreFailure: false, numbers.CloseRange, unshareFrom, unchecked((nint)uint.MaxValue),
                (nint)LibC.CLOSE_RANGE_UNSHARE);
        }

        // All zero is SIG_DFL, no flags, empty mask. 9 and 19 cannot be set and need not be.
        nint defaultAction = (nint)arena.Allocate(64);
        for (int signal = 1; signal <= LastSignal; signal++)
        {
            list.Add(SpawnStage.Signals, ignoreFailure: true, numbers.RtSigAction, signal, defaultAction, 0, 8);
        }

        list.Add(SpawnStage.ProcessGroup, ignoreFailure: false, numbers.SetPgid, 0, 0);
        ReadOnlySpan<int> sources = [plan.Stdin, plan.Stdout, plan.Stderr];
        for (int target = 0; target < sources.Length; target++)
        {
            if (sources[target] != target)
            {
                list.Add(SpawnStage.Descriptors, ignoreFailure: false, numbers.Dup3, sources[target], target, 0);
            }
        }

        ulong* limits = (ulong*)arena.Allocate(16);
        if (plan.NoFile is { } noFile && LibC.prlimit(0, LibC.RLIMIT_NOFILE, null, limits) == 0)
        {
            limits[0] = Math.Min((ulong)noFile, limits[1]);
            list.Add(SpawnStage.Limits, ignoreFailure: true, numbers.PrLimit64, 0, LibC.RLIMIT_NOFILE, (nint)limits, 0);
        }

        if (plan.User is { } user)
        {
            int* groups = (int*)arena.Allocate(user.Groups.Count * sizeof(int));
            for (int i = 0; i < user.Groups.Count; i++)
            {
                groups[i] = user.Groups[i];
            }

            list.Add(SpawnStage.Groups, ignoreFailure: false, numbers.SetGroups, user.Groups.Count, (nint)groups);
            list.Add(SpawnStage.GroupId, ignoreFailure: false, numbers.SetResGid, user.Gid, user.Gid, user.Gid);
            list.Add(SpawnStage.UserId, ignoreFailure: false, numbers.SetResUid, user.Uid, user.Uid, user.Uid);
        }

        if (plan.Directory is not null)
        {
            list.Add(SpawnStage.Directory, ignoreFailure: false, numbers.ChDir, (nint)arena.Bytes(plan.Directory));
        }

        if (plan.Umask is { } umask)
        {
            list.Add(SpawnStage.Umask, ignoreFailure: false, numbers.UMask, umask);
        }

        // Close at exec: the helper still needs its report pipe. Ignored where the kernel has no such call (before 5.11): what
        // the daemon opens is close-on-exec anyway, and what it inherited is marked so at start (see Spawner).
        list.Add(
            SpawnStage.CloseOthers, ignoreFailure: true, numbers.CloseRange, 3, unchecked((nint)uint.MaxValue), (nint)LibC.CLOSE_RANGE_CLOEXEC);

        byte* file = arena.Bytes(plan.File);
        byte** arguments = arena.Strings(plan.Arguments);
        byte** environment = arena.Strings(plan.Environment);
        list.Add(SpawnStage.Signals, ignoreFailure: false, numbers.RtSigProcMask, 2 /* SIG_SETMASK */, defaultAction, 0, 8);
        list.Add(SpawnStage.Exec, ignoreFailure: false, numbers.ExecVe, (nint)file, (nint)arguments, (nint)environment);
        return list;
    }

    private void Add(SpawnStage stage, bool ignoreFailure, nint number, nint a0, nint a1 = 0, nint a2 = 0, nint a3 = 0)
    {
        _stages[Count] = stage;
        First[Count++] = new SystemCall { Number = number, A0 = a0, A1 = a1, A2 = a2, A3 = a3, Flags = ignoreFailure ? 1 : 0 };
    }
}
