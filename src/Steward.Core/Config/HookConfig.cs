using Steward.Core.Events;
using Steward.Core.Model;

namespace Steward.Core.Config;

/// <summary>Where a hook sends what it is told.</summary>
public enum HookKind
{
    /// <summary>To a program, on its stdin.</summary>
    Exec,

    /// <summary>To a web service, by POST.</summary>
    Url,

    /// <summary>To people, by mail.</summary>
    Mail,
}

/// <summary>The form in which a web service wants it.</summary>
public enum HookFormat
{
    /// <summary>Steward's own JSON.</summary>
    Json,

    /// <summary>Slack's incoming webhooks, and what understands them (Mattermost, Rocket.Chat).</summary>
    Slack,

    /// <summary>Microsoft Teams, an Adaptive Card.</summary>
    Teams,

    /// <summary>Discord's webhooks.</summary>
    Discord,

    /// <summary>PagerDuty, Events API v2.</summary>
    PagerDuty,

    /// <summary>Opsgenie, Alert API.</summary>
    Opsgenie,

    /// <summary>Telegram, sendMessage of the Bot API.</summary>
    Telegram,
}

/// <summary>
/// A <c>[hook:NAME]</c>, or the hook that a program's <c>on_crash</c> stands for. Secrets are held as written: <c>env:NAME</c> and
/// <c>file:/path</c> are looked up when they are needed and never before.
/// </summary>
public sealed record HookConfig
{
    /// <summary>The name: what stands behind the colon of its section; <c>on_crash:PROGRAM</c> for a program's own.</summary>
    public required string Name { get; init; }

    /// <summary><c>events</c>. Default crash and fatal.</summary>
    public HookEvents Events { get; init; } = HookEvents.Crash | HookEvents.Fatal;

    /// <summary><c>programs</c>: patterns (<c>*</c>, <c>?</c>) for group:process, process or group. Default everything.</summary>
    public EquatableList<string> Programs { get; init; } = ["*"];

    /// <summary>Exact group:process names, for a program's own hook; empty: <see cref="Programs"/> counts.</summary>
    public EquatableList<string> Processes { get; init; } = [];

    /// <summary>Which of <c>exec</c>, <c>url</c> and <c>mail</c> it has.</summary>
    public required HookKind Kind { get; init; }

    /// <summary>The command line, the URL (which may be a secret's place), or the addresses with commas between them.</summary>
    public required string Target { get; init; }

    /// <summary><c>timeout</c> in seconds of one attempt. Default 10.</summary>
    public int Timeout { get; init; } = 10;

    /// <summary><c>user</c> of an <c>exec</c>; null: the daemon's.</summary>
    public UserIdentity? User { get; init; }

    /// <summary><c>format</c> of a <c>url</c>. Default json.</summary>
    public HookFormat Format { get; init; }

    /// <summary><c>template</c>: a body of one's own for <c>url</c> and <c>mail</c>; null: the format's.</summary>
    public string? Template { get; init; }

    /// <summary><c>secret</c> of the signature; null: not signed.</summary>
    public string? Secret { get; init; }

    /// <summary><c>token</c>: PagerDuty's routing key, Opsgenie's API key; null: none.</summary>
    public string? Token { get; init; }

    /// <summary><c>chat</c>: Telegram's chat id; null: none.</summary>
    public string? Chat { get; init; }

    /// <summary><c>header.NAME</c>, the values being secrets.</summary>
    public EquatableList<KeyValuePair<string, string>> Headers { get; init; } = [];

    /// <summary><c>retries</c>: attempts after the first; null: as many as <see cref="RetryFor"/> has time for. Default of an <c>exec</c> 0.</summary>
    public int? Retries { get; init; }

    /// <summary><c>retry_for</c>: seconds after an event in which it is tried to be delivered. Default 3600.</summary>
    public int RetryFor { get; init; } = 3600;

    /// <summary><c>queue_size</c>: events that wait. Default 1000.</summary>
    public int QueueSize { get; init; } = 1000;

    /// <summary><c>min_interval</c>: seconds between two deliveries of the same event of a process; 0: none. Default 0.</summary>
    public int MinInterval { get; init; }

    /// <summary><c>sendmail</c>: the command that takes a mail on stdin. Default Supervisor's plugins' <c>/usr/sbin/sendmail -t -i</c>.</summary>
    public string SendMail { get; init; } = DefaultSendMail;

    /// <summary><c>smtp</c>: host of a mail server to be used instead of <see cref="SendMail"/>; null: none.</summary>
    public string? SmtpHost { get; init; }

    /// <summary>The mail server's port. Default 25.</summary>
    public int SmtpPort { get; init; } = 25;

    /// <summary><c>from</c>: the sender's address; null: user of the daemon at the host.</summary>
    public string? From { get; init; }

    /// <summary>The default of <c>sendmail</c>.</summary>
    public const string DefaultSendMail = "/usr/sbin/sendmail -t -i";

    /// <summary>Says whether the hook is for a process, a whole group (no process), or the daemon (neither).</summary>
    public bool Concerns(string? group, string? process)
    {
        if (group is null)
        {
            return Processes.Count == 0;
        }

        if (Processes.Count > 0)
        {
            return process is not null && Processes.Contains(group + ":" + process);
        }

        foreach (string pattern in Programs)
        {
            if (Matches(pattern, group) || (process is not null && (Matches(pattern, process) || Matches(pattern, group + ":" + process))))
            {
                return true;
            }
        }

        return false;
    }

    /// <summary>Says whether a pattern fits a whole text: <c>*</c> stands for any characters, <c>?</c> for one.</summary>
    internal static bool Matches(ReadOnlySpan<char> pattern, ReadOnlySpan<char> text)
    {
        int p = 0;
        int t = 0;
        int star = -1;
        int resume = 0;
        while (t < text.Length)
        {
            if (p < pattern.Length && pattern[p] == '*')
            {
                star = p++;
                resume = t;
            }
            else if (p < pattern.Length && (pattern[p] == '?' || pattern[p] == text[t]))
            {
                p++;
                t++;
            }
            else if (star >= 0)
            {
                // The last star takes one character more; earlier ones need not be looked at again.
                p = star + 1;
                t = ++resume;
            }
            else
            {
                return false;
            }
        }

        while (p < pattern.Length && pattern[p] == '*')
        {
            p++;
        }

        return p == pattern.Length;
    }
}
