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
            startsecs=0
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
            await TestDaemon.SignalAsync(DaemonOf(daemon.Pid), "KILL");
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

    [Fact]
    public async Task The_daemon_is_killed_while_programs_end_and_the_journal_has_each_end_once()
    {
        const int kills = 5;
        const int programs = 8;
        await using var daemon = new TestDaemon(
            $"""
            [program:job]
            process_name=%(process_num)d
            numprocs={programs}
            command=/bin/sh -c 'n=$(cat %(here)s/n.$0 || echo 0); echo $((n+1)) > %(here)s/n.$0; [ -e %(here)s/stop ] && exec sleep 100000; exit $(((n+1) %% 200))' %(process_num)d
            autorestart=true
            startsecs=0
            """,
            "keeper=true");
        await daemon.StartAsync();
        for (var i = 1; i <= kills; i++)
        {
            var before = Starts().Sum();
            await Waiting.UntilAsync(() => Starts().Sum() >= before + 4 * programs, () => $"nothing ends\n{daemon.ReadLog()}");
            await TestDaemon.SignalAsync(DaemonOf(daemon.Pid), "KILL");
            await Waiting.UntilAsync(
                () => daemon.ReadLog().Split("everything is under control again").Length > i, () => $"no successor {i}\n{daemon.ReadLog()}");
        }

        await File.WriteAllTextAsync(Path.Combine(daemon.Folder, "stop"), "");
        for (var i = 0; i < programs; i++)
        {
            // The one that found the file; whatever ended before it has been told.
            var name = $"job:{i}";
            await daemon.ReachesAsync(name, "RUNNING", info => CommandOf(info.Pid).StartsWith("sleep", StringComparison.Ordinal));
            int[] wanted = [.. Enumerable.Range(1, Starts()[i] - 1).Select(static n => n % 200)];
            int[] codes = [];
            await Waiting.UntilAsync(
                async () => (codes = await EndsAsync(name)).Length >= wanted.Length, () => $"{name}: {codes.Length} of {wanted.Length} ends are told\n{daemon.Account()}");
            Assert.Equal(wanted, codes);
        }

        Assert.Equal(0, await daemon.StopAsync());

        // A file that is just being written counts as 0.
        int[] Starts() => [.. Enumerable.Range(0, programs).Select(i => Path.Combine(daemon.Folder, $"n.{i}")).Select(
            static path => File.Exists(path) && int.TryParse(File.ReadAllText(path), out var n) ? n : 0)];

        async Task<int[]> EndsAsync(string name)
        {
            var events = await Command.RunAsync(
                Path.Combine(TestDaemon.Bin, "steward"), ["-c", daemon.Config, "history", name, "--json", "--limit", "1000"]);
            events.AssertSuccess();
            return [.. events.Output.Split('\n', StringSplitOptions.RemoveEmptyEntries).Select(static line => System.Text.Json.JsonDocument.Parse(line).RootElement)
                .Where(static entry => entry.GetProperty("kind").GetString() == "exit")
                .Select(static entry => entry.GetProperty("fact").GetProperty("code").GetInt32())];
        }
    }

    [Fact]
    public async Task The_keeper_is_killed_and_its_daemon_takes_its_place_and_is_succeeded_itself()
    {
        await using var daemon = await StartAsync();
        var before = await WebAsync(daemon);
        var first = daemon.Pid;
        var second = DaemonOf(first);

        // First the daemon, so that what runs is the keeper's and falls to init, then the keeper; and the same with the programs its own.
        await SignalAsync(DaemonOf(first), "KILL");
        await TakenOverAsync(daemon, first, second);
        second = DaemonOf(first);
        await SignalAsync(first, "KILL");
        await TakenOverAsync(daemon, second, 0);
        Assert.Equal(before, await WebAsync(daemon));
        Assert.Equal(second, await daemon.Rpc.CallAsync("supervisor.getPID"));
        Assert.Equal($"{second}", (await File.ReadAllTextAsync(daemon.PidFile)).Trim());

        // How a program of init ends the kernel tells, or nobody does: it is not made up.
        await File.WriteAllTextAsync(Path.Combine(daemon.Folder, "gate"), "\n");
        Assert.Contains((await daemon.ReachesAsync("once", "EXITED")).ExitStatus, (int[])[7, -1]);

        await daemon.CtlAsync("restart", "web:00");
        var restarted = await daemon.ReachesAsync("web:00", "RUNNING", info => info.Pid != before["web:00"]);
        (await daemon.CtlAsync("stop", "web:01")).AssertSuccess();
        Assert.False(ProcessTable.Exists(before["web:01"]));
        var third = DaemonOf(second);
        await SignalAsync(third, "KILL");
        await TakenOverAsync(daemon, second, third);
        var after = await daemon.AllAsync();
        Assert.Equal(("RUNNING", restarted.Pid), (after["web:00"].State, after["web:00"].Pid));
        Assert.Equal("STOPPED", after["web:01"].State);
        Assert.Equal(before["web:02"], after["web:02"].Pid);
        await daemon.StopAsync(second);
        Assert.False(File.Exists(daemon.PidFile));
        Assert.False(File.Exists(daemon.Socket));
    }

    [Fact]
    public async Task Where_no_successor_comes_to_answer_one_begins_without_the_state_and_output_goes_on()
    {
        await using var daemon = await MakeAsync(Programs + """

            [program:writer]
            command=/bin/sh -c 'i=0; while :; do i=$((i+1)); echo $i; sleep 0.02; done'
            stdout_logfile=%(here)s/writer.log
            """);
        await daemon.StartAsync();
        var before = await WebAsync(daemon);
        var writer = (await daemon.ReachesAsync("writer", "RUNNING")).Pid;
        while (!daemon.ReadLog().Contains("adopted: 'writer'", StringComparison.Ordinal))
        {
            // Three in a row, the later two before they can answer. One that was quicker is where it begins again.
            var controls = Controls();
            for (var i = 0; i < 3; i++)
            {
                var pid = DaemonOf(daemon.Pid);
                await SignalAsync(pid, "KILL");
                await Waiting.UntilAsync(
                    () => ProcessTable.ChildrenOf(daemon.Pid).Any(child => child != pid && CommandOf(child).Contains("--kept", StringComparison.Ordinal)),
                    () => "no successor\n" + daemon.Account());
            }

            await Waiting.UntilAsync(
                () => Controls() > controls || daemon.ReadLog().Contains("adopted: 'writer'", StringComparison.Ordinal), () => "nobody comes\n" + daemon.Account());
        }

        Assert.Equal(before, await WebAsync(daemon));
        Assert.Equal(("RUNNING", writer), await StateAsync());
        var length = new FileInfo(Path.Combine(daemon.Folder, "writer.log")).Length;
        await Waiting.UntilAsync(() => new FileInfo(Path.Combine(daemon.Folder, "writer.log")).Length > length, () => "its output is lost\n" + daemon.Account());
        Assert.Equal(("RUNNING", writer), await StateAsync());
        Assert.DoesNotContain("what it writes is lost", daemon.ReadLog(), StringComparison.Ordinal);
        Assert.Equal(0, await daemon.StopAsync());
        var lines = (await File.ReadAllLinesAsync(Path.Combine(daemon.Folder, "writer.log"))).Select(static line => int.Parse(line, null)).ToList();
        Assert.Equal(lines.Order().Distinct(), lines);

        int Controls() => daemon.ReadLog().Split("under control again").Length;

        async Task<(string, int)> StateAsync()
        {
            var info = (await daemon.AllAsync())["writer"];
            return (info.State, info.Pid);
        }
    }

    [Fact]
    public async Task Both_are_killed_and_the_next_start_takes_on_what_runs_without_a_twin()
    {
        await using var daemon = await StartAsync();
        var before = await WebAsync(daemon);

        // Stopped first: neither has the time to take the other's place.
        int[] both = [daemon.Pid, DaemonOf(daemon.Pid)];
        foreach (var signal in (string[])["STOP", "KILL"])
        {
            foreach (var pid in both)
            {
                await SignalAsync(pid, signal);
            }
        }

        await Waiting.UntilAsync(() => !ProcessTable.Exists(both[1]) && daemon.ExitStatus is not null, () => "they do not die");
        await daemon.StartAsync();
        Assert.Equal(before, await WebAsync(daemon));
        Assert.Equal(10, daemon.Family().Count(pid => CommandOf(pid).StartsWith("/bin/sleep", StringComparison.Ordinal)));
        Assert.Equal(0, await daemon.StopAsync());
    }

    [Fact]
    public async Task Shutdown_leaves_nothing_behind_and_a_reload_keeps_the_keeper()
    {
        await using var daemon = await StartAsync();
        var before = await WebAsync(daemon);
        await SignalAsync(daemon.Pid, "HUP");
        await Waiting.UntilAsync(
            async () => daemon.ReadLog().Split("supervisord started with pid").Length == 3 && (await WebAsync(daemon)).Values.All(pid => pid > 0),
            () => "no reload\n" + daemon.Account());
        Assert.Empty((await WebAsync(daemon)).Values.Intersect(before.Values));
        Assert.Equal(daemon.Pid, await daemon.Rpc.CallAsync("supervisor.getPID"));

        // What was started after the reload is kept like what was started before.
        before = await WebAsync(daemon);
        var pid = DaemonOf(daemon.Pid);
        await SignalAsync(pid, "KILL");
        await TakenOverAsync(daemon, daemon.Pid, pid);
        Assert.Equal(before, await WebAsync(daemon));
        (await daemon.CtlAsync("shutdown")).AssertSuccess();
        await daemon.EndsAsync();
        Assert.Equal(0, daemon.ExitStatus);
        Assert.False(File.Exists(daemon.PidFile));
        Assert.False(File.Exists(daemon.Socket));
    }

    [Fact]
    public async Task An_upgraded_daemon_is_kept_like_the_one_before_and_its_successor_is_of_its_image()
    {
        await using var daemon = await StartAsync();
        var image = Path.Combine(daemon.Folder, "new-steward");
        File.Copy(Path.GetFullPath(Path.Combine(TestDaemon.Bin, "supervisord")), image);
        File.SetUnixFileMode(image, (UnixFileMode)0x1ED);
        var before = await WebAsync(daemon);
        Assert.Equal(true, await daemon.Rpc.CallAsync("steward.upgrade", image));
        Assert.Equal(daemon.Pid, await daemon.Rpc.CallAsync("supervisor.getPID"));

        // The keeper follows.
        await daemon.LogSaysAsync("the keeper goes on as ");
        Assert.Equal(image, ExecutableOf(daemon.Pid));
        await daemon.CtlAsync("restart", "web:00");
        var restarted = await daemon.ReachesAsync("web:00", "RUNNING", info => info.Pid != before["web:00"]);
        before["web:00"] = restarted.Pid;
        var pid = DaemonOf(daemon.Pid);
        await SignalAsync(pid, "KILL");
        await TakenOverAsync(daemon, daemon.Pid, pid);
        Assert.Equal(before, await WebAsync(daemon));
        Assert.Equal(image, ExecutableOf(DaemonOf(daemon.Pid)));
        await File.WriteAllTextAsync(Path.Combine(daemon.Folder, "gate"), "\n");
        Assert.Equal(7, (await daemon.ReachesAsync("once", "EXITED")).ExitStatus);
        Assert.Equal(0, await daemon.StopAsync());
    }

    [Fact]
    public async Task A_keeper_has_no_more_rights_than_its_daemon_and_keeps_it_all_the_same()
    {
        DaemonTests.AssertRoot();
        const UnixFileMode all = (UnixFileMode)0x1FF;
        await using var daemon = new TestDaemon(Programs, "keeper=true\nuser=nobody\nminfds=3000");
        File.SetUnixFileMode(daemon.Folder, all);
        File.SetUnixFileMode(daemon.Logs, all);
        await Command.RunAsync("/usr/bin/mkfifo", ["-m", "666", Path.Combine(daemon.Folder, "gate")]);
        await daemon.StartAsync();
        var before = await WebAsync(daemon);
        AssertNobody(daemon.Pid);
        AssertNobody(DaemonOf(daemon.Pid));

        // A successor is started by what is nobody, and so is the next image of the keeper.
        var pid = DaemonOf(daemon.Pid);
        await SignalAsync(pid, "KILL");
        await TakenOverAsync(daemon, daemon.Pid, pid);
        Assert.Equal(before, await WebAsync(daemon));
        AssertNobody(DaemonOf(daemon.Pid));
        Assert.Equal(true, await daemon.Rpc.CallAsync("steward.upgrade", Path.GetFullPath(Path.Combine(TestDaemon.Bin, "supervisord"))));
        await daemon.LogSaysAsync("the keeper goes on as ");
        AssertNobody(daemon.Pid);
        pid = DaemonOf(daemon.Pid);
        await SignalAsync(pid, "KILL");
        await TakenOverAsync(daemon, daemon.Pid, pid);
        Assert.Equal(before, await WebAsync(daemon));

        // The daemon takes the place of the keeper.
        pid = DaemonOf(daemon.Pid);
        await SignalAsync(daemon.Pid, "KILL");
        await TakenOverAsync(daemon, pid, 0);
        Assert.Equal(before, await WebAsync(daemon));
        AssertNobody(pid);
        AssertNobody(DaemonOf(pid));
        (await daemon.CtlAsync("shutdown")).AssertSuccess();
        await Waiting.UntilAsync(() => !ProcessTable.Exists(pid), () => "it does not end\n" + daemon.Account());
    }

    [Fact]
    public async Task A_reload_that_gives_rights_up_takes_them_from_the_keeper_too()
    {
        DaemonTests.AssertRoot();
        await using var daemon = await StartAsync();
        File.SetUnixFileMode(daemon.Folder, (UnixFileMode)0x1FF);
        File.SetUnixFileMode(daemon.Logs, (UnixFileMode)0x1FF);
        File.SetUnixFileMode(Path.Combine(daemon.Folder, "gate"), (UnixFileMode)0x1B6);
        Assert.Equal(["0", "0", "0", "0"], ProcessTable.Status(daemon.Pid, "Uid").Split('\t'));
        var text = await File.ReadAllTextAsync(daemon.Config);
        await File.WriteAllTextAsync(daemon.Config, text.Replace("keeper=true", "keeper=true\nuser=nobody", StringComparison.Ordinal));
        (await daemon.CtlAsync("reload")).AssertSuccess();
        await Waiting.UntilAsync(() => ProcessTable.Status(daemon.Pid, "Uid").StartsWith("65534", StringComparison.Ordinal), () => "it is still root\n" + daemon.Account());
        AssertNobody(daemon.Pid);
        var before = await WebAsync(daemon);
        var pid = DaemonOf(daemon.Pid);
        AssertNobody(pid);
        await SignalAsync(pid, "KILL");
        await TakenOverAsync(daemon, daemon.Pid, pid);
        Assert.Equal(before, await WebAsync(daemon));
        AssertNobody(DaemonOf(daemon.Pid));

        // The log belongs to root; it is written to all the same, by the successor and by who takes the keeper's place.
        await daemon.LogSaysAsync("[Errno 13] Permission denied; the file of the daemon before stays in use");
        var last = DaemonOf(daemon.Pid);
        await SignalAsync(daemon.Pid, "KILL");
        await TakenOverAsync(daemon, last, 0);
        Assert.Equal(before, await WebAsync(daemon));
        await daemon.LogSaysAsync($"the keeper (pid {daemon.Pid}) died");
        await Waiting.UntilAsync(() => daemon.ReadLog().Split("everything is under control again").Length == 3, () => "it is not said\n" + daemon.Account());
        (await daemon.CtlAsync("shutdown")).AssertSuccess();
        await Waiting.UntilAsync(() => !ProcessTable.Exists(last), () => "it does not end\n" + daemon.Account());
    }

    [Fact]
    public async Task As_process_1_the_keeper_reaps_orphans_and_its_daemon_is_succeeded()
    {
        DaemonTests.AssertRoot();
        await using var daemon = await MakeAsync("""
            [program:parent]
            command=/bin/sh -c 'while :; do (sh -c "sleep 0.2; exit 5" &); sleep 0.3; done'
            startsecs=0

            """ + Programs);
        daemon.Launch(
            "/usr/bin/unshare",
            ["--pid", "--fork", "--mount-proc", "--kill-child", Path.Combine(TestDaemon.Bin, "supervisord"), "-n", "-c", daemon.Config]);
        await daemon.AnswersAsync();
        var keeper = Assert.Single(ProcessTable.ChildrenOf(daemon.Pid));
        var before = await WebAsync(daemon);
        for (var i = 0; i < 2; i++)
        {
            var pid = DaemonOf(keeper);
            await SignalAsync(pid, "KILL");
            await TakenOverAsync(daemon, keeper, pid);
            Assert.Equal(before, await WebAsync(daemon));
            Assert.Equal(1, await daemon.Rpc.CallAsync("supervisor.getPID"));
            if (i == 0)
            {
                // Process 1 itself goes on as another image; if it ended, so would everything.
                var image = Path.Combine(daemon.Folder, "new-steward");
                File.Copy(Path.GetFullPath(Path.Combine(TestDaemon.Bin, "supervisord")), image);
                File.SetUnixFileMode(image, (UnixFileMode)0x1ED);
                Assert.Equal(true, await daemon.Rpc.CallAsync("steward.upgrade", image));
                await daemon.LogSaysAsync("the keeper goes on as ");
                Assert.Equal(image, ExecutableOf(keeper));
                Assert.Equal(before, await WebAsync(daemon));
            }
        }

        await Waiting.UntilAsync(
            () => ProcessTable.ChildrenOf(keeper).All(p => ProcessTable.State(p) != 'Z'), () => "zombies stay\n" + daemon.Account());
        Assert.Equal(0, await daemon.StopAsync(keeper));
    }

    [Fact]
    public async Task More_may_be_held_than_a_process_may_have_at_its_start()
    {
        await using var daemon = await MakeAsync(Programs + """

            [program:many]
            process_name=%(process_num)02d
            numprocs=90
            command=/bin/sleep 100000
            startsecs=0
            """);
        daemon.Launch("/usr/bin/prlimit", ["--nofile=128:4096", Path.Combine(TestDaemon.Bin, "supervisord"), "-n", "-c", daemon.Config]);
        var before = await WebAsync(daemon);
        var limit = LimitOf(before["web:00"]);
        var pid = DaemonOf(daemon.Pid);
        await SignalAsync(pid, "KILL");
        await TakenOverAsync(daemon, daemon.Pid, pid);
        Assert.Equal(before, await WebAsync(daemon));

        // What is started by the successor has the limit that everything had before.
        await daemon.CtlAsync("restart", "web:00");
        Assert.Equal(limit, LimitOf((await daemon.ReachesAsync("web:00", "RUNNING", info => info.Pid != before["web:00"])).Pid));
        Assert.Equal(0, await daemon.StopAsync());

        static string LimitOf(int pid) => File.ReadLines($"/proc/{pid}/limits").Single(line => line.StartsWith("Max open files", StringComparison.Ordinal));
    }

    [Fact]
    public async Task In_the_background_the_pid_file_names_the_keeper_and_the_daemon_is_succeeded()
    {
        await using var daemon = await MakeAsync(Programs);
        daemon.Launch(Path.Combine(TestDaemon.Bin, "supervisord"), ["-c", daemon.Config]);
        await Waiting.UntilAsync(() => daemon.ExitStatus == 0, () => "it does not go into the background\n" + daemon.Account());
        var before = await WebAsync(daemon);
        var keeper = int.Parse(await File.ReadAllTextAsync(daemon.PidFile), null);
        Assert.Equal(keeper, await daemon.Rpc.CallAsync("supervisor.getPID"));
        var pid = DaemonOf(keeper);
        await SignalAsync(pid, "KILL");
        await TakenOverAsync(daemon, keeper, pid);
        Assert.Equal(before, await WebAsync(daemon));
        Assert.Equal(0, await daemon.StopAsync(keeper));
        Assert.False(File.Exists(daemon.PidFile));
    }

    [Theory]
    [InlineData("startretries=often", "-n")]
    [InlineData("startretries=often", "")]
    [InlineData("[inet_http_server]\nport=127.0.0.1:{0}", "-n")]
    [InlineData("[inet_http_server]\nport=127.0.0.1:{0}", "")]
    public async Task A_start_that_fails_says_and_returns_what_it_does_without_a_keeper(string fault, string option)
    {
        using var busy = new System.Net.Sockets.TcpListener(System.Net.IPAddress.Loopback, 0);
        busy.Start();
        var text = "[program:web]\ncommand=/bin/sleep 100000\n" + string.Format(null, fault, ((System.Net.IPEndPoint)busy.LocalEndpoint).Port);
        var runs = new List<(Finished, string)>();
        await using var daemon = new TestDaemon(text);
        foreach (var keeper in (string[])["keeper=false", "keeper=true"])
        {
            File.Delete(daemon.Log);
            daemon.WriteConfig(text, keeper);
            string[] words = option.Length > 0 ? [option] : [];
            var run = await Command.RunAsync(Path.Combine(TestDaemon.Bin, "supervisord"), [.. words, "-c", daemon.Config], folder: daemon.Folder);
            runs.Add((run with { Output = WithoutTimes(run.Output) }, WithoutTimes(daemon.ReadLog())));
            Assert.Empty(daemon.Family());
            Assert.False(File.Exists(daemon.Socket));
            Assert.False(File.Exists(daemon.PidFile));
        }

        Assert.NotEqual(0, runs[0].Item1.Status);
        Assert.Equal(runs[0], runs[1]);
    }

    private static async Task<TestDaemon> MakeAsync(string programs)
    {
        var daemon = new TestDaemon(programs, "keeper=true");
        await Command.RunAsync("/usr/bin/mkfifo", [Path.Combine(daemon.Folder, "gate")]);
        return daemon;
    }

    private static async Task<TestDaemon> StartAsync() => await (await MakeAsync(Programs)).StartAsync();

    /// <summary>The pids of the programs that sleep, once all of them run.</summary>
    private static async Task<Dictionary<string, int>> WebAsync(TestDaemon daemon)
    {
        await daemon.AnswersAsync();
        return await Waiting.ForAsync(
            async () =>
            {
                var web = (await daemon.AllAsync()).Where(entry => entry.Key.StartsWith("web:", StringComparison.Ordinal)).ToList();
                return web.Count == 10 && web.All(entry => entry.Value.State == "RUNNING") ? web.ToDictionary(entry => entry.Key, entry => entry.Value.Pid) : null;
            },
            () => "they do not all run\n" + daemon.Account());
    }

    /// <summary>Waits until another daemon than the one that was killed is the keeper's, and answers.</summary>
    private static Task TakenOverAsync(TestDaemon daemon, int keeper, int killed) => Waiting.UntilAsync(
        async () =>
        {
            if (DaemonsOf(keeper) is not [var pid] || pid == killed)
            {
                return false;
            }

            try
            {
                return (int)((Dictionary<string, object?>)(await daemon.Rpc.CallAsync("supervisor.getState"))!)["statecode"]! == 1;
            }
            catch (Exception e) when (e is HttpRequestException or RpcFaultException)
            {
                return false;
            }
        },
        () => "nobody takes over\n" + daemon.Account());

    private static void AssertNobody(int pid)
    {
        Assert.Equal(["65534", "65534", "65534", "65534"], ProcessTable.Status(pid, "Uid").Split('\t'));
        Assert.Equal(["65534", "65534", "65534", "65534"], ProcessTable.Status(pid, "Gid").Split('\t'));
        Assert.Equal("65534", ProcessTable.Status(pid, "Groups").Trim());
    }

    private static Task SignalAsync(int pid, string signal) => TestDaemon.SignalAsync(pid, signal);

    private static string ExecutableOf(int pid) => File.ResolveLinkTarget($"/proc/{pid}/exe", returnFinalTarget: false)!.FullName;

    private static int DaemonOf(TestDaemon daemon) => DaemonOf(daemon.Pid);

    private static int DaemonOf(int keeper) => DaemonsOf(keeper).Single();

    private static List<int> DaemonsOf(int keeper) => [.. ProcessTable.ChildrenOf(keeper).Where(
        pid => CommandOf(pid) is var words && (words.Contains("--kept", StringComparison.Ordinal) || words.Contains("--resume", StringComparison.Ordinal)))];

    private static string CommandOf(int pid)
    {
        try
        {
            return File.ReadAllText($"/proc/{pid}/cmdline");
        }
        catch (IOException)
        {
            // It ended while we looked.
            return "";
        }
    }

    private static string WithoutTimes(string text) => string.Join('\n', text.Split('\n').Select(line => line.Length > 24 && line[4] == '-' ? line[24..] : line));
}
