using System.Reflection;
using System.Text;
using System.Text.RegularExpressions;
using Steward.Client;
using Steward.Core.Model;
using Steward.Protocol.XmlRpc;

namespace Steward.Cli.Tests;

/// <summary>The library for programs in .NET.</summary>
public sealed class StewardClientTests : IDisposable
{
    private readonly Place _place = new();
    private readonly FakeServer _server;
    private readonly StewardClient _client;

    public StewardClientTests()
    {
        _server = new FakeServer(_place.At("s.sock"));
        _client = new StewardClient(_server.Url);
        _server.On("supervisor.getAllProcessInfo", _ => FakeServer.Array(
            FakeServer.Process("web", "a", 20, "RUNNING", "pid 1", 1), FakeServer.Process("web", "b", 20, "RUNNING", "pid 2", 2),
            FakeServer.Process("web", "c", 0, "STOPPED", "Not started"), FakeServer.Process("db", "db", 20, "RUNNING", "pid 3", 3)));
        _server.On("supervisor.stopProcess", _ => true);
        _server.On("supervisor.startProcess", parameters =>
            ((XmlRpcString)parameters[0]).Value == "web:b" ? FakeServer.Fault(50, "SPAWN_ERROR: web:b") : true);
    }

    public void Dispose()
    {
        _server.Dispose();
        _place.Dispose();
    }

    [Fact]
    public async Task The_example_of_the_manual_works() => Assert.Equal(
        "web:a is up again\nweb:b: SPAWN_ERROR: web:b\n", await ClientExample.RestartAllOfAsync(_server.Url, "web"));

    [Fact]
    public void The_example_of_the_manual_is_the_one_that_is_tested()
    {
        string source = File.ReadAllText(Path.Combine(Root(), "tests/Steward.Cli.Tests/ClientExample.cs"));
        string example = Regex.Match(source, @"// <example>\n(.*?) *// </example>", RegexOptions.Singleline).Groups[1].Value;
        example = Regex.Replace(example, "^        ", "", RegexOptions.Multiline).Replace("lines.Write", "Console.Write", StringComparison.Ordinal);
        Assert.Contains(example, File.ReadAllText(Path.Combine(Root(), "docs/manual/client.md")), StringComparison.Ordinal);
    }

    [Fact]
    public async Task Every_method_calls_what_it_is_named_after()
    {
        foreach (string method in (string[])["signalProcess", "sendProcessStdin", "addProcessGroup", "removeProcessGroup", "clearProcessLogs", "sendRemoteCommEvent", "shutdown", "restart"])
        {
            _server.On("supervisor." + method, _ => true);
        }

        foreach (string method in (string[])["startAllProcesses", "stopAllProcesses", "startProcessGroup", "stopProcessGroup", "signalProcessGroup"])
        {
            _server.On("supervisor." + method, _ => FakeServer.Array(FakeServer.Result("g", "p", 80)));
        }

        foreach (string method in (string[])["readProcessStdoutLog", "readProcessStderrLog", "readLog", "getSupervisorVersion", "getIdentification"])
        {
            _server.On("supervisor." + method, _ => "text");
        }

        _server.On("supervisor.getPID", _ => 7);
        _server.On("supervisor.getProcessInfo", _ => FakeServer.Process("g", "p", 20, "RUNNING", "", 1));
        _server.On("supervisor.getAllConfigInfo", _ => FakeServer.Array(FakeServer.Struct(("group", "g"), ("name", "p"), ("inuse", true))));
        _server.On("supervisor.reloadConfig", _ => FakeServer.Array(FakeServer.Array(FakeServer.Names("a"), FakeServer.Names(), FakeServer.Names("c"))));
        _server.On("steward.getEventPools", _ => FakeServer.Array(FakeServer.Struct(("name", "l"), ("buffered", 3))));
        _server.On("steward.signalProcessTree", _ => true);
        _server.On("steward.setIntent", _ => true);
        _server.On("steward.getIntents", _ => FakeServer.Array(FakeServer.Struct(("group", "g"), ("name", "p"), ("reason", "disk full"))));
        _server.On("twiddler.addProgramToGroup", _ => true);
        _server.On("twiddler.removeProcessFromGroup", _ => true);
        _server.On("system.listMethods", _ => FakeServer.Names("a.b"));

        Assert.Equal("text", await _client.GetVersionAsync());
        Assert.Equal("text", await _client.GetIdentificationAsync());
        Assert.Equal(7, await _client.GetPidAsync());
        Assert.Equal(["a.b"], await _client.ListMethodsAsync());
        Assert.Equal("g:p", (await _client.GetProcessInfoAsync("g:p")).Namespec);
        Assert.True(Assert.Single(await _client.GetAllConfigInfoAsync()).InUse);
        ConfigDifferences differences = await _client.ReloadConfigAsync();
        Assert.Equal((1, 0, 1), (differences.Added.Count, differences.Changed.Count, differences.Removed.Count));
        await _client.StartProcessAsync("g:p", wait: false);
        await _client.StopProcessAsync("g:p");
        Assert.Equal(80, Assert.Single(await _client.StartAllAsync()).Status);
        await _client.StopAllAsync(wait: false);
        await _client.StartGroupAsync("g");
        await _client.StopGroupAsync("g");
        await _client.SignalGroupAsync("g", "HUP");
        await _client.SignalProcessAsync("g:p", "HUP");
        await _client.SignalProcessTreeAsync("g:p", "HUP");
        await _client.SetIntentAsync("g:p", isEnabled: false, "disk full");
        IntentInfo intent = Assert.Single(await _client.GetIntentsAsync());
        Assert.Equal(("g:p", false, "disk full"), (intent.Namespec, intent.IsEnabled, intent.Reason));
        await _client.SendStdinAsync("g:p", "in");
        await _client.AddGroupAsync("g");
        await _client.RemoveGroupAsync("g");
        await _client.AddProgramAsync("g", "p", new Dictionary<string, string> { ["command"] = "x" });
        await _client.RemoveProcessAsync("g", "p");
        await _client.ReadLogAsync("g:p", -100);
        await _client.ReadLogAsync("g:p", 0, 5, stderr: true);
        await _client.ReadMainLogAsync(-1);
        await _client.ClearLogsAsync("g:p");
        await _client.SendRemoteCommEventAsync("t", "d");
        Assert.Equal(3, Assert.Single(await _client.GetEventPoolsAsync()).Buffered);
        await _client.RestartAsync();
        await _client.ShutdownAsync();
        Assert.Equal(
            [
                "supervisor.getSupervisorVersion()", "supervisor.getIdentification()", "supervisor.getPID()", "system.listMethods()",
                "supervisor.getProcessInfo(g:p)", "supervisor.getAllConfigInfo()", "supervisor.reloadConfig()", "supervisor.startProcess(g:p, false)",
                "supervisor.stopProcess(g:p, true)", "supervisor.startAllProcesses(true)", "supervisor.stopAllProcesses(false)",
                "supervisor.startProcessGroup(g, true)", "supervisor.stopProcessGroup(g, true)", "supervisor.signalProcessGroup(g, HUP)",
                "supervisor.signalProcess(g:p, HUP)", "steward.signalProcessTree(g:p, HUP)",
                "steward.setIntent(g:p, false, disk full)", "steward.getIntents()", "supervisor.sendProcessStdin(g:p, in)",
                "supervisor.addProcessGroup(g)", "supervisor.removeProcessGroup(g)", "twiddler.addProgramToGroup(g, p, " + Command() + ")",
                "twiddler.removeProcessFromGroup(g, p)", "supervisor.readProcessStdoutLog(g:p, -100, 0)", "supervisor.readProcessStderrLog(g:p, 0, 5)",
                "supervisor.readLog(-1, 0)", "supervisor.clearProcessLogs(g:p)", "supervisor.sendRemoteCommEvent(t, d)", "steward.getEventPools()",
                "supervisor.restart()", "supervisor.shutdown()",
            ],
            _server.Calls);
    }

    private static string Command() => new XmlRpcStruct(KeyValuePair.Create("command", XmlRpcValue.FromString("x"))).ToString();

    [Fact]
    public async Task A_refusal_and_a_missing_daemon_are_different_things()
    {
        StewardFaultException fault = await Assert.ThrowsAsync<StewardFaultException>(() => _client.StartProcessAsync("web:b"));
        Assert.Equal((int)FaultCode.SpawnError, fault.Fault.Code);
        var nobody = new StewardClient("unix://" + _place.At("none.sock"));
        StewardConnectionException gone = await Assert.ThrowsAsync<StewardConnectionException>(() => nobody.GetPidAsync());
        Assert.Equal(TransportFailureKind.NoSuchFile, gone.Failure.Kind);
        Assert.EndsWith("none.sock no such file", gone.Message);
        await Assert.ThrowsAsync<StewardConnectionException>(() => new StewardClient("ftp://x").GetPidAsync());
        _server.On("supervisor.getPID", _ => "text");
        Assert.Equal(
            TransportFailureKind.BadAnswer, (await Assert.ThrowsAsync<StewardConnectionException>(() => _client.GetPidAsync())).Failure.Kind);
    }

    [Fact]
    public async Task A_login_is_sent_and_a_missing_one_is_told()
    {
        _server.Authorization = "Basic bWU6aXQ=";
        _server.On("supervisor.getPID", _ => 7);
        Assert.Equal(7, await new StewardClient(_server.Url, new Credentials("me", "it")).GetPidAsync());
        Assert.Equal(
            TransportFailureKind.Unauthorized, (await Assert.ThrowsAsync<StewardConnectionException>(() => _client.GetPidAsync())).Failure.Kind);
    }

    [Fact]
    public async Task Calls_go_on_side_by_side_and_each_can_be_given_up()
    {
        using var go = new ManualResetEventSlim();
        using var begun = new SemaphoreSlim(0);
        _server.On("supervisor.stopProcess", _ =>
        {
            begun.Release();
            go.Wait(TimeSpan.FromSeconds(60));
            return true;
        });
        using var enough = new CancellationTokenSource();
        Task waiting = _client.StopProcessAsync("web:a", cancellation: enough.Token);
        Task other = _client.StopProcessAsync("web:a");
        Assert.True(await begun.WaitAsync(TimeSpan.FromSeconds(60)) && await begun.WaitAsync(TimeSpan.FromSeconds(60)));
        Assert.Equal(4, (await _client.GetAllProcessInfoAsync()).Count);
        await enough.CancelAsync();
        await Assert.ThrowsAnyAsync<OperationCanceledException>(() => waiting);
        go.Set();
        await other;
    }

    [Fact]
    public async Task An_answer_has_a_limit_in_time_and_size()
    {
        using var never = new ManualResetEventSlim();
        _server.On("supervisor.getPID", _ =>
        {
            never.Wait(TimeSpan.FromSeconds(60));
            return 7;
        });
        var hasty = new StewardClient(ServerAddress.Parse(_server.Url), limits: new ClientLimits { Answer = TimeSpan.FromMilliseconds(50) });
        Assert.Equal(TransportFailureKind.TimedOut, (await Assert.ThrowsAsync<StewardConnectionException>(() => hasty.GetPidAsync())).Failure.Kind);
        never.Set();
        var small = new StewardClient(ServerAddress.Parse(_server.Url), limits: new ClientLimits { BodyBytes = 100 });
        Assert.Equal(
            "it is too long", (await Assert.ThrowsAsync<StewardConnectionException>(() => small.GetAllProcessInfoAsync())).Failure.Detail);
    }

    /// <summary>What is public stays so: a change of this file is a change for those who use the library.</summary>
    [Fact]
    public void The_public_surface_is_the_one_that_is_written_down()
    {
        const string Page = "docs/reference/client-api.txt";
        string file = Path.Combine(Root(), Page);
        string surface = Surface(typeof(StewardClient).Assembly);
        if (Environment.GetEnvironmentVariable("STEWARD_GOLDEN") == "write")
        {
            File.WriteAllText(file, surface);
        }

        Assert.True(File.Exists(file), $"{Page} is missing; STEWARD_GOLDEN=write and this test write it");
        Assert.Equal(File.ReadAllText(file), surface);
    }

    private static string Surface(Assembly assembly)
    {
        const BindingFlags Declared = BindingFlags.Public | BindingFlags.Instance | BindingFlags.Static | BindingFlags.DeclaredOnly;
        var text = new StringBuilder();
        foreach (Type type in assembly.GetExportedTypes().OrderBy(type => type.FullName, StringComparer.Ordinal))
        {
            text.Append(type.FullName).Append('\n');
            // What every record has goes without saying; what one is made of shows in its constructor.
            string[] common = ["Equals", "GetHashCode", "ToString", "Deconstruct", "<Clone>$", "op_Equality", "op_Inequality", "PrintMembers"];
            IEnumerable<string> members = type.GetMembers(Declared)
                .Where(member => member is not Type && !common.Contains(member.Name) && member is not MethodInfo { IsSpecialName: true })
                .Select(member => member.ToString()!);
            foreach (string member in members.Order(StringComparer.Ordinal))
            {
                text.Append("    ").Append(member).Append('\n');
            }
        }

        return text.ToString();
    }

    private static string Root()
    {
        string? folder = AppContext.BaseDirectory;
        while (folder is not null && !File.Exists(Path.Combine(folder, "Steward.slnx")))
        {
            folder = Path.GetDirectoryName(folder);
        }

        Assert.NotNull(folder);
        return folder;
    }
}
