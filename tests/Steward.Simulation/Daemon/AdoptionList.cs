using Steward.Core.Config;
using Steward.Simulation.Kernel;

namespace Steward.Simulation.Daemon;

/// <summary>A line of the adoption file. The program stands for its pid and the time of its start: nobody else has both.</summary>
internal sealed record AdoptionLine(VirtualProgram Program, ProcessConfig Config, long StartedAt);

/// <summary>The adoption file: which programs run. It lives on when keeper and daemon are both dead.</summary>
internal sealed class AdoptionList(Machine machine, VirtualClock clock, Tally tally)
{
    private readonly List<AdoptionLine> _lines = [];
    private (string Group, ProcessConfig Config)? _begun;

    /// <summary>A start begins, of which it is not known what becomes.</summary>
    public void Spawning(string group, ProcessConfig config) => _begun = (group, config);

    /// <summary>Nothing has become of it.</summary>
    public void NotSpawned() => _begun = null;

    public void Spawned(VirtualProgram program, ProcessConfig config)
    {
        _begun = null;
        _lines.Add(new AdoptionLine(program, config, clock.Now.Wall));
    }

    public bool Has(VirtualProgram program) => _lines.Exists(line => line.Program == program);

    public void Ended(int pid) => _lines.RemoveAll(line => line.Program.Pid == pid);

    public void Retain(Predicate<VirtualProgram> isKept) => _lines.RemoveAll(line => !isKept(line.Program));

    /// <summary>What is known; the program of a start that nobody saw the end of is looked for by its name.</summary>
    public IReadOnlyList<AdoptionLine> Read()
    {
        if (_begun is var (group, config))
        {
            _begun = null;
            if (machine.Find(group, config.Name, Has) is { } program)
            {
                tally.Count("starts that nobody saw the end of, found again");
                Spawned(program, config);
            }
        }

        return [.. _lines];
    }
}
