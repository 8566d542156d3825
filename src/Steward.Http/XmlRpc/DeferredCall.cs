using Steward.Core.Effects;
using Steward.Core.Model;

namespace Steward.Http.XmlRpc;

/// <summary>A call that waits for the core, and how far it is. Written by the one who carries it out, read by others when the core rests.</summary>
internal sealed class DeferredCall
{
    private volatile Task<Outcome>? _pending;

    /// <summary>Completes with the call: null when the answer is written, else why not.</summary>
    public Task<Fault?> Task { get; set; } = null!;

    /// <summary>What is waited for just now; null between two parts of a multicall.</summary>
    public Task<Outcome>? Pending
    {
        get => _pending;
        set => _pending = value;
    }

    /// <summary>Says whether it waits, so that it stands still while the core does.</summary>
    public bool IsWaiting => _pending is { IsCompleted: false };

    /// <summary>Of a multicall: how many of its calls are answered.</summary>
    public int Part { get; set; }

    /// <summary>Of a multicall: how long the answer was before the call under way.</summary>
    public int Written { get; set; }
}
