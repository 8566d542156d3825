using System.Runtime.CompilerServices;

namespace Steward.Core.Tests;

/// <summary>A file of the repository that a test writes; <c>STEWARD_GOLDEN=write</c> has it written anew.</summary>
internal static class GoldenFile
{
    public static void Check(string path, string expected, [CallerFilePath] string here = "")
    {
        string file = Path.Combine(Root(here), path);
        if (Environment.GetEnvironmentVariable("STEWARD_GOLDEN") == "write")
        {
            Directory.CreateDirectory(Path.GetDirectoryName(file)!);
            File.WriteAllText(file, expected);
        }

        Assert.True(File.Exists(file), $"{path} is missing; STEWARD_GOLDEN=write and this test write it");
        Assert.Equal(expected, File.ReadAllText(file));
    }

    private static string Root(string file)
    {
        for (DirectoryInfo? folder = Directory.GetParent(file); folder is not null; folder = folder.Parent)
        {
            if (File.Exists(Path.Combine(folder.FullName, "Steward.slnx")))
            {
                return folder.FullName;
            }
        }

        throw new InvalidOperationException($"no folder above {file} holds Steward.slnx");
    }
}
