using Steward.Core.Effects;
using Steward.Core.Model;
using Steward.Core.Ports;
using Steward.Core.Snapshots;
using Steward.Core.Supervision;

namespace Steward.Engine;

// The loop comes to rest, is written down, and goes on: here, when it was not needed, or in another image of the program.
public sealed partial class Engine
{
    // What clients asked for after the loop was told to rest; nothing has come of it. Guarded by the inbox.
    private readonly Queue<Request> _held = new();
    private bool _isSuspending;
    private bool _isAtRest;

    /// <summary>
    /// Brings the loop to rest between two steps. What clients asked for before is carried out first, so that it is part of the
    /// state; what they ask for from here on is held back untouched. Signals, output and exits that come meanwhile are kept too.
    /// </summary>
    /// <param name="patience">How long a step that is under way may take (a spawn waits for its exec).</param>
    /// <returns>False when the loop did not come to rest in time or has died: everything goes on as before.</returns>
    public bool Suspend(TimeSpan patience)
    {
        Thread? thread = _thread;
        if (thread is null || thread == Thread.CurrentThread)
        {
            throw new InvalidOperationException("The loop is brought to rest from outside, while it runs.");
        }

        lock (_inbox)
        {
            _isSuspending = true;
            Monitor.Pulse(_inbox);
        }

        thread.Join(patience);
        lock (_inbox)
        {
            if (!_isAtRest)
            {
                // It sees that at its next turn; should it be on its way out with a defect, there is nothing to suspend.
                EndSuspension();
            }

            return _isAtRest;
        }
    }

    /// <summary>Ends the rest: the loop goes on in this image as if nothing had been, with what was held back.</summary>
    public void Continue()
    {
        lock (_inbox)
        {
            if (!_isAtRest)
            {
                throw new InvalidOperationException("The loop is not at rest.");
            }

            EndSuspension();
        }

        Start();
    }

    /// <summary>
    /// Writes everything down that this engine and its machine know, as a field. While it is at rest, and after the last report of
    /// the host. Requests held back are not part of it: nothing has come of them, their clients may ask again.
    /// </summary>
    public void Save(SnapshotWriter writer, int field)
    {
        lock (_inbox)
        {
            if (!_isAtRest)
            {
                throw new InvalidOperationException("The loop is not at rest.");
            }

            WriteState(writer, field);
        }
    }

    /// <summary>Between two steps, with the inbox locked.</summary>
    private void WriteState(SnapshotWriter writer, int field)
    {
        writer.Begin(field);
        _supervisor.Save(writer, 1);
        bool isLatest = ReferenceEquals(_control, _supervisor.Latest);
        writer.Flag(2, isLatest);
        if (_control is { } control && !isLatest)
        {
            ConfigurationFormat.Write(writer, 3, control);
        }

        writer.Integer(4, Interlocked.Read(ref _lastRequest));
        foreach (long request in _waiting.Keys.Except(_held.Select(held => held.Id.Value)).Order())
        {
            writer.Integer(5, request);
        }

        foreach ((int pid, Child child) in _children.OrderBy(entry => entry.Key))
        {
            writer.Begin(6);
            writer.Integer(1, pid);
            writer.Integer(2, child.Process.Value);
            writer.Integer(3, child.Incarnation.Value);
            writer.Flag(4, child.IsKilled);
            Write(writer, 5, child.Spawn);
            writer.End();
        }

        foreach (Child child in _dead.Values.OrderBy(child => child.Process.Value))
        {
            writer.Begin(7);
            writer.Integer(1, child.Process.Value);
            writer.Integer(2, child.Incarnation.Value);
            writer.Integer(3, child.Status.Raw);
            writer.Integer(4, child.ExitedAt);
            writer.Integer(5, child.OutOfMemory is { } isOutOfMemory ? isOutOfMemory ? 1 : 0 : null);
            writer.Integer(6, child.Pid);
            Write(writer, 7, child.Spawn);
            writer.End();
        }

        foreach (int number in _signals)
        {
            writer.Integer(8, number);
        }

        foreach (Arrival arrival in _arrivals)
        {
            Write(writer, 9, arrival);
        }

        if (ValidatedReload is { } reload)
        {
            ConfigurationFormat.Write(writer, 10, reload);
        }

        writer.Integer(11, ArrivedBytes);
        foreach ((ProcessId process, Incarnation incarnation) in _stdinWaits.OrderBy(waits => waits.Process.Value))
        {
            writer.Begin(12);
            writer.Integer(1, process.Value);
            writer.Integer(2, incarnation.Value);
            writer.End();
        }

        writer.Integer(13, _lines);
        writer.Integer(14, ArrivedReports);
        WriteFacts(writer, 15);
        writer.End();
    }

    /// <summary>
    /// Makes an engine that goes on where the other stopped. It is told of its host by <see cref="Attach"/> and runs from
    /// <see cref="Start"/> on; the host reports deaths that nobody has reaped and the end of output of those that were.
    /// </summary>
    /// <exception cref="SnapshotRefusedException">It cannot be taken up.</exception>
    public static Engine Restore(
        SnapshotReader reader, IActivityLog log, IClock clock, Func<ReadResult> read, Func<ReadResult>? readForReload = null)
    {
        var engine = new Engine(Supervisor.Restore(reader.Record(1, "supervisor")), log, clock, read, readForReload);
        bool isLatest = reader.Flag(2, "isLatest");
        engine._control = reader.TryRecord(3, "control", out SnapshotReader control)
            ? ConfigurationFormat.Read(control)
            : isLatest ? engine._supervisor.Latest : null;
        engine._lastRequest = reader.Integer(4, "lastRequest", 0);
        while (reader.OptionalInteger(5, "waiting", 1, engine._lastRequest) is { } request)
        {
            engine._waiting[request] = new Waiter();
        }

        var known = new HashSet<(ProcessId, Incarnation)>();
        while (reader.Next(6, "children", out SnapshotReader inner))
        {
            int pid = inner.Int32(1, "pid", 1);
            Child child = ReadChild(ref inner, 2);

            // What the journal is told is missing from snapshots of the first versions.
            child.IsKilled = inner.OptionalInt32(4, "isKilled", 0, 1) == 1;
            child.Pid = pid;
            child.Spawn = ReadSpawn(ref inner, 5, child);
            if (!engine._children.TryAdd(pid, child) || !known.Add((child.Process, child.Incarnation)))
            {
                throw inner.Refusal("pid", $"{pid} or its process is there twice");
            }

            inner.End();
        }

        while (reader.Next(7, "dead", out SnapshotReader inner))
        {
            Child child = ReadChild(ref inner, 1);
            child.Status = new WaitStatus(inner.Int32(3, "status"));
            child.ExitedAt = inner.Integer(4, "exitedAt");
            child.OutOfMemory = inner.OptionalInt32(5, "outOfMemory", 0, 1) is { } isOutOfMemory ? isOutOfMemory == 1 : null;
            child.Pid = inner.OptionalInt32(6, "pid", 0) ?? 0;
            child.Spawn = ReadSpawn(ref inner, 7, child);
            if (!engine._dead.TryAdd(child.Process, child) || !known.Add((child.Process, child.Incarnation)))
            {
                throw inner.Refusal("process", $"{child.Process.Value} is there twice");
            }

            inner.End();
        }

        // A process whose child nobody waits for would never be seen to end.
        foreach ((ProcessId process, Incarnation incarnation, int pid) in engine._supervisor.Children)
        {
            bool lives = engine._children.TryGetValue(pid, out Child? child) && child.Process == process && child.Incarnation == incarnation;
            if (!lives && !(engine._dead.TryGetValue(process, out Child? dead) && dead.Incarnation == incarnation))
            {
                throw reader.Refusal("children", $"the child {pid} of process {process.Value} is missing");
            }
        }

        engine._signals.AddRange(reader.Int32s(8, "signals", 1, 64));
        while (reader.Next(9, "arrivals", out SnapshotReader inner))
        {
            engine._arrivals.Enqueue(ReadArrival(inner));
        }

        engine.ValidatedReload = reader.TryRecord(10, "validatedReload", out SnapshotReader reload) ? ConfigurationFormat.Read(reload) : null;
        engine.ArrivedBytes = reader.OptionalInteger(11, "arrivedBytes", 0) ?? 0;
        while (reader.Next(12, "stdinWaits", out SnapshotReader inner))
        {
            engine._stdinWaits.Add((new ProcessId(inner.Int32(1, "process", 1)), new Incarnation(inner.Int32(2, "incarnation", 1))));
            inner.End();
        }

        engine._lines = reader.OptionalInteger(13, "lines", 0) ?? 0;
        engine.ArrivedReports = reader.OptionalInteger(14, "arrivedReports", 0) ?? 0;
        engine.ReadFacts(ref reader, 15);
        reader.End();
        // It may be written down again before it starts.
        engine._isAtRest = true;
        if (engine._supervisor.HasStoppedForReload is { } isReload)
        {
            engine._stopped.SetResult(isReload);
        }

        return engine;
    }

    /// <summary>Waits anew for the answer to a request that waited when the snapshot was written; null when it did not, or has it.</summary>
    public Task<Outcome>? Rejoin(RequestId request) =>
        _waiting.TryGetValue(request.Value, out Waiter? waiter) ? waiter.Task = AwaitAsync(waiter.Answer.Task) : null;

    /// <summary>
    /// Under which id this engine has the request that somebody waits for, given the task that he was given; null when its answer is given
    /// and only has to arrive. A snapshot has it under the same id, unless it came when the engine was at rest already.
    /// </summary>
    public RequestId? RequestOf(Task<Outcome> task)
    {
        foreach ((long request, Waiter waiter) in _waiting)
        {
            if (ReferenceEquals(waiter.Task, task))
            {
                return new RequestId(request);
            }
        }

        return null;
    }

    private static Child ReadChild(ref SnapshotReader reader, int field) => new(
        new ProcessId(reader.Int32(field, "process", 1)), new Incarnation(reader.Int32(field + 1, "incarnation", 1)));

    private void EndSuspension()
    {
        _isSuspending = false;
        while (_held.TryDequeue(out Request held))
        {
            _requests.Enqueue(held);
        }
    }
}
