using System.Buffers.Binary;
using System.Text;

namespace Steward.Core.Snapshots;

/// <summary>
/// Writes the fields of a record (see <see cref="Snapshot"/>), in ascending order of their numbers. Null and, for times, "none" are not
/// written at all.
/// </summary>
public sealed class SnapshotWriter
{
    internal const int IntegerKind = 0;
    internal const int BytesKind = 1;
    internal const int Utf8Kind = 2;
    internal const int Utf16Kind = 3;

    private readonly Stack<(int Start, int Last)> _open = new();
    private byte[] _buffer = new byte[4096];
    private int _length;
    private int _last;

    internal SnapshotWriter()
    {
    }

    internal Span<byte> Written => _buffer.AsSpan(0, _length);

    /// <summary>Writes an integer; nothing for null.</summary>
    public void Integer(int field, long? value)
    {
        if (value is { } number)
        {
            Tag(field, IntegerKind);
            Number((ulong)((number << 1) ^ (number >> 63)));
        }
    }

    /// <summary>Writes a truth value.</summary>
    public void Flag(int field, bool value) => Integer(field, value ? 1 : 0);

    /// <summary>Writes a monotonic deadline; nothing for <see cref="long.MaxValue"/>, which means none.</summary>
    public void Due(int field, long value) => Integer(field, value == long.MaxValue ? null : value);

    /// <summary>Writes text; nothing for null.</summary>
    public void Text(int field, string? value)
    {
        if (value is null)
        {
            return;
        }

        if (IsWellFormed(value))
        {
            Tag(field, Utf8Kind);
            int length = Encoding.UTF8.GetByteCount(value);
            Encoding.UTF8.GetBytes(value, Sized(length));
            return;
        }

        Tag(field, Utf16Kind);
        Span<byte> space = Sized(value.Length * sizeof(char));
        for (int i = 0; i < value.Length; i++)
        {
            BinaryPrimitives.WriteUInt16LittleEndian(space[(i * sizeof(char))..], value[i]);
        }
    }

    /// <summary>Writes bytes.</summary>
    public void Bytes(int field, ReadOnlySpan<byte> value)
    {
        Tag(field, BytesKind);
        value.CopyTo(Sized(value.Length));
    }

    /// <summary>Begins a record inside this one; <see cref="End"/> ends it.</summary>
    public void Begin(int field)
    {
        Tag(field, BytesKind);
        Space(sizeof(int));
        _open.Push((_length, _last));
        _last = 0;
    }

    /// <summary>Ends the record begun last.</summary>
    public void End()
    {
        (int start, _last) = _open.Pop();
        BinaryPrimitives.WriteInt32LittleEndian(_buffer.AsSpan(start - sizeof(int)), _length - start);
    }

    internal void Raw(ReadOnlySpan<byte> bytes) => bytes.CopyTo(Space(bytes.Length));

    private static bool IsWellFormed(string value)
    {
        for (int i = 0; i < value.Length; i++)
        {
            if (char.IsSurrogate(value[i]))
            {
                if (i + 1 == value.Length || !char.IsSurrogatePair(value[i], value[i + 1]))
                {
                    return false;
                }

                i++;
            }
        }

        return true;
    }

    private void Tag(int field, int kind)
    {
        if (field < _last)
        {
            throw new InvalidOperationException($"Field {field} is written after field {_last}.");
        }

        _last = field;
        Number((ulong)((field << 2) | kind));
    }

    private void Number(ulong value)
    {
        while (value >= 0x80)
        {
            Space(1)[0] = (byte)(value | 0x80);
            value >>= 7;
        }

        Space(1)[0] = (byte)value;
    }

    private Span<byte> Sized(int length)
    {
        BinaryPrimitives.WriteInt32LittleEndian(Space(sizeof(int)), length);
        return Space(length);
    }

    private Span<byte> Space(int length)
    {
        if (_buffer.Length - _length < length)
        {
            Array.Resize(ref _buffer, checked(Math.Max(_buffer.Length * 2, _length + length)));
        }

        _length += length;
        return _buffer.AsSpan(_length - length, length);
    }
}
