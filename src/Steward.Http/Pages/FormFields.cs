using System.Net;

namespace Steward.Http.Pages;

/// <summary>The fields of a query or of an urlencoded form.</summary>
internal sealed class FormFields
{
    private readonly Dictionary<string, string> _values = new(StringComparer.Ordinal);

    /// <summary>The value of a field; null when it was not given.</summary>
    public string? this[string name] => _values.GetValueOrDefault(name);

    /// <summary>Reads <c>a=1&amp;b=2</c>. Never fails: what is no escape stands for itself.</summary>
    /// <param name="text">The text.</param>
    /// <param name="lastCounts">Which of two values of one field counts.</param>
    public static FormFields Parse(string text, bool lastCounts)
    {
        var fields = new FormFields();
        foreach (Range range in text.AsSpan().Split('&'))
        {
            string pair = text[range];
            int equals = pair.IndexOf('=', StringComparison.Ordinal);
            if (equals <= 0)
            {
                continue;
            }

            string name = WebUtility.UrlDecode(pair[..equals]);
            string value = WebUtility.UrlDecode(pair[(equals + 1)..]);
            if (lastCounts)
            {
                fields._values[name] = value;
            }
            else
            {
                fields._values.TryAdd(name, value);
            }
        }

        return fields;
    }

    /// <summary>Takes over the fields of another form; its values win.</summary>
    public void Overlay(FormFields other)
    {
        foreach ((string name, string value) in other._values)
        {
            _values[name] = value;
        }
    }
}
