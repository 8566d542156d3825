using Steward.Client;
using Steward.Core.Config;

namespace Steward.Cli;

/// <summary>What the command line and <c>[supervisorctl]</c> say together.</summary>
internal sealed record CtlSettings
{
    public const string DefaultServerUrl = "http://localhost:9001";

    /// <summary>The longest configuration file that is read, in bytes: far beyond any that was ever written.</summary>
    private const int MaxFileBytes = 16 << 20;

    public required string ServerUrl { get; init; }

    /// <summary>Null unless both the name and the password are known.</summary>
    public Credentials? Credentials { get; init; }

    public string Prompt { get; init; } = "supervisor";

    public string? HistoryFile { get; init; }

    /// <summary>Where the daemon of this configuration writes its pid; null when the file does not say.</summary>
    public string? PidFile { get; init; }

    /// <summary>Says whether somebody answers questions: with <c>-i</c>, or without an action.</summary>
    public bool Interactive { get; init; }

    /// <summary>The actions that the configuration adds.</summary>
    public IReadOnlyList<CtlPlugin> Plugins { get; init; } = [];

    /// <summary>Says whether <c>help</c> lists the actions that Supervisor does not have.</summary>
    public bool ListsEverything { get; init; }

    /// <summary>What is worth a line on standard error, and no more.</summary>
    public IReadOnlyList<string> Warnings { get; init; } = [];

    /// <summary>Reads the file that was named or found and puts the command line over it.</summary>
    /// <exception cref="UsageException">The file is missing or faulty.</exception>
    public static CtlSettings Load(CtlOptions options, string programPath, IConfigEnvironment environment)
    {
        // Where Supervisor looks, in its order. None is no error: then the defaults hold.
        string? file = options.ConfigFile;
        if (file is null)
        {
            ConfigReader.TryFindFile(programPath, environment, out file, out _);
        }

        var section = new SupervisorctlSection();
        if (file is not null)
        {
            section = SupervisorctlSection.Read(file, environment);
        }

        string? user = options.UserName ?? section.UserName;
        string? password = options.Password ?? section.Password;
        return new CtlSettings
        {
            ServerUrl = options.ServerUrl ?? section.ServerUrl ?? DefaultServerUrl,
            Credentials = user is not null && password is not null ? new Credentials(user, password) : null,
            Prompt = section.Prompt ?? "supervisor",
            HistoryFile = options.HistoryFile is { } history
                ? PosixPath.Absolute(PosixPath.ExpandUser(history, environment), environment.CurrentDirectory)
                : section.HistoryFile,
            PidFile = section.PidFile,
            Interactive = options.Interactive || options.Words.Count == 0,
            Plugins = section.Plugins,
            Warnings = section.Warnings,
        };
    }

    /// <summary>The keys of <c>[supervisorctl]</c>, expanded; null where the file does not say.</summary>
    private sealed record SupervisorctlSection
    {
        public string? ServerUrl { get; private init; }

        public string? UserName { get; private init; }

        public string? Password { get; private init; }

        public string? Prompt { get; private init; }

        public string? HistoryFile { get; private init; }

        public string? PidFile { get; private init; }

        public IReadOnlyList<CtlPlugin> Plugins { get; private init; } = [];

        public IReadOnlyList<string> Warnings { get; private init; } = [];

        public static SupervisorctlSection Read(string file, IConfigEnvironment environment)
        {
            if (!environment.Exists(file))
            {
                throw new UsageException("could not find config file " + file);
            }

            string here = PosixPath.DirectoryName(PosixPath.Absolute(file, environment.CurrentDirectory));
            IniDocument document = Parse(file, environment) ?? throw new UsageException("could not read config file " + file);
            IniSection section = document.Find("supervisorctl")
                ?? FindIncluded(document, here, environment)
                ?? throw new UsageException(".ini file does not include supervisorctl section");
            Expansions names = Expansions.OfEnvironment(environment.Variables).Set("here", here);
            string? url = Value(section, "serverurl", names);
            if (url is not null && url.StartsWith("unix://", StringComparison.Ordinal))
            {
                string path = PosixPath.ExpandUser(url["unix://".Length..], environment);
                url = "unix://" + PosixPath.Absolute(path, environment.CurrentDirectory);
            }

            string? history = Value(section, "history_file", names);
            var warnings = new List<string>();
            List<CtlPlugin> plugins = [.. ReadPlugins(document, names, warnings)];
            return new SupervisorctlSection
            {
                ServerUrl = url,
                UserName = Value(section, "username", names),
                Password = Value(section, "password", names),
                Prompt = Value(section, "prompt", names),
                HistoryFile = string.IsNullOrEmpty(history)
                    ? null
                    : PosixPath.Absolute(PosixPath.ExpandUser(history, environment), environment.CurrentDirectory),
                PidFile = PidFileOf(document, names.Set("host_node_name", environment.HostName), environment),
                Plugins = plugins,
                Warnings = warnings,
            };
        }

        // Only to tell more when nobody answers: whatever is wrong with it is the daemon's to complain about.
        private static string? PidFileOf(IniDocument document, Expansions names, IConfigEnvironment environment) =>
            document.Find("supervisord") is { } daemon && daemon.TryGet("pidfile", out string? written)
                && Expander.TryExpand(written, names, "supervisord.pidfile", out string? path, out _)
                ? PosixPath.Absolute(PosixPath.ExpandUser(path, environment), environment.CurrentDirectory)
                : null;

        // Null when it cannot be opened.
        private static IniDocument? Parse(string file, IConfigEnvironment environment)
        {
            if (environment.ReadFile(file).Bytes is not { Length: <= MaxFileBytes } bytes)
            {
                return null;
            }

            var document = new IniDocument();
            if (!IniReader.TryDecode(bytes, out string? text, out string? error))
            {
                throw new UsageException($"could not read config file {file}: {error}");
            }

            IniReader.Read(text, file, document);
            return IniReader.Describe(document.Errors, file) is { } faults ? throw new UsageException(faults) : document;
        }

        // Supervisor's client does not look into included files at all. Here they are asked when the main file has no such section;
        // the last one counts, as it does for the daemon.
        private static IniSection? FindIncluded(IniDocument document, string here, IConfigEnvironment environment)
        {
            if (document.Find("include")?.Find("files") is not { } files)
            {
                return null;
            }

            Expansions names = Expansions.OfEnvironment(environment.Variables).Set("here", here).Set("host_node_name", environment.HostName);
            if (!Expander.TryExpand(files.Value, names, "include.files", out string? patterns, out string? error))
            {
                throw new UsageException(error);
            }

            IniSection? found = null;
            foreach (string pattern in patterns.Split((char[]?)null, StringSplitOptions.RemoveEmptyEntries))
            {
                foreach (string file in environment.Glob(PosixPath.Join(here, pattern)))
                {
                    // As the daemon does: a file that cannot be opened is passed over.
                    if (Parse(file, environment) is { } included)
                    {
                        included.ReplaceHere(PosixPath.DirectoryName(PosixPath.Absolute(file, environment.CurrentDirectory)));
                        found = included.Find("supervisorctl") ?? found;
                    }
                }
            }

            return found;
        }

        private static string? Value(IniSection section, string key, Expansions names, string place = "supervisorctl")
        {
            if (!section.TryGet(key, out string? value))
            {
                return null;
            }

            return Expander.TryExpand(value, names, place + "." + key, out string? expanded, out string? error)
                ? expanded
                : throw new UsageException(error);
        }

        // Plugins are code in another language: what is missing is said, and the rest works.
        private static IEnumerable<CtlPlugin> ReadPlugins(IniDocument document, Expansions names, List<string> warnings)
        {
            const string Prefix = "ctlplugin:";
            const string Key = "steward.ctl_command";
            foreach (IniSection section in document.Sections.Where(section => section.Name.StartsWith(Prefix, StringComparison.Ordinal)))
            {
                string name = section.Name[Prefix.Length..];
                if (Value(section, Key, names, section.Name) is not { } command)
                {
                    if (!section.TryGet("supervisor.ctl_factory", out string? factory))
                    {
                        throw new UsageException($"section [{section.Name}] does not specify a supervisor.ctl_factory");
                    }

                    if (!IsBuiltIn(factory))
                    {
                        warnings.Add($"[{section.Name}] names the Python plugin {factory}, which cannot be loaded here: its commands do not exist "
                            + $"({Key}=COMMAND makes '{name}' an action that runs a command)");
                    }
                }
                else if (name.Length == 0 || !name.All(c => char.IsAsciiLetterOrDigit(c) || c == '_'))
                {
                    warnings.Add($"[{section.Name}] adds no action: a name has letters, digits and underscores only");
                }
                else if (CtlProgram.Verbs.Contains(name) || name is "help" or "exit" or "quit" or "EOF")
                {
                    warnings.Add($"[{section.Name}] adds no action: '{name}' is one already; use another name");
                }
                else if (!CommandLine.TrySplit(command, out IReadOnlyList<string>? words, out string? error) || words.Count == 0)
                {
                    warnings.Add($"[{section.Name}] adds no action: {Key} {(words is null ? "cannot be split into words: " + error : "is empty")}");
                }
                else
                {
                    yield return new CtlPlugin(name, words);
                }
            }
        }

        // What their commands do is built in.
        private static bool IsBuiltIn(string factory) => factory.Split(':')[0] is
            "supervisorwildcards.controllerplugin" or "supervisorserialrestart.controllerplugin" or "mr.laforge.controllerplugin";
    }
}

/// <summary>The command line or the configuration is wrong: told in two lines on standard error, exit status 2.</summary>
internal sealed class UsageException(string message) : Exception(message);
