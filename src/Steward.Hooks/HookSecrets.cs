using System.Text;

namespace Steward.Hooks;

/// <summary>Looks secrets up at the moment they are needed, so that one that is changed in its place is used changed.</summary>
internal static class HookSecrets
{
    private const int MaxBytes = 64 << 10;

    /// <summary>Finds the value of <c>env:NAME</c> or <c>file:/path</c>; other text is the value itself, null is empty.</summary>
    /// <param name="written">As it stands in the configuration.</param>
    /// <param name="value">The value, blanks and line ends at its end removed.</param>
    /// <param name="error">Why there is none; names the place only.</param>
    public static bool TryFind(string? written, out string value, out string? error)
    {
        value = written ?? "";
        error = null;
        if (written is null)
        {
            return true;
        }

        if (written.StartsWith("env:", StringComparison.Ordinal))
        {
            value = Environment.GetEnvironmentVariable(written["env:".Length..]) ?? "";
            error = value.Length == 0 ? $"the environment variable {written["env:".Length..]} is not set" : null;
        }
        else if (written.StartsWith("file:", StringComparison.Ordinal))
        {
            string path = written["file:".Length..];
            try
            {
                using FileStream file = File.OpenRead(path);
                byte[] bytes = new byte[MaxBytes];
                int length = file.ReadAtLeast(bytes, bytes.Length, throwOnEndOfStream: false);
                value = Encoding.UTF8.GetString(bytes, 0, length);
                error = value.AsSpan().Trim().Length == 0 ? $"the secret in {path} is empty" : null;
            }
            catch (Exception failure) when (failure is IOException or UnauthorizedAccessException)
            {
                value = "";
                error = $"the secret in {path} cannot be read ({(failure is UnauthorizedAccessException ? "permission denied" : "no such file, or an error of its disk")})";
            }
        }

        value = value.Trim();
        return error is null;
    }
}
