using System.Buffers;
using System.Globalization;
using System.Text;
using System.Text.Encodings.Web;
using System.Text.Json;
using System.Text.Json.Serialization;
using System.Text.Json.Serialization.Metadata;
using Steward.Core.Model;

namespace Steward.Core.Events;

/// <summary>
/// Facts and entries as JSON: on disk, and for clients. Names are snake_case and stable, what is null is left out, what is unknown is
/// skipped. docs/reference/journal.md lists every kind.
/// </summary>
public static class JournalJson
{
    /// <summary>The version of the facts' form; stands beside each fact on disk.</summary>
    public const int Version = 1;

    /// <summary>How writers for <see cref="WriteFact"/> and <see cref="WriteEntry"/> are to be made.</summary>
    public static JsonWriterOptions WriterOptions { get; } = new()
    {
        // The output is for files and terminals and never put into a page without escaping: other than ASCII stays as it is.
        Encoder = JavaScriptEncoder.UnsafeRelaxedJsonEscaping,
        SkipValidation = true,
    };

    /// <summary>Writes a fact as an object.</summary>
    public static void WriteFact(Utf8JsonWriter writer, JournalFact fact)
    {
        if (fact is UnknownFact unknown)
        {
            writer.WriteStartObject();
            writer.WriteString("text", unknown.Text);
            writer.WriteEndObject();
            return;
        }

        JsonSerializer.Serialize(writer, fact, TypeOf(fact.Kind)!);
    }

    /// <summary>Reads a fact; what cannot be read becomes an <see cref="UnknownFact"/>.</summary>
    /// <param name="kind">The number of its kind.</param>
    /// <param name="version">The version it was written with.</param>
    /// <param name="utf8">The object.</param>
    public static JournalFact ReadFact(int kind, int version, ReadOnlySpan<byte> utf8)
    {
        if (version == Version && TypeOf((JournalKind)kind) is { } type)
        {
            try
            {
                if (JsonSerializer.Deserialize(utf8, type) is JournalFact fact)
                {
                    return fact;
                }
            }
            catch (JsonException)
            {
                // What is there is shown as it is: a reader of the journal loses one entry, not the page.
            }
        }

        return new UnknownFact(kind, Encoding.UTF8.GetString(utf8));
    }

    /// <summary>Writes an entry as an object: number, time (RFC 3339, UTC), group, process, incarnation, kind, fact.</summary>
    public static void WriteEntry(Utf8JsonWriter writer, in JournalEntry entry)
    {
        writer.WriteStartObject();
        writer.WriteNumber("number", entry.Number);
        writer.WriteString("time", Time(entry.Wall));
        if (entry.Group is { } group)
        {
            writer.WriteString("group", group);
        }

        if (entry.Process is { } process)
        {
            writer.WriteString("process", process);
        }

        if (entry.Incarnation != 0)
        {
            writer.WriteNumber("incarnation", entry.Incarnation);
        }

        writer.WriteString("kind", entry.Fact.Kind.Name());
        writer.WritePropertyName("fact");
        WriteFact(writer, entry.Fact);
        writer.WriteEndObject();
    }

    /// <summary>Returns an entry as one line of JSON.</summary>
    public static string Line(in JournalEntry entry)
    {
        var buffer = new ArrayBufferWriter<byte>(256);
        using (var writer = new Utf8JsonWriter(buffer, WriterOptions))
        {
            WriteEntry(writer, entry);
        }

        return Encoding.UTF8.GetString(buffer.WrittenSpan);
    }

    /// <summary>Reads what <see cref="WriteEntry"/> wrote; false for anything else.</summary>
    public static bool TryReadEntry(ReadOnlyMemory<byte> utf8, out JournalEntry entry)
    {
        entry = default;
        try
        {
            using JsonDocument document = JsonDocument.Parse(utf8);
            JsonElement root = document.RootElement;
            if (root.ValueKind != JsonValueKind.Object
                || !root.TryGetProperty("number", out JsonElement number) || !number.TryGetInt64(out long value)
                || !root.TryGetProperty("time", out JsonElement time) || !TryParseTime(time.GetString(), out long wall)
                || !root.TryGetProperty("kind", out JsonElement kind) || !root.TryGetProperty("fact", out JsonElement fact))
            {
                return false;
            }

            int kindNumber = (int)(JournalKinds.FromName(kind.GetString() ?? "") ?? JournalKind.Unknown);
            entry = new JournalEntry(
                value,
                wall,
                root.TryGetProperty("group", out JsonElement group) ? group.GetString() : null,
                root.TryGetProperty("process", out JsonElement process) ? process.GetString() : null,
                root.TryGetProperty("incarnation", out JsonElement incarnation) ? incarnation.GetInt32() : 0,
                ReadFact(kindNumber, Version, Encoding.UTF8.GetBytes(fact.GetRawText())));
            return true;
        }
        catch (Exception fault) when (fault is JsonException or InvalidOperationException or FormatException)
        {
            return false;
        }
    }

    /// <summary>Writes Unix nanoseconds as <c>2026-11-26T01:20:00.123456789Z</c>.</summary>
    public static string Time(long wall)
    {
        (long seconds, long nanoseconds) = Math.DivRem(wall, Moment.Second);
        if (nanoseconds < 0)
        {
            seconds--;
            nanoseconds += Moment.Second;
        }

        return string.Create(CultureInfo.InvariantCulture, $"{DateTime.UnixEpoch.AddSeconds(seconds):yyyy-MM-ddTHH:mm:ss}.{nanoseconds:d9}Z");
    }

    /// <summary>Reads what <see cref="Time"/> wrote.</summary>
    public static bool TryParseTime(string? text, out long wall)
    {
        wall = 0;
        if (text is not { Length: 30 } || text[19] != '.' || text[29] != 'Z'
            || !DateTime.TryParseExact(text.AsSpan(0, 19), "yyyy-MM-ddTHH:mm:ss", CultureInfo.InvariantCulture, DateTimeStyles.None, out DateTime whole)
            || !int.TryParse(text.AsSpan(20, 9), NumberStyles.None, CultureInfo.InvariantCulture, out int nanoseconds))
        {
            return false;
        }

        wall = (whole - DateTime.UnixEpoch).Ticks * 100 + nanoseconds;
        return true;
    }

    private static JsonTypeInfo? TypeOf(JournalKind kind) => kind switch
    {
        JournalKind.State => JournalJsonContext.Default.StateFact,
        JournalKind.Spawn => JournalJsonContext.Default.SpawnFact,
        JournalKind.Exit => JournalJsonContext.Default.ExitFact,
        JournalKind.Decision => JournalJsonContext.Default.DecisionFact,
        JournalKind.Request => JournalJsonContext.Default.RequestFact,
        JournalKind.Signal => JournalJsonContext.Default.SignalFact,
        JournalKind.Config => JournalJsonContext.Default.ConfigFact,
        JournalKind.Health => JournalJsonContext.Default.HealthFact,
        JournalKind.Daemon => JournalJsonContext.Default.DaemonFact,
        JournalKind.Event => JournalJsonContext.Default.EventFact,
        JournalKind.Listener => JournalJsonContext.Default.ListenerFact,
        JournalKind.Loss => JournalJsonContext.Default.LossFact,
        _ => null,
    };
}

/// <summary>Process states by the names that clients know.</summary>
internal sealed class ProcessStateConverter : JsonConverter<ProcessState>
{
    public override ProcessState Read(ref Utf8JsonReader reader, Type typeToConvert, JsonSerializerOptions options)
    {
        string? name = reader.GetString();
        foreach (ProcessState state in Enum.GetValues<ProcessState>())
        {
            if (state.Name() == name)
            {
                return state;
            }
        }

        throw new JsonException($"There is no process state {name}.");
    }

    public override void Write(Utf8JsonWriter writer, ProcessState value, JsonSerializerOptions options) => writer.WriteStringValue(value.Name());
}

/// <summary>Names of an enum in snake_case.</summary>
internal sealed class SnakeCaseEnumConverter<T>() : JsonStringEnumConverter<T>(JsonNamingPolicy.SnakeCaseLower, allowIntegerValues: false)
    where T : struct, Enum;

[JsonSourceGenerationOptions(
    GenerationMode = JsonSourceGenerationMode.Metadata,
    PropertyNamingPolicy = JsonKnownNamingPolicy.SnakeCaseLower,
    DefaultIgnoreCondition = JsonIgnoreCondition.WhenWritingNull,
    IgnoreReadOnlyProperties = true,
    RespectRequiredConstructorParameters = false,
    Converters =
    [
        typeof(ProcessStateConverter), typeof(SnakeCaseEnumConverter<DecisionKind>), typeof(SnakeCaseEnumConverter<ConfigAction>),
        typeof(SnakeCaseEnumConverter<DaemonAction>), typeof(SnakeCaseEnumConverter<ListenerAction>),
    ])]
[JsonSerializable(typeof(StateFact))]
[JsonSerializable(typeof(SpawnFact))]
[JsonSerializable(typeof(ExitFact))]
[JsonSerializable(typeof(DecisionFact))]
[JsonSerializable(typeof(RequestFact))]
[JsonSerializable(typeof(SignalFact))]
[JsonSerializable(typeof(ConfigFact))]
[JsonSerializable(typeof(HealthFact))]
[JsonSerializable(typeof(DaemonFact))]
[JsonSerializable(typeof(EventFact))]
[JsonSerializable(typeof(ListenerFact))]
[JsonSerializable(typeof(LossFact))]
internal sealed partial class JournalJsonContext : JsonSerializerContext;
