using Steward.Core.Model;

namespace Steward.Core.Supervision;

/// <summary>What is known about a pool of event listeners at one moment. Counts begin with the pool: at start, reload or update.</summary>
public sealed record EventPoolSnapshot
{
    /// <summary>The pool's name.</summary>
    public required string Name { get; init; }

    /// <summary>The subscribed names.</summary>
    public required IReadOnlyList<string> Events { get; init; }

    /// <summary>How many events the buffer holds at most.</summary>
    public required int BufferSize { get; init; }

    /// <summary>How many events it holds.</summary>
    public required int Buffered { get; init; }

    /// <summary>Events that a listener has processed.</summary>
    public required long Delivered { get; init; }

    /// <summary>Refusals; one event may be refused many times.</summary>
    public required long Rejected { get; init; }

    /// <summary>Events that went back to the buffer because their listener ended or gave no result in time.</summary>
    public required long Returned { get; init; }

    /// <summary>Events that are lost: the buffer was full.</summary>
    public required long Discarded { get; init; }

    /// <summary>Its processes in configuration order.</summary>
    public required IReadOnlyList<ListenerSnapshot> Listeners { get; init; }
}

/// <summary>One process of a pool.</summary>
/// <param name="Name">Its name.</param>
/// <param name="State">The state of the process.</param>
/// <param name="Protocol"><c>ACKNOWLEDGED</c>, <c>READY</c>, <c>BUSY</c> or <c>UNKNOWN</c>; empty when it does not run.</param>
/// <param name="Serial">The event it is busy with; null for none.</param>
public sealed record ListenerSnapshot(string Name, ProcessState State, string Protocol, long? Serial);
