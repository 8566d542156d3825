using System.Globalization;
using Steward.Core.Config;
using Steward.Core.Events;
using Steward.Core.Model;
using Steward.Core.Snapshots;
using Steward.Hooks;
using Steward.Journal;
using Steward.Keeper;
using Steward.Linux.Handover;
using Steward.Linux.Host;
using Steward.Linux.Output;
using Steward.Linux.Processes;

namespace Steward;

// The daemon and its keeper: the process that the user starts becomes the keeper and starts the daemon; a daemon that dies is succeeded by
// another one, which goes on where it was; and when the keeper dies, the daemon becomes the keeper. docs/decisions/0007 tells the whole.
internal sealed partial class Daemon
{
    /// <summary>How many words stand before those of the user in the command line of a kept daemon: name, mark, socket.</summary>
    private const int KeptWords = 3;

    // So many starts in a row without success: the state is left out, as something in it may be what kills them. Programs are found by what
    // the adoption file tells. (Half of the state would be worse than none: what runs that it does not tell of would be started twice.)
    private const int AttemptWithoutState = 3;

    // The activity log's file, for a successor that cannot open it: rights were given up since, or the place is gone.
    private const string ActivityRole = "activity";

    // Fields of a checkpoint, behind the engine's.
    private const int CheckpointEngineField = 1;
    private const int CheckpointStartField = 2;
    private const int CheckpointSettingsField = 3;
    private const int CheckpointSocketField = 4;
    private const int CheckpointPidFileField = 5;

    // Fields of what a daemon that becomes the keeper leaves.
    private const int LeftWordField = 1;
    private const int LeftPathField = 2;
    private const int LeftDetachedField = 3;
    private const int LeftAtField = 4;
    private const int LeftDescriptorsField = 5;

    private StateMemory? _state;

    /// <summary>Is a daemon that its keeper has started: the first one, or the successor of one that died.</summary>
    /// <param name="handle">The descriptor of the conversation with the keeper.</param>
    /// <param name="args">The options of the user.</param>
    /// <param name="programName">What the program is called in messages.</param>
    /// <returns>The exit status.</returns>
    public static int RunKept(string handle, string[] args, string programName)
    {
        DaemonSignals.Prepare();
        if (!int.TryParse(handle, NumberStyles.None, CultureInfo.InvariantCulture, out int fd) || KeeperLink.Open(fd) is not { } keeper)
        {
            Say($"{KeeperStart.KeptWord} is for the daemon's own use");
            return StartException.ExitStatus;
        }

        int held = keeper.Table.TryTake(KeeperStart.StateRole);
        if (held < 0 || keeper.Attempt >= AttemptWithoutState)
        {
            StateFile.Close(held);
            return Run(args, programName, keeper);
        }

        ProcessArguments.ShowName();
        try
        {
            StateMemory state = StateMemory.Open(held, out string? failure) ?? throw new StartException(failure!);
            if (!state.TryRead(out byte[]? checkpoint, out IReadOnlyList<ReadOnlyMemory<byte>>? records, out bool isBroken))
            {
                throw new StartException("its state is damaged");
            }

            if (isBroken)
            {
                Say("the state of the daemon that died is not whole, as it did not fit; programs are found by what is known of their pids");
                state.Dispose();
                return Run(args, programName, keeper);
            }

            Succession succession = Succeed(keeper, state, checkpoint, records);
            return succession.Daemon.Run(() => succession.Daemon.GoOn(succession));
        }
        catch (Exception refusal) when (refusal is SnapshotRefusedException or StartException or InvalidOperationException)
        {
            // The next one tries with less.
            Say($"Error: the daemon that died cannot be succeeded: {refusal.Message}");
            return DefectStatus;
        }
    }

    /// <summary>Is a daemon whose keeper died and that takes its place.</summary>
    /// <param name="handle">The descriptor of what it left to itself.</param>
    /// <returns>The exit status.</returns>
    public static int BecomeKeeper(string handle)
    {
        DaemonSignals.PrepareBlocked();
        ProcessArguments.ShowName();
        try
        {
            if (!TryParse(handle, out int fd, out _))
            {
                throw new StartException($"{KeeperStart.BecomeWord} is for the daemon's own use");
            }

            ReExec.Adopt(fd);
            byte[] bytes = StateFile.Read(fd, out string? failure) ?? throw new StartException(failure!);
            StateFile.Close(fd);
            SnapshotReader reader = Snapshot.Open(bytes, "left", StateFile.BootId(), out _);
            List<string> words = reader.Texts(LeftWordField, "words");
            string path = reader.Text(LeftPathField, "path");
            bool isDetached = reader.Flag(LeftDetachedField, "isDetached");
            long diedAt = reader.Integer(LeftAtField, "diedAt");
            DescriptorTable table = DescriptorTable.Restore(reader.Record(LeftDescriptorsField, "descriptors"), areOpen: true);
            reader.End();
            return KeeperProcess.Run(
                new KeeperStart(words, path, isDetached, static () => { })
                {
                    Version = Program.Version, Held = table.Numbers, Death = "the keeper died, and the daemon before took its place", DiedAt = diedAt,
                },
                SystemClock.Instance,
                Say);
        }
        catch (Exception refusal) when (refusal is SnapshotRefusedException or StartException)
        {
            Say($"Error: {refusal.Message}; nobody keeps what was supervised");
            return DefectStatus;
        }
    }

    /// <summary>Is the image that takes the place of another one of the keeper, while the daemon lives.</summary>
    /// <param name="handles">The descriptors of what the other one left and of its file.</param>
    /// <param name="refused">This is the image that was gone back to: why the other one refused. Null: it is the other one.</param>
    /// <returns>The exit status.</returns>
    public static int RenewKeeper(string handles, string? refused)
    {
        DaemonSignals.PrepareBlocked();
        ProcessArguments.ShowName();
        try
        {
            return KeeperProcess.Resume(handles, refused, Program.Version, SystemClock.Instance, Say) ?? DefectStatus;
        }
        catch (StartException refusal)
        {
            Say($"Error: {refusal.Message}; the keeper ends, and the daemon takes its place");
            return DefectStatus;
        }
    }

    private static int Keep(KeeperStart start) => KeeperProcess.Run(start, SystemClock.Instance, Say);

    /// <summary>From here on everything is left with the keeper that a successor needs. Before the first program is started.</summary>
    private void BeKept(Engine.Engine engine, ProcessHost host, ReplaceableLog log, JournalHolder journal, long? childNoFile)
    {
        if (_keeper is null)
        {
            return;
        }

        _keeper.ShareRights();
        _keeper.Listen(engine.ChildrenExited);
        host.EndAdoption();
        host.KeepOutput(engine.ArrivedReports);
        if (StateMemory.Create(out string? failure) is not { } state)
        {
            engine.Log(LogLevel.Critical, $"the daemon's death would not be survived: {failure}");
            return;
        }

        _state = state;
        TellCommitted(engine, journal, wasThere: true);
        _hooks!.Keep(state);
        HoldOwn();
        Keep(engine, log, childNoFile);
        _keeper.Hold([KeeperStart.StateRole], [state.Descriptor]);
    }

    private void Keep(Engine.Engine engine, ReplaceableLog log, long? childNoFile)
    {
        log.TellWritten(_state!.LinesAreOut);
        log.TellOpened(file => _keeper?.Hold([ActivityRole], [file]));
        string boot = StateFile.BootId();
        engine.Keep(_state!, CheckpointEngineField, core => Snapshot.Seal(
            new SnapshotOrigin(boot, SystemClock.Instance.Now, Program.Version),
            writer =>
            {
                core(writer);
                WriteCheckpoint(writer, childNoFile);
            }));
    }

    /// <summary>Has the keeper hold what is the daemon's own: lock, control sockets and the file that it runs.</summary>
    private void HoldOwn()
    {
        if (_keeper is null)
        {
            return;
        }

        HoldSockets(_sockets!.Sockets);
        if (_lock is not null)
        {
            _keeper.Hold([LockRole], [_lock.Descriptor]);
        }

        int image = ReExec.OpenOwnImage(out _);
        if (image >= 0)
        {
            // Where there is none, a successor runs the keeper's file.
            _keeper.Hold([KeeperStart.ImageRole], [image]);
            StateFile.Close(image);
        }
    }

    /// <summary>
    /// Opens the activity log; where that is refused to a successor, what the daemon before had open goes on: programs are not left alone
    /// for want of a log.
    /// </summary>
    /// <exception cref="StartException">It cannot be opened, and there was none before.</exception>
    private static ReplaceableLog OpenLog(ActivityLogOptions options, KeeperLink? keeper)
    {
        int held = keeper?.Table.TryTake(ActivityRole) ?? -1;
        try
        {
            var log = new ReplaceableLog(options);
            StateFile.Close(held);
            return log;
        }
        catch (StartException refusal) when (held >= 0)
        {
            Say(refusal.Message);
            var log = new ReplaceableLog(options with { Descriptor = held });
            log.Write(LogLevel.Critical, $"{refusal.Message}; the file of the daemon before stays in use", SystemClock.Instance.Now.Wall);
            return log;
        }
    }

    private void HoldSockets(IReadOnlyList<ControlSocket> sockets)
    {
        foreach (ControlSocket socket in sockets)
        {
            _keeper?.Hold([ControlSockets.Role(socket.Config)], [socket.Fd]);
        }
    }

    /// <summary>Takes the lock over from the daemon before, where the keeper holds it, or takes it.</summary>
    private DaemonLock? TakeLock(List<LoadMessage> messages)
    {
        string name = LockName(_configuration);
        int held = _keeper?.Table.TryTake(LockRole) ?? -1;
        return held >= 0 ? DaemonLock.Restore(name, held) : DaemonLock.Take(name, _configuration.FullPath, Settings.PidFile, messages);
    }

    private void WriteCheckpoint(SnapshotWriter writer, long? childNoFile)
    {
        _start.Save(writer, CheckpointStartField);
        writer.Begin(CheckpointSettingsField);
        writer.Integer(1, childNoFile);
        LogState.Save(writer, 3, LogOptions());
        writer.End();
        _sockets!.Save(writer, CheckpointSocketField, _configuration.Servers, new DescriptorTable());
        _pidFile?.Save(writer, CheckpointPidFileField);
    }

    /// <summary>Reads the state of the daemon that died. Nothing of a program is touched.</summary>
    private static Succession Succeed(KeeperLink keeper, StateMemory state, byte[] checkpoint, IReadOnlyList<ReadOnlyMemory<byte>> records)
    {
        SnapshotReader reader = Snapshot.Open(checkpoint, "checkpoint", StateFile.BootId(), out _);
        SnapshotReader core = reader.Record(CheckpointEngineField, "engine");
        DaemonStart start = DaemonStart.Restore(reader.Record(CheckpointStartField, "start"));
        SnapshotReader settings = reader.Record(CheckpointSettingsField, "settings");
        long? childNoFile = settings.OptionalInteger(1, "childNoFile");
        ActivityLogOptions logOptions = LogState.Restore(settings.Record(3, "log"));
        settings.End();
        ReplaceableLog log = OpenLog(logOptions, keeper);
        Daemon? daemon = null;
        Engine.Engine engine = Engine.Engine.Restore(core, log, SystemClock.Instance, () => daemon!.Read(), () => daemon!.ReadForReload());
        Configuration configuration = engine.InForce ?? throw reader.Refusal("engine", "there is no configuration in force");
        engine.Pid = keeper.KeeperPid;
        daemon = new Daemon(start, configuration, detachment: null, keeper) { _state = state };
        daemon._sockets = ControlSockets.Restore(ref reader, CheckpointSocketField, configuration.Servers, keeper.Table);
        PidFile? pidFile = reader.TryRecord(CheckpointPidFileField, "pidFile", out SnapshotReader inner) ? PidFile.Restore(inner) : null;
        reader.End();
        daemon._pidFile = pidFile;
        return new Succession(daemon, engine, log, records, childNoFile);
    }

    /// <summary>Goes on where the daemon before was when it died.</summary>
    private int GoOn(Succession succession)
    {
        (_, Engine.Engine engine, ReplaceableLog log, IReadOnlyList<ReadOnlyMemory<byte>> records, long? childNoFile) = succession;
        KeeperLink keeper = _keeper!;
        if (_start.IsDetached)
        {
            DaemonDirectory.SetUmask(Settings.Umask);
            if (Settings.Directory is { } directory && DaemonDirectory.Change(directory) is { } failure)
            {
                engine.Log(LogLevel.Critical, $"can't chdir into {Core.Config.PythonText.Repr(directory)}: {failure}");
            }
        }

        _ = ResourceLimits.Raise(Settings);
        _ = DaemonUser.Become(Settings.User);
        keeper.ShareRights();
        SqliteLibrary.LoadWith(MemoryLibrary.Load);
        IReadOnlyList<Orphan> known = AdoptionFile.Read(Settings.PidFile, engine.Log, keeper.KeeperPid);
        using (log)
        using (engine)
        using (var journal = new JournalHolder(SystemClock.Instance, (level, text) => log.Write(level, text, SystemClock.Instance.Now.Wall)))
        using (ProcessHost host = ProcessHost.Succeed(
            engine, HostOptions(childNoFile), keeper, new AdoptionFile(Settings.PidFile, engine.Log), known))
        {
            _lock = TakeLateLock(engine);
            engine.Log(LogLevel.Error, $"{keeper.Death}; this one takes over");
            engine.Attach(host);
            KeepJournal(engine, journal);
            engine.ProgramReader = ReadProgram;
            using HookRunner hooks = RunHooks(engine, host, log);
            using var intents = new IntentFile(IntentPath(), engine.Log);
            engine.Intents = intents;
            log.TellWritten(_state!.LinesAreOut);
            engine.Replay(records, _state);
            var parts = new Parts(engine, host, log, journal, childNoFile);
            CatchUp(parts);
            host.EndAdoption();
            host.OutputReported(engine.WaitingBytes);
            keeper.Listen(engine.ChildrenExited);
            HoldOwn();
            if (_pidFile is not null)
            {
                // A keeper that was a daemon has another pid.
                _pidFile = PidFile.Write(Settings.PidFile, engine.Pid) ?? _pidFile;
            }

            Keep(engine, log, childNoFile);
            using DaemonSignals signals = DaemonSignals.Listen(number => TakeSignal(engine, number));
            DaemonSignals.Unblock();
            host.RecoverOutput(engine.ArrivedReports);
            host.Begin();
            engine.Record(About(DaemonAction.Recovered, engine) with { Reason = keeper.Death });
            engine.Start();
            journal.Start();
            return Serve(parts, _ =>
            {
                keeper.Ready();
                engine.Log(LogLevel.Info, string.Create(
                    CultureInfo.InvariantCulture,
                    $"everything is under control again, {(SystemClock.Instance.Now.Monotonic - keeper.DiedAt) / Moment.Millisecond} ms after that; {records.Count} records were gone through"));
            });
        }
    }

    /// <summary>
    /// The daemon before may have died within a reload, or behind one and before it could write down with what it went on: what is not the
    /// engine's own is brought to the configuration in force.
    /// </summary>
    private void CatchUp(Parts parts)
    {
        (Engine.Engine engine, ProcessHost host, ReplaceableLog log, JournalHolder journal, long? childNoFile) = parts;
        Configuration former = _configuration;
        _configuration = (engine.IsUp ? null : engine.ValidatedReload) ?? engine.InForce ?? former;
        if (!_configuration.Servers.SequenceEqual(former.Servers))
        {
            ControlSockets next = ControlSockets.Create(_configuration.Servers, text => engine.Log(LogLevel.Info, text), _sockets, _keeper!.Table);
            next.TakeOver(_sockets!);
            _sockets = next;
        }

        if (!_configuration.Supervisord.Equals(former.Supervisord))
        {
            SettleIn(parts);
            host.Reconfigure(HostOptions(childNoFile));
        }

        if (!engine.IsUp)
        {
            ComeUp(engine, host);
        }
    }

    /// <summary>The keeper is no more: this process becomes it and starts another daemon. Does not come back when that works.</summary>
    private void TakeKeepersPlace(Parts parts)
    {
        parts.Engine.Log(LogLevel.Error, $"the keeper (pid {_keeper!.KeeperPid}) died; this process takes its place and starts another daemon");
        string failure = AtRest(parts, () => ExecAsKeeper(parts))!;
        parts.Engine.Log(LogLevel.Critical, $"the keeper's place cannot be taken: {failure}; the daemon's death would not be survived");
    }

    private string ExecAsKeeper(Parts parts)
    {
        // What this image has of each role is what a keeper holds: that and the state is all it needs.
        var all = new DescriptorTable();
        _ = Write(parts, NewNonce(), 0, all, withCalls: false);
        var left = new DescriptorTable();
        foreach ((string role, int fd) in all.Numbers.Where(static entry => !entry.Key.StartsWith("log", StringComparison.Ordinal)))
        {
            left.Add(role, fd);
        }

        if (all.Numbers.TryGetValue(LogRole, out int activity))
        {
            left.Add(ActivityRole, activity);
        }

        byte[] bytes = Snapshot.Seal(new SnapshotOrigin(StateFile.BootId(), SystemClock.Instance.Now, Program.Version), writer =>
        {
            writer.Text(LeftWordField, ProcessArguments.ProgramName);
            foreach (string word in _start.Words)
            {
                writer.Text(LeftWordField, word);
            }

            writer.Text(LeftPathField, _start.Path);
            writer.Flag(LeftDetachedField, _start.IsDetached);
            writer.Integer(LeftAtField, SystemClock.Instance.Now.Monotonic);
            left.Save(writer, LeftDescriptorsField);
        });
        int state = StateFile.Write(bytes, out string? failure);
        if (failure is null)
        {
            _ = parts.Journal.Current?.Flush(JournalPatience);
            parts.Log.Flush();
            string handle = state.ToString(CultureInfo.InvariantCulture);
            failure = ReExec.Run("/proc/self/exe", [ProcessArguments.ProgramName, KeeperStart.BecomeWord, handle, .. _start.Words], left, state);
        }

        StateFile.Close(state);
        return failure;
    }

    /// <summary>What was read of the daemon before.</summary>
    private sealed record Succession(
        Daemon Daemon, Engine.Engine Engine, ReplaceableLog Log, IReadOnlyList<ReadOnlyMemory<byte>> Records, long? ChildNoFile);
}
