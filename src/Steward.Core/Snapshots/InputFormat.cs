using Steward.Core.Config;
using Steward.Core.Inputs;
using Steward.Core.Model;
using Steward.Core.Supervision;

namespace Steward.Core.Snapshots;

/// <summary>
/// An input as it is written down: what is read is equal to what was written, so that a step with it has the same effects again.
/// </summary>
/// <remarks>Field 1 is the kind; its numbers, and those of the fields of each kind, keep their meaning for ever.</remarks>
public static partial class InputFormat
{
    /// <summary>Writes an input as a field.</summary>
    public static void Write(SnapshotWriter writer, int field, Input input)
    {
        writer.Begin(field);
        switch (input)
        {
            case TimePassed:
                Begin(writer, InputKind.TimePassed);
                break;
            case ConfigurationRead read:
                Begin(writer, InputKind.ConfigurationRead);
                writer.Integer(2, read.Request.Value);
                ConfigurationFormat.Write(writer, 3, read.Configuration);
                writer.Text(4, read.Requester);
                break;
            case GroupPrepared prepared:
                Begin(writer, InputKind.GroupPrepared);
                Write(writer, prepared);
                break;
            case DaemonStarted:
                Begin(writer, InputKind.DaemonStarted);
                break;
            case ChildSpawned spawned:
                Begin(writer, InputKind.ChildSpawned, spawned.Process, spawned.Incarnation);
                writer.Integer(4, spawned.Pid);
                break;
            case SpawnFailed failed:
                Begin(writer, InputKind.SpawnFailed, failed.Process, failed.Incarnation);
                writer.Text(4, failed.SpawnErr);
                writer.Text(5, failed.Stage);
                break;
            case ChildAdopted adopted:
                Begin(writer, InputKind.ChildAdopted, adopted.Process, adopted.Incarnation);
                writer.Integer(4, adopted.Pid);
                writer.Integer(5, adopted.StartedAt);
                writer.Flag(6, adopted.IsOlder);
                writer.Flag(7, adopted.IsToStop);
                writer.Flag(8, adopted.HasOutput);
                break;
            case ChildReaped reaped:
                Begin(writer, InputKind.ChildReaped, reaped.Process, reaped.Incarnation);
                break;
            case ChildExited exited:
                Begin(writer, InputKind.ChildExited, exited.Process, exited.Incarnation);
                writer.Integer(4, exited.Status.Raw);
                writer.Integer(5, exited.ExitedAt);
                writer.Integer(6, exited.OutOfMemory is { } outOfMemory ? outOfMemory ? 1 : 0 : null);
                writer.Text(7, exited.LastOutput);
                break;
            case OrphanReaped orphan:
                Begin(writer, InputKind.OrphanReaped);
                writer.Integer(2, orphan.Pid);
                writer.Integer(3, orphan.Status.Raw);
                break;
            case OutputArrived output:
                Begin(writer, InputKind.OutputArrived, output.Process, output.Incarnation);
                writer.Integer(4, (int)output.Channel);
                writer.Bytes(5, output.Data);
                break;
            case CommunicationCaptured captured:
                Begin(writer, InputKind.CommunicationCaptured, captured.Process, captured.Incarnation);
                writer.Integer(4, (int)captured.Channel);
                writer.Bytes(5, captured.Data);
                break;
            case SignalAnswered signal:
                Begin(writer, InputKind.SignalAnswered, signal.Process, signal.Incarnation);
                writer.Integer(4, signal.Request.Value);
                writer.Integer(5, signal.SignalNumber);
                writer.Integer(6, (int)signal.Result);
                writer.Text(7, signal.Error);
                break;
            case StdinAnswered stdin:
                Begin(writer, InputKind.StdinAnswered, stdin.Process, stdin.Incarnation);
                writer.Integer(4, stdin.Request.Value);
                writer.Integer(5, (int)stdin.Result);
                break;
            case CommandChecked check:
                Begin(writer, InputKind.CommandChecked, check.Process);
                writer.Integer(4, check.Request.Value);
                Write(writer, 5, check.Fault);
                break;
            case LogsCleared cleared:
                Begin(writer, InputKind.LogsCleared, cleared.Process);
                writer.Integer(4, cleared.Request.Value);
                writer.Flag(5, cleared.Succeeded);
                break;
            case MemoryMeasured measured:
                Begin(writer, InputKind.MemoryMeasured, measured.Process, measured.Incarnation);
                writer.Integer(4, measured.Bytes);
                writer.Integer(5, measured.Processes);
                break;
            case HealthProbed probed:
                Begin(writer, InputKind.HealthProbed, probed.Process, probed.Incarnation);
                writer.Text(4, probed.Failure);
                break;
            case SurvivorsFound found:
                Begin(writer, InputKind.SurvivorsFound, found.Process, found.Incarnation);
                foreach (string survivor in found.Survivors)
                {
                    writer.Text(4, survivor);
                }

                break;
            case IntentsRead intents:
                Begin(writer, InputKind.IntentsRead);
                foreach (Intent intent in intents.Intents)
                {
                    Write(writer, 2, intent);
                }

                break;
            case SignalReceived signal:
                Begin(writer, InputKind.SignalReceived);
                writer.Integer(2, signal.Number);
                break;
            case ReloadValidated validated:
                Begin(writer, InputKind.ReloadValidated);
                writer.Text(2, validated.Failure);
                break;
            case CommandReceived received:
                Begin(writer, InputKind.CommandReceived);
                writer.Integer(2, received.Request.Value);
                Write(writer, 3, received.Command);
                writer.Text(4, received.Requester);
                break;
            case Reloading reloading:
                Begin(writer, InputKind.Reloading);
                writer.Text(2, reloading.Settings.Identifier);
                writer.Integer(3, (int)reloading.Settings.LogLevel);
                break;
            default:
                throw new ArgumentException($"There is no notation of {input.GetType().Name}.", nameof(input));
        }

        writer.End();
    }

    /// <summary>Reads an input.</summary>
    /// <param name="reader">The reader of the record that stands under the field.</param>
    /// <exception cref="SnapshotRefusedException">It cannot be taken up.</exception>
    public static Input Read(SnapshotReader reader)
    {
        Input input = reader.Choice<InputKind>(1, "kind") switch
        {
            InputKind.TimePassed => TimePassed.Instance,
            InputKind.ConfigurationRead => new ConfigurationRead(
                Request(ref reader, 2), ConfigurationFormat.Read(reader.Record(3, "configuration")), reader.Text(4, "requester")),
            InputKind.GroupPrepared => ReadPrepared(ref reader),
            InputKind.DaemonStarted => new DaemonStarted(),
            InputKind.ChildSpawned => new ChildSpawned(Process(ref reader), Run(ref reader), reader.Int32(4, "pid", 1)),
            InputKind.SpawnFailed => new SpawnFailed(Process(ref reader), Run(ref reader), reader.Text(4, "spawnErr"), reader.OptionalText(5, "stage")),
            InputKind.ChildAdopted => new ChildAdopted(
                Process(ref reader),
                Run(ref reader),
                reader.Int32(4, "pid", 1),
                reader.Integer(5, "startedAt"),
                reader.Flag(6, "isOlder"),
                reader.Flag(7, "isToStop"),
                reader.Flag(8, "hasOutput")),
            InputKind.ChildReaped => new ChildReaped(Process(ref reader), Run(ref reader)),
            InputKind.ChildExited => new ChildExited(
                Process(ref reader),
                Run(ref reader),
                new WaitStatus(reader.Int32(4, "status")),
                reader.Integer(5, "exitedAt"),
                OptionalFlag(ref reader, 6, "outOfMemory"),
                reader.OptionalText(7, "lastOutput")),
            InputKind.OrphanReaped => new OrphanReaped(reader.Int32(2, "pid", 1), new WaitStatus(reader.Int32(3, "status"))),
            InputKind.OutputArrived => new OutputArrived(
                Process(ref reader), Run(ref reader), reader.Choice<OutputChannel>(4, "channel"), reader.Bytes(5, "data").ToArray()),
            InputKind.CommunicationCaptured => new CommunicationCaptured(
                Process(ref reader), Run(ref reader), reader.Choice<OutputChannel>(4, "channel"), reader.Bytes(5, "data").ToArray()),
            InputKind.SignalAnswered => new SignalAnswered(
                Process(ref reader),
                Run(ref reader),
                Request(ref reader, 4),
                reader.Int32(5, "signal"),
                reader.Choice<SignalResult>(6, "result"),
                reader.OptionalText(7, "error")),
            InputKind.StdinAnswered => new StdinAnswered(
                Process(ref reader), Run(ref reader), Request(ref reader, 4), reader.Choice<StdinResult>(5, "result")),
            InputKind.CommandChecked => new CommandChecked(Process(ref reader), Request(ref reader, 4), ReadFault(ref reader, 5)),
            InputKind.LogsCleared => new LogsCleared(Process(ref reader), Request(ref reader, 4), reader.Flag(5, "succeeded")),
            InputKind.MemoryMeasured => new MemoryMeasured(
                Process(ref reader), Run(ref reader), reader.Integer(4, "bytes"), reader.Int32(5, "processes")),
            InputKind.HealthProbed => new HealthProbed(Process(ref reader), Run(ref reader), reader.OptionalText(4, "failure")),
            InputKind.SurvivorsFound => new SurvivorsFound(Process(ref reader), Run(ref reader), reader.Texts(4, "survivors")),
            InputKind.IntentsRead => new IntentsRead(ReadIntents(ref reader, 2)),
            InputKind.SignalReceived => new SignalReceived(reader.Int32(2, "number")),
            InputKind.ReloadValidated => new ReloadValidated(reader.OptionalText(2, "failure")),
            InputKind.CommandReceived => new CommandReceived(
                Request(ref reader, 2), ReadCommand(reader.Record(3, "command")), reader.Text(4, "requester")),
            InputKind.Reloading => new Reloading(new SupervisorSettings(reader.Text(2, "identifier"), reader.Choice<LogLevel>(3, "logLevel"))),
            _ => throw reader.Refusal("kind", "it cannot be read"),
        };
        reader.End();
        return input;
    }

    private static void Begin(SnapshotWriter writer, InputKind kind) => writer.Integer(1, (int)kind);

    private static void Begin(SnapshotWriter writer, InputKind kind, ProcessId process)
    {
        Begin(writer, kind);
        writer.Integer(2, process.Value);
    }

    private static void Begin(SnapshotWriter writer, InputKind kind, ProcessId process, Incarnation incarnation)
    {
        Begin(writer, kind, process);
        writer.Integer(3, incarnation.Value);
    }

    private static ProcessId Process(ref SnapshotReader reader) => new(reader.Int32(2, "process", 0));

    private static Incarnation Run(ref SnapshotReader reader) => new(reader.Int32(3, "incarnation", 0));

    private static RequestId Request(ref SnapshotReader reader, int field) => new(reader.Integer(field, "request", 0));

    private static bool? OptionalFlag(ref SnapshotReader reader, int field, string name) =>
        reader.OptionalInt32(field, name, 0, 1) is { } value ? value == 1 : null;

    private static void Write(SnapshotWriter writer, GroupPrepared prepared)
    {
        writer.Integer(2, prepared.Request.Value);
        ConfigurationFormat.Write(writer, 3, prepared.Group);
        foreach (AutoLog log in prepared.AutoLogs)
        {
            writer.Begin(4);
            writer.Text(1, log.Process);
            writer.Integer(2, (int)log.Channel);
            writer.Text(3, log.Path);
            writer.End();
        }

        writer.Text(5, prepared.Failure);
        writer.Text(6, prepared.Requester);
        writer.Flag(7, prepared.Extends);
    }

    private static GroupPrepared ReadPrepared(ref SnapshotReader reader)
    {
        RequestId request = Request(ref reader, 2);
        GroupConfig group = ConfigurationFormat.ReadGroup(reader.Record(3, "group"));
        var logs = new List<AutoLog>();
        while (reader.Next(4, "autoLogs", out SnapshotReader log))
        {
            logs.Add(new AutoLog(log.Text(1, "process"), log.Choice<OutputChannel>(2, "channel"), log.Text(3, "path")));
            log.End();
        }

        return new GroupPrepared(request, group, logs, reader.OptionalText(5, "failure"), reader.Text(6, "requester")) { Extends = reader.Flag(7, "extends") };
    }

    private static void Write(SnapshotWriter writer, int field, Intent intent)
    {
        writer.Begin(field);
        writer.Text(1, intent.Name);
        writer.Integer(2, intent.IsWanted is { } isWanted ? isWanted ? 1 : 0 : null);
        writer.Text(3, intent.DisabledFor);
        writer.Integer(4, intent.Since);
        writer.Text(5, intent.By);
        writer.End();
    }

    private static List<Intent> ReadIntents(ref SnapshotReader reader, int field)
    {
        var intents = new List<Intent>();
        while (reader.Next(field, "intents", out SnapshotReader intent))
        {
            intents.Add(new Intent(
                intent.Text(1, "name"),
                OptionalFlag(ref intent, 2, "isWanted"),
                intent.OptionalText(3, "disabledFor"),
                intent.Integer(4, "since"),
                intent.Text(5, "by")));
            intent.End();
        }

        return intents;
    }

    private static void Write(SnapshotWriter writer, int field, Fault? fault)
    {
        if (fault is null)
        {
            return;
        }

        writer.Begin(field);
        writer.Integer(1, (int)fault.Code);
        writer.Text(2, fault.Extra);
        writer.Text(3, fault.Foreign);
        writer.End();
    }

    private static Fault? ReadFault(ref SnapshotReader reader, int field)
    {
        if (!reader.TryRecord(field, "fault", out SnapshotReader inner))
        {
            return null;
        }

        // Not a choice: another program's codes are its own.
        var code = (FaultCode)inner.Int32(1, "code");
        var fault = new Fault(code, inner.OptionalText(2, "extra")) { Foreign = inner.OptionalText(3, "foreign") };
        inner.End();
        return fault.Foreign is not null || Enum.IsDefined(code) ? fault : throw inner.Refusal("code", $"there is no fault {(int)code}");
    }

    private enum InputKind
    {
        TimePassed = 1,
        ConfigurationRead = 2,
        GroupPrepared = 3,
        DaemonStarted = 4,
        ChildSpawned = 5,
        SpawnFailed = 6,
        ChildReaped = 7,
        ChildExited = 8,
        OrphanReaped = 9,
        OutputArrived = 10,
        CommunicationCaptured = 11,
        SignalAnswered = 12,
        StdinAnswered = 13,
        CommandChecked = 14,
        LogsCleared = 15,
        MemoryMeasured = 16,
        HealthProbed = 17,
        SurvivorsFound = 18,
        IntentsRead = 19,
        SignalReceived = 20,
        ReloadValidated = 21,
        CommandReceived = 22,
        Reloading = 23,
        ChildAdopted = 24,
    }
}
