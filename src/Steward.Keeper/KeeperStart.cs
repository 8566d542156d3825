namespace Steward.Keeper;

/// <summary>What a keeper begins with.</summary>
/// <param name="Words">The command line that the user gave, the program's name first.</param>
/// <param name="StartPath">The path by which the program was started, absolute: what an upgrade goes on with.</param>
/// <param name="IsDetached">Whether everything runs in the background.</param>
/// <param name="Started">Called once, when the first daemon answers clients.</param>
public sealed record KeeperStart(IReadOnlyList<string> Words, string StartPath, bool IsDetached, Action Started)
{
    /// <summary>The first word of a daemon with a keeper, before the number of its socket and the words of the user.</summary>
    public const string KeptWord = "--kept";

    /// <summary>The first word of a daemon that takes the keeper's place, before the descriptor of what it leaves.</summary>
    public const string BecomeWord = "--become-keeper";

    /// <summary>The first word of a keeper that takes the place of another image, before the descriptors of what that left and of that image.</summary>
    public const string RenewWord = "--renew-keeper";

    /// <summary>The first word of a keeper that goes on because another image refused to, before the descriptors and the reason.</summary>
    public const string KeepOnWord = "--keep-on";

    /// <summary>Under which role the daemon's state is held.</summary>
    public const string StateRole = "state";

    /// <summary>Under which role the file is held that the daemon runs: its successor is started from the same one.</summary>
    public const string ImageRole = "image";

    /// <summary>The file that daemons are started from where no other is held; null, the default: the one that the keeper itself runs.</summary>
    public string? Image { get; init; }

    /// <summary>The version of the program, for daemons and other images to say.</summary>
    public string Version { get; init; } = "";

    /// <summary>What is held from the first moment: by a keeper that was a daemon.</summary>
    public IReadOnlyDictionary<string, int> Held { get; init; } = new Dictionary<string, int>();

    /// <summary>What the first daemon is to say of the one before; null: nothing.</summary>
    public string? Death { get; init; }

    /// <summary>When that was: monotonic nanoseconds.</summary>
    public long DiedAt { get; init; }
}
