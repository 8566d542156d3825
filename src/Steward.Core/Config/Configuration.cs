using Steward.Core.Model;

namespace Steward.Core.Config;

// The result of reading a configuration: immutable, validated, every default filled in, every value expanded.
// Records compare by value where reread compares (spec: "Comparing configurations"); collections that take part in that
// comparison are EquatableList.

/// <summary>Everything a configuration file says to the daemon.</summary>
public sealed record Configuration
{
    /// <summary>The path of the main file as given or found; shown in messages.</summary>
    public required string File { get; init; }

    /// <summary>
    /// The absolute path of the main file: what a reload reads, because the working directory may have changed since.
    /// </summary>
    public required string FullPath { get; init; }

    /// <summary>The absolute directory of the main file: <c>%(here)s</c>.</summary>
    public required string Here { get; init; }

    /// <summary>The <c>[supervisord]</c> section with command-line values applied.</summary>
    public required SupervisordConfig Supervisord { get; init; }

    /// <summary>The control sockets: inet servers first, then unix servers, each kind in file order.</summary>
    public required IReadOnlyList<ServerConfig> Servers { get; init; }

    /// <summary>The RPC namespaces, in file order.</summary>
    public required IReadOnlyList<RpcInterfaceConfig> RpcInterfaces { get; init; }

    /// <summary>The groups sorted by (priority, name). Two groups of one name: the first counts.</summary>
    public required IReadOnlyList<GroupConfig> Groups { get; init; }

    /// <summary>The hooks: those of sections in file order, then those of programs.</summary>
    public IReadOnlyList<HookConfig> Hooks { get; init; } = [];

    /// <summary>
    /// The automatic <c>SUPERVISOR_SERVER_URL</c>: the first unix server as <c>unix:///path</c>, else the last inet server as
    /// <c>http://host:port</c>, else null.
    /// </summary>
    public required string? ServerUrl { get; init; }

    /// <summary>What was noticed while loading; written to the activity log when it opens: criticals, warnings, infos.</summary>
    public required IReadOnlyList<LoadMessage> Messages { get; init; }
}

/// <summary>A line for the activity log that arose before the log was open.</summary>
/// <param name="Level">Its level.</param>
/// <param name="Text">Its text.</param>
public sealed record LoadMessage(LogLevel Level, string Text);

/// <summary>The <c>[supervisord]</c> section; paths are absolute, defaults are Supervisor's.</summary>
public sealed record SupervisordConfig
{
    /// <summary><c>minfds</c>: descriptors the daemon asks for. Default 1024.</summary>
    public int MinFds { get; init; } = 1024;

    /// <summary><c>minprocs</c>: processes the daemon asks for. Default 200.</summary>
    public int MinProcs { get; init; } = 200;

    /// <summary><c>directory</c>: where a daemonised daemon changes to; null: nowhere.</summary>
    public string? Directory { get; init; }

    /// <summary><c>user</c>: whom the daemon becomes; null: nobody.</summary>
    public UserIdentity? User { get; init; }

    /// <summary><c>umask</c>, applied when daemonising. Default octal 022.</summary>
    public int Umask { get; init; } = 18;

    /// <summary><c>logfile</c>: absolute path of the activity log; null when it goes to syslog alone.</summary>
    public string? LogFile { get; init; }

    /// <summary><c>logfile_maxbytes</c> in bytes; 0 means never rotate. Default 50 MiB.</summary>
    public long LogFileMaxBytes { get; init; } = 50L << 20;

    /// <summary><c>logfile_backups</c>; 0 means keep none. Default 10.</summary>
    public int LogFileBackups { get; init; } = 10;

    /// <summary><c>loglevel</c>. Default info.</summary>
    public LogLevel LogLevel { get; init; } = LogLevel.Info;

    /// <summary><c>pidfile</c>: absolute path.</summary>
    public required string PidFile { get; init; }

    /// <summary><c>identifier</c>. Default <c>supervisor</c>.</summary>
    public string Identifier { get; init; } = "supervisor";

    /// <summary><c>nodaemon</c>. Default false.</summary>
    public bool NoDaemon { get; init; }

    /// <summary><c>silent</c>: do not echo the log in the foreground. Default false.</summary>
    public bool Silent { get; init; }

    /// <summary><c>childlogdir</c>: where AUTO logs go; absolute.</summary>
    public required string ChildLogDir { get; init; }

    /// <summary><c>nocleanup</c>: leave old AUTO logs alone. Default false.</summary>
    public bool NoCleanup { get; init; }

    /// <summary><c>strip_ansi</c>: remove terminal control sequences from child output. Default false.</summary>
    public bool StripAnsi { get; init; }

    /// <summary>
    /// <c>journal</c>: absolute path of the event journal; null for none. Default (<c>AUTO</c>): <c>IDENTIFIER.journal</c> beside the
    /// activity log, none when that goes to syslog alone.
    /// </summary>
    public string? JournalPath { get; init; }

    /// <summary><c>journal_maxbytes</c>, at least 1 MiB. Default 256 MiB.</summary>
    public long JournalMaxBytes { get; init; } = 256L << 20;

    /// <summary><c>journal_maxdays</c>, 1 to 36,500. Default 30.</summary>
    public int JournalMaxDays { get; init; } = 30;

    /// <summary><c>orphan_policy</c>: what becomes of programs that a daemon left behind when it was killed. Default adopt.</summary>
    public OrphanPolicy OrphanPolicy { get; init; }

    /// <summary>
    /// <c>keeper</c>: the daemon runs as the child of a small process that holds what must not be lost when the daemon dies, and starts it
    /// again. Read at start alone. Default false.
    /// </summary>
    public bool Keeper { get; init; }
}

/// <summary>What becomes of programs that an earlier daemon left behind.</summary>
public enum OrphanPolicy
{
    /// <summary>They are supervised as they are.</summary>
    Adopt,

    /// <summary>They are stopped, and then started as at any start.</summary>
    Stop,
}

/// <summary>A user from the user database.</summary>
/// <param name="Name">The login name.</param>
/// <param name="Uid">The user id.</param>
/// <param name="Gid">The primary group.</param>
/// <param name="Groups">The supplementary groups, the primary one first.</param>
public sealed record UserIdentity(string Name, int Uid, int Gid, EquatableList<int> Groups);

/// <summary>The two kinds of control socket.</summary>
public enum ServerKind
{
    /// <summary><c>[inet_http_server]</c></summary>
    Inet,

    /// <summary><c>[unix_http_server]</c></summary>
    Unix,
}

/// <summary>A control socket.</summary>
public sealed record ServerConfig
{
    /// <summary>Unix or inet.</summary>
    public required ServerKind Kind { get; init; }

    /// <summary>The section as written, for example <c>unix_http_server</c>.</summary>
    public required string Section { get; init; }

    /// <summary>Inet: the host in lower case; empty for all IPv4 interfaces.</summary>
    public string Host { get; init; } = "";

    /// <summary>Inet: 1 to 65535.</summary>
    public int Port { get; init; }

    /// <summary>Unix: the absolute path of the socket.</summary>
    public string File { get; init; } = "";

    /// <summary>Unix: permission bits. Default octal 0700.</summary>
    public int Chmod { get; init; } = 448;

    /// <summary>Unix: owner, -1 for unchanged.</summary>
    public int OwnerUid { get; init; } = -1;

    /// <summary>Unix: group, -1 for unchanged.</summary>
    public int OwnerGid { get; init; } = -1;

    /// <summary>The user name for basic authentication; null or empty: no authentication.</summary>
    public string? Username { get; init; }

    /// <summary>The password, plain or <c>{SHA}</c> and 40 hexadecimal digits.</summary>
    public string? Password { get; init; }
}

/// <summary>Who carries out the methods of a namespace.</summary>
public enum RpcInterfaceKind
{
    /// <summary>The daemon, with the methods of Supervisor.</summary>
    Supervisor,

    /// <summary>The daemon, with the methods of supervisor_twiddler.</summary>
    Twiddler,

    /// <summary>The daemon, with the methods of mr.laforge.</summary>
    Laforge,

    /// <summary>Another program: <see cref="RpcInterfaceConfig.Peer"/>.</summary>
    Peer,
}

/// <summary>An <c>[rpcinterface:NAME]</c> section.</summary>
/// <param name="Name">The namespace.</param>
/// <param name="Factory">The factory as written; empty when there is none.</param>
public sealed record RpcInterfaceConfig(string Name, string Factory)
{
    /// <summary>Who carries out its methods.</summary>
    public RpcInterfaceKind Kind { get; init; }

    /// <summary>Where the other program listens; null unless it is one.</summary>
    public RpcPeer? Peer { get; init; }

    /// <summary>twiddler's <c>whitelist</c>: the methods that may be called; empty for all.</summary>
    public EquatableList<string> Whitelist { get; init; } = [];
}

/// <summary>What a group is.</summary>
public enum GroupKind
{
    /// <summary>A <c>[program:x]</c> of its own, or a <c>[group:x]</c>.</summary>
    Program,

    /// <summary>An <c>[eventlistener:x]</c>.</summary>
    EventListener,

    /// <summary>An <c>[fcgi-program:x]</c> of its own.</summary>
    FastCgi,
}

/// <summary>A group of processes; value equality is what <c>reread</c> calls unchanged.</summary>
public sealed record GroupConfig
{
    /// <summary>What kind of group.</summary>
    public required GroupKind Kind { get; init; }

    /// <summary>The name.</summary>
    public required string Name { get; init; }

    /// <summary>The priority; groups start in ascending and stop in descending order.</summary>
    public required int Priority { get; init; }

    /// <summary>The processes in configuration order.</summary>
    public required EquatableList<ProcessConfig> Processes { get; init; }

    /// <summary>Event listeners only: pool settings.</summary>
    public EventPoolConfig? Pool { get; init; }
}

/// <summary>The pool settings of an <c>[eventlistener:x]</c>.</summary>
/// <param name="Events">Subscribed type names in capitals, without duplicates, sorted (order has no meaning).</param>
/// <param name="BufferSize">Events kept while no listener is ready, at least 1. Default 10.</param>
/// <param name="ResultHandler">How results are judged; the default is <c>supervisor.dispatchers:default_handler</c>.</param>
public sealed record EventPoolConfig(EquatableList<string> Events, int BufferSize, string ResultHandler)
{
    /// <summary><c>unknown_restart</c>: a listener that breaks the protocol is stopped and started again. Default true.</summary>
    public bool UnknownRestart { get; init; } = true;

    /// <summary><c>result_timeout</c>: seconds within which a result has to come; 0 for ever. Default 0.</summary>
    public int ResultTimeout { get; init; }
}

/// <summary>The shared listening socket of an <c>[fcgi-program:x]</c>.</summary>
public sealed record FastCgiSocketConfig
{
    /// <summary>The program section that the socket belongs to; sockets are shared per section.</summary>
    public required string Program { get; init; }

    /// <summary>Unix: the normalised absolute path; null for TCP.</summary>
    public string? Path { get; init; }

    /// <summary>TCP: the host in lower case.</summary>
    public string Host { get; init; } = "";

    /// <summary>TCP: the port.</summary>
    public int Port { get; init; }

    /// <summary><c>socket_backlog</c>; null: SOMAXCONN.</summary>
    public int? Backlog { get; init; }

    /// <summary>Unix: owner, -1 for unchanged.</summary>
    public int OwnerUid { get; init; } = -1;

    /// <summary>Unix: group, -1 for unchanged.</summary>
    public int OwnerGid { get; init; } = -1;

    /// <summary>Unix: permission bits. Default octal 0700.</summary>
    public int Mode { get; init; } = 448;

    /// <summary>The URL as logged: <c>unix:///path</c> or <c>tcp://host:port</c>.</summary>
    public string Url => Path is null
        ? string.Create(System.Globalization.CultureInfo.InvariantCulture, $"tcp://{Host}:{Port}")
        : "unix://" + Path;
}

/// <summary>When an exited process is started again.</summary>
public enum AutoRestart
{
    /// <summary>Never.</summary>
    False,

    /// <summary>When its exit code is not in <c>exitcodes</c>.</summary>
    Unexpected,

    /// <summary>Always.</summary>
    True,
}

/// <summary>Where a stream of a child is written.</summary>
public enum ChildLogKind
{
    /// <summary>Nowhere: read and discarded.</summary>
    None,

    /// <summary>A file with a generated name in <c>childlogdir</c>.</summary>
    Auto,

    /// <summary>The file named in <see cref="ChildLogConfig.Path"/>.</summary>
    File,
}

/// <summary>The options of one output stream.</summary>
public sealed record ChildLogConfig
{
    /// <summary>File, AUTO or none.</summary>
    public ChildLogKind Kind { get; init; } = ChildLogKind.Auto;

    /// <summary>The path as configured (a relative one stays relative); empty unless <see cref="Kind"/> is File.</summary>
    public string Path { get; init; } = "";

    /// <summary><c>_logfile_maxbytes</c> in bytes; 0 means never rotate. Default 50 MiB.</summary>
    public long MaxBytes { get; init; } = 50L << 20;

    /// <summary><c>_logfile_backups</c>; 0 means keep none. Default 10.</summary>
    public int Backups { get; init; } = 10;

    /// <summary><c>_capture_maxbytes</c> in bytes; 0 means no capture mode. Default 0.</summary>
    public long CaptureMaxBytes { get; init; }

    /// <summary><c>_events_enabled</c>: emit PROCESS_LOG events. Default false.</summary>
    public bool EventsEnabled { get; init; }

    /// <summary><c>_syslog</c>: also send lines to syslog. Default false.</summary>
    public bool Syslog { get; init; }
}

/// <summary>One process to supervise: a program section expanded for one <c>process_num</c>.</summary>
public sealed record ProcessConfig
{
    /// <summary>The expanded <c>process_name</c>.</summary>
    public required string Name { get; init; }

    /// <summary>The program's name: what stands behind the colon of its section.</summary>
    public required string Program { get; init; }

    /// <summary><c>command</c>, expanded, not yet split into words.</summary>
    public required string Command { get; init; }

    /// <summary><c>priority</c>. Default 999.</summary>
    public int Priority { get; init; } = 999;

    /// <summary><c>autostart</c>. Default true.</summary>
    public bool AutoStart { get; init; } = true;

    /// <summary><c>autostart=last</c>: as <see cref="AutoStart"/>, unless it was last stopped by hand. Default false.</summary>
    public bool AutoStartAsLast { get; init; }

    /// <summary><c>autorestart</c>. Default unexpected.</summary>
    public AutoRestart AutoRestart { get; init; } = AutoRestart.Unexpected;

    /// <summary><c>startsecs</c> in seconds; negative counts as 0. Default 1.</summary>
    public int StartSecs { get; init; } = 1;

    /// <summary><c>startretries</c>. Default 3.</summary>
    public int StartRetries { get; init; } = 3;

    /// <summary><c>stopsignal</c>: 0 sends nothing. Default TERM.</summary>
    public int StopSignal { get; init; } = Signals.Term;

    /// <summary><c>stopwaitsecs</c> in seconds. Default 10.</summary>
    public int StopWaitSecs { get; init; } = 10;

    /// <summary><c>stopasgroup</c>. Default false.</summary>
    public bool StopAsGroup { get; init; }

    /// <summary><c>killasgroup</c>. Default: the value of <c>stopasgroup</c>.</summary>
    public bool KillAsGroup { get; init; }

    /// <summary><c>exitcodes</c>. Default 0.</summary>
    public EquatableList<int> ExitCodes { get; init; } = [0];

    /// <summary><c>redirect_stderr</c>. Default false.</summary>
    public bool RedirectStderr { get; init; }

    /// <summary><c>serverurl</c>; null: automatic.</summary>
    public string? ServerUrl { get; init; }

    /// <summary><c>user</c>; null: the daemon's.</summary>
    public UserIdentity? User { get; init; }

    /// <summary><c>umask</c>; null: the daemon's.</summary>
    public int? Umask { get; init; }

    /// <summary><c>directory</c>; null: the daemon's.</summary>
    public string? Directory { get; init; }

    /// <summary>The effective <c>environment</c>: the global one overlaid by the program's, sorted by name (order has no meaning).</summary>
    public EquatableList<KeyValuePair<string, string>> Environment { get; init; } = [];

    /// <summary>The options of stdout.</summary>
    public ChildLogConfig Stdout { get; init; } = new();

    /// <summary>The options of stderr; <see cref="ChildLogKind.None"/> with <c>redirect_stderr</c>.</summary>
    public ChildLogConfig Stderr { get; init; } = new();

    /// <summary>The shared socket on descriptor 0; null: an ordinary stdin pipe.</summary>
    public FastCgiSocketConfig? Socket { get; init; }

    /// <summary>Says whether this is an event listener: its stdout speaks the listener protocol.</summary>
    public bool IsListener { get; init; }

    /// <summary><c>kill_mode</c>. Default: Supervisor's.</summary>
    public KillMode KillMode { get; init; }

    /// <summary>The ceiling of its memory; null: none.</summary>
    public MemoryLimitConfig? MemoryLimit { get; init; }

    /// <summary>The address that it answers when it is healthy; null: nobody asks.</summary>
    public HealthConfig? Health { get; init; }
}
