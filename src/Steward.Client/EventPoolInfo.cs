using Steward.Protocol.XmlRpc;

namespace Steward.Client;

/// <summary>A pool of event listeners; the members are those of <c>steward.getEventPools</c>. Counts begin with the pool.</summary>
/// <param name="Name">The pool's name.</param>
/// <param name="Events">The subscribed names.</param>
/// <param name="BufferSize">How many events the buffer holds at most.</param>
/// <param name="Buffered">How many it holds.</param>
/// <param name="Delivered">Events that a listener has processed.</param>
/// <param name="Rejected">Refusals.</param>
/// <param name="Returned">Events that came back because a listener died or took too long.</param>
/// <param name="Discarded">Events that are lost because the buffer was full.</param>
/// <param name="Listeners">Its processes.</param>
public sealed record EventPoolInfo(
    string Name,
    IReadOnlyList<string> Events,
    long BufferSize,
    long Buffered,
    long Delivered,
    long Rejected,
    long Returned,
    long Discarded,
    IReadOnlyList<EventListenerInfo> Listeners)
{
    internal static EventPoolInfo? Read(XmlRpcValue value) =>
        value is XmlRpcStruct members && members.Text("name") is { } name
            ? new EventPoolInfo(
                name,
                members.Find("events") is XmlRpcArray events ? [.. events.Items.OfType<XmlRpcString>().Select(item => item.Value)] : [],
                members.Number("buffer_size"),
                members.Number("buffered"),
                members.Number("delivered"),
                members.Number("rejected"),
                members.Number("returned"),
                members.Number("discarded"),
                members.Find("listeners") is XmlRpcArray listeners ? [.. listeners.Items.OfType<XmlRpcStruct>().Select(EventListenerInfo.Read)] : [])
            : null;
}

/// <summary>One process of a pool.</summary>
/// <param name="Name">Its name.</param>
/// <param name="StateName">The state of the process.</param>
/// <param name="Protocol"><c>ACKNOWLEDGED</c>, <c>READY</c>, <c>BUSY</c> or <c>UNKNOWN</c>; empty when it does not run.</param>
/// <param name="Serial">The event it is busy with; empty for none.</param>
public sealed record EventListenerInfo(string Name, string StateName, string Protocol, string Serial)
{
    internal static EventListenerInfo Read(XmlRpcStruct members) => new(
        members.Text("name") ?? "", members.Text("statename") ?? "", members.Text("protocol") ?? "", members.Text("serial") ?? "");
}
