using Steward.Core.Model;

namespace Steward.Protocol.XmlRpc;

/// <summary>A value of XML-RPC. The set is closed: every member is in this file.</summary>
public abstract record XmlRpcValue
{
    private protected XmlRpcValue()
    {
    }

    /// <summary>Makes a string.</summary>
    public static implicit operator XmlRpcValue(string value) => new XmlRpcString(value);

    /// <summary>Makes an integer.</summary>
    public static implicit operator XmlRpcValue(long value) => new XmlRpcInt(value);

    /// <summary>Makes a boolean.</summary>
    public static implicit operator XmlRpcValue(bool value) => XmlRpcBoolean.From(value);

    /// <summary>Makes a string.</summary>
    public static XmlRpcValue FromString(string value) => value;

    /// <summary>Makes an integer.</summary>
    public static XmlRpcValue FromInt64(long value) => value;

    /// <summary>Makes a boolean.</summary>
    public static XmlRpcValue FromBoolean(bool value) => value;
}

/// <summary>A string; also what an untyped value, a <c>base64</c> value and a value of an unknown type become.</summary>
/// <param name="Value">The text. What XML 1.0 cannot carry is replaced by U+FFFD when written.</param>
public sealed record XmlRpcString(string Value) : XmlRpcValue;

/// <summary>A string that is still the bytes of a log file, written without a detour over UTF-16.</summary>
/// <param name="Utf8">The bytes; what is not UTF-8 or cannot stand in XML 1.0 is replaced by U+FFFD when written.</param>
public sealed record XmlRpcUtf8(ReadOnlyMemory<byte> Utf8) : XmlRpcValue;

/// <summary>An integer (<c>int</c>, <c>i4</c>).</summary>
/// <param name="Value">
/// Read: the value, saturated at 64 bits. Written: clamped to 32 bits, since the wire type has no more (XML-RPC spec, "Scalars").
/// </param>
public sealed record XmlRpcInt(long Value) : XmlRpcValue;

/// <summary>A boolean.</summary>
public sealed record XmlRpcBoolean : XmlRpcValue
{
    private static readonly XmlRpcBoolean True = new(true);
    private static readonly XmlRpcBoolean False = new(false);

    private XmlRpcBoolean(bool value) => Value = value;

    /// <summary>The value.</summary>
    public bool Value { get; }

    /// <summary>Returns one of the two instances.</summary>
    public static XmlRpcBoolean From(bool value) => value ? True : False;
}

/// <summary>A floating-point number.</summary>
/// <param name="Value">The number; infinities and NaN can come in, they cannot go out.</param>
public sealed record XmlRpcDouble(double Value) : XmlRpcValue;

/// <summary>A date and time without a zone.</summary>
/// <param name="Value">To the second.</param>
public sealed record XmlRpcDateTime(DateTime Value) : XmlRpcValue;

/// <summary>No value: an empty element of a type that XML-RPC does not know, such as <c>nil</c>.</summary>
public sealed record XmlRpcNil : XmlRpcValue
{
    /// <summary>The one instance.</summary>
    public static readonly XmlRpcNil Instance = new();

    private XmlRpcNil()
    {
    }
}

/// <summary>An array.</summary>
public sealed record XmlRpcArray : XmlRpcValue
{
    /// <summary>Makes an array of these elements.</summary>
    public XmlRpcArray(params IReadOnlyList<XmlRpcValue> items) => Items = EquatableList.From(items);

    /// <summary>The elements in order.</summary>
    public EquatableList<XmlRpcValue> Items { get; }
}

/// <summary>A struct. Members keep their order; of two with one name the last counts.</summary>
public sealed record XmlRpcStruct : XmlRpcValue
{
    /// <summary>Makes a struct of these members.</summary>
    public XmlRpcStruct(params IReadOnlyList<KeyValuePair<string, XmlRpcValue>> members) => Members = EquatableList.From(members);

    /// <summary>The members in order.</summary>
    public EquatableList<KeyValuePair<string, XmlRpcValue>> Members { get; }

    /// <summary>Finds a member by its exact name; null when there is none.</summary>
    public XmlRpcValue? Find(string name)
    {
        for (int i = Members.Count - 1; i >= 0; i--)
        {
            if (Members[i].Key == name)
            {
                return Members[i].Value;
            }
        }

        return null;
    }
}
