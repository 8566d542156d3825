using System.Globalization;
using System.Text.RegularExpressions;
using Steward.Core.Config;
using Steward.Core.Effects;
using Steward.Core.Inputs;
using Steward.Core.Model;
using Steward.Core.Supervision;

namespace Steward.Core.Tests.Supervision;

/// <summary>
/// A row of a table of the machine, about one process <c>p</c>:
/// <code>
/// STARTING  startretries=1  exited(1) @0.4s  ->  BACKOFF  timer(1s)
///     event BACKOFF processname:p groupname:p from_state:STARTING tries:1
///     WARN exited: p (exit status 1; not expected)
/// </code>
/// Columns are parted by two blanks or more, or by the end of a line. Before the arrow: the state that it is brought to first, options, and
/// what happens, with its time since the start attempt. Behind it: the state it is in then, the time to its next deadline, and everything
/// that was done, in order. Rows are parted by an empty line; what stands behind <c>#</c> is a comment.
/// </summary>
internal sealed partial record MachineRow(ProcessState Given, IReadOnlyDictionary<string, string> Options, string Trigger, double? At,
    ProcessState Then, string Timer, IReadOnlyList<string> Lines)
{
    public static IEnumerable<string> Split(string table) =>
        Blank().Split(Comment().Replace(table, "")).Select(row => row.Trim()).Where(row => row.Length > 0);

    public static MachineRow Parse(string row)
    {
        string[] sides = row.Split("->", 2);
        if (sides.Length != 2)
        {
            throw new FormatException($"no arrow in the row: {row}");
        }

        string[] left = Columns(sides[0]);
        string[] right = Columns(sides[1]);
        if (left.Length < 2 || right.Length < 2)
        {
            throw new FormatException($"columns are missing in the row: {row}");
        }

        Match trigger = TimedTrigger().Match(left[^1]);
        Match timer = TimerColumn().Match(right[1]);
        if (!timer.Success)
        {
            throw new FormatException($"'{right[1]}' is not timer(1.5s) or timer(-)");
        }

        return new MachineRow(
            State(left[0]),
            left[1..^1].Select(option => option.Split('=', 2)).ToDictionary(
                pair => pair[0], pair => pair.Length == 2 ? pair[1] : throw new FormatException($"option '{pair[0]}' has no value")),
            trigger.Groups["what"].Value,
            trigger.Groups["at"].Success ? double.Parse(trigger.Groups["at"].Value, CultureInfo.InvariantCulture) : null,
            State(right[0]),
            timer.Groups[1].Value,
            right[2..]);
    }

    /// <summary>Plays the row and returns what it should have said behind the arrow.</summary>
    public IReadOnlyList<string> Play()
    {
        LogLevel level = Options.GetValueOrDefault("loglevel") == "debug" ? LogLevel.Debug : LogLevel.Info;
        var machine = new Machine(level);
        ProcessConfig config = Configure(Machine.Program("p", c => c with { AutoStart = Given != ProcessState.Stopped }));
        machine.Load(Machine.RecorderGroup(), Machine.Group(config));
        Bring(machine, config);
        if (At is { } at)
        {
            machine.At(at);
        }

        machine.Take();
        Answers(machine);
        ProcessSlot slot = machine.Slot("p");
        long? request = Happen(machine, slot);
        List<string> lines = machine.Take();
        if (request is { } asked && machine.AnswerOf(asked) is null)
        {
            lines.Add("waits");
        }

        string timer = slot.StateDue == long.MaxValue
            ? "-"
            : ((slot.StateDue - machine.Now) / (double)Moment.Second).ToString("0.#########", CultureInfo.InvariantCulture) + "s";
        return [slot.State.Name(), $"timer({timer})", .. lines];
    }

    private static string[] Columns(string text) => [.. ColumnEnd().Split(text).Select(column => column.Trim()).Where(column => column.Length > 0)];

    private static ProcessState State(string name) =>
        Enum.GetValues<ProcessState>().Cast<ProcessState?>().FirstOrDefault(state => state!.Value.Name() == name)
            ?? throw new FormatException($"'{name}' is not a state");

    private ProcessConfig Configure(ProcessConfig config)
    {
        foreach ((string key, string value) in Options)
        {
            config = key switch
            {
                "startsecs" => config with { StartSecs = Number(value) },
                "startretries" => config with { StartRetries = Number(value) },
                "stopwaitsecs" => config with { StopWaitSecs = Number(value) },
                "stopsignal" => config with { StopSignal = Signals.FromName(value) },
                "stopasgroup" => config with { StopAsGroup = value == "true" },
                "killasgroup" => config with { KillAsGroup = value == "true" },
                "exitcodes" => config with { ExitCodes = EquatableList.From(value.Split(',').Select(Number)) },
                "autorestart" => config with { AutoRestart = Enum.Parse<AutoRestart>(value, ignoreCase: true) },
                "autostart" => config with { AutoStart = value == "true" },
                "loglevel" or "spawn" or "kill" or "check" or "daemon" => config,
                _ => throw new FormatException($"'{key}' is not an option"),
            };
        }

        return Given == ProcessState.Fatal ? config with { StartRetries = 0 } : config;
    }

    private static int Number(string text) => int.Parse(text, CultureInfo.InvariantCulture);

    /// <summary>Brings the process to the given state the straight way.</summary>
    private void Bring(Machine machine, ProcessConfig config)
    {
        machine.Step(new DaemonStarted());
        switch (Given)
        {
            case ProcessState.Stopped or ProcessState.Starting:
                break;

            case ProcessState.Backoff or ProcessState.Fatal:
                machine.At(0.1);
                machine.Exit("p", WaitStatus.FromExit(1));
                break;

            case ProcessState.Running or ProcessState.Exited or ProcessState.Stopping:
                machine.RunUntil(Math.Max(0, config.StartSecs) + 1);
                if (Given == ProcessState.Exited)
                {
                    machine.Exit("p", WaitStatus.FromExit(config.ExitCodes[0]));
                }
                else if (Given == ProcessState.Stopping)
                {
                    machine.Ask(new StopProcess("p", Wait: false));
                }

                break;

            default:
                throw new FormatException($"no way leads to {Given.Name()}");
        }

        Assert.Equal(Given, machine.Slot("p").State);
    }

    private void Answers(Machine machine)
    {
        if (Options.TryGetValue("spawn", out string? spawn))
        {
            machine.SpawnError = _ => spawn;
        }

        if (Options.TryGetValue("check", out string? check))
        {
            machine.CommandFault = _ => new Fault(FaultCode.NoFile, check);
        }

        if (Options.TryGetValue("kill", out string? kill))
        {
            machine.SignalAnswer = _ => kill switch
            {
                "ESRCH" => (SignalResult.Gone, "[Errno 3] No such process"),
                "EPERM" => (SignalResult.Refused, "[Errno 1] Operation not permitted"),
                _ => throw new FormatException($"kill={kill}"),
            };
        }
    }

    private long? Happen(Machine machine, ProcessSlot slot)
    {
        Match call = Call().Match(Trigger);
        string[] arguments = call.Groups[2].Value.Split(',');
        Incarnation incarnation = call.Groups["old"].Success ? new Incarnation(slot.Incarnation.Value - 1) : slot.Incarnation;
        double? diedAt = arguments.Length > 1 ? double.Parse(arguments[1].TrimEnd('s'), CultureInfo.InvariantCulture) : null;
        long exitedAt = diedAt is { } at ? Machine.Nanoseconds(at) : machine.Now;
        switch (call.Groups[1].Value)
        {
            case "exited":
                machine.Step(new ChildExited(slot.Id, incarnation, WaitStatus.FromExit(Number(arguments[0])), exitedAt));
                return null;
            case "reaped":
                machine.Step(new ChildReaped(slot.Id, incarnation));
                return null;
            case "killed":
                machine.Step(new ChildExited(slot.Id, incarnation, WaitStatus.FromSignal(Signals.FromName(arguments[0])), exitedAt));
                return null;
            case "spawned":
                machine.Step(new ChildSpawned(slot.Id, incarnation, Number(arguments[0])));
                return null;
            case "spawnfailed":
                machine.Step(new SpawnFailed(slot.Id, incarnation, "late"));
                return null;
            case "signalled":
                machine.Step(new SignalAnswered(slot.Id, incarnation, default, Signals.Term, SignalResult.Refused, "late"));
                return null;
            case "tick":
                machine.Step(TimePassed.Instance);
                return null;
            case "TERM":
                machine.Step(new SignalReceived(Signals.Term));
                return null;
            case "start":
                return machine.Ask(new StartProcess("p", arguments[0] == "wait"));
            case "stop":
                return machine.Ask(new StopProcess("p", arguments[0] == "wait"));
            case "signal":
                return machine.Ask(new SignalProcess("p", arguments[0]));
            default:
                throw new FormatException($"'{Trigger}' is not something that happens");
        }
    }

    [GeneratedRegex(@"\n[ \t]*\n")]
    private static partial Regex Blank();

    [GeneratedRegex(@"^[ \t]*#.*$|(?<=\s)# .*$", RegexOptions.Multiline)]
    private static partial Regex Comment();

    [GeneratedRegex(@" {2,}|\n")]
    private static partial Regex ColumnEnd();

    [GeneratedRegex(@"^(?<what>.*?)(?: @(?<at>[\d.]+)s)?$")]
    private static partial Regex TimedTrigger();

    [GeneratedRegex(@"^timer\((-|[\d.]+s)\)$")]
    private static partial Regex TimerColumn();

    [GeneratedRegex(@"^(?<old>old )?([a-zA-Z]+)(?:\((.*)\))?$")]
    private static partial Regex Call();
}
