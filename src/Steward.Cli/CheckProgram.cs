using System.Globalization;
using Steward.Core.Config;

namespace Steward.Cli;

/// <summary>
/// <c>steward check [FILE]</c>: reads a configuration as the daemon would and tells everything that is wrong or odd about it, one
/// line each. Silent when there is nothing to tell.
/// </summary>
public static class CheckProgram
{
    private const string Options =
        "Reads a configuration as supervisord would, with what it includes, and lists every fault: file:line: [section] key=value: what\n"
        + "is wrong \u2014 what to do. Without FILE the usual places are searched. Nothing is changed or started.\n"
        + "\n"
        + "Exit status: 0 when supervisord would take it (warnings alone do not count), 1 when it would not, 2 for a wrong command line.\n";

    /// <summary>Checks a file: errors first, in the order in which the daemon would come upon them.</summary>
    /// <param name="args">The file, or nothing.</param>
    /// <param name="programName">The program's name as the usage shows it, for example <c>steward check</c>.</param>
    /// <param name="output">Standard output: the faults.</param>
    /// <param name="error">Standard error: how many there are.</param>
    /// <param name="environment">The machine.</param>
    /// <param name="programPath">The path of the executable as it was called: the search for the file begins beside it.</param>
    /// <returns>0 without an error, 1 with one or when the result could not be written, 2 for a wrong command line.</returns>
    public static int Run(
        string[] args, string programName, Stream output, Stream error, IConfigEnvironment environment, string programPath)
    {
        var screen = new ScreenOutput(output);
        var errors = new ScreenOutput(error);
        try
        {
            int status = Run(args, programName, screen, errors, environment, programPath);
            screen.Flush();
            errors.Flush();
            return status;
        }
        catch (IOException)
        {
            // Nobody reads any more: head, a closed pager.
            return ExitStatus.Generic;
        }
    }

    private static int Run(
        string[] args, string programName, ScreenOutput screen, ScreenOutput errors, IConfigEnvironment environment, string programPath)
    {
        string usage = $"Usage: {programName} [FILE]";
        if (args.TakeWhile(word => word != "--").Any(word => word is "-h" or "--help" or "-?"))
        {
            screen.Line(usage);
            screen.Line("");
            screen.Text(Options);
            return ExitStatus.Success;
        }

        bool ended = args.Length > 0 && args[0] == "--";
        string[] words = ended ? args[1..] : args;
        string? wrong = !ended && words.FirstOrDefault(word => word.Length > 1 && word[0] == '-') is { } option
            ? $"option {option} not recognized"
            : words.Length > 1 ? "one file at a time: " + PythonText.Repr(words)
            : null;
        if (wrong is not null)
        {
            errors.Line("Error: " + wrong);
            errors.Line(usage);
            return ExitStatus.InvalidArguments;
        }

        string? file = words.Length == 1 ? words[0] : null;
        if (file is null && !ConfigReader.TryFindFile(programPath, environment, out file, out string? missing))
        {
            errors.Line("Error: " + missing);
            return ExitStatus.Generic;
        }

        ConfigReading reading = ConfigReader.Check(file, environment, ConfigOverrides.None);
        int refusals = 0;
        foreach (ConfigFault fault in reading.Faults.OrderBy(fault => fault.Severity))
        {
            screen.Line(fault.Render());
            refusals += fault.Severity == FaultSeverity.Error ? 1 : 0;
        }

        if (reading.Faults.Count > 0)
        {
            screen.Flush();
            errors.Line($"{file}: {Count(refusals, "error")}, {Count(reading.Faults.Count - refusals, "warning")}");
        }

        return reading.FirstError is null ? ExitStatus.Success : ExitStatus.Generic;
    }

    private static string Count(int number, string noun) =>
        string.Create(CultureInfo.InvariantCulture, $"{number} {noun}{(number == 1 ? "" : "s")}");
}
