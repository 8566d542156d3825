using Steward.Core.Snapshots;
using Steward.Core.Supervision;

namespace Steward.Core.Events;

// The pool as it is written down; the subscription and the capacity are the configuration's.
internal sealed partial class EventPool
{
    public void Write(SnapshotWriter writer, int field)
    {
        writer.Begin(field);
        writer.Integer(1, _nextSerial);
        writer.Integer(2, _rejected);
        writer.Integer(3, _rejections);
        writer.Due(4, Due);
        foreach (PooledEvent item in _buffer)
        {
            Write(writer, 5, item);
        }

        writer.Integer(6, Delivered);
        writer.Integer(7, Rejections);
        writer.Integer(8, Returned);
        writer.Integer(9, Discarded);

        writer.End();
    }

    public static EventPool Read(SnapshotReader reader, ProcessGroup group, DeadlineQueue deadlines)
    {
        var pool = new EventPool(group)
        {
            _nextSerial = reader.Integer(1, "nextSerial", 0),
            _rejected = reader.Integer(2, "rejected"),
            _rejections = reader.Int32(3, "rejections", 0),
        };
        long due = reader.Due(4, "due");
        while (reader.Next(5, "buffer", out SnapshotReader item))
        {
            if (pool.Count == pool.Capacity)
            {
                throw reader.Refusal("buffer", $"it holds more than its {pool.Capacity} events");
            }

            pool._buffer.AddLast(ReadEvent(item));
        }

        pool.Delivered = reader.OptionalInteger(6, "delivered", 0) ?? 0;
        pool.Rejections = reader.OptionalInteger(7, "rejectionsInAll", 0) ?? 0;
        pool.Returned = reader.OptionalInteger(8, "returned", 0) ?? 0;
        pool.Discarded = reader.OptionalInteger(9, "discarded", 0) ?? 0;

        reader.End();
        pool.SetDue(due, deadlines);
        return pool;
    }

    public static void Write(SnapshotWriter writer, int field, PooledEvent item)
    {
        writer.Begin(field);
        writer.Integer(1, item.Serial);
        writer.Integer(2, item.PoolSerial);
        writer.Text(3, item.Type.Name());
        writer.Text(4, item.Payload);
        writer.End();
    }

    public static PooledEvent ReadEvent(SnapshotReader reader)
    {
        long serial = reader.Integer(1, "serial", 0);
        long poolSerial = reader.Integer(2, "poolSerial", 0);
        string name = reader.Text(3, "type");
        EventType type = EventTypes.Find(name) ?? throw reader.Refusal("type", $"this program does not know the event type '{name}'");
        var item = new PooledEvent(serial, poolSerial, type, reader.Text(4, "payload"));
        reader.End();
        return item;
    }
}
