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
    private static readonly (char Short, string Long, bool Argument)[] Table =
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
    ];

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
        var given = new List<(string As, string Name, string Value)>();
        int at = 0;
        while (at < arguments.Count && arguments[at] is ['-', _, ..] word)
        {
            at++;
            if (word == "--")
            {
                break;
            }

            if (word.StartsWith("--", StringComparison.Ordinal))
            {
                Long(word[2..], arguments, ref at, given);
            }
            else
            {
                Short(word[1..], arguments, ref at, given);
            }
        }

        var options = new CtlOptions { Words = [.. arguments.Skip(at)] };
        var seen = new HashSet<string>(StringComparer.Ordinal);
        foreach ((string As, string Name, string Value) option in given)
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

    // --name, --name=value, --name value; any unmistakable beginning of the name does.
    private static void Long(string text, IReadOnlyList<string> arguments, ref int at, List<(string As, string Name, string Value)> given)
    {
        int equals = text.IndexOf('=', StringComparison.Ordinal);
        string typed = equals < 0 ? text : text[..equals];
        (char Short, string Long, bool Argument)[] fits =
            [.. Table.Where(option => option.Long.Length > 0 && option.Long.StartsWith(typed, StringComparison.Ordinal))];
        if (fits.Length == 0)
        {
            throw new UsageException($"option --{typed} not recognized");
        }

        // The two spellings of the history file are one option.
        if (fits.Length > 1 && !fits.Any(option => option.Long == typed) && fits.Select(option => option.Long.Replace('-', '_')).Distinct().Count() > 1)
        {
            throw new UsageException($"option --{typed} not a unique prefix");
        }

        (_, string name, bool argument) = fits.FirstOrDefault(option => option.Long == typed, fits[0]);
        if (!argument && equals >= 0)
        {
            throw new UsageException($"option --{name} must not have an argument");
        }

        string value = equals >= 0 ? text[(equals + 1)..] : "";
        if (argument && equals < 0)
        {
            value = at < arguments.Count ? arguments[at++] : throw new UsageException($"option --{name} requires argument");
        }

        given.Add(("--" + name, name, value));
    }

    // -x, -xy, -xVALUE, -x VALUE.
    private static void Short(string letters, IReadOnlyList<string> arguments, ref int at, List<(string As, string Name, string Value)> given)
    {
        for (int i = 0; i < letters.Length; i++)
        {
            char letter = letters[i];
            (char Short, string Long, bool Argument)? found = null;
            foreach ((char Short, string Long, bool Argument) option in Table)
            {
                found = option.Short == letter && letter != '\0' ? option : found;
            }

            (_, string name, bool argument) = found ?? throw new UsageException($"option -{letter} not recognized");
            if (!argument)
            {
                given.Add(("-" + letter, name, ""));
                continue;
            }

            string value = letters[(i + 1)..];
            if (value.Length == 0)
            {
                value = at < arguments.Count ? arguments[at++] : throw new UsageException($"option -{letter} requires argument");
            }

            given.Add(("-" + letter, name, value));
            return;
        }
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
