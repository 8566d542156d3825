using System.Text;

namespace Steward.Tidy;

/// <summary>Just enough of C#'s lexical grammar to tell code from comments and texts.</summary>
internal static class CSharpText
{
    /// <summary>The code alone: comments and the contents of string and character literals become blanks, lines stay lines.</summary>
    public static string CodeOnly(string source)
    {
        var code = new StringBuilder(source.Length);
        var i = 0;
        while (i < source.Length)
        {
            var end = EndOfNonCode(source, i);
            if (end == i)
            {
                code.Append(source[i++]);
                continue;
            }

            for (; i < end; i++)
            {
                code.Append(source[i] == '\n' ? '\n' : ' ');
            }
        }

        return code.ToString();
    }

    private static int EndOfNonCode(string s, int i)
    {
        if (Starts(s, i, "//"))
        {
            return After(s, s.IndexOf('\n', i), 0);
        }

        if (Starts(s, i, "/*"))
        {
            return After(s, s.IndexOf("*/", i + 2, StringComparison.Ordinal), 2);
        }

        if (s[i] == '\'')
        {
            return Quoted(s, i + 1, '\'');
        }

        // $"...", @"...", $@"..." and raw literals begin at their first sign, so that the quotes are met in the right mode.
        var at = i;
        var verbatim = false;
        while (at < s.Length && s[at] is '$' or '@')
        {
            verbatim |= s[at++] == '@';
        }

        if (at >= s.Length || s[at] != '"')
        {
            return i;
        }

        var quotes = 0;
        while (at + quotes < s.Length && s[at + quotes] == '"')
        {
            quotes++;
        }

        if (quotes >= 3)
        {
            return After(s, s.IndexOf(new string('"', quotes), at + quotes, StringComparison.Ordinal), quotes);
        }

        return verbatim ? Verbatim(s, at + 1) : Quoted(s, at + 1, '"');
    }

    private static int Quoted(string s, int i, char quote)
    {
        for (; i < s.Length && s[i] != quote && s[i] != '\n'; i++)
        {
            if (s[i] == '\\')
            {
                i++;
            }
        }

        return Math.Min(i + 1, s.Length);
    }

    private static int Verbatim(string s, int i)
    {
        for (; i < s.Length; i++)
        {
            if (s[i] == '"' && (i + 1 == s.Length || s[i + 1] != '"'))
            {
                return i + 1;
            }

            if (s[i] == '"')
            {
                i++;
            }
        }

        return s.Length;
    }

    private static bool Starts(string s, int i, string with) => string.CompareOrdinal(s, i, with, 0, with.Length) == 0;

    private static int After(string s, int found, int length) => found < 0 ? s.Length : found + length;
}
