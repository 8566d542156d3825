namespace Steward.Hooks;

/// <summary>What an attempt came to.</summary>
/// <param name="Error">Why it failed; null when the event was taken. Holds no secret.</param>
/// <param name="Again">Whether another attempt may succeed.</param>
/// <param name="NotBefore">How long the target wants to be left alone; zero for nothing said.</param>
internal readonly record struct HookAttempt(string? Error, bool Again = false, TimeSpan NotBefore = default)
{
    /// <summary>It was taken.</summary>
    public static HookAttempt Taken => default;

    /// <summary>It may be taken later.</summary>
    public static HookAttempt Later(string error, TimeSpan notBefore = default) => new(error, Again: true, notBefore);

    /// <summary>It will never be taken.</summary>
    public static HookAttempt Refused(string error) => new(error);
}
