namespace Steward.Core.Supervision;

/// <summary>Something with one deadline at most. Changing the deadline leaves the old entry in the queue; it is seen to be stale.</summary>
internal abstract class Timed
{
    /// <summary>Monotonic nanoseconds; <see cref="long.MaxValue"/> for none.</summary>
    public long Due { get; private set; } = long.MaxValue;

    /// <summary>Decides between equal deadlines, so that their order follows from the state and not from how it came about.</summary>
    public abstract long Rank { get; }

    /// <summary>Changes the deadline.</summary>
    public void SetDue(long due, DeadlineQueue queue)
    {
        if (due != Due)
        {
            Due = due;
            queue.Changed(this);
        }
    }
}

/// <summary>The deadlines of everything, earliest first.</summary>
internal sealed class DeadlineQueue
{
    // Below this many entries the stale ones are not worth a sweep.
    private const int SweepThreshold = 256;

    private readonly PriorityQueue<Timed, (long Due, long Rank)> _queue = new();
    private readonly List<(Timed, (long Due, long Rank))> _kept = [];
    private readonly HashSet<Timed> _seen = [];
    private int _sweepAt = SweepThreshold;

    /// <summary>Entries held, stale ones included.</summary>
    public int Entries => _queue.Count;

    /// <summary>The earliest deadline in force; <see cref="long.MaxValue"/> for none.</summary>
    public long Next
    {
        get
        {
            while (_queue.TryPeek(out Timed? timed, out (long Due, long Rank) place))
            {
                if (timed.Due == place.Due)
                {
                    return place.Due;
                }

                _queue.Dequeue();
            }

            return long.MaxValue;
        }
    }

    /// <summary>Takes the next one that is due; its deadline is cleared. Null when none is.</summary>
    public Timed? TakeDue(long now)
    {
        if (Next > now)
        {
            return null;
        }

        Timed timed = _queue.Dequeue();
        timed.SetDue(long.MaxValue, this);
        return timed;
    }

    /// <summary>Enters the deadline that was just set.</summary>
    public void Changed(Timed timed)
    {
        if (timed.Due == long.MaxValue)
        {
            return;
        }

        _queue.Enqueue(timed, (timed.Due, timed.Rank));

        // A program that crashes all day long leaves a stale entry of its startsecs each time: the queue stays within twice
        // what is in force.
        if (_queue.Count > _sweepAt)
        {
            Sweep();
        }
    }

    /// <summary>Forgets everything.</summary>
    public void Clear() => _queue.Clear();

    private void Sweep()
    {
        foreach ((Timed timed, (long Due, long Rank) place) in _queue.UnorderedItems)
        {
            if (timed.Due == place.Due && _seen.Add(timed))
            {
                _kept.Add((timed, place));
            }
        }

        _queue.Clear();
        _queue.EnqueueRange(_kept);
        _sweepAt = Math.Max(SweepThreshold, 2 * _kept.Count);
        _kept.Clear();
        _seen.Clear();
    }
}
