namespace Steward.Client;

// Logs. One that grows is followed with LogStream.
public sealed partial class StewardClient
{
    /// <summary>Reads from a process's log.</summary>
    /// <param name="name">The process.</param>
    /// <param name="offset">Where to begin, in bytes; negative: so many before the end.</param>
    /// <param name="length">How many bytes; 0: to the end.</param>
    /// <param name="stderr">The log of stderr instead of stdout.</param>
    /// <param name="cancellation">Gives the call up.</param>
    public async Task<string> ReadLogAsync(
        string name, long offset, long length = 0, bool stderr = false, CancellationToken cancellation = default) =>
        Text(await CallAsync(
            stderr ? "supervisor.readProcessStderrLog" : "supervisor.readProcessStdoutLog", [name, offset, length], cancellation).ConfigureAwait(false));

    /// <summary>Reads from the daemon's own log; offset and length as in <see cref="ReadLogAsync"/>.</summary>
    public async Task<string> ReadMainLogAsync(long offset, long length = 0, CancellationToken cancellation = default) =>
        Text(await CallAsync("supervisor.readLog", [offset, length], cancellation).ConfigureAwait(false));

    /// <summary>Empties the logs of a process.</summary>
    public Task ClearLogsAsync(string name, CancellationToken cancellation = default) =>
        CallAsync("supervisor.clearProcessLogs", [name], cancellation);
}
