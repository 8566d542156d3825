using System.Globalization;

namespace Steward.Core.Config;

// (5): what a program is watched for, and how far its stop reaches. None of these keys is Supervisor's.
internal sealed partial class ConfigLoad
{
    private const string WatchActionRemedy = "write restart or alert";
    private const string HealthUrlRemedy = "write an address such as http://127.0.0.1:8080/health";

    private static MemoryLimitConfig? ReadMemoryLimit(SectionReader reader, Expansions names)
    {
        long bytes = reader.ByteSize("memory_limit", names, 0);
        int checkSecs = AtLeastOne(reader, names, "memory_check_secs", 10);
        WatchAction action = reader.Value<WatchAction>("on_memory_limit", names, WatchAction.Restart, TryWatchAction, WatchActionRemedy);
        if (bytes < 0)
        {
            reader.Error("memory_limit", string.Create(CultureInfo.InvariantCulture, $"memory_limit={bytes} is less than nothing"), SizeRemedy);
        }

        WarnWithout(reader, "memory_limit", "memory_check_secs", "on_memory_limit");
        return bytes <= 0 ? null : new MemoryLimitConfig { Bytes = bytes, CheckSecs = checkSecs, Action = action };
    }

    /// <summary>All but the address, which is expanded for each process.</summary>
    private static HealthConfig? ReadHealth(SectionReader reader, Expansions names, int startSecs)
    {
        var health = new HealthConfig
        {
            Url = "",
            Interval = AtLeastOne(reader, names, "health_interval", 10),
            Timeout = AtLeastOne(reader, names, "health_timeout", 3),
            Failures = AtLeastOne(reader, names, "health_failures", 3),
            Grace = Math.Max(0, reader.Integer("health_grace", names, Math.Max(10, startSecs))),
            Status = reader.Value<Model.EquatableList<int>>(
                "health_status", names, [200, 399], TryStatusRanges, "write codes and ranges of codes with commas between them, as in 200-399")!,
            Action = reader.Value<WatchAction>("on_unhealthy", names, WatchAction.Restart, TryWatchAction, WatchActionRemedy),
        };
        WarnWithout(
            reader, "health_http", "health_interval", "health_timeout", "health_failures", "health_grace", "health_status", "on_unhealthy");
        return reader.Section.Find("health_http") is { } option && PythonText.Strip(option.Value).Length > 0 ? health : null;
    }

    private static string ReadHealthUrl(SectionReader reader, Expansions names)
    {
        if (reader.Text("health_http", names) is not { } text)
        {
            return "";
        }

        string url = PythonText.Strip(text);
        if (!Uri.TryCreate(url, UriKind.Absolute, out Uri? parsed) || parsed.Scheme != Uri.UriSchemeHttp || parsed.Host.Length == 0)
        {
            reader.Error("health_http", $"{PythonText.Repr(text)} is no address that can be asked over HTTP", HealthUrlRemedy);
        }

        return url;
    }

    private static int AtLeastOne(SectionReader reader, Expansions names, string key, int missing)
    {
        int value = reader.Integer(key, names, missing);
        if (value >= 1)
        {
            return value;
        }

        reader.Error(key, string.Create(CultureInfo.InvariantCulture, $"{key}={value} is less than 1"), "write 1 or more");
        return missing;
    }

    private static void WarnWithout(SectionReader reader, string key, params ReadOnlySpan<string> dependents)
    {
        if (reader.Section.Find(key) is not null)
        {
            return;
        }

        foreach (string dependent in dependents)
        {
            if (reader.Section.Find(dependent) is not null)
            {
                reader.Warn(dependent, $"{dependent} has no effect without {key}", $"add {key}=, or take the line out");
            }
        }
    }

    private static bool TryKillMode(string text, out KillMode value, out string? error)
    {
        KillMode? mode = PythonText.Strip(text).ToLowerInvariant() switch
        {
            "process" => KillMode.Process,
            "group" => KillMode.Group,
            "tree" => KillMode.Tree,
            "cgroup" => KillMode.Cgroup,
            _ => null,
        };
        value = mode ?? KillMode.Process;
        error = mode is null ? $"{PythonText.Repr(text)} is no kill_mode" : null;
        return mode is not null;
    }

    private static bool TryWatchAction(string text, out WatchAction value, out string? error)
    {
        string lower = PythonText.Strip(text).ToLowerInvariant();
        value = lower == "alert" ? WatchAction.Alert : WatchAction.Restart;
        error = lower is "alert" or "restart" ? null : $"{PythonText.Repr(text)} is no action";
        return error is null;
    }

    private static bool TryStatusRanges(string text, out Model.EquatableList<int> value, out string? error)
    {
        var pairs = new List<int>();
        value = [];
        foreach (string item in text.Split(','))
        {
            int dash = item.IndexOf('-', StringComparison.Ordinal);
            string first = dash < 0 ? item : item[..dash];
            string last = dash < 0 ? item : item[(dash + 1)..];
            if (!ConfigValue.TryRange(first, 100, 999, out int from, out _) || !ConfigValue.TryRange(last, 100, 999, out int to, out _) || to < from)
            {
                error = $"{PythonText.Repr(item)} is no range of status codes";
                return false;
            }

            pairs.Add(from);
            pairs.Add(to);
        }

        value = Model.EquatableList.From(pairs);
        error = null;
        return true;
    }
}
