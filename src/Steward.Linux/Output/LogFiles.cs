using System.Globalization;
using Steward.Core.Model;
using Steward.Core.Snapshots;
using Steward.Linux.Handover;
using Steward.Linux.Interop;

namespace Steward.Linux.Output;

/// <summary>
/// The logs that are open. Streams that name the same file, or the same pipe or terminal under whatever name, share one: a shared
/// file is rotated once for all, and pieces of one program do not get between those of another. Any thread.
/// </summary>
internal sealed unsafe class LogFiles(Action<LogLevel, string> say)
{
    private readonly Lock _gate = new();
    private readonly Dictionary<string, LogFile> _files = new(StringComparer.Ordinal);
    private readonly Dictionary<FileIdentity, LogFile> _streams = [];

    /// <summary>Opens a log or joins those who use it.</summary>
    /// <param name="path">Its path.</param>
    /// <param name="maxBytes">Its limit; of several wishes for one file the last one holds.</param>
    /// <param name="backups">Likewise.</param>
    /// <param name="errno">Why it cannot be opened.</param>
    internal LogFile? Acquire(string path, long maxBytes, int backups, out int errno)
    {
        errno = LogFile.Opened.Try(path, out LogFile.Opened opened);
        if (errno != 0)
        {
            return null;
        }

        lock (_gate)
        {
            LogFile? log = opened.IsFile ? _files.GetValueOrDefault(path) : _streams.GetValueOrDefault(opened.Identity);
            if (log is null)
            {
                log = LogFile.Adopt(path, opened, maxBytes, backups, say);
                if (opened.IsFile)
                {
                    _files.Add(path, log);
                }
                else
                {
                    _streams.Add(opened.Identity, log);
                }
            }
            else
            {
                if (log.Identity == opened.Identity)
                {
                    opened.Close();
                }
                else
                {
                    // The file was moved away under those who write to it: all go on in the new one.
                    _ = log.Replace(opened);
                }

                log.SetLimits(maxBytes, backups);
            }

            log.Users++;
            return log;
        }
    }

    /// <summary>Writes every log down as a field of its own and leaves its descriptor.</summary>
    /// <returns>The place of each in that list.</returns>
    internal Dictionary<LogFile, int> Save(SnapshotWriter writer, int field, DescriptorTable table)
    {
        var places = new Dictionary<LogFile, int>();
        lock (_gate)
        {
            foreach (LogFile log in _files.Values.Concat(_streams.Values).OrderBy(static log => log.Path, StringComparer.Ordinal))
            {
                log.Save(writer, field, table, Role(places.Count));
                places.Add(log, places.Count);
            }
        }

        return places;
    }

    /// <summary>Reads the logs that were written down; nobody uses them yet.</summary>
    /// <exception cref="SnapshotRefusedException">They cannot be taken up.</exception>
    internal List<LogFile> Restore(ref SnapshotReader reader, int field, DescriptorTable table)
    {
        var logs = new List<LogFile>();
        while (reader.Next(field, "logs", out SnapshotReader inner))
        {
            LogFile log = LogFile.Restore(inner, table, Role(logs.Count), say);
            if (log.IsFile ? !_files.TryAdd(log.Path, log) : !_streams.TryAdd(log.Identity, log))
            {
                throw inner.Refusal("path", $"two logs are '{log.Path}'");
            }

            logs.Add(log);
        }

        return logs;
    }

    /// <summary>Joins those who use a log that is open.</summary>
    internal void Join(LogFile log)
    {
        lock (_gate)
        {
            log.Users++;
        }
    }

    /// <summary>The logs whose readers do not read.</summary>
    internal LogFile[] Blocked()
    {
        lock (_gate)
        {
            return [.. _files.Values.Concat(_streams.Values).Where(static log => log.IsBlocked)];
        }
    }

    private static string Role(int place) => string.Create(CultureInfo.InvariantCulture, $"log:{place}");

    /// <summary>Ends a use; true when it was the last one and nothing waits to be written: the log is closed then.</summary>
    internal bool Release(LogFile log)
    {
        lock (_gate)
        {
            log.Users--;
        }

        return CloseUnused(log);
    }

    /// <summary>Closes a log that nobody uses and for whose reader nothing waits any more.</summary>
    internal bool CloseUnused(LogFile log)
    {
        lock (_gate)
        {
            if (log.Users > 0 || log.IsBlocked)
            {
                return false;
            }

            _files.Remove(log.Path);
            _streams.Remove(log.Identity);
        }

        log.Close();
        return true;
    }

    /// <summary>Opens all files anew under their paths.</summary>
    internal void Reopen()
    {
        LogFile[] files;
        lock (_gate)
        {
            files = [.. _files.Values];
        }

        foreach (LogFile file in files)
        {
            file.Reopen();
        }
    }

    /// <summary>Removes a log file and makes it anew, whether or not it is open. What is no file is left alone.</summary>
    /// <returns>False when it could not be removed or made.</returns>
    internal bool Clear(string path)
    {
        LogFile? open;
        lock (_gate)
        {
            open = _files.GetValueOrDefault(path);
        }

        if (open is not null)
        {
            return open.Clear();
        }

        LibC.StatX stat;
        if (LibC.statx(LibC.AT_FDCWD, path, 0, LibC.STATX_BASIC_STATS, &stat) == 0)
        {
            if (stat.Type != LibC.S_IFREG || LogFile.Opened.IsStandardStream(path))
            {
                return true;
            }

            if (LibC.unlink(path) != 0 && LibC.LastError != Errno.ENOENT)
            {
                return false;
            }
        }

        if (LogFile.Opened.Try(path, out LogFile.Opened created) != 0)
        {
            return false;
        }

        created.Close();
        return true;
    }
}
