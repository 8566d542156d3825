using System.Globalization;
using System.Runtime.InteropServices;
using Steward.Core.Model;
using Steward.Linux.Processes;

[assembly: System.Runtime.Versioning.SupportedOSPlatform("linux")]

namespace Steward.Linux.Tests.Processes;

/// <summary>This assembly as a program: what tests need to run in a process of its own.</summary>
internal static class TestProgram
{
    /// <summary>The words that start this assembly as a program.</summary>
    public static IReadOnlyList<string> Command =>
    [
        Path.GetFullPath(Path.Combine(RuntimeEnvironment.GetRuntimeDirectory(), "../../../dotnet")),
        "exec",
        typeof(TestProgram).Assembly.Location,
    ];

    public static int Main(string[] arguments)
    {
        if (ExecHelper.TryRun(arguments, out int exitCode))
        {
            return exitCode;
        }

        return arguments switch
        {
            ["reap-as-pid-1", string count] => ReapAsPid1(int.Parse(count, CultureInfo.InvariantCulture)),
            _ => 2,
        };
    }

    /// <summary>As PID 1: makes children that each leave an orphan behind; prints what was reaped.</summary>
    private static int ReapAsPid1(int count)
    {
        using var kernel = new Kernel();
        var own = new HashSet<int>();
        for (int i = 0; i < count; i++)
        {
            own.Add(kernel.Spawn(Kernel.Shell("/bin/sh -c 'exec sleep 0.2' & exit 3")).Pid);
        }

        int ownReaped = 0;
        int orphansReaped = 0;
        while (ownReaped + orphansReaped < 2 * count)
        {
            (int pid, WaitStatus status) = kernel.Reap();
            ownReaped += own.Remove(pid) && status.Code == 3 ? 1 : 0;
            orphansReaped += !own.Contains(pid) && status.Code == 0 ? 1 : 0;
        }

        int left = Directory.EnumerateDirectories("/proc")
            .Count(static path => int.TryParse(Path.GetFileName(path), out int pid) && pid != 1);
        Console.WriteLine($"pid {Environment.ProcessId} own {ownReaped} orphans {orphansReaped} left {left}");
        return 0;
    }
}
