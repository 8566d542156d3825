namespace Steward.Core.Config;

/// <summary>Paths as text: joined, normalised, made absolute without asking the file system.</summary>
public static class PosixPath
{
    /// <summary>Joins; an absolute second part stands alone, an empty first part adds nothing.</summary>
    public static string Join(string first, string second) =>
        second.StartsWith('/') || first.Length == 0 ? second :
        first.EndsWith('/') ? first + second : first + "/" + second;

    /// <summary>What stands before the last slash, without trailing slashes; empty when there is no slash.</summary>
    public static string DirectoryName(string path)
    {
        string head = path[..(path.LastIndexOf('/') + 1)];
        string trimmed = head.TrimEnd('/');
        return trimmed.Length == 0 ? head : trimmed;
    }

    /// <summary>Resolves <c>.</c>, <c>..</c> and doubled slashes textually. Exactly two leading slashes stay (POSIX gives them a meaning).</summary>
    public static string Normalize(string path)
    {
        if (path.Length == 0)
        {
            return ".";
        }

        int leading = path.StartsWith("//", StringComparison.Ordinal) && !path.StartsWith("///", StringComparison.Ordinal) ? 2
            : path[0] == '/' ? 1 : 0;
        var parts = new List<string>();
        foreach (string part in path.Split('/'))
        {
            if (part is "" or ".")
            {
                continue;
            }

            if (part != ".." || (leading == 0 && (parts.Count == 0 || parts[^1] == "..")))
            {
                parts.Add(part);
            }
            else if (parts.Count > 0)
            {
                parts.RemoveAt(parts.Count - 1);
            }
        }

        string result = new string('/', leading) + string.Join('/', parts);
        return result.Length == 0 ? "." : result;
    }

    /// <summary>Makes a path absolute against a directory and normalises it.</summary>
    public static string Absolute(string path, string directory) => Normalize(Join(directory, path));

    /// <summary>Replaces a leading <c>~</c> or <c>~user</c> with the home directory; an unknown user leaves the path as it is.</summary>
    public static string ExpandUser(string path, IConfigEnvironment environment)
    {
        if (!path.StartsWith('~'))
        {
            return path;
        }

        int slash = path.IndexOf('/', StringComparison.Ordinal);
        int end = slash < 0 ? path.Length : slash;
        if (environment.HomeDirectory(path[1..end]) is not { } home)
        {
            return path;
        }

        string result = home.TrimEnd('/') + path[end..];
        return result.Length == 0 ? "/" : result;
    }
}
