using System.Numerics;
using Steward.Core.Model;

namespace Steward.Core.Events;

/// <summary>The concrete types of events (Supervisor docs, "Event Types"). The value is the type's bit in a subscription.</summary>
public enum EventType
{
    /// <summary>PROCESS_STATE_STOPPED</summary>
    ProcessStateStopped,

    /// <summary>PROCESS_STATE_EXITED</summary>
    ProcessStateExited,

    /// <summary>PROCESS_STATE_STARTING</summary>
    ProcessStateStarting,

    /// <summary>PROCESS_STATE_STOPPING</summary>
    ProcessStateStopping,

    /// <summary>PROCESS_STATE_BACKOFF</summary>
    ProcessStateBackoff,

    /// <summary>PROCESS_STATE_FATAL</summary>
    ProcessStateFatal,

    /// <summary>PROCESS_STATE_RUNNING</summary>
    ProcessStateRunning,

    /// <summary>PROCESS_STATE_UNKNOWN; never emitted.</summary>
    ProcessStateUnknown,

    /// <summary>PROCESS_COMMUNICATION_STDOUT</summary>
    ProcessCommunicationStdout,

    /// <summary>PROCESS_COMMUNICATION_STDERR</summary>
    ProcessCommunicationStderr,

    /// <summary>PROCESS_LOG_STDOUT</summary>
    ProcessLogStdout,

    /// <summary>PROCESS_LOG_STDERR</summary>
    ProcessLogStderr,

    /// <summary>REMOTE_COMMUNICATION</summary>
    RemoteCommunication,

    /// <summary>SUPERVISOR_STATE_CHANGE_RUNNING</summary>
    SupervisorStateChangeRunning,

    /// <summary>SUPERVISOR_STATE_CHANGE_STOPPING</summary>
    SupervisorStateChangeStopping,

    /// <summary>TICK_5</summary>
    Tick5,

    /// <summary>TICK_60</summary>
    Tick60,

    /// <summary>TICK_3600</summary>
    Tick3600,

    /// <summary>PROCESS_GROUP_ADDED</summary>
    ProcessGroupAdded,

    /// <summary>PROCESS_GROUP_REMOVED</summary>
    ProcessGroupRemoved,
}

/// <summary>Names of event types, abstract ones included.</summary>
public static class EventTypes
{
    // Index = EventType. An abstract type is its name: it stands for every type whose name continues it after an underscore.
    private static readonly string[] Names =
    [
        "PROCESS_STATE_STOPPED", "PROCESS_STATE_EXITED", "PROCESS_STATE_STARTING", "PROCESS_STATE_STOPPING", "PROCESS_STATE_BACKOFF",
        "PROCESS_STATE_FATAL", "PROCESS_STATE_RUNNING", "PROCESS_STATE_UNKNOWN", "PROCESS_COMMUNICATION_STDOUT",
        "PROCESS_COMMUNICATION_STDERR", "PROCESS_LOG_STDOUT", "PROCESS_LOG_STDERR", "REMOTE_COMMUNICATION",
        "SUPERVISOR_STATE_CHANGE_RUNNING", "SUPERVISOR_STATE_CHANGE_STOPPING", "TICK_5", "TICK_60", "TICK_3600", "PROCESS_GROUP_ADDED",
        "PROCESS_GROUP_REMOVED",
    ];

    private static readonly string[] Abstract =
        ["EVENT", "PROCESS_STATE", "PROCESS_COMMUNICATION", "PROCESS_LOG", "SUPERVISOR_STATE_CHANGE", "TICK", "PROCESS_GROUP"];

    /// <summary>Every name that <c>events=</c> may hold.</summary>
    public static IEnumerable<string> All => [.. Abstract, .. Names];

    /// <summary>Returns the name that travels in the header.</summary>
    public static string Name(this EventType type) => Names[(int)type];

    /// <summary>Returns the bits of a name in capitals, abstract or concrete; 0 for an unknown one.</summary>
    public static uint Mask(string name)
    {
        if (name == "EVENT")
        {
            return (1u << Names.Length) - 1;
        }

        int exact = Array.IndexOf(Names, name);
        if (exact >= 0)
        {
            return 1u << exact;
        }

        uint mask = 0;
        if (Array.IndexOf(Abstract, name) >= 0)
        {
            for (int i = 0; i < Names.Length; i++)
            {
                if (Names[i].StartsWith(name + "_", StringComparison.Ordinal))
                {
                    mask |= 1u << i;
                }
            }
        }

        return mask;
    }

    /// <summary>Returns the bits of a whole subscription.</summary>
    public static uint Mask(IEnumerable<string> names) => names.Aggregate(0u, (mask, name) => mask | Mask(name));

    /// <summary>Returns the type of a process's change into a state.</summary>
    public static EventType Of(ProcessState state) => state switch
    {
        ProcessState.Stopped => EventType.ProcessStateStopped,
        ProcessState.Exited => EventType.ProcessStateExited,
        ProcessState.Starting => EventType.ProcessStateStarting,
        ProcessState.Stopping => EventType.ProcessStateStopping,
        ProcessState.Backoff => EventType.ProcessStateBackoff,
        ProcessState.Fatal => EventType.ProcessStateFatal,
        ProcessState.Running => EventType.ProcessStateRunning,
        _ => EventType.ProcessStateUnknown,
    };

    /// <summary>Finds a concrete type by its name; null when there is none.</summary>
    internal static EventType? Find(string name) => Array.IndexOf(Names, name) is >= 0 and var index ? (EventType)index : null;

    /// <summary>Returns the bit of a type.</summary>
    internal static uint Bit(this EventType type) => 1u << (int)type;

    /// <summary>Counts the types of a subscription.</summary>
    internal static int Count(uint mask) => BitOperations.PopCount(mask);
}
