using System.Diagnostics;
using Steward.Core.Events;
using Steward.Core.Model;
using Steward.Core.Ports;
using Steward.Linux.Host;

namespace Steward.Journal.Tests;

/// <summary>A directory and a journal of a test's own.</summary>
internal sealed class TestJournal : IDisposable
{
    public static readonly TimeSpan Patience = TimeSpan.FromSeconds(60);

    private readonly bool _ownsDirectory;

    static TestJournal() => SqliteLibrary.LoadWith(MemoryLibrary.Load);

    public TestJournal(Func<JournalOptions, JournalOptions>? change = null, string? directory = null, ShiftedClock? clock = null)
    {
        _ownsDirectory = directory is null;
        Directory = directory ?? System.IO.Directory.CreateTempSubdirectory("steward-journal-").FullName;
        Clock = clock ?? new ShiftedClock();
        var options = new JournalOptions(System.IO.Path.Combine(Directory, "journal.db"))
        {
            Gather = TimeSpan.FromMilliseconds(1),
            // The entries of tests are of 1970.
            MaxAge = TimeSpan.FromDays(36_500),
            RetryAfter = TimeSpan.FromMilliseconds(10),
        };
        Options = change?.Invoke(options) ?? options;
        Journal = EventJournal.Open(Options, Clock, Log);
    }

    public string Directory { get; }

    public string Path => Options.Path;

    public JournalOptions Options { get; }

    public ShiftedClock Clock { get; }

    public EventJournal Journal { get; private set; }

    public List<string> Lines { get; } = [];

    public static JournalEntry Entry(long wall, string? name = "web", JournalFact? fact = null) => new(
        0, wall, name, name, 1, fact ?? new StateFact(ProcessState.Stopped, ProcessState.Starting, Tries: 0));

    /// <summary>Appends entries with wall times 1, 2, ...</summary>
    public void Fill(int count, string? name = "web", JournalFact? fact = null)
    {
        for (int i = 1; i <= count; i++)
        {
            Journal.Append(Entry(i, name, fact));
        }

        Flush();
    }

    public void Flush() => Assert.True(Journal.Flush(Patience), Said());

    public void Reopen()
    {
        Assert.True(Journal.Close(Patience));
        Journal = EventJournal.Open(Options, Clock, Log);
        WaitFor(() => Journal.Read(new JournalQuery()).Failure is null, "open again");
    }

    /// <summary>Reads everything, page by page.</summary>
    public List<JournalEntry> All(JournalQuery? query = null)
    {
        query ??= new JournalQuery();
        var all = new List<JournalEntry>();
        while (true)
        {
            JournalPage page = Journal.Read(query);
            Assert.Null(page.Failure);
            all.AddRange(page.Entries);
            if (!page.More)
            {
                return all;
            }

            query = query with { Cursor = page.Next };
        }
    }

    public void WaitFor(Func<bool> condition, string what)
    {
        long start = Stopwatch.GetTimestamp();
        while (!condition())
        {
            Assert.True(Stopwatch.GetElapsedTime(start) < Patience, $"{what}: not after {Patience}\n{Said()}");
            Thread.Sleep(5);
        }
    }

    public bool HasSaid(string text)
    {
        lock (Lines)
        {
            return Lines.Exists(line => line.Contains(text, StringComparison.Ordinal));
        }
    }

    public string Said()
    {
        lock (Lines)
        {
            return string.Join('\n', Lines);
        }
    }

    public void Dispose()
    {
        Journal.Dispose();
        if (_ownsDirectory)
        {
            System.IO.Directory.Delete(Directory, recursive: true);
        }
    }

    private void Log(LogLevel level, string text)
    {
        lock (Lines)
        {
            Lines.Add($"{level.Code()} {text}");
        }
    }
}

/// <summary>The real clocks, which can be made to jump ahead.</summary>
internal sealed class ShiftedClock : IClock
{
    private long _ahead;

    public Moment Now
    {
        get
        {
            long ahead = Interlocked.Read(ref _ahead);
            return new Moment(Stopwatch.GetElapsedTime(0).Ticks * 100 + ahead, (DateTime.UtcNow - DateTime.UnixEpoch).Ticks * 100 + ahead);
        }
    }

    public void Jump(TimeSpan by) => Interlocked.Add(ref _ahead, by.Ticks * 100);
}
