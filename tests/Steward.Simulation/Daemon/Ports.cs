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

/// <summary>The activity log of one life.</summary>
internal sealed class DaemonLog(Crashes crashes, Action<string> note) : IActivityLog
{
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

    public void Flush()
    {
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
internal sealed class DaemonSink(Crashes crashes, Machine machine, Dictionary<(string, string, int), WaitStatus> told, Action<string> note) : IJournalSink
{
    public void Append(in JournalEntry entry)
    {
        crashes.Point("record");
        if (entry.Fact is not ExitFact exit)
        {
            return;
        }

        note($"- end of {entry.Name}#{entry.Incarnation}, pid {exit.Pid}: code {exit.Code}, signal {exit.Signal}");
        var key = (entry.Group!, entry.Process!, entry.Incarnation);
        bool Is(WaitStatus status) =>
            exit.Code == (status.Signalled ? null : status.Code) && exit.Signal == (status.Signalled ? status.Signal : null);

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
