using System.Globalization;
using Steward.Core.Model;

namespace Steward.Core.Config;

/// <summary>
/// One reading of a configuration, in Supervisor's order: (1) the main file, (2) what it includes, (3) <c>[supervisord]</c>,
/// (4) rpcinterfaces, (5) groups and their processes, (6) servers, (7) the command line and what depends on all of it.
/// </summary>
/// <remarks>
/// Supervisor stops at the first error. Here a bad value is noted, its default takes its place, and reading goes on, so that all
/// faults are told at once. The first one noted is then Supervisor's, provided that every check stands where Supervisor has it:
/// the order of statements in this type is part of its contract.
/// </remarks>
internal sealed partial class ConfigLoad
{
    /// <summary>Faults that are told; a file that is no configuration at all has one in every line.</summary>
    private const int MaxFaults = 1000;

    /// <summary>Characters that expansions may produce in all: far beyond any configuration, and what a machine can hold.</summary>
    private const int MaxExpandedChars = 64 << 20;

    private static readonly string[] Secrets = ["password", "secret", "token", "url", "template", "on_crash"];

    private readonly string _file;
    private readonly string _directory;
    private readonly string _hostName;
    private readonly string _here;
    private readonly IConfigEnvironment _environment;
    private readonly ConfigOverrides _overrides;
    private readonly IniDocument _document = new();
    private readonly List<ConfigFault> _faults = [];
    private readonly HashSet<ConfigFault> _seen = [];
    private readonly Dictionary<string, (UserIdentity? User, string? Error)> _users = new(StringComparer.Ordinal);
    private readonly HashSet<string> _logged = new(StringComparer.Ordinal);
    private readonly List<LoadMessage> _warnings = [];
    private readonly List<LoadMessage> _infos = [];

    // What the daemon's own environment offers, then what [supervisord] environment adds, then the main file's directory.
    private readonly Expansions _inherited;
    private Expansions _names;
    private Expansions _hereNames;

    private IniOption? _includes;
    private string? _firstError;
    private int _errors;
    private int _untold;
    private int _expanded;

    public ConfigLoad(string file, IConfigEnvironment environment, ConfigOverrides overrides)
    {
        _file = file;
        _environment = environment;
        _overrides = overrides;
        _directory = environment.CurrentDirectory;
        _hostName = environment.HostName;
        _here = PosixPath.DirectoryName(PosixPath.Absolute(file, _directory));
        _inherited = Expansions.OfEnvironment(environment.Variables);
        _names = _inherited;
        _hereNames = _inherited;
        _existingDirectory = (string text, out string? value, out string? error) =>
            ConfigValue.TryExistingDirectory(text, _directory, environment, out value, out error);
        _directoryPath = (string text, out string? value, out string? error) =>
            ConfigValue.TryExistingDirectoryPath(text, _directory, environment, out value, out error);
        _user = FindUser;
    }

    public ConfigReading Load(bool thorough)
    {
        Configuration? configuration = null;
        if (TryReadMain())
        {
            ReadIncludes();
            configuration = Build();
            FindOddities(configuration, thorough);
        }

        if (_untold > 0)
        {
            _faults.Add(new ConfigFault(
                FaultSeverity.Warning, null, 0, null, null, null, string.Create(CultureInfo.InvariantCulture, $"{_untold} more faults"), null));
        }

        return new ConfigReading(_firstError is null ? configuration : null, _faults, _firstError);
    }

    public ProgramReading LoadProgram(string group, string program, IReadOnlyList<KeyValuePair<string, string>> options)
    {
        if (!TryReadMain())
        {
            return new ProgramReading(null, _firstError);
        }

        ReadIncludes();
        if (_document.Find("supervisord") is { } supervisord)
        {
            ReadSupervisord(supervisord, out _, out _, out _);
        }

        if (_firstError is not null)
        {
            return new ProgramReading(null, _firstError);
        }

        // Not one of the document: a program of the same name may be there, with other keys.
        var section = new IniSection("program:" + program, "", 0, _document.Defaults);
        foreach ((string key, string value) in options)
        {
            section.Set(new IniOption(key.ToLowerInvariant(), PythonText.Strip(value), "", 0));
        }

        List<ProcessConfig> processes = ReadProcesses(section, group, null, listener: false);
        return _firstError is null
            ? new ProgramReading(MakeGroup(section, GroupKind.Program, group, 0, processes).Processes, null)
            : new ProgramReading(null, _firstError);
    }

    // The user database may be on the other side of a network, and programs share few users.
    private bool FindUser(string text, out UserIdentity? value, out string? error)
    {
        if (!_users.TryGetValue(text, out (UserIdentity? User, string? Error) known))
        {
            _ = ConfigValue.TryUser(text, _environment, out known.User, out known.Error);
            _users.Add(text, known);
        }

        (value, error) = known;
        return value is not null;
    }

    // ---- noting faults ----

    private void Error(string? file, int line, string? section, string? key, string? value, string text, string? remedy) =>
        Note(new ConfigFault(FaultSeverity.Error, file, line, section, key, value, text, remedy), text);

    private void Error(IniSection section, string text, string? remedy) =>
        Error(section.File, section.Line, section.Name, null, null, text, remedy);

    private void Error(IniSection section, IniOption option, string text, string? remedy)
    {
        // What Supervisor says may hold the value; what is told beside it, and may end in the log of a build, must not.
        string shown = IsSecret(option) ? text.Replace(PythonText.Repr(option.Value), "'***'", StringComparison.Ordinal) : text;
        bool isOurs = section.Name.StartsWith("hook:", StringComparison.Ordinal) || option.Key == "on_crash";
        Note(
            new ConfigFault(FaultSeverity.Error, option.File, option.Line, section.Name, option.Key, Shown(option), shown, remedy),
            isOurs ? shown : text);
    }

    private void Warn(IniSection section, string text, string? remedy) =>
        Note(new ConfigFault(FaultSeverity.Warning, section.File, section.Line, section.Name, null, null, text, remedy), text);

    private void Warn(IniSection section, IniOption option, string text, string? remedy) =>
        Note(new ConfigFault(FaultSeverity.Warning, option.File, option.Line, section.Name, option.Key, Shown(option), text, remedy), text);

    private void Note(ConfigFault fault, string message)
    {
        if (fault.Severity == FaultSeverity.Error)
        {
            _firstError ??= message;
            _errors++;
        }

        // A program that belongs to several groups is read several times.
        if (_faults.Count >= MaxFaults)
        {
            _untold++;
        }
        else if (_seen.Add(fault))
        {
            _faults.Add(fault);
        }
    }

    private static string Shown(IniOption option) => IsSecret(option) ? "***" : option.Value;

    // A mistyped key holds the same secret.
    private static bool IsSecret(IniOption option) =>
        Secrets.Contains(option.Key) || option.Key.StartsWith("header.", StringComparison.Ordinal)
        || (!ConfigSchema.AllKeys.Contains(option.Key) && Spelling.Nearest(option.Key, Secrets) is not null);

    // A line for the activity log, as Supervisor has it or as a quirk that is fixed needs it.
    private void Log(string text) => _warnings.Add(new LoadMessage(LogLevel.Warn, text));

    private void LogOnce(string text)
    {
        if (_logged.Add(text))
        {
            Log(text);
        }
    }

    // ---- (1) and (2): files ----

    private bool TryReadMain()
    {
        if (!_environment.Exists(_file))
        {
            Error(null, 0, null, null, null, "could not find config file " + _file, "name an existing file");
            return false;
        }

        FileContent content = _environment.ReadFile(_file);
        if (content.Bytes is null)
        {
            Error(null, 0, null, null, null, "could not read config file " + _file, content.Error);
            return false;
        }

        return TryParse(_file, content.Bytes);
    }

    // False when nothing in it can be made sense of.
    private bool TryParse(string file, byte[] bytes)
    {
        if (!IniReader.TryDecode(bytes, out string? text, out string? error))
        {
            Error(file, 0, null, null, null, error, "save the file as UTF-8");
            return false;
        }

        int before = _document.Errors.Count;
        IniReader.Read(text, file, _document);
        IReadOnlyList<IniError> bad = [.. _document.Errors.Skip(before)];
        if (IniReader.Describe(bad, file) is not { } description)
        {
            return true;
        }

        _firstError ??= description;
        foreach (IniError line in bad)
        {
            Error(
                line.File, line.Line, line.Section, null, null, IniReader.Describe([line], file)!,
                line.Section is null ? "begin with a line such as [supervisord]" : "write key=value, or begin the line with ; to make it a comment");
        }

        return _document.Sections.Count > 0;
    }

    private void ReadIncludes()
    {
        if (_document.Find("include") is not { } include)
        {
            return;
        }

        _document.ReplaceHere(_here);
        _includes = include.Find("files");
        if (_includes is null)
        {
            Error(include, ".ini file has [include] section, but no files setting", "name the files, as in files=conf.d/*.conf");
            return;
        }

        var names = new Expansions(_inherited).Set("here", _here).Set("host_node_name", _hostName);
        if (!TryExpand(_includes.Value, names, "include.files", out string patterns, out string? error))
        {
            Error(include, _includes, error!, ExpansionRemedy(error!));
            return;
        }

        foreach (string written in patterns.Split((char[]?)null, StringSplitOptions.RemoveEmptyEntries))
        {
            string pattern = PosixPath.Join(_here, written);
            IReadOnlyList<string> matches = _environment.Glob(pattern);
            if (matches.Count == 0)
            {
                string text = $"No file matches via include \"{pattern}\"";
                Log(text);
                Warn(include, _includes, text, null);
            }

            foreach (string match in matches)
            {
                Include(include, match);
            }
        }
    }

    private void Include(IniSection include, string file)
    {
        FileContent content = _environment.ReadFile(file);
        if (content.Bytes is null)
        {
            // Supervisor passes over it without a word. It is still no error: a file of another owner must not stop a daemon.
            string text = $"Could not read included file \"{file}\": {content.Error}";
            Log(text);
            Warn(include, _includes!, text, "make it readable, or let the pattern not match it");
            return;
        }

        _infos.Add(new LoadMessage(LogLevel.Info, $"Included extra file \"{file}\" during parsing"));
        TryParse(file, content.Bytes);
        _document.ReplaceHere(PosixPath.DirectoryName(PosixPath.Absolute(file, _directory)));
    }

    // ---- expansion ----

    private bool TryExpand(string value, Expansions names, string location, out string expanded, out string? error)
    {
        if (!Expander.TryExpand(value, names, location, out string? text, out error))
        {
            expanded = value;
            return false;
        }

        expanded = text;
        _expanded += ReferenceEquals(text, value) ? 0 : text.Length;
        if (_expanded > MaxExpandedChars)
        {
            _expanded = MaxExpandedChars;
            error = string.Create(
                CultureInfo.InvariantCulture, $"Format string for {PythonText.Repr(location)} makes the configuration longer than {MaxExpandedChars} characters");
            return false;
        }

        return true;
    }

    private static string ExpansionRemedy(string error) =>
        error.Contains("which cannot be expanded", StringComparison.Ordinal)
            ? "set the variable in the environment of the daemon, correct the name, or write %% for a percent sign"
            : "write a percent sign that is meant as such twice";
}
