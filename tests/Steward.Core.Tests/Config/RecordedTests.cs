using System.Text.Json;
using Steward.Core.Config;

namespace Steward.Core.Tests.Config;

/// <summary>
/// The reader, the expansions and the lexers give what the standard library of Python 3.11 gave for the same input: its
/// answers to random and hand-picked text are kept in <c>python.json</c>. STEWARD_PYTHON_RECORD names a bigger record.
/// </summary>
public sealed class RecordedTests
{
    private const string File1 = "f";

    private static JsonElement Record(string part)
    {
        string? folder = AppContext.BaseDirectory;
        while (folder is not null && !File.Exists(Path.Combine(folder, "Steward.slnx")))
        {
            folder = Path.GetDirectoryName(folder);
        }

        Assert.NotNull(folder);
        string path = Environment.GetEnvironmentVariable("STEWARD_PYTHON_RECORD")
            ?? Path.Combine(folder, "tests/Steward.Core.Tests/Config/python.json");
        using JsonDocument record = JsonDocument.Parse(File.ReadAllBytes(path));
        return record.RootElement.GetProperty(part).Clone();
    }

    private static void Check(string part, Func<JsonElement, (string Expected, string Actual)> one)
    {
        var wrong = new List<string>();
        int count = 0;
        foreach (JsonElement row in Record(part).EnumerateArray())
        {
            count++;
            (string expected, string actual) = one(row);
            if (expected != actual)
            {
                wrong.Add($"{row}\n  expected {expected}\n  actual   {actual}");
            }
        }

        Assert.True(count > 0);
        Assert.True(wrong.Count == 0, $"{wrong.Count} of {count}:\n" + string.Join('\n', wrong.Take(10)));
    }

    private static string Pairs(JsonElement list) =>
        string.Join('|', list.EnumerateArray().Select(pair => PythonText.Repr(pair[0].GetString()!) + "=" + PythonText.Repr(pair[1].GetString()!)));

    private static string Pairs(IEnumerable<IniOption> options) =>
        string.Join('|', options.Select(option => PythonText.Repr(option.Key) + "=" + PythonText.Repr(option.Value)));

    [Fact]
    public void Files_are_read_as_Python_reads_them() => Check("ini", row =>
    {
        var document = new IniDocument();
        string? error = null;
        foreach (JsonElement text in row.GetProperty("texts").EnumerateArray())
        {
            int before = document.Errors.Count;
            IniReader.Read(text.GetString()!, File1, document);
            error ??= IniReader.Describe([.. document.Errors.Skip(before)], File1);
        }

        string actual = error ?? string.Join('/', document.Sections.Select(s => s.Name + ":" + Pairs(s.Own))) + "/" + Pairs(document.Defaults.Own);
        string expected = row.TryGetProperty("error", out JsonElement text2)
            ? text2.GetString()!
            : string.Join('/', row.GetProperty("sections").EnumerateArray().Select(s => s[0].GetString() + ":" + Pairs(s[1]))) + "/" +
              Pairs(row.GetProperty("defaults"));
        return (expected, actual);
    });

    [Fact]
    public void Values_are_expanded_as_Python_expands_them()
    {
        Expansions names = new Expansions().Set("here", "/etc").Set("ENV_X", "it's").Set("ENV_Q", "a\"b'c").Set("é", "ü");
        Expansions all = new Expansions(names).Set("n", 7).Set("neg", -3).Set("big", 123456).Set("p(q)", "nested")
            .Set("U", "naïve\u00a0\U0001F600\u0001").Set("c", "Z");
        Check("format", row =>
        {
            bool done = Expander.TryExpand(row.GetProperty("format").GetString()!, all, out string? result, out string? unknown, out string? reason);
            string actual = done ? "= " + result : unknown is not null ? "unknown " + unknown : "bad " + reason;
            string expected = row.TryGetProperty("result", out JsonElement text) ? "= " + text.GetString()
                : row.TryGetProperty("unknown", out JsonElement name) ? "unknown " + name.GetString()
                : row.TryGetProperty("reason", out JsonElement why) ? "bad " + why.GetString()
                : "the whole table";

            // Where Python prints the whole table, here is an error instead.
            bool table = actual.Contains("a name in parentheses is required", StringComparison.Ordinal) && !expected.StartsWith("bad", StringComparison.Ordinal);
            return (table ? actual : expected, actual);
        });
    }

    [Fact]
    public void Commands_are_split_as_Python_splits_them() => Check("split", row =>
    {
        bool done = CommandLine.TrySplit(row.GetProperty("text").GetString()!, out IReadOnlyList<string>? words, out string? error);
        string expected = row.TryGetProperty("words", out JsonElement list) ? list.ToString() : row.GetProperty("error").GetString()!;
        return (done ? Flat(list) : expected, done ? Flat(words!) : error!);

        static string Flat(object words) => words switch
        {
            JsonElement { ValueKind: JsonValueKind.Array } json => PythonText.Repr(json.EnumerateArray().Select(w => w.GetString()!)),
            IEnumerable<string> strings => PythonText.Repr(strings),
            _ => "an error",
        };
    });

    [Fact]
    public void Environments_are_read_as_Python_reads_them() => Check("environment", row =>
    {
        bool done = EnvironmentList.TryParse(row.GetProperty("text").GetString()!, out EnvironmentList? list, out string? error);
        string actual = done
            ? string.Join('|', list!.Pairs.Select(pair => PythonText.Repr(pair.Key) + "=" + PythonText.Repr(pair.Value)))
            : error!;
        return (row.TryGetProperty("pairs", out JsonElement pairs) ? Pairs(pairs) : row.GetProperty("error").GetString()!, actual);
    });

    [Fact]
    public void Numbers_are_read_as_Python_reads_them()
    {
        Check("integer", row => (row[1].ToString(), ConfigValue.TryInteger(row[0].GetString()!, out int value, out _) ? value.ToString() : ""));
        Check("octal", row => (row[1].ToString(), ConfigValue.TryOctal(row[0].GetString()!, out int value, out _) ? value.ToString() : ""));
    }

    [Fact]
    public void Text_is_quoted_as_Python_quotes_it() => Check("repr", row =>
        (row[1].GetString() + " " + row[2].GetString(), PythonText.Repr(row[0].GetString()!) + " " + PythonText.Ascii(row[0].GetString()!)));
}
