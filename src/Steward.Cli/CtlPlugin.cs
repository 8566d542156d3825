namespace Steward.Cli;

/// <summary>An action of one's own.</summary>
/// <param name="Name">The action.</param>
/// <param name="Command">The command in words.</param>
internal sealed record CtlPlugin(string Name, IReadOnlyList<string> Command);

/// <summary>What became of a command.</summary>
/// <param name="Status">Its exit status; 128 and the signal's number when a signal ended it.</param>
/// <param name="Error">Why it could not be run; null when it was.</param>
public sealed record CommandEnd(int Status, string? Error);
