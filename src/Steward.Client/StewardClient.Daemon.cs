using Steward.Protocol.XmlRpc;

namespace Steward.Client;

// The daemon itself and its configuration.
public sealed partial class StewardClient
{
    /// <summary>Tells the version of the daemon.</summary>
    public async Task<string> GetVersionAsync(CancellationToken cancellation = default) =>
        Text(await CallAsync("supervisor.getSupervisorVersion", [], cancellation).ConfigureAwait(false));

    /// <summary>Tells the identifier that the configuration gives the daemon.</summary>
    public async Task<string> GetIdentificationAsync(CancellationToken cancellation = default) =>
        Text(await CallAsync("supervisor.getIdentification", [], cancellation).ConfigureAwait(false));

    /// <summary>Tells the process id of the daemon.</summary>
    public async Task<long> GetPidAsync(CancellationToken cancellation = default) =>
        Shaped(await CallAsync("supervisor.getPID", [], cancellation).ConfigureAwait(false), static one => one as XmlRpcInt, "a number").Value;

    /// <summary>Tells every process of the configuration as it was last read.</summary>
    public async Task<IReadOnlyList<ConfigInfo>> GetAllConfigInfoAsync(CancellationToken cancellation = default) => List(
        await CallAsync("supervisor.getAllConfigInfo", [], cancellation).ConfigureAwait(false), ConfigInfo.Read, "a list of configured processes");

    /// <summary>Reads the configuration again and tells how its groups differ from the active ones. Nothing is started or stopped.</summary>
    public async Task<ConfigDifferences> ReloadConfigAsync(CancellationToken cancellation = default) => Shaped(
        await CallAsync("supervisor.reloadConfig", [], cancellation).ConfigureAwait(false), ConfigDifferences.Read, "a list of changes");

    /// <summary>Stops everything and ends the daemon; returns before that is done.</summary>
    public Task ShutdownAsync(CancellationToken cancellation = default) => CallAsync("supervisor.shutdown", [], cancellation);

    /// <summary>Stops everything, reads the configuration and starts anew; returns before that is done.</summary>
    public Task RestartAsync(CancellationToken cancellation = default) => CallAsync("supervisor.restart", [], cancellation);
}
