using System.Globalization;
using System.Text;

namespace Steward.Core.Config;

/// <summary>
/// The text rules of Python that Supervisor's files and messages follow: which characters are blank, how a string is
/// quoted in a message, how names are ordered.
/// </summary>
public static class PythonText
{
    /// <summary>Orders by code point, as Python does; ordinal order of UTF-16 differs beyond U+FFFF.</summary>
    public static IComparer<string> CodePointOrder { get; } = Comparer<string>.Create(CompareCodePoints);

    /// <summary>Says whether a character is blank; the four ASCII separators U+001C to U+001F are, unlike in .NET.</summary>
    public static bool IsSpace(char c) => char.IsWhiteSpace(c) || c is >= '\u001c' and <= '\u001f';

    /// <summary>Removes blanks at both ends.</summary>
    public static string Strip(string text)
    {
        int start = 0;
        int end = text.Length;
        while (start < end && IsSpace(text[start]))
        {
            start++;
        }

        while (end > start && IsSpace(text[end - 1]))
        {
            end--;
        }

        return text[start..end];
    }

    /// <summary>Removes blanks at the end.</summary>
    public static string StripEnd(string text)
    {
        int end = text.Length;
        while (end > 0 && IsSpace(text[end - 1]))
        {
            end--;
        }

        return text[..end];
    }

    /// <summary>
    /// Quotes a string for a message: in single quotes, in double ones when it contains a single and no double quote;
    /// backslash, the quote in use and unprintable characters are escaped.
    /// </summary>
    public static string Repr(string text) => Repr(text, asciiOnly: false);

    /// <summary>Quotes as <see cref="Repr(string)"/> and escapes everything beyond ASCII as well.</summary>
    public static string Ascii(string text) => Repr(text, asciiOnly: true);

    /// <summary>Writes bytes as a literal, for example <c>b'a\xffb\n'</c>.</summary>
    public static string Bytes(ReadOnlySpan<byte> bytes)
    {
        char quote = bytes.Contains((byte)'\'') && !bytes.Contains((byte)'"') ? '"' : '\'';
        var text = new StringBuilder(bytes.Length + 3).Append('b').Append(quote);
        foreach (byte b in bytes)
        {
            switch (b)
            {
                case (byte)'\t':
                    text.Append("\\t");
                    break;
                case (byte)'\n':
                    text.Append("\\n");
                    break;
                case (byte)'\r':
                    text.Append("\\r");
                    break;
                case (byte)'\\':
                    text.Append("\\\\");
                    break;
                case < 0x20 or >= 0x7f:
                    text.Append("\\x").Append(b.ToString("x2", CultureInfo.InvariantCulture));
                    break;
                default:
                    if (b == quote)
                    {
                        text.Append('\\');
                    }

                    text.Append((char)b);
                    break;
            }
        }

        return text.Append(quote).ToString();
    }

    /// <summary>Quotes a list of strings for a message: <c>['a', 'b']</c>.</summary>
    public static string Repr(IEnumerable<string> items) => "[" + string.Join(", ", items.Select(Repr)) + "]";

    private static string Repr(string text, bool asciiOnly)
    {
        char quote = text.Contains('\'') && !text.Contains('"') ? '"' : '\'';
        var result = new StringBuilder(text.Length + 2);
        result.Append(quote);
        for (int i = 0; i < text.Length; i++)
        {
            char c = text[i];
            if (c == quote || c == '\\')
            {
                result.Append('\\').Append(c);
            }
            else if (c is >= ' ' and <= '~')
            {
                result.Append(c);
            }
            else if (c is '\n' or '\r' or '\t')
            {
                result.Append('\\').Append(c switch { '\n' => 'n', '\r' => 'r', _ => 't' });
            }
            else if (char.IsHighSurrogate(c) && i + 1 < text.Length && char.IsLowSurrogate(text[i + 1]))
            {
                i++;
                int rune = char.ConvertToUtf32(c, text[i]);
                if (!asciiOnly && IsPrintable(CharUnicodeInfo.GetUnicodeCategory(rune)))
                {
                    result.Append(c).Append(text[i]);
                }
                else
                {
                    result.Append(CultureInfo.InvariantCulture, $"\\U{rune:x8}");
                }
            }
            else if (!asciiOnly && c > '~' && IsPrintable(CharUnicodeInfo.GetUnicodeCategory(c)))
            {
                result.Append(c);
            }
            else if (c <= '\u00ff')
            {
                result.Append(CultureInfo.InvariantCulture, $"\\x{(int)c:x2}");
            }
            else
            {
                result.Append(CultureInfo.InvariantCulture, $"\\u{(int)c:x4}");
            }
        }

        return result.Append(quote).ToString();
    }

    private static bool IsPrintable(UnicodeCategory category) => category is not (
        UnicodeCategory.Control or UnicodeCategory.Format or UnicodeCategory.Surrogate or UnicodeCategory.PrivateUse or
        UnicodeCategory.OtherNotAssigned or UnicodeCategory.LineSeparator or UnicodeCategory.ParagraphSeparator or
        UnicodeCategory.SpaceSeparator);

    private static int CompareCodePoints(string? first, string? second)
    {
        if (first is null || second is null)
        {
            return (first is null ? 0 : 1) - (second is null ? 0 : 1);
        }

        int length = Math.Min(first.Length, second.Length);
        for (int i = 0; i < length; i++)
        {
            char a = first[i];
            char b = second[i];
            if (a != b)
            {
                // A surrogate stands for a code point above every other UTF-16 unit.
                int rankA = char.IsSurrogate(a) ? a + 0x10000 : a;
                int rankB = char.IsSurrogate(b) ? b + 0x10000 : b;
                return rankA.CompareTo(rankB);
            }
        }

        return first.Length.CompareTo(second.Length);
    }
}
