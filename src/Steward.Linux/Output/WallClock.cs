using Steward.Core.Model;
using Steward.Linux.Interop;

namespace Steward.Linux.Output;

/// <summary>The wall clock, for time stamps.</summary>
internal static unsafe class WallClock
{
    /// <summary>Unix nanoseconds.</summary>
    internal static long Now
    {
        get
        {
            LibC.TimeSpec time;
            _ = LibC.clock_gettime(LibC.CLOCK_REALTIME, &time);
            return (time.Seconds * Moment.Second) + time.Nanoseconds;
        }
    }
}
