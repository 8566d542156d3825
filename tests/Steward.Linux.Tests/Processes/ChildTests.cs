using System.Diagnostics;
using System.Text;
using Steward.Core.Config;
using Steward.Core.Inputs;
using Steward.Core.Model;
using Steward.Core.Ports;

namespace Steward.Linux.Tests.Processes;

/// <summary>What is true of a child when its program runs: by the stub and by the exec helper alike.</summary>
[Collection(ProcessesCollection.Name)]
public sealed class ChildTests
{
    private static readonly UserIdentity Nobody = new("nobody", 65534, 65533, [65533, 4, 20]);

    [RootTheory]
    [InlineData(false)]
    [InlineData(true)]
    public void A_child_has_the_user_umask_and_signals_that_it_should(bool helper)
    {
        using var kernel = new Kernel(helper);
        Dictionary<string, string> status = Status(kernel, Kernel.Command("/bin/cat /proc/self/status") with { User = Nobody, Umask = 0b000_111_111 });

        Assert.Equal("65534 65534 65534 65534", status["Uid"]);
        Assert.Equal("65533 65533 65533 65533", status["Gid"]);
        Assert.Equal("4 20 65533", status["Groups"]);
        Assert.Equal("0077", status["Umask"]);
        Assert.Equal(0, Convert.ToInt64(status["CapEff"], 16));
        Assert.Equal(0, Convert.ToInt64(status["SigBlk"], 16));
        Assert.Equal(0, Convert.ToInt64(status["SigIgn"], 16));
        Assert.Equal(0, Convert.ToInt64(status["SigCgt"], 16));
    }

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public void Without_settings_a_child_is_like_the_daemon(bool helper)
    {
        using var kernel = new Kernel(helper);
        Dictionary<string, string> status = Status(kernel, Kernel.Command("/bin/cat /proc/self/status"));
        Dictionary<string, string> own = Parse(File.ReadAllText("/proc/self/status"));

        Assert.Equal(own["Uid"], status["Uid"]);
        Assert.Equal(own["Gid"], status["Gid"]);
        Assert.Equal(own["Groups"], status["Groups"]);
        Assert.Equal(own["Umask"], status["Umask"]);
        Assert.Equal(Environment.CurrentDirectory, Output(kernel, Kernel.Shell("pwd -P")));
    }

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public void A_child_leads_its_own_group_in_the_daemons_session(bool helper)
    {
        using var kernel = new Kernel(helper);

        // man 5 proc: pid (name) state ppid pgrp session
        string[] child = Output(kernel, Kernel.Command("/bin/cat /proc/self/stat")).Split(' ');
        string[] own = File.ReadAllText("/proc/self/stat").Split(") ")[1].Split(' ');

        Assert.Equal(child[0], child[4]);
        Assert.Equal(own[3], child[5]);
    }

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public void A_child_has_three_descriptors_and_its_directory(bool helper)
    {
        using var kernel = new Kernel(helper);
        using var inherited = new AnonymousHandle();

        // The fourth is the directory that ls itself reads.
        string[] listed = Output(kernel, Kernel.Command("/bin/ls /proc/self/fd")).Split('\n');
        Assert.Equal(["0", "1", "2", "3"], listed);
        Assert.Equal(kernel.Directory, Output(kernel, Kernel.Shell("pwd -P") with { Directory = kernel.Directory }));
    }

    [Fact]
    public void Stdout_and_stderr_are_apart_or_one_pipe()
    {
        using var kernel = new Kernel();
        ProcessConfig config = Kernel.Shell("echo out; echo err >&2");

        Assert.Equal((WaitStatus.FromExit(0), "out\n", "err\n"), kernel.Run(config));
        Assert.Equal((WaitStatus.FromExit(0), "out\nerr\n", ""), kernel.Run(config with { RedirectStderr = true }));
    }

    [Fact]
    public void Stdin_is_an_open_pipe()
    {
        using var kernel = new Kernel();
        SpawnAnswer answer = kernel.Spawn(Kernel.Shell("read line; echo got $line; exec sleep 1000"));
        Assert.Equal(StdinResult.Accepted, kernel.Host.WriteStdin(new ProcessId(1), new Incarnation(1), "hello\n"u8.ToArray()));
        Assert.Equal("got hello", kernel.ReadLine(answer.Pid));
    }

    [RootFact]
    public void A_program_of_another_user_can_open_its_output_by_name()
    {
        using var kernel = new Kernel();
        Assert.Equal(
            (WaitStatus.FromExit(0), "a\n", "b\n"),
            kernel.Run(Kernel.Shell("echo a >/dev/stdout; echo b >/dev/stderr") with { User = Nobody }));
    }

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public void A_child_gets_back_the_descriptor_limit(bool helper)
    {
        using var kernel = new Kernel(helper, options => options with { ChildNoFile = 77 });
        Assert.Equal("77", Output(kernel, Kernel.Shell("ulimit -S -n")));
    }

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public void The_environment_is_the_daemons_then_ours_then_the_configured_one(bool helper)
    {
        Environment.SetEnvironmentVariable("NOT_NATIVE", "the runtime's own copy is not what was given to the daemon");
        using var kernel = new Kernel(helper);
        ProcessConfig config = Kernel.Command("/usr/bin/env") with
        {
            Environment = [new("A", "1 ü"), new("PATH", "/bin"), new("SUPERVISOR_GROUP_NAME", "mine")],
        };
        string[] lines = Output(kernel, config).Split('\n');

        Assert.Contains("SUPERVISOR_ENABLED=1", lines);
        Assert.Contains("SUPERVISOR_SERVER_URL=unix:///test.sock", lines);
        Assert.Contains("SUPERVISOR_PROCESS_NAME=web_1", lines);
        Assert.Contains("SUPERVISOR_GROUP_NAME=mine", lines);
        Assert.Contains("A=1 ü", lines);
        Assert.Contains("PATH=/bin", lines);
        Assert.Equal(lines.Length, lines.Select(static line => line.Split('=')[0]).Distinct().Count());
        Assert.DoesNotContain(lines, static line => line.StartsWith("NOT_NATIVE=", StringComparison.Ordinal));
        Assert.Contains(
            "SUPERVISOR_SERVER_URL=http://other", Output(kernel, config with { ServerUrl = "http://other" }).Split('\n'));

        kernel.Host.Reconfigure(new Linux.Processes.ProcessHostOptions { ChildLogDir = kernel.Directory });
        Assert.DoesNotContain("SUPERVISOR_SERVER_URL", Output(kernel, config), StringComparison.Ordinal);
    }

    [Fact]
    public void The_first_word_is_argv_0_as_written()
    {
        using var kernel = new Kernel();
        ProcessConfig config = Kernel.Command("cat /proc/self/cmdline") with { Environment = [new("PATH", "/nowhere:/bin")] };
        Assert.Equal("cat\0/proc/self/cmdline\0", Output(kernel, config));
    }

    [Fact]
    public void Exit_statuses_are_exact_while_memory_is_collected()
    {
        using var kernel = new Kernel();
        using var stop = new CancellationTokenSource();
        Thread[] collectors = [.. Enumerable.Range(0, 2).Select(_ => new Thread(() =>
        {
            while (!stop.IsCancellationRequested)
            {
                GC.KeepAlive(Encoding.UTF8.GetBytes(new string('x', 100_000)));
                GC.Collect(1);
            }
        }))];
        Array.ForEach(collectors, static thread => thread.Start());

        try
        {
            var expected = new Dictionary<int, WaitStatus>();
            for (int i = 0; i < 500; i++)
            {
                SpawnAnswer answer = kernel.Spawn(Kernel.Shell(i % 10 == 9 ? "kill -9 $$" : $"exit {i % 256}"));
                Assert.Null(answer.SpawnErr);
                expected.Add(answer.Pid, i % 10 == 9 ? WaitStatus.FromSignal(Signals.Kill) : WaitStatus.FromExit(i % 256));

                // Not more than some tens at once: their pipes count against the limit of descriptors.
                while (expected.Count > 40)
                {
                    Check(kernel, expected);
                }
            }

            while (expected.Count > 0)
            {
                Check(kernel, expected);
            }
        }
        finally
        {
            stop.Cancel();
            Array.ForEach(collectors, static thread => thread.Join());
        }

        Assert.Equal(0, kernel.Hub.Opened);
    }

    [Fact]
    public void Nothing_stays_open_after_a_child()
    {
        using var kernel = new Kernel();
        kernel.Run(Kernel.Command("/bin/true"));
        int before = Directory.GetFileSystemEntries("/proc/self/fd").Count(IsPipe);
        kernel.Run(Kernel.Command("/bin/true"));
        Assert.NotNull(kernel.Spawn(Kernel.Command("/no/such/program")).SpawnErr);
        kernel.Hub.OpenErrno = 13;
        Assert.NotNull(kernel.Spawn(Kernel.Command("/bin/true")).SpawnErr);
        Assert.Equal(before, Directory.GetFileSystemEntries("/proc/self/fd").Count(IsPipe));

        static bool IsPipe(string path) =>
            new FileInfo(path).LinkTarget is { } target && target.StartsWith("pipe:", StringComparison.Ordinal);
    }

    private static void Check(Kernel kernel, Dictionary<int, WaitStatus> expected)
    {
        (int pid, WaitStatus status) = kernel.Reap();
        Assert.True(expected.Remove(pid, out WaitStatus wanted));
        Assert.Equal(wanted.Describe(), status.Describe());
    }

    private static string Output(Kernel kernel, ProcessConfig config)
    {
        (WaitStatus status, string stdout, string stderr) = kernel.Run(config);
        Assert.Equal("", stderr);
        Assert.Equal("exit status 0", status.Describe());
        return stdout.TrimEnd('\n');
    }

    private static Dictionary<string, string> Status(Kernel kernel, ProcessConfig config) => Parse(Output(kernel, config));

    private static Dictionary<string, string> Parse(string status) => status.Split('\n', StringSplitOptions.RemoveEmptyEntries)
        .Select(static line => line.Split(':', 2))
        .ToDictionary(static pair => pair[0], static pair => pair[1].Trim().Replace('\t', ' '));

    /// <summary>A descriptor without close-on-exec, as one inherited by the daemon.</summary>
    private sealed unsafe class AnonymousHandle : IDisposable
    {
        private readonly int _fd = Interop.LibC.open("/dev/null", Interop.LibC.O_RDONLY, 0);

        public AnonymousHandle()
        {
            Debug.Assert(_fd > 2);
        }

        public void Dispose() => _ = Interop.LibC.close(_fd);
    }
}
