using System.Globalization;
using Steward.Core.Events;
using Steward.Core.Model;

namespace Steward.Core.Config;

// (5): groups, in Supervisor's order: [group:x], then programs, listeners and FastCGI programs that no group has taken.
internal sealed partial class ConfigLoad
{
    private List<GroupConfig> ReadGroups()
    {
        var groups = new List<(GroupConfig Group, IniSection Section)>();
        var taken = new HashSet<string>(StringComparer.Ordinal);
        foreach (IniSection section in Sections("group:"))
        {
            groups.Add((ReadGroup(section, taken), section));
        }

        foreach (IniSection section in Sections("program:").Where(section => !taken.Contains(section.Name)))
        {
            groups.Add((ReadProgram(section), section));
        }

        foreach (IniSection section in Sections("eventlistener:"))
        {
            groups.Add((ReadListener(section), section));
        }

        foreach (IniSection section in Sections("fcgi-program:").Where(section => !taken.Contains(section.Name)))
        {
            groups.Add((ReadFastCgi(section), section));
        }

        List<(GroupConfig Group, IniSection Section)> sorted =
            [.. groups.OrderBy(pair => pair.Group.Priority).ThenBy(pair => pair.Group.Name, PythonText.CodePointOrder)];
        var first = new Dictionary<string, IniSection>(StringComparer.Ordinal);
        foreach ((GroupConfig group, IniSection section) in sorted)
        {
            if (!first.TryAdd(group.Name, section))
            {
                string text = $"[{section.Name}] makes another group named {PythonText.Repr(group.Name)}, "
                    + $"which [{first[group.Name].Name}] makes already; the other one counts";
                Log(text);
                Warn(section, text, "give one of them another name");
            }
        }

        return [.. sorted.Select(pair => pair.Group)];
    }

    private GroupConfig ReadGroup(IniSection section, HashSet<string> taken)
    {
        var reader = new SectionReader(this, section, decorated: false);
        string name = ReadName(reader);
        IReadOnlyList<string> programs = ConfigValue.Strings(reader.Text("programs", _hereNames) ?? "");
        int priority = reader.Integer("priority", _hereNames, 999);
        var processes = new List<ProcessConfig>();
        foreach (string program in programs)
        {
            IniSection? plain = _document.Find("program:" + program);
            IniSection? fastCgi = _document.Find("fcgi-program:" + program);
            taken.Add("program:" + program);
            taken.Add("fcgi-program:" + program);
            if (plain is null && fastCgi is null)
            {
                reader.Error("programs", $"[{section.Name}] names unknown program or fcgi-program {program}", UnknownProgramRemedy(program));
            }
            else if (plain is not null && fastCgi is not null)
            {
                reader.Error(
                    "programs", $"[{section.Name}] name {program} is ambiguous (exists as program and fcgi-program)",
                    "give one of the two another name");
            }
            else
            {
                // Supervisor forgets the socket of a FastCGI program that stands in a group.
                FastCgiSocketConfig? socket = fastCgi is null ? null : ReadSocket(fastCgi, program);
                processes.AddRange(ReadProcesses((plain ?? fastCgi)!, name, socket, listener: false));
            }
        }

        return MakeGroup(section, GroupKind.Program, name, priority, processes);
    }

    private string UnknownProgramRemedy(string program)
    {
        if (program.Length == 0)
        {
            return "take the surplus comma out";
        }

        if (_document.Find("eventlistener:" + program) is not null)
        {
            return "event listeners cannot be members of a group";
        }

        IEnumerable<string> known = Sections("program:").Concat(Sections("fcgi-program:"))
            .Select(section => section.Name[(section.Name.IndexOf(':', StringComparison.Ordinal) + 1)..]);
        return Spelling.Nearest(program, known) is { } near ? $"did you mean {near}?" : $"add a section [program:{program}]";
    }

    private GroupConfig ReadProgram(IniSection section)
    {
        var reader = new SectionReader(this, section, decorated: false);
        string name = ReadName(reader);
        int priority = reader.Integer("priority", _hereNames, 999);
        return MakeGroup(section, GroupKind.Program, name, priority, ReadProcesses(section, name, null, listener: false));
    }

    private GroupConfig ReadFastCgi(IniSection section)
    {
        var reader = new SectionReader(this, section, decorated: false);
        string name = ReadName(reader);
        int priority = reader.Integer("priority", _hereNames, 999);
        FastCgiSocketConfig? socket = ReadSocket(section, name);
        return MakeGroup(section, GroupKind.FastCgi, name, priority, ReadProcesses(section, name, socket, listener: false));
    }

    private GroupConfig ReadListener(IniSection section)
    {
        var reader = new SectionReader(this, section, decorated: false);
        string name = section.Name["eventlistener:".Length..];
        int priority = reader.Integer("priority", _hereNames, -1);
        int bufferSize = reader.Integer("buffer_size", _hereNames, 10);
        if (bufferSize < 1)
        {
            reader.Error(
                "buffer_size", string.Create(CultureInfo.InvariantCulture, $"[{section.Name}] section sets invalid buffer_size ({bufferSize})"),
                "write 1 or more");
        }

        string handler = reader.Text("result_handler", _hereNames) ?? DefaultHandler;
        if (handler != DefaultHandler)
        {
            reader.Error(
                "result_handler", $"{handler} cannot be resolved within [{section.Name}]: {ImportError(handler)}",
                $"plugins in Python cannot be loaded; take the line out, or use {DefaultHandler}");
        }

        bool unknownRestart = reader.Boolean("unknown_restart", _hereNames, true);
        int resultTimeout = reader.Integer("result_timeout", _hereNames, 0);
        if (resultTimeout < 0)
        {
            reader.Error(
                "result_timeout",
                string.Create(CultureInfo.InvariantCulture, $"[{section.Name}] section sets invalid result_timeout ({resultTimeout})"),
                "write seconds, or 0 to wait for ever");
        }

        string? written = reader.Text("events", _hereNames);
        string[] events = [.. ConfigValue.Strings(written ?? "").Select(item => item.ToUpperInvariant()).Distinct(StringComparer.Ordinal)];
        if (events.Length == 0 && (written is not null || section.Find("events") is null))
        {
            reader.Error("events", $"[{section.Name}] section requires an \"events\" line", "add events=PROCESS_STATE or the like");
        }

        foreach (string type in events.Where(type => EventTypes.Mask(type) == 0))
        {
            reader.Error(
                "events", $"Unknown event type {type} in [{section.Name}] events",
                type.Length == 0 ? "take the surplus comma out"
                : Spelling.Nearest(type, EventTypes.All) is { } near ? $"did you mean {near}?"
                : "see the manual for the names of event types");
        }

        if (reader.Boolean("redirect_stderr", _hereNames, false))
        {
            reader.Error(
                "redirect_stderr",
                $"[{section.Name}] section sets redirect_stderr=true but this is not allowed because it will interfere with the eventlistener protocol",
                "take the line out");
        }

        List<ProcessConfig> processes = ReadProcesses(section, name, null, listener: true);
        return MakeGroup(section, GroupKind.EventListener, name, priority, processes) with
        {
            Pool = new EventPoolConfig(EquatableList.From(events.Order(StringComparer.Ordinal)), bufferSize, handler)
            {
                UnknownRestart = unknownRestart,
                ResultTimeout = resultTimeout,
            },
        };
    }

    // The name of a section that makes a group; as it stands when it is not allowed.
    private static string ReadName(SectionReader reader)
    {
        string written = reader.Section.Name[(reader.Section.Name.IndexOf(':', StringComparison.Ordinal) + 1)..];
        if (ConfigValue.TryName(written, out string? name, out string? error))
        {
            return name;
        }

        // A name is a matter of the header, not of a key.
        reader.Error("", error, NameRemedy);
        return PythonText.Strip(written);
    }

    private GroupConfig MakeGroup(IniSection section, GroupKind kind, string name, int priority, List<ProcessConfig> processes)
    {
        // Two processes of one name: the last one counts, in the place of the first.
        var places = new Dictionary<string, int>(StringComparer.Ordinal);
        var unique = new List<ProcessConfig>(processes.Count);
        foreach (ProcessConfig process in processes)
        {
            if (places.TryAdd(process.Name, unique.Count))
            {
                unique.Add(process);
                continue;
            }

            unique[places[process.Name]] = process;
            string text = $"Group {PythonText.Repr(name)} has several processes named {PythonText.Repr(process.Name)}; only the last one counts";
            LogOnce(text);
            Warn(section, text, "give each a process_name of its own");
        }

        return new GroupConfig { Kind = kind, Name = name, Priority = priority, Processes = EquatableList.From(unique) };
    }

    // ---- the socket of a FastCGI program ----

    private FastCgiSocketConfig? ReadSocket(IniSection section, string program)
    {
        var reader = new SectionReader(this, section, decorated: false);
        UserIdentity? user = reader.Value("user", _hereNames, null, _user, UserRemedy);
        int? backlog = null;
        if (reader.Value<int?>("socket_backlog", _hereNames, null, TryOptionalInteger, "write a number from 1 to 65535") is { } length)
        {
            backlog = length;
            if (length is < 1 or > 65535)
            {
                reader.Error(
                    "socket_backlog", string.Create(CultureInfo.InvariantCulture, $"Invalid socket_backlog value {length}"),
                    "write a number from 1 to 65535");
            }
        }

        int uid = -1;
        int gid = -1;
        string? owner = reader.Text("socket_owner", _hereNames);
        if (owner is not null && !ConfigValue.TryOwner(owner, _environment, out uid, out gid))
        {
            reader.Error("socket_owner", "Invalid socket_owner value " + owner, "write user or user:group of this machine");
        }

        int mode = 448;
        string? bits = reader.Text("socket_mode", _hereNames);
        if (bits is not null && !ConfigValue.TryOctal(bits, out mode, out _))
        {
            reader.Error("socket_mode", "Invalid socket_mode value " + bits, OctalRemedy);
        }

        const string Remedy = "write unix:///path/to/socket or tcp://host:port";
        string? socket = reader.Text("socket", new Expansions(_hereNames).Set("program_name", program));
        if (string.IsNullOrEmpty(socket))
        {
            if (socket is not null || section.Find("socket") is null)
            {
                reader.Error("socket", $"[{section.Name}] section requires a \"socket\" line", "add socket=unix:///path/to/socket or tcp://host:port");
            }

            return null;
        }

        if (socket.StartsWith("unix://", StringComparison.Ordinal))
        {
            string path = socket["unix://".Length..];
            if (!path.StartsWith('/'))
            {
                reader.Error("socket", $"Unix socket path {path} is not an absolute path in [{section.Name}] socket", Remedy);
            }

            if (owner is null && user is not null && user.Uid != _environment.UserId)
            {
                (uid, gid) = (user.Uid, user.Gid);
            }

            return new FastCgiSocketConfig
            {
                Program = program, Path = Absolute(path), Backlog = backlog, OwnerUid = uid, OwnerGid = gid, Mode = mode,
            };
        }

        string? error = null;
        string host = "";
        int port = 0;
        if (owner is not null || bits is not null)
        {
            error = "socket_owner and socket_mode params should only be used with a Unix domain socket";
        }
        else if (!TrySplitTcp(socket, out host, out string digits))
        {
            error = "Bad socket format " + socket;
        }
        else
        {
            _ = ConfigValue.TryRange(digits, 1, 65535, out port, out error);
        }

        if (error is not null)
        {
            reader.Error("socket", $"{error} in [{section.Name}] socket", Remedy);
        }

        return new FastCgiSocketConfig { Program = program, Host = host.ToLowerInvariant(), Port = port, Backlog = backlog };
    }

    // tcp://host:port, the host without blanks and colons.
    private static bool TrySplitTcp(string socket, out string host, out string port)
    {
        string rest = socket.StartsWith("tcp://", StringComparison.Ordinal) ? socket["tcp://".Length..] : "";
        int colon = rest.IndexOf(':', StringComparison.Ordinal);
        host = colon > 0 ? rest[..colon] : "";
        port = colon > 0 ? rest[(colon + 1)..] : "";
        return host.Length > 0 && !host.Any(PythonText.IsSpace) && port.Length > 0 && port.All(char.IsDigit);
    }

    private static bool TryOptionalInteger(string text, out int? value, out string? error)
    {
        bool done = ConfigValue.TryInteger(text, out int number, out error);
        value = done ? number : null;
        return done;
    }
}
