using System.Globalization;
using Steward.Core.Model;

namespace Steward.Core.Config;

// (5): the processes of a program section, whatever its kind.
internal sealed partial class ConfigLoad
{
    /// <summary>Processes in all: more than a machine has room for, and few enough to hold them.</summary>
    private const int MaxProcesses = 65536;

    private readonly List<BuiltProgram> _programs = [];
    private int _processes;

    /// <summary>What a section without faults became in a group; for a second look.</summary>
    private sealed record BuiltProgram(IniSection Section, IReadOnlyList<ProcessConfig> Processes);

    private List<ProcessConfig> ReadProcesses(IniSection section, string groupName, FastCgiSocketConfig? socket, bool listener)
    {
        var reader = new SectionReader(this, section, decorated: true);
        int errorsBefore = _errors;
        string programName = ReadProgramName(reader);
        Expansions names = new Expansions(_hereNames)
            .Set("program_name", programName)
            .Set("host_node_name", _hostName)
            .Set("group_name", groupName);

        int priority = reader.Integer("priority", names, 999);
        bool autoStartAsLast = PythonText.Strip(reader.Text("autostart", names) ?? "").Equals("last", StringComparison.OrdinalIgnoreCase);
        bool autoStart = autoStartAsLast || reader.Boolean("autostart", names, true);
        AutoRestart autoRestart = reader.Value<AutoRestart>(
            "autorestart", names, AutoRestart.Unexpected, ConfigValue.TryAutoRestart, "write true, false or unexpected");
        int startSecs = reader.Integer("startsecs", names, 1);
        int startRetries = reader.Integer("startretries", names, 3);
        int stopSignal = reader.Value<int>(
            "stopsignal", names, Signals.Term, ConfigValue.TrySignal, "write a name such as TERM, or a number");
        int stopWaitSecs = reader.Integer("stopwaitsecs", names, 10);
        bool stopAsGroup = reader.Boolean("stopasgroup", names, false);
        bool killAsGroup = reader.Boolean("killasgroup", names, stopAsGroup);
        EquatableList<int> exitCodes = reader.Value<EquatableList<int>?>(
            "exitcodes", names, ZeroOnly, ConfigValue.TryExitCodes, "write numbers from 0 to 255 with commas between them")!;
        bool redirectStderr = reader.Boolean("redirect_stderr", names, false);
        int count = reader.Integer("numprocs", names, 1);
        int start = reader.Integer("numprocs_start", names, 0);
        long stdoutCapture = reader.ByteSize("stdout_capture_maxbytes", names, 0);
        bool stdoutEvents = reader.Boolean("stdout_events_enabled", names, false);
        long stderrCapture = reader.ByteSize("stderr_capture_maxbytes", names, 0);
        bool stderrEvents = reader.Boolean("stderr_events_enabled", names, false);
        string? serverUrl = reader.Text("serverurl", names);
        UserIdentity? user = reader.Value("user", names, null, _user, UserRemedy);
        int? umask = reader.Value<int?>("umask", names, null, TryOptionalOctal, OctalRemedy);
        KillMode killMode = reader.Value<KillMode>("kill_mode", names, KillMode.Process, TryKillMode, "write group, tree or cgroup");
        if (killMode == KillMode.Group)
        {
            stopAsGroup = killAsGroup = true;
        }

        MemoryLimitConfig? memoryLimit = ReadMemoryLimit(reader, names);
        HealthConfig? health = ReadHealth(reader, names, startSecs);

        string template = section.TryGet("process_name", out string? written) ? written : "%(program_name)s";
        if (ConfigValue.TryName(template, out string? trimmed, out string? nameError))
        {
            template = trimmed;
        }
        else
        {
            reader.Error("process_name", nameError, NameRemedy);
        }

        if (count > 1 && !template.Contains("%(process_num)", StringComparison.Ordinal))
        {
            reader.Error(
                section.Find("process_name") is null ? "numprocs" : "process_name",
                "%(process_num) must be present within process_name when numprocs > 1",
                "add process_name=%(program_name)s_%(process_num)02d");
        }

        if (stopAsGroup && !killAsGroup)
        {
            reader.Error("killasgroup", "Cannot set stopasgroup=true and killasgroup=false", "take killasgroup out");
        }

        if (count > MaxProcesses - _processes || (count > 0 && start > int.MaxValue - count))
        {
            reader.Error(
                "numprocs",
                string.Create(CultureInfo.InvariantCulture, $"numprocs={count} makes more than {MaxProcesses} processes, or numbers that are too large"),
                "ask for fewer");
            count = Math.Min(count, 1);
            start = 0;
        }

        var common = new ProcessConfig
        {
            Name = "",
            Program = programName,
            Command = "",
            Priority = priority,
            AutoStart = autoStart,
            AutoStartAsLast = autoStartAsLast,
            AutoRestart = autoRestart,
            StartSecs = startSecs,
            StartRetries = startRetries,
            StopSignal = stopSignal,
            StopWaitSecs = stopWaitSecs,
            StopAsGroup = stopAsGroup,
            KillAsGroup = killAsGroup,
            ExitCodes = exitCodes,
            RedirectStderr = redirectStderr,
            ServerUrl = serverUrl is null || PythonText.Strip(serverUrl).Equals("auto", StringComparison.OrdinalIgnoreCase) ? null : serverUrl,
            User = user,
            Umask = umask,
            Stdout = new ChildLogConfig { CaptureMaxBytes = stdoutCapture, EventsEnabled = stdoutEvents },
            Stderr = new ChildLogConfig { CaptureMaxBytes = stderrCapture, EventsEnabled = stderrEvents },
            Socket = socket,
            IsListener = listener,
            KillMode = killMode,
            MemoryLimit = memoryLimit,
            Health = health,
        };
        var processes = new List<ProcessConfig>();
        for (int i = 0; i < count; i++)
        {
            processes.Add(ReadProcess(reader, common, template, new Expansions(names).Set("process_num", start + i).Set("numprocs", count)));
            _processes++;
            if (_errors > errorsBefore)
            {
                // Every key has been looked at; the next process would have the same faults.
                break;
            }
        }

        processes = [.. processes.OrderBy(process => process.Priority).ThenBy(process => process.Name, PythonText.CodePointOrder)];
        NoteOnCrash(reader, names, programName, groupName, processes);
        if (_errors == errorsBefore)
        {
            _programs.Add(new BuiltProgram(section, processes));
        }

        return processes;
    }

    private static EquatableList<int> ZeroOnly { get; } = [0];

    // In a group the name of a program is looked at here for the first time, and the error is decorated.
    private string ReadProgramName(SectionReader reader)
    {
        string written = reader.Section.Name[(reader.Section.Name.IndexOf(':', StringComparison.Ordinal) + 1)..];
        if (ConfigValue.TryName(written, out string? name, out string? error))
        {
            return name;
        }

        if (_faults.All(fault => fault.Text != error))
        {
            reader.Error("", error, NameRemedy);
        }

        return PythonText.Strip(written);
    }

    private ProcessConfig ReadProcess(SectionReader reader, ProcessConfig common, string template, Expansions names)
    {
        IReadOnlyList<KeyValuePair<string, string>> own = ReadEnvironment(reader, names);
        EquatableList<KeyValuePair<string, string>> environment = _globalEnvironment;
        if (own.Count > 0)
        {
            names.SetEnvironment(own);
            var merged = new Dictionary<string, string>(_globalEnvironment, StringComparer.Ordinal);
            foreach ((string key, string value) in own)
            {
                merged[key] = value;
            }

            environment = Sorted(merged);
        }

        string? directory = reader.Text("directory", names);
        ChildLogConfig stdout = ReadLog(reader, "stdout", common.Stdout, names);
        ChildLogConfig stderr = ReadLog(reader, "stderr", common.Stderr, names);
        if (common.RedirectStderr)
        {
            if (stderr.Kind == ChildLogKind.File)
            {
                string text = $"For [{reader.Section.Name}], redirect_stderr=true but stderr_logfile has also been set to a filename, "
                    + "the filename has been ignored";
                Log(text);
                reader.Warn("stderr_logfile", text, "take stderr_logfile or redirect_stderr out");
            }

            stderr = stderr with { Kind = ChildLogKind.None, Path = "" };
        }

        string? command = reader.Text("command", names);
        if (reader.Section.Find("command") is null)
        {
            reader.Error("command", $"program section {reader.Section.Name} does not specify a command", "add a command= line");
        }

        if (!TryExpand(template, names, "process_name", out string name, out string? error))
        {
            reader.Error("process_name", error!, ExpansionRemedy(error!));
        }

        return common with
        {
            Name = name, Command = command ?? "", Environment = environment, Directory = directory, Stdout = stdout, Stderr = stderr,
            Health = common.Health is null ? null : common.Health with { Url = ReadHealthUrl(reader, names) },
        };
    }

    private ChildLogConfig ReadLog(SectionReader reader, string channel, ChildLogConfig common, Expansions names)
    {
        string key = channel + "_logfile";
        var kind = ChildLogKind.Auto;
        string path = "";
        bool syslogWord = false;
        if (reader.Text(key, names) is { } text)
        {
            // Supervisor expands twice, so files that work write %%%% for a percent sign. Where the second time fails, the first
            // one was what was meant.
            if (TryExpand(text, names, key, out string again, out _))
            {
                text = again;
            }

            switch (text.ToLowerInvariant())
            {
                case "" or "none" or "off":
                    kind = ChildLogKind.None;
                    break;
                case "auto":
                    break;
                case "syslog":
                    kind = ChildLogKind.None;
                    syslogWord = true;
                    break;
                default:
                    if (_directoryPath(text, out string? file, out string? error))
                    {
                        kind = ChildLogKind.File;
                        path = file!;
                    }
                    else
                    {
                        reader.Error(key, error!, DirectoryRemedy);
                    }

                    break;
            }
        }

        int backups = reader.Integer(key + "_backups", names, 10);
        long maxBytes = reader.ByteSize(key + "_maxbytes", names, 50L << 20);
        bool syslog = reader.Boolean(channel + "_syslog", names, false);
        if (syslogWord)
        {
            string text2 = $"For [{reader.Section.Name}], {key}=syslog but this is deprecated and will be removed.  "
                + $"Use {channel}_syslog=true to enable syslog instead.";
            Log(text2);
            reader.Warn(key, text2, null);
        }

        if (kind == ChildLogKind.Auto && maxBytes == 0)
        {
            string text3 = $"For [{reader.Section.Name}], AUTO logging used for {key} without rollover, "
                + "set maxbytes > 0 to avoid filling up filesystem unintentionally";
            Log(text3);
            reader.Warn(key + "_maxbytes", text3, null);
        }

        return common with { Kind = kind, Path = path, Backups = backups, MaxBytes = maxBytes, Syslog = syslog || syslogWord };
    }

    private static bool TryOptionalOctal(string text, out int? value, out string? error)
    {
        bool done = ConfigValue.TryOctal(text, out int bits, out error);
        value = done ? bits : null;
        return done;
    }
}
