namespace Steward.Cli;

/// <summary>
/// The control tool: <c>supervisorctl</c>, <c>steward ctl</c> and the direct verbs. Options and configuration first, then one action, or
/// the shell when there is none.
/// </summary>
public static class CtlProgram
{
    /// <summary>The actions that may stand directly behind <c>steward</c>.</summary>
    public static IReadOnlyList<string> Verbs { get; } =
    [
        "add", "avail", "clear", "disable", "enable", "events", "fg", "history", "hooks", "intent", "kill", "listeners", "maintail",
        "mrestart", "mstart", "mstop", "open", "pid", "reload", "remove", "reread", "restart", "serialrestart", "shutdown", "signal", "start",
        "status", "stop", "tail", "update", "upgrade", "version", "why",
    ];

    /// <summary>Runs it to its end.</summary>
    /// <param name="args">The command line without the program's name.</param>
    /// <param name="programName">The program's name as messages show it.</param>
    /// <param name="streams">Where to read and write.</param>
    /// <param name="programPath">The executable's path, beside which a configuration is looked for; null: <paramref name="programName"/>.</param>
    /// <returns>The exit status, as scripts for init know it: 0 fine, 1 failed, 2 usage, 3 not running, 4 no access, 5 wrong version, 7 not running.</returns>
    public static int Run(string[] args, string programName, CtlStreams streams, string? programPath = null)
    {
        var output = new ScreenOutput(streams.Output);
        var error = new ScreenOutput(streams.Error);
        try
        {
            return Run(args, programName, programPath ?? programName, streams, output, error);
        }
        catch (UsageException e)
        {
            output.Flush();
            error.Line("Error: " + e.Message);
            error.Line($"For help, use {programName} -h");
            error.Flush();
            return ExitStatus.InvalidArguments;
        }
        catch (IOException)
        {
            // Whoever read the output is gone, or its disk is full: there is nobody to tell, but for the exit status.
            return ExitStatus.Generic;
        }
    }

    private static int Run(
        string[] args, string programName, string programPath, CtlStreams streams, ScreenOutput output, ScreenOutput error)
    {
        CtlOptions options = CtlOptions.Parse(args);
        if (options.Help)
        {
            output.Text(Usage(programName));
            output.Flush();
            return ExitStatus.Success;
        }

        CtlSettings settings = CtlSettings.Load(options, programPath, streams.Environment) with
        {
            // Under Supervisor's name it prints Supervisor's list, which tools compare.
            ListsEverything = Path.GetFileName(programName.Split(' ')[0]) == "steward",
        };
        foreach (string warning in settings.Warnings)
        {
            error.Line("warning: " + warning);
        }

        error.Flush();
        using var session = new CtlSession(settings, streams, output, error);
        if (options.Words.Count == 0)
        {
            session.RunShell(System.Environment.Exit);
            output.Flush();
            return ExitStatus.Success;
        }

        session.Execute(string.Join(' ', options.Words));
        return session.Result;
    }

    private static string Usage(string programName) =>
        "supervisorctl -- control applications run by supervisord from the cmd line.\n"
        + "\n"
        + $"Usage: {programName} [options] [action [arguments]]\n"
        + "\n"
        + "Options:\n"
        + "-c/--configuration FILENAME -- configuration file path (searches if not given)\n"
        + "-h/--help -- print usage message and exit\n"
        + "-i/--interactive -- start an interactive shell after executing commands\n"
        + "-s/--serverurl URL -- URL on which supervisord server is listening\n"
        + "     (default \"http://localhost:9001\").\n"
        + "-u/--username USERNAME -- username to use for authentication with server\n"
        + "-p/--password PASSWORD -- password to use for authentication with server\n"
        + "-r/--history-file -- keep a readline history (if readline is available)\n"
        + "\n"
        + "action [arguments] -- see below\n"
        + "\n"
        + "Actions are commands like \"tail\" or \"stop\".  If -i is specified or no action is\n"
        + "specified on the command line, a \"shell\" interpreting actions typed\n"
        + "interactively is started.  Use the action \"help\" to find out about available\n"
        + "actions.\n"
        + "\n";
}
