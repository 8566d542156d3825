using System.Text;
using Steward.Core.Config;
using Steward.Core.Effects;
using Steward.Core.Inputs;
using Steward.Core.Model;
using Steward.Core.Supervision;

namespace Steward.Core.Tests.Events;

public static class ListenerRecoveryTests
{
    /// <summary>A machine with two pools of one listener each, whose kernel always does what it is told.</summary>
    private sealed class Pools
    {
        private readonly Supervisor _supervisor = new(new SupervisorSettings("supervisor", LogLevel.Info));
        private readonly Dictionary<string, (ProcessId Process, Incarnation Incarnation, int Pid)> _children = [];
        private readonly Dictionary<int, string> _names = [];
        private long _now = 1_000_000_000;
        private int _pid = 100;

        public Pools(EventPoolConfig first, params EventPoolConfig[] others)
        {
            GroupConfig[] groups = [.. others.Prepend(first).Select((pool, index) => Group($"pool{index + 1}", pool))];
            var configuration = new Configuration
            {
                File = "/etc/s.conf",
                FullPath = "/etc/s.conf",
                Here = "/etc",
                Supervisord = new SupervisordConfig { PidFile = "/run/pid", ChildLogDir = "/tmp" },
                Servers = [],
                RpcInterfaces = [],
                Groups = groups,
                ServerUrl = null,
                Messages = [],
            };
            Step(new ConfigurationRead(default, configuration));
            foreach (GroupConfig group in groups)
            {
                Step(new GroupPrepared(default, group, [], null));
            }

            Step(new DaemonStarted());
        }

        public List<string> Log { get; } = [];

        public List<string> Sent { get; } = [];

        public List<int> Signals { get; } = [];

        public static EventPoolConfig Config(int bufferSize = 10) =>
            new(["REMOTE_COMMUNICATION"], bufferSize, "supervisor.dispatchers:default_handler");

        public EventPoolSnapshot Pool(string name) => _supervisor.EventPools().Single(pool => pool.Name == name);

        public ProcessState State(string name) => _supervisor.Find(name, name, new Moment(_now, _now))!.State;

        public int Pid(string name) => _children[name].Pid;

        public void Pass(double seconds)
        {
            long end = _now + (long)(seconds * Moment.Second);
            while (_supervisor.NextDeadline <= end)
            {
                _now = Math.Max(_now, _supervisor.NextDeadline);
                Step(TimePassed.Instance);
            }

            _now = end;
            Step(TimePassed.Instance);
        }

        public void Emit(string text) => Step(new CommandReceived(new RequestId(1), new SendRemoteCommEvent("t", text)));

        public void Ask(Command command) => Step(new CommandReceived(new RequestId(2), command));

        public void Write(string name, string text) =>
            Step(new OutputArrived(_children[name].Process, _children[name].Incarnation, OutputChannel.Stdout, Encoding.UTF8.GetBytes(text)));

        public void Die(string name) =>
            Step(new ChildExited(_children[name].Process, _children[name].Incarnation, WaitStatus.FromSignal(Core.Model.Signals.Term), _now));

        public void Step(Input input)
        {
            var effects = new List<Effect>();
            _supervisor.Step(new Moment(_now, _now), input, effects);
            foreach (Effect effect in effects)
            {
                switch (effect)
                {
                    case Log log:
                        Log.Add(log.Text);
                        break;
                    case Spawn spawn:
                        _children[spawn.Group] = (spawn.Process, spawn.Incarnation, ++_pid);
                        _names[_pid] = spawn.Group;
                        Step(new ChildSpawned(spawn.Process, spawn.Incarnation, _pid));
                        break;
                    case Signal signal:
                        Signals.Add(signal.Number);
                        Step(new SignalAnswered(signal.Process, signal.Incarnation, signal.Request, signal.Number, SignalResult.Delivered, null));
                        break;
                    case WriteStdin write:
                        Sent.Add(Encoding.UTF8.GetString(write.Data).Split('\n')[^1]);
                        Step(new StdinAnswered(write.Process, write.Incarnation, write.Request, StdinResult.Accepted));
                        break;
                    case CheckCommand check:
                        Step(new CommandChecked(check.Process, check.Request, null));
                        break;
                }
            }
        }

        private static GroupConfig Group(string name, EventPoolConfig pool) => new()
        {
            Kind = GroupKind.EventListener,
            Name = name,
            Priority = -1,
            Processes = [new ProcessConfig { Name = name, Program = name, Command = "/bin/cat", StartSecs = 0, IsListener = true }],
            Pool = pool,
        };
    }

    public sealed class GivenAListenerThatBreaksTheProtocol
    {
        [Theory]
        [InlineData("garbage\n")]
        [InlineData("READY\nREADY\n")]
        public void When_it_has_died_Then_it_is_started_again_after_a_pause(string written)
        {
            var pools = new Pools(Pools.Config());
            int before = pools.Pid("pool1");

            pools.Write("pool1", written);

            Assert.Equal([Signals.Term], pools.Signals);
            Assert.Equal(ProcessState.Stopping, pools.State("pool1"));
            Assert.Contains("pool1: is stopped and started again, because it is in the UNKNOWN state (unknown_restart)", pools.Log);
            pools.Die("pool1");
            Assert.Equal(ProcessState.Stopped, pools.State("pool1"));
            pools.Pass(0.9);
            Assert.Equal(ProcessState.Stopped, pools.State("pool1"));
            pools.Pass(0.2);
            Assert.Equal(ProcessState.Running, pools.State("pool1"));
            Assert.NotEqual(before, pools.Pid("pool1"));
        }

        [Fact]
        public void When_it_takes_no_notice_of_the_signal_Then_it_is_killed()
        {
            var pools = new Pools(Pools.Config());

            pools.Write("pool1", "garbage\n");
            pools.Pass(11);

            Assert.Equal([Signals.Term, Signals.Kill], pools.Signals);
        }

        [Fact]
        public void When_it_does_so_again_and_again_Then_the_pause_doubles_up_to_a_minute_until_an_event_is_processed()
        {
            var pools = new Pools(Pools.Config());
            foreach (int seconds in (int[])[1, 2, 4, 8, 16, 32, 60, 60])
            {
                pools.Write("pool1", "garbage\n");
                pools.Die("pool1");
                pools.Pass(seconds - 0.1);
                Assert.Equal((seconds, ProcessState.Stopped), (seconds, pools.State("pool1")));
                pools.Pass(0.2);
                Assert.Equal((seconds, ProcessState.Running), (seconds, pools.State("pool1")));
            }

            pools.Emit("x");
            pools.Write("pool1", "READY\n");
            pools.Write("pool1", "RESULT 2\nOK");
            pools.Write("pool1", "garbage\n");
            pools.Die("pool1");
            pools.Pass(1.1);
            Assert.Equal(ProcessState.Running, pools.State("pool1"));
        }

        [Fact]
        public void When_it_is_busy_Then_its_event_goes_to_the_next_run()
        {
            var pools = new Pools(Pools.Config());
            pools.Emit("one");
            pools.Write("pool1", "READY\n");

            pools.Write("pool1", "nonsense\n");
            pools.Die("pool1");
            pools.Pass(1.1);
            pools.Write("pool1", "READY\n");

            Assert.Equal(["t", "t"], pools.Sent.Select(_ => "t"));
            pools.Write("pool1", "RESULT 2\nOK");
            Assert.Equal((1, 1, 0, 0), (pools.Pool("pool1").Delivered, pools.Pool("pool1").Rejected, pools.Pool("pool1").Buffered, pools.Pool("pool1").Discarded));
        }

        [Fact]
        public void When_it_is_not_to_be_restarted_Then_it_stays_as_it_is()
        {
            var pools = new Pools(Pools.Config() with { UnknownRestart = false });

            pools.Write("pool1", "garbage\n");
            pools.Pass(100);

            Assert.Empty(pools.Signals);
            Assert.Equal("UNKNOWN", pools.Pool("pool1").Listeners[0].Protocol);
        }

        [Theory]
        [InlineData(false)]
        [InlineData(true)]
        public void When_an_operator_stops_it_meanwhile_Then_it_stays_down(bool all)
        {
            var pools = new Pools(Pools.Config());
            pools.Write("pool1", "garbage\n");
            pools.Die("pool1");

            pools.Ask(all ? new StopAll(true) : new StopProcess("pool1", true));
            pools.Pass(100);

            Assert.Equal(ProcessState.Stopped, pools.State("pool1"));
        }

        [Fact]
        public void When_the_daemon_ends_meanwhile_Then_it_is_not_started()
        {
            var pools = new Pools(Pools.Config());
            pools.Write("pool1", "garbage\n");
            pools.Ask(new Shutdown());
            pools.Die("pool1");

            pools.Pass(100);

            Assert.Equal(ProcessState.Stopped, pools.State("pool1"));
        }

        [Fact]
        public void When_there_is_another_pool_Then_that_goes_on()
        {
            var pools = new Pools(Pools.Config(), Pools.Config());
            pools.Write("pool1", "garbage\n");
            pools.Write("pool2", "READY\n");

            for (int i = 0; i < 20; i++)
            {
                pools.Emit("x");
                pools.Write("pool2", "RESULT 2\nOKREADY\n");
            }

            Assert.Equal((20, 0, 0), (pools.Pool("pool2").Delivered, pools.Pool("pool2").Rejected, pools.Pool("pool2").Discarded));
            Assert.Equal((0, 10, 10), (pools.Pool("pool1").Delivered, pools.Pool("pool1").Buffered, pools.Pool("pool1").Discarded));
        }
    }

    public sealed class GivenALimitForResults
    {
        private readonly Pools _pools = new(Pools.Config() with { ResultTimeout = 5 });

        public GivenALimitForResults()
        {
            _pools.Emit("one");
            _pools.Emit("two");
            _pools.Write("pool1", "READY\n");
        }

        [Fact]
        public void When_no_result_comes_Then_the_event_returns_and_the_listener_is_restarted()
        {
            _pools.Pass(4.9);
            Assert.Equal("BUSY", _pools.Pool("pool1").Listeners[0].Protocol);
            Assert.Equal(0, _pools.Pool("pool1").Listeners[0].Serial);
            _pools.Pass(0.2);

            Assert.Contains("pool1: gave no result for event 0 within 5 seconds (result_timeout)", _pools.Log);
            Assert.Equal((2, 1), (_pools.Pool("pool1").Buffered, _pools.Pool("pool1").Returned));
            Assert.Equal([Signals.Term], _pools.Signals);
            _pools.Die("pool1");
            _pools.Pass(1.1);
            _pools.Write("pool1", "READY\n");
            Assert.Equal(["one", "one"], _pools.Sent);
        }

        [Fact]
        public void When_the_result_comes_in_time_Then_nothing_happens()
        {
            _pools.Pass(4);
            _pools.Write("pool1", "RESULT 2\nOK");
            _pools.Pass(100);

            Assert.Empty(_pools.Signals);
        }

        [Fact]
        public void When_each_result_comes_in_time_Then_the_limit_begins_anew_with_every_event()
        {
            _pools.Pass(4);
            _pools.Write("pool1", "RESULT 2\nOKREADY\n");
            _pools.Pass(4);
            _pools.Write("pool1", "RESULT 2\nOKREADY\n");

            Assert.Empty(_pools.Signals);
            Assert.Equal(2, _pools.Pool("pool1").Delivered);
        }
    }

    public sealed class GivenNoLimitForResults
    {
        [Fact]
        public void When_no_result_comes_Then_it_is_waited_for()
        {
            var pools = new Pools(Pools.Config());
            pools.Emit("one");
            pools.Write("pool1", "READY\n");

            pools.Pass(1_000_000);

            Assert.Equal("BUSY", pools.Pool("pool1").Listeners[0].Protocol);
        }
    }
}
