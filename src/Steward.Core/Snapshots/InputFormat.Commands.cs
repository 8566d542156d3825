using Steward.Core.Config;
using Steward.Core.Inputs;

namespace Steward.Core.Snapshots;

// What clients ask for, as it is written down.
public static partial class InputFormat
{
    private static void Write(SnapshotWriter writer, int field, Command command)
    {
        writer.Begin(field);
        switch (command)
        {
            case StartProcess start:
                Begin(writer, CommandKind.StartProcess, start.Name);
                writer.Flag(3, start.Wait);
                break;
            case StartGroup start:
                Begin(writer, CommandKind.StartGroup, start.Name);
                writer.Flag(3, start.Wait);
                break;
            case StartAll start:
                Begin(writer, CommandKind.StartAll, null);
                writer.Flag(3, start.Wait);
                break;
            case StopProcess stop:
                Begin(writer, CommandKind.StopProcess, stop.Name);
                writer.Flag(3, stop.Wait);
                break;
            case StopGroup stop:
                Begin(writer, CommandKind.StopGroup, stop.Name);
                writer.Flag(3, stop.Wait);
                break;
            case StopAll stop:
                Begin(writer, CommandKind.StopAll, null);
                writer.Flag(3, stop.Wait);
                break;
            case SignalProcess signal:
                Begin(writer, CommandKind.SignalProcess, signal.Name);
                writer.Text(3, signal.Signal);
                break;
            case SignalGroup signal:
                Begin(writer, CommandKind.SignalGroup, signal.Name);
                writer.Text(3, signal.Signal);
                break;
            case SignalAll signal:
                Begin(writer, CommandKind.SignalAll, null);
                writer.Text(3, signal.Signal);
                break;
            case SignalProcessTree signal:
                Begin(writer, CommandKind.SignalProcessTree, signal.Name);
                writer.Text(3, signal.Signal);
                break;
            case AddProcesses add:
                Begin(writer, CommandKind.AddProcesses, add.Group);
                foreach (ProcessConfig process in add.Processes)
                {
                    ConfigurationFormat.Write(writer, 3, process);
                }

                break;
            case RemoveProcess remove:
                Begin(writer, CommandKind.RemoveProcess, remove.Group);
                writer.Text(3, remove.Process);
                break;
            case SendProcessStdin send:
                Begin(writer, CommandKind.SendProcessStdin, send.Name);
                writer.Bytes(3, send.Data);
                break;
            case SendRemoteCommEvent send:
                Begin(writer, CommandKind.SendRemoteCommEvent, send.Type);
                writer.Text(3, send.Data);
                break;
            case ClearProcessLogs clear:
                Begin(writer, CommandKind.ClearProcessLogs, clear.Name);
                break;
            case ClearAllProcessLogs:
                Begin(writer, CommandKind.ClearAllProcessLogs, null);
                break;
            case AddProcessGroup add:
                Begin(writer, CommandKind.AddProcessGroup, add.Name);
                break;
            case RemoveProcessGroup remove:
                Begin(writer, CommandKind.RemoveProcessGroup, remove.Name);
                break;
            case SetIntent intent:
                Begin(writer, CommandKind.SetIntent, intent.Name);
                writer.Flag(3, intent.IsEnabled);
                writer.Text(4, intent.Reason);
                break;
            case Shutdown:
                Begin(writer, CommandKind.Shutdown, null);
                break;
            case Restart:
                Begin(writer, CommandKind.Restart, null);
                break;
            default:
                throw new ArgumentException($"There is no notation of {command.GetType().Name}.", nameof(command));
        }

        writer.End();
    }

    private static Command ReadCommand(SnapshotReader reader)
    {
        Command command = reader.Choice<CommandKind>(1, "kind") switch
        {
            CommandKind.StartProcess => new StartProcess(Name(ref reader), Wait(ref reader)),
            CommandKind.StartGroup => new StartGroup(Name(ref reader), Wait(ref reader)),
            CommandKind.StartAll => new StartAll(Wait(ref reader)),
            CommandKind.StopProcess => new StopProcess(Name(ref reader), Wait(ref reader)),
            CommandKind.StopGroup => new StopGroup(Name(ref reader), Wait(ref reader)),
            CommandKind.StopAll => new StopAll(Wait(ref reader)),
            CommandKind.SignalProcess => new SignalProcess(Name(ref reader), reader.Text(3, "signal")),
            CommandKind.SignalGroup => new SignalGroup(Name(ref reader), reader.Text(3, "signal")),
            CommandKind.SignalAll => new SignalAll(reader.Text(3, "signal")),
            CommandKind.SignalProcessTree => new SignalProcessTree(Name(ref reader), reader.Text(3, "signal")),
            CommandKind.AddProcesses => ReadAddProcesses(ref reader),
            CommandKind.RemoveProcess => new RemoveProcess(Name(ref reader), reader.Text(3, "process")),
            CommandKind.SendProcessStdin => new SendProcessStdin(Name(ref reader), reader.Bytes(3, "data").ToArray()),
            CommandKind.SendRemoteCommEvent => new SendRemoteCommEvent(Name(ref reader), reader.Text(3, "data")),
            CommandKind.ClearProcessLogs => new ClearProcessLogs(Name(ref reader)),
            CommandKind.ClearAllProcessLogs => new ClearAllProcessLogs(),
            CommandKind.AddProcessGroup => new AddProcessGroup(Name(ref reader)),
            CommandKind.RemoveProcessGroup => new RemoveProcessGroup(Name(ref reader)),
            CommandKind.SetIntent => new SetIntent(Name(ref reader), reader.Flag(3, "isEnabled"), reader.Text(4, "reason")),
            CommandKind.Shutdown => new Shutdown(),
            CommandKind.Restart => new Restart(),
            _ => throw reader.Refusal("kind", "it cannot be read"),
        };
        reader.End();
        return command;
    }

    private static void Begin(SnapshotWriter writer, CommandKind kind, string? name)
    {
        writer.Integer(1, (int)kind);
        writer.Text(2, name);
    }

    private static string Name(ref SnapshotReader reader) => reader.Text(2, "name");

    private static bool Wait(ref SnapshotReader reader) => reader.Flag(3, "wait");

    private static AddProcesses ReadAddProcesses(ref SnapshotReader reader)
    {
        string group = Name(ref reader);
        var processes = new List<ProcessConfig>();
        while (reader.Next(3, "processes", out SnapshotReader process))
        {
            processes.Add(ConfigurationFormat.ReadProcess(process));
        }

        return new AddProcesses(group, processes);
    }

    private enum CommandKind
    {
        StartProcess = 1,
        StartGroup = 2,
        StartAll = 3,
        StopProcess = 4,
        StopGroup = 5,
        StopAll = 6,
        SignalProcess = 7,
        SignalGroup = 8,
        SignalAll = 9,
        SignalProcessTree = 10,
        AddProcesses = 11,
        RemoveProcess = 12,
        SendProcessStdin = 13,
        SendRemoteCommEvent = 14,
        ClearProcessLogs = 15,
        ClearAllProcessLogs = 16,
        AddProcessGroup = 17,
        RemoveProcessGroup = 18,
        SetIntent = 19,
        Shutdown = 20,
        Restart = 21,
    }
}
