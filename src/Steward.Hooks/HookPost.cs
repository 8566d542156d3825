using System.Globalization;
using System.Net.Http.Headers;
using System.Net.Sockets;
using System.Security.Authentication;
using System.Security.Cryptography;
using System.Text;
using Steward.Core.Config;

namespace Steward.Hooks;

/// <summary>
/// Posts to web services. Made when it is needed first. Nothing is kept between two deliveries: no connection, so no timer watches over one
/// while nothing happens.
/// </summary>
internal sealed class HookPost : IDisposable
{
    private const int MaxRedirects = 3;

    private readonly HttpClient _client = new(new SocketsHttpHandler
    {
        // Followed here, and only to the same place: the body and its headers are for nobody else.
        AllowAutoRedirect = false,
        UseCookies = false,
        PooledConnectionLifetime = TimeSpan.Zero,
        MaxResponseHeadersLength = 64,
    })
    {
        Timeout = Timeout.InfiniteTimeSpan,
    };

    /// <summary>Posts an event.</summary>
    /// <param name="hook">The hook.</param>
    /// <param name="fields">The event.</param>
    /// <param name="time">For the time stamp of the signature.</param>
    /// <param name="cancellation">Ends the attempt.</param>
    public async Task<HookAttempt> SendAsync(HookConfig hook, HookFields fields, TimeProvider time, CancellationToken cancellation)
    {
        if (!HookSecrets.TryFind(hook.Target, out string url, out string? error)
            || !HookSecrets.TryFind(hook.Token, out string token, out error)
            || !HookSecrets.TryFind(hook.Secret, out string secret, out error))
        {
            return HookAttempt.Later(error!);
        }

        if (!Uri.TryCreate(url, UriKind.Absolute, out Uri? uri) || uri.Scheme is not ("http" or "https"))
        {
            return HookAttempt.Later($"what stands in {hook.Target} is no URL of http or https");
        }

        byte[] body = HookBodies.Make(hook, fields, token);
        for (int redirects = 0; ; redirects++)
        {
            using var request = new HttpRequestMessage(HttpMethod.Post, uri) { Content = new ByteArrayContent(body) };
            request.Headers.ConnectionClose = true;
            if (SetHeaders(request, hook, fields, token, secret, body, time) is { } refusal)
            {
                return HookAttempt.Later(refusal);
            }

            // The body of the answer is not looked at: it may repeat what is secret, and it has no bound.
            using HttpResponseMessage response = await _client
                .SendAsync(request, HttpCompletionOption.ResponseHeadersRead, cancellation).ConfigureAwait(false);
            int status = (int)response.StatusCode;
            if (status is 307 or 308 && redirects < MaxRedirects && response.Headers.Location is { } location
                && new Uri(uri, location) is var next && next.Scheme == uri.Scheme && next.Authority == uri.Authority)
            {
                uri = next;
                continue;
            }

            return Judge(status, response.Headers.RetryAfter, time);
        }
    }

    /// <summary>Says in words why a connection or request failed, without the address, which may be secret.</summary>
    public static string Explain(Exception failure)
    {
        for (Exception? inner = failure; inner is not null; inner = inner.InnerException)
        {
            switch (inner)
            {
                case SocketException socket:
                    return socket.SocketErrorCode switch
                    {
                        SocketError.ConnectionRefused => "connection refused",
                        SocketError.HostNotFound or SocketError.NoData => "the host's name is not known",
                        SocketError.TryAgain => "the host's name cannot be looked up at present",
                        SocketError.TimedOut => "the connection timed out",
                        SocketError.HostUnreachable or SocketError.NetworkUnreachable => "the host cannot be reached",
                        SocketError.ConnectionReset or SocketError.ConnectionAborted or SocketError.Shutdown => "the connection was closed before the answer",
                        SocketError code => $"the connection failed ({code})",
                    };
                case AuthenticationException:
                    return "TLS: the certificate or the handshake was not accepted";
            }
        }

        return failure is HttpRequestException { HttpRequestError: HttpRequestError reason }
            ? reason switch
            {
                HttpRequestError.NameResolutionError => "the host's name is not known",
                HttpRequestError.SecureConnectionError => "TLS: the certificate or the handshake was not accepted",
                HttpRequestError.ResponseEnded => "the connection was closed before the answer",
                HttpRequestError.InvalidResponse => "the answer is no HTTP",
                HttpRequestError.ConfigurationLimitExceeded => "the answer's headers are too long",
                _ => $"the request failed ({reason})",
            }
            : "the connection was closed before the answer";
    }

    public void Dispose() => _client.Dispose();

    private static HookAttempt Judge(int status, RetryConditionHeaderValue? retryAfter, TimeProvider time)
    {
        string text = string.Create(CultureInfo.InvariantCulture, $"the answer was {status}");
        switch (status)
        {
            case >= 200 and < 300:
                return HookAttempt.Taken;
            case >= 300 and < 400:
                return HookAttempt.Refused(text + ", a redirect to another place; name that place itself");
            case 408 or 425 or 429 or >= 500:
                TimeSpan wait = retryAfter?.Delta ?? (retryAfter?.Date - time.GetUtcNow()) ?? TimeSpan.Zero;
                return HookAttempt.Later(text, wait < TimeSpan.Zero ? TimeSpan.Zero : wait);
            case 401 or 403:
                return HookAttempt.Refused(text + ": the secret, token or URL is not accepted");
            default:
                return HookAttempt.Refused(text);
        }
    }

    private static string? SetHeaders(
        HttpRequestMessage request, HookConfig hook, HookFields fields, string token, string secret, byte[] body, TimeProvider time)
    {
        HttpContentHeaders content = request.Content!.Headers;
        content.ContentType = new MediaTypeHeaderValue(
            hook.Template is { } template && !HookBodies.IsJson(template) ? "text/plain" : "application/json", "utf-8");
        request.Headers.TryAddWithoutValidation("User-Agent", "steward");
        request.Headers.TryAddWithoutValidation("X-Steward-Delivery", fields.Delivery);
        request.Headers.TryAddWithoutValidation("X-Steward-Event", fields.EventName);
        if (hook.Format == HookFormat.Opsgenie)
        {
            request.Headers.TryAddWithoutValidation("Authorization", "GenieKey " + token);
        }

        if (secret.Length > 0)
        {
            string stamp = time.GetUtcNow().ToUnixTimeSeconds().ToString(CultureInfo.InvariantCulture);
            request.Headers.TryAddWithoutValidation("X-Steward-Timestamp", stamp);
            request.Headers.TryAddWithoutValidation("X-Steward-Signature", Sign(secret, stamp, body));
        }

        foreach ((string name, string written) in hook.Headers)
        {
            if (!HookSecrets.TryFind(written, out string value, out string? error))
            {
                return error;
            }

            if (value.AsSpan().ContainsAnyInRange('\0', '\u001f'))
            {
                return $"the value of header.{name} has line breaks";
            }

            if (name == "content-type")
            {
                content.Remove("Content-Type");
                content.TryAddWithoutValidation("Content-Type", value);
            }
            else
            {
                request.Headers.Remove(name);
                request.Headers.TryAddWithoutValidation(name, value);
            }
        }

        return null;
    }

    /// <summary>The signature of a body: over the time stamp, a full stop and the body, so that neither can be changed or used again later.</summary>
    public static string Sign(string secret, string stamp, byte[] body)
    {
        using var hmac = IncrementalHash.CreateHMAC(HashAlgorithmName.SHA256, Encoding.UTF8.GetBytes(secret));
        hmac.AppendData(Encoding.ASCII.GetBytes(stamp + "."));
        hmac.AppendData(body);
        return "sha256=" + Convert.ToHexStringLower(hmac.GetHashAndReset());
    }
}
