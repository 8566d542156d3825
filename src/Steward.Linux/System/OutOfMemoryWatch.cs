using System.Globalization;

namespace Steward.Linux.Host;

/// <summary>
/// Knows whether the kernel has killed for want of memory, from its counters: that of the daemon's own memory cgroup (<c>memory.events</c>
/// counts the cgroups below it too; <c>memory.oom_control</c> of cgroup version 1), and that of the whole system (<c>/proc/vmstat</c>).
/// </summary>
/// <remarks>
/// A kill is counted before its victim dies, so that a look after the death sees it. Counters do not name the victim: a descendant of a
/// program that was killed a while ago, unnoticed, counts for the next death by SIGKILL. Engine's thread; the files are the kernel's, and
/// reading one waits for no disk.
/// </remarks>
internal sealed class OutOfMemoryWatch
{
    // What was counted and not yet asked for is about deaths that come in at the same time, not about one hours later.
    private const long LeftoverMs = 5000;

    private readonly string? _counter;
    private readonly string _system;
    private long _seen;
    private long _seenInSystem;
    private long _left;
    private long _leftAt;

    /// <summary>Watches the given counters.</summary>
    /// <param name="counter">A file with a line <c>oom_kill N</c>; null when the daemon is in no memory cgroup.</param>
    /// <param name="system">The same for the whole system.</param>
    internal OutOfMemoryWatch(string? counter, string system = "/proc/vmstat")
    {
        _counter = counter;
        _system = system;
        _seen = Read(_counter) ?? 0;
        _seenInSystem = Read(_system) ?? 0;
    }

    /// <summary>Watches those of this process.</summary>
    internal static OutOfMemoryWatch OfThisProcess() => new(FindCounter("/proc/self/cgroup", "/sys/fs/cgroup"));

    /// <summary>Says whether there was a kill since the last look, one answer for each; null when that cannot be known.</summary>
    internal bool? Take()
    {
        long now = Environment.TickCount64;
        long? count = Read(_counter);
        long? inSystem = Read(_system);
        if (now - _leftAt > LeftoverMs)
        {
            _left = 0;
        }

        if (count is { } value && value > _seen)
        {
            _left += value - _seen;
            _leftAt = now;
            _seen = value;
        }

        bool isRisen = inSystem is null || inSystem > _seenInSystem;
        _seenInSystem = inSystem ?? _seenInSystem;
        if (_left > 0)
        {
            _left--;
            return true;
        }

        // It may have been in a cgroup of its own: that is not ruled out while the system as a whole has killed.
        return isRisen ? null : false;
    }

    /// <summary>Finds the counter of a process's memory cgroup (man 7 cgroups); null when there is none that can be read.</summary>
    /// <param name="membership">Its <c>/proc/PID/cgroup</c>.</param>
    /// <param name="root">Where cgroups are mounted.</param>
    internal static string? FindCounter(string membership, string root)
    {
        foreach (string line in Lines(membership))
        {
            // hierarchy:controllers:path
            string[] parts = line.Split(':', 3);
            if (parts.Length < 3)
            {
                continue;
            }

            bool isSecond = parts[0] == "0" && parts[1].Length == 0;
            if (!isSecond && !parts[1].Split(',').Contains("memory"))
            {
                continue;
            }

            string directory = isSecond ? root : Path.Combine(root, "memory");
            string file = isSecond ? "memory.events" : "memory.oom_control";

            // In a container the path may be that of the host while the mount shows the container's part only.
            foreach (string candidate in (string[])[Path.Join(directory, parts[2], file), Path.Join(directory, file)])
            {
                if (Read(candidate) is not null)
                {
                    return candidate;
                }
            }
        }

        return null;
    }

    private static string[] Lines(string path)
    {
        try
        {
            return File.ReadAllLines(path);
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            // Not there, or not for us: nothing can be known.
            return [];
        }
    }

    private static long? Read(string? path)
    {
        if (path is null)
        {
            return null;
        }

        foreach (string line in Lines(path))
        {
            if (line.StartsWith("oom_kill ", StringComparison.Ordinal)
                && long.TryParse(line.AsSpan("oom_kill ".Length), NumberStyles.None, CultureInfo.InvariantCulture, out long value))
            {
                return value;
            }
        }

        return null;
    }
}
