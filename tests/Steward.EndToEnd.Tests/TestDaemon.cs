using System.Diagnostics;
using System.Net;
using System.Net.Sockets;

[assembly: System.Runtime.Versioning.SupportedOSPlatform("linux")]
[assembly: CollectionBehavior(DisableTestParallelization = true)]

namespace Steward.EndToEnd;

/// <summary>
/// The real daemon with a configuration of its own, in a folder of its own. What a test starts bears a mark in its environment, by
/// which everything that came from it is found at the end: a process that outlives its daemon fails the test, and is killed.
/// </summary>
internal sealed class TestDaemon : IAsyncDisposable
{
    private readonly string _mark = "STEWARD_END_TO_END=" + Guid.NewGuid().ToString("N");
    private readonly List<string> _said = [];
    private Process? _process;

    public TestDaemon(string programs, string supervisord = "", string servers = "")
    {
        Folder = Directory.CreateTempSubdirectory("steward-e2e.").FullName;
        File.SetUnixFileMode(Folder, (UnixFileMode)0x1ED); // 0755: programs run as other users, too
        Logs = Directory.CreateDirectory(Path.Combine(Folder, "logs")).FullName;
        Socket = Path.Combine(Folder, "d.sock");
        Config = Path.Combine(Folder, "supervisord.conf");
        Log = Path.Combine(Folder, "daemon.log");
        PidFile = Path.Combine(Folder, "d.pid");
        Rpc = new RpcClient(Socket);
        WriteConfig(programs, supervisord, servers);
    }

    public static string Bin { get; } = FindBin();

    public static string Root { get; } = FindRoot();

    public string Folder { get; }

    public string Logs { get; }

    public string Socket { get; private set; }

    public string Config { get; private set; }

    public string Log { get; private set; }

    public string PidFile { get; }

    public RpcClient Rpc { get; private set; }

    /// <summary>The pid of what was started: the daemon, unless it was started through something else.</summary>
    public int Pid => _process!.Id;

    public int? ExitStatus => _process is { HasExited: true } ? _process.ExitCode : null;

    public static int FreePort()
    {
        using var socket = new Socket(AddressFamily.InterNetwork, SocketType.Stream, ProtocolType.Tcp);
        socket.Bind(new IPEndPoint(IPAddress.Loopback, 0));
        return ((IPEndPoint)socket.LocalEndPoint!).Port;
    }

    public void WriteConfig(string programs, string supervisord = "", string servers = "") => File.WriteAllText(Config, $"""
        [supervisord]
        logfile={Log}
        pidfile={PidFile}
        childlogdir={Logs}
        {supervisord}

        [unix_http_server]
        file={Socket}

        {servers}

        [rpcinterface:supervisor]
        supervisor.rpcinterface_factory=supervisor.rpcinterface:make_main_rpcinterface

        [supervisorctl]
        serverurl=unix://{Socket}

        {programs}
        """);

    /// <summary>Uses a configuration that stands elsewhere, with the places it names.</summary>
    public void UseConfig(string config, string socket, string log)
    {
        Config = config;
        Socket = socket;
        Log = log;
        Rpc.Dispose();
        Rpc = new RpcClient(socket);
    }

    /// <summary>Starts the daemon in the foreground and waits until it answers.</summary>
    public async Task<TestDaemon> StartAsync(params (string Name, string Value)[] environment)
    {
        Launch(Path.Combine(Bin, "supervisord"), ["-n", "-c", Config], environment);
        await AnswersAsync();
        return this;
    }

    /// <summary>Starts a command (the daemon, or something that starts it); what it prints is kept for complaints.</summary>
    public void Launch(string file, IEnumerable<string> arguments, params (string Name, string Value)[] environment)
    {
        var start = new ProcessStartInfo(file, arguments)
        {
            RedirectStandardInput = true,
            RedirectStandardOutput = true,
            RedirectStandardError = true,
            WorkingDirectory = Folder,
        };
        start.Environment["LANG"] = "C.UTF-8";
        var mark = _mark.Split('=');
        start.Environment[mark[0]] = mark[1];
        foreach (var (name, value) in environment)
        {
            start.Environment[name] = value;
        }

        _process = Process.Start(start)!;
        _process.OutputDataReceived += Keep;
        _process.ErrorDataReceived += Keep;
        _process.BeginOutputReadLine();
        _process.BeginErrorReadLine();
        _process.StandardInput.Close();
    }

    public Task AnswersAsync() => Waiting.UntilAsync(
        async () =>
        {
            Assert.True(_process is null or { HasExited: false } || File.Exists(PidFile), $"the daemon ended with {ExitStatus}\n{Account()}");
            try
            {
                return await Rpc.CallAsync("supervisor.getState") is Dictionary<string, object?> { } state && (int)state["statecode"]! == 1;
            }
            catch (Exception e) when (e is HttpRequestException or RpcFaultException)
            {
                return false;
            }
        },
        () => "the daemon does not answer\n" + Account());

    /// <summary>All processes by their full name.</summary>
    public async Task<Dictionary<string, Info>> AllAsync()
    {
        var all = (List<object?>)(await Rpc.CallAsync("supervisor.getAllProcessInfo"))!;
        return all.Cast<Dictionary<string, object?>>().Select(Info.From).ToDictionary(i => i.FullName);
    }

    /// <summary>Waits until a process is in a state; what it is then.</summary>
    public async Task<Info> ReachesAsync(string name, string state, Func<Info, bool>? andAlso = null)
    {
        Info? last = null;
        return await Waiting.ForAsync(
            async () =>
            {
                last = Info.From((Dictionary<string, object?>)(await Rpc.CallAsync("supervisor.getProcessInfo", name))!);
                return last.State == state && (andAlso is null || andAlso(last)) ? last : null;
            },
            () => $"{name} does not become {state} (it is {last})\n{Account()}");
    }

    public Task LogSaysAsync(string text) => Waiting.UntilAsync(
        () => ReadLog().Contains(text, StringComparison.Ordinal), () => $"the log does not say \"{text}\"\n{Account()}");

    public string ReadLog() => File.Exists(Log) ? File.ReadAllText(Log) : string.Empty;

    /// <summary>Our control tool, on this daemon.</summary>
    public Task<Finished> CtlAsync(params string[] words) => Command.RunAsync(Path.Combine(Bin, "supervisorctl"), ["-c", Config, .. words]);

    public static Task SignalAsync(int pid, string signal) => Command.RunAsync("/bin/kill", ["-s", signal, pid.ToString()]);

    /// <summary>Everything that came from this daemon and is not the daemon.</summary>
    public List<int> Family() => [.. ProcessTable.WithEnvironment(_mark).Where(p => ProcessTable.State(p) is not (null or 'Z'))];

    /// <summary>SIGTERM, then everything has to go; the exit status.</summary>
    public async Task<int> StopAsync(int? pid = null)
    {
        await SignalAsync(pid ?? Pid, "TERM");
        await EndsAsync();
        return _process!.ExitCode;
    }

    /// <summary>Waits for the end of the daemon and says who is left.</summary>
    public async Task EndsAsync()
    {
        await Waiting.UntilAsync(() => _process!.HasExited, () => "the daemon does not end\n" + Account());
        // The kernel takes a moment to clear the table after the parent has been told.
        await Waiting.UntilAsync(() => Family().Count == 0, () => $"left behind: {string.Join(", ", Family().Select(Describe))}\n{Account()}");
    }

    /// <summary>What there is to say when something went wrong.</summary>
    public string Account()
    {
        lock (_said)
        {
            var log = ReadLog().Split('\n');
            return $"--- printed\n{string.Join('\n', _said.TakeLast(30))}\n--- log\n{string.Join('\n', log.TakeLast(60))}";
        }
    }

    public async ValueTask DisposeAsync()
    {
        Rpc.Dispose();
        if (_process is { HasExited: false })
        {
            await SignalAsync(_process.Id, "TERM");
            using var limit = new CancellationTokenSource(TimeSpan.FromSeconds(15));
            try
            {
                await _process.WaitForExitAsync(limit.Token);
            }
            catch (OperationCanceledException)
            {
                // Whatever refuses is killed below; the test has had its say by now.
            }
        }

        foreach (var pid in Family())
        {
            await SignalAsync(pid, "KILL");
        }

        _process?.Dispose();
        Directory.Delete(Folder, recursive: true);
    }

    private static string Describe(int pid) => $"{pid} ({File.ReadAllText($"/proc/{pid}/cmdline").Replace('\0', ' ')})";

    private static string FindBin()
    {
        var bin = Environment.GetEnvironmentVariable("STEWARD_BIN");
        Assert.False(string.IsNullOrEmpty(bin), "STEWARD_BIN must name the folder of the executables: ./build.sh, then STEWARD_BIN=$PWD/artifacts/bin");
        Assert.True(File.Exists(Path.Combine(bin, "supervisord")), $"STEWARD_BIN={bin} holds no supervisord: run ./build.sh");
        return Path.GetFullPath(bin);
    }

    private static string FindRoot()
    {
        var folder = new DirectoryInfo(AppContext.BaseDirectory);
        while (folder is not null && !File.Exists(Path.Combine(folder.FullName, "Steward.slnx")))
        {
            folder = folder.Parent;
        }

        return folder?.FullName ?? throw new InvalidOperationException("No folder above " + AppContext.BaseDirectory + " holds Steward.slnx");
    }

    private void Keep(object sender, DataReceivedEventArgs line)
    {
        lock (_said)
        {
            if (line.Data is { } text)
            {
                _said.Add(text);
            }
        }
    }
}

/// <summary>What the daemon says about a process.</summary>
internal sealed record Info(string FullName, string State, int Pid, int ExitStatus, string Description, string SpawnError)
{
    public static Info From(Dictionary<string, object?> members)
    {
        var (group, name) = ((string)members["group"]!, (string)members["name"]!);
        return new Info(
            group == name ? name : $"{group}:{name}",
            (string)members["statename"]!,
            (int)members["pid"]!,
            (int)members["exitstatus"]!,
            (string)members["description"]!,
            (string)members["spawnerr"]!);
    }
}
