using System.Text.RegularExpressions;

namespace Steward.EndToEnd;

/// <summary>Clients that other people wrote drive our daemon.</summary>
public sealed class ClientTests
{
    private const string Programs = """
        [program:one]
        command=/bin/sh -c 'echo one is up; exec sleep 100000'
        startsecs=0

        [program:two]
        command=/bin/sleep 100000
        autostart=false
        startsecs=0
        """;

    private const string Script = """
        import http.client, socket, sys, xmlrpc.client

        class Transport(xmlrpc.client.Transport):
            def make_connection(self, host):
                connection = http.client.HTTPConnection('localhost')
                connection.sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
                connection.sock.connect(sys.argv[2])
                return connection

        if sys.argv[1] == 'unix':
            proxy = xmlrpc.client.ServerProxy('http://localhost/RPC2', transport=Transport())
        else:
            proxy = xmlrpc.client.ServerProxy(sys.argv[2])
        s = proxy.supervisor
        assert s.getState() == {'statecode': 1, 'statename': 'RUNNING'}, s.getState()
        assert s.getAPIVersion() == '3.0'
        assert s.startProcess('two') is True
        info = s.getProcessInfo('two')
        assert info['statename'] == 'RUNNING' and info['pid'] > 0, info
        assert s.stopProcess('two') is True
        assert s.getProcessInfo('two')['statename'] == 'STOPPED'
        try:
            s.startProcess('nobody')
            raise SystemExit('no fault')
        except xmlrpc.client.Fault as fault:
            assert (fault.faultCode, fault.faultString) == (10, 'BAD_NAME: nobody'), fault
        assert 'supervisor.getAllProcessInfo' in proxy.system.listMethods()
        first, second = xmlrpc.client.MultiCall(proxy), None
        assert proxy.system.multicall([{'methodName': 'supervisor.getPID', 'params': []}]) == [s.getPID()]
        names = [p['name'] for p in s.getAllProcessInfo()]
        assert names == ['one', 'two'], names
        print('all is well')
        """;

    [Fact]
    public async Task Supervisors_own_supervisorctl_works()
    {
        const string Theirs = "/usr/bin/supervisorctl";
        Assert.True(File.Exists(Theirs), Theirs + " is missing (Debian: apt-get install supervisor)");
        await using var daemon = new TestDaemon(Programs);
        await daemon.StartAsync();
        await daemon.ReachesAsync("one", "RUNNING");

        Assert.Matches(@"^one +RUNNING +pid \d+, uptime 0:\d\d:\d\d\ntwo +STOPPED +Not started\n$", (await Theirs_("status")).Output);
        Assert.Equal("two: started\n", (await Theirs_("start", "two")).Output);
        Assert.Equal("two: ERROR (already started)\n", (await Theirs_("start", "two")).Output);
        Assert.Equal("two: stopped\ntwo: started\n", (await Theirs_("restart", "two")).Output);
        Assert.Equal("two: stopped\n", (await Theirs_("stop", "two")).Output);
        Assert.Equal("one: signalled\n", (await Theirs_("signal", "CONT", "one")).Output);
        Assert.Contains("one is up", (await Theirs_("tail", "one")).Output, StringComparison.Ordinal);
        Assert.Equal(daemon.Pid + "\n", (await Theirs_("pid")).Output);
        Assert.Equal("No config updates to processes\n", (await Theirs_("reread")).Output);
        Assert.Contains("two", (await Theirs_("avail")).Output, StringComparison.Ordinal);

        daemon.WriteConfig(Programs + "\n[program:three]\ncommand=/bin/sleep 100000\n");
        Assert.Equal("three: available\n", (await Theirs_("reread")).Output);
        Assert.Equal("three: added process group\n", (await Theirs_("update")).Output);
        await daemon.ReachesAsync("three", "RUNNING");
        Assert.Equal("Shut down\n", (await Theirs_("shutdown")).Output);
        await daemon.EndsAsync();
        Assert.Equal(0, daemon.ExitStatus);

        Task<Finished> Theirs_(params string[] words) => Command.RunAsync(Theirs, ["-c", daemon.Config, .. words]);
    }

    [Fact]
    public async Task Our_supervisorctl_works()
    {
        await using var daemon = new TestDaemon(Programs);
        await daemon.StartAsync();
        await daemon.ReachesAsync("one", "RUNNING");

        var status = await daemon.CtlAsync("status");
        Assert.Matches(@"^one +RUNNING +pid \d+, uptime 0:\d\d:\d\d\ntwo +STOPPED +Not started\n$", status.Output);
        Assert.Equal(3, status.Status);
        Assert.Equal(new Finished(0, "two: started\n", ""), await daemon.CtlAsync("start", "two"));
        Assert.Equal(new Finished(0, "one: stopped\ntwo: stopped\n", ""), await SortedAsync("stop", "all"));
        Assert.Equal(new Finished(1, "nobody: ERROR (no such process)\n", ""), await daemon.CtlAsync("start", "nobody"));
        Assert.Equal(new Finished(0, daemon.Pid + "\n", ""), await daemon.CtlAsync("pid"));

        // The same tool by its native spelling.
        var native = await Command.RunAsync(Path.Combine(TestDaemon.Bin, "steward"), ["ctl", "-c", daemon.Config, "status"]);
        Assert.Matches(@"^one +STOPPED .*\ntwo +STOPPED .*\n$", native.Output);
        Assert.Equal(new Finished(0, "Shut down\n", ""), await daemon.CtlAsync("shutdown"));
        await daemon.EndsAsync();

        async Task<Finished> SortedAsync(params string[] words)
        {
            var finished = await daemon.CtlAsync(words);
            var lines = finished.Output.Split('\n', StringSplitOptions.RemoveEmptyEntries).Order(StringComparer.Ordinal);
            return finished with { Output = string.Concat(lines.Select(l => l + "\n")) };
        }
    }

    [Fact]
    public async Task Pythons_xmlrpc_client_works_over_both_kinds_of_socket()
    {
        var port = TestDaemon.FreePort();
        await using var daemon = new TestDaemon(Programs, servers: $"""
            [inet_http_server]
            port=127.0.0.1:{port}
            username=admin
            password=pass%%word
            """);
        await daemon.StartAsync();
        var script = Path.Combine(daemon.Folder, "client.py");
        await File.WriteAllTextAsync(script, Script);

        var unix = await Command.RunAsync("/usr/bin/python3", [script, "unix", daemon.Socket]);
        Assert.Equal(new Finished(0, "all is well\n", ""), unix);
        var tcp = await Command.RunAsync("/usr/bin/python3", [script, "tcp", $"http://admin:pass%25word@127.0.0.1:{port}/RPC2"]);
        Assert.Equal(new Finished(0, "all is well\n", ""), tcp);
        var refused = await Command.RunAsync("/usr/bin/python3", [script, "tcp", $"http://admin:wrong@127.0.0.1:{port}/RPC2"]);
        Assert.Equal(1, refused.Status);
        Assert.Contains("401 Unauthorized", refused.Error, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Curl_sees_the_page_and_a_growing_log()
    {
        var port = TestDaemon.FreePort();
        await using var daemon = new TestDaemon(Programs, servers: $"[inet_http_server]\nport=127.0.0.1:{port}");
        await daemon.StartAsync();
        await daemon.ReachesAsync("one", "RUNNING");

        var page = await Curl($"http://127.0.0.1:{port}/");
        page.AssertSuccess();
        Assert.Matches(new Regex("running.*one.*stopped.*two", RegexOptions.Singleline | RegexOptions.IgnoreCase), page.Output);
        Assert.Equal(page.Status, (await Curl("--unix-socket", daemon.Socket, "http://localhost/index.html")).Status);
        var missing = await Curl("-o", "/dev/null", "-w", "%{http_code}", $"http://127.0.0.1:{port}/nowhere");
        Assert.Equal("404", missing.Output);
        await Waiting.UntilAsync(
            async () => (await Curl($"http://127.0.0.1:{port}/tail.html?processname=one")).Output.Contains("one is up", StringComparison.Ordinal),
            () => "the page does not show the log\n" + daemon.Account());

        // The stream does not end by itself: curl gives up after a second (28), having seen what there was.
        var stream = await Curl("--max-time", "1", $"http://127.0.0.1:{port}/logtail/one/stdout");
        Assert.Equal("one is up\n", stream.Output);
        Assert.Equal(28, stream.Status);

        static Task<Finished> Curl(params string[] words) => Command.RunAsync("/usr/bin/curl", ["-sS", .. words]);
    }
}
