using Steward.Core.Effects;
using Steward.Core.Inputs;
using Steward.Core.Model;
using Steward.Core.Snapshots;
using Steward.Linux.Handover;

namespace Steward.Linux.Processes;

/// <summary>
/// The streams of running children: their pipes, log files, taps and stdin queues. The process host calls it on the engine's
/// thread; no member waits for a child or a slow disk. One child is told as: <see cref="TryOpenLogs"/>, then either
/// <see cref="Abandon"/> (there was no child) or <see cref="Attach"/> and, when the child is dead, <see cref="Finish"/>.
/// </summary>
internal interface IOutputHub : IDisposable
{
    /// <summary>
    /// Opens the log files of a child about to be spawned (<see cref="Spawn.StdoutLog"/>, <see cref="Spawn.StderrLog"/>, none
    /// for stderr with <c>redirect_stderr</c>).
    /// </summary>
    /// <param name="request">The spawn; its process and incarnation name the child in all other calls.</param>
    /// <param name="errno">When refused: why, for example EACCES; nothing is left open then.</param>
    bool TryOpenLogs(Spawn request, out int errno);

    /// <summary>There will be no child: closes what <see cref="TryOpenLogs"/> opened.</summary>
    void Abandon(ProcessId process, Incarnation incarnation);

    /// <summary>
    /// Takes over the parent's pipe ends, which are non-blocking and close-on-exec, and owns them from now on.
    /// </summary>
    /// <param name="request">The same spawn as given to <see cref="TryOpenLogs"/>.</param>
    /// <param name="pid">The child.</param>
    /// <param name="stdin">The write end of stdin; -1 when a FastCGI socket stands there.</param>
    /// <param name="stdout">The read end of stdout.</param>
    /// <param name="stderr">The read end of stderr; -1 with <c>redirect_stderr</c>.</param>
    void Attach(Spawn request, int pid, int stdin, int stdout, int stderr);

    /// <summary>See <see cref="Core.Ports.IProcessHost.WriteStdin"/>; Closed for a child that is not attached.</summary>
    StdinResult WriteStdin(ProcessId process, Incarnation incarnation, ReadOnlyMemory<byte> data);

    /// <summary>
    /// The child is dead: reads what is left, closes everything, then reports
    /// <see cref="Core.Ports.IProcessHostEvents.OutputFinished"/>, exactly once for each attached child (on any thread).
    /// </summary>
    /// <param name="process">The child's process.</param>
    /// <param name="incarnation">Which start of it.</param>
    /// <param name="wantsOutput">Whether the report is to carry the last lines of this run.</param>
    void Finish(ProcessId process, Incarnation incarnation, bool wantsOutput);

    /// <summary>See <see cref="Core.Ports.IProcessHost.OutputConsumed"/>.</summary>
    void OutputConsumed(int bytes);

    /// <summary>See <see cref="Core.Ports.IProcessHost.ClearLogs"/>.</summary>
    bool ClearLogs(ProcessId process, string? stdoutLog, string? stderrLog);

    /// <summary>See <see cref="Core.Ports.IProcessHost.ReopenLogs"/>.</summary>
    void ReopenLogs();

    /// <summary>A reload brought new settings (<see cref="ProcessHostOptions.StripAnsi"/>); running children keep theirs.</summary>
    void Reconfigure(ProcessHostOptions options);

    /// <summary>
    /// Brings the hub to rest: what was read is written, what it had to report is reported, and nothing is read any more. While the engine
    /// is at rest.
    /// </summary>
    /// <param name="patience">How long a write that is under way may take.</param>
    /// <returns>False when it did not come to rest in time: everything goes on as before.</returns>
    bool Suspend(TimeSpan patience);

    /// <summary>Ends the rest.</summary>
    void Continue();

    /// <summary>Writes everything down that this hub knows, as a field, and leaves its descriptors. While it is at rest.</summary>
    void Save(SnapshotWriter writer, int field, DescriptorTable table);

    /// <summary>
    /// From here on what is in hand is written down in new memory, for a successor. While no output moves: before the first child, or
    /// before <see cref="Begin"/>.
    /// </summary>
    /// <param name="memory">The memory; the hub owns it from here on.</param>
    /// <param name="reports">How many reports of output the engine has had in all lives.</param>
    void Remember(OutputMemory memory, long reports);

    /// <summary>
    /// Brings to its end what another hub had in hand when its process died, and goes on with its memory. When all children are attached,
    /// before <see cref="Begin"/>. A death meanwhile does no harm: the next hub does the rest.
    /// </summary>
    /// <param name="memory">The other's memory; this hub owns it from here on.</param>
    /// <param name="reports">How many reports of output the engine has had in all lives.</param>
    void Recover(OutputMemory memory, long reports);

    /// <summary>Lets a hub that was read back begin: from here on it reads and writes.</summary>
    void Begin();
}
