using System.Globalization;
using System.Text;

namespace Steward.EndToEnd;

/// <summary>Looks at processes from outside, through /proc.</summary>
internal static class ProcessTable
{
    /// <summary>Every process whose first environment holds the text: a daemon of a test and all that came from it.</summary>
    public static List<int> WithEnvironment(string text)
    {
        var wanted = Encoding.UTF8.GetBytes(text);
        List<int> found = [];
        foreach (var pid in All())
        {
            try
            {
                if (File.ReadAllBytes($"/proc/{pid}/environ").AsSpan().IndexOf(wanted) >= 0)
                {
                    found.Add(pid);
                }
            }
            catch (Exception e) when (e is IOException or UnauthorizedAccessException)
            {
                // It ended while we looked, or belongs to somebody else: not one of ours either way.
            }
        }

        return found;
    }

    public static List<int> ChildrenOf(int parent) => [.. All().Where(p => Fields(p) is { } f && Number(f[1]) == parent)];

    public static bool Exists(int pid) => Directory.Exists($"/proc/{pid}");

    /// <summary>R, S, D, Z ...; null when there is no such process.</summary>
    public static char? State(int pid) => Fields(pid)?[0][0];

    public static int? Parent(int pid) => Fields(pid) is { } f ? Number(f[1]) : null;

    public static int? Session(int pid) => Fields(pid) is { } f ? Number(f[3]) : null;

    public static int DescriptorsOf(int pid) => Directory.GetFileSystemEntries($"/proc/{pid}/fd").Length;

    public static string Status(int pid, string key) =>
        File.ReadLines($"/proc/{pid}/status").First(l => l.StartsWith(key + ":", StringComparison.Ordinal))[(key.Length + 1)..].Trim();

    private static IEnumerable<int> All() =>
        from folder in Directory.GetDirectories("/proc")
        let name = Path.GetFileName(folder)
        where char.IsAsciiDigit(name[0])
        select Number(name);

    /// <summary>The fields of /proc/PID/stat from the third on: state, parent, group, session.</summary>
    private static string[]? Fields(int pid)
    {
        try
        {
            var stat = File.ReadAllText($"/proc/{pid}/stat");
            return stat[(stat.LastIndexOf(')') + 2)..].Split(' ');
        }
        catch (IOException)
        {
            return null;
        }
    }

    private static int Number(string text) => int.Parse(text, CultureInfo.InvariantCulture);
}
