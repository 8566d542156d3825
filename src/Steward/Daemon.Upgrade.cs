using System.Globalization;
using System.Net.Sockets;
using System.Security.Cryptography;
using Steward.Core.Model;
using Steward.Core.Snapshots;
using Steward.Http;
using Steward.Keeper;
using Steward.Linux.Handover;
using Steward.Linux.Host;
using Steward.Linux.Processes;

namespace Steward;

// The daemon gives way to another image of the program: rehearse, close the gate, rest, write, exec. What fails before the exec is undone
// in reverse order, and everything goes on as it was. docs/decisions/0007-upgrade-and-keeper.md tells why each step is where it is.
internal sealed partial class Daemon
{
    /// <summary>The first word of an image that takes the place of another.</summary>
    public const string ResumeWord = "--resume";

    /// <summary>The first word of an image that is gone back to because the other one refused.</summary>
    public const string GoneBackWord = "--gone-back";

    /// <summary>The first word of an image that only tries whether it could take the place of another.</summary>
    public const string RehearseWord = "--rehearse-resume";

    private const string Rehearsed = "steward-resume";
    private const string LogRole = "log";
    private const string LockRole = "lock";
    private const string KeeperRole = "keeper";

    // Fields of the state.
    private const int NonceField = 1;
    private const int StartField = 2;
    private const int SettingsField = 3;
    private const int EngineField = 4;
    private const int HostField = 5;
    private const int SocketField = 6;
    private const int CallField = 7;
    private const int PidFileField = 8;
    private const int DescriptorsField = 9;

    private static readonly TimeSpan RestPatience = TimeSpan.FromSeconds(10);
    private static readonly TimeSpan RehearsalPatience = TimeSpan.FromSeconds(10);
    private static readonly TimeSpan GatePatience = TimeSpan.FromSeconds(2);
    private static readonly TimeSpan JournalPatience = TimeSpan.FromSeconds(2);
    private static readonly TimeSpan GateRetry = TimeSpan.FromSeconds(1);
    private static readonly TimeSpan SettlePatience = TimeSpan.FromSeconds(1);

    // Servers whose gate was closed for an upgrade that nothing came of; calls that waited then wait there.
    private readonly List<HttpServers> _formerHttp = [];
    private bool _isKeeperMourned;

    private void TakeSignal(Engine.Engine engine, int number)
    {
        if (number != Signals.Usr1)
        {
            engine.Signal(number);
            return;
        }

        engine.Log(LogLevel.Warn, $"received {Signals.LogName(number)} indicating upgrade request");
        if (_upgrades.AskAsync(engine, null, "SIGUSR1") is { IsCompletedSuccessfully: true, Result: Core.Effects.Refused refused })
        {
            engine.Log(LogLevel.Warn, $"ignored {Signals.LogName(number)} indicating upgrade request ({refused.Fault.Text})");
        }
    }

    private void StopHttp()
    {
        _formerHttp.AddRange(_files?.End() ?? []);
        IEnumerable<HttpServers> all = _http is null ? _formerHttp : _formerHttp.Append(_http);
        Task.WhenAll(all.Select(static one => one.StopAsync())).GetAwaiter().GetResult();
        _formerHttp.Clear();
    }

    /// <summary>Waits until everything is stopped, and carries out the upgrades that are wanted meanwhile.</summary>
    /// <returns>Whether it is for a reload.</returns>
    private bool UntilStopped(Parts parts)
    {
        while (true)
        {
            Task<bool> stopped = parts.Engine.Stopped;
            if (_keeper is { Gone.IsCompleted: true } && !_isKeeperMourned)
            {
                _isKeeperMourned = true;
                TakeKeepersPlace(parts);
            }

            Task.WaitAny(_keeper is null || _isKeeperMourned ? [stopped, _upgrades.Wanted] : [stopped, _upgrades.Wanted, _keeper.Gone]);
            if (!stopped.IsCompleted && _upgrades.Wanted.IsCompleted)
            {
                UpgradeRequests.Request request = _upgrades.Take();
                string file = request.File ?? _start.Path;
                parts.Engine.Log(LogLevel.Info, $"upgrading to {file} as {request.Requester} asks");
                string failure = Upgrade(parts, file);
                parts.Engine.Log(LogLevel.Error, $"the upgrade is given up: {failure}; everything goes on as it was");
                _upgrades.Refuse(failure);
                continue;
            }

            if (!stopped.IsCompleted)
            {
                continue;
            }

            _upgrades.Refuse("the daemon stops");
            return stopped.GetAwaiter().GetResult();
        }
    }

    /// <summary>Does not come back when it works.</summary>
    /// <returns>Why it does not.</returns>
    private string Upgrade(Parts parts, string file)
    {
        if (ReExec.Refusal(file) is { } refusal)
        {
            return refusal;
        }

        try
        {
            if (Rehearse(parts, file) is { } failure)
            {
                return failure;
            }
        }
        catch (Exception defect)
        {
            return $"the rehearsal failed: {defect.Message}";
        }

        long began = SystemClock.Instance.Now.Monotonic;
        try
        {
            IReadOnlyList<HttpServers> later = _files!.End();
            Task.WhenAll(later.Append(_http!).Select(static one => one.CloseGateAsync(GatePatience))).GetAwaiter().GetResult();
            _formerHttp.AddRange(later);
            return AtRest(parts, () => Exec(parts, file, began))!;
        }
        catch (Exception defect)
        {
            return $"it failed: {defect.Message}";
        }
        finally
        {
            OpenGateAgain(parts);
        }
    }

    /// <summary>Those who wait have been left waiting; everybody else comes in anew.</summary>
    private void OpenGateAgain(Parts parts)
    {
        _formerHttp.RemoveAll(static one => one.IsOver);
        _formerHttp.Add(_http!);
        while (true)
        {
            try
            {
                _sockets!.Renew();
                _http = StartHttp(parts);
                return;
            }
            catch (Exception e) when (e is StartException or IOException or SocketException)
            {
                // No descriptors or no memory just now. Programs are looked after meanwhile, and signals are heard.
                parts.Engine.Log(LogLevel.Critical, $"clients cannot be let in again: {e.Message}; it is tried until they can");
                if (Task.WaitAny([parts.Engine.Stopped], GateRetry) == 0)
                {
                    return;
                }
            }
        }
    }

    /// <summary>The last steps, while everything is at rest. Does not come back when they work.</summary>
    private string Exec(Parts parts, string program, long closedAt)
    {
        if (parts.Engine.State != DaemonState.Running)
        {
            return "the daemon stops";
        }

        // Whose answer came with the last steps of the core is not left waiting for another one.
        Task.WhenAll(_formerHttp.Append(_http!).Select(one => one.SettleAsync(parts.Engine.RequestOf, SettlePatience))).GetAwaiter().GetResult();
        var table = new DescriptorTable();
        int state = StateFile.Write(Write(parts, NewNonce(), closedAt, table, withCalls: true), out string? failure);
        if (failure is not null)
        {
            return failure;
        }

        int image = ReExec.OpenOwnImage(out failure);
        if (failure is null)
        {
            if (parts.Journal.Current is { } journal && !journal.Flush(JournalPatience))
            {
                parts.Engine.Log(LogLevel.Warn, $"the journal could not be written in time: {journal.Waiting} entries are lost");
            }

            parts.Log.Flush();
            string handles = string.Create(CultureInfo.InvariantCulture, $"{state}:{image}");
            failure = ReExec.Run(program, [ProcessArguments.ProgramName, ResumeWord, handles, .. _start.Words], table, state, image);
        }

        StateFile.Close(image);
        StateFile.Close(state);
        return failure;
    }

    /// <summary>
    /// Has the other program read the state as it is now and say that it understood it, while everything runs: what does not load, hangs or
    /// does not understand is found before anything depends on it.
    /// </summary>
    /// <returns>Null when it said so.</returns>
    private string? Rehearse(Parts parts, string file)
    {
        string nonce = NewNonce();
        int state = -1;
        string? failure = AtRest(parts, () =>
        {
            state = StateFile.Write(Write(parts, nonce, 0, new DescriptorTable(), withCalls: false), out string? unwritten);
            return unwritten;
        });
        if (failure is not null)
        {
            return failure;
        }

        HelperRun? run = null;
        try
        {
            string handle = state.ToString(CultureInfo.InvariantCulture);
            if (!OnEngine(parts, () => run = parts.Host.StartHelper(file, [ProcessArguments.ProgramName, RehearseWord, handle], state, out failure)))
            {
                return "the daemon stops";
            }

            if (run is null)
            {
                return failure;
            }

            string said = "";
            bool isWhole = false;
            Task reading = Task.Run(() => said = run.ReadOutput(RehearsalPatience, out isWhole));
            bool stops = Task.WaitAny(reading, parts.Engine.Stopped) == 1;
            if (stops || !isWhole || !run.Ended.Wait(RehearsalPatience))
            {
                OnEngine(parts, () => parts.Host.KillHelper(run));
            }

            reading.Wait();
            if (stops)
            {
                return "the daemon stops";
            }

            if (!run.Ended.Wait(RehearsalPatience))
            {
                return $"{file} did not end its rehearsal and could not be killed";
            }

            bool understood = said.Split('\n').Any(line => line.StartsWith($"{Rehearsed} {nonce} ", StringComparison.Ordinal));
            WaitStatus status = run.Ended.Result;
            return understood && status is { Exited: true, Code: 0 }
                ? null
                : $"{file} does not take this daemon over ({Ending(status, isWhole)}): {LastWords(said)}";
        }
        finally
        {
            run?.Dispose();
            StateFile.Close(state);
        }
    }

    private static string Ending(WaitStatus status, bool isWhole) => !isWhole
        ? string.Create(CultureInfo.InvariantCulture, $"it did not come to an end within {RehearsalPatience.TotalSeconds:0} s")
        : status.Exited
            ? string.Create(CultureInfo.InvariantCulture, $"its rehearsal ended with exit status {status.Code}")
            : string.Create(CultureInfo.InvariantCulture, $"its rehearsal was ended by signal {status.Signal}");

    private static string LastWords(string said)
    {
        const int shown = 400;
        string text = string.Join(' ', said.Split('\n', StringSplitOptions.RemoveEmptyEntries | StringSplitOptions.TrimEntries));
        text = string.Concat(text.Select(static c => char.IsControl(c) ? '?' : c));
        return text.Length == 0 ? "it said nothing" : text.Length <= shown ? text : text[..shown] + "...";
    }

    /// <summary>Brings everything to rest for an action, and lets it go on afterwards.</summary>
    /// <returns>What the action returns, or why there is no rest.</returns>
    private static string? AtRest(Parts parts, Func<string?> action)
    {
        if (!parts.Engine.Suspend(RestPatience))
        {
            return "the daemon does not come to rest: something that it does takes too long";
        }

        try
        {
            if (!parts.Host.Suspend(RestPatience))
            {
                return "output does not come to rest: a disk stands still";
            }

            try
            {
                return action();
            }
            finally
            {
                parts.Host.Continue();
            }
        }
        finally
        {
            parts.Engine.Continue();
        }
    }

    /// <summary>Runs an action on the engine's thread; false when the daemon stops instead.</summary>
    private static bool OnEngine(Parts parts, Action action)
    {
        Task done = parts.Engine.InvokeAsync(action);
        if (Task.WaitAny(done, parts.Engine.Stopped) != 0)
        {
            return false;
        }

        done.GetAwaiter().GetResult();
        return true;
    }

    private static string NewNonce() => RandomNumberGenerator.GetHexString(32, lowercase: true);

    /// <summary>Writes everything down. While everything is at rest.</summary>
    private byte[] Write(Parts parts, string nonce, long closedAt, DescriptorTable table, bool withCalls)
    {
        var origin = new SnapshotOrigin(StateFile.BootId(), SystemClock.Instance.Now, Program.Version);
        return Snapshot.Seal(origin, writer =>
        {
            writer.Text(NonceField, nonce);
            _start.Save(writer, StartField);
            writer.Begin(SettingsField);
            writer.Integer(1, parts.ChildNoFile);
            writer.Integer(2, closedAt);
            LogState.Save(writer, 3, LogOptions());
            writer.End();
            parts.Engine.Save(writer, EngineField);
            parts.Host.Save(writer, HostField, table);
            _sockets!.Save(writer, SocketField, _configuration.Servers, table);
            if (withCalls)
            {
                int place = 0;
                foreach (HttpServers http in _formerHttp.Append(_http!))
                {
                    place = http.SaveCalls(writer, CallField, place, table.Add, parts.Engine.RequestOf);
                }
            }

            _pidFile?.Save(writer, PidFileField);
            if (_keeper is not null && !_keeper.Gone.IsCompleted)
            {
                table.Add(KeeperRole, _keeper.Descriptor);
            }

            if (_state is not null)
            {
                table.Add(KeeperStart.StateRole, _state.Descriptor);
            }

            parts.Host.LeaveOutput(table);
            parts.Log.Leave(table, LogRole);
            _lock?.Leave(table, LockRole);
            table.Save(writer, DescriptorsField);
        });
    }
}
