using System.Globalization;
using System.Net;
using System.Net.Security;
using System.Net.Sockets;
using System.Security.Cryptography;
using System.Security.Cryptography.X509Certificates;
using System.Text;
using System.Text.Json;
using Steward.Core.Config;
using Steward.Core.Events;
using Steward.Core.Model;

namespace Steward.Hooks.Tests;

public static class DeliveryTests
{
    public sealed class GivenAServiceThatWorks
    {
        [Fact]
        public async Task When_a_program_crashes_Then_it_is_told_why_and_what_is_next()
        {
            using var server = new WebServer(static (_, _) => 204);
            using World world = new World().With(World.Url(server.Url));

            long number = world.Crashes();
            await world.UntilAsync(static status => status.Delivered == 1);

            Request request = Assert.Single(server.Requests);
            Assert.Equal("POST /in/secret-path HTTP/1.1", request.Line);
            Assert.Equal(number.ToString(CultureInfo.InvariantCulture), request.Headers["x-steward-delivery"]);
            Assert.Equal("application/json; charset=utf-8", request.Headers["content-type"]);
            JsonElement body = JsonDocument.Parse(request.Body).RootElement;
            Assert.Equal("crash", body.GetProperty("event").GetString());
            Assert.Equal(3, body.GetProperty("exit").GetProperty("code").GetInt32());
            Assert.Equal("one\ntwo <&> \"three\"\n", body.GetProperty("output").GetString());
            Assert.Equal("it is started again", body.GetProperty("next").GetString());
            Assert.Equal(("RUNNING", "EXITED"), (body.GetProperty("from").GetString(), body.GetProperty("to").GetString()));
        }

        [Fact]
        public async Task When_a_secret_is_configured_Then_time_and_body_are_signed()
        {
            using var server = new WebServer(static (_, _) => 200);
            string file = Path.GetTempFileName();
            await File.WriteAllTextAsync(file, "hunter2\n");
            using World world = new World().With(World.Url(server.Url) with { Secret = "file:" + file, Headers = [KeyValuePair.Create("x-team", "ops")] });

            world.Crashes();
            await world.UntilAsync(static status => status.Delivered == 1);

            File.Delete(file);
            Request request = Assert.Single(server.Requests);
            string stamp = request.Headers["x-steward-timestamp"];
            byte[] signed = [.. Encoding.ASCII.GetBytes(stamp + "."), .. request.Bytes];
            Assert.Equal("sha256=" + Convert.ToHexStringLower(HMACSHA256.HashData("hunter2"u8, signed)), request.Headers["x-steward-signature"]);
            Assert.InRange(long.Parse(stamp, CultureInfo.InvariantCulture), DateTimeOffset.UtcNow.ToUnixTimeSeconds() - 60, DateTimeOffset.UtcNow.ToUnixTimeSeconds() + 1);
            Assert.Equal("ops", request.Headers["x-team"]);
            Assert.DoesNotContain("hunter2", request.Body + world.Log.All);
        }

        [Fact]
        public async Task When_many_things_happen_Then_they_arrive_in_order()
        {
            using var server = new WebServer(static (_, _) => 200);
            using World world = new World().With(World.Url(server.Url) with { Events = HookEvents.Running });

            long[] numbers = [.. Enumerable.Range(1, 200).Select(i => world.Happens(
                new StateFact(ProcessState.Starting, ProcessState.Running), "p" + i % 7, incarnation: i))];
            await world.UntilAsync(static status => status.Delivered == 200);

            Assert.Equal(numbers.Select(n => n.ToString(CultureInfo.InvariantCulture)), server.Requests.Select(r => r.Headers["x-steward-delivery"]));
        }

        [Fact]
        public async Task When_something_is_not_subscribed_Then_it_is_not_told()
        {
            using var server = new WebServer(static (_, _) => 200);
            using World world = new World().With(World.Url(server.Url) with { Programs = ["db*"], Events = HookEvents.Crash });

            world.Crashes("web");
            world.Happens(new ExitFact(1, 0, null, null, true, null, 5), "db1", "db");
            world.Happens(new DaemonFact(DaemonAction.Started, "1", 1));
            world.Happens(new ExitFact(1, 1, null, null, false, null, 5), "db1", "db", incarnation: 2);
            await world.UntilAsync(static status => status.Delivered == 1);

            Assert.Equal("db:db1", JsonDocument.Parse(Assert.Single(server.Requests).Body).RootElement.GetProperty("name").GetString());
        }

        [Fact]
        public async Task When_a_program_becomes_FATAL_Then_the_end_of_its_last_run_goes_with_it()
        {
            using var server = new WebServer(static (_, _) => 200);
            using World world = new World().With(World.Url(server.Url) with { Events = HookEvents.Fatal });

            world.Happens(new SpawnFact(null, "can't find command 'x'", "exec"), incarnation: 4);
            world.Happens(new DecisionFact(DecisionKind.GiveUp, "startretries=3 are used up", Tries: 4, Limit: 3), incarnation: 4);
            world.Happens(new StateFact(ProcessState.Backoff, ProcessState.Fatal), incarnation: 4);
            await world.UntilAsync(static status => status.Delivered == 1);

            JsonElement body = JsonDocument.Parse(Assert.Single(server.Requests).Body).RootElement;
            Assert.Equal("web is FATAL: could not be started: can't find command 'x' (stage: exec)", body.GetProperty("summary").GetString());
            Assert.Equal("nothing by itself; `steward start web` tries again", body.GetProperty("next").GetString());
            Assert.Equal("can't find command 'x'", body.GetProperty("failed_start").GetProperty("error").GetString());
        }

        [Fact]
        public async Task When_it_is_tested_Then_the_answer_says_how_it_went()
        {
            using var server = new WebServer(static (_, number) => number == 0 ? 200 : 403);
            using World world = new World().With(World.Url(server.Url));

            Assert.Null(await world.Runner.TestAsync("ops")!);
            Assert.Equal("the answer was 403: the secret, token or URL is not accepted", await world.Runner.TestAsync("ops")!);

            Assert.Null(world.Runner.TestAsync("nobody"));
            Assert.All(server.Requests, request => Assert.True(JsonDocument.Parse(request.Body).RootElement.GetProperty("test").GetBoolean()));
            Assert.Equal((1, 1, 0), (world.Status.Delivered, world.Status.Failed, world.Status.Waiting));
        }
    }

    public sealed class GivenAServiceThatFails
    {
        [Fact]
        public async Task When_it_is_down_for_a_while_Then_it_gets_everything_in_order_after_it_is_back()
        {
            int port = WebServer.FreePort();
            string url = string.Create(CultureInfo.InvariantCulture, $"http://127.0.0.1:{port}/in/secret-path");
            using World world = new World().With(World.Url(url));
            long[] numbers = [.. Enumerable.Range(1, 20).Select(i => world.Crashes(incarnation: i))];
            await world.UntilAsync(static status => status.LastError is not null);
            Assert.Equal((0, 20, 0), (world.Status.Delivered, world.Status.Waiting, world.Status.Failed));
            Assert.Equal("connection refused", world.Status.LastError);

            using var server = new WebServer(static (_, _) => 200, port);
            await world.UntilAsync(static status => status.Delivered == 20);

            Assert.Equal(numbers.Select(n => n.ToString(CultureInfo.InvariantCulture)), server.Requests.Select(r => r.Headers["x-steward-delivery"]));
            Assert.Equal(0, world.Status.Waiting);
            string warning = Assert.Single(world.Log.Of(LogLevel.Warn));
            Assert.Equal("Warn hook 'ops': web crash is tried again later: connection refused", warning);
            Assert.Contains("hook 'ops': delivers again after", Assert.Single(world.Log.Of(LogLevel.Info)));
            Assert.DoesNotContain("secret-path", world.Log.All + world.Status);
        }

        [Theory]
        [InlineData(500, "the answer was 500")]
        [InlineData(429, "the answer was 429")]
        [InlineData(WebServer.HangUp, "the connection was closed before the answer")]
        [InlineData(WebServer.HalfAnAnswer, "the connection was closed before the answer")]
        [InlineData(WebServer.Hang, "no answer within 1 s")]
        public async Task When_it_fails_once_Then_the_event_comes_again_with_the_same_number(int status, string error)
        {
            using var server = new WebServer((_, number) => number == 0 ? status : 200);
            using World world = new World().With(World.Url(server.Url) with { Timeout = 1 });

            world.Crashes();
            await world.UntilAsync(static status => status.Delivered == 1);

            Assert.Equal(error, world.Status.LastError);
            Assert.Equal(2, server.Requests.Count);
            Assert.Single(server.Requests.Select(request => request.Headers["x-steward-delivery"]).Distinct());
        }

        [Theory]
        [InlineData(404, "the answer was 404")]
        [InlineData(301, "the answer was 301, a redirect to another place; name that place itself")]
        public async Task When_it_refuses_Then_the_event_is_given_up_and_the_next_one_sent(int status, string error)
        {
            using var server = new WebServer((_, number) => number == 0 ? status : 200);
            using World world = new World().With(World.Url(server.Url));

            world.Crashes(incarnation: 1);
            world.Crashes(incarnation: 2);
            await world.UntilAsync(static status => status.Delivered == 1);

            Assert.Equal((1, error), (world.Status.Failed, world.Status.LastError));
            Assert.Contains("is given up", Assert.Single(world.Log.Of(LogLevel.Warn)));
        }

        [Fact]
        public async Task When_it_redirects_to_another_scheme_Then_nobody_follows()
        {
            using var other = new WebServer(static (_, _) => 200);
            using var server = new WebServer(static (_, _) => 307) { MoreHead = $"Location: {other.Url}\r\n" };
            using World world = new World().With(World.Url(server.Url));

            world.Crashes();
            await world.UntilAsync(static status => status.Failed == 1);

            Assert.Empty(other.Requests);
            Assert.Single(server.Requests);
        }

        [Fact]
        public async Task When_it_redirects_within_itself_Then_the_body_goes_there()
        {
            using var server = new WebServer(static (request, _) => request.Line.Contains("/next", StringComparison.Ordinal) ? 200 : 308)
            {
                MoreHead = "Location: /next\r\n",
            };
            using World world = new World().With(World.Url(server.Url));

            world.Crashes();
            await world.UntilAsync(static status => status.Delivered == 1);

            Assert.Equal(2, server.Requests.Count);
            Assert.Single(server.Requests.Select(request => request.Body).Distinct());
        }

        [Fact]
        public async Task When_its_certificate_is_not_trusted_Then_nothing_is_sent()
        {
            using var key = RSA.Create(2048);
            var order = new CertificateRequest("CN=127.0.0.1", key, HashAlgorithmName.SHA256, RSASignaturePadding.Pkcs1);
            using X509Certificate2 certificate = order.CreateSelfSigned(DateTimeOffset.UtcNow.AddDays(-1), DateTimeOffset.UtcNow.AddDays(1));
            using var listener = new TcpListener(IPAddress.Loopback, 0);
            listener.Start();
            using World world = new World().With(
                World.Url($"https://127.0.0.1:{((IPEndPoint)listener.LocalEndpoint).Port}/in/secret-path") with { Retries = 0 });

            world.Crashes();
            using (TcpClient client = await listener.AcceptTcpClientAsync())
            {
                using var tls = new SslStream(client.GetStream());
                await tls.AuthenticateAsServerAsync(certificate);
                byte[] sent = new byte[1];
                // The end of the stream, or of the connection: no byte of a request either way.
                int length = 0;
                try
                {
                    length = await tls.ReadAsync(sent);
                }
                catch (IOException)
                {
                }

                Assert.Equal(0, length);
            }

            await world.UntilAsync(static status => status.Failed == 1);
            Assert.Equal("TLS: the certificate or the handshake was not accepted", world.Status.LastError);
        }

        [Fact]
        public async Task When_retries_are_used_up_Then_it_is_given_up()
        {
            using var server = new WebServer(static (_, _) => 500);
            using World world = new World().With(World.Url(server.Url) with { Retries = 2 });

            world.Crashes();
            await world.UntilAsync(static status => status.Failed == 1);

            Assert.Equal(3, server.Requests.Count);
        }

        [Fact]
        public async Task When_the_secret_is_gone_Then_it_is_said_and_tried_again()
        {
            using var server = new WebServer(static (_, _) => 200);
            string file = Path.Combine(Path.GetTempPath(), "steward-hooks-" + Guid.NewGuid().ToString("N"));
            using World world = new World().With(World.Url(server.Url) with { Secret = "file:" + file });

            world.Crashes();
            await world.UntilAsync(static status => status.LastError is not null);
            Assert.Contains(file, world.Status.LastError);
            await File.WriteAllTextAsync(file, "s");
            await world.UntilAsync(static status => status.Delivered == 1);
            File.Delete(file);
        }

        [Theory]
        [InlineData(1, 1000)]
        [InlineData(2, 2000)]
        [InlineData(6, 32000)]
        [InlineData(7, 60000)]
        [InlineData(1000, 60000)]
        public void When_it_goes_on_failing_Then_the_waits_grow_to_a_minute(int failures, int milliseconds) =>
            Assert.Equal(milliseconds, new HookTimings().RetryAfter(failures).TotalMilliseconds);
    }

    public sealed class GivenBounds
    {
        [Fact]
        public async Task When_the_queue_is_full_Then_the_oldest_goes_and_it_is_counted_and_said_once()
        {
            int port = WebServer.FreePort();
            string url = string.Create(CultureInfo.InvariantCulture, $"http://127.0.0.1:{port}/");
            using World world = new World(timings: World.Quick with { FirstRetry = TimeSpan.FromMilliseconds(200) })
                .With(World.Url(url) with { QueueSize = 5 });
            world.Crashes(incarnation: 1);
            await world.UntilAsync(static status => status.LastError is not null);

            long[] numbers = [.. Enumerable.Range(2, 20).Select(i => world.Crashes(incarnation: i))];
            Assert.InRange(world.Status.Waiting, 5, 6);
            Assert.InRange(world.Status.Dropped, 15, 16);
            Assert.Single(world.Log.Of(LogLevel.Warn), line => line.Contains("all there is room for", StringComparison.Ordinal));

            using var server = new WebServer(static (_, _) => 200, port);
            await world.UntilAsync(static status => status.Waiting == 0);

            Assert.Equal(21, world.Status.Delivered + world.Status.Dropped);
            Assert.Equal(
                numbers[^5..].Select(n => n.ToString(CultureInfo.InvariantCulture)), server.Requests.Select(r => r.Headers["x-steward-delivery"]).TakeLast(5));
            Assert.Contains("events were dropped so far", world.Log.All);
        }

        [Fact]
        public async Task When_the_target_hangs_Then_whoever_tells_does_not_wait()
        {
            using var server = new WebServer(static (_, _) => WebServer.Hang);
            using World world = new World(timings: World.Quick with { StopLimit = TimeSpan.FromMilliseconds(50) }).With(World.Url(server.Url));

            for (int i = 1; i <= 3000; i++)
            {
                world.Crashes(incarnation: i);
            }

            // None has been answered: had one of them been waited for, this would not be reached before its timeout of ten seconds.
            Assert.Equal(0, world.Status.Delivered + world.Status.Failed);
            Assert.InRange(world.Status.Waiting, 1000, 1001);
            await Waiting.UntilAsync(() => !server.Requests.IsEmpty, () => world.Log.All);
        }

        [Fact]
        public async Task When_the_same_happens_again_too_soon_Then_one_message_stands_for_all()
        {
            using var server = new WebServer(static (_, _) => 200);
            using World world = new World().With(World.Url(server.Url) with { MinInterval = 1, Events = HookEvents.Crash | HookEvents.Running });

            for (int i = 1; i <= 10; i++)
            {
                world.Crashes(code: i, incarnation: i);
            }

            world.Crashes("db", incarnation: 1);
            world.Happens(new StateFact(ProcessState.Starting, ProcessState.Running), incarnation: 11);
            await world.UntilAsync(static status => status.Delivered == 4);

            JsonElement[] bodies = [.. server.Requests.Select(request => JsonDocument.Parse(request.Body).RootElement)];
            Assert.Equal(
                ["web crash", "web:db crash", "web running", "web crash"],
                bodies.Select(body => body.GetProperty("name").GetString() + " " + body.GetProperty("event").GetString()));
            Assert.Equal((8, 10), (bodies[3].GetProperty("repeats").GetInt32(), bodies[3].GetProperty("exit").GetProperty("code").GetInt32()));
            Assert.EndsWith("(8 more since the last message)", bodies[3].GetProperty("summary").GetString());
        }
    }

    public sealed class GivenAChange
    {
        [Fact]
        public async Task When_a_reload_keeps_name_and_target_Then_what_waits_is_kept()
        {
            int port = WebServer.FreePort();
            HookConfig hook = World.Url(string.Create(CultureInfo.InvariantCulture, $"http://127.0.0.1:{port}/"));
            using World world = new World().With(hook);
            world.Crashes(incarnation: 1);
            await world.UntilAsync(static status => status.LastError is not null);

            world.With(hook with { Secret = "now signed" });
            world.Crashes(incarnation: 2);
            using var server = new WebServer(static (_, _) => 200, port);
            await world.UntilAsync(static status => status.Delivered == 2);

            Assert.All(server.Requests, request => Assert.Contains("x-steward-signature", request.Headers.Keys));
        }

        [Fact]
        public async Task When_a_hook_goes_Then_what_waits_for_it_is_dropped_and_said()
        {
            using World world = new World().With(World.Url("http://127.0.0.1:1/"));
            world.Crashes(incarnation: 1);
            await world.UntilAsync(static status => status.LastError is not null);
            world.Crashes(incarnation: 2);

            world.With();
            world.Crashes(incarnation: 3);

            Assert.Empty(world.Runner.Status);
            await Waiting.UntilAsync(() => world.Log.All.Contains("removed or sent elsewhere", StringComparison.Ordinal), () => world.Log.All);
        }

        [Fact]
        public async Task When_the_daemon_ends_Then_what_waits_is_tried_at_once()
        {
            using var server = new WebServer(static (_, _) => 200);
            var world = new World(timings: World.Quick with { Settle = TimeSpan.FromHours(1) });
            world.With(World.Url(server.Url));
            world.Crashes(incarnation: 1);
            world.Crashes(incarnation: 2);

            await Task.Run(world.Dispose);

            Assert.Equal(2, server.Requests.Count);
            Assert.Empty(world.Log.Of(LogLevel.Warn));
        }

        [Fact]
        public async Task When_the_daemon_ends_and_the_target_hangs_Then_what_is_left_is_said()
        {
            using var server = new WebServer(static (_, _) => WebServer.Hang);
            var processes = new NoProcesses();
            var world = new World(processes, World.Quick with { StopLimit = TimeSpan.FromMilliseconds(100) });
            world.With(World.Url(server.Url));
            world.Crashes(incarnation: 1);
            world.Crashes(incarnation: 2);

            await Task.Run(world.Dispose);

            Assert.Equal("Warn hook 'ops': the daemon ends, and 2 events were not delivered in time", Assert.Single(world.Log.Of(LogLevel.Warn)));
            Assert.True(processes.IsEnded);
        }
    }
}
