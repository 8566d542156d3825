using System.Buffers;
using System.Buffers.Text;
using System.Globalization;
using System.Text;
using System.Text.Unicode;

namespace Steward.Protocol.XmlRpc;

/// <summary>Why a message could not be read.</summary>
public enum XmlRpcReadError
{
    /// <summary>It could be read.</summary>
    None,

    /// <summary>Longer than <see cref="XmlRpcReader.MaxBytes"/>.</summary>
    TooLarge,

    /// <summary>
    /// Not well-formed UTF-8 XML, a document type declaration, nested deeper than <see cref="XmlRpcReader.MaxDepth"/>, or a value that
    /// does not fit its type.
    /// </summary>
    Unmarshallable,

    /// <summary>Well-formed, but no method is named.</summary>
    NoMethodName,
}

/// <summary>A method call as it came in.</summary>
/// <param name="Method">The method's full name, for example <c>supervisor.getState</c>; not trimmed, never empty.</param>
/// <param name="Parameters">The parameters in order; empty when <c>params</c> was left out.</param>
public sealed record XmlRpcCall(string Method, IReadOnlyList<XmlRpcValue> Parameters);

/// <summary>A response as it came in: a value or a fault.</summary>
/// <param name="Value">The value; null for a fault.</param>
/// <param name="FaultCode">The fault's code; 0 for a value.</param>
/// <param name="FaultString">The fault's text; null for a value.</param>
public sealed record XmlRpcResponse(XmlRpcValue? Value, int FaultCode, string? FaultString);

/// <summary>
/// Reads XML-RPC messages from bytes. Never throws, whatever the bytes; memory is a small multiple of the message.
/// </summary>
/// <remarks>
/// As lenient as Supervisor is on values (names of the outer elements are not looked at, values of unknown types are text, of
/// several <c>params</c> the last counts), as strict as its XML parser on form. Attributes, comments and processing
/// instructions are skipped. A DOCTYPE is refused, so there are no entities but the five of XML and character references. The
/// encoding is UTF-8 whatever the declaration says.
/// </remarks>
public static class XmlRpcReader
{
    /// <summary>The longest message that is read, in bytes: 8 MiB.</summary>
    public const int MaxBytes = 8 << 20;

    /// <summary>How deep elements may be nested; a value inside an array costs three levels.</summary>
    public const int MaxDepth = 128;

    /// <summary>Reads a call.</summary>
    /// <param name="message">The whole message.</param>
    /// <param name="call">The call; null unless the result is <see cref="XmlRpcReadError.None"/>.</param>
    public static XmlRpcReadError ReadCall(ReadOnlySpan<byte> message, out XmlRpcCall? call)
    {
        call = null;
        if (message.Length > MaxBytes)
        {
            return XmlRpcReadError.TooLarge;
        }

        var parser = new Parser(message);
        if (!parser.Run())
        {
            return XmlRpcReadError.Unmarshallable;
        }

        if (string.IsNullOrEmpty(parser.Method))
        {
            return XmlRpcReadError.NoMethodName;
        }

        call = new XmlRpcCall(parser.Method, parser.Params ?? []);
        return XmlRpcReadError.None;
    }

    /// <summary>Reads a response.</summary>
    /// <param name="message">The whole message.</param>
    /// <param name="response">The response; null unless the result is <see cref="XmlRpcReadError.None"/>.</param>
    /// <param name="maxBytes">The longest message that is read; a client may expect whole log files.</param>
    public static XmlRpcReadError ReadResponse(ReadOnlySpan<byte> message, out XmlRpcResponse? response, int maxBytes = 256 << 20)
    {
        response = null;
        if (message.Length > maxBytes)
        {
            return XmlRpcReadError.TooLarge;
        }

        var parser = new Parser(message);
        if (!parser.Run())
        {
            return XmlRpcReadError.Unmarshallable;
        }

        if (parser.Fault is XmlRpcStruct fault
            && fault.Find("faultCode") is XmlRpcInt { Value: >= int.MinValue and <= int.MaxValue } code
            && fault.Find("faultString") is XmlRpcString text)
        {
            response = new XmlRpcResponse(null, (int)code.Value, text.Value);
            return XmlRpcReadError.None;
        }

        if (parser.Fault is null && parser.Params is [{ } value])
        {
            response = new XmlRpcResponse(value, 0, null);
            return XmlRpcReadError.None;
        }

        return XmlRpcReadError.Unmarshallable;
    }

    private enum Tag
    {
        Other,
        Value,
        String,
        Int,
        Boolean,
        Double,
        DateTime,
        Base64,
        Array,
        Data,
        Struct,
        Param,
        Params,
        MethodName,
        Fault,
    }

    // One pass, one element per call, no tree: an element returns the value its parent sees. What an element needs of its
    // children depends on its tag alone: the first, all, or none.
    private ref struct Parser(ReadOnlySpan<byte> message)
    {
        // What may not stand in XML 1.0 text at all ("Characters"); tab, LF and CR may.
        private static readonly SearchValues<byte> Forbidden = SearchValues.Create(
            [0, 1, 2, 3, 4, 5, 6, 7, 8, 11, 12, 14, 15, 16, 17, 18, 19, 20, 21, 22, 23, 24, 25, 26, 27, 28, 29, 30, 31]);

        private static readonly SearchValues<byte> NameEnd = SearchValues.Create(" \t\r\n/>=<\"'&"u8);
        private static readonly SearchValues<byte> NeedsDecoding = SearchValues.Create("&\r"u8);

        private readonly ReadOnlySpan<byte> _s = message;
        private int _at;
        private int _depth;

        public string? Method { get; private set; }

        public XmlRpcValue[]? Params { get; private set; }

        public XmlRpcValue? Fault { get; private set; }

        public bool Run()
        {
            if (_s.StartsWith("\uFEFF"u8))
            {
                _at = 3;
            }

            if (_s.IndexOfAny(Forbidden) >= 0 || !Utf8.IsValid(_s))
            {
                return false;
            }

            // The XML declaration is a processing instruction to us.
            return SkipMisc() && _at < _s.Length && Element(out _, out _, wantChildren: false) && SkipMisc() && _at == _s.Length;
        }

        /// <summary>Skips white space, comments and processing instructions outside of the root.</summary>
        private bool SkipMisc()
        {
            while (true)
            {
                SkipSpace();
                if (_at == _s.Length)
                {
                    return true;
                }

                if (_s[_at] != (byte)'<')
                {
                    return false;
                }

                if (!SkipInstruction(out bool skipped))
                {
                    return false;
                }

                if (!skipped)
                {
                    return true;
                }
            }
        }

        private void SkipSpace()
        {
            int n = _s[_at..].IndexOfAnyExcept(" \t\r\n"u8);
            _at = n < 0 ? _s.Length : _at + n;
        }

        /// <summary>At a <c>&lt;</c>: skips a comment or an instruction; false for one without end and for a DOCTYPE.</summary>
        private bool SkipInstruction(out bool skipped)
        {
            ReadOnlySpan<byte> rest = _s[_at..];
            skipped = true;
            if (rest.StartsWith("<?"u8))
            {
                return SkipPast(2, "?>"u8);
            }

            if (rest.StartsWith("<!--"u8))
            {
                return SkipPast(4, "-->"u8);
            }

            skipped = false;
            return !rest.StartsWith("<!D"u8);
        }

        private bool SkipPast(int from, ReadOnlySpan<byte> end)
        {
            int n = _s[(_at + from)..].IndexOf(end);
            if (n < 0)
            {
                return false;
            }

            _at += from + n + end.Length;
            return true;
        }

        /// <summary>
        /// Reads the element at <c>&lt;</c> with all it holds. <paramref name="children"/> holds the values of its children when
        /// asked for and there are any.
        /// </summary>
        private bool Element(out XmlRpcValue? value, out List<XmlRpcValue>? children, bool wantChildren)
        {
            value = null;
            children = null;
            if (_at >= _s.Length || _s[_at] != (byte)'<' || ++_depth > MaxDepth)
            {
                return false;
            }

            _at++;
            ReadOnlySpan<byte> name = Name();
            if (name.IsEmpty || !Attributes(out bool empty))
            {
                return false;
            }

            Tag tag = TagOf(name);
            bool keepAll = wantChildren || tag is Tag.Data or Tag.Params;
            bool keepFirst = tag is Tag.Value or Tag.Array or Tag.Param or Tag.Fault;
            List<KeyValuePair<string, XmlRpcValue>>? members = null;
            XmlRpcValue? first = null;
            bool hasChild = false;
            ReadOnlySpan<byte> text = default;
            byte[]? joined = null;

            while (!empty)
            {
                int n = _s[_at..].IndexOf((byte)'<');
                if (n < 0)
                {
                    return false;
                }

                ReadOnlySpan<byte> piece = _s.Slice(_at, n);
                _at += n;
                if (!Decode(piece, out ReadOnlySpan<byte> decoded))
                {
                    return false;
                }

                if (!hasChild && !decoded.IsEmpty)
                {
                    Append(ref text, ref joined, decoded);
                }

                ReadOnlySpan<byte> rest = _s[_at..];
                if (rest.Length < 2)
                {
                    return false;
                }

                if (rest[1] == (byte)'/')
                {
                    if (!rest[2..].StartsWith(name))
                    {
                        return false;
                    }

                    _at += 2 + name.Length;
                    SkipSpace();
                    if (_at >= _s.Length || _s[_at] != (byte)'>')
                    {
                        return false;
                    }

                    _at++;
                    break;
                }

                if (rest.StartsWith("<![CDATA["u8))
                {
                    int from = _at + 9;
                    if (!SkipPast(9, "]]>"u8))
                    {
                        return false;
                    }

                    if (!hasChild)
                    {
                        Append(ref text, ref joined, NormalizeLines(_s[from..(_at - 3)]));
                    }

                    continue;
                }

                if (!SkipInstruction(out bool skipped))
                {
                    return false;
                }

                if (skipped)
                {
                    continue;
                }

                if (!Element(out XmlRpcValue? child, out List<XmlRpcValue>? grandchildren, tag == Tag.Struct))
                {
                    return false;
                }

                if (tag == Tag.Struct)
                {
                    if (grandchildren is not [var memberName, var memberValue])
                    {
                        return false;
                    }

                    (members ??= []).Add(new(memberName is XmlRpcString key ? key.Value : "", memberValue));
                }
                else if (keepAll)
                {
                    (children ??= []).Add(child ?? XmlRpcNil.Instance);
                }
                else if (keepFirst && !hasChild)
                {
                    first = child ?? XmlRpcNil.Instance;
                }

                hasChild = true;
            }

            _depth--;
            return Convert(tag, text, first, children, members, ref value);
        }

        /// <summary>Makes an element's value of what it holds; false when it does not fit the type.</summary>
        private bool Convert(
            Tag tag,
            ReadOnlySpan<byte> text,
            XmlRpcValue? first,
            List<XmlRpcValue>? children,
            List<KeyValuePair<string, XmlRpcValue>>? members,
            ref XmlRpcValue? value)
        {
            switch (tag)
            {
                case Tag.Value:
                    value = first ?? new XmlRpcString(Encoding.UTF8.GetString(text));
                    return true;
                case Tag.String:
                    value = new XmlRpcString(Encoding.UTF8.GetString(text));
                    return true;
                case Tag.Int:
                    bool isInteger = TryInteger(text, out long number);
                    value = new XmlRpcInt(number);
                    return isInteger;
                case Tag.Boolean:
                    value = XmlRpcBoolean.From(text.SequenceEqual("1"u8));
                    return true;
                case Tag.Double:
                    bool isDouble = double.TryParse(text, NumberStyles.Float, CultureInfo.InvariantCulture, out double real);
                    value = new XmlRpcDouble(real);
                    return isDouble;
                case Tag.DateTime:
                    bool isDate = DateTime.TryParseExact(
                        Encoding.UTF8.GetString(text[..Math.Min(text.Length, 32)]),
                        "yyyyMMdd'T'HH:mm:ss",
                        CultureInfo.InvariantCulture,
                        DateTimeStyles.None,
                        out DateTime date);
                    value = new XmlRpcDateTime(date);
                    return isDate;
                case Tag.Base64:
                    return TryBase64(text, out value);
                case Tag.Array:
                    value = first as XmlRpcArray;
                    return value is not null;
                case Tag.Data:
                    value = new XmlRpcArray(children ?? []);
                    return true;
                case Tag.Struct:
                    value = new XmlRpcStruct(members ?? []);
                    return true;
                case Tag.Param:
                    value = first;
                    return value is not null;
                case Tag.Params:
                    Params = children is null ? [] : [.. children];
                    return true;
                case Tag.MethodName:
                    Method = Encoding.UTF8.GetString(text);
                    return true;
                case Tag.Fault:
                    Fault = first;
                    return true;
                default:
                    value = text.IsEmpty ? XmlRpcNil.Instance : new XmlRpcString(Encoding.UTF8.GetString(text));
                    return true;
            }
        }

        private ReadOnlySpan<byte> Name()
        {
            int n = _s[_at..].IndexOfAny(NameEnd);
            if (n <= 0 || _s[_at] is (byte)'!' or (byte)'?' or (byte)'-' or (byte)'.' or (>= (byte)'0' and <= (byte)'9'))
            {
                return default;
            }

            ReadOnlySpan<byte> name = _s.Slice(_at, n);
            _at += n;
            return name;
        }

        /// <summary>Skips attributes and the end of the start tag.</summary>
        private bool Attributes(out bool empty)
        {
            empty = false;
            while (true)
            {
                int before = _at;
                SkipSpace();
                if (_at >= _s.Length)
                {
                    return false;
                }

                byte c = _s[_at];
                if (c == (byte)'>')
                {
                    _at++;
                    return true;
                }

                if (c == (byte)'/')
                {
                    empty = true;
                    _at += 2;
                    return _at <= _s.Length && _s[_at - 1] == (byte)'>';
                }

                if (_at == before || Name().IsEmpty)
                {
                    return false;
                }

                SkipSpace();
                if (_at >= _s.Length || _s[_at++] != (byte)'=')
                {
                    return false;
                }

                SkipSpace();
                if (_at >= _s.Length || _s[_at] is not ((byte)'"' or (byte)'\''))
                {
                    return false;
                }

                byte quote = _s[_at++];
                int n = _s[_at..].IndexOf(quote);
                if (n < 0 || _s.Slice(_at, n).Contains((byte)'<') || !Decode(_s.Slice(_at, n), out _))
                {
                    return false;
                }

                _at += n + 1;
            }
        }

        private static Tag TagOf(ReadOnlySpan<byte> name) => name switch
        {
            _ when name.SequenceEqual("value"u8) => Tag.Value,
            _ when name.SequenceEqual("string"u8) => Tag.String,
            _ when name.SequenceEqual("int"u8) => Tag.Int,
            _ when name.SequenceEqual("i4"u8) => Tag.Int,
            _ when name.SequenceEqual("boolean"u8) => Tag.Boolean,
            _ when name.SequenceEqual("param"u8) => Tag.Param,
            _ when name.SequenceEqual("params"u8) => Tag.Params,
            _ when name.SequenceEqual("methodName"u8) => Tag.MethodName,
            _ when name.SequenceEqual("struct"u8) => Tag.Struct,
            _ when name.SequenceEqual("array"u8) => Tag.Array,
            _ when name.SequenceEqual("data"u8) => Tag.Data,
            _ when name.SequenceEqual("double"u8) => Tag.Double,
            _ when name.SequenceEqual("base64"u8) => Tag.Base64,
            _ when name.SequenceEqual("dateTime.iso8601"u8) => Tag.DateTime,
            _ when name.SequenceEqual("fault"u8) => Tag.Fault,
            _ => Tag.Other,
        };

        /// <summary>Joins pieces of text that comments, instructions and CDATA separate; one piece alone is not copied.</summary>
        private static void Append(ref ReadOnlySpan<byte> text, ref byte[]? joined, ReadOnlySpan<byte> piece)
        {
            if (text.IsEmpty)
            {
                text = piece;
                return;
            }

            int length = text.Length;
            if (joined is null || joined.Length < length + piece.Length)
            {
                // Doubling keeps many small pieces linear in the message.
                byte[] larger = new byte[Math.Max(64, 2 * (length + piece.Length))];
                text.CopyTo(larger);
                joined = larger;
            }

            piece.CopyTo(joined.AsSpan(length));
            text = joined.AsSpan(0, length + piece.Length);
        }

        private static ReadOnlySpan<byte> NormalizeLines(ReadOnlySpan<byte> piece)
        {
            if (!piece.Contains((byte)'\r'))
            {
                return piece;
            }

            byte[] result = new byte[piece.Length];
            int length = 0;
            for (int i = 0; i < piece.Length; i++)
            {
                if (piece[i] != (byte)'\r')
                {
                    result[length++] = piece[i];
                }
                else if (i + 1 == piece.Length || piece[i + 1] != (byte)'\n')
                {
                    result[length++] = (byte)'\n';
                }
            }

            return result.AsSpan(0, length);
        }

        /// <summary>Resolves references and line ends of one stretch of character data.</summary>
        private static bool Decode(ReadOnlySpan<byte> piece, out ReadOnlySpan<byte> decoded)
        {
            decoded = piece;
            if (piece.IndexOfAny(NeedsDecoding) < 0)
            {
                return true;
            }

            piece = NormalizeLines(piece);
            decoded = piece;
            int at = piece.IndexOf((byte)'&');
            if (at < 0)
            {
                return true;
            }

            // A reference is never shorter than what it stands for: "&#9;" is four bytes for one, "&#xFFFF;" eight for three.
            byte[] result = new byte[piece.Length];
            int length = 0;
            while (at >= 0)
            {
                piece[..at].CopyTo(result.AsSpan(length));
                length += at;
                int end = piece[at..].IndexOf((byte)';');
                if (end < 2 || !Reference(piece.Slice(at + 1, end - 1), out Rune rune))
                {
                    decoded = default;
                    return false;
                }

                length += rune.EncodeToUtf8(result.AsSpan(length));
                piece = piece[(at + end + 1)..];
                at = piece.IndexOf((byte)'&');
            }

            piece.CopyTo(result.AsSpan(length));
            decoded = result.AsSpan(0, length + piece.Length);
            return true;
        }

        private static bool Reference(ReadOnlySpan<byte> name, out Rune rune)
        {
            rune = default;
            if (name[0] != (byte)'#')
            {
                rune = name switch
                {
                    _ when name.SequenceEqual("amp"u8) => new Rune('&'),
                    _ when name.SequenceEqual("lt"u8) => new Rune('<'),
                    _ when name.SequenceEqual("gt"u8) => new Rune('>'),
                    _ when name.SequenceEqual("quot"u8) => new Rune('"'),
                    _ when name.SequenceEqual("apos"u8) => new Rune('\''),
                    _ => default,
                };
                return rune.Value != 0;
            }

            bool hex = name.Length > 1 && name[1] == (byte)'x';
            ReadOnlySpan<byte> digits = name[(hex ? 2 : 1)..];
            // Leading zeros are legal and without end; more than this nobody writes.
            if (digits.IsEmpty || digits.Length > 20)
            {
                return false;
            }

            uint code = 0;
            foreach (byte c in digits)
            {
                int digit = c switch
                {
                    >= (byte)'0' and <= (byte)'9' => c - '0',
                    >= (byte)'a' and <= (byte)'f' when hex => c - 'a' + 10,
                    >= (byte)'A' and <= (byte)'F' when hex => c - 'A' + 10,
                    _ => -1,
                };
                if (digit < 0)
                {
                    return false;
                }

                code = code * (hex ? 16u : 10u) + (uint)digit;
                if (code > 0x10FFFF)
                {
                    return false;
                }
            }

            bool allowed = code is 9 or 10 or 13 or (>= 0x20 and not (0xFFFE or 0xFFFF));
            return allowed && Rune.TryCreate(code, out rune);
        }

        private static bool TryInteger(ReadOnlySpan<byte> text, out long number)
        {
            number = 0;
            text = text.Trim(" \t\r\n"u8);
            bool negative = false;
            if (!text.IsEmpty && text[0] is (byte)'-' or (byte)'+')
            {
                negative = text[0] == (byte)'-';
                text = text[1..];
            }

            if (text.IsEmpty || text.IndexOfAnyExceptInRange((byte)'0', (byte)'9') >= 0)
            {
                return false;
            }

            // Too long for 64 bits: such a number is an offset beyond every file; saturating says the same.
            if (!Utf8Parser.TryParse(text, out number, out int used) || used != text.Length)
            {
                number = long.MaxValue;
            }

            number = negative ? -number : number;
            return true;
        }

        private static bool TryBase64(ReadOnlySpan<byte> text, out XmlRpcValue? value)
        {
            value = null;
            byte[] compact = new byte[text.Length];
            int length = 0;
            foreach (byte c in text)
            {
                // Line breaks and whatever else is outside of the alphabet is skipped (RFC 2045, 6.8).
                if (char.IsAsciiLetterOrDigit((char)c) || c is (byte)'+' or (byte)'/' or (byte)'=')
                {
                    compact[length++] = c;
                }
            }

            if (Base64.DecodeFromUtf8InPlace(compact.AsSpan(0, length), out int written) != OperationStatus.Done
                || !Utf8.IsValid(compact.AsSpan(0, written)))
            {
                return false;
            }

            value = new XmlRpcString(Encoding.UTF8.GetString(compact.AsSpan(0, written)));
            return true;
        }
    }
}
