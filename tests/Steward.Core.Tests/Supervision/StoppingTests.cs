using Steward.Core.Effects;
using Steward.Core.Inputs;
using Steward.Core.Model;
using Steward.Core.Supervision;

namespace Steward.Core.Tests.Supervision;

/// <summary>Shutdown, reload and the daemon's signals.</summary>
public sealed class StoppingTests
{
    private static IEnumerable<string> Kills(IEnumerable<string> lines) => lines.Where(line => line.StartsWith("kill ", StringComparison.Ordinal));

    public sealed class GivenThreeGroups
    {
        private readonly Machine _machine = Machine.Up(
            Machine.RecorderGroup(),
            Machine.Group("low", 1, Machine.Program("l")),
            Machine.Group("high", 9, Machine.Program("h1", c => c with { Priority = 1 }), Machine.Program("h2", c => c with { Priority = 2 }),
                Machine.Program("h3", c => c with { Priority = 2 })),
            Machine.Group("off", 5, Machine.Program("o", c => c with { AutoStart = false })));

        public GivenThreeGroups()
        {
            _machine.RunUntil(2);
            _machine.Take();
        }

        [Fact]
        public void They_stop_one_after_another_from_the_highest_priority_each_as_a_whole()
        {
            _machine.Step(new SignalReceived(Signals.Term));
            List<string> lines = _machine.Take();
            Assert.Equal("event SUPERVISOR_STATE_CHANGE_STOPPING", lines[0]);
            Assert.Equal("WARN received SIGTERM indicating exit request", lines[1]);
            // Descending priority, ties in reverse order of the configuration: h3 and h2 before h1, l not yet.
            Assert.Equal(["kill 104 SIGTERM", "kill 103 SIGTERM", "kill 102 SIGTERM"], Kills(lines));
            Assert.Equal("INFO waiting for l, h1, h2, h3 to die", lines[^1]);
            _machine.Exit("high:h1", 0);
            _machine.Exit("high:h3", 0);
            Assert.Empty(Kills(_machine.Take()));
            _machine.Exit("high:h2", 0);
            Assert.Equal(["kill 101 SIGTERM"], Kills(_machine.Take()));
            _machine.Exit("low:l", 0);
            Assert.Equal("stopped for good", _machine.Take()[^1]);
        }

        [Fact]
        public void What_is_waited_for_is_said_every_three_seconds()
        {
            _machine.Step(new SignalReceived(Signals.Term));
            _machine.RunUntil(9);
            Assert.Equal(3, _machine.Take().Count(line => line == "INFO waiting for l, h1, h2, h3 to die"));
            _machine.Exit("high:h1", 0);
            _machine.RunUntil(11);
            Assert.Single(_machine.Take(), line => line == "INFO waiting for l, h2, h3 to die");
        }

        [Fact]
        public void What_dies_before_its_turn_is_not_started_again()
        {
            _machine.Step(new SignalReceived(Signals.Int));
            _machine.Take();
            _machine.Exit("low:l", 1);
            Assert.Equal(
                [
                    "event EXITED processname:l groupname:low from_state:RUNNING expected:0 pid:101",
                    "WARN exited: l (exit status 1; not expected)",
                ],
                _machine.Take());
        }

        [Fact]
        public void A_retry_that_falls_due_before_its_turn_is_not_made()
        {
            // Seed 39 of the simulation: the group of lower priority started its program anew while the one above it was stopping.
            Machine machine = Machine.Up(
                Machine.Group("low", 1, Machine.Program("l")), Machine.Group("high", 9, Machine.Program("h", c => c with { StartSecs = 0 })));
            machine.At(0.1);
            machine.Exit("low:l", 1);
            machine.Step(new SignalReceived(Signals.Term));
            machine.Take();
            machine.RunUntil(5);
            Assert.DoesNotContain("spawn l", machine.Take());
            machine.Exit("high:h", 0);
            Assert.Equal("stopped for good", machine.Take()[^1]);
            Assert.Equal(ProcessState.Fatal, machine.Slot("low:l").State);
        }

        [Fact]
        public void Clients_are_told_that_it_is_too_late()
        {
            _machine.Step(new SignalReceived(Signals.Quit));
            Command[] commands =
            [
                new StartProcess("low:l", true), new StartGroup("low", true), new StartAll(true), new StopProcess("low:l", true),
                new StopGroup("low", true), new StopAll(true), new SignalProcess("low:l", "HUP"), new SignalGroup("low", "HUP"), new SignalAll("HUP"),
                new SendProcessStdin("low:l", [1]), new ClearProcessLogs("low:l"), new ClearAllProcessLogs(), new AddProcessGroup("new"),
                new RemoveProcessGroup("off"), new Shutdown(), new Restart(), new StartProcess("nobody", true),
            ];
            Assert.All(commands, command => Assert.Equal("SHUTDOWN_STATE", _machine.AnswerText(_machine.Ask(command))));
            _machine.Take();
            Assert.Equal("true", _machine.AnswerText(_machine.Ask(new SendRemoteCommEvent("ty", "data"))));
            Assert.Equal(["event REMOTE_COMMUNICATION type:ty\ndata", "answer true"], _machine.Take());
        }

        [Fact]
        public void A_second_signal_is_logged_and_changes_nothing()
        {
            _machine.Step(new SignalReceived(Signals.Term));
            _machine.Take();
            _machine.Step(new SignalReceived(Signals.Term));
            _machine.Step(new SignalReceived(Signals.Hup));
            Assert.Equal(
                [
                    "WARN received SIGTERM indicating exit request",
                    "WARN ignored SIGHUP indicating restart request (shutdown in progress)",
                ],
                _machine.Take());
        }

        [Fact]
        public void The_client_that_asked_is_answered_first()
        {
            _machine.Ask(new Shutdown());
            Assert.Equal(["event SUPERVISOR_STATE_CHANGE_STOPPING", "answer true"], _machine.Take()[..2]);
            Assert.Equal(DaemonState.Shutdown, _machine.Supervisor.State);
        }

        [Fact]
        public void SIGKILL_comes_to_those_that_do_not_end()
        {
            _machine.Step(new SignalReceived(Signals.Term));
            _machine.Take();
            _machine.RunUntil(12.5);
            Assert.Equal(["kill 104 SIGKILL", "kill 103 SIGKILL", "kill 102 SIGKILL"], Kills(_machine.Take()).Order(StringComparer.Ordinal).Reverse());
        }
    }

    public sealed class GivenAChildThatRefusedASignalOnce
    {
        private readonly Machine _machine = Machine.Up(Machine.Group(Machine.Program("p")));

        public GivenAChildThatRefusedASignalOnce()
        {
            _machine.RunUntil(2);
            _machine.SignalAnswer = _ => (SignalResult.Refused, "[Errno 1] Operation not permitted");
            _machine.Ask(new StopProcess("p", Wait: false));
            _machine.SignalAnswer = _ => (SignalResult.Delivered, null);
            _machine.Take();
        }

        [Fact]
        public void The_daemon_waits_for_it_when_it_takes_the_next_one()
        {
            _machine.Step(new SignalReceived(Signals.Term));
            Assert.DoesNotContain("stopped for good", _machine.Take());
            _machine.Exit("p", 0);
            Assert.Equal("stopped for good", _machine.Take()[^1]);
        }

        [Fact]
        public void The_daemon_waits_for_it_when_it_is_stopping_already()
        {
            _machine.Ask(new StopProcess("p", Wait: false));
            _machine.Step(new SignalReceived(Signals.Term));
            Assert.DoesNotContain("stopped for good", _machine.Take());
        }
    }

    public sealed class GivenAReload
    {
        private readonly Machine _machine = Machine.Up(Machine.RecorderGroup(), Machine.Group(Machine.Program("p")));

        public GivenAReload()
        {
            _machine.RunUntil(2);
            _machine.Take();
        }

        [Fact]
        public void A_faulty_configuration_changes_nothing()
        {
            _machine.ReloadFailure = "steward.conf, line 3: no";
            Assert.Equal("FAILED: steward.conf, line 3: no", _machine.AnswerText(_machine.Ask(new Restart())));
            _machine.Step(new SignalReceived(Signals.Hup));
            Assert.Equal(DaemonState.Running, _machine.Supervisor.State);
            Assert.Equal(
                [
                    "CRIT the configuration cannot be reloaded, everything goes on with the present one: steward.conf, line 3: no",
                    "answer FAILED: steward.conf, line 3: no",
                    "WARN received SIGHUP indicating restart request",
                    "CRIT the configuration cannot be reloaded, everything goes on with the present one: steward.conf, line 3: no",
                ],
                _machine.Take());
            _machine.ReloadFailure = null;
            Assert.Equal("true", _machine.AnswerText(_machine.Ask(new Restart())));
        }

        [Fact]
        public void Everything_stops_and_starts_anew_and_serials_go_on()
        {
            _machine.Ask(new Restart());
            Assert.Equal(DaemonState.Restarting, _machine.Supervisor.State);
            _machine.Exit("p", 0);
            Assert.Equal("stopped for a reload", _machine.Take()[^1]);
            ProcessId before = _machine.Slot("p").Id;
            _machine.Step(new Reloading(new SupervisorSettings("supervisor", LogLevel.Info)));
            Assert.Empty(_machine.Supervisor.Slots);
            _machine.Load(Machine.RecorderGroup(), Machine.Group(Machine.Program("p")));
            Assert.DoesNotContain("spawn p", _machine.Take());
            _machine.Step(new DaemonStarted());
            Assert.Equal(
                ["event SUPERVISOR_STATE_CHANGE_RUNNING", "event STARTING processname:p groupname:p from_state:STOPPED tries:0", "spawn p",
                    "INFO spawned: 'p' with pid 102"],
                _machine.Take());
            Assert.NotEqual(before, _machine.Slot("p").Id);
            Assert.Equal(DaemonState.Running, _machine.Supervisor.State);
        }

        [Fact]
        public void It_can_become_a_shutdown_while_it_stops()
        {
            _machine.Step(new SignalReceived(Signals.Hup));
            _machine.Step(new SignalReceived(Signals.Term));
            _machine.Exit("p", 0);
            Assert.Equal("stopped for good", _machine.Take()[^1]);
        }

        [Fact]
        public void It_can_become_a_shutdown_when_everything_is_stopped_already()
        {
            _machine.Step(new SignalReceived(Signals.Hup));
            _machine.Exit("p", 0);
            Assert.Equal("stopped for a reload", _machine.Take()[^1]);
            _machine.Step(new SignalReceived(Signals.Term));
            Assert.Equal("stopped for good", _machine.Take()[^1]);
        }

        [Fact]
        public void It_can_become_a_shutdown_between_the_old_groups_and_the_new()
        {
            _machine.Step(new SignalReceived(Signals.Hup));
            _machine.Exit("p", 0);
            _machine.Step(new Reloading(new SupervisorSettings("supervisor", LogLevel.Info)));
            _machine.Load(Machine.Group(Machine.Program("p")));
            _machine.Take();
            _machine.Step(new SignalReceived(Signals.Term));
            Assert.Contains("stopped for good", _machine.Take());
            _machine.Step(new DaemonStarted());
            Assert.Empty(_machine.Take());
        }

        [Fact]
        public void A_request_that_waits_for_a_child_that_is_left_behind_is_answered()
        {
            Machine machine = Machine.Up(Machine.Group(Machine.Program("p", c => c with { AutoStart = false })));
            long request = machine.Ask(new StartProcess("p", Wait: true));
            machine.SignalAnswer = _ => (SignalResult.Refused, "[Errno 1] Operation not permitted");
            machine.Ask(new Restart());
            Assert.Contains("stopped for a reload", machine.Take());
            Assert.Equal("waits", machine.AnswerText(request));
            machine.Step(new Reloading(new SupervisorSettings("supervisor", LogLevel.Info)));
            Assert.Equal("SHUTDOWN_STATE", machine.AnswerText(request));
        }

        [Fact]
        public void A_second_one_while_it_stops_is_only_logged()
        {
            _machine.Step(new SignalReceived(Signals.Hup));
            _machine.Take();
            _machine.Step(new SignalReceived(Signals.Hup));
            Assert.Equal(["WARN received SIGHUP indicating restart request"], _machine.Take());
        }
    }

    public sealed class GivenOtherSignals
    {
        private readonly Machine _machine = Machine.Up(Machine.Group(Machine.Program("p")));

        [Fact]
        public void USR2_opens_the_logs_again()
        {
            _machine.Take();
            _machine.Step(new SignalReceived(Signals.Usr2));
            Assert.Equal(["INFO received SIGUSR2 indicating log reopen request", "INFO supervisord logreopen", "reopen logs"], _machine.Take());
        }

        [Fact]
        public void Others_are_logged()
        {
            _machine.Take();
            _machine.Step(new SignalReceived(Signals.Usr1));
            Assert.Equal(["INFO received SIGUSR1 indicating nothing"], _machine.Take());
        }

        [Fact]
        public void A_strangers_death_is_logged()
        {
            _machine.Take();
            _machine.Step(new OrphanReaped(77, WaitStatus.FromSignal(Signals.Kill)));
            Assert.Equal(["INFO reaped unknown pid 77 (terminated by SIGKILL)"], _machine.Take());
        }
    }
}
