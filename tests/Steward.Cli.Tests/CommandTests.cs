using Steward.Protocol.XmlRpc;

namespace Steward.Cli.Tests;

public sealed class CommandTests : IDisposable
{
    private readonly Place _place = new();
    private readonly FakeServer _server;

    public CommandTests()
    {
        _server = new FakeServer(_place.At("s.sock"));
        _server.On("supervisor.getAllProcessInfo", _ => FakeServer.Array(
            FakeServer.Process("bad", "bad", 200, "FATAL", "Exited too quickly (process log may have details)"),
            FakeServer.Process("cat", "cat", 20, "RUNNING", "pid 17054, uptime 0:00:03", 17054),
            FakeServer.Process("g", "one", 20, "RUNNING", "pid 1, uptime 1 day, 0:00:03", 1),
            FakeServer.Process("g", "two", 10, "STARTING", "", 2)));
        foreach (string method in (string[])["startProcess", "stopProcess", "signalProcess", "clearProcessLogs"])
        {
            _server.On("supervisor." + method, parameters => ((XmlRpcString)parameters[0]).Value switch
            {
                "nope" or "g:nope" => FakeServer.Fault(10, "BAD_NAME: nope"),
                "failed" => FakeServer.Fault(30, "FAILED: it cannot be"),
                "f6" => FakeServer.Fault(6, "SHUTDOWN_STATE"),
                "f11" => FakeServer.Fault(11, "BAD_SIGNAL: x"),
                "f20" => FakeServer.Fault(20, "NO_FILE: x"),
                "f21" => FakeServer.Fault(21, "NOT_EXECUTABLE: x"),
                "f40" => FakeServer.Fault(40, "ABNORMAL_TERMINATION: x"),
                "f50" => FakeServer.Fault(50, "SPAWN_ERROR: x"),
                "f60" => FakeServer.Fault(60, "ALREADY_STARTED: x"),
                "f70" => FakeServer.Fault(70, "NOT_RUNNING: x"),
                _ => true,
            });
        }

        _server.On("steward.upgrade", parameters => ((XmlRpcString)parameters[0]).Value switch
        {
            "" or "/opt/new steward" => true,
            _ => FakeServer.Fault(30, "FAILED: it is older"),
        });
        _server.On("steward.setIntent", parameters => ((XmlRpcString)parameters[0]).Value switch
        {
            "nope" => FakeServer.Fault(10, "BAD_NAME: nope"),
            _ => true,
        });
        _server.On("steward.getIntents", _ => FakeServer.Array(
            FakeServer.Struct(
                ("group", "cat"), ("name", "cat"), ("enabled", false), ("reason", "disk full"), ("stopped", true), ("by", "uid 0 (pid 9)"), ("since", 1)),
            FakeServer.Struct(("group", "g"), ("name", "one"), ("enabled", false), ("since", 1)),
            FakeServer.Struct(("group", "g"), ("name", "two"), ("enabled", true), ("stopped", true), ("by", ""), ("since", 1))));
        foreach (string method in (string[])["startProcessGroup", "stopProcessGroup", "signalProcessGroup"])
        {
            _server.On("supervisor." + method, parameters => ((XmlRpcString)parameters[0]).Value == "g"
                ? FakeServer.Array(FakeServer.Result("g", "one", 80), FakeServer.Result("g", "two", 50, "SPAWN_ERROR: two"))
                : FakeServer.Fault(10, "BAD_NAME: x"));
        }

        foreach (string method in (string[])["startAllProcesses", "stopAllProcesses", "signalAllProcesses", "clearAllProcessLogs"])
        {
            _server.On("supervisor." + method, _ => FakeServer.Array(FakeServer.Result("cat", "cat", 80), FakeServer.Result("g", "one", 30, "FAILED: x")));
        }
    }

    public void Dispose()
    {
        _server.Dispose();
        _place.Dispose();
    }

    public static TheoryData<string, int, string> Lines => new()
    {
        // upgrade
        { "upgrade", 0, "Upgraded supervisord\n" },
        { "upgrade --binary /opt/new steward", 0, "Upgraded supervisord\n" },
        { "upgrade --binary=/opt/old", 1, "ERROR: not upgraded: FAILED: it is older\n" },
        { "upgrade now", 1, "Error: upgrade accepts --binary FILE and nothing else\nupgrade\t\t\tHave the daemon go on as the program that is installed by now; processes are not touched\nupgrade --binary FILE\tThe same with another executable\n" },
        // enable, disable, intent
        { "disable cat", 0, "cat: disabled\n" },
        { "disable cat nope --reason disk full", 1, "cat: disabled\nnope: ERROR (no such process)\n" },
        { "disable g:* no:*", 1, "g:one: disabled\ng:two: disabled\nno: ERROR (no such group)\n" },
        { "disable c*", 0, "cat: disabled\n" },
        { "disable", 2, "Error: disable requires a process name\n" + HelpTexts.Disable + "\n" },
        { "disable --reason x", 2, "Error: disable requires a process name\n" + HelpTexts.Disable + "\n" },
        { "disable cat --reason", 2, "Error: --reason requires a text\n" + HelpTexts.Disable + "\n" },
        { "enable cat nope", 1, "cat: enabled\nnope: ERROR (no such process)\n" },
        { "enable all", 0, "bad: enabled\ncat: enabled\ng:one: enabled\ng:two: enabled\n" },
        { "enable", 2, "Error: enable requires a process name\n" + HelpTexts.Enable + "\n" },
        { "intent cat", 2, "Error: intent accepts no arguments\n" + HelpTexts.Intent + "\n" },
        // status
        { "status cat", 0, "cat                              RUNNING   pid 17054, uptime 0:00:03\n" },
        { "status g:*", 0, "g:one                            RUNNING   pid 1, uptime 1 day, 0:00:03\ng:two                            STARTING  \n" },
        { "status g:two bad g:two", 3, "g:two                            STARTING  \nbad                              FATAL     Exited too quickly (process log may have details)\ng:two                            STARTING  \n" },
        { "status nope cat no:*", 4, "nope: ERROR (no such process)\nno: ERROR (no such group)\ncat                              RUNNING   pid 17054, uptime 0:00:03\n" },
        { "status nope bad", 3, "nope: ERROR (no such process)\nbad                              FATAL     Exited too quickly (process log may have details)\n" },

        // start
        { "start cat", 0, "cat: started\n" },
        { "start cat:cat g:one", 0, "cat: started\ng:one: started\n" },
        { "start g:nope", 1, "g:nope: ERROR (no such process)\n" },
        { "start f60 cat", 0, "f60: ERROR (already started)\ncat: started\n" },
        { "start f50 cat", 7, "f50: ERROR (spawn error)\ncat: started\n" },
        { "start f40 nope", 1, "f40: ERROR (abnormal termination)\nnope: ERROR (no such process)\n" },
        { "start f20", 1, "f20: ERROR (no such file)\n" },
        { "start f21", 1, "f21: ERROR (file is not executable)\n" },
        { "start failed", 1, "failed: ERROR (FAILED: it cannot be)\n" },
        { "start f6", 1, "f6: ERROR (SHUTDOWN_STATE)\n" },
        { "start g:*", 7, "g:one: started\ng:two: ERROR (spawn error)\n" },
        { "start no:*", 2, "no: ERROR (no such group)\n" },
        { "start cat all nope", 1, "cat: started\ng:one: ERROR (FAILED: x)\n" },

        // stop
        { "stop cat", 0, "cat: stopped\n" },
        { "stop f70", 0, "f70: ERROR (not running)\n" },
        { "stop failed", 1, "FAILED: it cannot be\n" },
        { "stop no:", 1, "no: ERROR (no such group)\n" },
        { "stop all", 1, "cat: stopped\nFAILED: x\n" },

        // restart: both phases, for all names
        { "restart cat nope", 1, "cat: stopped\nnope: ERROR (no such process)\ncat: started\nnope: ERROR (no such process)\n" },

        // signal
        { "signal HUP cat", 0, "cat: signalled\n" },
        { "signal HUP f70 cat", 7, "f70: ERROR (not running)\ncat: signalled\n" },
        { "signal HUP f11", 1, "f11: ERROR (bad signal name)\n" },
        { "signal HUP no:*", 1, "no: ERROR (no such group)\n" },
        { "signal HUP failed", 1, "FAILED: it cannot be\n" },
        { "signal HUP all", 1, "cat: signalled\nFAILED: x\n" },

        // clear
        { "clear cat", 0, "cat: cleared\n" },
        { "clear failed nope", 1, "failed: ERROR (failed)\nnope: ERROR (no such process)\n" },
        { "clear all", 1, "cat: cleared\ng:one: ERROR (failed)\n" },
        { "clear g:* no:*", 1, "g:one: cleared\ng:two: cleared\nno: ERROR (no such group)\n" },

        // what is missing
        { "signal HUP", 1, "Error: signal requires a signal name and a process name\n" + HelpTexts.Signal + "\n" },
        { "clear", 1, "Error: clear requires a process name\n" + HelpTexts.Clear + "\n" },
        { "start", 2, "Error: start requires a process name\n" + HelpTexts.Start + "\n" },

        // a command is letters, digits and underscores
        { "start\tcat", 0, "cat: started\n" },
        { "   stop    cat   g:one ", 0, "cat: stopped\ng:one: stopped\n" },
        { "!ls", 1, "*** Unknown syntax: !ls\n" },
        { "(", 1, "*** Unknown syntax: (\n" },
        { "exit", 0, "\n" },
    };

    [Theory]
    [MemberData(nameof(Lines))]
    public void A_line_prints_this_and_ends_so(string line, int status, string output) => Assert.Equal((status, output, ""), Run(line));

    [Theory]
    [InlineData("disable cat", "steward.setIntent(cat, false, )")]
    [InlineData("disable cat --reason the  disk is full", "steward.setIntent(cat, false, the disk is full)")]
    [InlineData("disable cat --reason=full", "steward.setIntent(cat, false, full)")]
    [InlineData("disable cat --reason 'its \"disk\"'", "steward.setIntent(cat, false, its \"disk\")")]
    [InlineData("enable cat", "steward.setIntent(cat, true, )")]
    public void An_intent_is_set_with_its_reason(string line, string call)
    {
        Run(line);
        Assert.Equal(["supervisor.getVersion()", call], _server.Calls);
    }

    [Fact]
    public void Intents_are_shown_a_line_each()
    {
        string since = $"since {DateTimeOffset.FromUnixTimeSeconds(1).LocalDateTime:yyyy-MM-dd HH:mm:ss}\n";
        Assert.Equal(
            (0,
                "cat                              disabled  disk full, stopped by hand, by uid 0 (pid 9), " + since
                + "g:one                            disabled  " + since
                + "g:two                            enabled   stopped by hand, " + since,
                ""),
            Run("intent"));
        _server.On("steward.getIntents", _ => FakeServer.Array());
        Assert.Equal((0, "no intents are remembered\n", ""), Run("intent"));
    }

    [Theory]
    [InlineData("intent")]
    [InlineData("disable cat bad")]
    [InlineData("enable all")]
    public void A_daemon_that_remembers_nothing_is_told_apart(string line)
    {
        _server.Methods.TryRemove("steward.getIntents", out _);
        _server.Methods.TryRemove("steward.setIntent", out _);
        Assert.Equal((1, "error: this daemon remembers no intents: it is an older Steward, or another supervisord\n", ""), Run(line));
    }

    [Fact]
    public void Columns_widen_for_the_longest_name_that_is_shown()
    {
        string name = new('x', 31);
        _server.On("supervisor.getAllProcessInfo", _ => FakeServer.Array(
            FakeServer.Process(name, name, 0, "STOPPED", "Not started"), FakeServer.Process("y", "y", 40, "STOPPING", "")));
        Assert.Equal((3, name + "   STOPPED   Not started\ny" + new string(' ', 33) + "STOPPING  \n", ""), Run("status"));
        Assert.Equal((0, "y" + new string(' ', 32) + "STOPPING  \n", ""), Run("status y"));
    }

    [Fact]
    public void Pid_of_the_daemon_of_all_and_of_some()
    {
        _server.On("supervisor.getPID", _ => 4711);
        _server.On("supervisor.getProcessInfo", parameters => ((XmlRpcString)parameters[0]).Value switch
        {
            "cat" => FakeServer.Process("cat", "cat", 20, "RUNNING", "", 17054),
            "bad" => FakeServer.Process("bad", "bad", 200, "FATAL", ""),
            var name => FakeServer.Fault(10, "BAD_NAME: " + name),
        });
        Assert.Equal((0, "4711\n", ""), Run("pid"));
        Assert.Equal((0, "0\n17054\n1\n2\n", ""), Run("pid all"));
        Assert.Equal((7, "17054\nNo such process g:*\n0\n", ""), Run("pid cat g:* bad"));
    }

    [Theory]
    [InlineData("tail cat", "supervisor.readProcessStdoutLog(cat, -1600, 0)")]
    [InlineData("tail -7 g:one stderr", "supervisor.readProcessStderrLog(g:one, -7, 0)")]
    [InlineData("tail-7 cat STDOUT", "supervisor.readProcessStdoutLog(cat, -7, 0)")]
    [InlineData("maintail", "supervisor.readLog(-1600, 0)")]
    [InlineData("maintail -30", "supervisor.readLog(-30, 0)")]
    public void Tail_asks_for_bytes_from_the_end(string line, string call)
    {
        foreach (string method in (string[])["readProcessStdoutLog", "readProcessStderrLog", "readLog"])
        {
            _server.On("supervisor." + method, _ => "some\ntext ÄÖ");
        }

        Assert.Equal((0, "some\ntext ÄÖ\n", ""), Run(line));
        Assert.Equal(["supervisor.getVersion()", call], _server.Calls);
    }

    [Theory]
    [InlineData("tail", "Error: too few arguments\n" + HelpTexts.Tail + "\n")]
    [InlineData("tail -5 a b c", "Error: too many arguments\n" + HelpTexts.Tail + "\n")]
    [InlineData("tail -5", "Error: tail requires process name\n")]
    [InlineData("tail a b", "Error: bad channel 'b'\n")]
    [InlineData("tail -x a", "Error: bad argument -x\n")]
    [InlineData("tail --5 a", "Error: bad argument --5\n")]
    [InlineData("tail nofile", "nofile: ERROR (no log file)\n")]
    [InlineData("tail failed", "failed: ERROR (unknown error reading log)\n")]
    [InlineData("tail nope", "nope: ERROR (no such process name)\n")]
    [InlineData("tail other", "error: <Fault 6: 'SHUTDOWN_STATE'>\n")]
    [InlineData("maintail -f -5", "Error: too many arguments\n" + HelpTexts.MainTail + "\n")]
    [InlineData("maintail 5", "Error: bad argument 5\n")]
    [InlineData("maintail", "supervisord: ERROR (no log file)\n")]
    public void Tail_refuses(string line, string output)
    {
        _server.On("supervisor.readLog", _ => FakeServer.Fault(20, "NO_FILE"));
        _server.On("supervisor.readProcessStdoutLog", parameters => ((XmlRpcString)parameters[0]).Value switch
        {
            "nofile" => FakeServer.Fault(20, "NO_FILE: /x"),
            "failed" => FakeServer.Fault(30, "FAILED"),
            "nope" => FakeServer.Fault(10, "BAD_NAME: nope"),
            _ => FakeServer.Fault(6, "SHUTDOWN_STATE"),
        });
        Assert.Equal((1, output, ""), Run(line));
    }

    [Theory]
    [InlineData("", "c: stopped\nc: updated process group\na: added process group\n", 0)]
    [InlineData(" all x", "c: stopped\nc: updated process group\na: added process group\n", 0)]
    [InlineData(" a", "a: added process group\n", 0)]
    [InlineData(" a zzz", "ERROR: no such group: zzz\na: added process group\n", 1)]
    [InlineData(" g", "", 0)]
    public void Update_handles_what_is_wanted(string names, string output, int status)
    {
        OfferUpdate([], ["c"], ["a"]);
        Assert.Equal((status, output, ""), Run("update" + names));
    }

    [Fact]
    public void Update_leaves_a_group_that_does_not_stop()
    {
        OfferUpdate(["g", "cat"], [], []);
        _server.On("supervisor.stopProcessGroup", parameters =>
            FakeServer.Array(FakeServer.Result("g", "g", ((XmlRpcString)parameters[0]).Value == "g" ? 30 : 80)));
        Assert.Equal(
            (1, "g: stopped\ng: has problems; not removing\ncat: stopped\ncat: removed process group\n", ""), Run("update"));
    }

    [Fact]
    public void Update_warns_of_what_ran_and_does_not_any_more()
    {
        OfferUpdate([], ["c"], []);
        _server.On("supervisor.stopProcessGroup", _ => FakeServer.Array(FakeServer.Result("c", "x", 80)));
        _server.On("supervisor.getAllConfigInfo", _ => FakeServer.Array(
            FakeServer.Struct(("name", "x"), ("group", "c"), ("autostart", false)),
            FakeServer.Struct(("name", "y"), ("group", "c"), ("autostart", false))));
        Assert.Equal(
            (0, "c: stopped\nc: updated process group\n",
                "warning: c:x ran before the update and now does not (autostart=false); to start: start c:x\n"),
            Run("update"));
    }

    [Theory]
    [InlineData("update", 6, "SHUTDOWN_STATE", "ERROR: already shutting down\n")]
    [InlineData("update", 92, "CANT_REREAD: bad", "ERROR: CANT_REREAD: bad\n")]
    [InlineData("reread", 6, "SHUTDOWN_STATE", "ERROR: supervisor shutting down\n")]
    [InlineData("reread", 92, "CANT_REREAD: bad", "ERROR: CANT_REREAD: bad\n")]
    [InlineData("reread", 1, "UNKNOWN_METHOD", "error: <Fault 1: 'UNKNOWN_METHOD'>\n")]
    public void A_configuration_that_cannot_be_read_is_told(string line, int code, string text, string output)
    {
        _server.On("supervisor.reloadConfig", _ => FakeServer.Fault(code, text));
        Assert.Equal((1, output, ""), Run(line));
    }

    [Fact]
    public void Reread_sorts_what_it_lists()
    {
        OfferUpdate(["b"], ["c"], ["d", "a"]);
        Assert.Equal((0, "a: available\nb: disappeared\nc: changed\nd: available\n", ""), Run("reread"));
        OfferUpdate([], [], []);
        Assert.Equal((0, "No config updates to processes\n", ""), Run("reread"));
        Assert.Equal((0, "", ""), Run("update"));
    }

    [Theory]
    [InlineData("add", 0, "x: added process group\n", 0)]
    [InlineData("add", 6, "ERROR: shutting down\n", 1)]
    [InlineData("add", 90, "ERROR: process group already active\n", 0)]
    [InlineData("add", 10, "ERROR: no such process/group: x\n", 1)]
    [InlineData("add", 92, "error: <Fault 92: 'TEXT'>\n", 1)]
    [InlineData("remove", 0, "x: removed process group\n", 0)]
    [InlineData("remove", 91, "ERROR: process/group still running: x\n", 1)]
    [InlineData("remove", 10, "ERROR: no such process/group: x\n", 1)]
    [InlineData("remove", 6, "error: <Fault 6: 'TEXT'>\n", 1)]
    [InlineData("shutdown", 0, "Shut down\n", 0)]
    [InlineData("shutdown", 6, "ERROR: already shutting down\n", 0)]
    [InlineData("reload", 0, "Restarted supervisord\n", 0)]
    [InlineData("reload", 6, "ERROR: already shutting down\n", 1)]
    public void Groups_and_the_daemon_answer(string command, int fault, string output, int status)
    {
        foreach (string method in (string[])["addProcessGroup", "removeProcessGroup", "shutdown", "restart"])
        {
            _server.On("supervisor." + method, _ => fault == 0 ? true : FakeServer.Fault(fault, "TEXT"));
        }

        Assert.Equal((status, output, ""), Run(command is "add" or "remove" ? command + " x" : command));
    }

    [Fact]
    public void Avail_lists_what_is_configured()
    {
        _server.On("supervisor.getAllConfigInfo", _ => FakeServer.Array(
            FakeServer.Struct(("name", "multi_00"), ("group", "g"), ("inuse", true), ("autostart", true), ("group_prio", 5), ("process_prio", 999)),
            FakeServer.Struct(("name", "x"), ("group", "x"), ("inuse", false), ("autostart", false), ("group_prio", -1), ("process_prio", 2))));
        Assert.Equal(
            (0, "g:multi_00                       in use    auto      5:999\nx                                avail     manual    -1:2\n", ""),
            Run("avail"));
    }

    [Fact]
    public void Another_interface_is_refused()
    {
        _server.On("supervisor.getVersion", _ => "2.0");
        Assert.Equal(
            (5, "Sorry, this version of supervisorctl expects to talk to a server with API version 3.0, but the remote version is 2.0.\n", ""), Run("pid"));
        Assert.Equal(4, Run("status").Status);
        _server.On("supervisor.getVersion", _ => FakeServer.Fault(1, "UNKNOWN_METHOD"));
        Assert.Equal(
            (3, "Sorry, supervisord responded but did not recognize the supervisor namespace commands that supervisorctl uses to control it.  "
                + "Please check that the [rpcinterface:supervisor] section is enabled in the configuration file (see sample.conf).\n", ""),
            Run("start x"));
        _server.On("supervisor.getVersion", _ => FakeServer.Fault(6, "SHUTDOWN_STATE"));
        Assert.Equal((1, "error: <Fault 6: 'SHUTDOWN_STATE'>\n", ""), Run("version"));
    }

    [Fact]
    public void Other_schemes_fail_at_the_first_call() =>
        Assert.Equal(
            (1, "error: Unknown protocol for serverurl ftp://x (it must be http://HOST:PORT or unix:///PATH)\n", ""),
            _place.Run(["-s", "ftp://x", "pid"]));

    [Fact]
    public void A_login_is_asked_for_only_where_somebody_answers()
    {
        _server.Authorization = "Basic " + Convert.ToBase64String("u:pw"u8);
        Assert.Equal((1, "Server requires authentication\n", ""), Run("status cat"));
        Assert.Equal(0, _place.Run(["-s", _server.Url, "-u", "u", "-p", "pw", "start", "cat"]).Status);

        var terminal = new FakeTerminal().Type("u\nwrong\nu\npw\n").End();
        (int Status, string Output, string Error) seen = _place.Run(["-s", _server.Url, "-i", "start", "cat"], terminal);
        const string Question = "Server requires authentication\nUsername:Password:\n";
        Assert.Equal((0, Question + Question + "cat: started\n", ""), seen);
        Assert.Equal(2, terminal.Hidden);

        seen = _place.Run(["-s", _server.Url, "-i", "start", "cat"], new FakeTerminal().End());
        Assert.Equal((1, "Server requires authentication\nUsername:\n", ""), seen);
    }

    [Fact]
    public void Open_changes_the_server_and_leaves_the_exit_status()
    {
        Assert.Equal((1, "ERROR: url must be http:// or unix://\n", ""), Run("open ftp://x"));
        Assert.Equal((0, "unix:///no/such/socket no such file\n", ""), Run("open unix:///no/such/socket"));
        (int status, string output, _) = _place.Run(["-s", "unix:///no/such/socket", "open", _server.Url]);
        Assert.Equal(0, status);
        Assert.Contains("cat                              RUNNING", output);
    }

    private void OfferUpdate(string[] removed, string[] changed, string[] added)
    {
        _server.On("supervisor.reloadConfig", _ => FakeServer.Array(
            FakeServer.Array(FakeServer.Names(added), FakeServer.Names(changed), FakeServer.Names(removed))));
        foreach (string method in (string[])["addProcessGroup", "removeProcessGroup"])
        {
            _server.On("supervisor." + method, _ => true);
        }

        _server.On("supervisor.stopProcessGroup", _ => FakeServer.Array());
    }

    private (int Status, string Output, string Error) Run(string line) => _place.Run(["-s", _server.Url, line]);
}
