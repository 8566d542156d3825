using Steward.Core.Config;
using Steward.Core.Model;

namespace Steward.Core.Ports;

/// <summary>A program that a hook runs once.</summary>
/// <param name="Command">The command line; looked for along PATH when its first word has no slash.</param>
/// <param name="User">Whom it becomes; null: it stays who the daemon is.</param>
/// <param name="Variables">Variables besides the daemon's own.</param>
/// <param name="Stdin">What it can read.</param>
/// <param name="TimeoutMs">Milliseconds until its process group is killed.</param>
public sealed record HookProcess(
    string Command, UserIdentity? User, IReadOnlyList<KeyValuePair<string, string>> Variables, ReadOnlyMemory<byte> Stdin, int TimeoutMs);

/// <summary>What came of it.</summary>
/// <param name="Error">Why it could not be started; null when it was.</param>
/// <param name="Status">How it ended; null when it was not started, or its end was not seen in time.</param>
/// <param name="TimedOut">Whether it was killed because it took too long, or because the daemon ends.</param>
/// <param name="Output">The last of what it wrote to stdout and stderr, at most 4 KiB.</param>
public sealed record HookProcessResult(string? Error, WaitStatus? Status, bool TimedOut, string Output);

/// <summary>Runs the programs of hooks; the kernel's side implements it. Members may be called on any thread.</summary>
public interface IHookProcesses
{
    /// <summary>
    /// Runs a program to its end on the calling thread. Never throws for what the outside can cause. What the program leaves behind in the
    /// background when it ends by itself is its own affair.
    /// </summary>
    HookProcessResult Run(HookProcess process);

    /// <summary>Kills what runs, and lets nothing run any more.</summary>
    void EndAll();
}
