using System.Globalization;
using System.Text;
using Steward.Core.Config;
using Steward.Core.Effects;
using Steward.Core.Inputs;
using Steward.Core.Model;
using Steward.Core.Supervision;

namespace Steward.Simulation;

/// <summary>
/// What happened in a run: a hash of it always, the text when somebody wants to read it. A line is an input, with the time in seconds; the
/// effects stand below it, and behind a bar the states of all processes when they have changed.
/// </summary>
internal sealed class Trace(TextWriter? text)
{
    private string _states = "";

    public ulong Hash { get; private set; } = 14695981039346656037;

    public void Took(Input input, Supervisor supervisor, long monotonic)
    {
        Mix((ulong)monotonic);
        Mix(input switch
        {
            TimePassed => 1,
            ChildSpawned x => Key(2, x.Process, x.Incarnation, x.Pid),
            SpawnFailed x => Key(3, x.Process, x.Incarnation, x.SpawnErr.Length),
            ChildExited x => Key(4, x.Process, x.Incarnation, x.Status.Raw),
            SignalAnswered x => Key(5, x.Process, x.Incarnation, ((int)x.Result << 8) | x.SignalNumber),
            StdinAnswered x => Key(6, x.Process, x.Incarnation, (int)x.Result),
            OutputArrived x => Key(7, x.Process, x.Incarnation, x.Data.Length),
            CommandReceived x => 8 + ((ulong)x.Request.Value << 8),
            SignalReceived x => 9 + ((ulong)x.Number << 8),
            GroupPrepared x => 10 + ((ulong)x.Group.Processes.Count << 8),
            _ => 11 + ((ulong)input.GetType().Name.Length << 8),
        });
        foreach (ProcessSlot slot in supervisor.Slots)
        {
            Mix(Key((int)slot.State, slot.Id, slot.Incarnation, slot.Pid));
        }

        if (text is not null)
        {
            Write(input, supervisor, monotonic);
        }
    }

    public void Did(Effect effect)
    {
        switch (effect)
        {
            case Log log:
                Mix(log.Text);
                break;
            case Spawn spawn:
                Mix(Key(21, spawn.Process, spawn.Incarnation, 0));
                break;
            case Signal signal:
                Mix(Key(22, signal.Process, signal.Incarnation, signal.Number));
                break;
            case WriteStdin write:
                Mix(Key(23, write.Process, write.Incarnation, write.Data.Length));
                break;
            case Reply reply:
                Mix(24 + ((ulong)reply.Request.Value << 8));
                break;
            default:
                Mix((ulong)effect.GetType().Name.Length);
                break;
        }

        if (text is not null && Describe(effect) is { } line)
        {
            text.WriteLine("                    " + line);
        }
    }

    public void Note(string note) => text?.WriteLine("                  - " + note);

    private static ulong Key(int kind, ProcessId process, Incarnation incarnation, int value) =>
        (ulong)kind + ((ulong)process.Value << 8) + ((ulong)incarnation.Value << 20) + ((ulong)value << 36);

    private void Mix(ulong value)
    {
        Hash = (Hash ^ value) * 1099511628211;
        Hash ^= Hash >> 29;
    }

    private void Mix(string value)
    {
        foreach (char c in value)
        {
            Hash = (Hash ^ c) * 1099511628211;
        }
    }

    private void Write(Input input, Supervisor supervisor, long monotonic)
    {
        string what = input switch
        {
            TimePassed => "time passed",
            ChildSpawned x => $"spawned {Name(supervisor, x.Process)}#{x.Incarnation.Value} pid {x.Pid}",
            SpawnFailed x => $"not spawned {Name(supervisor, x.Process)}#{x.Incarnation.Value}: {x.SpawnErr}",
            ChildExited x => string.Create(CultureInfo.InvariantCulture,
                $"exited {Name(supervisor, x.Process)}#{x.Incarnation.Value} ({x.Status.Describe()}) at {x.ExitedAt / (double)Moment.Second:0.000000000}"),
            SignalAnswered x => $"signal {x.SignalNumber} to {Name(supervisor, x.Process)}#{x.Incarnation.Value}: {x.Result}",
            StdinAnswered x => $"stdin of {Name(supervisor, x.Process)}#{x.Incarnation.Value}: {x.Result}",
            OutputArrived x => $"output of {Name(supervisor, x.Process)}#{x.Incarnation.Value}: {PythonText.Bytes(x.Data)}",
            CommandReceived x => $"request {x.Request.Value}: {x.Command}",
            SignalReceived x => $"daemon received {Signals.LogName(x.Number)}",
            GroupPrepared x => $"group {x.Group.Name} {x.Failure ?? "prepared"}",
            ConfigurationRead x => $"configuration read: {string.Join(' ', x.Configuration.Groups.Select(g => g.Name))}",
            CommandChecked x => $"command of {Name(supervisor, x.Process)}: {x.Fault?.Text ?? "good"}",
            ReloadValidated x => $"reload: {x.Failure ?? "good"}",
            _ => input.ToString(),
        };
        string states = string.Join(' ', supervisor.Slots.Select(slot => $"{slot.Name}:{slot.State.Name()}"));
        text!.WriteLine(string.Create(CultureInfo.InvariantCulture,
            $"{monotonic / (double)Moment.Second,16:0.000000000}  {what}{(states == _states ? "" : $"  | {states}")}"));
        _states = states;
    }

    private static string Name(Supervisor supervisor, ProcessId id) =>
        supervisor.Slots.FirstOrDefault(slot => slot.Id == id)?.Namespec ?? $"({id.Value})";

    private static string? Describe(Effect effect) => effect switch
    {
        Log log => $"{log.Level.Code()} {log.Text}",
        Spawn spawn => $"spawn {spawn.Config.Name}#{spawn.Incarnation.Value}",
        Signal signal => $"kill {(signal.ToGroup ? "-" : "")}{signal.Pid} {Signals.LogName(signal.Number)}",
        WriteStdin write => "write " + PythonText.Bytes(write.Data.AsSpan(0, Math.Min(70, write.Data.Length))),
        Reply reply => $"answer {reply.Request.Value}: {(reply.Outcome is Refused refused ? refused.Fault.Text : reply.Outcome.GetType().Name)}",
        Stopped stopped => stopped.Reload ? "stopped for a reload" : "stopped for good",
        _ => null,
    };
}
