using System.Globalization;
using System.Text;

namespace Steward.Cli.Shell;

/// <summary>How a line came to its end.</summary>
internal enum LineEnd
{
    /// <summary>Return was pressed.</summary>
    Entered,

    /// <summary>Ctrl-D on an empty line, or the input ended.</summary>
    EndOfInput,

    /// <summary>Ctrl-C.</summary>
    Interrupted,
}

/// <summary>
/// Reads one line from a terminal in raw mode, with the keys of readline's Emacs mode that people use: arrows, Home, End, Ctrl-A/E/B/F,
/// Ctrl-P/N and arrows for the history, Ctrl-K/U/W/Y, Ctrl-D/H, Ctrl-T, Ctrl-L, Alt-B/F/D, Tab. The line is shown in one row that
/// scrolls sideways. Nothing is written but to the given output; nothing is read but from the given input.
/// </summary>
internal sealed class LineEditor(InputReader input, ScreenOutput output, Func<int> columns, History history, Func<string, int, Completion> complete)
{
    // After ESC the rest of a key follows at once; alone it is the key itself.
    private const int EscapeMs = 50;

    private readonly StringBuilder _line = new();
    private readonly Decoder _decoder = Encoding.UTF8.GetDecoder();
    private string _prompt = "";
    private int _cursor;
    private string _cut = "";
    private bool _tabbed;

    /// <summary>Reads a line.</summary>
    /// <param name="prompt">What stands before it.</param>
    /// <param name="line">The line; empty unless it was entered.</param>
    public LineEnd Read(string prompt, out string line)
    {
        _prompt = prompt;
        _line.Clear();
        _cursor = 0;
        _decoder.Reset();
        line = "";
        int place = history.Count;
        string unfinished = "";
        Show();
        while (true)
        {
            output.Flush();
            int key = input.ReadByte();
            bool tab = key == '\t';
            switch (key)
            {
                case -1:
                    output.Text("\r\n");
                    return LineEnd.EndOfInput;
                case '\r' or '\n':
                    _cursor = _line.Length;
                    Show();
                    output.Text("\r\n");
                    line = _line.ToString();
                    return LineEnd.Entered;
                case 3:
                    output.Text("\r\n");
                    return LineEnd.Interrupted;
                case 4 when _line.Length == 0:
                    output.Text("\r\n");
                    return LineEnd.EndOfInput;
                case '\t':
                    Complete(again: _tabbed);
                    break;
                case 16:
                    Recall(-1, ref place, ref unfinished);
                    break;
                case 14:
                    Recall(1, ref place, ref unfinished);
                    break;
                case 27:
                    Escape(ref place, ref unfinished);
                    break;
                default:
                    Edit((byte)key);
                    break;
            }

            _tabbed = tab;
            Show();
        }
    }

    private void Edit(byte key)
    {
        switch (key)
        {
            case 1:
                _cursor = 0;
                break;
            case 5:
                _cursor = _line.Length;
                break;
            case 2:
                _cursor = Back(_cursor);
                break;
            case 6:
                _cursor = Forth(_cursor);
                break;
            case 4:
                Remove(_cursor, Forth(_cursor), keep: false);
                break;
            case 8 or 127:
                Remove(Back(_cursor), _cursor, keep: false);
                break;
            case 11:
                Remove(_cursor, _line.Length, keep: true);
                break;
            case 21:
                Remove(0, _cursor, keep: true);
                break;
            case 23:
                Remove(WordBack(blanksOnly: true), _cursor, keep: true);
                break;
            case 25:
                Insert(_cut);
                break;
            case 20:
                Swap();
                break;
            case 12:
                output.Text("\e[H\e[2J");
                break;
            case >= 32:
                Span<char> chars = stackalloc char[4];
                int count = _decoder.GetChars([key], chars, flush: false);
                if (_line.Length + count <= InputReader.MaxLineBytes)
                {
                    Insert(new string(chars[..count]));
                }

                break;
        }
    }

    private void Escape(ref int place, ref string unfinished)
    {
        int next = input.ReadByte(EscapeMs);
        if (next is 'b' or 'f' or 'd')
        {
            int end = next == 'b' ? WordBack(blanksOnly: false) : WordForth();
            if (next == 'd')
            {
                Remove(_cursor, end, keep: true);
            }
            else
            {
                _cursor = end;
            }

            return;
        }

        if (next is 127 or 8)
        {
            Remove(WordBack(blanksOnly: false), _cursor, keep: true);
            return;
        }

        if (next is not ('[' or 'O'))
        {
            return;
        }

        // ESC [ parameters final; longer ones than any keyboard sends are left alone.
        var parameters = new StringBuilder();
        int final;
        while ((final = input.ReadByte(EscapeMs)) is (>= '0' and <= '9') or ';')
        {
            if (parameters.Length < 16)
            {
                parameters.Append((char)final);
            }
        }

        bool control = parameters.ToString().EndsWith(";5", StringComparison.Ordinal);
        switch (final)
        {
            case 'A':
                Recall(-1, ref place, ref unfinished);
                break;
            case 'B':
                Recall(1, ref place, ref unfinished);
                break;
            case 'C':
                _cursor = control ? WordForth() : Forth(_cursor);
                break;
            case 'D':
                _cursor = control ? WordBack(blanksOnly: false) : Back(_cursor);
                break;
            case 'H':
                _cursor = 0;
                break;
            case 'F':
                _cursor = _line.Length;
                break;
            case '~':
                switch (parameters.ToString())
                {
                    case "1" or "7":
                        _cursor = 0;
                        break;
                    case "4" or "8":
                        _cursor = _line.Length;
                        break;
                    case "3":
                        Remove(_cursor, Forth(_cursor), keep: false);
                        break;
                }

                break;
        }
    }

    private void Recall(int step, ref int place, ref string unfinished)
    {
        int next = place + step;
        if (next < 0 || next > history.Count)
        {
            return;
        }

        if (place == history.Count)
        {
            unfinished = _line.ToString();
        }

        place = next;
        _line.Clear().Append(place == history.Count ? unfinished : history[place]);
        _cursor = _line.Length;
    }

    private void Complete(bool again)
    {
        Completion found = complete(_line.ToString(), _cursor);
        if (found.Candidates.Count == 0)
        {
            output.Text("\a");
            return;
        }

        int typed = _cursor - found.Start;
        string common = found.Candidates[0];
        foreach (string candidate in found.Candidates)
        {
            int same = common.AsSpan().CommonPrefixLength(candidate);
            common = common[..same];
        }

        if (common.Length > typed)
        {
            Remove(found.Start, _cursor, keep: false);
            Insert(common);
        }
        else if (found.Candidates.Count > 1 && again)
        {
            output.Text("\r\n");
            foreach (string row in Columns.Rows([.. found.Candidates.Select(candidate => candidate.TrimEnd())], Math.Max(1, columns() - 1)))
            {
                output.Text(row + "\r\n");
            }
        }
        else
        {
            output.Text("\a");
        }
    }

    private void Insert(string text)
    {
        _line.Insert(_cursor, text);
        _cursor += text.Length;
    }

    private void Remove(int start, int end, bool keep)
    {
        if (keep && end > start)
        {
            _cut = _line.ToString(start, end - start);
        }

        _line.Remove(start, end - start);
        _cursor = start;
    }

    private void Swap()
    {
        if (_cursor == 0 || _line.Length < 2)
        {
            return;
        }

        int second = _cursor == _line.Length ? _cursor - 1 : _cursor;
        (_line[second - 1], _line[second]) = (_line[second], _line[second - 1]);
        _cursor = second + 1;
    }

    private int Back(int at) => at == 0 ? 0 : at >= 2 && char.IsLowSurrogate(_line[at - 1]) ? at - 2 : at - 1;

    private int Forth(int at) => at == _line.Length ? at : at + 1 < _line.Length && char.IsHighSurrogate(_line[at]) ? at + 2 : at + 1;

    private int WordBack(bool blanksOnly)
    {
        int at = _cursor;
        while (at > 0 && IsGap(_line[at - 1], blanksOnly))
        {
            at--;
        }

        while (at > 0 && !IsGap(_line[at - 1], blanksOnly))
        {
            at--;
        }

        return at;
    }

    private int WordForth()
    {
        int at = _cursor;
        while (at < _line.Length && IsGap(_line[at], blanksOnly: false))
        {
            at++;
        }

        while (at < _line.Length && !IsGap(_line[at], blanksOnly: false))
        {
            at++;
        }

        return at;
    }

    private static bool IsGap(char c, bool blanksOnly) => blanksOnly ? char.IsWhiteSpace(c) : !char.IsLetterOrDigit(c);

    // One row: the prompt and as much of the line as fits, so that the cursor is in it.
    private void Show()
    {
        int width = Math.Max(8, columns() - 1);
        string prompt = _prompt.Length < width / 2 ? _prompt : "";
        int room = width - prompt.Length;
        int start = _cursor > room ? _cursor - room : 0;
        string shown = _line.ToString(start, Math.Min(room, _line.Length - start));
        int column = prompt.Length + _cursor - start;
        output.Text("\r" + prompt + shown + "\e[K\r" + (column > 0 ? string.Create(CultureInfo.InvariantCulture, $"\e[{column}C") : ""));
    }
}

/// <summary>What can stand at the cursor.</summary>
/// <param name="Start">Where in the line the word begins that is completed.</param>
/// <param name="Candidates">What it can become, each with what follows it.</param>
internal sealed record Completion(int Start, IReadOnlyList<string> Candidates);
