namespace Steward.Linux.Output;

/// <summary>
/// The last bytes of a stream that are not kept in a file, to be told when its run ends badly. Made at the first byte: a silent stream
/// costs nothing. Hub's thread.
/// </summary>
internal sealed class RecentOutput
{
    /// <summary>How many bytes.</summary>
    internal const int Size = 1024;

    private readonly byte[] _ring = new byte[Size];
    private long _written;

    /// <summary>Whether bytes have been overwritten.</summary>
    internal bool IsCut => _written > Size;

    /// <summary>Adds bytes.</summary>
    internal void Add(ReadOnlySpan<byte> data)
    {
        _written += data.Length;
        if (data.Length > Size)
        {
            data = data[^Size..];
        }

        int start = (int)((_written - data.Length) % Size);
        int first = Math.Min(data.Length, Size - start);
        data[..first].CopyTo(_ring.AsSpan(start));
        data[first..].CopyTo(_ring);
    }

    /// <summary>The bytes, oldest first.</summary>
    internal byte[] ToArray()
    {
        if (!IsCut)
        {
            return _ring[..(int)_written];
        }

        int oldest = (int)(_written % Size);
        return [.. _ring.AsSpan(oldest), .. _ring.AsSpan(0, oldest)];
    }
}
