using Steward.Core.Config;
using Steward.Core.Events;
using Steward.Core.Model;

namespace Steward.Core.Supervision;

/// <summary>Why a signal was sent, so that its answer finds its way.</summary>
internal enum SignalPurpose
{
    None,
    Stop,
    Kill,
    Request,
}

/// <summary>One supervised process: what is known of it and what is due. Data only; the machine changes it.</summary>
internal sealed class ProcessSlot(ProcessId id, ProcessGroup group, ProcessConfig config, string? stdoutLog, string? stderrLog) : Timed
{
    public ProcessId Id { get; } = id;

    public override long Rank => Id.Value;

    public ProcessGroup Group { get; } = group;

    public ProcessConfig Config { get; } = config;

    public string? StdoutLog { get; } = stdoutLog;

    public string? StderrLog { get; } = stderrLog;

    public string Name => Config.Name;

    /// <summary>The name for clients.</summary>
    public string Namespec => Model.Namespec.Join(Group.Name, Config.Name);

    public ProcessState State { get; set; } = ProcessState.Stopped;

    public Incarnation Incarnation { get; set; }

    /// <summary>The child's pid; 0 for none.</summary>
    public int Pid { get; set; }

    /// <summary>Consecutive failures to start.</summary>
    public int Backoff { get; set; }

    public string SpawnErr { get; set; } = "";

    /// <summary>Of the last run; null while there is none to tell of.</summary>
    public int? ExitStatus { get; set; }

    public WaitStatus? LastStatus { get; set; }

    /// <summary>Wall time of the last start attempt; 0 for never.</summary>
    public long LastStart { get; set; }

    /// <summary>Wall time at which it last ended; 0 for never.</summary>
    public long LastStop { get; set; }

    /// <summary>Monotonic time of the last start attempt.</summary>
    public long StartedAt { get; set; }

    /// <summary>Who wanted the last start: <c>autostart</c>, <c>autorestart</c>, <c>retry</c>, or a requester; empty for nobody known.</summary>
    public string StartedBy { get; set; } = "";

    /// <summary>Monotonic deadline of the state; <see cref="long.MaxValue"/> for none.</summary>
    public long StateDue { get; set; } = long.MaxValue;

    /// <summary>When the next "waiting to stop" line is due; <see cref="long.MaxValue"/> while no client waits.</summary>
    public long ReportDue { get; set; } = long.MaxValue;

    /// <summary>The kernel refused our signals (EPERM): the daemon's shutdown does not wait for it.</summary>
    public bool OutOfReach { get; set; }

    /// <summary>SIGKILL has been sent in this stop.</summary>
    public bool IsKilled { get; set; }

    /// <summary>What the signal on its way is for.</summary>
    public SignalPurpose Purpose { get; set; }

    /// <summary>The request whose answer is on its way from the kernel's side; at most one, as answers come at once.</summary>
    public Operation? InFlight { get; set; }

    /// <summary>Requests that wait for the state to change.</summary>
    public List<Operation> Waiters { get; } = [];

    /// <summary>Why it is being stopped to be started again; null when it is not.</summary>
    public string? RestartReason { get; set; }

    /// <summary>The main process is dead and what it left behind is being ended; null otherwise.</summary>
    public Linger? Linger { get; set; }

    /// <summary>What is known of its memory; null without a limit.</summary>
    public MemoryWatch? Memory { get; } = config.MemoryLimit is null ? null : new MemoryWatch();

    /// <summary>What is known of its health; null when nobody asks.</summary>
    public HealthWatch? Health { get; } = config.Health is null ? null : new HealthWatch();

    /// <summary>Listeners only: it is being stopped, or is stopped, because it broke the protocol, and will be started again.</summary>
    public bool IsRecovering { get; set; }

    /// <summary>Listeners only: runs in a row that broke the protocol before an event was processed.</summary>
    public int Violations { get; set; }

    /// <summary>Listeners only: the protocol of this run.</summary>
    public ListenerProtocol? Listener { get; set; }

    /// <summary>An incomplete UTF-8 character at the end of the last chunk of each channel.</summary>
    public Utf8Carry StdoutCarry { get; } = new();

    public Utf8Carry StderrCarry { get; } = new();

    public Utf8Carry Carry(OutputChannel channel) => channel == OutputChannel.Stdout ? StdoutCarry : StderrCarry;
}

/// <summary>An active group.</summary>
internal sealed class ProcessGroup
{
    public ProcessGroup(GroupConfig config)
    {
        Config = config;
    }

    public GroupConfig Config { get; private set; }

    public string Name => Config.Name;

    public int Priority => Config.Priority;

    /// <summary>In configuration order.</summary>
    public List<ProcessSlot> Slots { get; } = [];

    /// <summary>In ascending priority, ties in configuration order.</summary>
    public ProcessSlot[] ByPriority { get; private set; } = [];

    public EventPool? Pool { get; set; }

    /// <summary>Other processes belong to it from now on.</summary>
    public void Reconfigure(IReadOnlyList<ProcessConfig> processes)
    {
        Config = Config with { Processes = EquatableList.From(processes) };
        Seal();
    }

    public void Seal() => ByPriority = [.. Slots.OrderBy(slot => slot.Config.Priority)];

    public ProcessSlot? Find(string name)
    {
        foreach (ProcessSlot slot in Slots)
        {
            if (slot.Name == name)
            {
                return slot;
            }
        }

        return null;
    }
}
