using System.Globalization;

namespace Steward.Client;

/// <summary>What kind of socket a server URL names.</summary>
public enum ServerAddressKind
{
    /// <summary><c>unix:///absolute/path</c></summary>
    Unix,

    /// <summary><c>http://host[:port]</c></summary>
    Tcp,

    /// <summary>Any other scheme, or an http URL without a host or with a port that is none: every call fails.</summary>
    Unsupported,
}

/// <summary>Where a daemon listens, as users write it.</summary>
public sealed record ServerAddress
{
    private ServerAddress(string url, ServerAddressKind kind)
    {
        Url = url;
        Kind = kind;
    }

    /// <summary>The URL as it was given; messages show it.</summary>
    public string Url { get; }

    /// <summary>What kind of socket it names.</summary>
    public ServerAddressKind Kind { get; }

    /// <summary>Unix: the path of the socket; otherwise empty.</summary>
    public string Path { get; private init; } = "";

    /// <summary>TCP: the host name or address, without the brackets of IPv6; otherwise empty.</summary>
    public string Host { get; private init; } = "";

    /// <summary>TCP: the port, 80 when the URL has none; otherwise 0.</summary>
    public int Port { get; private init; }

    /// <summary>What the <c>Host</c> header says.</summary>
    internal string HostHeader => Kind != ServerAddressKind.Tcp
        ? "localhost"
        : (Host.Contains(':', StringComparison.Ordinal) ? $"[{Host}]" : Host)
            + (Port == 80 ? "" : ":" + Port.ToString(CultureInfo.InvariantCulture));

    /// <summary>Splits a URL. Never fails: what cannot be used is <see cref="ServerAddressKind.Unsupported"/> and says so when it is called.</summary>
    /// <remarks>A path behind an http host is ignored, as Supervisor's client does: calls always go to <c>/RPC2</c>.</remarks>
    public static ServerAddress Parse(string url)
    {
        if (url.StartsWith("unix://", StringComparison.OrdinalIgnoreCase))
        {
            return new ServerAddress(url, ServerAddressKind.Unix) { Path = url["unix://".Length..] };
        }

        var unsupported = new ServerAddress(url, ServerAddressKind.Unsupported);
        if (!url.StartsWith("http://", StringComparison.OrdinalIgnoreCase))
        {
            return unsupported;
        }

        string authority = url["http://".Length..];
        int end = authority.AsSpan().IndexOfAny('/', '?', '#');
        if (end >= 0)
        {
            authority = authority[..end];
        }

        string host = authority;
        string port = "";
        int colon = authority.LastIndexOf(':');
        if (colon > authority.LastIndexOf(']'))
        {
            host = authority[..colon];
            port = authority[(colon + 1)..];
        }

        host = host.Trim('[', ']');
        int number = 80;
        if (host.Length == 0
            || (port.Length > 0 && (!int.TryParse(port, NumberStyles.None, CultureInfo.InvariantCulture, out number) || number is 0 or > 65535)))
        {
            return unsupported;
        }

        return new ServerAddress(url, ServerAddressKind.Tcp) { Host = host, Port = number };
    }
}

/// <summary>A login for basic authentication.</summary>
/// <param name="UserName">The user name; without colons, which the wire form cannot carry.</param>
/// <param name="Password">The password.</param>
public sealed record Credentials(string UserName, string Password);
