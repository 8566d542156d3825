using System.Text;
using Steward.Cli.Shell;
using Steward.Client;
using Steward.Core.Model;
using Steward.Protocol.XmlRpc;

namespace Steward.Cli.Tests;

public sealed class ShellTests : IDisposable
{
    private const string Cat = "cat                              RUNNING   pid 7, uptime 0:00:01\n";

    private readonly Place _place = new();
    private readonly FakeServer _server;

    public ShellTests()
    {
        _server = new FakeServer(_place.At("s.sock"));
        _server.On("supervisor.getAllProcessInfo", _ => FakeServer.Array(FakeServer.Process("cat", "cat", 20, "RUNNING", "pid 7, uptime 0:00:01", 7)));
        _server.On("supervisor.startProcess", _ => true);
        _server.On("supervisor.getProcessInfo", parameters => FakeServer.Fault(10, "BAD_NAME: " + ((XmlRpcString)parameters[0]).Value));
        _place.Write("supervisord.conf", $"[supervisorctl]\nserverurl={_server.Url}\nprompt=mine\nhistory_file=%(here)s/history\n");
    }

    public void Dispose()
    {
        _server.Dispose();
        _place.Dispose();
    }

    [Theory]
    [InlineData("start cat\n\nnothing\nversion extra\nexit\nstatus\n", Cat + "mine> cat: started\nmine> mine> *** Unknown syntax: nothing\nmine> Error: version accepts no arguments\n" + HelpTexts.Version + "\nmine> \n")]
    [InlineData("pid nope\n", Cat + "mine> No such process nope\nmine> \n")]
    [InlineData("EOF\n", Cat + "mine> \n")]
    [InlineData("quit", Cat + "mine> \n")]
    [InlineData("shutdown\nn\nreload\nno\nexit\n", Cat + "mine> Really shut the remote supervisord process down y/N? mine> Really restart the remote supervisord process y/N? mine> \n")]
    [InlineData("", Cat + "mine> \n")]
    public void Lines_of_standard_input_are_carried_out(string input, string output) =>
        Assert.Equal((0, output, ""), _place.Run([], new FakeTerminal().Type(input).End()));

    [Fact]
    public void An_answer_of_yes_shuts_down()
    {
        _server.On("supervisor.shutdown", _ => true);
        Assert.Contains("y/N? Shut down\n", _place.Run([], new FakeTerminal().Type("shutdown\nYes\n").End()).Output);
    }

    [Fact]
    public void With_a_command_i_opens_no_shell() =>
        Assert.Equal((0, Cat, ""), _place.Run(["-i", "status"], new FakeTerminal().Type("quit\n").End()));

    [Fact]
    public void On_a_terminal_lines_are_edited_and_kept()
    {
        File.WriteAllText(_place.At("history"), "pid nope\n");
        // Ctrl-P recalls the line of the file; Tab completes action and name; Ctrl-D leaves.
        var terminal = new FakeTerminal(isTerminal: true).Type("\x10\rsta\trt c\t\r\x04").End();
        (int status, string output, _) = _place.Run([], terminal);
        Assert.Equal(0, status);
        Assert.Contains("No such process nope\n", output);
        Assert.Contains("cat: started\n", output);
        Assert.Equal("pid nope\nstart cat \n", File.ReadAllText(_place.At("history")));
        Assert.Equal(3, terminal.Raw);
    }

    [Fact]
    public void Ctrl_C_at_the_prompt_leaves()
    {
        (int status, string output, _) = _place.Run([], new FakeTerminal(isTerminal: true).Type("pid x\x03status\r").End());
        Assert.Equal(0, status);
        Assert.DoesNotContain("No such", output);
        Assert.DoesNotContain("getProcessInfo", string.Join(' ', _server.Calls));
    }

    [Theory]
    [InlineData("plain\r", "plain")]
    [InlineData("ab\x02X\r", "aXb")]
    [InlineData("ab\e[D\e[D\e[CX\r", "aXb")]
    [InlineData("ab\x01X\x05Y\r", "XabY")]
    [InlineData("ab\e[HX\e[FY\eOH1\e[4~2\r", "1XabY2")]
    [InlineData("abc\x7f\x08Z\r", "aZ")]
    [InlineData("abc\x02\x02\x04\r", "ac")]
    [InlineData("abc\x01\e[3~\r", "bc")]
    [InlineData("one two\x17\x19\x19\r", "one twotwo")]
    [InlineData("one two\x01\x0b\r", "")]
    [InlineData("one two\x15three\r", "three")]
    [InlineData("one two\ebX\r", "one Xtwo")]
    [InlineData("one two\x01\efX\r", "oneX two")]
    [InlineData("one two\x01\ed\r", " two")]
    [InlineData("one two\e[1;5DX\r", "one Xtwo")]
    [InlineData("ab\x14\r", "ba")]
    [InlineData("äöü\x02\x7fß\r", "äßü")]
    [InlineData("a𝄞b\x02\x02X\r", "aX𝄞b")]
    [InlineData("a\x0c\e[99;99;99Zb\r", "ab")]
    [InlineData("x\x10\x10\x10\x0e\r", "second")]
    [InlineData("x\e[A\e[A\e[B\e[B\r", "x")]
    [InlineData("al\t\r", "alpha ")]
    [InlineData("go be\t\r", "go beta")]
    [InlineData("zzz\t\r", "zzz")]
    public void Keys_make_a_line(string keys, string expected)
    {
        var history = new History();
        history.Add("first");
        history.Add("second");
        var editor = new LineEditor(
            new InputReader(new FakeTerminal().Type(keys).End()),
            new ScreenOutput(new MemoryStream()),
            () => 20,
            history,
            (line, cursor) =>
            {
                int start = line.LastIndexOf(' ', cursor - 1) + 1;
                return new Completion(start, [.. new[] { "alpha ", "betaOne ", "betaTwo " }.Where(word => word.StartsWith(line[start..cursor], StringComparison.Ordinal))]);
            });
        Assert.Equal(LineEnd.Entered, editor.Read("> ", out string line));
        Assert.Equal(expected, line);
    }

    [Fact]
    public void A_second_tab_lists_what_fits_and_a_long_line_scrolls()
    {
        var screen = new MemoryStream();
        var editor = new LineEditor(
            new InputReader(new FakeTerminal().Type("\t\t" + new string('x', 30) + "yz\r").End()),
            new ScreenOutput(screen), () => 20, new History(), (_, cursor) => new Completion(cursor, ["one ", "two "]));
        editor.Read("> ", out string line);
        string shown = Encoding.UTF8.GetString(screen.ToArray());
        Assert.Equal(new string('x', 30) + "yz", line);
        Assert.Contains("\r\none  two\r\n", shown);
        Assert.Contains("\r> " + new string('x', 15) + "yz\e[K", shown);
    }

    [Theory]
    [InlineData("", "help |add |start |stop ")]
    [InlineData("st", "start |stop ")]
    [InlineData("help s", "start |stop ")]
    [InlineData("start ", "cat |g:* |g:one |g:two ")]
    [InlineData("start c", "cat ")]
    [InlineData("start cat:", "cat:* |cat:cat ")]
    [InlineData("tail -f g:o", "g:one ")]
    [InlineData("remove ", "cat |g ")]
    [InlineData("add ", "late ")]
    [InlineData("version ", "")]
    public void Words_are_completed(string line, string candidates)
    {
        int asked = 0;
        var completer = new Completer(
            ["help", "add", "start", "stop"],
            () =>
            {
                asked++;
                return [Info("cat", "cat"), Info("g", "one"), Info("g", "two")];
            },
            () => [new ConfigInfo("late", "late", false, true, 1, 1), new ConfigInfo("cat", "cat", true, true, 1, 1)]);
        completer.Complete(line, line.Length);
        Assert.Equal(candidates, string.Join('|', completer.Complete(line, line.Length).Candidates));
        Assert.True(asked <= 1);

        static ProcessInfo Info(string group, string name) => new(group, name, ProcessState.Running, "RUNNING", "", 1);
    }

    [Fact]
    public void The_history_is_bounded_and_private()
    {
        var history = new History();
        for (int i = 0; i < History.MaxEntries + 10; i++)
        {
            history.Add("line " + i);
        }

        history.Add("line 1009");
        history.Add("  ");
        Assert.Equal((History.MaxEntries, "line 10", "line 1009"), (history.Count, history[0], history[^1]));
        history.Save(_place.At("h"));
        if (OperatingSystem.IsLinux())
        {
            Assert.Equal(UnixFileMode.UserRead | UnixFileMode.UserWrite, File.GetUnixFileMode(_place.At("h")));
        }

        var again = new History();
        again.Load(_place.At("h"));
        Assert.Equal(History.MaxEntries, again.Count);
        again.Load(_place.At("none"));
        again.Save(_place.At("none/none"));
    }
}
