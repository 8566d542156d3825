using Steward.Core.Config;
using Steward.Core.Inputs;
using Steward.Core.Model;

namespace Steward.Core.Tests.Supervision;

/// <summary>What a process leaves behind, by kill_mode.</summary>
public sealed class SurvivorTests
{
    private static Machine Up(KillMode mode, int stopWaitSecs = 10, AutoRestart again = AutoRestart.False)
    {
        var machine = Machine.Up(Machine.Group(Machine.Program("p", c => c with
        {
            KillMode = mode, StopWaitSecs = stopWaitSecs, StopSignal = Signals.Int, AutoRestart = again,
            StopAsGroup = mode == KillMode.Group, KillAsGroup = mode == KillMode.Group,
        })));
        machine.RunUntil(2);
        machine.Take();
        return machine;
    }

    private static ProcessState State(Machine machine) => machine.Slot("p").State;

    public sealed class GivenTreeAndNothingLeft
    {
        [Theory]
        [InlineData(KillMode.Tree)]
        [InlineData(KillMode.Cgroup)]
        public void It_is_stopped_as_ever(KillMode mode)
        {
            Machine machine = Up(mode);
            long stop = machine.Ask(new StopProcess("p", Wait: true));
            machine.Take();
            machine.Exit("p", 0);
            Assert.Equal(["survivors of p SIGINT", "INFO stopped: p (exit status 0)", "answer true"], machine.Take());
            Assert.Equal("true", machine.AnswerText(stop));
        }
    }

    public sealed class GivenTreeAndSomethingLeft
    {
        private readonly Machine _machine = Up(KillMode.Tree);
        private string[] _left = ["7 (a)", "8 (b)"];

        public GivenTreeAndSomethingLeft() => _machine.Survivors = _ => _left;

        [Fact]
        public void The_stop_is_over_when_they_are_gone()
        {
            long stop = _machine.Ask(new StopProcess("p", Wait: true));
            _machine.Take();
            _machine.Exit("p", 0);
            Assert.Equal(
                ["survivors of p SIGINT", "WARN still there, told to stop with SIGINT: 2 processes of p: 7 (a), 8 (b)"], _machine.Take());
            Assert.Equal("waits", _machine.AnswerText(stop));
            Assert.Equal(ProcessState.Stopping, State(_machine));
            _left = [];
            _machine.RunUntil(2.021);
            Assert.Equal(
                ["survivors of p signal 0", "INFO nothing that p left behind is left", "INFO stopped: p (exit status 0)", "answer true"],
                _machine.Take());
        }

        [Fact]
        public void They_are_killed_after_stopwaitsecs_and_left_behind_after_as_long_again()
        {
            _machine.Ask(new StopProcess("p", Wait: false));
            _machine.Exit("p", 0);
            _machine.RunUntil(11.999);
            Assert.DoesNotContain("survivors of p SIGKILL", _machine.Take());
            _machine.RunUntil(12);
            Assert.Equal(["survivors of p SIGKILL", "WARN still there, killed with SIGKILL: 2 processes of p: 7 (a), 8 (b)"], _machine.Take());
            _machine.RunUntil(21.999);
            Assert.Equal(ProcessState.Stopping, State(_machine));
            _machine.Take();
            _machine.RunUntil(22);
            Assert.Equal(
                [
                    "survivors of p SIGKILL", "WARN left alone after SIGKILL: 2 processes of p: 7 (a), 8 (b)",
                    "INFO stopped: p (exit status 0)",
                ],
                _machine.Take());
        }

        [Fact]
        public void After_a_main_process_that_had_to_be_killed_they_are_killed_at_once()
        {
            _machine.Ask(new StopProcess("p", Wait: false));
            _machine.RunUntil(12.5);
            _machine.Take();
            _machine.Exit("p", WaitStatus.FromSignal(9));
            Assert.Equal("survivors of p SIGKILL", _machine.Take()[0]);
        }

        [Fact]
        public void One_that_ends_by_itself_is_started_again_only_when_they_are_gone()
        {
            Machine machine = Up(KillMode.Tree, again: AutoRestart.True);
            machine.Survivors = _ => _left;
            machine.Exit("p", 0);
            Assert.DoesNotContain("spawn p", machine.Take());
            _left = [];
            machine.RunUntil(3);
            Assert.Contains("spawn p", machine.Take());
        }

        [Fact]
        public void A_stop_meanwhile_is_one()
        {
            _machine.Exit("p", 0);
            long stop = _machine.Ask(new StopProcess("p", Wait: true));
            Assert.Equal(ProcessState.Stopping, State(_machine));
            Assert.DoesNotContain("kill 101 SIGINT", _machine.Take());
            _left = [];
            _machine.RunUntil(3);
            Assert.Equal("true", _machine.AnswerText(stop));
            Assert.Equal(ProcessState.Stopped, State(_machine));
        }

        [Fact]
        public void The_end_of_the_daemon_waits_for_them()
        {
            _machine.Step(new SignalReceived(Signals.Term));
            _machine.Exit("p", 0);
            Assert.DoesNotContain("stopped for good", _machine.Take());
            _left = [];
            _machine.RunUntil(3);
            Assert.Equal("stopped for good", _machine.Take()[^1]);
        }

        [Fact]
        public void News_of_the_exit_that_come_twice_change_nothing()
        {
            _machine.Exit("p", 0);
            _machine.Take();
            _machine.Exit("p", 1);
            Assert.Empty(_machine.Take());
        }

        [Fact]
        public void Many_are_not_all_named()
        {
            _left = [.. Enumerable.Range(1, 12).Select(i => $"{i}")];
            _machine.Exit("p", 0);
            Assert.Equal(
                "WARN still there, told to stop with SIGINT: 12 processes of p: 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, …", _machine.Take()[^1]);
        }
    }

    public sealed class GivenGroup
    {
        [Fact]
        public void What_survives_a_stop_is_said_and_left_alone()
        {
            Machine machine = Up(KillMode.Group);
            machine.Survivors = _ => ["7 (a)"];
            machine.Ask(new StopProcess("p", Wait: false));
            Assert.Contains("kill -101 SIGINT", machine.Take());
            machine.Exit("p", 0);
            Assert.Equal(
                ["survivors of p signal 0", "WARN left alone after its stop: 1 process of p: 7 (a)", "INFO stopped: p (exit status 0)"],
                machine.Take());
        }

        [Fact]
        public void Nobody_looks_after_one_that_ended_by_itself()
        {
            Machine machine = Up(KillMode.Group);
            machine.Exit("p", 0);
            Assert.DoesNotContain("survivors of p signal 0", machine.Take());
        }
    }

    public sealed class GivenNoKillMode
    {
        [Fact]
        public void Nobody_looks()
        {
            Machine machine = Up(KillMode.Process);
            machine.Ask(new StopProcess("p", Wait: false));
            machine.Exit("p", 0);
            Assert.DoesNotContain(machine.Take(), line => line.StartsWith("survivors", StringComparison.Ordinal));
        }
    }
}
