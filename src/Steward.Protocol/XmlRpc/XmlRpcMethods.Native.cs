using System.Collections.Frozen;

namespace Steward.Protocol.XmlRpc;

// What Supervisor itself does not have: our own namespace, and those of plugins whose methods are built in.
public static partial class XmlRpcMethods
{
    private const string ProcessName = "string name the process as 'name' or 'group:name'";
    private const string SignalName = "string signal a name such as HUP, or a number";

    /// <summary>
    /// The methods of the namespace <c>steward</c>, which is there wherever <c>supervisor</c> is. <c>system.listMethods</c> does not name
    /// them, for clients compare its answer with Supervisor's.
    /// </summary>
    public static FrozenDictionary<string, XmlRpcMethod> Steward { get; } = ByName(
        Make("getEventPools", XmlRpcVerb.GetEventPools,
            "Tell how the pools of event listeners do: what is buffered, delivered, rejected, returned and discarded.",
            "array result one struct for each pool"),
        Make("getIntents", XmlRpcVerb.GetIntents,
            "Tell what is remembered of what operators want: which processes are disabled, and which were stopped by hand.",
            "array result one struct for each process of which something is remembered"),
        Make("listMethods", XmlRpcVerb.ListNativeMethods,
            "Tell the names of the methods of this namespace.",
            "array result the names in order"),
        Make("setIntent", XmlRpcVerb.SetIntent, 2,
            "Forbid a process to be started, over restarts of the daemon too, or allow it again. What it does at the moment stays as it is.",
            "boolean result true", ProcessName, "boolean enabled whether it may be started",
            "string reason why it may not (default '')"),
        Make("signalProcessTree", XmlRpcVerb.SignalProcessTree,
            "Send a signal to a process and to everything in its process group. With 'group:*' the result is an array.",
            "boolean result true", ProcessName, SignalName),
        Make("upgrade", XmlRpcVerb.Upgrade, 0,
            "Go on as another image of the program in the same process; programs, their output and their timers are not touched.",
            "boolean result true, once the other image is in charge",
            "string file the executable (default: the path by which the daemon was started)"));

    /// <summary>The methods of supervisor_twiddler by name without namespace.</summary>
    public static FrozenDictionary<string, XmlRpcMethod> Twiddler { get; } = ByName(
        Make("addProgramToGroup", XmlRpcVerb.AddProgramToGroup,
            "Add a program to an active group until that is removed; its processes start as autostart says.",
            "boolean result true", "string group_name the group's name", "string program_name the program's name",
            "struct program_options keys and values as of a [program:x] section"),
        Make("getAPIVersion", XmlRpcVerb.GetPluginVersion,
            "Tell the version of this interface.",
            "string version the version"),
        Make("getGroupNames", XmlRpcVerb.GetGroupNames,
            "Tell the names of the active groups.",
            "array result the names in order"),
        Make("log", XmlRpcVerb.WriteLog, 1,
            "Write a line to the daemon's log.",
            "boolean result true", "string message the line", "string level its level, a name or a number (default INFO)"),
        Make("removeProcessFromGroup", XmlRpcVerb.RemoveProcessFromGroup,
            "Remove a stopped process from an active group.",
            "boolean result true", "string group_name the group's name", "string process_name the process's name"));

    /// <summary>The methods of mr.laforge by name without namespace.</summary>
    public static FrozenDictionary<string, XmlRpcMethod> Laforge { get; } = ByName(
        Make("getAPIVersion", XmlRpcVerb.GetPluginVersion,
            "Tell the version of this interface.",
            "string version the version"),
        Make("getMrLaForgeVersion", XmlRpcVerb.GetPluginVersion,
            "Tell the version of this interface.",
            "string version the version"),
        Make("killProcess", XmlRpcVerb.SignalProcess,
            "Send a signal to a process. With 'group:*' every process of the group is meant and the result is an array.",
            "boolean result true", ProcessName, SignalName),
        Make("killProcessGroup", XmlRpcVerb.SignalProcessGroup,
            "Send a signal to every process of a group that runs.",
            "array result one status struct for each process that was signalled", "string name the group's name", SignalName));
}
