using System.Diagnostics.CodeAnalysis;
using System.Globalization;
using Steward.Core.Model;

namespace Steward.Core.Config;

/// <summary>
/// Turns the text of a value into what it means. Every method answers false with exactly Supervisor's message. Numbers
/// beyond the range of the result become the nearest one that fits: Python has no such range, and no setting has a use for
/// them.
/// </summary>
public static class ConfigValue
{
    /// <summary>An integer: sign, decimal digits, single underscores between digits, blanks around.</summary>
    public static bool TryInteger(string text, out int value, [NotNullWhen(false)] out string? error)
    {
        bool done = TryLong(text, out long wide, out error);
        value = (int)Math.Clamp(wide, int.MinValue, int.MaxValue);
        return done;
    }

    /// <summary>An integer between two bounds.</summary>
    public static bool TryRange(string text, int lowest, int highest, out int value, [NotNullWhen(false)] out string? error)
    {
        if (!TryLong(text, out long wide, out error))
        {
            value = 0;
            return false;
        }

        value = (int)Math.Clamp(wide, int.MinValue, int.MaxValue);
        if (wide < lowest)
        {
            error = string.Create(CultureInfo.InvariantCulture, $"{wide} is below lower bound ({lowest})");
        }
        else if (wide > highest)
        {
            error = string.Create(CultureInfo.InvariantCulture, $"{wide} is above upper bound ({highest})");
        }

        return error is null;
    }

    /// <summary><c>yes true on 1</c> or <c>no false off 0</c> in any case.</summary>
    public static bool TryBoolean(string text, out bool value, [NotNullWhen(false)] out string? error)
    {
        string lower = text.ToLowerInvariant();
        value = lower is "yes" or "true" or "on" or "1";
        bool known = value || lower is "no" or "false" or "off" or "0";
        error = known ? null : "not a valid boolean value: " + PythonText.Repr(text);
        return known;
    }

    /// <summary>A boolean or <c>unexpected</c>.</summary>
    public static bool TryAutoRestart(string text, out AutoRestart value, [NotNullWhen(false)] out string? error)
    {
        string lower = text.ToLowerInvariant();
        error = null;
        if (lower == "unexpected")
        {
            value = AutoRestart.Unexpected;
            return true;
        }

        bool known = TryBoolean(lower, out bool always, out _);
        value = always ? AutoRestart.True : AutoRestart.False;
        error = known ? null : "invalid 'autorestart' value " + PythonText.Repr(lower);
        return known;
    }

    /// <summary>A number of bytes: an integer, optionally with <c>KB</c>, <c>MB</c> or <c>GB</c> (powers of 1024) in any case.</summary>
    public static bool TryByteSize(string text, out long value, [NotNullWhen(false)] out string? error)
    {
        string lower = text.ToLowerInvariant();
        int shift = lower.Length < 2 ? 0 : lower[^2..] switch { "kb" => 10, "mb" => 20, "gb" => 30, _ => 0 };
        if (!TryLong(shift == 0 ? lower : lower[..^2], out long number, out error))
        {
            value = 0;
            return false;
        }

        value = number > long.MaxValue >> shift ? long.MaxValue
            : number < long.MinValue >> shift ? long.MinValue
            : number << shift;
        return true;
    }

    /// <summary>An integer in base 8, optionally with <c>0o</c> in front: permission bits and masks.</summary>
    public static bool TryOctal(string text, out int value, [NotNullWhen(false)] out string? error)
    {
        ReadOnlySpan<char> digits = PythonText.Strip(text);
        bool negative = digits.StartsWith("-");
        if (negative || digits.StartsWith("+"))
        {
            digits = digits[1..];
        }

        if (digits.StartsWith("0o", StringComparison.OrdinalIgnoreCase))
        {
            digits = digits[2..];
            digits = digits.StartsWith("_") ? digits[1..] : digits;
        }

        if (TryDigits(digits, 8, out long wide))
        {
            value = (int)Math.Clamp(negative ? -wide : wide, int.MinValue, int.MaxValue);
            error = null;
            return true;
        }

        value = 0;
        error = text + " can not be converted to an octal type";
        return false;
    }

    /// <summary>A signal by number or by name with or without <c>SIG</c>.</summary>
    public static bool TrySignal(string text, out int value, [NotNullWhen(false)] out string? error)
    {
        if (TryInteger(text, out value, out _))
        {
            error = Signals.IsKnown(value) ? null : $"value {PythonText.Repr(text)} is not a valid signal number";
        }
        else
        {
            value = Signals.FromName(PythonText.Strip(text));
            error = value >= 0 ? null : $"value {PythonText.Repr(text)} is not a valid signal name";
        }

        return error is null;
    }

    /// <summary>Exit codes from 0 to 255 with commas between them; empty for none.</summary>
    public static bool TryExitCodes(string text, [NotNullWhen(true)] out EquatableList<int>? value, [NotNullWhen(false)] out string? error)
    {
        var codes = new List<int>();
        foreach (string item in text.Length == 0 ? [] : text.Split(','))
        {
            if (!TryInteger(item, out int code, out _) || code is < 0 or > 255)
            {
                value = null;
                error = "not a valid list of exit codes: " + PythonText.Repr(text);
                return false;
            }

            codes.Add(code);
        }

        value = EquatableList.From(codes);
        error = null;
        return true;
    }

    /// <summary>Names with commas between them, blanks around them removed; empty for none. Empty items stay.</summary>
    public static IReadOnlyList<string> Strings(string text) =>
        text.Length == 0 ? [] : [.. text.Split(',').Select(PythonText.Strip)];

    /// <summary>A level of the activity log in any case. <c>warning</c> means <c>warn</c>, unlike in Supervisor, which refuses it.</summary>
    public static bool TryLogLevel(string text, out LogLevel value, [NotNullWhen(false)] out string? error)
    {
        LogLevel? level = text.ToLowerInvariant() switch
        {
            "critical" => LogLevel.Critical,
            "error" => LogLevel.Error,
            "warn" or "warning" => LogLevel.Warn,
            "info" => LogLevel.Info,
            "debug" => LogLevel.Debug,
            "trace" => LogLevel.Trace,
            "blather" => LogLevel.Blather,
            _ => null,
        };
        value = level ?? LogLevel.Info;
        error = level is null ? "bad logging level name " + PythonText.Repr(text) : null;
        return level is not null;
    }

    /// <summary>The name of a group or process: trimmed, without blank, colon and slash.</summary>
    public static bool TryName(string text, [NotNullWhen(true)] out string? value, [NotNullWhen(false)] out string? error)
    {
        value = PythonText.Strip(text);
        foreach (char bad in " :/")
        {
            if (value.Contains(bad))
            {
                error = $"Invalid name: {PythonText.Repr(text)} because of character: '{bad}'";
                value = null;
                return false;
            }
        }

        error = null;
        return true;
    }

    /// <summary>
    /// An address to listen on: <c>host:port</c>, <c>:port</c>, <c>*:port</c> or <c>port</c>. The host is empty for all IPv4
    /// interfaces.
    /// </summary>
    public static bool TryInetAddress(string text, [NotNullWhen(true)] out string? host, out int port, [NotNullWhen(false)] out string? error)
    {
        int colon = text.LastIndexOf(':');
        host = colon < 0 ? "" : text[..colon].ToLowerInvariant();
        string number = text[(colon + 1)..];
        if (colon >= 0 && number.Length == 0)
        {
            port = 0;
            error = "no port number specified in ''";
        }
        else if (!TryRange(number, 1, 65535, out port, out error) && colon < 0)
        {
            error = $"not a valid port number: {PythonText.Repr(text)} ";
        }

        if (error is not null)
        {
            host = null;
            return false;
        }

        host = host == "*" ? "" : host;
        return true;
    }

    /// <summary>A directory that exists; a leading <c>~</c> is expanded, a relative path stays relative.</summary>
    /// <param name="text">The path as written.</param>
    /// <param name="directory">What a relative path is relative to while it is looked up.</param>
    /// <param name="environment">The machine.</param>
    /// <param name="value">The path with <c>~</c> expanded.</param>
    /// <param name="error">Supervisor's message on failure.</param>
    public static bool TryExistingDirectory(
        string text, string directory, IConfigEnvironment environment, [NotNullWhen(true)] out string? value, [NotNullWhen(false)] out string? error)
    {
        value = PosixPath.ExpandUser(text, environment);
        bool exists = value.Length > 0 && environment.IsDirectory(PosixPath.Join(directory, value));
        error = exists ? null : text + " is not an existing directory";
        value = exists ? value : null;
        return exists;
    }

    /// <summary>
    /// A file, there or not, whose directory exists when the path names one; a leading <c>~</c> is expanded, a relative path
    /// stays relative.
    /// </summary>
    /// <param name="text">The path as written.</param>
    /// <param name="directory">What a relative path is relative to while its directory is looked up.</param>
    /// <param name="environment">The machine.</param>
    /// <param name="value">The path with <c>~</c> expanded.</param>
    /// <param name="error">Supervisor's message on failure.</param>
    public static bool TryExistingDirectoryPath(
        string text, string directory, IConfigEnvironment environment, [NotNullWhen(true)] out string? value, [NotNullWhen(false)] out string? error)
    {
        value = PosixPath.ExpandUser(text, environment);
        string parent = PosixPath.DirectoryName(value);
        bool exists = parent.Length == 0 || environment.IsDirectory(PosixPath.Join(directory, parent));
        error = exists ? null : $"The directory named as part of the path {text} does not exist";
        value = exists ? value : null;
        return exists;
    }

    /// <summary>A user by name or number who exists.</summary>
    public static bool TryUser(string text, IConfigEnvironment environment, [NotNullWhen(true)] out UserIdentity? value, [NotNullWhen(false)] out string? error)
    {
        bool numeric = TryInteger(text, out int uid, out _);
        value = numeric ? environment.FindUser(uid) : environment.FindUser(text);
        error = value is not null ? null : numeric ? "Invalid user id " + text : "Invalid user name " + text;
        return value is not null;
    }

    /// <summary>An owner: <c>user</c> or <c>user:group</c>, each by name or number. The group is -1 when none is given.</summary>
    public static bool TryOwner(string text, IConfigEnvironment environment, out int uid, out int gid)
    {
        int colon = text.IndexOf(':', StringComparison.Ordinal);
        uid = -1;
        gid = -1;
        if (!TryUser(colon < 0 ? text : text[..colon], environment, out UserIdentity? user, out _))
        {
            return false;
        }

        uid = user.Uid;
        if (colon < 0)
        {
            return true;
        }

        string group = text[(colon + 1)..];
        if (TryInteger(group, out int number, out _))
        {
            gid = number;
            return environment.GroupExists(number);
        }

        gid = environment.FindGroup(group) ?? -1;
        return gid >= 0;
    }

    private static bool TryLong(string text, out long value, [NotNullWhen(false)] out string? error)
    {
        ReadOnlySpan<char> digits = PythonText.Strip(text);
        bool negative = digits.StartsWith("-");
        if (negative || digits.StartsWith("+"))
        {
            digits = digits[1..];
        }

        if (TryDigits(digits, 10, out value))
        {
            value = negative ? -value : value;
            error = null;
            return true;
        }

        error = "invalid literal for int() with base 10: " + PythonText.Repr(text);
        return false;
    }

    private static bool TryDigits(ReadOnlySpan<char> text, int radix, out long value)
    {
        value = 0;
        bool digitBefore = false;
        foreach (char c in text)
        {
            if (c == '_' && digitBefore)
            {
                digitBefore = false;
                continue;
            }

            // Digits of other scripts count as well: Python reads them.
            int digit = CharUnicodeInfo.GetDecimalDigitValue(c);
            if (digit < 0 || digit >= radix)
            {
                return false;
            }

            digitBefore = true;
            value = value > (long.MaxValue - digit) / radix ? long.MaxValue : (value * radix) + digit;
        }

        return digitBefore;
    }
}
