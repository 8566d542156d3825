using System.Globalization;
using System.Runtime.InteropServices;
using Steward.Core.Events;
using Steward.Core.Ports;
using Steward.Linux.Host;

[assembly: System.Runtime.Versioning.SupportedOSPlatform("linux")]

namespace Steward.Journal.Tests;

/// <summary>This assembly as a program: what tests need to run in a process of its own.</summary>
internal static class TestProgram
{
    /// <summary>The words that start this assembly as a program.</summary>
    public static IReadOnlyList<string> Command =>
    [
        Path.GetFullPath(Path.Combine(RuntimeEnvironment.GetRuntimeDirectory(), "../../../dotnet")),
        "exec",
        typeof(TestProgram).Assembly.Location,
    ];

    public static int Main(string[] arguments) => arguments switch
    {
        ["append-for-ever", string path] => AppendForEver(path, series: 0),
        ["tell-again-for-ever", string path, string series] => AppendForEver(path, long.Parse(series, CultureInfo.InvariantCulture)),
        _ => 2,
    };

    /// <summary>
    /// Appends entries whose wall time counts from 1, and prints the count that is on disk for certain. Until it is killed. With a series their
    /// places count as well, so that those which an earlier process has written are left out.
    /// </summary>
    private static int AppendForEver(string path, long series)
    {
        SqliteLibrary.LoadWith(MemoryLibrary.Load);
        IClock clock = new ShiftedClock();
        using EventJournal journal = EventJournal.Open(
            new JournalOptions(path) { Gather = TimeSpan.FromMilliseconds(1), MaxAge = TimeSpan.FromDays(36_500) }, clock, static (_, line) => Console.Error.WriteLine(line));
        for (long count = 1; count < 10_000_000; count++)
        {
            journal.Append(
                TestJournal.Entry(count, "p" + (count % 7).ToString(CultureInfo.InvariantCulture)), series == 0 ? default : new FactPlace(series, count));
            if (count % 50 == 0)
            {
                if (!journal.Flush(TestJournal.Patience))
                {
                    return 1;
                }

                Console.Out.WriteLine(count.ToString(CultureInfo.InvariantCulture));
                Console.Out.Flush();
            }
        }

        return 0;
    }
}
