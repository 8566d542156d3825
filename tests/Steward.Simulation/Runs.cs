using System.Collections.Concurrent;
using Steward.Simulation.Checks;
using Steward.Simulation.Daemon;

namespace Steward.Simulation;

/// <summary>Many runs and what they came to.</summary>
internal sealed class Runs
{
    private readonly object _lock = new();

    public Coverage Coverage { get; } = new();

    /// <summary>What runs of the whole daemon have met.</summary>
    public Tally Tally { get; } = new();

    public long Count { get; private set; }

    public long Steps { get; private set; }

    /// <summary>What failed, by ascending seed.</summary>
    public IReadOnlyList<string> Failures { get; private set; } = [];

    /// <summary>Plays the runs of all seeds from one to another, both included, on all processors.</summary>
    /// <param name="isDaemon">Runs of the whole daemon, not of the core alone.</param>
    /// <param name="without">What must not go wrong in runs of the whole daemon.</param>
    /// <param name="with">What may go wrong in each of these runs, whatever the seed says.</param>
    public static Runs Play(ulong from, ulong to, int turns, bool isDaemon = false, Fault without = Fault.None, Fault with = Fault.None)
    {
        var runs = new Runs();
        var failures = new ConcurrentBag<(ulong, string)>();
        Parallel.ForEach(
            Partitioner.Create((long)from, (long)to + 1),
            range =>
            {
                var coverage = new Coverage();
                var tally = new Tally();
                long steps = 0;
                for (long seed = range.Item1; seed < range.Item2; seed++)
                {
                    try
                    {
                        RunResult result = isDaemon
                            ? new DaemonRun((ulong)seed, turns, coverage, tally, without: without, with: with).Run()
                            : new Simulation((ulong)seed, turns, coverage).Run();
                        steps += result.Steps;
                    }
                    catch (InvariantException failure)
                    {
                        failures.Add(((ulong)seed, failure.Message));
                    }
                }

                lock (runs._lock)
                {
                    runs.Coverage.Add(coverage);
                    runs.Tally.Add(tally);
                    runs.Count += range.Item2 - range.Item1;
                    runs.Steps += steps;
                }
            });
        runs.Failures = [.. failures.OrderBy(failure => failure.Item1).Select(failure => failure.Item2)];
        return runs;
    }
}
