using System.Text;
using Steward.Core.Config;
using Steward.Linux.Host;
using Steward.Linux.Interop;

namespace Steward.Linux.Processes;

/// <summary>
/// The environment of children: the daemon's own as it was given to it, byte for byte, then what Supervisor's documentation
/// promises to programs, then the configured one. Later wins and keeps the place of the earlier. HOME, USER, PATH, PWD and the
/// like are never adjusted.
/// </summary>
internal sealed class ChildEnvironment
{
    // Names as Latin-1 text: one character for one byte, so that names that are no valid UTF-8 stay distinct.
    private readonly List<(string Name, byte[] Entry)> _inherited = [];

    /// <summary>Reads the environment that this process has.</summary>
    public ChildEnvironment()
        : this(ProcessEnvironment.Entries())
    {
    }

    /// <summary>Takes entries <c>NAME=value</c>; those without <c>=</c> are dropped, of doublets the first counts.</summary>
    public ChildEnvironment(IEnumerable<byte[]> entries)
    {
        var seen = new HashSet<string>(StringComparer.Ordinal);
        foreach (byte[] entry in entries)
        {
            int end = entry.AsSpan().IndexOf((byte)'=');
            if (end > 0 && seen.Add(Encoding.Latin1.GetString(entry, 0, end)))
            {
                _inherited.Add((Encoding.Latin1.GetString(entry, 0, end), entry));
            }
        }
    }

    /// <summary>The inherited PATH; null when there is none.</summary>
    public string? Path
    {
        get
        {
            byte[]? entry = _inherited.Find(static variable => variable.Name == "PATH").Entry;
            return entry is null ? null : NativeText.Decode(entry.AsSpan(5));
        }
    }

    /// <summary>Makes the environment of one child.</summary>
    public IReadOnlyList<byte[]> For(ProcessConfig config, string group, string? serverUrl)
    {
        var entries = new List<byte[]>(_inherited.Count + 8);
        var index = new Dictionary<string, int>(_inherited.Count + 8, StringComparer.Ordinal);
        foreach ((string name, byte[] entry) in _inherited)
        {
            index.Add(name, entries.Count);
            entries.Add(entry);
        }

        void Set(string name, string value)
        {
            byte[] entry = NativeText.Encode(name + "=" + value);
            string key = Encoding.Latin1.GetString(entry, 0, entry.AsSpan().IndexOf((byte)'='));
            if (index.TryGetValue(key, out int place))
            {
                entries[place] = entry;
            }
            else
            {
                index.Add(key, entries.Count);
                entries.Add(entry);
            }
        }

        Set("SUPERVISOR_ENABLED", "1");
        if ((config.ServerUrl ?? serverUrl) is { } url)
        {
            Set("SUPERVISOR_SERVER_URL", url);
        }

        Set("SUPERVISOR_PROCESS_NAME", config.Name);
        Set("SUPERVISOR_GROUP_NAME", group);
        foreach (KeyValuePair<string, string> variable in config.Environment)
        {
            Set(variable.Key, variable.Value);
        }

        return entries;
    }
}
