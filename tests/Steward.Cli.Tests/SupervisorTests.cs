using System.Diagnostics;
using System.Net;
using System.Net.Sockets;
using System.Text.RegularExpressions;

namespace Steward.Cli.Tests;

/// <summary>The control tool against Debian's Supervisor.</summary>
public sealed class SupervisorTests : IDisposable
{
    private readonly Place _place = new();
    private readonly int _port;
    private readonly Process _daemon;

    public SupervisorTests()
    {
        _port = UnusedPort();
        WriteConfiguration("[program:keep]\ncommand=/bin/cat\nstartsecs=0\n[program:change]\ncommand=/bin/cat\nstartsecs=0\n"
            + "[program:off]\ncommand=/bin/cat\nautostart=false\nstartsecs=0\n[program:dies]\ncommand=/bin/false\nautostart=false\nstartretries=0\n"
            + "[program:pool]\ncommand=/bin/cat\nprocess_name=%%(program_name)s_%%(process_num)02d\nnumprocs=2\nstartsecs=0\n".Replace("%%", "%"));
        var start = new ProcessStartInfo("/usr/bin/python3", ["/usr/bin/supervisord", "-n", "-c", _place.At("supervisord.conf")])
        {
            RedirectStandardOutput = true,
            RedirectStandardError = true,
            WorkingDirectory = _place.Folder,
        };
        _daemon = Process.Start(start)!;
        _daemon.OutputDataReceived += (_, _) => { };
        _daemon.ErrorDataReceived += (_, _) => { };
        _daemon.BeginOutputReadLine();
        _daemon.BeginErrorReadLine();
        Assert.True(SpinWait.SpinUntil(() => Run("status").Output.Split("RUNNING").Length == 5, 30_000), Run("status").Output);
    }

    public void Dispose()
    {
        if (!_daemon.HasExited)
        {
            Run("shutdown");
            if (!_daemon.WaitForExit(20_000))
            {
                _daemon.Kill(entireProcessTree: true);
                _daemon.WaitForExit();
            }
        }

        _daemon.Dispose();
        _place.Dispose();
    }

    [Fact]
    public void Everything_that_is_done_on_a_day()
    {
        // Over TCP and with a login the same.
        (int Status, string Output, string Error) all = Run("status");
        Assert.Equal(3, all.Status);
        Assert.Equal("change|dies|keep|off|pool:pool_00|pool:pool_01", string.Join('|', all.Output.TrimEnd().Split('\n').Select(line => line.Split(' ')[0])));
        Assert.Equal(
            all.Output,
            Regex.Replace(_place.Run(["-s", $"http://localhost:{_port}", "-u", "u", "-p", "pw", "status"]).Output, @"\d:\d\d:\d\d", "<UP>"));
        Assert.Equal((1, "Server requires authentication\n", ""), _place.Run(["-s", $"http://127.0.0.1:{_port}", "-u", "u", "-p", "x", "status"]));
        Assert.Equal((0, "4.2.5\n", ""), Run("version"));
        Assert.Equal(_daemon.Id + "\n", Run("pid").Output);

        Assert.Equal((0, "off: started\n", ""), Run("start off"));
        Assert.Equal((0, "off: ERROR (already started)\n", ""), Run("start off"));
        Assert.Equal((7, "dies: ERROR (spawn error)\n", ""), Run("start dies"));
        Assert.Equal((0, "off: signalled\n", ""), Run("signal CONT off"));
        Assert.Equal((1, "off: ERROR (bad signal name)\n", ""), Run("signal NOPE off"));
        Assert.Equal((0, "off: stopped\n", ""), Run("stop off"));
        Assert.Equal((0, "off: ERROR (not running)\noff: started\n", ""), Run("restart off"));
        Assert.Equal("pool:pool_00: stopped|pool:pool_01: stopped", Sorted(Run("stop pool:*")));
        Assert.Equal("pool:pool_00: started|pool:pool_01: started", Sorted(Run("start pool:*")));
        Assert.Equal((0, "keep: cleared\n", ""), Run("clear keep"));
        Assert.Equal((0, "\n", ""), Run("tail keep"));
        Assert.Contains("supervisord started with pid", Run("maintail -100000").Output);
        Assert.Equal((0, "No config updates to processes\n", ""), Run("reread"));

        WriteConfiguration("[program:keep]\ncommand=/bin/cat\nstartsecs=0\n[program:change]\ncommand=/bin/cat\nstartsecs=0\npriority=5\n[program:fresh]\ncommand=/bin/cat\nstartsecs=0\n");
        Assert.Equal((0, "change: changed\ndies: disappeared\nfresh: available\noff: disappeared\npool: disappeared\n", ""), Run("reread"));
        Assert.Equal((0, "fresh: added process group\n", ""), Run("add fresh"));
        Assert.Equal((1, "ERROR: process/group still running: off\n", ""), Run("remove off"));
        Assert.Equal(
            "change: stopped|change: updated process group|dies: removed process group|dies: stopped|off: removed process group|off: stopped|"
                + "pool: removed process group|pool: stopped",
            Sorted(Run("update")));
        Assert.Equal(0, Run("status").Status);
        Assert.Equal(
            "change                           in use    auto      5:5\nfresh                            in use    auto      999:999\n"
                + "keep                             in use    auto      999:999\n",
            Run("avail").Output);
        Assert.Equal((0, "Shut down\n", ""), Run("shutdown"));
        Assert.True(_daemon.WaitForExit(20_000));
        Assert.Equal(4, Run("status").Status);
    }

    [Fact]
    public async Task Logs_are_followed_and_lines_are_sent()
    {
        var terminal = new FakeTerminal();
        Task<(int Status, string Output, string Error)> fg = Task.Run(() => _place.Run(["-c", _place.At("supervisord.conf"), "fg", "keep"], terminal));
        terminal.Type("hello\n");
        Assert.True(SpinWait.SpinUntil(() => Run("tail keep").Output.Contains("hello"), 20_000));
        terminal.Type("end\n").End();
        Assert.EndsWith("Exiting foreground\n", (await fg.WaitAsync(TimeSpan.FromSeconds(20))).Output);

        using var other = new Place();
        Task<(int Status, string Output, string Error)> tail =
            Task.Run(() => other.Run(["-s", "unix://" + _place.At("s.sock"), "tail", "-f", "keep"]));
        Assert.True(SpinWait.SpinUntil(() => other.Output is { } seen && System.Text.Encoding.UTF8.GetString(seen.ToArray()).Contains("hello"), 20_000));
        other.Interrupt!();
        (int status, string output, string error) = await tail.WaitAsync(TimeSpan.FromSeconds(20));
        Assert.Equal((0, ""), (status, error));
        Assert.EndsWith("hello\nend\n\n", output);
        Assert.Equal(1, Run("tail -f nope").Status);
    }

    private (int Status, string Output, string Error) Run(string line)
    {
        (int status, string output, string error) = _place.Run(["-c", _place.At("supervisord.conf"), line]);
        return (status, Regex.Replace(output, @"\d:\d\d:\d\d", "<UP>"), error);
    }

    private static string Sorted((int Status, string Output, string Error) seen)
    {
        Assert.Equal((0, ""), (seen.Status, seen.Error));
        return string.Join('|', seen.Output.TrimEnd().Split('\n').Order(StringComparer.Ordinal));
    }

    private void WriteConfiguration(string programs) => _place.Write("supervisord.conf",
        $"""
        [supervisord]
        logfile={_place.At("d.log")}
        pidfile={_place.At("d.pid")}
        childlogdir={_place.Folder}
        [unix_http_server]
        file={_place.At("s.sock")}
        [inet_http_server]
        port=127.0.0.1:{_port}
        username=u
        password=pw
        [rpcinterface:supervisor]
        supervisor.rpcinterface_factory=supervisor.rpcinterface:make_main_rpcinterface
        [supervisorctl]
        serverurl=unix://%(here)s/s.sock
        {programs}
        """);

    private static int UnusedPort()
    {
        using var socket = new Socket(AddressFamily.InterNetwork, SocketType.Stream, ProtocolType.Tcp);
        socket.Bind(new IPEndPoint(IPAddress.Loopback, 0));
        return ((IPEndPoint)socket.LocalEndPoint!).Port;
    }
}
