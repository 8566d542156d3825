using Steward.Core.Config;
using Steward.Core.Events;
using Steward.Core.Model;
using Steward.Core.Snapshots;

namespace Steward.Core.Supervision;

// The machine as it is written down and read back. What follows from the rest is not written: the indexes over groups and slots, the
// subscriptions, the queue of deadlines. What is valid during a step alone (the time, the effects) is not either.
public sealed partial class Supervisor
{
    /// <summary>Whether everything is stopped: null before that; then true for a reload, false for good.</summary>
    public bool? HasStoppedForReload => _stoppedFor is { } state ? state == DaemonState.Restarting : null;

    /// <summary>The configuration as last read; null before any.</summary>
    public Configuration? Latest => _latest;

    /// <summary>Every active process that has a child; one whose dead child's survivors are being ended has none any more.</summary>
    public IEnumerable<(ProcessId Process, Incarnation Incarnation, int Pid)> Children =>
        from slot in _slots.Values where slot.Pid != 0 && slot.Linger is null orderby slot.Id.Value select (slot.Id, slot.Incarnation, slot.Pid);

    /// <summary>
    /// Writes everything down that this machine knows, as a field. Between two steps. The same state gives the same bytes.
    /// </summary>
    public void Save(SnapshotWriter writer, int field)
    {
        writer.Begin(field);
        writer.Text(1, Settings.Identifier);
        writer.Integer(2, (int)Settings.LogLevel);
        writer.Integer(3, (int)State);
        writer.Flag(4, _isUp);
        writer.Integer(5, _lastProcess);
        writer.Integer(6, _nextSerial);
        if (_latest is not null)
        {
            ConfigurationFormat.Write(writer, 7, _latest);
        }

        Dictionary<Batch, int> batches = Batches();
        foreach (Batch batch in batches.OrderBy(entry => entry.Value).Select(entry => entry.Key))
        {
            Write(writer, 8, batch);
        }

        Dictionary<string, int> latest = IndexLatest();
        foreach (ProcessGroup group in _byActivation)
        {
            Write(writer, 9, group, latest, batches);
        }

        writer.Integer(10, _slices[0]);
        writer.Integer(11, _slices[1]);
        writer.Integer(12, _slices[2]);
        writer.Due(13, _tickTimer.Due);
        if (_stopping is not null)
        {
            writer.Begin(14);
            foreach (ProcessGroup group in _stopping)
            {
                writer.Integer(1, _byActivation.IndexOf(group));
            }

            writer.End();
        }

        // A group that is no more cannot be told again: it counts as none.
        int told = _told is null ? -1 : _byActivation.IndexOf(_told);
        writer.Integer(15, told < 0 ? null : told);
        writer.Integer(16, (int?)_stoppedFor);
        writer.Flag(17, _mayHaveStopped);
        writer.Due(18, _stoppingTimer.Due);
        writer.Flag(19, _reloadAsked);
        writer.Integer(20, _reloadRequest.Value);
        writer.Text(21, _reloadBy);
        writer.Text(22, _stoppingBy);
        foreach (Intent intent in _intents.Values)
        {
            writer.Begin(30);
            writer.Text(1, intent.Name);
            writer.Integer(2, intent.IsWanted is { } isWanted ? isWanted ? 1 : 0 : null);
            writer.Text(3, intent.DisabledFor);
            writer.Integer(4, intent.Since);
            writer.Text(5, intent.By);
            writer.End();
        }

        writer.End();
    }

    /// <summary>Makes an equal machine of what was written down: the same inputs have the same effects from here on.</summary>
    /// <exception cref="SnapshotRefusedException">It cannot be taken up.</exception>
    public static Supervisor Restore(SnapshotReader reader)
    {
        var supervisor = new Supervisor(new SupervisorSettings(reader.Text(1, "identifier"), reader.Choice<LogLevel>(2, "logLevel")))
        {
            State = reader.Choice<DaemonState>(3, "state"),
            _isUp = reader.Flag(4, "isUp"),
            _lastProcess = reader.Int32(5, "lastProcess", 0),
            _nextSerial = reader.Integer(6, "nextSerial", 0),
            _latest = reader.TryRecord(7, "latest", out SnapshotReader configuration) ? ConfigurationFormat.Read(configuration) : null,
        };
        var batches = new List<Batch>();
        while (reader.Next(8, "batches", out SnapshotReader batch))
        {
            batches.Add(ReadBatch(batch));
        }

        int[] parts = new int[batches.Count];
        while (reader.Next(9, "groups", out SnapshotReader group))
        {
            supervisor.ReadGroup(group, batches, parts);
        }

        // Ascending priority, ties in the order of activation: OrderBy keeps the order of equals.
        supervisor._byPriority.AddRange(supervisor._byActivation.OrderBy(group => group.Priority));
        for (int i = 0; i < parts.Length; i++)
        {
            if (parts[i] == 0 || parts[i] > batches[i].Open)
            {
                throw reader.Refusal("batches", $"of {batches[i].Open} open parts of request {batches[i].Request.Value} there are {parts[i]}");
            }
        }

        supervisor._slices[0] = reader.Integer(10, "slice5");
        supervisor._slices[1] = reader.Integer(11, "slice60");
        supervisor._slices[2] = reader.Integer(12, "slice3600");
        supervisor._tickTimer.SetDue(reader.Due(13, "tickDue"), supervisor._deadlines);
        int last = supervisor._byActivation.Count - 1;
        if (reader.TryRecord(14, "stopping", out SnapshotReader stopping))
        {
            supervisor._stopping = stopping.Int32s(1, "groups", 0, last).ConvertAll(index => supervisor._byActivation[index]);
            stopping.End();
        }

        supervisor._told = reader.OptionalInt32(15, "told", 0, last) is { } told ? supervisor._byActivation[told] : null;
        supervisor._stoppedFor = reader.OptionalChoice<DaemonState>(16, "stoppedFor");
        supervisor._mayHaveStopped = reader.Flag(17, "mayHaveStopped");
        supervisor._stoppingTimer.SetDue(reader.Due(18, "stoppingDue"), supervisor._deadlines);
        supervisor._reloadAsked = reader.Flag(19, "reloadAsked");
        supervisor._reloadRequest = new RequestId(reader.Integer(20, "reloadRequest", 0));

        // Who asked is missing from snapshots of the first versions.
        supervisor._reloadBy = reader.OptionalText(21, "reloadBy") ?? "";
        supervisor._stoppingBy = reader.OptionalText(22, "stoppingBy") ?? "";
        while (reader.Next(30, "intents", out SnapshotReader intent))
        {
            string name = intent.Text(1, "name");
            bool? isWanted = intent.OptionalInt32(2, "isWanted", 0, 1) is { } wanted ? wanted == 1 : null;
            supervisor._intents[name] = new Intent(
                name, isWanted, intent.OptionalText(3, "disabledFor"), intent.Integer(4, "since"), intent.OptionalText(5, "by") ?? "");
            intent.End();
        }

        reader.End();
        return supervisor;
    }

    /// <summary>The group commands that are not answered yet, in the order in which their parts are met.</summary>
    private Dictionary<Batch, int> Batches()
    {
        var batches = new Dictionary<Batch, int>();
        foreach (ProcessSlot slot in _byActivation.SelectMany(group => group.Slots))
        {
            foreach (Operation operation in slot.InFlight is { } inFlight ? slot.Waiters.Prepend(inFlight) : slot.Waiters)
            {
                if (operation.Batch is { } batch)
                {
                    batches.TryAdd(batch, batches.Count);
                }
            }
        }

        return batches;
    }

    private static void Write(SnapshotWriter writer, int field, Batch batch)
    {
        writer.Begin(field);
        writer.Integer(1, batch.Request.Value);
        writer.Integer(2, batch.Open);
        foreach (Effects.ProcessStatus item in batch.Items)
        {
            writer.Begin(3);
            writer.Text(1, item.Name);
            writer.Text(2, item.Group);
            writer.Integer(3, (int)item.Code);
            writer.Text(4, item.Description);
            writer.End();
        }

        writer.End();
    }

    private static Batch ReadBatch(SnapshotReader reader)
    {
        var request = new RequestId(reader.Integer(1, "request", 0));
        int open = reader.Int32(2, "open", 1);
        var items = new List<Effects.ProcessStatus>();
        while (reader.Next(3, "items", out SnapshotReader item))
        {
            items.Add(new Effects.ProcessStatus(
                item.Text(1, "name"), item.Text(2, "group"), item.Choice<FaultCode>(3, "code"), item.Text(4, "description")));
            item.End();
        }

        reader.End();

        // The number of parts is only a hint of how much room the answer needs: none is taken on the word of the snapshot.
        var batch = new Batch(request, 0) { Open = open };
        batch.Items.AddRange(items);
        return batch;
    }

    private void Write(SnapshotWriter writer, int field, ProcessGroup group, Dictionary<string, int> latest, Dictionary<Batch, int> batches)
    {
        writer.Begin(field);

        // What is active is most often what was read last: it is not written twice then.
        if (latest.TryGetValue(group.Name, out int index) && _latest!.Groups[index].Equals(group.Config))
        {
            writer.Integer(1, index);
        }
        else
        {
            ConfigurationFormat.Write(writer, 2, group.Config);
        }

        foreach (ProcessSlot slot in group.Slots)
        {
            Write(writer, 3, slot, batches);
        }

        group.Pool?.Write(writer, 4);
        writer.End();
    }

    private Dictionary<string, int> IndexLatest()
    {
        var index = new Dictionary<string, int>(StringComparer.Ordinal);
        for (int i = 0; i < _latest?.Groups.Count; i++)
        {
            index.TryAdd(_latest.Groups[i].Name, i);
        }

        return index;
    }

    private void ReadGroup(SnapshotReader reader, List<Batch> batches, int[] parts)
    {
        GroupConfig config = reader.OptionalInt32(1, "inLatest", 0, (_latest?.Groups.Count ?? 0) - 1) is { } index
            ? _latest!.Groups[index]
            : ConfigurationFormat.ReadGroup(reader.Record(2, "config"));
        var group = new ProcessGroup(config);
        if (!_groups.TryAdd(group.Name, group))
        {
            throw reader.Refusal("config", $"there are two groups of the name '{group.Name}'");
        }

        while (reader.Next(3, "slots", out SnapshotReader inner))
        {
            if (group.Slots.Count == config.Processes.Count)
            {
                throw reader.Refusal("slots", $"there are more than the {config.Processes.Count} processes of the group");
            }

            ProcessSlot slot = ReadSlot(inner, group, config.Processes[group.Slots.Count], batches, parts);
            if (slot.Id.Value > _lastProcess || !_slots.TryAdd(slot.Id, slot))
            {
                throw inner.Refusal("id", $"{slot.Id.Value} is given out twice or not at all");
            }

            group.Slots.Add(slot);
        }

        if (group.Slots.Count < config.Processes.Count)
        {
            throw reader.Refusal("slots", $"there are {group.Slots.Count} of the {config.Processes.Count} processes of the group");
        }

        group.Seal();
        _byActivation.Add(group);
        if (config.Pool is not null)
        {
            group.Pool = EventPool.Read(reader.Record(4, "pool"), group, _deadlines);
            _pools.Add(group.Pool);
            _wanted |= group.Pool.Mask;
        }

        reader.End();
    }

    private static void Write(SnapshotWriter writer, int field, ProcessSlot slot, Dictionary<Batch, int> batches)
    {
        writer.Begin(field);
        writer.Integer(1, slot.Id.Value);
        writer.Text(2, slot.StdoutLog);
        writer.Text(3, slot.StderrLog);
        writer.Integer(4, (int)slot.State);
        writer.Integer(5, slot.Incarnation.Value);
        writer.Integer(6, slot.Pid);
        writer.Integer(7, slot.Backoff);
        writer.Text(8, slot.SpawnErr);
        writer.Integer(9, slot.ExitStatus);
        writer.Integer(10, slot.LastStatus?.Raw);
        writer.Integer(11, slot.LastStart);
        writer.Integer(12, slot.LastStop);
        writer.Integer(13, slot.StartedAt);
        writer.Due(14, slot.StateDue);
        writer.Due(15, slot.ReportDue);
        writer.Flag(16, slot.OutOfReach);
        writer.Integer(17, (int)slot.Purpose);
        if (slot.InFlight is { } inFlight)
        {
            Write(writer, 18, inFlight, batches);
        }

        foreach (Operation waiter in slot.Waiters)
        {
            Write(writer, 19, waiter, batches);
        }

        slot.Listener?.Write(writer, 20);
        slot.StdoutCarry.Write(writer, 21);
        slot.StderrCarry.Write(writer, 22);
        writer.Text(23, slot.StartedBy);
        writer.Flag(24, slot.IsRecovering);
        writer.Integer(25, slot.Violations);
        writer.Text(30, slot.RestartReason);
        slot.Memory?.Write(writer, 31);
        slot.Health?.Write(writer, 32);
        slot.Linger?.Write(writer, 33);
        writer.Integer(34, slot.IsKilled ? 1 : null);
        writer.End();
    }

    private ProcessSlot ReadSlot(SnapshotReader reader, ProcessGroup group, ProcessConfig config, List<Batch> batches, int[] parts)
    {
        var slot = new ProcessSlot(
            new ProcessId(reader.Int32(1, "id", 1)), group, config, reader.OptionalText(2, "stdoutLog"), reader.OptionalText(3, "stderrLog"))
        {
            State = reader.Choice<ProcessState>(4, "state"),
            Incarnation = new Incarnation(reader.Int32(5, "incarnation", 0)),
            Pid = reader.Int32(6, "pid", 0),
            Backoff = reader.Int32(7, "backoff", 0),
            SpawnErr = reader.Text(8, "spawnErr"),
            ExitStatus = reader.OptionalInt32(9, "exitStatus"),
            LastStatus = reader.OptionalInt32(10, "lastStatus") is { } raw ? new WaitStatus(raw) : null,
            LastStart = reader.Integer(11, "lastStart"),
            LastStop = reader.Integer(12, "lastStop"),
            StartedAt = reader.Integer(13, "startedAt"),
            StateDue = reader.Due(14, "stateDue"),
            ReportDue = reader.Due(15, "reportDue"),
            OutOfReach = reader.Flag(16, "outOfReach"),
            Purpose = reader.Choice<SignalPurpose>(17, "purpose"),
            InFlight = reader.TryRecord(18, "inFlight", out SnapshotReader inFlight) ? ReadOperation(inFlight, batches, parts) : null,
        };
        while (reader.Next(19, "waiters", out SnapshotReader waiter))
        {
            slot.Waiters.Add(ReadOperation(waiter, batches, parts));
        }

        slot.Listener = reader.TryRecord(20, "listener", out SnapshotReader listener) ? ListenerProtocol.Read(listener) : null;
        slot.StdoutCarry.Read(ref reader, 21, "stdoutCarry");
        slot.StderrCarry.Read(ref reader, 22, "stderrCarry");
        slot.StartedBy = reader.OptionalText(23, "startedBy") ?? "";
        slot.IsRecovering = reader.OptionalInt32(24, "isRecovering", 0, 1) == 1;
        slot.Violations = reader.OptionalInt32(25, "violations", 0) ?? 0;
        slot.RestartReason = reader.OptionalText(30, "restartReason");
        if (reader.TryRecord(31, "memory", out SnapshotReader memory))
        {
            (slot.Memory ?? throw memory.Refusal("memory", "the process has no limit")).Read(memory);
        }

        if (reader.TryRecord(32, "health", out SnapshotReader health))
        {
            (slot.Health ?? throw health.Refusal("health", "nobody asks the process")).Read(health);
        }

        slot.Linger = reader.TryRecord(33, "linger", out SnapshotReader linger) ? Linger.Read(linger, slot.Id, slot.Incarnation) : null;
        slot.IsKilled = reader.OptionalInt32(34, "isKilled", 0, 1) == 1;

        reader.End();
        bool mayHavePid = slot.State is ProcessState.Starting or ProcessState.Running or ProcessState.Stopping;
        if (slot.Pid == 0 ? slot.State is ProcessState.Running or ProcessState.Stopping : !mayHavePid)
        {
            throw reader.Refusal("pid", $"{slot.Pid} does not go with the state {slot.State.Name()}");
        }

        Schedule(slot);
        return slot;
    }

    private static void Write(SnapshotWriter writer, int field, Operation operation, Dictionary<Batch, int> batches)
    {
        writer.Begin(field);
        writer.Integer(1, (int)operation.Kind);
        writer.Integer(2, operation.Request.Value);
        writer.Text(3, operation.Name);
        writer.Flag(4, operation.Wait);
        writer.Integer(5, operation.Batch is { } batch ? batches[batch] : null);
        writer.Integer(6, operation.Signal);
        writer.Text(7, operation.By);
        writer.Flag(8, operation.ToGroup);
        writer.End();
    }

    private static Operation ReadOperation(SnapshotReader reader, List<Batch> batches, int[] parts)
    {
        OperationKind kind = reader.Choice<OperationKind>(1, "kind");
        var request = new RequestId(reader.Integer(2, "request", 0));
        string name = reader.Text(3, "name");
        bool wait = reader.Flag(4, "wait");
        int? batch = reader.OptionalInt32(5, "batch", 0, batches.Count - 1);
        if (batch is { } index)
        {
            parts[index]++;
        }

        int signal = reader.Int32(6, "signal");
        string by = reader.OptionalText(7, "by") ?? "";
        var operation = new Operation(
            kind, request, name, wait, batch is { } place ? batches[place] : null, by, signal, reader.OptionalInt32(8, "toGroup", 0, 1) == 1);
        reader.End();
        return operation;
    }
}
