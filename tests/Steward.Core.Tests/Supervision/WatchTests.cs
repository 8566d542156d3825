using Steward.Core.Config;
using Steward.Core.Inputs;
using Steward.Core.Model;
using Steward.Core.Supervision;

namespace Steward.Core.Tests.Supervision;

/// <summary>Memory limits and health probes: when one looks, and what follows from what is seen.</summary>
public sealed class WatchTests
{
    private const long Mebi = 1 << 20;

    private static List<string> Decided(Machine machine) =>
        machine.Take().FindAll(line => !line.StartsWith("event ", StringComparison.Ordinal) && line is not "measure");

    public sealed class GivenAMemoryLimit
    {
        private readonly Machine _machine = Up(WatchAction.Restart);

        private static Machine Up(WatchAction action)
        {
            var machine = Machine.Up(Machine.Group(Machine.Program("p", c => c with
            {
                MemoryLimit = new MemoryLimitConfig { Bytes = 100 * Mebi, CheckSecs = 10, Action = action },
            })));
            machine.RunUntil(2);
            machine.Take();
            return machine;
        }

        private static void Measured(Machine machine, long mebibytes, int incarnation = 0)
        {
            ProcessSlot slot = machine.Slot("p");
            machine.Step(new MemoryMeasured(
                slot.Id, incarnation == 0 ? slot.Incarnation : new Incarnation(incarnation), mebibytes * Mebi, 2));
        }

        [Fact]
        public void It_is_measured_at_each_interval_whether_or_not_an_answer_came()
        {
            _machine.RunUntil(9.9);
            Assert.Empty(_machine.Take());
            _machine.RunUntil(30);
            Assert.Equal(["measure", "measure", "measure"], _machine.Take());
        }

        [Fact]
        public void One_reading_above_it_is_said_and_forgotten_when_the_next_is_below()
        {
            Measured(_machine, 101);
            Assert.Equal(["INFO memory of p is 101MB in 2 processes, above its limit of 100MB; looking again in 10 seconds"], Decided(_machine));
            Measured(_machine, 100);
            Measured(_machine, 101);
            Assert.Equal(["INFO memory of p is 101MB in 2 processes, above its limit of 100MB; looking again in 10 seconds"], Decided(_machine));
            Assert.Equal(ProcessState.Running, _machine.Slot("p").State);
        }

        [Fact]
        public void Two_readings_in_a_row_restart_it_by_its_own_rules()
        {
            Measured(_machine, 101);
            Measured(_machine, 120);
            Assert.Equal(
                [
                    "INFO memory of p is 101MB in 2 processes, above its limit of 100MB; looking again in 10 seconds",
                    "WARN memory of p is 120MB in 2 processes, twice in a row above its limit of 100MB: restarting it (restart 1 by memory_limit)",
                    "kill 101 SIGTERM",
                ],
                Decided(_machine));
            Assert.Equal(ProcessState.Stopping, _machine.Slot("p").State);
            _machine.Exit("p", 0);
            Assert.Equal(["INFO stopped: p (exit status 0)", "spawn p", "INFO spawned: 'p' with pid 102"], Decided(_machine));
            Assert.Equal(1, _machine.Slot("p").Memory!.Restarts);
        }

        [Fact]
        public void It_is_killed_when_it_does_not_go_and_started_then()
        {
            Measured(_machine, 101);
            Measured(_machine, 101);
            Decided(_machine);
            _machine.RunUntil(12);
            Assert.Equal(["WARN killing 'p' (101) with SIGKILL", "kill 101 SIGKILL"], Decided(_machine));
            _machine.Exit("p", WaitStatus.FromSignal(9));
            Assert.Contains("spawn p", Decided(_machine));
        }

        [Fact]
        public void Somebody_who_stops_it_meanwhile_is_obeyed()
        {
            Measured(_machine, 101);
            Measured(_machine, 101);
            long stop = _machine.Ask(new StopProcess("p", Wait: true));
            Assert.Equal("waits", _machine.AnswerText(stop));
            _machine.Exit("p", 0);
            Assert.Equal("true", _machine.AnswerText(stop));
            Assert.Equal(ProcessState.Stopped, _machine.Slot("p").State);
            Assert.DoesNotContain("spawn p", _machine.Take());
        }

        [Fact]
        public void Stopping_all_meanwhile_means_it_too()
        {
            Measured(_machine, 101);
            Measured(_machine, 101);
            long stop = _machine.Ask(new StopAll(Wait: true));
            _machine.Exit("p", 0);
            Assert.Equal("[p 80 OK]", _machine.AnswerText(stop));
            Assert.Equal(ProcessState.Stopped, _machine.Slot("p").State);
        }

        [Fact]
        public void The_end_of_the_daemon_meanwhile_leaves_it_down()
        {
            Measured(_machine, 101);
            Measured(_machine, 101);
            _machine.Step(new SignalReceived(Signals.Term));
            _machine.Exit("p", 0);
            Assert.Equal("stopped for good", _machine.Take()[^1]);
        }

        [Fact]
        public void A_refused_signal_leaves_it_as_it_is()
        {
            Measured(_machine, 101);
            _machine.SignalAnswer = _ => (SignalResult.Refused, "[Errno 1] Operation not permitted");
            Measured(_machine, 101);
            Assert.Equal(ProcessState.Running, _machine.Slot("p").State);
            Assert.Null(_machine.Slot("p").RestartReason);
        }

        [Fact]
        public void Readings_of_an_earlier_run_and_of_a_stopped_one_say_nothing()
        {
            Measured(_machine, 101);
            Measured(_machine, 101);
            _machine.Exit("p", 0);
            Decided(_machine);
            Measured(_machine, 101, incarnation: 1);
            Measured(_machine, 101, incarnation: 1);
            Assert.Empty(Decided(_machine));
            _machine.Ask(new StopProcess("p", Wait: false));
            _machine.Exit("p", 0);
            Decided(_machine);
            Measured(_machine, 101);
            Measured(_machine, 101);
            Assert.Empty(Decided(_machine));
        }

        [Fact]
        public void With_alert_it_is_said_once_until_it_is_below_again()
        {
            Machine machine = Up(WatchAction.Alert);
            Measured(machine, 101);
            Decided(machine);
            Measured(machine, 101);
            Measured(machine, 102);
            Assert.Equal(["WARN memory of p is 101MB in 2 processes, twice in a row above its limit of 100MB: it is left running"], Decided(machine));
            Measured(machine, 99);
            Assert.Equal(["INFO memory of p is 99MB, below its limit of 100MB again"], Decided(machine));
        }

        [Fact]
        public void Without_a_limit_nothing_is_ever_due()
        {
            var machine = Machine.Up(Machine.Group(Machine.Program("q")));
            machine.RunUntil(2);
            machine.Take();
            Assert.Equal(TickDue(machine), machine.Supervisor.NextDeadline);
        }

        private static long TickDue(Machine machine)
        {
            var empty = Machine.Up();
            empty.RunUntil((double)machine.Now / Moment.Second);
            return empty.Supervisor.NextDeadline;
        }
    }

    public sealed class GivenAHealthProbe
    {
        private readonly Machine _machine = Up(WatchAction.Restart);

        private static Machine Up(WatchAction action)
        {
            var machine = Machine.Up(Machine.Group(Machine.Program("p", c => c with
            {
                Health = new HealthConfig { Url = "http://h/", Interval = 5, Failures = 2, Grace = 10, Action = action },
            })));
            machine.RunUntil(2);
            machine.Take();
            return machine;
        }

        private static void Probed(Machine machine, string? failure)
        {
            ProcessSlot slot = machine.Slot("p");
            machine.Step(new HealthProbed(slot.Id, slot.Incarnation, failure));
        }

        /// <summary>Fails often enough, lets it stop and be up again; how it was said.</summary>
        private string FailAndComeBack()
        {
            Probed(_machine, "status 503");
            Probed(_machine, "status 503");
            string said = _machine.Take().Single(line => line.StartsWith("WARN", StringComparison.Ordinal));
            if (_machine.Slot("p").State == ProcessState.Stopping)
            {
                _machine.Exit("p", 0);
                _machine.RunUntil((double)_machine.Now / Moment.Second + 2);
            }

            return said[(said.LastIndexOf(':') + 2)..];
        }

        [Fact]
        public void It_is_asked_after_the_grace_and_then_at_each_interval()
        {
            _machine.RunUntil(9.9);
            Assert.Empty(_machine.Take());
            _machine.RunUntil(20);
            Assert.Equal(["probe http://h/", "probe http://h/", "probe http://h/"], _machine.Take());
        }

        [Fact]
        public void One_failed_probe_does_nothing_but_be_said()
        {
            Probed(_machine, "status 503");
            Assert.Equal(["INFO health of p: probe failed, 1 of 2: status 503"], _machine.Take());
            Probed(_machine, null);
            Probed(_machine, "status 503");
            Assert.Equal(["INFO health of p: probe failed, 1 of 2: status 503"], _machine.Take());
        }

        [Fact]
        public void Enough_in_a_row_restart_it()
        {
            Probed(_machine, "status 500");
            Probed(_machine, "status 503");
            Assert.Equal(
                [
                    "INFO health of p: probe failed, 1 of 2: status 500",
                    "WARN p is unhealthy: 2 probes failed in a row, the last one: status 503: restarting it "
                        + "(restart 1 by health_http; the next one not within 10 seconds)",
                    "kill 101 SIGTERM",
                ],
                Decided(_machine));
            _machine.Exit("p", 0);
            Assert.Contains("spawn p", _machine.Take());
        }

        [Fact]
        public void Restarts_come_ever_more_slowly()
        {
            Assert.Equal("restarting it (restart 1 by health_http; the next one not within 10 seconds)"[..12], FailAndComeBack()[..12]);
            Assert.Equal("its restart is put off for 8 seconds", FailAndComeBack());
            _machine.RunUntil(13);
            Assert.Equal("the next one not within 20 seconds)", FailAndComeBack().Split("; ")[1]);
            _machine.RunUntil(40);
            Assert.Equal("the next one not within 40 seconds)", FailAndComeBack().Split("; ")[1]);
            for (double at = 400; at < 2000; at += 400)
            {
                _machine.RunUntil(at);
                FailAndComeBack();
            }

            _machine.RunUntil(2000);
            Assert.Equal("the next one not within 300 seconds)", FailAndComeBack().Split("; ")[1]);
        }

        [Fact]
        public void One_that_has_been_well_for_long_begins_anew()
        {
            FailAndComeBack();
            _machine.RunUntil(100);
            Probed(_machine, null);
            _machine.Take();
            Assert.Equal("the next one not within 10 seconds)", FailAndComeBack().Split("; ")[1]);
        }

        [Fact]
        public void With_alert_it_is_said_once_and_again_when_it_is_well()
        {
            Machine machine = Up(WatchAction.Alert);
            Probed(machine, "x");
            Probed(machine, "x");
            Probed(machine, "x");
            Assert.Equal("WARN p is unhealthy: 2 probes failed in a row, the last one: x: it is left running", machine.Take()[^1]);
            Probed(machine, null);
            Assert.Equal(["INFO p is healthy again"], machine.Take());
        }

        [Fact]
        public void While_it_starts_or_stops_an_answer_means_nothing()
        {
            _machine.Ask(new StopProcess("p", Wait: false));
            _machine.Take();
            Probed(_machine, "x");
            Probed(_machine, "x");
            Assert.Empty(_machine.Take());
        }
    }
}
