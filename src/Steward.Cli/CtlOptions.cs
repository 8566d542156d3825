using Steward.Core.Config;

namespace Steward.Cli;

/// <summary>The command line of the control tool, split by the rules of classic getopt: options end at the first other word.</summary>
/// <remarks>
/// By hand, in a table: a general parser would have to be bent to these rules and texts, and costs start-up time that the whole
/// command does not otherwise need.
/// </remarks>
internal sealed record CtlOptions
{
    // Short letter or none, long name, whether an argument follows, and a name under which the option is one and the same.
    private static readonly OptionTable Table = new(
    [
        ('c', "configuration", true),
        ('h', "help", false),
        ('?', "", false),
        ('i', "interactive", false),
        ('s', "serverurl", true),
        ('u', "username", true),
        ('p', "password", true),
        ('r', "history_file", true),
        // The help text has always called it so.
        ('\0', "history-file", true),
    ]);

    public string? ConfigFile { get; private init; }

    public bool Help { get; private init; }

    public bool Interactive { get; private init; }

    public string? ServerUrl { get; private init; }

    public string? UserName { get; private init; }

    public string? Password { get; private init; }

    public string? HistoryFile { get; private init; }

    /// <summary>The action and its arguments.</summary>
    public IReadOnlyList<string> Words { get; private init; } = [];

    /// <summary>Reads a command line.</summary>
    /// <exception cref="UsageException">It cannot be read.</exception>
    public static CtlOptions Parse(IReadOnlyList<string> arguments)
    {
        IReadOnlyList<GivenOption> given = Table.Parse(arguments, out int at);
        var options = new CtlOptions { Words = [.. arguments.Skip(at)] };
        var seen = new HashSet<string>(StringComparer.Ordinal);
        foreach (GivenOption option in given)
        {
            if (option.Name is "help" or "")
            {
                // Whatever is wrong behind it does not matter any more.
                return options with { Help = true };
            }

            string name = option.Name.Replace('-', '_');
            if (!seen.Add(name))
            {
                throw new UsageException("conflicting command line option " + PythonText.Repr(option.As));
            }

            options = name switch
            {
                "configuration" => options with { ConfigFile = option.Value },
                "interactive" => options with { Interactive = true },
                "serverurl" => IsUrl(option.Value)
                    ? options with { ServerUrl = option.Value }
                    : throw new UsageException($"invalid value for {option.As} {PythonText.Repr(option.Value)}: "
                        + $"value {PythonText.Repr(option.Value)} is not a URL"),
                "username" => options with { UserName = option.Value },
                "password" => options with { Password = option.Value },
                _ => options with { HistoryFile = option.Value },
            };
        }

        return options;
    }

    // A scheme, and a host or a path behind it.
    private static bool IsUrl(string text)
    {
        int colon = text.IndexOf(':', StringComparison.Ordinal);
        if (colon <= 0 || !char.IsAsciiLetter(text[0]) || !text[..colon].All(c => char.IsAsciiLetterOrDigit(c) || c is '+' or '-' or '.'))
        {
            return false;
        }

        string rest = text[(colon + 1)..];
        int end = rest.AsSpan().IndexOfAny('?', '#');
        rest = end < 0 ? rest : rest[..end];
        return rest.Length > 0 && rest != "//";
    }
}
