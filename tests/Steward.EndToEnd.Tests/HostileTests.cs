using System.Net.Sockets;
using System.Text;

namespace Steward.EndToEnd;

/// <summary>
/// Seeded nonsense: ten thousand requests and ten thousand lines of configuration. The daemon goes on answering, with as many descriptors
/// as before. A failure names its seed.
/// </summary>
public sealed class HostileTests
{
    private static readonly string[] s_pieces =
    [
        "<?xml version='1.0'?>", "<methodCall>", "</methodCall>", "<methodName>", "</methodName>", "supervisor.getState", "supervisor.getProcessInfo",
        "supervisor.readLog", "system.multicall", "system.methodHelp", "<params>", "</params>", "<param>", "</param>", "<value>", "</value>", "<string>",
        "</string>", "<int>", "</int>", "<i8>", "99999999999999999999", "-1", "<struct>", "</struct>", "<member>", "</member>", "<name>", "</name>",
        "<array>", "</array>", "<data>", "</data>", "<nil/>", "<base64>", "</base64>", "<double>nan</double>", "<boolean>2</boolean>", "&amp;",
        "&lt", "&#0;", "&x;", "<!DOCTYPE a [<!ENTITY x \"y\">]>", "<![CDATA[", "]]>", "<!--", "-->", "\0", "\uffff", "é", "\r\n", "sleeper", "*", ":",
    ];

    private static readonly string[] s_headers =
    [
        "Host: localhost", "Host:", "Content-Length: 5", "Content-Length: -1", "Content-Length: 99999999999999", "Content-Length: x",
        "Transfer-Encoding: chunked", "Transfer-Encoding: gzip, chunked", "Connection: close", "Connection: keep-alive", "Expect: 100-continue",
        "Authorization: Basic !!!", "Authorization: Basic " + "QUFB", "Authorization: Bearer x", "Range: bytes=0-", "Upgrade: h2c", ": nothing",
        "No colon at all", "X-Long: " + "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa", "Cookie: \u0001", "Content-Type: text/xml",
    ];

    private static readonly string[] s_targets =
    [
        "/RPC2", "/", "/index.html", "/index.html?action=bogus&processname=sleeper", "/tail.html?processname=sleeper&limit=-5", "/logtail/sleeper",
        "/logtail/../../etc/passwd", "/mainlogtail", "/%00", "/%zz", "/..%2f..%2f", "*", "http://localhost/RPC2", "/RPC2?" + "x=y", "//", "",
    ];

    private static readonly string[] s_lines =
    [
        "[supervisord]", "[program:a]", "[program:b c]", "[group:g]", "[eventlistener:l]", "[fcgi-program:f]", "[include]", "[unix_http_server]",
        "[inet_http_server]", "[rpcinterface:x]", "[", "]", "[]", "[program:]", "[program:a:b]", "command=/bin/cat", "command=", "command", "=", ":", "programs=a,b",
        "programs=,", "numprocs=3", "numprocs=100000000000", "numprocs=-1", "process_name=%(process_num)d", "process_name=%(nope)s", "priority=1e9",
        "environment=A=1,B", "environment=A=\"", "environment=%(ENV_NOPE)s", "stopsignal=SIGNOPE", "user=nobody-at-all", "umask=999", "exitcodes=0,256",
        "exitcodes=a", "stdout_logfile=/nonexistent/x", "stdout_logfile_maxbytes=10PB", "files=*.nothing", "files=%(here)s", "events=NONE", "events=", "socket=ftp://x",
        "port=0", "port=:::", "chmod=888", "autorestart=perhaps", "; comment", "   continuation = of = something", "\tx", "a=%", "a=%(", "a=%(here)", "a=%%%", "é=ü", "\0",
    ];

    [Fact]
    public async Task Hostile_requests_neither_stop_the_daemon_nor_leak()
    {
        await using var daemon = new TestDaemon("[program:sleeper]\ncommand=/bin/sleep 100000\nstartsecs=0");
        await daemon.StartAsync();
        await daemon.ReachesAsync("sleeper", "RUNNING");
        await BatchAsync(daemon, 0, 500); // what grows once, grows now
        await Waiting.UntilAsync(async () => await AnswersAloneAsync(daemon), () => daemon.Account());
        var before = ProcessTable.DescriptorsOf(daemon.Pid);
        for (var first = 500; first < 10_000; first += 500)
        {
            await BatchAsync(daemon, first, 500);
            Assert.True(daemon.ExitStatus is null, $"the daemon ended with {daemon.ExitStatus} in seeds {first} to {first + 499}\n{daemon.Account()}");
        }

        var pid = (int)(await daemon.Rpc.CallAsync("supervisor.getPID"))!;
        Assert.Equal(daemon.Pid, pid);
        Assert.Equal("RUNNING", (await daemon.ReachesAsync("sleeper", "RUNNING")).State);
        await Waiting.UntilAsync(
            () => ProcessTable.DescriptorsOf(daemon.Pid) <= before + 2,
            () => $"{before} descriptors before, {ProcessTable.DescriptorsOf(daemon.Pid)} after\n{daemon.Account()}");
        Assert.Equal(0, await daemon.StopAsync());
    }

    [Fact]
    public async Task Hostile_configurations_are_refused_in_words()
    {
        var folder = Directory.CreateTempSubdirectory("steward-e2e.").FullName;
        try
        {
            for (var seed = 0; seed < 200; seed++)
            {
                var random = new Random(seed);
                var file = Path.Combine(folder, "hostile.conf");
                await File.WriteAllTextAsync(file, "[supervisord]\n" + string.Concat(Enumerable.Range(0, 50).Select(_ => Pick(random, s_lines) + "\n")));
                var check = await Command.RunAsync(Path.Combine(TestDaemon.Bin, "steward"), ["check", file], folder: folder);
                Assert.True(check.Status is 0 or 1, $"seed {seed}: ended with {check.Status}\n{check.Output}\n{check.Error}");
                Assert.DoesNotContain("   at Steward.", check.Output + check.Error, StringComparison.Ordinal);
                Assert.True(check.Status == 0 || check.Output.Length + check.Error.Length > 0, $"seed {seed}: refused without a word");
            }
        }
        finally
        {
            Directory.Delete(folder, recursive: true);
        }
    }

    private static async Task BatchAsync(TestDaemon daemon, int first, int count)
    {
        await Parallel.ForEachAsync(Enumerable.Range(first, count), new ParallelOptions { MaxDegreeOfParallelism = 8 }, async (seed, cancellation) =>
        {
            using var socket = new Socket(AddressFamily.Unix, SocketType.Stream, ProtocolType.Unspecified);
            await socket.ConnectAsync(new UnixDomainSocketEndPoint(daemon.Socket), cancellation);
            try
            {
                await socket.SendAsync(Request(new Random(seed)), cancellation);
                // Whoever has said all it will say must be told to go, or answered; a stream (logtail) goes on, so the first bytes are enough.
                socket.Shutdown(SocketShutdown.Send);
                using var limit = CancellationTokenSource.CreateLinkedTokenSource(cancellation);
                limit.CancelAfter(Waiting.Limit);
                await socket.ReceiveAsync(new byte[4096], limit.Token);
            }
            catch (SocketException)
            {
                // Cut off in the middle of nonsense: an answer, too.
            }
            catch (OperationCanceledException)
            {
                Assert.Fail($"seed {seed}: neither an answer nor an end\n{daemon.Account()}");
            }
        });
    }

    private static async Task<bool> AnswersAloneAsync(TestDaemon daemon) => await daemon.Rpc.CallAsync("supervisor.getPID") is int;

    private static byte[] Request(Random random)
    {
        var body = new StringBuilder();
        for (var n = random.Next(40); n > 0; n--)
        {
            body.Append(Pick(random, s_pieces));
        }

        if (random.Next(20) == 0)
        {
            body.Insert(0, string.Concat(Enumerable.Repeat("<value><array><data>", random.Next(2000))));
        }

        var bytes = Encoding.UTF8.GetBytes(body.ToString());
        for (var n = random.Next(8) - 4; n > 0 && bytes.Length > 0; n--)
        {
            bytes[random.Next(bytes.Length)] = (byte)random.Next(256);
        }

        // Half of them in good form around a bad body, half bad from the first line.
        if (random.Next(2) == 0)
        {
            return [.. Encoding.ASCII.GetBytes($"POST /RPC2 HTTP/1.1\r\nHost: localhost\r\nContent-Length: {bytes.Length}\r\n\r\n"), .. bytes];
        }

        var head = new StringBuilder();
        head.Append(Pick(random, ["GET", "POST", "HEAD", "PUT", "get", "", "OPTIONS", "\u0001"])).Append(' ').Append(Pick(random, s_targets)).Append(' ')
            .Append(Pick(random, ["HTTP/1.1", "HTTP/1.0", "HTTP/2.0", "HTTP/9", ""])).Append(Pick(random, ["\r\n", "\n", "\r\n\r\n"]));
        for (var n = random.Next(8); n > 0; n--)
        {
            head.Append(Pick(random, s_headers)).Append("\r\n");
        }

        head.Append(Pick(random, ["\r\n", "", "\n\n"]));
        return [.. Encoding.Latin1.GetBytes(head.ToString()), .. bytes];
    }

    private static string Pick(Random random, string[] from) => from[random.Next(from.Length)];

    [Fact]
    public async Task While_there_are_no_descriptors_clients_wait_and_logs_keep_their_names_and_the_log_says_so()
    {
        await using var daemon = new TestDaemon("""
            [program:x]
            command=/bin/sh -c 'while :; do echo 0123456789; sleep 0.01; done'
            stdout_logfile=%(here)s/x.log
            stdout_logfile_maxbytes=500
            stdout_logfile_backups=2
            """);
        await daemon.StartAsync();
        await daemon.ReachesAsync("x", "RUNNING");
        var log = Path.Combine(daemon.Folder, "x.log");
        await Waiting.UntilAsync(() => File.Exists(log + ".1"), () => "nothing is rotated");
        await Limit(8);
        await daemon.LogSaysAsync("x.log' cannot be rotated: [Errno 24] Too many open files; it grows beyond its limit");
        await Waiting.UntilAsync(() => new FileInfo(log) is { Exists: true, Length: > 1500 }, () => "nothing is written under its name");

        // Not over the connection that is open already.
        using var client = new RpcClient(daemon.Socket);
        var waits = client.CallAsync("supervisor.getPID");
        await daemon.LogSaysAsync("clients wait, as no connection can be accepted: too many open files");
        await Limit(4096);
        Assert.Equal(daemon.Pid, await waits);
        Assert.Equal(2, daemon.ReadLog().Split("clients wait").Length);
        await Waiting.UntilAsync(() => new FileInfo(log) is { Exists: true, Length: < 1000 }, () => "nothing is rotated any more");

        async Task Limit(int descriptors) =>
            (await Command.RunAsync("/usr/bin/prlimit", [$"--pid={daemon.Pid}", $"--nofile={descriptors}:"])).AssertSuccess();
    }
}
