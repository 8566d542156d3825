using Steward.Core.Config;
using Steward.Core.Events;
using Steward.Simulation.Checks;

namespace Steward.Simulation.Daemon;

/// <summary>Ends that nobody observed, until the next start: nothing may be guessed from them.</summary>
internal sealed class UnobservedEnds(Tally tally)
{
    private readonly Dictionary<(string, string), AutoRestart> _open = [];

    /// <summary>Neither is left who knew of them.</summary>
    public void Clear() => _open.Clear();

    public void Ended(string group, string process, ExitFact exit, ProcessConfig? config)
    {
        // One that was asked for is followed by what was asked for.
        if (exit is { Code: null, Signal: null, Expected: false } && config is not null)
        {
            tally.Count($"unobserved ends: autorestart={config.AutoRestart}");
            _open[(group, process)] = config.AutoRestart;
        }
        else
        {
            _open.Remove((group, process));
        }
    }

    public void Started(string group, string process, SpawnFact start)
    {
        if (_open.Remove((group, process), out AutoRestart wanted) && start.By is "autorestart" or "retry")
        {
            if (wanted != AutoRestart.True)
            {
                throw new InvariantException($"{group}:{process} is started by {start.By} after an end that nobody observed, with autorestart={wanted}");
            }

            tally.Count("unobserved ends that were followed by a start");
        }
    }
}
