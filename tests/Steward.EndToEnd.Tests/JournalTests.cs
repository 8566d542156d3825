using System.Diagnostics;
using System.Text.Json;

namespace Steward.EndToEnd;

/// <summary>What happened and why, as the real daemon keeps it and the real tool tells it.</summary>
public sealed class JournalTests
{
    private const string Sleeper = "[program:web]\ncommand=/bin/sleep 100000\nstartsecs=0\n";

    [Fact]
    public async Task Why_tells_of_a_crash_with_its_code_and_its_last_lines()
    {
        await using var daemon = new TestDaemon(Program("echo listening; echo fatal: no database >&2; exit 3", "autorestart=unexpected\nexitcodes=0\nstartretries=0"));
        await daemon.StartAsync();
        await daemon.ReachesAsync("web", "FATAL");
        string story = await WhyAsync(daemon, "web");
        Assert.StartsWith("web is FATAL: it exited with code 3, attempt 1 of 1. Steward has given up.\n", story, StringComparison.Ordinal);
        Assert.Contains("exit code 3, after ", story, StringComparison.Ordinal);
        Assert.Contains("    | listening\n    | fatal: no database\n", story, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Why_tells_of_an_invalid_memory_access()
    {
        await using var daemon = new TestDaemon(Program("echo now; kill -SEGV $$", "autorestart=false\nstartsecs=0"));
        await daemon.StartAsync();
        await daemon.ReachesAsync("web", "EXITED");
        string story = await WhyAsync(daemon, "web");
        Assert.StartsWith("web has EXITED: it was killed by SIGSEGV (an invalid memory access)", story, StringComparison.Ordinal);
        Assert.Contains("    | now\n", story, StringComparison.Ordinal);
        Assert.Contains("Next: nothing by itself. `steward start web` starts it.", story, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Why_tells_a_kill_for_want_of_memory_from_one_by_somebody()
    {
        // Where no memory cgroup can be made only the second half is seen here; the counters have their own tests.
        string? cgroup = MakeCgroup(320L << 20);
        var daemon = new TestDaemon("[program:eater]\ncommand=/usr/bin/tail /dev/zero\nautostart=false\nautorestart=false\nstartsecs=0\n" + Sleeper
            + "autorestart=false\n");
        try
        {
            if (cgroup is not null)
            {
                daemon.Launch("/bin/sh", ["-c", $"echo $$ > {cgroup}/cgroup.procs && exec {TestDaemon.Bin}/supervisord -n -c {daemon.Config}"]);
                await daemon.AnswersAsync();
                await daemon.Rpc.CallAsync("supervisor.startProcess", "eater");
                await daemon.ReachesAsync("eater", "EXITED");
                Assert.StartsWith("eater has EXITED: it was killed by SIGKILL (out of memory).\n", await WhyAsync(daemon, "eater"), StringComparison.Ordinal);
            }
            else
            {
                await daemon.StartAsync();
            }

            Info web = await daemon.ReachesAsync("web", "RUNNING");
            await TestDaemon.SignalAsync(web.Pid, "KILL");
            await daemon.ReachesAsync("web", "EXITED");
            Assert.StartsWith("web has EXITED: it was killed by SIGKILL (by somebody", await WhyAsync(daemon, "web"), StringComparison.Ordinal);
            Assert.Equal(0, await daemon.StopAsync());
        }
        finally
        {
            await daemon.DisposeAsync();
            if (cgroup is not null)
            {
                await Waiting.UntilAsync(() => TryRemove(cgroup), () => cgroup + " cannot be removed");
            }
        }
    }

    [Fact]
    public async Task Why_names_the_operator_who_stopped_it()
    {
        await using var daemon = new TestDaemon(Sleeper);
        await daemon.StartAsync();
        await daemon.ReachesAsync("web", "RUNNING");
        (await daemon.CtlAsync("stop", "web")).AssertSuccess();
        string story = await WhyAsync(daemon, "web");
        Assert.Matches(@"^web is STOPPED: stop was asked for, by uid \d+ \(pid \d+\)\.\n", story);
        Assert.Matches(@"signal +SIGTERM to pid \d+\n", story);
    }

    [Fact]
    public async Task Why_goes_through_the_retries_that_ended_in_fatal()
    {
        await using var daemon = new TestDaemon("[program:web]\ncommand=/no/such/program\nstartretries=1\n");
        await daemon.StartAsync();
        await daemon.ReachesAsync("web", "FATAL");
        string story = await WhyAsync(daemon, "web");
        Assert.StartsWith("web is FATAL: it could not be started: can't find command '/no/such/program', attempt 2 of 2.", story, StringComparison.Ordinal);
        Assert.Contains("could not be started, by autostart: can't find command '/no/such/program' (stage: command)", story, StringComparison.Ordinal);
        Assert.Contains("could not be started, by retry", story, StringComparison.Ordinal);
        Assert.Contains("give up: startretries=1 are used up", story, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Why_shows_what_of_the_configuration_was_changed_and_by_whom()
    {
        await using var daemon = new TestDaemon(Sleeper);
        await daemon.StartAsync();
        await daemon.ReachesAsync("web", "RUNNING");
        daemon.WriteConfig(Sleeper.Replace("100000", "200000", StringComparison.Ordinal) + "environment=TOKEN=\"secret\"\n");
        (await daemon.CtlAsync("update")).AssertSuccess();
        await daemon.ReachesAsync("web", "RUNNING");
        string story = await WhyAsync(daemon, "web");
        Assert.Matches(@"^web is RUNNING again: its configuration was changed, by uid \d+ \(pid \d+\)\.\n", story);
        Assert.Contains("command: /bin/sleep 100000 -> /bin/sleep 200000; environment: +TOKEN", story, StringComparison.Ordinal);
        Assert.DoesNotContain("secret", story, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Events_go_on_behind_a_number_after_the_daemon_was_started_anew()
    {
        await using var daemon = new TestDaemon(Sleeper);
        await daemon.StartAsync();
        await daemon.ReachesAsync("web", "RUNNING");
        long last = (await EventsAsync(daemon)).Max(static entry => entry.Number);
        Assert.Equal(0, await daemon.StopAsync());
        await daemon.StartAsync();
        await daemon.ReachesAsync("web", "RUNNING");

        List<(long Number, string Kind, string Json)> later = await EventsAsync(daemon, "--since", $"{last}");

        Assert.Equal(later.Select(static entry => entry.Number), Enumerable.Range(0, later.Count).Select(i => last + 1 + i));
        Assert.Contains(later, static entry => entry.Json.Contains("\"verb\":\"shutdown\",\"by\":\"SIGTERM\"", StringComparison.Ordinal));
        Assert.Contains(later, static entry => entry.Json.Contains("\"action\":\"stopped\"", StringComparison.Ordinal));
        Assert.Contains(later, static entry => entry.Json.Contains("\"action\":\"started\"", StringComparison.Ordinal));
        Assert.StartsWith("web is RUNNING again: shutdown was asked for, by SIGTERM.\n", await WhyAsync(daemon, "web"), StringComparison.Ordinal);
    }

    [Fact]
    public async Task What_a_killed_daemon_had_written_is_there_for_the_next()
    {
        await using var daemon = new TestDaemon(Sleeper);
        await daemon.StartAsync();
        await daemon.ReachesAsync("web", "RUNNING");
        List<(long Number, string Kind, string Json)> before = await EventsAsync(daemon);
        await TestDaemon.SignalAsync(daemon.Pid, "KILL");
        await Waiting.UntilAsync(() => daemon.ExitStatus is not null, daemon.Account);
        await daemon.StartAsync();
        await daemon.ReachesAsync("web", "RUNNING");

        List<(long Number, string Kind, string Json)> after = await EventsAsync(daemon);

        Assert.Equal(before, after.Take(before.Count));
        Assert.Contains(after.Skip(before.Count), static entry => entry.Kind == "spawn");
    }

    [Fact]
    public async Task A_follower_sees_what_happens()
    {
        await using var daemon = new TestDaemon(Sleeper);
        await daemon.StartAsync();
        await daemon.ReachesAsync("web", "RUNNING");
        using var follower = Process.Start(new ProcessStartInfo(Path.Combine(TestDaemon.Bin, "steward"), ["-c", daemon.Config, "events", "--follow", "--process", "web"])
        {
            RedirectStandardOutput = true,
        })!;
        try
        {
            // The backlog comes first: then it listens.
            while (!(await ReadLineAsync(follower)).Contains("RUNNING with pid", StringComparison.Ordinal))
            {
            }

            (await daemon.CtlAsync("signal", "HUP", "web")).AssertSuccess();
            string asked = await ReadLineAsync(follower);
            Assert.Matches(@"^ +\d+  \S+ \S+  web +asked +signal HUP, by uid \d+ \(pid \d+\)$", asked);
            Assert.Contains("SIGHUP to pid", await ReadLineAsync(follower), StringComparison.Ordinal);
        }
        finally
        {
            follower.Kill();
            await follower.WaitForExitAsync();
        }
    }

    [Fact]
    public async Task Without_a_journal_or_a_process_the_answer_says_so()
    {
        await using (var daemon = new TestDaemon(Sleeper, "journal=NONE"))
        {
            await daemon.StartAsync();
            Finished none = await StewardAsync(daemon, "why", "web");
            Assert.Equal((1, "ERROR (this daemon keeps no journal: set journal= in [supervisord])\n"), (none.Status, none.Output));
            Assert.Empty(Directory.GetFiles(daemon.Folder, "*.journal*"));
        }

        await using (var daemon = new TestDaemon(Sleeper))
        {
            await daemon.StartAsync();
            Finished unknown = await StewardAsync(daemon, "why", "nobody");
            Assert.Equal((1, "nobody: ERROR (no such process)\n"), (unknown.Status, unknown.Output));
            Assert.Equal((1, "nobody: ERROR (no such process)\n"), (await StewardAsync(daemon, "history", "nobody")) is var history ? (history.Status, history.Output) : default);
            Assert.Equal(0, await daemon.StopAsync());
            Assert.Equal(7, (await StewardAsync(daemon, "events")).Status);
        }
    }

    [Fact]
    public async Task A_journal_that_cannot_be_written_is_one_warning_and_no_more()
    {
        await using var daemon = new TestDaemon(Sleeper, "journal=/proc/no/such/place.journal");
        await daemon.StartAsync();
        await daemon.ReachesAsync("web", "RUNNING");
        await daemon.LogSaysAsync("WARN the journal /proc/no/such/place.journal cannot be written");
        Assert.Equal(0, await daemon.StopAsync());
    }

    private static string Program(string script, string more) => $"[program:web]\ncommand=/bin/sh -c '{script}'\n{more}\n";

    private static Task<Finished> StewardAsync(TestDaemon daemon, params string[] words) =>
        Command.RunAsync(Path.Combine(TestDaemon.Bin, "steward"), ["-c", daemon.Config, .. words]);

    private static async Task<string> WhyAsync(TestDaemon daemon, string name)
    {
        Finished why = await StewardAsync(daemon, "why", name);
        why.AssertSuccess();
        return why.Output;
    }

    private static async Task<List<(long Number, string Kind, string Json)>> EventsAsync(TestDaemon daemon, params string[] words)
    {
        Finished events = await StewardAsync(daemon, ["events", "--json", .. words]);
        events.AssertSuccess();
        return [.. events.Output.Split('\n', StringSplitOptions.RemoveEmptyEntries).Select(static line =>
        {
            using JsonDocument entry = JsonDocument.Parse(line);
            return (entry.RootElement.GetProperty("number").GetInt64(), entry.RootElement.GetProperty("kind").GetString()!, line);
        })];
    }

    private static async Task<string> ReadLineAsync(Process process) =>
        await process.StandardOutput.ReadLineAsync().WaitAsync(Waiting.Limit) ?? throw new InvalidOperationException("the follower ended");

    /// <summary>Makes a memory cgroup, of whichever version there is; null where none can be made.</summary>
    private static string? MakeCgroup(long limit)
    {
        foreach ((string root, string key) in ((string, string)[])[("/sys/fs/cgroup/memory", "memory.limit_in_bytes"), ("/sys/fs/cgroup", "memory.max")])
        {
            string path = Path.Combine(root, "steward-e2e-" + Guid.NewGuid().ToString("N"));
            try
            {
                if (!File.Exists(Path.Combine(root, "cgroup.procs")))
                {
                    continue;
                }

                Directory.CreateDirectory(path);
                if (File.Exists(Path.Combine(path, key)))
                {
                    File.WriteAllText(Path.Combine(path, key), $"{limit}");
                    return path;
                }

                Directory.Delete(path);
            }
            catch (Exception e) when (e is IOException or UnauthorizedAccessException)
            {
                // Not ours to make.
            }
        }

        return null;
    }

    private static bool TryRemove(string cgroup)
    {
        try
        {
            Directory.Delete(cgroup);
            return true;
        }
        catch (IOException)
        {
            // Somebody is still in it.
            return false;
        }
    }
}
