using System.Globalization;
using System.Text;

namespace Steward.Simulation.Daemon;

/// <summary>Counts what the runs have met, by name.</summary>
internal sealed class Tally
{
    private readonly SortedDictionary<string, long> _counts = new(StringComparer.Ordinal);

    public void Count(string what, long times = 1) => _counts[what] = Of(what) + times;

    public long Of(string what) => _counts.GetValueOrDefault(what);

    public void Add(Tally other)
    {
        foreach ((string what, long count) in other._counts)
        {
            Count(what, count);
        }
    }

    public string Table()
    {
        var table = new StringBuilder();
        foreach ((string what, long count) in _counts)
        {
            table.AppendLine(CultureInfo.InvariantCulture, $"{what,-40}{count,12}");
        }

        return table.ToString();
    }
}
