using System.Globalization;
using Steward.Core.Model;

namespace Steward.Core.Config;

// (3), (4), (6) and (7): what concerns the daemon itself.
internal sealed partial class ConfigLoad
{
    private const string DefaultHandler = "supervisor.dispatchers:default_handler";

    private EquatableList<KeyValuePair<string, string>> _globalEnvironment = [];

    private Configuration Build()
    {
        if (_document.Find("supervisord") is not { } section)
        {
            Error(_file, 0, null, null, null, ".ini file does not include supervisord section", "add a line [supervisord]; nothing need follow it");
            section = new IniSection("supervisord", _file, 0, _document.Defaults);
        }

        SupervisordConfig supervisord = ReadSupervisord(section, out string? user, out string logFile, out string pidFile);
        List<RpcInterfaceConfig> interfaces = ReadRpcInterfaces(out IniOption? extra, out IniSection? extraSection);
        List<GroupConfig> groups = ReadGroups();
        List<ServerConfig> servers = [.. ReadInetServers(), .. ReadUnixServers()];
        supervisord = Apply(supervisord, section, user, logFile, pidFile);
        if (extra is not null && servers.Count > 0)
        {
            // Comes to light when the servers are opened.
            Error(
                extraSection!, extra, $"Could not make {extraSection!.Name["rpcinterface:".Length..]} rpc interface",
                $"take {extra.Key} out: the interface knows no settings");
        }

        List<HookConfig> hooks = ReadHooks();
        return new Configuration
        {
            File = _file,
            FullPath = PosixPath.Join(_directory, _file),
            Here = _here,
            Supervisord = supervisord,
            Servers = servers,
            RpcInterfaces = interfaces,
            Groups = groups,
            Hooks = hooks,
            ServerUrl = ServerUrl(servers),
            Messages = [.. _warnings, .. _infos],
        };
    }

    private SupervisordConfig ReadSupervisord(IniSection section, out string? user, out string logFile, out string pidFile)
    {
        var reader = new SectionReader(this, section, decorated: false);
        var names = new Expansions(_inherited).Set("here", _here);
        int minFds = reader.Integer("minfds", names, 1024);
        int minProcs = reader.Integer("minprocs", names, 200);
        string? directory = reader.Value("directory", names, null, _existingDirectory, DirectoryRemedy);
        user = reader.Text("user", names);
        int umask = reader.Value<int>("umask", names, 18, ConfigValue.TryOctal, OctalRemedy);
        logFile = reader.Value("logfile", names, "supervisord.log", _directoryPath, DirectoryRemedy)!;
        long maxBytes = reader.ByteSize("logfile_maxbytes", names, 50L << 20);
        int backups = reader.Integer("logfile_backups", names, 10);
        LogLevel level = reader.Value<LogLevel>(
            "loglevel", names, LogLevel.Info, ConfigValue.TryLogLevel, "write critical, error, warn, info, debug, trace or blather");
        pidFile = reader.Value("pidfile", names, "supervisord.pid", _directoryPath, DirectoryRemedy)!;
        string identifier = reader.Text("identifier", names) ?? "supervisor";
        if (identifier.Any(c => PythonText.IsSpace(c) || c == ':'))
        {
            // Headers of events are cut at blanks, then at colons.
            string split = $"identifier {PythonText.Repr(identifier)} has a blank or a colon in it, at which event listeners will cut it in two";
            LogOnce(split);
            reader.Warn("identifier", split, "write it with letters, digits, dots and hyphens");
        }

        bool noDaemon = reader.Boolean("nodaemon", names, false);
        bool silent = reader.Boolean("silent", names, false);
        string childLogDir = reader.Value("childlogdir", names, _environment.TempDirectory, _existingDirectory, DirectoryRemedy)!;
        bool noCleanup = reader.Boolean("nocleanup", names, false);
        bool stripAnsi = reader.Boolean("strip_ansi", names, false);
        string journal = reader.Text("journal", names) is { Length: > 0 } given ? given : "AUTO";
        long journalBytes = reader.Value<long>("journal_maxbytes", names, 256L << 20, TryJournalSize, SizeRemedy);
        int journalDays = reader.Value<int>("journal_maxdays", names, 30, TryJournalDays, "write a number of days from 1 to 36500");
        OrphanPolicy orphans = reader.Value<OrphanPolicy>("orphan_policy", names, OrphanPolicy.Adopt, TryOrphanPolicy, "write adopt or stop");
        bool keeper = reader.Boolean("keeper", names, false);

        names.Set("host_node_name", _hostName);
        IReadOnlyList<KeyValuePair<string, string>> environment = ReadEnvironment(reader, names);
        _globalEnvironment = Sorted(environment);
        _names = Expansions.OfEnvironment(environment, _inherited);
        _hereNames = new Expansions(_names).Set("here", _here);

        return new SupervisordConfig
        {
            MinFds = minFds,
            MinProcs = minProcs,
            Directory = directory,
            Umask = umask,
            LogFileMaxBytes = maxBytes,
            LogFileBackups = backups,
            LogLevel = level,
            PidFile = pidFile,
            Identifier = identifier,
            NoDaemon = noDaemon,
            Silent = silent,
            ChildLogDir = childLogDir,
            NoCleanup = noCleanup,
            StripAnsi = stripAnsi,
            JournalPath = journal,
            JournalMaxBytes = journalBytes,
            JournalMaxDays = journalDays,
            OrphanPolicy = orphans,
            Keeper = keeper,
        };
    }

    /// <summary>The variables of <c>environment=</c>; none when it is missing or wrong.</summary>
    private IReadOnlyList<KeyValuePair<string, string>> ReadEnvironment(SectionReader reader, Expansions names)
    {
        const string Key = "environment";
        if (reader.Text(Key, names, Key) is not { } text)
        {
            return [];
        }

        if (!EnvironmentList.TryParse(text, out EnvironmentList? list, out string? error))
        {
            reader.Error(Key, error, "write A=\"one\",B=\"two\", each value in double quotes");
            return [];
        }

        if (list.Ignored.Count > 0)
        {
            string lost = $"For [{reader.Section.Name}], environment has {PythonText.Repr(list.Ignored[0])} where only a comma is meant to stand; "
                + "it is ignored, put the value in double quotes";
            LogOnce(lost);
            reader.Warn(Key, lost, null);
        }

        return list.Pairs;
    }

    private static EquatableList<KeyValuePair<string, string>> Sorted(IEnumerable<KeyValuePair<string, string>> variables) =>
        EquatableList.From(variables.OrderBy(pair => pair.Key, PythonText.CodePointOrder));

    private IEnumerable<IniSection> Sections(string prefix) =>
        _document.Sections.Where(section => section.Name.StartsWith(prefix, StringComparison.Ordinal));

    private List<ServerConfig> ReadInetServers()
    {
        var servers = new List<ServerConfig>();
        foreach (IniSection section in Sections("inet_http_server"))
        {
            var reader = new SectionReader(this, section, decorated: false);
            (string? username, string? password) = ReadLogin(reader);
            string? address = reader.Text("port", _names);
            string? host = "";
            int port = 0;
            if (section.Find("port") is null)
            {
                reader.Error("port", $"section [{section.Name}] has no port value", "add port=127.0.0.1:9001 or the like");
            }
            else if (address is not null && !ConfigValue.TryInetAddress(address, out host, out port, out string? error))
            {
                reader.Error("port", error, "write host:port, *:port or a port from 1 to 65535");
            }

            servers.Add(new ServerConfig
            {
                Kind = ServerKind.Inet, Section = section.Name, Host = host ?? "", Port = port, Username = username, Password = password,
            });
        }

        return servers;
    }

    private List<ServerConfig> ReadUnixServers()
    {
        var servers = new List<ServerConfig>();
        foreach (IniSection section in Sections("unix_http_server"))
        {
            var reader = new SectionReader(this, section, decorated: false);
            string? file = reader.Text("file", _hereNames);
            if (section.Find("file") is null)
            {
                reader.Error("file", $"section [{section.Name}] has no file value", "add file=/run/supervisor.sock or the like");
            }

            (string? username, string? password) = ReadLogin(reader);
            int uid = -1;
            int gid = -1;
            if (reader.Text("chown", _names) is { } owner && !ConfigValue.TryOwner(owner, _environment, out uid, out gid))
            {
                reader.Error("chown", "Invalid sockchown value " + owner, "write user or user:group of this machine");
            }

            int mode = 448;
            if (reader.Text("chmod", _names) is { } bits && !ConfigValue.TryOctal(bits, out mode, out _))
            {
                reader.Error("chmod", "Invalid chmod value " + bits, OctalRemedy);
            }

            servers.Add(new ServerConfig
            {
                Kind = ServerKind.Unix,
                Section = section.Name,
                File = Absolute(PythonText.Strip(file ?? "")),
                Chmod = mode,
                OwnerUid = uid,
                OwnerGid = gid,
                Username = username,
                Password = password,
            });
        }

        return servers;
    }

    private (string? Username, string? Password) ReadLogin(SectionReader reader)
    {
        string? username = reader.Text("username", _names);
        string? password = reader.Text("password", _names);
        bool named = reader.Section.Find("username") is not null;
        bool secret = reader.Section.Find("password") is not null;
        if (named != secret)
        {
            reader.Error(
                named ? "username" : "password",
                $"Section [{reader.Section.Name}] contains incomplete authentication: If a username or a password is specified, "
                + "both the username and password must be specified",
                named ? "add password=" : "add username=");
        }
        else if (username is { Length: 0 })
        {
            reader.Warn("username", "an empty username lets everybody in", "name a user, or take username and password out");
        }

        return (username, password);
    }

    // Home directory of a leading tilde, then absolute from the working directory, then normalised.
    private string Absolute(string path) => PosixPath.Absolute(PosixPath.ExpandUser(path, _environment), _directory);

    private SupervisordConfig Apply(SupervisordConfig file, IniSection section, string? user, string logFile, string pidFile)
    {
        ConfigOverrides line = _overrides;
        UserIdentity? identity = null;
        if ((line.User ?? user) is { } name && !ConfigValue.TryUser(name, _environment, out identity, out string? error))
        {
            if (line.User is null)
            {
                new SectionReader(this, section, decorated: false).Error("user", error, UserRemedy);
            }
            else
            {
                Error(null, 0, null, null, null, error, UserRemedy);
            }
        }

        string log = line.LogFile ?? logFile;
        string? logPath = log == "syslog" ? null : Absolute(log);
        if (logPath is not null && _environment.IsDirectory(logPath))
        {
            Error(section.File, section.Line, section.Name, "logfile", log, $"{logPath} is a directory and cannot be the log file", "name a file");
        }

        return file with
        {
            MinFds = line.MinFds ?? file.MinFds,
            MinProcs = line.MinProcs ?? file.MinProcs,
            Directory = line.Directory is { } directory ? PosixPath.ExpandUser(directory, _environment) : file.Directory,
            User = identity,
            Umask = line.Umask ?? file.Umask,
            LogFile = logPath,
            LogFileMaxBytes = line.LogFileMaxBytes ?? file.LogFileMaxBytes,
            LogFileBackups = line.LogFileBackups ?? file.LogFileBackups,
            LogLevel = line.LogLevel ?? file.LogLevel,
            PidFile = Absolute(line.PidFile ?? pidFile),
            Identifier = line.Identifier ?? file.Identifier,
            NoDaemon = line.NoDaemon ?? file.NoDaemon,
            Silent = line.Silent ?? file.Silent,
            ChildLogDir = Absolute(line.ChildLogDir ?? file.ChildLogDir),
            NoCleanup = line.NoCleanup ?? file.NoCleanup,
            StripAnsi = line.StripAnsi ?? file.StripAnsi,
            JournalPath = JournalPath(section, file.JournalPath!, logPath, line.Identifier ?? file.Identifier),
        };
    }

    private string? JournalPath(IniSection section, string journal, string? logPath, string identifier)
    {
        if (journal.Equals("NONE", StringComparison.OrdinalIgnoreCase))
        {
            return null;
        }

        if (journal.Equals("AUTO", StringComparison.OrdinalIgnoreCase))
        {
            // Beside a log that is no file of its own, say /dev/stdout, there is no place for one.
            return logPath is null || logPath.StartsWith("/dev/", StringComparison.Ordinal) || logPath.StartsWith("/proc/", StringComparison.Ordinal)
                ? null
                : PosixPath.Join(PosixPath.DirectoryName(logPath), identifier.Replace('/', '_') + ".journal");
        }

        string path = Absolute(journal);
        if (_environment.IsDirectory(path))
        {
            Error(section.File, section.Line, section.Name, "journal", journal, $"{path} is a directory and cannot be the journal", "name a file");
        }

        return path;
    }

    private static bool TryOrphanPolicy(string text, out OrphanPolicy value, out string? error)
    {
        string lower = PythonText.Strip(text).ToLowerInvariant();
        value = lower == "stop" ? OrphanPolicy.Stop : OrphanPolicy.Adopt;
        error = lower is "adopt" or "stop" ? null : $"{PythonText.Repr(text)} is no orphan_policy";
        return error is null;
    }

    private static bool TryJournalSize(string text, out long value, out string? error)
    {
        if (!ConfigValue.TryByteSize(text, out value, out error))
        {
            return false;
        }

        error = value < 1L << 20 ? $"{text} is too small for the journal: it needs 1MB at least" : null;
        return error is null;
    }

    private static bool TryJournalDays(string text, out int value, out string? error)
    {
        if (!ConfigValue.TryInteger(text, out value, out error))
        {
            return false;
        }

        error = value is < 1 or > 36_500 ? $"{text} is not within 1 to 36500 days" : null;
        return error is null;
    }

    private static string? ServerUrl(List<ServerConfig> servers)
    {
        if (servers.Find(server => server.Kind == ServerKind.Unix) is { } unix)
        {
            return "unix://" + unix.File;
        }

        return servers.FindLast(server => server.Kind == ServerKind.Inet) is { } inet
            ? string.Create(CultureInfo.InvariantCulture, $"http://{(inet.Host.Length == 0 ? "localhost" : inet.Host)}:{inet.Port}")
            : null;
    }
}
