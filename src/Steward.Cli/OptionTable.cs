namespace Steward.Cli;

/// <summary>An option of a command line.</summary>
/// <param name="As">As typed, a long one in full: <c>-c</c>, <c>--configuration</c>.</param>
/// <param name="Name">Its long name.</param>
/// <param name="Value">Its value; empty for one that takes none.</param>
internal sealed record GivenOption(string As, string Name, string Value);

/// <summary>The options of a program and the rules of classic getopt: letters may be bundled, long names shortened, options end at the
/// first other word.</summary>
/// <param name="options">Short letter or NUL, long name or empty, and whether a value follows.</param>
internal sealed class OptionTable((char Short, string Long, bool Argument)[] options)
{
    /// <summary>Takes the options off the front of a command line.</summary>
    /// <param name="arguments">The words behind the program's name.</param>
    /// <param name="at">Where the options end.</param>
    /// <exception cref="UsageException">One is unknown, ambiguous, or lacks its value.</exception>
    public IReadOnlyList<GivenOption> Parse(IReadOnlyList<string> arguments, out int at)
    {
        var given = new List<GivenOption>();
        at = 0;
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

        return given;
    }

    // --name, --name=value, --name value; any unmistakable beginning of the name does.
    private void Long(string text, IReadOnlyList<string> arguments, ref int at, List<GivenOption> given)
    {
        int equals = text.IndexOf('=', StringComparison.Ordinal);
        string typed = equals < 0 ? text : text[..equals];
        (char Short, string Long, bool Argument)[] fits =
            [.. options.Where(option => option.Long.Length > 0 && option.Long.StartsWith(typed, StringComparison.Ordinal))];
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

        given.Add(new GivenOption("--" + name, name, value));
    }

    // -x, -xy, -xVALUE, -x VALUE.
    private void Short(string letters, IReadOnlyList<string> arguments, ref int at, List<GivenOption> given)
    {
        for (int i = 0; i < letters.Length; i++)
        {
            char letter = letters[i];
            (char Short, string Long, bool Argument)? found = null;
            foreach ((char Short, string Long, bool Argument) option in options)
            {
                found = option.Short == letter && letter != '\0' ? option : found;
            }

            (_, string name, bool argument) = found ?? throw new UsageException($"option -{letter} not recognized");
            if (!argument)
            {
                given.Add(new GivenOption("-" + letter, name, ""));
                continue;
            }

            string value = letters[(i + 1)..];
            if (value.Length == 0)
            {
                value = at < arguments.Count ? arguments[at++] : throw new UsageException($"option -{letter} requires argument");
            }

            given.Add(new GivenOption("-" + letter, name, value));
            return;
        }
    }
}
