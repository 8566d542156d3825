using System.Runtime.InteropServices;
using System.Text;
using Steward.Linux.Host;

namespace Steward.Linux.Tests.Host;

public class MemoryLibraryTests
{
    [Fact]
    public void A_library_is_loaded_without_a_file()
    {
        // Any library will do: one that is there anyway.
        string path = File.ReadLines("/proc/self/maps").Select(static line => line.Split(' ')[^1])
            .First(static file => file.EndsWith("/libSystem.Native.so", StringComparison.Ordinal));
        using FileStream library = File.OpenRead(path);
        nint handle = MemoryLibrary.Load("a-test-library", library);
        Assert.NotEqual(0, NativeLibrary.GetExport(handle, "SystemNative_GetPid"));
        Assert.Contains(File.ReadLines("/proc/self/maps"), static line => line.Contains("/memfd:a-test-library", StringComparison.Ordinal));
        Assert.DoesNotContain(
            Directory.EnumerateFiles("/proc/self/fd"),
            static fd => new FileInfo(fd).LinkTarget?.Contains("a-test-library", StringComparison.Ordinal) ?? false);
    }

    [Fact]
    public void What_is_no_library_is_refused()
    {
        using var library = new MemoryStream(Encoding.ASCII.GetBytes("no library"));
        Assert.Throws<DllNotFoundException>(() => MemoryLibrary.Load("another", library));
    }
}
