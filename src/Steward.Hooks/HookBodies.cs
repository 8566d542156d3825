using System.Buffers;
using System.Text;
using System.Text.Encodings.Web;
using System.Text.Json;
using Steward.Core.Config;
using Steward.Core.Events;

namespace Steward.Hooks;

/// <summary>The bodies that web services want. Each service has a limit; output is cut at its beginning so that the end stays.</summary>
internal static class HookBodies
{
    // The services' own limits: Discord 2000 characters of content, Telegram 4096, Slack 40000 (4000 advised), Teams 28 KB a card,
    // PagerDuty 1024 characters of summary, Opsgenie 130 of message and 15000 of description.
    private const int DiscordLimit = 2000;
    private const int TelegramLimit = 4096;
    private const int ChatLimit = 3500;
    private const int PagerDutySummary = 1024;
    private const int OpsgenieMessage = 130;

    private const HookEvents Good = HookEvents.Running | HookEvents.Healthy;
    private const HookEvents Critical = HookEvents.Fatal | HookEvents.OutOfMemory;
    private const HookEvents Bad = HookEvents.Crash | HookEvents.FailedStart | HookEvents.Backoff | HookEvents.Killed | HookEvents.ConfigRefused;
    private const HookEvents Warning = HookEvents.Unhealthy | HookEvents.LostEvents | HookEvents.Unknown | HookEvents.DaemonRecovered;

    // A template's values stand inside of JSON strings; what HTML would need escaped stays readable.
    private static readonly JavaScriptEncoder Encoder = JavaScriptEncoder.UnsafeRelaxedJsonEscaping;

    /// <summary>Makes the body.</summary>
    /// <param name="hook">The hook.</param>
    /// <param name="fields">The event.</param>
    /// <param name="token">The token, looked up; empty for none.</param>
    public static byte[] Make(HookConfig hook, HookFields fields, string token)
    {
        if (hook.Template is { } template)
        {
            return Encoding.UTF8.GetBytes(HookTemplate.Fill(
                template,
                IsJson(template) ? name => Encoder.Encode(fields.Field(name)) : fields.Field));
        }

        return hook.Format switch
        {
            HookFormat.Slack => Write(writer => writer.WriteString("text", Marked(fields, ChatLimit, Slacked))),
            HookFormat.Discord => Write(writer =>
            {
                writer.WriteString("content", Marked(fields, DiscordLimit, static text => text));
                // Nobody is called by what a program happens to print.
                writer.WriteStartObject("allowed_mentions");
                writer.WriteStartArray("parse");
                writer.WriteEndArray();
                writer.WriteEndObject();
            }),
            HookFormat.Teams => Teams(fields),
            HookFormat.PagerDuty => PagerDuty(fields, token),
            HookFormat.Opsgenie => Opsgenie(fields),
            HookFormat.Telegram => Write(writer =>
            {
                writer.WriteString("chat_id", hook.Chat);
                writer.WriteString("text", Plain(fields, TelegramLimit));
                writer.WriteBoolean("disable_web_page_preview", true);
            }),
            _ => fields.Json(),
        };
    }

    /// <summary>Says whether a template is a JSON document.</summary>
    public static bool IsJson(string template) => template.TrimStart() is ['{' or '[', ..];

    /// <summary>Plain text: what happened, what is next, the last output.</summary>
    public static string Plain(HookFields fields, int limit)
    {
        string head = Head(fields);
        return fields.Output.Length == 0 ? Cut(head, limit) : head + "\n\n" + Last(fields.Output, limit - head.Length - 2);
    }

    private static string Marked(HookFields fields, int limit, Func<string, string> escape)
    {
        string head = Cut(escape(Head(fields)), limit - 16);
        const int Fences = 10;
        string output = fields.Output.TrimEnd('\n').Replace("```", "'''", StringComparison.Ordinal);
        return output.Length == 0 ? head : $"{head}\n```\n{Last(escape(output), limit - head.Length - Fences)}\n```";
    }

    private static string Head(HookFields fields)
    {
        var text = new StringBuilder($"[{fields.Host}] {fields.EventName}: {fields.Summary}");
        if (fields.Reason.Length > 0 && !fields.Summary.Contains(fields.Reason, StringComparison.Ordinal))
        {
            text.Append("\nReason: ").Append(fields.Reason);
        }

        if (fields.Next.Length > 0)
        {
            text.Append("\nNext: ").Append(fields.Next);
        }

        return text.ToString();
    }

    private static byte[] Teams(HookFields fields) => Write(writer =>
    {
        writer.WriteString("type", "message");
        writer.WriteStartArray("attachments");
        writer.WriteStartObject();
        writer.WriteString("contentType", "application/vnd.microsoft.card.adaptive");
        writer.WriteStartObject("content");
        writer.WriteString("$schema", "http://adaptivecards.io/schemas/adaptive-card.json");
        writer.WriteString("type", "AdaptiveCard");
        writer.WriteString("version", "1.4");
        writer.WriteStartArray("body");
        Block(Cut($"[{fields.Host}] {fields.Summary}", ChatLimit), "Bolder", null);
        if (Rest(fields) is { Length: > 0 } rest)
        {
            Block(rest, null, null);
        }

        if (fields.Output.Length > 0)
        {
            Block(Last(fields.Output.TrimEnd('\n'), ChatLimit), null, "Monospace");
        }

        writer.WriteEndArray();
        writer.WriteEndObject();
        writer.WriteEndObject();
        writer.WriteEndArray();

        void Block(string text, string? weight, string? font)
        {
            writer.WriteStartObject();
            writer.WriteString("type", "TextBlock");
            // A single line end is nothing in the card's markdown.
            writer.WriteString("text", text.Replace("\n", "\n\n", StringComparison.Ordinal));
            writer.WriteBoolean("wrap", true);
            if (weight is not null)
            {
                writer.WriteString("weight", weight);
            }

            if (font is not null)
            {
                writer.WriteString("fontType", font);
            }

            writer.WriteEndObject();
        }
    });

    private static string Rest(HookFields fields) => string.Join(
        '\n',
        new[] { fields.Reason.Length > 0 ? "Reason: " + fields.Reason : "", fields.Next.Length > 0 ? "Next: " + fields.Next : "" }
            .Where(static line => line.Length > 0));

    private static byte[] PagerDuty(HookFields fields, string token) => Write(writer =>
    {
        writer.WriteString("routing_key", token);
        writer.WriteString("event_action", (fields.Kind & Good) != 0 ? "resolve" : "trigger");
        writer.WriteString("dedup_key", Cut(Key(fields), 255));
        writer.WriteStartObject("payload");
        writer.WriteString("summary", Cut(fields.Summary, PagerDutySummary));
        writer.WriteString("source", fields.Host);
        writer.WriteString("severity", Severity(fields.Kind));
        writer.WriteString("timestamp", JournalJson.Time(fields.Wall));
        writer.WriteString("component", fields.Name);
        if (fields.Group is { } group)
        {
            writer.WriteString("group", group);
        }

        writer.WriteString("class", fields.EventName);
        writer.WritePropertyName("custom_details");
        writer.WriteRawValue(fields.Json());
        writer.WriteEndObject();
    });

    private static byte[] Opsgenie(HookFields fields) => Write(writer =>
    {
        writer.WriteString("message", Cut(fields.Summary, OpsgenieMessage));
        writer.WriteString("alias", Cut(Key(fields), 512));
        writer.WriteString("description", Plain(fields, 15000));
        writer.WriteString("entity", fields.Name);
        writer.WriteString("source", fields.Host);
        writer.WriteString("priority", (fields.Kind & Critical) != 0 ? "P1" : (fields.Kind & Bad) != 0 ? "P2" : (fields.Kind & Warning) != 0 ? "P3" : "P5");
        writer.WriteStartArray("tags");
        writer.WriteStringValue("steward");
        writer.WriteStringValue(fields.EventName);
        writer.WriteEndArray();
    });

    private static string Key(HookFields fields) => $"steward/{fields.Host}/{fields.Field("identifier")}/{fields.Name}";

    private static string Severity(HookEvents kind) =>
        (kind & Critical) != 0 ? "critical" : (kind & Bad) != 0 ? "error" : (kind & Warning) != 0 ? "warning" : "info";

    private static string Slacked(string text) => text
        .Replace("&", "&amp;", StringComparison.Ordinal).Replace("<", "&lt;", StringComparison.Ordinal).Replace(">", "&gt;", StringComparison.Ordinal);

    private static byte[] Write(Action<Utf8JsonWriter> members)
    {
        var buffer = new ArrayBufferWriter<byte>(1024);
        using (var writer = new Utf8JsonWriter(buffer, JournalJson.WriterOptions))
        {
            writer.WriteStartObject();
            members(writer);
            writer.WriteEndObject();
        }

        return buffer.WrittenSpan.ToArray();
    }

    private static string Cut(string text, int limit)
    {
        if (text.Length <= limit)
        {
            return text;
        }

        int end = Math.Max(0, limit - 1);
        return string.Concat(text.AsSpan(0, end > 0 && char.IsHighSurrogate(text[end - 1]) ? end - 1 : end), "…");
    }

    private static string Last(string text, int limit)
    {
        if (text.Length <= limit)
        {
            return text;
        }

        int start = text.Length - Math.Max(0, limit - 1);
        return string.Concat("…", text.AsSpan(start < text.Length && char.IsLowSurrogate(text[start]) ? start + 1 : start));
    }
}
