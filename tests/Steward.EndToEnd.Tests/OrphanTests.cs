using System.Globalization;

namespace Steward.EndToEnd;

/// <summary>The daemon is killed, its programs live on, and the next daemon finds them.</summary>
public sealed class OrphanTests
{
    /// <summary>Whether the kernel tells how processes end that are not one's own.</summary>
    private static bool KernelTells => Environment.OSVersion.Version >= new Version(6, 15);

    [Fact]
    public async Task The_next_daemon_takes_on_what_runs_and_starts_nothing_twice()
    {
        await using var daemon = new TestDaemon("""
            [program:web]
            process_name=%(process_num)02d
            numprocs=20
            command=/bin/sleep 100000

            [program:once]
            command=/bin/sh -c 'read line < %(here)s/gate; exit 7'
            autorestart=unexpected
            exitcodes=7

            [program:last]
            command=/bin/sleep 100000

            [program:gone]
            command=/bin/sleep 100000
            """);
        await Command.RunAsync("/usr/bin/mkfifo", [Path.Combine(daemon.Folder, "gate")]);
        await daemon.StartAsync();
        foreach (var name in (await daemon.AllAsync()).Keys)
        {
            await daemon.ReachesAsync(name, "RUNNING");
        }

        var before = await daemon.AllAsync();
        await KillAsync(daemon);
        await EndAsync(before["gone"].Pid);

        await daemon.StartAsync();

        var after = await daemon.AllAsync();
        foreach (var (name, info) in before.Where(static entry => entry.Key != "gone"))
        {
            Assert.Equal(("RUNNING", info.Pid), (after[name].State, after[name].Pid));
            Assert.NotEqual(daemon.Pid, ProcessTable.Parent(info.Pid));
            Assert.Contains($"adopted: '{name.Split(':')[^1]}' with pid {info.Pid}, which an earlier daemon started", daemon.ReadLog(), StringComparison.Ordinal);
        }

        // What ended is started as at any start.
        Assert.Contains($"ended while no daemon ran, and nobody observed how: gone (pid {before["gone"].Pid})", daemon.ReadLog(), StringComparison.Ordinal);
        Assert.NotEqual(before["gone"].Pid, (await daemon.ReachesAsync("gone", "RUNNING")).Pid);
        AssertNoTwins(daemon, 20, 1);

        // It can be stopped; and what is started again is a child like any other.
        Assert.Equal(true, await daemon.Rpc.CallAsync("supervisor.stopProcess", "web:03"));
        await daemon.ReachesAsync("web:03", "STOPPED");
        Assert.False(ProcessTable.Exists(before["web:03"].Pid) && ProcessTable.State(before["web:03"].Pid) != 'Z');
        Assert.Equal(true, await daemon.Rpc.CallAsync("supervisor.startProcess", "web:03"));
        Assert.Equal(daemon.Pid, ProcessTable.Parent((await daemon.ReachesAsync("web:03", "RUNNING")).Pid));

        // Its end is known where the kernel tells it, and guessed nowhere.
        await File.WriteAllTextAsync(Path.Combine(daemon.Folder, "gate"), "\n");
        var once = await daemon.ReachesAsync("once", "EXITED");
        Assert.Equal(KernelTells ? 7 : -1, once.ExitStatus);
        await daemon.LogSaysAsync(KernelTells ? "exited: once (exit status 7; expected)" : "exited: once (unobserved)");

        // An upgrade keeps watching them.
        Assert.Equal(true, await daemon.Rpc.CallAsync("steward.upgrade"));
        Assert.Equal(before["last"].Pid, (await daemon.ReachesAsync("last", "RUNNING")).Pid);
        await TestDaemon.SignalAsync(before["last"].Pid, "KILL");
        await daemon.ReachesAsync("last", "RUNNING", info => info.Pid != before["last"].Pid);
        Assert.Equal(0, await daemon.StopAsync());
        Assert.False(File.Exists(daemon.PidFile + ".adopt"));
    }

    [Fact]
    public async Task Killed_again_and_again_in_the_middle_of_its_starts_it_starts_nothing_twice()
    {
        await using var daemon = new TestDaemon("""
            [program:web]
            process_name=%(process_num)03d
            numprocs=100
            command=/bin/sleep 100000
            """);
        for (var i = 0; i < 8; i++)
        {
            var count = daemon.Family().Count;
            daemon.Launch(Path.Combine(TestDaemon.Bin, "supervisord"), ["-n", "-c", daemon.Config]);

            // Somewhere between its first and its last start.
            var pid = daemon.Pid;
            await Waiting.UntilAsync(
                () => daemon.Family().Count(one => one != pid) >= Math.Min(100, count + 1 + (i * 3)), () => "nothing starts\n" + daemon.Account());
            await KillAsync(daemon);
        }

        await daemon.StartAsync();
        await daemon.ReachesAsync("web:099", "RUNNING");
        await Waiting.UntilAsync(
            async () => (await daemon.AllAsync()).Values.All(static info => info.State == "RUNNING"), () => "not all run\n" + daemon.Account());
        var all = await daemon.AllAsync();
        Assert.Equal(
            all.Values.Select(static info => info.Pid).Order(), daemon.Family().Where(pid => pid != daemon.Pid).Order());
        Assert.Equal(0, await daemon.StopAsync());
    }

    [Fact]
    public async Task With_orphan_policy_stop_they_end_first_and_hold_nobody_up()
    {
        await using var daemon = new TestDaemon(
            """
            [program:deaf]
            command=/bin/sh -c 'trap "" TERM; exec sleep 100000'
            stopwaitsecs=2

            [program:polite]
            command=/bin/sleep 100000

            [program:manual]
            command=/bin/sleep 100000
            autostart=false

            [program:unknown]
            command=/bin/sleep 100000
            """,
            "orphan_policy=stop");
        await daemon.StartAsync();
        Assert.Equal(true, await daemon.Rpc.CallAsync("supervisor.startProcess", "manual"));
        foreach (var name in (await daemon.AllAsync()).Keys)
        {
            await daemon.ReachesAsync(name, "RUNNING");
        }

        var before = await daemon.AllAsync();
        await KillAsync(daemon);
        var config = await File.ReadAllTextAsync(daemon.Config);
        await File.WriteAllTextAsync(daemon.Config, config[..config.IndexOf("[program:unknown]", StringComparison.Ordinal)]);

        await daemon.StartAsync();

        Assert.NotEqual(before["polite"].Pid, (await daemon.ReachesAsync("polite", "RUNNING", info => info.Pid != before["polite"].Pid)).Pid);
        await daemon.ReachesAsync("deaf", "RUNNING", info => info.Pid != before["deaf"].Pid);
        await daemon.ReachesAsync("manual", "STOPPED");
        await daemon.LogSaysAsync("killing 'deaf'");
        await daemon.LogSaysAsync($"the configuration does not know any more; they are stopped: unknown (pid {before["unknown"].Pid})");
        foreach (var (_, info) in before)
        {
            await Waiting.UntilAsync(
                () => ProcessTable.State(info.Pid) is null or 'Z', () => $"{info.FullName} lives on as {info.Pid}\n{daemon.Account()}");
        }

        Assert.Equal(0, await daemon.StopAsync());
    }

    [Fact]
    public async Task One_that_the_configuration_does_not_know_any_more_is_left_alone_and_one_that_changed_is_told_of()
    {
        await using var daemon = new TestDaemon("""
            [program:changed]
            command=/bin/sleep 100000

            [program:unknown]
            command=/bin/sleep 100000
            """);
        await daemon.StartAsync();
        var changed = await daemon.ReachesAsync("changed", "RUNNING");
        var unknown = await daemon.ReachesAsync("unknown", "RUNNING");
        await KillAsync(daemon);
        daemon.WriteConfig("""
            [program:changed]
            command=/bin/sleep 200000
            """);

        await daemon.StartAsync();

        Assert.Equal(changed.Pid, (await daemon.ReachesAsync("changed", "RUNNING")).Pid);
        await daemon.LogSaysAsync($"changed (pid {changed.Pid}) runs with an older configuration until it is started again");
        await daemon.LogSaysAsync($"they are left alone: unknown (pid {unknown.Pid})");
        Assert.True(ProcessTable.Exists(unknown.Pid));
        await EndAsync(unknown.Pid);
        Assert.Equal(0, await daemon.StopAsync());
    }

    [Fact]
    public async Task A_second_daemon_is_refused_and_told_why_even_where_no_socket_is_in_its_way()
    {
        await using var daemon = new TestDaemon("""
            [program:web]
            command=/bin/sleep 100000
            """);
        await daemon.StartAsync();
        var web = await daemon.ReachesAsync("web", "RUNNING");

        // Its sockets would not keep a second one away.
        var config = await File.ReadAllTextAsync(daemon.Config);
        await File.WriteAllTextAsync(daemon.Config, config.Replace(daemon.Socket, daemon.Socket + "2", StringComparison.Ordinal));
        var second = await Command.RunAsync(Path.Combine(TestDaemon.Bin, "supervisord"), ["-n", "-c", daemon.Config]);
        Assert.Equal(2, second.Status);
        Assert.Contains(
            string.Create(CultureInfo.InvariantCulture, $"another supervisord (pid {daemon.Pid}) runs with the configuration {daemon.Config}"),
            second.Error,
            StringComparison.Ordinal);
        Assert.True(ProcessTable.Exists(web.Pid));
        AssertNoTwins(daemon, 0, 1);
        Assert.Equal(0, await daemon.StopAsync());
    }

    private static void AssertNoTwins(TestDaemon daemon, int numbered, int of)
    {
        var sleepers = daemon.Family().Count(pid => File.ReadAllText($"/proc/{pid}/cmdline").Contains("sleep", StringComparison.Ordinal));
        Assert.Equal(numbered == 0 ? of : numbered + 2, sleepers);
    }

    private static async Task KillAsync(TestDaemon daemon)
    {
        await TestDaemon.SignalAsync(daemon.Pid, "KILL");
        await Waiting.UntilAsync(() => daemon.ExitStatus is not null, () => "it is not dead");
    }

    private static async Task EndAsync(int pid)
    {
        await TestDaemon.SignalAsync(pid, "KILL");
        await Waiting.UntilAsync(() => ProcessTable.State(pid) is null or 'Z', () => $"{pid} does not end");
    }
}
