using System.Diagnostics.CodeAnalysis;

namespace Steward.Core.Config;

/// <summary>The value of <c>environment=</c>: <c>KEY=value,KEY="quoted value"</c>.</summary>
/// <param name="Pairs">The variables in order of first mention; the last value of a name counts.</param>
/// <param name="Ignored">
/// Tokens at places where only a comma is meant to stand. Supervisor drops them without a word, so they are no error, but
/// they are a sign of a value that should be in quotes.
/// </param>
public sealed record EnvironmentList(IReadOnlyList<KeyValuePair<string, string>> Pairs, IReadOnlyList<string> Ignored)
{
    /// <summary>Reads an expanded value.</summary>
    /// <param name="text">The text; empty for no variables.</param>
    /// <param name="list">The variables on success.</param>
    /// <param name="error">Supervisor's message on failure.</param>
    public static bool TryParse(string text, [NotNullWhen(true)] out EnvironmentList? list, [NotNullWhen(false)] out string? error)
    {
        list = null;
        if (!ShellLexer.TrySplit(text, tokens: true, out List<string>? tokens, out error))
        {
            return false;
        }

        var pairs = new List<KeyValuePair<string, string>>();
        var places = new Dictionary<string, int>(StringComparer.Ordinal);
        var ignored = new List<string>();

        // Three tokens make a variable, the fourth is skipped whatever it is.
        for (int i = 0; i < tokens.Count; i += 4)
        {
            if (i + 2 >= tokens.Count || tokens[i + 1] != "=")
            {
                error = $"Unexpected end of key/value pairs in value '{text}'";
                return false;
            }

            KeyValuePair<string, string> pair = new(tokens[i], tokens[i + 2]);
            if (places.TryAdd(pair.Key, pairs.Count))
            {
                pairs.Add(pair);
            }
            else
            {
                pairs[places[pair.Key]] = pair;
            }

            if (i + 3 < tokens.Count && tokens[i + 3] != ",")
            {
                ignored.Add(tokens[i + 3]);
            }
        }

        list = new EnvironmentList(pairs, ignored);
        return true;
    }

    /// <summary>Writes a value so that reading it yields the same text: in double quotes, percent signs left alone.</summary>
    public static string Quote(string value) =>
        "\"" + value.Replace("\\", "\\\\", StringComparison.Ordinal).Replace("\"", "\\\"", StringComparison.Ordinal) + "\"";
}
