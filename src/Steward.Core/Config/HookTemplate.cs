using System.Text;

namespace Steward.Core.Config;

/// <summary>
/// A body of one's own: text with <c>%(name)s</c> for a field of the event and <c>%%</c> for a percent sign. The names are checked when the
/// configuration is read.
/// </summary>
public static class HookTemplate
{
    /// <summary>The fields, in the order in which the manual lists them.</summary>
    public static IReadOnlyList<string> Fields { get; } =
    [
        "event", "name", "group", "process", "summary", "reason", "output", "next", "next_try", "from", "to", "code", "signal", "signal_name",
        "expected", "uptime", "pid", "tries", "repeats", "host", "identifier", "time", "number", "delivery", "hook",
    ];

    /// <summary>Says what is wrong with a template; null for nothing.</summary>
    public static string? Fault(string template)
    {
        string? fault = null;
        Walk(template, static _ => { }, name =>
        {
            if (!Fields.Contains(name))
            {
                fault ??= $"no such field is known: {PythonText.Repr(name)}"
                    + (Spelling.Nearest(name, Fields) is { } near ? $", did you mean {near}?" : "");
            }
        }, at => fault ??= $"a percent sign stands alone before {PythonText.Repr(template.Substring(at, Math.Min(10, template.Length - at)))}");
        return fault;
    }

    /// <summary>Fills a template in.</summary>
    public static string Fill(string template, Func<string, string> value)
    {
        var text = new StringBuilder(template.Length + 256);
        Walk(template, piece => text.Append(piece), name => text.Append(value(name)), static _ => { });
        return text.ToString();
    }

    private static void Walk(string template, Action<string> literal, Action<string> field, Action<int> bad)
    {
        int at = 0;
        while (at < template.Length)
        {
            int percent = template.IndexOf('%', at);
            if (percent < 0)
            {
                literal(template[at..]);
                return;
            }

            literal(template[at..percent]);
            at = percent + 1;
            int close = at < template.Length && template[at] == '(' ? template.IndexOf(")s", at, StringComparison.Ordinal) : -1;
            if (close > 0)
            {
                field(template[(at + 1)..close]);
                at = close + 2;
            }
            else if (at < template.Length && template[at] == '%')
            {
                literal("%");
                at++;
            }
            else
            {
                bad(at);
            }
        }
    }
}
