using System.Globalization;
using System.Text;
using Steward.Core.Model;
using Steward.Core.Supervision;

namespace Steward.Core.Events;

/// <summary>An event as one pool keeps it.</summary>
/// <param name="Serial">Its number in the daemon.</param>
/// <param name="PoolSerial">Its number in the pool.</param>
/// <param name="Type">Its type.</param>
/// <param name="Payload">Its payload.</param>
internal sealed record PooledEvent(long Serial, long PoolSerial, EventType Type, string Payload)
{
    /// <summary>Header and payload as they are sent. <c>len</c> counts characters, which is what listeners in text mode read by.</summary>
    public byte[] Envelope(string server, string pool)
    {
        int characters = 0;
        foreach (Rune _ in Payload.EnumerateRunes())
        {
            characters++;
        }

        return Encoding.UTF8.GetBytes(string.Create(CultureInfo.InvariantCulture,
            $"ver:3.0 server:{server} serial:{Serial} pool:{pool} poolserial:{PoolSerial} eventname:{Type.Name()} len:{characters}\n{Payload}"));
    }
}

/// <summary>The buffer of an event listener pool: at most <c>buffer_size</c> events, the oldest go first.</summary>
internal sealed partial class EventPool(ProcessGroup group) : Timed
{
    /// <summary>Rejections of one event in a row before its delivery is delayed.</summary>
    private const int FreeRejections = 10;

    private readonly LinkedList<PooledEvent> _buffer = new();
    private long _nextSerial;
    private long _rejected = -1;
    private int _rejections;

    public ProcessGroup Group { get; } = group;

    // Behind all processes; a pool without listeners never has a deadline.
    public override long Rank => (1L << 32) + (Group.Slots.Count == 0 ? 0 : Group.Slots[0].Id.Value);

    public string Name => Group.Name;

    /// <summary>The bits of the subscription.</summary>
    public uint Mask { get; } = EventTypes.Mask(group.Config.Pool!.Events);

    public int Capacity { get; } = Math.Max(1, group.Config.Pool!.BufferSize);

    public int Count => _buffer.Count;

    /// <summary>Events that a listener has processed.</summary>
    public long Delivered { get; private set; }

    /// <summary>Refusals by a listener; one event may be refused many times.</summary>
    public long Rejections { get; private set; }

    /// <summary>Events that came back because the run of their listener ended or their result did not come.</summary>
    public long Returned { get; private set; }

    /// <summary>Events that nobody will get: the buffer was full, or they were too large for a listener.</summary>
    public long Discarded { get; private set; }

    /// <summary>Adds an event at the end; returns the one that had to go, if any.</summary>
    public PooledEvent? Add(long serial, EventType type, string payload)
    {
        PooledEvent? dropped = null;
        if (_buffer.Count >= Capacity)
        {
            dropped = Take();
            Discarded++;
        }

        _buffer.AddLast(new PooledEvent(serial, _nextSerial++, type, payload));
        return dropped;
    }

    /// <summary>
    /// Puts an event back at the head. When the buffer is full meanwhile, the newest goes: the returned one is the oldest, and order
    /// is kept. Returns the one that had to go.
    /// </summary>
    public PooledEvent? Return(PooledEvent item)
    {
        PooledEvent? dropped = null;
        if (_buffer.Count >= Capacity)
        {
            dropped = _buffer.Last!.Value;
            _buffer.RemoveLast();
            Discarded++;
        }

        _buffer.AddFirst(item);
        return dropped;
    }

    /// <summary>Takes the oldest event; null when there is none.</summary>
    public PooledEvent? Take()
    {
        PooledEvent? first = _buffer.First?.Value;
        if (first is not null)
        {
            _buffer.RemoveFirst();
        }

        return first;
    }

    /// <summary>Counts an event that was processed.</summary>
    public void Accepted() => Delivered++;

    /// <summary>Counts an event that comes back without a refusal.</summary>
    public void GaveUp() => Returned++;

    /// <summary>Counts an event that could not be sent at all.</summary>
    public void Discard() => Discarded++;

    /// <summary>
    /// Counts a rejection; returns how long to wait before the next delivery, nanoseconds. A listener that refuses an event for ever
    /// is asked for ever, but not in a spin: from the eleventh time on the pause doubles from 1 ms to 1 s.
    /// </summary>
    public long Rejected(PooledEvent item)
    {
        _rejections = item.Serial == _rejected ? _rejections + 1 : 1;
        _rejected = item.Serial;
        Rejections++;
        int over = _rejections - FreeRejections;
        return over <= 0 ? 0 : Math.Min(Moment.Second, Moment.Millisecond << Math.Min(over - 1, 10));
    }
}
