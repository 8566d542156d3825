using System.Buffers;
using System.Globalization;
using System.Text;
using System.Text.Json;
using Microsoft.AspNetCore.Http;
using Steward.Core.Events;
using Steward.Core.Model;
using Steward.Http.Pages;
using Steward.Journal;

namespace Steward.Http.Api;

/// <summary>
/// The journal as JSON over HTTP: <c>/api/v1/events</c>, <c>/api/v1/history[/NAME]</c>, <c>/api/v1/why/NAME</c>. Queries alone; answers
/// are made on other threads, as the journal is on a disk.
/// </summary>
internal sealed class EventsApi(JournalQueries queries, CancellationToken endStreams)
{
    /// <summary>Where it lives.</summary>
    public const string Prefix = "/api/v1/";

    /// <summary>Followers at once.</summary>
    internal const int MaxFollowers = 64;

    private const string Json = "application/json";
    private const int FollowPage = 200;

    // A reader that takes nothing for this long is cut: it can go on from its cursor.
    private static readonly TimeSpan s_slowReader = TimeSpan.FromSeconds(30);
    private static readonly TimeSpan s_keepAlive = TimeSpan.FromSeconds(15);

    private int _followers;

    /// <summary>Answers a request below <see cref="Prefix"/>.</summary>
    public Task Answer(Exchange exchange)
    {
        if (RequestOrigin.IsCrossSite(exchange))
        {
            return exchange.SendErrorAsync(403);
        }

        if (!HttpMethods.IsGet(exchange.Method))
        {
            return exchange.SendErrorAsync(400);
        }

        string path = exchange.Path[Prefix.Length..];
        var fields = FormFields.Parse(exchange.Query.TrimStart('?'), lastCounts: true);
        if (path == "events")
        {
            return EventsAsync(exchange, fields);
        }

        if (path == "history" || path.StartsWith("history/", StringComparison.Ordinal))
        {
            return HistoryAsync(exchange, fields, path.Length > "history/".Length ? path["history/".Length..] : null);
        }

        return path.StartsWith("why/", StringComparison.Ordinal) && path.Length > "why/".Length
            ? WhyAsync(exchange, path["why/".Length..])
            : RefuseAsync(exchange, 404, "there is /api/v1/events, /api/v1/history, /api/v1/history/NAME and /api/v1/why/NAME");
    }

    /// <summary>Reads kinds as <c>exit,decision</c>; false for an unknown one.</summary>
    internal static bool TryKinds(string? text, out IReadOnlyCollection<JournalKind>? kinds, out string? error)
    {
        kinds = null;
        error = null;
        if (string.IsNullOrEmpty(text))
        {
            return true;
        }

        var found = new List<JournalKind>();
        foreach (string name in text.Split(','))
        {
            if (JournalKinds.FromName(name) is not { } kind)
            {
                error = $"'{name}' is no kind: there are {string.Join(", ", JournalKinds.All)}";
                return false;
            }

            found.Add(kind);
        }

        kinds = found;
        return true;
    }

    /// <summary>Writes a story as an object.</summary>
    internal static void Write(Utf8JsonWriter writer, WhyStory story)
    {
        writer.WriteStartObject();
        writer.WriteString("name", story.Name);
        writer.WriteString("state", story.State?.Name());
        writer.WriteString("headline", story.Headline);
        writer.WriteStartArray("rows");
        foreach (StoryRow row in story.Rows)
        {
            writer.WriteStartObject();
            writer.WriteString("time", JournalJson.Time(row.Wall));
            writer.WriteString("what", row.What);
            writer.WriteString("text", row.Text);
            if (row.Output is not null)
            {
                writer.WriteString("output", row.Output);
            }

            writer.WriteEndObject();
        }

        writer.WriteEndArray();
        if (story.Next is not null)
        {
            writer.WriteString("next", story.Next);
        }

        if (story.NextTry is { } next)
        {
            writer.WriteString("next_try", JournalJson.Time(next));
        }

        writer.WriteEndObject();
    }

    private async Task EventsAsync(Exchange exchange, FormFields fields)
    {
        bool follow = fields["follow"] is "1" or "true";
        if (!TryNumber(fields["after"] ?? (follow ? (string?)exchange.RequestHeaders["Last-Event-ID"] : null), out long? after)
            || !TryNumber(fields["limit"], out long? limit))
        {
            await RefuseAsync(exchange, 400, "after and limit are whole numbers from 0").ConfigureAwait(false);
            return;
        }

        if (!TryKinds(fields["kind"], out IReadOnlyCollection<JournalKind>? kinds, out string? error) || !TrySince(fields["since"], out long? since, out error))
        {
            await RefuseAsync(exchange, 400, error!).ConfigureAwait(false);
            return;
        }

        if (queries.Journal is not { } journal)
        {
            await RefuseAsync(exchange, 501, JournalQueries.NoJournal).ConfigureAwait(false);
            return;
        }

        JournalQuery query = JournalQueries.Of(new JournalQuery { Kinds = kinds, Since = since }, fields["process"]);
        if (follow)
        {
            await FollowAsync(exchange, journal, query, after).ConfigureAwait(false);
            return;
        }

        int count = (int)Math.Min(limit ?? JournalQueries.DefaultLimit, int.MaxValue);
        bool last = fields["last"] is "1" or "true";
        JournalPage page = await Task.Run(() => last
            ? JournalQueries.Last(journal, query, Math.Clamp(count, 1, 1000))
            : JournalQueries.Page(journal, query with { Cursor = after ?? 0, Limit = count })).ConfigureAwait(false);
        await SendPageAsync(exchange, page).ConfigureAwait(false);
    }

    private async Task HistoryAsync(Exchange exchange, FormFields fields, string? name)
    {
        if (!TryNumber(fields["limit"], out long? limit))
        {
            await RefuseAsync(exchange, 400, "limit is a whole number").ConfigureAwait(false);
            return;
        }

        if (queries.Journal is not { } journal)
        {
            await RefuseAsync(exchange, 501, JournalQueries.NoJournal).ConfigureAwait(false);
            return;
        }

        JournalPage page = await Task.Run(() => JournalQueries.Last(
            journal, JournalQueries.Of(new JournalQuery(), name), (int)Math.Clamp(limit ?? JournalQueries.DefaultLimit, 1, 1000))).ConfigureAwait(false);
        if (page.Failure is null && name is not null && !queries.IsKnown(Namespec.Parse(name), page))
        {
            await RefuseAsync(exchange, 404, $"there is no process {name}").ConfigureAwait(false);
            return;
        }

        await SendPageAsync(exchange, page).ConfigureAwait(false);
    }

    private async Task WhyAsync(Exchange exchange, string name)
    {
        if (queries.Journal is not { } journal)
        {
            await RefuseAsync(exchange, 501, JournalQueries.NoJournal).ConfigureAwait(false);
            return;
        }

        string? failure = null;
        WhyStory? story = await Task.Run(() => queries.Why(journal, name, out failure)).ConfigureAwait(false);
        if (story is null)
        {
            await RefuseAsync(exchange, failure is null ? 404 : 503, failure ?? $"there is no process {name}").ConfigureAwait(false);
            return;
        }

        await SendJsonAsync(exchange, 200, writer => Write(writer, story)).ConfigureAwait(false);
    }

    /// <summary>Server-sent events (HTML standard, "Server-sent events"): the id is the number, the data the entry on one line.</summary>
    private async Task FollowAsync(Exchange exchange, EventJournal journal, JournalQuery query, long? after)
    {
        if (Interlocked.Increment(ref _followers) > MaxFollowers)
        {
            Interlocked.Decrement(ref _followers);
            await RefuseAsync(exchange, 503, $"{MaxFollowers} others follow the journal: try again").ConfigureAwait(false);
            return;
        }

        try
        {
            using var end = CancellationTokenSource.CreateLinkedTokenSource(exchange.Gone, endStreams);
            exchange.AllowSlowReader();
            exchange.SetStatus(200);
            exchange.ResponseHeaders.ContentType = "text/event-stream;charset=utf-8";
            exchange.ResponseHeaders.CacheControl = "no-store";
            exchange.ResponseHeaders.XContentTypeOptions = "nosniff";
            exchange.ResponseHeaders["X-Accel-Buffering"] = "no";
            await Task.Run(() => JournalQueries.Settle(journal), end.Token).ConfigureAwait(false);
            long cursor = after ?? journal.LastNumber;
            await SendAsync(exchange, ":\n\n", end.Token).ConfigureAwait(false);
            while (true)
            {
                JournalQuery next = query with { Cursor = cursor, Limit = FollowPage };
                JournalPage page = await Task.Run(() => journal.Read(next), end.Token).ConfigureAwait(false);
                if (page.Failure is { } failure)
                {
                    await SendAsync(exchange, $"event: failure\ndata: {failure.ReplaceLineEndings(" ")}\n\n", end.Token).ConfigureAwait(false);
                    return;
                }

                cursor = page.Next;
                if (page.Entries.Count > 0)
                {
                    var text = new StringBuilder();
                    foreach (JournalEntry entry in page.Entries)
                    {
                        text.Append(CultureInfo.InvariantCulture, $"id: {entry.Number}\ndata: {JournalJson.Line(entry)}\n\n");
                    }

                    await SendAsync(exchange, text.ToString(), end.Token).ConfigureAwait(false);
                }

                if (!page.More && !await WaitAsync(exchange, journal, cursor, end.Token).ConfigureAwait(false))
                {
                    return;
                }
            }
        }
        catch (OperationCanceledException) when (endStreams.IsCancellationRequested && !exchange.Gone.IsCancellationRequested)
        {
            // The daemon ends, and so does the stream, in good order.
        }
        finally
        {
            Interlocked.Decrement(ref _followers);
        }
    }

    /// <summary>Waits for an entry behind the cursor; false when none will come. Comments show meanwhile that both sides are there.</summary>
    private static async Task<bool> WaitAsync(Exchange exchange, EventJournal journal, long cursor, CancellationToken end)
    {
        while (true)
        {
            using var pause = CancellationTokenSource.CreateLinkedTokenSource(end);
            pause.CancelAfter(s_keepAlive);
            try
            {
                return await journal.WaitAsync(cursor, pause.Token).ConfigureAwait(false) == FollowOutcome.Ready;
            }
            catch (OperationCanceledException) when (!end.IsCancellationRequested)
            {
                await SendAsync(exchange, ":\n\n", end).ConfigureAwait(false);
            }
        }
    }

    private static async Task SendAsync(Exchange exchange, string text, CancellationToken end)
    {
        using var limit = CancellationTokenSource.CreateLinkedTokenSource(end);
        limit.CancelAfter(s_slowReader);
        System.IO.Pipelines.FlushResult flushed = await exchange.Output.WriteAsync(Encoding.UTF8.GetBytes(text), limit.Token).ConfigureAwait(false);
        if (flushed.IsCompleted)
        {
            throw new OperationCanceledException("The client is gone.");
        }
    }

    private static Task SendPageAsync(Exchange exchange, JournalPage page) => page.Failure is { } failure
        ? RefuseAsync(exchange, 503, failure)
        : SendJsonAsync(exchange, 200, writer =>
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
        });

    private static Task RefuseAsync(Exchange exchange, int status, string error) => SendJsonAsync(exchange, status, writer =>
    {
        writer.WriteStartObject();
        writer.WriteString("error", error);
        writer.WriteEndObject();
    });

    private static Task SendJsonAsync(Exchange exchange, int status, Action<Utf8JsonWriter> write)
    {
        var buffer = new ArrayBufferWriter<byte>(4096);
        using (var writer = new Utf8JsonWriter(buffer, JournalJson.WriterOptions))
        {
            write(writer);
        }

        exchange.AddSecurityHeaders();
        exchange.ResponseHeaders.CacheControl = "no-store";
        return exchange.SendAsync(status, Json, buffer.WrittenMemory);
    }

    private static bool TryNumber(string? text, out long? number)
    {
        number = null;
        if (string.IsNullOrEmpty(text))
        {
            return true;
        }

        if (!long.TryParse(text, NumberStyles.None, CultureInfo.InvariantCulture, out long value))
        {
            return false;
        }

        number = value;
        return true;
    }

    /// <summary>Unix seconds, or RFC 3339.</summary>
    private static bool TrySince(string? text, out long? since, out string? error)
    {
        since = null;
        error = null;
        if (string.IsNullOrEmpty(text))
        {
            return true;
        }

        if (long.TryParse(text, NumberStyles.None, CultureInfo.InvariantCulture, out long seconds) && seconds < long.MaxValue / Moment.Second)
        {
            since = seconds * Moment.Second;
            return true;
        }

        if (DateTimeOffset.TryParse(text, CultureInfo.InvariantCulture, DateTimeStyles.AssumeUniversal, out DateTimeOffset time))
        {
            since = (time - DateTimeOffset.UnixEpoch).Ticks * 100;
            return true;
        }

        error = $"since is a time as 2026-11-26T10:00:00Z or in Unix seconds, not '{text}'";
        return false;
    }
}
