using System.Globalization;
using System.Text.RegularExpressions;

namespace Steward.EndToEnd;

/// <summary>The demonstration of examples/demo, and a real web application that is killed and comes back.</summary>
public sealed class DemoTests
{
    [Fact]
    public async Task Every_program_of_the_demo_gets_where_the_configuration_says()
    {
        var (webPort, port) = (TestDaemon.FreePort(), TestDaemon.FreePort());
        await using var daemon = Demo(port, webPort, out var environment);
        await daemon.StartAsync(environment);

        foreach (var name in (string[])
            [
                "web", "worker:worker_00", "worker:worker_01", "worker:worker_02", "worker:worker_03", "chatty", "heartbeat", "watcher",
                "pipeline:ingest", "pipeline:transform", "pipeline:publish",
            ])
        {
            await daemon.ReachesAsync(name, "RUNNING");
        }

        Assert.Equal(13, (await daemon.AllAsync()).Count);

        // One that is restarted whenever it crashes, one that is given up.
        var flaky = await daemon.ReachesAsync("flaky", "RUNNING");
        await daemon.ReachesAsync("flaky", "RUNNING", i => i.Pid != flaky.Pid);
        Assert.Contains("exited: flaky (exit status 3; not expected)", daemon.ReadLog(), StringComparison.Ordinal);
        await daemon.ReachesAsync("broken", "FATAL");
        Assert.Contains("gave up: broken entered FATAL state, too many start retries too quickly", daemon.ReadLog(), StringComparison.Ordinal);

        // A group starts in the order of its programs.
        var log = daemon.ReadLog();
        Assert.True(log.IndexOf("spawned: 'ingest'", StringComparison.Ordinal) < log.IndexOf("spawned: 'transform'", StringComparison.Ordinal));
        Assert.True(log.IndexOf("spawned: 'transform'", StringComparison.Ordinal) < log.IndexOf("spawned: 'publish'", StringComparison.Ordinal));

        // Logs are rotated and stay within what the file allows; a listener has heard of the changes.
        var logs = Path.Combine(daemon.Folder, "logs");
        await Waiting.UntilAsync(() => File.Exists(Path.Combine(logs, "chatty.log.1")), () => "chatty.log is not rotated\n" + daemon.Account());
        Assert.InRange(new FileInfo(Path.Combine(logs, "chatty.log.1")).Length, 256 * 1024, 512 * 1024);
        await Waiting.UntilAsync(
            () => File.Exists(Path.Combine(logs, "state-changes.log"))
                && File.ReadAllText(Path.Combine(logs, "state-changes.log")).Contains("broken", StringComparison.Ordinal),
            () => "the listener has not written of broken\n" + daemon.Account());

        Assert.Equal(0, await daemon.StopAsync());
    }

    [Fact]
    public async Task A_web_application_under_an_application_server_is_killed_and_answers_again()
    {
        var (webPort, port) = (TestDaemon.FreePort(), TestDaemon.FreePort());
        await using var daemon = Demo(port, webPort, out var environment);
        await daemon.StartAsync(environment);
        using var http = new HttpClient { Timeout = TimeSpan.FromSeconds(10) };

        var before = await daemon.ReachesAsync("web", "RUNNING");
        await AnswersFromAsync(before.Pid);
        await TestDaemon.SignalAsync(before.Pid, "KILL");
        var after = await daemon.ReachesAsync("web", "RUNNING", i => i.Pid != before.Pid);
        await AnswersFromAsync(after.Pid);
        Assert.Contains("exited: web (terminated by SIGKILL; not expected)", daemon.ReadLog(), StringComparison.Ordinal);
        Assert.Equal(0, await daemon.StopAsync());

        // The server is the process itself, or one of its workers.
        async Task AnswersFromAsync(int server)
        {
            var last = "nothing";
            await Waiting.UntilAsync(
                async () =>
                {
                    try
                    {
                        last = await http.GetStringAsync(new Uri($"http://127.0.0.1:{webPort}/"));
                    }
                    catch (Exception e) when (e is HttpRequestException or TaskCanceledException)
                    {
                        last = e.Message;
                        return false;
                    }

                    Assert.Contains("supervised as web", last, StringComparison.Ordinal);
                    var pid = int.Parse(Regex.Match(last, @"pid (\d+)").Groups[1].Value, CultureInfo.InvariantCulture);
                    return pid == server || ProcessTable.Parent(pid) == server;
                },
                () => $"no answer from the web application of pid {server}, last: {last}\n{daemon.Account()}");
        }
    }

    private static TestDaemon Demo(int port, int webPort, out (string, string)[] environment)
    {
        var server = ((string, string)[])
            [
                ("/usr/bin/gunicorn", $"/usr/bin/gunicorn --workers 2 --bind 127.0.0.1:{webPort} --access-logfile - app:application"),
                ("/usr/bin/waitress-serve", $"/usr/bin/waitress-serve --listen=127.0.0.1:{webPort} app:application"),
            ];
        var command = server.Where(s => File.Exists(s.Item1)).Select(s => s.Item2).FirstOrDefault();
        Assert.True(command is not null, "neither gunicorn nor waitress is installed (Debian: apt-get install gunicorn)");
        var daemon = new TestDaemon(string.Empty);
        daemon.UseConfig(
            Path.Combine(TestDaemon.Root, "examples/demo/supervisord.conf"),
            Path.Combine(daemon.Folder, "steward.sock"),
            Path.Combine(daemon.Folder, "steward.log"));
        environment =
        [
            ("STEWARD_DEMO_DIR", daemon.Folder),
            ("STEWARD_DEMO_PORT", port.ToString(CultureInfo.InvariantCulture)),
            ("STEWARD_DEMO_WEB_PORT", webPort.ToString(CultureInfo.InvariantCulture)),
            ("STEWARD_DEMO_WEB", command),
        ];
        return daemon;
    }
}
