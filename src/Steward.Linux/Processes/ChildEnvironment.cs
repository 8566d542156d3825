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
    private readonly Dictionary<string, int> _index = new(StringComparer.Ordinal);

    /// <summary>Reads the environment that this process has.</summary>
    public ChildEnvironment()
        : this(ProcessEnvironment.Entries())
    {
    }

    /// <summary>Takes entries <c>NAME=value</c>; those without <c>=</c> are dropped, of doublets the first counts.</summary>
    public ChildEnvironment(IEnumerable<byte[]> entries)
    {
        foreach (byte[] entry in entries)
        {
            int end = entry.AsSpan().IndexOf((byte)'=');
            if (end > 0 && Encoding.Latin1.GetString(entry, 0, end) is var name && _index.TryAdd(name, _inherited.Count))
            {
                _inherited.Add((name, entry));
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
        // What is inherited is shared, entries and index alike: a start costs what it adds.
        var entries = new List<byte[]>(_inherited.Count + 4 + config.Environment.Count);
        foreach ((string _, byte[] entry) in _inherited)
        {
            entries.Add(entry);
        }

        var added = new Dictionary<string, int>(4 + config.Environment.Count, StringComparer.Ordinal);
        Set(entries, added, "SUPERVISOR_ENABLED", "1");
        if ((config.ServerUrl ?? serverUrl) is { } url)
        {
            Set(entries, added, "SUPERVISOR_SERVER_URL", url);
        }

        Set(entries, added, "SUPERVISOR_PROCESS_NAME", config.Name);
        Set(entries, added, "SUPERVISOR_GROUP_NAME", group);
        foreach (KeyValuePair<string, string> variable in config.Environment)
        {
            Set(entries, added, variable.Key, variable.Value);
        }

        return entries;
    }

    /// <summary>Makes an environment of the inherited one and some variables; later ones win.</summary>
    public IReadOnlyList<byte[]> With(IReadOnlyList<KeyValuePair<string, string>> variables)
    {
        List<byte[]> entries = [.. _inherited.Select(static variable => variable.Entry)];
        var added = new Dictionary<string, int>(variables.Count, StringComparer.Ordinal);
        foreach ((string name, string value) in variables)
        {
            Set(entries, added, name, value);
        }

        return entries;
    }

    private void Set(List<byte[]> entries, Dictionary<string, int> added, string name, string value)
    {
        byte[] entry = NativeText.Encode(name + "=" + value);
        string key = Encoding.Latin1.GetString(entry, 0, entry.AsSpan().IndexOf((byte)'='));
        if (_index.TryGetValue(key, out int place) || added.TryGetValue(key, out place))
        {
            entries[place] = entry;
        }
        else
        {
            added.Add(key, entries.Count);
            entries.Add(entry);
        }
    }
}
