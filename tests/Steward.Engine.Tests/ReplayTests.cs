using Steward.Core.Config;
using Steward.Core.Effects;
using Steward.Core.Events;
using Steward.Core.Inputs;
using Steward.Core.Model;
using Steward.Core.Ports;
using Steward.Core.Snapshots;
using Steward.Core.Supervision;

namespace Steward.Engine.Tests;

/// <summary>An engine dies behind any of its records, and another one goes on.</summary>
public sealed class ReplayTests
{
    private const int EngineField = 1;
    private const string Boot = "boot";

    [Fact]
    public void Behind_any_record_a_successor_goes_on_and_no_line_of_the_log_is_there_twice_or_missing()
    {
        var log = new Recorder();
        Life first = Life.Begin(log);
        first.Play();
        Assert.InRange(log.Records.Count, 30, 1000);
        for (int end = 0; end <= log.Records.Count; end++)
        {
            Recorder.Mark mark = end == 0 ? log.First : log.Marks[end - 1];
            using Life second = Life.Succeed(log, end, mark);
            string[] told = [.. first.Log.Lines.Take(mark.Lines), .. second.Log.Lines];
            Assert.Equal(first.Log.Lines.Take(told.Length), told);
        }

        first.Dispose();
    }

    [Theory]
    [InlineData(0)]
    [InlineData(1)]
    [InlineData(3)]
    [InlineData(1000)]
    public void Behind_any_record_a_successor_tells_exactly_the_facts_that_were_not_kept(int unkept)
    {
        var log = new Recorder();
        Life first = Life.Begin(log);
        first.Play();
        Assert.InRange(first.Facts.Count, 20, 1000);
        for (int end = 0; end <= log.Records.Count; end++)
        {
            Recorder.Mark mark = end == 0 ? log.First : log.Marks[end - 1];
            int kept = Math.Max(0, mark.Facts - unkept);
            using Life second = Life.Succeed(log, end, mark, kept);
            string[] told = [.. first.Facts.Take(kept), .. second.Facts];
            Assert.True(told.Length >= mark.Facts);
            Assert.Equal(first.Facts.Take(told.Length), told);
        }

        first.Dispose();
    }

    [Fact]
    public void Facts_from_before_a_checkpoint_that_were_not_kept_are_told_again_with_their_moments()
    {
        var log = new Recorder();
        using Life first = Life.Begin(log);
        first.Play();
        first.Checkpoint();
        int kept = first.Facts.Count - 7;
        using Life second = Life.Succeed(log, 0, log.Look(), kept);
        Assert.Equal(first.Facts.Skip(kept), second.Facts);

        // It dies as well, before its journal has written anything.
        second.Checkpoint();
        using Life third = Life.Succeed(second.Recorder, 0, second.Recorder.Look(), kept);
        Assert.Equal(first.Facts.Skip(kept), third.Facts);
    }

    [Fact]
    public void Of_facts_that_nobody_keeps_for_long_the_newest_are_held()
    {
        var log = new Recorder();
        using Life first = Life.Begin(log);
        int commands = 0;
        while (first.Facts.Count < 2 * Engine.MaxHeldFacts)
        {
            _ = first.Engine.ExecuteAsync(commands++ % 2 == 0 ? new StopProcess("b", Wait: false) : new StartProcess("b", Wait: false), "a test");
            first.Turn();
            first.Turn();
        }

        first.Checkpoint();
        using Life second = Life.Succeed(log, 0, log.Look(), 0);
        Assert.Equal(first.Facts.TakeLast(Engine.MaxHeldFacts), second.Facts);

        // And what is kept is not held.
        log.FactsOut = first.Facts.Count - 1;
        first.Checkpoint();
        using Life third = Life.Succeed(log, 0, log.Look(), 0);
        Assert.Equal(first.Facts.TakeLast(1), third.Facts);
    }

    [Fact]
    public void Without_a_successor_facts_have_no_place()
    {
        using Life life = Life.Begin(null);
        life.Play();
        Assert.NotEmpty(life.Facts);
        Assert.Equal(0, life.Engine.FactsTold);
        Assert.All(life.Places, place => Assert.Equal(default, place));
    }

    [Fact]
    public void A_signal_that_nobody_looked_at_is_taken_by_the_successor_once()
    {
        var log = new Recorder();
        using Life first = Life.Begin(log);
        first.Engine.Signal(Signals.Term);
        using Life second = Life.Succeed(log, log.Records.Count, log.Look());
        second.Turn();
        second.Turn();
        Assert.Single(second.Log.Lines, line => line.Contains("received SIGTERM", StringComparison.Ordinal));
        Assert.Equal(DaemonState.Shutdown, second.Engine.State);
    }

    [Fact]
    public void A_signal_that_waited_at_the_checkpoint_and_was_taken_after_it_is_not_taken_again()
    {
        var log = new Recorder();
        using Life first = Life.Begin(log);
        first.Engine.Signal(Signals.Usr2);
        first.Checkpoint();
        first.Turn();
        Assert.Contains(first.Log.Lines, line => line.Contains("SIGUSR2", StringComparison.Ordinal));
        using Life second = Life.Succeed(log, log.Records.Count, log.Look());
        second.Turn();
        Assert.DoesNotContain(second.Log.Lines, line => line.Contains("SIGUSR2", StringComparison.Ordinal));
    }

    [Fact]
    public void A_signal_that_came_again_while_it_was_taken_is_taken_again()
    {
        var log = new Recorder();
        using Life first = Life.Begin(log);
        first.Engine.Signal(Signals.Usr2);
        first.Turn();
        first.Engine.Signal(Signals.Usr2);
        using Life second = Life.Succeed(log, log.Records.Count, log.Look());
        second.Turn();
        second.Turn();
        Assert.Single(second.Log.Lines, line => line.Contains("SIGUSR2", StringComparison.Ordinal));
    }

    [Fact]
    public void What_was_reported_and_not_taken_in_is_what_waits()
    {
        var log = new Recorder();
        using Life first = Life.Begin(log);
        first.Engine.Output(new ProcessId(1), new Incarnation(1), OutputChannel.Stdout, new byte[7]);
        first.Turn();
        first.Engine.Output(new ProcessId(1), new Incarnation(1), OutputChannel.Stdout, new byte[5]);
        first.Engine.Communication(new ProcessId(1), new Incarnation(1), OutputChannel.Stdout, new byte[3]);
        using Life second = Life.Succeed(log, log.Records.Count, log.Look());
        Assert.Equal(5, second.Engine.WaitingBytes);
        second.Turn();
        Assert.Equal(["consumed 5"], second.Host.Calls.Where(call => call.StartsWith("consumed", StringComparison.Ordinal)));
    }

    /// <summary>Keeps all, and for each record how far the world was when it was written.</summary>
    private sealed class Recorder : IStateLog
    {
        public byte[] LastCheckpoint { get; private set; } = [];

        public List<ReadOnlyMemory<byte>> Records { get; } = [];

        public List<Mark> Marks { get; } = [];

        public Mark First { get; private set; }

        public Func<Mark> Look { get; set; } = () => default;

        public bool IsCheckpointWanted => false;

        public long LinesOut { get; init; }

        public long FactsOut { get; set; }

        public void LinesAreOut(long number) => throw new NotSupportedException();

        public void Append(ReadOnlySpan<byte> record)
        {
            Records.Add(record.ToArray());
            Marks.Add(Look());
        }

        public void Checkpoint(ReadOnlySpan<byte> checkpoint)
        {
            LastCheckpoint = checkpoint.ToArray();
            Records.Clear();
            Marks.Clear();
            First = Look();
        }

        public readonly record struct Mark(int Lines, int Facts, long LinesOut, int LastPid, long Now, Func<Spawn, string?>? SpawnError);
    }

    /// <summary>One engine, driven by hand, with its kernel and its log.</summary>
    private sealed class Life : IDisposable, IJournalSink
    {
        private static readonly Configuration s_configuration = new()
        {
            File = "steward.conf",
            FullPath = "/etc/steward.conf",
            Here = "/etc",
            Supervisord = new SupervisordConfig { PidFile = "/run/p", ChildLogDir = "/var/log" },
            Servers = [],
            RpcInterfaces = [],
            Groups =
            [
                Group("a", new ProcessConfig { Name = "a", Program = "a", Command = "/bin/a", StartSecs = 0, StartRetries = 1 }),
                Group("b", new ProcessConfig { Name = "b", Program = "b", Command = "/bin/b" }),
            ],
            ServerUrl = null,
            Messages = [],
        };

        private readonly ManualClock _clock = new();

        public FakeLog Log { get; } = new();

        public required Engine Engine { get; init; }

        public required FakeHost Host { get; init; }

        /// <summary>What was told, in the order of its places, which have no gaps.</summary>
        public List<string> Facts { get; } = [];

        public List<FactPlace> Places { get; } = [];

        public Recorder Recorder { get; private init; } = new();

        /// <summary>Begins the first life; without a recorder nobody can succeed it.</summary>
        public static Life Begin(Recorder? recorder)
        {
            Life life = Make(recorder ?? new Recorder(), (log, clock, read) => new Engine(new SupervisorSettings("supervisor", LogLevel.Info), log, clock, read));
            life.Recorder.Look = () => new Recorder.Mark(life.Log.Lines.Count, life.Facts.Count, life.Log.LastNumber, life.Host.LastPid, life._clock.Now.Monotonic, life.Host.SpawnError);
            if (recorder is not null)
            {
                life.Engine.KeepFacts();
            }

            Assert.Empty(life.Engine.Load(s_configuration));
            if (recorder is not null)
            {
                life.Checkpoint();
            }

            life.Engine.BeginRunning();
            life.Engine.BeginDriven();
            return life;
        }

        /// <summary>Goes on behind a number of records, when the world was as the mark says.</summary>
        public static Life Succeed(Recorder recorder, int records, Recorder.Mark mark, int factsOut = 0)
        {
            SnapshotReader reader = Snapshot.Open(recorder.LastCheckpoint, "checkpoint", Boot, out _).Record(EngineField, "engine");
            var log = new FakeLog();
            var clock = new ManualClock();
            clock.AdvanceTo(mark.Now);
            Engine engine = Engine.Restore(reader, log, clock, () => new ReadResult(s_configuration, null));
            var life = new Life(log, clock)
            {
                Engine = engine,
                Host = new FakeHost { Events = engine, LastPid = mark.LastPid, IsSuccessor = true },
                Recorder = new Recorder { LinesOut = mark.LinesOut, FactsOut = factsOut },
            };
            life.Recorder.Look = () => mark;
            engine.AddSink(life);
            life.Host.SpawnError = mark.SpawnError ?? life.Host.SpawnError;
            engine.Attach(life.Host);
            engine.Replay([.. recorder.Records.Take(records)], life.Recorder);
            engine.BeginDriven();
            return life;
        }

        /// <summary>Much of what can happen, one thing after the other.</summary>
        public void Play()
        {
            Turn();
            _clock.Advance(2);
            Turn();
            Host.Die((Host.LastPid - 1, WaitStatus.FromExit(3)));
            Turn();
            Turn();
            _ = Engine.ExecuteAsync(new StopProcess("b", Wait: true), "a test");
            Turn();
            Host.Die((Host.LastPid - 1, WaitStatus.FromSignal(Signals.Term)));
            Turn();
            Turn();
            _ = Engine.ExecuteAsync(new StartProcess("b", Wait: false), "a test");
            Turn();
            Host.SpawnError = static _ => "too many open files";
            Host.Die((Host.LastPid, WaitStatus.FromSignal(Signals.Kill)));
            Turn();
            Turn();
            for (int i = 0; i < 8; i++)
            {
                _clock.Advance(3);
                Turn();
            }

            Engine.Signal(Signals.Term);
            Turn();
            Turn();
        }

        public void Turn() => Engine.TurnOnce();

        public void Checkpoint() => Engine.Keep(Recorder, EngineField, core => Snapshot.Seal(new SnapshotOrigin(Boot, _clock.Now, "1"), writer => core(writer)));

        public void Append(in JournalEntry entry) => Append(entry, default);

        public void Append(in JournalEntry entry, FactPlace place)
        {
            Assert.True(Places.Count == 0 || Places[^1] == default || Places[^1] == place with { Number = place.Number - 1 });
            Places.Add(place);
            Facts.Add(JournalJson.Line(entry));
        }

        public void Dispose() => Engine.Dispose();

        private Life(FakeLog log, ManualClock clock) => (Log, _clock) = (log, clock);

        private static Life Make(Recorder recorder, Func<FakeLog, ManualClock, Func<ReadResult>, Engine> make)
        {
            var log = new FakeLog();
            var clock = new ManualClock();
            Engine engine = make(log, clock, () => new ReadResult(s_configuration, null));
            var life = new Life(log, clock) { Engine = engine, Host = new FakeHost { Events = engine }, Recorder = recorder };
            engine.Attach(life.Host);
            engine.AddSink(life);
            return life;
        }

        private static GroupConfig Group(string name, params ProcessConfig[] processes) =>
            new() { Kind = GroupKind.Program, Name = name, Priority = 999, Processes = EquatableList.From(processes) };
    }
}
