using System.Runtime.InteropServices;
using Steward.Linux.Interop;

namespace Steward.Linux.Host;

/// <summary>The environment that this process was started with.</summary>
public static unsafe class ProcessEnvironment
{
    /// <summary>What a detaching daemon tells its second half this way; no program ever sees it.</summary>
    internal const string DetachVariable = "STEWARD_DETACH";

    // The variable belongs to the C library and has no function that answers it.
    private static readonly byte*** Environ =
        (byte***)NativeLibrary.GetExport(NativeLibrary.GetMainProgramHandle(), "environ");

    /// <summary>
    /// Reads the variables in the order the kernel handed them over, of doubled names the first. Entries without a name or
    /// without a <c>=</c> are left out, and so is what a detaching daemon tells itself this way.
    /// </summary>
    public static IReadOnlyList<KeyValuePair<string, string>> Read()
    {
        var variables = new List<KeyValuePair<string, string>>();
        var seen = new HashSet<string>(StringComparer.Ordinal);
        foreach (byte[] entry in Entries())
        {
            int equals = entry.AsSpan().IndexOf((byte)'=');
            if (equals <= 0)
            {
                continue;
            }

            string name = NativeText.Decode(entry.AsSpan(0, equals));
            if (name != DetachVariable && seen.Add(name))
            {
                variables.Add(new(name, NativeText.Decode(entry.AsSpan(equals + 1))));
            }
        }

        return variables;
    }

    /// <summary>The entries as they are.</summary>
    internal static List<byte[]> Entries()
    {
        var entries = new List<byte[]>();
        for (byte** at = *Environ; at is not null && *at is not null; at++)
        {
            entries.Add(MemoryMarshal.CreateReadOnlySpanFromNullTerminated(*at).ToArray());
        }

        return entries;
    }

    /// <summary>Removes a variable, for this process and for what it starts.</summary>
    internal static void Remove(string name)
    {
        _ = LibC.unsetenv(name);
        Environment.SetEnvironmentVariable(name, null);
    }
}
