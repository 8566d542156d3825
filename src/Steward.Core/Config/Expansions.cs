using System.Globalization;

namespace Steward.Core.Config;

/// <summary>What a name in <c>%(name)s</c> stands for: text, or a number that also takes <c>d</c>, <c>x</c> and the like.</summary>
/// <param name="Text">The value as text.</param>
/// <param name="Number">The value as a number; null for text.</param>
public readonly record struct ExpansionValue(string Text, long? Number);

/// <summary>
/// The names that a value may use. Tables are stacked: a name is looked up in the table itself, then in the one below, so
/// the environment is held once for any number of processes.
/// </summary>
/// <param name="below">The table to fall back on; null for none.</param>
public sealed class Expansions(Expansions? below = null)
{
    private readonly Dictionary<string, ExpansionValue> _own = new(StringComparer.Ordinal);

    /// <summary>Makes a table of <c>ENV_X</c> for every variable X.</summary>
    public static Expansions OfEnvironment(IEnumerable<KeyValuePair<string, string>> variables, Expansions? below = null) =>
        new Expansions(below).SetEnvironment(variables);

    /// <summary>Adds <c>ENV_X</c> for every variable X and returns this table.</summary>
    public Expansions SetEnvironment(IEnumerable<KeyValuePair<string, string>> variables)
    {
        foreach ((string name, string value) in variables)
        {
            Set("ENV_" + name, value);
        }

        return this;
    }

    /// <summary>Adds or replaces a name and returns this table.</summary>
    public Expansions Set(string name, string value)
    {
        _own[name] = new ExpansionValue(value, null);
        return this;
    }

    /// <summary>Adds or replaces a name that stands for a number and returns this table.</summary>
    public Expansions Set(string name, int value)
    {
        _own[name] = new ExpansionValue(value.ToString(CultureInfo.InvariantCulture), value);
        return this;
    }

    /// <summary>Looks a name up.</summary>
    public bool TryGet(string name, out ExpansionValue value)
    {
        for (Expansions? table = this; table is not null; table = table.Below)
        {
            if (table._own.TryGetValue(name, out value))
            {
                return true;
            }
        }

        value = default;
        return false;
    }

    /// <summary>All names in code-point order.</summary>
    public IReadOnlyList<string> Names()
    {
        var names = new SortedSet<string>(PythonText.CodePointOrder);
        for (Expansions? table = this; table is not null; table = table.Below)
        {
            names.UnionWith(table._own.Keys);
        }

        return [.. names];
    }

    private Expansions? Below => below;
}
