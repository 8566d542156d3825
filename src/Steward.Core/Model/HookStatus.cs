namespace Steward.Core.Model;

/// <summary>How a hook is doing.</summary>
/// <param name="Name">Its name.</param>
/// <param name="Kind"><c>exec</c>, <c>url</c> or <c>mail</c>.</param>
/// <param name="Target">Where it sends, without anything that could be a secret.</param>
/// <param name="Delivered">Events that were taken.</param>
/// <param name="Failed">Events that were given up.</param>
/// <param name="Dropped">Events for which there was no room.</param>
/// <param name="Waiting">Events that wait.</param>
/// <param name="LastError">Why the last attempt that failed did; null for none.</param>
/// <param name="LastErrorWall">When, Unix nanoseconds; 0 for never.</param>
/// <param name="LastSuccessWall">When an event was last taken, Unix nanoseconds; 0 for never.</param>
public sealed record HookStatus(
    string Name, string Kind, string Target, long Delivered, long Failed, long Dropped, int Waiting, string? LastError, long LastErrorWall,
    long LastSuccessWall);
