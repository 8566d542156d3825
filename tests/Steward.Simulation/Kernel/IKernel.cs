namespace Steward.Simulation.Kernel;

/// <summary>What the checks want to know of a kernel.</summary>
internal interface IKernel
{
    /// <summary>Children that are not forgotten yet: alive, zombies, or reaped with output to be read.</summary>
    IReadOnlyList<VirtualChild> Children { get; }

    /// <summary>How many were spawned.</summary>
    long Spawned { get; }

    /// <summary>How many were waited for.</summary>
    long Reaped { get; }
}
