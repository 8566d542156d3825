using Steward.Core.Model;
using Steward.Linux.Interop;

namespace Steward.Linux.Host;

/// <summary>Runs a command in our place: it has our terminal, streams and working directory, and we wait for its end.</summary>
public static class ForegroundCommand
{
    /// <summary>Runs it. A name without a slash is looked for in <c>PATH</c>.</summary>
    /// <param name="words">The command, its name first.</param>
    /// <param name="environment">What differs from our environment; null takes a variable away.</param>
    /// <param name="error">Why it could not be run; null when it was.</param>
    /// <returns>Its exit status, or 128 and the number of the signal that ended it; 1 when it could not be run.</returns>
    public static int Run(IReadOnlyList<string> words, IReadOnlyList<KeyValuePair<string, string?>> environment, out string? error)
    {
        List<byte[]> entries = ProcessEnvironment.Entries();
        foreach ((string name, string? value) in environment)
        {
            byte[] prefix = NativeText.Encode(name + "=");
            entries.RemoveAll(entry => entry.AsSpan().StartsWith(prefix));
            if (value is not null)
            {
                entries.Add([.. prefix, .. NativeText.Encode(value)]);
            }
        }

        int pid = HelperProcess.Start(words[0], [.. words.Select(NativeText.Encode)], entries, newSession: false, keepFd: -1, out int errno);
        if (errno != 0)
        {
            error = $"cannot run {Core.Config.PythonText.Repr(words[0])}: {ErrnoText.Python(errno)}";
            return 1;
        }

        error = null;
        WaitStatus status = HelperProcess.Wait(pid);
        return status.Signalled ? 128 + status.Signal : status.Code;
    }
}
