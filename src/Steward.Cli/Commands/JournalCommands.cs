using System.Globalization;
using System.Text;
using System.Text.Json;
using Steward.Client;
using Steward.Core.Events;
using Steward.Core.Model;

namespace Steward.Cli;

// events, history, why: what happened and why, as the daemon's journal has it. Times are those of the reader's zone.
internal sealed partial class CtlSession
{
    private const string NoJournal = "ERROR (this daemon keeps no journal: set journal= in [supervisord])";
    private const int DefaultEntries = 100;

    private void Events(string argument)
    {
        if (JournalOptions(argument, HelpTexts.Events, names: 0) is not { } options || !UpCheck())
        {
            return;
        }

        string filter = (options.Process is { } process ? "&process=" + Escaped(process) : "") + (options.Kind is { } kind ? "&kind=" + Escaped(kind) : "");
        if (options.SinceTime is { } time)
        {
            filter += "&since=" + Escaped(JournalJson.Time(time));
        }

        bool isFirst = options.SinceNumber is null && options.SinceTime is null;
        long cursor = options.SinceNumber ?? 0;
        int left = options.Limit ?? (isFirst ? DefaultEntries : int.MaxValue);
        while (left > 0)
        {
            string path = string.Create(CultureInfo.InvariantCulture, $"/api/v1/events?limit={Math.Min(left, 1000)}{(isFirst ? "&last=1" : $"&after={cursor}")}{filter}");
            if (Get(path, null) is not { } page)
            {
                return;
            }

            using (page)
            {
                left -= Show(page.RootElement, options.IsJson, withNumbers: true);
                cursor = page.RootElement.GetProperty("next").GetInt64();
                if (isFirst || !page.RootElement.GetProperty("more").GetBoolean())
                {
                    break;
                }
            }
        }

        if (options.IsFollowing)
        {
            FollowEvents(string.Create(CultureInfo.InvariantCulture, $"/api/v1/events?follow=1&after={cursor}{filter}"), options.IsJson);
        }
    }

    private void History(string argument)
    {
        if (JournalOptions(argument, HelpTexts.History, names: 1) is not { } options || !UpCheck())
        {
            return;
        }

        string name = options.Name is { } given ? "/" + Escaped(given) : "";
        if (Get(string.Create(CultureInfo.InvariantCulture, $"/api/v1/history{name}?limit={options.Limit ?? DefaultEntries}"), options.Name) is { } page)
        {
            using (page)
            {
                _ = Show(page.RootElement, options.IsJson, withNumbers: false);
            }
        }
    }

    private void Why(string argument)
    {
        if (JournalOptions(argument, HelpTexts.Why, names: 1) is not { } options)
        {
            return;
        }

        if (options.Name is not { } name)
        {
            Usage("Error: why requires a process name", HelpTexts.Why);
            return;
        }

        if (!UpCheck() || Get("/api/v1/why/" + Escaped(name), name) is not { } answer)
        {
            return;
        }

        using (answer)
        {
            if (options.IsJson)
            {
                _out.Line(answer.RootElement.GetRawText());
                return;
            }

            long now = (DateTimeOffset.UtcNow - DateTimeOffset.UnixEpoch).Ticks * 100;
            foreach (string line in StoryOf(answer.RootElement).Lines(now, TimeZoneInfo.Local))
            {
                _out.Line(line);
            }
        }
    }

    private static WhyStory StoryOf(JsonElement story)
    {
        IEnumerable<StoryRow> rows = story.GetProperty("rows").EnumerateArray().Select(static row => new StoryRow(
            WallOf(row.GetProperty("time")), row.GetProperty("what").GetString()!, row.GetProperty("text").GetString()!, TextOf(row, "output")));
        return new WhyStory(
            TextOf(story, "name")!, null, TextOf(story, "headline")!, EquatableList.From(rows), TextOf(story, "next"),
            story.TryGetProperty("next_try", out JsonElement next) ? WallOf(next) : null);
    }

    private static string? TextOf(JsonElement element, string name) => element.TryGetProperty(name, out JsonElement value) ? value.GetString() : null;

    private static long WallOf(JsonElement time) => JournalJson.TryParseTime(time.GetString(), out long wall) ? wall : 0;

    /// <summary>Shows the entries of a page; returns how many there were.</summary>
    private int Show(JsonElement page, bool isJson, bool withNumbers)
    {
        int count = 0;
        foreach (JsonElement element in page.GetProperty("entries").EnumerateArray())
        {
            count++;
            Show(element.GetRawText(), isJson, withNumbers);
        }

        return count;
    }

    private void Show(string json, bool isJson, bool withNumbers)
    {
        if (isJson || !JournalJson.TryReadEntry(Encoding.UTF8.GetBytes(json), out JournalEntry entry))
        {
            _out.Line(json);
            return;
        }

        StoryRow row = WhyStory.Row(entry);
        string number = withNumbers ? entry.Number.ToString(CultureInfo.InvariantCulture).PadLeft(6) + "  " : "";
        _out.Line($"{number}{WhyStory.LocalTime(row.Wall, TimeZoneInfo.Local)}  {entry.Name ?? "-",-24}  {row.What,-8}  {WhyStory.Escaped(row.Text)}");
    }

    /// <summary>Gets a document; null when a refusal has been told.</summary>
    private JsonDocument? Get(string path, string? name)
    {
        _out.Flush();
        Answer<LogStream> opened = LogStream.Open(ServerAddress.Parse(_url), _credentials, path);
        if (opened.Failure is { } failure)
        {
            RefuseJournal(failure, name);
            return null;
        }

        using LogStream stream = opened.Value!;
        using var body = new MemoryStream();
        ReadOnlyMemory<byte> part;
        while (true)
        {
            if (stream.Read(out part) is { } broken)
            {
                throw new CommandFailedException(broken.Describe(_url));
            }

            if (part.IsEmpty)
            {
                break;
            }

            body.Write(part.Span);
        }

        try
        {
            return JsonDocument.Parse(body.ToArray());
        }
        catch (JsonException e)
        {
            throw new CommandFailedException(new TransportFailure(TransportFailureKind.BadAnswer, Detail: e.Message).Describe(_url));
        }
    }

    private void RefuseJournal(TransportFailure failure, string? name)
    {
        if (failure.Kind == TransportFailureKind.Unauthorized)
        {
            throw new CommandFailedException(failure.Describe(_url)) { NeedsLogin = true };
        }

        Refuse(failure.Status switch
        {
            404 when name is not null => $"{name}: ERROR (no such process)",
            501 => NoJournal,
            503 => "ERROR (the journal cannot be read now, the activity log says why: try again)",
            404 => "ERROR (this daemon does not know the journal: it is no Steward, or an older one)",
            400 => "ERROR (the daemon does not understand what was asked: see the kinds in `help events`)",
            _ => throw new CommandFailedException(failure.Describe(_url)),
        });
    }

    private void FollowEvents(string path, bool isJson)
    {
        LogStream? current = null;
        bool interrupted = false;
        using IDisposable interrupt = OnInterrupt(() =>
        {
            Volatile.Write(ref interrupted, true);
            Volatile.Read(ref current)?.Stop();
        });
        _out.Flush();
        Answer<LogStream> opened = LogStream.Open(ServerAddress.Parse(_url), _credentials, path);
        if (opened.Failure is { } failure)
        {
            RefuseJournal(failure, null);
            return;
        }

        using LogStream stream = opened.Value!;
        Volatile.Write(ref current, stream);
        var line = new List<byte>();
        while (!Volatile.Read(ref interrupted) && stream.Read(out ReadOnlyMemory<byte> part) is null && !part.IsEmpty)
        {
            foreach (byte b in part.Span)
            {
                if (b != (byte)'\n')
                {
                    line.Add(b);
                    continue;
                }

                string text = Encoding.UTF8.GetString([.. line]);
                line.Clear();
                if (text.StartsWith("data: ", StringComparison.Ordinal))
                {
                    Show(text["data: ".Length..], isJson, withNumbers: true);
                }
            }

            _out.Flush();
        }

        Volatile.Write(ref current, null);
        if (!Volatile.Read(ref interrupted))
        {
            // The end of a stream that was to go on is worth an exit status.
            Fail(ExitStatus.Generic);
        }
    }

    private static string Escaped(string text) => Uri.EscapeDataString(text).Replace("%3A", ":", StringComparison.Ordinal).Replace("%2C", ",", StringComparison.Ordinal);

    /// <summary>Reads the words of a command; null when something is wrong, which has been told.</summary>
    private JournalWords? JournalOptions(string argument, string help, int names)
    {
        var options = new JournalWords();
        string[] words = Words(argument);
        for (int i = 0; i < words.Length; i++)
        {
            string word = words[i];
            string? value = null;
            int equals = word.IndexOf('=', StringComparison.Ordinal);
            if (word.StartsWith("--", StringComparison.Ordinal) && equals > 0)
            {
                value = word[(equals + 1)..];
                word = word[..equals];
            }

            bool isEvents = names == 0;
            bool wantsValue = word is "--since" or "--process" or "--kind" or "--limit";
            if (wantsValue && value is null && i + 1 < words.Length)
            {
                value = words[++i];
            }

            if (wantsValue == value is null)
            {
                Usage($"Error: {word} {(wantsValue ? "needs" : "takes no")} value", help);
                return null;
            }

            switch (word)
            {
                case "--json":
                    options = options with { IsJson = true };
                    break;
                case "--follow" or "-f" when isEvents:
                    options = options with { IsFollowing = true };
                    break;
                case "--process" when isEvents:
                    options = options with { Process = value };
                    break;
                case "--kind" when isEvents:
                    options = options with { Kind = value };
                    break;
                case "--limit" when int.TryParse(value, NumberStyles.None, CultureInfo.InvariantCulture, out int limit) && limit > 0:
                    options = options with { Limit = limit };
                    break;
                case "--since" when isEvents && long.TryParse(value, NumberStyles.None, CultureInfo.InvariantCulture, out long number):
                    options = options with { SinceNumber = number };
                    break;
                case "--since" when isEvents && DateTimeOffset.TryParse(
                    value, CultureInfo.InvariantCulture, DateTimeStyles.AssumeLocal, out DateTimeOffset time):
                    options = options with { SinceTime = (time - DateTimeOffset.UnixEpoch).Ticks * 100 };
                    break;
                case var _ when !word.StartsWith('-') && names > 0 && options.Name is null:
                    options = options with { Name = word };
                    break;
                default:
                    Usage($"Error: {words[i]} is not understood", help);
                    return null;
            }
        }

        return options;
    }

    private sealed record JournalWords
    {
        public string? Name { get; init; }

        public string? Process { get; init; }

        public string? Kind { get; init; }

        public int? Limit { get; init; }

        public long? SinceNumber { get; init; }

        public long? SinceTime { get; init; }

        public bool IsJson { get; init; }

        public bool IsFollowing { get; init; }
    }
}
