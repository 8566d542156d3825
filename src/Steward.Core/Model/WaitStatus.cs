using System.Globalization;

namespace Steward.Core.Model;

/// <summary>A status as <c>wait4</c> reports it (man 2 wait): how a child ended.</summary>
/// <param name="Raw">The undecoded integer, or that of <see cref="Unobserved"/>.</param>
public readonly record struct WaitStatus(int Raw)
{
    /// <summary>
    /// The end of a process that was not ours to wait for, and of which the kernel tells no more than that it is over. Neither an exit nor a
    /// death by signal, neither expected nor unexpected. A status of the kernel has 16 bits, so that none is taken for it.
    /// </summary>
    public static readonly WaitStatus Unobserved = new(0x1007f);

    /// <summary>Makes the status of a normal exit with <paramref name="code"/> (0 to 255).</summary>
    public static WaitStatus FromExit(int code) => new((code & 0xff) << 8);

    /// <summary>Makes the status of a death by <paramref name="signal"/> (1 to 64).</summary>
    public static WaitStatus FromSignal(int signal, bool coreDumped = false) => new(signal | (coreDumped ? 0x80 : 0));

    /// <summary>Says whether the child exited by itself (WIFEXITED).</summary>
    public bool Exited => (Raw & 0x7f) == 0;

    /// <summary>Says whether it is not known how the process ended: <see cref="Unobserved"/>.</summary>
    public bool IsUnobserved => this == Unobserved;

    /// <summary>Says whether a signal ended the child (WIFSIGNALED).</summary>
    public bool Signalled => (Raw & 0x7f) is not 0 and not 0x7f;

    /// <summary>The signal that ended the child, 0 if none did.</summary>
    public int Signal => Signalled ? Raw & 0x7f : 0;

    /// <summary>Says whether a core file was written.</summary>
    public bool CoreDumped => Signalled && (Raw & 0x80) != 0;

    /// <summary>The exit code, or -1 for a death by signal and for one that nobody observed: Supervisor's <c>exitstatus</c>.</summary>
    public int Code => Exited ? (Raw >> 8) & 0xff : -1;

    /// <summary>
    /// Describes the end as the activity log does: <c>exit status 3</c>, <c>terminated by SIGKILL</c>,
    /// <c>terminated by SIGSEGV (core dumped)</c>, <c>unobserved</c>.
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

        if (IsUnobserved)
        {
            return "unobserved";
        }

        return string.Create(CultureInfo.InvariantCulture, $"unknown termination cause 0x{Raw:x4}");
    }
}
