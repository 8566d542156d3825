using System.Text.Json;

namespace Steward.Http.Tests;

/// <summary>What the conformance scenarios recorded from Supervisor.</summary>
internal static class Record
{
    public static JsonElement Of(string scenario)
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
}
