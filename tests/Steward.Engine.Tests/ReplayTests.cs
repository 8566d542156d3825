using Steward.Core.Config;
using Steward.Core.Effects;
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

        public readonly record struct Mark(int Lines, long LinesOut, int LastPid, long Now, Func<Spawn, string?>? SpawnError);
    }

    /// <summary>One engine, driven by hand, with its kernel and its log.</summary>
    private sealed class Life : IDisposable
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

        private Recorder Recorder { get; init; } = new();

        public static Life Begin(Recorder recorder)
        {
            Life life = Make(recorder, (log, clock, read) => new Engine(new SupervisorSettings("supervisor", LogLevel.Info), log, clock, read));
            recorder.Look = () => new Recorder.Mark(life.Log.Lines.Count, life.Log.LastNumber, life.Host.LastPid, life._clock.Now.Monotonic, life.Host.SpawnError);
            Assert.Empty(life.Engine.Load(s_configuration));
            life.Checkpoint();
            life.Engine.BeginRunning();
            life.Engine.BeginDriven();
            return life;
        }

        /// <summary>Goes on behind a number of records, when the world was as the mark says.</summary>
        public static Life Succeed(Recorder recorder, int records, Recorder.Mark mark)
        {
            SnapshotReader reader = Snapshot.Open(recorder.LastCheckpoint, "checkpoint", Boot, out _).Record(EngineField, "engine");
            var log = new FakeLog();
            var clock = new ManualClock();
            clock.AdvanceTo(mark.Now);
            Engine engine = Engine.Restore(reader, log, clock, () => new ReadResult(s_configuration, null));
            var life = new Life(log, clock) { Engine = engine, Host = new FakeHost { Events = engine, LastPid = mark.LastPid, IsSuccessor = true } };
            life.Host.SpawnError = mark.SpawnError ?? life.Host.SpawnError;
            engine.Attach(life.Host);
            engine.Replay([.. recorder.Records.Take(records)], new Recorder { LinesOut = mark.LinesOut });
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

        public void Dispose() => Engine.Dispose();

        private Life(FakeLog log, ManualClock clock) => (Log, _clock) = (log, clock);

        private static Life Make(Recorder recorder, Func<FakeLog, ManualClock, Func<ReadResult>, Engine> make)
        {
            var log = new FakeLog();
            var clock = new ManualClock();
            Engine engine = make(log, clock, () => new ReadResult(s_configuration, null));
            var life = new Life(log, clock) { Engine = engine, Host = new FakeHost { Events = engine }, Recorder = recorder };
            engine.Attach(life.Host);
            return life;
        }

        private static GroupConfig Group(string name, params ProcessConfig[] processes) =>
            new() { Kind = GroupKind.Program, Name = name, Priority = 999, Processes = EquatableList.From(processes) };
    }
}
