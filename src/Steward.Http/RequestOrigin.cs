using Microsoft.Extensions.Primitives;

namespace Steward.Http;

/// <summary>
/// Tells requests that a browser makes for another site's page from all others. Scripts and command-line clients send none
/// of the headers looked at here.
/// </summary>
internal static class RequestOrigin
{
    /// <summary>Says whether an Origin header names another host than the one the request went to.</summary>
    public static bool IsForeign(Exchange exchange)
    {
        StringValues origin = exchange.RequestHeaders.Origin;
        if (origin.Count == 0)
        {
            return false;
        }

        string text = origin.ToString();
        int scheme = text.IndexOf("://", StringComparison.Ordinal);
        return scheme < 0 || !text.AsSpan(scheme + 3).Equals(exchange.RequestHeaders.Host.ToString(), StringComparison.OrdinalIgnoreCase);
    }

    /// <summary>Says whether another site's page caused the request, be it by a link, an image or a script.</summary>
    public static bool IsCrossSite(Exchange exchange) =>
        exchange.RequestHeaders["Sec-Fetch-Site"].ToString() is "cross-site" or "same-site" || IsForeign(exchange);
}
