using System.Globalization;
using System.Text;

namespace Steward.Linux.Watching;

/// <summary>A process as <c>/proc/PID/stat</c> shows it (man 5 proc_pid_stat).</summary>
/// <param name="Pid">Its pid.</param>
/// <param name="State">R, S, D, Z ...</param>
/// <param name="Parent">Its parent's pid.</param>
/// <param name="Group">Its process group.</param>
/// <param name="Session">Its session.</param>
/// <param name="StartTime">When it started, in ticks since boot: with the pid it names one process for ever.</param>
/// <param name="ResidentPages">Resident memory in pages.</param>
internal readonly record struct ProcessEntry(int Pid, char State, int Parent, int Group, int Session, ulong StartTime, long ResidentPages)
{
    /// <summary>Dead, and only waiting for its parent to look.</summary>
    public bool IsZombie => State is 'Z' or 'X';

    /// <summary>Reads the entry of one process; null when there is none.</summary>
    public static ProcessEntry? Read(int pid) => Read(pid, out _);

    /// <summary>As <see cref="Read(int)"/>.</summary>
    /// <param name="pid">Its pid.</param>
    /// <param name="status">How it ended, as of man 2 wait; 0 while it lives, and for those who may not know.</param>
    public static ProcessEntry? Read(int pid, out int status)
    {
        status = 0;
        // Longer than any: 52 numbers and a name of at most 64 bytes.
        Span<byte> buffer = stackalloc byte[2048];
        try
        {
            using Microsoft.Win32.SafeHandles.SafeFileHandle file = File.OpenHandle(
                string.Create(CultureInfo.InvariantCulture, $"/proc/{pid}/stat"));
            int length = RandomAccess.Read(file, buffer, 0);
            return Parse(pid, buffer[..length], out status);
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            // It ended while we looked.
            return null;
        }
    }

    /// <summary>Every process that can be seen, in no particular order.</summary>
    public static List<ProcessEntry> ReadAll()
    {
        var all = new List<ProcessEntry>();
        foreach (string folder in Directory.EnumerateDirectories("/proc"))
        {
            if (int.TryParse(Path.GetFileName(folder.AsSpan()), NumberStyles.None, CultureInfo.InvariantCulture, out int pid)
                && Read(pid) is { } entry)
            {
                all.Add(entry);
            }
        }

        return all;
    }

    /// <summary>The command line of a process, for people: printable, at most 80 characters; its pid alone when it has none.</summary>
    public static string Describe(int pid)
    {
        string text;
        try
        {
            text = Encoding.UTF8.GetString(File.ReadAllBytes(string.Create(CultureInfo.InvariantCulture, $"/proc/{pid}/cmdline")));
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            text = "";
        }

        var shown = new StringBuilder();
        foreach (char c in text.TrimEnd('\0'))
        {
            if (shown.Length == 80)
            {
                shown.Append('…');
                break;
            }

            shown.Append(c == '\0' ? ' ' : char.IsControl(c) ? '?' : c);
        }

        return shown.Length == 0
            ? string.Create(CultureInfo.InvariantCulture, $"{pid}")
            : string.Create(CultureInfo.InvariantCulture, $"{pid} ({shown})");
    }

    /// <summary>Says whether the first environment of a process has all of these entries; false when it may not be seen.</summary>
    public static bool HasInEnvironment(int pid, byte[][] marks)
    {
        byte[] environment;
        try
        {
            environment = File.ReadAllBytes(string.Create(CultureInfo.InvariantCulture, $"/proc/{pid}/environ"));
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            return false;
        }

        return Array.TrueForAll(marks, mark =>
        {
            foreach (Range range in environment.AsSpan().Split((byte)0))
            {
                if (environment.AsSpan()[range].SequenceEqual(mark))
                {
                    return true;
                }
            }

            return false;
        });
    }

    internal static ProcessEntry? Parse(int pid, ReadOnlySpan<byte> stat) => Parse(pid, stat, out _);

    private static ProcessEntry? Parse(int pid, ReadOnlySpan<byte> stat, out int status)
    {
        // The last number of the line.
        _ = int.TryParse(
            stat[(stat.LastIndexOf((byte)' ') + 1)..].TrimEnd((byte)'\n'), NumberStyles.None, CultureInfo.InvariantCulture, out status);

        // The name stands in parentheses and may hold anything, parentheses too: the last one is the end of it.
        int end = stat.LastIndexOf((byte)')');
        if (end < 0 || end + 2 >= stat.Length)
        {
            return null;
        }

        ReadOnlySpan<byte> rest = stat[(end + 2)..];
        char state = (char)rest[0];
        Span<long> fields = stackalloc long[22];
        int field = 0;
        foreach (Range range in rest.Split((byte)' '))
        {
            // From the third field on; the state is no number, some may be beyond any (rsslim).
            if (field == fields.Length)
            {
                break;
            }

            _ = long.TryParse(rest[range], NumberStyles.AllowLeadingSign, CultureInfo.InvariantCulture, out fields[field++]);
        }

        return field < fields.Length
            ? null
            : new ProcessEntry(pid, state, (int)fields[1], (int)fields[2], (int)fields[3], (ulong)fields[19], fields[21]);
    }
}
