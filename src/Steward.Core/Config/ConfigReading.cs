namespace Steward.Core.Config;

/// <summary>What came of reading a configuration.</summary>
/// <param name="Configuration">The configuration; null when it is refused.</param>
/// <param name="Faults">
/// Everything found. The errors stand in the order in which Supervisor comes upon them, so a reader who fixes the first one and
/// tries again sees the others one by one in this order.
/// </param>
/// <param name="FirstError">Exactly the message with which Supervisor refuses the file; null when it is taken.</param>
public sealed record ConfigReading(Configuration? Configuration, IReadOnlyList<ConfigFault> Faults, string? FirstError);
