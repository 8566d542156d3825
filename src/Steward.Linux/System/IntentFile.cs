using System.Globalization;
using System.Text;
using Steward.Core.Model;
using Steward.Core.Ports;
using Steward.Linux.Interop;

namespace Steward.Linux.Host;

/// <summary>
/// The file in which intents outlive the daemon: a line for each process, tab-separated, under a line that names the format. It is
/// written only when an intent changes, as a whole, under another name that then takes its place: a crash leaves the old one or the
/// new one.
/// </summary>
public sealed class IntentFile : IIntentStore, IDisposable
{
    private const string Header = "steward-intent 1";

    /// <summary>A larger file is none of ours.</summary>
    private const int MaxBytes = 16 << 20;

    /// <summary>How long the end of the daemon waits for the last change to be on disk.</summary>
    private static readonly TimeSpan Patience = TimeSpan.FromSeconds(5);

    private readonly string _path;
    private readonly Action<LogLevel, string> _log;
    private readonly object _gate = new();
    private IReadOnlyList<Intent>? _pending;
    private bool _isWriting;
    private bool _isDisposed;

    /// <summary>Keeps intents in a file; nothing is touched before the first change.</summary>
    public IntentFile(string path, Action<LogLevel, string> log)
    {
        _path = path;
        _log = log;
    }

    /// <summary>
    /// Reads what was kept; nothing when there is no file. One that cannot be understood is moved aside and said, so that it is neither
    /// taken for the truth nor lost.
    /// </summary>
    public IReadOnlyList<Intent> Read()
    {
        try
        {
            if (!File.Exists(_path))
            {
                return [];
            }

            string? failure = new FileInfo(_path).Length > MaxBytes ? "it is too large" : null;
            List<Intent> intents = [];
            failure ??= Parse(File.ReadAllText(_path), intents);
            if (failure is null)
            {
                return intents;
            }

            string aside = _path + ".broken";
            File.Move(_path, aside, overwrite: true);
            _log(LogLevel.Error, $"{_path} cannot be understood ({failure}) and is now {aside}: no intent is remembered");
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            _log(LogLevel.Error, $"{_path} cannot be read: {e.Message}: no intent is remembered");
        }

        return [];
    }

    /// <inheritdoc/>
    public void Save(IReadOnlyList<Intent> intents)
    {
        lock (_gate)
        {
            if (_isDisposed)
            {
                return;
            }

            _pending = intents;
            if (_isWriting)
            {
                return;
            }

            _isWriting = true;
        }

        // A thread for a change made by hand: there is none while nobody changes anything.
        new Thread(WriteAll, 256 << 10) { Name = "intents", IsBackground = true }.Start();
    }

    /// <summary>Waits until the last change is written, within a bound.</summary>
    public void Dispose()
    {
        lock (_gate)
        {
            _isDisposed = true;
            long end = Environment.TickCount64 + (long)Patience.TotalMilliseconds;
            while (_isWriting)
            {
                long left = end - Environment.TickCount64;
                if (left <= 0 || !Monitor.Wait(_gate, TimeSpan.FromMilliseconds(left)))
                {
                    _log(LogLevel.Error, $"{_path} is not written in time: the last intents may be lost");
                    return;
                }
            }
        }
    }

    private void WriteAll()
    {
        while (true)
        {
            IReadOnlyList<Intent> intents;
            lock (_gate)
            {
                if (_pending is null)
                {
                    _isWriting = false;
                    Monitor.PulseAll(_gate);
                    return;
                }

                intents = _pending;
                _pending = null;
            }

            try
            {
                Write(intents);
            }
            catch (Exception e) when (e is IOException or UnauthorizedAccessException)
            {
                _log(LogLevel.Error, $"{_path} cannot be written: {e.Message}: the last intents are forgotten at the end of the daemon");
            }
        }
    }

    private void Write(IReadOnlyList<Intent> intents)
    {
        var text = new StringBuilder(Header).Append('\n');
        foreach (Intent intent in intents)
        {
            string wanted = intent.IsWanted switch { true => "up", false => "down", null => "-" };
            text.Append(CultureInfo.InvariantCulture, $"{intent.Name}\t{wanted}\t{(intent.DisabledFor is null ? "enabled" : "disabled")}\t");
            text.Append(CultureInfo.InvariantCulture, $"{intent.Since}\t{intent.DisabledFor}\t{intent.By}\n");
        }

        string next = _path + ".new";
        using (var file = new FileStream(next, FileMode.Create, FileAccess.Write))
        {
            _ = LibC.chmod(next, 0b110_000_000);
            file.Write(Encoding.UTF8.GetBytes(text.ToString()));
            file.Flush(flushToDisk: true);
        }

        File.Move(next, _path, overwrite: true);

        // The new name is on disk when its folder is (man 2 fsync).
        int folder = LibC.open(Path.GetDirectoryName(_path)!, LibC.O_RDONLY | LibC.O_CLOEXEC, 0);
        if (folder >= 0)
        {
            _ = LibC.fsync(folder);
            _ = LibC.close(folder);
        }
    }

    /// <summary>Null for success, else what is wrong.</summary>
    private static string? Parse(string text, List<Intent> intents)
    {
        string[] lines = text.Split('\n');
        if (lines[0] != Header)
        {
            return $"its first line is not '{Header}'";
        }

        if (lines[^1].Length > 0)
        {
            return "its last line is cut off";
        }

        for (int i = 1; i < lines.Length - 1; i++)
        {
            string[] fields = lines[i].Split('\t');
            if (fields.Length is not (5 or 6) || fields[0].Length == 0 || fields[1] is not ("up" or "down" or "-")
                || fields[2] is not ("enabled" or "disabled")
                || !long.TryParse(fields[3], NumberStyles.AllowLeadingSign, CultureInfo.InvariantCulture, out long since))
            {
                return string.Create(CultureInfo.InvariantCulture, $"line {i + 1}");
            }

            // Who made the change is missing from files of the first versions.
            string by = fields.Length == 6 ? fields[5] : "";
            bool? isWanted = fields[1] == "-" ? null : fields[1] == "up";
            intents.Add(new Intent(fields[0], isWanted, fields[2] == "disabled" ? fields[4] : null, since, by));
        }

        return null;
    }
}
