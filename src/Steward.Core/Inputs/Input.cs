using Steward.Core.Config;
using Steward.Core.Model;
using Steward.Core.Supervision;

namespace Steward.Core.Inputs;

/// <summary>Something that happened outside the core. The set is closed: every member is in this folder.</summary>
public abstract record Input;

/// <summary>
/// The next deadline may have been reached. Carries nothing: <c>Step</c> looks at the time it is given. Too early or too
/// often does no harm.
/// </summary>
public sealed record TimePassed : Input
{
    /// <summary>The one instance.</summary>
    public static readonly TimePassed Instance = new();
}

/// <summary>
/// A configuration was read (at start, on reload, by <c>reread</c>). It becomes the one that <c>addProcessGroup</c> takes
/// definitions from; running groups are not touched. A waiting <c>reloadConfig</c> is answered with the difference.
/// </summary>
/// <param name="Request">Who waits for the difference; zero at start.</param>
/// <param name="Configuration">What was read.</param>
/// <param name="Requester">Who asked for it, in words for people; empty at start.</param>
public sealed record ConfigurationRead(RequestId Request, Configuration Configuration, string Requester = "") : Input;

/// <summary>
/// The answer to <see cref="Effects.PrepareGroup"/>, and at start the way each group comes in: the group's AUTO log files
/// exist and its sockets can be bound, or it failed. On success the group becomes active (PROCESS_GROUP_ADDED) and, once the
/// daemon is RUNNING, its autostart processes start.
/// </summary>
/// <param name="Request">Who waits for <c>addProcessGroup</c>; zero at start.</param>
/// <param name="Group">The group as configured.</param>
/// <param name="AutoLogs">The generated paths of AUTO logs.</param>
/// <param name="Failure">Why the group cannot be activated; null for success.</param>
/// <param name="Requester">Who asked for it, as the effect had it.</param>
public sealed record GroupPrepared(
    RequestId Request, GroupConfig Group, IReadOnlyList<AutoLog> AutoLogs, string? Failure, string Requester = "") : Input
{
    /// <summary>As in <see cref="Effects.PrepareGroup"/>.</summary>
    public bool Extends { get; init; }
}

/// <summary>A log file with a generated name.</summary>
/// <param name="Process">The process's name inside its group.</param>
/// <param name="Channel">Which stream.</param>
/// <param name="Path">The absolute path.</param>
public sealed record AutoLog(string Process, OutputChannel Channel, string Path);

/// <summary>
/// The start-up sequence is complete: the daemon is RUNNING (SUPERVISOR_STATE_CHANGE_RUNNING), autostart begins. Comes once
/// per start and once per reload, after every group of the configuration has come in.
/// </summary>
public sealed record DaemonStarted : Input;

/// <summary>A child was spawned; the answer to <see cref="Effects.Spawn"/>.</summary>
/// <param name="Process">Which process.</param>
/// <param name="Incarnation">Which start of it.</param>
/// <param name="Pid">The child's pid.</param>
public sealed record ChildSpawned(ProcessId Process, Incarnation Incarnation, int Pid) : Input;

/// <summary>A spawn failed before a child existed; the answer to <see cref="Effects.Spawn"/>.</summary>
/// <param name="Process">Which process.</param>
/// <param name="Incarnation">Which start of it.</param>
/// <param name="SpawnErr">The text for clients and the log, for example <c>can't find command '/x'</c>.</param>
/// <param name="Stage">The step at which it failed, in a word: see <see cref="Ports.SpawnAnswer"/>.</param>
public sealed record SpawnFailed(ProcessId Process, Incarnation Incarnation, string SpawnErr, string? Stage = null) : Input;

/// <summary>
/// A program that an earlier daemon started lives on and is this daemon's from here on: it is RUNNING with that pid, without a spawn. At start,
/// after its group has come in and before <see cref="DaemonStarted"/>. A listener, whose pipes are gone, is stopped, and started again where it
/// would be started anyway.
/// </summary>
/// <param name="Process">Which process; one that has never been started.</param>
/// <param name="Incarnation">Which start of it this is from here on.</param>
/// <param name="Pid">Its pid.</param>
/// <param name="StartedAt">When it was started: wall time in nanoseconds.</param>
/// <param name="IsOlder">Whether it was started with another configuration than the present one.</param>
/// <param name="IsToStop">Whether it is stopped, and started again where it would be started anyway: <c>orphan_policy=stop</c>.</param>
/// <param name="HasOutput">Whether its pipes are there, so that what it writes gets to its logs; else it is lost.</param>
public sealed record ChildAdopted(ProcessId Process, Incarnation Incarnation, int Pid, long StartedAt, bool IsOlder, bool IsToStop, bool HasOutput) : Input;

/// <summary>
/// A child of ours has been reaped; its output is still being read, and <see cref="ChildExited"/> follows. Meanwhile no deadline of its
/// state counts: a dead child is not called RUNNING, nor killed.
/// </summary>
/// <param name="Process">Which process.</param>
/// <param name="Incarnation">Which start of it.</param>
public sealed record ChildReaped(ProcessId Process, Incarnation Incarnation) : Input;

/// <summary>
/// A child of ours has been reaped and all it had written is read, logged and (where tapped) delivered as earlier inputs.
/// </summary>
/// <param name="Process">Which process.</param>
/// <param name="Incarnation">Which start of it.</param>
/// <param name="Status">How it ended.</param>
/// <param name="ExitedAt">When it was reaped: monotonic nanoseconds, at most the time of the step.</param>
/// <param name="OutOfMemory">Whether the kernel killed it for want of memory; null when that is not known.</param>
/// <param name="LastOutput">The last lines of this run; null when there are none, or nobody wants them.</param>
public sealed record ChildExited(
    ProcessId Process, Incarnation Incarnation, WaitStatus Status, long ExitedAt, bool? OutOfMemory = null, string? LastOutput = null) : Input;

/// <summary>A process that is not ours was reaped (we are PID 1 or a subreaper).</summary>
/// <param name="Pid">Its pid.</param>
/// <param name="Status">How it ended.</param>
public sealed record OrphanReaped(int Pid, WaitStatus Status) : Input;

/// <summary>
/// Bytes of a tapped stream, in order. Only streams whose <see cref="Effects.Spawn"/> asked for it arrive here: listener
/// stdout, <c>_events_enabled</c>, and everything while the log level is debug or lower.
/// </summary>
/// <param name="Process">Which process.</param>
/// <param name="Incarnation">Which start of it.</param>
/// <param name="Channel">Which stream.</param>
/// <param name="Data">The bytes after ANSI stripping; owned by the receiver.</param>
public sealed record OutputArrived(ProcessId Process, Incarnation Incarnation, OutputChannel Channel, byte[] Data) : Input;

/// <summary>A complete capture (between the BEGIN and END tokens) of a stream with <c>_capture_maxbytes</c>.</summary>
/// <param name="Process">Which process.</param>
/// <param name="Incarnation">Which start of it.</param>
/// <param name="Channel">Which stream.</param>
/// <param name="Data">The captured bytes, at most the newest <c>_capture_maxbytes</c>.</param>
public sealed record CommunicationCaptured(ProcessId Process, Incarnation Incarnation, OutputChannel Channel, byte[] Data) : Input;

/// <summary>The answer to <see cref="Effects.Signal"/>.</summary>
/// <param name="Process">Which process.</param>
/// <param name="Incarnation">Which start of it.</param>
/// <param name="Request">Who waits; zero for nobody.</param>
/// <param name="SignalNumber">What was sent.</param>
/// <param name="Result">What became of it.</param>
/// <param name="Error">The system's text when refused, for example <c>[Errno 1] Operation not permitted</c>; else null.</param>
public sealed record SignalAnswered(
    ProcessId Process, Incarnation Incarnation, RequestId Request, int SignalNumber, SignalResult Result, string? Error) : Input;

/// <summary>What became of a signal.</summary>
public enum SignalResult
{
    /// <summary>Delivered.</summary>
    Delivered,

    /// <summary>No such process any more (ESRCH): its exit will be noticed by itself.</summary>
    Gone,

    /// <summary>Refused by the kernel, for example EPERM.</summary>
    Refused,
}

/// <summary>The answer to <see cref="Effects.WriteStdin"/>.</summary>
/// <param name="Process">Which process.</param>
/// <param name="Incarnation">Which start of it.</param>
/// <param name="Request">Who waits; zero when it was an event for a listener.</param>
/// <param name="Result">What became of it.</param>
public sealed record StdinAnswered(ProcessId Process, Incarnation Incarnation, RequestId Request, StdinResult Result) : Input;

/// <summary>What became of a write to a process's stdin.</summary>
public enum StdinResult
{
    /// <summary>Written, or queued behind what the pipe cannot take yet.</summary>
    Accepted,

    /// <summary>The pipe is closed, or there is none.</summary>
    Closed,

    /// <summary>The queue is at its bound; nothing of this write was taken.</summary>
    Full,
}

/// <summary>The answer to <see cref="Effects.CheckCommand"/>.</summary>
/// <param name="Process">Which process.</param>
/// <param name="Request">Who waits.</param>
/// <param name="Fault">NO_FILE or NOT_EXECUTABLE; null when the command can be run.</param>
public sealed record CommandChecked(ProcessId Process, RequestId Request, Fault? Fault) : Input;

/// <summary>The answer to <see cref="Effects.ClearLogs"/>.</summary>
/// <param name="Process">Which process.</param>
/// <param name="Request">Who waits.</param>
/// <param name="Succeeded">False when a file could not be removed or opened again.</param>
public sealed record LogsCleared(ProcessId Process, RequestId Request, bool Succeeded) : Input;

/// <summary>The answer to <see cref="Effects.MeasureMemory"/>. It comes later, or never when there was nothing to measure.</summary>
/// <param name="Process">Which process.</param>
/// <param name="Incarnation">Which start of it.</param>
/// <param name="Bytes">The resident memory of it and of everything that descends from it.</param>
/// <param name="Processes">How many processes that are.</param>
public sealed record MemoryMeasured(ProcessId Process, Incarnation Incarnation, long Bytes, int Processes) : Input;

/// <summary>The answer to <see cref="Effects.ProbeHealth"/>. It comes later, or never when the probe proves nothing.</summary>
/// <param name="Process">Which process.</param>
/// <param name="Incarnation">Which start of it.</param>
/// <param name="Failure">What was wrong, for example <c>status 503</c>; null when all is well.</param>
public sealed record HealthProbed(ProcessId Process, Incarnation Incarnation, string? Failure) : Input;

/// <summary>The answer to <see cref="Effects.EndSurvivors"/>.</summary>
/// <param name="Process">Which process.</param>
/// <param name="Incarnation">Which start of it.</param>
/// <param name="Survivors">What is still there, each in words: <c>4711 (sleep 100)</c>.</param>
public sealed record SurvivorsFound(ProcessId Process, Incarnation Incarnation, IReadOnlyList<string> Survivors) : Input;

/// <summary>What was remembered of an earlier life; at start, before the first group.</summary>
/// <param name="Intents">One for each process that an operator has said something about.</param>
public sealed record IntentsRead(IReadOnlyList<Intent> Intents) : Input;

/// <summary>A signal came to the daemon.</summary>
/// <param name="Number">TERM, INT, QUIT, HUP, USR1 or USR2.</param>
public sealed record SignalReceived(int Number) : Input;

/// <summary>
/// A reload was asked for while RUNNING (SIGHUP or RPC <c>restart</c>) and the engine has validated the configuration that
/// will follow: stopping may begin. See <see cref="Effects.ValidateReload"/>.
/// </summary>
/// <param name="Failure">Why the new configuration is refused (everything goes on as before); null for good.</param>
public sealed record ReloadValidated(string? Failure) : Input;

/// <summary>A client asks for something.</summary>
/// <param name="Request">Where the answer goes.</param>
/// <param name="Command">What is asked.</param>
/// <param name="Requester">Who asks, in words for people: <c>uid 1000 (pid 4711)</c>, <c>10.0.0.7 as admin</c>.</param>
public sealed record CommandReceived(RequestId Request, Command Command, string Requester = "") : Input;

/// <summary>
/// After <see cref="Effects.Stopped"/> with a reload: every group, pool and subscription is dropped and the settings are
/// replaced. Event serials, process ids and incarnations go on counting. The configuration and its groups follow as at start.
/// </summary>
/// <param name="Settings">The settings of the new configuration.</param>
public sealed record Reloading(SupervisorSettings Settings) : Input;
