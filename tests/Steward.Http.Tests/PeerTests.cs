using System.Collections.Concurrent;
using System.Net;
using System.Net.Sockets;
using System.Text;
using Steward.Core.Config;
using Steward.Core.Effects;
using Steward.Core.Inputs;
using Steward.Core.Model;
using Steward.Core.Supervision;
using Steward.Http.Api;
using Steward.Http.XmlRpc;
using Steward.Protocol.XmlRpc;

namespace Steward.Http.Tests;

/// <summary>Namespaces of other programs, and those that only Steward has.</summary>
public sealed class PeerTests : IDisposable
{
    private readonly FakeControl _control = new();
    private readonly List<FakePeer> _peers = [];
    private readonly string _folder = Directory.CreateTempSubdirectory("steward-peer-").FullName;
    private readonly CancellationTokenSource _end = new();
    private RpcCalls? _calls;

    public void Dispose()
    {
        _peers.ForEach(peer => peer.Dispose());
        _end.Dispose();
        Directory.Delete(_folder, recursive: true);
    }

    private FakePeer Peer(string name, Func<string, string> answer, int timeout = 30, bool unix = false)
    {
        var peer = new FakePeer(unix ? Path.Combine(_folder, name + ".sock") : null, answer);
        _peers.Add(peer);
        Use(name, peer.Url, timeout);
        return peer;
    }

    private void Use(string name, string url, int timeout = 30)
    {
        Assert.True(RpcPeer.TryParse(url, timeout, out RpcPeer? address, out string? error), error);
        _control.RpcInterfaces = [.. _control.RpcInterfaces, new(name, "") { Kind = RpcInterfaceKind.Peer, Peer = address }];
    }

    private async Task<string> CallAsync(string method, params XmlRpcValue[] parameters)
    {
        using var writer = new XmlRpcWriter();
        writer.BeginResponse();
        _calls ??= new RpcCalls(_control, new JournalCalls(new JournalQueries(_control, null)), null, "9.8.7", _end.Token);
        DeferredCall? later = _calls.Call(method, parameters, new Tester(), writer, out Fault? fault);
        if (later is not null)
        {
            fault = await later.Task.WaitAsync(TimeSpan.FromMilliseconds(TestClient.LimitMs));
        }

        if (fault is not null)
        {
            return (int)fault.Code + " " + fault.Text;
        }

        writer.EndResponse();
        Assert.Equal(XmlRpcReadError.None, XmlRpcReader.ReadResponse(writer.Written.Span, out XmlRpcResponse? response));
        return RpcText.Show(response!.Value!);
    }

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public async Task A_call_is_passed_on_and_so_is_its_answer(bool unix)
    {
        FakePeer peer = Peer("mine", _ => FakePeer.Ok(FakePeer.Value("<struct><member><name>a</name><value><int>1</int></value></member></struct>")), unix: unix);
        Assert.Equal("{\"a\":1}", await CallAsync("mine.get", "x", 3));
        Assert.Equal("mine.get(x, 3)", Assert.Single(peer.Calls));
        Assert.StartsWith("POST /RPC2 HTTP/1.0\r\n", Assert.Single(peer.Heads));
    }

    [Theory]
    [InlineData("mine.deep.er")]
    [InlineData("mine.")]
    public async Task Any_name_of_the_namespace_is_its_programs(string name)
    {
        FakePeer peer = Peer("mine", _ => FakePeer.Ok(FakePeer.Value("<boolean>1</boolean>")));
        Assert.Equal("true", await CallAsync(name));
        Assert.Equal(name + "()", Assert.Single(peer.Calls));
    }

    [Fact]
    public async Task Its_faults_keep_their_code_and_text()
    {
        Peer("mine", _ => FakePeer.Ok("<methodResponse><fault>" + FakePeer.Value(
            "<struct><member><name>faultCode</name><value><int>777</int></value></member>"
            + "<member><name>faultString</name><value>NOT_TODAY: x</value></member></struct>") + "</fault></methodResponse>", whole: true));
        Assert.Equal("777 NOT_TODAY: x", await CallAsync("mine.get"));
    }

    [Theory]
    [InlineData("HTTP/1.1 500 Oh no\r\n\r\n", "answered HTTP 500 Oh no")]
    [InlineData("SSH-2.0-x\r\n\r\n", "does not speak HTTP")]
    [InlineData("HTTP/1.0 200 OK\r\n\r\nhello", "gave an answer that is not XML-RPC")]
    [InlineData("HTTP/1.0 200 OK\r\nContent-Length: x\r\n\r\nhello", "gave an answer without a proper length")]
    [InlineData("HTTP/1.0 200 OK\r\nContent-Length: 100\r\n\r\nhello", "closed the connection before its answer was complete")]
    [InlineData("HTTP/1.0 200 OK\r\nContent-Length: 999999999\r\n\r\nhello", "gave an answer of more than 8 MiB")]
    [InlineData("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", "answered in chunks, which HTTP/1.0 does not have")]
    [InlineData("", "closed the connection before it answered")]
    public async Task What_is_wrong_with_an_answer_is_told(string response, string expected)
    {
        FakePeer peer = Peer("mine", _ => response);
        Assert.Equal($"30 FAILED: mine: the program at {peer.Url} {expected}", await CallAsync("mine.get"));
    }

    [Fact]
    public async Task An_answer_without_end_is_cut()
    {
        FakePeer peer = Peer("mine", _ => "HTTP/1.0 200 OK\r\n\r\n" + new string('x', (8 << 20) + 100));
        Assert.Equal($"30 FAILED: mine: the program at {peer.Url} gave an answer of more than 8 MiB", await CallAsync("mine.get"));
    }

    [Fact]
    public async Task Who_is_not_there_is_told()
    {
        Use("gone", $"unix://{_folder}/gone.sock");
        Assert.Equal($"30 FAILED: gone: the program at unix://{_folder}/gone.sock does not listen: there is no such socket", await CallAsync("gone.x"));
        FakePeer peer = Peer("mine", _ => "");
        peer.Dispose();
        Assert.Equal($"30 FAILED: mine: the program at {peer.Url} does not listen: connection refused", await CallAsync("mine.x"));
    }

    [Fact]
    public async Task Who_does_not_answer_is_not_waited_for()
    {
        using var never = new ManualResetEventSlim();
        FakePeer peer = Peer("mine", _ =>
        {
            never.Wait(TestClient.LimitMs);
            return "";
        }, timeout: 1);
        Assert.Equal($"30 FAILED: mine: the program at {peer.Url} did not answer in time", await CallAsync("mine.get"));
        Assert.Equal("4711", await CallAsync("supervisor.getPID"));
        never.Set();
    }

    [Fact]
    public async Task Calls_beyond_the_bound_are_refused_and_the_others_are_answered()
    {
        using var go = new ManualResetEventSlim();
        int most = 0;
        int now = 0;
        FakePeer peer = Peer("mine", _ =>
        {
            int open = Interlocked.Increment(ref now);
            InterlockedMax(ref most, open);
            go.Wait(TestClient.LimitMs);
            Interlocked.Decrement(ref now);
            return FakePeer.Ok(FakePeer.Value("<int>1</int>"));
        });
        _calls = new RpcCalls(_control, new JournalCalls(new JournalQueries(_control, null)), null, "1", _end.Token);
        int admitted = RpcPeers.MaxCalls + RpcPeers.MaxWaiting;
        Task<string>[] calls = [.. Enumerable.Range(0, admitted + 5).Select(_ => CallAsync("mine.get"))];
        string refused = $"30 FAILED: mine: the program at {peer.Url} {admitted} calls are open already";
        await Task.WhenAll(calls[admitted..]).WaitAsync(TimeSpan.FromMilliseconds(TestClient.LimitMs));
        Assert.All(calls[admitted..], call => Assert.Equal(refused, call.Result));
        go.Set();
        Assert.All(await Task.WhenAll(calls[..admitted]), answer => Assert.Equal("1", answer));
        Assert.InRange(most, 1, RpcPeers.MaxCalls);
    }

    [Fact]
    public async Task Its_methods_are_listed_and_described_and_the_list_is_kept_for_a_while()
    {
        FakePeer peer = Peer("mine", call => call switch
        {
            "system.listMethods()" => FakePeer.Ok(FakePeer.Value(
                "<array><data><value>mine.get</value><value>other.x</value><value>system.listMethods</value></data></array>")),
            "system.methodHelp(mine.get)" => FakePeer.Ok(FakePeer.Value("<string>gets</string>")),
            _ => FakePeer.Ok(FakePeer.Value("<array><data><value>int</value></data></array>")),
        });
        Use("gone", $"unix://{_folder}/gone.sock");
        string list = await CallAsync("system.listMethods");
        Assert.StartsWith("[\"mine.get\",\"supervisor.addProcessGroup\",", list);
        Assert.DoesNotContain("other.x", list);
        Assert.Equal(list, await CallAsync("system.listMethods"));
        Assert.Single(peer.Calls);
        Assert.Contains(_control.Lines, line => line.Text.StartsWith("the methods of RPC interface 'gone' cannot be listed: FAILED: gone: ", StringComparison.Ordinal));
        Assert.Equal("\"gets\"", await CallAsync("system.methodHelp", "mine.get"));
        Assert.Equal("[\"int\"]", await CallAsync("system.methodSignature", "mine.get"));
    }

    [Fact]
    public async Task It_may_stand_in_a_multicall()
    {
        Peer("mine", _ => FakePeer.Ok(FakePeer.Value("<int>5</int>")));
        XmlRpcValue One(string name) => new XmlRpcStruct(KeyValuePair.Create("methodName", XmlRpcValue.FromString(name)));
        Assert.Equal("[5,4711,5]", await CallAsync("system.multicall", new XmlRpcArray(One("mine.get"), One("supervisor.getPID"), One("mine.get"))));
    }

    [Fact]
    public async Task The_pools_of_listeners_are_told()
    {
        _control.Pools =
        [
            new EventPoolSnapshot
            {
                Name = "w",
                Events = ["TICK_5"],
                BufferSize = 10,
                Buffered = 1,
                Delivered = 2,
                Rejected = 3,
                Returned = 4,
                Discarded = 5,
                Listeners = [new ListenerSnapshot("w", ProcessState.Running, "BUSY", 17), new ListenerSnapshot("v", ProcessState.Stopped, "", null)],
            },
        ];
        Assert.Equal(
            "[{\"name\":\"w\",\"events\":[\"TICK_5\"],\"buffer_size\":10,\"buffered\":1,\"delivered\":2,\"rejected\":3,\"returned\":4,\"discarded\":5,"
            + "\"listeners\":[{\"name\":\"w\",\"state\":20,\"statename\":\"RUNNING\",\"protocol\":\"BUSY\",\"serial\":\"17\"},"
            + "{\"name\":\"v\",\"state\":0,\"statename\":\"STOPPED\",\"protocol\":\"\",\"serial\":\"\"}]}]",
            await CallAsync("steward.getEventPools"));
        Assert.Equal("[\"steward.getEventPools\",\"steward.getEvents\",\"steward.getHistory\",\"steward.getHooks\",\"steward.getIntents\",\"steward.listMethods\",\"steward.setIntent\",\"steward.signalProcessTree\",\"steward.testHook\",\"steward.upgrade\",\"steward.why\"]", await CallAsync("steward.listMethods"));
        Assert.Equal("true", await CallAsync("steward.signalProcessTree", "a", "TERM"));
        Assert.Equal(new SignalProcessTree("a", "TERM"), Assert.Single(_control.Commands));
        Assert.DoesNotContain("steward.", await CallAsync("system.listMethods"));
        _control.RpcInterfaces = [];
        Assert.Equal("1 UNKNOWN_METHOD", await CallAsync("steward.getEventPools"));
    }

    [Fact]
    public async Task Twiddlers_methods_are_built_in()
    {
        _control.RpcInterfaces = [new("twiddler", "") { Kind = RpcInterfaceKind.Twiddler }, new("laforge", "") { Kind = RpcInterfaceKind.Laforge }];
        _control.Add(FakeControl.Snapshot("g", "b"));
        Assert.Equal("[\"g\"]", await CallAsync("twiddler.getGroupNames"));
        XmlRpcValue options = new XmlRpcStruct(
            KeyValuePair.Create("command", XmlRpcValue.FromString("x")),
            KeyValuePair.Create("startsecs", XmlRpcValue.FromInt64(3)),
            KeyValuePair.Create("autostart", XmlRpcValue.FromBoolean(false)));
        Assert.Equal("true", await CallAsync("twiddler.addProgramToGroup", "g", "p", options));
        Assert.Equal("g p command=x,startsecs=3,autostart=false", Assert.Single(_control.Added));
        Assert.Equal("2 INCORRECT_PARAMETERS", await CallAsync("twiddler.addProgramToGroup", "g", "p", "x"));
        Assert.Equal("true", await CallAsync("twiddler.removeProcessFromGroup", "g", "b"));
        Assert.Equal(new RemoveProcess("g", "b"), Assert.Single(_control.Commands));
        Assert.Equal("true", await CallAsync("twiddler.log", "two\nlines", "WARN"));
        Assert.Equal("true", await CallAsync("twiddler.log", "plain"));
        Assert.Equal([(LogLevel.Warn, "two lines"), (LogLevel.Info, "plain")], _control.Lines);
        Assert.Equal("2 INCORRECT_PARAMETERS", await CallAsync("twiddler.log", "x", "loud"));
        Assert.Equal("true", await CallAsync("laforge.killProcess", "g:b", 9));
        Assert.Equal(new SignalProcess("g:b", "9"), _control.Commands.Last());
        Assert.Contains("\"laforge.killProcess\"", await CallAsync("system.listMethods"));
        Assert.Equal("1 UNKNOWN_METHOD", await CallAsync("steward.getEventPools"));
    }

    [Theory]
    [InlineData("log")]
    [InlineData("twiddler.log")]
    public async Task What_is_not_in_the_whitelist_is_refused(string entry)
    {
        _control.RpcInterfaces = [new("twiddler", "") { Kind = RpcInterfaceKind.Twiddler, Whitelist = [entry] }];
        Assert.Equal("true", await CallAsync("twiddler.log", "x"));
        Assert.Equal("230 UNKNOWN: getGroupNames", await CallAsync("twiddler.getGroupNames"));
    }

    private static void InterlockedMax(ref int most, int value)
    {
        int seen;
        while ((seen = Volatile.Read(ref most)) < value && Interlocked.CompareExchange(ref most, value, seen) != seen)
        {
            // Somebody else was faster.
        }
    }

    private sealed class Tester : IRequester
    {
        public string Requester => "the tester";
    }

    /// <summary>A program that answers each connection with what a test says, whole responses included.</summary>
    private sealed class FakePeer : IDisposable
    {
        private readonly Socket _listener;
        private readonly Func<string, string> _answer;

        public FakePeer(string? path, Func<string, string> answer)
        {
            _answer = answer;
            _listener = path is null
                ? new Socket(AddressFamily.InterNetwork, SocketType.Stream, ProtocolType.Tcp)
                : new Socket(AddressFamily.Unix, SocketType.Stream, ProtocolType.Unspecified);
            _listener.Bind(path is null ? new IPEndPoint(IPAddress.Loopback, 0) : new UnixDomainSocketEndPoint(path));
            _listener.Listen(512);
            Url = path is null ? $"http://127.0.0.1:{((IPEndPoint)_listener.LocalEndPoint!).Port}" : "unix://" + path;
            new Thread(Accept) { IsBackground = true }.Start();
        }

        public string Url { get; }

        public ConcurrentQueue<string> Calls { get; } = new();

        public ConcurrentQueue<string> Heads { get; } = new();

        public static string Value(string inner) => $"<value>{inner}</value>";

        public static string Ok(string body, bool whole = false)
        {
            string text = whole ? body : $"<methodResponse><params><param>{body}</param></params></methodResponse>";
            return $"HTTP/1.0 200 OK\r\nContent-Length: {text.Length}\r\n\r\n{text}";
        }

        public void Dispose() => _listener.Dispose();

        private void Accept()
        {
            try
            {
                while (true)
                {
                    Socket connection = _listener.Accept();
                    new Thread(() => Serve(connection)) { IsBackground = true }.Start();
                }
            }
            catch (Exception e) when (e is SocketException or ObjectDisposedException)
            {
                // The end of the test.
            }
        }

        private void Serve(Socket connection)
        {
            using (connection)
            {
                try
                {
                    var bytes = new List<byte>();
                    byte[] buffer = new byte[8192];
                    string text;
                    while (!(text = Encoding.UTF8.GetString([.. bytes])).Contains("</methodCall>"))
                    {
                        bytes.AddRange(buffer[..connection.Receive(buffer)]);
                    }

                    int body = text.IndexOf("\r\n\r\n", StringComparison.Ordinal) + 4;
                    Heads.Enqueue(text[..body]);
                    Assert.Equal(XmlRpcReadError.None, XmlRpcReader.ReadCall(Encoding.UTF8.GetBytes(text[body..].Trim()), out XmlRpcCall? call));
                    string shown = $"{call!.Method}({string.Join(", ", call.Parameters.Select(p => p is XmlRpcString s ? s.Value : RpcText.Show(p)))})";
                    Calls.Enqueue(shown);
                    byte[] response = Encoding.UTF8.GetBytes(_answer(shown));
                    for (int sent = 0; sent < response.Length;)
                    {
                        sent += connection.Send(response.AsSpan(sent));
                    }
                }
                catch (Exception e) when (e is SocketException or ObjectDisposedException)
                {
                    // The other side has seen enough.
                }
            }
        }
    }
}
