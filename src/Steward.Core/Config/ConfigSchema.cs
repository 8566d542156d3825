using System.Collections.Frozen;

namespace Steward.Core.Config;

/// <summary>Which sections there are and which keys each of them knows.</summary>
internal static class ConfigSchema
{
    private static readonly string[] Program =
    [
        "command", "process_name", "numprocs", "numprocs_start", "priority", "autostart", "autorestart", "startsecs", "startretries",
        "exitcodes", "stopsignal", "stopwaitsecs", "stopasgroup", "killasgroup", "user", "redirect_stderr", "stdout_logfile",
        "stdout_logfile_maxbytes", "stdout_logfile_backups", "stdout_capture_maxbytes", "stdout_events_enabled", "stdout_syslog",
        "stderr_logfile", "stderr_logfile_maxbytes", "stderr_logfile_backups", "stderr_capture_maxbytes", "stderr_events_enabled",
        "stderr_syslog", "environment", "directory", "umask", "serverurl", "on_crash",
        "kill_mode", "memory_limit", "memory_check_secs", "on_memory_limit",
        "health_http", "health_interval", "health_timeout", "health_failures", "health_grace", "health_status", "on_unhealthy",
    ];

    // A name that ends in a colon is the beginning of a section's name. The two servers also go without one.
    private static readonly (string Section, FrozenSet<string> Keys)[] Table =
    [
        ("supervisord", Set(
            "minfds", "minprocs", "directory", "user", "umask", "logfile", "logfile_maxbytes", "logfile_backups", "loglevel", "pidfile",
            "identifier", "nodaemon", "silent", "childlogdir", "nocleanup", "strip_ansi", "environment", "journal", "journal_maxbytes",
            "journal_maxdays", "orphan_policy", "keeper")),
        ("supervisorctl", Set("serverurl", "username", "password", "prompt", "history_file")),
        ("include", Set("files")),
        ("unix_http_server", Set("file", "chmod", "chown", "username", "password")),
        ("inet_http_server", Set("port", "username", "password")),
        ("program:", Set(Program)),
        ("group:", Set("programs", "priority")),
        ("fcgi-program:", Set([.. Program, "socket", "socket_backlog", "socket_owner", "socket_mode"])),
        ("eventlistener:", Set([.. Program, "events", "buffer_size", "result_handler", "unknown_restart", "result_timeout"])),
        ("rpcinterface:", Set("supervisor.rpcinterface_factory", "steward.rpc_url", "steward.rpc_timeout", "whitelist")),
        ("hook:", Set(
            "events", "programs", "exec", "url", "mail", "timeout", "user", "format", "template", "secret", "token", "chat", "retries", "retry_for",
            "queue_size", "min_interval", "sendmail", "smtp", "from")),
    ];

    /// <summary>The names of sections; those that take a name of their own end in a colon.</summary>
    public static IEnumerable<string> Sections => Table.Select(row => row.Section);

    /// <summary>Every key of every section.</summary>
    public static FrozenSet<string> AllKeys { get; } = Table.SelectMany(row => row.Keys).ToFrozenSet(StringComparer.Ordinal);

    /// <summary>The keys of a section; null for a section that Steward does not know.</summary>
    public static FrozenSet<string>? Keys(string section)
    {
        foreach ((string name, FrozenSet<string> keys) in Table)
        {
            bool open = name[^1] == ':' || name.EndsWith("_http_server", StringComparison.Ordinal);
            if (open ? section.StartsWith(name, StringComparison.Ordinal) : section == name)
            {
                return keys;
            }
        }

        return null;
    }

    private static FrozenSet<string> Set(params string[] keys) => keys.ToFrozenSet(StringComparer.Ordinal);
}
