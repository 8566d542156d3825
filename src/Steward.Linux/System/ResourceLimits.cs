using System.Globalization;
using Steward.Core.Config;
using Steward.Core.Model;
using Steward.Linux.Interop;

namespace Steward.Linux.Host;

/// <summary>What raising the daemon's limits came to.</summary>
/// <param name="Messages">Lines for the activity log.</param>
/// <param name="ChildNoFile">
/// The soft limit on descriptors that programs are given: what the daemon was started with, raised to <c>minfds</c>; null when the
/// daemon's own is the same.
/// </param>
public sealed record RaisedLimits(IReadOnlyList<LoadMessage> Messages, long? ChildNoFile);

/// <summary>
/// The limits of the daemon's process (man 2 getrlimit): <c>minfds</c> and <c>minprocs</c> are asked for, as Supervisor does, and
/// programs inherit that. Beyond it the daemon takes for itself all the descriptors it may have, since each program costs it up
/// to five; programs do not inherit that, because a few size tables by it and others still use select (man 2 select, FD_SETSIZE).
/// </summary>
public static unsafe class ResourceLimits
{
    /// <summary>Raises the limits. Once, before privileges are dropped.</summary>
    /// <exception cref="StartException">A minimum cannot be had.</exception>
    public static RaisedLimits Raise(SupervisordConfig config)
    {
        var messages = new List<LoadMessage>();
        Ensure(LibC.RLIMIT_NOFILE, config.MinFds, messages, "RLIMIT_NOFILE", static (minimum, hard) =>
            $"The minimum number of file descriptors required to run this process is {minimum} as per the \"minfds\" command-line "
            + $"argument or config file setting. The current environment will only allow you to open {hard} file descriptors.  Either "
            + "raise the number of usable file descriptors in your environment (see README.rst) or lower the minfds setting in the "
            + "config file to allow the process to start.");
        Ensure(LibC.RLIMIT_NPROC, config.MinProcs, messages, "RLIMIT_NPROC", static (minimum, hard) =>
            $"The minimum number of available processes required to run this program is {minimum} as per the \"minprocs\" command-line "
            + $"argument or config file setting. The current environment will only allow you to open {hard} processes.  Either raise "
            + "the number of usable processes in your environment (see README.rst) or lower the minprocs setting in the config file to "
            + "allow the program to start.");

        LibC.RLimit limit;
        if (LibC.getrlimit(LibC.RLIMIT_NOFILE, &limit) != 0 || limit.Soft == limit.Hard)
        {
            return new RaisedLimits(messages, null);
        }

        ulong soft = limit.Soft;
        limit.Soft = limit.Hard;

        // Not being allowed to is no failure: the minimum is there.
        bool raised = LibC.setrlimit(LibC.RLIMIT_NOFILE, &limit) == 0;
        return new RaisedLimits(messages, raised ? (long)soft : null);
    }

    private static void Ensure(int resource, int minimum, List<LoadMessage> messages, string name, Func<string, string, string> refusal)
    {
        LibC.RLimit limit;
        if (minimum < 0 || LibC.getrlimit(resource, &limit) != 0 || limit.Soft == LibC.RLIM_INFINITY || limit.Soft >= (ulong)minimum)
        {
            return;
        }

        ulong hard = limit.Hard;
        limit.Soft = (ulong)minimum;
        limit.Hard = Math.Max(hard, (ulong)minimum);
        string wanted = minimum.ToString(CultureInfo.InvariantCulture);
        if (LibC.setrlimit(resource, &limit) != 0)
        {
            throw new StartException(refusal(wanted, hard.ToString(CultureInfo.InvariantCulture)));
        }

        messages.Add(new LoadMessage(LogLevel.Info, $"Increased {name} limit to {wanted}"));
    }
}
