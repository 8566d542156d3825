using System.Xml.Linq;

namespace Steward.Tidy;

/// <summary>Who may use whom (docs/architecture.md), and that nobody is forgotten.</summary>
public sealed class ProjectTests
{
    private static readonly Dictionary<string, string[]> s_mayUse = new(StringComparer.Ordinal)
    {
        ["Steward.Core"] = [],
        ["Steward.Protocol"] = ["Steward.Core"],
        ["Steward.Engine"] = ["Steward.Core"],
        ["Steward.Linux"] = ["Steward.Core"],
        ["Steward.Journal"] = ["Steward.Core"],
        ["Steward.Hooks"] = ["Steward.Core"],
        ["Steward.Keeper"] = ["Steward.Core", "Steward.Linux"],
        ["Steward.Http"] = ["Steward.Core", "Steward.Protocol", "Steward.Engine", "Steward.Journal"],
        ["Steward.Client"] = ["Steward.Core", "Steward.Protocol"],
        ["Steward.Cli"] = ["Steward.Core", "Steward.Protocol", "Steward.Client"],
        ["Steward"] =
        [
            "Steward.Core", "Steward.Protocol", "Steward.Engine", "Steward.Linux", "Steward.Journal", "Steward.Hooks", "Steward.Keeper", "Steward.Http",
            "Steward.Client", "Steward.Cli",
        ],
    };

    private static IEnumerable<string> Projects => Repository.Files.Where(f => f.EndsWith(".csproj", StringComparison.Ordinal));

    [Fact]
    public void A_project_uses_only_what_it_may()
    {
        Repository.AssertNone(
            from project in Projects
            where project.StartsWith("src/", StringComparison.Ordinal)
            let name = Path.GetFileNameWithoutExtension(project)
            from used in References(project, "ProjectReference").Select(r => Path.GetFileNameWithoutExtension(r.Replace('\\', '/')))
            where !s_mayUse.TryGetValue(name, out var allowed) || !allowed.Contains(used)
            select $"{project}: {name} may not use {used} (docs/architecture.md)");
    }

    [Fact]
    public void Every_project_of_src_stands_in_the_table_of_the_architecture()
    {
        var page = Repository.Read("docs/architecture.md");
        Repository.AssertNone(
            from project in Projects
            where project.StartsWith("src/", StringComparison.Ordinal)
            let name = Path.GetFileNameWithoutExtension(project)
            where !s_mayUse.ContainsKey(name) || !page.Contains($"| `{name}` |", StringComparison.Ordinal)
            select $"{project} is not in the table");
    }

    [Fact]
    public void Every_project_is_in_the_solution_and_every_entry_exists()
    {
        var listed = XDocument.Parse(Repository.Read("Steward.slnx")).Descendants("Project").Select(p => p.Attribute("Path")!.Value).ToList();
        Repository.AssertNone(
            Projects.Except(listed).Select(p => $"{p} is not in Steward.slnx")
                .Concat(listed.Except(Projects).Select(p => $"Steward.slnx names {p}, which does not exist")));
    }

    [Fact]
    public void Package_versions_stand_in_one_place()
    {
        var central = XDocument.Parse(Repository.Read("Directory.Packages.props")).Descendants("PackageVersion")
            .Select(p => p.Attribute("Include")!.Value).ToList();
        var used = Projects.SelectMany(p => References(p, "PackageReference")).ToHashSet();
        Repository.AssertNone(
            used.Except(central).Select(p => $"{p} has no version in Directory.Packages.props")
                .Concat(from project in Projects
                        from element in XDocument.Parse(Repository.Read(project)).Descendants("PackageReference")
                        where element.Attribute("Version") is not null
                        select $"{project} gives a version of its own to {element.Attribute("Include")!.Value}"));
    }

    private static IEnumerable<string> References(string project, string kind) =>
        XDocument.Parse(Repository.Read(project)).Descendants(kind).Select(r => r.Attribute("Include")?.Value).OfType<string>();
}
