using System.Globalization;
using System.Security.Cryptography;

namespace Steward.EndToEnd;

/// <summary>The daemon as a process among processes.</summary>
public sealed class DaemonTests
{
    private const string Sleeper = """
        [program:sleeper]
        command=/bin/sleep 100000
        startsecs=0
        """;

    [Fact]
    public async Task Two_thousand_programs_run_and_keep_the_descriptor_limit_of_the_caller()
    {
        await using var daemon = new TestDaemon("""
            [program:many]
            command=/bin/sleep 100000
            process_name=%(process_num)04d
            numprocs=2000
            """);
        // 1,024 descriptors are fewer than the pipes and files of 2,000 programs: the daemon has to raise its own limit.
        daemon.Launch("/usr/bin/prlimit", ["--nofile=1024:16384", Path.Combine(TestDaemon.Bin, "supervisord"), "-n", "-c", daemon.Config]);
        await daemon.AnswersAsync();
        Dictionary<string, Info> all = [];
        await Waiting.UntilAsync(
            async () => (all = await daemon.AllAsync()).Values.All(i => i.State == "RUNNING"),
            () => $"{all.Values.Count(i => i.State != "RUNNING")} programs are not RUNNING\n{daemon.Account()}");
        Assert.Equal(2000, all.Values.Select(i => i.Pid).Distinct().Count());
        Assert.All(all.Values, i => Assert.Equal(daemon.Pid, ProcessTable.Parent(i.Pid)));
        var limits = (await File.ReadAllLinesAsync($"/proc/{all["many:0007"].Pid}/limits")).First(l => l.StartsWith("Max open files", StringComparison.Ordinal));
        Assert.Equal("1024", limits.Split(' ', StringSplitOptions.RemoveEmptyEntries)[3]);
        Assert.Equal(0, await daemon.StopAsync());
    }

    [Fact]
    public async Task As_process_1_it_reaps_orphans_and_ends_on_a_signal()
    {
        AssertRoot();
        await using var daemon = new TestDaemon("""
            [program:parent]
            command=/bin/sh -c 'for i in 1 2 3 4 5; do (sh -c "sleep 0.3; exit $i" &); done; exec sleep 100000'
            startsecs=0
            """);
        daemon.Launch(
            "/usr/bin/unshare",
            ["--pid", "--fork", "--mount-proc", "--kill-child", Path.Combine(TestDaemon.Bin, "supervisord"), "-n", "-c", daemon.Config]);
        await daemon.AnswersAsync();
        Assert.Equal(1, await daemon.Rpc.CallAsync("supervisor.getPID"));
        for (var status = 1; status <= 5; status++)
        {
            var expected = string.Create(CultureInfo.InvariantCulture, $"(exit status {status})");
            await Waiting.UntilAsync(
                () => daemon.ReadLog().Split('\n').Any(l => l.Contains("reaped unknown pid", StringComparison.Ordinal) && l.EndsWith(expected, StringComparison.Ordinal)),
                () => "no orphan was reaped with " + expected + "\n" + daemon.Account());
        }

        var inside = Assert.Single(ProcessTable.ChildrenOf(daemon.Pid));
        await Waiting.UntilAsync(
            () => ProcessTable.ChildrenOf(inside).All(p => ProcessTable.State(p) != 'Z'), () => "zombies stay\n" + daemon.Account());
        Assert.Equal(0, await daemon.StopAsync(inside));
    }

    [Fact]
    public async Task A_broken_file_on_reload_keeps_the_running_configuration_and_says_so()
    {
        await using var daemon = new TestDaemon(Sleeper);
        await daemon.StartAsync();
        var before = await daemon.ReachesAsync("sleeper", "RUNNING");

        daemon.WriteConfig(Sleeper + "\nstartretries=often\n");
        var reread = await daemon.CtlAsync("reread");
        Assert.Equal(1, reread.Status);
        Assert.StartsWith("ERROR: CANT_REREAD: ", reread.Output, StringComparison.Ordinal);
        Assert.Contains("often", reread.Output, StringComparison.Ordinal);

        await TestDaemon.SignalAsync(daemon.Pid, "HUP");
        await daemon.LogSaysAsync("often");
        var after = await daemon.ReachesAsync("sleeper", "RUNNING");
        Assert.Equal(before.Pid, after.Pid);

        // Once the file is right again, the same signal is obeyed.
        daemon.WriteConfig(Sleeper + "\n[program:another]\ncommand=/bin/sleep 100000\nstartsecs=0\n");
        await TestDaemon.SignalAsync(daemon.Pid, "HUP");
        await Waiting.UntilAsync(
            async () =>
            {
                try
                {
                    return (await daemon.AllAsync()).TryGetValue("another", out var i) && i.State == "RUNNING";
                }
                catch (Exception e) when (e is HttpRequestException or RpcFaultException)
                {
                    return false; // the sockets are opened again during a reload
                }
            },
            () => "the repaired file is not read\n" + daemon.Account());
        Assert.Equal(0, await daemon.StopAsync());
    }

    [Fact]
    public async Task It_answers_on_the_same_sockets_after_every_reload()
    {
        await using var daemon = new TestDaemon(Sleeper);
        await daemon.StartAsync();
        var last = await daemon.ReachesAsync("sleeper", "RUNNING");
        for (var i = 0; i < 5; i++)
        {
            await TestDaemon.SignalAsync(daemon.Pid, "HUP");
            var before = last.Pid;
            await Waiting.UntilAsync(
                async () =>
                {
                    try
                    {
                        return (await daemon.AllAsync()).TryGetValue("sleeper", out last!) && last.State == "RUNNING" && last.Pid != before;
                    }
                    catch (Exception e) when (e is HttpRequestException or RpcFaultException)
                    {
                        return false; // on its way down or up
                    }
                },
                () => $"reload {i + 1} does not come to its end\n{daemon.Account()}");
        }

        Assert.Equal(0, await daemon.StopAsync());
    }

    [Fact]
    public async Task Terminated_it_leaves_nobody_behind_not_even_the_stubborn()
    {
        await using var daemon = new TestDaemon("""
            [program:stubborn]
            command=/bin/sh -c 'trap "" TERM; echo ready; while :; do sleep 1; done'
            stopwaitsecs=1
            killasgroup=true
            startsecs=0

            [program:family]
            command=/bin/sh -c 'sleep 100000 & sleep 100000 & wait'
            stopasgroup=true
            startsecs=0

            [program:again]
            command=/bin/sh -c 'exit 1'
            startsecs=0
            autorestart=true

            [program:retrying]
            command=/bin/false
            startretries=100
            """);
        await daemon.StartAsync();
        await daemon.ReachesAsync("stubborn", "RUNNING");
        await daemon.ReachesAsync("family", "RUNNING");
        await Waiting.UntilAsync(
            async () => ((string)(await daemon.Rpc.CallAsync("supervisor.readProcessStdoutLog", "stubborn", 0, 0))!).Contains("ready", StringComparison.Ordinal),
            () => "stubborn is not ready\n" + daemon.Account());
        Assert.Equal(0, await daemon.StopAsync());
        Assert.Contains("killing 'stubborn'", daemon.ReadLog(), StringComparison.Ordinal);
        Assert.False(File.Exists(daemon.PidFile), "the pid file is still there");
        Assert.False(File.Exists(daemon.Socket), "the socket is still there");
    }

    [Fact]
    public async Task Daemonized_it_answers_from_a_session_of_its_own()
    {
        await using var daemon = new TestDaemon(Sleeper);
        daemon.Launch(Path.Combine(TestDaemon.Bin, "supervisord"), ["-c", daemon.Config]);
        await Waiting.UntilAsync(() => daemon.ExitStatus is not null, () => "it does not go into the background\n" + daemon.Account());
        Assert.Equal(0, daemon.ExitStatus);
        await Waiting.UntilAsync(() => File.Exists(daemon.PidFile) && new FileInfo(daemon.PidFile).Length > 0, () => "no pid file\n" + daemon.Account());
        await daemon.AnswersAsync();
        var pid = int.Parse(await File.ReadAllTextAsync(daemon.PidFile), CultureInfo.InvariantCulture);
        Assert.Equal(pid, await daemon.Rpc.CallAsync("supervisor.getPID"));
        Assert.Equal(pid, ProcessTable.Session(pid));
        Assert.Equal("supervisord", (await File.ReadAllTextAsync($"/proc/{pid}/comm")).Trim());
        Assert.Equal("/dev/null", File.ResolveLinkTarget($"/proc/{pid}/fd/0", false)!.FullName);
        var sleeper = await daemon.ReachesAsync("sleeper", "RUNNING");
        Assert.Equal(pid, ProcessTable.Parent(sleeper.Pid));

        // A second one by mistake is told so, and does the first no harm.
        var second = await Command.RunAsync(Path.Combine(TestDaemon.Bin, "supervisord"), ["-c", daemon.Config]);
        Assert.Equal(2, second.Status);
        Assert.Contains("Another program is already listening", second.Error, StringComparison.Ordinal);
        Assert.Equal(pid, await daemon.Rpc.CallAsync("supervisor.getPID"));

        await TestDaemon.SignalAsync(pid, "TERM");
        await Waiting.UntilAsync(() => daemon.Family().Count == 0, () => "somebody is left\n" + daemon.Account());
        Assert.False(File.Exists(daemon.PidFile), "the pid file is still there");
    }

    [Fact]
    public async Task A_program_runs_as_another_user()
    {
        AssertRoot();
        await using var daemon = new TestDaemon("""
            [program:other]
            command=/bin/sh -c 'id -un; id -Gn; umask; pwd; exec sleep 100000'
            user=nobody
            umask=027
            directory=/usr
            startsecs=0
            """);
        await daemon.StartAsync();
        var other = await daemon.ReachesAsync("other", "RUNNING");
        await Waiting.UntilAsync(
            async () => (string)(await daemon.Rpc.CallAsync("supervisor.readProcessStdoutLog", "other", 0, 0))! == "nobody\nnogroup\n0027\n/usr\n",
            () => "it does not say that it is nobody\n" + daemon.Account());
        Assert.Equal(["65534", "65534", "65534", "65534"], ProcessTable.Status(other.Pid, "Uid").Split('\t'));
        Assert.Equal(["0", "0", "0", "0"], ProcessTable.Status(daemon.Pid, "Uid").Split('\t'));
        // Nothing of the daemon's is open in it, and no signal is blocked or ignored.
        Assert.Equal("0000000000000000", ProcessTable.Status(other.Pid, "SigBlk"));
        Assert.Equal("0000000000000000", ProcessTable.Status(other.Pid, "SigIgn"));
        Assert.Equal(3, ProcessTable.DescriptorsOf(other.Pid));
    }

    [Fact]
    public async Task Every_byte_of_a_program_that_ends_is_in_its_log()
    {
        await using var daemon = new TestDaemon("""
            [program:writer]
            command=/usr/bin/python3 -c "import sys, random; sys.stdout.buffer.write(random.Random(7).randbytes(5000001))"
            startsecs=0
            autorestart=false
            stdout_logfile_maxbytes=0
            """);
        await daemon.StartAsync();
        await daemon.ReachesAsync("writer", "EXITED");
        var info = (Dictionary<string, object?>)(await daemon.Rpc.CallAsync("supervisor.getProcessInfo", "writer"))!;
        var written = await File.ReadAllBytesAsync((string)info["stdout_logfile"]!);
        var expected = await Command.RunAsync(
            "/usr/bin/python3", ["-c", "import hashlib, random; print(hashlib.sha256(random.Random(7).randbytes(5000001)).hexdigest())"]);
        Assert.Equal(5000001, written.Length);
        Assert.Equal(expected.Output.Trim(), Convert.ToHexStringLower(SHA256.HashData(written)));
    }

    internal static void AssertRoot() => Assert.True(Environment.UserName == "root", "this test needs root: it makes namespaces and changes users");
}
