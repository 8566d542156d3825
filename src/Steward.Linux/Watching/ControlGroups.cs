using System.Globalization;
using Steward.Linux.Interop;

namespace Steward.Linux.Watching;

/// <summary>
/// Control groups (version 2) below the daemon's own, one for a process that wants it (man 7 cgroups). No controller is asked for:
/// what is wanted is only that nothing gets out, and <c>cgroup.kill</c>.
/// </summary>
internal sealed class ControlGroups
{
    /// <summary>How deep a program's own groups below its group may be.</summary>
    private const int MaxDepth = 16;

    private readonly string _prefix = string.Create(CultureInfo.InvariantCulture, $"steward-{Environment.ProcessId}-");
    private string? _home;
    private bool _isSearched;

    /// <summary>Makes the group of one process, or takes the one that is there.</summary>
    /// <param name="name">What tells it from the others; ends up in the name of the group.</param>
    /// <param name="error">Why there is none.</param>
    /// <returns>The group's folder; null when none can be made.</returns>
    public string? Make(string name, out string error)
    {
        if (PathOf(name) is not { } path)
        {
            error = "there is no cgroup v2 hierarchy that this daemon is part of";
            return null;
        }

        if (LibC.mkdir(path, 0b111_101_101) == 0 || LibC.LastError == Errno.EEXIST)
        {
            error = "";
            return path;
        }

        error = $"{path}: {ErrnoText.Python(LibC.LastError)}";
        return null;
    }

    /// <summary>The folder of a group that was made before; null when there is none.</summary>
    public string? Find(string name) => PathOf(name) is { } path && Directory.Exists(path) ? path : null;

    /// <summary>Everything in a group and in the groups below it.</summary>
    public static List<int> Members(string path)
    {
        var pids = new List<int>();
        Collect(path, pids, MaxDepth);
        return pids;
    }

    /// <summary>SIGKILL to everything in it and below, at once (Linux 5.14 on); false when the kernel has no such file.</summary>
    public static bool Kill(string path)
    {
        try
        {
            File.WriteAllText(Path.Combine(path, "cgroup.kill"), "1");
            return true;
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            return false;
        }
    }

    /// <summary>Removes a group and those below it; what is not empty stays.</summary>
    public static void Remove(string path) => Remove(path, MaxDepth);

    private string? PathOf(string name)
    {
        if (!_isSearched)
        {
            _home = FindHome();
            _isSearched = true;
        }

        return _home is null ? null : Path.Combine(_home, _prefix + name);
    }

    private static void Collect(string path, List<int> pids, int depth)
    {
        try
        {
            foreach (string line in File.ReadAllLines(Path.Combine(path, "cgroup.procs")))
            {
                if (int.TryParse(line, NumberStyles.None, CultureInfo.InvariantCulture, out int pid) && pid > 0)
                {
                    pids.Add(pid);
                }
            }

            if (depth > 0)
            {
                foreach (string below in Directory.GetDirectories(path))
                {
                    Collect(below, pids, depth - 1);
                }
            }
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            // It is gone, and so is everything that was in it.
        }
    }

    private static void Remove(string path, int depth)
    {
        try
        {
            foreach (string below in depth > 0 ? Directory.GetDirectories(path) : [])
            {
                Remove(below, depth - 1);
            }
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            // Gone already.
        }

        _ = LibC.rmdir(path);
    }

    /// <summary>The folder of the daemon's own group; null without one.</summary>
    private static string? FindHome()
    {
        try
        {
            string? own = File.ReadLines("/proc/self/cgroup").FirstOrDefault(static line => line.StartsWith("0::/", StringComparison.Ordinal))?[3..];
            string? mount = File.ReadLines("/proc/self/mounts")
                .Select(static line => line.Split(' '))
                .FirstOrDefault(static words => words.Length > 2 && words[2] == "cgroup2")?[1];
            if (own is null || mount is null || own.Contains("/..", StringComparison.Ordinal))
            {
                return null;
            }

            string home = mount + own.TrimEnd('/');
            return File.Exists(Path.Combine(home, "cgroup.procs")) ? home : null;
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            return null;
        }
    }
}
