using System.Globalization;
using Steward.Core.Config;
using Steward.Core.Effects;
using Steward.Core.Events;
using Steward.Core.Model;
using Steward.Core.Ports;
using Steward.Core.Snapshots;
using Steward.Hooks;
using Steward.Http;
using Steward.Journal;
using Steward.Keeper;
using Steward.Linux.Handover;
using Steward.Linux.Host;
using Steward.Linux.Output;
using Steward.Linux.Processes;

namespace Steward;

// The daemon takes the place of another image of the program. Everything is read and checked before anything is touched: up to there the
// other image can be gone back to.
internal sealed partial class Daemon
{
    private const int RefusedStatus = 3;
    private const string NotForPeople = $"{ResumeWord}, {GoneBackWord} and {RehearseWord} are for the daemon's own use";

    // Whether the other image cannot be gone back to any more.
    private static bool _isCommitted;

    /// <summary>Goes on in the place of another image.</summary>
    /// <param name="handles">The descriptors of the state and of the image to go back to.</param>
    /// <param name="refused">This is the image that was gone back to: why the other one refused. Null: it is the other one.</param>
    /// <returns>The exit status.</returns>
    public static int Resume(string handles, string? refused)
    {
        DaemonSignals.PrepareBlocked();
        ProcessArguments.ShowName();
        if (!TryParse(handles, out int state, out int image))
        {
            Say(NotForPeople);
            return StartException.ExitStatus;
        }

        DescriptorTable? table = null;
        try
        {
            ReExec.Adopt(state, image);
            byte[] bytes = StateFile.Read(state, out string? failure) ?? throw new StartException(failure!);
            Resumed resumed = Restore(bytes, isRehearsal: false, ref table);
            StateFile.Close(state);
            StateFile.Close(image);
            return resumed.Daemon.Run(() => resumed.Daemon.GoOn(resumed, refused));
        }
        catch (Exception refusal) when (!_isCommitted)
        {
            if (refused is not null || image < 0)
            {
                Say($"Error: {refusal.Message}; the program cannot go on, and what it supervised runs without it");
                return DefectStatus;
            }

            // Whatever it is, a refusal or a defect of ours: nothing was touched, and the other image knew how to go on.
            IReadOnlyList<string> words = ProcessArguments.Words;
            string[] back = [words[0], GoneBackWord, string.Create(CultureInfo.InvariantCulture, $"{state}:-1"), OneLine(refusal.Message), .. words.Skip(3)];
            string failure = ReExec.RunImage(image, back, table ?? new DescriptorTable(), state);
            Say($"Error: {refusal.Message}; the program before cannot be gone back to either: {failure}");
            return DefectStatus;
        }
    }

    /// <summary>Reads a state as if to go on with it, says whether that could be done, and ends.</summary>
    /// <param name="handle">The descriptor of the state.</param>
    /// <returns>The exit status.</returns>
    public static int Rehearse(string handle)
    {
        try
        {
            if (!TryParse(handle, out int state, out _))
            {
                throw new StartException(NotForPeople);
            }

            byte[] bytes = StateFile.Read(state, out string? failure) ?? throw new StartException(failure!);
            DescriptorTable? table = null;
            Resumed resumed = Restore(bytes, isRehearsal: true, ref table);

            // Written down again it goes through every field once more.
            _ = Snapshot.Seal(resumed.Origin, writer => resumed.Parts.Engine.Save(writer, EngineField));
            StandardStreams.Write(StandardStreams.Output, $"{Rehearsed} {resumed.Nonce} {Program.Version}\n");
            return 0;
        }
        catch (Exception refusal) when (refusal is SnapshotRefusedException or StartException or InvalidOperationException)
        {
            StandardStreams.Write(StandardStreams.Error, $"Error: {refusal.Message}\n");
            return RefusedStatus;
        }
    }

    private static bool TryParse(string handles, out int state, out int image)
    {
        string[] parts = handles.Split(':', 2);
        image = parts.Length == 2 && int.TryParse(parts[1], NumberStyles.None, CultureInfo.InvariantCulture, out int number) ? number : -1;
        return int.TryParse(parts[0], NumberStyles.None, CultureInfo.InvariantCulture, out state);
    }

    private static string OneLine(string text) => string.Concat(text.Select(static c => char.IsControl(c) ? ' ' : c));

    /// <summary>Reads everything and checks it. Nothing is touched but the descriptors, which close at the next exec from here on.</summary>
    private static Resumed Restore(byte[] bytes, bool isRehearsal, ref DescriptorTable? table)
    {
        SnapshotReader reader = Snapshot.Open(bytes, "state", StateFile.BootId(), out SnapshotOrigin origin);

        // The descriptors stand last, because they are known last, and are needed first.
        SnapshotReader ahead = reader;
        table = DescriptorTable.Restore(ahead.Record(DescriptorsField, "descriptors"), areOpen: !isRehearsal);
        DescriptorTable descriptors = table;
        string nonce = reader.Text(NonceField, "nonce");
        DaemonStart start = DaemonStart.Restore(reader.Record(StartField, "start"));
        SnapshotReader settings = reader.Record(SettingsField, "settings");
        long? childNoFile = settings.OptionalInteger(1, "childNoFile");
        long closedAt = settings.Integer(2, "closedAt");
        ActivityLogOptions logOptions = LogState.Restore(settings.Record(3, "log"));
        settings.End();
        ReplaceableLog? log = isRehearsal
            ? null
            : new ReplaceableLog(logOptions with { Descriptor = descriptors.Has(LogRole) ? descriptors.Take(reader, LogRole) : null });

        Daemon? daemon = null;
        Engine.Engine engine = Engine.Engine.Restore(
            reader.Record(EngineField, "engine"),
            log ?? (IActivityLog)new RehearsalLog(),
            SystemClock.Instance,
            () => daemon!.Read(),
            () => daemon!.ReadForReload());
        Configuration configuration = engine.InForce ?? throw reader.Refusal("engine", "there is no configuration in force");
        KeeperLink? keeper = isRehearsal || !descriptors.Has(KeeperRole)
            ? null
            : KeeperLink.GoOn(descriptors.Take(reader, KeeperRole), start.IsDetached);
        if (keeper is not null)
        {
            engine.Pid = keeper.KeeperPid;
        }

        StateMemory? memory = null;
        if (keeper is not null && descriptors.Has(KeeperStart.StateRole))
        {
            memory = StateMemory.Open(descriptors.Take(reader, KeeperStart.StateRole), out string? failure) ?? throw reader.Refusal("state", failure!);
        }

        daemon = new Daemon(start, configuration, detachment: null, keeper) { _state = memory };
        ProcessHost host = ProcessHost.Restore(
            reader.Record(HostField, "host"), descriptors, engine, daemon.HostOptions(childNoFile), areOurs: !isRehearsal, keeper);
        daemon._sockets = ControlSockets.Restore(ref reader, SocketField, configuration.Servers, descriptors);
        HeldCalls calls = HeldCalls.Restore(ref reader, CallField, (in SnapshotReader call, string role) => descriptors.Take(call, role));
        daemon._pidFile = reader.TryRecord(PidFileField, "pidFile", out SnapshotReader pidFile) ? PidFile.Restore(pidFile) : null;
        if (descriptors.Has(LockRole))
        {
            daemon._lock = DaemonLock.Restore(LockName(configuration), descriptors.Take(reader, LockRole));
        }

        _ = reader.Record(DescriptorsField, "descriptors");
        reader.End();
        var journal = new JournalHolder(SystemClock.Instance, (level, text) => log?.Write(level, text, SystemClock.Instance.Now.Wall));
        return new Resumed(daemon, new Parts(engine, host, log!, journal, childNoFile), calls, descriptors, origin, nonce, closedAt);
    }

    /// <summary>From here on this image is the daemon.</summary>
    private int GoOn(Resumed resumed, string? refused)
    {
        _isCommitted = true;
        (Engine.Engine engine, ProcessHost host, ReplaceableLog log, JournalHolder journal, long? childNoFile) = resumed.Parts;
        using (log)
        using (journal)
        using (engine)
        using (host)
        {
            resumed.Table.CloseRest();
            engine.Attach(host);
            SqliteLibrary.LoadWith(MemoryLibrary.Load);
            KeepJournal(engine, journal);
            engine.ProgramReader = ReadProgram;
            using HookRunner hooks = RunHooks(engine, host, log);
            using var intents = new IntentFile(IntentPath(), engine.Log);
            engine.Intents = intents;
            using DaemonSignals signals = DaemonSignals.Listen(number => TakeSignal(engine, number));
            DaemonSignals.Unblock();
            _lock ??= TakeLateLock(engine);
            host.Keep(new AdoptionFile(Settings.PidFile, engine.Log), AdoptionFile.Read(Settings.PidFile, engine.Log));
            if (_keeper is not null && _state is not null)
            {
                _keeper.Listen(engine.ChildrenExited);
                host.EndAdoption();
                HoldOwn();
                engine.TellHeldFacts(_state.FactsOut);
                Keep(engine, log, childNoFile);
                host.KeepOutput(engine.ArrivedReports);
            }

            host.Begin();
            if (refused is null)
            {
                engine.Record(About(DaemonAction.Upgraded, engine));
            }

            // Before the engine starts: an answer that nobody waits for is gone.
            Dictionary<RequestId, Task<Outcome>?> rejoined = resumed.Calls.Requests.ToDictionary(static request => request, engine.Rejoin);
            engine.Start();
            journal.Start();
            return Serve(resumed.Parts, http =>
            {
                http.Resume(
                    resumed.Calls,
                    request => rejoined[request],
                    refused is null ? Done.Instance : new Refused(new Fault(FaultCode.Failed, $"the new program refused: {refused}")));
                _keeper?.Ready();
                long gap = (SystemClock.Instance.Now.Monotonic - resumed.ClosedAt) / Moment.Millisecond;
                if (refused is null)
                {
                    engine.Log(LogLevel.Info, string.Create(CultureInfo.InvariantCulture, $"upgraded from {resumed.Origin.Program} to {Program.Version} in {gap} ms"));
                    _keeper?.Renew(
                        version => engine.Log(LogLevel.Info, $"the keeper goes on as {version}, too"),
                        reason => engine.Log(LogLevel.Warn, $"the keeper goes on as the program that it was: {reason}"));
                }
                else
                {
                    engine.Log(LogLevel.Error, string.Create(
                        CultureInfo.InvariantCulture, $"the upgrade is given up after {gap} ms: the new program refused: {refused}; everything goes on as it was"));
                }
            });
        }
    }

    /// <summary>What was read.</summary>
    private sealed record Resumed(
        Daemon Daemon, Parts Parts, HeldCalls Calls, DescriptorTable Table, SnapshotOrigin Origin, string Nonce, long ClosedAt);
}
