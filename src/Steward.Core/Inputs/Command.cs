namespace Steward.Core.Inputs;

// Names are as the client gave them; splitting and looking up is the core's work, and its faults repeat them as given.

/// <summary>What a client can ask for. Every command is answered exactly once by a <see cref="Effects.Reply"/>.</summary>
public abstract record Command;

/// <summary>Starts a process; <c>g:*</c> starts the group and answers with statuses.</summary>
public sealed record StartProcess(string Name, bool Wait) : Command;

/// <summary>Starts every process of a group that is not running.</summary>
public sealed record StartGroup(string Name, bool Wait) : Command;

/// <summary>Starts every process that is not running.</summary>
public sealed record StartAll(bool Wait) : Command;

/// <summary>Stops a process; <c>g:*</c> stops the group and answers with statuses.</summary>
public sealed record StopProcess(string Name, bool Wait) : Command;

/// <summary>Stops every running process of a group.</summary>
public sealed record StopGroup(string Name, bool Wait) : Command;

/// <summary>Stops every running process.</summary>
public sealed record StopAll(bool Wait) : Command;

/// <summary>Sends a signal (number or name as text) to a process; <c>g:*</c> to the group.</summary>
public sealed record SignalProcess(string Name, string Signal) : Command;

/// <summary>Sends a signal to every signallable process of a group.</summary>
public sealed record SignalGroup(string Name, string Signal) : Command;

/// <summary>Sends a signal to every signallable process.</summary>
public sealed record SignalAll(string Signal) : Command;

/// <summary>Sends a signal to a process and to everything in its process group; <c>g:*</c> to those of the group.</summary>
public sealed record SignalProcessTree(string Name, string Signal) : Command;

/// <summary>Adds processes to an active group until the group is removed; they start as <c>autostart</c> says.</summary>
public sealed record AddProcesses(string Group, IReadOnlyList<Config.ProcessConfig> Processes) : Command;

/// <summary>Removes a stopped process from an active group.</summary>
public sealed record RemoveProcess(string Group, string Process) : Command;

/// <summary>Writes to a process's stdin.</summary>
public sealed record SendProcessStdin(string Name, byte[] Data) : Command;

/// <summary>Emits a REMOTE_COMMUNICATION event; works during shutdown too.</summary>
public sealed record SendRemoteCommEvent(string Type, string Data) : Command;

/// <summary>Removes and re-creates the log files of a process.</summary>
public sealed record ClearProcessLogs(string Name) : Command;

/// <summary>Removes and re-creates the log files of every process.</summary>
public sealed record ClearAllProcessLogs : Command;

/// <summary>Activates a group of the configuration as last read.</summary>
public sealed record AddProcessGroup(string Name) : Command;

/// <summary>Removes a stopped group.</summary>
public sealed record RemoveProcessGroup(string Name) : Command;

/// <summary>Forbids a process to be started, or allows it again; what it does at the moment stays as it is.</summary>
/// <param name="Name">The process.</param>
/// <param name="IsEnabled">Whether it may be started.</param>
/// <param name="Reason">Why it may not; may be empty.</param>
public sealed record SetIntent(string Name, bool IsEnabled, string Reason) : Command;

/// <summary>Stops everything and ends the daemon.</summary>
public sealed record Shutdown : Command;

/// <summary>Stops everything, reads the configuration again and starts anew in the same process.</summary>
public sealed record Restart : Command;
