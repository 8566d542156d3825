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

    private static long Read(int clock)
    {
        LibC.TimeSpec time;
        _ = LibC.clock_gettime(clock, &time);
        return time.Seconds * Moment.Second + time.Nanoseconds;
    }
}
