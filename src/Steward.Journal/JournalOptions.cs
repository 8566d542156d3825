namespace Steward.Journal;

/// <summary>Where the journal is and how large it may become.</summary>
/// <param name="Path">The database file. Its directory is created when it is missing; beside it are <c>-wal</c> and <c>-shm</c> files.</param>
public sealed record JournalOptions(string Path)
{
    /// <summary>The age from which entries are removed; default 30 days, at most 36,500. Measured with the wall clock.</summary>
    public TimeSpan MaxAge { get; init; } = TimeSpan.FromDays(30);

    /// <summary>Bytes of the database from which the oldest entries are removed; default 256 MiB, at least 1 MiB. Some 4 MiB of WAL come on top.</summary>
    public long MaxBytes { get; init; } = 256L << 20;

    /// <summary>Entries that may wait to be written; default 65,536. What comes on top is counted as lost.</summary>
    public int QueueEntries { get; init; } = 65_536;

    /// <summary>Bytes of memory that waiting entries may take, about; default 16 MiB.</summary>
    public long QueueBytes { get; init; } = 16L << 20;

    /// <summary>Entries in one page at most; default 1,000. A reader that asks for more gets this many.</summary>
    public int PageLimit { get; init; } = 1000;

    /// <summary>Entries that one page may look at, matching or not; default 20,000. Bounds the time that a read takes.</summary>
    public int ScanLimit { get; init; } = 20_000;

    /// <summary>Reads at the same time; default 4. More wait for <see cref="ReadPatience"/>.</summary>
    public int Readers { get; init; } = 4;

    /// <summary>How long a read waits for its turn; default 5 seconds.</summary>
    public TimeSpan ReadPatience { get; init; } = TimeSpan.FromSeconds(5);

    /// <summary>Followers that may wait for new entries at the same time; default 64.</summary>
    public int Followers { get; init; } = 64;

    /// <summary>How long the writer collects entries for one transaction; default 20 ms. What is collected is lost with the process.</summary>
    public TimeSpan Gather { get; init; } = TimeSpan.FromMilliseconds(20);

    /// <summary>The first pause after a failure to write, doubled each time up to 30 times as much; default 1 second.</summary>
    public TimeSpan RetryAfter { get; init; } = TimeSpan.FromSeconds(1);

    /// <summary>Pages of the database at most (4 KiB each); 0 for no limit. A hard limit: beyond it writing fails.</summary>
    internal int HardPageLimit { get; init; }

    /// <summary>Throws for values that cannot work.</summary>
    internal void Check()
    {
        ArgumentException.ThrowIfNullOrEmpty(Path);
        ArgumentOutOfRangeException.ThrowIfLessThan(MaxBytes, 1L << 20);
        ArgumentOutOfRangeException.ThrowIfLessThanOrEqual(MaxAge, TimeSpan.Zero);
        ArgumentOutOfRangeException.ThrowIfGreaterThan(MaxAge, TimeSpan.FromDays(36_500));
        ArgumentOutOfRangeException.ThrowIfLessThan(QueueEntries, 1);
        ArgumentOutOfRangeException.ThrowIfLessThan(QueueBytes, 1);
        ArgumentOutOfRangeException.ThrowIfLessThan(PageLimit, 1);
        ArgumentOutOfRangeException.ThrowIfLessThan(ScanLimit, 1);
        ArgumentOutOfRangeException.ThrowIfLessThan(Readers, 1);
        ArgumentOutOfRangeException.ThrowIfLessThan(Followers, 1);
        ArgumentOutOfRangeException.ThrowIfLessThan(Gather, TimeSpan.Zero);
        ArgumentOutOfRangeException.ThrowIfLessThanOrEqual(RetryAfter, TimeSpan.Zero);
    }
}
