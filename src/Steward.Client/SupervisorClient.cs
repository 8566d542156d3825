using Steward.Core.Model;
using Steward.Protocol.XmlRpc;

namespace Steward.Client;

/// <summary>
/// The daemon's XML-RPC methods as typed calls. Works with Steward and with Supervisor 3 and 4; members that a server does not send
/// read as 0, false or empty. One thread at a time.
/// </summary>
public sealed class SupervisorClient : IDisposable
{
    private readonly RpcConnection _connection;

    /// <summary>Makes a client; nothing is connected yet.</summary>
    /// <param name="address">Where the daemon listens.</param>
    /// <param name="credentials">The login; null sends none.</param>
    /// <param name="limits">Bounds; null for the defaults.</param>
    public SupervisorClient(ServerAddress address, Credentials? credentials = null, ClientLimits? limits = null) =>
        _connection = new RpcConnection(address, credentials, limits);

    /// <summary>Where the daemon listens.</summary>
    public ServerAddress Address => _connection.Address;

    /// <summary>The login; null when none is sent.</summary>
    public Credentials? Credentials => _connection.Credentials;

    /// <summary>The version of the interface, under the old name that every daemon knows.</summary>
    public Answer<string> GetApiVersion() => Text(_connection.Call("supervisor.getVersion"));

    /// <summary>The version of the daemon.</summary>
    public Answer<string> GetSupervisorVersion() => Text(_connection.Call("supervisor.getSupervisorVersion"));

    /// <summary>The process id of the daemon.</summary>
    public Answer<long> GetPid() => _connection.Call("supervisor.getPID").Read(ReadInt, "a number").Read<long>(boxed => boxed.Value, "");

    /// <summary>Every process, ordered by group and name.</summary>
    public Answer<IReadOnlyList<ProcessInfo>> GetAllProcessInfo() =>
        List(_connection.Call("supervisor.getAllProcessInfo"), ProcessInfo.Read, "a list of processes");

    /// <summary>One process.</summary>
    public Answer<ProcessInfo> GetProcessInfo(string name) =>
        _connection.Call("supervisor.getProcessInfo", name).Read(ProcessInfo.Read, "a process");

    /// <summary>Every process of the configuration as it was last read.</summary>
    public Answer<IReadOnlyList<ConfigInfo>> GetAllConfigInfo() =>
        List(_connection.Call("supervisor.getAllConfigInfo"), ConfigInfo.Read, "a list of configured processes");

    /// <summary>How the hooks are doing; a fault UNKNOWN_METHOD from a daemon that knows none.</summary>
    public Answer<IReadOnlyList<HookInfo>> GetHooks() => List(_connection.Call("steward.getHooks"), HookInfo.Read, "a list of hooks");

    /// <summary>Sends a test event to a hook and waits: empty when it was taken, else why not.</summary>
    public Answer<string> TestHook(string name) => Text(_connection.CallAndWait("steward.testHook", name));

    /// <summary>Starts a process and waits until it runs or has failed.</summary>
    public Answer<bool> StartProcess(string name) => Done(_connection.CallAndWait("supervisor.startProcess", name));

    /// <summary>Starts a process; without waiting it answers as soon as the process exists.</summary>
    public Answer<bool> StartProcess(string name, bool wait) =>
        wait ? StartProcess(name) : Done(_connection.Call("supervisor.startProcess", name, wait));

    /// <summary>Stops a process; without waiting it answers as soon as the signal is sent.</summary>
    public Answer<bool> StopProcess(string name, bool wait) =>
        wait ? StopProcess(name) : Done(_connection.Call("supervisor.stopProcess", name, wait));

    /// <summary>Starts a group and waits.</summary>
    public Answer<IReadOnlyList<ProcessResult>> StartProcessGroup(string group) =>
        Results(_connection.CallAndWait("supervisor.startProcessGroup", group));

    /// <summary>Starts everything and waits.</summary>
    public Answer<IReadOnlyList<ProcessResult>> StartAllProcesses() => Results(_connection.CallAndWait("supervisor.startAllProcesses"));

    /// <summary>Stops a process and waits until it has ended.</summary>
    public Answer<bool> StopProcess(string name) => Done(_connection.CallAndWait("supervisor.stopProcess", name));

    /// <summary>Stops a group and waits.</summary>
    public Answer<IReadOnlyList<ProcessResult>> StopProcessGroup(string group) =>
        Results(_connection.CallAndWait("supervisor.stopProcessGroup", group));

    /// <summary>Stops everything and waits.</summary>
    public Answer<IReadOnlyList<ProcessResult>> StopAllProcesses() => Results(_connection.CallAndWait("supervisor.stopAllProcesses"));

    /// <summary>Signals a process.</summary>
    public Answer<bool> SignalProcess(string name, string signal) => Done(_connection.Call("supervisor.signalProcess", name, signal));

    /// <summary>Signals the processes of a group.</summary>
    public Answer<IReadOnlyList<ProcessResult>> SignalProcessGroup(string group, string signal) =>
        Results(_connection.Call("supervisor.signalProcessGroup", group, signal));

    /// <summary>Signals every process.</summary>
    public Answer<IReadOnlyList<ProcessResult>> SignalAllProcesses(string signal) =>
        Results(_connection.Call("supervisor.signalAllProcesses", signal));

    /// <summary>Signals everything in a process's process group. Steward alone.</summary>
    public Answer<bool> SignalProcessTree(string name, string signal) => Done(_connection.Call("steward.signalProcessTree", name, signal));

    /// <summary>Signals everything in the process groups of a group. Steward alone.</summary>
    public Answer<IReadOnlyList<ProcessResult>> SignalGroupTree(string group, string signal) =>
        Results(_connection.Call("steward.signalProcessTree", group + ":*", signal));

    /// <summary>How the pools of event listeners do. Steward alone.</summary>
    public Answer<IReadOnlyList<EventPoolInfo>> GetEventPools() =>
        List(_connection.Call("steward.getEventPools"), EventPoolInfo.Read, "a list of pools");

    /// <summary>Forbids a process to be started, or allows it again. Steward alone.</summary>
    /// <param name="name">The process.</param>
    /// <param name="isEnabled">Whether it may be started.</param>
    /// <param name="reason">Why it may not; may be empty.</param>
    public Answer<bool> SetIntent(string name, bool isEnabled, string reason) =>
        Done(_connection.Call("steward.setIntent", name, isEnabled, reason));

    /// <summary>What is remembered of what operators want. Steward alone.</summary>
    public Answer<IReadOnlyList<IntentInfo>> GetIntents() => List(_connection.Call("steward.getIntents"), IntentInfo.Read, "a list of intents");

    /// <summary>Empties a process's logs.</summary>
    public Answer<bool> ClearProcessLogs(string name) => Done(_connection.Call("supervisor.clearProcessLogs", name));

    /// <summary>Empties the logs of every process and waits: Supervisor takes them one by one, up to a second each.</summary>
    public Answer<IReadOnlyList<ProcessResult>> ClearAllProcessLogs() => Results(_connection.CallAndWait("supervisor.clearAllProcessLogs"));

    /// <summary>Reads from a process's log.</summary>
    /// <param name="name">The process.</param>
    /// <param name="channel"><c>stdout</c> or <c>stderr</c>.</param>
    /// <param name="offset">Where to begin, in bytes; negative: from the end.</param>
    /// <param name="length">How many bytes; 0: to the end.</param>
    public Answer<string> ReadProcessLog(string name, string channel, long offset, long length) =>
        Text(_connection.Call(
            channel == "stderr" ? "supervisor.readProcessStderrLog" : "supervisor.readProcessStdoutLog", name, offset, length));

    /// <summary>Reads from the daemon's log; offset and length as in <see cref="ReadProcessLog"/>.</summary>
    public Answer<string> ReadLog(long offset, long length) => Text(_connection.Call("supervisor.readLog", offset, length));

    /// <summary>Sends text to a process's stdin.</summary>
    public Answer<bool> SendProcessStdin(string name, string text) => Done(_connection.Call("supervisor.sendProcessStdin", name, text));

    /// <summary>Ends the daemon; answers before it is done.</summary>
    public Answer<bool> Shutdown() => Done(_connection.Call("supervisor.shutdown"));

    /// <summary>Restarts the daemon; answers before it is done.</summary>
    public Answer<bool> Restart() => Done(_connection.Call("supervisor.restart"));

    /// <summary>Has the daemon go on as another image of its program; answers when that one is in charge.</summary>
    /// <param name="file">The executable, absolute; empty: the path by which the daemon was started.</param>
    public Answer<bool> Upgrade(string file) => Done(_connection.CallAndWait("steward.upgrade", file));

    /// <summary>Reads the configuration again and tells the differences.</summary>
    public Answer<ConfigDifferences> ReloadConfig() =>
        _connection.Call("supervisor.reloadConfig").Read(ConfigDifferences.Read, "a list of changes");

    /// <summary>Activates a group.</summary>
    public Answer<bool> AddProcessGroup(string group) => Done(_connection.Call("supervisor.addProcessGroup", group));

    /// <summary>Deactivates a group.</summary>
    public Answer<bool> RemoveProcessGroup(string group) => Done(_connection.Call("supervisor.removeProcessGroup", group));

    /// <inheritdoc/>
    public void Dispose() => _connection.Dispose();

    // What a method answers that can only succeed or refuse does not matter: Supervisor says true.
    private static Answer<bool> Done(Answer<XmlRpcValue> answer) => answer.Read<bool>(_ => true, "");

    private static Answer<string> Text(Answer<XmlRpcValue> answer) => answer.Read(value => (value as XmlRpcString)?.Value, "a text");

    private static XmlRpcInt? ReadInt(XmlRpcValue value) => value as XmlRpcInt;

    private static Answer<IReadOnlyList<ProcessResult>> Results(Answer<XmlRpcValue> answer) =>
        List(answer, ProcessResult.Read, "a list of results");

    private static Answer<IReadOnlyList<T>> List<T>(Answer<XmlRpcValue> answer, Func<XmlRpcValue, T?> read, string expected)
        where T : class =>
        answer.Read<IReadOnlyList<T>>(
            value =>
            {
                if (value is not XmlRpcArray array)
                {
                    return null;
                }

                var items = new List<T>(array.Items.Count);
                foreach (XmlRpcValue item in array.Items)
                {
                    if (read(item) is not { } one)
                    {
                        return null;
                    }

                    items.Add(one);
                }

                return items;
            },
            expected);
}

/// <summary>A process as the daemon describes it; the members are those of <c>getProcessInfo</c>.</summary>
/// <param name="Group">The group's name.</param>
/// <param name="Name">The process's name.</param>
/// <param name="State">The state's number.</param>
/// <param name="StateName">The state's name.</param>
/// <param name="Description">The text that <c>status</c> shows.</param>
/// <param name="Pid">The process id; 0 when there is none.</param>
public sealed record ProcessInfo(string Group, string Name, ProcessState State, string StateName, string Description, long Pid)
{
    /// <summary>The name as users give it.</summary>
    public string Namespec => Core.Model.Namespec.Join(Group, Name);

    internal static ProcessInfo? Read(XmlRpcValue value) =>
        value is XmlRpcStruct members && members.Text("name") is { } name && members.Text("group") is { } group
            ? new ProcessInfo(
                group,
                name,
                (ProcessState)members.Number("state"),
                members.Text("statename") ?? "",
                members.Text("description") ?? "",
                members.Number("pid"))
            : null;
}

/// <summary>A hook; the members are those of <c>steward.getHooks</c>.</summary>
/// <param name="Name">Its name.</param>
/// <param name="Kind"><c>exec</c>, <c>url</c> or <c>mail</c>.</param>
/// <param name="Target">Where it sends, without secrets.</param>
/// <param name="Delivered">Events that were taken.</param>
/// <param name="Failed">Events that were given up.</param>
/// <param name="Dropped">Events for which there was no room.</param>
/// <param name="Waiting">Events that wait.</param>
/// <param name="LastError">Why the last attempt that failed did; empty for none.</param>
/// <param name="LastErrorTime">When, in seconds of Unix time; 0 for never.</param>
/// <param name="LastSuccess">When an event was last taken; 0 for never.</param>
public sealed record HookInfo(
    string Name, string Kind, string Target, long Delivered, long Failed, long Dropped, long Waiting, string LastError, long LastErrorTime,
    long LastSuccess)
{
    internal static HookInfo? Read(XmlRpcValue value) =>
        value is XmlRpcStruct members && members.Text("name") is { } name
            ? new HookInfo(
                name,
                members.Text("kind") ?? "",
                members.Text("target") ?? "",
                members.Number("delivered"),
                members.Number("failed"),
                members.Number("dropped"),
                members.Number("waiting"),
                members.Text("last_error") ?? "",
                members.Number("last_error_time"),
                members.Number("last_success_time"))
            : null;
}

/// <summary>A configured process; the members are those of <c>getAllConfigInfo</c> that a client shows.</summary>
/// <param name="Group">The group's name.</param>
/// <param name="Name">The process's name.</param>
/// <param name="InUse">Says whether its group is active.</param>
/// <param name="AutoStart">Says whether it starts with the daemon.</param>
/// <param name="GroupPriority">The group's priority.</param>
/// <param name="ProcessPriority">The process's priority.</param>
public sealed record ConfigInfo(string Group, string Name, bool InUse, bool AutoStart, long GroupPriority, long ProcessPriority)
{
    /// <summary>The name as users give it.</summary>
    public string Namespec => Core.Model.Namespec.Join(Group, Name);

    internal static ConfigInfo? Read(XmlRpcValue value) =>
        value is XmlRpcStruct members && members.Text("name") is { } name && members.Text("group") is { } group
            ? new ConfigInfo(
                group,
                name,
                members.Truth("inuse"),
                members.Truth("autostart"),
                members.Number("group_prio"),
                members.Number("process_prio"))
            : null;
}

/// <summary>What came of an action for one process of several.</summary>
/// <param name="Group">The group's name.</param>
/// <param name="Name">The process's name.</param>
/// <param name="Status">80 for success, else a fault code.</param>
/// <param name="Description"><c>OK</c> or the fault string.</param>
public sealed record ProcessResult(string Group, string Name, int Status, string Description)
{
    internal static ProcessResult? Read(XmlRpcValue value) =>
        value is XmlRpcStruct members && members.Text("name") is { } name && members.Text("group") is { } group
            ? new ProcessResult(group, name, (int)members.Number("status"), members.Text("description") ?? "")
            : null;
}

/// <summary>How the groups of a configuration differ from the active ones, each list in the daemon's order.</summary>
/// <param name="Added">Groups that are new.</param>
/// <param name="Changed">Active groups that read differently now.</param>
/// <param name="Removed">Active groups that are gone.</param>
public sealed record ConfigDifferences(IReadOnlyList<string> Added, IReadOnlyList<string> Changed, IReadOnlyList<string> Removed)
{
    internal static ConfigDifferences? Read(XmlRpcValue value)
    {
        // [[added, changed, removed]]: one array around it, as Supervisor has it.
        if (value is not XmlRpcArray { Items: [XmlRpcArray { Items: [XmlRpcArray added, XmlRpcArray changed, XmlRpcArray removed] }] })
        {
            return null;
        }

        return Names(added) is { } a && Names(changed) is { } c && Names(removed) is { } r ? new ConfigDifferences(a, c, r) : null;
    }

    private static List<string>? Names(XmlRpcArray array)
    {
        var names = new List<string>(array.Items.Count);
        foreach (XmlRpcValue item in array.Items)
        {
            if (item is not XmlRpcString name)
            {
                return null;
            }

            names.Add(name.Value);
        }

        return names;
    }
}

internal static class StructMembers
{
    public static string? Text(this XmlRpcStruct members, string name) => (members.Find(name) as XmlRpcString)?.Value;

    public static long Number(this XmlRpcStruct members, string name) => members.Find(name) is XmlRpcInt number ? number.Value : 0;

    public static bool Truth(this XmlRpcStruct members, string name) =>
        members.Find(name) is XmlRpcBoolean { Value: true } or XmlRpcInt { Value: not 0 };
}
