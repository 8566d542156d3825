using System.Text.Json;
using Steward.Protocol.XmlRpc;

namespace Steward.Http.Tests;

/// <summary>Values as short text.</summary>
internal static class RpcText
{
    private static readonly JsonSerializerOptions s_relaxed =
        new() { Encoder = System.Text.Encodings.Web.JavaScriptEncoder.UnsafeRelaxedJsonEscaping };

    public static string Show(XmlRpcValue value) => value switch
    {
        XmlRpcString text => JsonSerializer.Serialize(text.Value, s_relaxed),
        XmlRpcInt number => number.Value.ToString(System.Globalization.CultureInfo.InvariantCulture),
        XmlRpcBoolean boolean => boolean.Value ? "true" : "false",
        XmlRpcArray array => "[" + string.Join(",", array.Items.Select(Show)) + "]",
        XmlRpcStruct members => "{" + string.Join(",", members.Members.Select(m => $"\"{m.Key}\":{Show(m.Value)}")) + "}",
        _ => value.ToString(),
    };
}
