namespace Steward.Simulation.Checks;

/// <summary>Something happened that may never happen.</summary>
public sealed class InvariantException(string message) : Exception(message);
