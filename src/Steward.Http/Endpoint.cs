using System.Security.Cryptography;
using System.Text;
using Steward.Core.Config;

namespace Steward.Http;

/// <summary>A control socket as its connections see it; a feature of the connection.</summary>
internal sealed class Endpoint(ServerConfig config)
{
    private readonly byte[]? _username = string.IsNullOrEmpty(config.Username) ? null : Encoding.UTF8.GetBytes(config.Username);
    private readonly byte[] _password = Encoding.UTF8.GetBytes(config.Password ?? "");

    /// <summary>The login that every request gives; null when none is asked for.</summary>
    public string? Username { get; } = string.IsNullOrEmpty(config.Username) ? null : config.Username;

    /// <summary>Says whether every request needs credentials.</summary>
    public bool IsProtected => _username is not null;

    /// <summary>How connections without an address of their own are called in the log.</summary>
    public string Name { get; } = config.Kind == ServerKind.Unix ? config.File : config.Host;

    /// <summary>Judges the value of an Authorization header; anything malformed is refused.</summary>
    public bool Accepts(string? authorization)
    {
        if (_username is null)
        {
            return true;
        }

        const string scheme = "Basic ";
        if (authorization is null
            || authorization.Length > 4096
            || !authorization.StartsWith(scheme, StringComparison.OrdinalIgnoreCase))
        {
            return false;
        }

        ReadOnlySpan<char> encoded = authorization.AsSpan(scheme.Length).Trim();
        byte[] decoded = new byte[encoded.Length];
        if (!Convert.TryFromBase64Chars(encoded, decoded, out int length))
        {
            return false;
        }

        // The first colon splits: a password may hold more of them.
        int colon = decoded.AsSpan(0, length).IndexOf((byte)':');
        if (colon < 0)
        {
            return false;
        }

        // Both are compared whatever the first comparison says, so that time does not tell which was wrong.
        bool user = SameBytes(decoded.AsSpan(0, colon), _username);
        bool password = IsPassword(decoded.AsSpan(colon + 1, length - colon - 1));
        return user & password;
    }

    private bool IsPassword(ReadOnlySpan<byte> given)
    {
        ReadOnlySpan<byte> marker = "{SHA}"u8;
        if (!_password.AsSpan().StartsWith(marker))
        {
            return SameBytes(given, _password);
        }

        Span<byte> digest = stackalloc byte[SHA1.HashSizeInBytes];
        // The configuration format, Supervisor's, fixes the hash; it is not ours to choose.
#pragma warning disable CA5350
        SHA1.HashData(given, digest);
#pragma warning restore CA5350
        Span<byte> hex = stackalloc byte[2 * SHA1.HashSizeInBytes];
        Convert.TryToHexStringLower(digest, hex, out _);
        return SameBytes(hex, _password.AsSpan(marker.Length));
    }

    // Over digests, so that the lengths do not show either.
    private static bool SameBytes(ReadOnlySpan<byte> given, ReadOnlySpan<byte> expected)
    {
        Span<byte> left = stackalloc byte[SHA256.HashSizeInBytes];
        Span<byte> right = stackalloc byte[SHA256.HashSizeInBytes];
        SHA256.HashData(given, left);
        SHA256.HashData(expected, right);
        return CryptographicOperations.FixedTimeEquals(left, right);
    }
}
