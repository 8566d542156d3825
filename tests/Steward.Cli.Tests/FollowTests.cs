using System.Net.Sockets;
using System.Text;
using Steward.Protocol.XmlRpc;

namespace Steward.Cli.Tests;

/// <summary>tail -f, maintail -f and fg.</summary>
public sealed class FollowTests : IDisposable
{
    private const string Press = "==> Press Ctrl-C to exit <==\n";

    private readonly Place _place = new();
    private readonly FakeServer _server;
    private readonly ManualResetEventSlim _sent = new();

    public FollowTests()
    {
        _server = new FakeServer(_place.At("s.sock"));
        _server.On("supervisor.getProcessInfo", parameters => ((XmlRpcString)parameters[0]).Value switch
        {
            "cat" => FakeServer.Process("cat", "cat", 20, "RUNNING", ""),
            "off" => FakeServer.Process("off", "off", 0, "STOPPED", ""),
            "f6" => FakeServer.Fault(6, "SHUTDOWN_STATE"),
            _ => FakeServer.Fault(10, "BAD_NAME: x"),
        });
    }

    public void Dispose()
    {
        _server.Dispose();
        _sent.Dispose();
        _place.Dispose();
    }

    [Theory]
    [InlineData("tail -f g:one", "/logtail/g:one/stdout")]
    [InlineData("tail -f x%2 stderr", "/logtail/x%252/stderr")]
    [InlineData("maintail -f", "/mainlogtail")]
    public void A_log_is_followed_until_Ctrl_C(string line, string path)
    {
        Offer(path, "one\n", "two ä\xff\n");
        Task<(int Status, string Output, string Error)> run = Task.Run(() => Run(line));
        WaitForOutput("two");
        _place.Interrupt!();
        (int status, string output, string error) = Wait(run);
        Assert.Equal((0, Press + "one\ntwo ä\ufffd\n\n", ""), (status, output, error));
        Assert.Contains($"GET {path} HTTP/1.1\r\nHost: localhost\r\n", _server.Heads.Last());
    }

    [Fact]
    public void A_log_that_cannot_be_followed_is_told_and_fails()
    {
        string url = _server.Url + "/logtail/nope/stdout";
        Assert.Equal((1, Press, url + " Cannot read, status code 404\n"), Run("tail -f nope"));
    }

    [Fact]
    public void A_stream_that_ends_fails_without_a_word()
    {
        _server.Pages["/mainlogtail"] = socket =>
        {
            socket.Send("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n4\r\nlast\r\n0\r\n\r\n"u8);
            socket.Shutdown(SocketShutdown.Both);
        };
        Assert.Equal((1, Press + "last", ""), Run("maintail -f"));
    }

    [Theory]
    [InlineData("fg", "ERROR: no process name supplied\nfg <process>\tConnect to a process in foreground mode\n\t\tCtrl-C to exit\n")]
    [InlineData("fg a b", "ERROR: too many process names supplied\n")]
    [InlineData("fg nope", "ERROR: bad process name supplied\n")]
    [InlineData("fg f6", "ERROR: <Fault 6: 'SHUTDOWN_STATE'>\n")]
    [InlineData("fg off", "ERROR: process not running\n")]
    public void Foreground_refuses(string line, string output) => Assert.Equal((1, output, ""), Run(line));

    [Fact]
    public void Foreground_shows_both_logs_and_sends_lines()
    {
        Offer("/logtail/cat/stdout", "out\n");
        Offer("/logtail/cat/stderr", "err\n");
        _server.On("supervisor.sendProcessStdin", _ => true);
        var terminal = new FakeTerminal();
        Task<(int Status, string Output, string Error)> run = Task.Run(() => Run("fg cat", terminal));
        WaitForOutput("out");
        WaitForOutput("err");
        terminal.Type("hello\nwörld\n").End();
        (int status, string output, string error) = Wait(run);
        Assert.Equal((0, ""), (status, error));
        Assert.EndsWith("Exiting foreground\n", output);
        Assert.Contains("supervisor.sendProcessStdin(cat, hello\n)", _server.Calls);
        Assert.Contains("supervisor.sendProcessStdin(cat, wörld\n)", _server.Calls);
    }

    [Theory]
    [InlineData(70, "Process got killed\nExiting foreground\n")]
    [InlineData(20, "ERROR: <Fault 20: 'TEXT'>\nExiting foreground\n")]
    public void Foreground_ends_with_the_process(int fault, string end)
    {
        Offer("/logtail/cat/stdout", "out\n");
        Offer("/logtail/cat/stderr", "out\n");
        _server.On("supervisor.sendProcessStdin", _ => FakeServer.Fault(fault, "TEXT"));
        (int status, string output, _) = Run("fg cat", new FakeTerminal().Type("x\ny\n"));
        // What the logs bring may stand anywhere before the last line.
        Assert.Equal((0, Press + end), (status, output.Replace("out\n", "")));
        Assert.EndsWith("Exiting foreground\n", output);
    }

    [Fact]
    public void Foreground_ends_at_Ctrl_C()
    {
        Offer("/logtail/cat/stdout", "out\n");
        Task<(int Status, string Output, string Error)> run = Task.Run(() => Run("fg cat", new FakeTerminal()));
        WaitForOutput("out");
        _place.Interrupt!();
        (int status, string output, string error) = Wait(run);
        Assert.Equal(0, status);
        Assert.EndsWith("Exiting foreground\n", output);
        Assert.True(error is "" || error == _server.Url + "/logtail/cat/stderr Cannot read, status code 404\n", error);
    }

    private void Offer(string path, params string[] chunks) => _server.Pages[path] = socket =>
    {
        socket.Send("HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nTransfer-Encoding: chunked\r\n\r\n"u8);
        foreach (string chunk in chunks)
        {
            // U+00FF stands for a byte that is not UTF-8.
            byte[] bytes = [.. chunk.SelectMany(c => c == '\xff' ? [0xff] : Encoding.UTF8.GetBytes([c]))];
            socket.Send([.. Encoding.ASCII.GetBytes($"{bytes.Length:x}\r\n"), .. bytes, .. "\r\n"u8]);
        }
    };

    private void WaitForOutput(string text)
    {
        Assert.True(SpinWait.SpinUntil(() => _place.Output is { } output && Encoding.UTF8.GetString(output.ToArray()).Contains(text), 20_000));
    }

    private static T Wait<T>(Task<T> task)
    {
        Assert.True(task.Wait(20_000));
        return task.Result;
    }

    private (int Status, string Output, string Error) Run(string line, FakeTerminal? terminal = null) =>
        _place.Run(["-s", _server.Url, line], terminal);
}
