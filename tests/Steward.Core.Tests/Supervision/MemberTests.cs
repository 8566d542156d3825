using Steward.Core.Config;
using Steward.Core.Effects;
using Steward.Core.Inputs;
using Steward.Core.Model;
using Steward.Core.Tests.Config;

namespace Steward.Core.Tests.Supervision;

/// <summary>Processes that join a group and leave it while the daemon runs.</summary>
public sealed class MemberTests
{
    private readonly Machine _machine = Machine.Up(
        Machine.Group("web", 999, Machine.Program("a")), Machine.Pool("pool", 10, ["TICK_5"], Machine.Program("l")));

    private string Add(string group, params string[] names) => Answer(new AddProcesses(group, [.. names.Select(name => Machine.Program(name))]));

    private string Answer(Command command) => _machine.AnswerText(_machine.Ask(command));

    [Fact]
    public void They_start_as_autostart_says_and_are_members_like_the_others()
    {
        Assert.Equal("true", Answer(new AddProcesses("web", [Machine.Program("b"), Machine.Program("c", c => c with { AutoStart = false })])));
        Assert.Equal(
            ["a STARTING", "b STARTING", "c STOPPED"],
            _machine.Supervisor.All(_machine.Moment).Where(p => p.Group == "web").Select(p => $"{p.Name} {p.State.Name()}"));
        Assert.Equal(["pool", "web"], _machine.Supervisor.GroupNames());
    }

    [Theory]
    [InlineData("nope", "b", "BAD_NAME: nope")]
    [InlineData("web", "a", "BAD_NAME: a")]
    [InlineData("pool", "b", "FAILED: pool is a pool of event listeners")]
    public void What_cannot_be_is_refused(string group, string name, string expected) => Assert.Equal(expected, Add(group, name));

    [Fact]
    public void Without_room_for_their_logs_there_are_none()
    {
        _machine.PrepareFailure = "no room";
        Assert.Equal("FAILED: no room", Add("web", "b"));
        Assert.Null(_machine.Supervisor.Find("web", "b", _machine.Moment));
    }

    [Fact]
    public void A_stopped_one_can_be_removed_and_its_name_is_free_again()
    {
        Assert.Equal("STILL_RUNNING: a", Answer(new RemoveProcess("web", "a")));
        Assert.Equal("true", Answer(new AddProcesses("web", [Machine.Program("b", c => c with { AutoStart = false })])));
        Assert.Equal("true", Answer(new RemoveProcess("web", "b")));
        Assert.Equal("BAD_NAME: b", Answer(new RemoveProcess("web", "b")));
        Assert.Equal("BAD_NAME: nope", Answer(new RemoveProcess("nope", "b")));
        Assert.Equal("FAILED: pool is a pool of event listeners", Answer(new RemoveProcess("pool", "l")));
        Assert.Equal("true", Add("web", "b"));
    }

    [Fact]
    public void A_group_with_other_members_has_changed()
    {
        Add("web", "b");
        long reread = _machine.Ask(new StopAll(Wait: false));
        Assert.NotEqual("waits", _machine.AnswerText(reread));
        var effects = new List<Effect>();
        _machine.Supervisor.Step(
            _machine.Moment,
            new ConfigurationRead(new RequestId(999), Machine.Configuration(Machine.Group("web", 999, Machine.Program("a")))),
            effects);
        Assert.Equal(["web"], Assert.IsType<Reread>(Assert.Single(effects.OfType<Reply>()).Outcome).Changed);
    }

    [Fact]
    public void A_signal_to_the_tree_goes_to_the_process_group()
    {
        _machine.RunUntil(2);
        Assert.Equal("true", Answer(new SignalProcessTree("web:a", "USR1")));
        Signal sent = _machine.Carried.OfType<Signal>().Last();
        Assert.True(sent.ToGroup);
        Answer(new SignalProcessTree("web:*", "USR2"));
        Assert.Equal((Signals.Usr2, true), (_machine.Carried.OfType<Signal>().Last().Number, _machine.Carried.OfType<Signal>().Last().ToGroup));
        Assert.Equal("BAD_NAME: x", Answer(new SignalProcessTree("x", "USR1")));
        Assert.Equal("BAD_SIGNAL: what", Answer(new SignalProcessTree("web:a", "what")));
    }

    [Theory]
    [InlineData("command=/bin/x", "p|/bin/x")]
    [InlineData("command=/bin/x %(program_name)s %(group_name)s %(ENV_HOME)s;numprocs=2;process_name=p%(process_num)d", "p0|/bin/x p web /home/me,p1|/bin/x p web /home/me")]
    [InlineData("startsecs=1", "program section program:p does not specify a command in section 'program:p' (file: '')")]
    [InlineData("command=x;numprocs=2", "%(process_num) must be present within process_name when numprocs > 1 in section 'program:p' (file: '')")]
    public void Options_are_read_as_a_section_of_the_file_would_be(string options, string expected)
    {
        FakeEnvironment machine = new FakeEnvironment().File("/etc/s.conf", "[supervisord]\nenvironment=A=1\n[program:p]\ncommand=other\nautostart=false\n");
        ProgramReading read = ConfigReader.ReadProgram(
            "/etc/s.conf", machine, ConfigOverrides.None, "web", "p",
            [.. options.Split(';').Where(option => option.Contains('=')).Select(option => KeyValuePair.Create(option.Split('=', 2)[0], option.Split('=', 2)[1]))]);
        Assert.Equal(expected, read.FirstError ?? string.Join(',', read.Processes!.Select(process => $"{process.Name}|{process.Command}")));
        Assert.All(read.Processes ?? [], process => Assert.True(process.AutoStart && process.Environment.Single().Key == "A"));
    }
}
