using System.Text;
using Steward.Core.Model;

namespace Steward.Cli.Tests;

public sealed class PidProxyTests
{
    [Fact]
    public void Too_few_words_are_told()
    {
        (int status, string output, _) = Run(["x"], new Host());
        Assert.Equal((1, "Usage: pidproxy <pidfile name> <command> [<cmdarg1> ...]\n"), (status, output));
    }

    [Theory]
    [InlineData("1 10 12 15", 0, "7:1 7:10 7:12 7:15")]
    [InlineData("2", 0, "7:2")]
    [InlineData("3 15", 0, "7:3")]
    [InlineData("1 exit:0", 0, "7:1")]
    [InlineData("exit:3", 3, "")]
    [InlineData("killed:9", 137, "")]
    public void Signals_are_passed_on_until_the_end(string events, int status, string sent)
    {
        var host = new Host { Events = new Queue<string>(events.Split(' ')), Pid = 7 };
        Assert.Equal((status, "", ""), Run(["pid", "cmd", "a"], host));
        Assert.Equal(sent, string.Join(' ', host.Sent));
        Assert.Equal(["cmd", "a"], host.Command);
    }

    [Fact]
    public void A_missing_pid_file_is_told_and_survived() =>
        Assert.Equal((0, "Can't read child pidfile pid!\n", ""), Run(["pid", "cmd"], new Host { Events = new(["15", "exit:0"]) }));

    [Fact]
    public void A_pid_that_is_gone_ends_it() =>
        Assert.Equal(
            (1, "", "pidproxy: cannot signal pid 8 of pid: [Errno 3] No such process\n"),
            Run(["pid", "cmd"], new Host { Events = new(["15"]), Pid = 8, Refusal = "[Errno 3] No such process" }));

    [Fact]
    public void A_command_that_does_not_start_ends_it() =>
        Assert.Equal((127, "", "pidproxy: cannot run 'cmd': no\n"), Run(["pid", "cmd"], new Host { Failure = "cannot run 'cmd': no" }));

    private static (int Status, string Output, string Error) Run(string[] args, Host host)
    {
        var output = new MemoryStream();
        var error = new MemoryStream();
        int status = PidProxyProgram.Run(args, "pidproxy", output, error, () => host);
        return (status, Encoding.UTF8.GetString(output.ToArray()), Encoding.UTF8.GetString(error.ToArray()));
    }

    private sealed class Host : IPidProxyHost
    {
        public Queue<string> Events { get; init; } = new();

        public int? Pid { get; init; }

        public string? Failure { get; init; }

        public string? Refusal { get; init; }

        public List<string> Sent { get; } = [];

        public IReadOnlyList<string> Command { get; private set; } = [];

        public string? Spawn(IReadOnlyList<string> argv)
        {
            Command = argv;
            return Failure;
        }

        public (int Signal, WaitStatus? Ended) Next() => Events.Dequeue().Split(':') switch
        {
            ["exit", var code] => (0, WaitStatus.FromExit(int.Parse(code))),
            ["killed", var signal] => (0, WaitStatus.FromSignal(int.Parse(signal))),
            var signal => (int.Parse(signal[0]), null),
        };

        public int? ReadPidFile(string path) => Pid;

        public string? Kill(int pid, int signal)
        {
            Sent.Add($"{pid}:{signal}");
            return Refusal;
        }

        public void Dispose()
        {
        }
    }
}
