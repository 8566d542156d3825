using Steward.Linux.Interop;

namespace Steward.Linux.Host;

/// <summary>The command line of this process as the kernel has it.</summary>
public static class ProcessArguments
{
    private const int MaxBytes = 4 << 20;

    private static readonly Lazy<IReadOnlyList<string>> All = new(Read);

    /// <summary>All words, the program's name first.</summary>
    public static IReadOnlyList<string> Words => All.Value;

    /// <summary>The name that the program was called by (argv[0]), as typed; messages show it.</summary>
    public static string ProgramName => Words[0];

    private static string[] Read()
    {
        // Not the runtime's own list: what stands first there may be the resolved path of the executable.
        byte[]? bytes = FileBytes.Read("/proc/self/cmdline", MaxBytes, out _);
        if (bytes is null || bytes.Length == 0)
        {
            return Environment.GetCommandLineArgs();
        }

        // Each word ends with a zero, empty ones too.
        string text = NativeText.Decode(bytes);
        return (text.EndsWith('\0') ? text[..^1] : text).Split('\0');
    }
}
