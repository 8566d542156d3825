namespace Steward.Core.Config;

/// <summary>What reading a configuration asks of the machine. Everything else about it is text in, records out.</summary>
public interface IConfigEnvironment
{
    /// <summary>The absolute path of the working directory.</summary>
    string CurrentDirectory { get; }

    /// <summary>The node name (<c>uname -n</c>): <c>%(host_node_name)s</c>.</summary>
    string HostName { get; }

    /// <summary>The directory for temporary files, from <c>TMPDIR</c>, <c>TEMP</c>, <c>TMP</c>, else <c>/tmp</c>.</summary>
    string TempDirectory { get; }

    /// <summary>The effective user id of this process.</summary>
    int UserId { get; }

    /// <summary>The environment of this process: <c>%(ENV_X)s</c>. Ordered as the kernel keeps it.</summary>
    IReadOnlyDictionary<string, string> Variables { get; }

    /// <summary>Says whether a path, links followed, exists (man 2 stat).</summary>
    bool Exists(string path);

    /// <summary>Says whether a path, links followed, is a directory.</summary>
    bool IsDirectory(string path);

    /// <summary>Reads a whole file.</summary>
    FileContent ReadFile(string path);

    /// <summary>
    /// Finds what a shell pattern (<c>*</c>, <c>?</c>, <c>[...]</c>, <c>**</c> as <c>*</c>) matches, in code-point order. A pattern without
    /// wildcards yields itself when it exists. Hidden files match only a pattern part that begins with a dot.
    /// </summary>
    IReadOnlyList<string> Glob(string pattern);

    /// <summary>Finds a user by login name, with all supplementary groups; null when there is none.</summary>
    UserIdentity? FindUser(string name);

    /// <summary>Finds a user by number, with all supplementary groups; null when there is none.</summary>
    UserIdentity? FindUser(int uid);

    /// <summary>Finds a group's number by its name; null when there is none.</summary>
    int? FindGroup(string name);

    /// <summary>Says whether a group of this number exists.</summary>
    bool GroupExists(int gid);

    /// <summary>The home directory of a user by login name; null for an unknown one. An empty name means the current user (<c>HOME</c> first).</summary>
    string? HomeDirectory(string userName);
}

/// <summary>The content of a file, or why there is none.</summary>
/// <param name="Bytes">The content; null when it could not be read.</param>
/// <param name="Errno">The error number (man 3 errno); 0 on success.</param>
/// <param name="Error">The system's text, for example <c>Permission denied</c>; null on success.</param>
public readonly record struct FileContent(byte[]? Bytes, int Errno, string? Error);
