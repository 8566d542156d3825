using Steward.Client;
using Steward.Core.Model;

namespace Steward.Cli;

/// <summary>
/// A name with <c>*</c>, <c>?</c> or <c>[...]</c> in it, for processes: <c>web*</c> for those called so in whatever group, <c>g:w?</c> and
/// <c>g*:*</c> for those of groups. Resolved here, over the list of processes, so that it works with any daemon.
/// </summary>
internal sealed class NamePattern
{
    private readonly string? _group;
    private readonly string _process;

    private NamePattern(string? group, string process)
    {
        _group = group;
        _process = process;
    }

    /// <summary>Says whether a word is a pattern. <c>g:*</c> and <c>g:</c> are not: they name a group as a whole.</summary>
    public static bool IsPattern(string word)
    {
        Namespec name = Namespec.Parse(word);
        return HasWildcard(name.Group) || (name.Process is not null && HasWildcard(name.Process));
    }

    /// <summary>Makes a pattern of a word; one without wildcards matches itself.</summary>
    public static NamePattern Parse(string word)
    {
        int colon = word.IndexOf(':', StringComparison.Ordinal);
        string process = word[(colon + 1)..];
        return colon < 0 ? new NamePattern(null, word) : new NamePattern(word[..colon], process.Length == 0 ? "*" : process);
    }

    /// <summary>Says whether a process is meant.</summary>
    public bool Matches(ProcessInfo info) => (_group is null || Matches(_group, info.Group)) && Matches(_process, info.Name);

    /// <summary>Matches a whole text. The work is at most the product of both lengths.</summary>
    internal static bool Matches(string pattern, string text)
    {
        int p = 0;
        int t = 0;

        // Where to go on when what follows the last star does not match: the star takes one more character.
        int star = -1;
        int starText = 0;
        while (t < text.Length)
        {
            if (p < pattern.Length && pattern[p] == '*')
            {
                star = ++p;
                starText = t;
            }
            else if (p < pattern.Length && TryOne(pattern, p, text[t], out int next))
            {
                p = next;
                t++;
            }
            else if (star >= 0)
            {
                p = star;
                t = ++starText;
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

    private static bool HasWildcard(string text) => text.AsSpan().IndexOfAny('*', '?', '[') >= 0;

    // A bracket that is never closed stands for itself; so does one right behind the opening.
    private static bool TryOne(string pattern, int at, char c, out int next)
    {
        next = at + 1;
        if (pattern[at] == '?')
        {
            return true;
        }

        if (pattern[at] != '[')
        {
            return pattern[at] == c;
        }

        int first = at + 1;
        bool not = first < pattern.Length && pattern[first] == '!';
        first += not ? 1 : 0;
        int end = first + 1 < pattern.Length ? pattern.IndexOf(']', first + 1) : -1;
        if (end < 0)
        {
            return c == '[';
        }

        next = end + 1;
        bool found = false;
        for (int i = first; i < end; i++)
        {
            if (i + 2 < end && pattern[i + 1] == '-')
            {
                found |= pattern[i] <= c && c <= pattern[i + 2];
                i += 2;
            }
            else
            {
                found |= pattern[i] == c;
            }
        }

        return found != not;
    }
}
