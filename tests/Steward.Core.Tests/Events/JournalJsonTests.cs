using System.Text;
using Steward.Core.Events;
using Steward.Core.Model;

namespace Steward.Core.Tests.Events;

public class JournalJsonTests
{
    // One row a kind: the fact and its form on disk and on the wire. docs/reference/journal.md shows these lines.
    public static TheoryData<JournalFact, string> Forms => new()
    {
        { new StateFact(ProcessState.Starting, ProcessState.Running, 42), """{"from":"STARTING","to":"RUNNING","pid":42}""" },
        { new StateFact(ProcessState.Stopped, ProcessState.Starting, null, 0), """{"from":"STOPPED","to":"STARTING","tries":0}""" },
        {
            new SpawnFact(null, "can't find command '/x'", "exec", 1, "retry"),
            """{"error":"can't find command '/x'","stage":"exec","tries":1,"by":"retry"}"""
        },
        { new SpawnFact(42, By: "autostart", Command: "/bin/x -a"), """{"pid":42,"by":"autostart","command":"/bin/x -a"}""" },
        {
            new ExitFact(42, 0, null, null, true, null, 1500, "bye\n"),
            """{"pid":42,"code":0,"expected":true,"uptime_ms":1500,"output":"bye\n"}"""
        },
        {
            new ExitFact(42, null, 9, false, false, true, 1500),
            """{"pid":42,"signal":9,"core":false,"expected":false,"out_of_memory":true,"uptime_ms":1500}"""
        },
        {
            new DecisionFact(DecisionKind.BackOff, "it exited too quickly", 1_000_000_000, 1, 3),
            """{"decision":"back_off","reason":"it exited too quickly","until":1000000000,"tries":1,"limit":3}"""
        },
        { new RequestFact("stop", "root", "unix socket"), """{"verb":"stop","by":"root","via":"unix socket"}""" },
        { new RequestFact("disable", "root", null, Reason: "disk full"), """{"verb":"disable","by":"root","reason":"disk full"}""" },
        { new SignalFact(15, 42, true), """{"number":15,"pid":42,"to_group":true}""" },
        { new ConfigFact(ConfigAction.Changed, "command: a -> b", "root"), """{"action":"changed","changes":"command: a -> b","by":"root"}""" },
        { new HealthFact("http", false, "503"), """{"check":"http","healthy":false,"detail":"503"}""" },
        { new DaemonFact(DaemonAction.Stopping, "0.1.0", 1, "SIGTERM"), """{"action":"stopping","version":"0.1.0","pid":1,"reason":"SIGTERM"}""" },
        { new EventFact("TICK_5", 7, "when:5"), """{"type":"TICK_5","serial":7,"payload":"when:5"}""" },
        { new ListenerFact(ListenerAction.Overflowed, 7, 1), """{"action":"overflowed","serial":7,"count":1}""" },
        { new LossFact(3, 1, 2, "the queue was full"), """{"count":3,"first":1,"last":2,"reason":"the queue was full"}""" },
    };

    [Theory]
    [MemberData(nameof(Forms))]
    public void A_fact_has_this_form_and_comes_back_from_it(JournalFact fact, string json)
    {
        var entry = new JournalEntry(7, 1_700_000_000_000_000_001, "g", "p", 3, fact);
        string line = JournalJson.Line(entry);
        Assert.Equal(
            $$"""{"number":7,"time":"2023-11-14T22:13:20.000000001Z","group":"g","process":"p","incarnation":3,"kind":"{{fact.Kind.Name()}}","fact":{{json}}}""",
            line);
        Assert.True(JournalJson.TryReadEntry(Encoding.UTF8.GetBytes(line), out JournalEntry read));
        Assert.Equal(entry, read);
        Assert.Equal(fact, JournalJson.ReadFact((int)fact.Kind, JournalJson.Version, Encoding.UTF8.GetBytes(json)));
    }

    [Fact]
    public void Every_kind_has_a_row_and_a_name()
    {
        Assert.Equal(
            Enum.GetValues<JournalKind>().Where(static kind => kind != JournalKind.Unknown),
            Forms.Select(static row => ((JournalFact)row[0]).Kind).Distinct().Order());
        Assert.Equal(Enum.GetValues<JournalKind>().Length - 1, JournalKinds.All.Distinct().Count());
        Assert.All(JournalKinds.All, static name => Assert.Equal(name, JournalKinds.FromName(name)!.Value.Name()));
        Assert.Null(JournalKinds.FromName("unknown"));
        Assert.Null(JournalKinds.FromName("no such kind"));
    }

    [Theory]
    [InlineData(99, 1, """{"a":1}""")]
    [InlineData(1, 2, """{"a":1}""")]
    [InlineData(1, 1, "not json")]
    [InlineData(1, 1, "null")]
    [InlineData(1, 1, """{"from":"NO STATE","to":"RUNNING"}""")]
    public void What_cannot_be_read_is_shown_as_it_is(int kind, int version, string text) =>
        Assert.Equal(new UnknownFact(kind, text), JournalJson.ReadFact(kind, version, Encoding.UTF8.GetBytes(text)));

    [Fact]
    public void A_member_that_a_newer_version_added_is_skipped() => Assert.Equal(
        new SignalFact(15, 42, false), JournalJson.ReadFact(6, 1, """{"number":15,"new":[1],"pid":42,"to_group":false}"""u8));

    [Theory]
    [InlineData("")]
    [InlineData("[]")]
    [InlineData("{}")]
    [InlineData("""{"number":"x","time":"2023-11-14T22:13:20.000000001Z","kind":"state","fact":{}}""")]
    [InlineData("""{"number":1,"time":"yesterday","kind":"state","fact":{}}""")]
    [InlineData("""{"number":1,"time":5,"kind":"state","fact":{}}""")]
    public void What_is_no_entry_is_refused(string line) => Assert.False(JournalJson.TryReadEntry(Encoding.UTF8.GetBytes(line), out _));

    [Fact]
    public void Of_output_the_last_whole_lines_are_kept()
    {
        string output = string.Concat(Enumerable.Range(0, 2000).Select(static i => $"line {i}\n"));
        string kept = ((ExitFact)new ExitFact(1, 1, null, null, false, null, 1, output).Bounded()).Output!;
        Assert.InRange(kept.Length, JournalFact.TextLimit - 20, JournalFact.TextLimit);
        Assert.StartsWith("line ", kept);
        Assert.EndsWith("line 1999\n", kept);
    }

    [Fact]
    public void Of_other_texts_the_beginning_is_kept()
    {
        string kept = ((EventFact)new EventFact("X", 1, new string('a', JournalFact.TextLimit - 2) + "😀😀").Bounded()).Payload;
        Assert.Equal(new string('a', JournalFact.TextLimit - 2) + "…", kept);
    }

    [Fact]
    public void Text_that_is_no_text_does_not_stop_the_writing() =>
        Assert.Contains("\ufffd", JournalJson.Line(new JournalEntry(1, 0, null, null, 0, new HealthFact("x\ud800y", true)))
            .Replace("\\uFFFD", "\ufffd", StringComparison.OrdinalIgnoreCase));

    [Theory]
    [InlineData(0, "1970-01-01T00:00:00.000000000Z")]
    [InlineData(-1, "1969-12-31T23:59:59.999999999Z")]
    [InlineData(1_795_334_090_123_456_789, "2026-11-22T07:54:50.123456789Z")]
    public void Times_are_exact(long wall, string text) => Assert.Equal(text, JournalJson.Time(wall));
}
