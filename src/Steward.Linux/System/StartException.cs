using Steward.Linux.Interop;

namespace Steward.Linux.Host;

/// <summary>
/// The daemon cannot start, or a command cannot be run, for a reason outside: the message is for the terminal behind
/// <c>Error: </c>, and the exit status is 2.
/// </summary>
public sealed class StartException : Exception
{
    /// <summary>The exit status of a daemon that cannot start.</summary>
    public const int ExitStatus = 2;

    /// <summary>Makes a failure with its text.</summary>
    public StartException(string message)
        : base(message)
    {
    }

    /// <summary>Makes a failure that a system call caused.</summary>
    internal StartException(string what, int errno)
        : base(what + ": " + ErrnoText.Python(errno))
    {
        Errno = errno;
    }

    /// <summary>The error number behind it (man 3 errno); 0 when there is none.</summary>
    public int Errno { get; }
}
