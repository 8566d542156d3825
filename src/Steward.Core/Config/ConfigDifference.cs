using System.Globalization;
using Steward.Core.Model;

namespace Steward.Core.Config;

/// <summary>Two definitions of a process compared, key by key.</summary>
public static class ConfigDifference
{
    /// <summary>
    /// Says what is different, one <c>key: old -> new</c> a line; empty when nothing is. Of environment variables only the names are
    /// told, as their values may be secrets.
    /// </summary>
    public static string Describe(ProcessConfig former, ProcessConfig next)
    {
        var lines = new List<string>();
        Compare("command", former.Command, next.Command);
        Compare("priority", former.Priority, next.Priority);
        Compare("autostart", former.AutoStart, next.AutoStart);
        Compare("autorestart", former.AutoRestart, next.AutoRestart);
        Compare("startsecs", former.StartSecs, next.StartSecs);
        Compare("startretries", former.StartRetries, next.StartRetries);
        Compare("stopsignal", Signals.LogName(former.StopSignal), Signals.LogName(next.StopSignal));
        Compare("stopwaitsecs", former.StopWaitSecs, next.StopWaitSecs);
        Compare("stopasgroup", former.StopAsGroup, next.StopAsGroup);
        Compare("killasgroup", former.KillAsGroup, next.KillAsGroup);
        Compare("exitcodes", Codes(former), Codes(next));
        Compare("redirect_stderr", former.RedirectStderr, next.RedirectStderr);
        Compare("serverurl", former.ServerUrl, next.ServerUrl);
        Compare("user", former.User?.Name, next.User?.Name);
        Compare("umask", Octal(former.Umask), Octal(next.Umask));
        Compare("directory", former.Directory, next.Directory);
        CompareEnvironment(former, next, lines);
        CompareLog("stdout", former.Stdout, next.Stdout);
        CompareLog("stderr", former.Stderr, next.Stderr);
        Compare("socket", former.Socket?.Url, next.Socket?.Url);
        if (lines.Count == 0 && !former.Equals(next))
        {
            lines.Add("other settings");
        }

        return string.Join('\n', lines);

        void CompareLog(string channel, ChildLogConfig before, ChildLogConfig after)
        {
            Compare(channel + "_logfile", LogName(before), LogName(after));
            Compare(channel + "_logfile_maxbytes", before.MaxBytes, after.MaxBytes);
            Compare(channel + "_logfile_backups", before.Backups, after.Backups);
            Compare(channel + "_capture_maxbytes", before.CaptureMaxBytes, after.CaptureMaxBytes);
            Compare(channel + "_events_enabled", before.EventsEnabled, after.EventsEnabled);
            Compare(channel + "_syslog", before.Syslog, after.Syslog);
        }

        void Compare<T>(string key, T before, T after)
        {
            if (!EqualityComparer<T>.Default.Equals(before, after))
            {
                lines.Add($"{key}: {Shown(before)} -> {Shown(after)}");
            }
        }
    }

    private static void CompareEnvironment(ProcessConfig former, ProcessConfig next, List<string> lines)
    {
        var before = former.Environment.ToDictionary(static pair => pair.Key, static pair => pair.Value, StringComparer.Ordinal);
        var after = next.Environment.ToDictionary(static pair => pair.Key, static pair => pair.Value, StringComparer.Ordinal);
        string[] changes =
        [
            .. after.Keys.Where(key => !before.ContainsKey(key)).Select(static key => "+" + key),
            .. before.Keys.Where(key => !after.ContainsKey(key)).Select(static key => "-" + key),
            .. before.Keys.Where(key => after.TryGetValue(key, out string? value) && value != before[key]).Select(static key => key + " changed"),
        ];
        if (changes.Length > 0)
        {
            lines.Add("environment: " + string.Join(", ", changes));
        }
    }

    private static string LogName(ChildLogConfig log) => log.Kind == ChildLogKind.File ? log.Path : log.Kind.ToString().ToUpperInvariant();

    private static string Codes(ProcessConfig config) =>
        string.Join(',', config.ExitCodes.Select(static code => code.ToString(CultureInfo.InvariantCulture)));

    private static string? Octal(int? mode) => mode is { } bits ? Convert.ToString(bits, 8).PadLeft(3, '0') : null;

    private static string Shown<T>(T value) => value switch
    {
        null => "none",
        bool flag => flag ? "true" : "false",
        AutoRestart restart => restart.ToString().ToLowerInvariant(),
        IFormattable number => number.ToString(null, CultureInfo.InvariantCulture),
        _ => value.ToString() ?? "",
    };
}
