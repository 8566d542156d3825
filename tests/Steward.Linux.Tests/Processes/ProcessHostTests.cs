using System.Net.Sockets;
using Steward.Core.Config;
using Steward.Core.Inputs;
using Steward.Core.Model;
using Steward.Core.Ports;
using Steward.Linux.Interop;
using Steward.Linux.Processes;
using Xunit.Abstractions;

namespace Steward.Linux.Tests.Processes;

/// <summary>Signals, orphans, AUTO logs, sockets and the stub's source.</summary>
[Collection(ProcessesCollection.Name)]
public sealed class ProcessHostTests(ITestOutputHelper output)
{
    [Fact]
    public void A_signal_reaches_the_process_or_its_whole_group()
    {
        using var kernel = new Kernel();

        // The shell tells that its own child runs; that one ignores what is sent to the shell alone.
        SpawnAnswer answer = kernel.Spawn(Kernel.Shell("trap 'echo term' TERM; sleep 1000 & echo up; while :; do wait; done"));
        Assert.Equal("up", kernel.ReadLine(answer.Pid));
        Assert.Equal(SignalResult.Delivered, kernel.Host.Signal(answer.Pid, Signals.Term, toGroup: false, out _));
        Assert.Equal("term", kernel.ReadLine(answer.Pid));
        Assert.Equal(SignalResult.Delivered, kernel.Host.Signal(answer.Pid, 0, toGroup: false, out _));

        Assert.Equal(SignalResult.Delivered, kernel.Host.Signal(answer.Pid, Signals.Kill, toGroup: true, out string? error));
        Assert.Null(error);

        // Its output ends only when the sleeping grandchild is dead as well: the hub waits for that.
        (int pid, WaitStatus status) = kernel.Reap();
        Assert.Equal(answer.Pid, pid);
        Assert.Equal("terminated by SIGKILL", status.Describe());
        Assert.Equal(SignalResult.Gone, kernel.Host.Signal(answer.Pid, Signals.Kill, toGroup: true, out _));
    }

    [Fact]
    public void Only_own_children_are_signalled()
    {
        using var kernel = new Kernel();
        Assert.Equal(SignalResult.Gone, kernel.Host.Signal(Environment.ProcessId, 0, toGroup: false, out _));
        Assert.Equal(SignalResult.Gone, kernel.Host.Signal(-1, 0, toGroup: false, out _));
        Assert.False(kernel.Host.TryReap(out _, out _));
    }

    [RootFact]
    public void As_pid_1_children_and_orphans_are_reaped_with_their_statuses()
    {
        using var kernel = new Kernel();
        (WaitStatus status, string stdout, string stderr) = kernel.Run(
            Kernel.Command("unshare --pid --fork --mount-proc " + string.Join(' ', TestProgram.Command) + " reap-as-pid-1 100"));
        if (stderr.Contains("unshare", StringComparison.Ordinal))
        {
            output.WriteLine("skipped: no process namespace can be made here: " + stderr);
            return;
        }

        Assert.Equal("pid 1 own 100 orphans 100 left 0\n", stdout + stderr);
        Assert.Equal(0, status.Code);
    }

    [Fact]
    public void Auto_logs_are_created_with_their_group_or_not_at_all()
    {
        using var kernel = new Kernel();
        GroupConfig group = Group(
            Kernel.Command("/bin/true") with { Name = "a" },
            Kernel.Command("/bin/true") with { Name = "b", RedirectStderr = true },
            Kernel.Command("/bin/true") with { Name = "c", Stdout = new ChildLogConfig { Kind = ChildLogKind.None } });
        GroupPrepared prepared = kernel.Host.PrepareGroup(new RequestId(7), group);

        Assert.Null(prepared.Failure);
        Assert.Equal(new RequestId(7), prepared.Request);
        Assert.Equal(
            [("a", OutputChannel.Stdout), ("a", OutputChannel.Stderr), ("b", OutputChannel.Stdout), ("c", OutputChannel.Stderr)],
            prepared.AutoLogs.Select(static log => (log.Process, log.Channel)));
        foreach (AutoLog log in prepared.AutoLogs)
        {
            string channel = log.Channel == OutputChannel.Stdout ? "stdout" : "stderr";
            Assert.Matches($"^{log.Process}-{channel}---test-[a-z0-9_]{{8}}\\.log$", Path.GetFileName(log.Path));
            Assert.Equal(kernel.Directory, Path.GetDirectoryName(log.Path));
            Assert.Equal((UnixFileMode)0b110_000_000, File.GetUnixFileMode(log.Path));
        }

        GroupPrepared refused = kernel.Host.PrepareGroup(default, Group(
            Kernel.Command("/bin/true") with { Name = "d" }, Kernel.Command("/bin/true") with { Name = "no/e" }));
        Assert.StartsWith($"[Errno 2] No such file or directory: '{kernel.Directory}/no/e-stdout---test-", refused.Failure, StringComparison.Ordinal);
        Assert.Empty(refused.AutoLogs);
        Assert.Equal(4, Directory.GetFiles(kernel.Directory).Length);

        File.WriteAllText(Path.Combine(kernel.Directory, "other---tests-aaaaaaaa.log"), "");
        kernel.Host.CleanUpAutoLogs();
        Assert.Single(Directory.GetFiles(kernel.Directory));
    }

    [Fact]
    public void Processes_of_a_section_share_a_socket_that_lives_as_long_as_one_of_them()
    {
        using var kernel = new Kernel();
        string path = Path.Combine(kernel.Directory, "app.sock");
        File.WriteAllText(path, "whatever is in the way");
        var socket = new FastCgiSocketConfig { Program = "app", Path = path, Mode = 0b111_101_000, Backlog = 5 };
        ProcessConfig config = Kernel.Shell("readlink /proc/self/fd/0; exec sleep 1000") with { Socket = socket };

        Assert.Null(kernel.Host.PrepareGroup(default, Group(config with { Stdout = None, Stderr = None })).Failure);
        Assert.Throws<SocketException>(() => Connect(path));

        SpawnAnswer first = kernel.Spawn(config);
        SpawnAnswer second = kernel.Spawn(config with { Name = "web_2" });
        string seen = kernel.ReadLine(first.Pid);
        Assert.StartsWith("socket:", seen, StringComparison.Ordinal);
        Assert.Equal(seen, kernel.ReadLine(second.Pid));
        Assert.Equal((UnixFileMode)0b111_101_000, File.GetUnixFileMode(path));
        Assert.Equal(StdinResult.Closed, kernel.Host.WriteStdin(new ProcessId(1), new Incarnation(1), "x"u8.ToArray()));
        Connect(path);

        kernel.Host.Signal(first.Pid, Signals.Kill, toGroup: true, out _);
        kernel.Reap();
        Connect(path);
        Assert.Equal("command is empty", kernel.Spawn(config with { Command = "" }).SpawnErr);
        Connect(path);

        kernel.Host.Signal(second.Pid, Signals.Kill, toGroup: true, out _);
        kernel.Reap();
        Assert.Throws<SocketException>(() => Connect(path));
        Assert.True(File.Exists(path));
        Assert.Equal(
            [
                $"INFO Creating socket unix://{path}", $"INFO Closing socket unix://{path}",
                $"INFO Creating socket unix://{path}", $"INFO Closing socket unix://{path}",
            ],
            kernel.Lines);
    }

    [Fact]
    public void A_socket_that_cannot_be_made_is_named()
    {
        using var kernel = new Kernel();
        using var taken = new Socket(AddressFamily.InterNetwork, SocketType.Stream, ProtocolType.Tcp);
        taken.Bind(new System.Net.IPEndPoint(System.Net.IPAddress.Loopback, 0));
        taken.Listen();
        int port = ((System.Net.IPEndPoint)taken.LocalEndPoint!).Port;
        ProcessConfig tcp = Kernel.Command("/bin/true") with
        {
            Socket = new FastCgiSocketConfig { Program = "app", Host = "localhost", Port = port }, Stdout = None, Stderr = None,
        };
        string inUse = $"Could not create FastCGI socket tcp://localhost:{port}: [Errno 98] Address already in use";
        Assert.Equal(inUse, kernel.Host.PrepareGroup(default, Group(tcp)).Failure);
        Assert.Equal(new SpawnAnswer(0, inUse, "socket"), kernel.Spawn(tcp));

        string path = Path.Combine(kernel.Directory, "missing/app.sock");
        ProcessConfig unix = tcp with { Socket = new FastCgiSocketConfig { Program = "app", Path = path } };
        Assert.Equal(
            $"Could not create FastCGI socket unix://{path}: [Errno 2] No such file or directory",
            kernel.Host.PrepareGroup(default, Group(unix)).Failure);
    }

    [Fact]
    public void A_tcp_socket_is_passed_on_listening()
    {
        using var kernel = new Kernel();
        int port;
        using (var free = new TcpListener(System.Net.IPAddress.Loopback, 0))
        {
            free.Start();
            port = ((System.Net.IPEndPoint)free.LocalEndpoint).Port;
        }

        SpawnAnswer answer = kernel.Spawn(Kernel.Shell("readlink /proc/self/fd/0; exec sleep 1000") with
        {
            Socket = new FastCgiSocketConfig { Program = "app", Host = "127.0.0.1", Port = port },
        });
        Assert.StartsWith("socket:", kernel.ReadLine(answer.Pid), StringComparison.Ordinal);
        using var client = new TcpClient("127.0.0.1", port);
        Assert.True(client.Connected);
    }

    [Fact]
    public void The_stub_is_what_its_source_says()
    {
        if (!File.Exists("/usr/bin/gcc") || !File.Exists("/usr/bin/objcopy") || !OperatingSystem.IsLinux()
            || System.Runtime.InteropServices.RuntimeInformation.ProcessArchitecture != System.Runtime.InteropServices.Architecture.X64)
        {
            output.WriteLine("skipped: needs gcc and objcopy on x86-64");
            return;
        }

        using var kernel = new Kernel();
        string source = Path.Combine(AppContext.BaseDirectory, "spawn-stub.S");
        string assembled = Path.Combine(kernel.Directory, "stub.o");
        string code = Path.Combine(kernel.Directory, "stub.bin");
        Assert.Equal((WaitStatus.FromExit(0), "", ""), kernel.Run(Kernel.Command($"/usr/bin/gcc -c {source} -o {assembled}")));
        Assert.Equal((WaitStatus.FromExit(0), "", ""), kernel.Run(Kernel.Command($"/usr/bin/objcopy -O binary -j .text {assembled} {code}")));
        Assert.Equal(File.ReadAllBytes(code), SpawnStub.X64Code.ToArray());
    }

    [Fact]
    public void The_stub_is_used_where_it_can_be()
    {
        using var spawner = new Spawner();
        Assert.Equal(
            System.Runtime.InteropServices.RuntimeInformation.ProcessArchitecture == System.Runtime.InteropServices.Architecture.X64,
            spawner.UsesStub);
    }

    private static ChildLogConfig None => new() { Kind = ChildLogKind.None };

    private static GroupConfig Group(params ProcessConfig[] processes) =>
        new() { Kind = GroupKind.Program, Name = "group", Priority = 1, Processes = [.. processes] };

    private static void Connect(string path)
    {
        using var client = new Socket(AddressFamily.Unix, SocketType.Stream, ProtocolType.Unspecified);
        client.Connect(new UnixDomainSocketEndPoint(path));
    }
}
