using System.Buffers;
using System.Globalization;
using System.Text.Json;
using Steward.Core.Events;
using Steward.Core.Model;

namespace Steward.Hooks;

/// <summary>Who speaks.</summary>
/// <param name="Host">The machine's name.</param>
/// <param name="Identifier"><c>identifier</c> of the daemon.</param>
internal sealed record HookOrigin(string Host, string Identifier);

/// <summary>An event in words, as it is at the moment of delivery (docs/reference/hooks.md).</summary>
internal sealed class HookFields
{
    /// <summary>The form of the document; added to, never changed.</summary>
    private const int Version = 1;

    private const HookEvents Beginnings =
        HookEvents.Running | HookEvents.Starting | HookEvents.Stopping | HookEvents.Healthy | HookEvents.Unhealthy | HookEvents.Killed;

    private readonly HookEvent _event;
    private readonly HookOrigin _origin;
    private readonly string _hook;
    private readonly int _repeats;
    private readonly ExitFact? _exit;
    private readonly SpawnFact? _failure;
    private readonly DecisionFact? _decision;
    private readonly StateFact? _state;

    /// <summary>Describes an event for a hook.</summary>
    /// <param name="happened">The event.</param>
    /// <param name="wanted">What the hook subscribed; names the event.</param>
    /// <param name="hook">The hook's name.</param>
    /// <param name="repeats">How many more of its kind it stands for.</param>
    /// <param name="origin">Who speaks.</param>
    public HookFields(HookEvent happened, HookEvents wanted, string hook, int repeats, HookOrigin origin)
    {
        _event = happened;
        _origin = origin;
        _hook = hook;
        _repeats = repeats;
        Kind = happened.Kind & wanted;
        EventName = happened.IsTest ? "test" : HookEventNames.Name(Kind);
        // A start, a check or a stop that begins has nothing to do with how the last run ended, or with what comes after.
        bool isEnd = (happened.Kind & Beginnings) == 0;
        _exit = isEnd && (happened.Failure is null || happened.Entry.Fact is ExitFact) ? happened.Exit : null;
        _failure = isEnd && _exit is null ? happened.Failure : null;
        _decision = isEnd ? happened.Decision : null;
        _state = happened.State;
    }

    /// <summary>What it is, of what the hook wants.</summary>
    public HookEvents Kind { get; }

    /// <summary>The word for it.</summary>
    public string EventName { get; }

    /// <summary>What identifies the delivery.</summary>
    public string Delivery => _event.Delivery;

    /// <summary>Who it is about: the process, the group, or the daemon.</summary>
    public string Name => _event.Entry.Name ?? _origin.Identifier;

    /// <summary>The machine.</summary>
    public string Host => _origin.Host;

    /// <summary>When, Unix nanoseconds.</summary>
    public long Wall => _event.Entry.Wall;

    /// <summary>The group; null for the daemon.</summary>
    public string? Group => _event.Entry.Group;

    /// <summary>One line that says it all.</summary>
    public string Summary
    {
        get
        {
            if (_event.IsTest)
            {
                return $"This is a test of the hook {_hook}: nothing has happened.";
            }

            string end = _exit is not null ? Row(_exit) : _failure is not null ? Row(_failure) : "";
            string text = _event.Entry.Fact switch
            {
                ExitFact or SpawnFact => $"{Name}: {end}",
                StateFact state => $"{Name} is {state.To.Name()}{(end.Length == 0 ? "" : ": " + end)}",
                DaemonFact daemon => $"{Name}: {Row(daemon)}",
                JournalFact fact => $"{Name}: {Row(fact)}",
            };
            return _repeats == 0 ? text : text + string.Create(CultureInfo.InvariantCulture, $" ({_repeats} more since the last message)");
        }
    }

    /// <summary>Why.</summary>
    public string Reason => _event.Entry.Fact switch
    {
        StateFact { Reason: { } reason } => reason,
        DecisionFact decision => decision.Reason,
        HealthFact health => health.Detail ?? "",
        DaemonFact daemon => daemon.Reason ?? "",
        ConfigFact config => config.Changes ?? "",
        LossFact loss => loss.Reason,
        _ => _failure?.Error ?? _decision?.Reason ?? "",
    };

    /// <summary>The last lines of the run that ended.</summary>
    public string Output => _exit?.Output ?? "";

    /// <summary>What happens next.</summary>
    public string Next => _decision switch
    {
        { Decision: DecisionKind.Restart } => "it is started again",
        { Decision: DecisionKind.BackOff, Tries: { } tries, Limit: { } limit } =>
            string.Create(CultureInfo.InvariantCulture, $"another try (attempt {tries + 1} of {Math.Max(tries, limit) + 1})"),
        { Decision: DecisionKind.BackOff } => "another try",
        { Decision: DecisionKind.Stop } => "it is stopped",
        _ when (_event.Kind & HookEvents.Fatal) != 0 || _decision is { Decision: DecisionKind.GiveUp } =>
            $"nothing by itself; `steward start {Name}` tries again",
        { Decision: DecisionKind.Leave } => "nothing by itself",
        _ => "",
    };

    /// <summary>A field of a template.</summary>
    public string Field(string name) => name switch
    {
        "event" => EventName,
        "name" => Name,
        "group" => Group ?? "",
        "process" => _event.Entry.Process ?? "",
        "summary" => Summary,
        "reason" => Reason,
        "output" => Output,
        "next" => Next,
        "next_try" => _decision?.Until is { } until ? JournalJson.Time(until) : "",
        "from" => _state?.From.Name() ?? "",
        "to" => _state?.To.Name() ?? "",
        "code" => Text(_exit?.Code),
        "signal" => Text(_exit?.Signal),
        "signal_name" => _exit?.Signal is { } signal ? Signals.LogName(signal) : "",
        "expected" => _exit is null ? "" : _exit.Expected ? "true" : "false",
        "uptime" => _exit is null ? "" : WhyStory.Duration(_exit.UptimeMs),
        "pid" => Text(_exit?.Pid ?? _state?.Pid),
        "tries" => Text(_decision?.Tries),
        "repeats" => Text(_repeats),
        "host" => Host,
        "identifier" => _origin.Identifier,
        "time" => JournalJson.Time(Wall),
        "number" => _event.Entry.Number > 0 ? _event.Entry.Number.ToString(CultureInfo.InvariantCulture) : "",
        "delivery" => Delivery,
        "hook" => _hook,
        _ => "",
    };

    /// <summary>Steward's own document.</summary>
    public byte[] Json()
    {
        var buffer = new ArrayBufferWriter<byte>(1024);
        using (var writer = new Utf8JsonWriter(buffer, JournalJson.WriterOptions))
        {
            writer.WriteStartObject();
            writer.WriteNumber("version", Version);
            writer.WriteString("delivery", Delivery);
            if (_event.Entry.Number > 0)
            {
                writer.WriteNumber("number", _event.Entry.Number);
            }

            writer.WriteString("hook", _hook);
            writer.WriteString("event", EventName);
            writer.WriteString("time", JournalJson.Time(Wall));
            writer.WriteString("host", Host);
            writer.WriteString("identifier", _origin.Identifier);
            Optional(writer, "group", Group);
            Optional(writer, "process", _event.Entry.Process);
            writer.WriteString("name", Name);
            if (_event.Entry.Incarnation != 0)
            {
                writer.WriteNumber("incarnation", _event.Entry.Incarnation);
            }

            writer.WriteString("summary", Summary);
            Optional(writer, "reason", Reason);
            if (_state is not null)
            {
                writer.WriteString("from", _state.From.Name());
                writer.WriteString("to", _state.To.Name());
            }

            WriteEnd(writer);
            Optional(writer, "next", Next);
            Optional(writer, "next_try", _decision?.Until is { } until ? JournalJson.Time(until) : null);
            Optional(writer, "tries", _decision?.Tries);
            Optional(writer, "limit", _decision?.Limit);
            if (_repeats > 0)
            {
                writer.WriteNumber("repeats", _repeats);
            }

            if (_event.IsTest)
            {
                writer.WriteBoolean("test", true);
            }

            writer.WriteEndObject();
        }

        return buffer.WrittenSpan.ToArray();
    }

    private void WriteEnd(Utf8JsonWriter writer)
    {
        if (_exit is not null)
        {
            writer.WriteStartObject("exit");
            writer.WriteNumber("pid", _exit.Pid);
            Optional(writer, "code", _exit.Code);
            Optional(writer, "signal", _exit.Signal);
            Optional(writer, "signal_name", _exit.Signal is { } signal ? Signals.LogName(signal) : null);
            writer.WriteBoolean("expected", _exit.Expected);
            if (_exit.Core is { } core)
            {
                writer.WriteBoolean("core", core);
            }

            if (_exit.OutOfMemory is { } oom)
            {
                writer.WriteBoolean("out_of_memory", oom);
            }

            writer.WriteNumber("uptime_ms", _exit.UptimeMs);
            writer.WriteEndObject();
            Optional(writer, "output", Output);
        }
        else if (_failure is not null)
        {
            writer.WriteStartObject("failed_start");
            Optional(writer, "error", _failure.Error);
            Optional(writer, "stage", _failure.Stage);
            writer.WriteEndObject();
        }
    }

    private string Row(JournalFact fact) => WhyStory.Row(_event.Entry with { Fact = fact }).Text;

    private static void Optional(Utf8JsonWriter writer, string name, string? value)
    {
        if (!string.IsNullOrEmpty(value))
        {
            writer.WriteString(name, value);
        }
    }

    private static void Optional(Utf8JsonWriter writer, string name, int? value)
    {
        if (value is { } number)
        {
            writer.WriteNumber(name, number);
        }
    }

    private static string Text(int? number) => number?.ToString(CultureInfo.InvariantCulture) ?? "";
}
