using Steward.Core.Config;
using Steward.Core.Effects;
using Steward.Core.Model;
using Steward.Simulation.Checks;
using Steward.Simulation.Daemon;
using Steward.Simulation.Kernel;

namespace Steward.Simulation.Tests;

public sealed class DaemonTests
{
    private const int Steps = 200;

    [Fact]
    public void No_run_of_a_daemon_that_is_not_killed_breaks_what_always_holds()
    {
        Runs runs = Runs.Play(1, 1000, Steps, isDaemon: true, without: Fault.Crash);
        Assert.True(runs.Failures.Count == 0, string.Join('\n', runs.Failures.Take(5)));
        Assert.All(
            ["programs started", "requests", "reloads", "rotations", "spawns that failed", "slow writes", "writes without space", "stdin that waited"],
            what => Assert.True(runs.Tally.Of(what) > 0, what));
    }

    [Fact]
    public void No_run_of_a_daemon_that_is_killed_at_any_point_breaks_what_always_holds()
    {
        Runs runs = Runs.Play(1, 2500, Steps, isDaemon: true, without: Fault.OfTheKeeper);
        Assert.True(runs.Failures.Count == 0, string.Join('\n', runs.Failures.Take(5)));
        Assert.All(
            [
                "crash at append", "crash at appended", "crash at checkpoint", "crash at checkpointed", "crash at spawn: held", "crash at spawn: forked",
                "crash at signal", "crash at signalled", "crash at reap", "crash at reaped", "crash at hub: reading", "crash at hub: read",
                "crash at hub: published", "crash at hub: some written", "crash at hub: written", "crash at hub: told", "crash at hub: end told",
                "crash at hub: renamed", "crash at adopt", "crash at stdin: written", "crash at prepare group", "crash at read for reload", "crash at log", "crash at rest",
                "chunks taken over while they were read", "chunks taken over while they were written", "dead ones adopted", "living ones adopted",
                "uncertain spawns that had been", "uncertain spawns that had not been", "starts that were gone on with", "ends told twice", "crash at commit",
                "crash at committed", "facts told twice",
            ],
            what => Assert.True(runs.Tally.Of(what) > 0, what));
    }

    [Fact]
    public void No_run_in_which_the_keeper_is_killed_as_well_breaks_what_always_holds()
    {
        Runs runs = Runs.Play(1, 2500, Steps, isDaemon: true, with: Fault.KeeperCrash | Fault.PidReuse);
        Assert.True(runs.Failures.Count == 0, string.Join('\n', runs.Failures.Take(5)));
        Assert.All(
            [
                "keepers killed beside a daemon", "keepers killed in a take-over", "daemons that became the keeper",
                "crash at keeper's place: at rest", "crash at keeper's place: logged", "crash at take on", "crash at taken on",
                "crash at spawn: with the pid of another", "both dead: the keeper first", "both dead: the daemon first",
                "both dead: one that had just become the keeper", "bytes of output lost with both", "programs taken over as nobody's children",
                "programs taken on by the adoption file", "programs that ended while neither was there",
                "programs that the configuration does not know any more", "starts that nobody saw the end of, found again",
                "ends noticed at the take-over, unobserved", "ends of nobody's children, told by the kernel", "ends of nobody's children, unobserved",
                "ends that the keeper told late", "ends that the keeper told twice", "signals to one that was gone", "the clock set in a take-over",
                "spawns with the pid of one whose end was not known", "uncertain spawns with the pid of one whose end was not known",
                "uncertain spawns whose keeper had died", "starts that nobody saw, made again", "unobserved ends: autorestart=True",
                "unobserved ends: autorestart=False", "unobserved ends: autorestart=Unexpected", "unobserved ends that were followed by a start",
            ],
            what => Assert.True(runs.Tally.Of(what) > 0, what));
    }

    [Fact]
    public void Long_runs_of_a_daemon_hold_as_well()
    {
        Runs runs = Runs.Play(1_000_000, 1_000_010, 3000, isDaemon: true);
        Assert.True(runs.Failures.Count == 0, string.Join('\n', runs.Failures.Take(5)));
    }

    /// <summary>A successor that is killed itself, before its first checkpoint, must have written down what it did beyond the records it was given.</summary>
    [Fact]
    public void What_a_successor_does_before_its_first_checkpoint_is_not_done_again() => Play(9);

    /// <summary>The end of a run's output, told twice, must not end the next run of the process.</summary>
    [Fact]
    public void An_end_that_is_told_twice_ends_one_run() => Play(71);

    /// <summary>A stop that a client has asked for is sent again when it may not have been sent; a refusal would give the process up.</summary>
    [Fact]
    public void A_stop_that_somebody_waits_for_is_sent_again() => Play(50);

    /// <summary>The pid of a dead child whose output is still read may be another child's.</summary>
    [Fact]
    public void A_checkpoint_may_have_one_pid_twice() => Play(75);

    /// <summary>Two daemons in a row die over the reading of a new configuration.</summary>
    [Fact]
    public void A_reload_that_is_read_three_times_goes_on() => Play(1181);

    /// <summary>Logs are cleared in the middle of a take-over while a predecessor's chunk is not told to its end.</summary>
    [Fact]
    public void A_chunk_is_told_and_written_once_when_its_log_is_cleared_in_a_take_over() => Play(335946);

    /// <summary>What is taken on by the adoption file has its watches due from then on.</summary>
    [Fact]
    public void A_program_that_is_taken_on_is_watched_at_once() => Play(90, Fault.None);

    /// <summary>The keeper is dead, the daemon has not noticed, and a program of an earlier daemon has ended: others have waited for it.</summary>
    [Theory]
    [InlineData(175)]
    [InlineData(198)]
    public void No_signal_goes_to_who_has_the_pid_of_one_that_the_dead_keeper_had(ulong seed) => Play(seed, Fault.None);

    [Theory]
    [InlineData(1)]
    [InlineData(39)]
    [InlineData(ulong.MaxValue)]
    public void The_same_seed_is_the_same_run(ulong seed)
    {
        RunResult first = Play(seed, Fault.None);
        Assert.Equal(first, new DaemonRun(seed, Steps, new Coverage(), new Tally(), new StringWriter()).Run());
        Assert.NotEqual(first.Hash, Play(seed - 1, Fault.None).Hash);
    }

    // What was found while keepers did not die is played as it was found.
    private static RunResult Play(ulong seed, Fault without = Fault.OfTheKeeper) =>
        new DaemonRun(seed, Steps, new Coverage(), new Tally(), without: without).Run();

    public sealed class GivenTheCheckers
    {
        private readonly SimRandom _random = new(1);
        private readonly VirtualClock _clock = new();
        private readonly Tally _tally = new();
        private readonly Machine _machine;

        public GivenTheCheckers() => _machine = new Machine(_random, _clock, Fault.None, _tally);

        private static Pipes Pipes(int process, int incarnation, bool isListener = false) => new(
            new Spawn(
                new ProcessId(process), new Incarnation(incarnation), "g", new ProcessConfig { Name = "p", Program = "p", Command = "p", IsListener = isListener },
                "/o", null, true, false),
            new Pipe(100), new Pipe(100), new Pipe(100));

        [Fact]
        public void A_second_living_process_in_one_place_is_noticed()
        {
            _machine.Fork(Pipes(1, 1));
            Assert.Throws<InvariantException>(() => _machine.Fork(Pipes(1, 2)));
        }

        [Fact]
        public void A_start_that_is_repeated_is_noticed_even_when_the_first_is_over()
        {
            int pid = _machine.Fork(Pipes(1, 1));
            _machine.Signal(pid, Signals.Kill, out _);
            _clock.Advance(Moment.Second);
            _machine.Live();
            _machine.Reap(pid);
            _machine.Programs[0].IsFinished = true;
            Assert.Throws<InvariantException>(() => _machine.Fork(Pipes(1, 1)));
        }

        [Fact]
        public void A_signal_to_a_pid_that_is_free_is_noticed() =>
            Assert.Throws<InvariantException>(() => _machine.Signal(4711, Signals.Term, out _));

        [Fact]
        public void Waiting_for_a_living_one_is_noticed()
        {
            int pid = _machine.Fork(Pipes(1, 1));
            Assert.Throws<InvariantException>(() => _machine.Reap(pid));
        }

        [Fact]
        public void Output_that_is_thrown_away_with_its_pipe_is_noticed()
        {
            Pipes pipes = Pipes(1, 1);
            _machine.Hold(pipes);
            pipes.Stdout.Write("x"u8);
            Assert.Throws<InvariantException>(() => _machine.Drop(new ProcessId(1), new Incarnation(1)));
        }

        [Theory]
        [InlineData("abc", "abc", true)]
        [InlineData("abc", "ac", false)]
        [InlineData("abc", "abcc", false)]
        [InlineData("abc", "acb", false)]
        public void A_byte_that_is_lost_or_doubled_is_noticed(string read, string written, bool isRight)
        {
            var disk = new Disk(_random, _clock, _machine, _tally);
            VirtualFile file = disk.Open("/o");
            file.Track.Read.AddRange(System.Text.Encoding.ASCII.GetBytes(read));
            disk.Write(file, System.Text.Encoding.ASCII.GetBytes(written), out _);
            Assert.Equal(isRight, Xunit.Record.Exception(disk.Check) is null);
        }

        [Fact]
        public void What_is_counted_as_lost_is_not_missed_but_may_not_be_there()
        {
            var disk = new Disk(_random, _clock, _machine, _tally);
            VirtualFile file = disk.Open("/o");
            file.Track.Read.AddRange("abc"u8);
            file.Track.Lost.Add((1, 2));
            disk.Write(file, "ac"u8, out _);
            disk.Check();
            disk.Write(file, "b"u8, out _);
            Assert.Throws<InvariantException>(disk.Check);
        }

        [Theory]
        [InlineData("ver:3.0 server:s serial:1 pool:p poolserial:1 eventname:E len:3\nabver:3.0 server:s serial:2 pool:p poolserial:2 eventname:E len:1\na")]
        [InlineData("garbage\n")]
        public void Half_an_event_in_front_of_another_is_noticed(string input)
        {
            var program = new VirtualProgram(1, Pipes(1, 1, isListener: true)) { IsListener = true };
            Assert.Throws<InvariantException>(() =>
            {
                foreach (byte b in System.Text.Encoding.ASCII.GetBytes(input))
                {
                    program.Pipes.Stdin.Write([b]);
                    if (program.Read(1))
                    {
                        program.Finish(isAccepted: true);
                    }
                }
            });
        }

        [Fact]
        public void An_event_that_was_accepted_and_comes_again_is_noticed()
        {
            var program = new VirtualProgram(1, Pipes(1, 1, isListener: true)) { IsListener = true };
            byte[] whole = "ver:3.0 server:s serial:1 pool:p poolserial:1 eventname:E len:1\na"u8.ToArray();
            program.Pipes.Stdin.Write(whole);
            Assert.True(program.Read(64) || program.Read(64));
            program.Finish(isAccepted: true);
            program.Pipes.Stdin.Write(whole);
            Assert.Throws<InvariantException>(() => program.Read(64) || program.Read(64));
        }
    }
}
