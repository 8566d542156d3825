using Steward.Core.Config;
using Steward.Core.Effects;
using Steward.Core.Model;
using Steward.Core.Supervision;

namespace Steward.Protocol.XmlRpc;

/// <summary>Writes what the core knows as XML-RPC values, without values in between.</summary>
public static class XmlRpcWriterExtensions
{
    /// <summary>Writes the struct of <c>getProcessInfo</c>, its members in Supervisor's order.</summary>
    public static void WriteProcessInfo(this XmlRpcWriter writer, in ProcessSnapshot process)
    {
        // One write for all between two values: this is the answer that monitors ask for every second.
        writer.WriteRaw("<value><struct>\n<member>\n<name>name</name>\n<value><string>"u8);
        writer.WriteText(process.Name);
        writer.WriteRaw("</string></value>\n</member>\n<member>\n<name>group</name>\n<value><string>"u8);
        writer.WriteText(process.Group);
        writer.WriteRaw("</string></value>\n</member>\n<member>\n<name>start</name>\n<value><int>"u8);
        writer.WriteDigits(Seconds(process.Start));
        writer.WriteRaw("</int></value>\n</member>\n<member>\n<name>stop</name>\n<value><int>"u8);
        writer.WriteDigits(Seconds(process.Stop));
        writer.WriteRaw("</int></value>\n</member>\n<member>\n<name>now</name>\n<value><int>"u8);
        writer.WriteDigits(Seconds(process.Now));
        writer.WriteRaw("</int></value>\n</member>\n<member>\n<name>state</name>\n<value><int>"u8);
        writer.WriteDigits((int)process.State);
        writer.WriteRaw("</int></value>\n</member>\n<member>\n<name>statename</name>\n<value><string>"u8);
        writer.WriteText(process.State.Name());
        writer.WriteRaw("</string></value>\n</member>\n<member>\n<name>spawnerr</name>\n<value><string>"u8);
        writer.WriteText(process.SpawnErr);
        writer.WriteRaw("</string></value>\n</member>\n<member>\n<name>exitstatus</name>\n<value><int>"u8);
        writer.WriteDigits(process.ExitStatus);
        writer.WriteRaw("</int></value>\n</member>\n<member>\n<name>logfile</name>\n<value><string>"u8);
        writer.WriteText(process.StdoutLog);
        writer.WriteRaw("</string></value>\n</member>\n<member>\n<name>stdout_logfile</name>\n<value><string>"u8);
        writer.WriteText(process.StdoutLog);
        writer.WriteRaw("</string></value>\n</member>\n<member>\n<name>stderr_logfile</name>\n<value><string>"u8);
        writer.WriteText(process.StderrLog);
        writer.WriteRaw("</string></value>\n</member>\n<member>\n<name>pid</name>\n<value><int>"u8);
        writer.WriteDigits(process.Pid);
        writer.WriteRaw("</int></value>\n</member>\n<member>\n<name>description</name>\n<value><string>"u8);
        writer.WriteText(ProcessDescription.Of(process));
        writer.WriteRaw("</string></value>\n</member>\n</struct></value>"u8);
    }

    /// <summary>Writes the array of <c>getAllProcessInfo</c>.</summary>
    public static void WriteProcessInfo(this XmlRpcWriter writer, ReadOnlySpan<ProcessSnapshot> processes)
    {
        writer.BeginArray();
        foreach (ref readonly ProcessSnapshot process in processes)
        {
            writer.WriteProcessInfo(process);
            writer.EndItem();
        }

        writer.EndArray();
    }

    /// <summary>Writes the array of <c>getAllConfigInfo</c>, members in Supervisor's order.</summary>
    public static void WriteConfigInfo(this XmlRpcWriter writer, ReadOnlySpan<ConfigSnapshot> configs)
    {
        writer.BeginArray();
        foreach (ConfigSnapshot config in configs)
        {
            WriteConfigInfo(writer, config);
            writer.EndItem();
        }

        writer.EndArray();
    }

    /// <summary>Writes the answer to a command: true, a status array, or the nested array of <c>reloadConfig</c>.</summary>
    /// <exception cref="ArgumentException">A refusal, which is no value.</exception>
    public static void WriteOutcome(this XmlRpcWriter writer, Outcome outcome)
    {
        switch (outcome)
        {
            case Done:
                writer.WriteBoolean(true);
                break;
            case Statuses statuses:
                writer.BeginArray();
                foreach (ProcessStatus status in statuses.Items)
                {
                    writer.BeginStruct();
                    writer.Member("name"u8, status.Name);
                    writer.Member("group"u8, status.Group);
                    writer.Member("status"u8, (int)status.Code);
                    writer.Member("description"u8, status.Description);
                    writer.EndStruct();
                    writer.EndItem();
                }

                writer.EndArray();
                break;
            case Reread reread:
                // One array around three: clients unpack result[0].
                writer.BeginArray();
                writer.BeginArray();
                WriteNames(writer, reread.Added);
                WriteNames(writer, reread.Changed);
                WriteNames(writer, reread.Removed);
                writer.EndArray();
                writer.EndItem();
                writer.EndArray();
                break;
            default:
                throw new ArgumentException("a refusal is not a value", nameof(outcome));
        }
    }

    private static void WriteNames(XmlRpcWriter writer, IReadOnlyList<string> names)
    {
        writer.BeginArray();
        foreach (string name in names)
        {
            writer.WriteString(name);
            writer.EndItem();
        }

        writer.EndArray();
        writer.EndItem();
    }

    private static void WriteConfigInfo(XmlRpcWriter writer, ConfigSnapshot config)
    {
        ProcessConfig process = config.Process;
        writer.BeginStruct();
        writer.Member("autostart"u8, process.AutoStart);
        if (process.AutoRestart == AutoRestart.Unexpected)
        {
            writer.Member("autorestart"u8, "unexpected");
        }
        else
        {
            writer.Member("autorestart"u8, process.AutoRestart == AutoRestart.True);
        }

        writer.Member("directory"u8, process.Directory ?? "none");
        if (process.User is { } user)
        {
            writer.Member("uid"u8, user.Uid);
        }
        else
        {
            writer.Member("uid"u8, "none");
        }

        writer.Member("command"u8, process.Command);
        writer.MemberName("exitcodes"u8);
        writer.BeginArray();
        foreach (int code in process.ExitCodes)
        {
            writer.WriteInt(code);
            writer.EndItem();
        }

        writer.EndArray();
        writer.EndMember();
        writer.Member("group"u8, config.Group.Name);
        writer.Member("group_prio"u8, config.Group.Priority);
        writer.Member("inuse"u8, config.InUse);
        writer.Member("killasgroup"u8, process.KillAsGroup);
        writer.Member("name"u8, process.Name);
        writer.Member("process_prio"u8, process.Priority);
        writer.Member("redirect_stderr"u8, process.RedirectStderr);
        writer.Member("startretries"u8, process.StartRetries);
        writer.Member("startsecs"u8, process.StartSecs);
        writer.Member("stdout_capture_maxbytes"u8, process.Stdout.CaptureMaxBytes);
        writer.Member("stdout_events_enabled"u8, process.Stdout.EventsEnabled);
        writer.Member("stdout_logfile"u8, LogFile(process.Stdout, config.StdoutLog));
        writer.Member("stdout_logfile_backups"u8, process.Stdout.Backups);
        writer.Member("stdout_logfile_maxbytes"u8, process.Stdout.MaxBytes);
        writer.Member("stdout_syslog"u8, process.Stdout.Syslog);
        writer.Member("stopsignal"u8, process.StopSignal);
        writer.Member("stopwaitsecs"u8, process.StopWaitSecs);
        writer.Member("stderr_capture_maxbytes"u8, process.Stderr.CaptureMaxBytes);
        writer.Member("stderr_events_enabled"u8, process.Stderr.EventsEnabled);
        writer.Member("stderr_logfile"u8, LogFile(process.Stderr, config.StderrLog));
        writer.Member("stderr_logfile_backups"u8, process.Stderr.Backups);
        writer.Member("stderr_logfile_maxbytes"u8, process.Stderr.MaxBytes);
        writer.Member("stderr_syslog"u8, process.Stderr.Syslog);
        writer.Member("serverurl"u8, process.ServerUrl ?? "none");
        writer.EndStruct();
    }

    private static string LogFile(ChildLogConfig log, string? resolved) => log.Kind switch
    {
        ChildLogKind.File => log.Path,
        ChildLogKind.Auto => resolved ?? "auto",
        _ => "none",
    };

    private static long Seconds(long nanoseconds) => nanoseconds / Moment.Second;

    private static void Member(this XmlRpcWriter writer, ReadOnlySpan<byte> name, string value)
    {
        writer.MemberName(name);
        writer.WriteString(value);
        writer.EndMember();
    }

    private static void Member(this XmlRpcWriter writer, ReadOnlySpan<byte> name, long value)
    {
        writer.MemberName(name);
        writer.WriteInt(value);
        writer.EndMember();
    }

    private static void Member(this XmlRpcWriter writer, ReadOnlySpan<byte> name, bool value)
    {
        writer.MemberName(name);
        writer.WriteBoolean(value);
        writer.EndMember();
    }
}
