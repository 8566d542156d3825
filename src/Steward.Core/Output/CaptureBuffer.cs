namespace Steward.Core.Output;

/// <summary>The newest bytes of a capture: a ring that grows up to its limit and then overwrites its oldest bytes.</summary>
internal sealed class CaptureBuffer
{
    // What one capture needed is kept for the next, unless it was much.
    private const int KeptCapacity = 64 * 1024;

    private readonly int _limit;
    private byte[] _ring = [];
    private int _start;

    /// <summary>Makes an empty one.</summary>
    /// <param name="limit">The most bytes to keep, at least 1; more than an array can hold counts as that.</param>
    public CaptureBuffer(long limit)
    {
        _limit = (int)Math.Min(limit, Array.MaxLength);
    }

    /// <summary>The number of bytes kept.</summary>
    public int Length { get; private set; }

    /// <summary>Adds bytes; the oldest ones go when there are more than the limit.</summary>
    public void Append(ReadOnlySpan<byte> data)
    {
        if (data.Length >= _limit)
        {
            data = data[^_limit..];
            Length = 0;
            _start = 0;
        }

        int surplus = (int)Math.Max(0, (long)Length + data.Length - _limit);
        EnsureRoom(Length - surplus + data.Length);
        _start = _ring.Length == 0 ? 0 : (int)(((long)_start + surplus) % _ring.Length);
        Length -= surplus;

        int end = (int)(((long)_start + Length) % _ring.Length);
        int first = Math.Min(data.Length, _ring.Length - end);
        data[..first].CopyTo(_ring.AsSpan(end));
        data[first..].CopyTo(_ring);
        Length += data.Length;
    }

    /// <summary>All bytes kept, oldest first; valid until the next change.</summary>
    public ReadOnlySpan<byte> Contents()
    {
        if ((long)_start + Length > _ring.Length)
        {
            // Rotates in place: reversing both parts and then the whole.
            _ring.AsSpan(0, _start).Reverse();
            _ring.AsSpan(_start).Reverse();
            _ring.AsSpan().Reverse();
            _start = 0;
        }

        return _ring.AsSpan(_start, Length);
    }

    /// <summary>Forgets all bytes.</summary>
    public void Clear()
    {
        Length = 0;
        _start = 0;
        if (_ring.Length > KeptCapacity)
        {
            _ring = [];
        }
    }

    private void EnsureRoom(int needed)
    {
        if (needed <= _ring.Length)
        {
            return;
        }

        int capacity = (int)Math.Min(_limit, Math.Max(Math.Max(256, (long)_ring.Length * 2), needed));
        var larger = new byte[capacity];
        Contents().CopyTo(larger);
        _ring = larger;
        _start = 0;
    }
}
