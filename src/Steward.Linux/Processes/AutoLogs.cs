using System.Security.Cryptography;
using Steward.Core.Config;
using Steward.Core.Inputs;
using Steward.Core.Model;
using Steward.Core.Ports;
using Steward.Linux.Interop;

namespace Steward.Linux.Processes;

/// <summary>
/// Log files with generated names: <c>NAME-CHANNEL---IDENTIFIER-XXXXXXXX.log</c> in <c>childlogdir</c>, made when their group
/// is, readable by the daemon's user alone.
/// </summary>
internal static class AutoLogs
{
    private const string Alphabet = "abcdefghijklmnopqrstuvwxyz0123456789_";
    private const int RandomLength = 8;
    private const int MaxTries = 100;
    private const int OwnerOnly = 0x180;

    /// <summary>Creates the files of a group, all or none.</summary>
    /// <returns>Null, or why not: <c>[Errno 13] Permission denied: '/logs/…'</c>.</returns>
    public static string? Create(GroupConfig group, string directory, string identifier, out IReadOnlyList<AutoLog> logs)
    {
        var created = new List<AutoLog>();
        logs = created;
        foreach (ProcessConfig process in group.Processes)
        {
            string? failure = null;
            if (process.Stdout.Kind == ChildLogKind.Auto)
            {
                failure = Create(process, OutputChannel.Stdout, directory, identifier, created);
            }

            if (failure is null && process.Stderr.Kind == ChildLogKind.Auto && !process.RedirectStderr)
            {
                failure = Create(process, OutputChannel.Stderr, directory, identifier, created);
            }

            if (failure is not null)
            {
                Remove(created);
                logs = [];
                return failure;
            }
        }

        return null;
    }

    /// <summary>Removes files again that nobody has written to.</summary>
    public static void Remove(IReadOnlyList<AutoLog> logs)
    {
        foreach (AutoLog log in logs)
        {
            // Empty and ours: where it cannot be removed the clean-up of the next start will try again.
            _ = LibC.unlink(log.Path);
        }
    }

    /// <summary>
    /// Removes what earlier runs with the same identifier left in the directory, rotated files included: every name that begins
    /// with something, then <c>---IDENTIFIER-</c>, then <c>.log</c> later in the same word.
    /// </summary>
    public static void CleanUp(string directory, string identifier, IProcessHostEvents events)
    {
        string[] names;
        try
        {
            names = [.. Directory.EnumerateFileSystemEntries(directory).Select(static path => Path.GetFileName(path))];
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            events.Log(LogLevel.Warn, "Could not clear childlog dir");
            return;
        }

        foreach (string name in names.Where(name => IsAutoLog(name, identifier)))
        {
            string path = Path.Combine(directory, name);
            if (LibC.unlink(path) != 0 && LibC.LastError != Errno.ENOENT)
            {
                events.Log(LogLevel.Warn, $"Failed to clean up {PythonText.Repr(path)}");
            }
        }
    }

    /// <summary>Says whether a name is one of an AUTO log or of a rotated copy of it.</summary>
    public static bool IsAutoLog(string name, string identifier)
    {
        string mark = $"---{identifier}-";
        int start = 1;
        while (start < name.Length && (start = name.IndexOf(mark, start, StringComparison.Ordinal)) > 0)
        {
            int word = start + mark.Length;
            int end = word;
            while (end < name.Length && !char.IsWhiteSpace(name[end]))
            {
                end++;
            }

            // At least one character before the suffix.
            if (end > word && name.AsSpan(word + 1, end - word - 1).Contains(".log", StringComparison.Ordinal))
            {
                return true;
            }

            start++;
        }

        return false;
    }

    private static string? Create(
        ProcessConfig process, OutputChannel channel, string directory, string identifier, List<AutoLog> created)
    {
        string stem = $"{process.Name}-{(channel == OutputChannel.Stdout ? "stdout" : "stderr")}---{identifier}-";
        string path = "";
        int errno = 0;
        for (int i = 0; i < MaxTries; i++)
        {
            path = Path.Combine(Path.GetFullPath(directory), stem + RandomNumberGenerator.GetString(Alphabet, RandomLength) + ".log");
            int fd = LibC.open(path, LibC.O_RDWR | LibC.O_CREAT | LibC.O_EXCL | LibC.O_CLOEXEC, OwnerOnly);
            if (fd >= 0)
            {
                _ = LibC.close(fd);
                created.Add(new AutoLog(process.Name, channel, path));
                return null;
            }

            errno = LibC.LastError;
            if (errno is not (Errno.EEXIST or Errno.EINTR))
            {
                break;
            }
        }

        return ErrnoText.Python(errno, path);
    }
}
