using Steward.Protocol.XmlRpc;

namespace Steward.Client;

/// <summary>
/// A daemon's methods for programs in .NET: typed and asynchronous. Works with Steward and with Supervisor 3 and 4, but for what is marked
/// as Steward's. Any number of calls may be under way at once, from any thread.
/// </summary>
/// <remarks>
/// Each call has a connection of its own, so there is nothing to dispose of, and a call that waits for a process does not hold up another.
/// A call that is cancelled or times out is given up here; the daemon may carry it out all the same. All methods throw
/// <see cref="StewardFaultException"/> when the daemon refuses and <see cref="StewardConnectionException"/> when there is no answer.
/// </remarks>
public sealed partial class StewardClient
{
    private readonly AsyncExchange _exchange;

    /// <summary>Makes a client; nothing is connected yet.</summary>
    /// <param name="url"><c>unix:///path/to/socket</c> or <c>http://host:port</c>.</param>
    /// <param name="credentials">The login; null sends none.</param>
    /// <param name="limits">Bounds; null for the defaults.</param>
    public StewardClient(string url, Credentials? credentials = null, ClientLimits? limits = null)
        : this(ServerAddress.Parse(url), credentials, limits)
    {
    }

    /// <summary>Makes a client; nothing is connected yet.</summary>
    /// <param name="address">Where the daemon listens.</param>
    /// <param name="credentials">The login; null sends none.</param>
    /// <param name="limits">Bounds; null for the defaults.</param>
    public StewardClient(ServerAddress address, Credentials? credentials = null, ClientLimits? limits = null)
    {
        Address = address;
        _exchange = new AsyncExchange(address, credentials, limits ?? new ClientLimits());
    }

    /// <summary>Where the daemon listens.</summary>
    public ServerAddress Address { get; }

    /// <summary>Calls any method, also of a namespace that another program serves. It has to answer within <see cref="ClientLimits.Answer"/>.</summary>
    /// <param name="method">The whole name, for example <c>supervisor.getPID</c>.</param>
    /// <param name="parameters">The parameters.</param>
    /// <param name="cancellation">Gives the call up.</param>
    public Task<XmlRpcValue> CallAsync(string method, IReadOnlyList<XmlRpcValue> parameters, CancellationToken cancellation = default) =>
        AskAsync(method, parameters, isLimited: true, cancellation);

    /// <summary>Tells the names of all methods.</summary>
    public async Task<IReadOnlyList<string>> ListMethodsAsync(CancellationToken cancellation = default) =>
        Shaped(await CallAsync("system.listMethods", [], cancellation).ConfigureAwait(false), Names, "a list of names");

    // What waits for processes takes as long as they do.
    private Task<XmlRpcValue> WaitAsync(string method, IReadOnlyList<XmlRpcValue> parameters, CancellationToken cancellation) =>
        AskAsync(method, parameters, isLimited: false, cancellation);

    private async Task<XmlRpcValue> AskAsync(string method, IReadOnlyList<XmlRpcValue> parameters, bool isLimited, CancellationToken cancellation)
    {
        Answer<XmlRpcValue> answer = await _exchange.CallAsync(method, parameters, isLimited, cancellation).ConfigureAwait(false);
        return answer.IsValue
            ? answer.Value
            : throw (answer.Fault is { } fault
                ? new StewardFaultException(fault)
                : new StewardConnectionException(answer.Failure!, Address.Url));
    }

    private T Shaped<T>(XmlRpcValue value, Func<XmlRpcValue, T?> read, string expected)
        where T : class =>
        read(value) ?? throw new StewardConnectionException(
            new TransportFailure(TransportFailureKind.BadAnswer, Detail: "it is not " + expected), Address.Url);

    private string Text(XmlRpcValue value) => Shaped(value, static one => (one as XmlRpcString)?.Value, "a text");

    private IReadOnlyList<T> List<T>(XmlRpcValue value, Func<XmlRpcValue, T?> read, string expected)
        where T : class =>
        Shaped<IReadOnlyList<T>>(
            value,
            one =>
            {
                var items = new List<T>();
                foreach (XmlRpcValue item in one is XmlRpcArray array ? array.Items : [])
                {
                    if (read(item) is not { } found)
                    {
                        return null;
                    }

                    items.Add(found);
                }

                return one is XmlRpcArray ? items : null;
            },
            expected);

    private IReadOnlyList<ProcessResult> Results(XmlRpcValue value) => List(value, ProcessResult.Read, "a list of results");

    private static List<string>? Names(XmlRpcValue value) =>
        value is XmlRpcArray array && array.Items.All(item => item is XmlRpcString)
            ? [.. array.Items.Cast<XmlRpcString>().Select(item => item.Value)]
            : null;
}
