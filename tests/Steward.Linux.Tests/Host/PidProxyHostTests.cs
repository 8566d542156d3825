using Steward.Core.Model;
using Steward.Linux.Host;
using Steward.Linux.Interop;

namespace Steward.Linux.Tests.Host;

[Collection("signals")]
public class PidProxyHostTests
{
    [Fact]
    public void A_command_from_the_path_runs_and_its_end_is_reported()
    {
        using var host = new PidProxyHost();
        Assert.True(host.Spawn(["sh", "-c", "exit 7"]) > 0);
        Assert.Equal(new ProxyEvent(0, WaitStatus.FromExit(7)), host.Next());
    }

    [Fact]
    public void A_command_that_does_not_exist_says_so()
    {
        using var host = new PidProxyHost();
        StartException failure = Assert.Throws<StartException>(() => host.Spawn(["/no/such/command"]));
        Assert.Equal("cannot run '/no/such/command': [Errno 2] No such file or directory", failure.Message);
    }

    [Theory]
    [InlineData(Signals.Term)]
    [InlineData(Signals.Hup)]
    [InlineData(Signals.Int)]
    [InlineData(Signals.Usr1)]
    [InlineData(Signals.Usr2)]
    [InlineData(Signals.Quit)]
    public void Signals_are_heard_and_reach_the_command(int number)
    {
        using var host = new PidProxyHost();
        // The command's own disposition must be the default one again.
        int pid = host.Spawn(["/bin/sleep", "600"]);
        Assert.True(PidProxyHost.Kill(LibC.getpid(), number, out string? error), error);
        Assert.Equal(new ProxyEvent(number, null), host.Next());
        Assert.True(PidProxyHost.Kill(pid, number, out error), error);
        Assert.Equal(number, host.Next().Ended?.Signal);
    }

    [Theory]
    [InlineData("123\n", 123)]
    [InlineData(" 7 ", 7)]
    [InlineData("", null)]
    [InlineData("-5\n", null)]
    [InlineData("0\n", null)]
    [InlineData("12 13\n", null)]
    [InlineData("nonsense", null)]
    public void A_pid_file_names_a_pid_or_none(string content, int? expected)
    {
        using var temp = new TempDirectory();
        Assert.Equal(expected, PidProxyHost.ReadPidFile(temp.Write("pid", content)));
    }

    [Fact]
    public void No_pid_file_and_no_process_are_no_reason_to_fall_over()
    {
        Assert.Null(PidProxyHost.ReadPidFile("/no/such/file"));
        Assert.False(PidProxyHost.Kill(0, Signals.Term, out string? error));
        Assert.Equal("[Errno 3] No such process", error);
    }
}
