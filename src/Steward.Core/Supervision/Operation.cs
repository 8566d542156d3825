using Steward.Core.Effects;
using Steward.Core.Model;

namespace Steward.Core.Supervision;

/// <summary>What a request wants of one process.</summary>
internal enum OperationKind
{
    Start,
    Stop,
    Signal,
    Stdin,
    Clear,
}

/// <summary>A request about one process that is not answered yet.</summary>
/// <param name="Kind">What is wanted.</param>
/// <param name="Request">Who asked.</param>
/// <param name="Name">The name as the client gave it; stands in faults.</param>
/// <param name="Wait">Whether the answer waits until the process got there.</param>
/// <param name="Batch">The group command this is part of; null for a single one.</param>
/// <param name="By">Who asked, in words for people; empty when it is not known.</param>
/// <param name="Signal">The signal of a signal request.</param>
/// <param name="ToGroup">Of a signal request: to the whole process group.</param>
internal sealed record Operation(
    OperationKind Kind, RequestId Request, string Name, bool Wait, Batch? Batch, string By, int Signal = 0, bool ToGroup = false);

/// <summary>A group command: its answer comes when all its parts have theirs.</summary>
internal sealed class Batch(RequestId request, int parts)
{
    public RequestId Request { get; } = request;

    public int Open { get; set; } = parts;

    public List<ProcessStatus> Items { get; } = new(parts);
}
