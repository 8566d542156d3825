namespace Steward.EndToEnd;

/// <summary>Methods and actions that other programs bring, through the real daemon and the real control tool.</summary>
public sealed class PluginTests
{
    private const string Store = """
        import socketserver, sys
        from xmlrpc.server import SimpleXMLRPCDispatcher, SimpleXMLRPCRequestHandler
        class Handler(SimpleXMLRPCRequestHandler):
            disable_nagle_algorithm = False
            def address_string(self):
                return 'unix'
        class Server(socketserver.ThreadingUnixStreamServer, SimpleXMLRPCDispatcher):
            logRequests = False
            daemon_threads = True
            def __init__(self, path):
                SimpleXMLRPCDispatcher.__init__(self, allow_none=True)
                socketserver.ThreadingUnixStreamServer.__init__(self, path, Handler)
        server = Server(sys.argv[1])
        server.register_introspection_functions()
        store = {}
        def put(key, value):
            "Keep a value."
            store[key] = value
            return True
        server.register_function(put, 'store.put')
        server.register_function(lambda key: store[key], 'store.get')
        server.serve_forever()
        """;

    [Fact]
    public async Task A_program_of_the_daemon_serves_a_namespace()
    {
        await using var daemon = new TestDaemon("");
        string script = Path.Combine(daemon.Folder, "store.py");
        await File.WriteAllTextAsync(script, Store);
        daemon.WriteConfig($"""
            [program:store]
            command=/usr/bin/python3 {script} {daemon.Folder}/store.sock

            [rpcinterface:store]
            steward.rpc_url=unix://%(here)s/store.sock
            """);
        await daemon.StartAsync();
        await daemon.ReachesAsync("store", "RUNNING");
        await Waiting.UntilAsync(() => File.Exists(Path.Combine(daemon.Folder, "store.sock")), daemon.Account);

        Assert.Equal(true, await daemon.Rpc.CallAsync("store.put", "key", "välue"));
        Assert.Equal("välue", await daemon.Rpc.CallAsync("store.get", "key"));
        Assert.Contains("KeyError", (await Assert.ThrowsAsync<RpcFaultException>(() => daemon.Rpc.CallAsync("store.get", "nothing"))).Message, StringComparison.Ordinal);
        Assert.Contains("store.get", (List<object?>)(await daemon.Rpc.CallAsync("system.listMethods"))!);
        Assert.Equal("Keep a value.", await daemon.Rpc.CallAsync("system.methodHelp", "store.put"));

        await daemon.Rpc.CallAsync("supervisor.stopProcess", "store");
        RpcFaultException fault = await Assert.ThrowsAsync<RpcFaultException>(() => daemon.Rpc.CallAsync("store.get", "key"));
        Assert.Equal(30, fault.Code);
        Assert.Contains("store.sock does not listen: ", fault.Message, StringComparison.Ordinal);
        Assert.Equal(0, await daemon.StopAsync());
    }

    [Fact]
    public async Task A_command_is_an_action_of_the_control_tool()
    {
        await using var daemon = new TestDaemon($"""
            [ctlplugin:tell]
            steward.ctl_command=/bin/sh -c 'echo "$SUPERVISOR_SERVER_URL" "$@"; exit 7' tell {"{args}"} end

            [ctlplugin:die]
            steward.ctl_command=/bin/sh -c 'kill -9 $$'

            [ctlplugin:absent]
            steward.ctl_command=/nowhere/at/all
            """);
        await daemon.StartAsync();

        Assert.Equal(new Finished(7, $"unix://{daemon.Socket} a b c end\n", ""), await daemon.CtlAsync("tell", "a", "'b c'"));
        Assert.Equal(new Finished(137, "", ""), await daemon.CtlAsync("die"));
        Assert.Equal(
            new Finished(1, "error: absent: cannot run '/nowhere/at/all': [Errno 2] No such file or directory\n", ""), await daemon.CtlAsync("absent"));
    }

    [Fact]
    public async Task A_program_joins_a_group_and_leaves_it()
    {
        await using var daemon = new TestDaemon("""
            [program:web]
            command=/bin/sleep 100000
            startsecs=0

            [rpcinterface:twiddler]
            supervisor.rpcinterface_factory=supervisor_twiddler.rpcinterface:make_twiddler_rpcinterface
            """);
        await daemon.StartAsync();
        Assert.Equal(["web"], (List<object?>)(await daemon.Rpc.CallAsync("twiddler.getGroupNames"))!);
        // Our own client for what it needs: a struct as parameter.
        Finished added = await Command.RunAsync("/usr/bin/python3", ["-c", """
            import http.client, socket, sys, xmlrpc.client
            class Transport(xmlrpc.client.Transport):
                def make_connection(self, host):
                    connection = http.client.HTTPConnection('localhost')
                    connection.sock = socket.socket(socket.AF_UNIX)
                    connection.sock.connect(sys.argv[1])
                    return connection
            s = xmlrpc.client.ServerProxy('http://localhost/RPC2', transport=Transport())
            s.twiddler.addProgramToGroup('web', 'extra', {'command': '/bin/sleep 100000', 'startsecs': 0, 'numprocs': 2, 'process_name': 'extra%(process_num)d'})
            """, daemon.Socket]);
        added.AssertSuccess();
        await daemon.ReachesAsync("web:extra1", "RUNNING");
        Assert.Equal("web: changed\n", (await daemon.CtlAsync("reread")).Output);
        Assert.Equal("web:extra0: stopped\nweb:extra1: stopped\n", (await daemon.CtlAsync("stop", "extra*")).Output);
        Assert.Equal(true, await daemon.Rpc.CallAsync("twiddler.removeProcessFromGroup", "web", "extra0"));
        Assert.Equal(["web:extra1", "web"], (await daemon.AllAsync()).Keys);
        Assert.Equal(0, await daemon.StopAsync());
    }
}
