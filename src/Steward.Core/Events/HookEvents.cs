using Steward.Core.Model;

namespace Steward.Core.Events;

/// <summary>What a hook can be told of. The numbers stand in snapshots and never change; the names are in <see cref="HookEventNames"/>.</summary>
[Flags]
public enum HookEvents : long
{
    /// <summary>Nothing.</summary>
    None = 0,

    /// <summary>The kernel killed a process for want of memory.</summary>
    OutOfMemory = 1 << 0,

    /// <summary>A process ended with an unexpected exit code or by a signal, and nobody had asked for it.</summary>
    Crash = 1 << 1,

    /// <summary>A process could not be started at all.</summary>
    FailedStart = 1 << 2,

    /// <summary>A run ended, in whatever way.</summary>
    Exit = 1 << 3,

    /// <summary>A process did not stop in time and was killed.</summary>
    Killed = 1 << 4,

    /// <summary>Into FATAL.</summary>
    Fatal = 1 << 5,

    /// <summary>Into BACKOFF.</summary>
    Backoff = 1 << 6,

    /// <summary>Into EXITED.</summary>
    Exited = 1 << 7,

    /// <summary>Into STOPPED.</summary>
    Stopped = 1 << 8,

    /// <summary>Into STOPPING.</summary>
    Stopping = 1 << 9,

    /// <summary>Into STARTING.</summary>
    Starting = 1 << 10,

    /// <summary>Into RUNNING.</summary>
    Running = 1 << 11,

    /// <summary>Into UNKNOWN.</summary>
    Unknown = 1 << 12,

    /// <summary>A check says that a process is not well.</summary>
    Unhealthy = 1 << 13,

    /// <summary>A check says that a process is well again.</summary>
    Healthy = 1 << 14,

    /// <summary>Events were lost: entries of the journal, or those of an event listener's buffer.</summary>
    LostEvents = 1 << 15,

    /// <summary>A process was added with its group.</summary>
    Added = 1 << 16,

    /// <summary>A process was removed with its group.</summary>
    Removed = 1 << 17,

    /// <summary>A configuration with faults was refused.</summary>
    ConfigRefused = 1 << 18,

    /// <summary>The daemon started.</summary>
    DaemonStarted = 1 << 19,

    /// <summary>The daemon has stopped everything and ends.</summary>
    DaemonStopped = 1 << 20,

    /// <summary>The daemon replaced its executable.</summary>
    DaemonUpgraded = 1 << 21,

    /// <summary>The daemon was started again after it had died.</summary>
    DaemonRecovered = 1 << 22,
}

/// <summary>The words for <see cref="HookEvents"/>, and which facts they stand for.</summary>
public static class HookEventNames
{
    private const HookEvents AnyState = HookEvents.Fatal | HookEvents.Backoff | HookEvents.Exited | HookEvents.Stopped | HookEvents.Stopping
        | HookEvents.Starting | HookEvents.Running | HookEvents.Unknown;

    // Index = bit. The first that fits names the event, so what says more stands first.
    private static readonly string[] Words =
    [
        "oom", "crash", "failed-start", "exit", "killed", "fatal", "backoff", "exited", "stopped", "stopping", "starting", "running", "unknown",
        "unhealthy", "healthy", "lost-events", "added", "removed", "config-refused", "daemon-started", "daemon-stopped",
        "daemon-upgraded", "daemon-recovered",
    ];

    /// <summary>Every name that <c>events=</c> may hold.</summary>
    public static IEnumerable<string> All =>
        [.. Words, .. EventTypes.All.Where(static name => Find(name) != HookEvents.None)];

    /// <summary>
    /// Finds an event by its word (<c>lost_events</c> is <c>lost-events</c>), or by the name that event listeners know; None for others.
    /// </summary>
    public static HookEvents Find(string name)
    {
        int word = Array.IndexOf(Words, name.ToLowerInvariant().Replace('_', '-'));
        return word >= 0 ? (HookEvents)(1L << word) : name.ToUpperInvariant() switch
        {
            "EVENT" => (HookEvents)((1L << Words.Length) - 1),
            "PROCESS_STATE" => AnyState,
            "PROCESS_STATE_FATAL" => HookEvents.Fatal,
            "PROCESS_STATE_BACKOFF" => HookEvents.Backoff,
            "PROCESS_STATE_EXITED" => HookEvents.Exited,
            "PROCESS_STATE_STOPPED" => HookEvents.Stopped,
            "PROCESS_STATE_STOPPING" => HookEvents.Stopping,
            "PROCESS_STATE_STARTING" => HookEvents.Starting,
            "PROCESS_STATE_RUNNING" => HookEvents.Running,
            "PROCESS_STATE_UNKNOWN" => HookEvents.Unknown,
            "SUPERVISOR_STATE_CHANGE_RUNNING" => HookEvents.DaemonStarted,
            _ => HookEvents.None,
        };
    }

    /// <summary>Returns the word for the most telling of some events; empty for none.</summary>
    public static string Name(HookEvents events)
    {
        for (int i = 0; i < Words.Length; i++)
        {
            if (((long)events & (1L << i)) != 0)
            {
                return Words[i];
            }
        }

        return "";
    }

    /// <summary>Returns what a fact is for hooks; None for one that is nothing to them.</summary>
    public static HookEvents Of(JournalFact fact) => fact switch
    {
        ExitFact exit => HookEvents.Exit | (exit.Expected ? HookEvents.None : HookEvents.Crash)
            | (exit.OutOfMemory == true ? HookEvents.OutOfMemory : HookEvents.None),
        SpawnFact { Error: not null } => HookEvents.FailedStart,
        StateFact state => state.To switch
        {
            ProcessState.Fatal => HookEvents.Fatal,
            ProcessState.Backoff => HookEvents.Backoff,
            ProcessState.Exited => HookEvents.Exited,
            ProcessState.Stopped => HookEvents.Stopped,
            ProcessState.Stopping => HookEvents.Stopping,
            ProcessState.Starting => HookEvents.Starting,
            ProcessState.Running => HookEvents.Running,
            _ => HookEvents.Unknown,
        },
        DecisionFact { Decision: DecisionKind.Kill } => HookEvents.Killed,
        HealthFact health => health.Healthy ? HookEvents.Healthy : HookEvents.Unhealthy,
        LossFact or ListenerFact { Action: ListenerAction.Overflowed or ListenerAction.Abandoned } => HookEvents.LostEvents,
        ConfigFact { Action: ConfigAction.Added } => HookEvents.Added,
        ConfigFact { Action: ConfigAction.Removed } => HookEvents.Removed,
        ConfigFact { Action: ConfigAction.Refused } => HookEvents.ConfigRefused,
        DaemonFact { Action: DaemonAction.Started } => HookEvents.DaemonStarted,
        DaemonFact { Action: DaemonAction.Stopped } => HookEvents.DaemonStopped,
        DaemonFact { Action: DaemonAction.Upgraded } => HookEvents.DaemonUpgraded,
        DaemonFact { Action: DaemonAction.Recovered } => HookEvents.DaemonRecovered,
        _ => HookEvents.None,
    };
}
