using System.Globalization;
using Steward.Linux.Host;
using Steward.Linux.Interop;

namespace Steward.Linux.Processes;

/// <summary>
/// Makes children from plans: through the stub where it can be used, else through the exec helper. Both walk the same list.
/// </summary>
/// <remarks>
/// One spawn at a time in the whole process: while a child that shares our memory changes its user, the kernel marks that memory
/// as not dumpable, and the mark is set back when the child has its own. (While it is there, nobody of the new user can trace
/// the half-made child.) Where there is an exec helper, two spawns at once would gain nothing either.
/// </remarks>
internal sealed class Spawner : IDisposable
{
    private static readonly Lock Gate = new();
    private static readonly Lazy<SpawnStub?> SharedStub = new(SpawnStub.TryCreate);

    private readonly NativeArena _arena = new();
    private readonly SpawnStub? _stub;
    private readonly IReadOnlyList<byte[]> _helper;
    private readonly IReadOnlyList<byte[]> _helperEnvironment;
    private readonly ChildSlots? _slots;

    /// <summary>Prepares what spawns need.</summary>
    /// <param name="helper">How the exec helper is called when the stub is not to be used; null: the stub if possible.</param>
    internal Spawner(IReadOnlyList<string>? helper = null)
    {
        _stub = helper is null ? SharedStub.Value : null;
        _helper = [.. (helper ?? ["/proc/self/exe"]).Select(NativeText.Encode)];
        _helperEnvironment = _stub is null ? ProcessEnvironment.Entries() : [];
        bool hasCloseRange = MarkInheritedDescriptors();
        _slots = _stub is not null && hasCloseRange ? ChildSlots.TryCreate() : null;
    }

    /// <summary>Says whether the stub is in use.</summary>
    internal bool UsesStub => _stub is not null;

    /// <summary>Makes a child; comes back when its program runs, or when it is known why it does not.</summary>
    internal SpawnResult Spawn(ChildPlan plan)
    {
        lock (Gate)
        {
            if (_stub is null)
            {
                return ExecHelper.Spawn(_helper, plan, _helperEnvironment);
            }

            int dumpable = plan.User is null ? -1 : LibC.prctl(LibC.PR_GET_DUMPABLE, 0, 0, 0, 0);
            try
            {
                return _slots is null
                    ? Run(SystemCallList.Build(plan, _arena), sharesDescriptors: false)
                    : SpawnFromSlots(plan, _slots);
            }
            finally
            {
                _arena.Reset();
                if (dumpable == 1)
                {
                    _ = LibC.prctl(LibC.PR_SET_DUMPABLE, 1, 0, 0, 0);
                }
            }
        }
    }

    public void Dispose()
    {
        lock (Gate)
        {
            _arena.Dispose();
            _slots?.Dispose();
        }
    }

    private SpawnResult Run(SystemCallList list, bool sharesDescriptors)
    {
        try
        {
            return _stub!.Run(list, sharesDescriptors);
        }
        finally
        {
            list.Close();
        }
    }

    private SpawnResult SpawnFromSlots(ChildPlan plan, ChildSlots slots)
    {
        int errno = slots.Fill(plan.Stdin, plan.Stdout, plan.Stderr);
        try
        {
            if (errno != 0)
            {
                return new SpawnResult(0, SpawnStage.Clone, errno);
            }

            ChildPlan moved = plan with { Stdin = slots.Stdin, Stdout = slots.Stdout, Stderr = slots.Stderr };
            return Run(SystemCallList.Build(moved, _arena, slots.End), sharesDescriptors: true);
        }
        finally
        {
            slots.Empty();
        }
    }

    /// <summary>
    /// On a kernel without close_range for close-on-exec (before 5.11) marks what the daemon was started with beyond 0, 1 and 2;
    /// what it opens itself is marked from the beginning.
    /// </summary>
    /// <returns>Whether the kernel has close_range with all that is used of it here.</returns>
    private static bool MarkInheritedDescriptors()
    {
        // A range without a descriptor: only asks whether the call exists. CLOSE_RANGE_UNSHARE is older than this flag; asking for it
        // here would part this thread's descriptors from those of all others.
        if (LibC.close_range(uint.MaxValue, uint.MaxValue, (int)LibC.CLOSE_RANGE_CLOEXEC) == 0)
        {
            return true;
        }

        try
        {
            foreach (string entry in Directory.EnumerateFileSystemEntries("/proc/self/fd"))
            {
                if (int.TryParse(Path.GetFileName(entry), NumberStyles.None, CultureInfo.InvariantCulture, out int fd) && fd > 2)
                {
                    _ = LibC.fcntl(fd, LibC.F_SETFD, LibC.FD_CLOEXEC);
                }
            }
        }
        catch (IOException)
        {
            // No /proc: inherited descriptors without the mark leak into children, as they do with Supervisor beyond minfds.
        }

        return false;
    }
}
