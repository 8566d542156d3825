namespace Steward.Linux.Processes;

/// <summary>What a process host needs to know of the daemon's configuration. Replaced whole by a reload.</summary>
public sealed record ProcessHostOptions
{
    /// <summary>
    /// The automatic <c>SUPERVISOR_SERVER_URL</c> of programs without a <c>serverurl</c>; null: such programs get none.
    /// </summary>
    public string? ServerUrl { get; init; }

    /// <summary><c>childlogdir</c>: where AUTO logs are created.</summary>
    public required string ChildLogDir { get; init; }

    /// <summary><c>identifier</c>: part of the names of AUTO logs. Default <c>supervisor</c>.</summary>
    public string Identifier { get; init; } = "supervisor";

    /// <summary><c>strip_ansi</c>: terminal control sequences are removed from child output. Default false.</summary>
    public bool StripAnsi { get; init; }

    /// <summary>
    /// The soft RLIMIT_NOFILE that children get back, when the daemon raised its own for itself; null: children inherit the
    /// daemon's.
    /// </summary>
    public long? ChildNoFile { get; init; }

    /// <summary>The socket of the system's log. Default <c>/dev/log</c>.</summary>
    public string SyslogSocket { get; init; } = Output.SyslogSender.DefaultSocket;

    /// <summary>What stands before lines in the system's log: the base name of the daemon's <c>argv[0]</c>. Default <c>supervisord</c>.</summary>
    public string SyslogTag { get; init; } = Output.SyslogSender.DefaultTag;
}
