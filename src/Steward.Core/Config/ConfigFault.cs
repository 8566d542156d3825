using System.Globalization;

namespace Steward.Core.Config;

/// <summary>How bad a finding is.</summary>
public enum FaultSeverity
{
    /// <summary>The configuration is refused.</summary>
    Error,

    /// <summary>The configuration is taken, but probably does not do what was meant.</summary>
    Warning,
}

/// <summary>Something wrong with a configuration, and where.</summary>
/// <param name="Severity">Refused, or only suspicious.</param>
/// <param name="File">The file as it was opened; null when no file is to blame.</param>
/// <param name="Line">The line, from 1; 0 when no line is to blame.</param>
/// <param name="Section">The section; null when none is to blame.</param>
/// <param name="Key">The key; null when none is to blame.</param>
/// <param name="Value">The value as written; null when there is none. Passwords are masked.</param>
/// <param name="Text">What is wrong. For errors exactly Supervisor's message.</param>
/// <param name="Remedy">What to do about it; null when the text says it already.</param>
public sealed record ConfigFault(
    FaultSeverity Severity,
    string? File,
    int Line,
    string? Section,
    string? Key,
    string? Value,
    string Text,
    string? Remedy)
{
    /// <summary>Writes the fault as one line: <c>file:line: [section] key=value: what — remedy</c>.</summary>
    public string Render()
    {
        var parts = new List<string>();
        if (File is not null)
        {
            parts.Add(Line > 0 ? string.Create(CultureInfo.InvariantCulture, $"{File}:{Line}:") : File + ":");
        }

        if (Severity == FaultSeverity.Warning)
        {
            parts.Add("warning:");
        }

        string place = Section is null ? "" : "[" + Section + "]";
        if (Key is not null)
        {
            place += (place.Length > 0 ? " " : "") + Key + (Value is null ? "" : "=" + Shorten(Value));
        }

        if (place.Length > 0)
        {
            parts.Add(place + ":");
        }

        parts.Add(WithoutNames(Text));

        // Names come from the file as well, and a name in a list may go over several lines.
        return OneLine(string.Join(' ', parts) + (Remedy is null ? "" : " \u2014 " + Remedy));
    }

    /// <summary>
    /// Supervisor's message about an unknown name ends with all names that there are, a whole environment: right for the daemon, which says
    /// one thing and ends, and too much where one thing is said in a line.
    /// </summary>
    private static string WithoutNames(string text)
    {
        int names = text.IndexOf(" Available names: ", StringComparison.Ordinal);
        if (names < 0)
        {
            return text;
        }

        int section = text.IndexOf(" in section ", names, StringComparison.Ordinal);
        return text[..names].TrimEnd('.') + (section < 0 ? "" : text[section..]);
    }

    private static string Shorten(string value)
    {
        const int Limit = 60;
        string line = OneLine(value);
        return line.Length <= Limit ? line : line[..Limit] + "\u2026";
    }

    // A message that Supervisor prints over several lines is folded, so that one finding stays one line.
    private static string OneLine(string text) =>
        string.Join(' ', text.Split(['\n', '\r', '\t'], StringSplitOptions.RemoveEmptyEntries | StringSplitOptions.TrimEntries));
}
