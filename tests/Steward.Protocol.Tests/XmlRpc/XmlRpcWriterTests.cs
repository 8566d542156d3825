using System.Text;
using Steward.Core.Config;
using Steward.Core.Effects;
using Steward.Core.Model;
using Steward.Core.Supervision;
using Steward.Protocol.XmlRpc;

namespace Steward.Protocol.Tests.XmlRpc;

public class XmlRpcWriterTests
{
    private static string Written(Action<XmlRpcWriter> write)
    {
        using var writer = new XmlRpcWriter();
        write(writer);
        return Encoding.UTF8.GetString(writer.Written.Span);
    }

    [Fact]
    public void A_response_has_these_bytes() => Assert.Equal(
        "<?xml version='1.0'?>\n<methodResponse>\n<params>\n<param>\n<value><struct>\n<member>\n<name>statecode</name>\n"
        + "<value><int>1</int></value>\n</member>\n<member>\n<name>statename</name>\n<value><string>RUNNING</string></value>\n"
        + "</member>\n</struct></value>\n</param>\n</params>\n</methodResponse>\n",
        Written(w =>
        {
            w.BeginResponse();
            w.WriteValue(new XmlRpcStruct(
                KeyValuePair.Create<string, XmlRpcValue>("statecode", 1), KeyValuePair.Create<string, XmlRpcValue>("statename", "RUNNING")));
            w.EndResponse();
        }));

    [Fact]
    public void A_fault_has_these_bytes() => Assert.Equal(
        "<?xml version='1.0'?>\n<methodResponse>\n<fault>\n<value><struct>\n<member>\n<name>faultCode</name>\n"
        + "<value><int>10</int></value>\n</member>\n<member>\n<name>faultString</name>\n"
        + "<value><string>BAD_NAME: nope</string></value>\n</member>\n</struct></value>\n</fault>\n</methodResponse>\n",
        Written(w => w.WriteFaultResponse(10, "BAD_NAME: nope")));

    [Fact]
    public void A_call_has_these_bytes() => Assert.Equal(
        "<?xml version='1.0'?>\n<methodCall>\n<methodName>a.b</methodName>\n<params>\n<param>\n<value><string>x</string></value>\n"
        + "</param>\n<param>\n<value><boolean>0</boolean></value>\n</param>\n</params>\n</methodCall>\n",
        Written(w => w.WriteCall("a.b", "x", false)));

    [Fact]
    public void Arrays_have_these_bytes()
    {
        Assert.Equal("<value><array><data>\n</data></array></value>", Written(w => w.WriteValue(new XmlRpcArray())));
        Assert.Equal(
            "<value><array><data>\n<value><int>1</int></value>\n<value><array><data>\n</data></array></value>\n</data></array></value>",
            Written(w => w.WriteValue(new XmlRpcArray(1, new XmlRpcArray()))));
    }

    [Theory]
    [InlineData("", "")]
    [InlineData("plain", "plain")]
    [InlineData("<a & b>\"'", "&lt;a &amp; b&gt;\"'")]
    [InlineData("a\tb\nc", "a\tb\nc")]
    [InlineData("a\rb", "a&#13;b")]
    [InlineData("\u001b[31m\0", "\uFFFD[31m\uFFFD")]
    [InlineData("ö\uFFFE\uFFFF\uF000\U0001F600", "ö\uFFFD\uFFFD\uF000\U0001F600")]
    public void A_string_is_escaped_alike_from_text_and_from_bytes(string text, string expected)
    {
        Assert.Equal(expected, Written(w => w.WriteText(text)));
        Assert.Equal(expected, Written(w => w.WriteText(Encoding.UTF8.GetBytes(text))));
        Assert.Equal("<value><string>" + expected + "</string></value>", Written(w => w.WriteString(Encoding.UTF8.GetBytes(text))));
    }

    [Fact]
    public void A_lone_surrogate_is_replaced() => Assert.Equal("a\uFFFDb", Written(w => w.WriteText("a\uD800b")));

    [Theory]
    [InlineData(new byte[] { (byte)'a', 0xFF, (byte)'b' }, "a\uFFFDb")]
    [InlineData(new byte[] { 0xC3 }, "\uFFFD")]
    [InlineData(new byte[] { 0xE2, 0x80, (byte)'<' }, "\uFFFD&lt;")]
    [InlineData(new byte[] { 0xC3, 0xB6, 0x80, (byte)'\r' }, "ö\uFFFD&#13;")]
    public void Bytes_that_are_no_characters_are_replaced(byte[] bytes, string expected) =>
        Assert.Equal(expected, Written(w => w.WriteText(bytes)));

    [Theory]
    [InlineData(0, "0")]
    [InlineData(-1, "-1")]
    [InlineData(2147483647, "2147483647")]
    [InlineData(2147483648, "2147483647")]
    [InlineData(long.MaxValue, "2147483647")]
    [InlineData(long.MinValue, "-2147483648")]
    public void An_integer_is_clamped_to_the_type_of_the_wire(long number, string expected) =>
        Assert.Equal("<value><int>" + expected + "</int></value>", Written(w => w.WriteInt(number)));

    [Fact]
    public void A_buffer_grows_and_can_be_rewound()
    {
        using var writer = new XmlRpcWriter();
        writer.WriteText("keep");
        int length = writer.Length;
        writer.WriteText(new string('x', 1_000_000));
        Assert.Equal(1_000_004, writer.Length);
        writer.Rewind(length);
        Assert.Equal("keep", Encoding.UTF8.GetString(writer.Written.Span));
        Assert.Throws<ArgumentOutOfRangeException>(() => writer.Rewind(5));
        writer.Clear();
        Assert.Equal(0, writer.Length);
    }

    private static ProcessSnapshot Snapshot(ProcessState state) => new()
    {
        Name = "p<1>",
        Group = "g",
        Start = 1_700_000_000_999_999_999,
        Stop = 1_700_000_050_000_000_000,
        Now = 5_000_000_000_000_000_000,
        State = state,
        SpawnErr = "",
        ExitStatus = -1,
        LastStatus = WaitStatus.FromSignal(9),
        StdoutLog = "/out",
        StderrLog = "",
        Pid = state == ProcessState.Running ? 77 : 0,
        UptimeSeconds = 93784,
    };

    private static string Int(string name, string value) => $"<member>\n<name>{name}</name>\n<value><int>{value}</int></value>\n</member>\n";

    private static string Text(string name, string value) =>
        $"<member>\n<name>{name}</name>\n<value><string>{value}</string></value>\n</member>\n";

    private static string Flag(string name, string value) =>
        $"<member>\n<name>{name}</name>\n<value><boolean>{value}</boolean></value>\n</member>\n";

    [Fact]
    public void Process_info_has_its_members_in_order() => Assert.Equal(
        "<value><struct>\n" + Text("name", "p&lt;1&gt;") + Text("group", "g") + Int("start", "1700000000") + Int("stop", "1700000050")
        + Int("now", "2147483647") + Int("state", "20") + Text("statename", "RUNNING") + Text("spawnerr", "") + Int("exitstatus", "-1")
        + Text("logfile", "/out") + Text("stdout_logfile", "/out") + Text("stderr_logfile", "") + Int("pid", "77")
        + Text("description", "pid 77, uptime 1 day, 2:03:04") + "</struct></value>",
        Written(w => w.WriteProcessInfo(Snapshot(ProcessState.Running))));

    [Theory]
    [InlineData(ProcessState.Running, 0L, "pid 77, uptime 0:00:00")]
    [InlineData(ProcessState.Running, -5L, "pid 77, uptime 0:00:00")]
    [InlineData(ProcessState.Running, 86399L, "pid 77, uptime 23:59:59")]
    [InlineData(ProcessState.Running, 172800L, "pid 77, uptime 2 days, 0:00:00")]
    [InlineData(ProcessState.Fatal, 0L, "unknown error (try \"tail p<1>\")")]
    [InlineData(ProcessState.Backoff, 0L, "unknown error (try \"tail p<1>\")")]
    [InlineData(ProcessState.Starting, 0L, "")]
    [InlineData(ProcessState.Stopping, 0L, "")]
    [InlineData(ProcessState.Unknown, 0L, "")]
    public void A_description_says(ProcessState state, long uptime, string expected) =>
        Assert.Equal(expected, ProcessDescription.Of(Snapshot(state) with { UptimeSeconds = uptime }));

    [Fact]
    public void The_description_of_a_stopped_process_is_the_local_time_of_its_end()
    {
        Assert.Equal("Not started", ProcessDescription.Of(Snapshot(ProcessState.Stopped) with { Start = 0, Stop = 0 }));
        Assert.Equal("no such thing", ProcessDescription.Of(Snapshot(ProcessState.Fatal) with { SpawnErr = "no such thing" }));
        var local = new DateTime(2026, 2, 3, 0, 5, 0, DateTimeKind.Local);
        long stop = new DateTimeOffset(local).ToUnixTimeSeconds() * Moment.Second;
        Assert.Equal("Feb 03 12:05 AM", ProcessDescription.Of(Snapshot(ProcessState.Exited) with { Stop = stop }));
        Assert.Equal(
            "Feb 03 01:05 PM", ProcessDescription.Of(Snapshot(ProcessState.Stopped) with { Stop = stop + 13 * 3600 * Moment.Second }));
    }

    [Fact]
    public void Config_info_has_its_members_in_order()
    {
        var process = new ProcessConfig
        {
            Name = "p",
            Program = "p",
            Command = "/bin/cat -u",
            AutoRestart = AutoRestart.True,
            ExitCodes = [0, 2],
            Directory = "/d",
            User = new UserIdentity("me", 1000, 1000, [1000]),
            Stdout = new ChildLogConfig { Kind = ChildLogKind.File, Path = "rel.log", MaxBytes = 5L << 30 },
            Stderr = new ChildLogConfig { Kind = ChildLogKind.None },
        };
        var group = new GroupConfig { Kind = GroupKind.Program, Name = "g", Priority = 7, Processes = [process] };
        string expected = "<value><array><data>\n<value><struct>\n" + Flag("autostart", "1") + Flag("autorestart", "1")
            + Text("directory", "/d") + Int("uid", "1000") + Text("command", "/bin/cat -u")
            + "<member>\n<name>exitcodes</name>\n<value><array><data>\n<value><int>0</int></value>\n<value><int>2</int></value>\n"
            + "</data></array></value>\n</member>\n"
            + Text("group", "g") + Int("group_prio", "7") + Flag("inuse", "1") + Flag("killasgroup", "0") + Text("name", "p")
            + Int("process_prio", "999") + Flag("redirect_stderr", "0") + Int("startretries", "3") + Int("startsecs", "1")
            + Int("stdout_capture_maxbytes", "0") + Flag("stdout_events_enabled", "0") + Text("stdout_logfile", "rel.log")
            + Int("stdout_logfile_backups", "10") + Int("stdout_logfile_maxbytes", "2147483647") + Flag("stdout_syslog", "0")
            + Int("stopsignal", "15") + Int("stopwaitsecs", "10") + Int("stderr_capture_maxbytes", "0")
            + Flag("stderr_events_enabled", "0") + Text("stderr_logfile", "none") + Int("stderr_logfile_backups", "10")
            + Int("stderr_logfile_maxbytes", "52428800") + Flag("stderr_syslog", "0") + Text("serverurl", "none")
            + "</struct></value>\n</data></array></value>";
        Assert.Equal(expected, Written(w => w.WriteConfigInfo([new ConfigSnapshot(group, process, true, null, null)])));

        process = process with { AutoRestart = AutoRestart.Unexpected, User = null, Directory = null, Stdout = new(), ServerUrl = "u" };
        string other = Written(w => w.WriteConfigInfo([
            new ConfigSnapshot(group, process, false, null, null), new ConfigSnapshot(group, process, true, "/auto", null)]));
        foreach (string member in new[]
        {
            Text("autorestart", "unexpected"), Text("directory", "none"), Text("uid", "none"), Text("stdout_logfile", "auto"),
            Text("stdout_logfile", "/auto"), Text("serverurl", "u"),
        })
        {
            Assert.Contains(member, other);
        }
    }

    [Fact]
    public void Outcomes_have_these_bytes()
    {
        Assert.Equal("<value><boolean>1</boolean></value>", Written(w => w.WriteOutcome(Done.Instance)));
        Assert.Equal(
            "<value><array><data>\n<value><struct>\n" + Text("name", "p") + Text("group", "g") + Int("status", "80")
            + Text("description", "OK") + "</struct></value>\n</data></array></value>",
            Written(w => w.WriteOutcome(new Statuses([new ProcessStatus("p", "g", FaultCode.Success, "OK")]))));
        Assert.Equal(
            "<value><array><data>\n<value><array><data>\n<value><array><data>\n<value><string>a</string></value>\n</data></array></value>\n"
            + "<value><array><data>\n</data></array></value>\n<value><array><data>\n</data></array></value>\n</data></array></value>\n"
            + "</data></array></value>",
            Written(w => w.WriteOutcome(new Reread(["a"], [], []))));
        Assert.Throws<ArgumentException>(() => Written(w => w.WriteOutcome(new Refused(new Fault(FaultCode.Failed)))));
    }
}
