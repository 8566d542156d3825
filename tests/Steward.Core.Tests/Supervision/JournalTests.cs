using System.Text;
using System.Text.Json;
using Steward.Core.Config;
using Steward.Core.Effects;
using Steward.Core.Events;
using Steward.Core.Inputs;
using Steward.Core.Model;

namespace Steward.Core.Tests.Supervision;

/// <summary>What the machine tells to the journal, as lines of name, run, kind and JSON.</summary>
public sealed class JournalTests
{
    private const string Alice = "uid 1000 (pid 77)";

    [Fact]
    public void Nothing_is_told_while_nobody_listens()
    {
        Machine machine = Machine.Up(Machine.Group(Machine.Program("web")));
        machine.Ask(new StopProcess("web", Wait: true), Alice);
        machine.Exit("web", WaitStatus.FromSignal(15));
        machine.Ask(new SetIntent("web", IsEnabled: false, "disk full"), Alice);
        machine.Ask(new StartProcess("web", Wait: false), Alice);
        Assert.Empty(machine.Recorded);
        machine = new Machine();
        machine.Step(new IntentsRead([new Intent("web:web", null, "disk full", 1)]));
        machine.Load(Machine.Group(Machine.Program("web")));
        machine.Step(new DaemonStarted());
        Assert.Empty(machine.Recorded);
    }

    [Fact]
    public void A_crash_is_told_with_its_output_and_what_follows_from_it()
    {
        Machine machine = Up(Machine.Program("web"));
        machine.RunUntil(5);
        machine.Step(new ChildExited(
            machine.Slot("web").Id, machine.Slot("web").Incarnation, WaitStatus.FromExit(3), machine.Now, LastOutput: "fatal: no database\n"));
        Assert.Equal(
            """
            web 1 state {"from":"STOPPED","to":"STARTING","tries":0}
            web 1 spawn {"pid":101,"tries":0,"by":"autostart"}
            web 1 state {"from":"STARTING","to":"RUNNING","pid":101}
            web 1 exit {"pid":101,"code":3,"expected":false,"uptime_ms":5000,"output":"fatal: no database\n"}
            web 1 state {"from":"RUNNING","to":"EXITED"}
            web 1 decision {"decision":"restart","reason":"autorestart=unexpected and exit code 3 is not in exitcodes=0"}
            web 2 state {"from":"EXITED","to":"STARTING","tries":0}
            web 2 spawn {"pid":102,"tries":0,"by":"autorestart"}
            """,
            Told(machine));
    }

    [Theory]
    [InlineData(AutoRestart.False, 3, """{"decision":"leave","reason":"autorestart=false"}""")]
    [InlineData(AutoRestart.True, 0, """{"decision":"restart","reason":"autorestart=true"}""")]
    [InlineData(AutoRestart.Unexpected, 0, """{"decision":"leave","reason":"autorestart=unexpected and exit code 0 is in exitcodes=0,2"}""")]
    [InlineData(AutoRestart.Unexpected, 7, """{"decision":"restart","reason":"autorestart=unexpected and exit code 7 is not in exitcodes=0,2"}""")]
    public void A_decision_says_why(AutoRestart restart, int code, string decision)
    {
        Machine machine = Up(Machine.Program("web", c => c with { AutoRestart = restart, ExitCodes = [0, 2], StartSecs = 0 }));
        machine.Exit("web", code);
        Assert.Contains("web 1 decision " + decision, Told(machine).Split('\n'));
    }

    [Fact]
    public void Who_disabled_a_process_is_told_and_why_it_was_not_started()
    {
        Machine machine = Up(Machine.Program("web", c => c with { AutoStart = false }));
        machine.Ask(new SetIntent("web", IsEnabled: false, "disk full"), Alice);
        machine.Ask(new SetIntent("web", IsEnabled: false, "disk full"), Alice);
        machine.Ask(new StartProcess("web", Wait: false), "");
        machine.Ask(new SetIntent("web", IsEnabled: true, ""), "");
        machine.Ask(new SetIntent("web", IsEnabled: false, ""), Alice);
        Assert.Equal(
            """
            web 0 request {"verb":"disable","by":"uid 1000 (pid 77)","reason":"disk full"}
            web 0 request {"verb":"start","refusal":"web is disabled (disk full)"}
            web 0 request {"verb":"enable"}
            web 0 request {"verb":"disable","by":"uid 1000 (pid 77)"}
            """,
            Told(machine));
    }

    [Fact]
    public void What_is_not_started_with_the_daemon_says_why()
    {
        var machine = new Machine();
        machine.Step(new IntentsRead([new Intent("a:a", null, "disk full", 1), new Intent("b:b", false, null, 1)]));
        machine.Load(
            Machine.Group(Machine.Program("a")), Machine.Group(Machine.Program("b", c => c with { AutoStartAsLast = true })));
        machine.Supervisor.IsRecording = true;
        machine.Step(new DaemonStarted());
        Assert.Equal(
            """
            a 0 decision {"decision":"leave","reason":"a is disabled (disk full)"}
            b 0 decision {"decision":"leave","reason":"it was stopped by hand, and autostart=last"}
            """,
            Told(machine));
    }

    [Theory]
    [InlineData(null)]
    [InlineData(true)]
    [InlineData(false)]
    public void A_death_by_sigkill_says_whether_memory_was_wanting(bool? outOfMemory)
    {
        Machine machine = Up(Machine.Program("web", c => c with { AutoRestart = AutoRestart.Unexpected }));
        machine.RunUntil(5);
        machine.Step(new ChildExited(machine.Slot("web").Id, machine.Slot("web").Incarnation, WaitStatus.FromSignal(9), machine.Now, outOfMemory));
        ExitFact exit = machine.Recorded.Select(static entry => entry.Fact).OfType<ExitFact>().Single();
        Assert.Equal((9, outOfMemory), (exit.Signal, exit.OutOfMemory));
        Assert.Contains("a death by signal is never expected", Told(machine), StringComparison.Ordinal);
    }

    [Fact]
    public void Attempts_that_fail_are_told_up_to_the_last()
    {
        var machine = new Machine { SpawnError = static _ => "can't find command '/bin/web'" };
        machine.Supervisor.IsRecording = true;
        machine.Load(Machine.Group(Machine.Program("web", c => c with { StartRetries = 1 })));
        machine.Step(new DaemonStarted());
        machine.RunUntil(1);
        Assert.Equal(
            """
            web 1 state {"from":"STOPPED","to":"STARTING","tries":0}
            web 1 spawn {"error":"can't find command '/bin/web'","tries":0,"by":"autostart"}
            web 1 state {"from":"STARTING","to":"BACKOFF","tries":1}
            web 1 decision {"decision":"back_off","reason":"it could not be started","until":1767225601000000000,"tries":1,"limit":1}
            web 2 state {"from":"BACKOFF","to":"STARTING","tries":1}
            web 2 spawn {"error":"can't find command '/bin/web'","tries":1,"by":"retry"}
            web 2 state {"from":"STARTING","to":"BACKOFF","tries":2}
            web 2 decision {"decision":"give_up","reason":"startretries=1 are used up","tries":2,"limit":1}
            web 2 state {"from":"BACKOFF","to":"FATAL"}
            """,
            Told(machine));
    }

    [Fact]
    public void A_run_that_is_too_short_is_an_attempt_that_failed()
    {
        Machine machine = Up(Machine.Program("web"));
        machine.Exit("web", 0);
        Assert.Equal(
            """
            web 1 exit {"pid":101,"code":0,"expected":false,"uptime_ms":0}
            web 1 state {"from":"STARTING","to":"BACKOFF","tries":1}
            web 1 decision {"decision":"back_off","reason":"it ended before startsecs=1","until":1767225601000000000,"tries":1,"limit":3}
            """,
            string.Join('\n', Told(machine).Split('\n')[2..]));
    }

    [Fact]
    public void A_stop_says_who_asked_and_how_far_it_had_to_go()
    {
        Machine machine = Up(Machine.Program("web", c => c with { StopAsGroup = true }));
        machine.RunUntil(5);
        machine.Recorded.Clear();
        machine.Ask(new StopProcess("web", Wait: true), Alice);
        machine.RunUntil(15);
        machine.Exit("web", WaitStatus.FromSignal(9));
        Assert.Equal(
            """
            web 0 request {"verb":"stop","by":"uid 1000 (pid 77)"}
            web 1 signal {"number":15,"pid":101,"to_group":true}
            web 1 state {"from":"RUNNING","to":"STOPPING","pid":101}
            web 1 decision {"decision":"kill","reason":"it did not stop within stopwaitsecs=10"}
            web 1 signal {"number":9,"pid":101,"to_group":false}
            web 1 exit {"pid":101,"signal":9,"core":false,"expected":true,"uptime_ms":15000}
            web 1 state {"from":"STOPPING","to":"STOPPED"}
            """,
            Told(machine));
    }

    [Fact]
    public void What_is_refused_is_told_as_such()
    {
        Machine machine = Up(Machine.Program("web"));
        machine.CommandFault = static _ => new Fault(FaultCode.NoFile, "/bin/web");
        machine.Recorded.Clear();
        machine.Ask(new StartProcess("web", Wait: false), Alice);
        machine.CommandFault = static _ => null;
        machine.Ask(new StartProcess("web", Wait: false), Alice);
        machine.Ask(new SignalProcess("web", "NONSENSE"), Alice);
        machine.SignalAnswer = static _ => (SignalResult.Refused, "[Errno 1] Operation not permitted");
        machine.Ask(new SignalProcess("web", "HUP"), Alice);
        Assert.Equal(
            """
            web 0 request {"verb":"start","by":"uid 1000 (pid 77)","refusal":"NO_FILE: /bin/web"}
            web 0 request {"verb":"start","by":"uid 1000 (pid 77)","refusal":"it is started already"}
            web 0 request {"verb":"signal","by":"uid 1000 (pid 77)","refusal":"'NONSENSE' is no signal"}
            web 0 request {"verb":"signal HUP","by":"uid 1000 (pid 77)"}
            web 1 signal {"number":1,"pid":101,"to_group":false,"error":"[Errno 1] Operation not permitted"}
            """,
            Told(machine));
    }

    [Fact]
    public void A_start_by_hand_names_who_started()
    {
        Machine machine = Up(Machine.Program("web", c => c with { AutoStart = false }));
        machine.Ask(new StartAll(Wait: false), Alice);
        Assert.Equal(
            """
            web 0 request {"verb":"start","by":"uid 1000 (pid 77)"}
            web 1 state {"from":"STOPPED","to":"STARTING","tries":0}
            web 1 spawn {"pid":101,"tries":0,"by":"uid 1000 (pid 77)"}
            """,
            Told(machine));
    }

    [Fact]
    public void A_changed_definition_is_told_key_by_key_without_secrets()
    {
        Machine machine = Up(Machine.Program("web", c => c with { Environment = [new("TOKEN", "old")] }));
        machine.RunUntil(5);
        machine.Recorded.Clear();
        GroupConfig next = Machine.Group(Machine.Program("web", c => c with { Command = "/bin/other", StartSecs = 9, Environment = [new("TOKEN", "new"), new("A", "b")] }));
        machine.Step(new ConfigurationRead(new RequestId(machine.NewRequest()), Machine.Configuration(next), Alice));
        machine.Ask(new StopGroup("web", Wait: true), Alice);
        machine.Exit("web", WaitStatus.FromSignal(15));
        machine.Ask(new RemoveProcessGroup("web"), Alice);
        machine.Ask(new AddProcessGroup("web"), Alice);
        Assert.Equal(
            """
            - 0 config {"action":"reread","changes":"changed: web","by":"uid 1000 (pid 77)"}
            web 0 request {"verb":"stop","by":"uid 1000 (pid 77)"}
            web 1 signal {"number":15,"pid":101,"to_group":false}
            web 1 state {"from":"RUNNING","to":"STOPPING","pid":101}
            web 1 exit {"pid":101,"signal":15,"core":false,"expected":true,"uptime_ms":5000}
            web 1 state {"from":"STOPPING","to":"STOPPED"}
            web 0 config {"action":"changed","changes":"command: /bin/web -> /bin/other\nstartsecs: 1 -> 9\nenvironment: +A, TOKEN changed","by":"uid 1000 (pid 77)"}
            web 0 config {"action":"added","by":"uid 1000 (pid 77)"}
            web 1 state {"from":"STOPPED","to":"STARTING","tries":0}
            web 1 spawn {"pid":102,"tries":0,"by":"autostart"}
            """,
            Told(machine));
    }

    [Fact]
    public void A_shutdown_is_told_for_the_daemon_and_for_each_program_that_it_stops()
    {
        Machine machine = Up(Machine.Program("web"));
        machine.RunUntil(5);
        machine.Recorded.Clear();
        machine.Ask(new Shutdown(), Alice);
        machine.Exit("web", WaitStatus.FromSignal(15));
        Assert.Equal(
            """
            - 0 request {"verb":"shutdown","by":"uid 1000 (pid 77)"}
            web 0 request {"verb":"shutdown","by":"uid 1000 (pid 77)"}
            web 1 signal {"number":15,"pid":101,"to_group":false}
            web 1 state {"from":"RUNNING","to":"STOPPING","pid":101}
            web 1 exit {"pid":101,"signal":15,"core":false,"expected":true,"uptime_ms":5000}
            web 1 state {"from":"STOPPING","to":"STOPPED"}
            """,
            Told(machine));
    }

    [Theory]
    [InlineData(null, """- 0 request {"verb":"reload","by":"SIGHUP"}""")]
    [InlineData("line 3 is wrong", """- 0 config {"action":"refused","changes":"line 3 is wrong","by":"SIGHUP"}""")]
    public void A_reload_by_signal_is_told_and_so_is_why_it_is_refused(string? failure, string told)
    {
        Machine machine = Up();
        machine.ReloadFailure = failure;
        machine.Step(new SignalReceived(Signals.Hup));
        Assert.Equal(told, Told(machine));
    }

    [Fact]
    public void A_listener_that_misbehaves_is_told_and_what_it_misses_can_be_read_up()
    {
        var machine = new Machine();
        machine.Supervisor.IsRecording = true;
        machine.Load(
            Machine.Pool("ears", 1, ["REMOTE_COMMUNICATION"], Machine.Program("ear", c => c with { StartSecs = 0 })));
        machine.Step(new DaemonStarted());
        machine.Output("ears:ear", "READY\n");
        machine.Recorded.Clear();
        for (int i = 1; i <= 3; i++)
        {
            machine.Ask(new SendRemoteCommEvent("t", "data " + i));
        }

        machine.Output("ears:ear", "RESULT 4\nFAIL");
        machine.Output("ears:ear", "garbage\n");
        Assert.Equal(
            """
            - 0 event {"type":"REMOTE_COMMUNICATION","serial":0,"payload":"type:t\ndata 1"}
            - 0 event {"type":"REMOTE_COMMUNICATION","serial":1,"payload":"type:t\ndata 2"}
            ears:* 0 listener {"action":"overflowed","serial":1,"count":1,"detail":"REMOTE_COMMUNICATION"}
            ears:* 0 event {"type":"REMOTE_COMMUNICATION","serial":1,"payload":"type:t\ndata 2"}
            - 0 event {"type":"REMOTE_COMMUNICATION","serial":2,"payload":"type:t\ndata 3"}
            ears:* 0 listener {"action":"overflowed","serial":2,"count":1,"detail":"REMOTE_COMMUNICATION"}
            ears:* 0 event {"type":"REMOTE_COMMUNICATION","serial":2,"payload":"type:t\ndata 3"}
            ears:ear 1 listener {"action":"rejected","serial":0}
            ears:ear 1 listener {"action":"violated","detail":"b'garbage\\n'"}
            """,
            Told(machine));
    }

    [Fact]
    public void Only_an_end_that_nobody_expects_is_worth_its_output()
    {
        Machine machine = Up(Machine.Program("web"));
        Assert.True(Wants(machine, WaitStatus.FromExit(0)));
        machine.RunUntil(5);
        Assert.False(Wants(machine, WaitStatus.FromExit(0)));
        Assert.True(Wants(machine, WaitStatus.FromExit(1)));
        Assert.True(Wants(machine, WaitStatus.FromSignal(11)));
        machine.Ask(new StopProcess("web", Wait: false));
        Assert.False(Wants(machine, WaitStatus.FromSignal(15)));

        static bool Wants(Machine machine, WaitStatus status) =>
            machine.Supervisor.IsUnexpected(machine.Slot("web").Id, machine.Slot("web").Incarnation, status);
    }

    private static Machine Up(params ProcessConfig[] processes)
    {
        var machine = new Machine();
        machine.Supervisor.IsRecording = true;
        machine.Load([.. processes.Select(static process => Machine.Group(process))]);
        machine.Step(new DaemonStarted());
        return machine;
    }

    private static string Told(Machine machine) => string.Join('\n', machine.Recorded.Select(static entry =>
    {
        using var stream = new MemoryStream();
        using (var writer = new Utf8JsonWriter(stream, new JsonWriterOptions { Encoder = System.Text.Encodings.Web.JavaScriptEncoder.UnsafeRelaxedJsonEscaping }))
        {
            JournalJson.WriteFact(writer, entry.Fact);
        }

        return $"{entry.Name ?? "-"} {entry.Incarnation} {entry.Fact.Kind.Name()} {Encoding.UTF8.GetString(stream.ToArray())}";
    }));
}
