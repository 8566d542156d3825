using System.Globalization;
using System.Net;

namespace Steward.Core.Config;

/// <summary>Another program of this machine that serves an RPC namespace: <c>steward.rpc_url</c>.</summary>
/// <param name="Url">As it was written.</param>
/// <param name="Path">Unix: the absolute path of its socket; empty for TCP.</param>
/// <param name="Address">TCP: the loopback address in digits; empty for unix.</param>
/// <param name="Port">TCP: the port.</param>
/// <param name="Target">What the request line names, <c>/RPC2</c> unless the URL has a path.</param>
/// <param name="TimeoutSeconds"><c>steward.rpc_timeout</c>: how long one call may take in all. Default 10.</param>
public sealed record RpcPeer(string Url, string Path, string Address, int Port, string Target, int TimeoutSeconds)
{
    /// <summary>The default of <c>steward.rpc_timeout</c>, seconds.</summary>
    public const int DefaultTimeout = 10;

    private const string Scheme = "http://";

    /// <summary>Reads a URL. Only what cannot leave the machine is taken.</summary>
    public static bool TryParse(string url, int timeoutSeconds, out RpcPeer? peer, out string? error)
    {
        peer = null;
        error = null;
        if (url.StartsWith("unix://", StringComparison.Ordinal))
        {
            string path = url["unix://".Length..];
            if (!path.StartsWith('/'))
            {
                error = $"the path of {PythonText.Repr(url)} is not absolute";
                return false;
            }

            peer = new RpcPeer(url, path, "", 0, "/RPC2", timeoutSeconds);
            return true;
        }

        if (!url.StartsWith(Scheme, StringComparison.Ordinal))
        {
            error = $"{PythonText.Repr(url)} begins with neither unix:// nor http://";
            return false;
        }

        string rest = url[Scheme.Length..];
        int slash = rest.IndexOf('/', StringComparison.Ordinal);
        string authority = slash < 0 ? rest : rest[..slash];
        string target = slash < 0 || slash == rest.Length - 1 ? "/RPC2" : rest[slash..];
        int colon = authority.LastIndexOf(':');
        if (colon <= authority.LastIndexOf(']')
            || !int.TryParse(authority.AsSpan(colon + 1), NumberStyles.None, CultureInfo.InvariantCulture, out int port) || port is < 1 or > 65535)
        {
            error = $"{PythonText.Repr(url)} names no port";
            return false;
        }

        // A name is looked up nowhere: what it means today it need not mean tomorrow.
        string host = authority[..colon].Trim('[', ']');
        host = host == "localhost" ? "127.0.0.1" : host;
        if (!IPAddress.TryParse(host, out IPAddress? address) || !IPAddress.IsLoopback(address))
        {
            error = $"{PythonText.Repr(url)} does not stay on this machine";
            return false;
        }

        if (target.Any(c => c <= ' ' || c >= 0x7f))
        {
            error = $"the path of {PythonText.Repr(url)} has characters that cannot be sent";
            return false;
        }

        peer = new RpcPeer(url, "", address.ToString(), port, target, timeoutSeconds);
        return true;
    }
}
