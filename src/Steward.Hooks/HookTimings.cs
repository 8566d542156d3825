namespace Steward.Hooks;

/// <summary>How long things take. The defaults are for the daemon; tests have less patience.</summary>
public sealed record HookTimings
{
    /// <summary>How long an event waits for what belongs to it: the decision and the new state follow a crash within the same step.</summary>
    public TimeSpan Settle { get; init; } = TimeSpan.FromMilliseconds(100);

    /// <summary>The wait after the first failed attempt; doubled with each further one.</summary>
    public TimeSpan FirstRetry { get; init; } = TimeSpan.FromSeconds(1);

    /// <summary>The longest wait between two attempts.</summary>
    public TimeSpan LongestRetry { get; init; } = TimeSpan.FromMinutes(1);

    /// <summary>How long the daemon's end waits for what is being delivered.</summary>
    public TimeSpan StopLimit { get; init; } = TimeSpan.FromSeconds(2);

    /// <summary>How often a hook that fails says so at most.</summary>
    public TimeSpan WarnEvery { get; init; } = TimeSpan.FromMinutes(1);

    /// <summary>The wait after a number of failed attempts in a row, from 1.</summary>
    internal TimeSpan RetryAfter(int failures)
    {
        const int Doublings = 30;
        double wait = FirstRetry.TotalMilliseconds * Math.Pow(2, Math.Min(failures - 1, Doublings));
        return TimeSpan.FromMilliseconds(Math.Min(wait, LongestRetry.TotalMilliseconds));
    }
}
