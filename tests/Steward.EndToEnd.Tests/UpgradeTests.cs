using System.Globalization;
using System.Net.Sockets;
using System.Text;

namespace Steward.EndToEnd;

/// <summary>The daemon gives way to another image of its program, and nobody but the one who asked for it notices.</summary>
public sealed class UpgradeTests
{
    private const string Method = "steward.upgrade";

    // Writes numbered lines, and one that spoils the numbers for every signal that can be caught.
    private const string Counting = """
        command=/bin/sh -c 'for s in HUP INT QUIT USR1 USR2 PIPE CONT; do trap "echo signal" $s; done; i=0; while :; do i=$((i+1)); echo line $i; sleep 0.003; done'
        stopsignal=KILL
        """;

    [Fact]
    public async Task Over_five_upgrades_no_line_is_lost_no_program_notices_and_every_exit_is_known()
    {
        await using var daemon = new TestDaemon($"""
            [program:count]
            process_name=%(process_num)02d
            numprocs=10
            {Counting}

            [program:ender]
            process_name=%(process_num)02d
            numprocs=30
            numprocs_start=10
            command=/bin/sh -c 'sleep 0.$((%(process_num)d * 7919 %% 900 + 100)); sleep $((%(process_num)d %% 7)); exit %(process_num)d'
            autorestart=false
            startsecs=0

            [program:slow]
            command=/bin/sleep 100000
            autostart=false
            startsecs=7
            """);
        await daemon.StartAsync();
        var pid = await daemon.Rpc.CallAsync("supervisor.getPID");
        var before = await daemon.AllAsync();
        var starting = daemon.Rpc.CallAsync("supervisor.startProcess", "slow");
        using var ended = new CancellationTokenSource();
        var clients = Enumerable.Range(0, 2).Select(_ => CallAgainAndAgainAsync(daemon.Socket, ended.Token)).ToArray();
        for (var i = 0; i < 5; i++)
        {
            Assert.Equal(true, await daemon.Rpc.CallAsync(Method));
        }

        Assert.Equal(true, await starting);
        Assert.Equal(pid, await daemon.Rpc.CallAsync("supervisor.getPID"));
        for (var i = 10; i < 40; i++)
        {
            var ender = await daemon.ReachesAsync(string.Create(CultureInfo.InvariantCulture, $"ender:{i}"), "EXITED");
            Assert.Equal(i, ender.ExitStatus);
        }

        await ended.CancelAsync();
        Assert.All(await Task.WhenAll(clients), calls => Assert.InRange(calls, 1, int.MaxValue));
        var after = await daemon.AllAsync();
        foreach (var (name, info) in before.Where(entry => entry.Key.StartsWith("count", StringComparison.Ordinal)))
        {
            Assert.Equal("RUNNING", after[name].State);
            Assert.Equal(info.Pid, after[name].Pid);
            Assert.Equal(daemon.Pid, ProcessTable.Parent(info.Pid));
        }

        Assert.Equal(5, daemon.ReadLog().Split('\n').Count(line => line.Contains(" INFO upgraded from ", StringComparison.Ordinal)));
        Assert.Equal(0, await daemon.StopAsync());
        AssertCounted(daemon, 10);
        Assert.False(File.Exists(daemon.Socket));
        Assert.False(File.Exists(daemon.PidFile));
    }

    [Fact]
    public async Task A_program_that_cannot_take_over_is_refused_with_its_reason_and_everything_goes_on()
    {
        await using var daemon = new TestDaemon($"""
            [program:count]
            process_name=%(process_num)02d
            numprocs=2
            {Counting}
            """);
        await daemon.StartAsync();
        var before = await daemon.AllAsync();
        var script = Script(daemon, "script", "echo I am a script");
        var failing = Script(daemon, "failing", "echo broken >&2; exit 9");
        var truncated = Path.Combine(daemon.Folder, "truncated");
        var whole = await File.ReadAllBytesAsync(Path.Combine(TestDaemon.Bin, "supervisord"));
        await File.WriteAllBytesAsync(truncated, whole[..(whole.Length / 3)]);
        File.SetUnixFileMode(truncated, (UnixFileMode)0x1ED);
        var plain = Path.Combine(daemon.Folder, "plain");
        await File.WriteAllTextAsync(plain, "text");
        var open = Script(daemon, "open", "exit 0");
        File.SetUnixFileMode(open, (UnixFileMode)0x1FF);
        foreach (var (file, reason) in new[]
        {
            (script, "ended with exit status 0): I am a script"),
            (failing, "ended with exit status 9): broken"),
            (truncated, "truncated"),
            (plain, "cannot be executed"),
            (open, "can be written by others than its owner"),
            (daemon.Folder, "is no regular file"),
            (Path.Combine(daemon.Folder, "nothing"), "No such file or directory"),
            ("relative", "is no absolute path"),
        })
        {
            var refused = await Assert.ThrowsAsync<RpcFaultException>(() => daemon.Rpc.CallAsync(Method, file));
            Assert.Equal(30, refused.Code);
            Assert.Contains(reason, refused.Message, StringComparison.Ordinal);
        }

        var hanging = Script(daemon, "hanging", "exec sleep 100000");
        var late = await Assert.ThrowsAsync<RpcFaultException>(() => daemon.Rpc.CallAsync(Method, hanging));
        Assert.Contains("did not come to an end within 10 s", late.Message, StringComparison.Ordinal);
        Assert.Contains("the upgrade is given up: ", daemon.ReadLog(), StringComparison.Ordinal);

        // What was refused has left nothing behind: a good one works.
        Assert.Equal(true, await daemon.Rpc.CallAsync(Method, Path.Combine(TestDaemon.Bin, "supervisord")));
        var after = await daemon.AllAsync();
        Assert.All(before, entry => Assert.Equal(entry.Value.Pid, after[entry.Key].Pid));
        Assert.Equal(2, ProcessTable.ChildrenOf(daemon.Pid).Count);
        Assert.Equal(0, await daemon.StopAsync());
        AssertCounted(daemon, 2);
    }

    [Fact]
    public async Task When_the_new_program_finds_something_wrong_the_one_before_goes_on()
    {
        await using var daemon = new TestDaemon($"""
            [program:count]
            process_name=%(process_num)02d
            numprocs=2
            {Counting}
            """);
        await daemon.StartAsync();
        var before = await daemon.AllAsync();

        // It passes the rehearsal; when it counts, another program takes its place, to which the state is of a foreign kind.
        var program = Path.Combine(TestDaemon.Bin, "supervisord");
        var stranger = await StrangerAsync(daemon);
        var turning = Script(daemon, "turning", $"""
            case "$1" in --resume) exec {stranger} "$@";; esac
            exec {program} "$@"
            """);
        var refused = await Assert.ThrowsAsync<RpcFaultException>(() => daemon.Rpc.CallAsync(Method, turning));
        Assert.Contains("the new program refused: the snapshot is refused: magic", refused.Message, StringComparison.Ordinal);
        await daemon.LogSaysAsync("everything goes on as it was");
        Assert.Equal(daemon.Pid, await daemon.Rpc.CallAsync("supervisor.getPID"));
        var after = await daemon.AllAsync();
        Assert.All(before, entry => Assert.Equal(entry.Value.Pid, after[entry.Key].Pid));
        Assert.Equal(true, await daemon.Rpc.CallAsync(Method, program));
        await daemon.ReachesAsync("count:00", "RUNNING", info => info.Pid == before["count:00"].Pid);
        Assert.Equal(0, await daemon.StopAsync());
        AssertCounted(daemon, 2);
    }

    [Fact]
    public async Task When_the_new_program_cannot_be_executed_after_all_those_who_wait_go_on_waiting()
    {
        await using var daemon = new TestDaemon($"""
            [program:count]
            process_name=%(process_num)02d
            numprocs=2
            {Counting}

            [program:slow]
            command=/bin/sleep 100000
            autostart=false
            startsecs=6
            """);
        await daemon.StartAsync();
        var starting = daemon.Rpc.CallAsync("supervisor.startProcess", "slow");
        await daemon.ReachesAsync("slow", "STARTING");
        var program = Path.Combine(TestDaemon.Bin, "supervisord");
        for (var i = 0; i < 2; i++)
        {
            var fading = Script(daemon, "fading", $"""
                chmod -x "$0"
                exec {program} "$@"
                """);
            var refused = await Assert.ThrowsAsync<RpcFaultException>(() => daemon.Rpc.CallAsync(Method, fading));
            Assert.Contains("Permission denied", refused.Message, StringComparison.Ordinal);
            Assert.Equal(daemon.Pid, await daemon.Rpc.CallAsync("supervisor.getPID"));
        }

        // What waits with servers that have been stopped is handed over all the same.
        Assert.Equal(true, await daemon.Rpc.CallAsync(Method));
        Assert.False(starting.IsCompleted);
        Assert.Equal(true, await starting);
        Assert.Equal(0, await daemon.StopAsync());
        AssertCounted(daemon, 2);
    }

    [Fact]
    public async Task The_words_of_the_daemon_to_itself_are_no_use_to_people()
    {
        foreach (var words in new string[][] { ["--resume", "x"], ["--resume", "0"], ["--gone-back", "1:2", "text"], ["--rehearse-resume", "0"], ["--rehearse-resume", "x"] })
        {
            var finished = await Command.RunAsync(Path.Combine(TestDaemon.Bin, "supervisord"), words);
            Assert.InRange(finished.Status, 1, 3);
            Assert.NotEqual("", finished.Error);
            Assert.DoesNotContain("   at ", finished.Error, StringComparison.Ordinal);
        }
    }

    [Fact]
    public async Task As_process_1_it_is_upgraded_and_goes_on_reaping_orphans()
    {
        DaemonTests.AssertRoot();
        await using var daemon = new TestDaemon($"""
            [program:parent]
            command=/bin/sh -c 'while :; do (sh -c "sleep 0.2; exit 5" &); sleep 0.3; done'
            startsecs=0

            [program:count]
            process_name=%(process_num)02d
            {Counting}
            """);
        daemon.Launch(
            "/usr/bin/unshare",
            ["--pid", "--fork", "--mount-proc", "--kill-child", Path.Combine(TestDaemon.Bin, "supervisord"), "-n", "-c", daemon.Config]);
        await daemon.AnswersAsync();
        for (var i = 0; i < 2; i++)
        {
            Assert.Equal(true, await daemon.Rpc.CallAsync(Method));
            Assert.Equal(1, await daemon.Rpc.CallAsync("supervisor.getPID"));
            var reaped = Reaped();
            await Waiting.UntilAsync(() => Reaped() > reaped + 1, () => "no orphan is reaped any more\n" + daemon.Account());
        }

        var inside = Assert.Single(ProcessTable.ChildrenOf(daemon.Pid));
        Assert.Equal(0, await daemon.StopAsync(inside));
        AssertCounted(daemon, 1);

        int Reaped() => daemon.ReadLog().Split('\n').Count(line => line.Contains("reaped unknown pid", StringComparison.Ordinal));
    }

    [Fact]
    public async Task In_the_background_it_is_upgraded_by_a_signal_reloads_afterwards_and_cleans_up_at_its_end()
    {
        await using var daemon = new TestDaemon("""
            [program:sleeper]
            command=/bin/sleep 100000
            startsecs=0
            """);
        daemon.Launch("/usr/bin/prlimit", ["--nofile=1024:4096", Path.Combine(TestDaemon.Bin, "supervisord"), "-c", "supervisord.conf"]);
        await Waiting.UntilAsync(() => daemon.ExitStatus == 0 && File.Exists(daemon.PidFile), () => "it does not go into the background\n" + daemon.Account());
        await daemon.AnswersAsync();
        var pid = int.Parse(await File.ReadAllTextAsync(daemon.PidFile), CultureInfo.InvariantCulture);
        var before = await daemon.ReachesAsync("sleeper", "RUNNING");
        var limit = Limit(before.Pid);
        await TestDaemon.SignalAsync(pid, "USR1");
        await daemon.LogSaysAsync("received SIGUSR1 indicating upgrade request");
        await daemon.LogSaysAsync(" INFO upgraded from ");
        Assert.Equal(pid, await daemon.Rpc.CallAsync("supervisor.getPID"));
        Assert.Equal(before.Pid, (await daemon.ReachesAsync("sleeper", "RUNNING")).Pid);
        Assert.Equal("supervisord", (await File.ReadAllTextAsync($"/proc/{pid}/comm")).Trim());

        await TestDaemon.SignalAsync(pid, "HUP");
        await Waiting.UntilAsync(
            () => daemon.ReadLog().Split("supervisord started with pid").Length == 3, () => "it does not reload\n" + daemon.Account());
        await daemon.AnswersAsync();
        var again = await daemon.ReachesAsync("sleeper", "RUNNING", info => info.Pid != before.Pid);
        Assert.Equal(limit, Limit(again.Pid));
        Assert.Equal(true, await daemon.Rpc.CallAsync(Method));
        await TestDaemon.SignalAsync(pid, "TERM");
        await Waiting.UntilAsync(() => !ProcessTable.Exists(pid), () => "it does not end\n" + daemon.Account());
        Assert.False(File.Exists(daemon.Socket));
        Assert.False(File.Exists(daemon.PidFile));
        Assert.Empty(daemon.Family());

        static string Limit(int of) => File.ReadLines($"/proc/{of}/limits").First(line => line.StartsWith("Max open files", StringComparison.Ordinal));
    }

    [Fact]
    public async Task Input_captures_and_events_that_are_under_way_arrive()
    {
        await using var daemon = new TestDaemon("");
        var folder = daemon.Folder;
        daemon.WriteConfig($$"""
            [program:reader]
            command=/bin/sh -c 'kill -STOP $$; cat >{{folder}}/got'
            startsecs=0

            [program:capture]
            command=/bin/sh -c 'echo "<!--XSUPERVISOR:BEGIN-->first"; touch {{folder}}/begun; while [ ! -e {{folder}}/go ]; do sleep 0.05; done; echo "second<!--XSUPERVISOR:END-->"; exec sleep 100000'
            stdout_capture_maxbytes=1KB
            startsecs=0

            [eventlistener:listener]
            command=/bin/bash -c 'while :; do echo READY; read head; len=${head##*len:}; read -N "$len" body; echo "$body" >>{{folder}}/events; while [ ! -e {{folder}}/go ]; do sleep 0.05; done; printf "RESULT 2\nOK"; done'
            events=PROCESS_COMMUNICATION,REMOTE_COMMUNICATION
            startsecs=0
            """);
        await daemon.StartAsync();
        var reader = await daemon.ReachesAsync("reader", "RUNNING");
        await Waiting.UntilAsync(() => ProcessTable.State(reader.Pid) == 'T', () => "the reader does not stop\n" + daemon.Account());
        var text = string.Concat(Enumerable.Range(0, 30_000).Select(i => i.ToString("D9", CultureInfo.InvariantCulture) + "\n"));
        Assert.Equal(true, await daemon.Rpc.CallAsync("supervisor.sendProcessStdin", "reader", text));
        await daemon.ReachesAsync("listener", "RUNNING");
        Assert.Equal(true, await daemon.Rpc.CallAsync("supervisor.sendRemoteCommEvent", "kind", "one"));
        Assert.Equal(true, await daemon.Rpc.CallAsync("supervisor.sendRemoteCommEvent", "kind", "two"));
        await Waiting.UntilAsync(
            () => File.Exists(folder + "/begun") && File.Exists(folder + "/events"), () => "nothing is under way\n" + daemon.Account());
        Assert.Equal(true, await daemon.Rpc.CallAsync(Method));
        Assert.Equal(true, await daemon.Rpc.CallAsync(Method));

        await File.WriteAllTextAsync(folder + "/go", "");
        await TestDaemon.SignalAsync(reader.Pid, "CONT");
        await Waiting.UntilAsync(
            () => File.Exists(folder + "/got") && new FileInfo(folder + "/got").Length == text.Length, () => "not all input arrives\n" + daemon.Account());
        Assert.Equal(text, await File.ReadAllTextAsync(folder + "/got"));
        await Waiting.UntilAsync(
            () => File.ReadAllText(folder + "/events").Contains("second", StringComparison.Ordinal), () => "not all events arrive\n" + daemon.Account());
        var events = await File.ReadAllTextAsync(folder + "/events");
        Assert.Contains("first\nsecond", events, StringComparison.Ordinal);
        Assert.Single(events.Split('\n'), line => line.EndsWith("one", StringComparison.Ordinal));
        Assert.Single(events.Split('\n'), line => line.EndsWith("two", StringComparison.Ordinal));
        Assert.Equal(0, await daemon.StopAsync());
    }

    [Fact]
    public async Task A_multicall_goes_on_where_it_was_and_a_fastcgi_socket_stays_open()
    {
        await using var daemon = new TestDaemon("");
        daemon.WriteConfig($"""
            [fcgi-program:app]
            command=/bin/sleep 100000
            socket=unix://{daemon.Folder}/app.sock
            startsecs=0

            [program:slow]
            command=/bin/sh -c 'trap "sleep 2; exit 0" TERM; while :; do sleep 0.1; done'
            startsecs=0
            """);
        await daemon.StartAsync();
        await daemon.ReachesAsync("app", "RUNNING");
        await daemon.ReachesAsync("slow", "RUNNING");
        using var client = new Socket(AddressFamily.Unix, SocketType.Stream, ProtocolType.Unspecified);
        await client.ConnectAsync(new UnixDomainSocketEndPoint(daemon.Socket));
        const string call = "<?xml version='1.0'?><methodCall><methodName>system.multicall</methodName><params><param><value><array><data>"
            + "<value><struct><member><name>methodName</name><value>supervisor.getIdentification</value></member></struct></value>"
            + "<value><struct><member><name>methodName</name><value>supervisor.stopProcess</value></member>"
            + "<member><name>params</name><value><array><data><value>slow</value></data></array></value></member></struct></value>"
            + "<value><struct><member><name>methodName</name><value>supervisor.getPID</value></member></struct></value>"
            + "</data></array></value></param></params></methodCall>";
        await client.SendAsync(Encoding.ASCII.GetBytes($"POST /RPC2 HTTP/1.1\r\nHost: x\r\nContent-Length: {call.Length}\r\n\r\n{call}"));
        await daemon.ReachesAsync("slow", "STOPPING");
        Assert.Equal(true, await daemon.Rpc.CallAsync(Method));
        using var stream = new NetworkStream(client);
        using var reader = new StreamReader(stream);
        var answer = await reader.ReadToEndAsync();
        Assert.Contains($"<value><string>supervisor</string></value>\n<value><boolean>1</boolean></value>\n<value><int>{daemon.Pid}</int></value>", answer, StringComparison.Ordinal);

        using var visitor = new Socket(AddressFamily.Unix, SocketType.Stream, ProtocolType.Unspecified);
        await visitor.ConnectAsync(new UnixDomainSocketEndPoint(daemon.Folder + "/app.sock"));

        // Once after the trial at the start, once at the end of the last user.
        Assert.Equal(1, Closed());
        Assert.Equal(true, await daemon.Rpc.CallAsync("supervisor.stopProcess", "app"));
        await Waiting.UntilAsync(() => Closed() == 2, () => "the socket is not closed\n" + daemon.Account());

        int Closed() => daemon.ReadLog().Split("Closing socket unix://").Length - 1;
    }

    [Fact]
    public async Task While_the_daemon_reloads_or_stops_it_is_refused()
    {
        await using var daemon = new TestDaemon("""
            [program:stubborn]
            command=/bin/sh -c 'trap "" TERM; while :; do sleep 0.1; done'
            startsecs=0
            stopwaitsecs=3
            """);
        await daemon.StartAsync();
        await daemon.ReachesAsync("stubborn", "RUNNING");
        await TestDaemon.SignalAsync(daemon.Pid, "TERM");
        await daemon.LogSaysAsync("indicating exit request");
        var refused = await Assert.ThrowsAsync<RpcFaultException>(() => daemon.Rpc.CallAsync(Method));
        Assert.Equal(6, refused.Code);
        await TestDaemon.SignalAsync(daemon.Pid, "USR1");
        await daemon.LogSaysAsync("ignored SIGUSR1 indicating upgrade request");
        await daemon.EndsAsync();
    }

    [Fact]
    public async Task The_control_tool_asks_for_it_and_says_what_came_of_it()
    {
        await using var daemon = new TestDaemon("""
            [program:sleeper]
            command=/bin/sleep 100000
            startsecs=0
            """);
        await daemon.StartAsync();
        var upgraded = await Command.RunAsync(Path.Combine(TestDaemon.Bin, "steward"), ["-c", daemon.Config, "upgrade"]);
        Assert.Equal((0, "Upgraded supervisord\n"), (upgraded.Status, upgraded.Output));
        var refused = await Command.RunAsync(Path.Combine(TestDaemon.Bin, "steward"), ["-c", daemon.Config, "upgrade", "--binary", "/bin/true"]);
        Assert.Equal(1, refused.Status);
        Assert.StartsWith("ERROR: not upgraded: FAILED: /bin/true does not take this daemon over", refused.Output, StringComparison.Ordinal);
        Assert.Equal(0, await daemon.StopAsync());
    }

    private static string Script(TestDaemon daemon, string name, string body)
    {
        var file = Path.Combine(daemon.Folder, name);
        File.WriteAllText(file, "#!/bin/sh\n" + body + "\n");
        File.SetUnixFileMode(file, (UnixFileMode)0x1ED);
        return file;
    }

    /// <summary>A copy of the program that looks for another mark at the beginning of a state.</summary>
    private static async Task<string> StrangerAsync(TestDaemon daemon)
    {
        var folder = Directory.CreateDirectory(Path.Combine(daemon.Folder, "stranger")).FullName;

        // The program is one file as it is shipped, and a folder as it is built for tests.
        var parts = Directory.GetFiles(TestDaemon.Bin).Where(file => new FileInfo(file).LinkTarget is null);
        var patched = 0;
        foreach (var part in parts)
        {
            var name = Path.GetFileName(part);
            var bytes = await File.ReadAllBytesAsync(part);
            for (var at = 0; bytes.AsSpan(at).IndexOf("STEWSNAP"u8) is >= 0 and var step; patched++)
            {
                at += step;
                bytes[at + 7] = (byte)'Q';
            }

            await File.WriteAllBytesAsync(Path.Combine(folder, name), bytes);
            File.SetUnixFileMode(Path.Combine(folder, name), (UnixFileMode)0x1ED);
        }

        Assert.NotEqual(0, patched);
        return Path.Combine(folder, "steward");
    }

    /// <summary>Every file holds the numbers from 1 on, each once: nothing lost, nothing twice, no signal.</summary>
    private static void AssertCounted(TestDaemon daemon, int files)
    {
        var logs = Directory.GetFiles(daemon.Logs, "*-stdout---*").Where(file => File.ReadLines(file).FirstOrDefault() == "line 1").ToList();
        Assert.Equal(files, logs.Count);
        foreach (var log in logs)
        {
            var lines = File.ReadAllText(log).Split('\n');
            for (var i = 1; i < lines.Length; i++)
            {
                Assert.Equal(string.Create(CultureInfo.InvariantCulture, $"line {i}"), lines[i - 1]);
            }

            // The last may have been cut by the end of its writer.
            Assert.StartsWith(lines[^1], string.Create(CultureInfo.InvariantCulture, $"line {lines.Length}"), StringComparison.Ordinal);
        }
    }

    /// <summary>Connects, calls and closes, over and over; the number of calls, each of which was answered.</summary>
    private static async Task<int> CallAgainAndAgainAsync(string path, CancellationToken ended)
    {
        const string call = "<?xml version='1.0'?><methodCall><methodName>supervisor.getPID</methodName></methodCall>";
        var request = Encoding.ASCII.GetBytes($"POST /RPC2 HTTP/1.1\r\nHost: x\r\nConnection: close\r\nContent-Length: {call.Length}\r\n\r\n{call}");
        var calls = 0;
        for (; !ended.IsCancellationRequested; calls++)
        {
            using var socket = new Socket(AddressFamily.Unix, SocketType.Stream, ProtocolType.Unspecified);
            await socket.ConnectAsync(new UnixDomainSocketEndPoint(path), CancellationToken.None);
            await socket.SendAsync(request, CancellationToken.None);
            using var stream = new NetworkStream(socket);
            using var reader = new StreamReader(stream);
            Assert.Contains("<value><int>", await reader.ReadToEndAsync(CancellationToken.None), StringComparison.Ordinal);
        }

        return calls;
    }
}
