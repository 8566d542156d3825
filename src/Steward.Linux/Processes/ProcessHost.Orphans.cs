using Steward.Core.Effects;
using Steward.Core.Model;

namespace Steward.Linux.Processes;

// Programs that are children of this daemon in all but the kernel's eyes: an earlier one started them.
public sealed unsafe partial class ProcessHost
{
    // Those whose pipes are gone: nothing of theirs is read, and so nothing has to be read to its end.
    private readonly HashSet<(ProcessId, Incarnation)> _withoutOutput = [];

    /// <summary>
    /// Writes down from here on what runs, so that the next daemon finds it should this one be killed. What the file tells of children that
    /// this host has already is kept. Owned by the host from here on; on the engine's thread or before that runs.
    /// </summary>
    /// <param name="file">The file.</param>
    /// <param name="known">What the file of the time before tells.</param>
    public void Keep(AdoptionFile file, IEnumerable<Orphan> known)
    {
        _adoptionFile = file;
        file.Begin(known.Where(program => _children.Contains(program.Pid)));
    }

    /// <summary>The pid file is another one from here on. On the engine's thread.</summary>
    public void MoveAdoptionFile(string pidFile) => _adoptionFile?.MoveTo(pidFile);

    /// <summary>
    /// Takes a program on that an earlier daemon started, if it lives: it is a child like others from here on, but that it has no pipes unless
    /// a keeper holds them. Its end may be reported before the engine knows it, and is taken after that. On the engine's thread or before that
    /// runs.
    /// </summary>
    /// <param name="spawn">As it would be spawned.</param>
    /// <param name="pid">Its pid.</param>
    /// <param name="startTime">When it started, in ticks since boot.</param>
    /// <returns>Whether its output comes here; null when it is gone.</returns>
    public bool? TryAdopt(Spawn spawn, int pid, ulong startTime)
    {
        if (_children.Contains(pid) || !_foreign.TryAdd(pid, startTime, out _))
        {
            return null;
        }

        _children.Add(pid);
        _foreignChildren.Add(pid);
        if (TryTakePipes(spawn, pid))
        {
            return true;
        }

        _withoutOutput.Add((spawn.Process, spawn.Incarnation));
        return false;
    }

    private bool HasForeignDead
    {
        get
        {
            lock (_foreignDead)
            {
                return _foreignDead.Count > 0;
            }
        }
    }

    private void ForeignEnded(int pid, WaitStatus status)
    {
        lock (_foreignDead)
        {
            _foreignDead.Enqueue((pid, status));
        }

        _events.ChildrenExited();
    }

    private bool TakeForeign(out int pid, out WaitStatus status)
    {
        (int Pid, WaitStatus Status) dead;
        lock (_foreignDead)
        {
            if (!_foreignDead.TryDequeue(out dead))
            {
                (pid, status) = (0, default);
                return false;
            }
        }

        (pid, status) = dead;
        return true;
    }
}
