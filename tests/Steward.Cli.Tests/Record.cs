using System.Text.Json;

namespace Steward.Cli.Tests;

/// <summary>What Supervisor 4.4 printed in the conformance scenarios.</summary>
internal static class Record
{
    private static readonly JsonDocument Document = JsonDocument.Parse(File.ReadAllBytes(Find()));

    public static JsonElement Scenario(string name) => Document.RootElement.GetProperty(name);

    /// <summary>The observations of command lines: key, exit status, stdout, stderr.</summary>
    public static IEnumerable<(string Key, int Status, string Output, string Error)> Lines(string scenario)
    {
        foreach (JsonProperty observation in Scenario(scenario).EnumerateObject())
        {
            if (observation.Value is { ValueKind: JsonValueKind.Array } value && value.GetArrayLength() == 3 && value[2].ValueKind == JsonValueKind.Array)
            {
                yield return (observation.Name, value[0].GetInt32(), Text(value[1]), Text(value[2]));
            }
        }
    }

    public static string Text(JsonElement lines) => string.Concat(lines.EnumerateArray().Select(line => line.GetString() + "\n"));

    private static string Find()
    {
        for (DirectoryInfo? folder = new(AppContext.BaseDirectory); folder is not null; folder = folder.Parent)
        {
            string path = Path.Combine(folder.FullName, "tests", "conformance", "reference-4.4.json");
            if (File.Exists(path))
            {
                return path;
            }
        }

        throw new FileNotFoundException("tests/conformance/reference-4.4.json is in no folder above " + AppContext.BaseDirectory);
    }
}
