namespace Steward.Core.Model;

/// <summary>
/// A name as clients give it: <c>foo</c> is process foo of group foo, <c>g:p</c> process p of group g, <c>g:*</c> and
/// <c>g:</c> the whole group. The first colon splits.
/// </summary>
/// <param name="Group">The group's name.</param>
/// <param name="Process">The process's name; null for the whole group.</param>
public readonly record struct Namespec(string Group, string? Process)
{
    /// <summary>Splits a name. Never fails: whether such a process exists is another question.</summary>
    public static Namespec Parse(string text)
    {
        int colon = text.IndexOf(':', StringComparison.Ordinal);
        if (colon < 0)
        {
            return new Namespec(text, text);
        }

        string process = text[(colon + 1)..];
        return new Namespec(text[..colon], process is "" or "*" ? null : process);
    }

    /// <summary>Joins the two names for clients: <c>p</c> where both are equal, else <c>g:p</c>.</summary>
    public static string Join(string group, string process) => group == process ? process : group + ":" + process;

    /// <inheritdoc/>
    public override string ToString() => Process is null ? Group + ":*" : Join(Group, Process);
}
