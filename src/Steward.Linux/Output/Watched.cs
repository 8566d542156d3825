namespace Steward.Linux.Output;

/// <summary>Something whose descriptor the hub's thread watches.</summary>
internal abstract class Watched
{
    /// <summary>Its number in the poller; -1 while it is not watched.</summary>
    public int Number { get; set; } = -1;
}
