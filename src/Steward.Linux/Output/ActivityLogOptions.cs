using Steward.Core.Model;

namespace Steward.Linux.Output;

/// <summary>Where the activity log goes and what stands in it.</summary>
public sealed record ActivityLogOptions
{
    /// <summary><c>logfile</c>; null: no file, the log goes to syslog alone.</summary>
    public string? Path { get; init; }

    /// <summary><c>logfile_maxbytes</c>; 0 means never rotate. Default 50 MiB.</summary>
    public long MaxBytes { get; init; } = 50L << 20;

    /// <summary><c>logfile_backups</c>; 0 means keep none. Default 10.</summary>
    public int Backups { get; init; } = 10;

    /// <summary><c>loglevel</c>: lines below it are dropped. Default info.</summary>
    public LogLevel Level { get; init; } = LogLevel.Info;

    /// <summary>Whether the same lines go to stdout too: in the foreground, unless <c>silent</c>. Default false.</summary>
    public bool EchoToStdout { get; init; }

    /// <summary>Whether every line goes to the system's log (<c>logfile=syslog</c>). Default false.</summary>
    public bool Syslog { get; init; }

    /// <summary>The socket of the system's log. Default <c>/dev/log</c>.</summary>
    public string SyslogSocket { get; init; } = SyslogSender.DefaultSocket;

    /// <summary>What stands before lines in the system's log: the base name of the daemon's <c>argv[0]</c>. Default <c>supervisord</c>.</summary>
    public string SyslogTag { get; init; } = SyslogSender.DefaultTag;

    /// <summary>
    /// The descriptor of the file where another image of the program had it open: it is gone on with, whatever the path means by now. Null:
    /// the path is opened.
    /// </summary>
    public int? Descriptor { get; init; }

    /// <summary>The descriptor that lines are echoed to.</summary>
    internal int EchoDescriptor { get; init; } = Host.StandardStreams.Output;
}
