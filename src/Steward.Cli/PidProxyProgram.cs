using System.Globalization;
using Steward.Core.Model;

namespace Steward.Cli;

/// <summary>What <c>pidproxy</c> asks of the system.</summary>
public interface IPidProxyHost : IDisposable
{
    /// <summary>Starts the command; null when it runs, else why not.</summary>
    string? Spawn(IReadOnlyList<string> argv);

    /// <summary>Waits for the next signal (its number), or the end of the command (0 and how it ended).</summary>
    (int Signal, WaitStatus? Ended) Next();

    /// <summary>Reads the pid that a file names; null when it names none.</summary>
    int? ReadPidFile(string path);

    /// <summary>Sends a signal; null when it was sent, else why not.</summary>
    string? Kill(int pid, int signal);
}

/// <summary>
/// <c>pidproxy PIDFILE COMMAND [ARG...]</c>: runs a command that goes into the background, and passes signals on to the process that it
/// names in a pid file, so that a supervisor that expects a foreground program can stop it.
/// </summary>
/// <remarks>
/// TERM, INT and QUIT are passed on and end it with 0 at once, as Supervisor's does. When the command itself ends, it ends too: with the
/// command's own exit code (Supervisor's always said 0), with 128 and the signal's number where a signal ended it.
/// </remarks>
public static class PidProxyProgram
{
    /// <summary>Runs it to its end.</summary>
    /// <param name="args">The pid file, the command and its arguments.</param>
    /// <param name="programName">The program's name as the usage shows it.</param>
    /// <param name="output">Standard output.</param>
    /// <param name="error">Standard error.</param>
    /// <param name="createHost">Makes the host; called when the command line is in order.</param>
    /// <returns>0, 1 for a wrong command line, 127 when the command cannot be started, or the command's own exit code.</returns>
    public static int Run(string[] args, string programName, Stream output, Stream error, Func<IPidProxyHost> createHost)
    {
        var screen = new ScreenOutput(output);
        var errors = new ScreenOutput(error);
        if (args.Length < 2)
        {
            screen.Line("Usage: " + programName + " <pidfile name> <command> [<cmdarg1> ...]");
            screen.Flush();
            return ExitStatus.Generic;
        }

        string pidFile = args[0];
        using IPidProxyHost host = createHost();
        if (host.Spawn(args[1..]) is { } failure)
        {
            errors.Line($"{programName}: {failure}");
            errors.Flush();
            return 127;
        }

        while (true)
        {
            (int signal, WaitStatus? ended) = host.Next();
            if (ended is { } status)
            {
                return status.Exited ? status.Code : 128 + status.Signal;
            }

            if (host.ReadPidFile(pidFile) is not { } pid)
            {
                screen.Line($"Can't read child pidfile {pidFile}!");
                screen.Flush();
            }
            else if (host.Kill(pid, signal) is { } refused)
            {
                errors.Line(string.Create(
                    CultureInfo.InvariantCulture, $"{programName}: cannot signal pid {pid} of {pidFile}: {refused}"));
                errors.Flush();
                return ExitStatus.Generic;
            }
            else if (signal is Signals.Term or Signals.Int or Signals.Quit)
            {
                return ExitStatus.Success;
            }
        }
    }
}
