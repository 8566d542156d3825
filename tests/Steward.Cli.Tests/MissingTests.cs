using System.Globalization;

namespace Steward.Cli.Tests;

/// <summary>Nobody answers: what the pid file tells is one line on standard error, and nothing else changes.</summary>
public sealed class MissingTests : IDisposable
{
    private readonly Place _place = new();

    public void Dispose() => _place.Dispose();

    private (int Status, string Output, string Error) Run(string pidFile, params string[] words)
    {
        string conf = _place.Write(
            "s.conf", $"[supervisord]\npidfile=%(here)s/{pidFile}\n[supervisorctl]\nserverurl=unix://%(here)s/none.sock\n");
        return _place.Run(["-c", conf, .. words]);
    }

    [Theory]
    [InlineData("status", 4, "{0} no such file\n")]
    [InlineData("pid", 7, "{0} no such file\n")]
    [InlineData("reload", 1, "error: {0} no such file\n")]
    public void Without_a_pid_file_there_is_nothing_to_add(string action, int status, string output) => Assert.Equal(
        (status, string.Format(CultureInfo.InvariantCulture, output, "unix://" + _place.At("none.sock")), ""),
        Run("d.pid", action));

    [Fact]
    public void A_process_that_runs_is_named()
    {
        int own = System.Environment.ProcessId;
        _place.Write("d.pid", $"{own}\n");
        Assert.Equal(
            $"{_place.At("d.pid")} names process {own}, which runs: if it is the daemon, its socket has vanished or is another one; look at its log\n",
            Run("d.pid", "status").Error);
    }

    [Fact]
    public void A_process_that_is_gone_is_too()
    {
        _place.Write("d.pid", "2147483647\n");
        Assert.Equal(
            $"{_place.At("d.pid")} names process 2147483647, which does not run: the daemon ended without removing it\n",
            Run("d.pid", "status").Error);
    }

    [Fact]
    public void A_pid_file_with_something_else_in_it_is_said()
    {
        _place.Write("d.pid", "soon\n");
        Assert.Equal($"{_place.At("d.pid")} names no process\n", Run("d.pid", "status").Error);
    }

    [Fact]
    public void Another_address_on_the_command_line_is_another_daemon()
    {
        _place.Write("d.pid", "2147483647\n");
        Assert.Equal("", Run("d.pid", "-s", "http://127.0.0.1:1", "status").Error);
    }
}
