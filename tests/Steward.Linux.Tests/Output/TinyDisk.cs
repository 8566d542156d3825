using System.Runtime.InteropServices;

namespace Steward.Linux.Tests.Output;

/// <summary>A file system of 64 KiB.</summary>
internal static class TinyDisk
{
    /// <summary>Mounts it; answers why it cannot be (a container may not mount), or null.</summary>
    public static string? Mount(string path) =>
        mount("tmpfs", path, "tmpfs", 0, "size=64k") == 0 ? null : $"mount: error {Marshal.GetLastPInvokeError()}";

    public static void Unmount(string path) => Assert.Equal(0, umount2(path, 2));

    [DllImport("libc", SetLastError = true)]
    private static extern int mount(string source, string target, string type, nuint flags, string data);

    [DllImport("libc", SetLastError = true)]
    private static extern int umount2(string target, int flags);
}
