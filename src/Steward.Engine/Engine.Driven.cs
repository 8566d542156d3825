using Steward.Core.Effects;
using Steward.Core.Model;
using Steward.Core.Supervision;

namespace Steward.Engine;

// The loop in the hand of somebody who has the clock, too: the simulator. Instead of Start; everything is called on one thread.
public sealed partial class Engine
{
    /// <summary>Called with every answer to a request that waits here.</summary>
    internal Action<RequestId, Outcome>? Answered { get; set; }

    /// <summary>The machine; to be looked at between two turns.</summary>
    internal Supervisor Machine => _supervisor;

    /// <summary>Says that the loop is driven from here on.</summary>
    internal void BeginDriven()
    {
        _memory.IsOff = true;
        lock (_inbox)
        {
            _isAtRest = false;
        }
    }

    /// <summary>One turn; false when there is nothing to do.</summary>
    internal bool TurnOnce()
    {
        lock (_inbox)
        {
            bool isIdle = !_childrenExited && _signals.Count == 0 && _arrivals.Count == 0 && _requests.Count == 0
                && _supervisor.NextDeadline > _clock.Now.Monotonic;
            if (_isEnding || isIdle)
            {
                return false;
            }
        }

        Turn();
        return true;
    }
}
