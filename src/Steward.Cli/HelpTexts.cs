namespace Steward.Cli;

/// <summary>What <c>help ACTION</c> prints. Tools compare these texts: they are Supervisor's to the byte.</summary>
internal static class HelpTexts
{
    /// <summary>The heading above a list of actions, behind their kind.</summary>
    public const string ListHeading = " commands (type help <topic>):";

    /// <summary>How wide the list of actions may be.</summary>
    public const int ListWidth = 79;

    public const string Help = "help\t\tPrint a list of available actions\nhelp <action>\tPrint help for <action>";

    public const string Hooks =
        "hooks\t\t\tHow the hooks are doing\n"
        + "hooks test <name>\tSend a test event to a hook, and say what came of it";

    public const string Status =
        "status <name>\t\tGet status for a single process\n"
        + "status <gname>:*\tGet status for all processes in a group\n"
        + "status <name> <name>\tGet status for multiple named processes\n"
        + "status\t\t\tGet all process status info";

    public const string Pid =
        "pid\t\t\tGet the PID of supervisord.\n"
        + "pid <name>\t\tGet the PID of a single child process by name.\n"
        + "pid all\t\t\tGet the PID of every child process, one per line.";

    public const string Start =
        "start <name>\t\tStart a process\n"
        + "start <gname>:*\t\tStart all processes in a group\n"
        + "start <name> <name>\tStart multiple processes or groups\n"
        + "start all\t\tStart all processes";

    public const string Stop =
        "stop <name>\t\tStop a process\n"
        + "stop <gname>:*\t\tStop all processes in a group\n"
        + "stop <name> <name>\tStop multiple processes or groups\n"
        + "stop all\t\tStop all processes";

    public const string Signal =
        "signal <signal name> <name>\t\tSignal a process\n"
        + "signal <signal name> <gname>:*\t\tSignal all processes in a group\n"
        + "signal <signal name> <name> <name>\tSignal multiple processes or groups\n"
        + "signal <signal name> all\t\tSignal all processes";

    public const string Restart =
        "restart <name>\t\tRestart a process\n"
        + "restart <gname>:*\tRestart all processes in a group\n"
        + "restart <name> <name>\tRestart multiple processes or groups\n"
        + "restart all\t\tRestart all processes\n"
        + "Note: restart does not reread config files. For that, see reread and update.";

    public const string Tail =
        "tail [-f] <name> [stdout|stderr] (default stdout)\n"
        + "Ex:\n"
        + "tail -f <name>\t\tContinuous tail of named process stdout\n"
        + "\t\t\tCtrl-C to exit.\n"
        + "tail -100 <name>\tlast 100 *bytes* of process stdout\n"
        + "tail <name> stderr\tlast 1600 *bytes* of process stderr";

    public const string MainTail =
        "maintail -f \tContinuous tail of supervisor main log file (Ctrl-C to exit)\n"
        + "maintail -100\tlast 100 *bytes* of supervisord main log file\n"
        + "maintail\tlast 1600 *bytes* of supervisor main log file\n";

    public const string Clear =
        "clear <name>\t\tClear a process' log files.\n"
        + "clear <name> <name>\tClear multiple process' log files\n"
        + "clear all\t\tClear all process' log files";

    public const string Foreground = "fg <process>\tConnect to a process in foreground mode\n\t\tCtrl-C to exit";

    public const string Shutdown = "shutdown \tShut the remote supervisord down.";

    public const string Reload = "reload \t\tRestart the remote supervisord.";

    public const string Upgrade =
        "upgrade\t\t\tHave the daemon go on as the program that is installed by now; processes are not touched\n"
        + "upgrade --binary FILE\tThe same with another executable";

    public const string Reread = "reread \t\t\tReload the daemon's configuration files without add/remove";

    public const string Update =
        "update\t\t\tReload config and add/remove as necessary, and will restart affected programs\n"
        + "update all\t\tReload config and add/remove as necessary, and will restart affected programs\n"
        + "update <gname> [...]\tUpdate specific groups";

    public const string Add = "add <name> [...]\tActivates any updates in config for process/group";

    public const string Remove = "remove <name> [...]\tRemoves process/group from active config";

    public const string Avail = "avail\t\t\tDisplay all configured processes";

    public const string Version = "version\t\t\tShow the version of the remote supervisord process";

    public const string Open =
        "open <url>\tConnect to a remote supervisord process.\n\t\t(for UNIX domain socket, use unix:///socket/path)";

    public const string Events =
        "events [--limit N]\t\tThe newest entries of the daemon's journal, oldest of them first\n"
        + "events --since N|TIME\t\tThose behind number N, or from a time on (2026-11-26T10:00)\n"
        + "events --follow\t\t\tAnd go on with what happens (Ctrl-C to exit)\n"
        + "events --process NAME\t\tOf one process (NAME, GROUP:NAME) or group (GROUP:*)\n"
        + "events --kind K[,K]\t\tOf some kinds: state spawn exit decision request signal config\n"
        + "\t\t\t\thealth daemon event listener loss\n"
        + "events --json\t\t\tOne JSON object a line";

    public const string History =
        "history [--limit N] [--json]\t\tWhat happened, oldest first\n"
        + "history <name> [--limit N] [--json]\tWhat happened to a process or (GROUP:*) a group";

    public const string Why = "why <name> [--json]\tWhy a process is in its state: what led there, and what comes next";

    public const string Quit = "quit\tExit the supervisor shell.";

    public const string Exit = "exit\tExit the supervisor shell.";

    public const string Disable =
        "disable <name> [...]\t\t\tForbid processes to be started, over restarts of the daemon too; those that run go on\n"
        + "disable <gname>:*\t\t\tThe same for all processes in a group\n"
        + "disable <name> [...] --reason TEXT\tThe same, and say why: all the rest of the line";

    public const string Enable =
        "enable <name> [...]\tAllow processes to be started again\n"
        + "enable <gname>:*\tThe same for all processes in a group";

    public const string Intent = "intent\t\t\tShow which processes are disabled, and which were stopped by hand (autostart=last)";

    public const string Kill =
        "kill <signal> <name> [...]\t\tSend a signal to processes\n"
        + "kill -g <signal> <name> [...]\tSend it to everything in their process groups";

    public const string Listeners = "listeners\t\tShow what the pools of event listeners have buffered, delivered and lost";

    public const string StartMany =
        "mstart <pattern> [...]\tStart all processes whose names match, at once\n"
        + "Patterns have *, ? and [...] in them; 'g*:w*' matches groups, too.";

    public const string StopMany = "mstop <pattern> [...]\tStop all processes whose names match, at once";

    public const string RestartMany = "mrestart <pattern> [...]\tStop all processes whose names match, then start them";

    public const string SerialRestart =
        "serialrestart <pattern> [...]\tRestart processes one after another, each when the one before is RUNNING";

    /// <summary>The help of an action of the configuration.</summary>
    public static string Plugin(CtlPlugin plugin) => $"{plugin.Name} [argument ...]\tRun {string.Join(' ', plugin.Command)}";
}
