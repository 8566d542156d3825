using System.Buffers.Binary;
using System.Globalization;
using System.Text;
using System.Text.Unicode;

namespace Steward.Core.Snapshots;

/// <summary>
/// Reads the fields of a record (see <see cref="Snapshot"/>) in ascending order of their numbers. What is asked for and not there, of another
/// kind or out of range is refused with the field's name; what is there and not asked for is skipped unless it is vital. No length is
/// believed before the bytes are seen to be there, so reading needs no more memory than a small multiple of what is read.
/// </summary>
public ref struct SnapshotReader
{
    private const int LongestTag = 4;
    private const int LongestInteger = 10;

    private readonly string _path;
    private ReadOnlySpan<byte> _rest;

    // The field at hand: number 0 means that it has to be looked at, MaxValue that there is none.
    private int _number;
    private int _kind;
    private int _last;
    private int _count;

    internal SnapshotReader(ReadOnlySpan<byte> record, string path)
    {
        _rest = record;
        _path = path;
    }

    /// <summary>Reads an integer that must be there.</summary>
    public long Integer(int field, string name, long least = long.MinValue, long most = long.MaxValue) =>
        OptionalInteger(field, name, least, most) ?? throw Missing(name);

    /// <summary>Reads an integer; null when it is not there.</summary>
    public long? OptionalInteger(int field, string name, long least = long.MinValue, long most = long.MaxValue)
    {
        if (!Take(field, name, SnapshotWriter.IntegerKind))
        {
            return null;
        }

        ulong raw = Number(LongestInteger, name);
        long value = (long)(raw >> 1) ^ -(long)(raw & 1);
        return value >= least && value <= most
            ? value
            : throw Refusal(name, $"{value} is not within {least} and {most}");
    }

    /// <summary>Reads an integer of 32 bits that must be there.</summary>
    public int Int32(int field, string name, int least = int.MinValue, int most = int.MaxValue) => (int)Integer(field, name, least, most);

    /// <summary>Reads an integer of 32 bits; null when it is not there.</summary>
    public int? OptionalInt32(int field, string name, int least = int.MinValue, int most = int.MaxValue) =>
        (int?)OptionalInteger(field, name, least, most);

    /// <summary>Reads a truth value that must be there.</summary>
    public bool Flag(int field, string name) => Integer(field, name, 0, 1) == 1;

    /// <summary>Reads a monotonic deadline; <see cref="long.MaxValue"/> when it is not there.</summary>
    public long Due(int field, string name) => OptionalInteger(field, name) ?? long.MaxValue;

    /// <summary>Reads a member of an enumeration by its number; it must be there.</summary>
    public T Choice<T>(int field, string name)
        where T : struct, Enum => OptionalChoice<T>(field, name) ?? throw Missing(name);

    /// <summary>Reads a member of an enumeration by its number; null when it is not there.</summary>
    public T? OptionalChoice<T>(int field, string name)
        where T : struct, Enum
    {
        if (OptionalInt32(field, name) is not { } number)
        {
            return null;
        }

        var value = (T)Enum.ToObject(typeof(T), number);
        return Enum.IsDefined(value) ? value : throw Refusal(name, $"there is no {typeof(T).Name} {number}");
    }

    /// <summary>Reads text that must be there.</summary>
    public string Text(int field, string name) => OptionalText(field, name) ?? throw Missing(name);

    /// <summary>Reads text; null when it is not there.</summary>
    public string? OptionalText(int field, string name)
    {
        if (!Find(field))
        {
            return null;
        }

        if (_kind == SnapshotWriter.Utf16Kind)
        {
            ReadOnlySpan<byte> wide = Sized(field, name);
            if (wide.Length % sizeof(char) != 0)
            {
                throw Refusal(name, "half a character");
            }

            return string.Create(wide.Length / sizeof(char), wide, static (text, bytes) =>
            {
                for (int i = 0; i < text.Length; i++)
                {
                    text[i] = (char)BinaryPrimitives.ReadUInt16LittleEndian(bytes[(i * sizeof(char))..]);
                }
            });
        }

        if (_kind != SnapshotWriter.Utf8Kind)
        {
            throw Refusal(name, "it is not text");
        }

        ReadOnlySpan<byte> narrow = Sized(field, name);
        return Utf8.IsValid(narrow) ? Encoding.UTF8.GetString(narrow) : throw Refusal(name, "it is not UTF-8");
    }

    /// <summary>Reads bytes that must be there.</summary>
    public ReadOnlySpan<byte> Bytes(int field, string name) =>
        Take(field, name, SnapshotWriter.BytesKind) ? Sized(field, name) : throw Missing(name);

    /// <summary>Reads bytes; null when they are not there.</summary>
    public byte[]? OptionalBytes(int field, string name) =>
        Take(field, name, SnapshotWriter.BytesKind) ? Sized(field, name).ToArray() : null;

    /// <summary>Opens a record that must be there.</summary>
    public SnapshotReader Record(int field, string name) => TryRecord(field, name, out SnapshotReader record) ? record : throw Missing(name);

    /// <summary>Opens a record; false when it is not there.</summary>
    public bool TryRecord(int field, string name, out SnapshotReader record)
    {
        bool isThere = Take(field, name, SnapshotWriter.BytesKind);
        record = isThere ? new SnapshotReader(Sized(field, name), Path(name)) : default;
        return isThere;
    }

    /// <summary>Opens the next record of a list; false when there is none left. To be called until false.</summary>
    public bool Next(int field, string name, out SnapshotReader record)
    {
        bool isThere = Take(field, name, SnapshotWriter.BytesKind);
        record = isThere
            ? new SnapshotReader(Sized(field, name), string.Create(CultureInfo.InvariantCulture, $"{Path(name)}[{_count - 1}]"))
            : default;
        return isThere;
    }

    /// <summary>Reads the integers of a list.</summary>
    public List<int> Int32s(int field, string name, int least = int.MinValue, int most = int.MaxValue)
    {
        var list = new List<int>();
        while (OptionalInt32(field, name, least, most) is { } value)
        {
            list.Add(value);
        }

        return list;
    }

    /// <summary>Reads the texts of a list.</summary>
    public List<string> Texts(int field, string name)
    {
        var list = new List<string>();
        while (OptionalText(field, name) is { } value)
        {
            list.Add(value);
        }

        return list;
    }

    /// <summary>To be called when all is read: refuses when something vital was not asked for.</summary>
    public void End()
    {
        while (Peek())
        {
            Skip();
        }
    }

    /// <summary>Makes the refusal of a field of this record.</summary>
    public readonly SnapshotRefusedException Refusal(string name, string reason) => new(Snapshot.Format, Path(name), reason);

    internal readonly SnapshotReader Renamed(string path) => new(_rest, path);

    private readonly SnapshotRefusedException Missing(string name) => Refusal(name, "it is missing");

    private readonly string Path(string name) => $"{_path}.{name}";

    private bool Take(int field, string name, int kind)
    {
        if (!Find(field))
        {
            return false;
        }

        return _kind == kind ? true : throw Refusal(name, $"it is of kind {_kind}, not {kind}");
    }

    /// <summary>Goes on to a field; false when the record does not have it.</summary>
    private bool Find(int field)
    {
        if (field != _last)
        {
            _count = 0;
        }

        while (Peek() && _number < field)
        {
            Skip();
        }

        if (_number != field)
        {
            return false;
        }

        _count++;
        _last = field;
        return true;
    }

    private bool Peek()
    {
        if (_number != 0)
        {
            return _number != int.MaxValue;
        }

        if (_rest.IsEmpty)
        {
            _number = int.MaxValue;
            return false;
        }

        int tag = (int)Number(LongestTag, "tag");
        _number = tag >> 2;
        _kind = tag & 3;
        return _number != 0 && _number >= _last ? true : throw Refusal($"#{_number}", "the fields are not in order");
    }

    private void Skip()
    {
        if (_number >= Snapshot.FirstVital)
        {
            throw Refusal($"#{_number}", "a newer program wrote it and it must not be ignored; this program does not know it");
        }

        string name = $"#{_number}";
        _last = _number;
        if (_kind == SnapshotWriter.IntegerKind)
        {
            Number(LongestInteger, name);
        }
        else
        {
            Sized(_number, name);
        }

        _number = 0;
    }

    private ReadOnlySpan<byte> Sized(int field, string name)
    {
        _last = field;
        _number = 0;
        if (_rest.Length < sizeof(int))
        {
            throw Refusal(name, "it ends in its length");
        }

        uint length = BinaryPrimitives.ReadUInt32LittleEndian(_rest);
        _rest = _rest[sizeof(int)..];
        if (length > (uint)_rest.Length)
        {
            throw Refusal(name, $"it should have {length} bytes, {_rest.Length} are left");
        }

        ReadOnlySpan<byte> value = _rest[..(int)length];
        _rest = _rest[(int)length..];
        return value;
    }

    private ulong Number(int longest, string name)
    {
        ulong value = 0;
        for (int i = 0; i < longest && i < _rest.Length; i++)
        {
            byte b = _rest[i];
            value |= (ulong)(b & 0x7f) << (7 * i);
            if (b < 0x80)
            {
                _rest = _rest[(i + 1)..];
                _number = 0;
                return value;
            }
        }

        throw Refusal(name, "a number without an end");
    }
}
