using System.Text.Json;
using System.Text.RegularExpressions;
using Steward.Protocol.XmlRpc;

namespace Steward.Protocol.Tests.XmlRpc;

/// <summary>Compares the table with what was recorded from Supervisor.</summary>
public partial class XmlRpcMethodsTests
{
    private static JsonElement Record(string scenario)
    {
        string? folder = AppContext.BaseDirectory;
        while (folder is not null && !File.Exists(Path.Combine(folder, "Steward.slnx")))
        {
            folder = Path.GetDirectoryName(folder);
        }

        Assert.NotNull(folder);
        using JsonDocument record = JsonDocument.Parse(File.ReadAllBytes(Path.Combine(folder, "tests/conformance/reference-4.4.json")));
        return record.RootElement.GetProperty(scenario).Clone();
    }

    [Fact]
    public void Signatures_and_tags_are_those_of_the_record()
    {
        int methods = 0;
        foreach (JsonProperty row in Record("xmlrpc.signatures").EnumerateObject())
        {
            if (row.Name.StartsWith("unknown", StringComparison.Ordinal) || row.Name.EndsWith(" help", StringComparison.Ordinal))
            {
                continue;
            }

            string[] parts = row.Name.Split('.');
            XmlRpcMethod method = (parts[0] == "system" ? XmlRpcMethods.System : XmlRpcMethods.Supervisor)[parts[1]];
            Assert.Equal(row.Value.EnumerateArray().Select(word => word.GetString()), method.Signature);
            string[] tags = [.. Record("xmlrpc.signatures").GetProperty(row.Name + " help")[1].EnumerateArray().Select(tag => tag.GetString()!)];
            Assert.Equal(tags, Tag().Matches(method.Help).Select(tag => tag.Value).Distinct().Order(StringComparer.Ordinal));
            Assert.True(method.Help.Length > 20);
            methods++;
        }

        Assert.Equal(methods, XmlRpcMethods.System.Count + XmlRpcMethods.Supervisor.Count);
        Assert.Equal(37, XmlRpcMethods.Supervisor.Count);
    }

    [Theory]
    [InlineData("startProcess", 0, false)]
    [InlineData("startProcess", 1, true)]
    [InlineData("startProcess", 2, true)]
    [InlineData("startProcess", 3, false)]
    [InlineData("stopAllProcesses", 0, true)]
    [InlineData("getState", 1, false)]
    [InlineData("readLog", 1, false)]
    public void The_number_of_parameters_is_bounded(string method, int parameters, bool accepted) =>
        Assert.Equal(accepted, XmlRpcMethods.Supervisor[method].Accepts(parameters));

    [GeneratedRegex(@"@\w+")]
    private static partial Regex Tag();
}
