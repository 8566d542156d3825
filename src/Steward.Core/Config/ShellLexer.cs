using System.Diagnostics.CodeAnalysis;
using System.Text;

namespace Steward.Core.Config;

/// <summary>
/// Splits text into words by POSIX quoting rules: <c>'literal'</c>, <c>"with \" and \\"</c>, <c>\c</c> outside quotes,
/// neighbouring parts join. Two dialects: plain words, and the tokens of <c>environment=</c>.
/// </summary>
internal static class ShellLexer
{
    public static bool TrySplit(
        string text,
        bool tokens,
        [NotNullWhen(true)] out List<string>? words,
        [NotNullWhen(false)] out string? error)
    {
        words = null;
        error = null;
        var result = new List<string>();
        var word = new StringBuilder();
        bool open = false; // a word has begun, be it an empty one in quotes
        int i = 0;
        while (i < text.Length)
        {
            char c = text[i++];
            if (c is ' ' or '\t' or '\r' or '\n')
            {
                End();
            }
            else if (c == '#' && tokens)
            {
                // Even inside a word: the rest of the line is lost.
                End();
                int newline = text.IndexOf('\n', i);
                i = newline < 0 ? text.Length : newline + 1;
            }
            else if (c == '\\')
            {
                if (i == text.Length)
                {
                    error = "No escaped character";
                    return false;
                }

                open = true;
                word.Append(text[i++]);
                if (char.IsHighSurrogate(text[i - 1]) && i < text.Length && char.IsLowSurrogate(text[i]))
                {
                    word.Append(text[i++]);
                }
            }
            else if (c is '\'' or '"')
            {
                open = true;
                if (!TryQuoted(text, c, word, ref i, out error))
                {
                    return false;
                }
            }
            else if (!tokens || IsWordCharacter(c))
            {
                open = true;
                word.Append(c);
            }
            else
            {
                End();
                bool pair = char.IsHighSurrogate(c) && i < text.Length && char.IsLowSurrogate(text[i]);
                result.Add(pair ? new string([c, text[i++]]) : c.ToString());
            }
        }

        End();
        words = result;
        return true;

        void End()
        {
            if (open)
            {
                result.Add(word.ToString());
                word.Clear();
                open = false;
            }
        }
    }

    private static bool TryQuoted(string text, char quote, StringBuilder word, ref int i, [NotNullWhen(false)] out string? error)
    {
        while (i < text.Length)
        {
            char c = text[i++];
            if (c == quote)
            {
                error = null;
                return true;
            }

            if (c == '\\' && quote == '"')
            {
                if (i == text.Length)
                {
                    error = "No escaped character";
                    return false;
                }

                if (text[i] is not ('"' or '\\'))
                {
                    word.Append('\\');
                }

                c = text[i++];
            }

            word.Append(c);
        }

        error = "No closing quotation";
        return false;
    }

    private static bool IsWordCharacter(char c) =>
        char.IsAsciiLetterOrDigit(c) || c is '_' or '/' or '.' or '+' or '-' or '(' or ')' or ':' ||
        (c is >= '\u00c0' and <= '\u00ff' && c is not ('\u00d7' or '\u00f7'));
}
