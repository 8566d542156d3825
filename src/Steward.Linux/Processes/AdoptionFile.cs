using System.Globalization;
using System.Security.Cryptography;
using System.Text;
using Steward.Core.Config;
using Steward.Core.Model;
using Steward.Core.Snapshots;
using Steward.Linux.Handover;
using Steward.Linux.Host;
using Steward.Linux.Interop;
using Steward.Linux.Watching;

namespace Steward.Linux.Processes;

/// <summary>A program that runs, as it stands in an <see cref="AdoptionFile"/>.</summary>
/// <param name="Group">Its group.</param>
/// <param name="Process">Its name there.</param>
/// <param name="Pid">Its pid.</param>
/// <param name="StartTime">When it started, in ticks since boot: with the pid it names one process of this start of the machine.</param>
/// <param name="StartedAt">The same as wall time in nanoseconds.</param>
/// <param name="Digest">Stands for the configuration it was started with; see <see cref="AdoptionFile.DigestOf"/>.</param>
public sealed record Orphan(string Group, string Process, int Pid, ulong StartTime, long StartedAt, string Digest);

/// <summary>
/// The file in which the next daemon finds what runs, should this one be killed: <c>PIDFILE.adopt</c>, a line for each program that was started
/// and one for each that ended. It is there while programs run.
/// </summary>
/// <remarks>
/// <para>A line is written, with one call, right before a spawn, after it, and after the reaping that it tells of, into the page cache: nothing
/// waits for a disk, for a file of an earlier start of the machine is of no use. A daemon that is killed during a spawn leaves a line that tells
/// which one: its program, if there is one, is found by the names in its environment. Lines of those that ended are dropped when they
/// outnumber the others, by a new file that takes the place of the old one.</para>
/// <para>The lines: <c>steward-adopt 1 BOOT-ID PID START</c> of the daemon that writes; before a spawn <c>! TICKS WALL DIGEST GROUP NAME</c>,
/// after it <c>+ PID START WALL DIGEST GROUP NAME</c>, or <c>x</c> where it failed; <c>- PID START</c>. In names, blanks, percent signs and
/// whatever is not printable ASCII stand as <c>%XX</c>.</para>
/// <para>Only a regular file of the daemon's own user that nobody else may write is believed. On one thread at a time.</para>
/// </remarks>
public sealed unsafe class AdoptionFile : IDisposable
{
    private const string Header = "steward-adopt 1";

    /// <summary>A larger file is none of ours.</summary>
    private const int MaxBytes = 16 << 20;

    /// <summary>Fewer lines than this are not worth a new file.</summary>
    private const int FewLines = 256;

    /// <summary>How long after its line a process may have begun that is taken for that of the line, in ticks.</summary>
    private const ulong SpawnTicks = 10 * TicksPerSecond;

    /// <summary>The unit of start times (USER_HZ), the same on every architecture that there is a .NET for.</summary>
    private const ulong TicksPerSecond = 100;

    private readonly Action<LogLevel, string> _log;
    private readonly Dictionary<int, Orphan> _living = [];
    private string? _path;
    private int _fd = -1;
    private int _lines;
    private bool _isRefused;

    /// <summary>Keeps a file; nothing is touched before there is something to write.</summary>
    /// <param name="pidFile">The pid file beside which it stands.</param>
    /// <param name="log">Receives what goes wrong.</param>
    public AdoptionFile(string pidFile, Action<LogLevel, string> log)
    {
        _log = log;
        _path = PathFor(pidFile);
    }

    /// <summary>Where the file of a daemon with this pid file is; null when there is no place for one.</summary>
    public static string? PathFor(string pidFile) =>
        (pidFile.StartsWith("/dev/", StringComparison.Ordinal) && !pidFile.StartsWith("/dev/shm/", StringComparison.Ordinal))
        || pidFile.StartsWith("/proc/", StringComparison.Ordinal)
            ? null
            : pidFile + ".adopt";

    /// <summary>Stands for the configuration of a process: equal ones have the same.</summary>
    public static string DigestOf(ProcessConfig config) => Convert.ToHexStringLower(SHA256.HashData(ConfigurationFormat.Bytes(config)).AsSpan(0, 16));

    /// <summary>
    /// Reads what a daemon left behind that was killed. A file of another start of the machine, or of a daemon that lives, tells nothing;
    /// neither does one that somebody else may have written, which is said.
    /// </summary>
    /// <returns>What ran when the last line was written, in that order; nothing of it need be alive.</returns>
    /// <param name="pidFile">The pid file that it stands beside.</param>
    /// <param name="log">Receives why nothing is told.</param>
    /// <param name="keeper">
    /// The keeper's pid, 0 without one: it may be a daemon that wrote this file, and programs whose daemon died are its children.
    /// </param>
    public static IReadOnlyList<Orphan> Read(string pidFile, Action<LogLevel, string> log, int keeper = 0)
    {
        if (PathFor(pidFile) is not { } path || ReadText(path, log) is not { } text)
        {
            return [];
        }

        var found = new Dictionary<(int, ulong), Orphan>();
        string[] lines = text.Split('\n');
        string[] header = lines[0].Split(' ');
        if (header.Length != 5 || header[0] + " " + header[1] != Header || !TryNumbers(header[3], header[4], out int writer, out ulong since))
        {
            log(LogLevel.Error, $"{path} cannot be understood: programs of an earlier daemon are not looked for");
            return [];
        }

        if (header[2] != StateFile.BootId())
        {
            _ = LibC.unlink(path);
            return [];
        }

        if (writer != Environment.ProcessId && writer != keeper && ProcessEntry.Read(writer) is { IsZombie: false } daemon && daemon.StartTime == since)
        {
            log(LogLevel.Warn, string.Create(CultureInfo.InvariantCulture, $"{path} is another daemon's, which runs with pid {writer}: its programs are left alone"));
            return [];
        }

        Orphan? pending = null;

        // What stands behind the last newline was cut off with the life of its writer.
        foreach (string line in lines[1..^1])
        {
            string[] fields = line.Split(' ');
            pending = fields is ["!", { } ticks, { } at, { } wanted, { } itsGroup, { } itsName]
                && ulong.TryParse(ticks, NumberStyles.None, CultureInfo.InvariantCulture, out ulong began)
                && long.TryParse(at, NumberStyles.None, CultureInfo.InvariantCulture, out long since2)
                ? new Orphan(Plain(itsGroup), Plain(itsName), 0, began, since2, wanted)
                : null;
            if (fields.Length < 3 || !TryNumbers(fields[1], fields[2], out int pid, out ulong start))
            {
                continue;
            }

            if (fields[0] == "-")
            {
                found.Remove((pid, start));
            }
            else if (fields is ["+", _, _, { } wall, { } digest, { } group, { } process]
                && long.TryParse(wall, NumberStyles.None, CultureInfo.InvariantCulture, out long startedAt))
            {
                found[(pid, start)] = new Orphan(Plain(group), Plain(process), pid, start, startedAt, digest);
            }
        }

        if (pending is not null && FindSpawned(pending, found.Values, keeper) is { } spawned)
        {
            found[(spawned.Pid, spawned.StartTime)] = spawned;
        }

        return [.. found.Values];
    }

    /// <summary>A spawn begins. <see cref="Spawned"/> or <see cref="NotSpawned"/> follows, unless the daemon is killed.</summary>
    public void Spawning(string group, ProcessConfig config)
    {
        if (_path is not null)
        {
            LibC.TimeSpec now;
            _ = LibC.clock_gettime(LibC.CLOCK_BOOTTIME, &now);
            ulong ticks = (ulong)now.Seconds * TicksPerSecond + (ulong)now.Nanoseconds / (1_000_000_000 / TicksPerSecond);
            Write(string.Create(
                CultureInfo.InvariantCulture,
                $"! {ticks} {SystemClock.Instance.Now.Wall} {DigestOf(config)} {Coded(group)} {Coded(config.Name)}\n"));
        }
    }

    /// <summary>A spawn failed.</summary>
    public void NotSpawned() => Write("x\n");

    /// <summary>Begins with what runs, in the place of all that an earlier file tells, in one moment.</summary>
    public void Begin(IEnumerable<Orphan> programs)
    {
        foreach (Orphan program in programs)
        {
            _living[program.Pid] = program;
        }

        if (_living.Count > 0)
        {
            Write("");
        }
    }

    /// <summary>Drops the programs that have ended.</summary>
    public void Retain(Predicate<int> lives)
    {
        foreach (int pid in _living.Keys.Where(pid => !lives(pid)).ToArray())
        {
            Ended(pid);
        }
    }

    /// <summary>Says whether the file tells of a program with a pid.</summary>
    public bool Has(int pid) => _living.ContainsKey(pid);

    /// <summary>A program was started, or is taken on.</summary>
    public void Add(Orphan program)
    {
        _living[program.Pid] = program;
        Write(string.Create(
            CultureInfo.InvariantCulture,
            $"+ {program.Pid} {program.StartTime} {program.StartedAt} {program.Digest} {Coded(program.Group)} {Coded(program.Process)}\n"));
    }

    /// <summary>A program was started. It has not been reaped, so that its pid means it.</summary>
    public void Spawned(int pid, string group, ProcessConfig config)
    {
        if (_path is not null && ProcessEntry.Read(pid) is { } entry)
        {
            Add(new Orphan(group, config.Name, pid, entry.StartTime, SystemClock.Instance.Now.Wall, DigestOf(config)));
        }
    }

    /// <summary>A program has ended.</summary>
    public void Ended(int pid)
    {
        if (_living.Remove(pid, out Orphan? program))
        {
            Write(string.Create(CultureInfo.InvariantCulture, $"- {pid} {program.StartTime}\n"));
        }
    }

    /// <summary>The pid file is another one from here on.</summary>
    public void MoveTo(string pidFile)
    {
        string? path = PathFor(pidFile);
        if (path == _path)
        {
            return;
        }

        Remove();
        _path = path;
        _isRefused = false;
        if (_living.Count > 0)
        {
            Write("");
        }
    }

    /// <summary>Leaves the file to the next daemon where programs run, and removes it where none do.</summary>
    public void Dispose()
    {
        if (_living.Count == 0)
        {
            Remove();
        }
        else
        {
            Close();
        }
    }

    /// <summary>The program of a spawn that its daemon did not live to see the end of; null when there is none.</summary>
    private static Orphan? FindSpawned(Orphan pending, IReadOnlyCollection<Orphan> known, int keeper)
    {
        byte[][] marks = Survivors.Marks(pending.Group, pending.Process);
        foreach (ProcessEntry entry in ProcessEntry.ReadAll())
        {
            // It leads a process group; what it started itself does not begin that way, and a daemon that lives is the parent of its own.
            if (!entry.IsZombie && entry.Group == entry.Pid && entry.StartTime >= pending.StartTime && entry.StartTime - pending.StartTime <= SpawnTicks
                && known.All(other => other.Pid != entry.Pid) && (entry.Parent == keeper || !IsDaemon(entry.Parent)) && ProcessEntry.HasInEnvironment(entry.Pid, marks))
            {
                return pending with { Pid = entry.Pid, StartTime = entry.StartTime };
            }
        }

        return null;
    }

    private static bool IsDaemon(int pid) =>
        FileBytes.Read(string.Create(CultureInfo.InvariantCulture, $"/proc/{pid}/comm"), 64, out _) is { } name
        && name.AsSpan().SequenceEqual("supervisord\n"u8);

    private static bool TryNumbers(string pidText, string startText, out int pid, out ulong start)
    {
        start = 0;
        return int.TryParse(pidText, NumberStyles.None, CultureInfo.InvariantCulture, out pid) && pid > 0
            && ulong.TryParse(startText, NumberStyles.None, CultureInfo.InvariantCulture, out start);
    }

    private static string? ReadText(string path, Action<LogLevel, string> log)
    {
        LibC.StatX there;
        if (LibC.statx(LibC.AT_FDCWD, path, LibC.AT_SYMLINK_NOFOLLOW, LibC.STATX_BASIC_STATS, &there) != 0)
        {
            return null;
        }

        string? failure = there.Type == LibC.S_IFREG ? null : "it is no regular file";
        int fd = failure is not null ? -1 : LibC.open(path, LibC.O_RDONLY | LibC.O_CLOEXEC | LibC.O_NOCTTY | LibC.O_NONBLOCK, 0);
        if (fd >= 0)
        {
            // What was opened, not what stands there: whose folder it is may have put another in its place.
            LibC.StatX stat;
            failure = LibC.statx(fd, "", LibC.AT_EMPTY_PATH, LibC.STATX_BASIC_STATS, &stat) != 0 || !stat.IsSameFile(there) ? "it changes"
                : stat.Uid != LibC.getuid() ? "it is somebody else's"
                : (stat.Mode & 0b000_010_010) != 0 ? "others may write it"
                : null;
            byte[]? bytes = null;
            int errno = 0;
            if (failure is null)
            {
                bytes = FileBytes.Read(string.Create(CultureInfo.InvariantCulture, $"/proc/self/fd/{fd}"), MaxBytes, out errno);
            }

            _ = LibC.close(fd);
            if (bytes is not null)
            {
                return Encoding.ASCII.GetString(bytes);
            }

            failure ??= ErrnoText.Python(errno);
        }

        failure ??= ErrnoText.Python(LibC.LastError);
        log(LogLevel.Warn, $"{path} is not read: {failure}: programs of an earlier daemon are not looked for");
        return null;
    }

    private static string Coded(string text)
    {
        var coded = new StringBuilder();
        foreach (byte b in NativeText.Encode(text))
        {
            if (b is > 0x20 and < 0x7f && b != '%')
            {
                coded.Append((char)b);
            }
            else
            {
                coded.Append(CultureInfo.InvariantCulture, $"%{b:X2}");
            }
        }

        return coded.ToString();
    }

    private static string Plain(string coded)
    {
        var bytes = new List<byte>();
        for (int i = 0; i < coded.Length; i++)
        {
            if (coded[i] == '%' && i + 2 < coded.Length
                && byte.TryParse(coded.AsSpan(i + 1, 2), NumberStyles.AllowHexSpecifier, CultureInfo.InvariantCulture, out byte b))
            {
                bytes.Add(b);
                i += 2;
            }
            else
            {
                bytes.Add((byte)coded[i]);
            }
        }

        return NativeText.Decode(bytes.ToArray());
    }

    /// <summary>Writes a line behind the others, or everything anew.</summary>
    private void Write(string line)
    {
        if (_path is null)
        {
            return;
        }

        string? failure;
        if (_fd < 0 || ++_lines > FewLines + 4 * _living.Count)
        {
            failure = WriteAll(_path, line.StartsWith('!') ? line : "");
        }
        else
        {
            failure = StandardStreams.Write(_fd, Encoding.ASCII.GetBytes(line)) ? null : ErrnoText.Python(LibC.LastError);
        }

        if (failure is null)
        {
            _isRefused = false;
            return;
        }

        // What was written of it is no line. The next change writes everything anew.
        Close();
        if (!_isRefused)
        {
            _isRefused = true;
            _log(LogLevel.Warn, $"{_path} cannot be written: {failure}: should this daemon be killed, the next one does not find its programs");
        }
    }

    /// <summary>Writes all that live, and a line more.</summary>
    private string? WriteAll(string path, string line)
    {
        Close();
        var text = new StringBuilder();
        ulong since = ProcessEntry.Read(Environment.ProcessId)?.StartTime ?? 0;
        text.Append(CultureInfo.InvariantCulture, $"{Header} {StateFile.BootId()} {Environment.ProcessId} {since}\n");
        foreach (Orphan program in _living.Values)
        {
            text.Append(
                CultureInfo.InvariantCulture,
                $"+ {program.Pid} {program.StartTime} {program.StartedAt} {program.Digest} {Coded(program.Group)} {Coded(program.Process)}\n");
        }

        text.Append(line);

        // Never through a link that somebody laid there.
        string next = path + ".new";
        _ = LibC.unlink(next);
        int fd = Descriptors.AboveStandard(
            LibC.open(next, LibC.O_WRONLY | LibC.O_CREAT | LibC.O_EXCL | LibC.O_APPEND | LibC.O_CLOEXEC | LibC.O_NOCTTY, 0b110_000_000));
        if (fd < 0)
        {
            return ErrnoText.Python(LibC.LastError);
        }

        if (!StandardStreams.Write(fd, Encoding.ASCII.GetBytes(text.ToString())) || LibC.rename(next, path) != 0)
        {
            string failure = ErrnoText.Python(LibC.LastError);
            _ = LibC.close(fd);
            _ = LibC.unlink(next);
            return failure;
        }

        _fd = fd;
        _lines = _living.Count;
        return null;
    }

    private void Remove()
    {
        if (_fd >= 0 && _path is not null)
        {
            _ = LibC.unlink(_path);
        }

        Close();
    }

    private void Close()
    {
        if (_fd >= 0)
        {
            _ = LibC.close(_fd);
            _fd = -1;
        }
    }
}
