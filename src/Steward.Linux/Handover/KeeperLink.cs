using System.Collections.Concurrent;
using System.Globalization;
using Steward.Core.Model;
using Steward.Linux.Interop;

namespace Steward.Linux.Handover;

/// <summary>
/// The daemon's end of its conversation with the keeper (docs/decisions/0007): it leaves copies of descriptors there, and is told of the
/// ends of programs that another daemon has started.
/// </summary>
/// <remarks>
/// Nothing is confirmed: what was sent arrives, whatever becomes of the sender. When the keeper has gone, sending does nothing and
/// <see cref="Gone"/> completes: the daemon takes the keeper's place then. Any thread may call any member.
/// </remarks>
public sealed class KeeperLink : IDisposable
{
    private readonly PacketSocket _socket;
    private readonly ConcurrentQueue<(int Pid, WaitStatus Status)> _exits = new();
    private readonly ConcurrentQueue<(int Pid, WaitStatus Status)> _orphans = new();
    private readonly TaskCompletionSource _gone = new(TaskCreationOptions.RunContinuationsAsynchronously);
    private Thread? _thread;
    private Action? _exited;
    private Action<string>? _renewed;
    private Action<string>? _notRenewed;

    private KeeperLink(PacketSocket socket, int keeperPid)
    {
        _socket = socket;
        KeeperPid = keeperPid;
    }

    /// <summary>The descriptor, for handing over to another image of the daemon.</summary>
    public int Descriptor => _socket.Descriptor;

    /// <summary>The keeper's pid: the process that was started, that signals go to and that the pid file names.</summary>
    public int KeeperPid { get; }

    /// <summary>What the keeper held when this daemon was started: copies, which are the daemon's.</summary>
    public DescriptorTable Table { get; private set; } = new();

    /// <summary>Of what the daemon before died, for the log; null: there was none.</summary>
    public string? Death { get; private set; }

    /// <summary>When that was noticed: monotonic nanoseconds.</summary>
    public long DiedAt { get; private set; }

    /// <summary>How many daemons in a row, this one included, were started without one that answered clients.</summary>
    public int Attempt { get; private set; }

    /// <summary>Whether everything runs in the background.</summary>
    public bool IsDetached { get; private set; }

    /// <summary>The path by which the keeper was started; empty in an image that took the place of another.</summary>
    public string StartPath { get; private set; } = "";

    /// <summary>Completes when the keeper is no more.</summary>
    public Task Gone => _gone.Task;

    /// <summary>Takes an end over and reads what the keeper holds.</summary>
    /// <returns>Null when the keeper has gone meanwhile, or when descriptors are missing because this process may not have so many.</returns>
    public static KeeperLink? Open(int fd)
    {
        var link = new KeeperLink(PacketSocket.Open(fd), LibC.getppid());
        while (link._socket.Receive() is { } packet)
        {
            switch (packet.Words)
            {
                case ["table", .. var roles] when roles.Length == packet.Descriptors.Length:
                    for (int i = 0; i < roles.Length; i++)
                    {
                        link.Table.Add(roles[i], packet.Descriptors[i]);
                    }

                    break;

                case ["table", ..]:
                    // Programs would lose their output without a word: the next daemon may have the numbers.
                    foreach (int copy in packet.Descriptors)
                    {
                        StateFile.Close(copy);
                    }

                    link.Table.CloseRest();
                    link.Dispose();
                    return null;

                case ["died", { } what, { } moment]:
                    link.Death = what;
                    link.DiedAt = long.Parse(moment, CultureInfo.InvariantCulture);
                    break;

                case ["begin", { } attempt, { } place, { } startPath]:
                    link.Attempt = int.Parse(attempt, CultureInfo.InvariantCulture);
                    link.IsDetached = place == "background";
                    link.StartPath = startPath;
                    return link;
            }
        }

        link.Dispose();
        return null;
    }

    /// <summary>Goes on with a conversation that another image of the daemon has begun.</summary>
    public static KeeperLink GoOn(int fd, bool isDetached) => new(PacketSocket.Open(fd), LibC.getppid()) { IsDetached = isDetached };

    /// <summary>Begins to listen.</summary>
    /// <param name="exited">Told, on a thread of this object, that there is something for <see cref="TryTakeExit"/> or <see cref="TryTakeOrphan"/>.</param>
    public void Listen(Action exited)
    {
        _exited = exited;
        _thread = new Thread(Listen, 256 * 1024) { Name = "keeper", IsBackground = true };
        _thread.Start();
    }

    /// <summary>Leaves copies of descriptors. A role that was held already is held by the new one from here on.</summary>
    public void Hold(ReadOnlySpan<string> roles, ReadOnlySpan<int> descriptors) => Send(["hold", .. roles], descriptors);

    /// <summary>Says that descriptors need not be held any more; roles that are not held are no matter.</summary>
    public void Drop(params ReadOnlySpan<string> roles) => Send(["drop", .. roles]);

    /// <summary>
    /// Says which children of the keeper are programs: it tells of their ends, and reaps each when that is acknowledged. All others it
    /// reaps as they die. Before this it reaps nobody.
    /// </summary>
    public void Adopt(IReadOnlyList<int> pids)
    {
        // In parts that fit a packet; the last says that these are all.
        const int part = 1000;
        for (int i = 0; i + part < pids.Count; i += part)
        {
            Send(["own", .. Texts(i, part)]);
        }

        int rest = pids.Count == 0 ? 0 : (pids.Count - 1) / part * part;
        Send(["adopt", .. Texts(rest, part)]);

        string[] Texts(int from, int count) =>
            [.. pids.Skip(from).Take(count).Select(static pid => pid.ToString(CultureInfo.InvariantCulture))];
    }

    /// <summary>Takes the end of a program that is the keeper's child. Until it is <see cref="Reap">reaped</see> its pid is nobody else's.</summary>
    public bool TryTakeExit(out int pid, out WaitStatus status)
    {
        bool taken = _exits.TryDequeue(out (int Pid, WaitStatus Status) exit);
        (pid, status) = exit;
        return taken;
    }

    /// <summary>Takes the end of a process that is no program, where the keeper is PID 1: it is reaped already.</summary>
    public bool TryTakeOrphan(out int pid, out WaitStatus status)
    {
        bool taken = _orphans.TryDequeue(out (int Pid, WaitStatus Status) exit);
        (pid, status) = exit;
        return taken;
    }

    /// <summary>Has the keeper reap a program whose end was told.</summary>
    public void Reap(int pid) => Send(["reaped", pid.ToString(CultureInfo.InvariantCulture)]);

    /// <summary>
    /// Has the keeper take on the rights that this process has by now: a daemon that is not root any more must not leave anything to a
    /// root that acts on it. To be called before the first thing is left.
    /// </summary>
    public void ShareRights() => Send(["rights"]);

    /// <summary>Says that clients are answered from here on.</summary>
    public void Ready() => Send(["ready"]);

    /// <summary>Says that this daemon ends because it is to: the keeper ends with it.</summary>
    public void Ending() => Send(["ending"]);

    /// <summary>
    /// Has the keeper go on as the program that is held as this daemon's, in the same process. A keeper that does not know this goes on as it is.
    /// </summary>
    /// <param name="renewed">Told, on a thread of this object, that it did, with its version.</param>
    /// <param name="refused">Told why it did not, and goes on as it was.</param>
    public void Renew(Action<string> renewed, Action<string> refused)
    {
        (_renewed, _notRenewed) = (renewed, refused);
        Send(["renew"]);
    }

    /// <inheritdoc/>
    public void Dispose()
    {
        _socket.Shutdown();
        _socket.Dispose();
    }

    private void Send(ReadOnlySpan<string> words, ReadOnlySpan<int> descriptors = default)
    {
        if (!_socket.Send(words, descriptors) && !_gone.Task.IsCompleted)
        {
            // Dead, or so stuck that it takes nothing: it is not waited for a second time, and its place is taken.
            _socket.Shutdown();
            _gone.TrySetResult();
        }
    }

    private void Listen()
    {
        while (_socket.Receive() is { } packet)
        {
            foreach (int fd in packet.Descriptors)
            {
                StateFile.Close(fd);
            }

            if (packet.Words is ["renewed", { } version])
            {
                _renewed?.Invoke(version);
            }
            else if (packet.Words is ["unrenewed", { } reason])
            {
                _notRenewed?.Invoke(reason);
            }
            else if (packet.Words is [{ } what, { } pid, { } raw] && what is "exit" or "orphan")
            {
                (what == "exit" ? _exits : _orphans).Enqueue(
                    (int.Parse(packet.Words[1], CultureInfo.InvariantCulture), new WaitStatus(int.Parse(packet.Words[2], CultureInfo.InvariantCulture))));
                _exited!();
            }
        }

        _gone.TrySetResult();
    }
}
