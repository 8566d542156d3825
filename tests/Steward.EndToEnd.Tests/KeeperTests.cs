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

    [Fact]
    public async Task The_daemon_is_killed_under_programs_that_write_and_each_line_is_in_the_logs_once()
    {
        const int kills = 8;
        await using var daemon = new TestDaemon(
            """
            [program:busy]
            process_name=%(process_num)d
            numprocs=2
            command=/bin/sh -c 'i=0; while [ ! -e %(here)s/stop ]; do i=$((i+1)); echo $i; done; echo end'
            autorestart=false
            stdout_logfile=%(here)s/busy.%(process_num)d
            stdout_logfile_maxbytes=100KB
            stdout_logfile_backups=5000
            """,
            "keeper=true");
        await daemon.StartAsync();
        for (var i = 1; i <= kills; i++)
        {
            var written = Written("0") + Written("1");
            await Waiting.UntilAsync(() => Written("0") + Written("1") > written, () => $"nothing is written\n{daemon.ReadLog()}");
            await TestDaemon.SignalAsync(DaemonOf(daemon), "KILL");
            await Waiting.UntilAsync(
                () => daemon.ReadLog().Split("everything is under control again").Length > i, () => $"no successor {i}\n{daemon.ReadLog()}");
        }

        await File.WriteAllTextAsync(Path.Combine(daemon.Folder, "stop"), "");
        foreach (var name in (string[])["0", "1"])
        {
            await daemon.ReachesAsync($"busy:{name}", "EXITED");
            var lines = string.Concat(Logs(name).OrderByDescending(Number).Select(File.ReadAllText)).Split('\n');
            Assert.Equal("end", lines[^2]);
            for (var i = 0; i < lines.Length - 2; i++)
            {
                Assert.Equal((i + 1).ToString(System.Globalization.CultureInfo.InvariantCulture), lines[i]);
            }
        }

        Assert.Equal(0, await daemon.StopAsync());

        string[] Logs(string name) => Directory.GetFiles(daemon.Folder, $"busy.{name}*");

        // A file that is renamed while it is looked at counts as nothing; it counts at the next look.
        long Written(string name) => Logs(name).Sum(static path => new FileInfo(path) is { Exists: true } file ? file.Length : 0);

        static int Number(string path) =>
            int.TryParse(path.AsSpan(path.LastIndexOf('.') + 1), out var number) && Path.GetFileName(path).Count(static c => c == '.') == 2 ? number : 0;
    }

    private static int DaemonOf(TestDaemon daemon) => ProcessTable.ChildrenOf(daemon.Pid).Single(
        pid => File.ReadAllText($"/proc/{pid}/cmdline").Contains("--kept", StringComparison.Ordinal));
}
