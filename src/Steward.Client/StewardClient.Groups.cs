using Steward.Protocol.XmlRpc;

namespace Steward.Client;

// Groups.
public sealed partial class StewardClient
{
    /// <summary>Starts every process of a group that does not run.</summary>
    public async Task<IReadOnlyList<ProcessResult>> StartGroupAsync(string group, bool wait = true, CancellationToken cancellation = default) =>
        Results(await WaitAsync("supervisor.startProcessGroup", [group, wait], cancellation).ConfigureAwait(false));

    /// <summary>Stops every process of a group that runs.</summary>
    public async Task<IReadOnlyList<ProcessResult>> StopGroupAsync(string group, bool wait = true, CancellationToken cancellation = default) =>
        Results(await WaitAsync("supervisor.stopProcessGroup", [group, wait], cancellation).ConfigureAwait(false));

    /// <summary>Sends a signal to every process of a group that runs.</summary>
    public async Task<IReadOnlyList<ProcessResult>> SignalGroupAsync(string group, string signal, CancellationToken cancellation = default) =>
        Results(await CallAsync("supervisor.signalProcessGroup", [group, signal], cancellation).ConfigureAwait(false));

    /// <summary>Activates a group of the configuration as it was last read.</summary>
    public Task AddGroupAsync(string group, CancellationToken cancellation = default) =>
        CallAsync("supervisor.addProcessGroup", [group], cancellation);

    /// <summary>Deactivates a group whose processes are stopped.</summary>
    public Task RemoveGroupAsync(string group, CancellationToken cancellation = default) =>
        CallAsync("supervisor.removeProcessGroup", [group], cancellation);

    /// <summary>
    /// Adds a program to an active group until that is removed; needs the namespace <c>twiddler</c>, which the configuration names.
    /// </summary>
    /// <param name="group">The group.</param>
    /// <param name="program">The program's name.</param>
    /// <param name="options">Keys and values as of a <c>[program:x]</c> section.</param>
    /// <param name="cancellation">Gives the call up.</param>
    public Task AddProgramAsync(string group, string program, IReadOnlyDictionary<string, string> options, CancellationToken cancellation = default) =>
        CallAsync(
            "twiddler.addProgramToGroup",
            [group, program, new XmlRpcStruct([.. options.Select(option => KeyValuePair.Create(option.Key, XmlRpcValue.FromString(option.Value)))])],
            cancellation);

    /// <summary>Removes a stopped process from an active group; needs the namespace <c>twiddler</c>.</summary>
    public Task RemoveProcessAsync(string group, string process, CancellationToken cancellation = default) =>
        CallAsync("twiddler.removeProcessFromGroup", [group, process], cancellation);
}
