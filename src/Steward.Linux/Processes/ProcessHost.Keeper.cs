using System.Globalization;
using Steward.Core.Effects;
using Steward.Core.Model;
using Steward.Linux.Handover;
using Steward.Linux.Interop;
using Steward.Linux.Watching;

namespace Steward.Linux.Processes;

// What the keeper holds for the host, and what the host finds there when it is the successor of one that died.
public sealed unsafe partial class ProcessHost
{
    private static readonly string[] Streams = ["stdin", "stdout", "stderr"];

    private readonly KeeperLink? _keeper;

    // What the kernel calls the pipes that the keeper holds, and under which roles it does.
    private Dictionary<string, string>? _pipesHeld;

    // Ours, or that of the daemon before until it is recovered.
    private OutputMemory? _output;

    // Programs that a daemon before has started, and when: they are the keeper's children. Those among _children.
    private readonly Dictionary<int, ulong> _kept = [];

    // When each program started that a daemon before knew.
    private readonly Dictionary<int, ulong> _known = [];

    /// <summary>
    /// Takes a program over that a daemon before has started: its pipes come from the keeper. On a host that has not begun.
    /// </summary>
    /// <param name="spawn">As it was spawned.</param>
    /// <param name="pid">Its pid, or what it was.</param>
    /// <param name="isDead">Whether its end is known; what is left of its output is still to be read.</param>
    public void Adopt(Spawn spawn, int pid, bool isDead)
    {
        DescriptorTable table = _keeper?.Table ?? throw new InvalidOperationException("Without a keeper nothing can be taken over.");
        if (!_hub.TryOpenLogs(spawn, out int errno))
        {
            _events.Log(LogLevel.Critical, $"the logs of {spawn.Config.Name} cannot be opened again: {ErrnoText.Python(errno)}; its output is thrown away");
            spawn = spawn with { StdoutLog = null, StderrLog = null };
            _ = _hub.TryOpenLogs(spawn, out _);
        }

        int stdin = table.TryTake(Role(Streams[0], spawn.Process, spawn.Incarnation));
        int stdout = table.TryTake(Role(Streams[1], spawn.Process, spawn.Incarnation));
        int stderr = table.TryTake(Role(Streams[2], spawn.Process, spawn.Incarnation));
        _hub.Attach(spawn, pid, stdin, stdout, stderr);
        if (spawn.Config.Socket is { } socket)
        {
            _sockets.Adopt(socket, table.TryTake(FastCgiSockets.KeptRole(socket)));
            _socketUsers.Add((spawn.Process, spawn.Incarnation), socket);
        }

        if (!isDead)
        {
            _survivors.Follow(spawn, pid, controlGroup: null);
            TakeOver(pid, spawn);
        }
    }

    /// <inheritdoc/>
    public void AdoptOrphan(ProcessId process, Incarnation incarnation, int pid, bool isDead)
    {
        _withoutOutput.Add((process, incarnation));
        if (!isDead)
        {
            TakeOver(pid);
        }
    }

    /// <summary>
    /// The keeper's child, or nobody's any more: then it must be the very process that was started, or nobody knows how that one ended.
    /// </summary>
    private void TakeOver(int pid, Spawn? spawn = null)
    {
        _children.Add(pid);
        if (ProcessEntry.Read(pid) is not { } entry)
        {
            ForeignEnded(pid, WaitStatus.Unobserved);
            return;
        }

        // Where no file tells when it began: by what every program has in its environment from its start.
        bool isIt = _known.TryGetValue(pid, out ulong began)
            ? entry.StartTime == began
            : spawn is not null && ProcessEntry.HasInEnvironment(pid, Survivors.Marks(spawn.Group, spawn.Config.Name));
        if (entry.Parent == _keeper!.KeeperPid && (isIt || !_known.ContainsKey(pid)))
        {
            _kept.Add(pid, entry.StartTime);
        }
        else if (isIt && _foreign.TryAdd(pid, entry.StartTime, out _))
        {
            _foreignChildren.Add(pid);
        }
        else
        {
            ForeignEnded(pid, WaitStatus.Unobserved);
            return;
        }

        if (spawn is not null && _adoptionFile?.Has(pid) == false)
        {
            // The daemon before died over its spawn.
            _adoptionFile.Spawned(pid, spawn.Group, spawn.Config);
        }
    }

    /// <summary>
    /// Looks for a program of which it is not known whether it was spawned: among the keeper's children, by the pipes that were made for
    /// it. One that has died, or closed them, is known by the names in its environment or by being the only one that nobody knows. When the
    /// keeper has just died its children are those of whoever is this daemon's parent now.
    /// </summary>
    /// <param name="spawn">What was asked for.</param>
    /// <param name="since">When: monotonic nanoseconds.</param>
    /// <returns>Its pid; null when there is none, or when it cannot be told which one it is.</returns>
    public int? FindSpawned(Spawn spawn, long since)
    {
        if (_keeper is not { } keeper)
        {
            return null;
        }

        // Not yet taken: it is looked at only.
        string? pipe = keeper.Table.Numbers.TryGetValue(Role(Streams[1], spawn.Process, spawn.Incarnation), out int held)
            ? PipeName("self", held)
            : null;
        ulong earliest = Host.SystemClock.TicksSinceBoot(since);
        IReadOnlyList<ProcessEntry> all = [.. ProcessEntry.ReadAll()];

        // After the processes, so that no one falls between.
        int parent = LibC.getppid();
        List<ProcessEntry> unknown =
        [
            .. all.Where(entry =>
                (entry.Parent == keeper.KeeperPid || entry.Parent == parent) && entry.Pid != Environment.ProcessId && entry.StartTime >= earliest
                && !_kept.ContainsKey(entry.Pid) && !_foreignChildren.Contains(entry.Pid)),
        ];
        List<ProcessEntry> found = [.. unknown.Where(entry => pipe is not null && HasPipe(entry.Pid, pipe))];
        if (found.Count == 0)
        {
            byte[][] marks = Survivors.Marks(spawn.Group, spawn.Config.Name);
            found = [.. unknown.Where(entry => ProcessEntry.HasInEnvironment(entry.Pid, marks))];
        }

        if (found.Count == 0)
        {
            found = [.. unknown.Where(entry => entry.IsZombie && entry.Parent == keeper.KeeperPid)];
        }

        if (found.Count > 1)
        {
            _events.Log(LogLevel.Critical, $"{found.Count} processes may be '{spawn.Config.Name}', spawned when the daemon died: "
                + string.Join(", ", found.Select(static entry => ProcessEntry.Describe(entry.Pid))) + "; none is taken for it");
        }

        if (found is not [ProcessEntry only])
        {
            return null;
        }

        if (!_children.Contains(only.Pid))
        {
            return only.Pid;
        }

        // It has the number of a program whose end is still to be told, as in a spawn of our own: it ends, and is started again.
        ForeignProcesses.End([(only.Pid, only.StartTime)], TimeSpan.Zero, text => _events.Log(LogLevel.Critical, text));
        return null;
    }

    /// <summary>
    /// The pipes of a program, known by themselves: under which number it had them in the daemon that died is not known where that one's state
    /// is left out. From here on they are held under its present number.
    /// </summary>
    private bool TryTakePipes(Spawn spawn, int pid)
    {
        if (_keeper is not { } keeper)
        {
            return false;
        }

        if (_pipesHeld is null)
        {
            _pipesHeld = new(StringComparer.Ordinal);
            foreach (string role in keeper.Table.Roles.Where(static role => Array.Exists(Streams, stream => role.StartsWith(stream + ":", StringComparison.Ordinal))))
            {
                if (PipeName("self", keeper.Table.Numbers[role]) is { } name)
                {
                    _pipesHeld[name] = role;
                }
            }
        }

        string process = pid.ToString(CultureInfo.InvariantCulture);
        int[] ours = [-1, -1, -1];
        for (int i = 0; i < Streams.Length; i++)
        {
            if (PipeName(process, i) is { } name && _pipesHeld.TryGetValue(name, out string? role) && role.StartsWith(Streams[i] + ":", StringComparison.Ordinal))
            {
                ours[i] = keeper.Table.TryTake(role);
            }
        }

        if ((ours[1] < 0 && ours[2] < 0) || !_hub.TryOpenLogs(spawn, out _))
        {
            Array.ForEach(ours, StateFile.Close);
            return false;
        }

        Hold(spawn, ours);
        _hub.Attach(spawn, pid, ours[0], ours[1], ours[2]);
        return true;
    }

    /// <summary>Everything that lived is taken over: the keeper is told which its children are, and what it need not hold any more.</summary>
    public void EndAdoption()
    {
        if (_keeper is { } keeper)
        {
            IReadOnlyList<string> rest = keeper.Table.Roles;
            keeper.Table.CloseRest();
            foreach (string[] part in rest.Chunk(PacketSocket.MaxDescriptors))
            {
                keeper.Drop(part);
            }

            keeper.Adopt([.. _kept.Keys.Order()]);
            _adoptionFile?.Retain(_children.Contains);
        }
    }

    /// <summary>
    /// From here on output that is being read is left with the keeper as well. Before the first program is started, or on a host that was
    /// restored and has not begun. Where it is refused the log says so, and everything goes on without.
    /// </summary>
    /// <param name="reports">How many reports of output the engine has had in all lives.</param>
    public void KeepOutput(long reports)
    {
        if (_keeper is null)
        {
            return;
        }

        _output = OutputMemory.Create(out string? failure);
        if (_output is null)
        {
            _events.Log(LogLevel.Critical, $"output that is being read would be lost with the daemon: {failure}");
            return;
        }

        _hub.Remember(_output, reports);
        HoldOutput(_output);
    }

    /// <summary>
    /// Goes on with the output that the daemon before had in hand. On a host that has not begun, after everything was adopted.
    /// </summary>
    /// <param name="reports">How many reports of output the engine has had in all lives.</param>
    public void RecoverOutput(long reports)
    {
        if (_output is { } memory)
        {
            _hub.Recover(memory, reports);
        }
        else
        {
            KeepOutput(reports);
        }
    }

    /// <summary>Leaves the descriptors of the output that is being read to whoever takes the keeper's place.</summary>
    public void LeaveOutput(DescriptorTable table)
    {
        if (_output is { } memory)
        {
            table.Add(OutputMemory.Roles[0], memory.Descriptor);
            if (memory.ScratchRead >= 0)
            {
                table.Add(OutputMemory.Roles[1], memory.ScratchRead);
                table.Add(OutputMemory.Roles[2], memory.ScratchWrite);
            }
        }
    }

    /// <summary>The name of the descriptor of a role: of a stream of a program.</summary>
    internal static string Role(string stream, ProcessId process, Incarnation incarnation) =>
        string.Create(CultureInfo.InvariantCulture, $"{stream}:{process.Value}:{incarnation.Value}");

    private void HoldOutput(OutputMemory memory)
    {
        if (memory.ScratchRead >= 0)
        {
            _keeper!.Hold(OutputMemory.Roles, [memory.Descriptor, memory.ScratchRead, memory.ScratchWrite]);
        }
        else
        {
            _keeper!.Drop(OutputMemory.Roles);
            _keeper.Hold(OutputMemory.Roles.AsSpan(0, 1), [memory.Descriptor]);
        }
    }

    /// <summary>Takes the memory of the daemon before, which must not be given up with the rest of what nobody takes.</summary>
    private void TakeOutput(DescriptorTable table)
    {
        int fd = table.TryTake(OutputMemory.Roles[0]);
        if (fd < 0)
        {
            return;
        }

        int read = table.TryTake(OutputMemory.Roles[1]);
        int write = table.TryTake(OutputMemory.Roles[2]);
        _output = OutputMemory.Open(fd, read, write, out string? failure);
        if (_output is null)
        {
            _events.Log(LogLevel.Critical, $"output that was being read is lost: {failure}");
            StateFile.Close(fd);
            StateFile.Close(read);
            StateFile.Close(write);
        }
    }

    private bool TryFindKept(out int pid, out WaitStatus status)
    {
        while (_keeper?.TryTakeExit(out pid, out status) == true)
        {
            // It may have been told twice: to the image before this one, and again.
            if (_kept.ContainsKey(pid))
            {
                return true;
            }
        }

        (pid, status) = (0, default);
        return _keeper?.TryTakeOrphan(out pid, out status) == true;
    }

    private static Action<ProcessId, Incarnation>? DropFor(KeeperLink? keeper) => keeper is null
        ? null
        : (process, incarnation) => keeper.Drop(
            Role(Streams[0], process, incarnation), Role(Streams[1], process, incarnation), Role(Streams[2], process, incarnation));

    private void HoldPipes(Spawn request, Descriptors descriptors) => Hold(request, descriptors.Ours);

    private void Hold(Spawn request, ReadOnlySpan<int> ours)
    {
        if (_keeper is null)
        {
            return;
        }

        Span<string> roles = new string[3];
        Span<int> fds = stackalloc int[3];
        int count = 0;
        for (int i = 0; i < Streams.Length; i++)
        {
            if (ours[i] >= 0)
            {
                roles[count] = Role(Streams[i], request.Process, request.Incarnation);

                // A daemon that died over this very start left the pipes that it made for it: ours take their place.
                StateFile.Close(_keeper.Table.TryTake(roles[count]));
                fds[count++] = ours[i];
            }
        }

        _keeper.Hold(roles[..count], fds[..count]);
    }

    /// <summary>Says whether one of a process's standard streams is the pipe.</summary>
    private static bool HasPipe(int pid, string pipe)
    {
        string process = pid.ToString(CultureInfo.InvariantCulture);
        return PipeName(process, 1) == pipe || PipeName(process, 2) == pipe;
    }

    private static string? PipeName(string process, int fd)
    {
        try
        {
            return new FileInfo(string.Create(CultureInfo.InvariantCulture, $"/proc/{process}/fd/{fd}")).LinkTarget;
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            // It ended, or is another user's.
            return null;
        }
    }
}
