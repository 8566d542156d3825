using System.Buffers;
using System.Diagnostics.CodeAnalysis;
using System.Globalization;
using System.Text;

namespace Steward.Core.Config;

/// <summary>
/// Reads the INI dialect of Supervisor: Python's raw reader in non-strict mode with <c>=</c> and <c>:</c> as delimiters,
/// <c>#</c> and <c>;</c> as comment signs at the start of a line or behind a blank, values that go on in indented lines,
/// empty lines inside values, and no interpolation.
/// </summary>
public static class IniReader
{
    /// <summary>
    /// Decodes a file: UTF-8, strict. A byte order mark is skipped.
    /// </summary>
    /// <param name="bytes">The content.</param>
    /// <param name="text">The text on success.</param>
    /// <param name="error">The decoder's complaint as Supervisor words it.</param>
    public static bool TryDecode(ReadOnlySpan<byte> bytes, [NotNullWhen(true)] out string? text, [NotNullWhen(false)] out string? error)
    {
        int position = 0;
        ReadOnlySpan<byte> rest = bytes;
        while (!rest.IsEmpty)
        {
            OperationStatus status = Rune.DecodeFromUtf8(rest, out _, out int consumed);
            if (status != OperationStatus.Done)
            {
                string reason = status == OperationStatus.NeedMoreData ? "unexpected end of data"
                    : rest[0] is (>= 0x80 and < 0xc2) or > 0xf4 ? "invalid start byte"
                    : "invalid continuation byte";
                string place = consumed <= 1
                    ? string.Create(CultureInfo.InvariantCulture, $"byte 0x{rest[0]:x2} in position {position}")
                    : string.Create(CultureInfo.InvariantCulture, $"bytes in position {position}-{position + consumed - 1}");
                text = null;
                error = $"'utf-8' codec can't decode {place}: {reason}";
                return false;
            }

            position += consumed;
            rest = rest[consumed..];
        }

        if (bytes.StartsWith("\ufeff"u8))
        {
            bytes = bytes[3..];
        }

        text = Encoding.UTF8.GetString(bytes);
        error = null;
        return true;
    }

    /// <summary>
    /// Reads a text into the table. Never fails: lines that cannot be read are added to <see cref="IniDocument.Errors"/> and
    /// reading goes on.
    /// </summary>
    /// <param name="text">The text; lines end with LF, CRLF or CR.</param>
    /// <param name="file">The path, for messages.</param>
    /// <param name="document">The table to fill; what it holds already stays and may be overridden.</param>
    public static void Read(string text, string file, IniDocument document)
    {
        IniSection? section = null;
        string? key = null;
        int keyLine = 0;
        int indent = 0;
        var value = new List<string>();
        int number = 0;

        foreach (string line in Lines(text))
        {
            number++;
            int comment = FindComment(line);
            string content = PythonText.Strip(comment < 0 ? line : line[..comment]);
            if (content.Length == 0)
            {
                // An empty line belongs to the value; one that holds only a comment leaves no trace.
                if (comment < 0 && key is not null)
                {
                    value.Add("");
                }

                continue;
            }

            int column = 0;
            while (PythonText.IsSpace(line[column]))
            {
                column++;
            }

            if (section is not null && key is not null && column > indent)
            {
                value.Add(content);
                continue;
            }

            indent = column;
            int bracket = content[0] == '[' ? content.LastIndexOf(']') : -1;
            if (bracket >= 2)
            {
                Finish();
                key = null;
                section = document.Open(content[1..bracket], file, number);
                continue;
            }

            int delimiter = content.AsSpan().IndexOfAny('=', ':');
            if (section is null || delimiter < 0)
            {
                // A bad line inside a section does not end the value before it: its continuation still belongs there.
                document.Add(new IniError(file, number, line, section?.Name));
                continue;
            }

            Finish();
            string name = PythonText.StripEnd(content[..delimiter]).ToLowerInvariant();
            if (name.Length == 0)
            {
                document.Add(new IniError(file, number, line, section.Name));
                key = null;
                continue;
            }

            key = name;
            keyLine = number;
            value.Add(PythonText.Strip(content[(delimiter + 1)..]));
        }

        Finish();

        void Finish()
        {
            if (key is not null)
            {
                document.Set(section!, new IniOption(key, PythonText.StripEnd(string.Join('\n', value)), file, keyLine));
            }

            value.Clear();
        }
    }

    /// <summary>
    /// Words the errors of one file as Supervisor does, which reports either the first line before any header or all bad
    /// lines at once. Null when the file has none.
    /// </summary>
    public static string? Describe(IReadOnlyList<IniError> errors, string file)
    {
        StringBuilder? text = null;
        foreach (IniError error in errors)
        {
            if (error.File != file)
            {
                continue;
            }

            string line = PythonText.Repr(error.Text);
            if (error.Section is null)
            {
                return string.Create(
                    CultureInfo.InvariantCulture,
                    $"File contains no section headers.\nfile: {PythonText.Repr(file)}, line: {error.Line}\n{line}");
            }

            text ??= new StringBuilder("Source contains parsing errors: ").Append(PythonText.Repr(file));
            text.Append(CultureInfo.InvariantCulture, $"\n\t[line {error.Line,2}]: {line}");
        }

        return text?.ToString();
    }

    // Yields each line with a line feed at its end, whichever line end it had; the last one only if it had any.
    private static IEnumerable<string> Lines(string text)
    {
        int start = 0;
        while (start < text.Length)
        {
            int end = text.AsSpan(start).IndexOfAny('\r', '\n');
            if (end < 0)
            {
                yield return text[start..];
                yield break;
            }

            end += start;
            yield return string.Concat(text.AsSpan(start, end - start), "\n");
            start = text[end] == '\r' && end + 1 < text.Length && text[end + 1] == '\n' ? end + 2 : end + 1;
        }
    }

    // Where the comment of a line starts, -1 for none. Not simply the leftmost sign: round n looks at the n-th semicolon and
    // the n-th hash, and the first round in which one of them stands behind a blank decides. Python's reader does it so, and
    // "a#b #c ;d" keeps "a#b #c".
    private static int FindComment(string line)
    {
        int first = 0;
        while (first < line.Length && PythonText.IsSpace(line[first]))
        {
            first++;
        }

        if (first < line.Length && line[first] is '#' or ';')
        {
            return 0;
        }

        int semicolon = -1;
        int hash = -1;
        bool semicolons = true;
        bool hashes = true;
        while (semicolons || hashes)
        {
            int found = int.MaxValue;
            semicolons = semicolons && Next(';', ref semicolon, ref found);
            hashes = hashes && Next('#', ref hash, ref found);
            if (found != int.MaxValue)
            {
                return found;
            }
        }

        return -1;

        bool Next(char sign, ref int index, ref int found)
        {
            index = line.IndexOf(sign, index + 1);
            if (index < 0)
            {
                return false;
            }

            if (index == 0 || PythonText.IsSpace(line[index - 1]))
            {
                found = Math.Min(found, index);
            }

            return true;
        }
    }
}
