using System.Text;
using Steward.Core.Config;
using Steward.Core.Effects;
using Steward.Core.Inputs;
using Steward.Core.Model;
using Steward.Core.Supervision;

namespace Steward.Core.Tests.Supervision;

/// <summary>What clients ask for, and when they get which answer.</summary>
public sealed class RequestTests
{
    private static ProcessConfig Off(string name, int priority = 999) =>
        Machine.Program(name, c => c with { AutoStart = false, Priority = priority });

    public sealed class GivenAStartThatIsWaitedFor
    {
        private readonly Machine _machine = Machine.Up(Machine.Group(Off("p")));
        private readonly long _request;

        public GivenAStartThatIsWaitedFor() => _request = _machine.Ask(new StartProcess("p", Wait: true));

        [Fact]
        public void It_is_answered_when_the_process_is_running()
        {
            _machine.RunUntil(0.99);
            Assert.Equal("waits", _machine.AnswerText(_request));
            _machine.RunUntil(1.1);
            Assert.Equal("true", _machine.AnswerText(_request));
        }

        [Fact]
        public void It_is_answered_at_the_first_failure()
        {
            _machine.At(0.5);
            _machine.Exit("p", 0);
            Assert.Equal("SPAWN_ERROR: p", _machine.AnswerText(_request));
        }

        [Fact]
        public void It_ends_when_somebody_else_stops_the_process()
        {
            _machine.Ask(new StopProcess("p", Wait: false));
            Assert.Equal("ABNORMAL_TERMINATION: p", _machine.AnswerText(_request));
        }

        [Fact]
        public void It_ends_when_the_daemon_stops()
        {
            _machine.Step(new SignalReceived(Signals.Term));
            Assert.Equal("ABNORMAL_TERMINATION: p", _machine.AnswerText(_request));
        }

        [Fact]
        public void It_is_true_when_the_process_ran_long_enough_before_it_ended()
        {
            _machine.At(3);
            _machine.Exit("p", 0);
            Assert.Equal("true", _machine.AnswerText(_request));
        }

        [Fact]
        public void A_second_one_is_refused_and_the_first_goes_on()
        {
            Assert.Equal("ALREADY_STARTED: p", _machine.AnswerText(_machine.Ask(new StartProcess("p", Wait: true))));
            _machine.RunUntil(2);
            Assert.Equal("true", _machine.AnswerText(_request));
        }
    }

    public sealed class GivenAStopThatIsWaitedFor
    {
        private readonly Machine _machine = Machine.Up(Machine.Group(Machine.Program("p", c => c with { StopWaitSecs = 5 })));

        [Fact]
        public void It_is_answered_when_the_process_is_gone_and_said_every_two_seconds_until_then()
        {
            _machine.RunUntil(2);
            _machine.Take();
            long request = _machine.Ask(new StopProcess("p", Wait: true));
            _machine.RunUntil(8.5);
            Assert.Equal("waits", _machine.AnswerText(request));
            _machine.Exit("p", WaitStatus.FromSignal(Signals.Kill));
            Assert.Equal("true", _machine.AnswerText(request));
            Assert.Equal(
                [
                    "kill 101 SIGTERM", "INFO waiting for p to stop", "INFO waiting for p to stop", "INFO waiting for p to stop",
                    "WARN killing 'p' (101) with SIGKILL", "kill 101 SIGKILL", "INFO waiting for p to stop",
                    "WARN stopped: p (terminated by SIGKILL)", "answer true",
                ],
                _machine.Take());
            _machine.RunUntil(30);
            Assert.Empty(_machine.Take());
        }

        [Fact]
        public void SIGKILL_comes_again_after_each_wait()
        {
            _machine.RunUntil(2);
            _machine.Ask(new StopProcess("p", Wait: false));
            _machine.RunUntil(17.5);
            Assert.Equal(3, _machine.Take().Count(line => line == "kill 101 SIGKILL"));
        }
    }

    public sealed class GivenAnswersOfTheKernelThatComeTwice
    {
        [Fact]
        public void The_second_is_of_no_consequence()
        {
            Machine machine = Machine.Up(Machine.RecorderGroup(), Machine.Group(Machine.Program("p")));
            ProcessSlot slot = machine.Slot("p");
            machine.Exit("p", 1);
            ProcessSnapshot before = machine.Supervisor.Find("p", "p", machine.Moment)!;
            machine.Take();
            machine.Step(new ChildSpawned(slot.Id, slot.Incarnation, 7));
            machine.Step(new SpawnFailed(slot.Id, slot.Incarnation, "late"));
            machine.Step(new ChildExited(slot.Id, slot.Incarnation, WaitStatus.FromExit(9), machine.Now));
            machine.Step(new SignalAnswered(slot.Id, slot.Incarnation, default, 15, SignalResult.Gone, "late"));
            machine.Step(new CommandChecked(slot.Id, new RequestId(77), null));
            machine.Step(new LogsCleared(slot.Id, new RequestId(77), true));
            machine.Step(new StdinAnswered(slot.Id, slot.Incarnation, new RequestId(77), StdinResult.Full));
            Assert.Empty(machine.Take());
            Assert.Equal(before, machine.Supervisor.Find("p", "p", machine.Moment)!);
        }
    }

    public sealed class GivenNames
    {
        private readonly Machine _machine = Machine.Up(Machine.Group("g", 5, Off("one"), Off("two")), Machine.Group(Off("p")));

        [Theory]
        [InlineData("nobody", "BAD_NAME: nobody")]
        [InlineData("one", "BAD_NAME: one")]
        [InlineData("g:three", "BAD_NAME: g:three")]
        [InlineData("g", "BAD_NAME: g")]
        [InlineData("x:*", "BAD_NAME: x:*")]
        [InlineData(" p", "BAD_NAME:  p")]
        [InlineData("", "BAD_NAME: ")]
        [InlineData("g:one:", "BAD_NAME: g:one:")]
        [InlineData("p", "true")]
        [InlineData("p:p", "true")]
        [InlineData("g:one", "true")]
        [InlineData("g:*", "[g:one 80 OK; g:two 80 OK]")]
        [InlineData("g:", "[g:one 80 OK; g:two 80 OK]")]
        public void They_are_taken_as_given(string name, string answer) =>
            Assert.Equal(answer, _machine.AnswerText(_machine.Ask(new StartProcess(name, Wait: false))));

        [Fact]
        public void Group_commands_take_a_bare_group_name()
        {
            Assert.Equal("BAD_NAME: g:*", _machine.AnswerText(_machine.Ask(new StartGroup("g:*", Wait: false))));
            Assert.Equal("BAD_NAME: g:*", _machine.AnswerText(_machine.Ask(new StopGroup("g:*", Wait: false))));
            Assert.Equal("BAD_NAME: x", _machine.AnswerText(_machine.Ask(new SignalGroup("x", "HUP"))));
            Assert.Equal("BAD_NAME: g:*", _machine.AnswerText(_machine.Ask(new ClearProcessLogs("g:*"))));
            Assert.Equal("BAD_NAME: g:*", _machine.AnswerText(_machine.Ask(new SendProcessStdin("g:*", []))));
        }
    }

    public sealed class GivenGroupCommands
    {
        private readonly Machine _machine = Machine.Up(
            Machine.Group("early", 10, Off("a", 1), Off("b", 2), Off("c", 2)),
            Machine.Group("late", 20, Off("x"), Off("y")));

        [Fact]
        public void All_start_in_ascending_priority_none_waiting_for_another()
        {
            long request = _machine.Ask(new StartAll(Wait: true));
            Assert.Equal(["spawn a", "spawn b", "spawn c", "spawn x", "spawn y"], Spawns());
            Assert.Equal("waits", _machine.AnswerText(request));
            _machine.RunUntil(2);
            Assert.Equal(
                "[early:a 80 OK; early:b 80 OK; early:c 80 OK; late:x 80 OK; late:y 80 OK]", _machine.AnswerText(request));
        }

        [Fact]
        public void What_is_decided_at_once_comes_first_then_each_as_it_completes()
        {
            _machine.CommandFault = config => config.Name == "x" ? new Fault(FaultCode.NotExecutable, "command at '/x' is a directory") : null;
            long request = _machine.Ask(new StartAll(Wait: true));
            _machine.At(0.1);
            _machine.Exit("late:y", 1);
            _machine.RunUntil(2);
            Assert.Equal(
                "[late:x 21 NOT_EXECUTABLE: command at '/x' is a directory; late:y 50 SPAWN_ERROR: late:y; early:a 80 OK; early:b 80 OK; early:c 80 OK]",
                _machine.AnswerText(request));
        }

        [Fact]
        public void Stopping_too_goes_in_ascending_priority_and_leaves_out_what_does_not_run()
        {
            _machine.Ask(new StartAll(Wait: false));
            _machine.RunUntil(2);
            _machine.Exit("early:c", 0);
            _machine.Ask(new StopProcess("late:y", Wait: false));
            _machine.Take();
            long request = _machine.Ask(new StopAll(Wait: true));
            Assert.Equal(["kill 101 SIGTERM", "kill 102 SIGTERM", "kill 104 SIGTERM"], _machine.Lines.Where(line => line.StartsWith("kill ", StringComparison.Ordinal)));
            _machine.Exit("late:x", 0);
            _machine.Exit("early:b", 0);
            Assert.Equal("waits", _machine.AnswerText(request));
            _machine.Exit("early:a", 0);
            Assert.Equal("[late:x 80 OK; early:b 80 OK; early:a 80 OK]", _machine.AnswerText(request));
        }

        [Fact]
        public void Nothing_to_do_is_an_empty_answer()
        {
            Assert.Equal("[]", _machine.AnswerText(_machine.Ask(new StopAll(Wait: true))));
            Assert.Equal("[]", _machine.AnswerText(_machine.Ask(new SignalAll("HUP"))));
            Assert.Equal("[]", _machine.AnswerText(_machine.Ask(new SignalGroup("early", "NONE"))));
        }

        [Fact]
        public void Signals_go_to_those_that_can_take_them_and_a_bad_one_is_said_for_each()
        {
            _machine.Ask(new StartGroup("late", Wait: false));
            Assert.Equal("[late:x 80 OK; late:y 80 OK]", _machine.AnswerText(_machine.Ask(new SignalAll("usr1"))));
            Assert.Equal(
                "[late:x 11 BAD_SIGNAL: NONE; late:y 11 BAD_SIGNAL: NONE]",
                _machine.AnswerText(_machine.Ask(new SignalGroup("late", "NONE"))));
        }

        [Fact]
        public void A_starting_command_tries_what_is_stopping_too()
        {
            _machine.Ask(new StartGroup("late", Wait: false));
            _machine.Ask(new StopProcess("late:x", Wait: false));
            Assert.Equal("[late:x 40 ABNORMAL_TERMINATION: late:x]", _machine.AnswerText(_machine.Ask(new StartGroup("late", Wait: true))));
        }

        [Fact]
        public void Logs_are_cleared_in_the_same_order()
        {
            Assert.Equal(
                "[early:a 80 OK; early:b 80 OK; early:c 80 OK; late:x 80 OK; late:y 80 OK]",
                _machine.AnswerText(_machine.Ask(new ClearAllProcessLogs())));
            _machine.ClearsLogs = false;
            Assert.Equal("FAILED: late:x", _machine.AnswerText(_machine.Ask(new ClearProcessLogs("late:x"))));
        }

        private IEnumerable<string> Spawns() => _machine.Lines.Where(line => line.StartsWith("spawn ", StringComparison.Ordinal));
    }

    public sealed class GivenStdin
    {
        private readonly Machine _machine = Machine.Up(Machine.Group(Machine.Program("p")), Machine.Group(Off("q")));

        [Theory]
        [InlineData(StdinResult.Accepted, "true")]
        [InlineData(StdinResult.Closed, "NO_FILE: p")]
        [InlineData(StdinResult.Full, "FAILED: p")]
        public void The_answer_says_what_became_of_it(StdinResult result, string answer)
        {
            _machine.Stdin = _ => result;
            Assert.Equal(answer, _machine.AnswerText(_machine.Ask(new SendProcessStdin("p", Encoding.UTF8.GetBytes("hé\n")))));
            Assert.Contains("write hé\\n", _machine.Lines);
        }

        [Fact]
        public void Only_a_process_that_runs_and_stays_takes_it()
        {
            Assert.Equal("NOT_RUNNING: q", _machine.AnswerText(_machine.Ask(new SendProcessStdin("q", [1]))));
            Assert.Equal("BAD_NAME: r", _machine.AnswerText(_machine.Ask(new SendProcessStdin("r", [1]))));
            _machine.Ask(new StopProcess("p", Wait: false));
            Assert.Equal("NOT_RUNNING: p", _machine.AnswerText(_machine.Ask(new SendProcessStdin("p", [1]))));
        }
    }

    public sealed class GivenGroupsThatComeAndGo
    {
        private readonly Machine _machine = Machine.Up(
            Machine.RecorderGroup(), Machine.Group(Machine.Program("keep")), Machine.Group(Machine.Program("change")), Machine.Group(Machine.Program("go")));

        [Fact]
        public void Reading_again_says_what_is_different_and_touches_nothing()
        {
            _machine.Take();
            long request = Reread();
            Assert.Equal("+[new] ~[change] -[go]", _machine.AnswerText(request));
            Assert.Equal(["answer +[new] ~[change] -[go]"], _machine.Take());
            Assert.True(_machine.Supervisor.Find("go", "go", _machine.Moment) is not null);
        }

        [Fact]
        public void An_unchanged_file_is_no_difference()
        {
            long request = _machine.NewRequest();
            _machine.Step(new ConfigurationRead(new RequestId(request), Machine.Configuration(Machine.RecorderGroup(),
                Machine.Group(Machine.Program("keep")), Machine.Group(Machine.Program("change")), Machine.Group(Machine.Program("go")))));
            Assert.Equal("+[] ~[] -[]", _machine.AnswerText(request));
        }

        [Fact]
        public void A_group_is_added_from_the_newest_reading_and_its_programs_start()
        {
            Assert.Equal("BAD_NAME: new", _machine.AnswerText(_machine.Ask(new AddProcessGroup("new"))));
            Reread();
            _machine.Take();
            _machine.Ask(new AddProcessGroup("new"));
            Assert.Equal(
                [
                    "event PROCESS_GROUP_ADDED groupname:new\n", "event STARTING processname:new groupname:new from_state:STOPPED tries:0",
                    "answer true", "spawn new", "INFO spawned: 'new' with pid 104",
                ],
                _machine.Take());
            Assert.Equal("ALREADY_ADDED: new", _machine.AnswerText(_machine.Ask(new AddProcessGroup("new"))));
        }

        [Fact]
        public void A_group_that_cannot_be_prepared_is_not_added()
        {
            Reread();
            _machine.PrepareFailure = "Could not create FastCGI socket tcp://x:1: in use";
            Assert.Equal("FAILED: Could not create FastCGI socket tcp://x:1: in use", _machine.AnswerText(_machine.Ask(new AddProcessGroup("new"))));
            Assert.Null(_machine.Supervisor.Find("new", "new", _machine.Moment));
        }

        [Fact]
        public void A_group_is_removed_only_when_all_of_it_is_stopped()
        {
            Assert.Equal("STILL_RUNNING: go", _machine.AnswerText(_machine.Ask(new RemoveProcessGroup("go"))));
            _machine.Ask(new StopProcess("go", Wait: false));
            Assert.Equal("STILL_RUNNING: go", _machine.AnswerText(_machine.Ask(new RemoveProcessGroup("go"))));
            _machine.Exit("go", 0);
            _machine.Take();
            _machine.Ask(new RemoveProcessGroup("go"));
            Assert.Equal(["event PROCESS_GROUP_REMOVED groupname:go\n", "answer true"], _machine.Take());
            Assert.Equal("BAD_NAME: go", _machine.AnswerText(_machine.Ask(new RemoveProcessGroup("go"))));
        }

        [Fact]
        public void What_comes_late_about_a_removed_group_is_of_no_consequence()
        {
            ProcessSlot slot = _machine.Slot("go");
            _machine.Ask(new StopProcess("go", Wait: false));
            _machine.Exit("go", 0);
            _machine.Ask(new RemoveProcessGroup("go"));
            _machine.Take();
            _machine.Step(new ChildExited(slot.Id, slot.Incarnation, WaitStatus.FromExit(0), _machine.Now));
            _machine.Step(new OutputArrived(slot.Id, slot.Incarnation, OutputChannel.Stdout, [65]));
            _machine.Step(new CommandChecked(slot.Id, new RequestId(77), null));
            _machine.Step(new StdinAnswered(slot.Id, slot.Incarnation, new RequestId(77), StdinResult.Accepted));
            _machine.Step(new LogsCleared(slot.Id, new RequestId(77), true));
            Assert.Empty(_machine.Take());
        }

        [Fact]
        public void A_group_that_comes_again_is_another_one()
        {
            ProcessId before = _machine.Slot("go").Id;
            _machine.Ask(new StopProcess("go", Wait: false));
            _machine.Exit("go", 0);
            _machine.Ask(new RemoveProcessGroup("go"));
            Assert.Equal("true", _machine.AnswerText(_machine.Ask(new AddProcessGroup("go"))));
            Assert.NotEqual(before, _machine.Slot("go").Id);
        }

        [Fact]
        public void The_definitions_of_the_newest_reading_are_listed_by_process_name()
        {
            Reread();
            Assert.Equal(
                ["change True", "keep True", "new False", "recorder True"],
                _machine.Supervisor.AllConfigs().Select(config => $"{config.Process.Name} {config.InUse}"));
        }

        private long Reread()
        {
            long request = _machine.NewRequest();
            _machine.Step(new ConfigurationRead(new RequestId(request), Machine.Configuration(
                Machine.RecorderGroup(), Machine.Group(Machine.Program("keep")), Machine.Group(Machine.Program("change", c => c with { Priority = 1 })),
                Machine.Group(Machine.Program("new")))));
            return request;
        }
    }

    public sealed class GivenWhatIsShown
    {
        [Fact]
        public void Processes_are_listed_by_group_then_name_in_code_point_order()
        {
            Machine machine = Machine.Up(Machine.Group("b", 1, Off("z"), Off("Z")), Machine.Group("a", 2, Off("y")), Machine.Group("B", 3, Off("x")));
            Assert.Equal(["B:x", "a:y", "b:Z", "b:z"], machine.Supervisor.All(machine.Moment).Select(p => p.Group + ":" + p.Name));
        }

        [Fact]
        public void Times_are_the_wall_clocks_and_the_uptime_is_not()
        {
            Machine machine = Machine.Up(Machine.Group(Machine.Program("p")));
            machine.RunUntil(5);
            machine.WallOffset -= 3600 * Moment.Second;
            ProcessSnapshot running = machine.Supervisor.Find("p", "p", machine.Moment)!;
            Assert.Equal((Machine.Epoch, 5L, 0, 0, 101), (running.Start, running.UptimeSeconds, running.Stop, running.ExitStatus, running.Pid));
            machine.At(6);
            machine.Exit("p", WaitStatus.FromExit(0), diedAt: 5.5);
            ProcessSnapshot exited = machine.Supervisor.Find("p", "p", machine.Moment)!;
            Assert.Equal(Machine.Epoch - 3600 * Moment.Second + Machine.Nanoseconds(5.5), exited.Stop);
            Assert.Equal((0, 0L, ""), (exited.Pid, exited.UptimeSeconds, exited.SpawnErr));
        }

        [Fact]
        public void The_last_error_stays_until_the_next_start()
        {
            Machine machine = Machine.Up(Machine.Group(Machine.Program("p", c => c with { AutoRestart = AutoRestart.False })));
            machine.At(0.2);
            machine.Exit("p", 9);
            Assert.Equal(("Exited too quickly (process log may have details)", 0), Shown(machine));
            machine.RunUntil(3);
            Assert.Equal(("", 0), Shown(machine));
            machine.Exit("p", 9);
            Assert.Equal(("Bad exit code 9", 9), Shown(machine));
            machine.Ask(new StartProcess("p", Wait: false));
            machine.RunUntil(9);
            machine.Exit("p", WaitStatus.FromSignal(Signals.Kill));
            Assert.Equal(("Bad exit code -1", -1), Shown(machine));
        }

        private static (string, int) Shown(Machine machine)
        {
            ProcessSnapshot snapshot = machine.Supervisor.Find("p", "p", machine.Moment)!;
            return (snapshot.SpawnErr, snapshot.ExitStatus);
        }
    }

    public sealed class GivenRetries
    {
        [Fact]
        public void They_come_after_one_two_and_three_seconds_and_then_it_gives_up()
        {
            Machine machine = Machine.Up(Machine.Group(Machine.Program("p")));
            var starts = new List<long>();
            for (int i = 0; i < 4; i++)
            {
                starts.Add(machine.Slot("p").StartedAt / Moment.Second);
                machine.Exit("p", 1);
                machine.RunUntil(machine.Now / (double)Moment.Second + i + 1);
            }

            Assert.Equal([0, 1, 3, 6], starts);
            Assert.Equal(ProcessState.Fatal, machine.Slot("p").State);
        }

        [Fact]
        public void A_stop_and_a_start_by_hand_begin_with_all_of_them()
        {
            Machine machine = Machine.Up(Machine.RecorderGroup(), Machine.Group(Machine.Program("p")));
            machine.Exit("p", 1);
            machine.Ask(new StopProcess("p", Wait: true));
            machine.Take();
            machine.Ask(new StartProcess("p", Wait: false));
            Assert.Contains("event STARTING processname:p groupname:p from_state:STOPPED tries:0", machine.Take());
        }

        [Fact]
        public void Reaching_RUNNING_forgets_the_failures()
        {
            Machine machine = Machine.Up(Machine.Group(Machine.Program("p")));
            machine.Exit("p", 1);
            machine.RunUntil(5);
            Assert.Equal((ProcessState.Running, 0), (machine.Slot("p").State, machine.Slot("p").Backoff));
        }
    }

    public sealed class GivenAutostart
    {
        [Fact]
        public void It_follows_the_priority_of_groups_and_the_order_inside_them()
        {
            Machine machine = Machine.Up(
                Machine.Group("z", 2, Machine.Program("z1", c => c with { Priority = 9 }), Machine.Program("z2", c => c with { Priority = 1 })),
                Machine.Group("y", 1, Machine.Program("y1"), Off("y2")),
                Machine.Group("x", 2, Machine.Program("x1")));
            Assert.Equal(
                ["spawn y1", "spawn z1", "spawn z2", "spawn x1"],
                machine.Lines.Where(line => line.StartsWith("spawn ", StringComparison.Ordinal)));
        }

        [Fact]
        public void Nothing_starts_before_the_daemon_is_up()
        {
            var machine = new Machine();
            machine.Load(Machine.Group(Machine.Program("p")));
            Assert.DoesNotContain("spawn p", machine.Take());
            machine.Step(new DaemonStarted());
            Assert.Contains("spawn p", machine.Take());
            machine.Step(new DaemonStarted());
            Assert.Empty(machine.Take());
        }
    }
}
