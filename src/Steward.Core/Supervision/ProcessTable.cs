using Steward.Core.Model;

namespace Steward.Core.Supervision;

/// <summary>What can happen to a process.</summary>
public enum ProcessTrigger
{
    /// <summary>A start is wanted: a request, autostart or autorestart.</summary>
    Start,

    /// <summary>The child exists.</summary>
    Spawned,

    /// <summary>There is no child: the spawn failed.</summary>
    SpawnFailed,

    /// <summary>The child has been reaped.</summary>
    Exited,

    /// <summary>The state's deadline has passed.</summary>
    Due,

    /// <summary>A client wants it stopped.</summary>
    Stop,

    /// <summary>The daemon stops or reloads.</summary>
    GiveUp,

    /// <summary>A client wants a signal sent.</summary>
    Signal,

    /// <summary>It is above its limit or unhealthy: it is to be stopped and started again.</summary>
    Restart,
}

/// <summary>What is done about it; the cells of the process table. Each is a method of the same name.</summary>
public enum ProcessAction
{
    /// <summary>Nothing: it cannot happen in this state, or is late.</summary>
    Nothing,

    /// <summary>Spawn; to STARTING.</summary>
    Launch,

    /// <summary>Take the child on; <c>startsecs</c> begins.</summary>
    Adopt,

    /// <summary>To BACKOFF, and on to FATAL when the retries are used up.</summary>
    FailSpawn,

    /// <summary>Up for <c>startsecs</c>; to RUNNING.</summary>
    Promote,

    /// <summary>Died while STARTING: to BACKOFF if too quickly, else through RUNNING to EXITED.</summary>
    DieEarly,

    /// <summary>To EXITED, and on to STARTING when <c>autorestart</c> says so.</summary>
    Die,

    /// <summary>Send the stop signal; to STOPPING.</summary>
    Terminate,

    /// <summary>Send the stop signal; once it is down it is started again. To STOPPING.</summary>
    Recycle,

    /// <summary>It is on its way down: where it would be started again it stays down, else answer NOT_RUNNING.</summary>
    KeepDown,

    /// <summary>SIGKILL, again after each <c>stopwaitsecs</c>.</summary>
    Escalate,

    /// <summary>Stopped as wanted; to STOPPED.</summary>
    Settle,

    /// <summary>No more retries, by request; to STOPPED.</summary>
    Abandon,

    /// <summary>No more retries, for the daemon stops; to FATAL.</summary>
    Forsake,

    /// <summary>Send the signal; the state stays.</summary>
    Deliver,

    /// <summary>Answer ALREADY_STARTED.</summary>
    RefuseRunning,

    /// <summary>Answer ABNORMAL_TERMINATION: the old child is still going.</summary>
    RefuseStopping,

    /// <summary>Answer NOT_RUNNING.</summary>
    RefuseStopped,
}

/// <summary>The process machine as a table: every state, every trigger, one action. The only place that pairs them.</summary>
public static class ProcessTable
{
    /// <summary>Looks a cell up; total.</summary>
    public static ProcessAction Action(ProcessState state, ProcessTrigger trigger) => trigger switch
    {
        ProcessTrigger.Start => state switch
        {
            ProcessState.Stopped or ProcessState.Exited or ProcessState.Fatal or ProcessState.Unknown => ProcessAction.Launch,
            ProcessState.Stopping => ProcessAction.RefuseStopping,
            _ => ProcessAction.RefuseRunning,
        },
        ProcessTrigger.Spawned => state == ProcessState.Starting ? ProcessAction.Adopt : ProcessAction.Nothing,
        ProcessTrigger.SpawnFailed => state == ProcessState.Starting ? ProcessAction.FailSpawn : ProcessAction.Nothing,
        ProcessTrigger.Exited => state switch
        {
            ProcessState.Starting => ProcessAction.DieEarly,
            ProcessState.Running => ProcessAction.Die,
            ProcessState.Stopping => ProcessAction.Settle,
            _ => ProcessAction.Nothing,
        },
        ProcessTrigger.Due => state switch
        {
            ProcessState.Starting => ProcessAction.Promote,
            ProcessState.Backoff => ProcessAction.Launch,
            // The pause of a listener that broke the protocol is over; nothing else stopped has a deadline.
            ProcessState.Stopped => ProcessAction.Launch,
            ProcessState.Stopping => ProcessAction.Escalate,
            _ => ProcessAction.Nothing,
        },
        ProcessTrigger.Stop => state switch
        {
            ProcessState.Starting or ProcessState.Running => ProcessAction.Terminate,
            ProcessState.Backoff => ProcessAction.Abandon,
            ProcessState.Stopping => ProcessAction.KeepDown,
            _ => ProcessAction.RefuseStopped,
        },
        ProcessTrigger.GiveUp => state switch
        {
            ProcessState.Starting or ProcessState.Running => ProcessAction.Terminate,
            ProcessState.Backoff => ProcessAction.Forsake,
            _ => ProcessAction.Nothing,
        },
        ProcessTrigger.Restart => state is ProcessState.Starting or ProcessState.Running ? ProcessAction.Recycle : ProcessAction.Nothing,
        _ => state.IsSignallable() ? ProcessAction.Deliver : ProcessAction.RefuseStopped,
    };
}
