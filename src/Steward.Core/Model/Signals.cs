using System.Globalization;

namespace Steward.Core.Model;

/// <summary>Signal numbers and names of Linux (man 7 signal), x86-64 and arm64 alike.</summary>
public static class Signals
{
    /// <summary>SIGHUP.</summary>
    public const int Hup = 1;

    /// <summary>SIGINT.</summary>
    public const int Int = 2;

    /// <summary>SIGQUIT.</summary>
    public const int Quit = 3;

    /// <summary>SIGKILL.</summary>
    public const int Kill = 9;

    /// <summary>SIGUSR1.</summary>
    public const int Usr1 = 10;

    /// <summary>SIGUSR2.</summary>
    public const int Usr2 = 12;

    /// <summary>SIGPIPE.</summary>
    public const int Pipe = 13;

    /// <summary>SIGTERM.</summary>
    public const int Term = 15;

    /// <summary>SIGCHLD.</summary>
    public const int Chld = 17;

    // Index = number. 32 and 33 belong to the C library; 35 to 63 have no name of their own.
    private static readonly string?[] Names =
    [
        null, "HUP", "INT", "QUIT", "ILL", "TRAP", "ABRT", "BUS", "FPE", "KILL", "USR1", "SEGV", "USR2", "PIPE", "ALRM",
        "TERM", "STKFLT", "CHLD", "CONT", "STOP", "TSTP", "TTIN", "TTOU", "URG", "XCPU", "XFSZ", "VTALRM", "PROF",
        "WINCH", "IO", "PWR", "SYS", null, null, "RTMIN",
    ];

    /// <summary>
    /// Says whether the number may be given as a signal: 0 (a liveness probe), 1 to 31, 34 (RTMIN) and 64 (RTMAX).
    /// </summary>
    public static bool IsKnown(int number) => number is >= 0 and <= 31 or 34 or 64;

    /// <summary>
    /// Finds the number of a name given with or without <c>SIG</c>, in any case; accepts the aliases CLD, IOT and POLL.
    /// Returns -1 for a name that does not exist.
    /// </summary>
    public static int FromName(ReadOnlySpan<char> name)
    {
        if (name.StartsWith("SIG", StringComparison.OrdinalIgnoreCase))
        {
            name = name[3..];
        }

        for (int i = 1; i < Names.Length; i++)
        {
            if (Names[i] is { } known && name.Equals(known, StringComparison.OrdinalIgnoreCase))
            {
                return i;
            }
        }

        return name switch
        {
            _ when name.Equals("RTMAX", StringComparison.OrdinalIgnoreCase) => 64,
            _ when name.Equals("CLD", StringComparison.OrdinalIgnoreCase) => 17,
            _ when name.Equals("IOT", StringComparison.OrdinalIgnoreCase) => 6,
            _ when name.Equals("POLL", StringComparison.OrdinalIgnoreCase) => 29,
            _ => -1,
        };
    }

    /// <summary>
    /// Returns the name that log lines carry: <c>SIGTERM</c>; <c>SIGPOLL</c> for 29; <c>signal 40</c> for a number
    /// without a name.
    /// </summary>
    public static string LogName(int number) => number switch
    {
        29 => "SIGPOLL",
        64 => "SIGRTMAX",
        > 0 when number < Names.Length && Names[number] is { } name => "SIG" + name,
        _ => "signal " + number.ToString(CultureInfo.InvariantCulture),
    };
}
