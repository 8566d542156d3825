using System.Net;
using System.Net.Sockets;
using System.Text.RegularExpressions;

namespace Steward.Cli.Tests;

/// <summary>The recorded texts of Supervisor's client, where no daemon is needed.</summary>
public sealed class RecordTests : IDisposable
{
    private readonly Place _place = new();

    public void Dispose() => _place.Dispose();

    [Fact]
    public void Help_is_the_same_for_every_topic()
    {
        string conf = _place.Write("supervisord.conf", "[supervisorctl]\nserverurl=unix://%(here)s/s.sock\n");
        var rows = Record.Lines("ctl.help").ToList();
        Assert.True(rows.Count > 25);
        foreach ((string key, int status, string output, string error) in rows)
        {
            Assert.Equal((key, status, output, error), With(key, _place.Run(["-c", conf, .. key.Split(' ')[1..]])));
        }
    }

    [Fact]
    public void Every_command_says_the_same_when_nobody_is_there()
    {
        string conf = _place.Write("supervisord.conf", "[supervisorctl]\nserverurl=unix://%(here)s/s.sock\n");
        int port = UnusedPort();
        var rows = Record.Lines("ctl.no_server").ToList();
        Assert.True(rows.Count > 20);
        foreach ((string key, int status, string output, string error) in rows)
        {
            string[] words = key.Split(": ")[1].Split(' ');
            string[] server = key.StartsWith("refused", StringComparison.Ordinal) ? ["-s", $"http://127.0.0.1:{port}"] : [];
            (int Status, string Output, string Error) seen = _place.Run(["-c", conf, .. server, .. words]);
            string text = seen.Output.Replace(_place.Folder, "<DIR>").Replace(":" + port, ":<PORT>");
            text = Regex.Replace(text, "(?m)^error: .*$", "error: <TRACE>");
            Assert.Equal((key, status, output, error), (key, seen.Status, text, seen.Error));
        }
    }

    [Theory]
    [InlineData("reread", "error: {0} no such file\n")]
    [InlineData("update", "error: {0} no such file\n")]
    [InlineData("avail", "error: {0} no such file\n")]
    [InlineData("add x", "error: {0} no such file\n")]
    [InlineData("reload", "error: {0} no such file\n")]
    public void Where_Supervisor_shows_its_insides_the_reason_is_told(string line, string expected)
    {
        string url = "unix://" + _place.At("s.sock");
        Assert.Equal((1, string.Format(expected, url), ""), _place.Run(["-s", url, .. line.Split(' ')]));
    }

    [Fact]
    public void The_command_line_is_refused_in_the_same_words()
    {
        var rows = Record.Lines("ctl.options").ToDictionary(row => row.Key);
        _place.Write("noctl.conf", "[supervisord]\n");
        Check("ctl --nothing", "--nothing");
        Check("ctl -z", "-z");
        Check("ctl -c", "-c");
        Check("ctl -s nonsense status", "-s", "nonsense", "status");
        Check("absent", "-c", _place.At("absent.conf"), "status");
        Check("no section", "-c", _place.At("noctl.conf"), "status");
        Check("absent socket", "-s", "unix://" + _place.At("absent.sock"), "status");
        Check("long option", "--serverurl=unix://" + _place.At("absent.sock"), "pid");
        Check("twice", "-s", "http://127.0.0.1:1", "-s", "http://127.0.0.1:2", "pid");

        void Check(string key, params string[] args)
        {
            (_, int status, string output, string error) = rows[key];
            (int Status, string Output, string Error) seen = _place.Run(args);
            Assert.Equal(
                (key, status, output, error),
                (key, seen.Status, seen.Output.Replace(_place.Folder, "<DIR>"), seen.Error.Replace(_place.Folder, "<DIR>").Replace("use ctl -h", "use <PROG> -h")));
        }
    }

    [Fact]
    public void The_usage_is_the_same()
    {
        string expected = string.Concat(Record.Scenario("ctl.options").GetProperty("help")[1].EnumerateArray().Select(line => line.GetString() + "\n"));
        foreach (string[] args in (string[][])[["-h"], ["--help"], ["-?"], ["--he"], ["-ih", "status"]])
        {
            Assert.Equal((0, expected.Replace("<PROG>", "ctl"), ""), _place.Run(args));
        }
    }

    [Fact]
    public void The_sample_configuration_has_the_same_sections_and_options()
    {
        var output = new MemoryStream();
        Assert.Equal(0, EchoConfProgram.Run(output));
        string text = System.Text.Encoding.UTF8.GetString(output.ToArray());
        Assert.Equal(
            Record.Scenario("misc.echo_conf").GetProperty("sections").EnumerateArray().Select(item => item.GetString()),
            Regex.Matches(text, @"(?m)^;?(\[[a-z_:]+\])").Select(match => match.Groups[1].Value));
        Assert.Equal(
            Record.Scenario("misc.echo_conf").GetProperty("options").EnumerateArray().Select(item => item.GetString()),
            Regex.Matches(text, "(?m)^;?([a-z_.]+)=").Select(match => match.Groups[1].Value).Distinct().Order(StringComparer.Ordinal));
        Assert.DoesNotContain(text.Split('\n'), line => line.Length > 140);
    }

    private static (string Key, int Status, string Output, string Error) With(string key, (int Status, string Output, string Error) seen) =>
        (key, seen.Status, seen.Output, seen.Error);

    private static int UnusedPort()
    {
        using var socket = new Socket(AddressFamily.InterNetwork, SocketType.Stream, ProtocolType.Tcp);
        socket.Bind(new IPEndPoint(IPAddress.Loopback, 0));
        return ((IPEndPoint)socket.LocalEndPoint!).Port;
    }
}
