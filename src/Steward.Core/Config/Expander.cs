using System.Diagnostics.CodeAnalysis;
using System.Globalization;
using System.Numerics;
using System.Text;

namespace Steward.Core.Config;

/// <summary>
/// Expands <c>%(name)s</c> in values. The grammar is the printf-like formatting of Python applied to a table of names
/// (Python docs, "printf-style String Formatting"), because that is what configurations are written for:
/// <c>%%</c>, and <c>%(name)[flags][width][.precision]conversion</c>.
/// </summary>
public static class Expander
{
    // No configuration pads to more than this; Python's own bound is the machine's memory.
    private const int WidthLimit = 65535;

    /// <summary>Expands a value.</summary>
    /// <param name="value">The value as written.</param>
    /// <param name="names">The names it may use.</param>
    /// <param name="location">What an error says the value belongs to, usually <c>section.key</c>.</param>
    /// <param name="expanded">The result on success.</param>
    /// <param name="error">Supervisor's message on failure.</param>
    public static bool TryExpand(
        string value,
        Expansions names,
        string location,
        [NotNullWhen(true)] out string? expanded,
        [NotNullWhen(false)] out string? error)
    {
        if (TryExpand(value, names, out expanded, out string? unknown, out string? reason))
        {
            error = null;
            return true;
        }

        string head = $"Format string {PythonText.Repr(value)} for {PythonText.Repr(location)} ";
        error = unknown is not null
            ? $"{head}contains names ({PythonText.Repr(unknown)}) which cannot be expanded. Available names: {string.Join(", ", names.Names())}"
            : $"{head}is badly formatted: {reason}";
        return false;
    }

    /// <summary>Expands a value; on failure says either which name is unknown or what is wrong with the format.</summary>
    public static bool TryExpand(
        string value,
        Expansions names,
        [NotNullWhen(true)] out string? expanded,
        out string? unknownName,
        out string? reason)
    {
        if (!value.Contains('%'))
        {
            expanded = value;
            unknownName = null;
            reason = null;
            return true;
        }

        var run = new Run(value, names);
        bool done = run.TryFormat(out unknownName, out reason);
        expanded = done ? run.Result : null;
        return done;
    }

    /// <summary>Doubles every percent sign, so that expansion yields the text as it is.</summary>
    public static string Escape(string text) => text.Replace("%", "%%", StringComparison.Ordinal);

    private sealed class Run(string format, Expansions names)
    {
        private readonly StringBuilder _result = new();
        private int _at;
        private string? _unknown;
        private string? _reason;

        // What the next conversion consumes: the table itself until a name is given, then that name's value, each once.
        private ExpansionValue? _argument;
        private bool _argumentUsed;

        // A conversion without a name was met. Supervisor prints the whole table, that is the daemon's environment, in its
        // place; here it is an error, reported when nothing worse is found.
        private string? _nameless;

        public string Result => _result.ToString();

        public bool TryFormat(out string? unknown, out string? reason)
        {
            bool good = true;
            while (good && _at < format.Length)
            {
                int percent = format.IndexOf('%', _at);
                int end = percent < 0 ? format.Length : percent;
                _result.Append(format, _at, end - _at);
                _at = end;
                good = percent < 0 || TryDirective();
            }

            if (good && _nameless is not null)
            {
                good = Fail(_nameless);
            }

            unknown = _unknown;
            reason = _reason;
            return good;
        }

        private bool Fail(string reason)
        {
            _reason = reason;
            return false;
        }

        private bool TryDirective()
        {
            _at++;
            if (_at < format.Length && format[_at] == '%')
            {
                _at++;
                _result.Append('%');
                return true;
            }

            if (_at < format.Length && format[_at] == '(' && !TryName())
            {
                return false;
            }

            var flags = Flags.None;
            while (_at < format.Length && FlagOf(format[_at]) is var flag and not Flags.None)
            {
                flags |= flag;
                _at++;
            }

            if (!TryNumber("width too big", out int width))
            {
                return false;
            }

            int precision = -1;
            if (_at < format.Length && format[_at] == '.')
            {
                _at++;
                if (!TryNumber("precision too big", out precision))
                {
                    return false;
                }
            }

            if (_at < format.Length && format[_at] is 'h' or 'l' or 'L')
            {
                _at++;
            }

            if (_at >= format.Length)
            {
                return Fail("incomplete format");
            }

            int index = _at;
            Rune conversion = Rune.TryGetRuneAt(format, _at, out Rune rune) ? rune : Rune.ReplacementChar;
            _at += conversion.Utf16SequenceLength;
            if (!TryTake(out ExpansionValue? argument))
            {
                return false;
            }

            return TryConvert(conversion.Value, index, argument, new Layout(flags, width, precision));
        }

        private bool TryName()
        {
            int depth = 1;
            int start = ++_at;
            while (_at < format.Length && depth > 0)
            {
                depth += format[_at] switch { '(' => 1, ')' => -1, _ => 0 };
                _at++;
            }

            if (depth > 0)
            {
                return Fail("incomplete format key");
            }

            string name = format[start..(_at - 1)];
            if (!names.TryGet(name, out ExpansionValue value))
            {
                _unknown = name;
                return false;
            }

            _argument = value;
            _argumentUsed = false;
            return true;
        }

        private bool TryTake(out ExpansionValue? argument)
        {
            argument = _argument;
            if (_argumentUsed)
            {
                return Fail("not enough arguments for format string");
            }

            _argumentUsed = true;
            return true;
        }

        private bool TryNumber(string tooBig, out int number)
        {
            number = 0;
            if (_at < format.Length && format[_at] == '*')
            {
                _at++;
                if (!TryTake(out ExpansionValue? argument))
                {
                    return false;
                }

                // The value of the name is used up by the width, so that the conversion finds none and fails: the number
                // itself never matters.
                return argument?.Number is not null || Fail("* wants int");
            }

            while (_at < format.Length && char.IsAsciiDigit(format[_at]))
            {
                number = (number * 10) + (format[_at] - '0');
                if (number > WidthLimit)
                {
                    return Fail(tooBig);
                }

                _at++;
            }

            return true;
        }

        private bool TryConvert(int conversion, int index, ExpansionValue? argument, Layout layout)
        {
            string type = argument is null ? "dict" : argument.Value.Number is null ? "str" : "int";
            long? number = argument?.Number;
            switch (conversion)
            {
                case 's' or 'r' or 'a':
                    if (argument is not { } given)
                    {
                        _nameless ??= $"%{(char)conversion} format: a name in parentheses is required, as in %(here)s; a percent sign itself is written %%";
                        return true;
                    }

                    string text = given.Text;
                    if (given.Number is null && conversion != 's')
                    {
                        text = conversion == 'r' ? PythonText.Repr(text) : PythonText.Ascii(text);
                    }

                    layout.AppendText(_result, text);
                    return true;

                case 'd' or 'i' or 'u':
                    if (number is null)
                    {
                        return Fail($"%{(char)conversion} format: a real number is required, not {type}");
                    }

                    layout.AppendInteger(_result, number.Value, "d", "");
                    return true;

                case 'o' or 'x' or 'X':
                    if (number is null)
                    {
                        return Fail($"%{(char)conversion} format: an integer is required, not {type}");
                    }

                    layout.AppendInteger(_result, number.Value, ((char)conversion).ToString(), "0" + (char)conversion);
                    return true;

                case 'e' or 'E' or 'f' or 'F' or 'g' or 'G':
                    if (number is null)
                    {
                        return Fail($"must be real number, not {type}");
                    }

                    layout.AppendReal(_result, number.Value, (char)conversion);
                    return true;

                case 'c':
                    return TryCharacter(argument, layout);

                default:
                    char shown = conversion is > 30 and < 127 ? (char)conversion : '?';
                    int position = CodePoints(format.AsSpan(0, index));
                    return Fail(string.Create(
                        CultureInfo.InvariantCulture,
                        $"unsupported format character '{shown}' (0x{conversion:x}) at index {position}"));
            }
        }

        private bool TryCharacter(ExpansionValue? argument, Layout layout)
        {
            layout = layout with { Precision = -1 };
            if (argument is { Number: null } text && text.Text.Length > 0 && CodePoints(text.Text) == 1)
            {
                layout.AppendText(_result, text.Text);
                return true;
            }

            if (argument?.Number is not { } number)
            {
                return Fail("%c requires int or char");
            }

            if (number is < 0 or > 0x10ffff)
            {
                return Fail("%c arg not in range(0x110000)");
            }

            layout.AppendText(_result, Rune.TryCreate((int)number, out Rune rune) ? rune.ToString() : "\ufffd");
            return true;
        }

        private static int CodePoints(ReadOnlySpan<char> text)
        {
            int count = 0;
            foreach (Rune unused in text.EnumerateRunes())
            {
                count++;
            }

            return count;
        }
    }

    [Flags]
    private enum Flags
    {
        None = 0,
        Left = 1,
        Zero = 2,
        Plus = 4,
        Space = 8,
        Alternate = 16,
    }

    private static Flags FlagOf(char c) => c switch
    {
        '-' => Flags.Left,
        '0' => Flags.Zero,
        '+' => Flags.Plus,
        ' ' => Flags.Space,
        '#' => Flags.Alternate,
        _ => Flags.None,
    };

    private readonly record struct Layout(Flags Flags, int Width, int Precision)
    {
        public void AppendText(StringBuilder result, string text)
        {
            int length = 0;
            int end = 0;
            foreach (Rune rune in text.EnumerateRunes())
            {
                if (Precision >= 0 && length == Precision)
                {
                    break;
                }

                length++;
                end += rune.Utf16SequenceLength;
            }

            int padding = Math.Max(Width - length, 0);
            bool left = Flags.HasFlag(Flags.Left);
            result.Append(' ', left ? 0 : padding).Append(text, 0, end).Append(' ', left ? padding : 0);
        }

        public void AppendInteger(StringBuilder result, long number, string form, string prefix)
        {
            UInt128 magnitude = UInt128.CreateTruncating(BigInteger.Abs(number));
            string digits = form == "o" ? Octal(magnitude) : magnitude.ToString(form, CultureInfo.InvariantCulture);
            if (Precision > digits.Length)
            {
                digits = digits.PadLeft(Precision, '0');
            }

            AppendNumber(result, number < 0, Flags.HasFlag(Flags.Alternate) ? prefix : "", digits);
        }

        public void AppendReal(StringBuilder result, long number, char conversion)
        {
            double magnitude = Math.Abs((double)number);
            int precision = Precision < 0 ? 6 : Precision;
            string digits = conversion switch
            {
                'f' or 'F' => Fixed(magnitude, precision),
                'e' => Scientific(magnitude, precision),
                'E' => Scientific(magnitude, precision).ToUpperInvariant(),
                'g' => General(magnitude, Math.Max(precision, 1)),
                _ => General(magnitude, Math.Max(precision, 1)).ToUpperInvariant(),
            };
            AppendNumber(result, number < 0, "", digits);
        }

        private string Fixed(double magnitude, int precision)
        {
            string digits = magnitude.ToString("F" + precision.ToString(CultureInfo.InvariantCulture), CultureInfo.InvariantCulture);
            return precision == 0 && Flags.HasFlag(Flags.Alternate) ? digits + "." : digits;
        }

        private string Scientific(double magnitude, int precision)
        {
            (string mantissa, int exponent) = Split(magnitude, precision);
            string point = precision == 0 && Flags.HasFlag(Flags.Alternate) ? "." : "";
            return string.Create(CultureInfo.InvariantCulture, $"{mantissa}{point}e{(exponent < 0 ? '-' : '+')}{Math.Abs(exponent):00}");
        }

        private string General(double magnitude, int significant)
        {
            int exponent = Split(magnitude, significant - 1).Exponent;
            bool scientific = exponent < -4 || exponent >= significant;
            string digits = scientific ? Scientific(magnitude, significant - 1) : Fixed(magnitude, significant - 1 - exponent);
            if (Flags.HasFlag(Flags.Alternate) || !digits.Contains('.'))
            {
                return digits;
            }

            int tail = digits.IndexOf('e', StringComparison.Ordinal);
            string head = tail < 0 ? digits : digits[..tail];
            return head.TrimEnd('0').TrimEnd('.') + (tail < 0 ? "" : digits[tail..]);
        }

        private static (string Mantissa, int Exponent) Split(double magnitude, int precision)
        {
            string text = magnitude.ToString("e" + precision.ToString(CultureInfo.InvariantCulture), CultureInfo.InvariantCulture);
            int mark = text.IndexOf('e', StringComparison.Ordinal);
            return (text[..mark], int.Parse(text.AsSpan(mark + 1), NumberStyles.AllowLeadingSign, CultureInfo.InvariantCulture));
        }

        private static string Octal(UInt128 value)
        {
            var digits = new StringBuilder();
            do
            {
                digits.Insert(0, (char)('0' + (int)(value & 7)));
                value >>= 3;
            }
            while (value != 0);

            return digits.ToString();
        }

        private void AppendNumber(StringBuilder result, bool negative, string prefix, string digits)
        {
            string sign = negative ? "-" : Flags.HasFlag(Flags.Plus) ? "+" : Flags.HasFlag(Flags.Space) ? " " : "";
            int padding = Math.Max(Width - sign.Length - prefix.Length - digits.Length, 0);
            if (Flags.HasFlag(Flags.Left))
            {
                result.Append(sign).Append(prefix).Append(digits).Append(' ', padding);
            }
            else if (Flags.HasFlag(Flags.Zero))
            {
                result.Append(sign).Append(prefix).Append('0', padding).Append(digits);
            }
            else
            {
                result.Append(' ', padding).Append(sign).Append(prefix).Append(digits);
            }
        }
    }
}
