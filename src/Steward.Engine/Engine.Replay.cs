using Steward.Core.Config;
using Steward.Core.Effects;
using Steward.Core.Inputs;
using Steward.Core.Model;
using Steward.Core.Ports;
using Steward.Core.Snapshots;

namespace Steward.Engine;

// A predecessor died. What it wrote down since its last checkpoint happens again, the same steps at the same moments, and where the records end this
// engine goes on, in the middle of a step's consequences if need be.
public sealed partial class Engine
{
    private Records? _replay;

    // When the last step was that was written down.
    private Moment _replayedAt;

    // Up to which number a predecessor's lines are out.
    private long _linesOut;

    // The next effect that has an answer may have been carried out, or not.
    private bool _isUncertain;

    /// <summary>
    /// Does again what a predecessor has written down since the checkpoint that this engine was restored from, and goes on where that ends. After
    /// <see cref="Attach"/>, before <see cref="Start"/>.
    /// </summary>
    /// <param name="records">The records, oldest first.</param>
    /// <param name="log">The log they are from: what happens beyond them is appended there.</param>
    /// <exception cref="SnapshotRefusedException">The records do not follow from the checkpoint.</exception>
    public void Replay(IReadOnlyList<ReadOnlyMemory<byte>> records, IStateLog log)
    {
        // Whoever waited has lost its connection.
        _waiting.Clear();
        _linesOut = log.LinesOut;
        TellHeldFacts(log.FactsOut);
        _replay = new Records(records, this, log);
        while (_replay is { } replay && replay.HasMore)
        {
            SnapshotReader reader = replay.Next(out int kind);
            switch (kind)
            {
                case InputRecord:
                    (Input input, Moment now) = ReadInput(reader);
                    if (input is Reloading)
                    {
                        _stopped = NewStopped();
                    }

                    Remember(input);
                    switch (input)
                    {
                        case SignalReceived signal:
                            // It waited until then.
                            _signals.Remove(signal.Number);
                            break;

                        case ChildAdopted adopted:
                            _children.Add(adopted.Pid, new Child(adopted.Process, adopted.Incarnation) { Pid = adopted.Pid });
                            break;
                    }

                    Apply(input, now);
                    break;

                case TakenRecord:
                    Take(_arrivals.Dequeue(), ReadMoment(ref reader));
                    break;

                case DeathRecord:
                    Bury(reader);
                    break;

                case ControlRecord:
                    Control = ConfigurationFormat.Read(reader.Record(2, "configuration"));
                    break;

                case ValidatedRecord:
                    ValidatedReload = ReadValidated(ref reader);
                    break;

                default:
                    throw reader.Refusal("kind", $"{kind} is not expected here");
            }
        }

        if (_replay is not null)
        {
            GoLive();
        }

        _isUncertain = false;
        lock (_inbox)
        {
            // Deaths are looked for, and deadlines that passed meanwhile. A signal that came while the same was being taken counts as one.
            _childrenExited = true;
            int[] numbers = [.. _signals.Distinct()];
            _signals.Clear();
            _signals.AddRange(numbers);
        }
    }

    /// <summary>Logs a line, unless a predecessor did and it is out.</summary>
    private void LogLine(Core.Effects.Log line, long wall)
    {
        if (++_lines > _linesOut)
        {
            _log.Write(line.Level, line.Text, wall, _lines);
        }
    }

    private (Input Input, Moment Now) ReadInput(SnapshotReader reader)
    {
        Moment now = ReadMoment(ref reader);
        return (InputFormat.Read(reader.Record(4, "input")), now);
    }

    private Moment ReadMoment(ref SnapshotReader reader) =>
        _replayedAt = new Moment(reader.Integer(2, "monotonic"), reader.Integer(3, "wall"));

    private static Configuration? ReadValidated(ref SnapshotReader reader) =>
        reader.TryRecord(2, "configuration", out SnapshotReader configuration) ? ConfigurationFormat.Read(configuration) : null;

    private void Remember(Input input)
    {
        long request = input switch
        {
            CommandReceived received => received.Request.Value,
            ConfigurationRead read => read.Request.Value,
            _ => 0,
        };
        _lastRequest = Math.Max(_lastRequest, request);
    }

    private void Bury(SnapshotReader reader)
    {
        int pid = reader.Int32(2, "pid", 1);
        if (!_children.Remove(pid, out Child? child))
        {
            throw reader.Refusal("pid", $"{pid} is no child");
        }

        child.Status = new WaitStatus(reader.Int32(3, "status"));
        child.ExitedAt = reader.Integer(4, "exitedAt");
        child.OutOfMemory = reader.OptionalInt32(5, "outOfMemory", 0, 1) is { } isOutOfMemory ? isOutOfMemory == 1 : null;
        _dead[child.Process] = child;
        var reaped = new ChildReaped(child.Process, child.Incarnation);
        if (_replay!.HasMore)
        {
            SnapshotReader next = _replay.Next(out int kind);
            (Input input, Moment now) = kind == InputRecord ? ReadInput(next) : throw next.Refusal("kind", "the death of a child is followed by something else");
            Apply(input, now);
            return;
        }

        // Its status may be taken or not. What is to be read of it is taken in hand with that of all the dead.
        Host.Reap(pid);
        GoLive();
        _isUncertain = false;
        Apply(reaped);
    }

    /// <summary>Says whether an effect is done with because a predecessor did it, or because it was uncertain and is settled here.</summary>
    private bool IsReplayed(Effect effect)
    {
        if (effect is Stopped || (_replay is null && !_isUncertain))
        {
            return false;
        }

        bool hasAnswer = effect is not (Core.Effects.Log or Core.Effects.Record or Reply or SaveIntents or MeasureMemory or ProbeHealth or ReopenLogs);
        if (_replay is { } replay)
        {
            if (replay.HasMore)
            {
                if (hasAnswer)
                {
                    Answer(effect, replay);
                }
                else if (effect is Core.Effects.Log line)
                {
                    LogLine(line, _replayedAt.Wall);
                }
                else if (effect is Core.Effects.Record record && _areFactsKept)
                {
                    TellFact(record.Entry);
                }

                return true;
            }

            GoLive();
        }

        if (!hasAnswer)
        {
            return false;
        }

        _isUncertain = false;
        return IsSettled(effect);
    }

    private void Answer(Effect effect, Records replay)
    {
        SnapshotReader reader = replay.Next(out int kind);

        // More than one when a successor died over it as well.
        while (kind == ValidatedRecord)
        {
            ValidatedReload = ReadValidated(ref reader);
            if (!replay.HasMore)
            {
                // It is read again, and may have changed meanwhile.
                GoLive();
                CarryOut(effect);
                return;
            }

            reader = replay.Next(out kind);
        }

        if (kind != InputRecord)
        {
            throw reader.Refusal("kind", $"{kind} is no answer to {effect.GetType().Name}");
        }

        (Input input, Moment now) = ReadInput(reader);
        switch (effect, input)
        {
            case (Spawn spawn, ChildSpawned spawned) when spawned.Process == spawn.Process && spawned.Incarnation == spawn.Incarnation:
                _children.Add(spawned.Pid, new Child(spawn.Process, spawn.Incarnation) { Pid = spawned.Pid, Spawn = spawn });
                break;

            case (Core.Effects.Spawn, SpawnFailed) or (WriteStdin, StdinAnswered) or (CheckCommand, CommandChecked) or (PrepareGroup, GroupPrepared)
                or (ClearLogs, LogsCleared) or (EndSurvivors, SurvivorsFound) or (ValidateReload, ReloadValidated):
                break;

            case (Signal signal, SignalAnswered answered):
                if (_children.TryGetValue(signal.Pid, out Child? child) && child.Process == signal.Process && child.Incarnation == signal.Incarnation)
                {
                    child.IsKilled |= signal.Number == Signals.Kill && answered.Result == SignalResult.Delivered;
                }

                break;

            default:
                throw reader.Refusal("input", $"{input.GetType().Name} is no answer to {effect.GetType().Name}");
        }

        Apply(input, now);
    }

    /// <summary>The one effect that may have been carried out or not; false when it is to be carried out again.</summary>
    private bool IsSettled(Effect effect)
    {
        switch (effect)
        {
            case Spawn spawn when Host.FindSpawned(spawn, _replayedAt.Monotonic) is { } pid:
                Host.Adopt(spawn, pid, isDead: false);
                _children.Add(pid, new Child(spawn.Process, spawn.Incarnation) { Pid = pid, Spawn = spawn });
                Apply(new ChildSpawned(spawn.Process, spawn.Incarnation, pid));
                return true;

            // One that stops a process is sent again, whoever waits for it; a client's own must not come twice.
            case Signal signal when _supervisor.IsAskedSignal(signal):
                Apply(new SignalAnswered(
                    signal.Process, signal.Incarnation, signal.Request, signal.Number, SignalResult.Refused, "the daemon died over it"));
                return true;

            case WriteStdin write:
                if (write.Request == default)
                {
                    Distrust(write.Process, write.Incarnation);
                }

                Apply(new StdinAnswered(write.Process, write.Incarnation, write.Request, StdinResult.Accepted));
                return true;

            default:
                return false;
        }
    }

    /// <summary>The records end here: who lives and whose output is not read to its end is taken over, and from here on everything is done.</summary>
    private void GoLive()
    {
        Records replay = _replay!;
        _replay = null;
        _stateLog = replay.Log;
        _isUncertain = true;
        foreach ((int pid, Child child) in _children)
        {
            if (child.Spawn is { } spawn)
            {
                Host.Adopt(spawn, pid, isDead: false);
            }
            else
            {
                Host.AdoptOrphan(child.Process, child.Incarnation, pid, isDead: false);
            }
        }

        foreach (Child child in _dead.Values.ToArray())
        {
            if (_arrivals.Any(arrival => arrival.Data is null && arrival.Process == child.Process && arrival.Incarnation == child.Incarnation))
            {
                continue;
            }

            if (child.Spawn is { } spawn)
            {
                Host.Adopt(spawn, child.Pid, isDead: true);
            }
            else
            {
                Host.AdoptOrphan(child.Process, child.Incarnation, child.Pid, isDead: true);
            }

            FinishOutput(child);
        }

        foreach ((ProcessId process, Incarnation incarnation) in _stdinWaits)
        {
            Distrust(process, incarnation);
        }

        lock (_inbox)
        {
            _stdinWaits.Clear();
        }
    }

    /// <summary>A listener may have half an event in its stdin: whatever followed would be read as the rest of it.</summary>
    private void Distrust(ProcessId process, Incarnation incarnation)
    {
        foreach ((int pid, Child child) in _children)
        {
            if (child.Process == process && child.Incarnation == incarnation && child.Spawn is { Config.IsListener: true } spawn)
            {
                Log(LogLevel.Warn, $"listener {spawn.Config.Name} ({pid}) is killed: the daemon before died while it was sent an event, of which it may have a part");
                Host.Signal(pid, Signals.Kill, toGroup: false, out _);
                child.IsKilled = true;
            }
        }
    }

    /// <summary>The records of a predecessor, one after the other.</summary>
    private sealed class Records(IReadOnlyList<ReadOnlyMemory<byte>> records, Engine engine, IStateLog log)
    {
        private int _at;

        public IStateLog Log { get; } = log;

        /// <summary>Whether there are more; what came from the host's threads at this place is taken in.</summary>
        public bool HasMore
        {
            get
            {
                for (; _at < records.Count; _at++)
                {
                    SnapshotReader reader = Snapshot.OpenRecord(records[_at].Span, "record");
                    switch (reader.Int32(1, "kind"))
                    {
                        case ArrivalRecord:
                            Arrival arrival = ReadArrival(reader.Record(2, "arrival"));
                            engine.Count(arrival);
                            engine._arrivals.Enqueue(arrival);
                            break;

                        case SignalRecord:
                            engine._signals.Add(reader.Int32(2, "signal", 1, 64));
                            break;

                        case WaitsRecord:
                            var key = (new ProcessId(reader.Int32(2, "process", 1)), new Incarnation(reader.Int32(3, "incarnation", 1)));
                            if (reader.Flag(4, "waits"))
                            {
                                engine._stdinWaits.Add(key);
                            }
                            else
                            {
                                engine._stdinWaits.Remove(key);
                            }

                            break;

                        default:
                            return true;
                    }
                }

                return false;
            }
        }

        public SnapshotReader Next(out int kind)
        {
            SnapshotReader reader = Snapshot.OpenRecord(records[_at++].Span, "record");
            kind = reader.Int32(1, "kind");
            return reader;
        }
    }
}
