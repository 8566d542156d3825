using Steward.Core.Model;

namespace Steward.Keeper;

/// <summary>When the next daemon is started after one has died: at once, unless they die again and again. No clock of its own.</summary>
/// <remarks>
/// Every moment without a daemon is one in which nobody restarts a program, so a daemon that did answer clients is succeeded at once, however
/// often that happens, up to a rate at which starting is all that the machine would do. One that never came to answer is likely to fail
/// again, and is tried ever more slowly.
/// </remarks>
public sealed class RestartPolicy
{
    /// <summary>So many deaths within <see cref="Window"/> are answered at once.</summary>
    public const int FreeDeaths = 20;

    /// <summary>So many starts in a row that came to nothing are answered at once.</summary>
    public const int FreeFailures = 2;

    /// <summary>The time over which deaths are counted, in nanoseconds.</summary>
    public const long Window = 10 * Moment.Second;

    /// <summary>The longest wait, in nanoseconds.</summary>
    public const long MaxDelay = 30 * Moment.Second;

    // Deaths beyond these make no wait longer.
    private const int MaxDeaths = FreeDeaths + 6;

    private readonly Queue<long> _deaths = new();
    private long _waited;

    /// <summary>Which start in a row the next one is that no daemon before it has survived: 1 for one after a daemon that answered clients.</summary>
    public int Attempt { get; private set; } = 1;

    /// <summary>The daemon answers clients.</summary>
    public void Ready() => Attempt = 0;

    /// <summary>A daemon has died.</summary>
    /// <param name="now">Monotonic nanoseconds.</param>
    /// <returns>How long to wait before the next is started, in nanoseconds.</returns>
    public long Died(long now)
    {
        Attempt++;
        return Wait(now, shortest: 0);
    }

    /// <summary>A daemon could not be started at all: nothing was tried of what it would have gone on with.</summary>
    /// <param name="now">Monotonic nanoseconds.</param>
    /// <returns>How long to wait before that is tried again, in nanoseconds; at least a second.</returns>
    public long NotStarted(long now) => Wait(now, shortest: Moment.Second);

    private long Wait(long now, long shortest)
    {
        // While it is waited no daemon lives: that time would otherwise push out of the window what it is waited for.
        long lived = now - _waited;
        _deaths.Enqueue(lived);
        while (_deaths.Count > MaxDeaths || lived - _deaths.Peek() > Window)
        {
            _deaths.Dequeue();
        }

        int over = Math.Max(_deaths.Count - FreeDeaths, Attempt - 1 - FreeFailures);
        long wait = Math.Max(shortest, over <= 0 ? 0 : Math.Min(MaxDelay, Moment.Second << Math.Min(over - 1, 10)));
        _waited += wait;
        return wait;
    }
}
