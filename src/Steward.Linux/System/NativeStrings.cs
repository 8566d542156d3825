using System.Runtime.InteropServices;

namespace Steward.Linux.Host;

/// <summary>A list of strings as <c>exec</c> takes it: zero-terminated strings behind a null-terminated array.</summary>
internal sealed unsafe class NativeStrings : IDisposable
{
    private readonly int _count;
    private byte** _array;

    public NativeStrings(IReadOnlyList<byte[]> strings)
    {
        _count = strings.Count;
        _array = (byte**)NativeMemory.AllocZeroed((nuint)_count + 1, (nuint)sizeof(byte*));
        for (int i = 0; i < _count; i++)
        {
            byte[] text = strings[i];
            _array[i] = (byte*)NativeMemory.Alloc((nuint)text.Length + 1);
            text.CopyTo(new Span<byte>(_array[i], text.Length));
            _array[i][text.Length] = 0;
        }
    }

    public byte** Pointer => _array;

    public void Dispose()
    {
        if (_array is null)
        {
            return;
        }

        for (int i = 0; i < _count; i++)
        {
            NativeMemory.Free(_array[i]);
        }

        NativeMemory.Free(_array);
        _array = null;
    }
}
