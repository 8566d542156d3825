namespace Steward.Core.Config;

/// <summary>What reading the options of a program came to.</summary>
/// <param name="Processes">The processes; null when there are errors.</param>
/// <param name="FirstError">The first error; null for none.</param>
public sealed record ProgramReading(IReadOnlyList<ProcessConfig>? Processes, string? FirstError);
