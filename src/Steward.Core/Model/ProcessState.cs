namespace Steward.Core.Model;

/// <summary>
/// The state of a process as clients see it. The numbers are Supervisor's and travel over XML-RPC
/// (Supervisor docs, "Process States").
/// </summary>
public enum ProcessState
{
    /// <summary>Never started, or stopped on request.</summary>
    Stopped = 0,

    /// <summary>Spawned, not yet up for longer than <c>startsecs</c>.</summary>
    Starting = 10,

    /// <summary>Up for longer than <c>startsecs</c>.</summary>
    Running = 20,

    /// <summary>The start failed or the process exited too quickly; a retry is due.</summary>
    Backoff = 30,

    /// <summary>The stop signal was sent, the exit is awaited.</summary>
    Stopping = 40,

    /// <summary>Exited by itself from RUNNING.</summary>
    Exited = 100,

    /// <summary>The retries are used up.</summary>
    Fatal = 200,

    /// <summary>Kept for clients; Steward never enters it (a failed signal leaves the state as it was).</summary>
    Unknown = 1000,
}

/// <summary>Names and sets of <see cref="ProcessState"/>.</summary>
public static class ProcessStates
{
    /// <summary>Returns the upper-case name that clients and logs use, for example <c>RUNNING</c>.</summary>
    public static string Name(this ProcessState state) => state switch
    {
        ProcessState.Stopped => "STOPPED",
        ProcessState.Starting => "STARTING",
        ProcessState.Running => "RUNNING",
        ProcessState.Backoff => "BACKOFF",
        ProcessState.Stopping => "STOPPING",
        ProcessState.Exited => "EXITED",
        ProcessState.Fatal => "FATAL",
        _ => "UNKNOWN",
    };

    /// <summary>Says whether no child exists and none is due: STOPPED, EXITED, FATAL, UNKNOWN.</summary>
    public static bool IsStopped(this ProcessState state) =>
        state is ProcessState.Stopped or ProcessState.Exited or ProcessState.Fatal or ProcessState.Unknown;

    /// <summary>Says whether a start request is answered with ALREADY_STARTED: RUNNING, BACKOFF, STARTING.</summary>
    public static bool IsRunning(this ProcessState state) =>
        state is ProcessState.Running or ProcessState.Backoff or ProcessState.Starting;

    /// <summary>Says whether a signal request may be carried out: RUNNING, STARTING, STOPPING.</summary>
    public static bool IsSignallable(this ProcessState state) =>
        state is ProcessState.Running or ProcessState.Starting or ProcessState.Stopping;
}

/// <summary>The state of the daemon itself; the numbers travel over XML-RPC.</summary>
public enum DaemonState
{
    /// <summary>Stopping everything, will exit.</summary>
    Shutdown = -1,

    /// <summary>Stopping everything, will reload.</summary>
    Restarting = 0,

    /// <summary>Normal operation.</summary>
    Running = 1,

    /// <summary>Defined by Supervisor, never used.</summary>
    Fatal = 2,
}
