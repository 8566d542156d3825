using Steward.Core.Snapshots;

namespace Steward.Core.Events;

// The protocol's state as it is written down: what is pending keeps its bytes, not its place in the buffer.
internal sealed partial class ListenerProtocol
{
    public void Write(SnapshotWriter writer, int field)
    {
        writer.Begin(field);
        writer.Integer(1, (int)State);
        if (Event is { } item)
        {
            EventPool.Write(writer, 2, item);
        }

        writer.Flag(3, IsDeaf);
        writer.Bytes(4, Pending);
        writer.Integer(5, _resultLeft);
        writer.Integer(6, _resultSeen);
        writer.Flag(7, _isOk);
        writer.Due(8, Due);
        writer.End();
    }

    public static ListenerProtocol Read(SnapshotReader reader)
    {
        var listener = new ListenerProtocol
        {
            State = reader.Choice<ListenerState>(1, "state"),
            Event = reader.TryRecord(2, "event", out SnapshotReader item) ? EventPool.ReadEvent(item) : null,
            IsDeaf = reader.Flag(3, "isDeaf"),
            _buffer = reader.Bytes(4, "pending").ToArray(),
            _resultLeft = reader.Integer(5, "resultLeft", -1),
            _resultSeen = reader.Integer(6, "resultSeen", 0),
            _isOk = reader.Flag(7, "isOk"),
            Due = reader.Due(8, "due"),
        };
        if (listener.State == ListenerState.Busy != listener.Event is not null)
        {
            throw reader.Refusal("event", "a listener has an event exactly while it is BUSY");
        }

        reader.End();
        return listener;
    }
}
