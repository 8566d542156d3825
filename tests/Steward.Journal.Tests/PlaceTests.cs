using Steward.Core.Events;
using Steward.Core.Ports;

namespace Steward.Journal.Tests;

/// <summary>Facts that are told again by the successor of a daemon that died: the file knows which it has.</summary>
public sealed class PlaceTests
{
    [Fact]
    public void What_is_in_the_file_is_left_out_and_the_rest_is_written_in_order()
    {
        using var test = new TestJournal();
        Tell(test, series: 5, from: 1, to: 10);
        test.Reopen();
        Tell(test, series: 5, from: 4, to: 14);
        Assert.Equal(Walls(1, 14), Written(test));
        Assert.Equal((4, 0, 0), (test.Journal.Written, test.Journal.Dropped, test.Journal.Waiting));
    }

    [Fact]
    public void Nothing_of_another_series_is_left_out()
    {
        using var test = new TestJournal();
        Tell(test, series: 5, from: 1, to: 10);
        Tell(test, series: 6, from: 1, to: 3);
        test.Reopen();
        Tell(test, series: 6, from: 2, to: 4);

        // As when another daemon with the same journal came in between: only what was counted last is known.
        Tell(test, series: 5, from: 10, to: 11);
        Assert.Equal([.. Walls(1, 10), 1, 2, 3, 4, 10, 11], Written(test));
    }

    [Fact]
    public void Nothing_is_left_out_of_a_file_that_is_a_new_one()
    {
        using var test = new TestJournal();
        Tell(test, series: 5, from: 1, to: 10);
        Assert.True(test.Journal.Close(TestJournal.Patience));
        File.Delete(test.Path);
        test.Reopen();
        Tell(test, series: 5, from: 8, to: 12);
        Assert.Equal(Walls(8, 12), Written(test));
    }

    [Fact]
    public void Entries_without_a_place_are_all_written_and_keep_the_place()
    {
        using var test = new TestJournal();
        Tell(test, series: 5, from: 1, to: 3);
        test.Fill(2);
        test.Reopen();
        test.Fill(2);
        Tell(test, series: 5, from: 1, to: 4);
        Assert.Equal([1, 2, 3, 1, 2, 1, 2, 4], Written(test));
    }

    [Theory]
    [InlineData("")]
    [InlineData("5")]
    [InlineData("5 three")]
    [InlineData("5 -3")]
    [InlineData("99999999999999999999 1")]
    public void A_place_that_cannot_be_read_is_none(string value)
    {
        using var test = new TestJournal();
        Tell(test, series: 5, from: 1, to: 3);
        Assert.True(test.Journal.Close(TestJournal.Patience));
        using (var database = new SqliteDatabase(test.Path, write: true, 1000))
        {
            database.Execute($"UPDATE meta SET value = '{value}' WHERE key = 'place'");
        }

        test.Reopen();
        Tell(test, series: 5, from: 3, to: 4);
        Assert.Equal([1, 2, 3, 3, 4], Written(test));
    }

    [Fact]
    public void A_place_is_told_when_it_is_on_disk_also_when_it_was_there_before()
    {
        using var test = new TestJournal();
        Tell(test, series: 5, from: 1, to: 10);
        Assert.True(test.Journal.Close(TestJournal.Patience));
        var told = new List<FactPlace>();
        using EventJournal journal = EventJournal.Open(test.Options, test.Clock, static (_, _) => { }, told.Add);
        journal.Append(TestJournal.Entry(9), new FactPlace(5, 9));
        Assert.True(journal.Flush(TestJournal.Patience));
        Assert.Equal([new FactPlace(5, 10)], told);
        journal.Append(TestJournal.Entry(11), new FactPlace(5, 11));
        journal.Append(TestJournal.Entry(12));
        Assert.True(journal.Flush(TestJournal.Patience));
        Assert.Equal(new FactPlace(5, 11), told[^1]);
        Assert.True(journal.Close(TestJournal.Patience));
    }

    private static void Tell(TestJournal test, long series, int from, int to)
    {
        for (int i = from; i <= to; i++)
        {
            test.Journal.Append(TestJournal.Entry(i), new FactPlace(series, i));
        }

        test.Flush();
    }

    private static IEnumerable<long> Written(TestJournal test) => test.All().Select(static entry => entry.Wall);

    private static IEnumerable<long> Walls(int from, int to) => Enumerable.Range(from, to - from + 1).Select(static i => (long)i);
}
