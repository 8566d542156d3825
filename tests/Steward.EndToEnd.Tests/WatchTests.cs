namespace Steward.EndToEnd;

/// <summary>Programs that are watched for their memory and their health.</summary>
public sealed class WatchTests
{
    [Fact]
    public async Task A_program_whose_children_leak_is_restarted_and_another_is_left_alone()
    {
        await using var daemon = new TestDaemon("""
            [program:leak]
            command=/bin/sh -c "python3 -c 'x = bytearray(200 << 20); import time; time.sleep(100000)' & wait"
            stopasgroup=true
            memory_limit=100MB
            memory_check_secs=1

            [program:modest]
            command=/bin/sleep 100000
            memory_limit=100MB
            memory_check_secs=1
            """);
        await daemon.StartAsync();
        var modest = await daemon.ReachesAsync("modest", "RUNNING");
        await daemon.LogSaysAsync("twice in a row above its limit of 100MB: restarting it (restart 1 by memory_limit)");
        await daemon.LogSaysAsync("stopped: leak");
        await daemon.LogSaysAsync("(restart 2 by memory_limit)");
        Assert.Equal(modest.Pid, (await daemon.ReachesAsync("modest", "RUNNING")).Pid);
        Assert.Equal(0, await daemon.StopAsync());
    }

    [Fact]
    public async Task A_server_that_stops_answering_is_restarted()
    {
        var port = TestDaemon.FreePort();
        await using var daemon = new TestDaemon($"""
            [program:web]
            command=python3 -m http.server {port} --bind 127.0.0.1
            stopwaitsecs=1
            health_http=http://127.0.0.1:{port}/
            health_interval=1
            health_timeout=1
            health_failures=2
            health_grace=20
            """);
        await daemon.StartAsync();
        var before = await daemon.ReachesAsync("web", "RUNNING");

        await Waiting.UntilAsync(() => Listens(port), daemon.Account);

        // It takes connections (the kernel does) and says nothing; SIGTERM does not reach it either.
        await TestDaemon.SignalAsync(before.Pid, "STOP");
        await daemon.LogSaysAsync("web is unhealthy: 2 probes failed in a row, the last one: no answer within 1 seconds (waiting for the answer): restarting it");
        await daemon.LogSaysAsync($"killing 'web' ({before.Pid}) with SIGKILL");
        var after = await daemon.ReachesAsync("web", "RUNNING", info => info.Pid != before.Pid);
        Assert.NotEqual(before.Pid, after.Pid);
        Assert.Equal(0, await daemon.StopAsync());
    }

    private static bool Listens(int port)
    {
        using var client = new System.Net.Sockets.TcpClient();
        try
        {
            client.Connect("127.0.0.1", port);
            return true;
        }
        catch (System.Net.Sockets.SocketException)
        {
            return false;
        }
    }

    // The child in the middle is gone at once; the one that stays has left its parent, its group and its session.
    [Theory]
    [InlineData("tree")]
    [InlineData("cgroup")]
    public async Task A_program_whose_grandchildren_daemonise_leaves_nobody_behind(string mode)
    {
        await using var daemon = new TestDaemon($"""
            [program:family]
            command=/bin/sh -c "(setsid sh -c 'sleep 100000 & wait' &);sleep 100000 & exec sleep 100000"
            kill_mode={mode}
            stopwaitsecs=5

            [program:other]
            command=/bin/sh -c "(setsid sleep 100000 &);exec sleep 100000"
            kill_mode={mode}
            """);
        await daemon.StartAsync();
        await daemon.ReachesAsync("family", "RUNNING");
        var other = await daemon.ReachesAsync("other", "RUNNING");

        // The daemon; family: itself, sh and its sleep, the plain child; other: itself and its sleep.
        await Waiting.UntilAsync(() => daemon.Family().Count == 7, () => $"{daemon.Family().Count} processes\n{daemon.Account()}");
        Assert.Equal(0, (await daemon.CtlAsync("stop", "family")).Status);
        Assert.Equal(3, daemon.Family().Count);
        Assert.Contains("still there, told to stop with SIGTERM: 3 processes of family: ", daemon.ReadLog(), StringComparison.Ordinal);
        Assert.Contains("nothing that family left behind is left", daemon.ReadLog(), StringComparison.Ordinal);
        Assert.Equal(other.Pid, (await daemon.ReachesAsync("other", "RUNNING")).Pid);

        // One that ends by itself takes its own with it before it is started again.
        await TestDaemon.SignalAsync(other.Pid, "KILL");
        await daemon.ReachesAsync("other", "RUNNING", info => info.Pid != other.Pid);
        await Waiting.UntilAsync(() => daemon.Family().Count == 3, () => $"{daemon.Family().Count} processes\n{daemon.Account()}");
        Assert.Equal(0, await daemon.StopAsync());
    }

    [Fact]
    public async Task A_socket_file_that_is_deleted_comes_back_again_and_again_and_over_a_reload()
    {
        await using var daemon = new TestDaemon("[program:sleeper]\ncommand=/bin/sleep 100000");
        await daemon.StartAsync();
        var before = await daemon.ReachesAsync("sleeper", "RUNNING");
        for (int i = 0; i < 7; i++)
        {
            File.Delete(daemon.Socket);
            await Waiting.UntilAsync(async () => (await daemon.CtlAsync("status", "sleeper")).Status == 0, daemon.Account);
        }

        // A connection from before is as good as ever, and so is the process.
        Assert.Equal(before.Pid, (await daemon.ReachesAsync("sleeper", "RUNNING")).Pid);
        await daemon.LogSaysAsync($"WARN socket file {daemon.Socket} had vanished and is there again");
        (await daemon.CtlAsync("reload")).AssertSuccess();
        await daemon.AnswersAsync();
        File.Delete(daemon.Socket);
        await Waiting.UntilAsync(async () => (await daemon.CtlAsync("status", "sleeper")).Status == 0, daemon.Account);
        Assert.Equal(0, await daemon.StopAsync());
        Assert.False(File.Exists(daemon.Socket));
    }

    [Fact]
    public async Task What_was_stopped_by_hand_stays_stopped_over_a_restart_of_the_daemon_where_that_is_asked_for()
    {
        await using var daemon = new TestDaemon("""
            [program:kept]
            command=/bin/sleep 100000
            autostart=last

            [program:running]
            command=/bin/sleep 100000
            autostart=last

            [program:forgetful]
            command=/bin/sleep 100000
            """);
        await daemon.StartAsync();
        await daemon.ReachesAsync("kept", "RUNNING");
        (await daemon.CtlAsync("stop", "kept", "forgetful")).AssertSuccess();
        Assert.Equal(0, await daemon.StopAsync());

        await daemon.StartAsync();
        await daemon.ReachesAsync("running", "RUNNING");
        await daemon.ReachesAsync("forgetful", "RUNNING");
        Assert.Equal("STOPPED", (await daemon.AllAsync())["kept"].State);
        await daemon.LogSaysAsync("kept was stopped by hand: it is not started (autostart=last)");

        (await daemon.CtlAsync("start", "kept")).AssertSuccess();
        (await daemon.CtlAsync("stop", "running")).AssertSuccess();
        Assert.Equal(0, await daemon.StopAsync());
        await daemon.StartAsync();
        await daemon.ReachesAsync("kept", "RUNNING");
        Assert.Equal("STOPPED", (await daemon.AllAsync())["running"].State);
        Assert.Equal(0, await daemon.StopAsync());
    }

    [Fact]
    public async Task What_is_disabled_stays_down_over_a_restart_of_the_daemon_and_says_why_until_it_is_enabled()
    {
        await using var daemon = new TestDaemon("""
            [program:web]
            command=/bin/sleep 100000

            [program:other]
            command=/bin/sleep 100000
            """);
        await daemon.StartAsync();
        var web = await daemon.ReachesAsync("web", "RUNNING");
        Assert.Equal((0, "no intents are remembered\n"), Said(await daemon.CtlAsync("intent")));
        Assert.Equal((0, "web: disabled\n"), Said(await daemon.CtlAsync("disable", "web", "--reason", "the disk is full")));
        Assert.Equal((1, "nobody: ERROR (no such process)\n"), Said(await daemon.CtlAsync("disable", "nobody")));

        // What runs goes on.
        Assert.Equal(web.Pid, (await daemon.ReachesAsync("web", "RUNNING")).Pid);
        Assert.Equal(0, await daemon.StopAsync());

        await daemon.StartAsync();
        await daemon.ReachesAsync("other", "RUNNING");
        Assert.Equal("STOPPED", (await daemon.AllAsync())["web"].State);
        await daemon.LogSaysAsync("web is disabled (the disk is full): it is not started");
        Assert.Equal((1, "web: ERROR (FAILED: web is disabled (the disk is full))\n"), Said(await daemon.CtlAsync("start", "web")));
        Assert.Matches(
            @"^web +disabled  the disk is full, by uid \d+ \(pid \d+\), since \d{4}-\d\d-\d\d \d\d:\d\d:\d\d\n$", (await daemon.CtlAsync("intent")).Output);

        var why = (await daemon.CtlAsync("why", "web")).Output;
        Assert.Contains("decided  leave it: web is disabled (the disk is full)\n", why, StringComparison.Ordinal);
        Assert.Matches(@"asked    start, by uid \d+ \(pid \d+\); refused: web is disabled \(the disk is full\)\n", why);
        Assert.EndsWith("Next: nothing by itself, as it is disabled (the disk is full): nobody can start it before `steward enable web`.\n", why, StringComparison.Ordinal);

        Assert.Equal((0, "web: enabled\n"), Said(await daemon.CtlAsync("enable", "web")));
        Assert.Equal((0, "web: started\n"), Said(await daemon.CtlAsync("start", "web")));
        Assert.Equal((0, "no intents are remembered\n"), Said(await daemon.CtlAsync("intent")));
        Assert.Equal(0, await daemon.StopAsync());
    }

    private static (int Status, string Output) Said(Finished result) => (result.Status, result.Output);
}
