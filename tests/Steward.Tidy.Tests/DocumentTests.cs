using System.Security.Cryptography;
using System.Text.RegularExpressions;

namespace Steward.Tidy;

/// <summary>Prose must not outlive what it speaks of.</summary>
public sealed partial class DocumentTests
{
    private static IEnumerable<string> Pages => Repository.Files.Where(
        f => f.EndsWith(".md", StringComparison.Ordinal) && !f.StartsWith("tests/conformance/", StringComparison.Ordinal));

    [Fact]
    public void Every_link_leads_somewhere()
    {
        Repository.AssertNone(
            from page in Pages
            from Match link in Link().Matches(WithoutCode(Repository.Read(page)))
            let target = link.Groups[1].Value
            where !target.Contains("://", StringComparison.Ordinal) && !target.StartsWith("mailto:", StringComparison.Ordinal)
            let fault = FaultOf(page, target)
            where fault is not null
            select $"{page}: ({target}) {fault}");
    }

    [Fact]
    public void Every_file_that_a_page_names_exists()
    {
        // `src/...` in backquotes is a promise. Placeholders (X, *, <...>) are not.
        Repository.AssertNone(
            from page in Pages
            from Match name in NamedFile().Matches(Repository.Read(page))
            let path = name.Groups[1].Value.TrimEnd('/')
            where !path.Contains('*') && !path.Contains('<') && !path.Contains(".X", StringComparison.Ordinal)
            where !Path.Exists(Path.Combine(Repository.Root, path))
            select $"{page}: `{path}` does not exist");
    }

    [Fact]
    public void The_changelog_has_a_place_for_what_comes_next()
    {
        var headings = Regex.Matches(Repository.Read("CHANGELOG.md"), @"^## (.+)$", RegexOptions.Multiline).Select(m => m.Groups[1].Value);
        Assert.Equal("[Unreleased]", headings.First());
    }

    [Fact]
    public void Decisions_are_numbered_without_gaps()
    {
        var numbers = Repository.Files.Where(f => f.StartsWith("docs/decisions/", StringComparison.Ordinal))
            .Select(f => int.Parse(Path.GetFileName(f)[..4], System.Globalization.CultureInfo.InvariantCulture)).ToList();
        Assert.Equal(Enumerable.Range(1, numbers.Count), numbers);
    }

    [Fact]
    public void The_conformance_scenarios_are_as_they_were_recorded()
    {
        var expected = Repository.Read("tests/Steward.Tidy.Tests/conformance.sha256")
            .Split('\n', StringSplitOptions.RemoveEmptyEntries)
            .Select(l => l.Split("  ", 2))
            .ToDictionary(p => p[1], p => p[0]);
        var actual = Repository.Files.Where(f => f.StartsWith("tests/conformance/", StringComparison.Ordinal)).ToDictionary(
            f => f,
            f => Convert.ToHexStringLower(SHA256.HashData(File.ReadAllBytes(Path.Combine(Repository.Root, f)))));
        Repository.AssertNone(
            expected.Where(e => actual.GetValueOrDefault(e.Key) != e.Value).Select(e => e.Key + " was changed or removed")
                .Concat(actual.Keys.Except(expected.Keys).Select(f => f + " was added")));
    }

    private static string? FaultOf(string page, string target)
    {
        var parts = target.Split('#', 2);
        var path = parts[0].Length == 0
            ? Path.Combine(Repository.Root, page)
            : Path.GetFullPath(Path.Combine(Repository.Root, Path.GetDirectoryName(page)!, parts[0]));
        if (!Path.Exists(path))
        {
            return "does not exist";
        }

        if (parts.Length == 1 || !path.EndsWith(".md", StringComparison.Ordinal))
        {
            return null;
        }

        var anchors = Heading().Matches(WithoutCode(File.ReadAllText(path))).Select(m => Anchor(m.Groups[1].Value));
        return anchors.Contains(parts[1]) ? null : "names a heading that is not there";
    }

    /// <summary>The anchor that the usual renderers give a heading.</summary>
    private static string Anchor(string heading) =>
        Regex.Replace(heading.Trim().ToLowerInvariant(), @"[^\w\- ]", string.Empty).Replace(' ', '-');

    private static string WithoutCode(string page) => Regex.Replace(page, "^```.*?^```", string.Empty, RegexOptions.Multiline | RegexOptions.Singleline);

    [GeneratedRegex(@"\]\(([^)\s]+)\)")]
    private static partial Regex Link();

    [GeneratedRegex(@"^#{1,6} (.+)$", RegexOptions.Multiline)]
    private static partial Regex Heading();

    [GeneratedRegex(@"`((?:src|tests|docs|bench|examples|eng)/[^`\s]+)`")]
    private static partial Regex NamedFile();
}
