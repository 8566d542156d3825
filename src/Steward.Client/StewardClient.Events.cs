namespace Steward.Client;

// Events and those who listen to them.
public sealed partial class StewardClient
{
    /// <summary>Emits an event that listeners subscribed to REMOTE_COMMUNICATION receive.</summary>
    /// <param name="type">What stands behind <c>type:</c> in the event.</param>
    /// <param name="data">Its body.</param>
    /// <param name="cancellation">Gives the call up.</param>
    public Task SendRemoteCommEventAsync(string type, string data, CancellationToken cancellation = default) =>
        CallAsync("supervisor.sendRemoteCommEvent", [type, data], cancellation);

    /// <summary>Tells how the pools of event listeners do. Steward alone.</summary>
    public async Task<IReadOnlyList<EventPoolInfo>> GetEventPoolsAsync(CancellationToken cancellation = default) =>
        List(await CallAsync("steward.getEventPools", [], cancellation).ConfigureAwait(false), EventPoolInfo.Read, "a list of pools");
}
