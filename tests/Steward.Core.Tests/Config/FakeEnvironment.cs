using System.Text;
using Steward.Core.Config;
using Steward.Core.Model;

namespace Steward.Core.Tests.Config;

/// <summary>A machine in memory: files, directories, users and variables.</summary>
internal sealed class FakeEnvironment : IConfigEnvironment
{
    private readonly Dictionary<string, byte[]> _files = new(StringComparer.Ordinal);
    private readonly HashSet<string> _directories = new(StringComparer.Ordinal) { "/", "/tmp", "/etc", "/home/me", "/cwd" };
    private readonly HashSet<string> _unreadable = new(StringComparer.Ordinal);

    public string CurrentDirectory { get; set; } = "/cwd";

    public string HostName => "box";

    public string TempDirectory => "/tmp";

    public int UserId { get; set; } = 1000;

    public Dictionary<string, string> Environment { get; } = new(StringComparer.Ordinal) { ["HOME"] = "/home/me", ["NAME"] = "value" };

    public IReadOnlyDictionary<string, string> Variables => Environment;

    public List<UserIdentity> Users { get; } =
    [
        new("root", 0, 0, [0]), new("me", 1000, 100, [100, 27]), new("nobody", 65534, 65534, [65534]),
    ];

    public FakeEnvironment File(string path, string text) => File(path, Encoding.UTF8.GetBytes(text));

    public FakeEnvironment File(string path, byte[] bytes)
    {
        _files[path] = bytes;
        for (string parent = PosixPath.DirectoryName(path); parent.Length > 1; parent = PosixPath.DirectoryName(parent))
        {
            _directories.Add(parent);
        }

        return this;
    }

    public FakeEnvironment Directory(string path)
    {
        _directories.Add(path);
        return this;
    }

    public FakeEnvironment Unreadable(string path)
    {
        File(path, "");
        _unreadable.Add(path);
        return this;
    }

    public void Delete(string path) => _files.Remove(path);

    private string Full(string path) => PosixPath.Absolute(path, CurrentDirectory);

    public bool Exists(string path) => _files.ContainsKey(Full(path)) || IsDirectory(path);

    public bool IsDirectory(string path) => _directories.Contains(Full(path));

    public FileContent ReadFile(string path) =>
        IsDirectory(path) ? new FileContent(null, 21, "Is a directory")
        : _unreadable.Contains(Full(path)) ? new FileContent(null, 13, "Permission denied")
        : _files.TryGetValue(Full(path), out byte[]? bytes) ? new FileContent(bytes, 0, null)
        : new FileContent(null, 2, "No such file or directory");

    public IReadOnlyList<string> Glob(string pattern)
    {
        var regex = new System.Text.RegularExpressions.Regex(
            "^" + System.Text.RegularExpressions.Regex.Escape(pattern).Replace("\\*", "[^/]*").Replace("\\?", "[^/]") + "$");
        return [.. _files.Keys.Concat(_directories).Where(path => regex.IsMatch(path)).Order(StringComparer.Ordinal)];
    }

    public UserIdentity? FindUser(string name) => Users.Find(user => user.Name == name);

    public UserIdentity? FindUser(int uid) => Users.Find(user => user.Uid == uid);

    public int? FindGroup(string name) => name switch { "root" => 0, "users" => 100, _ => null };

    public bool GroupExists(int gid) => gid is 0 or 100;

    public string? HomeDirectory(string userName) => userName switch { "" or "me" => "/home/me", "root" => "/root/", _ => null };
}
