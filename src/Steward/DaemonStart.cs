using Steward.Core.Config;
using Steward.Core.Model;
using Steward.Core.Snapshots;

namespace Steward;

/// <summary>How the daemon was started: what stays the same over reloads and upgrades.</summary>
/// <param name="Path">The path of the executable, absolute; an upgrade goes on with the file that stands there by then.</param>
/// <param name="Words">The command line without the program's name.</param>
/// <param name="ConfigFile">The configuration file, as given while the working directory is that of the start.</param>
/// <param name="Overrides">What the command line sets over it.</param>
/// <param name="IsDetached">Whether the daemon went into the background.</param>
internal sealed record DaemonStart(string Path, IReadOnlyList<string> Words, string ConfigFile, ConfigOverrides Overrides, bool IsDetached)
{
    /// <summary>Writes it down as a field.</summary>
    public void Save(SnapshotWriter writer, int field)
    {
        writer.Begin(field);
        writer.Text(1, Path);
        foreach (string word in Words)
        {
            writer.Text(2, word);
        }

        writer.Text(3, ConfigFile);
        writer.Flag(4, IsDetached);
        writer.Begin(5);
        writer.Integer(1, Overrides.MinFds);
        writer.Integer(2, Overrides.MinProcs);
        writer.Text(3, Overrides.User);
        writer.Integer(4, Overrides.Umask);
        writer.Text(5, Overrides.Directory);
        writer.Text(6, Overrides.LogFile);
        writer.Integer(7, Overrides.LogFileMaxBytes);
        writer.Integer(8, Overrides.LogFileBackups);
        writer.Integer(9, (int?)Overrides.LogLevel);
        writer.Text(10, Overrides.PidFile);
        writer.Text(11, Overrides.Identifier);
        writer.Text(12, Overrides.ChildLogDir);
        WriteFlag(13, Overrides.NoCleanup);
        WriteFlag(14, Overrides.NoDaemon);
        WriteFlag(15, Overrides.Silent);
        WriteFlag(16, Overrides.StripAnsi);
        writer.End();
        writer.End();

        void WriteFlag(int number, bool? value)
        {
            if (value is { } flag)
            {
                writer.Flag(number, flag);
            }
        }
    }

    /// <summary>Reads it.</summary>
    /// <exception cref="SnapshotRefusedException">It cannot be taken up.</exception>
    public static DaemonStart Restore(SnapshotReader reader)
    {
        string path = reader.Text(1, "path");
        List<string> words = reader.Texts(2, "words");
        string configFile = reader.Text(3, "configFile");
        bool isDetached = reader.Flag(4, "isDetached");
        SnapshotReader inner = reader.Record(5, "overrides");
        var overrides = new ConfigOverrides
        {
            MinFds = inner.OptionalInt32(1, "minFds"),
            MinProcs = inner.OptionalInt32(2, "minProcs"),
            User = inner.OptionalText(3, "user"),
            Umask = inner.OptionalInt32(4, "umask"),
            Directory = inner.OptionalText(5, "directory"),
            LogFile = inner.OptionalText(6, "logFile"),
            LogFileMaxBytes = inner.OptionalInteger(7, "logFileMaxBytes"),
            LogFileBackups = inner.OptionalInt32(8, "logFileBackups"),
            LogLevel = inner.OptionalChoice<LogLevel>(9, "logLevel"),
            PidFile = inner.OptionalText(10, "pidFile"),
            Identifier = inner.OptionalText(11, "identifier"),
            ChildLogDir = inner.OptionalText(12, "childLogDir"),
            NoCleanup = Flag(inner.OptionalInt32(13, "noCleanup", 0, 1)),
            NoDaemon = Flag(inner.OptionalInt32(14, "noDaemon", 0, 1)),
            Silent = Flag(inner.OptionalInt32(15, "silent", 0, 1)),
            StripAnsi = Flag(inner.OptionalInt32(16, "stripAnsi", 0, 1)),
        };
        inner.End();
        reader.End();
        return new DaemonStart(path, words, configFile, overrides, isDetached);

        static bool? Flag(int? value) => value is { } number ? number == 1 : null;
    }
}
