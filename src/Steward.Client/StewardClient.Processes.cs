namespace Steward.Client;

// Single processes, and all of them.
public sealed partial class StewardClient
{
    /// <summary>Tells about every process, ordered by group and name.</summary>
    public async Task<IReadOnlyList<ProcessInfo>> GetAllProcessInfoAsync(CancellationToken cancellation = default) => List(
        await CallAsync("supervisor.getAllProcessInfo", [], cancellation).ConfigureAwait(false), ProcessInfo.Read, "a list of processes");

    /// <summary>Tells about one process.</summary>
    /// <param name="name">The process as <c>name</c> or <c>group:name</c>; so everywhere.</param>
    /// <param name="cancellation">Gives the call up; so everywhere.</param>
    public async Task<ProcessInfo> GetProcessInfoAsync(string name, CancellationToken cancellation = default) => Shaped(
        await CallAsync("supervisor.getProcessInfo", [name], cancellation).ConfigureAwait(false), ProcessInfo.Read, "a process");

    /// <summary>Starts a process.</summary>
    /// <param name="name">The process.</param>
    /// <param name="wait">Return when it is RUNNING, however long that takes; throw when it does not get there.</param>
    /// <param name="cancellation">Gives the call up.</param>
    public Task StartProcessAsync(string name, bool wait = true, CancellationToken cancellation = default) =>
        WaitAsync("supervisor.startProcess", [name, wait], cancellation);

    /// <summary>Stops a process.</summary>
    /// <param name="name">The process.</param>
    /// <param name="wait">Return when it has ended.</param>
    /// <param name="cancellation">Gives the call up.</param>
    public Task StopProcessAsync(string name, bool wait = true, CancellationToken cancellation = default) =>
        WaitAsync("supervisor.stopProcess", [name, wait], cancellation);

    /// <summary>Starts everything that does not run.</summary>
    public async Task<IReadOnlyList<ProcessResult>> StartAllAsync(bool wait = true, CancellationToken cancellation = default) =>
        Results(await WaitAsync("supervisor.startAllProcesses", [wait], cancellation).ConfigureAwait(false));

    /// <summary>Stops everything that runs.</summary>
    public async Task<IReadOnlyList<ProcessResult>> StopAllAsync(bool wait = true, CancellationToken cancellation = default) =>
        Results(await WaitAsync("supervisor.stopAllProcesses", [wait], cancellation).ConfigureAwait(false));

    /// <summary>Sends a signal to a process.</summary>
    /// <param name="name">The process.</param>
    /// <param name="signal">A name such as <c>HUP</c>, or a number.</param>
    /// <param name="cancellation">Gives the call up.</param>
    public Task SignalProcessAsync(string name, string signal, CancellationToken cancellation = default) =>
        CallAsync("supervisor.signalProcess", [name, signal], cancellation);

    /// <summary>Sends a signal to everything in a process's process group. Steward alone.</summary>
    public Task SignalProcessTreeAsync(string name, string signal, CancellationToken cancellation = default) =>
        CallAsync("steward.signalProcessTree", [name, signal], cancellation);

    /// <summary>Forbids a process to be started, over restarts of the daemon too, or allows it again. Steward alone.</summary>
    /// <param name="name">The process; what it does at the moment stays as it is.</param>
    /// <param name="isEnabled">Whether it may be started.</param>
    /// <param name="reason">Why it may not.</param>
    /// <param name="cancellation">Gives the call up.</param>
    public Task SetIntentAsync(string name, bool isEnabled, string reason = "", CancellationToken cancellation = default) =>
        CallAsync("steward.setIntent", [name, isEnabled, reason], cancellation);

    /// <summary>Tells what is remembered of what operators want. Steward alone.</summary>
    public async Task<IReadOnlyList<IntentInfo>> GetIntentsAsync(CancellationToken cancellation = default) =>
        List(await CallAsync("steward.getIntents", [], cancellation).ConfigureAwait(false), IntentInfo.Read, "a list of intents");

    /// <summary>Sends text to the stdin of a process.</summary>
    public Task SendStdinAsync(string name, string text, CancellationToken cancellation = default) =>
        CallAsync("supervisor.sendProcessStdin", [name, text], cancellation);
}
