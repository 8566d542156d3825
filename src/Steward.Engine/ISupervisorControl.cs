using Steward.Core.Config;
using Steward.Core.Effects;
using Steward.Core.Inputs;
using Steward.Core.Model;
using Steward.Core.Supervision;

namespace Steward.Engine;

/// <summary>
/// What the control adapters (XML-RPC, web page) see of a running daemon. Every member may be called on any thread.
/// </summary>
public interface ISupervisorControl
{
    /// <summary>The daemon's state.</summary>
    DaemonState State { get; }

    /// <summary>The identifier in force.</summary>
    string Identifier { get; }

    /// <summary>The daemon's pid.</summary>
    int Pid { get; }

    /// <summary>The activity log in use; null when it goes to syslog alone.</summary>
    string? MainLogPath { get; }

    /// <summary>The namespaces of the configuration in force besides <c>system</c>, for example <c>supervisor</c>.</summary>
    IReadOnlyList<RpcInterfaceConfig> RpcInterfaces { get; }

    /// <summary>
    /// Carries out a command. Completes when the core has answered, which for waiting commands is when the processes got
    /// there. At most 1,024 commands wait at once; beyond that the answer is FAILED at once.
    /// </summary>
    /// <param name="command">What is asked.</param>
    /// <param name="requester">Who asks, in words for people; stands in the history of what it changes.</param>
    Task<Outcome> ExecuteAsync(Command command, string requester);

    /// <summary>
    /// Reads the configuration file again on the calling thread and has the core compare: <see cref="Reread"/>, or a refusal
    /// with CANT_REREAD and the first fault, or SHUTDOWN_STATE.
    /// </summary>
    Task<Outcome> RereadAsync(string requester);

    /// <summary>Deletes and re-creates the activity log; false when there is none or it failed (the error says which).</summary>
    Task<Outcome> ClearMainLogAsync(string requester);

    /// <summary>
    /// Reads the options of a program and adds its processes to an active group. INCORRECT_PARAMETERS with the first fault when they
    /// are no program.
    /// </summary>
    /// <param name="group">The group.</param>
    /// <param name="program">The program's name.</param>
    /// <param name="options">Keys and values as of a <c>[program:x]</c> section.</param>
    /// <param name="requester">Who asks.</param>
    Task<Outcome> AddProgramAsync(string group, string program, IReadOnlyList<KeyValuePair<string, string>> options, string requester);

    /// <summary>Returns the names of the active groups, sorted.</summary>
    string[] GroupNames();

    /// <summary>Returns every pool of event listeners in the order of its activation.</summary>
    EventPoolSnapshot[] EventPools();

    /// <summary>Returns what is remembered of what operators want, ordered by name; empty where nothing is remembered.</summary>
    Intent[] Intents() => [];

    /// <summary>Finds a process by the exact names of its group and itself; null when there is none.</summary>
    ProcessSnapshot? Find(string group, string process);

    /// <summary>Returns every process sorted by group name, then process name.</summary>
    ProcessSnapshot[] All();

    /// <summary>Returns every process of the configuration as last read, sorted by process name.</summary>
    ConfigSnapshot[] AllConfigs();

    /// <summary>Writes a line to the activity log.</summary>
    void Log(LogLevel level, string text);

    /// <summary>Says whether lines of a level are written at all; cheap.</summary>
    bool IsLogged(LogLevel level);

    /// <summary>Says that much memory was used for a moment, so that it is given back when it is quiet again; cheap.</summary>
    void HadBurst()
    {
    }
}
