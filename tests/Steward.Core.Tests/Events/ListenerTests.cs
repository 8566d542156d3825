using System.Globalization;
using System.Text;
using Steward.Core.Config;
using Steward.Core.Effects;
using Steward.Core.Events;
using Steward.Core.Inputs;
using Steward.Core.Model;
using Steward.Core.Supervision;
using Steward.Core.Tests.Supervision;

namespace Steward.Core.Tests.Events;

/// <summary>Event listeners: what is sent to whom, byte for byte, and what their answers bring about.</summary>
public sealed class ListenerTests
{
    private const string Violated = "has entered the UNKNOWN state and will no longer receive events, "
        + "this usually indicates the process violated the eventlistener protocol";

    private static Machine WithListeners(int listeners, int bufferSize = 10, string events = "REMOTE_COMMUNICATION", LogLevel level = LogLevel.Info)
    {
        ProcessConfig[] processes = [.. Enumerable.Range(0, listeners).Select(i => Machine.Program($"l{i}", c => c with { StartSecs = 0 }))];
        Machine machine = Machine.Up(level, Machine.Pool("pool", bufferSize, events.Split(','), processes));
        machine.Take();
        return machine;
    }

    private static void Send(Machine machine, string data) => machine.Ask(new SendRemoteCommEvent("t", data));

    private static IEnumerable<string> Writes(Machine machine) => machine.Take().Where(line => line.StartsWith("write ", StringComparison.Ordinal));

    private static string Envelope(int serial, string data, int? poolSerial = null) =>
        $"write ver:3.0 server:supervisor serial:{serial} pool:pool poolserial:{poolSerial ?? serial} eventname:REMOTE_COMMUNICATION "
        + $"len:{("type:t\n" + data).EnumerateRunes().Count()}\\ntype:t\\n{data}";

    private static ListenerState StateOf(Machine machine, string name) => machine.Slot("pool:" + name).Listener!.State;

    public sealed class GivenOneListener
    {
        private readonly Machine _machine = WithListeners(1);

        [Fact]
        public void An_event_is_sent_when_it_is_ready_and_the_next_when_it_is_ready_again()
        {
            Send(_machine, "a");
            Send(_machine, "b");
            Assert.Empty(Writes(_machine));
            _machine.Output("pool:l0", "READY\n");
            Assert.Equal([Envelope(0, "a")], Writes(_machine));
            _machine.Output("pool:l0", "RESULT 2\nOK");
            Assert.Empty(Writes(_machine));
            _machine.Output("pool:l0", "READY\n");
            Assert.Equal([Envelope(1, "b")], Writes(_machine));
        }

        [Fact]
        public void The_length_counts_characters()
        {
            _machine.Output("pool:l0", "READY\n");
            Send(_machine, "h\u00e9 \ud83d\ude80");
            string write = Assert.Single(Writes(_machine));
            Assert.Contains(" len:11\\n", write, StringComparison.Ordinal);
        }

        [Fact]
        public void The_answer_and_the_next_ready_may_come_in_any_pieces()
        {
            _machine.Output("pool:l0", "READY\n");
            Send(_machine, "a");
            Send(_machine, "b");
            _machine.Take();
            foreach (char c in "RESULT 2\nOKREADY\n")
            {
                _machine.Output("pool:l0", c.ToString());
            }

            Assert.Equal([Envelope(1, "b")], Writes(_machine));
        }

        [Theory]
        [InlineData("RESULT 4\nFAIL")]
        [InlineData("RESULT 2\nok")]
        [InlineData("RESULT 3\nOK\n")]
        [InlineData("RESULT 1\nO")]
        [InlineData("RESULT 0\n")]
        public void Anything_but_OK_is_a_rejection_and_the_same_event_comes_again(string result)
        {
            _machine.Output("pool:l0", "READY\n");
            Send(_machine, "a");
            Send(_machine, "b");
            _machine.Take();
            _machine.Output("pool:l0", result);
            Assert.Contains("WARN l0: event was rejected", _machine.Take());
            _machine.Output("pool:l0", "READY\n");
            Assert.Equal([Envelope(0, "a")], Writes(_machine));
        }

        [Theory]
        [InlineData("READY")]
        [InlineData("")]
        public void Less_than_a_line_is_waited_for(string output)
        {
            _machine.Output("pool:l0", output);
            Assert.Equal(ListenerState.Acknowledged, StateOf(_machine, "l0"));
        }

        [Theory]
        [InlineData("\nREADY\n")]
        [InlineData("hello!")]
        [InlineData("READY\r\n")]
        [InlineData("READY\nREADY\n")]
        [InlineData("READY\n ")]
        public void What_it_may_not_write_ends_its_deliveries(string output)
        {
            Send(_machine, "a");
            _machine.Output("pool:l0", output);
            Assert.Equal(["WARN l0: " + Violated], _machine.Take().Where(line => line.StartsWith("WARN", StringComparison.Ordinal)));
            Assert.Equal(ListenerState.Unknown, StateOf(_machine, "l0"));
            _machine.Output("pool:l0", "READY\n");
            Assert.Empty(Writes(_machine));
        }

        [Theory]
        [InlineData("RESULT x\n", "RESULT x")]
        [InlineData("RESULT -1\n", "RESULT -1")]
        [InlineData("result 2\nOK", "result 2")]
        [InlineData("\n", "")]
        [InlineData("RESULT 2 2\nOK", "RESULT 2 2")]
        public void A_line_that_is_no_result_gives_the_event_back(string output, string line)
        {
            _machine.Output("pool:l0", "READY\n");
            Send(_machine, "a");
            _machine.Take();
            _machine.Output("pool:l0", output);
            Assert.Equal(
                [$"WARN l0: bad result line: '{line}'", "WARN l0: " + Violated],
                _machine.Take().Where(text => text.StartsWith("WARN", StringComparison.Ordinal)));
            Assert.Equal(1, _machine.Slot("pool:l0").Group.Pool!.Count);
        }

        [Fact]
        public void When_it_dies_the_event_goes_back_and_its_next_run_gets_it()
        {
            _machine.Output("pool:l0", "READY\n");
            Send(_machine, "a");
            Send(_machine, "b");
            _machine.Take();
            _machine.At(1);
            _machine.Exit("pool:l0", 3);
            _machine.Output("pool:l0", "READY\n");
            Assert.Equal([Envelope(0, "a")], Writes(_machine));
        }

        [Fact]
        public void A_closed_pipe_makes_it_deaf_and_loses_nothing()
        {
            _machine.Stdin = _ => StdinResult.Closed;
            _machine.Output("pool:l0", "READY\n");
            Send(_machine, "a");
            Send(_machine, "b");
            Assert.Equal([Envelope(0, "a")], Writes(_machine));
            Assert.Equal(2, _machine.Slot("pool:l0").Group.Pool!.Count);
        }

        [Fact]
        public void An_event_that_no_pipe_can_take_is_dropped_and_said_and_the_next_one_goes()
        {
            _machine.Stdin = write => write.Data.Length > 1000 ? StdinResult.Full : StdinResult.Accepted;
            _machine.Output("pool:l0", "READY\n");
            Send(_machine, new string('x', 2000));
            Assert.Contains("ERRO event 0 is too large for listener l0, discarding it", _machine.Take());
            Send(_machine, "b");
            Assert.Equal([Envelope(1, "b")], Writes(_machine));
        }

        [Fact]
        public void When_it_is_stopped_it_gets_no_more_but_may_still_answer()
        {
            _machine.Output("pool:l0", "READY\n");
            Send(_machine, "a");
            Send(_machine, "b");
            _machine.Ask(new StopProcess("pool:l0", Wait: false));
            _machine.Take();
            _machine.Output("pool:l0", "RESULT 2\nOKREADY\n");
            Assert.Empty(Writes(_machine));
            _machine.Exit("pool:l0", 0);
            Assert.Equal(1, _machine.Slot("pool:l0").Group.Pool!.Count);
        }

        [Fact]
        public void It_gets_nothing_when_it_is_dead_already()
        {
            // Seed 1689 of the simulation: up for startsecs, dead before that was noticed, and called RUNNING for an instant.
            Machine machine = Machine.Up(Machine.Pool("pool", 10, ["REMOTE_COMMUNICATION"],
                Machine.Program("l0", c => c with { AutoRestart = AutoRestart.False })));
            machine.Output("pool:l0", "READY\n");
            Send(machine, "a");
            machine.At(2);
            machine.Exit("pool:l0", 0);
            Assert.Empty(Writes(machine));
            Assert.Equal(1, machine.Slot("pool:l0").Group.Pool!.Count);
        }

        [Fact]
        public void It_gets_nothing_before_startsecs()
        {
            Machine machine = Machine.Up(Machine.Pool("pool", 10, ["REMOTE_COMMUNICATION"], Machine.Program("l0")));
            machine.Output("pool:l0", "READY\n");
            Send(machine, "a");
            Assert.Empty(Writes(machine));
            machine.RunUntil(1.1);
            Assert.Equal([Envelope(0, "a")], Writes(machine));
        }

        [Fact]
        public void The_way_of_an_event_can_be_read_at_debug()
        {
            Machine machine = WithListeners(1, level: LogLevel.Debug);
            machine.Output("pool:l0", "READY\n");
            Send(machine, "a");
            machine.Output("pool:l0", "RESULT 2\nOK");
            Assert.Equal(
                [
                    "DEBG 'l0' stdout output:\nb'READY\\n'", "DEBG l0: ACKNOWLEDGED -> READY", "DEBG l0: READY -> BUSY", Envelope(0, "a"),
                    "DEBG event 0 sent to listener l0", "answer true", "DEBG 'l0' stdout output:\nb'RESULT 2\\nOK'", "DEBG l0: event was processed",
                    "DEBG l0: BUSY -> ACKNOWLEDGED",
                ],
                machine.Take());
        }
    }

    public sealed class GivenRejectionsInARow
    {
        [Fact]
        public void From_the_eleventh_on_a_growing_pause_precedes_the_next_delivery()
        {
            Machine machine = WithListeners(1);
            machine.Output("pool:l0", "READY\n");
            Send(machine, "a");
            var pauses = new List<double>();
            for (int i = 0; i < 23; i++)
            {
                long before = machine.Now;
                machine.Take();
                machine.Output("pool:l0", "RESULT 4\nFAILREADY\n");
                if (!machine.Lines.Any(line => line.StartsWith("write", StringComparison.Ordinal)))
                {
                    machine.RunUntil(machine.Supervisor.NextDeadline / (double)Moment.Second);
                    Assert.Single(Writes(machine));
                }

                pauses.Add((machine.Now - before) / (double)Moment.Millisecond);
            }

            Assert.Equal([0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 1000, 1000, 1000], pauses);
        }
    }

    public sealed class GivenSeveralListeners
    {
        [Fact]
        public void The_first_that_is_ready_gets_the_oldest_event()
        {
            Machine machine = WithListeners(3);
            Send(machine, "a");
            machine.Output("pool:l2", "READY\n");
            machine.Output("pool:l0", "READY\n");
            machine.Output("pool:l1", "READY\n");
            Send(machine, "b");
            Send(machine, "c");
            Assert.Equal(
                [(2, "a"), (0, "b"), (1, "c")],
                machine.Carried.OfType<WriteStdin>().Select(write => (
                    int.Parse(machine.Supervisor.Slots.Single(slot => slot.Id == write.Process).Name[1..], CultureInfo.InvariantCulture),
                    Encoding.UTF8.GetString(write.Data).Split('\n')[^1])));
        }

        [Fact]
        public void What_one_rejects_another_gets_at_once()
        {
            Machine machine = WithListeners(2);
            machine.Output("pool:l0", "READY\n");
            Send(machine, "a");
            machine.Output("pool:l1", "READY\n");
            machine.Take();
            machine.Output("pool:l0", "RESULT 4\nFAIL");
            Assert.Equal([Envelope(0, "a")], Writes(machine));
            Assert.Equal(ListenerState.Busy, StateOf(machine, "l1"));
        }

        [Fact]
        public void Events_and_log_lines_come_in_the_order_in_which_they_arise()
        {
            // With a listener at hand for each event, deliveries stand between the lines where the events arose.
            ProcessConfig[] listeners = [.. Enumerable.Range(0, 12).Select(i => Machine.Program($"l{i:00}", c => c with { StartSecs = 0 }))];
            Machine machine = Machine.Up(
                Machine.Pool("pool", 100, ["PROCESS_STATE"], listeners),
                Machine.Group(Machine.Program("p", c => c with { AutoStart = false, StartRetries = 0 })));
            foreach (ProcessConfig listener in listeners)
            {
                machine.Output("pool:" + listener.Name, "READY\n");
            }

            // The starts of the listeners themselves are in the buffer: work it off.
            while (machine.Slot("p").Group.Pool is null && machine.Slot("pool:l00").Group.Pool!.Count > 0)
            {
                Free(machine, listeners);
            }

            Free(machine, listeners);
            machine.Take();
            machine.Ask(new StartProcess("p", Wait: false));
            machine.RunUntil(2);
            machine.Exit("p", 0);
            Assert.Equal(
                ["STARTING", "spawn p", "INFO spawned", "answer true", "RUNNING", "INFO success", "EXITED", "INFO exited"],
                Told(machine));
            machine.SpawnError = _ => "no luck";
            machine.Ask(new StartProcess("p", Wait: false));
            Assert.Equal(
                ["STARTING", "spawn p", "INFO spawnerr", "BACKOFF", "answer SPAWN_ERROR", "FATAL", "INFO gave up"], Told(machine));
        }

        private static void Free(Machine machine, ProcessConfig[] listeners)
        {
            foreach (ProcessConfig listener in listeners)
            {
                if (StateOf(machine, listener.Name) == ListenerState.Busy)
                {
                    machine.Output("pool:" + listener.Name, "RESULT 2\nOKREADY\n");
                }
            }
        }

        private static IEnumerable<string> Told(Machine machine) =>
            machine.Take().Where(line => !line.StartsWith("DEBG", StringComparison.Ordinal)).Select(Brief);

        private static string Brief(string line)
        {
            int name = line.IndexOf("PROCESS_STATE_", StringComparison.Ordinal);
            return name >= 0 ? line[(name + 14)..].Split(' ')[0] : line.Split(':')[0];
        }
    }

    public sealed class GivenAFullBuffer
    {
        [Fact]
        public void The_oldest_goes_and_its_serial_is_said()
        {
            Machine machine = WithListeners(1, bufferSize: 2);
            Send(machine, "a");
            Send(machine, "b");
            Send(machine, "c");
            Assert.Contains("ERRO pool pool event buffer overflowed, discarding event 0", machine.Take());
            machine.Output("pool:l0", "READY\n");
            Assert.Equal([Envelope(1, "b")], Writes(machine));
        }

        [Fact]
        public void An_event_that_comes_back_pushes_out_the_newest()
        {
            Machine machine = WithListeners(1, bufferSize: 2);
            machine.Output("pool:l0", "READY\n");
            foreach (string data in (string[])["a", "b", "c"])
            {
                Send(machine, data);
            }

            machine.Take();
            machine.Output("pool:l0", "RESULT 4\nFAIL");
            Assert.Contains("ERRO pool pool event buffer overflowed, discarding event 2", machine.Take());
            machine.Output("pool:l0", "READY\n");
            machine.Output("pool:l0", "RESULT 2\nOKREADY\n");
            Assert.Equal([Envelope(0, "a"), Envelope(1, "b")], Writes(machine));
        }
    }

    public sealed class GivenSerials
    {
        [Fact]
        public void An_event_that_nobody_wants_takes_none()
        {
            Machine machine = WithListeners(1, events: "PROCESS_GROUP");
            Send(machine, "a");
            machine.Output("pool:l0", "READY\n");
            // Its own addition, which it saw before it ran.
            Assert.Equal(
                ["write ver:3.0 server:supervisor serial:0 pool:pool poolserial:0 eventname:PROCESS_GROUP_ADDED len:15\\ngroupname:pool\\n"],
                Writes(machine));
        }

        [Fact]
        public void They_count_for_the_daemon_and_for_each_pool()
        {
            Machine machine = Machine.Up(
                Machine.Pool("one", 10, ["REMOTE_COMMUNICATION", "PROCESS_GROUP"], Machine.Program("a", c => c with { StartSecs = 0 })),
                Machine.Pool("two", 10, ["REMOTE_COMMUNICATION"], Machine.Program("b", c => c with { StartSecs = 0 })));
            Send(machine, "x");
            List<PooledEvent> first = [], second = [];
            Drain(machine.Slot("one:a").Group.Pool!, first);
            Drain(machine.Slot("two:b").Group.Pool!, second);
            Assert.Equal([(0, 0), (1, 1), (2, 2)], first.Select(e => (e.Serial, e.PoolSerial)));
            Assert.Equal([(2, 0)], second.Select(e => (e.Serial, e.PoolSerial)));
        }

        [Fact]
        public void A_removed_pool_says_what_it_lost_and_sees_nothing_of_its_end()
        {
            Machine machine = WithListeners(1, events: "REMOTE_COMMUNICATION,PROCESS_GROUP");
            Send(machine, "a");
            machine.Ask(new StopProcess("pool:l0", Wait: false));
            machine.Exit("pool:l0", 0);
            machine.Take();
            machine.Ask(new RemoveProcessGroup("pool"));
            Assert.Equal(["WARN pool pool was removed with 2 undelivered events", "answer true"], machine.Take());
        }

        private static void Drain(EventPool pool, List<PooledEvent> into)
        {
            while (pool.Take() is { } item)
            {
                into.Add(item);
            }
        }
    }

    public sealed class GivenTicks
    {
        [Fact]
        public void They_come_at_multiples_of_their_period_and_in_order()
        {
            var machine = new Machine { WallOffset = (1_767_225_600 + 3593) * Moment.Second };
            machine.Load(Machine.RecorderGroup("TICK"));
            machine.Step(new DaemonStarted());
            Assert.Empty(machine.Take());
            machine.RunUntil(13);
            Assert.Equal(
                [
                    "event TICK_5 when:1767229195", "event TICK_5 when:1767229200", "event TICK_60 when:1767229200",
                    "event TICK_3600 when:1767229200", "event TICK_5 when:1767229205",
                ],
                machine.Take());
        }

        [Fact]
        public void Missed_ones_are_not_made_up_and_a_clock_that_goes_back_ticks_too()
        {
            var machine = new Machine();
            machine.Load(Machine.RecorderGroup("TICK_5"));
            machine.At(23);
            machine.Step(TimePassed.Instance);
            Assert.Equal(["event TICK_5 when:1767225620"], machine.Take());
            machine.WallOffset -= 100 * Moment.Second;
            machine.RunUntil(25);
            Assert.Equal(["event TICK_5 when:1767225525"], machine.Take());
        }

        [Fact]
        public void Without_a_subscriber_there_is_no_deadline()
        {
            var machine = new Machine();
            machine.Load(Machine.RecorderGroup());
            Assert.Equal(long.MaxValue, machine.Supervisor.NextDeadline);
        }
    }

    public sealed class GivenOutput
    {
        private readonly Machine _machine = Machine.Up(Machine.RecorderGroup(), Machine.Group(Machine.Program("p", c => c with
        {
            Stdout = new ChildLogConfig { EventsEnabled = true },
        })));

        public GivenOutput() => _machine.Take();

        [Fact]
        public void A_chunk_is_an_event()
        {
            _machine.Output("p", "before");
            Assert.Equal(["event PROCESS_LOG_STDOUT processname:p groupname:p pid:101 channel:stdout\nbefore"], _machine.Take());
        }

        [Fact]
        public void A_stream_without_events_makes_none()
        {
            _machine.Output("p", "x", OutputChannel.Stderr);
            Assert.Empty(_machine.Take());
        }

        [Fact]
        public void What_is_no_text_is_shown_as_bytes_and_a_character_cut_in_two_is_put_together()
        {
            _machine.Output("p", "a\u00ffb\n");
            _machine.Output("p", "h\u00c3");
            _machine.Output("p", "\u00a9");
            Assert.Equal(
                [
                    "event PROCESS_LOG_STDOUT processname:p groupname:p pid:101 channel:stdout\nUndecodable: b'a\\xffb\\n'",
                    "event PROCESS_LOG_STDOUT processname:p groupname:p pid:101 channel:stdout\nh",
                    "event PROCESS_LOG_STDOUT processname:p groupname:p pid:101 channel:stdout\n\u00e9",
                ],
                _machine.Take());
        }

        [Fact]
        public void A_character_that_never_got_its_end_is_told_before_the_exit()
        {
            _machine.RunUntil(2);
            _machine.Take();
            _machine.Output("p", "\u00c3");
            _machine.Exit("p", 0);
            Assert.Equal(
                [
                    "event PROCESS_LOG_STDOUT processname:p groupname:p pid:101 channel:stdout\nUndecodable: b'\\xc3'",
                    "event EXITED processname:p groupname:p from_state:RUNNING expected:1 pid:101",
                ],
                _machine.Take()[..2]);
        }

        [Fact]
        public void A_capture_is_a_communication()
        {
            ProcessSlot slot = _machine.Slot("p");
            _machine.Step(new CommunicationCaptured(slot.Id, slot.Incarnation, OutputChannel.Stderr, "data"u8.ToArray()));
            Assert.Equal(
                ["event PROCESS_COMMUNICATION_STDERR processname:p groupname:p pid:101\ndata", "DEBG 'p' stderr emitted a comm event"], _machine.Take());
        }

        [Fact]
        public void It_is_echoed_to_the_log_at_debug()
        {
            Machine machine = Machine.Up(LogLevel.Debug, Machine.Group(Machine.Program("p")));
            machine.Take();
            machine.Output("p", "hello\n", OutputChannel.Stderr);
            Assert.Equal(["DEBG 'p' stderr output:\nhello\n"], machine.Take());
        }

        [Fact]
        public void Only_the_streams_that_are_wanted_are_tapped()
        {
            Spawn spawn = Assert.Single(_machine.Carried.OfType<Spawn>());
            Assert.Equal((true, false), (spawn.TapStdout, spawn.TapStderr));
        }
    }

    public sealed class GivenNamesOfTypes
    {
        [Theory]
        [InlineData("EVENT", 20)]
        [InlineData("PROCESS_STATE", 8)]
        [InlineData("PROCESS_COMMUNICATION", 2)]
        [InlineData("PROCESS_LOG", 2)]
        [InlineData("SUPERVISOR_STATE_CHANGE", 2)]
        [InlineData("TICK", 3)]
        [InlineData("PROCESS_GROUP", 2)]
        [InlineData("TICK_5", 1)]
        [InlineData("REMOTE_COMMUNICATION", 1)]
        [InlineData("SUPERVISOR", 0)]
        [InlineData("tick", 0)]
        public void They_stand_for_so_many_types(string name, int types) => Assert.Equal(types, EventTypes.Count(EventTypes.Mask(name)));

        [Fact]
        public void Each_type_is_found_by_its_own_name() =>
            Assert.All(Enum.GetValues<EventType>(), type => Assert.Equal(type.Bit(), EventTypes.Mask(type.Name())));
    }
}
