using Steward.Core.Model;

namespace Steward.Core.Ports;

/// <summary>Keeps intents over the end of the daemon.</summary>
public interface IIntentStore
{
    /// <summary>
    /// Replaces what is kept. Returns at once and does not wait for a disk; of several that come faster than they can be written the last
    /// one counts.
    /// </summary>
    void Save(IReadOnlyList<Intent> intents);
}
