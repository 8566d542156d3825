using System.Collections;
using System.Globalization;
using System.Reflection;
using System.Text;

namespace Steward.Core.Tests.Snapshots;

/// <summary>All that an object holds, down to its private fields, as text: two objects that say the same are equal.</summary>
internal static class Dump
{
    public static string Of(object? value, params string[] leftOut)
    {
        var text = new StringBuilder();
        Append(text, value, new Dictionary<object, int>(ReferenceEqualityComparer.Instance), new HashSet<string>(leftOut));
        return text.ToString();
    }

    /// <summary>The instance fields of a type, its bases' included, by name; an automatic property's under the property's name.</summary>
    public static IEnumerable<(string Name, FieldInfo Field)> Fields(Type type)
    {
        for (Type? at = type; at is not null && at != typeof(object); at = at.BaseType)
        {
            foreach (FieldInfo field in at.GetFields(BindingFlags.Instance | BindingFlags.Public | BindingFlags.NonPublic | BindingFlags.DeclaredOnly))
            {
                yield return (field.Name.StartsWith('<') ? field.Name[1..field.Name.IndexOf('>')] : field.Name, field);
            }
        }
    }

    private static void Append(StringBuilder text, object? value, Dictionary<object, int> seen, HashSet<string> leftOut)
    {
        switch (value)
        {
            case null:
                text.Append("null");
                return;
            case string or Enum:
                text.Append('"').Append(value).Append('"');
                return;
            case IFormattable when value.GetType().IsPrimitive:
                text.Append(((IFormattable)value).ToString(null, CultureInfo.InvariantCulture));
                return;
            case bool:
                text.Append(value);
                return;
        }

        // Configurations are values: whether two places share one makes no difference.
        if (!value.GetType().IsValueType && value.GetType().Namespace is not ("Steward.Core.Config" or "Steward.Core.Model"))
        {
            if (seen.TryGetValue(value, out int known))
            {
                text.Append('#').Append(known);
                return;
            }

            seen.Add(value, seen.Count);
        }

        if (value is IEnumerable items)
        {
            text.Append('[');
            foreach (object? item in items)
            {
                Append(text, item, seen, leftOut);
                text.Append(", ");
            }

            text.Append(']');
            return;
        }

        text.Append(value.GetType().Name).Append('{');
        foreach ((string name, FieldInfo field) in Fields(value.GetType()))
        {
            if (!leftOut.Contains($"{field.DeclaringType!.Name}.{name}"))
            {
                text.Append(name).Append('=');
                Append(text, field.GetValue(value), seen, leftOut);
                text.Append("; ");
            }
        }

        text.Append('}');
    }
}
