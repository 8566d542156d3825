using System.Text.RegularExpressions;

namespace Steward.Tidy;

/// <summary>What may not stand in source files.</summary>
public sealed class SourceTests
{
    [Fact]
    public void What_ships_is_finished()
    {
        Repository.AssertNone(
            from file in Repository.Sources("src")
            from finding in Find(file, Repository.Read(file), @"\b(?:TODO|FIXME|XXX)\b|\bNotImplementedException\b")
            select finding);
    }

    [Fact]
    public void Nothing_waits_by_sleeping()
    {
        Repository.AssertNone(
            from file in Repository.Sources("src")
            from finding in Find(file, CSharpText.CodeOnly(Repository.Read(file)), @"\bThread\.Sleep\b|\bSpinWait\b")
            select finding);
    }

    [Fact]
    public void No_file_names_a_place_on_somebodys_machine()
    {
        // Written in two pieces, or this file would be the first to be found.
        var pattern = "(?<![\\w.$%{)*-])/" + "(?:work|workspace|Users)/|/home/" + "(?!me/)[a-z]+/|/tmp/" + "bash_jobs";
        string[] binary = [".png", ".ico", ".svg", ".woff2"];
        Repository.AssertNone(
            from file in Repository.Files
            where !file.StartsWith("tests/conformance/", StringComparison.Ordinal)
                && !binary.Contains(Path.GetExtension(file))
            from finding in Find(file, Repository.Read(file), pattern)
            select finding);
    }

    [Fact]
    public void Only_the_Linux_layer_is_unsafe()
    {
        Repository.AssertNone(
            from file in Repository.Sources("src")
            where !file.StartsWith("src/Steward.Linux/", StringComparison.Ordinal)
            from finding in Find(
                file,
                CSharpText.CodeOnly(Repository.Read(file)),
                @"\bunsafe\b|\bLibraryImport\b|\bDllImport\b|\bstackalloc\s+\w+\s*\*|\bMemoryMarshal\.GetReference\b|\bUnsafe\.")
            select finding);
        Repository.AssertNone(
            from file in Repository.Files
            where file.EndsWith(".csproj", StringComparison.Ordinal) && file != "src/Steward.Linux/Steward.Linux.csproj"
                && file.StartsWith("src/", StringComparison.Ordinal)
            from finding in Find(file, Repository.Read(file), "AllowUnsafeBlocks")
            select finding);
    }

    [Fact]
    public void The_core_has_no_clock_no_thread_and_no_files()
    {
        const string Pattern =
            @"(?<![\w.])(?:"
            + @"DateTime(?:Offset)?\.(?:Now|UtcNow|Today)"
            + @"|(?:Stopwatch|TimeProvider|Thread|ThreadPool|Task|ValueTask|Timer|PeriodicTimer|SemaphoreSlim|Monitor|Interlocked|Channel)(?:<|\.|\()"
            + @"|(?:File|Directory|Console|Random|Process|Dns|RandomNumberGenerator)\.[A-Z]\w*\s*\("
            + @"|new\s+(?:FileStream|FileInfo|DirectoryInfo|StreamReader|StreamWriter|Socket|HttpClient|Random|Thread|Timer|Stopwatch)\b"
            + @"|Environment\.(?:TickCount|TickCount64|GetEnvironmentVariable|GetEnvironmentVariables|Exit|FailFast|CurrentDirectory|MachineName|ProcessId|UserName)"
            + @"|async\s|await\s|lock\s*\("
            + @"|Guid\.NewGuid)";
        Repository.AssertNone(
            from file in Repository.Sources("src/Steward.Core").Concat(Repository.Sources("src/Steward.Protocol"))
            from finding in Find(file, CSharpText.CodeOnly(Repository.Read(file)), Pattern)
            select finding);
    }

    [Theory]
    [InlineData("a // Task.Run()\nb", "a              \nb")]
    [InlineData("x = \"// no\"; y", "x =        ; y")]
    [InlineData("'\"' + z", "    + z")]
    [InlineData("@\"a\"\"b\" + c", "        + c")]
    [InlineData("$\"a{b}\" + c", "        + c")]
    [InlineData("\"\"\"a \" b\"\"\" + c", "            + c")]
    [InlineData("/* a\n b */ c", "    \n      c")]
    public void Comments_and_texts_are_not_code(string source, string code) => Assert.Equal(code, CSharpText.CodeOnly(source));

    private static IEnumerable<string> Find(string file, string text, string pattern)
    {
        var number = 0;
        foreach (var line in text.Split('\n'))
        {
            number++;
            if (Regex.Match(line, pattern) is { Success: true } match)
            {
                yield return $"{file}:{number}: {match.Value.Trim()}";
            }
        }
    }
}
