using System.Collections.Frozen;
using System.Text;

namespace Steward.Protocol.XmlRpc;

/// <summary>The methods that a daemon offers over XML-RPC; aliases share a member.</summary>
public enum XmlRpcVerb
{
    /// <summary><c>addProcessGroup</c></summary>
    AddProcessGroup,

    /// <summary><c>clearAllProcessLogs</c></summary>
    ClearAllProcessLogs,

    /// <summary><c>clearLog</c></summary>
    ClearLog,

    /// <summary><c>clearProcessLogs</c>, <c>clearProcessLog</c></summary>
    ClearProcessLogs,

    /// <summary><c>getAPIVersion</c>, <c>getVersion</c></summary>
    GetApiVersion,

    /// <summary><c>getAllConfigInfo</c></summary>
    GetAllConfigInfo,

    /// <summary><c>getAllProcessInfo</c></summary>
    GetAllProcessInfo,

    /// <summary><c>getIdentification</c></summary>
    GetIdentification,

    /// <summary><c>getPID</c></summary>
    GetPid,

    /// <summary><c>getProcessInfo</c></summary>
    GetProcessInfo,

    /// <summary><c>getState</c></summary>
    GetState,

    /// <summary><c>getSupervisorVersion</c></summary>
    GetSupervisorVersion,

    /// <summary><c>readLog</c>, <c>readMainLog</c></summary>
    ReadLog,

    /// <summary><c>readProcessStdoutLog</c>, <c>readProcessLog</c></summary>
    ReadProcessStdoutLog,

    /// <summary><c>readProcessStderrLog</c></summary>
    ReadProcessStderrLog,

    /// <summary><c>reloadConfig</c></summary>
    ReloadConfig,

    /// <summary><c>removeProcessGroup</c></summary>
    RemoveProcessGroup,

    /// <summary><c>restart</c></summary>
    Restart,

    /// <summary><c>sendProcessStdin</c></summary>
    SendProcessStdin,

    /// <summary><c>sendRemoteCommEvent</c></summary>
    SendRemoteCommEvent,

    /// <summary><c>shutdown</c></summary>
    Shutdown,

    /// <summary><c>signalAllProcesses</c></summary>
    SignalAllProcesses,

    /// <summary><c>signalProcess</c></summary>
    SignalProcess,

    /// <summary><c>signalProcessGroup</c></summary>
    SignalProcessGroup,

    /// <summary><c>startAllProcesses</c></summary>
    StartAllProcesses,

    /// <summary><c>startProcess</c></summary>
    StartProcess,

    /// <summary><c>startProcessGroup</c></summary>
    StartProcessGroup,

    /// <summary><c>stopAllProcesses</c></summary>
    StopAllProcesses,

    /// <summary><c>stopProcess</c></summary>
    StopProcess,

    /// <summary><c>stopProcessGroup</c></summary>
    StopProcessGroup,

    /// <summary><c>tailProcessStdoutLog</c>, <c>tailProcessLog</c></summary>
    TailProcessStdoutLog,

    /// <summary><c>tailProcessStderrLog</c></summary>
    TailProcessStderrLog,

    /// <summary><c>steward.getEventPools</c></summary>
    GetEventPools,

    /// <summary><c>steward.signalProcessTree</c></summary>
    SignalProcessTree,

    /// <summary><c>steward.getIntents</c></summary>
    GetIntents,

    /// <summary><c>steward.setIntent</c></summary>
    SetIntent,

    /// <summary><c>steward.listMethods</c></summary>
    ListNativeMethods,

    /// <summary><c>getAPIVersion</c> of the namespaces of plugins</summary>
    GetPluginVersion,

    /// <summary><c>twiddler.getGroupNames</c></summary>
    GetGroupNames,

    /// <summary><c>twiddler.log</c></summary>
    WriteLog,

    /// <summary><c>twiddler.addProgramToGroup</c></summary>
    AddProgramToGroup,

    /// <summary><c>twiddler.removeProcessFromGroup</c></summary>
    RemoveProcessFromGroup,

    /// <summary><c>steward.upgrade</c></summary>
    Upgrade,

    /// <summary><c>system.listMethods</c></summary>
    ListMethods,

    /// <summary><c>system.methodHelp</c></summary>
    MethodHelp,

    /// <summary><c>system.methodSignature</c></summary>
    MethodSignature,

    /// <summary><c>system.multicall</c></summary>
    Multicall,
}

/// <summary>A method: how it is called and what it says about itself.</summary>
public sealed class XmlRpcMethod
{
    internal XmlRpcMethod(string name, XmlRpcVerb verb, int required, string[] signature, string help)
    {
        Name = name;
        Verb = verb;
        Required = required;
        Signature = signature;
        Help = help;
    }

    /// <summary>The name without its namespace.</summary>
    public string Name { get; }

    /// <summary>What it does.</summary>
    public XmlRpcVerb Verb { get; }

    /// <summary>How many parameters have to be given; the rest has defaults.</summary>
    public int Required { get; }

    /// <summary>The type words <c>system.methodSignature</c> answers: of the result first, then of each parameter.</summary>
    public IReadOnlyList<string> Signature { get; }

    /// <summary>The text that <c>system.methodHelp</c> answers: prose, then <c>@param</c> and <c>@return</c> lines.</summary>
    public string Help { get; }

    /// <summary>Says whether a call may have this many parameters.</summary>
    public bool Accepts(int parameters) => parameters >= Required && parameters < Signature.Count;
}

/// <summary>The table of methods. A name is looked up here and nowhere else: nothing is reached by reflection.</summary>
public static partial class XmlRpcMethods
{
    /// <summary>The version of the API, <c>getAPIVersion</c>.</summary>
    public const string ApiVersion = "3.0";

    /// <summary>The methods of <c>[rpcinterface:supervisor]</c> by name without namespace.</summary>
    public static FrozenDictionary<string, XmlRpcMethod> Supervisor { get; } = ByName(
        Make("addProcessGroup", XmlRpcVerb.AddProcessGroup,
            "Activate a group of the configuration as it was last read; its autostart processes start.",
            "boolean result true", "string name the group's name"),
        Make("clearAllProcessLogs", XmlRpcVerb.ClearAllProcessLogs,
            "Empty the log files of every process.",
            "array result one status struct for each process"),
        Make("clearLog", XmlRpcVerb.ClearLog,
            "Remove the daemon's log file and begin a new one.",
            "boolean result true"),
        Make("clearProcessLog", XmlRpcVerb.ClearProcessLogs,
            "The older name of clearProcessLogs.",
            "boolean result true", "string name the process as 'name' or 'group:name'"),
        Make("clearProcessLogs", XmlRpcVerb.ClearProcessLogs,
            "Empty the stdout and stderr log files of one process.",
            "boolean result true", "string name the process as 'name' or 'group:name'"),
        Make("getAPIVersion", XmlRpcVerb.GetApiVersion,
            "Tell the version of this XML-RPC interface.",
            "string version the version, for example 3.0"),
        Make("getAllConfigInfo", XmlRpcVerb.GetAllConfigInfo,
            "Tell the settings of every process of the configuration as it was last read, active or not.",
            "array result one struct for each process"),
        Make("getAllProcessInfo", XmlRpcVerb.GetAllProcessInfo,
            "Tell what getProcessInfo tells, of every process.",
            "array result one struct for each process, ordered by group and name"),
        Make("getIdentification", XmlRpcVerb.GetIdentification,
            "Tell the identifier that the configuration gives this daemon.",
            "string identifier the identifier"),
        Make("getPID", XmlRpcVerb.GetPid,
            "Tell the process id of the daemon.",
            "int pid the process id"),
        Make("getProcessInfo", XmlRpcVerb.GetProcessInfo,
            "Tell the state of one process, its times, its pid and its log files.",
            "struct result the members are described in the manual", "string name the process as 'name' or 'group:name'"),
        Make("getState", XmlRpcVerb.GetState,
            "Tell the state of the daemon itself.",
            "struct result statecode (an int) and statename (a string)"),
        Make("getSupervisorVersion", XmlRpcVerb.GetSupervisorVersion,
            "Tell the version of Supervisor that this daemon stands in for.",
            "string version the version"),
        Make("getVersion", XmlRpcVerb.GetApiVersion,
            "The older name of getAPIVersion.",
            "string version the version, for example 3.0"),
        Make("readLog", XmlRpcVerb.ReadLog,
            "Read a part of the daemon's log. A negative offset with length 0 reads from the end; length 0 reads to the end.",
            "string result the text", "int offset where to begin, in bytes", "int length how many bytes to read"),
        Make("readMainLog", XmlRpcVerb.ReadLog,
            "The older name of readLog.",
            "string result the text", "int offset where to begin, in bytes", "int length how many bytes to read"),
        Make("readProcessLog", XmlRpcVerb.ReadProcessStdoutLog,
            "The older name of readProcessStdoutLog.",
            "string result the text", "string name the process as 'name' or 'group:name'", "int offset where to begin, in bytes",
            "int length how many bytes to read"),
        Make("readProcessStderrLog", XmlRpcVerb.ReadProcessStderrLog,
            "Read a part of a process's stderr log; offset and length count as in readLog.",
            "string result the text", "string name the process as 'name' or 'group:name'", "int offset where to begin, in bytes",
            "int length how many bytes to read"),
        Make("readProcessStdoutLog", XmlRpcVerb.ReadProcessStdoutLog,
            "Read a part of a process's stdout log; offset and length count as in readLog.",
            "string result the text", "string name the process as 'name' or 'group:name'", "int offset where to begin, in bytes",
            "int length how many bytes to read"),
        Make("reloadConfig", XmlRpcVerb.ReloadConfig,
            "Read the configuration again and tell how its groups differ from the active ones. Nothing is started or stopped.",
            "array result one array that holds three: the groups added, changed and removed"),
        Make("removeProcessGroup", XmlRpcVerb.RemoveProcessGroup,
            "Deactivate a group whose processes are stopped.",
            "boolean result true", "string name the group's name"),
        Make("restart", XmlRpcVerb.Restart,
            "Stop everything, read the configuration and start anew in the same daemon process.",
            "boolean result true, before it is done"),
        Make("sendProcessStdin", XmlRpcVerb.SendProcessStdin,
            "Send text to the stdin of a running process, as UTF-8 and without adding a line end.",
            "boolean result true", "string name the process as 'name' or 'group:name'", "string chars the text"),
        Make("sendRemoteCommEvent", XmlRpcVerb.SendRemoteCommEvent,
            "Emit an event that listeners subscribed to REMOTE_COMMUNICATION receive.",
            "boolean result true", "string type what stands behind 'type:' in the event", "string data the event's body"),
        Make("shutdown", XmlRpcVerb.Shutdown,
            "Stop everything and end the daemon.",
            "boolean result true, before it is done"),
        Make("signalAllProcesses", XmlRpcVerb.SignalAllProcesses,
            "Send a signal to every process that runs.",
            "array result one status struct for each process that was signalled", "string signal a name such as HUP, or a number"),
        Make("signalProcess", XmlRpcVerb.SignalProcess,
            "Send a signal to a process. With 'group:*' every process of the group is meant and the result is an array.",
            "boolean result true", "string name the process as 'name' or 'group:name'",
            "string signal a name such as HUP, or a number"),
        Make("signalProcessGroup", XmlRpcVerb.SignalProcessGroup,
            "Send a signal to every process of a group that runs.",
            "array result one status struct for each process that was signalled", "string name the group's name",
            "string signal a name such as HUP, or a number"),
        Make("startAllProcesses", XmlRpcVerb.StartAllProcesses, 0,
            "Start every process that does not run.",
            "array result one status struct for each process that was started", "boolean wait answer when they are up (default true)"),
        Make("startProcess", XmlRpcVerb.StartProcess, 1,
            "Start a process. With 'group:*' every process of the group is meant and the result is an array.",
            "boolean result true", "string name the process as 'name' or 'group:name'",
            "boolean wait answer when it is up (default true)"),
        Make("startProcessGroup", XmlRpcVerb.StartProcessGroup, 1,
            "Start every process of a group that does not run.",
            "array result one status struct for each process that was started", "string name the group's name",
            "boolean wait answer when they are up (default true)"),
        Make("stopAllProcesses", XmlRpcVerb.StopAllProcesses, 0,
            "Stop every process that runs.",
            "array result one status struct for each process that was stopped",
            "boolean wait answer when they have ended (default true)"),
        Make("stopProcess", XmlRpcVerb.StopProcess, 1,
            "Stop a process. With 'group:*' every process of the group is meant and the result is an array.",
            "boolean result true", "string name the process as 'name' or 'group:name'",
            "boolean wait answer when it has ended (default true)"),
        Make("stopProcessGroup", XmlRpcVerb.StopProcessGroup, 1,
            "Stop every process of a group that runs.",
            "array result one status struct for each process that was stopped", "string name the group's name",
            "boolean wait answer when they have ended (default true)"),
        Make("tailProcessLog", XmlRpcVerb.TailProcessStdoutLog,
            "The older name of tailProcessStdoutLog.",
            "array result the text, the log's size and whether more than was asked for lies behind the offset",
            "string name the process as 'name' or 'group:name'", "int offset where the last call ended", "int length how many bytes to read"),
        Make("tailProcessStderrLog", XmlRpcVerb.TailProcessStderrLog,
            "Read the end of a process's stderr log; made for calling again and again with the size of the answer before.",
            "array result the text, the log's size and whether more than was asked for lies behind the offset",
            "string name the process as 'name' or 'group:name'", "int offset where the last call ended", "int length how many bytes to read"),
        Make("tailProcessStdoutLog", XmlRpcVerb.TailProcessStdoutLog,
            "Read the end of a process's stdout log; made for calling again and again with the size of the answer before.",
            "array result the text, the log's size and whether more than was asked for lies behind the offset",
            "string name the process as 'name' or 'group:name'", "int offset where the last call ended", "int length how many bytes to read"));

    /// <summary>The methods of the namespace <c>system</c> by name without namespace.</summary>
    public static FrozenDictionary<string, XmlRpcMethod> System { get; } = ByName(
        Make("listMethods", XmlRpcVerb.ListMethods,
            "Tell the names of all methods.",
            "array result the names in order"),
        Make("methodHelp", XmlRpcVerb.MethodHelp,
            "Tell what a method does, in words.",
            "string text the description", "string name the method's full name"),
        Make("methodSignature", XmlRpcVerb.MethodSignature,
            "Tell the types of a method's result and parameters.",
            "array result type words, that of the result first", "string name the method's full name"),
        Make("multicall", XmlRpcVerb.Multicall,
            "Call several methods, one after the other.",
            "array result the bare result of each call, or a struct of faultCode and faultString",
            "array calls structs of methodName (a string) and params (an array)"));

    private static XmlRpcMethod Make(string name, XmlRpcVerb verb, string about, string result, params string[] parameters) =>
        Make(name, verb, parameters.Length, about, result, parameters);

    private static XmlRpcMethod Make(
        string name, XmlRpcVerb verb, int required, string about, string result, params string[] parameters)
    {
        var help = new StringBuilder(" ").Append(about).Append("\n\n");
        foreach (string parameter in parameters)
        {
            help.Append("        @param ").Append(parameter).Append('\n');
        }

        help.Append("        @return ").Append(result).Append("\n        ");
        string[] signature = [TypeWord(result), .. parameters.Select(TypeWord)];
        return new XmlRpcMethod(name, verb, required, signature, help.ToString());
    }

    private static string TypeWord(string description) => description[..description.IndexOf(' ', StringComparison.Ordinal)];

    private static FrozenDictionary<string, XmlRpcMethod> ByName(params XmlRpcMethod[] methods) =>
        methods.ToFrozenDictionary(method => method.Name, StringComparer.Ordinal);
}
