using Steward.Core.Model;
using Steward.Core.Ports;
using Steward.Linux.Interop;

namespace Steward.Linux.Host;

/// <summary>The clocks of the kernel (man 2 clock_gettime). Any thread; neither allocates nor blocks.</summary>
public sealed unsafe class SystemClock : IClock
{
    /// <summary>The one instance: there is nothing in it.</summary>
    public static readonly SystemClock Instance = new();

    private SystemClock()
    {
    }

    /// <inheritdoc/>
    public Moment Now => new(Read(LibC.CLOCK_MONOTONIC), Read(LibC.CLOCK_REALTIME));

    /// <summary>A moment of the monotonic clock as <c>/proc/PID/stat</c> counts (man 5 proc, starttime), rounded down by a tick.</summary>
    internal static ulong TicksSinceBoot(long monotonic)
    {
        // Ticks are hundredths of a second wherever the kernel shows them to programs; suspended time counts in them.
        const long tick = Moment.Second / 100;
        long suspended = Read(LibC.CLOCK_BOOTTIME) - Read(LibC.CLOCK_MONOTONIC);
        return (ulong)Math.Max(0, ((monotonic + suspended) / tick) - 1);
    }

    private static long Read(int clock)
    {
        LibC.TimeSpec time;
        _ = LibC.clock_gettime(clock, &time);
        return time.Seconds * Moment.Second + time.Nanoseconds;
    }
}
