using Steward.Cli;
using Steward.Keeper;
using Steward.Linux.Host;
using Steward.Linux.Processes;

namespace Steward;

/// <summary>
/// One executable, several programs: by the name it is called with, or by its first word. Which one it is is decided here, and
/// everything is put together that it needs; what it does is elsewhere.
/// </summary>
internal static class Program
{
    /// <summary>What clients are told: the version of Supervisor whose interface this is.</summary>
    public const string SupervisorVersion = "4.4.0";

    /// <summary>Steward's own version.</summary>
    public static string Version => typeof(Program).Assembly.GetName().Version!.ToString(3);

    private static DescriptorStream Output => new(StandardStreams.Output);

    private static DescriptorStream Error => new(StandardStreams.Error);

    private static int Main(string[] args)
    {
        if (ExecHelper.TryRun(args, out int exitCode))
        {
            return exitCode;
        }

        StandardStreams.EnsureOpen();
        string name = ProcessArguments.ProgramName;

        // How one image of the daemon calls the next, whatever its name: nothing that people type.
        switch (args)
        {
            case [Daemon.ResumeWord, { } handles, ..]:
                return Daemon.Resume(handles, refused: null);
            case [Daemon.GoneBackWord, { } handles, { } refused, ..]:
                return Daemon.Resume(handles, refused);
            case [Daemon.RehearseWord, { } handle]:
                return Daemon.Rehearse(handle);
            case [KeeperStart.KeptWord, { } handle, .. string[] words]:
                return Daemon.RunKept(handle, Path.GetFileName(name) == "supervisord" ? words : words[1..], name);
            case [KeeperStart.BecomeWord, { } handle, ..]:
                return Daemon.BecomeKeeper(handle);
            case [KeeperStart.RenewWord, { } handles, ..]:
                return Daemon.RenewKeeper(handles, refused: null);
            case [KeeperStart.KeepOnWord, { } handles, { } refused, ..]:
                return Daemon.RenewKeeper(handles, refused);
        }

        return Path.GetFileName(name) switch
        {
            "supervisord" => Daemon.Run(args, name),
            "supervisorctl" => Control(args, name),
            "pidproxy" => Proxy(args, name),
            "echo_supervisord_conf" => EchoConfProgram.Run(Output),
            _ => Native(args, name),
        };
    }

    private static int Native(string[] args, string name)
    {
        string verb = args.Length == 0 ? "" : args[0];
        string[] rest = args.Length == 0 ? [] : args[1..];
        switch (verb)
        {
            case "daemon":
                return Daemon.Run(rest, name + " daemon");
            case "ctl":
                return Control(rest, name + " ctl");
            case "check":
                return CheckProgram.Run(rest, name + " check", Output, Error, new ConfigEnvironment(), name);
            case "pidproxy":
                return Proxy(rest, name + " pidproxy");
            case "echo-conf":
                return EchoConfProgram.Run(Output);
            case "-h" or "--help" or "help":
                StandardStreams.Write(StandardStreams.Output, Usage(name));
                return 0;
            case "":
                StandardStreams.Write(StandardStreams.Error, Usage(name));
                return StartException.ExitStatus;
            case "-v" or "--version":
                StandardStreams.Write(StandardStreams.Output, $"steward {Version} (interface of Supervisor {SupervisorVersion})\n");
                return 0;
            default:
                // Options of the control tool may come first: steward -c FILE status.
                if (verb.StartsWith('-') || CtlProgram.Verbs.Contains(verb))
                {
                    return Control(args, name);
                }

                StandardStreams.Write(StandardStreams.Error, $"Error: '{verb}' is no command of {name}\nFor help, use {name} -h\n");
                return StartException.ExitStatus;
        }
    }

    private static int Control(string[] args, string name)
    {
        var streams = new CtlStreams(Output, Error, new CommandTerminal(), new ConfigEnvironment())
        {
            RunCommand = static (words, environment) =>
                new CommandEnd(ForegroundCommand.Run(words, environment, out string? error), error),
        };
        return CtlProgram.Run(args, name, streams, ProcessArguments.ProgramName);
    }

    private static int Proxy(string[] args, string name) => PidProxyProgram.Run(args, name, Output, Error, static () => new ProxyHost());

    private static string Usage(string name) =>
        $"""
        Usage: {name} COMMAND [ARGUMENTS]

          daemon [OPTIONS]          supervise programs (as supervisord does; see {name} daemon -h)
          ctl [OPTIONS] [ACTION]    control a daemon (as supervisorctl does; see {name} ctl -h)
          check [FILE]              read a configuration and say everything that is wrong with it
          pidproxy PIDFILE COMMAND  run a command that goes into the background, and pass signals on to it
          echo-conf                 print a configuration to begin with

        The actions of ctl can be given directly: {string.Join(", ", CtlProgram.Verbs)}.
        Called as supervisord, supervisorctl, pidproxy or echo_supervisord_conf it is that program.

        """;
}
