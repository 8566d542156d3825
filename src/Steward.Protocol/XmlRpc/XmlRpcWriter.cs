using System.Buffers;
using System.Buffers.Text;
using System.Globalization;
using System.Text;
using System.Text.Unicode;

namespace Steward.Protocol.XmlRpc;

/// <summary>
/// Writes XML-RPC messages into a pooled buffer, byte for byte as Supervisor does: line ends, order and the few escapes it
/// uses. Strings can hold what they like: what XML 1.0 forbids is replaced by U+FFFD, a carriage return is written as a
/// reference so that it survives the client's parser. One thread at a time.
/// </summary>
public sealed class XmlRpcWriter : IDisposable
{
    private const int KeptBytes = 64 << 10;

    private static readonly SearchValues<char> SpecialChars = SearchValues.Create(
        "&<>\r\0\u0001\u0002\u0003\u0004\u0005\u0006\a\b\v\f\u000E\u000F\u0010\u0011\u0012\u0013\u0014\u0015\u0016\u0017\u0018"
        + "\u0019\u001A\e\u001C\u001D\u001E\u001F\uFFFE\uFFFF");

    // 0xEF leads U+F000 to U+FFFF, of which only the last two are special; rare enough to stop at.
    private static readonly SearchValues<byte> SpecialBytes = SearchValues.Create(
        [
            (byte)'&', (byte)'<', (byte)'>', 0, 1, 2, 3, 4, 5, 6, 7, 8, 11, 12, 13, 14, 15, 16, 17, 18, 19, 20, 21, 22, 23, 24, 25, 26,
            27, 28, 29, 30, 31, 0xEF,
        ]);

    private static readonly SearchValues<byte> SpecialOrWideBytes = SearchValues.Create(
        [.. Enumerable.Range(0, 256).Select(b => (byte)b).Where(b => b >= 0x80 || SpecialBytes.Contains(b))]);

    // The large buffer of the last long answer, for the next one, unless the collector took it meanwhile. The shared pool would keep
    // one of each size for each core. A thread's own: answers are written on few threads.
    [ThreadStatic]
    private static WeakReference<byte[]>? s_spare;

    private byte[] _buffer = ArrayPool<byte>.Shared.Rent(4096);
    private int _length;

    /// <summary>What has been written; valid until the next call of any other member.</summary>
    public ReadOnlyMemory<byte> Written => _buffer.AsMemory(0, _length);

    /// <summary>How many bytes have been written.</summary>
    public int Length => _length;

    /// <summary>Forgets what was written and gives a large buffer back.</summary>
    public void Clear()
    {
        _length = 0;
        if (_buffer.Length > KeptBytes)
        {
            GiveBack(_buffer);
            _buffer = ArrayPool<byte>.Shared.Rent(4096);
        }
    }

    /// <summary>Takes back what was written after <see cref="Length"/> was <paramref name="length"/>.</summary>
    public void Rewind(int length)
    {
        ArgumentOutOfRangeException.ThrowIfGreaterThan((uint)length, (uint)_length);
        _length = length;
    }

    /// <inheritdoc/>
    public void Dispose()
    {
        byte[] buffer = _buffer;
        _buffer = [];
        _length = 0;
        if (buffer.Length > 0)
        {
            GiveBack(buffer);
        }
    }

    /// <summary>Writes a whole method call.</summary>
    public void WriteCall(string method, params ReadOnlySpan<XmlRpcValue> parameters)
    {
        WriteRaw("<?xml version='1.0'?>\n<methodCall>\n<methodName>"u8);
        WriteText(method);
        WriteRaw("</methodName>\n<params>\n"u8);
        foreach (XmlRpcValue parameter in parameters)
        {
            WriteRaw("<param>\n"u8);
            WriteValue(parameter);
            WriteRaw("\n</param>\n"u8);
        }

        WriteRaw("</params>\n</methodCall>\n"u8);
    }

    /// <summary>Writes what stands before the value of a successful response.</summary>
    public void BeginResponse() => WriteRaw("<?xml version='1.0'?>\n<methodResponse>\n<params>\n<param>\n"u8);

    /// <summary>Writes what stands behind the value of a successful response.</summary>
    public void EndResponse() => WriteRaw("\n</param>\n</params>\n</methodResponse>\n"u8);

    /// <summary>Writes a whole fault response.</summary>
    public void WriteFaultResponse(int code, string text)
    {
        WriteRaw("<?xml version='1.0'?>\n<methodResponse>\n<fault>\n"u8);
        WriteFaultValue(code, text);
        WriteRaw("\n</fault>\n</methodResponse>\n"u8);
    }

    /// <summary>Writes a fault as a value: what stands in a fault response and in the answer of <c>system.multicall</c>.</summary>
    public void WriteFaultValue(int code, string text)
    {
        BeginStruct();
        MemberName("faultCode"u8);
        WriteInt(code);
        EndMember();
        MemberName("faultString"u8);
        WriteString(text);
        EndMember();
        EndStruct();
    }

    /// <summary>Writes a value of any type.</summary>
    public void WriteValue(XmlRpcValue value)
    {
        switch (value)
        {
            case XmlRpcString text:
                WriteString(text.Value);
                break;
            case XmlRpcUtf8 bytes:
                WriteString(bytes.Utf8.Span);
                break;
            case XmlRpcInt number:
                WriteInt(number.Value);
                break;
            case XmlRpcBoolean boolean:
                WriteBoolean(boolean.Value);
                break;
            case XmlRpcDouble real:
                if (!double.IsFinite(real.Value))
                {
                    throw new ArgumentException("XML-RPC has no infinities and no NaN.", nameof(value));
                }

                WriteRaw("<value><double>"u8);
                WriteText(real.Value.ToString("R", CultureInfo.InvariantCulture));
                WriteRaw("</double></value>"u8);
                break;
            case XmlRpcDateTime date:
                WriteRaw("<value><dateTime.iso8601>"u8);
                WriteText(date.Value.ToString("yyyyMMdd'T'HH:mm:ss", CultureInfo.InvariantCulture));
                WriteRaw("</dateTime.iso8601></value>"u8);
                break;
            case XmlRpcNil:
                WriteRaw("<value><nil/></value>"u8);
                break;
            case XmlRpcArray array:
                BeginArray();
                foreach (XmlRpcValue item in array.Items.AsSpan())
                {
                    WriteValue(item);
                    EndItem();
                }

                EndArray();
                break;
            case XmlRpcStruct members:
                BeginStruct();
                foreach (KeyValuePair<string, XmlRpcValue> member in members.Members.AsSpan())
                {
                    WriteRaw("<member>\n<name>"u8);
                    WriteText(member.Key);
                    WriteRaw("</name>\n"u8);
                    WriteValue(member.Value);
                    EndMember();
                }

                EndStruct();
                break;
            default:
                throw new ArgumentException("unknown kind of value", nameof(value));
        }
    }

    /// <summary>Writes a string value.</summary>
    public void WriteString(string value)
    {
        WriteRaw("<value><string>"u8);
        WriteText(value);
        WriteRaw("</string></value>"u8);
    }

    /// <summary>Writes a string value of UTF-8 bytes that nobody has checked.</summary>
    public void WriteString(ReadOnlySpan<byte> utf8)
    {
        WriteRaw("<value><string>"u8);
        WriteText(utf8);
        WriteRaw("</string></value>"u8);
    }

    /// <summary>Writes an integer value, clamped to 32 bits.</summary>
    public void WriteInt(long value)
    {
        WriteRaw("<value><int>"u8);
        WriteDigits(value);
        WriteRaw("</int></value>"u8);
    }

    /// <summary>Writes the digits of an integer, clamped to 32 bits.</summary>
    internal void WriteDigits(long value)
    {
        Utf8Formatter.TryFormat((int)Math.Clamp(value, int.MinValue, int.MaxValue), Reserve(11), out int written);
        _length += written;
    }

    /// <summary>Writes a boolean value.</summary>
    public void WriteBoolean(bool value) =>
        WriteRaw(value ? "<value><boolean>1</boolean></value>"u8 : "<value><boolean>0</boolean></value>"u8);

    /// <summary>Begins an array; behind every element stands <see cref="EndItem"/>.</summary>
    public void BeginArray() => WriteRaw("<value><array><data>\n"u8);

    /// <summary>Ends an element of an array.</summary>
    public void EndItem() => WriteRaw("\n"u8);

    /// <summary>Ends an array.</summary>
    public void EndArray() => WriteRaw("</data></array></value>"u8);

    /// <summary>Begins a struct.</summary>
    public void BeginStruct() => WriteRaw("<value><struct>\n"u8);

    /// <summary>Begins a member; its value and <see cref="EndMember"/> follow.</summary>
    /// <param name="name">The name, which needs no escapes.</param>
    public void MemberName(ReadOnlySpan<byte> name)
    {
        WriteRaw("<member>\n<name>"u8);
        WriteRaw(name);
        WriteRaw("</name>\n"u8);
    }

    /// <summary>Ends a member.</summary>
    public void EndMember() => WriteRaw("\n</member>\n"u8);

    /// <summary>Ends a struct.</summary>
    public void EndStruct() => WriteRaw("</struct></value>"u8);

    /// <summary>Writes bytes as they are.</summary>
    public void WriteRaw(ReadOnlySpan<byte> bytes)
    {
        bytes.CopyTo(Reserve(bytes.Length));
        _length += bytes.Length;
    }

    /// <summary>Writes the text of an element with its escapes.</summary>
    public void WriteText(ReadOnlySpan<char> text)
    {
        while (true)
        {
            int n = text.IndexOfAny(SpecialChars);
            ReadOnlySpan<char> plain = n < 0 ? text : text[..n];
            if (!plain.IsEmpty)
            {
                // A lone surrogate becomes U+FFFD here.
                _length += Encoding.UTF8.GetBytes(plain, Reserve(Encoding.UTF8.GetMaxByteCount(plain.Length)));
            }

            if (n < 0)
            {
                return;
            }

            WriteSpecial(text[n]);
            text = text[(n + 1)..];
        }
    }

    /// <summary>Writes the text of an element with its escapes from bytes that should be UTF-8.</summary>
    public void WriteText(ReadOnlySpan<byte> utf8)
    {
        bool valid = Utf8.IsValid(utf8);
        while (!utf8.IsEmpty)
        {
            int n = utf8.IndexOfAny(valid ? SpecialBytes : SpecialOrWideBytes);
            WriteRaw(n < 0 ? utf8 : utf8[..n]);
            if (n < 0)
            {
                return;
            }

            utf8 = utf8[n..];
            Rune.DecodeFromUtf8(utf8, out Rune rune, out int used);
            if (rune.IsBmp && SpecialChars.Contains((char)rune.Value))
            {
                WriteSpecial((char)rune.Value);
            }
            else
            {
                // U+FFFD where the bytes are no character.
                _length += rune.EncodeToUtf8(Reserve(4));
            }

            utf8 = utf8[used..];
        }
    }

    private void WriteSpecial(char c) => WriteRaw(c switch
    {
        '&' => "&amp;"u8,
        '<' => "&lt;"u8,
        '>' => "&gt;"u8,
        '\r' => "&#13;"u8,
        _ => "\uFFFD"u8,
    });

    private Span<byte> Reserve(int size)
    {
        if (_buffer.Length - _length < size)
        {
            byte[] larger = Take(checked(Math.Max(_length + size, _buffer.Length * 2)));
            _buffer.AsSpan(0, _length).CopyTo(larger);
            GiveBack(_buffer);
            _buffer = larger;
        }

        return _buffer.AsSpan(_length);
    }

    private static byte[] Take(int size)
    {
        if (size <= KeptBytes)
        {
            return ArrayPool<byte>.Shared.Rent(size);
        }

        WeakReference<byte[]>? spare = s_spare;
        s_spare = null;
        return spare is not null && spare.TryGetTarget(out byte[]? buffer) && buffer.Length >= size
            ? buffer
            : GC.AllocateUninitializedArray<byte>(size);
    }

    private static void GiveBack(byte[] buffer)
    {
        if (buffer.Length <= KeptBytes)
        {
            ArrayPool<byte>.Shared.Return(buffer);
        }
        else
        {
            s_spare = new WeakReference<byte[]>(buffer);
        }
    }
}
