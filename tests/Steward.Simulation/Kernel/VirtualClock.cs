using Steward.Core.Model;

namespace Steward.Simulation.Kernel;

/// <summary>The two clocks: one that only goes forward, one that anybody may set.</summary>
internal sealed class VirtualClock
{
    public long Monotonic { get; private set; } = 1000 * Moment.Second;

    public long WallOffset { get; set; } = 1_767_225_600 * Moment.Second;

    public Moment Now => new(Monotonic, Monotonic + WallOffset);

    public void Advance(long nanoseconds) => Monotonic += Math.Max(0, nanoseconds);

    public void AdvanceTo(long monotonic) => Monotonic = Math.Max(Monotonic, monotonic);
}
