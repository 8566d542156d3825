using Steward.Linux.Interop;

namespace Steward.Linux.Host;

/// <summary>What the process hands on to everything it opens and starts: its working directory and its umask.</summary>
public static class DaemonDirectory
{
    /// <summary>Changes the working directory of the process.</summary>
    /// <returns>Null, or why not: <c>[Errno 13] Permission denied: '/srv'</c>.</returns>
    public static string? Change(string directory) => LibC.chdir(directory) == 0 ? null : ErrnoText.Python(LibC.LastError, directory);

    /// <summary>Sets the file mode creation mask of the process (man 2 umask).</summary>
    public static void SetUmask(int mask) => _ = LibC.umask((uint)mask & 0x1ff);
}
