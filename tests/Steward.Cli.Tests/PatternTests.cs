using Steward.Client;
using Steward.Core.Model;
using Steward.Protocol.XmlRpc;

namespace Steward.Cli.Tests;

/// <summary>Patterns in names, actions on many processes, and actions of one's own.</summary>
public sealed class PatternTests : IDisposable
{
    private readonly Place _place = new();
    private readonly FakeServer _server;
    private readonly Dictionary<string, int> _states = new() { ["web1:web1"] = 20, ["web2:web2"] = 20, ["g:web_a"] = 0, ["g:job"] = 20, ["odd:o*d"] = 0 };

    public PatternTests()
    {
        _server = new FakeServer(_place.At("s.sock"));
        _server.On("supervisor.getAllProcessInfo", _ =>
        {
            lock (_states)
            {
                return FakeServer.Array([.. _states.Select(entry => FakeServer.Process(
                    entry.Key.Split(':')[0], entry.Key.Split(':')[1], entry.Value, ((ProcessState)entry.Value).Name(), "", entry.Value == 20 ? 9 : 0))]);
            }
        });
        Change("startProcess", 20, name => name == "g:web_a" ? FakeServer.Fault(50, "SPAWN_ERROR: x") : null);
        Change("stopProcess", 0, _ => null);
        _server.On("supervisor.signalProcess", _ => true);
        _server.On("steward.signalProcessTree", _ => true);
        _server.On("supervisor.clearProcessLogs", _ => true);
        _server.On("supervisor.getProcessInfo", parameters => FakeServer.Process("x", ((XmlRpcString)parameters[0]).Value, 20, "RUNNING", "", 5));
        _server.On("supervisor.readProcessStdoutLog", parameters => "log of " + ((XmlRpcString)parameters[0]).Value);
    }

    public void Dispose()
    {
        _server.Dispose();
        _place.Dispose();
    }

    private void Change(string method, int to, Func<string, object?> fault) => _server.On("supervisor." + method, parameters =>
    {
        string name = ((XmlRpcString)parameters[0]).Value;
        string key = name.Contains(':') ? name : name + ":" + name;
        lock (_states)
        {
            if (!_states.TryGetValue(key, out int state))
            {
                return FakeServer.Fault(10, "BAD_NAME: " + name);
            }

            if (fault(name) is { } refusal)
            {
                return refusal;
            }

            if (state == to)
            {
                return to == 20 ? FakeServer.Fault(60, "ALREADY_STARTED: x") : FakeServer.Fault(70, "NOT_RUNNING: x");
            }

            _states[key] = to;
            return true;
        }
    });

    private (int Status, string Output, string Error) Run(params string[] words) => _place.Run(["-s", _server.Url, .. words]);

    [Theory]
    [InlineData("web*", "web1", true)]
    [InlineData("web?", "web1", true)]
    [InlineData("web?", "web", false)]
    [InlineData("web[12]", "web2", true)]
    [InlineData("web[12]", "web3", false)]
    [InlineData("web[!12]", "web3", true)]
    [InlineData("web[0-9]", "web7", true)]
    [InlineData("web[0-9]", "webx", false)]
    [InlineData("[]x]", "]", true)]
    [InlineData("[x", "[x", true)]
    [InlineData("[!", "[!", true)]
    [InlineData("*a*b*", "xxaxxbxx", true)]
    [InlineData("*a*b", "xxaxxbxx", false)]
    [InlineData("*", "", true)]
    [InlineData("", "", true)]
    [InlineData("", "a", false)]
    public void A_pattern_matches_whole_names(string pattern, string name, bool matches) => Assert.Equal(matches, NamePattern.Matches(pattern, name));

    [Theory]
    [InlineData("web", false)]
    [InlineData("g:*", false)]
    [InlineData("g:", false)]
    [InlineData("g*:*", true)]
    [InlineData("g:w?", true)]
    [InlineData("[ab]", true)]
    public void A_whole_group_is_no_pattern(string word, bool isPattern) => Assert.Equal(isPattern, NamePattern.IsPattern(word));

    [Theory]
    [InlineData("stop web*", 0, "web1: stopped\nweb2: stopped\ng:web_a: ERROR (not running)\n")]
    [InlineData("stop web[2-9] nope", 1, "web2: stopped\nnope: ERROR (no such process)\n")]
    [InlineData("stop zoo*", 1, "zoo*: ERROR (no such process)\n")]
    [InlineData("start g:w*", 7, "g:web_a: ERROR (spawn error)\n")]
    [InlineData("restart web?", 0, "web1: stopped\nweb2: stopped\nweb1: started\nweb2: started\n")]
    [InlineData("start odd:o*d", 0, "odd:o*d: started\n")]
    [InlineData("signal HUP g:j*", 0, "g:job: signalled\n")]
    [InlineData("clear web*", 0, "web1: cleared\nweb2: cleared\ng:web_a: cleared\n")]
    [InlineData("pid web?", 0, "5\n5\n")]
    [InlineData("tail web[1]", 0, "log of web1\n")]
    [InlineData("tail web*", 1, "Error: web* matches several processes, and tail shows one\n")]
    [InlineData("status web?", 0, "web1                             RUNNING   \nweb2                             RUNNING   \n")]
    [InlineData("status g*:*", 3, "g:web_a                          STOPPED   \ng:job                            RUNNING   \n")]
    [InlineData("status zoo*", 4, "zoo*: ERROR (no such process)\n")]
    [InlineData("mstop web?", 0, "web1: stopped\nweb2: stopped\n")]
    [InlineData("mstart web*", 7, "web1: ERROR (already started)\nweb2: ERROR (already started)\ng:web_a: ERROR (spawn error)\n")]
    [InlineData("mrestart web? job", 0, "web1: stopped\nweb2: stopped\ng:job: stopped\nweb1: started\nweb2: started\ng:job: started\n")]
    [InlineData("mstop zoo*", 1, "No process matched given expression.\n")]
    [InlineData("mstop", 1, "Error: mstop requires a process name\nmstop <pattern> [...]\tStop all processes whose names match, at once\n")]
    [InlineData("serialrestart web?", 0, "web1: stopped\nweb1: started\nweb2: stopped\nweb2: started\n")]
    [InlineData("serialrestart g:*", 7, "g:web_a: ERROR (spawn error)\nERROR: g:web_a did not start, the other 1 are left as they are\n")]
    [InlineData("kill TERM web?", 0, "web1: signal sent\nweb2: signal sent\n")]
    [InlineData("kill -g TERM g:job", 0, "g:job: signal sent\n")]
    [InlineData("kill TERM", 1, "Error: kill requires a signal name and a process name\nkill <signal> <name> [...]\t\tSend a signal to processes\nkill -g <signal> <name> [...]\tSend it to everything in their process groups\n")]
    public void Patterns_stand_for_names(string line, int status, string output) =>
        Assert.Equal((status, output, ""), Run(line.Split(' ')));

    [Fact]
    public void Without_patterns_nothing_more_is_asked()
    {
        Run("stop", "web1", "g:job");
        Assert.Equal(["supervisor.getVersion()", "supervisor.stopProcess(web1)", "supervisor.stopProcess(g:job)"], _server.Calls);
    }

    [Fact]
    public void What_is_asked_at_once_is_waited_for()
    {
        int looks = 0;
        _server.On("supervisor.stopProcess", parameters =>
        {
            Assert.False(((XmlRpcBoolean)parameters[1]).Value);
            return true;
        });
        _server.On("supervisor.getAllProcessInfo", _ => FakeServer.Array(
            FakeServer.Process("a", "a", Interlocked.Increment(ref looks) > 3 ? 0 : 40, looks > 3 ? "STOPPED" : "STOPPING", "")));
        Assert.Equal((0, "a: stopped\n", ""), Run("mstop", "a"));
        Assert.InRange(looks, 4, int.MaxValue);
    }

    [Fact]
    public void The_pools_of_listeners_are_shown()
    {
        _server.On("steward.getEventPools", _ => FakeServer.Array(FakeServer.Struct(
            ("name", "watcher"), ("events", FakeServer.Names("TICK")), ("buffer_size", 100), ("buffered", 1), ("delivered", 1834),
            ("rejected", 0), ("returned", 2), ("discarded", 0),
            ("listeners", FakeServer.Array(
                FakeServer.Struct(("name", "watcher"), ("statename", "RUNNING"), ("protocol", "BUSY"), ("serial", "1836")),
                FakeServer.Struct(("name", "other"), ("statename", "STOPPED"), ("protocol", ""), ("serial", "")))))));
        Assert.Equal(
            (0, "watcher      1 of 100 buffered, 1834 delivered, 0 rejected, 2 returned, 0 discarded\n"
                + "  watcher    RUNNING   BUSY         event 1836\n"
                + "  other      STOPPED\n", ""),
            Run("listeners"));
    }

    [Fact]
    public void Another_daemon_does_not_know_its_pools() =>
        Assert.Equal((1, "ERROR: this daemon does not tell how its event listeners do\n", ""), Run("listeners"));

    [Fact]
    public void Help_knows_what_Supervisor_does_not_have_and_lists_it_under_our_own_name()
    {
        Assert.Equal((0, "listeners\t\tShow what the pools of event listeners have buffered, delivered and lost\n", ""), Run("help", "listeners"));
        Assert.DoesNotContain("mstart", Run("help").Output);
        Assert.Contains("\nmore commands (type help <topic>):\n", _place.RunAs("/usr/bin/steward ctl", ["help"]).Output);
    }

    [Theory]
    [InlineData("deploy web 'a b'", 0, "/opt/deploy|--v|x y|web|a b|end")]
    [InlineData("deploy", 0, "/opt/deploy|--v|x y|end")]
    [InlineData("plain 1 2", 0, "/opt/plain|1|2")]
    [InlineData("fails", 9, "/opt/fails")]
    public void A_command_can_be_an_action(string line, int status, string expected)
    {
        string conf = Plugins();
        (int Status, string Output, string Error) end = _place.Run(["-c", conf, .. line.Split(' ')]);
        Assert.Equal((status, "", ""), end);
        Assert.Equal(expected, Assert.Single(_place.Commands));
        Assert.Equal($"SUPERVISOR_SERVER_URL={_server.Url},SUPERVISOR_USERNAME=me,SUPERVISOR_PASSWORD=it", Assert.Single(_place.CommandEnvironments));
    }

    [Fact]
    public void It_has_help_and_completion_and_may_fail_to_run()
    {
        string conf = Plugins();
        Assert.Equal((0, "deploy [argument ...]\tRun /opt/deploy --v x y {args} end\n", ""), _place.Run(["-c", conf, "help", "deploy"]));
        Assert.Contains("\nplugin commands (type help <topic>):\n====================================\nabsent  deploy  fails  plain\n", _place.Run(["-c", conf, "help"]).Output);
        Assert.Equal((1, "error: absent: cannot run 'x'\n", ""), _place.Run(["-c", conf, "absent"]));
        Assert.Equal((1, "Error: deploy: No closing quotation\n", ""), _place.Run(["-c", conf, "deploy", "'a"]));
        Assert.Contains("deploy", _place.Run(["-c", conf], new FakeTerminal(isTerminal: true).Type("dep\t\x04").End()).Output);
    }

    [Theory]
    [InlineData("start", "[ctlplugin:start] adds no action: 'start' is one already; use another name")]
    [InlineData("a-b", "[ctlplugin:a-b] adds no action: a name has letters, digits and underscores only")]
    public void A_name_that_cannot_be_used_is_told(string name, string warning)
    {
        string conf = _place.Write("a.conf", $"[supervisorctl]\nserverurl={_server.Url}\n[ctlplugin:{name}]\nsteward.ctl_command=/x\n");
        Assert.Equal($"warning: {warning}\n", _place.Run(["-c", conf, "help", "quit"]).Error);
    }

    [Fact]
    public void What_plugins_of_Supervisor_do_needs_no_warning() => Assert.Equal("", _place.Run(
        [
            "-c", _place.Write("a.conf", "[supervisorctl]\n[ctlplugin:wildcards]\nsupervisor.ctl_factory=supervisorwildcards.controllerplugin:WildCardsControllerPlugin\n"),
            "help", "quit",
        ]).Error);

    private string Plugins() => _place.Write("a.conf", $"""
        [supervisorctl]
        serverurl={_server.Url}
        username=me
        password=it
        [ctlplugin:deploy]
        steward.ctl_command=/opt/deploy --v 'x y' {"{args}"} end
        [ctlplugin:plain]
        supervisor.ctl_factory=some:thing
        steward.ctl_command=/opt/plain
        [ctlplugin:fails]
        steward.ctl_command=/opt/fails
        [ctlplugin:absent]
        steward.ctl_command=x
        """.Replace("        ", "", StringComparison.Ordinal));
}
