using System.Globalization;
using Steward.Core.Events;
using Steward.Core.Model;

namespace Steward.Core.Config;

// [hook:NAME] and a program's on_crash. They are ours alone, so their faults stand behind all of Supervisor's.
internal sealed partial class ConfigLoad
{
    private const string HookTargets = "exec, url and mail";
    private const int MaxHookQueue = 100_000;

    /// <summary>Seconds between two mails about the same program that keeps crashing, where nobody said anything.</summary>
    private const int OnCrashInterval = 60;

    private static readonly string[] FormatNames = ["json", "slack", "teams", "discord", "pagerduty", "opsgenie", "telegram"];

    // The program sections that have an on_crash, and every process made from each of them.
    private readonly List<(IniSection Section, string Program, string Target, List<string> Processes)> _onCrash = [];

    private void NoteOnCrash(SectionReader reader, Expansions names, string program, string group, IEnumerable<ProcessConfig> processes)
    {
        if (reader.Text("on_crash", names) is not { } target)
        {
            return;
        }

        // A program that stands in several groups is read several times.
        int known = _onCrash.FindIndex(item => item.Section == reader.Section);
        if (known < 0)
        {
            known = _onCrash.Count;
            _onCrash.Add((reader.Section, program, PythonText.Strip(target), []));
        }

        _onCrash[known].Processes.AddRange(processes.Select(process => group + ":" + process.Name));
    }

    private List<HookConfig> ReadHooks()
    {
        var hooks = new List<HookConfig>();
        foreach (IniSection section in Sections("hook:"))
        {
            hooks.Add(ReadHook(new SectionReader(this, section, decorated: false)));
        }

        foreach ((IniSection section, string program, string target, List<string> processes) in _onCrash)
        {
            var reader = new SectionReader(this, section, decorated: false);
            if (ReadOnCrash(reader, target) is { } found)
            {
                hooks.Add(new HookConfig
                {
                    Name = "on_crash:" + program,
                    Events = HookEvents.Crash | HookEvents.FailedStart | HookEvents.Fatal,
                    Processes = EquatableList.From(processes),
                    Kind = found.Kind,
                    Target = found.Target,
                    Retries = found.Kind == HookKind.Exec ? 0 : null,
                    MinInterval = OnCrashInterval,
                });
            }
        }

        return hooks;
    }

    private (HookKind Kind, string Target)? ReadOnCrash(SectionReader reader, string target)
    {
        const string Key = "on_crash";
        const string Remedy = "write mail:ops@example.org, https://host/path or exec:/path/to/program; more is possible with [hook:NAME]";
        if (target.StartsWith("mail:", StringComparison.OrdinalIgnoreCase))
        {
            return TryAddresses(reader, Key, target["mail:".Length..], out string addresses) ? (HookKind.Mail, addresses) : null;
        }

        if (target.StartsWith("exec:", StringComparison.OrdinalIgnoreCase))
        {
            string command = PythonText.Strip(target["exec:".Length..]);
            return TryHookCommand(reader, Key, command) ? (HookKind.Exec, command) : null;
        }

        if (target.StartsWith("http:", StringComparison.OrdinalIgnoreCase) || target.StartsWith("https:", StringComparison.OrdinalIgnoreCase)
            || IsSecretPlace(target))
        {
            return TryUrl(reader, Key, target) ? (HookKind.Url, target) : null;
        }

        reader.Error(Key, "on_crash is neither a mail address, a URL nor a program", Remedy);
        return null;
    }

    private HookConfig ReadHook(SectionReader reader)
    {
        IniSection section = reader.Section;
        string written = section.Name["hook:".Length..];
        if (!ConfigValue.TryName(written, out string? name, out string? nameError))
        {
            reader.Error("", nameError, NameRemedy);
            name = PythonText.Strip(written);
        }

        HookKind[] kinds = [.. Enum.GetValues<HookKind>().Where(kind => section.Find(KeyOf(kind)) is not null)];
        if (kinds.Length != 1)
        {
            reader.Error(
                kinds.Length == 0 ? "" : KeyOf(kinds[1]),
                $"[{section.Name}] section requires exactly one of {HookTargets}",
                kinds.Length == 0 ? "add url=https://host/path, mail=ops@example.org or exec=/path/to/program" : "keep one, and make a section for each of the others");
        }

        HookKind kind = kinds.Length == 0 ? HookKind.Url : kinds[0];
        string target = kinds.Length == 0 ? "" : ReadTarget(reader, kind);
        HookFormat format = reader.Value<HookFormat>("format", _hereNames, HookFormat.Json, TryFormat, "write one of " + string.Join(", ", FormatNames));
        (string? smtpHost, int smtpPort) = ReadSmtp(reader);
        string sendMail = reader.Text("sendmail", _hereNames) ?? HookConfig.DefaultSendMail;
        if (section.Find("sendmail") is not null)
        {
            _ = TryHookCommand(reader, "sendmail", sendMail);
        }

        HookEvents events = ReadHookEvents(reader);
        var hook = new HookConfig
        {
            Name = name,
            Events = events,
            Programs = ReadPatterns(reader),
            Kind = kind,
            Target = target,
            Timeout = ReadRange(reader, "timeout", 10, 1, 3600),
            User = reader.Value("user", _hereNames, null, _user, UserRemedy),
            Format = format,
            Template = ReadTemplate(reader),
            Secret = ReadSecret(reader, "secret"),
            Token = ReadSecret(reader, "token"),
            Chat = reader.Text("chat", _hereNames),
            Headers = ReadHeaders(reader),
            Retries = section.Find("retries") is null ? (kind == HookKind.Exec ? 0 : null) : ReadRange(reader, "retries", 0, 0, 1000),
            RetryFor = ReadRange(reader, "retry_for", 3600, 0, 7 * 86400),
            QueueSize = ReadRange(reader, "queue_size", 1000, 1, MaxHookQueue),
            MinInterval = ReadRange(reader, "min_interval", 0, 0, 86400),
            SendMail = sendMail,
            SmtpHost = smtpHost,
            SmtpPort = smtpPort,
            From = ReadFrom(reader),
        };
        CheckHookKeys(reader, hook);
        return hook;
    }

    private static string KeyOf(HookKind kind) => kind switch { HookKind.Exec => "exec", HookKind.Url => "url", _ => "mail" };

    private string ReadTarget(SectionReader reader, HookKind kind)
    {
        string key = KeyOf(kind);
        string target = PythonText.Strip(reader.Text(key, _hereNames) ?? "");
        switch (kind)
        {
            case HookKind.Exec:
                _ = TryHookCommand(reader, key, target);
                return target;
            case HookKind.Url:
                _ = TryUrl(reader, key, target);
                return target;
            default:
                _ = TryAddresses(reader, key, target, out string addresses);
                return addresses;
        }
    }

    private static bool TryHookCommand(SectionReader reader, string key, string command)
    {
        if (CommandLine.TrySplit(command, out IReadOnlyList<string>? words, out string? error) && words.Count > 0)
        {
            return true;
        }

        reader.Error(key, error is null ? "the command is empty" : $"can't parse command: {error}", "write a program with its arguments");
        return false;
    }

    // Nothing of a URL is repeated in a message: with most services whoever knows it may post.
    private bool TryUrl(SectionReader reader, string key, string url)
    {
        if (IsSecretPlace(url))
        {
            return CheckSecret(reader, key, url);
        }

        if (Uri.TryCreate(url, UriKind.Absolute, out Uri? parsed) && parsed.Scheme is "http" or "https" && parsed.Host.Length > 0)
        {
            if (parsed.UserInfo.Length > 0)
            {
                reader.Error(key, "the URL holds a user and a password, which are not sent", "use header.Authorization=env:NAME");
                return false;
            }

            return true;
        }

        reader.Error(key, "this is no URL of http or https", "write https://host/path, env:NAME or file:/path");
        return false;
    }

    private static bool TryAddresses(SectionReader reader, string key, string text, out string addresses)
    {
        string[] items = [.. text.Split(',').Select(PythonText.Strip)];
        addresses = string.Join(", ", items);
        if (items.FirstOrDefault(item => !IsAddress(item)) is { } bad)
        {
            reader.Error(key, $"{PythonText.Repr(bad)} is no mail address", "write name@host, several with commas between them");
            return false;
        }

        return true;
    }

    // What could end a line of a mail's header or of the talk with its server, or be an option of a command, is no address.
    private static bool IsAddress(string text) =>
        text.Length is > 0 and <= 254 && text[0] != '-' && !text.Any(static c => char.IsControl(c) || char.IsWhiteSpace(c) || c is '<' or '>' or '"' or '\\')
        && text.LastIndexOf('@') is var at && (at < 0 ? text.All(static c => char.IsAsciiLetterOrDigit(c) || c is '_' or '-' or '.') : at > 0 && at < text.Length - 1);

    private string? ReadFrom(SectionReader reader)
    {
        string? from = reader.Text("from", _hereNames);
        return from is null || TryAddresses(reader, "from", from, out _) ? from : null;
    }

    private (string? Host, int Port) ReadSmtp(SectionReader reader)
    {
        if (reader.Text("smtp", _hereNames) is not { } text)
        {
            return (null, 25);
        }

        int colon = text.LastIndexOf(':');
        string host = (colon < 0 ? text : text[..colon]).Trim('[', ']');
        int port = 25;
        string? error = null;
        if (host.Length == 0 || host.Any(static c => char.IsControl(c) || char.IsWhiteSpace(c) || c == '/')
            || (colon >= 0 && !ConfigValue.TryRange(text[(colon + 1)..], 1, 65535, out port, out error)))
        {
            reader.Error("smtp", error ?? $"{PythonText.Repr(text)} names no mail server", "write host:port");
        }

        return (host, port);
    }

    private HookEvents ReadHookEvents(SectionReader reader)
    {
        if (reader.Text("events", _hereNames) is not { } written)
        {
            return HookEvents.Crash | HookEvents.Fatal;
        }

        var events = HookEvents.None;
        foreach (string item in ConfigValue.Strings(written))
        {
            HookEvents found = HookEventNames.Find(item);
            events |= found;
            if (found != HookEvents.None)
            {
                continue;
            }

            reader.Error(
                "events", $"Unknown event {item} in [{reader.Section.Name}] events",
                item.Length == 0 ? "take the surplus comma out"
                : EventTypes.Mask(item.ToUpperInvariant()) != 0 ? "hooks are not told of it; an [eventlistener:x] is"
                : Spelling.Nearest(item.Replace('_', '-'), HookEventNames.All) is { } near ? $"did you mean {near}?"
                : "write words such as crash, fatal, running; the manual lists them");
        }

        if (events == HookEvents.None && PythonText.Strip(written).Length == 0)
        {
            reader.Error("events", $"[{reader.Section.Name}] events is empty", "name events, or take the line out for crash and fatal");
        }

        return events;
    }

    private EquatableList<string> ReadPatterns(SectionReader reader)
    {
        if (reader.Text("programs", _hereNames) is not { } written)
        {
            return ["*"];
        }

        string[] patterns = [.. ConfigValue.Strings(written)];
        if (patterns.Length == 0 || patterns.Any(static pattern => pattern.Length == 0))
        {
            reader.Error("programs", "a pattern is empty", "write names such as web, web:* or *, with commas between them");
        }

        return EquatableList.From(patterns);
    }

    private int ReadRange(SectionReader reader, string key, int missing, int lowest, int highest) => reader.Value(
        key, _hereNames, missing,
        (string text, out int value, out string? error) => ConfigValue.TryRange(text, lowest, highest, out value, out error),
        string.Create(CultureInfo.InvariantCulture, $"write a number from {lowest} to {highest}"));

    private static bool TryFormat(string text, out HookFormat value, out string? error)
    {
        int index = Array.IndexOf(FormatNames, text.ToLowerInvariant());
        value = (HookFormat)Math.Max(0, index);
        error = index >= 0 ? null
            : $"no such format is known: {PythonText.Repr(text)}" + (Spelling.Nearest(text, FormatNames) is { } near ? $", did you mean {near}?" : "");
        return index >= 0;
    }

    // Its percent signs are its own: it is filled in with an event, not with names of the configuration.
    private static string? ReadTemplate(SectionReader reader)
    {
        if (reader.Section.Find("template") is not { } option)
        {
            return null;
        }

        if (HookTemplate.Fault(option.Value) is { } fault)
        {
            reader.Error("template", fault, "write %(name)s for a field of the event, and %% for a percent sign");
        }

        return option.Value;
    }

    private EquatableList<KeyValuePair<string, string>> ReadHeaders(SectionReader reader)
    {
        const string Prefix = "header.";
        var headers = new List<KeyValuePair<string, string>>();
        foreach (IniOption option in reader.Section.Own.Where(static option => option.Key.StartsWith(Prefix, StringComparison.Ordinal)))
        {
            string name = option.Key[Prefix.Length..];
            if (name.Length == 0 || !name.All(static c => char.IsAsciiLetterOrDigit(c) || c is '-' or '_'))
            {
                reader.Error(option.Key, $"{PythonText.Repr(name)} is no name of a header", "write header.NAME=value with letters, digits and dashes");
            }
            else if (name is "host" or "content-length" or "transfer-encoding" or "connection" || name.StartsWith("x-steward-", StringComparison.Ordinal))
            {
                reader.Error(option.Key, $"the header {name} is set by Steward", "take the line out");
            }
            else if (ReadSecret(reader, option.Key) is { } value)
            {
                headers.Add(KeyValuePair.Create(name, value));
            }
        }

        return EquatableList.From(headers);
    }

    // ---- secrets ----

    private static bool IsSecretPlace(string text) =>
        text.StartsWith("env:", StringComparison.Ordinal) || text.StartsWith("file:", StringComparison.Ordinal);

    private string? ReadSecret(SectionReader reader, string key)
    {
        if (reader.Text(key, _hereNames) is not { } text)
        {
            return null;
        }

        if (IsSecretPlace(text))
        {
            return CheckSecret(reader, key, text) ? text : null;
        }

        if (text.Length == 0 || text.Any(char.IsControl))
        {
            reader.Error(key, text.Length == 0 ? "the value is empty" : "the value has line breaks or other control characters", "write it in one line, or as env:NAME or file:/path");
            return null;
        }

        return text;
    }

    // Looked at now, so that the fault is found now; what counts is what is there when it is needed.
    private bool CheckSecret(SectionReader reader, string key, string place)
    {
        if (place.StartsWith("env:", StringComparison.Ordinal))
        {
            string variable = place["env:".Length..];
            if (_environment.Variables.TryGetValue(variable, out string? value) && value.Length > 0)
            {
                return true;
            }

            reader.Error(key, $"the environment variable {PythonText.Repr(variable)} is not set", "set it for the daemon, or write file:/path");
            return false;
        }

        string path = place["file:".Length..];
        string? error = !path.StartsWith('/') ? "the path is not absolute" : null;
        if (error is null)
        {
            FileContent content = _environment.ReadFile(path);
            error = content.Bytes is null ? content.Error : content.Bytes.Length == 0 ? "it is empty" : null;
        }

        if (error is not null)
        {
            reader.Error(key, $"could not read the secret in {path}: {error}", "name a file that the daemon can read");
        }

        return error is null;
    }

    // ---- keys that go together ----

    private static void CheckHookKeys(SectionReader reader, HookConfig hook)
    {
        Only(hook.Kind == HookKind.Exec, "exec", "user");
        Only(hook.Kind == HookKind.Url, "url", "format", "secret", "token", "chat");
        Only(hook.Kind == HookKind.Mail, "mail", "sendmail", "smtp", "from");
        Only(hook.Kind != HookKind.Exec, "url and mail", "template");
        if (hook.SmtpHost is not null && reader.Section.Find("sendmail") is not null)
        {
            reader.Error("smtp", "sendmail and smtp are two ways for one mail", "keep one of them");
        }

        if (hook.Template is not null && reader.Section.Find("format") is not null)
        {
            reader.Error("template", "format and template are two forms for one body", "keep one of them");
        }

        if (hook.Format is HookFormat.PagerDuty or HookFormat.Opsgenie && reader.Section.Find("token") is null)
        {
            reader.Error("format", "this format needs token=", "add token=env:NAME with the routing key or API key");
        }

        if (hook.Format == HookFormat.Telegram && hook.Chat is null)
        {
            reader.Error("format", "this format needs chat=", "add chat= with the id of the chat");
        }

        void Only(bool fits, string whose, params string[] keys)
        {
            foreach (string key in fits ? [] : keys)
            {
                if (reader.Section.Find(key) is not null)
                {
                    reader.Error(key, $"{key} is for {whose}", "take the line out");
                }
            }
        }
    }
}
