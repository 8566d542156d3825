namespace Steward.Core.Model;

/// <summary>
/// One reading of the clocks, given to the core from outside. Deadlines use <see cref="Monotonic"/> alone;
/// <see cref="Wall"/> is only reported and printed, so a clock that jumps changes nothing but text.
/// </summary>
/// <param name="Monotonic">Nanoseconds of CLOCK_MONOTONIC (man 2 clock_gettime); never goes back.</param>
/// <param name="Wall">Nanoseconds since 1970-01-01T00:00:00Z.</param>
public readonly record struct Moment(long Monotonic, long Wall)
{
    /// <summary>Nanoseconds in a second.</summary>
    public const long Second = 1_000_000_000;

    /// <summary>Nanoseconds in a millisecond.</summary>
    public const long Millisecond = 1_000_000;

    /// <summary>Whole Unix seconds of the wall clock, rounded down.</summary>
    public long UnixSeconds => Math.DivRem(Wall, Second, out long rest) - (rest < 0 ? 1 : 0);
}
