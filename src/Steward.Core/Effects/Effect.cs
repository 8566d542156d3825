using Steward.Core.Config;
using Steward.Core.Events;
using Steward.Core.Inputs;
using Steward.Core.Model;

namespace Steward.Core.Effects;

/// <summary>
/// Something the core wants done. Effects of one step are carried out in order; an effect that has an answer brings it back
/// as an input before anything else is looked at. The set is closed: every member is in this file.
/// </summary>
public abstract record Effect;

/// <summary>Spawns a child. Answer: <see cref="ChildSpawned"/> or <see cref="SpawnFailed"/>.</summary>
/// <param name="Process">Which process.</param>
/// <param name="Incarnation">Which start of it.</param>
/// <param name="Group">The group's name.</param>
/// <param name="Config">The process's configuration.</param>
/// <param name="StdoutLog">The file that stdout goes to (AUTO resolved); null for none.</param>
/// <param name="StderrLog">The file that stderr goes to; null for none.</param>
/// <param name="TapStdout">Deliver stdout as <see cref="OutputArrived"/> too.</param>
/// <param name="TapStderr">Deliver stderr as <see cref="OutputArrived"/> too.</param>
public sealed record Spawn(
    ProcessId Process,
    Incarnation Incarnation,
    string Group,
    ProcessConfig Config,
    string? StdoutLog,
    string? StderrLog,
    bool TapStdout,
    bool TapStderr) : Effect;

/// <summary>Sends a signal to a child. Answer: <see cref="SignalAnswered"/>.</summary>
/// <param name="Process">Which process.</param>
/// <param name="Incarnation">Which start of it.</param>
/// <param name="Pid">Its pid.</param>
/// <param name="Number">The signal; 0 probes.</param>
/// <param name="ToGroup">To the process group instead of the process.</param>
/// <param name="Request">Who waits; zero for nobody.</param>
public sealed record Signal(
    ProcessId Process, Incarnation Incarnation, int Pid, int Number, bool ToGroup, RequestId Request) : Effect;

/// <summary>Writes to a child's stdin. Answer: <see cref="StdinAnswered"/>.</summary>
/// <param name="Process">Which process.</param>
/// <param name="Incarnation">Which start of it.</param>
/// <param name="Data">The bytes.</param>
/// <param name="Request">Who waits; zero for an event envelope.</param>
public sealed record WriteStdin(ProcessId Process, Incarnation Incarnation, byte[] Data, RequestId Request) : Effect;

/// <summary>Looks whether a process's command could be run. Answer: <see cref="CommandChecked"/>.</summary>
/// <param name="Process">Which process.</param>
/// <param name="Config">Its configuration.</param>
/// <param name="Request">Who waits.</param>
public sealed record CheckCommand(ProcessId Process, ProcessConfig Config, RequestId Request) : Effect;

/// <summary>Creates a group's AUTO logs and tests its sockets. Answer: <see cref="GroupPrepared"/>.</summary>
/// <param name="Request">Who waits.</param>
/// <param name="Group">The group; of one that is extended, the processes to come alone.</param>
/// <param name="Requester">Who asked for it; goes into the answer.</param>
/// <param name="Extends">The group is active, and these processes join it.</param>
public sealed record PrepareGroup(RequestId Request, GroupConfig Group, string Requester = "", bool Extends = false) : Effect;

/// <summary>Clears the log files of a process, running or not. Answer: <see cref="LogsCleared"/>.</summary>
/// <param name="Process">Which process.</param>
/// <param name="StdoutLog">Its stdout file, null for none.</param>
/// <param name="StderrLog">Its stderr file, null for none.</param>
/// <param name="Request">Who waits.</param>
public sealed record ClearLogs(ProcessId Process, string? StdoutLog, string? StderrLog, RequestId Request) : Effect;

/// <summary>
/// Looks for what a process whose main process is dead has left behind, and sends it a signal. Answer: <see cref="SurvivorsFound"/>.
/// </summary>
/// <param name="Process">Which process.</param>
/// <param name="Incarnation">Which start of it.</param>
/// <param name="Group">The group's name.</param>
/// <param name="Config">Its configuration; <c>kill_mode</c> says where to look.</param>
/// <param name="Pid">The pid that the dead main process had.</param>
/// <param name="Number">The signal; 0: only look.</param>
public sealed record EndSurvivors(
    ProcessId Process, Incarnation Incarnation, string Group, ProcessConfig Config, int Pid, int Number) : Effect;

/// <summary>Has what operators want remembered over the end of the daemon.</summary>
/// <param name="Intents">All of it, ordered by name.</param>
public sealed record SaveIntents(IReadOnlyList<Intent> Intents) : Effect;

/// <summary>Measures the memory of a child and of what descends from it. Answer, later: <see cref="MemoryMeasured"/>.</summary>
/// <param name="Process">Which process.</param>
/// <param name="Incarnation">Which start of it.</param>
/// <param name="Pid">Its pid.</param>
public sealed record MeasureMemory(ProcessId Process, Incarnation Incarnation, int Pid) : Effect;

/// <summary>Asks a child over HTTP whether it is well. Answer, later: <see cref="HealthProbed"/>.</summary>
/// <param name="Process">Which process.</param>
/// <param name="Incarnation">Which start of it.</param>
/// <param name="Health">Where and how.</param>
public sealed record ProbeHealth(ProcessId Process, Incarnation Incarnation, HealthConfig Health) : Effect;

/// <summary>Closes and opens again the activity log and the files of running processes (SIGUSR2).</summary>
public sealed record ReopenLogs : Effect;

/// <summary>Writes a line to the activity log.</summary>
/// <param name="Level">Its level; the log drops what is below the configured one.</param>
/// <param name="Text">Its text; may hold newlines.</param>
public sealed record Log(LogLevel Level, string Text) : Effect;

/// <summary>
/// Tells a fact to those who keep them (<see cref="Ports.IJournalSink"/>). Made only while <see cref="Supervision.Supervisor.IsRecording"/>.
/// </summary>
/// <param name="Entry">The fact, and whom it is about; without a number yet.</param>
public sealed record Record(JournalEntry Entry) : Effect;

/// <summary>Answers a request.</summary>
/// <param name="Request">Whom.</param>
/// <param name="Outcome">With what.</param>
public sealed record Reply(RequestId Request, Outcome Outcome) : Effect;

/// <summary>
/// Reads and validates the configuration that a reload would start with, before anything is stopped. Answer:
/// <see cref="ReloadValidated"/>.
/// </summary>
public sealed record ValidateReload : Effect;

/// <summary>Everything is stopped: the daemon may exit or, when reloading, start anew.</summary>
/// <param name="Reload">True for a reload.</param>
public sealed record Stopped(bool Reload) : Effect;

/// <summary>The answer to a command.</summary>
public abstract record Outcome;

/// <summary>It was done: <c>true</c> for clients.</summary>
public sealed record Done : Outcome
{
    /// <summary>The one instance.</summary>
    public static readonly Done Instance = new();
}

/// <summary>It was refused.</summary>
/// <param name="Fault">Why.</param>
public sealed record Refused(Fault Fault) : Outcome;

/// <summary>What became of each process of a group command.</summary>
/// <param name="Items">One entry for each process that was tried: decided at once first, then as they completed.</param>
public sealed record Statuses(IReadOnlyList<ProcessStatus> Items) : Outcome;

/// <summary>What became of one process of a group command.</summary>
/// <param name="Name">The process's name.</param>
/// <param name="Group">The group's name.</param>
/// <param name="Code">SUCCESS or a fault code.</param>
/// <param name="Description"><c>OK</c> or the fault text.</param>
public sealed record ProcessStatus(string Name, string Group, FaultCode Code, string Description);

/// <summary>The difference between the running groups and a configuration that was read.</summary>
/// <param name="Added">In the file, not active.</param>
/// <param name="Changed">In both, not equal.</param>
/// <param name="Removed">Active, not in the file.</param>
public sealed record Reread(IReadOnlyList<string> Added, IReadOnlyList<string> Changed, IReadOnlyList<string> Removed) : Outcome;
