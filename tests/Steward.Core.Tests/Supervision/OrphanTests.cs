using Steward.Core.Config;
using Steward.Core.Effects;
using Steward.Core.Events;
using Steward.Core.Inputs;
using Steward.Core.Model;
using Steward.Core.Supervision;

namespace Steward.Core.Tests.Supervision;

/// <summary>Programs of an earlier daemon, and ends that nobody observed.</summary>
public sealed class OrphanTests
{
    private const int Pid = 77;

    private static Machine Before(params GroupConfig[] groups)
    {
        var machine = new Machine();
        machine.At(100);
        machine.Load([Machine.RecorderGroup("PROCESS_STATE"), .. groups]);
        machine.Take();
        return machine;
    }

    private static void Adopt(Machine machine, string name, bool isOlder = false, bool isToStop = false)
    {
        ProcessId id = machine.Supervisor.Adoptable(name, name)!.Process;
        machine.Step(new ChildAdopted(id, default(Incarnation).Next, Pid, machine.Moment.Wall - 40 * Moment.Second, isOlder, isToStop, false));
    }

    public sealed class GivenOneThatLives
    {
        private readonly Machine _machine = Before(Machine.Group(Machine.Program("web")));

        [Fact]
        public void It_is_running_without_a_spawn_and_is_not_started_by_autostart()
        {
            Adopt(_machine, "web");
            _machine.Step(new DaemonStarted());

            Assert.Equal(
                [
                    "event STARTING processname:web groupname:web from_state:STOPPED tries:0",
                    "event RUNNING processname:web groupname:web from_state:STARTING pid:77",
                    "INFO adopted: 'web' with pid 77, which an earlier daemon started; what it writes is lost until it is started again",
                ],
                _machine.Take());
            ProcessSnapshot web = _machine.Supervisor.Find("web", "web", _machine.Moment)!;
            Assert.Equal((ProcessState.Running, Pid, 40L), (web.State, web.Pid, web.UptimeSeconds));
        }

        /// <summary>No other deadline of its own has to come first.</summary>
        [Fact]
        public void It_is_watched_from_its_taking_on()
        {
            Machine machine = Before(Machine.Group(Machine.Program("web", c => c with
            {
                MemoryLimit = new MemoryLimitConfig { Bytes = 1 << 20, CheckSecs = 30 },
            })));
            Adopt(machine, "web");
            machine.Step(new DaemonStarted());
            machine.Take();

            // It has been up for 40 seconds.
            machine.RunUntil(131);
            Assert.Equal(["measure", "measure"], machine.Take());
        }

        [Fact]
        public void An_older_configuration_is_said()
        {
            Adopt(_machine, "web", isOlder: true);
            Assert.Equal("WARN web (pid 77) runs with an older configuration until it is started again", _machine.Take()[^1]);
        }

        [Fact]
        public void It_is_stopped_and_started_like_any_other()
        {
            Adopt(_machine, "web");
            _machine.Step(new DaemonStarted());
            _machine.Take();
            _machine.Ask(new StopProcess("web", Wait: true));
            Assert.Contains("kill 77 SIGTERM", _machine.Take());
            _machine.Exit("web", WaitStatus.FromSignal(Signals.Term));
            Assert.Contains("WARN stopped: web (terminated by SIGTERM)", _machine.Take());
            _machine.Ask(new StartProcess("web", Wait: false));
            Assert.Contains("spawn web", _machine.Take());
            Assert.Equal(2, _machine.Slot("web").Incarnation.Value);
        }

        [Fact]
        public void Nobody_takes_on_a_second_one()
        {
            Adopt(_machine, "web");
            Assert.Null(_machine.Supervisor.Adoptable("web", "web"));
            Assert.Null(_machine.Supervisor.Adoptable("web", "other"));
            Assert.Null(_machine.Supervisor.Adoptable("other", "web"));
            _machine.Take();
            _machine.Step(new ChildAdopted(_machine.Slot("web").Id, new Incarnation(2), 78, 1, false, false, false));
            Assert.Empty(_machine.Take());
            Assert.Equal(Pid, _machine.Slot("web").Pid);
        }

        [Fact]
        public void A_clock_that_went_back_makes_no_start_in_the_future()
        {
            ProcessId id = _machine.Supervisor.Adoptable("web", "web")!.Process;
            _machine.Step(new ChildAdopted(id, default(Incarnation).Next, Pid, _machine.Moment.Wall + 5, false, false, false));
            Assert.Equal(_machine.Now, _machine.Slot("web").StartedAt);
        }

        [Fact]
        public void The_journal_is_told_of_the_run()
        {
            _machine.Supervisor.IsRecording = true;
            Adopt(_machine, "web");
            SpawnFact spawn = Assert.Single(_machine.Recorded.Select(static entry => entry.Fact).OfType<SpawnFact>());
            Assert.Equal((Pid, "an earlier daemon"), (spawn.Pid, spawn.By));
        }
    }

    public sealed class GivenOneThatIsNotWanted
    {
        [Theory]
        [InlineData(true)]
        [InlineData(false)]
        public void It_is_stopped_and_started_where_it_would_be_started_anyway(bool autoStart)
        {
            Machine machine = Before(Machine.Group(Machine.Program("web", c => c with { AutoStart = autoStart, StopSignal = Signals.Int, StopWaitSecs = 3 })));
            Adopt(machine, "web", isToStop: true);
            machine.Step(new DaemonStarted());
            List<string> lines = machine.Take();
            Assert.Contains($"INFO web (pid 77) is stopped{(autoStart ? " and then started" : "")}: orphan_policy=stop", lines);
            Assert.Contains("kill 77 SIGINT", lines);
            Assert.DoesNotContain("spawn web", lines);

            machine.RunUntil(104);
            Assert.Contains("kill 77 SIGKILL", machine.Take());
            machine.Exit("web", WaitStatus.FromSignal(Signals.Kill));
            Assert.Equal(autoStart, machine.Take().Contains("spawn web"));
            Assert.Equal(autoStart ? ProcessState.Starting : ProcessState.Stopped, machine.Slot("web").State);
        }

        [Fact]
        public void A_listener_never_goes_on_without_its_pipes()
        {
            Machine machine = Before(Machine.Pool("ear", 10, ["TICK_5"], Machine.Program("ear")));
            Adopt(machine, "ear");
            List<string> lines = machine.Take();
            Assert.Contains("INFO ear (pid 77) is stopped and then started: its pipes ended with the daemon that started it", lines);
            machine.Step(new DaemonStarted());
            machine.Exit("ear", WaitStatus.FromExit(0));
            Assert.Contains("spawn ear", machine.Take());
        }
    }

    public sealed class GivenAnEndThatNobodyObserved
    {
        private const string NotAgain = "WARN p is not started again: whether its end was expected is not known (autorestart=unexpected)";

        [Theory]
        [InlineData(AutoRestart.True, true)]
        [InlineData(AutoRestart.Unexpected, false)]
        [InlineData(AutoRestart.False, false)]
        public void While_running_only_autorestart_true_starts_it_again(AutoRestart autoRestart, bool again)
        {
            Machine machine = Up(autoRestart);
            machine.RunUntil(2);
            machine.Take();
            machine.Exit("p", WaitStatus.Unobserved);
            List<string> lines = machine.Take();
            Assert.Contains("event EXITED processname:p groupname:p from_state:RUNNING expected:0 pid:101", lines);
            Assert.Contains("WARN exited: p (unobserved)", lines);
            Assert.Equal(again, lines.Contains("spawn p"));
            Assert.Equal(autoRestart == AutoRestart.Unexpected, lines.Contains(NotAgain));
            if (!again)
            {
                ProcessSnapshot p = machine.Supervisor.Find("p", "p", machine.Moment)!;
                Assert.Equal((ProcessState.Exited, -1, "How it ended is not known"), (p.State, p.ExitStatus, p.SpawnErr));
            }
        }

        [Theory]
        [InlineData(AutoRestart.True, ProcessState.Backoff)]
        [InlineData(AutoRestart.Unexpected, ProcessState.Exited)]
        [InlineData(AutoRestart.False, ProcessState.Exited)]
        public void Before_startsecs_it_is_tried_again_with_autorestart_true_alone(AutoRestart autoRestart, ProcessState state)
        {
            Machine machine = Up(autoRestart);
            machine.Exit("p", WaitStatus.Unobserved);
            Assert.Equal(state, machine.Slot("p").State);
        }

        [Fact]
        public void A_stop_is_a_stop()
        {
            Machine machine = Up(AutoRestart.Unexpected);
            machine.RunUntil(2);
            long stop = machine.Ask(new StopProcess("p", Wait: true));
            machine.Exit("p", WaitStatus.Unobserved);
            Assert.Equal("true", machine.AnswerText(stop));
            Assert.Contains("WARN stopped: p (unobserved)", machine.Take());
        }

        [Fact]
        public void No_exit_code_makes_it_expected()
        {
            Machine machine = Up(AutoRestart.Unexpected, -1);
            machine.RunUntil(2);
            machine.Exit("p", WaitStatus.Unobserved);
            Assert.Contains("WARN exited: p (unobserved)", machine.Take());
        }

        [Fact]
        public void The_journal_knows_neither_a_code_nor_a_signal()
        {
            Machine machine = Up(AutoRestart.Unexpected);
            machine.RunUntil(2);
            machine.Supervisor.IsRecording = true;
            machine.Exit("p", WaitStatus.Unobserved);
            ExitFact exit = Assert.Single(machine.Recorded.Select(static entry => entry.Fact).OfType<ExitFact>());
            Assert.Equal((null, null, false), (exit.Code, exit.Signal, exit.Expected));
            DecisionFact decision = Assert.Single(machine.Recorded.Select(static entry => entry.Fact).OfType<DecisionFact>());
            Assert.Equal((DecisionKind.Leave, "autorestart=unexpected and how it ended is not known"), (decision.Decision, decision.Reason));
        }

        [Fact]
        public void It_is_no_status_that_the_kernel_gives()
        {
            WaitStatus status = WaitStatus.Unobserved;
            Assert.Equal(
                (false, false, true, 0, -1, "unobserved"),
                (status.Exited, status.Signalled, status.IsUnobserved, status.Signal, status.Code, status.Describe()));
            Assert.InRange(status.Raw, 0x10000, int.MaxValue);
        }

        private static Machine Up(AutoRestart autoRestart, params int[] exitCodes)
        {
            Machine machine = Machine.Up(
                Machine.RecorderGroup("PROCESS_STATE"),
                Machine.Group(Machine.Program("p", c => c with
                {
                    AutoRestart = autoRestart, ExitCodes = exitCodes.Length == 0 ? c.ExitCodes : EquatableList.From(exitCodes),
                })));
            machine.Take();
            return machine;
        }
    }
}
