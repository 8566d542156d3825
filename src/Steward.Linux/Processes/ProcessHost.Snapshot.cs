using Steward.Core.Model;
using Steward.Core.Ports;
using Steward.Core.Snapshots;
using Steward.Linux.Handover;
using Steward.Linux.Host;
using Steward.Linux.Interop;
using Steward.Linux.Output;
using Steward.Linux.Watching;

namespace Steward.Linux.Processes;

// The host comes to rest, is written down, and goes on: here or in another image of the program, which has the same children.
public sealed unsafe partial class ProcessHost
{
    private readonly Dictionary<int, HelperRun> _helpers = [];
    private List<(int Pid, ulong StartTime, int Fd)> _restoredForeign = [];

    /// <summary>
    /// Brings the moving of output to rest: nothing is between its reading and its writing, and nothing is read any more. While the
    /// engine is at rest. Exits are noticed as before, but only the engine takes them.
    /// </summary>
    /// <param name="patience">How long a write that is under way may take.</param>
    /// <returns>False when it did not come to rest in time: everything goes on as before.</returns>
    public bool Suspend(TimeSpan patience) => _hub.Suspend(patience);

    /// <summary>Ends the rest: everything goes on in this image as if nothing had been.</summary>
    public void Continue() => _hub.Continue();

    /// <summary>Writes everything down that this host knows, as a field, and leaves its descriptors. While it is at rest.</summary>
    public void Save(SnapshotWriter writer, int field, DescriptorTable table)
    {
        writer.Begin(field);
        foreach (int pid in _children.Except(_foreignChildren).Order())
        {
            writer.Integer(1, pid);
        }

        _sockets.Save(writer, 2, _socketUsers, table);
        _hub.Save(writer, 3, table);
        foreach ((ProcessId process, Incarnation incarnation) in _withoutOutput)
        {
            writer.Begin(4);
            writer.Integer(1, process.Value);
            writer.Integer(2, incarnation.Value);
            writer.End();
        }

        foreach (int pid in _kept.Keys.Order())
        {
            writer.Integer(5, pid);
        }

        // A program that does not know of them would never hear of their end.
        _foreign.Save(writer, Snapshot.FirstVital, table);
        writer.End();
    }

    /// <summary>
    /// Makes an equal host of what was written down. It touches no child and reads no output before <see cref="Begin"/>; it only looks
    /// whether the children are there.
    /// </summary>
    /// <param name="reader">Where from.</param>
    /// <param name="table">The descriptors.</param>
    /// <param name="events">As in the constructor.</param>
    /// <param name="options">As in the constructor.</param>
    /// <param name="areOurs">Whether the children are this process's; false in a rehearsal.</param>
    /// <param name="keeper">The keeper; null for none.</param>
    /// <exception cref="SnapshotRefusedException">It cannot be taken up.</exception>
    public static ProcessHost Restore(
        SnapshotReader reader, DescriptorTable table, IProcessHostEvents events, ProcessHostOptions options, bool areOurs, KeeperLink? keeper = null)
    {
        List<int> children = reader.Int32s(1, "children", 1);

        // Those of the keeper stand behind the rest; they are not ours to wait for.
        SnapshotReader ahead = reader;
        _ = ahead.Record(3, "output");
        while (ahead.Next(4, "withoutOutput", out _))
        {
        }

        HashSet<int> kept = [.. ahead.Int32s(5, "kept", 1)];
        byte* info = stackalloc byte[LibC.SizeOfSigInfo];
        foreach (int pid in children)
        {
            if (kept.Contains(pid))
            {
                continue;
            }

            // Alive or dead: it is ours until it is reaped, and its pid nobody else's.
            if (areOurs && LibC.waitid(LibC.P_PID, (uint)pid, info, LibC.WEXITED | LibC.WNOHANG | LibC.WNOWAIT) != 0)
            {
                throw reader.Refusal("children", $"{pid} is no child of this process: {ErrnoText.Python(LibC.LastError)}");
            }
        }

        var users = new Dictionary<(ProcessId, Incarnation), Core.Config.FastCgiSocketConfig>();
        var sockets = new FastCgiSockets(events, keeper);
        sockets.Restore(ref reader, 2, users, table);
        OutputHub hub = OutputHub.Restore(reader.Record(3, "output"), table, events, options, DropFor(keeper));
        var host = new ProcessHost(events, options, hub, sockets, new Spawner(), keeper);
        while (reader.Next(4, "withoutOutput", out SnapshotReader inner))
        {
            host._withoutOutput.Add((new ProcessId(inner.Int32(1, "process", 1)), new Incarnation(inner.Int32(2, "incarnation", 1))));
            inner.End();
        }

        _ = reader.Int32s(5, "kept", 1);
        List<(int Pid, ulong StartTime, int Fd)> foreign = reader.TryRecord(Snapshot.FirstVital, "foreign", out SnapshotReader record)
            ? ForeignProcesses.Restore(record, table)
            : [];
        reader.End();
        host._children.UnionWith(children);
        host._children.UnionWith(foreign.Select(static one => one.Pid));
        foreach (int pid in kept)
        {
            // The keeper has not reaped it, so that the number is still its own.
            host._kept[pid] = ProcessEntry.Read(pid)?.StartTime ?? 0;
        }

        host._restoredForeign = foreign;
        host._foreignChildren.UnionWith(foreign.Select(static one => one.Pid));
        foreach ((var key, Core.Config.FastCgiSocketConfig socket) in users)
        {
            host._socketUsers.Add(key, socket);
        }

        return host;
    }

    /// <summary>Lets a host that was read back begin: from here on it moves output and reports exits.</summary>
    public void Begin()
    {
        _hub.Begin();
        _foreign.Begin(_restoredForeign);
        _restoredForeign = [];
        _watcher.Start();
    }

    /// <summary>
    /// Starts a program that is no supervised one, with the daemon's environment and with stdout and stderr into a pipe. It is reaped with
    /// the children and not told of as one. On the engine's thread.
    /// </summary>
    /// <param name="file">Its file.</param>
    /// <param name="words">Its command line, the name first.</param>
    /// <param name="keepFd">A descriptor that it gets under the same number.</param>
    /// <param name="failure">Why it could not be started.</param>
    public HelperRun? StartHelper(string file, IReadOnlyList<string> words, int keepFd, out string? failure)
    {
        int* pipe = stackalloc int[2];
        if (LibC.pipe2(pipe, LibC.O_CLOEXEC) != 0)
        {
            failure = ErrnoText.Python(LibC.LastError);
            return null;
        }

        int pid = HelperProcess.Start(
            file, [.. words.Select(NativeText.Encode)], ProcessEnvironment.Entries(), newSession: true, keepFd, out int errno, output: pipe[1]);
        _ = LibC.close(pipe[1]);
        if (pid == 0)
        {
            _ = LibC.close(pipe[0]);
            failure = ErrnoText.Python(errno, file);
            return null;
        }

        failure = null;
        var run = new HelperRun(pid, pipe[0]);
        _helpers.Add(pid, run);
        _watcher.Spawned();
        return run;
    }

    /// <summary>Kills a helper that has not ended. On the engine's thread: until it is reaped there, its pid is nobody else's.</summary>
    public void KillHelper(HelperRun run)
    {
        if (_helpers.ContainsKey(run.Pid))
        {
            _ = LibC.kill(run.Pid, LibC.SIGKILL);
        }
    }

    private bool TakeHelper(int pid, WaitStatus status)
    {
        if (!_helpers.Remove(pid, out HelperRun? run))
        {
            return false;
        }

        run.End(status);
        return true;
    }
}
