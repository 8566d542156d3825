namespace Steward.EndToEnd;

/// <summary>The daemon or its keeper is killed: programs run on, and control is back by itself.</summary>
public sealed class KeeperTests
{
    private const string Programs = """
        [program:web]
        process_name=%(process_num)02d
        numprocs=10
        command=/bin/sleep 100000

        [program:once]
        command=/bin/sh -c 'read line < %(here)s/gate; exit 7'
        autorestart=unexpected
        exitcodes=7
        startsecs=0
        """;

    [Fact]
    public async Task The_daemon_is_killed_and_its_programs_run_on_under_a_successor()
    {
        await using var daemon = new TestDaemon(Programs, "keeper=true");
        await Command.RunAsync("/usr/bin/mkfifo", [Path.Combine(daemon.Folder, "gate")]);
        await daemon.StartAsync();
        foreach (var name in (await daemon.AllAsync()).Keys)
        {
            await daemon.ReachesAsync(name, "RUNNING");
        }

        var before = await daemon.AllAsync();
        for (var i = 1; i <= 5; i++)
        {
            await TestDaemon.SignalAsync(DaemonOf(daemon), "KILL");
            await Waiting.UntilAsync(
                () => daemon.ReadLog().Split("everything is under control again").Length > i, () => $"no successor {i}\n{daemon.ReadLog()}");
            var after = await daemon.AllAsync();
            Assert.All(before, entry => Assert.Equal(("RUNNING", entry.Value.Pid), (after[entry.Key].State, after[entry.Key].Pid)));
        }

        await File.WriteAllTextAsync(Path.Combine(daemon.Folder, "gate"), "\n");
        Assert.Equal(7, (await daemon.ReachesAsync("once", "EXITED")).ExitStatus);
        Assert.Equal(0, await daemon.StopAsync());
    }

    private static int DaemonOf(TestDaemon daemon) => ProcessTable.ChildrenOf(daemon.Pid).Single(
        pid => File.ReadAllText($"/proc/{pid}/cmdline").Contains("--kept", StringComparison.Ordinal));
}
