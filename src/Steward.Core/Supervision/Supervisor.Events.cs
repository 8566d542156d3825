using System.Globalization;
using Steward.Core.Config;
using Steward.Core.Effects;
using Steward.Core.Events;
using Steward.Core.Inputs;
using Steward.Core.Model;

namespace Steward.Core.Supervision;

// Events, the pools that buffer them, and the listeners that take them.
public sealed partial class Supervisor
{
    private static readonly (EventType Type, long Period)[] Periods =
        [(EventType.Tick5, 5), (EventType.Tick60, 60), (EventType.Tick3600, 3600)];

    private readonly List<EventPool> _pools = [];
    private readonly TickTimer _tickTimer = new();
    private readonly long[] _slices = new long[Periods.Length];

    // The types that anybody subscribed to: an event that nobody wants is not even made.
    private uint _wanted;
    private long _nextSerial;

    private bool IsWanted(EventType type) => (_wanted & type.Bit()) != 0;

    /// <summary>Gives an event to the pools that want it; returns its serial, null when none does.</summary>
    private long? Emit(EventType type, string payload)
    {
        if (!IsWanted(type))
        {
            return null;
        }

        long serial = _nextSerial++;
        foreach (EventPool pool in _pools)
        {
            if ((pool.Mask & type.Bit()) == 0)
            {
                continue;
            }

            if (pool.Add(serial, type, payload) is { } dropped)
            {
                TakeOverflow(pool, dropped);
            }

            Dispatch(pool);
        }

        return serial;
    }

    /// <summary>An event that no other fact tells of.</summary>
    private void TellEvent(EventType type, long? serial, string payload, ProcessSlot? slot = null)
    {
        if (IsRecording)
        {
            var fact = new EventFact(type.Name(), serial, payload);
            if (slot is null)
            {
                Tell(fact);
            }
            else
            {
                Tell(slot, fact);
            }
        }
    }

    private void TakeOverflow(EventPool pool, PooledEvent dropped)
    {
        Log(LogLevel.Error, $"pool {pool.Name} event buffer overflowed, discarding event {dropped.Serial}");
        if (IsRecording)
        {
            // With its payload: what a listener missed can be read up on.
            Tell(pool.Group, new ListenerFact(ListenerAction.Overflowed, dropped.Serial, 1, dropped.Type.Name()));
            Tell(pool.Group, new EventFact(dropped.Type.Name(), dropped.Serial, dropped.Payload));
        }
    }

    private void AddPool(ProcessGroup group)
    {
        var pool = new EventPool(group);
        group.Pool = pool;
        _pools.Add(pool);
        bool ticked = IsTicking;
        _wanted |= pool.Mask;
        if (!ticked && IsTicking)
        {
            for (int i = 0; i < Periods.Length; i++)
            {
                _slices[i] = Slice(i);
            }

            ScheduleTick();
        }
    }

    private void RemovePool(EventPool pool)
    {
        if (pool.Count > 0)
        {
            Log(LogLevel.Warn, $"pool {pool.Name} was removed with {pool.Count} undelivered events");
            if (IsRecording)
            {
                Tell(pool.Group, new ListenerFact(ListenerAction.Abandoned, Count: pool.Count));
            }
        }

        pool.SetDue(long.MaxValue, _deadlines);
        _pools.Remove(pool);
        _wanted = _pools.Aggregate(0u, (mask, other) => mask | other.Mask);
        if (!IsTicking)
        {
            _tickTimer.SetDue(long.MaxValue, _deadlines);
        }
    }

    private void ForgetPools()
    {
        _pools.Clear();
        _wanted = 0;
        _tickTimer.SetDue(long.MaxValue, _deadlines);
    }

    private bool IsTicking => IsWanted(EventType.Tick5) || IsWanted(EventType.Tick60) || IsWanted(EventType.Tick3600);

    private long Slice(int period)
    {
        long seconds = _now.UnixSeconds;
        return seconds - seconds % Periods[period].Period;
    }

    /// <summary>Ticks are aligned to the wall clock and looked for at each of its multiples of five seconds.</summary>
    private void ScheduleTick()
    {
        long period = 5 * Moment.Second;
        _tickTimer.SetDue(_now.Monotonic + period - _now.Wall % period, _deadlines);
    }

    private void Tick()
    {
        for (int i = 0; i < Periods.Length; i++)
        {
            long slice = Slice(i);
            if (slice != _slices[i])
            {
                _slices[i] = slice;
                Emit(Periods[i].Type, "when:" + slice.ToString(CultureInfo.InvariantCulture));
            }
        }

        ScheduleTick();
    }

    /// <summary>Sends events, oldest first, while there is a listener that takes one: the first of the pool that is RUNNING and READY.</summary>
    private void Dispatch(EventPool pool)
    {
        if (pool.Due != long.MaxValue && pool.Due > _now.Monotonic)
        {
            return;
        }

        while (pool.Count > 0 && pool.Group.Slots.Find(IsReady) is { } slot)
        {
            PooledEvent item = pool.Take()!;
            slot.Listener!.Event = item;
            ChangeListener(slot, ListenerState.Busy);
            _effects.Add(new WriteStdin(slot.Id, slot.Incarnation, item.Envelope(Settings.Identifier, pool.Name), default));
        }
    }

    private static bool IsReady(ProcessSlot slot) =>
        slot.State == ProcessState.Running && slot.Listener is { State: ListenerState.Ready, IsDeaf: false };

    private void TakeDeliveryAnswer(ProcessSlot slot, StdinAnswered answer)
    {
        if (slot.Incarnation != answer.Incarnation || slot.Listener is not { Event: { } item } listener || slot.Group.Pool is not { } pool)
        {
            return;
        }

        switch (answer.Result)
        {
            case StdinResult.Accepted:
                Log(LogLevel.Debug, $"event {item.Serial} sent to listener {slot.Name}");
                break;

            case StdinResult.Closed:
                Log(LogLevel.Debug, $"epipe occurred while sending event {item.Serial} to listener {slot.Name}, listener state unchanged");
                listener.Event = null;
                listener.IsDeaf = true;
                ChangeListener(slot, ListenerState.Ready);
                PutBack(pool, item);
                Dispatch(pool);
                break;

            case StdinResult.Full:
                // A listener has at most one event in its pipe: this one alone is larger than what is queued for a process.
                Log(LogLevel.Error, $"event {item.Serial} is too large for listener {slot.Name}, discarding it");
                pool.Discard();
                listener.Event = null;
                ChangeListener(slot, ListenerState.Ready);
                Dispatch(pool);
                break;
        }
    }

    private void TakeOutput(ProcessSlot slot, OutputChannel channel, byte[] data)
    {
        if (slot.Config.IsListener && channel == OutputChannel.Stdout)
        {
            if (Settings.LogLevel <= LogLevel.Debug)
            {
                Log(LogLevel.Debug, $"'{slot.Name}' stdout output:\n{PythonText.Bytes(data)}");
            }

            ReadListener(slot, data);
            return;
        }

        bool echo = Settings.LogLevel <= LogLevel.Debug;
        EventType type = channel == OutputChannel.Stdout ? EventType.ProcessLogStdout : EventType.ProcessLogStderr;
        bool emit = IsWanted(type) && LogConfig(slot, channel).EventsEnabled;
        if ((echo || emit) && slot.Carry(channel).Decode(data) is { } text)
        {
            TellOutput(slot, channel, type, text, echo, emit);
        }
    }

    private static Config.ChildLogConfig LogConfig(ProcessSlot slot, OutputChannel channel) =>
        channel == OutputChannel.Stdout ? slot.Config.Stdout : slot.Config.Stderr;

    private void TellOutput(ProcessSlot slot, OutputChannel channel, EventType type, string text, bool echo, bool emit)
    {
        string name = channel == OutputChannel.Stdout ? "stdout" : "stderr";
        if (echo)
        {
            Log(LogLevel.Debug, $"'{slot.Name}' {name} output:\n{text}");
        }

        if (emit)
        {
            Emit(type, $"processname:{slot.Name} groupname:{slot.Group.Name} pid:{slot.Pid} channel:{name}\n{text}");
        }
    }

    /// <summary>The output of a run is complete: a character that never got its end is told as it is.</summary>
    private void FinishOutput(ProcessSlot slot)
    {
        foreach (OutputChannel channel in (ReadOnlySpan<OutputChannel>)[OutputChannel.Stdout, OutputChannel.Stderr])
        {
            if (slot.Carry(channel).End() is { } text)
            {
                EventType type = channel == OutputChannel.Stdout ? EventType.ProcessLogStdout : EventType.ProcessLogStderr;
                TellOutput(slot, channel, type, text, Settings.LogLevel <= LogLevel.Debug,
                    IsWanted(type) && LogConfig(slot, channel).EventsEnabled);
            }
        }
    }

    private void TakeCommunication(ProcessSlot slot, OutputChannel channel, byte[] data)
    {
        bool isStdout = channel == OutputChannel.Stdout;
        EventType type = isStdout ? EventType.ProcessCommunicationStdout : EventType.ProcessCommunicationStderr;
        if (IsWanted(type) || IsRecording)
        {
            string payload = $"processname:{slot.Name} groupname:{slot.Group.Name} pid:{slot.Pid}\n{Utf8Carry.Text(data)}";
            TellEvent(type, Emit(type, payload), payload, slot);
        }

        Log(LogLevel.Debug, $"'{slot.Name}' {(isStdout ? "stdout" : "stderr")} emitted a comm event");
    }

    private void ReadListener(ProcessSlot slot, byte[] data)
    {
        if (slot.Listener is not { } listener || slot.Group.Pool is not { } pool)
        {
            return;
        }

        listener.Append(data);
        while (true)
        {
            switch (listener.Next())
            {
                case ListenerSignal.None:
                    return;

                case ListenerSignal.Ready:
                    ChangeListener(slot, ListenerState.Ready);
                    if (listener.Pending.IsEmpty)
                    {
                        // What follows READY in one breath is a violation; nothing is sent to it before that is known.
                        Dispatch(pool);
                    }

                    break;

                case ListenerSignal.Accepted:
                    Log(LogLevel.Debug, $"{slot.Name}: event was processed");
                    pool.Accepted();
                    slot.Violations = 0;
                    listener.Event = null;
                    ChangeListener(slot, ListenerState.Acknowledged);
                    break;

                case ListenerSignal.Rejected:
                    Log(LogLevel.Warn, $"{slot.Name}: event was rejected");
                    ChangeListener(slot, ListenerState.Acknowledged);
                    Reject(slot, pool);
                    break;

                case ListenerSignal.BadResultLine:
                    Log(LogLevel.Warn, $"{slot.Name}: bad result line: '{listener.BadLine}'");
                    GiveUpOn(slot, listener);
                    Reject(slot, pool);
                    Recover(slot, pool);
                    return;

                case ListenerSignal.Violation:
                    GiveUpOn(slot, listener);
                    Recover(slot, pool);
                    return;
            }
        }
    }

    private void GiveUpOn(ProcessSlot slot, ListenerProtocol listener)
    {
        ReadOnlySpan<byte> pending = listener.Pending;
        string wrote = PythonText.Bytes(pending[..Math.Min(pending.Length, 80)]);
        Log(LogLevel.Debug, $"{slot.Name}: wrote {wrote} when it was {Name(listener.State)}");
        listener.Drop();
        ChangeListener(slot, ListenerState.Unknown);
        if (IsRecording)
        {
            Tell(slot, new ListenerFact(ListenerAction.Violated, slot.Listener?.Event?.Serial, Detail: wrote));
        }

        Log(LogLevel.Warn, $"{slot.Name}: has entered the UNKNOWN state and will no longer receive events, "
            + "this usually indicates the process violated the eventlistener protocol");
    }

    /// <summary>
    /// Only a new run can speak the protocol again: the process is stopped as an operator would stop it, and started once it is down.
    /// </summary>
    private void Recover(ProcessSlot slot, EventPool pool)
    {
        // One that ends, or is being stopped already, is not ours to bring back.
        if (!pool.Group.Config.Pool!.UnknownRestart || State != DaemonState.Running
            || slot.State is not (ProcessState.Starting or ProcessState.Running))
        {
            return;
        }

        slot.IsRecovering = true;
        if (slot.Violations < int.MaxValue)
        {
            slot.Violations++;
        }

        Log(LogLevel.Warn, $"{slot.Name}: is stopped and started again, because it is in the UNKNOWN state (unknown_restart)");
        Trigger(slot, ProcessTrigger.Stop);
    }

    /// <summary>How long to wait before a listener that broke the protocol is started again: 1 s, doubled up to a minute.</summary>
    private static long RecoveryPause(ProcessSlot slot) => Math.Min(60, 1L << Math.Min(slot.Violations - 1, 6)) * Moment.Second;

    /// <summary>Somebody has decided that it stays down.</summary>
    private void CancelRecovery(ProcessSlot slot)
    {
        if (!slot.IsRecovering)
        {
            return;
        }

        slot.IsRecovering = false;
        slot.Violations = 0;
        if (slot.State == ProcessState.Stopped)
        {
            slot.StateDue = long.MaxValue;
            Schedule(slot);
        }
    }

    private void TimeOut(ProcessSlot slot, ListenerProtocol listener)
    {
        EventPool pool = slot.Group.Pool!;
        Log(LogLevel.Warn, string.Create(
            CultureInfo.InvariantCulture,
            $"{slot.Name}: gave no result for event {listener.Event!.Serial} within {pool.Group.Config.Pool!.ResultTimeout} seconds (result_timeout)"));
        GiveUpOn(slot, listener);
        PooledEvent item = listener.Event;
        listener.Event = null;
        pool.GaveUp();
        PutBack(pool, item);
        Recover(slot, pool);
        Dispatch(pool);
    }

    private void Reject(ProcessSlot slot, EventPool pool)
    {
        PooledEvent item = slot.Listener!.Event!;
        slot.Listener.Event = null;
        PutBack(pool, item);
        long pause = pool.Rejected(item);
        if (IsRecording)
        {
            Tell(slot, new ListenerFact(ListenerAction.Rejected, item.Serial));
        }

        pool.SetDue(pause == 0 ? long.MaxValue : _now.Monotonic + pause, _deadlines);
        Dispatch(pool);
    }

    private void PutBack(EventPool pool, PooledEvent item)
    {
        if (pool.Return(item) is { } dropped)
        {
            TakeOverflow(pool, dropped);
        }

        Log(LogLevel.Debug, $"rebuffering event {item.Serial} for pool {pool.Name} (buf size={pool.Count}, max={pool.Capacity})");
    }

    /// <summary>The run of a listener is over: the event it was busy with goes back.</summary>
    private void ReturnEvent(ProcessSlot slot)
    {
        if (slot is { Listener: { Event: { } item } listener, Group.Pool: { } pool })
        {
            listener.Event = null;
            pool.GaveUp();
            PutBack(pool, item);
        }

        slot.Listener = null;
        if (slot.Group.Pool is { } mine)
        {
            Dispatch(mine);
        }
    }

    private void ChangeListener(ProcessSlot slot, ListenerState state)
    {
        Log(LogLevel.Debug, $"{slot.Name}: {Name(slot.Listener!.State)} -> {Name(state)}");
        slot.Listener.State = state;
        int limit = state == ListenerState.Busy ? slot.Group.Config.Pool!.ResultTimeout : 0;
        long due = limit > 0 ? _now.Monotonic + limit * Moment.Second : long.MaxValue;
        if (due != slot.Listener.Due)
        {
            slot.Listener.Due = due;
            Schedule(slot);
        }
    }

    private static string Name(ListenerState state) => state switch
    {
        ListenerState.Acknowledged => "ACKNOWLEDGED",
        ListenerState.Ready => "READY",
        ListenerState.Busy => "BUSY",
        _ => "UNKNOWN",
    };

    private sealed class TickTimer : Timed
    {
        public override long Rank => -1;
    }
}
