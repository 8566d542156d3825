using System.Buffers;
using System.Text;
using System.Text.Json;
using Steward.Core.Events;
using Steward.Core.Model;
using Steward.Http.Api;
using Steward.Journal;
using Steward.Protocol.XmlRpc;

namespace Steward.Http.XmlRpc;

/// <summary>
/// The namespace <c>steward</c>: what there is beyond Supervisor's interface. Not in <c>system.listMethods</c>, which is Supervisor's
/// own. Entries and stories have the shape of the JSON interface.
/// </summary>
internal sealed class JournalCalls(JournalQueries queries)
{
    /// <summary>What its methods begin with.</summary>
    public const string Prefix = "steward.";

    /// <summary>Their names.</summary>
    public static IReadOnlyList<string> Names { get; } = [Prefix + "getEvents", Prefix + "getHistory", Prefix + "why"];

    /// <summary>Begins a call; null when there is no such method. A fault says why it cannot be carried out.</summary>
    public Task<Fault?>? Begin(string name, IReadOnlyList<XmlRpcValue> parameters, XmlRpcWriter writer, out Fault? fault)
    {
        fault = null;
        Func<EventJournal, Action<Utf8JsonWriter>?>? read = name[Prefix.Length..] switch
        {
            "getEvents" => Events(parameters, out fault),
            "getHistory" => History(parameters, out fault),
            "why" => Why(parameters, out fault),
            _ => null,
        };
        if (read is null)
        {
            return fault is null ? null : Task.FromResult<Fault?>(null);
        }

        if (queries.Journal is not { } journal)
        {
            fault = new Fault(FaultCode.Failed, JournalQueries.NoJournal);
            return Task.FromResult<Fault?>(null);
        }

        return RunAsync(journal, read, writer);
    }

    private static async Task<Fault?> RunAsync(EventJournal journal, Func<EventJournal, Action<Utf8JsonWriter>?> read, XmlRpcWriter writer)
    {
        try
        {
            Action<Utf8JsonWriter> write = (await Task.Run(() => read(journal)).ConfigureAwait(false))!;
            var buffer = new ArrayBufferWriter<byte>(4096);
            using (var json = new Utf8JsonWriter(buffer, JournalJson.WriterOptions))
            {
                write(json);
            }

            using JsonDocument document = JsonDocument.Parse(buffer.WrittenMemory);
            Write(writer, document.RootElement);
            return null;
        }
        catch (RefusedException refused)
        {
            return refused.Fault;
        }
    }

    // getEvents(cursor, limit[, {process, kind, since}])
    private static Func<EventJournal, Action<Utf8JsonWriter>?>? Events(IReadOnlyList<XmlRpcValue> parameters, out Fault? fault)
    {
        fault = null;
        var filter = parameters.Count > 2 ? parameters[2] as XmlRpcStruct : null;
        if (parameters.Count is < 2 or > 3 || parameters[0] is not XmlRpcInt { Value: >= 0 } cursor || parameters[1] is not XmlRpcInt { Value: >= 0 } limit
            || (parameters.Count > 2 && filter is null))
        {
            fault = new Fault(FaultCode.IncorrectParameters);
            return null;
        }

        if (!EventsApi.TryKinds((filter?.Find("kind") as XmlRpcString)?.Value, out IReadOnlyCollection<JournalKind>? kinds, out string? error))
        {
            fault = new Fault(FaultCode.IncorrectParameters, error);
            return null;
        }

        long? since = filter?.Find("since") is XmlRpcInt seconds ? Math.Clamp(seconds.Value, 0, long.MaxValue / Moment.Second) * Moment.Second : null;
        JournalQuery query = JournalQueries.Of(
            new JournalQuery { Cursor = cursor.Value, Limit = (int)Math.Min(limit.Value, int.MaxValue), Kinds = kinds, Since = since },
            (filter?.Find("process") as XmlRpcString)?.Value);
        return journal => Page(JournalQueries.Page(journal, query));
    }

    // getHistory(name, limit); an empty name means everything
    private Func<EventJournal, Action<Utf8JsonWriter>?>? History(IReadOnlyList<XmlRpcValue> parameters, out Fault? fault)
    {
        fault = null;
        if (parameters.Count != 2 || parameters[0] is not XmlRpcString name || parameters[1] is not XmlRpcInt { Value: >= 0 } limit)
        {
            fault = new Fault(FaultCode.IncorrectParameters);
            return null;
        }

        return journal =>
        {
            JournalPage page = JournalQueries.Last(journal, JournalQueries.Of(new JournalQuery(), name.Value), (int)Math.Clamp(limit.Value, 1, 1000));
            return page.Failure is null && name.Value.Length > 0 && !queries.IsKnown(Namespec.Parse(name.Value), page)
                ? throw new RefusedException(new Fault(FaultCode.BadName, name.Value))
                : Page(page);
        };
    }

    // why(name)
    private Func<EventJournal, Action<Utf8JsonWriter>?>? Why(IReadOnlyList<XmlRpcValue> parameters, out Fault? fault)
    {
        fault = null;
        if (parameters.Count != 1 || parameters[0] is not XmlRpcString name)
        {
            fault = new Fault(FaultCode.IncorrectParameters);
            return null;
        }

        return journal => queries.Why(journal, name.Value, out string? failure) is { } story
            ? writer => EventsApi.Write(writer, story)
            : throw new RefusedException(failure is null ? new Fault(FaultCode.BadName, name.Value) : new Fault(FaultCode.Failed, failure));
    }

    private static Action<Utf8JsonWriter> Page(JournalPage page)
    {
        if (page.Failure is { } failure)
        {
            throw new RefusedException(new Fault(FaultCode.Failed, failure));
        }

        return writer =>
        {
            writer.WriteStartObject();
            writer.WriteStartArray("entries");
            foreach (JournalEntry entry in page.Entries)
            {
                JournalJson.WriteEntry(writer, entry);
            }

            writer.WriteEndArray();
            writer.WriteNumber("next", page.Next);
            writer.WriteBoolean("more", page.More);
            writer.WriteNumber("oldest", page.Oldest);
            writer.WriteNumber("newest", page.Newest);
            writer.WriteEndObject();
        };
    }

    private static void Write(XmlRpcWriter writer, JsonElement value)
    {
        switch (value.ValueKind)
        {
            case JsonValueKind.Object:
                writer.BeginStruct();
                foreach (JsonProperty member in value.EnumerateObject())
                {
                    writer.MemberName(Encoding.UTF8.GetBytes(member.Name));
                    Write(writer, member.Value);
                    writer.EndMember();
                }

                writer.EndStruct();
                break;

            case JsonValueKind.Array:
                writer.BeginArray();
                foreach (JsonElement item in value.EnumerateArray())
                {
                    Write(writer, item);
                    writer.EndItem();
                }

                writer.EndArray();
                break;

            case JsonValueKind.Number when value.TryGetInt64(out long number) && number is >= int.MinValue and <= int.MaxValue:
                writer.WriteInt(number);
                break;

            case JsonValueKind.Number:
                // XML-RPC has no longer integers that every client reads.
                writer.WriteString(value.GetRawText());
                break;

            case JsonValueKind.True or JsonValueKind.False:
                writer.WriteBoolean(value.GetBoolean());
                break;

            default:
                writer.WriteString(value.GetString() ?? "");
                break;
        }
    }

    /// <summary>Carries a fault out of a read.</summary>
    private sealed class RefusedException(Fault fault) : Exception
    {
        public Fault Fault { get; } = fault;
    }
}
