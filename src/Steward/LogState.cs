using Steward.Core.Model;
using Steward.Core.Snapshots;
using Steward.Linux.Output;

namespace Steward;

/// <summary>Where the activity log goes, as it is written down: it must be there before anything else can be read.</summary>
internal static class LogState
{
    /// <summary>Writes the options down as a field.</summary>
    public static void Save(SnapshotWriter writer, int field, ActivityLogOptions options)
    {
        writer.Begin(field);
        writer.Text(1, options.Path);
        writer.Integer(2, options.MaxBytes);
        writer.Integer(3, options.Backups);
        writer.Integer(4, (int)options.Level);
        writer.Flag(5, options.EchoToStdout);
        writer.Flag(6, options.Syslog);
        writer.End();
    }

    /// <summary>Reads the options.</summary>
    /// <exception cref="SnapshotRefusedException">They cannot be taken up.</exception>
    public static ActivityLogOptions Restore(SnapshotReader reader)
    {
        var options = new ActivityLogOptions
        {
            Path = reader.OptionalText(1, "path"),
            MaxBytes = reader.Integer(2, "maxBytes"),
            Backups = reader.Int32(3, "backups", 0),
            Level = reader.Choice<LogLevel>(4, "level"),
            EchoToStdout = reader.Flag(5, "echoToStdout"),
            Syslog = reader.Flag(6, "syslog"),
        };
        reader.End();
        return options;
    }
}
