namespace Steward.Linux.Watching;

/// <summary>All processes of one moment, and who descends from whom.</summary>
internal sealed class ProcessTree
{
    private readonly Dictionary<int, ProcessEntry> _entries = [];
    private readonly Dictionary<int, List<int>> _children = [];

    /// <summary>Makes a tree of what was seen; processes that came and went meanwhile may be missing.</summary>
    public ProcessTree(IEnumerable<ProcessEntry> entries)
    {
        foreach (ProcessEntry entry in entries)
        {
            if (!_entries.TryAdd(entry.Pid, entry))
            {
                continue;
            }

            if (!_children.TryGetValue(entry.Parent, out List<int>? siblings))
            {
                _children.Add(entry.Parent, siblings = []);
            }

            siblings.Add(entry.Pid);
        }
    }

    /// <summary>Every process.</summary>
    public IEnumerable<ProcessEntry> All => _entries.Values;

    /// <summary>Looks a process up; null when it was not there.</summary>
    public ProcessEntry? Find(int pid) => _entries.TryGetValue(pid, out ProcessEntry entry) ? entry : null;

    /// <summary>A process, if it was there, and everything that descends from it; each once, parents first.</summary>
    public List<ProcessEntry> From(int pid)
    {
        var found = new List<ProcessEntry>();
        if (!_entries.TryGetValue(pid, out ProcessEntry root))
        {
            return found;
        }

        // Taken at different instants, entries of reused pids may form a circle: nobody is visited twice.
        var seen = new HashSet<int> { pid };
        found.Add(root);
        for (int i = 0; i < found.Count; i++)
        {
            foreach (int child in _children.GetValueOrDefault(found[i].Pid, []))
            {
                if (seen.Add(child))
                {
                    found.Add(_entries[child]);
                }
            }
        }

        return found;
    }
}
