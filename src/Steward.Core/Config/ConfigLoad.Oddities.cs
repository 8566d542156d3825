using System.Collections.Frozen;

namespace Steward.Core.Config;

// What Supervisor takes without a word although it hardly does what was meant. All of it is warnings.
internal sealed partial class ConfigLoad
{
    private const string DefaultPath = "/bin:/usr/bin:/usr/local/bin";

    private static readonly string[] DeadWithRedirection =
        ["stderr_logfile_maxbytes", "stderr_logfile_backups", "stderr_capture_maxbytes", "stderr_events_enabled", "stderr_syslog"];

    private static readonly string[] DeadInListeners = ["stdout_capture_maxbytes", "stdout_events_enabled", "stdout_syslog"];

    private void FindOddities(Configuration configuration, bool thorough)
    {
        foreach (IniSection section in _document.Sections)
        {
            FindUnknown(section, configuration);
        }

        foreach (IniOption option in _document.Defaults.Own)
        {
            if (!ConfigSchema.AllKeys.Contains(option.Key))
            {
                Warn(_document.Defaults, option, "no section knows this key", Meant(option.Key, ConfigSchema.AllKeys));
            }
        }

        foreach (IniOverride twice in _document.Overrides)
        {
            // Across files it is a way to configure; within one it is an accident.
            if (twice.Old.File == twice.New.File && _document.Find(twice.Section) is { } section)
            {
                Warn(section, twice.Old, "the key is given again further down, and only the last one counts", "keep one of them");
            }
        }

        if (_document.Find("include")?.Find("files") is { } files && _includes is { } used && files.File != used.File)
        {
            Warn(_document.Find("include")!, files, "included files cannot include", "name the files in the main file");
        }

        FindSharedLogs();
        foreach (BuiltProgram program in _programs)
        {
            FindOddities(program);
            if (thorough)
            {
                FindMissing(program, configuration);
            }
        }

        if (thorough)
        {
            foreach (ServerConfig server in configuration.Servers.Where(server => server.Kind == ServerKind.Unix))
            {
                if (_document.Find(server.Section) is { } section && section.Find("file") is { } file)
                {
                    FindMissingParent(section, file, server.File);
                }
            }
        }
    }

    private void FindUnknown(IniSection section, Configuration configuration)
    {
        if (section.Name.StartsWith("ctlplugin:", StringComparison.Ordinal))
        {
            if (section.Find("steward.ctl_command") is null)
            {
                Warn(
                    section, "plugins in Python cannot be loaded: the control tool will not have its commands",
                    "name a command with steward.ctl_command");
            }

            return;
        }

        if (ConfigSchema.Keys(section.Name) is not { } keys)
        {
            int colon = section.Name.IndexOf(':', StringComparison.Ordinal);
            string kind = section.Name[..(colon + 1)];
            string? near = Spelling.Nearest(kind.Length == 0 ? section.Name : kind, ConfigSchema.Sections);
            if (near is not null && near[^1] == ':')
            {
                near += colon < 0 ? "NAME" : section.Name[(colon + 1)..];
            }

            Warn(section, "no such section is known: it is ignored", near is null ? null : $"did you mean [{near}]?");
            return;
        }

        // What an interface does not know is an error already; what another program knows is its own matter.
        bool refused = section.Name.StartsWith("rpcinterface:", StringComparison.Ordinal)
            && (configuration.Servers.Count > 0 || section.Find(UrlKey) is not null);
        foreach (IniOption option in section.Own)
        {
            bool isHeader = option.Key.StartsWith("header.", StringComparison.Ordinal) && section.Name.StartsWith("hook:", StringComparison.Ordinal);
            if (!keys.Contains(option.Key) && !refused && !isHeader)
            {
                Warn(section, option, "no such key is known here: it is ignored", Meant(option.Key, keys));
            }

            FindSwallowed(section, option, keys);
        }
    }

    private static string? Meant(string key, FrozenSet<string> keys) =>
        Spelling.Nearest(key, keys) is { } near ? $"did you mean {near}?" : null;

    // An indented line continues the value above it, whatever it looks like.
    private void FindSwallowed(IniSection section, IniOption option, FrozenSet<string> keys)
    {
        if (option.Key == "environment" || !option.Value.Contains('\n', StringComparison.Ordinal))
        {
            return;
        }

        foreach (string line in option.Value.Split('\n').Skip(1))
        {
            int delimiter = line.AsSpan().IndexOfAny('=', ':');
            bool isKey = delimiter > 0 && keys.Contains(PythonText.StripEnd(line[..delimiter]).ToLowerInvariant());
            if (isKey || (line.StartsWith('[') && line.EndsWith(']')))
            {
                Warn(
                    section, option, $"the line {PythonText.Repr(line)} is indented, so it belongs to this value",
                    "let it begin in the first column if it is meant to stand for itself");
            }
        }
    }

    private void FindSharedLogs()
    {
        var writers = new Dictionary<string, string>(StringComparer.Ordinal);
        foreach (BuiltProgram program in _programs)
        {
            foreach (ProcessConfig process in program.Processes)
            {
                Look(program.Section, process, "stdout", process.Stdout);
                Look(program.Section, process, "stderr", process.Stderr);
            }
        }

        void Look(IniSection section, ProcessConfig process, string channel, ChildLogConfig log)
        {
            if (log.Kind != ChildLogKind.File || log.MaxBytes == 0 || log.Path.StartsWith("/dev/", StringComparison.Ordinal))
            {
                return;
            }

            string path = PosixPath.Absolute(log.Path, _directory);
            string writer = $"{channel} of {process.Name}";
            if (!writers.TryAdd(path, writer) && section.Find(channel + "_logfile") is { } option)
            {
                Warn(
                    section, option, $"{writers[path]} is written to the same file, and each rotates it by itself",
                    $"give each a file of its own, or set {channel}_logfile_maxbytes=0 for both");
            }
        }
    }

    private void FindOddities(BuiltProgram program)
    {
        IniSection section = program.Section;
        if (program.Processes.Count == 0)
        {
            return;
        }

        ProcessConfig first = program.Processes[0];
        WarnDead(first.RedirectStderr, DeadWithRedirection, "has no effect with redirect_stderr=true");
        WarnDead(first.IsListener, DeadInListeners, "has no effect for an event listener, whose stdout carries the protocol");
        if (section.Find("command") is { } command)
        {
            if (!CommandLine.TrySplit(first.Command, out IReadOnlyList<string>? words, out string? error))
            {
                Warn(section, command, $"can't parse command: {error}", "close the quotes; each start would fail");
            }
            else if (words.Count == 0)
            {
                Warn(section, command, "command is empty", "each start would fail: name a program to run");
            }
        }

        void WarnDead(bool condition, string[] keys, string text)
        {
            foreach (string key in condition ? keys : [])
            {
                if (section.Find(key) is { } option)
                {
                    Warn(section, option, text, "take the line out");
                }
            }
        }
    }

    // ---- what is not there (yet) ----

    private void FindMissing(BuiltProgram program, Configuration configuration)
    {
        IniSection section = program.Section;
        SupervisordConfig daemon = configuration.Supervisord;
        string start = daemon.Directory is { } changed && !daemon.NoDaemon
            ? PosixPath.Absolute(changed, _directory)
            : _directory;
        var looked = new HashSet<(string? Directory, string Word)>();
        foreach (ProcessConfig process in program.Processes)
        {
            string word = CommandLine.TrySplit(process.Command, out IReadOnlyList<string>? words, out _) && words.Count > 0 ? words[0] : "";
            if (!looked.Add((process.Directory, word)))
            {
                continue;
            }

            string directory = process.Directory is null ? start : PosixPath.Absolute(process.Directory, start);
            if (process.Directory is not null && !_environment.IsDirectory(directory))
            {
                if (section.Find("directory") is { } option)
                {
                    Warn(section, option, $"{directory} is not an existing directory", DirectoryRemedy);
                }
            }
            else if (word.Length > 0 && section.Find("command") is { } command && !IsCommand(word, directory, process))
            {
                Warn(section, command, $"can't find command {PythonText.Repr(word)}", "correct the path, or install the program");
            }

            if (process.Socket?.Path is { } socket && section.Find("socket") is { } place)
            {
                FindMissingParent(section, place, socket);
            }
        }
    }

    private bool IsCommand(string word, string directory, ProcessConfig process)
    {
        if (word.Contains('/'))
        {
            return IsFile(PosixPath.Absolute(word, directory));
        }

        string? path = null;
        foreach ((string name, string value) in process.Environment)
        {
            path = name == "PATH" ? value : path;
        }

        path ??= _environment.Variables.GetValueOrDefault("PATH");
        return (string.IsNullOrEmpty(path) ? DefaultPath : path).Split(':')
            .Any(element => IsFile(PosixPath.Absolute(PosixPath.Join(element, word), directory)));
    }

    private bool IsFile(string path) => _environment.Exists(path) && !_environment.IsDirectory(path);

    private void FindMissingParent(IniSection section, IniOption option, string path)
    {
        string parent = PosixPath.DirectoryName(path);
        if (!_environment.IsDirectory(parent))
        {
            Warn(section, option, $"{parent} is not an existing directory", DirectoryRemedy);
        }
    }
}
