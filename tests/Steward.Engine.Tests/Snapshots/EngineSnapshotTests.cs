using System.Collections.Concurrent;
using System.Reflection;
using Steward.Core.Config;
using Steward.Core.Effects;
using Steward.Core.Inputs;
using Steward.Core.Model;
using Steward.Core.Ports;
using Steward.Core.Snapshots;
using Steward.Core.Supervision;

namespace Steward.Engine.Tests.Snapshots;

public static class EngineSnapshotTests
{
    private static readonly TimeSpan Generous = TimeSpan.FromSeconds(60);

    private static readonly Configuration Configured = new()
    {
        File = "/etc/supervisord.conf",
        FullPath = "/etc/supervisord.conf",
        Here = "/etc",
        Supervisord = new SupervisordConfig { PidFile = "/run/pid", ChildLogDir = "/tmp" },
        Servers = [],
        RpcInterfaces = [new RpcInterfaceConfig("supervisor", "factory")],
        Groups =
        [
            new GroupConfig
            {
                Kind = GroupKind.Program,
                Name = "web",
                Priority = 999,
                Processes =
                [
                    new ProcessConfig { Name = "a", Program = "web", Command = "/bin/a", StartSecs = 0, AutoRestart = AutoRestart.False },
                    new ProcessConfig { Name = "b", Program = "web", Command = "/bin/b", StartSecs = 0, AutoStart = false },
                ],
            },
        ],
        ServerUrl = null,
        Messages = [],
    };

    private static byte[] Save(Engine engine) =>
        Snapshot.Seal(new SnapshotOrigin("boot", new Moment(1, 2), "0.1.0"), writer => engine.Save(writer, 1));

    private static Engine Restore(byte[] bytes, World world)
    {
        SnapshotReader reader = Snapshot.Open(bytes, "state", "boot", out _);
        var engine = Engine.Restore(reader.Record(1, "engine"), world, world, static () => new ReadResult(Configured, null));
        engine.Attach(world);
        return engine;
    }

    private static Engine Started(World world)
    {
        var engine = new Engine(new SupervisorSettings("supervisor", LogLevel.Info), world, world, static () => new ReadResult(Configured, null));
        engine.Attach(world);
        Assert.Empty(engine.Load(Configured));
        engine.BeginRunning();
        engine.Start();
        return engine;
    }

    public sealed class GivenAnEngineAtRest
    {
        [Fact]
        public async Task When_it_goes_on_in_another_image_Then_a_client_that_waited_has_its_answer()
        {
            var world = new World();
            using Engine engine = Started(world);
            Task<Outcome> stop = engine.ExecuteAsync(new StopProcess("web:a", Wait: true), "test");
            Assert.True(engine.Suspend(Generous));

            byte[] bytes = Save(engine);
            using Engine resumed = Restore(bytes, world);
            Task<Outcome>? rejoined = resumed.Rejoin(new RequestId(1));
            Assert.NotNull(rejoined);
            Assert.Null(resumed.Rejoin(new RequestId(2)));
            Assert.Equal(ProcessState.Stopping, resumed.Find("web", "a")!.State);
            Assert.Equal("supervisor", Assert.Single(resumed.RpcInterfaces).Name);

            world.Dead.Enqueue((resumed.Find("web", "a")!.Pid, WaitStatus.FromSignal(Signals.Term)));
            resumed.ChildrenExited();
            resumed.Start();
            await world.Finished.Task.WaitAsync(Generous);
            resumed.OutputFinished(world.Last, new Incarnation(1));

            Assert.Equal(Done.Instance, await rejoined.WaitAsync(Generous));
            Assert.False(stop.IsCompleted);
        }

        [Fact]
        public async Task When_somebody_waits_Then_his_request_is_known_by_his_task_until_the_answer_is_given()
        {
            var world = new World();
            using Engine engine = Started(world);
            Task<Outcome> stop = engine.ExecuteAsync(new StopProcess("web:a", Wait: true), "test");
            Task<Outcome> unknown = engine.ExecuteAsync(new StopProcess("web:nobody", Wait: true), "test");
            Assert.IsType<Refused>(await unknown.WaitAsync(Generous));
            Assert.True(engine.Suspend(Generous));
            Assert.Equal(new RequestId(1), engine.RequestOf(stop));
            Assert.Null(engine.RequestOf(unknown));
            Assert.Null(engine.RequestOf(Task.FromResult<Outcome>(Done.Instance)));

            using Engine resumed = Restore(Save(engine), world);
            Assert.Null(resumed.RequestOf(stop));
            Task<Outcome> rejoined = resumed.Rejoin(new RequestId(1))!;
            Assert.Equal(new RequestId(1), resumed.RequestOf(rejoined));
            Assert.Equal("web", Assert.Single(resumed.InForce!.Groups).Name);
        }

        [Fact]
        public async Task When_something_comes_meanwhile_Then_nothing_of_it_is_lost()
        {
            var world = new World();
            using Engine engine = Started(world);
            int pid = engine.Find("web", "a")!.Pid;
            world.Dead.Enqueue((pid, WaitStatus.FromExit(3)));
            engine.ChildrenExited();
            await world.Finished.Task.WaitAsync(Generous);
            Assert.True(engine.Suspend(Generous));
            engine.OutputFinished(world.Last, new Incarnation(1));
            engine.Communication(new ProcessId(1), new Incarnation(1), OutputChannel.Stderr, [1, 2]);
            engine.Signal(Signals.Usr2);
            Task<Outcome> held = engine.ExecuteAsync(new StartProcess("web:b", Wait: false), "test");

            // In another image: the dead child's end and the signal are there; the request of which nothing has come is its client's.
            byte[] bytes = Save(engine);
            using Engine resumed = Restore(bytes, world);
            Assert.Null(resumed.Rejoin(new RequestId(1)));
            resumed.Start();
            await resumed.InvokeAsync(static () => { }).WaitAsync(Generous);
            Assert.Equal((ProcessState.Exited, 3), (resumed.Find("web", "a")!.State, resumed.Find("web", "a")!.ExitStatus));
            Assert.Equal(ProcessState.Stopped, resumed.Find("web", "b")!.State);
            Assert.Equal(1, world.Reopened);

            // In this image: the request is carried out as well.
            engine.Continue();
            Assert.Equal(Done.Instance, await held.WaitAsync(Generous));
            Assert.Equal(ProcessState.Exited, engine.Find("web", "a")!.State);
            Assert.Equal(ProcessState.Running, engine.Find("web", "b")!.State);
            Assert.Equal(2, world.Reopened);
        }

        [Fact]
        public void When_it_is_written_read_and_written_Then_the_bytes_are_the_same()
        {
            var world = new World();
            using Engine engine = Started(world);
            Assert.True(engine.Suspend(Generous));
            engine.Output(new ProcessId(1), new Incarnation(1), OutputChannel.Stdout, [.. "text"u8]);
            engine.Signal(Signals.Hup);
            byte[] bytes = Save(engine);

            using Engine resumed = Restore(bytes, world);

            Assert.Equal(bytes, SaveUnstarted(resumed));
        }

        [Fact]
        public void When_bytes_are_changed_Then_they_are_refused_or_mean_an_engine()
        {
            var world = new World();
            using Engine engine = Started(world);
            Assert.True(engine.Suspend(Generous));
            engine.Communication(new ProcessId(1), new Incarnation(1), OutputChannel.Stderr, [1, 2]);
            byte[] good = Save(engine);
            int refused = 0;
            for (int bit = 16 * 8; bit < (good.Length - 4) * 8; bit++)
            {
                byte[] bytes = [.. good];
                bytes[bit / 8] ^= (byte)(1 << (bit % 8));
                uint crc = uint.MaxValue;
                foreach (byte b in bytes.AsSpan(..^4))
                {
                    crc = System.Numerics.BitOperations.Crc32C(crc, b);
                }

                BitConverter.TryWriteBytes(bytes.AsSpan(^4..), ~crc);
                try
                {
                    Restore(bytes, world).Dispose();
                }
                catch (SnapshotRefusedException)
                {
                    refused++;
                }
            }

            Assert.True(refused > 0);
        }

        [Fact]
        public void When_a_child_is_missing_Then_it_is_refused()
        {
            var world = new World();
            using Engine engine = Started(world);
            Assert.True(engine.Suspend(Generous));
            byte[] bytes = Snapshot.Seal(new SnapshotOrigin("boot", default, ""), writer =>
            {
                writer.Begin(1);
                engine.SupervisorForTests().Save(writer, 1);
                writer.Flag(2, true);
                writer.Integer(4, 0);
                writer.End();
            });

            SnapshotRefusedException refusal = Assert.Throws<SnapshotRefusedException>(() => Restore(bytes, world));
            Assert.Equal("state.engine.children", refusal.Field);
        }

        /// <summary>An engine that never ran is at rest in all but name.</summary>
        private static byte[] SaveUnstarted(Engine engine)
        {
            typeof(Engine).GetField("_isAtRest", BindingFlags.NonPublic | BindingFlags.Instance)!.SetValue(engine, true);
            return Save(engine);
        }
    }

    public sealed class GivenAnEngineThatIsBusy
    {
        [Fact]
        public async Task When_it_does_not_come_to_rest_in_time_Then_everything_goes_on()
        {
            var world = new World();
            using Engine engine = Started(world);
            using var gate = new ManualResetEventSlim();
            Task busy = engine.InvokeAsync(gate.Wait);

            Assert.False(engine.Suspend(TimeSpan.FromMilliseconds(1)));
            Task<Outcome> start = engine.ExecuteAsync(new StartProcess("web:b", Wait: false), "test");
            gate.Set();

            await busy.WaitAsync(Generous);
            Assert.Equal(Done.Instance, await start.WaitAsync(Generous));
        }
    }

    public sealed class GivenTheStateOfTheEngine
    {
        // Left of the bar: written to snapshots. Right of it: made anew, given anew, or without a meaning at rest. Whoever adds a field
        // decides here, and in Engine.Snapshot.cs, which it is.
        [Theory]
        [InlineData("Engine", "_supervisor _signals _arrivals _children _dead _waiting _lastRequest _control ValidatedReload ArrivedBytes ArrivedReports _stdinWaits _lines _series _facts _heldFacts",
            "Answered _areFactsKept _factsOut _heldText _stateLog _seal _field _replay _replayedAt _linesOut _isUncertain _sinks _log _clock _read _readForReload Intents ProgramReader _invocations _state _inbox _requests _held _childrenExited _isEnding _isSuspending _isAtRest _spareLists _takenSignals _memory _spawns _host _thread "
            + "_stopped Pid")]
        [InlineData("Engine+Child", "Process Incarnation Status ExitedAt IsKilled OutOfMemory Pid Spawn", "")]
        [InlineData("Engine+Arrival", "Process Incarnation Channel Data IsCapture LastOutput", "")]
        public void When_a_field_is_added_Then_somebody_decides_whether_it_is_written(string type, string written, string notWritten)
        {
            IEnumerable<string> decided = (written + " " + notWritten).Split(' ', StringSplitOptions.RemoveEmptyEntries);

            IEnumerable<string> there = typeof(Engine).Assembly.GetType("Steward.Engine." + type, throwOnError: true)!
                .GetFields(BindingFlags.Instance | BindingFlags.Public | BindingFlags.NonPublic)
                .Select(field => field.Name.StartsWith('<') ? field.Name[1..field.Name.IndexOf('>')] : field.Name);

            Assert.Equal(decided.Order(), there.Order());
        }
    }

    private static Supervisor SupervisorForTests(this Engine engine) =>
        (Supervisor)typeof(Engine).GetField("_supervisor", BindingFlags.NonPublic | BindingFlags.Instance)!.GetValue(engine)!;

    /// <summary>Kernel, clock and log in one: every spawn succeeds, every signal arrives, the test kills.</summary>
    private sealed class World : IProcessHost, IClock, IActivityLog
    {
        private int _pid = 100;

        public ConcurrentQueue<(int Pid, WaitStatus Status)> Dead { get; } = new();

        public TaskCompletionSource Finished { get; } = new(TaskCreationOptions.RunContinuationsAsynchronously);

        public ProcessId Last { get; private set; }

        public int Reopened { get; private set; }

        public Moment Now => new(1_000_000_000, 1_700_000_000_000_000_000);

        public string? Path => null;

        public GroupPrepared PrepareGroup(RequestId request, GroupConfig group) => new(request, group, [], null);

        public Fault? CheckCommand(ProcessConfig config) => null;

        public SpawnAnswer Spawn(Spawn request) => new(++_pid, null);

        public SignalResult Signal(int pid, int number, bool toGroup, out string? error)
        {
            error = null;
            return SignalResult.Delivered;
        }

        public StdinResult WriteStdin(ProcessId process, Incarnation incarnation, ReadOnlyMemory<byte> data) => StdinResult.Accepted;

        public bool TryReap(out int pid, out WaitStatus status)
        {
            bool any = Dead.TryDequeue(out (int Pid, WaitStatus Status) dead);
            (pid, status) = dead;
            return any;
        }

        public void ReapingDone()
        {
        }

        public bool? TakeOutOfMemoryKill() => null;

        public void FinishOutput(ProcessId process, Incarnation incarnation, bool wantsOutput)
        {
            Last = process;
            Finished.TrySetResult();
        }

        public void OutputConsumed(int bytes)
        {
        }

        public bool ClearLogs(ProcessId process, string? stdoutLog, string? stderrLog) => true;

        public void ReopenLogs()
        {
        }

        public IReadOnlyList<string> EndSurvivors(EndSurvivors request) => [];

        public void MeasureMemory(ProcessId process, Incarnation incarnation, int pid)
        {
        }

        public void ProbeHealth(ProcessId process, Incarnation incarnation, HealthConfig health)
        {
        }

        public bool IsEnabled(LogLevel level) => false;

        public void Write(LogLevel level, string text, long wall)
        {
        }

        public void Flush()
        {
        }

        public void Reopen() => Reopened++;

        public bool Clear() => true;
    }
}
