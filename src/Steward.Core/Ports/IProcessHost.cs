using Steward.Core.Config;
using Steward.Core.Effects;
using Steward.Core.Inputs;
using Steward.Core.Model;

namespace Steward.Core.Ports;

/// <summary>
/// The kernel's side of supervision, as the engine sees it. Every member is called on the engine's thread and returns without
/// waiting for a disk or another process (a spawn waits for the child's exec). What happens later comes through
/// <see cref="IProcessHostEvents"/>.
/// </summary>
public interface IProcessHost
{
    /// <summary>
    /// Creates the AUTO log files of a group (mode 0600) and binds and closes its FastCGI sockets as a test.
    /// </summary>
    GroupPrepared PrepareGroup(RequestId request, GroupConfig group);

    /// <summary>Looks whether a command could be run (spec: lifecycle, "Spawn errors"); null when it could.</summary>
    Fault? CheckCommand(ProcessConfig config);

    /// <summary>
    /// Creates the pipes, opens the log files and spawns the child. Never throws for what the outside can cause: failures come
    /// back as text, with nothing left open.
    /// </summary>
    SpawnAnswer Spawn(Spawn request);

    /// <summary>Sends a signal (man 2 kill) to a child that has not been reaped, or to its process group.</summary>
    /// <param name="pid">The child.</param>
    /// <param name="number">The signal.</param>
    /// <param name="toGroup">Whether to signal the process group that the child leads.</param>
    /// <param name="error">When refused: <c>[Errno 1] Operation not permitted</c> and the like.</param>
    SignalResult Signal(int pid, int number, bool toGroup, out string? error);

    /// <summary>Writes to a child's stdin; what the pipe cannot take is queued, at most <c>1 MiB</c> a process.</summary>
    StdinResult WriteStdin(ProcessId process, Incarnation incarnation, ReadOnlyMemory<byte> data);

    /// <summary>
    /// Reaps the next dead child without waiting; false when there is none. To be called until false after each
    /// <see cref="IProcessHostEvents.ChildrenExited"/>, followed by <see cref="ReapingDone"/>.
    /// </summary>
    bool TryReap(out int pid, out WaitStatus status);

    /// <summary>
    /// Finds the next dead child without waiting; false when there is none. A child of ours stays a zombie until <see cref="Reap"/>; anybody else
    /// is waited for already.
    /// </summary>
    bool TryFindDead(out int pid, out WaitStatus status) => TryReap(out pid, out status);

    /// <summary>Waits for a dead child of ours: its pid is free from here on. Nothing happens when that was done before.</summary>
    void Reap(int pid)
    {
    }

    /// <summary>Takes a predecessor's child over, with its pipes.</summary>
    /// <param name="spawn">What it was started with.</param>
    /// <param name="pid">Its pid; that of a dead one may be another's by now.</param>
    /// <param name="isDead">It was waited for; only its output is to be read.</param>
    void Adopt(Spawn spawn, int pid, bool isDead) => throw new NotSupportedException();

    /// <summary>Takes a program over that a predecessor had found without pipes.</summary>
    /// <param name="process">The process.</param>
    /// <param name="incarnation">Which start of it.</param>
    /// <param name="pid">Its pid.</param>
    /// <param name="isDead">It has ended.</param>
    void AdoptOrphan(ProcessId process, Incarnation incarnation, int pid, bool isDead) => throw new NotSupportedException();

    /// <summary>The child that a predecessor was about to start when it died; null when it did not come to it.</summary>
    /// <param name="spawn">What it was to be started with.</param>
    /// <param name="since">Monotonic nanoseconds of the step that asked for it.</param>
    int? FindSpawned(Spawn spawn, long since) => throw new NotSupportedException();

    /// <summary>Lets the watcher look for dead children again.</summary>
    void ReapingDone();

    /// <summary>
    /// The child is dead: reads what is left in its pipes, writes it out, closes everything and then reports
    /// <see cref="IProcessHostEvents.OutputFinished"/>. Also drops unsent stdin and releases its FastCGI socket.
    /// </summary>
    /// <param name="process">The process.</param>
    /// <param name="incarnation">Which start of it.</param>
    /// <param name="wantsOutput">Whether the report is to carry the last lines of this run.</param>
    void FinishOutput(ProcessId process, Incarnation incarnation, bool wantsOutput);

    /// <summary>
    /// Says whether the kernel has killed somebody for want of memory since it was last asked for, one answer for each that it killed: to
    /// be asked about a child that a SIGKILL ended which was not ours. Null when that cannot be known.
    /// </summary>
    bool? TakeOutOfMemoryKill();

    /// <summary>Gives back credit for tapped bytes that the engine has taken in; see <see cref="IProcessHostEvents.Output"/>.</summary>
    void OutputConsumed(int bytes);

    /// <summary>Removes a process's log files and creates them anew, whether or not it runs; empties its capture buffers.</summary>
    /// <returns>False when a file could not be removed or created.</returns>
    bool ClearLogs(ProcessId process, string? stdoutLog, string? stderrLog);

    /// <summary>Closes and opens again the log files of all running processes.</summary>
    void ReopenLogs();

    /// <summary>
    /// Looks for what a dead child has left behind, by its <c>kill_mode</c>, and signals each by a descriptor that cannot mean another.
    /// Answers what there was, in words, one text for each.
    /// </summary>
    IReadOnlyList<string> EndSurvivors(EndSurvivors request);

    /// <summary>
    /// Begins to measure the memory of a child's tree; <see cref="IProcessHostEvents.MemoryMeasured"/> follows. At most one measurement
    /// of a process is under way: what is asked meanwhile is answered by it.
    /// </summary>
    void MeasureMemory(ProcessId process, Incarnation incarnation, int pid);

    /// <summary>
    /// Begins to ask a child whether it is well; <see cref="IProcessHostEvents.HealthProbed"/> follows. At most one probe of a process is
    /// under way: what is asked meanwhile is answered by it.
    /// </summary>
    void ProbeHealth(ProcessId process, Incarnation incarnation, HealthConfig health);
}

/// <summary>What a spawn came to.</summary>
/// <param name="Pid">The child's pid; 0 when it failed.</param>
/// <param name="SpawnErr">Why it failed; null on success.</param>
/// <param name="Stage">The step at which it failed: <c>command</c>, <c>socket</c>, <c>pipes and logs</c> or <c>fork</c>; null on success.</param>
public readonly record struct SpawnAnswer(int Pid, string? SpawnErr, string? Stage = null);

/// <summary>What the process host reports. Members may be called on any thread and return at once.</summary>
public interface IProcessHostEvents
{
    /// <summary>At least one child can be reaped. Not repeated until <see cref="IProcessHost.ReapingDone"/>.</summary>
    void ChildrenExited();

    /// <summary>
    /// Bytes of a tapped stream. The host keeps the number of bytes reported and not yet given back through
    /// <see cref="IProcessHost.OutputConsumed"/> below 4 MiB by not reading tapped pipes meanwhile (their writers block, nothing
    /// is lost); only the last bytes of a dead child may exceed it.
    /// </summary>
    void Output(ProcessId process, Incarnation incarnation, OutputChannel channel, byte[] data);

    /// <summary>A complete capture.</summary>
    void Communication(ProcessId process, Incarnation incarnation, OutputChannel channel, byte[] data);

    /// <summary>All output of a dead child has been reported and its descriptors are closed.</summary>
    /// <param name="process">The process.</param>
    /// <param name="incarnation">Which start of it.</param>
    /// <param name="lastOutput">The last lines of this run, where they were wanted and there are any.</param>
    void OutputFinished(ProcessId process, Incarnation incarnation, string? lastOutput = null);

    /// <summary>Bytes for a child's stdin wait for its pipe, or none do any more.</summary>
    void StdinWaits(ProcessId process, Incarnation incarnation, bool waits)
    {
    }

    /// <summary>The memory of a child's tree; see <see cref="Inputs.MemoryMeasured"/>.</summary>
    void MemoryMeasured(ProcessId process, Incarnation incarnation, long bytes, int processes);

    /// <summary>What a probe came to; see <see cref="Inputs.HealthProbed"/>.</summary>
    void HealthProbed(ProcessId process, Incarnation incarnation, string? failure);

    /// <summary>A line for the activity log.</summary>
    void Log(LogLevel level, string text);
}
