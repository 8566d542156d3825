using System.Collections.Immutable;
using System.Globalization;
using Steward.Core.Model;
using Steward.Core.Ports;
using Steward.Linux.Handover;
using Steward.Linux.Host;

namespace Steward.Keeper;

/// <summary>
/// The keeper: the process that the user starts. It starts the daemon as its child and holds what must not be lost when that dies:
/// copies of descriptors, and the dead of a daemon that is gone. Then it starts another one, which finds all of that. It decides
/// nothing about programs and reads nothing of the state it holds.
/// </summary>
/// <remarks>
/// <para>One thread does everything, one event at a time; what comes from the kernel is put into a queue of <see cref="MaxEvents"/>, whose
/// writers wait when it is full. Without events it sleeps.</para>
/// <para>The daemon ends in one of three ways: it said so before (the keeper ends with the same exit status); it never answered clients and
/// exited by itself, as at a fault of the configuration (the same); anything else is a crash, and another one is started by
/// <see cref="RestartPolicy"/>.</para>
/// <para>A dead child that no daemon has spoken for stays a zombie while there is no daemon: its status is the next one's to learn.</para>
/// </remarks>
public sealed class KeeperProcess
{
    private const int MaxEvents = 1024;

    // So many daemons in a row that never answered, the last of them without the state of those before: one more would be no better.
    private const int VainAttempts = 4;

    private const string RenewPacket = "renew";
    private const string NotRenewed = "unrenewed";

    // A daemon that hangs while it takes over is replaced.
    private const long TakeOverPatience = 60 * Moment.Second;

    private static readonly int[] EndingSignals = [Signals.Term, Signals.Int, Signals.Quit];

    private readonly KeeperStart _start;
    private readonly IClock _clock;
    private readonly Action<string> _say;

    // Guarded by itself.
    private readonly Queue<Event> _events = new();
    private readonly SortedDictionary<string, int> _held = new(StringComparer.Ordinal);
    private readonly Dictionary<int, bool> _programs = [];
    private readonly RestartPolicy _policy = new();

    // Signals that no daemon could take yet, each once.
    private readonly SortedSet<int> _signals = [];
    private readonly bool _isInit = Environment.ProcessId == 1;
    private int _daemon;
    private int _life;
    private PacketSocket? _socket;
    private bool _hasBeenReady;
    private bool _isReady;
    private bool _isEnding;
    private bool _knowsPrograms;
    private string? _death;
    private long _diedAt;
    private long _due = long.MaxValue;

    private KeeperProcess(KeeperStart start, IClock clock, Action<string> say)
    {
        _start = start;
        _clock = clock;
        _say = say;
        foreach ((string role, int fd) in start.Held)
        {
            _held.Add(role, fd);
        }
    }

    private enum EventKind
    {
        Packet,
        SocketEnded,
        ChildDied,
        Signal,
    }

    /// <summary>Keeps until a daemon ends that is to end.</summary>
    /// <param name="start">How the daemon is started.</param>
    /// <param name="clock">Monotonic time.</param>
    /// <param name="say">Receives what goes wrong while no daemon could log it.</param>
    /// <returns>The exit status: the daemon's.</returns>
    /// <exception cref="StartException">The daemon has given up rights that this process cannot give up: it must end, and what it held with it.</exception>
    public static int Run(KeeperStart start, IClock clock, Action<string> say) => new KeeperProcess(start, clock, say).Run(renewal: null);

    /// <summary>Is the image that takes the place of another one of the keeper while the daemon lives, or the one that is gone back to.</summary>
    /// <param name="handles">What stands behind <see cref="KeeperStart.RenewWord"/> or <see cref="KeeperStart.KeepOnWord"/>.</param>
    /// <param name="refused">Why the other image refused; null: this is the other one.</param>
    /// <param name="version">The version of this program.</param>
    /// <param name="clock">Monotonic time.</param>
    /// <param name="say">Receives what goes wrong while no daemon could log it.</param>
    /// <exception cref="StartException">As of <see cref="Run(KeeperStart, IClock, Action{string})"/>.</exception>
    /// <returns>The exit status; null when the keeper cannot go on, which <paramref name="say"/> was told.</returns>
    public static int? Resume(string handles, string? refused, string version, IClock clock, Action<string> say) =>
        KeeperRenewal.Resume(handles, refused, version, clock, say);

    /// <summary>Goes on in the place of another image of the keeper, or after one that refused to.</summary>
    /// <param name="left">What the other one left.</param>
    /// <param name="refused">Why the one that was to take the place refused; null: it is this one.</param>
    /// <param name="clock">Monotonic time.</param>
    /// <param name="say">Receives what goes wrong while no daemon could log it.</param>
    /// <returns>The exit status: the daemon's.</returns>
    internal static int GoOn(KeeperRenewal left, string? refused, IClock clock, Action<string> say)
    {
        var keeper = new KeeperProcess(left.Start, clock, say)
        {
            _hasBeenReady = true, _isReady = true, _knowsPrograms = left.KnowsPrograms, _daemon = left.Daemon, _life = 1,
            _socket = PacketSocket.Open(left.Link),
        };
        keeper._policy.Ready();
        foreach ((int pid, bool isTold) in left.Programs)
        {
            keeper._programs.Add(pid, isTold);
        }

        // The one before may not have known of this.
        KeeperChildren.ShareRightsOf(left.Daemon);
        return keeper.Run(refused is null ? ["renewed", left.Start.Version] : [NotRenewed, refused]);
    }

    /// <param name="renewal">What to tell the daemon that lives; null: there is none yet.</param>
    private int Run(string[]? renewal)
    {
        using var children = new KeeperChildren(
            () => Put(new Event(EventKind.ChildDied)),
            _say);
        using DaemonSignals signals = DaemonSignals.Listen(number => Put(new Event(EventKind.Signal, Number: number)));
        DaemonSignals.Unblock();

        if (renewal is null)
        {
            // A keeper that was a daemon comes with what to hold: there is a state to go on with, and a reason to say.
            _hasBeenReady = _held.Count > 0;
            _death = _start.Death;
            _diedAt = _start.DiedAt;
            StartDaemon(children);
        }
        else
        {
            TellDaemon(renewal);
            Listen();
            LookForDead(children);
        }

        while (true)
        {
            if (!TryTake(out Event next))
            {
                Due(children);
                continue;
            }

            switch (next.Kind)
            {
                case EventKind.Packet when next.Life == _life:
                    Take(next.Packet!, children);
                    break;

                case EventKind.SocketEnded when next.Life == _life:
                    if (BuryDaemon(children) is { } exitStatus)
                    {
                        return exitStatus;
                    }

                    break;

                case EventKind.ChildDied:
                    LookForDead(children);
                    break;

                case EventKind.Signal:
                    Forward(next.Number);
                    break;
            }
        }
    }

    private bool TryTake(out Event next)
    {
        lock (_events)
        {
            while (!_events.TryDequeue(out next))
            {
                long left = _due == long.MaxValue ? long.MaxValue : _due - _clock.Now.Monotonic;
                if (left <= 0)
                {
                    return false;
                }

                Monitor.Wait(_events, left == long.MaxValue ? Timeout.Infinite : (int)((left + Moment.Millisecond - 1) / Moment.Millisecond));
            }

            Monitor.PulseAll(_events);
            return true;
        }
    }

    /// <summary>Adds an event, on any thread; waits while there are too many.</summary>
    private void Put(Event next)
    {
        lock (_events)
        {
            while (_events.Count >= MaxEvents)
            {
                Monitor.Wait(_events);
            }

            _events.Enqueue(next);
            Monitor.PulseAll(_events);
        }
    }

    /// <summary>The moment came that was waited for: of the next start, or at which a start has taken too long.</summary>
    private void Due(KeeperChildren children)
    {
        _due = long.MaxValue;
        if (_daemon == 0)
        {
            StartDaemon(children);
        }
        else if (!_isReady)
        {
            _say(string.Create(CultureInfo.InvariantCulture, $"the daemon {_daemon} does not take over; it is killed and another one is started"));
            KeeperChildren.Signal(_daemon, Signals.Kill);
        }
    }

    private void StartDaemon(KeeperChildren children)
    {
        _life++;
        _isReady = false;
        _isEnding = false;
        _knowsPrograms = false;
        _programs.Clear();
        if (!PacketSocket.TryPair(out PacketSocket? ours, out int theirs, out string? failure))
        {
            TryLater($"no daemon can be started: {failure}");
            return;
        }

        // Its table is longer than a socket holds: it reads while we send.
        string handle = theirs.ToString(CultureInfo.InvariantCulture);
        string[] words = [_start.Words[0], KeeperStart.KeptWord, handle, .. _start.Words.Skip(1)];
        string? image = HeldImage();
        _daemon = children.Start(image ?? _start.Image, words, theirs, holdsMany: _held.Count > 0, out failure);
        if (_daemon == 0 && image is not null)
        {
            _say($"the file that the daemon ran cannot be started: {failure}");
            _daemon = children.Start(_start.Image, words, theirs, holdsMany: _held.Count > 0, out failure);
        }

        StateFile.Close(theirs);
        if (_daemon == 0)
        {
            ours.Dispose();
            TryLater($"no daemon can be started: {failure}");
            return;
        }

        _socket = ours;
        Tell(ours);
        if (_hasBeenReady)
        {
            _due = _clock.Now.Monotonic + TakeOverPatience;
        }

        Listen();
    }

    /// <summary>The file that the daemon before ran, whatever its path means by now; when that comes to nothing, in turn with our own.</summary>
    private string? HeldImage() => _policy.Attempt % 2 != 0 && _held.TryGetValue(KeeperStart.ImageRole, out int fd)
        ? string.Create(CultureInfo.InvariantCulture, $"/proc/self/fd/{fd}")
        : null;

    private void TryLater(string reason)
    {
        _say(reason);
        long now = _clock.Now.Monotonic;
        _due = now + _policy.NotStarted(now);
    }

    private void Tell(PacketSocket socket)
    {
        foreach (KeyValuePair<string, int>[] part in _held.Chunk(PacketSocket.MaxDescriptors))
        {
            if (!socket.Send(["table", .. part.Select(static entry => entry.Key)], [.. part.Select(static entry => entry.Value)]))
            {
                // It is dying, or it does not read: with a part of the table it would lose programs without a word.
                KeeperChildren.Signal(_daemon, Signals.Kill);
                return;
            }
        }

        if (_death is not null)
        {
            socket.Send(["died", _death, _diedAt.ToString(CultureInfo.InvariantCulture)]);
        }

        socket.Send(["begin", _policy.Attempt.ToString(CultureInfo.InvariantCulture), _start.IsDetached ? "background" : "foreground", _start.StartPath]);
    }

    private void Listen()
    {
        PacketSocket socket = _socket!;
        int life = _life;
        new Thread(() => Listen(socket, life), 256 * 1024) { Name = "daemon", IsBackground = true }.Start();
    }

    private void Listen(PacketSocket socket, int life)
    {
        while (socket.Receive() is { } packet)
        {
            Put(new Event(EventKind.Packet, life, packet));
            if (packet.Words is [RenewPacket])
            {
                // What follows is for the image that takes the place of this one.
                return;
            }
        }

        Put(new Event(EventKind.SocketEnded, life));
    }

    private void Take(Packet packet, KeeperChildren children)
    {
        switch (packet.Words)
        {
            case ["hold", .. var roles] when roles.Length == packet.Descriptors.Length:
                for (int i = 0; i < roles.Length; i++)
                {
                    Drop(roles[i]);
                    _held[roles[i]] = packet.Descriptors[i];
                }

                return;

            case ["hold", ..]:
                _say($"the keeper has no room for {packet.Words.Length - 1} more descriptors: what they stand for would not survive the daemon");
                break;

            case ["drop", .. var roles]:
                foreach (string role in roles)
                {
                    Drop(role);
                }

                break;

            case ["own", .. var pids]:
                Own(pids);
                break;

            case ["adopt", .. var pids]:
                Own(pids);
                _knowsPrograms = true;
                LookForDead(children);
                break;

            case ["reaped", { } pid]:
                if (_programs.Remove(int.Parse(pid, CultureInfo.InvariantCulture)))
                {
                    KeeperChildren.Reap(int.Parse(pid, CultureInfo.InvariantCulture));
                    LookForDead(children);
                }

                break;

            case ["ready"]:
                _due = long.MaxValue;
                _isReady = true;
                _policy.Ready();
                if (!_hasBeenReady)
                {
                    _hasBeenReady = true;
                    _start.Started();
                }

                foreach (int number in _signals)
                {
                    KeeperChildren.Signal(_daemon, number);
                }

                _signals.Clear();
                break;

            case ["rights"]:
                KeeperChildren.ShareRightsOf(_daemon);
                break;

            case ["ending"]:
                _isEnding = true;
                break;

            case [RenewPacket]:
                Renew();
                Listen();
                break;
        }

        foreach (int fd in packet.Descriptors)
        {
            StateFile.Close(fd);
        }
    }

    /// <summary>Has the image that the daemon runs take the place of this one. Does not come back when that works.</summary>
    private void Renew()
    {
        if (!_isReady || _isEnding)
        {
            TellDaemon([NotRenewed, "the daemon is not ready"]);
            return;
        }

        // Signals that wait in our queue would go with it. The deaths of children do not: the next image looks for them.
        foreach (int number in WaitingSignals())
        {
            Forward(number);
        }

        var renewal = new KeeperRenewal(
            _start with { Held = new Dictionary<string, int>(_held, StringComparer.Ordinal) }, _daemon, _socket!.Descriptor, _knowsPrograms, _programs);
        TellDaemon([NotRenewed, renewal.Execute(_clock)]);
    }

    private int[] WaitingSignals()
    {
        lock (_events)
        {
            Event[] rest = [.. _events];
            _events.Clear();
            foreach (Event other in rest.Where(static other => other.Kind != EventKind.Signal))
            {
                _events.Enqueue(other);
            }

            Monitor.PulseAll(_events);
            return [.. rest.Where(static other => other.Kind == EventKind.Signal).Select(static signal => signal.Number)];
        }
    }

    private void Own(ImmutableArray<string> pids)
    {
        foreach (string pid in pids)
        {
            if (pid.Length > 0)
            {
                // A daemon that took another image's place may not have heard what that was told.
                _programs[int.Parse(pid, CultureInfo.InvariantCulture)] = false;
            }
        }
    }

    private void Drop(string role)
    {
        if (_held.Remove(role, out int fd))
        {
            StateFile.Close(fd);
        }
    }

    /// <summary>The daemon's end of the socket is gone, and with it the daemon.</summary>
    /// <returns>The exit status when the keeper is to end.</returns>
    private int? BuryDaemon(KeeperChildren children)
    {
        // The socket ends with the process alone (nobody closes it): one that would live on is of no use to anybody.
        KeeperChildren.Signal(_daemon, Signals.Kill);
        WaitStatus status = KeeperChildren.Wait(_daemon);
        int pid = _daemon;
        _daemon = 0;
        _due = long.MaxValue;
        _socket!.Dispose();
        _socket = null;
        // Before its first checkpoint there is nothing to go on with.
        if (_isEnding || (!_hasBeenReady && (status.Exited || !_held.ContainsKey(KeeperStart.StateRole))))
        {
            return status.Exited ? status.Code : 128 + status.Signal;
        }

        _diedAt = _clock.Now.Monotonic;
        _death = string.Create(CultureInfo.InvariantCulture, $"the daemon before (pid {pid}) died ({status.Describe()})");
        long delay = _policy.Died(_diedAt);
        if (_policy.Attempt > VainAttempts && _signals.Overlaps(EndingSignals))
        {
            // Nobody comes who could stop them, and who wants the end is not kept from it.
            _say($"{_death}, as others before it; the keeper ends as it was told to, and programs that run are left alone");
            return status.Exited ? status.Code : 128 + status.Signal;
        }

        if (delay > 0)
        {
            _say(string.Create(CultureInfo.InvariantCulture, $"{_death}, as others before it; another one is started in {delay / Moment.Second} s"));
            _due = _diedAt + delay;
        }
        else
        {
            StartDaemon(children);
        }

        return null;
    }

    private void LookForDead(KeeperChildren children)
    {
        // Programs of daemons before: each is told once, and reaped when that is acknowledged.
        bool isHeld = false;
        foreach (int pid in _programs.Keys.ToArray())
        {
            if (!_programs[pid] && KeeperChildren.IsDead(pid, out WaitStatus status))
            {
                _programs[pid] = true;
                TellDaemon(["exit", Text(pid), Text(status.Raw)]);
            }

            isHeld |= _programs[pid];
        }

        while (_knowsPrograms && !isHeld && KeeperChildren.TryFindDead(out int pid, out WaitStatus status))
        {
            if (pid == _daemon)
            {
                // Its socket ends as well, behind all that it sent.
                return;
            }

            if (_programs.ContainsKey(pid))
            {
                // Died since it was looked for: the next look finds it.
                LookForDead(children);
                return;
            }

            if (_socket is not { HasEnded: false })
            {
                // The daemon is dying, and this may be a program of its: a socket ends before the children change hands.
                return;
            }

            KeeperChildren.Reap(pid);
            if (_isInit)
            {
                TellDaemon(["orphan", Text(pid), Text(status.Raw)]);
            }
        }

        // While one waits to be reaped the kernel would tell of it again and again.
        if (_knowsPrograms && !isHeld)
        {
            children.LookAgain();
        }
    }

    private void TellDaemon(ReadOnlySpan<string> words)
    {
        if (_socket?.Send(words) == false && _daemon != 0)
        {
            // It is dying, or it is stuck and would never know of this: the next one will.
            KeeperChildren.Signal(_daemon, Signals.Kill);
        }
    }

    private void Forward(int number)
    {
        if (_daemon != 0 && (_isReady || !_hasBeenReady))
        {
            KeeperChildren.Signal(_daemon, number);
            return;
        }

        // A successor has programs before it has handlers: it would die of the signal, and the signal with it.
        _signals.Add(number);
        if (_daemon == 0 && EndingSignals.Contains(number))
        {
            // Who wants everything to end does not wait for the next start.
            _due = Math.Min(_due, _clock.Now.Monotonic);
        }
    }

    private static string Text(int number) => number.ToString(CultureInfo.InvariantCulture);

    private readonly record struct Event(EventKind Kind, int Life = 0, Packet? Packet = null, int Number = 0);
}
