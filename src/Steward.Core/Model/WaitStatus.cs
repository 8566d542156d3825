using System.Globalization;

namespace Steward.Core.Model;

/// <summary>A status as <c>wait4</c> reports it (man 2 wait): how a child ended.</summary>
/// <param name="Raw">The undecoded integer.</param>
public readonly record struct WaitStatus(int Raw)
{
    /// <summary>Makes the status of a normal exit with <paramref name="code"/> (0 to 255).</summary>
    public static WaitStatus FromExit(int code) => new((code & 0xff) << 8);

    /// <summary>Makes the status of a death by <paramref name="signal"/> (1 to 64).</summary>
    public static WaitStatus FromSignal(int signal, bool coreDumped = false) => new(signal | (coreDumped ? 0x80 : 0));

    /// <summary>Says whether the child exited by itself (WIFEXITED).</summary>
    public bool Exited => (Raw & 0x7f) == 0;

    /// <summary>Says whether a signal ended the child (WIFSIGNALED).</summary>
    public bool Signalled => (Raw & 0x7f) is not 0 and not 0x7f;

    /// <summary>The signal that ended the child, 0 if none did.</summary>
    public int Signal => Signalled ? Raw & 0x7f : 0;

    /// <summary>Says whether a core file was written.</summary>
    public bool CoreDumped => Signalled && (Raw & 0x80) != 0;

    /// <summary>The exit code, or -1 for a death by signal: Supervisor's <c>exitstatus</c>.</summary>
    public int Code => Exited ? (Raw >> 8) & 0xff : -1;

    /// <summary>
    /// Describes the end as the activity log does: <c>exit status 3</c>, <c>terminated by SIGKILL</c>,
    /// <c>terminated by SIGSEGV (core dumped)</c>.
    /// </summary>
    public string Describe()
    {
        if (Exited)
        {
            return string.Create(CultureInfo.InvariantCulture, $"exit status {Code}");
        }

        if (Signalled)
        {
            return "terminated by " + Signals.LogName(Signal) + (CoreDumped ? " (core dumped)" : "");
        }

        return string.Create(CultureInfo.InvariantCulture, $"unknown termination cause 0x{Raw:x4}");
    }
}
