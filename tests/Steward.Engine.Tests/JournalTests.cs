using Steward.Core.Config;
using Steward.Core.Events;
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

    private sealed class Collector : IJournalSink
    {
        public List<JournalEntry> Entries { get; } = [];

        public void Append(in JournalEntry entry) => Entries.Add(entry);
    }
}
