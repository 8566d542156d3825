using System.Globalization;
using System.Net.Sockets;
using System.Text;
using Steward.Core.Config;

namespace Steward.Hooks;

/// <summary>Mails: their text, and the talk with a mail server (RFC 5321, without extensions).</summary>
internal static class HookMail
{
    private const int LineLimit = 900;
    private const int TextLimit = 64 << 10;
    private const int ReplyLimit = 8 << 10;

    /// <summary>Writes the whole mail, lines ended by a line feed.</summary>
    public static string Compose(HookConfig hook, HookFields fields)
    {
        string text = hook.Template is { } template ? HookTemplate.Fill(template, fields.Field) : Text(fields);
        text = text.Replace("\r", "", StringComparison.Ordinal).Replace("\0", "", StringComparison.Ordinal);
        text = text.Length <= TextLimit ? text : text[^TextLimit..];
        bool plain = Ascii.IsValid(text) && text.Split('\n').All(static line => line.Length <= LineLimit);
        DateTime date = DateTime.UnixEpoch.AddTicks(fields.Wall / 100);
        var mail = new StringBuilder();
        mail.Append("From: ").Append(Sender(hook, fields)).Append('\n');
        mail.Append("To: ").Append(hook.Target).Append('\n');
        mail.Append("Subject: ").Append(Encoded($"[{fields.Host}] {fields.Summary}")).Append('\n');
        mail.Append(CultureInfo.InvariantCulture, $"Date: {date:ddd, dd MMM yyyy HH:mm:ss} +0000\n");
        mail.Append(CultureInfo.InvariantCulture, $"Message-ID: <steward.{fields.Delivery}.{fields.Wall}@{Domain(fields.Host)}>\n");
        mail.Append("X-Steward-Delivery: ").Append(fields.Delivery).Append('\n');
        // No answer by a robot.
        mail.Append("Auto-Submitted: auto-generated\nMIME-Version: 1.0\nContent-Type: text/plain; charset=utf-8\n");
        mail.Append("Content-Transfer-Encoding: ").Append(plain ? "7bit" : "base64").Append("\n\n");
        mail.Append(plain ? text : Convert.ToBase64String(Encoding.UTF8.GetBytes(text), Base64FormattingOptions.InsertLineBreaks).Replace("\r", "", StringComparison.Ordinal));
        return mail.Append('\n').ToString();
    }

    /// <summary>Hands a mail to a server.</summary>
    public static async Task<HookAttempt> SendAsync(HookConfig hook, HookFields fields, CancellationToken cancellation)
    {
        using var client = new TcpClient();
        await client.ConnectAsync(hook.SmtpHost!, hook.SmtpPort, cancellation).ConfigureAwait(false);
        NetworkStream stream = client.GetStream();
        await using (stream.ConfigureAwait(false))
        {
            var talk = new Talk(stream, cancellation);
            if (await talk.ReadAsync("the greeting", 220).ConfigureAwait(false) is { } greeting)
            {
                return greeting;
            }

            if (await talk.SayAsync("EHLO " + Domain(fields.Host), 250).ConfigureAwait(false) is not null
                && await talk.SayAsync("HELO " + Domain(fields.Host), 250).ConfigureAwait(false) is { } hello)
            {
                return hello;
            }

            if (await talk.SayAsync($"MAIL FROM:<{Sender(hook, fields)}>", 250).ConfigureAwait(false) is { } sender)
            {
                return sender;
            }

            foreach (string address in hook.Target.Split(", "))
            {
                if (await talk.SayAsync($"RCPT TO:<{address}>", 250).ConfigureAwait(false) is { } recipient)
                {
                    return recipient;
                }
            }

            if (await talk.SayAsync("DATA", 354).ConfigureAwait(false) is { } data)
            {
                return data;
            }

            // A line that is a full stop would end the mail (RFC 5321, 4.5.2).
            string body = Compose(hook, fields).Replace("\n.", "\n..", StringComparison.Ordinal).Replace("\n", "\r\n", StringComparison.Ordinal);
            if (await talk.SayAsync(body + ".", 250, "the mail").ConfigureAwait(false) is { } end)
            {
                return end;
            }

            // It is taken: what the server says to the farewell changes nothing, so it is not waited for.
            await stream.WriteAsync("QUIT\r\n"u8.ToArray(), cancellation).ConfigureAwait(false);
            return HookAttempt.Taken;
        }
    }

    private static string Text(HookFields fields)
    {
        var text = new StringBuilder(fields.Summary).Append("\n\n");
        Line("Event", fields.EventName);
        Line("Program", fields.Name);
        Line("Host", fields.Host);
        Line("Time", fields.Field("time"));
        Line("Reason", fields.Reason);
        Line("Next", fields.Next);
        Line("Next try", fields.Field("next_try"));
        if (fields.Output.Length > 0)
        {
            text.Append("\nThe last lines of its output:\n\n").Append(fields.Output.TrimEnd('\n')).Append('\n');
        }

        return text.ToString();

        void Line(string name, string value)
        {
            if (value.Length > 0)
            {
                text.Append((name + ":").PadRight(10)).Append(value).Append('\n');
            }
        }
    }

    private static string Sender(HookConfig hook, HookFields fields) => hook.From ?? "steward@" + Domain(fields.Host);

    private static string Domain(string host) =>
        host.Length > 0 && host.All(static c => char.IsAsciiLetterOrDigit(c) || c is '-' or '.') ? host : "localhost";

    // RFC 2047, in words of at most 75 characters; ASCII stays as it is.
    private static string Encoded(string text)
    {
        const int SubjectLimit = 200;
        const int RunesOfAWord = 10;
        string line = string.Concat(text.Take(SubjectLimit).Select(static c => char.IsControl(c) ? ' ' : c));
        return Ascii.IsValid(line)
            ? line
            : string.Join(
                "\n ",
                line.EnumerateRunes().Chunk(RunesOfAWord)
                    .Select(static runes => "=?utf-8?B?" + Convert.ToBase64String(Encoding.UTF8.GetBytes(string.Concat(runes.Select(static rune => rune.ToString())))) + "?="));
    }

    private sealed class Talk(NetworkStream stream, CancellationToken cancellation)
    {
        private readonly byte[] _buffer = new byte[ReplyLimit];
        private int _length;

        /// <summary>Says a line and reads the answer; null when it is the wanted one.</summary>
        public async Task<HookAttempt?> SayAsync(string line, int wanted, string? shown = null)
        {
            await stream.WriteAsync(Encoding.UTF8.GetBytes(line + "\r\n"), cancellation).ConfigureAwait(false);
            return await ReadAsync(shown ?? line.Split(':')[0], wanted).ConfigureAwait(false);
        }

        public async Task<HookAttempt?> ReadAsync(string said, int wanted)
        {
            int code = await ReadCodeAsync().ConfigureAwait(false);
            string text = code < 0
                ? $"the mail server closed the connection, or its answer to {said} was too long"
                : string.Create(CultureInfo.InvariantCulture, $"the mail server answered {code} to {said}");
            return code == wanted ? null : code is >= 500 and < 600 ? HookAttempt.Refused(text) : HookAttempt.Later(text);
        }

        // Lines "250-..." go on, "250 ..." is the last one.
        private async Task<int> ReadCodeAsync()
        {
            while (true)
            {
                int end;
                while ((end = _buffer.AsSpan(0, _length).IndexOf((byte)'\n')) < 0)
                {
                    int read = _length < _buffer.Length
                        ? await stream.ReadAsync(_buffer.AsMemory(_length), cancellation).ConfigureAwait(false)
                        : 0;
                    if (read == 0)
                    {
                        return -1;
                    }

                    _length += read;
                }

                string line = Encoding.Latin1.GetString(_buffer, 0, end).TrimEnd('\r');
                _buffer.AsSpan(end + 1, _length - end - 1).CopyTo(_buffer);
                _length -= end + 1;
                if (line.Length >= 3 && int.TryParse(line.AsSpan(0, 3), NumberStyles.None, CultureInfo.InvariantCulture, out int code)
                    && (line.Length == 3 || line[3] != '-'))
                {
                    return code;
                }
            }
        }
    }
}
