using Steward.Core.Events;
using Steward.Core.Model;
using Steward.Core.Ports;
using Steward.Simulation.Checks;
using Steward.Simulation.Kernel;

namespace Steward.Simulation.Daemon;

/// <summary>The clocks of the machine, for the daemon.</summary>
internal sealed class DaemonClock(VirtualClock clock) : IClock
{
    public Moment Now => clock.Now;
}

/// <summary>The file of the activity log: what stands there stays.</summary>
internal sealed class LogText
{
    public long Number { get; set; }

    public string Line { get; set; } = "";

    /// <summary>A daemon that knows of none before counts its lines anew.</summary>
    public void Begin() => (Number, Line) = (0, "");
}

/// <summary>The activity log of one life: lines wait in memory before they are out. No line may be missing, and none there twice but the very last.</summary>
internal sealed class DaemonLog(LogText file, StateLog state, Crashes crashes, SimRandom random, Tally tally, Action<string> note) : IActivityLog
{
    private readonly Queue<(long Number, string Line)> _waiting = new();
    private readonly int _thread = Environment.CurrentManagedThreadId;

    public string? Path => null;

    public bool IsEnabled(LogLevel level) => level >= LogLevel.Info;

    public void Write(LogLevel level, string text, long wall)
    {
        if (IsEnabled(level))
        {
            crashes.Point("log");
            note($"{level.Code()} {text}");
        }
    }

    public void Write(LogLevel level, string text, long wall, long number)
    {
        Write(level, text, wall);
        _waiting.Enqueue((number, text));
        if (random.Percent(30))
        {
            PutOut();
        }
    }

    public void Flush()
    {
        // Whoever has its answer flushes as well, on a thread of its own: there is none in a simulation.
        if (Environment.CurrentManagedThreadId == _thread)
        {
            PutOut();
        }
    }

    private void PutOut()
    {
        while (_waiting.TryDequeue(out (long Number, string Line) next))
        {
            if (next.Number == file.Number && next.Line == file.Line && state.LinesOut < file.Number)
            {
                tally.Count("lines logged twice");
            }
            else if (next.Number != file.Number + 1)
            {
                throw new InvariantException($"behind line {file.Number} comes line {next.Number}: {next.Line}");
            }

            (file.Number, file.Line) = next;
            crashes.Point("logged");
            state.LinesAreOut(next.Number);
        }
    }

    public void Reopen() => crashes.Point("reopen");

    public bool Clear() => true;
}

/// <summary>The file of intents; what is saved stays.</summary>
internal sealed class IntentFile
{
    public IReadOnlyList<Intent> Saved { get; set; } = [];
}

/// <summary>Saves intents, in one life.</summary>
internal sealed class DaemonIntents(Crashes crashes, IntentFile file) : IIntentStore
{
    public void Save(IReadOnlyList<Intent> intents)
    {
        crashes.Point("save intents");
        file.Saved = [.. intents];
        crashes.Point("saved intents");
    }
}

/// <summary>Takes the facts of one life, and compares what is told of deaths with the deaths that were.</summary>
internal sealed class DaemonSink(
    Crashes crashes,
    Machine machine,
    Dictionary<(string, string, int), WaitStatus> told,
    UnobservedEnds unobserved,
    Engine.Engine engine,
    Action<string> note) : IJournalSink
{
    public void Append(in JournalEntry entry)
    {
        crashes.Point("record");
        if (entry.Fact is SpawnFact start)
        {
            unobserved.Started(entry.Group!, entry.Process!, start);
        }

        if (entry.Fact is not ExitFact exit)
        {
            return;
        }

        note($"- end of {entry.Name}#{entry.Incarnation}, pid {exit.Pid}: code {exit.Code}, signal {exit.Signal}");
        var key = (entry.Group!, entry.Process!, entry.Incarnation);
        bool Is(WaitStatus status) =>
            exit.Code == (status.Signalled || status.IsUnobserved ? null : status.Code) && exit.Signal == (status.Signalled ? status.Signal : null);

        (string group, string process) = (entry.Group!, entry.Process!);
        unobserved.Ended(group, process, exit, engine.Machine.Slots.FirstOrDefault(slot => slot.Group.Name == group && slot.Name == process)?.Config);

        // What the last record of a predecessor told may be told again.
        int at = -1;
        if (machine.Untold.TryGetValue(key, out List<(WaitStatus Status, bool MayStaySo)>? untold))
        {
            at = untold.FindIndex(end => !end.MayStaySo && Is(end.Status));
            at = at < 0 ? untold.FindIndex(end => Is(end.Status)) : at;
        }

        if (at >= 0)
        {
            told[key] = untold![at].Status;
            untold.RemoveAt(at);
        }
        else if (!(told.TryGetValue(key, out WaitStatus status) && Is(status)))
        {
            throw new InvariantException($"an end of {entry.Name}#{entry.Incarnation} is told that nobody has seen: code {exit.Code}, signal {exit.Signal}");
        }
    }
}
