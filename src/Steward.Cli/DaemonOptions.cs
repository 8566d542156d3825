using Steward.Core.Config;
using Steward.Core.Model;

namespace Steward.Cli;

/// <summary>The command line of the daemon (Supervisor docs, "supervisord Command-Line Options").</summary>
public sealed record DaemonOptions
{
    private static readonly OptionTable Table = new(
    [
        ('c', "configuration", true),
        ('n', "nodaemon", false),
        ('s', "silent", false),
        ('h', "help", false),
        ('?', "", false),
        ('v', "version", false),
        ('u', "user", true),
        ('m', "umask", true),
        ('d', "directory", true),
        ('l', "logfile", true),
        ('y', "logfile_maxbytes", true),
        ('z', "logfile_backups", true),
        ('e', "loglevel", true),
        ('j', "pidfile", true),
        ('i', "identifier", true),
        ('q', "childlogdir", true),
        ('k', "nocleanup", false),
        ('a', "minfds", true),
        ('t', "strip_ansi", false),
        ('\0', "minprocs", true),
        ('\0', "profile_options", true),
    ]);

    /// <summary>The configuration file as given; null: it is searched for.</summary>
    public string? ConfigFile { get; private init; }

    /// <summary>Only the usage is wanted.</summary>
    public bool Help { get; private init; }

    /// <summary>Only the version is wanted.</summary>
    public bool Version { get; private init; }

    /// <summary>What is set over the configuration; paths are absolute.</summary>
    public ConfigOverrides Overrides { get; private init; } = new();

    /// <summary>Reads a command line.</summary>
    /// <param name="arguments">The words behind the program's name.</param>
    /// <param name="environment">The machine: directories must exist, <c>~</c> is expanded.</param>
    /// <param name="error">Supervisor's message when it cannot be read.</param>
    /// <returns>Null when it cannot be read.</returns>
    public static DaemonOptions? Parse(IReadOnlyList<string> arguments, IConfigEnvironment environment, out string? error)
    {
        try
        {
            error = null;
            return Parse(arguments, environment);
        }
        catch (UsageException e)
        {
            error = e.Message;
            return null;
        }
    }

    /// <summary>The usage that <c>-h</c> prints.</summary>
    public static string Usage(string programName) =>
        "supervisord -- run a set of applications as daemons.\n"
        + "\n"
        + $"Usage: {programName} [options]\n"
        + "\n"
        + "Options:\n"
        + "-c/--configuration FILENAME -- configuration file path (searches if not given)\n"
        + "-n/--nodaemon -- run in the foreground (same as 'nodaemon=true' in config file)\n"
        + "-s/--silent -- no logs to stdout (maps to 'silent=true' in config file)\n"
        + "-h/--help -- print this usage message and exit\n"
        + "-v/--version -- print supervisord version number and exit\n"
        + "-u/--user USER -- run supervisord as this user (or numeric uid)\n"
        + "-m/--umask UMASK -- use this umask for daemon subprocess (default is 022)\n"
        + "-d/--directory DIRECTORY -- directory to chdir to when daemonized\n"
        + "-l/--logfile FILENAME -- use FILENAME as logfile path\n"
        + "-y/--logfile_maxbytes BYTES -- use BYTES to limit the max size of logfile\n"
        + "-z/--logfile_backups NUM -- number of backups to keep when max bytes reached\n"
        + "-e/--loglevel LEVEL -- use LEVEL as log level (debug,info,warn,error,critical)\n"
        + "-j/--pidfile FILENAME -- write a pid file for the daemon process to FILENAME\n"
        + "-i/--identifier STR -- identifier used for this instance of supervisord\n"
        + "-q/--childlogdir DIRECTORY -- the log directory for child process logs\n"
        + "-k/--nocleanup --  prevent the process from performing cleanup (removal of\n"
        + "                   old automatic child log files) at startup.\n"
        + "-a/--minfds NUM -- the minimum number of file descriptors for start success\n"
        + "-t/--strip_ansi -- strip ansi escape codes from process output\n"
        + "--minprocs NUM  -- the minimum number of processes available for start success\n"
        + "--profile_options OPTIONS -- run supervisord under profiler and output\n"
        + "                             results based on OPTIONS, which  is a comma-sep'd\n"
        + "                             list of 'cumulative', 'calls', and/or 'callers',\n"
        + "                             e.g. 'cumulative,callers')\n"
        + "\n";

    private static DaemonOptions Parse(IReadOnlyList<string> arguments, IConfigEnvironment environment)
    {
        IReadOnlyList<GivenOption> given = Table.Parse(arguments, out int at);
        var options = new DaemonOptions();
        var overrides = new ConfigOverrides();
        var seen = new HashSet<string>(StringComparer.Ordinal);
        foreach (GivenOption option in given)
        {
            // Both act at once: whatever is wrong behind them does not matter any more.
            if (option.Name is "help" or "")
            {
                return options with { Help = true };
            }

            if (option.Name == "version")
            {
                return options with { Version = true };
            }

            if (!seen.Add(option.Name))
            {
                throw new UsageException("conflicting command line option " + PythonText.Repr(option.As));
            }

            if (option.Name == "configuration")
            {
                options = options with { ConfigFile = option.Value };
            }
            else
            {
                overrides = Override(overrides, option, environment);
            }
        }

        return at < arguments.Count
            ? throw new UsageException("positional arguments are not supported: " + PythonText.Repr(arguments.Skip(at)))
            : options with { Overrides = overrides };
    }

    private static ConfigOverrides Override(ConfigOverrides overrides, GivenOption option, IConfigEnvironment environment)
    {
        string value = option.Value;
        string? error = null;
        ConfigOverrides result = option.Name switch
        {
            "nodaemon" => overrides with { NoDaemon = true },
            "silent" => overrides with { Silent = true },
            "nocleanup" => overrides with { NoCleanup = true },
            "strip_ansi" => overrides with { StripAnsi = true },
            "user" => overrides with { User = value },
            "identifier" => overrides with { Identifier = value },
            "umask" when ConfigValue.TryOctal(value, out int umask, out error) => overrides with { Umask = umask },
            "directory" when Directory(value, out string path) => overrides with { Directory = path },
            "childlogdir" when Directory(value, out string path) => overrides with { ChildLogDir = path },
            "logfile" when value == "syslog" => overrides with { LogFile = value },
            "logfile" when File(value, out string path) => overrides with { LogFile = path },
            "pidfile" when File(value, out string path) => overrides with { PidFile = path },
            "logfile_maxbytes" when ConfigValue.TryByteSize(value, out long bytes, out error) => overrides with { LogFileMaxBytes = bytes },
            "logfile_backups" when ConfigValue.TryInteger(value, out int count, out error) => overrides with { LogFileBackups = count },
            "loglevel" when ConfigValue.TryLogLevel(value, out LogLevel level, out error) => overrides with { LogLevel = level },
            "minfds" when ConfigValue.TryInteger(value, out int count, out error) => overrides with { MinFds = count },
            "minprocs" when ConfigValue.TryInteger(value, out int count, out error) => overrides with { MinProcs = count },
            // profile_options: of the interpreter that is not there.
            _ => overrides,
        };
        return error is null
            ? result
            : throw new UsageException($"invalid value for {option.As} {PythonText.Repr(value)}: {error}");

        bool Directory(string text, out string path)
        {
            bool exists = ConfigValue.TryExistingDirectory(text, environment.CurrentDirectory, environment, out string? found, out error);
            path = PosixPath.Absolute(found ?? "", environment.CurrentDirectory);
            return exists;
        }

        bool File(string text, out string path)
        {
            bool exists = ConfigValue.TryExistingDirectoryPath(text, environment.CurrentDirectory, environment, out string? found, out error);
            path = PosixPath.Absolute(found ?? "", environment.CurrentDirectory);
            return exists;
        }
    }
}
