using System.Text.Json;
using System.Text.RegularExpressions;
using Steward.Core.Effects;
using Steward.Core.Inputs;
using Steward.Core.Model;

namespace Steward.Http.Tests;

public partial class PagesTests
{
    private static async Task<TestServer> StartAsync()
    {
        TestServer server = await TestServer.StartAsync();
        server.Control.Add(FakeControl.Snapshot("alpha", "alpha"));
        server.Control.Add(FakeControl.Snapshot("beta", "beta", ProcessState.Stopped) with { Start = 0 });
        return server;
    }

    [Fact]
    public async Task Pages_and_links_are_those_of_the_record()
    {
        await using TestServer server = await StartAsync();
        foreach (JsonProperty row in Record.Of("web.pages").EnumerateObject())
        {
            if (row.Name == "links")
            {
                string[] links = [.. Link().Matches(server.Get("/").Body).Select(link => link.Groups[1].Value.Replace("&amp;", "&"))
                    .Distinct().Order(StringComparer.Ordinal)];
                Assert.Equal(row.Value.EnumerateArray().Select(link => link.GetString()), links);
                continue;
            }

            TestResponse response = server.Get(row.Name);
            Assert.Equal(row.Value[0][0].GetInt32(), response.Status);
            Assert.Equal(row.Value[0][1].GetProperty("content-type").GetString(), response["Content-Type"]);
            if (row.Value[1].ValueKind == JsonValueKind.Object)
            {
                foreach (JsonProperty word in row.Value[1].EnumerateObject())
                {
                    Assert.Equal(word.Value.GetBoolean(), response.Body.Contains(word.Name, StringComparison.Ordinal));
                }
            }
        }
    }

    [GeneratedRegex("href=\"([^\"]*(?:action|processname|logtail)[^\"]*)\"")]
    private static partial Regex Link();

    [Fact]
    public async Task The_list_tells_states_descriptions_and_what_can_be_done()
    {
        await using TestServer server = await StartAsync();
        server.Control.Add(FakeControl.Snapshot("g", "b<a>", ProcessState.Fatal) with { SpawnErr = "can't find \"x\" & <y>" });
        server.Control.Add(FakeControl.Snapshot("z", "z", ProcessState.Stopping));
        string page = server.Get("/").Body;
        Assert.Contains("<title>Supervisor Status</title>", page);
        Assert.Contains("<span class=\"statusrunning\">running</span></td><td class=\"description\">pid 123, uptime 0:01:40</td>", page);
        Assert.Contains("<span class=\"statusnominal\">stopped</span></td><td class=\"description\">Not started</td>", page);
        Assert.Contains("<span class=\"statuserror\">fatal</span></td><td class=\"description\">can&#39;t find &quot;x&quot; &amp; &lt;y&gt;</td>", page);
        Assert.Contains("href=\"index.html?processname=g%3Ab%3Ca%3E&amp;action=start\"", page);
        Assert.DoesNotContain("<a>", page);
        string last = page[page.IndexOf("stopping", StringComparison.Ordinal)..];
        Assert.Single(Regex.Matches(last, "action="));
        Assert.Contains("action=clearlog", last);
        server.Control.Processes.Clear();
        Assert.Contains("No programs to manage", server.Get("/").Body);
    }

    [Fact]
    public async Task Pages_carry_the_headers_that_protect_them()
    {
        await using TestServer server = await StartAsync();
        TestResponse response = server.Get("/");
        Assert.Equal("DENY", response["X-Frame-Options"]);
        Assert.Equal("nosniff", response["X-Content-Type-Options"]);
        Assert.Contains("default-src 'none'", response["Content-Security-Policy"]);
        Assert.Equal("no-cache", response["Cache-Control"]);
        Assert.Equal("no-cache", response["Pragma"]);
        Assert.Equal("Thu, 01 Jan 1970 00:00:00 GMT", response["Expires"]);
        TestResponse ok = server.Get("/ok.html");
        Assert.Equal(("OK", "text/plain"), (ok.Body, ok["Content-Type"]));
        Assert.Null(ok["Pragma"]);
        Assert.Equal("text/css", server.Get("/stylesheets/supervisor.css")["Content-Type"]);
        using TestClient client = server.Connect();
        client.Send("HEAD / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n");
        Assert.Equal(200, client.ReceiveHead().Status);
        Assert.True(client.IsClosed());
    }

    [Fact]
    public async Task A_message_is_shown_escaped()
    {
        await using TestServer server = await StartAsync();
        Assert.Contains(
            "<div class=\"status_msg\">a &lt;b&gt; ö+c</div>", server.Get("/?message=a+%3Cb%3E+%C3%B6%2Bc&message=second").Body
                .Replace("&#246;", "ö", StringComparison.Ordinal));
        Assert.DoesNotContain("status_msg", server.Get("/?message=").Body);
    }

    private static string Location(TestResponse response)
    {
        Assert.Equal(301, response.Status);
        return Regex.Replace(Uri.UnescapeDataString(response["Location"]!), " at .*", " at <WHEN>");
    }

    private static TestResponse Act(TestServer server, string query) =>
        server.Send($"GET /index.html?{query} HTTP/1.1\r\nHost: example.test:1234\r\n\r\n");

    [Fact]
    public async Task Actions_answer_as_recorded()
    {
        await using TestServer server = await StartAsync();
        server.Control.Answer = command => Task.FromResult<Outcome>(command switch
        {
            StopAll or StartAll => new Statuses([]),
            StartProcess { Name: "beta" } => new Refused(new Fault(FaultCode.NoFile, "can't find command '/no/such/file'")),
            _ => Done.Instance,
        });
        JsonElement record = Record.Of("web.actions");
        void Check(string row, string query)
        {
            Assert.Equal(record.GetProperty(row)[0].GetInt32(), Act(server, query).Status);
            Assert.Equal(record.GetProperty(row)[1].GetString(), Location(Act(server, query)));
        }

        Check("stop", "processname=alpha&action=stop");
        Check("start", "processname=alpha&action=start");
        Check("restart", "processname=alpha&action=restart");
        Check("clearlog", "processname=alpha&action=clearlog");
        Check("start beta", "processname=beta&action=start");
        Check("unknown", "processname=nope&action=start");
        Check("stopall", "action=stopall");
        Check("restartall", "action=restartall");
        Check("refresh", "action=refresh");
        server.Control.Commands.Clear();
        Act(server, "processname=alpha&action=restart");
        Act(server, "action=restartall");
        Assert.Equal(
            [new StopProcess("alpha", true), new StartProcess("alpha", true), new StopAll(true), new StartAll(true)],
            server.Control.Commands);
    }

    [Theory]
    [InlineData("start", FaultCode.NotExecutable, "ERROR: Process alpha: file not executable")]
    [InlineData("start", FaultCode.AlreadyStarted, "ERROR: Process alpha: already started")]
    [InlineData("start", FaultCode.SpawnError, "ERROR: Process alpha: spawn error")]
    [InlineData("start", FaultCode.AbnormalTermination, "ERROR: Process alpha: abnormal termination")]
    [InlineData("start", FaultCode.Failed, "ERROR: Process alpha: unexpected rpc fault [30] FAILED: alpha")]
    [InlineData("stop", FaultCode.NotRunning, "unexpected rpc fault [70] NOT_RUNNING: alpha")]
    [InlineData("clearlog", FaultCode.Failed, "unexpected rpc fault [30] FAILED: alpha")]
    [InlineData("restart", FaultCode.Failed, "unexpected rpc fault [30] FAILED: alpha")]
    [InlineData("stopall", FaultCode.ShutdownState, "unexpected rpc fault [6] SHUTDOWN_STATE: alpha")]
    public async Task Refusals_are_told(string action, FaultCode code, string message)
    {
        await using TestServer server = await StartAsync();
        server.Control.Answer = _ => Task.FromResult<Outcome>(new Refused(new Fault(code, "alpha")));
        Assert.Equal("http://example.test:1234/?message=" + message, Location(Act(server, $"processname=alpha&action={action}")));
    }

    [Fact]
    public async Task A_restart_tells_what_became_of_it()
    {
        await using TestServer server = await StartAsync();
        server.Control.Answer = command => Task.FromResult<Outcome>(
            new Refused(new Fault(command is StopProcess ? FaultCode.NotRunning : FaultCode.SpawnError, "alpha")));
        Assert.EndsWith("ERROR: Process alpha: spawn error", Location(Act(server, "processname=alpha&action=restart")));
    }

    [Theory]
    [InlineData("Host: x:80\r\n", "http://x/?message=Process%20alpha%20started")]
    [InlineData("Host: x:8080\r\n", "http://x:8080/?message=Process%20alpha%20started")]
    [InlineData("", "/?message=Process%20alpha%20started")]
    public async Task The_redirect_leads_back_to_the_host(string header, string location)
    {
        await using TestServer server = await StartAsync();
        TestResponse response = server.Send($"GET /?processname=alpha&action=start HTTP/1.0\r\n{header}\r\n");
        Assert.Equal(location, response["Location"]);
    }

    [Theory]
    [InlineData("action=nothing", 400)]
    [InlineData("action=start", 400)]
    [InlineData("processname=&action=stop", 400)]
    [InlineData("processname=alpha&action=nothing", 400)]
    public async Task Unknown_actions_are_400(string query, int status)
    {
        await using TestServer server = await StartAsync();
        Assert.Equal(status, Act(server, query).Status);
        Assert.Empty(server.Control.Commands);
    }

    [Theory]
    [InlineData("Sec-Fetch-Site: cross-site\r\n", 403)]
    [InlineData("Sec-Fetch-Site: same-site\r\n", 403)]
    [InlineData("Sec-Fetch-Site: same-origin\r\n", 301)]
    [InlineData("Sec-Fetch-Site: none\r\n", 301)]
    [InlineData("Origin: http://evil.test\r\n", 403)]
    [InlineData("Origin: http://localhost\r\n", 301)]
    [InlineData("", 301)]
    public async Task Actions_for_other_sites_pages_are_refused(string header, int status)
    {
        await using TestServer server = await StartAsync();
        Assert.Equal(status, server.Get("/?action=stopall", header).Status);
        Assert.Equal(status, server.Post("action=stopall", header, "/index.html").Status);
        Assert.Equal(status == 403 ? 0 : 2, server.Control.Commands.Count);
        // Looking at the list harms nobody, wherever the link was.
        Assert.Equal(200, server.Get("/", header).Status);
    }

    [Fact]
    public async Task A_form_overrides_the_query()
    {
        await using TestServer server = await StartAsync();
        TestResponse response = server.Post(
            "processname=alpha&action=stop&action=start", target: "/index.html?processname=beta&action=clearlog");
        Assert.Equal(301, response.Status);
        Assert.Equal([new StartProcess("alpha", true)], server.Control.Commands);
        Assert.Equal(413, server.Post(new string('a', (64 << 10) + 1), target: "/").Status);
    }

    [Fact]
    public async Task The_tail_page_shows_the_end_of_the_log()
    {
        await using TestServer server = await StartAsync();
        string log = server.File_("a.log", new string('x', 3000) + "<end>");
        server.Control.Add(FakeControl.Snapshot("alpha", "alpha") with { StdoutLog = log });
        string Pre(string query) => Regex.Match(server.Get("/tail.html" + query).Body, "<pre>(.*)</pre>", RegexOptions.Singleline).Groups[1].Value;
        Assert.Equal(new string('x', 1019) + "&lt;end&gt;", Pre("?processname=alpha"));
        Assert.Equal(new string('x', 1019) + "&lt;end&gt;", Pre("?processname=alpha&limit=5"));
        Assert.Equal(new string('x', 1995) + "&lt;end&gt;", Pre("?processname=alpha&limit=2000"));
        Assert.Equal(new string('x', 3000) + "&lt;end&gt;", Pre("?processname=alpha&limit=2000000000"));
        Assert.Equal("No process name found", Pre(""));
        Assert.Equal("No file for beta", Pre("?processname=beta"));
        Assert.Equal("ERROR: unexpected rpc fault [10] BAD_NAME: nope", Pre("?processname=nope"));
        Assert.Contains("<title>Supervisor tail of process None</title>", server.Get("/tail.html").Body);
        Assert.Contains("href=\"tail.html?processname=alpha&amp;limit=2000\"", server.Get("/tail.html?processname=alpha&limit=2000").Body);
        File.WriteAllBytes(log, [0xFF, (byte)'a']);
        Assert.Equal(200, server.Get("/tail.html?processname=alpha").Status);
    }

    [Fact]
    public async Task While_the_daemon_stops_the_list_is_503()
    {
        await using TestServer server = await StartAsync();
        server.Control.State = DaemonState.Shutdown;
        Assert.Equal(503, server.Get("/").Status);
        Assert.Equal(503, server.Get("/?action=stopall").Status);
        Assert.Equal(200, server.Get("/ok.html").Status);
        Assert.Contains("SHUTDOWN_STATE", server.Get("/tail.html?processname=alpha").Body);
        Assert.Empty(server.Control.Commands);
    }
}
