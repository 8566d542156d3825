using Steward.Core.Model;

namespace Steward.Engine;

/// <summary>What the control adapters see of hooks. Every member may be called on any thread.</summary>
public interface IHookControl
{
    /// <summary>How the hooks are doing, in the order of the configuration.</summary>
    IReadOnlyList<HookStatus> Hooks { get; }

    /// <summary>Sends a test event to a hook, ahead of what waits.</summary>
    /// <returns>Null when there is no such hook; else a task of null when it was taken, or of why it was not.</returns>
    Task<string?>? TestAsync(string name);
}
