using System.Diagnostics;
using System.Globalization;
using Steward.Core.Config;
using Steward.Core.Effects;
using Steward.Core.Model;
using Steward.Core.Ports;
using Steward.Linux.Interop;

namespace Steward.Linux.Watching;

/// <summary>
/// Finds what a process leaves behind when it dies, and ends it. On the engine's thread.
/// </summary>
/// <param name="events">Takes lines for the log.</param>
/// <param name="root">From whom everything descends: the daemon, or its keeper, to whom it falls when a daemon dies.</param>
/// <remarks>
/// <para>
/// Where there is a process with <c>kill_mode=tree</c> or <c>cgroup</c>, the daemon is a subreaper: whatever such a process started
/// and left stays among the daemon's descendants. To whom it belongs is seen by its control group; by having descended from the
/// process when the stop began; by the process group or session that the process led; or by the names that the environment
/// bears. What descends from a child that lives is that child's in any case.
/// </para>
/// <para>
/// Nobody is signalled by number: a descriptor is opened, then the start time is compared with what was seen. A pid that has been
/// given to another process in between is that other's, and is left alone.
/// </para>
/// </remarks>
internal sealed class Survivors(IProcessHostEvents events, int root)
{
    /// <summary>How old a look at the process table may be that answers another question: many that die together need one look.</summary>
    private static readonly TimeSpan Fresh = TimeSpan.FromMilliseconds(20);

    private readonly ControlGroups _controlGroups = new();
    private readonly Dictionary<int, Followed> _living = [];
    private readonly Dictionary<ProcessId, Followed> _dead = [];
    private ProcessTree? _tree;
    private long _lookedAt;
    private bool _isSubreaper;
    private bool _saidNoGroup;

    /// <summary>Prepares a spawn: makes the daemon a subreaper, and a control group where one is wanted.</summary>
    /// <returns>The folder of the control group; null for none.</returns>
    public string? Prepare(Spawn request)
    {
        KillMode mode = request.Config.KillMode;
        if (mode is not (KillMode.Tree or KillMode.Cgroup))
        {
            return null;
        }

        if (!_isSubreaper)
        {
            _isSubreaper = true;
            if (LibC.prctl(LibC.PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0) != 0)
            {
                events.Log(LogLevel.Warn, $"kill_mode={Name(mode)}: what leaves its parent cannot be followed: {ErrnoText.Python(LibC.LastError)}");
            }
        }

        if (mode != KillMode.Cgroup)
        {
            return null;
        }

        string? path = _controlGroups.Make(GroupName(request.Process, request.Group, request.Config.Name), out string error);
        if (path is null && !_saidNoGroup)
        {
            _saidNoGroup = true;
            events.Log(LogLevel.Warn, $"kill_mode=cgroup is taken for kill_mode=tree: no control group can be made: {error}");
        }

        return path;
    }

    /// <summary>A child lives and is to be followed.</summary>
    public void Follow(Spawn request, int pid, string? controlGroup)
    {
        if (request.Config.KillMode is KillMode.Tree or KillMode.Cgroup)
        {
            _living[pid] = new Followed(request.Process, request.Incarnation) { ControlGroup = controlGroup };
        }
    }

    /// <summary>A signal goes to a child that may end by it: remembers who descends from it while that can be seen.</summary>
    public void Remember(int pid)
    {
        if (_living.TryGetValue(pid, out Followed? followed))
        {
            foreach (ProcessEntry entry in Look(TimeSpan.Zero, 0).From(pid).Skip(1))
            {
                followed.Remembered[entry.Pid] = entry.StartTime;
            }
        }
    }

    /// <summary>A child has been reaped: from here on its pid may be somebody else's.</summary>
    public void Reaped(int pid)
    {
        if (_living.Remove(pid, out Followed? followed))
        {
            followed.ReapedAt = Stopwatch.GetTimestamp();
            _dead[followed.Process] = followed;
        }
    }

    /// <summary>Looks for what is left, signals it, and says what it was.</summary>
    /// <param name="request">Whose.</param>
    /// <param name="isChild">Says whether a pid is a child of ours that lives.</param>
    public IReadOnlyList<string> End(EndSurvivors request, Func<int, bool> isChild)
    {
        Followed followed = _dead.TryGetValue(request.Process, out Followed? known) && known.Incarnation == request.Incarnation
            ? known
            : Unknown(request);
        List<ProcessEntry> found = Find(request, followed, Look(Fresh, followed.ReapedAt), isChild);
        if (found.Count == 0)
        {
            _dead.Remove(request.Process);
            if (followed.ControlGroup is { } empty)
            {
                ControlGroups.Remove(empty);
            }

            return [];
        }

        string[] described = [.. found.Select(static entry => ProcessEntry.Describe(entry.Pid))];
        if (request.Number != 0)
        {
            if (request.Number == Signals.Kill && followed.ControlGroup is { } group)
            {
                ControlGroups.Kill(group);
            }

            foreach (ProcessEntry entry in found)
            {
                Signal(entry, request.Number);
            }

            // What was seen is not what is.
            _tree = null;
        }

        return described;
    }

    /// <summary>One that was followed by an earlier image of this program: what it left in its control group is there all the same.</summary>
    private Followed Unknown(EndSurvivors request) => new(request.Process, request.Incarnation)
    {
        ControlGroup = request.Config.KillMode == KillMode.Cgroup
            ? _controlGroups.Find(GroupName(request.Process, request.Group, request.Config.Name))
            : null,
        ReapedAt = long.MaxValue,
    };

    private List<ProcessEntry> Find(EndSurvivors request, Followed followed, ProcessTree tree, Func<int, bool> isChild)
    {
        var roots = new List<ProcessEntry>();
        if (request.Config.KillMode == KillMode.Group)
        {
            roots.AddRange(tree.All.Where(entry => entry.Group == request.Pid && BelongsToNoChild(tree, entry, isChild)));
            return [.. roots.Where(static entry => !entry.IsZombie)];
        }

        if (followed.ControlGroup is { } group)
        {
            roots.AddRange(ControlGroups.Members(group).Select(ProcessEntry.Read).OfType<ProcessEntry>());
        }

        byte[][] marks = Marks(request.Group, request.Config.Name);
        foreach (ProcessEntry entry in tree.All)
        {
            if (DescendsFromUs(tree, entry) && BelongsToNoChild(tree, entry, isChild)
                && (entry.Group == request.Pid || entry.Session == request.Pid
                    || (followed.Remembered.TryGetValue(entry.Pid, out ulong start) && start == entry.StartTime)
                    || ProcessEntry.HasInEnvironment(entry.Pid, marks)))
            {
                roots.Add(entry);
            }
        }

        var seen = new HashSet<int>();
        return
        [
            .. roots.SelectMany(found => tree.Find(found.Pid) is null ? [found] : tree.From(found.Pid))
                .Where(entry => !entry.IsZombie && entry.Pid != Environment.ProcessId && entry.Pid != root && seen.Add(entry.Pid)),
        ];
    }

    /// <summary>The variables that name a process in its environment and in that of what it starts.</summary>
    internal static byte[][] Marks(string group, string process) =>
        [NativeText.Encode("SUPERVISOR_PROCESS_NAME=" + process), NativeText.Encode("SUPERVISOR_GROUP_NAME=" + group)];

    /// <summary>Says whether it descends from the root, which itself does not count.</summary>
    private bool DescendsFromUs(ProcessTree tree, ProcessEntry entry)
    {
        int steps = 0;
        for (ProcessEntry? at = entry; at is { } here && steps < 4096; at = tree.Find(here.Parent), steps++)
        {
            if (here.Parent == root)
            {
                return true;
            }
        }

        return false;
    }

    /// <summary>Says whether neither it nor anyone it descends from is a child that lives.</summary>
    private static bool BelongsToNoChild(ProcessTree tree, ProcessEntry entry, Func<int, bool> isChild)
    {
        int steps = 0;
        for (ProcessEntry? at = entry; at is { } here && steps < 4096; at = tree.Find(here.Parent), steps++)
        {
            if (isChild(here.Pid))
            {
                return false;
            }
        }

        return true;
    }

    private void Signal(ProcessEntry entry, int number)
    {
        int descriptor = LibC.pidfd_open(entry.Pid);
        if (descriptor < 0)
        {
            if (LibC.LastError != Errno.ESRCH)
            {
                events.Log(LogLevel.Error, $"unable to signal pid {entry.Pid}: {ErrnoText.Python(LibC.LastError)}");
            }

            return;
        }

        // The descriptor means one process for ever; if that one started when the one that was seen did, they are the same.
        if (ProcessEntry.Read(entry.Pid) is { } now && now.StartTime == entry.StartTime
            && LibC.pidfd_send_signal(descriptor, number) != 0 && LibC.LastError != Errno.ESRCH)
        {
            events.Log(LogLevel.Error, $"unable to signal pid {entry.Pid}: {ErrnoText.Python(LibC.LastError)}");
        }

        _ = LibC.close(descriptor);
    }

    /// <summary>The process table, not older than this and not from before that moment.</summary>
    private ProcessTree Look(TimeSpan age, long notBefore)
    {
        if (_tree is { } tree && _lookedAt > notBefore && Stopwatch.GetElapsedTime(_lookedAt) < age)
        {
            return tree;
        }

        _lookedAt = Stopwatch.GetTimestamp();
        try
        {
            return _tree = new ProcessTree(ProcessEntry.ReadAll());
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            events.Log(LogLevel.Error, $"what programs leave behind is not found: the process table cannot be read: {e.Message}");
            return new ProcessTree([]);
        }
    }

    private static string GroupName(ProcessId process, string group, string name)
    {
        string text = string.Create(CultureInfo.InvariantCulture, $"{process.Value}-{group}-{name}");
        return string.Concat(text.Select(static c => char.IsAsciiLetterOrDigit(c) || c is '-' or '_' or '.' ? c : '_').Take(120));
    }

    private static string Name(KillMode mode) => mode == KillMode.Tree ? "tree" : "cgroup";

    /// <summary>A process whose survivors will be looked for.</summary>
    private sealed class Followed(ProcessId process, Incarnation incarnation)
    {
        public ProcessId Process { get; } = process;

        public Incarnation Incarnation { get; } = incarnation;

        public string? ControlGroup { get; init; }

        /// <summary>Who descended from it when its stop began: pid and start time.</summary>
        public Dictionary<int, ulong> Remembered { get; } = [];

        public long ReapedAt { get; set; }
    }
}
