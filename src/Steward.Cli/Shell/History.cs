using System.Text;

namespace Steward.Cli.Shell;

/// <summary>The lines that were typed, oldest first, at most <see cref="MaxEntries"/>; the oldest go first.</summary>
internal sealed class History
{
    public const int MaxEntries = 1000;
    private const int MaxFileBytes = 4 << 20;

    private readonly List<string> _lines = [];

    public int Count => _lines.Count;

    public string this[int index] => _lines[index];

    /// <summary>Adds a line unless it is empty or the same as the last.</summary>
    public void Add(string line)
    {
        if (line.Trim().Length == 0 || (_lines.Count > 0 && _lines[^1] == line))
        {
            return;
        }

        if (_lines.Count == MaxEntries)
        {
            _lines.RemoveAt(0);
        }

        _lines.Add(line);
    }

    /// <summary>Reads a file of lines. A history is a comfort: a file that is missing, unreadable or oversized gives none.</summary>
    public void Load(string path)
    {
        try
        {
            if (new FileInfo(path) is { Exists: true, Length: <= MaxFileBytes })
            {
                foreach (string line in File.ReadLines(path, Encoding.UTF8))
                {
                    Add(line);
                }
            }
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException or NotSupportedException)
        {
            // Supervisor's shell starts without a history then, too.
        }
    }

    /// <summary>Writes the file anew, readable by its owner alone. Failure is not told: nothing of the session depends on it.</summary>
    public void Save(string path)
    {
        try
        {
            var options = new FileStreamOptions { Mode = FileMode.Create, Access = FileAccess.Write };
            if (!OperatingSystem.IsWindows())
            {
                options.UnixCreateMode = UnixFileMode.UserRead | UnixFileMode.UserWrite;
            }

            using var file = new FileStream(path, options);
            var text = new StringBuilder();
            foreach (string line in _lines)
            {
                text.Append(line).Append('\n');
            }

            file.Write(Encoding.UTF8.GetBytes(text.ToString()));
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException or NotSupportedException)
        {
            // See above.
        }
    }
}
