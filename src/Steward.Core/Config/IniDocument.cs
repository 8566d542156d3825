using System.Diagnostics.CodeAnalysis;
using System.Text;

namespace Steward.Core.Config;

/// <summary>A key with its value and the place where it stands.</summary>
/// <param name="Key">The key in lower case.</param>
/// <param name="Value">The value; lines joined with a line feed, blanks at the ends removed.</param>
/// <param name="File">The file as it was opened.</param>
/// <param name="Line">The line of the key, from 1.</param>
public sealed record IniOption(string Key, string Value, string File, int Line);

/// <summary>A line that is neither a section, a key nor a continuation.</summary>
/// <param name="File">The file as it was opened.</param>
/// <param name="Line">The line, from 1.</param>
/// <param name="Text">The line with its line feed, if it had one.</param>
/// <param name="Section">The section it stands in; null before the first header, which is fatal for Supervisor at once.</param>
public sealed record IniError(string File, int Line, string Text, string? Section);

/// <summary>A key that a later line of the same section replaced.</summary>
/// <param name="Section">The section.</param>
/// <param name="Old">What no longer counts.</param>
/// <param name="New">What counts.</param>
public sealed record IniOverride(string Section, IniOption Old, IniOption New);

/// <summary>A section: its own keys in order of first mention, and those of <c>[DEFAULT]</c> behind them.</summary>
public sealed class IniSection
{
    private readonly IniSection? _defaults;
    private readonly List<string> _order = [];
    private readonly Dictionary<string, IniOption> _options = new(StringComparer.Ordinal);

    internal IniSection(string name, string file, int line, IniSection? defaults)
    {
        Name = name;
        File = file;
        Line = line;
        _defaults = defaults;
    }

    /// <summary>What stands between the brackets, case kept.</summary>
    public string Name { get; }

    /// <summary>The file that introduced the section.</summary>
    public string File { get; }

    /// <summary>The line of its first header, from 1.</summary>
    public int Line { get; }

    /// <summary>The keys that stand in the section itself.</summary>
    public IEnumerable<IniOption> Own => _order.Select(key => _options[key]);

    /// <summary>Finds a key given in lower case, in the section, else in <c>[DEFAULT]</c>; null when it is in neither.</summary>
    public IniOption? Find(string key) => _options.TryGetValue(key, out IniOption? option) ? option : _defaults?.Find(key);

    /// <summary>Finds the value of a key given in lower case.</summary>
    public bool TryGet(string key, [NotNullWhen(true)] out string? value)
    {
        value = Find(key)?.Value;
        return value is not null;
    }

    internal IniOption? Set(IniOption option)
    {
        if (!_options.TryGetValue(option.Key, out IniOption? old))
        {
            _order.Add(option.Key);
        }

        _options[option.Key] = option;
        return old;
    }

    internal void ReplaceHere(string directory)
    {
        foreach (string key in _order)
        {
            IniOption option = _options[key];
            string value = IniDocument.ReplaceHere(option.Value, directory);
            if (!ReferenceEquals(value, option.Value))
            {
                _options[key] = option with { Value = value };
            }
        }
    }
}

/// <summary>
/// The section table that one or more files fill. A section named twice is one section, also across files; the last value
/// of a key wins.
/// </summary>
public sealed class IniDocument
{
    private readonly List<IniSection> _sections = [];
    private readonly Dictionary<string, IniSection> _byName = new(StringComparer.Ordinal);
    private readonly List<IniError> _errors = [];
    private readonly List<IniOverride> _overrides = [];

    /// <summary>The sections in order of first appearance, without <c>[DEFAULT]</c>.</summary>
    public IReadOnlyList<IniSection> Sections => _sections;

    /// <summary>The <c>[DEFAULT]</c> section: its keys are seen through every other one.</summary>
    public IniSection Defaults { get; } = new("DEFAULT", "", 0, null);

    /// <summary>The lines that could not be read, in order.</summary>
    public IReadOnlyList<IniError> Errors => _errors;

    /// <summary>The keys given more than once, in order.</summary>
    public IReadOnlyList<IniOverride> Overrides => _overrides;

    /// <summary>Finds a section by its exact name; null when there is none.</summary>
    public IniSection? Find(string name) => _byName.GetValueOrDefault(name);

    internal IniSection Open(string name, string file, int line)
    {
        if (name == "DEFAULT")
        {
            return Defaults;
        }

        if (!_byName.TryGetValue(name, out IniSection? section))
        {
            section = new IniSection(name, file, line, Defaults);
            _byName.Add(name, section);
            _sections.Add(section);
        }

        return section;
    }

    internal void Add(IniError error) => _errors.Add(error);

    internal void Set(IniSection section, IniOption option)
    {
        if (section.Set(option) is { } old)
        {
            _overrides.Add(new IniOverride(section.Name, old, option));
        }
    }

    /// <summary>
    /// Puts a directory in place of the literal <c>%(here)s</c> in every value read so far: what makes <c>%(here)s</c> of an
    /// included file mean that file. A doubled percent sign is left alone, and one in the directory is doubled, so that the
    /// expansion that follows sees what was meant.
    /// </summary>
    public void ReplaceHere(string directory)
    {
        Defaults.ReplaceHere(directory);
        foreach (IniSection section in _sections)
        {
            section.ReplaceHere(directory);
        }
    }

    internal static string ReplaceHere(string value, string directory)
    {
        const string Here = "%(here)s";
        if (!value.Contains(Here, StringComparison.Ordinal))
        {
            return value;
        }

        var result = new StringBuilder(value.Length + directory.Length);
        int i = 0;
        while (i < value.Length)
        {
            if (value[i] == '%' && i + 1 < value.Length && value[i + 1] == '%')
            {
                result.Append("%%");
                i += 2;
            }
            else if (string.CompareOrdinal(value, i, Here, 0, Here.Length) == 0)
            {
                result.Append(directory.Replace("%", "%%", StringComparison.Ordinal));
                i += Here.Length;
            }
            else
            {
                result.Append(value[i]);
                i++;
            }
        }

        return result.ToString();
    }
}
