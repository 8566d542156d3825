using Steward.Core.Config;
using Steward.Core.Effects;
using Steward.Core.Inputs;
using Steward.Core.Model;
using Steward.Core.Ports;
using Steward.Core.Snapshots;

namespace Steward.Engine;

// Everything is written down before it is acted on, so that a successor knows what this engine knew at its last moment.
public sealed partial class Engine
{
    private const int InputRecord = 1;
    private const int ArrivalRecord = 2;
    private const int TakenRecord = 3;
    private const int DeathRecord = 4;
    private const int ControlRecord = 5;
    private const int ValidatedRecord = 6;
    private const int WaitsRecord = 7;
    private const int SignalRecord = 8;

    // Processes for whose stdin bytes wait. Guarded by the inbox.
    private readonly HashSet<(ProcessId Process, Incarnation Incarnation)> _stdinWaits = [];

    private IStateLog? _stateLog;
    private Func<Action<SnapshotWriter>, byte[]>? _seal;
    private int _field;

    // How many lines the machine has had logged in all lives.
    private long _lines;

    /// <summary>How many tapped bytes have been reported in all lives.</summary>
    public long ArrivedBytes { get; private set; }

    /// <summary>How many pieces of output, tapped or captured, have been reported in all lives: what a successor of the hub need not report again.</summary>
    public long ArrivedReports { get; private set; }

    /// <summary>Whether the start-up sequence is complete; when not, a successor has to load the rest of the configuration and to begin.</summary>
    public bool IsUp => _supervisor.IsUp;

    /// <summary>How many tapped bytes were reported and wait to be taken in. While neither the loop nor the host runs.</summary>
    public int WaitingBytes => _arrivals.Sum(static arrival => arrival is { Data: { } data, IsCapture: false } ? data.Length : 0);

    /// <summary>Writes a checkpoint, and from here on everything that happens. Between two steps.</summary>
    /// <param name="log">Where.</param>
    /// <param name="field">The field of the engine in a checkpoint.</param>
    /// <param name="seal">Makes a checkpoint, given what writes the engine's field into it.</param>
    public void Keep(IStateLog log, int field, Func<Action<SnapshotWriter>, byte[]> seal)
    {
        (_field, _seal) = (field, seal);
        KeepFacts();
        _stateLog = log;
        Checkpoint();
    }

    private void CheckpointWhenWanted()
    {
        if (_stateLog is { IsCheckpointWanted: true } && _seal is not null)
        {
            Checkpoint();
        }
    }

    private void Checkpoint()
    {
        // Lines that are not out can be told again from the records alone.
        _log.Flush();
        lock (_inbox)
        {
            _stateLog!.Checkpoint(_seal!(writer => WriteState(writer, _field)));
        }
    }

    private void NoteInput(Input input, Moment now) => Note(InputRecord, writer =>
    {
        writer.Integer(2, now.Monotonic);
        writer.Integer(3, now.Wall);
        InputFormat.Write(writer, 4, input);
    });

    private void NoteTaken(Moment now) => Note(TakenRecord, writer =>
    {
        writer.Integer(2, now.Monotonic);
        writer.Integer(3, now.Wall);
    });

    private void NoteSignal(int number) => Note(SignalRecord, writer => writer.Integer(2, number));

    private void NoteArrival(Arrival arrival) => Note(ArrivalRecord, writer => Write(writer, 2, arrival));

    private void NoteDeath(int pid, Child child) => Note(DeathRecord, writer =>
    {
        writer.Integer(2, pid);
        writer.Integer(3, child.Status.Raw);
        writer.Integer(4, child.ExitedAt);
        writer.Integer(5, child.OutOfMemory is { } isOutOfMemory ? isOutOfMemory ? 1 : 0 : null);
    });

    private void NoteControl(Configuration configuration) => Note(ControlRecord, writer => ConfigurationFormat.Write(writer, 2, configuration));

    private void NoteValidated(Configuration? configuration) => Note(ValidatedRecord, writer =>
    {
        if (configuration is not null)
        {
            ConfigurationFormat.Write(writer, 2, configuration);
        }
    });

    private void NoteWaiting(ProcessId process, Incarnation incarnation, bool waits) => Note(WaitsRecord, writer =>
    {
        writer.Integer(2, process.Value);
        writer.Integer(3, incarnation.Value);
        writer.Flag(4, waits);
    });

    private void Note(int kind, Action<SnapshotWriter> fields)
    {
        _stateLog?.Append(Snapshot.Record(writer =>
        {
            writer.Integer(1, kind);
            fields(writer);
        }));
    }

    private void Count(Arrival arrival)
    {
        if (arrival.Data is not null)
        {
            ArrivedReports++;
        }

        if (arrival is { Data: { } data, IsCapture: false })
        {
            ArrivedBytes += data.Length;
        }
    }

    private static void Write(SnapshotWriter writer, int field, Arrival arrival)
    {
        writer.Begin(field);
        writer.Integer(1, arrival.Process.Value);
        writer.Integer(2, arrival.Incarnation.Value);
        writer.Integer(3, (int)arrival.Channel);
        writer.Flag(4, arrival.IsCapture);
        if (arrival.Data is { } data)
        {
            writer.Bytes(5, data);
        }

        writer.Text(6, arrival.LastOutput);
        writer.End();
    }

    private static Arrival ReadArrival(SnapshotReader reader)
    {
        var process = new ProcessId(reader.Int32(1, "process"));
        var incarnation = new Incarnation(reader.Int32(2, "incarnation"));
        OutputChannel channel = reader.Choice<OutputChannel>(3, "channel");
        bool isCapture = reader.Flag(4, "isCapture");
        byte[]? data = reader.OptionalBytes(5, "data");
        var arrival = new Arrival(process, incarnation, channel, data, isCapture, reader.OptionalText(6, "lastOutput"));
        reader.End();
        return arrival;
    }

    private static void Write(SnapshotWriter writer, int field, Spawn? spawn)
    {
        if (spawn is null)
        {
            return;
        }

        writer.Begin(field);
        writer.Text(1, spawn.Group);
        ConfigurationFormat.Write(writer, 2, spawn.Config);
        writer.Text(3, spawn.StdoutLog);
        writer.Text(4, spawn.StderrLog);
        writer.Flag(5, spawn.TapStdout);
        writer.Flag(6, spawn.TapStderr);
        writer.End();
    }

    private static Spawn? ReadSpawn(ref SnapshotReader reader, int field, Child child)
    {
        if (!reader.TryRecord(field, "spawn", out SnapshotReader inner))
        {
            return null;
        }

        var spawn = new Spawn(
            child.Process,
            child.Incarnation,
            inner.Text(1, "group"),
            ConfigurationFormat.ReadProcess(inner.Record(2, "config")),
            inner.OptionalText(3, "stdoutLog"),
            inner.OptionalText(4, "stderrLog"),
            inner.Flag(5, "tapStdout"),
            inner.Flag(6, "tapStderr"));
        inner.End();
        return spawn;
    }
}
