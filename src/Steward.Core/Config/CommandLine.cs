using System.Diagnostics.CodeAnalysis;

namespace Steward.Core.Config;

/// <summary>Splits the <c>command</c> of a program into words.</summary>
public static class CommandLine
{
    /// <summary>
    /// Splits by POSIX quoting rules: blanks separate, <c>'...'</c> is literal, <c>"..."</c> knows <c>\"</c> and <c>\\</c>,
    /// <c>\c</c> outside quotes yields <c>c</c>. No variables, patterns, pipes or comments.
    /// </summary>
    /// <param name="command">The command; it may span lines.</param>
    /// <param name="words">The words on success; none for a blank command.</param>
    /// <param name="error"><c>No closing quotation</c> or <c>No escaped character</c>.</param>
    public static bool TrySplit(string command, [NotNullWhen(true)] out IReadOnlyList<string>? words, [NotNullWhen(false)] out string? error)
    {
        bool done = ShellLexer.TrySplit(command, tokens: false, out List<string>? list, out error);
        words = list;
        return done;
    }
}
