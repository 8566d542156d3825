using Steward.Core.Model;

namespace Steward.Core.Tests.Supervision;

/// <summary>What one process does about what happens to it: the process machine, row by row. The grammar stands at <see cref="MachineRow"/>.</summary>
public sealed class MachineTableTests
{
    private const string Starting = """
        STOPPED  start()  ->  STARTING  timer(1.000000001s)
            event STARTING processname:p groupname:p from_state:STOPPED tries:0
            spawn p
            INFO spawned: 'p' with pid 101
            answer true

        STOPPED  start(wait)  ->  STARTING  timer(1.000000001s)
            event STARTING processname:p groupname:p from_state:STOPPED tries:0
            spawn p
            INFO spawned: 'p' with pid 101
            waits

        # startsecs=0: RUNNING as soon as there is a child; negative counts as 0
        STOPPED  startsecs=0  start(wait)  ->  RUNNING  timer(-)
            event STARTING processname:p groupname:p from_state:STOPPED tries:0
            spawn p
            event RUNNING processname:p groupname:p from_state:STARTING pid:101
            INFO spawned: 'p' with pid 101
            INFO success: p entered RUNNING state, process has stayed up for > than 0 seconds (startsecs)
            answer true

        STOPPED  startsecs=-5  start()  ->  RUNNING  timer(-)
            event STARTING processname:p groupname:p from_state:STOPPED tries:0
            spawn p
            event RUNNING processname:p groupname:p from_state:STARTING pid:101
            INFO spawned: 'p' with pid 101
            answer true
            INFO success: p entered RUNNING state, process has stayed up for > than -5 seconds (startsecs)

        # the command is looked at before the state, and an unusable one does not touch it
        STOPPED  check=can't find command '/x'  start()  ->  STOPPED  timer(-)
            answer NO_FILE: can't find command '/x'

        RUNNING  check=can't find command '/x'  start()  ->  RUNNING  timer(-)
            answer NO_FILE: can't find command '/x'

        # a spawn that fails
        STOPPED  spawn=too many open files to spawn 'p'  start(wait)  ->  BACKOFF  timer(1s)
            event STARTING processname:p groupname:p from_state:STOPPED tries:0
            spawn p
            event BACKOFF processname:p groupname:p from_state:STARTING tries:1
            INFO spawnerr: too many open files to spawn 'p'
            answer SPAWN_ERROR: p

        STOPPED  startretries=0  spawn=no  start()  ->  FATAL  timer(-)
            event STARTING processname:p groupname:p from_state:STOPPED tries:0
            spawn p
            event BACKOFF processname:p groupname:p from_state:STARTING tries:1
            event FATAL processname:p groupname:p from_state:BACKOFF
            INFO spawnerr: no
            answer SPAWN_ERROR: p
            INFO gave up: p entered FATAL state, too many start retries too quickly

        EXITED  start()  ->  STARTING  timer(1.000000001s)
            event STARTING processname:p groupname:p from_state:EXITED tries:0
            spawn p
            INFO spawned: 'p' with pid 102
            answer true

        FATAL  start()  ->  STARTING  timer(1.000000001s)
            event STARTING processname:p groupname:p from_state:FATAL tries:0
            spawn p
            INFO spawned: 'p' with pid 102
            answer true

        STARTING  start()  ->  STARTING  timer(1.000000001s)
            answer ALREADY_STARTED: p

        RUNNING  start()  ->  RUNNING  timer(-)
            answer ALREADY_STARTED: p

        BACKOFF  start()  ->  BACKOFF  timer(1s)
            answer ALREADY_STARTED: p

        STOPPING  start()  ->  STOPPING  timer(10s)
            WARN process 'p' already running
            answer ABNORMAL_TERMINATION: p

        # up for longer than startsecs, strictly
        STARTING  tick @1s  ->  STARTING  timer(0.000000001s)

        STARTING  tick @1.000000001s  ->  RUNNING  timer(-)
            event RUNNING processname:p groupname:p from_state:STARTING pid:101
            INFO success: p entered RUNNING state, process has stayed up for > than 1 seconds (startsecs)
        """;

    private const string Dying = """
        # quicker than startsecs: a failed start, whatever the code
        STARTING  exited(1) @0.4s  ->  BACKOFF  timer(1s)
            event BACKOFF processname:p groupname:p from_state:STARTING tries:1
            WARN exited: p (exit status 1; not expected)

        STARTING  exited(0) @0.999999999s  ->  BACKOFF  timer(1s)
            event BACKOFF processname:p groupname:p from_state:STARTING tries:1
            WARN exited: p (exit status 0; not expected)

        STARTING  killed(SEGV) @0.4s  ->  BACKOFF  timer(1s)
            event BACKOFF processname:p groupname:p from_state:STARTING tries:1
            WARN exited: p (terminated by SIGSEGV; not expected)

        STARTING  startretries=0  exited(1) @0.4s  ->  FATAL  timer(-)
            event BACKOFF processname:p groupname:p from_state:STARTING tries:1
            event FATAL processname:p groupname:p from_state:BACKOFF
            WARN exited: p (exit status 1; not expected)
            INFO gave up: p entered FATAL state, too many start retries too quickly

        # exactly startsecs is not too quick
        STARTING  exited(0) @1s  ->  EXITED  timer(-)
            event RUNNING processname:p groupname:p from_state:STARTING pid:101
            event EXITED processname:p groupname:p from_state:RUNNING expected:1 pid:101
            INFO exited: p (exit status 0; expected)

        # dead, and its output is still being read (seed 5 of the simulation): not called RUNNING meanwhile, nor killed
        STARTING  reaped @0.9s  ->  STARTING  timer(-)

        STOPPING  reaped @3s  ->  STOPPING  timer(-)

        STARTING  old reaped @0.9s  ->  STARTING  timer(0.100000001s)

        BACKOFF  reaped  ->  BACKOFF  timer(1s)

        # the time of the death decides, not that of the news
        STARTING  exited(0,0.9s) @1s  ->  BACKOFF  timer(1s)
            event BACKOFF processname:p groupname:p from_state:STARTING tries:1
            WARN exited: p (exit status 0; not expected)
        """;

    private const string Ending = """
        RUNNING  exited(0)  ->  EXITED  timer(-)
            event EXITED processname:p groupname:p from_state:RUNNING expected:1 pid:101
            INFO exited: p (exit status 0; expected)

        RUNNING  autorestart=false  exited(2)  ->  EXITED  timer(-)
            event EXITED processname:p groupname:p from_state:RUNNING expected:0 pid:101
            WARN exited: p (exit status 2; not expected)

        RUNNING  autorestart=false  exitcodes=0,2  exited(2)  ->  EXITED  timer(-)
            event EXITED processname:p groupname:p from_state:RUNNING expected:1 pid:101
            INFO exited: p (exit status 2; expected)

        RUNNING  autorestart=false  killed(KILL)  ->  EXITED  timer(-)
            event EXITED processname:p groupname:p from_state:RUNNING expected:0 pid:101
            WARN exited: p (terminated by SIGKILL; not expected)

        # unexpected, the default: started again when the code is not an exit code of its own
        RUNNING  exited(2)  ->  STARTING  timer(1.000000001s)
            event EXITED processname:p groupname:p from_state:RUNNING expected:0 pid:101
            event STARTING processname:p groupname:p from_state:EXITED tries:0
            WARN exited: p (exit status 2; not expected)
            spawn p
            INFO spawned: 'p' with pid 102

        RUNNING  killed(TERM)  ->  STARTING  timer(1.000000001s)
            event EXITED processname:p groupname:p from_state:RUNNING expected:0 pid:101
            event STARTING processname:p groupname:p from_state:EXITED tries:0
            WARN exited: p (terminated by SIGTERM; not expected)
            spawn p
            INFO spawned: 'p' with pid 102

        RUNNING  autorestart=true  exited(0)  ->  STARTING  timer(1.000000001s)
            event EXITED processname:p groupname:p from_state:RUNNING expected:1 pid:101
            event STARTING processname:p groupname:p from_state:EXITED tries:0
            INFO exited: p (exit status 0; expected)
            spawn p
            INFO spawned: 'p' with pid 102

        # autorestart=false does not switch off the retries of a start
        STARTING  autorestart=false  exited(0) @0.1s  ->  BACKOFF  timer(1s)
            event BACKOFF processname:p groupname:p from_state:STARTING tries:1
            WARN exited: p (exit status 0; not expected)

        # stopped as wanted
        STOPPING  exited(0)  ->  STOPPED  timer(-)
            event STOPPED processname:p groupname:p from_state:STOPPING pid:101
            INFO stopped: p (exit status 0)

        STOPPING  autorestart=true  killed(TERM)  ->  STOPPED  timer(-)
            event STOPPED processname:p groupname:p from_state:STOPPING pid:101
            WARN stopped: p (terminated by SIGTERM)
        """;

    private const string Retrying = """
        BACKOFF  tick @1.099999999s  ->  BACKOFF  timer(0.000000001s)

        BACKOFF  tick @1.1s  ->  STARTING  timer(1.000000001s)
            event STARTING processname:p groupname:p from_state:BACKOFF tries:1
            spawn p
            INFO spawned: 'p' with pid 102

        BACKOFF  spawn=no luck  tick @1.1s  ->  BACKOFF  timer(2s)
            event STARTING processname:p groupname:p from_state:BACKOFF tries:1
            spawn p
            event BACKOFF processname:p groupname:p from_state:STARTING tries:2
            INFO spawnerr: no luck

        BACKOFF  startretries=1  spawn=no luck  tick @1.1s  ->  FATAL  timer(-)
            event STARTING processname:p groupname:p from_state:BACKOFF tries:1
            spawn p
            event BACKOFF processname:p groupname:p from_state:STARTING tries:2
            event FATAL processname:p groupname:p from_state:BACKOFF
            INFO spawnerr: no luck
            INFO gave up: p entered FATAL state, too many start retries too quickly
        """;

    private const string Stopping = """
        RUNNING  stop()  ->  STOPPING  timer(10s)
            kill 101 SIGTERM
            event STOPPING processname:p groupname:p from_state:RUNNING pid:101
            answer true

        STARTING  stop() @0.5s  ->  STOPPING  timer(10s)
            kill 101 SIGTERM
            event STOPPING processname:p groupname:p from_state:STARTING pid:101
            answer true

        RUNNING  stop(wait)  ->  STOPPING  timer(10s)
            kill 101 SIGTERM
            event STOPPING processname:p groupname:p from_state:RUNNING pid:101
            INFO waiting for p to stop
            waits

        RUNNING  stopsignal=USR2  stopasgroup=true  stopwaitsecs=3  stop()  ->  STOPPING  timer(3s)
            kill -101 SIGUSR2
            event STOPPING processname:p groupname:p from_state:RUNNING pid:101
            answer true

        RUNNING  loglevel=debug  stop()  ->  STOPPING  timer(10s)
            DEBG killing p (pid 101) with signal SIGTERM
            kill 101 SIGTERM
            event STOPPING processname:p groupname:p from_state:RUNNING pid:101
            answer true

        RUNNING  loglevel=debug  stopasgroup=true  stop()  ->  STOPPING  timer(10s)
            DEBG killing p (pid 101) process group with signal SIGTERM
            kill -101 SIGTERM
            event STOPPING processname:p groupname:p from_state:RUNNING pid:101
            answer true

        # just died: its exit will be noticed
        RUNNING  kill=ESRCH  stop()  ->  STOPPING  timer(10s)
            kill 101 SIGTERM
            event STOPPING processname:p groupname:p from_state:RUNNING pid:101
            DEBG unable to signal p (pid 101), it probably just exited on its own: [Errno 3] No such process
            answer true

        # refused: nothing has changed
        RUNNING  kill=EPERM  stop()  ->  RUNNING  timer(-)
            kill 101 SIGTERM
            CRIT unknown problem killing p (101):[Errno 1] Operation not permitted
            answer FAILED: unknown problem killing p (101):[Errno 1] Operation not permitted

        BACKOFF  stop()  ->  STOPPED  timer(-)
            event STOPPED processname:p groupname:p from_state:BACKOFF pid:0
            DEBG Attempted to kill p, which is in BACKOFF state.
            answer true

        BACKOFF  stop(wait)  ->  STOPPED  timer(-)
            event STOPPED processname:p groupname:p from_state:BACKOFF pid:0
            DEBG Attempted to kill p, which is in BACKOFF state.
            answer true

        STOPPED  stop()  ->  STOPPED  timer(-)
            answer NOT_RUNNING: p

        EXITED  stop()  ->  EXITED  timer(-)
            answer NOT_RUNNING: p

        FATAL  stop()  ->  FATAL  timer(-)
            answer NOT_RUNNING: p

        STOPPING  stop(wait)  ->  STOPPING  timer(10s)
            answer NOT_RUNNING: p

        # SIGKILL after stopwaitsecs
        STOPPING  tick @11.999999999s  ->  STOPPING  timer(0.000000001s)

        STOPPING  tick @12s  ->  STOPPING  timer(10s)
            WARN killing 'p' (101) with SIGKILL
            kill 101 SIGKILL

        STOPPING  killasgroup=true  stopwaitsecs=2  tick @4s  ->  STOPPING  timer(2s)
            WARN killing 'p' (101) with SIGKILL
            kill -101 SIGKILL

        # stopasgroup alone is for the stop signal; the configuration gives killasgroup the same value unless it says otherwise
        STOPPING  stopasgroup=true  tick @12s  ->  STOPPING  timer(10s)
            WARN killing 'p' (101) with SIGKILL
            kill 101 SIGKILL

        # at once, then at most once a second
        STOPPING  stopwaitsecs=0  tick  ->  STOPPING  timer(1s)
            WARN killing 'p' (101) with SIGKILL
            kill 101 SIGKILL

        STOPPING  kill=EPERM  tick @12s  ->  STOPPING  timer(10s)
            WARN killing 'p' (101) with SIGKILL
            kill 101 SIGKILL
            CRIT unknown problem killing p (101):[Errno 1] Operation not permitted
        """;

    private const string Signalling = """
        RUNNING  signal(HUP)  ->  RUNNING  timer(-)
            kill 101 SIGHUP
            answer true

        STARTING  signal(1)  ->  STARTING  timer(1.000000001s)
            kill 101 SIGHUP
            answer true

        STOPPING  signal( sigusr1 )  ->  STOPPING  timer(10s)
            kill 101 SIGUSR1
            answer true

        # to the process alone, never to its group
        RUNNING  stopasgroup=true  killasgroup=true  signal(KILL)  ->  RUNNING  timer(-)
            kill 101 SIGKILL
            answer true

        RUNNING  loglevel=debug  signal(INT)  ->  RUNNING  timer(-)
            DEBG sending p (pid 101) sig SIGINT
            kill 101 SIGINT
            answer true

        RUNNING  signal(0)  ->  RUNNING  timer(-)
            kill 101 signal 0
            answer true

        RUNNING  signal(NONE)  ->  RUNNING  timer(-)
            answer BAD_SIGNAL: NONE

        RUNNING  signal(33)  ->  RUNNING  timer(-)
            answer BAD_SIGNAL: 33

        # the signal is looked at before the state
        STOPPED  signal(NONE)  ->  STOPPED  timer(-)
            answer BAD_SIGNAL: NONE

        STOPPED  signal(HUP)  ->  STOPPED  timer(-)
            answer NOT_RUNNING: p

        BACKOFF  signal(HUP)  ->  BACKOFF  timer(1s)
            answer NOT_RUNNING: p

        EXITED  signal(HUP)  ->  EXITED  timer(-)
            answer NOT_RUNNING: p

        FATAL  signal(HUP)  ->  FATAL  timer(-)
            answer NOT_RUNNING: p

        RUNNING  kill=ESRCH  signal(HUP)  ->  RUNNING  timer(-)
            kill 101 SIGHUP
            DEBG unable to signal p (pid 101), it probably just now exited on its own: [Errno 3] No such process
            answer true

        RUNNING  kill=EPERM  signal(HUP)  ->  RUNNING  timer(-)
            kill 101 SIGHUP
            CRIT unknown problem sending sig p (101):[Errno 1] Operation not permitted
            answer FAILED: unknown problem sending sig p (101):[Errno 1] Operation not permitted
        """;

    private const string GivingUp = """
        RUNNING  TERM  ->  STOPPING  timer(10s)
            event SUPERVISOR_STATE_CHANGE_STOPPING
            WARN received SIGTERM indicating exit request
            kill 101 SIGTERM
            event STOPPING processname:p groupname:p from_state:RUNNING pid:101
            INFO waiting for p to die

        BACKOFF  TERM  ->  FATAL  timer(-)
            event SUPERVISOR_STATE_CHANGE_STOPPING
            event FATAL processname:p groupname:p from_state:BACKOFF
            WARN received SIGTERM indicating exit request
            stopped for good

        EXITED  TERM  ->  EXITED  timer(-)
            event SUPERVISOR_STATE_CHANGE_STOPPING
            WARN received SIGTERM indicating exit request
            stopped for good

        STOPPING  TERM  ->  STOPPING  timer(10s)
            event SUPERVISOR_STATE_CHANGE_STOPPING
            WARN received SIGTERM indicating exit request
            INFO waiting for p to die

        # a child that takes no signals from us is left behind
        RUNNING  kill=EPERM  TERM  ->  RUNNING  timer(-)
            event SUPERVISOR_STATE_CHANGE_STOPPING
            WARN received SIGTERM indicating exit request
            kill 101 SIGTERM
            CRIT unknown problem killing p (101):[Errno 1] Operation not permitted
            stopped for good
            INFO waiting for p to die
        """;

    private const string Late = """
        # of an older start: of no consequence
        RUNNING  old exited(1)  ->  RUNNING  timer(-)

        STARTING  old exited(1) @0.2s  ->  STARTING  timer(0.800000001s)

        STARTING  old spawned(7)  ->  STARTING  timer(1.000000001s)

        BACKOFF  old spawnfailed  ->  BACKOFF  timer(1s)

        RUNNING  old signalled  ->  RUNNING  timer(-)

        # told twice (seeds 11, 23 and 62 of the simulation)
        STARTING  spawned(7)  ->  STARTING  timer(1.000000001s)

        RUNNING  spawned(7)  ->  RUNNING  timer(-)

        BACKOFF  spawned(7)  ->  BACKOFF  timer(1s)

        STARTING  spawnfailed  ->  STARTING  timer(1.000000001s)

        BACKOFF  spawnfailed  ->  BACKOFF  timer(1s)

        EXITED  exited(1)  ->  EXITED  timer(-)

        BACKOFF  exited(1)  ->  BACKOFF  timer(1s)

        RUNNING  signalled  ->  RUNNING  timer(-)
        """;

    public static TheoryData<string> Rows => [.. new[] { Starting, Dying, Ending, Retrying, Stopping, Signalling, GivingUp, Late }
        .SelectMany(MachineRow.Split)];

    [Theory]
    [MemberData(nameof(Rows))]
    public void The_machine_does_what_the_row_says(string row)
    {
        MachineRow expected = MachineRow.Parse(row);
        Assert.Equal(
            string.Join('\n', [ProcessStates.Name(expected.Then), $"timer({expected.Timer})", .. expected.Lines]),
            string.Join('\n', expected.Play()));
    }

    public sealed class GivenTheTextOfARow
    {
        [Fact]
        public void Columns_are_parted_by_two_blanks_or_a_new_line()
        {
            MachineRow row = MachineRow.Parse("RUNNING  startsecs=3  stop(wait) @2.5s  ->  STOPPING  timer(10s)\n    INFO a b\n  answer true  # so");
            Assert.Equal(ProcessState.Running, row.Given);
            Assert.Equal("3", row.Options["startsecs"]);
            Assert.Equal("stop(wait)", row.Trigger);
            Assert.Equal(2.5, row.At);
            Assert.Equal(ProcessState.Stopping, row.Then);
            Assert.Equal("10s", row.Timer);
            Assert.Equal(["INFO a b", "answer true", "# so"], row.Lines);
        }

        [Fact]
        public void Rows_are_parted_by_an_empty_line_and_comments_are_left_out() =>
            Assert.Equal(["A  b -> C", "D  e -> F"], MachineRow.Split("# x\nA  b -> C # why\n\n\n   # y\nD  e -> F\n").Select(row => row.Trim()));

        [Theory]
        [InlineData("RUNNING  stop()", "no arrow")]
        [InlineData("RUNNING  ->  STOPPED  timer(-)", "columns are missing")]
        [InlineData("RUNNING  stop()  ->  STOPPED", "columns are missing")]
        [InlineData("RUNNING  stop()  ->  STOPPED  soon", "is not timer")]
        [InlineData("WALKING  stop()  ->  STOPPED  timer(-)", "'WALKING' is not a state")]
        [InlineData("RUNNING  fast  stop()  ->  STOPPED  timer(-)", "option 'fast' has no value")]
        public void A_row_that_says_nothing_is_refused(string row, string why) =>
            Assert.Contains(why, Assert.Throws<FormatException>(() => MachineRow.Parse(row)).Message, StringComparison.Ordinal);

        [Theory]
        [InlineData("RUNNING  speed=1  stop()  ->  STOPPED  timer(-)", "'speed' is not an option")]
        [InlineData("RUNNING  dance()  ->  STOPPED  timer(-)", "is not something that happens")]
        [InlineData("UNKNOWN  stop()  ->  STOPPED  timer(-)", "no way leads to UNKNOWN")]
        public void What_cannot_be_played_is_refused(string row, string why) =>
            Assert.Contains(why, Assert.Throws<FormatException>(() => MachineRow.Parse(row).Play()).Message, StringComparison.Ordinal);

        [Fact]
        public void A_row_that_is_wrong_is_noticed() =>
            Assert.NotEqual("RUNNING", MachineRow.Parse("RUNNING  stop()  ->  RUNNING  timer(-)").Play()[0]);
    }
}
