namespace Steward.Journal;

/// <summary>What came of waiting for new entries.</summary>
public enum FollowOutcome
{
    /// <summary>There are entries behind the cursor.</summary>
    Ready,

    /// <summary>As many followers wait as may.</summary>
    TooMany,

    /// <summary>The journal is closed.</summary>
    Closed,
}
