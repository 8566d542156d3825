using Steward.Cli;
using Steward.Core.Config;
using Steward.Core.Events;
using Steward.Core.Model;
using Steward.Core.Supervision;
using Steward.Engine;
using Steward.Hooks;
using Steward.Http;
using Steward.Journal;
using Steward.Keeper;
using Steward.Linux.Handover;
using Steward.Linux.Host;
using Steward.Linux.Output;
using Steward.Linux.Processes;

namespace Steward;

/// <summary>
/// The daemon from its command line to its exit status: puts engine, kernel side, log and control sockets together, starts them in the
/// order of Supervisor, and for a reload takes them apart and puts them together again in the same process.
/// </summary>
/// <remarks>
/// <para>The order of a start: configuration; limits and user; control sockets, so that a second daemon by mistake fails before it
/// touches anything of the first; activity log; old AUTO logs; groups; into the background; pid file; programs; and only then the
/// HTTP server, whose clients wait in the socket's queue meanwhile.</para>
/// <para>A fault in that sequence is a <see cref="StartException"/>: two lines on stderr, exit status 2, and nothing left behind.</para>
/// </remarks>
internal sealed partial class Daemon
{
    private const int DefectStatus = 1;

    private static readonly Action<string> Say = static text => StandardStreams.Write(StandardStreams.Error, text + "\n");

    private readonly Detachment? _detachment;
    private readonly KeeperLink? _keeper;
    private readonly UpgradeRequests _upgrades = new();
    private DaemonStart _start;
    private Configuration _configuration;
    private ControlSockets? _sockets;
    private ControlSockets? _nextSockets;
    private PidFile? _pidFile;
    private HookControl? _hooks;
    private HttpServers? _http;
    private SocketFiles? _files;
    private DaemonLock? _lock;
    private DaemonLock? _nextLock;

    private Daemon(DaemonStart start, Configuration configuration, Detachment? detachment, KeeperLink? keeper)
    {
        _keeper = keeper;
        _start = start;
        _configuration = configuration;
        _detachment = detachment;
    }

    private SupervisordConfig Settings => _configuration.Supervisord;

    private bool IsForeground => Settings.NoDaemon && !_start.IsDetached;

    /// <summary>Runs the daemon to its end.</summary>
    /// <param name="args">The options.</param>
    /// <param name="programName">What the program is called in messages.</param>
    /// <param name="keeper">The keeper; null for a daemon that has none, or is about to have one.</param>
    /// <returns>The exit status.</returns>
    public static int Run(string[] args, string programName, KeeperLink? keeper = null)
    {
        try
        {
            DaemonSignals.Prepare();
            Detachment? detachment = Detachment.Continue();
            if (detachment is not null || keeper is not null)
            {
                ProcessArguments.ShowName();
            }

            // Before the working directory can change.
            string startPath = keeper?.StartPath ?? detachment?.StartPath ?? ReExec.StartPath();
            var environment = new ConfigEnvironment();
            DaemonOptions options = DaemonOptions.Parse(args, environment, out string? error) ?? throw new StartException(error!);
            if (options.Help)
            {
                StandardStreams.Write(StandardStreams.Output, DaemonOptions.Usage(programName));
                return 0;
            }

            if (options.Version)
            {
                StandardStreams.Write(StandardStreams.Output, Program.SupervisorVersion + "\n");
                return 0;
            }

            string file = options.ConfigFile ?? Search(environment, quiet: detachment is not null || keeper is not null);
            ConfigReading reading = ConfigReader.Read(file, environment, options.Overrides);
            Configuration configuration = reading.Configuration ?? throw new StartException(reading.FirstError!);
            if (keeper is null)
            {
                if (!configuration.Supervisord.NoDaemon && detachment is null)
                {
                    return Detachment.Run(ProcessArguments.Words, startPath);
                }

                if (configuration.Supervisord.Keeper)
                {
                    return Keep(new KeeperStart(ProcessArguments.Words, startPath, detachment is not null, () => detachment?.Complete()) { Version = Program.Version });
                }
            }

            bool isDetached = keeper?.IsDetached ?? detachment is not null;
            var start = new DaemonStart(startPath, [.. ProcessArguments.Words.Skip(keeper is null ? 1 : KeptWords)], file, options.Overrides, isDetached);
            var daemon = new Daemon(start, configuration, detachment, keeper);
            return daemon.Run(daemon.RunToTheEnd);
        }
        catch (StartException e)
        {
            // Nothing that another daemon could do better.
            keeper?.Ending();
            StandardStreams.Write(StandardStreams.Error, $"Error: {e.Message}\nFor help, use {programName} -h\n");
            return StartException.ExitStatus;
        }
    }

    private static string Search(ConfigEnvironment environment, bool quiet)
    {
        if (environment.UserId == 0 && !quiet)
        {
            Say("Supervisord is running as root and it is searching for its configuration file in default locations (including its current "
                + "working directory); you probably want to specify a \"-c\" argument specifying an absolute path to a configuration file "
                + "for improved security.");
        }

        return ConfigReader.TryFindFile(ProcessArguments.ProgramName, environment, out string? file, out string? error)
            ? file
            : throw new StartException(error);
    }

    private int Run(Func<int> run)
    {
        try
        {
            return run();
        }
        finally
        {
            _nextSockets?.Dispose();
            _sockets?.Dispose();
            _pidFile?.Dispose();
            _nextLock?.Dispose();
            _lock?.Dispose();
        }
    }

    private int RunToTheEnd()
    {
        var messages = new List<LoadMessage>();
        try
        {
            _lock = TakeLock(messages);
        }
        catch (StartException)
        {
            // Where its sockets are in use, it is told in Supervisor's words.
            ControlSockets.Create(_configuration.Servers, static _ => { }).Dispose();
            throw;
        }

        if (_start.IsDetached)
        {
            // Before the first file: the activity log is to have it as well.
            DaemonDirectory.SetUmask(Settings.Umask);
        }

        RaisedLimits limits = ResourceLimits.Raise(Settings);
        LoadMessage? user = DaemonUser.Become(Settings.User);
        _sockets = ControlSockets.Create(_configuration.Servers, Say, left: _keeper?.Table);
        using ReplaceableLog log = OpenLog(LogOptions(), _keeper);
        WriteMessages(log, [.. _configuration.Messages, .. user is null ? [] : new[] { user }, .. limits.Messages, .. messages]);
        SqliteLibrary.LoadWith(MemoryLibrary.Load);
        using var journal = new JournalHolder(
            SystemClock.Instance, (level, text) => log.Write(level, text, SystemClock.Instance.Now.Wall));
        using var engine = new Engine.Engine(EngineSettings(), log, SystemClock.Instance, Read, ReadForReload)
        {
            ProgramReader = ReadProgram,
            Pid = _keeper?.KeeperPid ?? Environment.ProcessId,
        };
        using var host = new ProcessHost(engine, HostOptions(limits.ChildNoFile), _keeper);
        engine.Attach(host);
        if (_keeper is not null)
        {
            // What is told from here on and not yet on the disk is in the first checkpoint.
            engine.KeepFacts();
        }

        KeepJournal(engine, journal);
        using HookRunner hooks = RunHooks(engine, host, log);
        if (!Settings.NoCleanup)
        {
            host.CleanUpAutoLogs();
        }

        using var intents = new IntentFile(IntentPath(), engine.Log);
        engine.Intents = intents;
        engine.Recall(intents.Read());
        IReadOnlyList<Orphan> orphans = AdoptionFile.Read(Settings.PidFile, engine.Log, _keeper?.KeeperPid ?? 0);
        EndThoseWithSockets(engine, orphans);
        if (engine.Load(_configuration) is [string failure, ..])
        {
            throw new StartException(failure);
        }

        AnnounceServers(engine);
        using DaemonSignals signals = DaemonSignals.Listen(number => TakeSignal(engine, number));
        if (_start.IsDetached)
        {
            GoIntoTheBackground(engine);
        }

        WritePidFile(engine);
        engine.Record(About(DaemonAction.Started, engine));
        Adopt(engine, host, orphans);
        BeKept(engine, host, log, journal, limits.ChildNoFile);
        engine.BeginRunning();
        engine.Start();

        // The programs come first; what they did meanwhile waits in memory.
        journal.Start();
        return Serve(new Parts(engine, host, log, journal, limits.ChildNoFile), _ => _keeper?.Ready());
    }

    private HookRunner RunHooks(Engine.Engine engine, ProcessHost host, ReplaceableLog log)
    {
        var hooks = new HookRunner(host.HookProcesses, log, SystemClock.Instance, new ConfigEnvironment().HostName);
        _hooks = new HookControl(hooks, engine);
        _hooks.Apply(_configuration);
        if (_state is not null)
        {
            _hooks.Keep(_state);
        }

        return hooks;
    }

    /// <summary>Answers clients until everything is stopped for good, over reloads and upgrades.</summary>
    /// <param name="parts">What the daemon consists of.</param>
    /// <param name="begun">Told of the first servers, when they answer.</param>
    private int Serve(Parts parts, Action<HttpServers> begun)
    {
        (Engine.Engine engine, _, ReplaceableLog log, _, _) = parts;
        try
        {
            _http = StartHttp(parts);
            begun(_http);
            while (true)
            {
                bool reload = UntilStopped(parts);
                StopHttp();
                if (!reload)
                {
                    engine.Record(About(DaemonAction.Stopped, engine));
                    _keeper?.Ending();
                    return 0;
                }

                StartAgain(parts);
                _http = StartHttp(parts);
            }
        }
        catch (Exception defect) when (defect is not StartException)
        {
            // The engine's thread died of a defect of ours: its children live on, and whoever restarts the daemon has to know.
            engine.Log(LogLevel.Critical, $"the daemon ends because of a defect of its own: {defect}");
            log.Flush();
            Say($"Error: the daemon ends because of a defect of its own: {defect}");
            return DefectStatus;
        }
        finally
        {
            StopHttp();
        }
    }

    /// <summary>Everything is stopped, and the configuration to go on with was validated before that.</summary>
    private void StartAgain(Parts parts)
    {
        (Engine.Engine engine, ProcessHost host, _, _, long? childNoFile) = parts;
        _configuration = engine.ValidatedReload
            ?? throw new InvalidOperationException("A reload came to its end without a configuration.");

        // Those that were opened for it have died with the daemon that opened them, where a successor does the rest.
        ControlSockets next = _nextSockets ?? ControlSockets.Create(_configuration.Servers, text => engine.Log(LogLevel.Info, text), _sockets);
        _nextSockets = null;
        List<string> formerRoles = [.. _sockets!.Sockets.Select(static socket => ControlSockets.Role(socket.Config))];
        next.TakeOver(_sockets);
        _sockets = next;
        HoldSockets(_sockets.Sockets);
        if (_nextLock is not null)
        {
            _lock?.Dispose();
            _lock = _nextLock;
            _nextLock = null;
            _keeper?.Hold([LockRole], [_lock.Descriptor]);
        }

        _pidFile?.Dispose();
        _pidFile = null;
        SettleIn(parts);
        engine.InvokeAsync(() =>
        {
            engine.StartOver(EngineSettings());
            host.Reconfigure(HostOptions(childNoFile));
            ComeUp(engine, host);
            if (_state is not null)
            {
                Keep(engine, parts.Log, childNoFile);
            }
        }).GetAwaiter().GetResult();

        // Until now a successor would have begun with the sockets of before.
        _keeper?.Drop([.. formerRoles.Except(_sockets.Sockets.Select(static socket => ControlSockets.Role(socket.Config)))]);
    }

    /// <summary>User, activity log, journal and hooks become those of the configuration.</summary>
    private void SettleIn(Parts parts)
    {
        (Engine.Engine engine, _, ReplaceableLog log, JournalHolder journal, _) = parts;
        LoadMessage? user = DaemonUser.Become(Settings.User);
        _keeper?.ShareRights();
        if (log.Replace(LogOptions()) is { } refusal)
        {
            engine.Log(LogLevel.Critical, $"the former activity log stays in use: {refusal}");
        }
        else if (log.Path is null)
        {
            _keeper?.Drop(ActivityRole);
        }

        WriteMessages(log, [.. _configuration.Messages, .. user is null ? [] : new[] { user }]);
        KeepJournal(engine, journal);
        _hooks!.Apply(_configuration);
    }

    /// <summary>Loads what is not loaded yet and starts the programs. On the engine's thread or before it runs.</summary>
    private void ComeUp(Engine.Engine engine, ProcessHost host)
    {
        if (!Settings.NoCleanup)
        {
            host.CleanUpAutoLogs();
        }

        // The programs are down already: those that can be brought up again are.
        foreach (string failure in engine.Load(_configuration))
        {
            engine.Log(LogLevel.Critical, failure);
        }

        AnnounceServers(engine);
        WritePidFile(engine);
        host.MoveAdoptionFile(Settings.PidFile);
        engine.BeginRunning();
    }

    private ReadResult Read()
    {
        ReadResult read = ReadFile();
        if (read.Configuration is { } configuration)
        {
            // Hooks change no program: they hold from the reading on, with update as with reread.
            _hooks?.Apply(configuration);
        }

        return read;
    }

    private ProgramReading ReadProgram(string group, string program, IReadOnlyList<KeyValuePair<string, string>> options) =>
        ConfigReader.ReadProgram(_start.ConfigFile, new ConfigEnvironment(), _start.Overrides, group, program, options);

    private ReadResult ReadFile()
    {
        ConfigReading reading = ConfigReader.Read(_start.ConfigFile, new ConfigEnvironment(), _start.Overrides);
        return new ReadResult(reading.Configuration, reading.FirstError);
    }

    /// <summary>On the engine's thread. Whatever would end the daemon after everything was stopped is to be found before.</summary>
    private ReadResult ReadForReload()
    {
        ReadResult read = ReadFile();
        if (read.Configuration is not { } configuration)
        {
            return read;
        }

        if (DaemonUser.Refusal(configuration.Supervisord.User) is { } refusal)
        {
            return new ReadResult(null, refusal);
        }

        _nextSockets?.Dispose();
        _nextSockets = null;
        _nextLock?.Dispose();
        _nextLock = null;
        try
        {
            if (LockName(configuration) is var name && name != _lock?.Name)
            {
                _nextLock = DaemonLock.Take(name, configuration.FullPath, configuration.Supervisord.PidFile, []);
            }

            _nextSockets = ControlSockets.Create(configuration.Servers, static _ => { }, _sockets);
            return read;
        }
        catch (StartException e)
        {
            return new ReadResult(null, e.Message);
        }
    }

    private ActivityLogOptions LogOptions() => new()
    {
        Path = Settings.LogFile,
        MaxBytes = Settings.LogFileMaxBytes,
        Backups = Settings.LogFileBackups,
        Level = Settings.LogLevel,
        EchoToStdout = IsForeground && !Settings.Silent,
        Syslog = Settings.LogFile is null,
    };

    /// <summary>Beside the activity log rather than the pid file, whose folder is often emptied by a reboot.</summary>
    private string IntentPath()
    {
        string beside = Settings.LogFile is { } log && !log.StartsWith("/dev/", StringComparison.Ordinal) ? log : Settings.PidFile;
        return Path.Combine(Path.GetDirectoryName(Path.GetFullPath(beside))!, Settings.Identifier + ".intent");
    }

    private SupervisorSettings EngineSettings() => new(Settings.Identifier, Settings.LogLevel);

    private ProcessHostOptions HostOptions(long? childNoFile) => new()
    {
        ServerUrl = _configuration.ServerUrl,
        ChildLogDir = Settings.ChildLogDir,
        Identifier = Settings.Identifier,
        StripAnsi = Settings.StripAnsi,
        ChildNoFile = childNoFile,
    };

    private HttpServers StartHttp(Parts parts)
    {
        HttpServers servers = ServeHttp(parts, _sockets!.Sockets);
        _files = new SocketFiles(_sockets, parts.Engine, restored =>
        {
            HoldSockets(restored);
            if (_state is not null)
            {
                // A successor is to know the new file as its own. When the engine ends first there is none.
                _ = parts.Engine.InvokeAsync(() => Keep(parts.Engine, parts.Log, parts.ChildNoFile));
            }

            return ServeHttp(parts, restored);
        });
        return servers;
    }

    private HttpServers ServeHttp(Parts parts, IReadOnlyList<ControlSocket> sockets) => HttpServers.StartAsync(
        [.. sockets.Select(static socket => new HttpListener(socket.Config, socket.Fd))],
        parts.Engine,
        Program.SupervisorVersion,
        parts.Journal,
        _hooks,
        (file, requester) => _upgrades.AskAsync(parts.Engine, file, requester)).GetAwaiter().GetResult();

    private void KeepJournal(Engine.Engine engine, JournalHolder journal)
    {
        bool wasThere = journal.Current is not null;
        journal.Configure(Settings.JournalPath is not { } path ? null : new JournalOptions(path)
        {
            MaxBytes = Settings.JournalMaxBytes,
            MaxAge = TimeSpan.FromDays(Settings.JournalMaxDays),
        });
        if (journal.Current is null)
        {
            engine.RemoveSink(journal);
        }
        else
        {
            engine.AddSink(journal);
        }

        TellCommitted(engine, journal, wasThere);
    }

    /// <summary>Has a successor know which facts are in the journal.</summary>
    private void TellCommitted(Engine.Engine engine, JournalHolder journal, bool wasThere)
    {
        if (_state is not { } state)
        {
            return;
        }

        journal.Committed = number => state.JournalHas = number;
        if (journal.Current is null)
        {
            state.JournalHas = long.MaxValue;
        }
        else if (!wasThere && state.JournalHas == long.MaxValue)
        {
            // There was none so far, neither here nor with a daemon before.
            state.JournalHas = engine.FactsTold;
        }
    }

    private static DaemonFact About(DaemonAction action, Engine.Engine engine) => new(action, Program.Version, engine.Pid);

    private static void WriteMessages(ReplaceableLog log, IEnumerable<LoadMessage> messages)
    {
        // Criticals first, then warnings, then infos; each kind in the order in which it came up.
        foreach (LoadMessage message in messages.OrderByDescending(static message => message.Level))
        {
            log.Write(message.Level, message.Text, SystemClock.Instance.Now.Wall);
        }
    }

    private void AnnounceServers(Engine.Engine engine)
    {
        foreach (ServerConfig server in _configuration.Servers)
        {
            foreach (RpcInterfaceConfig rpc in _configuration.RpcInterfaces)
            {
                engine.Log(LogLevel.Info, $"RPC interface '{rpc.Name}' initialized");
            }

            if (string.IsNullOrEmpty(server.Username))
            {
                engine.Log(LogLevel.Critical, $"Server '{server.Section}' running without any HTTP authentication checking");
            }
        }
    }

    private void GoIntoTheBackground(Engine.Engine engine)
    {
        engine.Log(LogLevel.Info, "daemonizing the supervisord process");
        if (Settings.Directory is { } directory)
        {
            string shown = Core.Config.PythonText.Repr(directory);
            if (DaemonDirectory.Change(directory) is { } failure)
            {
                engine.Log(LogLevel.Critical, $"can't chdir into {shown}: {failure}");
            }
            else
            {
                engine.Log(LogLevel.Info, $"set current directory: {shown}");

                // A relative path would name another file from here on.
                _start = _start with { ConfigFile = _configuration.FullPath };
            }
        }

        if (_detachment is null)
        {
            // The keeper has the other half of this.
            StandardStreams.RedirectToNull();
        }
        else
        {
            _detachment.Complete();
        }
    }

    private void WritePidFile(Engine.Engine engine)
    {
        _pidFile = PidFile.Write(Settings.PidFile, engine.Pid);
        engine.Log(
            _pidFile is null ? LogLevel.Critical : LogLevel.Info,
            _pidFile is null ? $"could not write pidfile {Settings.PidFile}" : $"supervisord started with pid {engine.Pid}");
    }

    /// <summary>What the daemon consists of, besides its sockets.</summary>
    private sealed record Parts(Engine.Engine Engine, ProcessHost Host, ReplaceableLog Log, JournalHolder Journal, long? ChildNoFile);
}
