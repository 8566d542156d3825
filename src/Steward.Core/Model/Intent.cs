namespace Steward.Core.Model;

/// <summary>What an operator wants of a process, apart from what it does; remembered over restarts of the daemon and the machine.</summary>
/// <param name="Name">The process as <c>group:name</c>.</param>
/// <param name="IsWanted">Whether it was last started (true) or stopped (false) by hand; null when neither is known.</param>
/// <param name="DisabledFor">Why it must not be started; null when it may.</param>
/// <param name="Since">Wall time of the last change, Unix nanoseconds.</param>
/// <param name="By">Who made it, in words for people; empty when that is not known.</param>
public sealed record Intent(string Name, bool? IsWanted, string? DisabledFor, long Since, string By = "");
