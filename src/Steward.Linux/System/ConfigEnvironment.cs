using System.Runtime.InteropServices;
using Steward.Core.Config;
using Steward.Core.Model;
using Steward.Linux.Interop;

namespace Steward.Linux.Host;

/// <summary>
/// The machine as a configuration sees it. The environment variables are read once, everything else at each question. One thread at
/// a time.
/// </summary>
public sealed unsafe class ConfigEnvironment : IConfigEnvironment
{
    /// <summary>The longest file that is read, in bytes: far beyond any configuration that was ever written.</summary>
    private const int MaxFileBytes = 16 << 20;

    /// <summary>Files that one pattern may match; what comes behind them is left out.</summary>
    private const int MaxMatches = 65536;

    /// <summary>The largest entry of the user database that is read, in bytes; a group with all its members is one entry.</summary>
    private const int MaxEntryBytes = 4 << 20;

    /// <summary>PATH_MAX of Linux: getcwd answers no longer path.</summary>
    private const int MaxPathBytes = 4096;

    /// <summary>Reads the variables of this process.</summary>
    public ConfigEnvironment()
        : this(ProcessEnvironment.Read())
    {
    }

    internal ConfigEnvironment(IReadOnlyList<KeyValuePair<string, string>> variables) =>
        Variables = new Dictionary<string, string>(variables, StringComparer.Ordinal);

    /// <inheritdoc/>
    public IReadOnlyDictionary<string, string> Variables { get; }

    /// <inheritdoc/>
    public string CurrentDirectory
    {
        get
        {
            // Null when the directory was removed: then nothing relative can exist, and the root is as good as any.
            byte* buffer = stackalloc byte[MaxPathBytes];
            return LibC.getcwd(buffer, MaxPathBytes) is null ? "/" : NativeText.Decode(buffer)!;
        }
    }

    /// <inheritdoc/>
    public string HostName
    {
        get
        {
            // Linux: at most 64 bytes. A longer buffer keeps its last byte zero.
            byte* name = stackalloc byte[256];
            new Span<byte>(name, 256).Clear();
            return LibC.gethostname(name, 255) == 0 ? NativeText.Decode(name)! : "";
        }
    }

    /// <summary>
    /// The first of <c>TMPDIR</c>, <c>TEMP</c>, <c>TMP</c>, <c>/tmp</c>, <c>/var/tmp</c>, <c>/usr/tmp</c> and the working directory that is a
    /// directory in which files can be made; absolute.
    /// </summary>
    public string TempDirectory
    {
        get
        {
            string current = CurrentDirectory;
            IEnumerable<string> candidates =
            [
                Variables.GetValueOrDefault("TMPDIR", ""), Variables.GetValueOrDefault("TEMP", ""), Variables.GetValueOrDefault("TMP", ""),
                "/tmp", "/var/tmp", "/usr/tmp",
            ];
            return candidates.Where(path => path.Length > 0).Select(path => PosixPath.Absolute(path, current))
                .FirstOrDefault(path => IsDirectory(path) && LibC.access(path, LibC.W_OK | LibC.X_OK) == 0, current);
        }
    }

    /// <inheritdoc/>
    public int UserId => (int)LibC.geteuid();

    /// <inheritdoc/>
    public bool Exists(string path) => Mode(path) >= 0;

    /// <inheritdoc/>
    public bool IsDirectory(string path) => Mode(path) is >= 0 and var mode && (mode & LibC.S_IFMT) == LibC.S_IFDIR;

    /// <summary>
    /// Reads a whole file of at most 16 MiB. A named pipe is refused, because opening it would wait for somebody to write; what a shell
    /// passes as <c>/dev/fd/N</c> is taken.
    /// </summary>
    public FileContent ReadFile(string path)
    {
        int errno;
        if (path.Contains('\0', StringComparison.Ordinal))
        {
            errno = Errno.EINVAL;
        }
        else if (IsDirectory(path))
        {
            errno = Errno.EISDIR;
        }
        else if ((Mode(path) & LibC.S_IFMT) == LibC.S_IFIFO && !path.StartsWith("/dev/", StringComparison.Ordinal)
            && !path.StartsWith("/proc/", StringComparison.Ordinal))
        {
            errno = Errno.EINVAL;
        }
        else if (FileBytes.Read(path, MaxFileBytes, out errno) is { } bytes)
        {
            return new FileContent(bytes, 0, null);
        }

        return new FileContent(null, errno, ErrnoText.Describe(errno));
    }

    /// <inheritdoc/>
    public IReadOnlyList<string> Glob(string pattern)
    {
        if (pattern.Contains('\0', StringComparison.Ordinal))
        {
            return [];
        }

        // Part by part: each directory that matched so far is listed, or merely extended where the next part is no pattern.
        List<string> found = [pattern.StartsWith('/') ? "/" : ""];
        string[] parts = pattern.Split('/', StringSplitOptions.RemoveEmptyEntries);
        for (int i = 0; i < parts.Length && found.Count > 0; i++)
        {
            bool last = i == parts.Length - 1;
            var next = new List<string>();
            foreach (string directory in found)
            {
                if (!ShellPattern.IsPattern(parts[i]))
                {
                    next.Add(PosixPath.Join(directory, parts[i]));
                    continue;
                }

                foreach (string name in Names(directory))
                {
                    string path = PosixPath.Join(directory, name);
                    if (next.Count < MaxMatches && ShellPattern.Matches(parts[i], name) && (last || IsDirectory(path)))
                    {
                        next.Add(path);
                    }
                }
            }

            found = next;
        }

        // A slash at the end asks for directories and stays.
        bool directories = pattern.EndsWith('/');
        return
        [
            .. found.Where(path => path.Length > 0 && (directories ? IsDirectory(path) : IsThere(path)))
                .Select(path => directories && !path.EndsWith('/') ? path + "/" : path).Order(PythonText.CodePointOrder),
        ];
    }

    /// <inheritdoc/>
    public UserIdentity? FindUser(string name) =>
        name.Length == 0 || name.Contains('\0', StringComparison.Ordinal) ? null : Identify(Lookup<LibC.Passwd, UserEntry>(
            (entry, buffer, size, result) => LibC.getpwnam_r(name, entry, buffer, size, result), Read));

    /// <inheritdoc/>
    public UserIdentity? FindUser(int uid) =>
        uid < 0 ? null : Identify(Lookup<LibC.Passwd, UserEntry>(
            (entry, buffer, size, result) => LibC.getpwuid_r((uint)uid, entry, buffer, size, result), Read));

    /// <inheritdoc/>
    public int? FindGroup(string name) =>
        name.Length == 0 || name.Contains('\0', StringComparison.Ordinal) ? null : Lookup<LibC.Group, GroupEntry>(
            (entry, buffer, size, result) => LibC.getgrnam_r(name, entry, buffer, size, result), Read)?.Gid;

    /// <inheritdoc/>
    public bool GroupExists(int gid) =>
        gid >= 0 && Lookup<LibC.Group, GroupEntry>(
            (entry, buffer, size, result) => LibC.getgrgid_r((uint)gid, entry, buffer, size, result), Read) is not null;

    /// <inheritdoc/>
    public string? HomeDirectory(string userName)
    {
        if (userName.Length == 0)
        {
            return Variables.TryGetValue("HOME", out string? home)
                ? home
                : Lookup<LibC.Passwd, UserEntry>(
                    (entry, buffer, size, result) => LibC.getpwuid_r(LibC.getuid(), entry, buffer, size, result), Read)?.Home;
        }

        return userName.Contains('\0', StringComparison.Ordinal) ? null : Lookup<LibC.Passwd, UserEntry>(
            (entry, buffer, size, result) => LibC.getpwnam_r(userName, entry, buffer, size, result), Read)?.Home;
    }

    private static int Mode(string path)
    {
        // An empty path would ask about the directory descriptor itself.
        if (path.Length == 0 || path.Contains('\0', StringComparison.Ordinal))
        {
            return -1;
        }

        LibC.StatX status;
        return LibC.statx(LibC.AT_FDCWD, path, 0, LibC.STATX_BASIC_STATS, &status) == 0 ? status.Mode : -1;
    }

    // A link to nowhere is there: a pattern names it, and opening it then says what is wrong.
    private static bool IsThere(string path)
    {
        LibC.StatX status;
        return LibC.statx(LibC.AT_FDCWD, path, LibC.AT_SYMLINK_NOFOLLOW, LibC.STATX_BASIC_STATS, &status) == 0;
    }

    // None for a directory that cannot be listed: it has no matches then.
    private static List<string> Names(string directory)
    {
        var names = new List<string>();
        nint handle = LibC.opendir(directory.Length == 0 ? "." : directory);
        if (handle == 0)
        {
            return names;
        }

        try
        {
            LibC.DirEnt* entry;
            while ((entry = LibC.readdir(handle)) is not null)
            {
                string name = NativeText.Decode(&entry->Name)!;
                if (name is not ("." or ".."))
                {
                    names.Add(name);
                }
            }
        }
        finally
        {
            _ = LibC.closedir(handle);
        }

        return names;
    }

    // ---- the user database ----

    private delegate int Query<TEntry>(TEntry* entry, byte* buffer, nuint size, TEntry** result)
        where TEntry : unmanaged;

    private delegate TValue Reader<TEntry, TValue>(TEntry* entry)
        where TEntry : unmanaged;

    private sealed record UserEntry(string Name, uint Uid, uint Gid, string Home);

    private sealed record GroupEntry(int Gid);

    private static UserEntry Read(LibC.Passwd* entry) =>
        new(NativeText.Decode(entry->Name)!, entry->Uid, entry->Gid, NativeText.Decode(entry->Directory) ?? "");

    private static GroupEntry Read(LibC.Group* entry) => new((int)entry->Gid);

    // Asks with a growing buffer until the entry fits. An error of the database (a server that does not answer) is told as an
    // unknown name, as Supervisor does: the caller can do nothing else about it.
    private static TValue? Lookup<TEntry, TValue>(Query<TEntry> query, Reader<TEntry, TValue> read)
        where TEntry : unmanaged
        where TValue : class
    {
        for (int size = 4096; size <= MaxEntryBytes; size *= 4)
        {
            byte* buffer = (byte*)NativeMemory.Alloc((nuint)size);
            try
            {
                TEntry entry;
                TEntry* result;
                int errno;
                do
                {
                    result = null;
                    errno = query(&entry, buffer, (nuint)size, &result);
                }
                while (errno == Errno.EINTR);

                if (errno != Errno.ERANGE)
                {
                    return errno == 0 && result is not null ? read(result) : null;
                }
            }
            finally
            {
                NativeMemory.Free(buffer);
            }
        }

        return null;
    }

    private static UserIdentity? Identify(UserEntry? entry)
    {
        if (entry is null)
        {
            return null;
        }

        // The primary group comes first, then every group that lists the user (man 3 getgrouplist).
        int count = 64;
        while (true)
        {
            uint[] groups = new uint[count];
            int got = count;
            fixed (uint* at = groups)
            {
                if (LibC.getgrouplist(entry.Name, entry.Gid, at, &got) >= 0)
                {
                    return new UserIdentity(
                        entry.Name, (int)entry.Uid, (int)entry.Gid, EquatableList.From(groups.Take(got).Select(gid => (int)gid)));
                }
            }

            // Linux takes 65536 groups at most (man 2 setgroups).
            if (count >= 65536)
            {
                return new UserIdentity(entry.Name, (int)entry.Uid, (int)entry.Gid, [(int)entry.Gid]);
            }

            count = Math.Clamp(got, count * 2, 65536);
        }
    }
}
