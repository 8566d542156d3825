using System.Runtime.InteropServices;
using Steward.Linux.Interop;

namespace Steward.Linux.Tests.Output;

/// <summary>The time zone of the process, where the C library looks for it.</summary>
internal static class Zone
{
    public static string? Get() => Environment.GetEnvironmentVariable("TZ");

    public static void Set(string? zone)
    {
        _ = zone is null ? LibC.unsetenv("TZ") : setenv("TZ", zone, 1);
        LibC.tzset();
    }

    [DllImport("libc")]
    private static extern int setenv(string name, string value, int overwrite);
}
