using System.Collections.Concurrent;
using System.Net;
using System.Net.Sockets;
using System.Text;
using Steward.Core.Config;

namespace Steward.Hooks.Tests;

public static class MailTests
{
    /// <summary>A mail server that takes one mail after the other; it may refuse.</summary>
    private sealed class MailServer : IDisposable
    {
        private readonly TcpListener _listener = new(IPAddress.Loopback, 0);
        private readonly Func<string, string?> _answer;

        /// <summary>Listens.</summary>
        /// <param name="answer">An answer to a line that is not the ordinary one; null for the ordinary one.</param>
        public MailServer(Func<string, string?>? answer = null)
        {
            _answer = answer ?? (static _ => null);
            _listener.Start();
            _ = AcceptAsync();
        }

        public int Port => ((IPEndPoint)_listener.LocalEndpoint).Port;

        public ConcurrentQueue<string> Said { get; } = [];

        public ConcurrentQueue<string> Mails { get; } = [];

        public void Dispose() => _listener.Stop();

        private async Task AcceptAsync()
        {
            try
            {
                while (true)
                {
                    using TcpClient client = await _listener.AcceptTcpClientAsync();
                    await TalkAsync(client.GetStream());
                }
            }
            catch (Exception e) when (e is SocketException or ObjectDisposedException or IOException)
            {
                // The end of the test.
            }
        }

        private async Task TalkAsync(Stream stream)
        {
            using var reader = new StreamReader(stream, Encoding.Latin1);
            await SayAsync("220-mail\r\n220 server");
            while (await reader.ReadLineAsync() is { } line)
            {
                Said.Enqueue(line);
                if (_answer(line) is { } other)
                {
                    await SayAsync(other);
                }
                else if (line.StartsWith("EHLO", StringComparison.Ordinal))
                {
                    await SayAsync("250-server\r\n250-SIZE 1000\r\n250 8BITMIME");
                }
                else if (line == "DATA")
                {
                    await SayAsync("354 go on");
                    var mail = new StringBuilder();
                    while (await reader.ReadLineAsync() is { } data && data != ".")
                    {
                        mail.Append(data.StartsWith('.') ? data[1..] : data).Append('\n');
                    }

                    Mails.Enqueue(mail.ToString());
                    await SayAsync("250 taken");
                }
                else if (line == "QUIT")
                {
                    return;
                }
                else
                {
                    await SayAsync("250 fine");
                }
            }

            async Task SayAsync(string text) => await stream.WriteAsync(Encoding.ASCII.GetBytes(text + "\r\n"));
        }
    }

    private static HookConfig Hook(string to = "ops@example.org") => new() { Name = "ops", Kind = HookKind.Mail, Target = to };

    public sealed class GivenAMailServer
    {
        [Fact]
        public async Task When_a_program_crashes_Then_a_mail_with_its_last_lines_arrives()
        {
            using var server = new MailServer();
            using World world = new World().With(
                Hook("ops@example.org, root") with { SmtpHost = "127.0.0.1", SmtpPort = server.Port, From = "steward@example.org" });

            world.Crashes(output: "one\n.\n..two\n");
            await world.UntilAsync(static status => status.Delivered == 1);

            string mail = Assert.Single(server.Mails);
            Assert.Contains("From: steward@example.org\nTo: ops@example.org, root\nSubject: [box] web: exit code 3, after 5.4s; not expected\n", mail);
            Assert.Contains("\nDate: Fri, 15 Jan 2027 08:00:00 +0000\n", mail);
            Assert.Contains("\nReason:   autorestart=unexpected", mail);
            Assert.EndsWith("The last lines of its output:\n\none\n.\n..two\n\n", mail);
            Assert.Equal(
                ["EHLO box", "MAIL FROM:<steward@example.org>", "RCPT TO:<ops@example.org>", "RCPT TO:<root>", "DATA"], server.Said.Take(5));
        }

        [Fact]
        public async Task When_there_is_more_than_ASCII_Then_it_is_encoded()
        {
            using var server = new MailServer();
            using World world = new World().With(Hook() with { SmtpHost = "127.0.0.1", SmtpPort = server.Port });

            world.Crashes("wäb", output: "schöne Grüße\n");
            await world.UntilAsync(static status => status.Delivered == 1);

            string[] parts = Assert.Single(server.Mails).Split("\n\n", 2);
            Assert.Contains("Content-Transfer-Encoding: base64", parts[0]);
            Assert.Contains("Subject: =?utf-8?B?", parts[0]);
            Assert.True(Ascii.IsValid(parts[0] + parts[1]));
            Assert.Contains("schöne Grüße", Encoding.UTF8.GetString(Convert.FromBase64String(parts[1])));
        }

        [Theory]
        [InlineData("MAIL", "451 later", 1, "the mail server answered 451 to MAIL FROM")]
        [InlineData("RCPT", "450 greylisted", 1, "the mail server answered 450 to RCPT TO")]
        [InlineData("RCPT", "550 nobody here", 0, "the mail server answered 550 to RCPT TO")]
        public async Task When_it_refuses_for_now_or_for_good_Then_that_makes_the_difference(string command, string answer, int delivered, string error)
        {
            int asked = 0;
            using var server = new MailServer(
                line => line.StartsWith(command, StringComparison.Ordinal) && Interlocked.Increment(ref asked) == 1 ? answer : null);
            using World world = new World().With(Hook() with { SmtpHost = "127.0.0.1", SmtpPort = server.Port });

            world.Crashes();
            await world.UntilAsync(status => status.Delivered + status.Failed == 1);

            Assert.Equal((delivered, error), (world.Status.Delivered, world.Status.LastError));
        }

        [Fact]
        public async Task When_it_answers_without_end_Then_it_is_not_read_without_end()
        {
            using var server = new MailServer(static line => line.StartsWith("EHLO", StringComparison.Ordinal) ? new string('2', 100_000) : null);
            using World world = new World().With(Hook() with { SmtpHost = "127.0.0.1", SmtpPort = server.Port, Retries = 0 });

            world.Crashes();
            await world.UntilAsync(static status => status.Failed == 1);

            Assert.NotNull(world.Status.LastError);
        }
    }

    [Collection(ProgramsCollection.Name)]
    public sealed class GivenASendmail
    {
        [Fact]
        public async Task When_a_program_crashes_Then_it_gets_the_mail_on_stdin()
        {
            using var programs = new Programs();
            string got = Path.Combine(programs.Folder, "got");
            string script = programs.Script($"echo \"$@\" > {got}.new\ncat >> {got}.new\nmv {got}.new {got}\n");
            using World world = new World(programs.Processes).With(Hook() with { SendMail = script + " -t -i" });

            world.Crashes(output: "the end\n");
            await world.UntilAsync(static status => status.Delivered == 1);

            string mail = await File.ReadAllTextAsync(got);
            Assert.StartsWith("-t -i\nFrom: steward@box\nTo: ops@example.org\nSubject: [box] web: exit code 3, after 5.4s; not expected\n", mail);
            Assert.EndsWith("\n\nthe end\n\n", mail);
        }
    }
}
