using System.Globalization;
using Xunit.Abstractions;

namespace Steward.EndToEnd;

/// <summary>Event listeners as people have them, and as nobody wants them.</summary>
public sealed class ListenerTests(ITestOutputHelper output)
{
    private const string Python = "/usr/bin/python3";

    /// <summary>How long processes flap, seconds, and how many; more by hand: docs/hacking.md.</summary>
    private static readonly int s_flapSeconds = Setting("STEWARD_FLAP_SECONDS", 10);
    private static readonly int s_flapProcesses = Setting("STEWARD_FLAP_PROCESSES", 200);

    [Fact]
    public async Task What_superlance_does_works_unchanged()
    {
        await using var daemon = new TestDaemon("");
        int port = TestDaemon.FreePort();
        string mails = Path.Combine(daemon.Folder, "mails");
        string batch = Path.Combine(daemon.Folder, "batch");
        string states = Path.Combine(daemon.Folder, "states");
        daemon.WriteConfig($"""
            [program:hog]
            command={Script(daemon, "hog", ListenerScripts.Hog)} {daemon.Folder}/hog.ran

            [program:web]
            command={Script(daemon, "web", ListenerScripts.Web)} {port} {daemon.Folder}/web.ran

            [program:crash]
            command=/bin/sh -c 'sleep 2; exit 3'
            autorestart=false

            [program:dud]
            command=/bin/false
            startretries=0

            [eventlistener:memmon]
            command={Script(daemon, "memmon", ListenerScripts.MemMon)} hog=50000000
            events=TICK_5

            [eventlistener:httpok]
            command={Script(daemon, "httpok", ListenerScripts.HttpOk)} web http://127.0.0.1:{port}/
            events=TICK_5

            [eventlistener:crashmail]
            command={Script(daemon, "crashmail", ListenerScripts.CrashMail)} "cat >> {mails}"
            events=PROCESS_STATE
            buffer_size=100

            [eventlistener:fatalmailbatch]
            command={Script(daemon, "fatalmailbatch", ListenerScripts.FatalMailBatch)} "cat >> {batch}"
            events=PROCESS_STATE,TICK_5
            buffer_size=100

            [eventlistener:process_state_monitor]
            command={Script(daemon, "process_state_monitor", ListenerScripts.ProcessStateMonitor)} {states}
            events=PROCESS_STATE,TICK_5
            buffer_size=1000
            """);
        await daemon.StartAsync();
        foreach (string name in (string[])["hog", "web"])
        {
            // The tick may come in the moment in which they are up, before anybody has seen their first pids.
            await daemon.LogSaysAsync($"stopped: {name} (terminated by SIGTERM)");
            await daemon.ReachesAsync(name, "RUNNING");
        }

        await SaysAsync(daemon, mails, "Process crash in group crash exited unexpectedly (pid ");
        await SaysAsync(daemon, batch, "Process dud:dud failed to start too many times");
        await SaysAsync(daemon, states, "dud FATAL\n");
        await SaysAsync(daemon, states, "crash EXITED\n");
        Assert.Contains("from state RUNNING", await File.ReadAllTextAsync(mails), StringComparison.Ordinal);
        Assert.DoesNotContain("UNKNOWN state", daemon.ReadLog(), StringComparison.Ordinal);
        Assert.All(await PoolsAsync(daemon), pool => Assert.Equal((0, 0, 0), (pool.Rejected, pool.Returned, pool.Discarded)));
        Assert.Equal(0, await daemon.StopAsync());
    }

    [Fact]
    public async Task Broken_listeners_harm_neither_the_daemon_nor_each_other()
    {
        const int Events = 300;
        await using var daemon = new TestDaemon("");
        string Pool(string name, string script, string more) => $"""
            [eventlistener:{name}]
            command={Script(daemon, name, script)} {daemon.Folder}/{name}.out
            events=REMOTE_COMMUNICATION
            buffer_size=1000
            {more}

            """;
        daemon.WriteConfig(
            Pool("good", ListenerScripts.Recorder, "")
            + Pool("sleeper", ListenerScripts.Recorder, "")
            + Pool("dying", ListenerScripts.Dying, "autorestart=true\nstartsecs=0")
            + Pool("garbage", ListenerScripts.Garbage, "")
            + Pool("stalling", ListenerScripts.Stalling, "result_timeout=1\nstartsecs=0")
            + Pool("small", ListenerScripts.Garbage, "").Replace("buffer_size=1000", "buffer_size=10", StringComparison.Ordinal));
        await daemon.StartAsync();
        int sleeper = (await daemon.ReachesAsync("sleeper", "RUNNING")).Pid;
        await TestDaemon.SignalAsync(sleeper, "STOP");

        for (int i = 0; i < Events; i++)
        {
            Assert.Equal(true, await daemon.Rpc.CallAsync("supervisor.sendRemoteCommEvent", "n", i.ToString(CultureInfo.InvariantCulture)));
        }

        string[] all = [.. Enumerable.Range(0, Events).Select(i => $"{i} {i} REMOTE_COMMUNICATION type:n {i}")];
        await RecordedAsync(daemon, "good", all);
        await RecordedAsync(daemon, "dying", all);
        await daemon.LogSaysAsync("stalling: gave no result for event 0 within 1 seconds (result_timeout)");
        await daemon.LogSaysAsync("garbage: is stopped and started again, because it is in the UNKNOWN state (unknown_restart)");
        await Waiting.UntilAsync(
            () => daemon.ReadLog().Split("spawned: 'garbage'").Length > 2, () => "garbage is not started again\n" + daemon.Account());

        // What slept catches up, in order, and loses nothing.
        Assert.Empty(Recorded(daemon, "sleeper"));
        await TestDaemon.SignalAsync(sleeper, "CONT");
        await RecordedAsync(daemon, "sleeper", all);

        Dictionary<string, Pool> pools = (await PoolsAsync(daemon)).ToDictionary(pool => pool.Name);
        Assert.Equal((Events, 0, 0), (pools["good"].Delivered, pools["good"].Buffered, pools["good"].Discarded));
        Assert.Equal((Events, 0, 0), (pools["dying"].Delivered, pools["dying"].Buffered, pools["dying"].Discarded));
        Assert.True(pools["dying"].Returned > 0);
        Assert.Equal((0, 0), (pools["stalling"].Delivered, pools["stalling"].Discarded));

        // Beyond the bound it is counted.
        Assert.Equal((Events - 10, 10), (pools["small"].Discarded, pools["small"].Buffered));
        Assert.Equal(0, await daemon.StopAsync());
    }

    [Fact]
    public async Task A_crowd_of_flapping_processes_is_told_to_five_listeners_in_order_and_completely()
    {
        const int Listeners = 5;
        await using var daemon = new TestDaemon("");
        string recorder = Script(daemon, "recorder", ListenerScripts.Recorder);
        daemon.WriteConfig(
            $"""
            [program:flap]
            command=/bin/sleep 2
            process_name=flap%(process_num)04d
            numprocs={s_flapProcesses}
            autostart=false
            autorestart=true
            startsecs=0
            stdout_logfile=NONE
            stderr_logfile=NONE

            """
            + string.Concat(Enumerable.Range(1, Listeners).Select(i => $"""
            [eventlistener:l{i}]
            command={recorder} {daemon.Folder}/l{i}.out
            events=PROCESS_STATE
            buffer_size=100000

            """)),
            "minfds=20000\nloglevel=warn");
        await daemon.StartAsync();
        for (int i = 1; i <= Listeners; i++)
        {
            await daemon.ReachesAsync($"l{i}", "RUNNING");
        }

        long before = ResidentKilobytes(daemon.Pid);
        await daemon.Rpc.CallAsync("supervisor.startProcessGroup", "flap", false);
        await Task.Delay(TimeSpan.FromSeconds(s_flapSeconds / 2.0));
        long halfway = ResidentKilobytes(daemon.Pid);
        await Task.Delay(TimeSpan.FromSeconds(s_flapSeconds / 2.0));
        long during = ResidentKilobytes(daemon.Pid);
        await daemon.Rpc.CallAsync("supervisor.stopProcessGroup", "flap", true);
        List<Pool> pools = [];
        await Waiting.UntilAsync(
            async () =>
            {
                pools = await PoolsAsync(daemon);
                return pools.TrueForAll(pool => pool.Buffered == 0 && !pool.IsBusy);
            },
            () => "the buffers do not become empty: " + string.Join(", ", pools));
        long after = ResidentKilobytes(daemon.Pid);

        string[] first = Recorded(daemon, "l1");
        output.WriteLine(
            $"{s_flapProcesses} processes, {s_flapSeconds} s, {first.Length} events to each of {Listeners} listeners; "
            + $"resident {before} kB before, {halfway} kB halfway, {during} kB at the end, {after} kB when all is still");
        Assert.All(pools, pool => Assert.Equal((0, 0, 0), (pool.Rejected, pool.Returned, pool.Discarded)));
        Assert.True(first.Length > 3 * s_flapProcesses, $"only {first.Length} events");
        for (int i = 1; i <= Listeners; i++)
        {
            string[] lines = Recorded(daemon, $"l{i}");
            Assert.Equal(pools.Single(pool => pool.Name == $"l{i}").Delivered, lines.Length);
            long serial = -1;
            for (int n = 0; n < lines.Length; n++)
            {
                string[] words = lines[n].Split(' ');
                Assert.Equal(n, int.Parse(words[1], CultureInfo.InvariantCulture));
                long next = long.Parse(words[0], CultureInfo.InvariantCulture);
                Assert.True(next > serial, lines[n]);
                serial = next;
            }
        }

        // Of each process, every event follows from the one before.
        var state = new Dictionary<string, string>();
        foreach (string line in first)
        {
            string name = Word(line, "processname:");
            if (state.TryGetValue(name, out string? known))
            {
                Assert.Equal(known, Word(line, "from_state:"));
            }

            state[name] = line.Split(' ')[2]["PROCESS_STATE_".Length..];
        }

        // What the collector keeps at hand for such a rate, and no more with every minute.
        Assert.InRange(after - before, long.MinValue, 128 << 10);
        Assert.InRange(after - halfway, long.MinValue, 64 << 10);
        Assert.Equal(0, await daemon.StopAsync());
    }

    private static int Setting(string name, int missing) =>
        int.TryParse(Environment.GetEnvironmentVariable(name), NumberStyles.None, CultureInfo.InvariantCulture, out int value) ? value : missing;

    private static string Word(string line, string key)
    {
        int at = line.IndexOf(key, StringComparison.Ordinal) + key.Length;
        int end = line.IndexOf(' ', at);
        return end < 0 ? line[at..] : line[at..end];
    }

    private static string Script(TestDaemon daemon, string name, string text)
    {
        string file = Path.Combine(daemon.Folder, name + ".py");
        File.WriteAllText(file, text);
        return $"{Python} {file}";
    }

    private static Task SaysAsync(TestDaemon daemon, string file, string text) => Waiting.UntilAsync(
        () => File.Exists(file) && File.ReadAllText(file).Contains(text, StringComparison.Ordinal),
        () => $"{Path.GetFileName(file)} does not say \"{text}\"\n{daemon.Account()}");

    private static string[] Recorded(TestDaemon daemon, string name)
    {
        string file = Path.Combine(daemon.Folder, name + ".out");
        return File.Exists(file) ? File.ReadAllText(file).Split('\n', StringSplitOptions.RemoveEmptyEntries) : [];
    }

    private static async Task RecordedAsync(TestDaemon daemon, string name, string[] expected)
    {
        await Waiting.UntilAsync(
            () => Recorded(daemon, name).Length >= expected.Length,
            () => $"{name} has {Recorded(daemon, name).Length} of {expected.Length} events\n{daemon.Account()}");
        Assert.Equal(expected, Recorded(daemon, name));
    }

    private static async Task<List<Pool>> PoolsAsync(TestDaemon daemon)
    {
        var pools = (List<object?>)(await daemon.Rpc.CallAsync("steward.getEventPools"))!;
        return [.. pools.Cast<Dictionary<string, object?>>().Select(Pool.From)];
    }

    private static long ResidentKilobytes(int pid) => File.ReadLines($"/proc/{pid}/status")
        .Where(line => line.StartsWith("VmRSS:", StringComparison.Ordinal))
        .Select(line => long.Parse(line.Split((char[]?)null, StringSplitOptions.RemoveEmptyEntries)[1], CultureInfo.InvariantCulture))
        .Single();

    private sealed record Pool(string Name, int Buffered, int Delivered, int Rejected, int Returned, int Discarded, bool IsBusy)
    {
        public static Pool From(Dictionary<string, object?> members) => new(
            (string)members["name"]!,
            (int)members["buffered"]!,
            (int)members["delivered"]!,
            (int)members["rejected"]!,
            (int)members["returned"]!,
            (int)members["discarded"]!,
            ((List<object?>)members["listeners"]!).Cast<Dictionary<string, object?>>().Any(listener => (string)listener["protocol"]! == "BUSY"));
    }
}
