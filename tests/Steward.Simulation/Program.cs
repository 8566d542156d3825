using System.Diagnostics;
using System.Globalization;
using Steward.Simulation;
using Steward.Simulation.Checks;
using Steward.Simulation.Daemon;

const string Usage = """
    Usage: steward-sim [--daemon] --seed N [--steps M] [--trace]   one run, and what happened in it
           steward-sim [--daemon] --seeds FROM..TO [--steps M]     many runs (TO included), on all processors, and what they have reached
    With --daemon: the whole daemon, killed and taken over at any point; without: the core alone. --without FAULT,FAULT: these do not happen;
    --with FAULT,FAULT: these may happen in every run, not only where the seed says so.
    """;

ulong? seed = null;
(ulong From, ulong To)? seeds = null;
int steps = 200;
bool trace = false;
bool isDaemon = false;
Fault without = Fault.None;
Fault with = Fault.None;
for (int i = 0; i < args.Length; i++)
{
    string value = i + 1 < args.Length ? args[i + 1] : "";
    string[] range = value.Split("..");
    switch (args[i])
    {
        case "--daemon":
            isDaemon = true;
            break;
        case "--without" when Enum.TryParse(value, ignoreCase: true, out without):
            i++;
            break;
        case "--with" when Enum.TryParse(value, ignoreCase: true, out with):
            i++;
            break;
        case "--trace":
            trace = true;
            break;
        case "--seed" when ulong.TryParse(value, CultureInfo.InvariantCulture, out ulong one):
            seed = one;
            i++;
            break;
        case "--steps" when int.TryParse(value, CultureInfo.InvariantCulture, out steps) && steps > 0:
            i++;
            break;
        case "--seeds" when range.Length == 2 && ulong.TryParse(range[0], CultureInfo.InvariantCulture, out ulong from)
            && ulong.TryParse(range[1], CultureInfo.InvariantCulture, out ulong to) && to >= from:
            seeds = (from, to);
            i++;
            break;
        default:
            Console.Error.WriteLine($"steward-sim: '{args[i]} {value}' is not understood");
            Console.Error.WriteLine(Usage);
            return 2;
    }
}

if (seed is null == seeds is null)
{
    Console.Error.WriteLine(Usage);
    return 2;
}

if (seed is { } single)
{
    try
    {
        TextWriter? text = trace ? Console.Out : null;
        RunResult result = isDaemon
            ? new DaemonRun(single, steps, new Coverage(), new Tally(), text, without, with).Run()
            : new Simulation(single, steps, new Coverage(), text).Run();
        Console.WriteLine($"seed {single}: {result.Steps} steps, trace {result.Hash:x16}");
        return 0;
    }
    catch (InvariantException failure)
    {
        Console.Error.WriteLine(failure.Message);
        return 1;
    }
}

var watch = Stopwatch.StartNew();
Runs runs = Runs.Play(seeds!.Value.From, seeds.Value.To, steps, isDaemon, without, with);
watch.Stop();
foreach (string failure in runs.Failures.Take(10))
{
    Console.Error.WriteLine(failure);
}

double seconds = watch.Elapsed.TotalSeconds;
Console.WriteLine(isDaemon ? runs.Tally.Table() : runs.Coverage.Table());
Console.WriteLine(string.Create(CultureInfo.InvariantCulture,
    $"{runs.Count} runs, {runs.Steps} steps in {seconds:0.0} s on {Environment.ProcessorCount} processors: "
    + $"{runs.Count / seconds:0} runs/s, {runs.Steps / seconds:0} steps/s; {runs.Failures.Count} failed"));
return runs.Failures.Count == 0 ? 0 : 1;
