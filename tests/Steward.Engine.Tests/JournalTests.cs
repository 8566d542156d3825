using System.Collections.Concurrent;
using Steward.Core.Config;
using Steward.Core.Events;
using Steward.Core.Inputs;
using Steward.Core.Model;
using Steward.Core.Ports;
using Steward.Core.Supervision;

namespace Steward.Engine.Tests;

public sealed class JournalTests : IDisposable
{
    private readonly Engine _engine = new(
        new SupervisorSettings("supervisor", LogLevel.Info), new FakeLog(), new ManualClock(), () => new ReadResult(null, "not read here"));

    public void Dispose() => _engine.Dispose();

    [Fact]
    public void Every_sink_gets_every_fact_until_it_is_removed()
    {
        var first = new Collector();
        var second = new Collector();
        _engine.Record(new HealthFact("ready", Healthy: true));
        _engine.AddSink(first);
        _engine.AddSink(second);
        _engine.Record(new HealthFact("http", Healthy: false, "no answer"), "web", "web");
        _engine.RemoveSink(first);
        _engine.Record(new HealthFact("memory", Healthy: true), "web");

        JournalEntry only = Assert.Single(first.Entries);
        Assert.Equal(("web", "web", 0L), (only.Group, only.Process, only.Number));
        Assert.Equal(new HealthFact("http", Healthy: false, "no answer"), only.Fact);
        Assert.NotEqual(0, only.Wall);
        Assert.Equal(["http", "memory"], second.Entries.Select(static entry => ((HealthFact)entry.Fact).Check));
    }

    public sealed class GivenAProgram : IDisposable
    {
        private readonly ManualClock _clock = new();
        private readonly Collector _journal = new();
        private readonly Engine _engine;
        private readonly FakeHost _host;

        public GivenAProgram()
        {
            var process = new ProcessConfig { Name = "p", Program = "p", Command = "/bin/p", StartSecs = 0, AutoRestart = AutoRestart.False };
            var configuration = new Configuration
            {
                File = "steward.conf",
                FullPath = "/etc/steward.conf",
                Here = "/etc",
                Supervisord = new SupervisordConfig { PidFile = "/run/p", ChildLogDir = "/var/log" },
                Servers = [],
                RpcInterfaces = [],
                Groups = [new GroupConfig { Kind = GroupKind.Program, Name = "p", Priority = 999, Processes = [process] }],
                ServerUrl = null,
                Messages = [],
            };
            _engine = new Engine(
                new SupervisorSettings("supervisor", LogLevel.Info), new FakeLog(), _clock, () => new ReadResult(null, "line 3 is wrong"));
            _host = new FakeHost { Events = _engine };
            _engine.Attach(_host);
            _engine.AddSink(_journal);
            Assert.Empty(_engine.Load(configuration));
            _engine.BeginRunning();
            _engine.Start();
        }

        public void Dispose() => _engine.Dispose();

        [Theory]
        [InlineData(9, true)]
        [InlineData(9, false)]
        [InlineData(9, null)]
        public void When_a_sigkill_ends_it_Then_the_kernel_is_asked_whether_it_was_for_memory(int signal, bool? answer)
        {
            _host.IsOutOfMemory = answer;
            ExitFact exit = Die(WaitStatus.FromSignal(signal));
            Assert.Equal((signal, answer, false), (exit.Signal, exit.OutOfMemory, exit.Expected));
            Assert.Equal("last words\n", exit.Output);
        }

        [Fact]
        public void When_another_signal_ends_it_Then_it_was_not_for_memory_and_nobody_is_asked()
        {
            _host.IsOutOfMemory = true;
            Assert.Null(Die(WaitStatus.FromSignal(11)).OutOfMemory);
        }

        [Fact]
        public async Task When_the_sigkill_was_ours_Then_it_was_not_for_memory()
        {
            _host.IsOutOfMemory = true;
            await _engine.ExecuteAsync(new SignalProcess("p", "KILL"), "uid 7 (pid 9)");
            Assert.False(Die(WaitStatus.FromSignal(9)).OutOfMemory);
            Assert.Contains(_journal.Entries, entry => entry.Fact == new RequestFact("signal KILL", "uid 7 (pid 9)", null));
        }

        [Fact]
        public void When_it_ends_as_expected_Then_its_output_is_not_read()
        {
            ExitFact exit = Die(WaitStatus.FromExit(0));
            Assert.True(exit.Expected);
            Assert.Null(exit.Output);
        }

        [Fact]
        public async Task When_a_reread_is_refused_Then_the_journal_says_why()
        {
            await _engine.RereadAsync("uid 7 (pid 9)");
            Assert.Equal(new ConfigFact(ConfigAction.Refused, "line 3 is wrong", "uid 7 (pid 9)"), _journal.Entries.Last().Fact);
        }

        private ExitFact Die(WaitStatus status)
        {
            _host.Die((101, status));
            Assert.True(SpinWait.SpinUntil(() => _journal.Entries.Any(entry => entry.Fact is ExitFact), TimeSpan.FromSeconds(60)));
            return _journal.Entries.Select(static entry => entry.Fact).OfType<ExitFact>().Single();
        }
    }

    private sealed class Collector : IJournalSink
    {
        public ConcurrentQueue<JournalEntry> Entries { get; } = [];

        public void Append(in JournalEntry entry) => Entries.Enqueue(entry);
    }
}
