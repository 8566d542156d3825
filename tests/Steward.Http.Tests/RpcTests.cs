using System.Diagnostics;
using System.Text;
using System.Text.Json;
using System.Text.RegularExpressions;
using Steward.Core.Config;
using Steward.Core.Effects;
using Steward.Core.Inputs;
using Steward.Core.Model;
using Steward.Http.Api;
using Steward.Http.XmlRpc;
using Steward.Protocol.XmlRpc;

namespace Steward.Http.Tests;

public partial class RpcTests
{
    private readonly FakeControl _control = new();
    private readonly FakeHooks _hooks = new();

    /// <summary>Calls through the bytes of the answer; a fault is <c>code text</c>.</summary>
    private async Task<object> CallAsync(string method, params XmlRpcValue[] parameters)
    {
        using var writer = new XmlRpcWriter();
        writer.BeginResponse();
        var calls = new RpcCalls(_control, new JournalCalls(new JournalQueries(_control, null)), _hooks, "9.8.7", CancellationToken.None);
        DeferredCall? later = calls.Call(method, parameters, new Tester(), writer, out Fault? fault);
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
        return response!.Value!;
    }

    private sealed class Tester : IRequester
    {
        public string Requester => "the tester";
    }

    private async Task<string> TextAsync(string method, params XmlRpcValue[] parameters) =>
        await CallAsync("supervisor." + method, parameters) switch
        {
            string fault => fault,
            XmlRpcValue value => Show(value),
            _ => throw new UnreachableException(),
        };

    private static string Show(XmlRpcValue value) => RpcText.Show(value);

    private static readonly JsonSerializerOptions Relaxed =
        new() { Encoder = System.Text.Encodings.Web.JavaScriptEncoder.UnsafeRelaxedJsonEscaping };

    [Fact]
    public async Task Queries_are_answered()
    {
        _control.Add(FakeControl.Snapshot("g", "b"));
        _control.Add(FakeControl.Snapshot("a", "a", ProcessState.Stopped));
        _control.Identifier = "my daemon";
        Assert.Equal("\"3.0\"", await TextAsync("getAPIVersion"));
        Assert.Equal("\"3.0\"", await TextAsync("getVersion"));
        Assert.Equal("\"9.8.7\"", await TextAsync("getSupervisorVersion"));
        Assert.Equal("\"my daemon\"", await TextAsync("getIdentification"));
        Assert.Equal("4711", await TextAsync("getPID"));
        Assert.Equal("{\"statecode\":1,\"statename\":\"RUNNING\"}", await TextAsync("getState"));
        Assert.StartsWith("{\"name\":\"b\",\"group\":\"g\",\"start\":1700000000,", await TextAsync("getProcessInfo", "g:b"));
        var all = (XmlRpcArray)await CallAsync("supervisor.getAllProcessInfo");
        Assert.Equal(["\"a\"", "\"b\""], all.Items.Select(item => Show(((XmlRpcStruct)item).Find("name")!)));
        Assert.Equal("[]", await TextAsync("getAllConfigInfo"));
    }

    [Fact]
    public async Task Names_of_methods_are_resolved_as_recorded()
    {
        foreach (JsonProperty row in Record.Of("xmlrpc.bad_arguments").EnumerateObject())
        {
            if (!row.Name.StartsWith("method ", StringComparison.Ordinal) || row.Value.ValueKind == JsonValueKind.String)
            {
                continue;
            }

            Assert.Equal("1 UNKNOWN_METHOD", await CallAsync(row.Name[8..^1]));
        }
    }

    [Fact]
    public async Task Numbers_of_arguments_are_refused_as_recorded()
    {
        int rows = 0;
        foreach (JsonProperty row in Record.Of("xmlrpc.bad_arguments").EnumerateObject())
        {
            string[] parts = row.Name.Split(' ');
            if (parts[0] == "method")
            {
                continue;
            }

            XmlRpcValue[] parameters = parts[1] switch
            {
                "none" => [],
                "extra" => ["extra"],
                "many" => ["a", "b", "c", "d", "e"],
                _ => throw new UnreachableException(row.Name),
            };
            string method = parts[0].Contains('.', StringComparison.Ordinal) ? parts[0] : "supervisor." + parts[0];
            Assert.Equal(2, row.Value.GetProperty("fault")[0].GetInt32());
            Assert.Equal(row.Value.GetProperty("fault")[1].GetString(), ((string)await CallAsync(method, parameters))[2..]);
            rows++;
        }

        Assert.True(rows > 50);
        Assert.Empty(_control.Commands);
    }

    [Fact]
    public async Task Names_of_processes_are_refused_as_recorded()
    {
        int rows = 0;
        foreach (JsonProperty row in Record.Of("xmlrpc.bad_names").EnumerateObject())
        {
            // The methods left out hand the name to the core as it is.
            Match match = MethodAndName().Match(row.Name);
            string method = match.Groups[1].Value;
            if (method != "getProcessInfo" && !ReadsLog().IsMatch(method))
            {
                continue;
            }

            XmlRpcValue name = match.Groups[2].Value;
            string answer = await TextAsync(method, method == "getProcessInfo" ? [name] : [name, 0, 10]);
            JsonElement fault = row.Value.GetProperty("fault");
            Assert.Equal($"{fault[0].GetInt32()} {fault[1].GetString()}", answer);
            rows++;
        }

        Assert.True(rows > 60, rows.ToString());
    }

    [GeneratedRegex("^(read|tail)Process")]
    private static partial Regex ReadsLog();

    [GeneratedRegex(@"^(\w+)\('(.*)'\)$")]
    private static partial Regex MethodAndName();

    [Fact]
    public async Task Log_slices_are_those_of_the_record()
    {
        string folder = Directory.CreateTempSubdirectory("steward-http-").FullName;
        try
        {
            string log = Path.Combine(folder, "x.log");
            string empty = Path.Combine(folder, "empty.log");
            string absent = Path.Combine(folder, "absent.log");
            File.WriteAllText(log, string.Concat(Enumerable.Range(0, 10).Select(i => $"{i:000000000}\n")));
            File.WriteAllText(empty, "");
            _control.Add(FakeControl.Snapshot("x", "x") with { StdoutLog = log, StderrLog = absent });
            _control.Add(FakeControl.Snapshot("e", "e") with { StdoutLog = empty });
            int rows = 0;
            foreach (JsonProperty row in Record.Of("xmlrpc.log_offsets").EnumerateObject())
            {
                string[] words = row.Name.Split(' ');
                string actual = words switch
                {
                    ["absent", "read"] => await TextAsync("readProcessStderrLog", "x", 0, 10),
                    ["absent", "tail"] => await TextAsync("tailProcessStderrLog", "x", 0, 10),
                    ["alias", "read"] => await TextAsync("readProcessLog", "x", 0, 10),
                    ["alias", "tail"] => await TextAsync("tailProcessLog", "x", 0, 10),
                    ["number", "as", "text"] => await TextAsync("readProcessStdoutLog", "x", "3", "4"),
                    ["empty", var method, var offset, var length] => await TextAsync(method, "e", long.Parse(offset), long.Parse(length)),
                    [var method, var offset, var length] => await TextAsync(method, "x", long.Parse(offset), long.Parse(length)),
                    _ => throw new UnreachableException(row.Name),
                };
                string expected = row.Value.ValueKind == JsonValueKind.Object
                    ? row.Value.GetProperty("fault")[0].GetInt32() + " "
                        + row.Value.GetProperty("fault")[1].GetString()!.Replace("<DIR>", folder, StringComparison.Ordinal)
                    : JsonSerializer.Serialize(row.Value, Relaxed);
                Assert.True(expected == actual, $"{row.Name}: {actual} is not {expected}");
                rows++;
            }

            Assert.True(rows > 200);
        }
        finally
        {
            Directory.Delete(folder, recursive: true);
        }
    }

    [Fact]
    public async Task Logs_that_cannot_be_read_are_refused()
    {
        string folder = Directory.CreateTempSubdirectory("steward-http-").FullName;
        try
        {
            string link = Path.Combine(folder, "link");
            File.CreateSymbolicLink(link, "/dev/stdin");
            _control.Add(FakeControl.Snapshot("p", "p") with { StdoutLog = "/dev/stdout", StderrLog = "" });
            _control.Add(FakeControl.Snapshot("q", "q") with { StdoutLog = link, StderrLog = folder });
            Assert.Equal("20 NO_FILE", await TextAsync("readLog", 0, 0));
            Assert.Equal("20 NO_FILE", await TextAsync("readProcessStderrLog", "p", 0, 0));
            Assert.Equal("[\"\",0,false]", await TextAsync("tailProcessStderrLog", "p", 5, 0));
            Assert.Equal("30 FAILED", await TextAsync("readProcessStdoutLog", "p", 0, 0));
            Assert.Equal("[\"\",5,false]", await TextAsync("tailProcessStdoutLog", "p", 5, 10));
            Assert.Equal("30 FAILED", await TextAsync("readProcessStdoutLog", "q", 0, 0));
            _control.MainLogPath = Path.Combine(folder, "main.log");
            Assert.Equal("20 NO_FILE: " + _control.MainLogPath, await TextAsync("readLog", 0, 0));
            File.WriteAllText(_control.MainLogPath, "main");
            Assert.Equal("\"main\"", await TextAsync("readMainLog", 0, 0));
            Assert.Equal("\"in\"", await TextAsync("readLog", -2, 0));
            Assert.Equal("3 BAD_ARGUMENTS", await TextAsync("readLog", -2, 1));
        }
        finally
        {
            Directory.Delete(folder, recursive: true);
        }
    }

    [Fact]
    public async Task Logs_that_are_no_text_are_read_with_replacements()
    {
        string folder = Directory.CreateTempSubdirectory("steward-http-").FullName;
        try
        {
            _control.MainLogPath = Path.Combine(folder, "main.log");
            File.WriteAllBytes(_control.MainLogPath, [.. "ö"u8, 0xFF, 0, 0x1B, (byte)'\r', (byte)'\n', .. "…z"u8]);
            Assert.Equal("\"ö\uFFFD\uFFFD\uFFFD\\r\\n…z\"", await TextAsync("readLog", 0, 0));
            Assert.Equal("\"\uFFFD\uFFFD\uFFFD\\r\\n…z\"", await TextAsync("readLog", 2, 0));
            // Cut inside of a character: what is left of it is dropped in front and replaced behind.
            Assert.Equal("\"z\"", await TextAsync("readLog", -2, 0));
            Assert.Equal("\"z\"", await TextAsync("readLog", -3, 0));
            Assert.Equal("\"\uFFFD\"", await TextAsync("readLog", 0, 1));
            // The sum of offset and length does not overflow.
            Assert.Equal("\"\"", await TextAsync("readLog", long.MaxValue, long.MaxValue));
            _control.Add(FakeControl.Snapshot("p", "p") with { StdoutLog = _control.MainLogPath });
            Assert.Equal("[\"\",11,false]", await TextAsync("tailProcessStdoutLog", "p", long.MaxValue, long.MaxValue));
            Assert.Equal("[\"\",11,true]", await TextAsync("tailProcessStdoutLog", "p", long.MinValue, long.MinValue));
        }
        finally
        {
            Directory.Delete(folder, recursive: true);
        }
    }

    [Fact]
    public async Task Commands_reach_the_core_as_given()
    {
        (string Method, XmlRpcValue[] Parameters, Command Command)[] rows =
        [
            ("startProcess", ["g:p"], new StartProcess("g:p", true)),
            ("startProcess", ["g:p", false], new StartProcess("g:p", false)),
            ("startProcess", ["g:p", 0], new StartProcess("g:p", false)),
            ("startProcess", ["g:p", 2], new StartProcess("g:p", true)),
            ("startProcess", ["g:p", "false"], new StartProcess("g:p", true)),
            ("startProcess", ["g:p", ""], new StartProcess("g:p", false)),
            ("startProcess", ["g:p", XmlRpcNil.Instance], new StartProcess("g:p", false)),
            ("startProcess", ["g:p", new XmlRpcArray()], new StartProcess("g:p", false)),
            ("startProcess", ["g:p", new XmlRpcDouble(0.5)], new StartProcess("g:p", true)),
            ("startProcessGroup", ["g", false], new StartGroup("g", false)),
            ("startAllProcesses", [], new StartAll(true)),
            ("startAllProcesses", [false], new StartAll(false)),
            ("stopProcess", [""], new StopProcess("", true)),
            ("stopProcessGroup", ["g"], new StopGroup("g", true)),
            ("stopAllProcesses", [false], new StopAll(false)),
            ("signalProcess", ["p", "hup"], new SignalProcess("p", "hup")),
            ("signalProcess", ["p", 1], new SignalProcess("p", "1")),
            ("signalProcessGroup", ["g", " 9 "], new SignalGroup("g", " 9 ")),
            ("signalAllProcesses", ["NOPE"], new SignalAll("NOPE")),
            ("sendRemoteCommEvent", ["t", "d"], new SendRemoteCommEvent("t", "d")),
            ("clearProcessLogs", ["p"], new ClearProcessLogs("p")),
            ("clearProcessLog", ["p"], new ClearProcessLogs("p")),
            ("clearAllProcessLogs", [], new ClearAllProcessLogs()),
            ("addProcessGroup", ["g"], new AddProcessGroup("g")),
            ("removeProcessGroup", ["g"], new RemoveProcessGroup("g")),
            ("shutdown", [], new Shutdown()),
            ("restart", [], new Restart()),
        ];
        foreach ((string method, XmlRpcValue[] parameters, Command command) in rows)
        {
            _control.Commands.Clear();
            Assert.Equal("true", await TextAsync(method, parameters));
            Assert.Equal([command], _control.Commands);
        }

        Assert.Equal("true", await TextAsync("sendProcessStdin", "p", "ö\n"));
        var sent = Assert.IsType<SendProcessStdin>(_control.Commands.Last());
        Assert.Equal("p", sent.Name);
        Assert.Equal("ö\n"u8.ToArray(), sent.Data);
    }

    [Fact]
    public async Task Arguments_of_a_wrong_type_are_refused()
    {
        XmlRpcValue nil = XmlRpcNil.Instance;
        (string Method, XmlRpcValue[] Parameters, string Fault)[] rows =
        [
            ("getProcessInfo", [5], "2 INCORRECT_PARAMETERS"),
            ("getProcessInfo", [nil], "2 INCORRECT_PARAMETERS"),
            ("startProcess", [new XmlRpcArray("a")], "2 INCORRECT_PARAMETERS"),
            ("stopProcessGroup", [true], "2 INCORRECT_PARAMETERS"),
            ("signalProcess", ["p", nil], "2 INCORRECT_PARAMETERS"),
            ("readLog", ["x", 0], "2 INCORRECT_PARAMETERS"),
            ("readProcessLog", ["p", 0, ""], "2 INCORRECT_PARAMETERS"),
            ("tailProcessLog", [0, 0, 0], "2 INCORRECT_PARAMETERS"),
            ("sendProcessStdin", ["p", 5], "2 INCORRECT_PARAMETERS: 5"),
            ("sendProcessStdin", ["p", true], "2 INCORRECT_PARAMETERS: True"),
            ("sendProcessStdin", [5, 5], "2 INCORRECT_PARAMETERS: 5"),
            ("sendProcessStdin", [5, "x"], "2 INCORRECT_PARAMETERS"),
            ("sendRemoteCommEvent", [5, "x"], "2 INCORRECT_PARAMETERS"),
        ];
        foreach ((string method, XmlRpcValue[] parameters, string fault) in rows)
        {
            Assert.Equal(fault, await TextAsync(method, parameters));
        }

        Assert.Empty(_control.Commands);
    }

    [Fact]
    public async Task Numbers_are_converted()
    {
        string log = Path.GetTempFileName();
        try
        {
            File.WriteAllText(log, "0123456789");
            _control.MainLogPath = log;
            Assert.Equal("\"345\"", await TextAsync("readLog", "3", " 3 "));
            Assert.Equal("\"345\"", await TextAsync("readLog", new XmlRpcDouble(3.9), new XmlRpcDouble(3.1)));
            Assert.Equal("\"1\"", await TextAsync("readLog", true, true));
            Assert.Equal("\"\"", await TextAsync("readLog", new XmlRpcDouble(1e300), 0));
        }
        finally
        {
            File.Delete(log);
        }
    }

    [Fact]
    public async Task Outcomes_are_passed_on()
    {
        _control.Answer = _ => Task.FromResult<Outcome>(new Refused(new Fault(FaultCode.AlreadyStarted, "p")));
        Assert.Equal("60 ALREADY_STARTED: p", await TextAsync("startProcess", "p"));
        _control.Answer = _ => Task.FromResult<Outcome>(new Statuses([new ProcessStatus("p", "g", FaultCode.NoFile, "NO_FILE: x")]));
        Assert.Equal(
            "[{\"name\":\"p\",\"group\":\"g\",\"status\":20,\"description\":\"NO_FILE: x\"}]", await TextAsync("startProcessGroup", "g"));
        _control.AnswerReread = () => Task.FromResult<Outcome>(new Reread(["a", "b"], [], ["c"]));
        Assert.Equal("[[[\"a\",\"b\"],[],[\"c\"]]]", await TextAsync("reloadConfig"));
        _control.AnswerReread = () => Task.FromResult<Outcome>(new Refused(new Fault(FaultCode.CantReread, "why")));
        Assert.Equal("92 CANT_REREAD: why", await TextAsync("reloadConfig"));
        Assert.Equal("true", await TextAsync("clearLog"));
        _control.AnswerClearMainLog = () => Task.FromResult<Outcome>(new Refused(new Fault(FaultCode.NoFile)));
        Assert.Equal("20 NO_FILE", await TextAsync("clearLog"));
    }

    [Theory]
    [InlineData(DaemonState.Shutdown)]
    [InlineData(DaemonState.Restarting)]
    public async Task While_the_daemon_stops_only_events_and_introspection_work(DaemonState state)
    {
        _control.State = state;
        foreach (XmlRpcMethod method in XmlRpcMethods.Supervisor.Values)
        {
            // Nothing else is looked at first, not even the types.
            XmlRpcValue[] parameters = [.. Enumerable.Repeat((XmlRpcValue)XmlRpcNil.Instance, method.Required)];
            if (method.Verb != XmlRpcVerb.SendRemoteCommEvent)
            {
                Assert.Equal("6 SHUTDOWN_STATE", await TextAsync(method.Name, parameters));
            }
        }

        Assert.Equal("2 INCORRECT_PARAMETERS", await TextAsync("getState", "extra"));
        Assert.Empty(_control.Commands);
        Assert.Equal("true", await TextAsync("sendRemoteCommEvent", "t", "d"));
        Assert.IsType<XmlRpcArray>(await CallAsync("system.listMethods"));
    }

    [Fact]
    public async Task Methods_are_listed_and_described()
    {
        var names = (XmlRpcArray)await CallAsync("system.listMethods");
        Assert.Equal(
            Record.Of("xmlrpc.identity").GetProperty("unix methods").EnumerateArray().Select(name => name.GetString()),
            names.Items.Select(name => ((XmlRpcString)name).Value));
        Assert.Equal("[\"boolean\",\"string\",\"boolean\"]", Show((XmlRpcValue)await CallAsync("system.methodSignature", "supervisor.startProcess")));
        Assert.Equal("[\"array\",\"array\"]", Show((XmlRpcValue)await CallAsync("system.methodSignature", "system.multicall")));
        Assert.StartsWith(" ", ((XmlRpcString)await CallAsync("system.methodHelp", "supervisor.getState")).Value);
        Assert.Equal("4 SIGNATURE_UNSUPPORTED", await CallAsync("system.methodHelp", "supervisor.nothing"));
        Assert.Equal("4 SIGNATURE_UNSUPPORTED", await CallAsync("system.methodSignature", "nothing"));
        Assert.Equal("4 SIGNATURE_UNSUPPORTED", await CallAsync("system.methodSignature", 5));
    }

    [Fact]
    public async Task Namespaces_are_those_of_the_configuration()
    {
        _control.RpcInterfaces = [];
        Assert.Equal("1 UNKNOWN_METHOD", await CallAsync("supervisor.getState"));
        Assert.Equal(4, ((XmlRpcArray)await CallAsync("system.listMethods")).Items.Count);
        _control.RpcInterfaces = [new RpcInterfaceConfig("other", "supervisor.rpcinterface:make_main_rpcinterface")];
        Assert.Equal("1 UNKNOWN_METHOD", await CallAsync("supervisor.getState"));
        Assert.IsType<XmlRpcStruct>(await CallAsync("other.getState"));
        Assert.Equal("1 UNKNOWN_METHOD", await CallAsync("other.listMethods"));
    }

    [Fact]
    public async Task The_namespace_of_our_own_can_be_called_without_being_listed()
    {
        Assert.Equal("30 FAILED: " + JournalQueries.NoJournal, await CallAsync("steward.why", "web"));
        Assert.Equal("2 INCORRECT_PARAMETERS", await CallAsync("steward.getEvents", "x", 1));
        Assert.Equal("2 INCORRECT_PARAMETERS", await CallAsync("steward.getHistory", "x"));
        Assert.Equal("1 UNKNOWN_METHOD", await CallAsync("steward.nothing"));
        Assert.DoesNotContain(
            ((XmlRpcArray)await CallAsync("system.listMethods")).Items,
            static name => ((XmlRpcString)name).Value.StartsWith("steward.", StringComparison.Ordinal));
    }

    [Fact]
    public async Task An_intent_is_passed_on_with_its_reason_and_who_asks()
    {
        Assert.Equal("true", Show((XmlRpcValue)await CallAsync("steward.setIntent", "g:p", false, "disk full")));
        Assert.Equal("true", Show((XmlRpcValue)await CallAsync("steward.setIntent", "g:p", true)));
        Assert.Equal([new SetIntent("g:p", false, "disk full"), new SetIntent("g:p", true, "")], _control.Commands);
        Assert.Equal(["the tester", "the tester"], _control.Requesters);

        _control.Answer = static _ => Task.FromResult<Outcome>(new Refused(new Fault(FaultCode.BadName, "x")));
        Assert.Equal("10 BAD_NAME: x", await CallAsync("steward.setIntent", "x", false));
    }

    [Fact]
    public async Task An_intent_takes_a_name_a_boolean_and_perhaps_a_text()
    {
        Assert.Equal("2 INCORRECT_PARAMETERS", await CallAsync("steward.setIntent", "p"));
        Assert.Equal("2 INCORRECT_PARAMETERS", await CallAsync("steward.setIntent", 1, false));
        Assert.Equal("2 INCORRECT_PARAMETERS", await CallAsync("steward.setIntent", "p", "false"));
        Assert.Equal("2 INCORRECT_PARAMETERS", await CallAsync("steward.setIntent", "p", false, 1));
        Assert.Equal("2 INCORRECT_PARAMETERS", await CallAsync("steward.setIntent", "p", false, "x", "y"));
        Assert.Equal("2 INCORRECT_PARAMETERS", await CallAsync("steward.getIntents", "p"));
        Assert.Empty(_control.Commands);
        _control.State = DaemonState.Shutdown;
        Assert.Equal("6 SHUTDOWN_STATE", await CallAsync("steward.setIntent", "p", false));
    }

    [Fact]
    public async Task Intents_are_told_with_all_that_is_known()
    {
        Assert.Equal("[]", Show((XmlRpcValue)await CallAsync("steward.getIntents")));
        _control.Remembered =
        [
            new Intent("g:p", null, "disk full", 1_700_000_000_999_999_999, "uid 0 (pid 1)"), new Intent("q:q", false, null, 1_700_000_001_000_000_000),
        ];
        Assert.Equal(
            """
            [{"group":"g","name":"p","enabled":false,"reason":"disk full","stopped":false,"by":"uid 0 (pid 1)","since":1700000000},
            {"group":"q","name":"q","enabled":true,"reason":"","stopped":true,"by":"","since":1700000001}]
            """.ReplaceLineEndings(""),
            Show((XmlRpcValue)await CallAsync("steward.getIntents")));
    }

    private static XmlRpcStruct One(string method, params XmlRpcValue[] parameters) => new(
        KeyValuePair.Create<string, XmlRpcValue>("methodName", method),
        KeyValuePair.Create<string, XmlRpcValue>("params", new XmlRpcArray(parameters)));

    [Fact]
    public async Task A_multicall_answers_bare_values_and_fault_structs()
    {
        object answer = await CallAsync("system.multicall", new XmlRpcArray(
            One("supervisor.getPID"),
            One("supervisor.getState"),
            One("supervisor.getState", "extra"),
            One("supervisor.startProcess", "p"),
            One("system.multicall", new XmlRpcArray()),
            new XmlRpcStruct(KeyValuePair.Create<string, XmlRpcValue>("methodName", "supervisor.getAPIVersion")),
            new XmlRpcStruct(),
            "not a struct"));
        Assert.Equal(
            "[4711,{\"statecode\":1,\"statename\":\"RUNNING\"},{\"faultCode\":2,\"faultString\":\"INCORRECT_PARAMETERS\"},true,"
            + "{\"faultCode\":2,\"faultString\":\"INCORRECT_PARAMETERS: Recursive system.multicall forbidden\"},\"3.0\","
            + "{\"faultCode\":2,\"faultString\":\"INCORRECT_PARAMETERS: No methodName\"},"
            + "{\"faultCode\":2,\"faultString\":\"INCORRECT_PARAMETERS\"}]",
            Show((XmlRpcValue)answer));
        Assert.Equal("[]", Show((XmlRpcValue)await CallAsync("system.multicall", new XmlRpcArray())));
        Assert.Equal("2 INCORRECT_PARAMETERS", await CallAsync("system.multicall", 5));
    }

    [Fact]
    public async Task The_calls_of_a_multicall_wait_for_each_other()
    {
        var first = new TaskCompletionSource<Outcome>(TaskCreationOptions.RunContinuationsAsynchronously);
        _control.Answer = command => command is StopAll ? first.Task : Task.FromResult<Outcome>(Done.Instance);
        Task<object> answer = CallAsync(
            "system.multicall", new XmlRpcArray(One("supervisor.stopAllProcesses"), One("supervisor.startProcess", "p")));
        Assert.Equal([new StopAll(true)], _control.Commands);
        first.SetResult(new Statuses([]));
        Assert.Equal("[[],true]", Show((XmlRpcValue)await answer));
        Assert.Equal([new StopAll(true), new StartProcess("p", true)], _control.Commands);
    }

    [Fact]
    public async Task An_exception_inside_of_a_multicall_is_a_fault()
    {
        _control.Answer = _ => throw new InvalidOperationException("oops");
        Assert.Equal(
            "[{\"faultCode\":30,\"faultString\":\"FAILED: InvalidOperationException:oops\"},4711]",
            Show((XmlRpcValue)await CallAsync("system.multicall", new XmlRpcArray(One("supervisor.stopAllProcesses"), One("supervisor.getPID")))));
        Assert.Equal(LogLevel.Critical, Assert.Single(_control.Lines).Level);
    }

    [Fact]
    public async Task The_answer_of_a_multicall_is_bounded()
    {
        string log = Path.GetTempFileName();
        try
        {
            File.WriteAllBytes(log, Enumerable.Repeat((byte)'x', 20 << 20).ToArray());
            _control.MainLogPath = log;
            var answer = (XmlRpcArray)await CallAsync(
                "system.multicall", new XmlRpcArray([.. Enumerable.Repeat(One("supervisor.readLog", 0, 0), 10)]));
            Assert.Equal(4, answer.Items.Count(item => item is XmlRpcString { Value.Length: 20 << 20 }));
            Assert.Equal(6, answer.Items.Count(item => item is XmlRpcStruct fault && Show(fault.Find("faultCode")!) == "30"));
        }
        finally
        {
            File.Delete(log);
        }
    }

    [Fact]
    public async Task Pythons_client_understands_the_answers()
    {
        _control.Add(FakeControl.Snapshot("gö", "p<&>…"));
        _control.Answer = command => Task.FromResult<Outcome>(command is StartProcess { Name: "nope" }
            ? new Refused(new Fault(FaultCode.BadName, "nope"))
            : new Statuses([new ProcessStatus("p", "g", FaultCode.Success, "OK")]));
        string log = Path.GetTempFileName();
        File.WriteAllBytes(log, [.. "a\r\nb\x1b[0m ö "u8, 0xFF]);
        _control.MainLogPath = log;
        await using TestServer server = await TestServer.StartAsync(_control, inet: ("me", "p:w"));
        const string script = """
            import sys, xmlrpc.client
            s = xmlrpc.client.ServerProxy('http://me:p%3Aw@127.0.0.1:' + sys.argv[1] + '/RPC2')
            assert s.supervisor.getState() == {'statecode': 1, 'statename': 'RUNNING'}
            info = s.supervisor.getProcessInfo('g\u00f6:p<&>\u2026')
            assert info['name'] == 'p<&>\u2026' and info['pid'] == 123 and info['description'] == 'pid 123, uptime 0:01:40', info
            assert s.supervisor.getAllProcessInfo() == [info]
            assert s.supervisor.readLog(0, 0) == 'a\r\nb\ufffd[0m \u00f6 \ufffd', s.supervisor.readLog(0, 0)
            assert s.supervisor.stopAllProcesses() == [{'name': 'p', 'group': 'g', 'status': 80, 'description': 'OK'}]
            assert s.supervisor.reloadConfig() == [[[], [], []]]
            try:
                s.supervisor.startProcess('nope')
                assert False
            except xmlrpc.client.Fault as f:
                assert (f.faultCode, f.faultString) == (10, 'BAD_NAME: nope')
            assert s.system.multicall([{'methodName': 'supervisor.getPID', 'params': []}]) == [4711]
            assert len(s.system.listMethods()) == 41
            try:
                xmlrpc.client.ServerProxy('http://127.0.0.1:' + sys.argv[1]).supervisor.getState()
                assert False
            except xmlrpc.client.ProtocolError as e:
                assert e.errcode == 401
            print('fine')
            """;
        var start = new ProcessStartInfo("python3") { RedirectStandardOutput = true, RedirectStandardError = true };
        start.ArgumentList.Add("-c");
        start.ArgumentList.Add(script);
        start.ArgumentList.Add(server.Port.ToString(System.Globalization.CultureInfo.InvariantCulture));
        using Process python = Process.Start(start)!;
        Task<string> output = python.StandardOutput.ReadToEndAsync();
        Task<string> errors = python.StandardError.ReadToEndAsync();
        await python.WaitForExitAsync().WaitAsync(TimeSpan.FromMilliseconds(TestClient.LimitMs));
        File.Delete(log);
        Assert.Equal(("fine\n", ""), (await output, await errors));
    }
}
