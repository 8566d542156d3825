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

/// <summary>The journal's file, with the number that stands in it: what is committed stays.</summary>
internal sealed class JournalFile
{
    public FactPlace Place { get; set; }

    /// <summary>Up to where facts were told, in whatever life.</summary>
    public FactPlace Told { get; set; }

    /// <summary>What writes to it in the present life.</summary>
    public DaemonSink? Writer { get; set; }

    /// <summary>The end: what was told is in it.</summary>
    public void Close(long told)
    {
        Writer!.Commit();
        if (told > 0 && Place.Number != told)
        {
            throw new InvariantException($"{told} facts were told, and the last in the journal is {Place}");
        }
    }
}

/// <summary>
/// Takes the facts of one life: they wait in memory before they are committed. None may be missing in the file, and none there twice; and what is
/// told of deaths is compared with the deaths that were.
/// </summary>
internal sealed class DaemonSink : IJournalSink
{
    private readonly Queue<(JournalEntry Entry, FactPlace Place)> _waiting = new();
    private readonly JournalFile _file;
    private readonly StateMemory _state;
    private readonly Crashes _crashes;
    private readonly Machine _machine;
    private readonly UnobservedEnds _unobserved;
    private readonly Engine.Engine _engine;
    private readonly SimRandom _random;
    private readonly Tally _tally;
    private readonly Action<string> _note;

    public DaemonSink(
        JournalFile file,
        StateMemory state,
        Crashes crashes,
        Machine machine,
        UnobservedEnds unobserved,
        Engine.Engine engine,
        SimRandom random,
        Tally tally,
        Action<string> note)
    {
        (_file, _state, _crashes, _machine, _unobserved, _engine) = (file, state, crashes, machine, unobserved, engine);
        (_random, _tally, _note) = (random, tally, note);
        file.Writer = this;
    }

    public void Append(in JournalEntry entry) => Append(entry, default);

    public void Append(in JournalEntry entry, FactPlace place)
    {
        _crashes.Point("record");
        if (place.Series == 0)
        {
            // It is not the core's, and may be lost.
            return;
        }

        if (!_file.Told.Covers(place))
        {
            // A replay tells again what is not committed.
            _file.Told = place;
            Observe(entry);
        }

        _waiting.Enqueue((entry, place));
        if (_random.Percent(10))
        {
            Commit();
        }
    }

    /// <summary>Commits what waits, in one moment; the number in the daemon's memory follows it.</summary>
    public void Commit()
    {
        _crashes.Point("commit");
        while (_waiting.TryDequeue(out (JournalEntry Entry, FactPlace Place) next))
        {
            if (_file.Place.Covers(next.Place))
            {
                _tally.Count("facts told twice");
                continue;
            }

            if (next.Place.Number != (next.Place.Series == _file.Place.Series ? _file.Place.Number : 0) + 1)
            {
                throw new InvariantException($"behind fact {_file.Place} comes {next.Place}: {next.Entry.Fact}");
            }

            _file.Place = next.Place;
            CompareEnd(next.Entry);
        }

        _crashes.Point("committed");
        _state.FactsOut = _file.Place.Number;
    }

    /// <summary>While the machine is as it was when this was told.</summary>
    private void Observe(in JournalEntry entry)
    {
        (string? group, string? process) = (entry.Group, entry.Process);
        switch (entry.Fact)
        {
            case SpawnFact start:
                _unobserved.Started(group!, process!, start);
                break;

            case ExitFact exit:
                _unobserved.Ended(
                    group!, process!, exit, _engine.Machine.Slots.FirstOrDefault(slot => slot.Group.Name == group && slot.Name == process)?.Config);
                break;
        }
    }

    private void CompareEnd(in JournalEntry entry)
    {
        if (entry.Fact is not ExitFact exit)
        {
            return;
        }

        _note($"- end of {entry.Name}#{entry.Incarnation}, pid {exit.Pid}: code {exit.Code}, signal {exit.Signal}");
        bool Is(WaitStatus status) =>
            exit.Code == (status.Signalled || status.IsUnobserved ? null : status.Code) && exit.Signal == (status.Signalled ? status.Signal : null);

        int at = -1;
        if (_machine.Untold.TryGetValue((entry.Group!, entry.Process!, entry.Incarnation), out List<(WaitStatus Status, bool MayStaySo)>? untold))
        {
            at = untold.FindIndex(end => !end.MayStaySo && Is(end.Status));
            at = at < 0 ? untold.FindIndex(end => Is(end.Status)) : at;
        }

        if (at < 0)
        {
            throw new InvariantException($"an end of {entry.Name}#{entry.Incarnation} is told that nobody has seen: code {exit.Code}, signal {exit.Signal}");
        }

        untold!.RemoveAt(at);
    }
}
