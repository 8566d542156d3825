namespace Steward.Linux.Host;

/// <summary>Matches a file name against a shell pattern (man 7 glob): <c>*</c>, <c>?</c>, <c>[...]</c>; no escapes, as in Python.</summary>
internal static class ShellPattern
{
    /// <summary>Says whether a text has anything that makes it a pattern.</summary>
    public static bool IsPattern(string text) => text.AsSpan().IndexOfAny('*', '?', '[') >= 0;

    /// <summary>
    /// Matches a whole name. A name that begins with a dot is hidden and matches only a pattern that does so too. The work is at
    /// most the product of both lengths.
    /// </summary>
    public static bool Matches(string pattern, string name)
    {
        if (name.StartsWith('.') && !pattern.StartsWith('.'))
        {
            return false;
        }

        int p = 0;
        int n = 0;

        // Where to go on when what follows the last star does not match: the star takes one more character.
        int star = -1;
        int starName = 0;
        while (n < name.Length)
        {
            if (p < pattern.Length && pattern[p] == '*')
            {
                star = ++p;
                starName = n;
            }
            else if (p < pattern.Length && MatchesOne(pattern, ref p, name, ref n))
            {
            }
            else if (star >= 0)
            {
                p = star;
                n = starName += Length(name, starName);
            }
            else
            {
                return false;
            }
        }

        while (p < pattern.Length && pattern[p] == '*')
        {
            p++;
        }

        return p == pattern.Length;
    }

    // Compares one character; moves on only when it fits.
    private static bool MatchesOne(string pattern, ref int p, string name, ref int n)
    {
        int next = p + Length(pattern, p);
        bool fits;
        if (pattern[p] == '?')
        {
            fits = true;
        }
        else if (pattern[p] == '[' && SetEnd(pattern, p) is var end and > 0)
        {
            fits = IsInSet(pattern.AsSpan(p + 1, end - p - 1), CodePoint(name, n));
            next = end + 1;
        }
        else
        {
            fits = CodePoint(pattern, p) == CodePoint(name, n);
        }

        if (fits)
        {
            p = next;
            n += Length(name, n);
        }

        return fits;
    }

    // Where the bracket of a set closes; a bracket right at its beginning belongs to the set. -1: it never closes and is a
    // bracket like any character.
    private static int SetEnd(string pattern, int open)
    {
        int at = open + 1;
        if (at < pattern.Length && pattern[at] is '!' or '^')
        {
            at++;
        }

        return at + 1 < pattern.Length ? pattern.IndexOf(']', at + 1) : -1;
    }

    private static bool IsInSet(ReadOnlySpan<char> set, int value)
    {
        bool negated = set.Length > 0 && set[0] is '!' or '^';
        bool found = false;
        string members = (negated ? set[1..] : set).ToString();
        int i = 0;
        while (i < members.Length)
        {
            int low = CodePoint(members, i);
            i += Length(members, i);
            int high = low;
            if (i + 1 < members.Length && members[i] == '-')
            {
                high = CodePoint(members, i + 1);
                i += 1 + Length(members, i + 1);
            }

            found |= value >= low && value <= high;
        }

        return found != negated;
    }

    // A lone surrogate is a byte that is no UTF-8 (see NativeText) and a character of its own.
    private static int Length(string text, int at) => char.IsHighSurrogate(text[at]) && at + 1 < text.Length && char.IsLowSurrogate(text[at + 1]) ? 2 : 1;

    private static int CodePoint(string text, int at) => Length(text, at) == 2 ? char.ConvertToUtf32(text[at], text[at + 1]) : text[at];
}
