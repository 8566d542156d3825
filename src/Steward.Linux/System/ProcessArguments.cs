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

    /// <summary>
    /// Gives the process the name that <c>ps -C</c>, <c>pidof</c> and <c>killall</c> know it by (man 5 proc, comm): the last part of
    /// <see cref="ProgramName"/>. The kernel has set another one when the program was started through <c>/proc/self/exe</c>. To be
    /// called on the main thread.
    /// </summary>
    public static unsafe void ShowName()
    {
        byte[] name = [.. NativeText.Encode(Path.GetFileName(ProgramName)), 0];
        fixed (byte* text = name)
        {
            // Cut after 15 bytes by the kernel; a name that cannot be set is a name less, no more.
            _ = LibC.prctl(LibC.PR_SET_NAME, (nint)text, 0, 0, 0);
        }
    }

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
