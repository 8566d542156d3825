using System.Runtime.InteropServices;

namespace Steward.Linux.Interop;

/// <summary>
/// Unmanaged memory that is filled piece by piece and given back at once: what the kernel reads during one call. Not for
/// several threads.
/// </summary>
internal sealed unsafe class NativeArena : IDisposable
{
    private const int ChunkSize = 64 * 1024;
    private readonly List<nint> _large = [];
    private byte* _chunk = (byte*)NativeMemory.Alloc(ChunkSize);
    private int _used;

    /// <summary>Zeroed memory, aligned to 16 bytes, until the next <see cref="Reset"/>.</summary>
    public void* Allocate(int size)
    {
        int rounded = checked(size + 15) & ~15;
        byte* memory;
        if (rounded > ChunkSize - _used)
        {
            memory = (byte*)NativeMemory.Alloc((nuint)rounded);
            _large.Add((nint)memory);
        }
        else
        {
            memory = _chunk + _used;
            _used += rounded;
        }

        NativeMemory.Clear(memory, (nuint)rounded);
        return memory;
    }

    /// <summary>The bytes followed by a zero.</summary>
    public byte* Bytes(ReadOnlySpan<byte> bytes)
    {
        byte* memory = (byte*)Allocate(bytes.Length + 1);
        bytes.CopyTo(new Span<byte>(memory, bytes.Length));
        return memory;
    }

    /// <summary>A list as argv and envp are: pointers to zero-terminated strings, then a null pointer.</summary>
    public byte** Strings(IReadOnlyList<byte[]> items)
    {
        byte** list = (byte**)Allocate((items.Count + 1) * sizeof(nint));
        for (int i = 0; i < items.Count; i++)
        {
            list[i] = Bytes(items[i]);
        }

        return list;
    }

    /// <summary>Takes everything back.</summary>
    public void Reset()
    {
        foreach (nint memory in _large)
        {
            NativeMemory.Free((void*)memory);
        }

        _large.Clear();
        _used = 0;
    }

    public void Dispose()
    {
        Reset();
        NativeMemory.Free(_chunk);
        _chunk = null;
        _used = ChunkSize;
    }
}
