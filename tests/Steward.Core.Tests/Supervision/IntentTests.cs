using Steward.Core.Config;
using Steward.Core.Inputs;
using Steward.Core.Model;

namespace Steward.Core.Tests.Supervision;

/// <summary>What operators want is remembered, apart from what processes do.</summary>
public sealed class IntentTests
{
    private static readonly GroupConfig[] s_groups =
    [
        Machine.Group(Machine.Program("a", c => c with { AutoStartAsLast = true })),
        Machine.Group(Machine.Program("b", c => c with { AutoStartAsLast = true })),
        Machine.Group(Machine.Program("c")),
    ];

    private static Machine Up(IReadOnlyList<Intent>? remembered = null)
    {
        var machine = new Machine();
        machine.Step(new IntentsRead(remembered ?? []));
        machine.Load(s_groups);
        machine.Step(new DaemonStarted());
        machine.RunUntil(2);
        return machine;
    }

    private static List<string> Spawned(Machine machine) => machine.Take().FindAll(line => line.StartsWith("spawn ", StringComparison.Ordinal));

    private static List<string> Remembered(Machine machine) =>
        machine.Take().FindAll(line => line.StartsWith("intents ", StringComparison.Ordinal));

    private static void StopByHand(Machine machine, string name)
    {
        machine.Ask(new StopProcess(name, Wait: false));
        machine.Exit(name, 0);
    }

    public sealed class GivenNothingRemembered
    {
        private readonly Machine _machine = Up();

        [Fact]
        public void Everything_starts() => Assert.Equal(["spawn a", "spawn b", "spawn c"], Spawned(_machine));

        [Fact]
        public void A_stop_by_hand_is_remembered_and_a_start_forgets_it()
        {
            StopByHand(_machine, "a");
            Assert.Equal(["intents a:a=down/-"], Remembered(_machine));
            _machine.Ask(new StartProcess("a", Wait: false));
            Assert.Equal(["intents "], Remembered(_machine));
        }

        [Fact]
        public void Stopping_all_is_one_change_and_means_those_that_are_down_too()
        {
            _machine.Exit("b", 0);
            _machine.Take();
            _machine.Ask(new StopAll(Wait: false));
            Assert.Equal(["intents a:a=down/- b:b=down/-"], Remembered(_machine));
        }

        [Fact]
        public void Neither_a_crash_nor_the_end_of_the_daemon_changes_anything()
        {
            _machine.Exit("a", 1);
            _machine.Step(new SignalReceived(Signals.Term));
            foreach (string name in new[] { "a", "b", "c" })
            {
                _machine.Exit(name, 0);
            }

            List<string> lines = _machine.Take();
            Assert.Contains("stopped for good", lines);
            Assert.DoesNotContain(lines, line => line.StartsWith("intents", StringComparison.Ordinal));
        }

        [Fact]
        public void A_stop_of_a_program_that_is_not_asked_to_be_as_last_is_not_remembered()
        {
            StopByHand(_machine, "c");
            Assert.Empty(Remembered(_machine));
        }
    }

    public sealed class GivenThatOneWasStopped
    {
        [Fact]
        public void It_is_not_started_and_that_is_said()
        {
            Machine before = Up();
            StopByHand(before, "a");
            Machine after = Up(before.Saved);
            Assert.Contains("INFO a was stopped by hand: it is not started (autostart=last)", after.Lines);
            Assert.Equal(["spawn b", "spawn c"], Spawned(after));
            Assert.Equal(ProcessState.Stopped, after.Slot("a").State);
        }

        [Fact]
        public void A_reload_does_not_start_it_either()
        {
            Machine machine = Up();
            StopByHand(machine, "a");
            machine.Ask(new Restart());
            machine.Exit("b", 0);
            machine.Exit("c", 0);
            machine.Take();
            machine.Step(new Reloading(machine.Supervisor.Settings));
            machine.Load(s_groups);
            machine.Step(new DaemonStarted());
            Assert.Equal(["spawn b", "spawn c"], Spawned(machine));
        }
    }

    public sealed class GivenADisabledProcess
    {
        private readonly Machine _machine = Up();

        public GivenADisabledProcess()
        {
            StopByHand(_machine, "c");
            _machine.Take();
            _machine.Ask(new SetIntent("c", IsEnabled: false, "disk\nfull"));
        }

        [Fact]
        public void It_is_said_and_remembered() =>
            Assert.Equal(["INFO c is disabled (disk full)", "answer true", "intents c:c=-/disk full"], _machine.Take());

        [Fact]
        public void Who_made_the_last_change_is_remembered_in_one_line()
        {
            _machine.Ask(new SetIntent("c", IsEnabled: false, "disk is full"), "10.0.0.7 as\tadmin");
            Assert.Equal("10.0.0.7 as admin", Assert.Single(_machine.Saved).By);
            _machine.Ask(new StopProcess("a", Wait: false), "uid 7");
            Assert.Equal(["uid 7", "10.0.0.7 as admin"], _machine.Saved.Select(intent => intent.By));
        }

        [Fact]
        public void A_start_is_refused_with_the_reason_and_the_others_start()
        {
            long start = _machine.Ask(new StartProcess("c", Wait: false));
            Assert.Equal("FAILED: c is disabled (disk full)", _machine.AnswerText(start));
            long all = _machine.Ask(new StartAll(Wait: false));
            Assert.Equal("[c 30 FAILED: c is disabled (disk full)]", _machine.AnswerText(all));
        }

        [Fact]
        public void It_is_not_started_with_the_daemon()
        {
            Machine after = Up(_machine.Saved);
            Assert.Contains("INFO c is disabled (disk full): it is not started", after.Lines);
            Assert.Equal(["spawn a", "spawn b"], Spawned(after));
        }

        [Fact]
        public void Enabled_again_it_starts()
        {
            _machine.Ask(new SetIntent("c", IsEnabled: true, ""));
            Assert.Equal("intents ", _machine.Take()[^1]);
            _machine.Ask(new StartProcess("c", Wait: false));
            Assert.Equal(["spawn c"], Spawned(_machine));
        }

        [Fact]
        public void What_runs_goes_on_and_unknown_names_are_refused()
        {
            _machine.Ask(new SetIntent("a", IsEnabled: false, ""));
            Assert.Equal(ProcessState.Running, _machine.Slot("a").State);
            Assert.Equal("BAD_NAME: x", _machine.AnswerText(_machine.Ask(new SetIntent("x", IsEnabled: false, ""))));
        }
    }
}
