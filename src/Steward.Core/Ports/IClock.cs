using Steward.Core.Model;

namespace Steward.Core.Ports;

/// <summary>Reads the clocks.</summary>
public interface IClock
{
    /// <summary>Both clocks, read now.</summary>
    Moment Now { get; }
}
