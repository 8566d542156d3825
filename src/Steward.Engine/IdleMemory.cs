namespace Steward.Engine;

/// <summary>
/// Gives memory back to the system when a burst is over: the start of many programs, a long answer. The collector by itself would
/// wait for the next few megabytes of garbage, which an idle daemon does not make for days. Any thread.
/// </summary>
/// <remarks>
/// A timer of the runtime, but only between a burst and its end: an idle daemon has none. Bursts without a pause put it off, at most
/// until <see cref="Longest"/>; one collection of the daemon's small heap takes some ten milliseconds.
/// </remarks>
internal sealed class IdleMemory : IDisposable
{
    /// <summary>How long it must have been quiet.</summary>
    public static readonly TimeSpan Quiet = TimeSpan.FromSeconds(1.5);

    /// <summary>How long bursts that do not end may put it off.</summary>
    public static readonly TimeSpan Longest = TimeSpan.FromSeconds(60);

    private readonly Lock _gate = new();
    private readonly Timer _timer;
    private long _since = -1;

    /// <summary>Makes one that waits for a burst.</summary>
    public IdleMemory() => _timer = new Timer(static me => ((IdleMemory)me!).Collect(), this, Timeout.Infinite, Timeout.Infinite);

    /// <summary>Whether nothing is given back: time does not pass as the clock of the machine says.</summary>
    public bool IsOff { get; set; }

    /// <summary>A burst is under way.</summary>
    public void Note()
    {
        if (IsOff)
        {
            return;
        }

        lock (_gate)
        {
            long now = Environment.TickCount64;
            if (_since < 0)
            {
                _since = now;
            }

            if (now - _since < Longest.TotalMilliseconds)
            {
                _timer.Change(Quiet, Timeout.InfiniteTimeSpan);
            }
        }
    }

    public void Dispose() => _timer.Dispose();

    private void Collect()
    {
        lock (_gate)
        {
            _since = -1;
        }

        GC.Collect(GC.MaxGeneration, GCCollectionMode.Aggressive, blocking: true, compacting: true);
    }
}
