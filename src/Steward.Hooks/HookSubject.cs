using Steward.Core.Events;

namespace Steward.Hooks;

/// <summary>What is remembered of a process, so that an event can say what led to it and what follows. One thread at a time.</summary>
internal sealed class HookSubject
{
    // Events that still lack something: a handful a run, as a run ends once.
    private const int OpenLimit = 16;

    private readonly List<HookEvent> _open = [];
    private int _incarnation;
    private JournalFact? _end;
    private DecisionFact? _decision;

    /// <summary>Takes a fact in.</summary>
    public void Take(in JournalEntry entry)
    {
        JournalFact fact = entry.Fact;
        if (entry.Incarnation != _incarnation && entry.Incarnation != 0)
        {
            // Another run: what is open has all that it will get. How the last one ended stays until this one has.
            _incarnation = entry.Incarnation;
            _open.Clear();
            _decision = null;
        }

        switch (fact)
        {
            case ExitFact or SpawnFact { Error: not null }:
                _end = fact;
                break;
            case DecisionFact decision:
                _decision = decision;
                break;
        }

        foreach (HookEvent open in _open)
        {
            open.Add(fact);
        }
    }

    /// <summary>Tells an event what is known, and it will be told what comes.</summary>
    public void Open(HookEvent happened)
    {
        happened.Add(_end);
        happened.Add(_decision);
        happened.Add(happened.Entry.Fact);
        if (_open.Count < OpenLimit)
        {
            _open.Add(happened);
        }
    }
}
