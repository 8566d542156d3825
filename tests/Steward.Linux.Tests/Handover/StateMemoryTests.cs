using FsCheck;
using FsCheck.Fluent;
using Steward.Linux.Handover;
using Steward.Linux.Interop;

namespace Steward.Linux.Tests.Handover;

public sealed class StateMemoryTests : IDisposable
{
    // The format as a reader of another version would see it: the first page, and the three numbers before a checkpoint.
    private const int Page = 4096;
    private const int AreaHeader = 24;
    private const int FrameHeader = 8;

    private readonly StateMemory _memory = StateMemory.Create(out _)!;
    private readonly FileStream _bytes;
    private readonly List<StateMemory> _others = [];

    public StateMemoryTests() =>
        _bytes = new FileStream($"/proc/self/fd/{_memory.Descriptor}", FileMode.Open, FileAccess.ReadWrite, FileShare.ReadWrite, bufferSize: 0);

    public void Dispose()
    {
        _bytes.Dispose();
        _memory.Dispose();
        _others.ForEach(static other => other.Dispose());
    }

    [Fact]
    public void A_checkpoint_and_what_came_after_it_are_read_in_order_through_another_mapping()
    {
        Assert.True(_memory.IsCheckpointWanted);

        // Before the first checkpoint a record belongs to nothing.
        _memory.Append([9]);
        Reads([], []);
        _memory.Checkpoint([1, 2, 3]);
        Assert.False(_memory.IsCheckpointWanted);
        Reads([1, 2, 3], []);
        _memory.Append([4]);
        _memory.Append([]);
        _memory.Append([5, 6]);
        Reads([1, 2, 3], [[4], [], [5, 6]]);
        for (byte i = 10; i < 20; i++)
        {
            // The areas take turns, and nothing of the one before shows through.
            _memory.Checkpoint([i]);
            Reads([i], []);
            _memory.Append([i, i]);
            Reads([i], [[i, i]]);
        }
    }

    [Fact]
    public void What_is_out_is_known_to_a_successor_and_facts_are_out_when_journal_and_hooks_have_them()
    {
        using StateMemory successor = Another();
        Assert.Equal((0, 0, 0, 0), (successor.LinesOut, successor.JournalHas, successor.HooksHave, successor.FactsOut));
        _memory.LinesAreOut(7);
        _memory.JournalHas = 1L << 40;
        _memory.HooksHave = long.MaxValue;
        Assert.Equal((7, 1L << 40, long.MaxValue, 1L << 40), (successor.LinesOut, successor.JournalHas, successor.HooksHave, successor.FactsOut));
        _memory.HooksHave = 5;
        _memory.Checkpoint([1]);
        _memory.Append([2]);
        Assert.Equal((7, 5), (successor.LinesOut, successor.FactsOut));
    }

    [Fact]
    public void A_successor_goes_on_writing_where_the_one_before_stopped()
    {
        _memory.Checkpoint([1]);
        _memory.Append([2]);
        using (StateMemory successor = Another())
        {
            Assert.True(successor.TryRead(out _, out _, out _));
            successor.Append([3]);
        }

        Reads([1], [[2], [3]]);
    }

    [Fact]
    public void The_descriptor_closes_at_exec_and_the_memory_is_taken_as_it_is_used()
    {
        Assert.Equal(LibC.FD_CLOEXEC, LibC.fcntl(_memory.Descriptor, LibC.F_GETFD, 0));
        _memory.Checkpoint(new byte[20 << 20]);
        Assert.InRange(Taken(), 20 << 20, 21 << 20);
        _memory.Checkpoint([1]);

        // Given back but for a part that the next one will want.
        Assert.InRange(Taken(), 1, 2 << 20);
        Reads([1], []);
    }

    [Fact]
    public void A_long_log_asks_for_a_checkpoint_and_goes_on_until_it_comes()
    {
        _memory.Checkpoint([1]);
        byte[] record = new byte[10_000];
        int count = 0;
        while (!_memory.IsCheckpointWanted)
        {
            _memory.Append(record);
            count++;
        }

        Assert.InRange(count * record.Length, 400_000, 600_000);
        _memory.Append(record);
        Assert.Equal(count + 1, Read(_memory).Records.Count);
        using StateMemory successor = Another();
        Assert.True(successor.TryRead(out _, out _, out bool isBroken) && !isBroken && successor.IsCheckpointWanted);
    }

    [Fact]
    public void A_full_area_leaves_out_what_does_not_fit_with_all_that_follows_and_says_so()
    {
        byte[] large = new byte[StateMemory.AreaSize - AreaHeader - (2 * FrameHeader) - 3];
        _memory.Checkpoint([1, 2]);
        _memory.Append(large);
        Assert.Equal([large.Length], Read(_memory).Records.Select(static r => r.Length));
        _memory.Append([7, 7]);
        _memory.Append([]);
        (byte[] checkpoint, List<byte[]> records, bool isBroken) = Read(Another());
        Assert.True(isBroken);
        Assert.Equal([1, 2], checkpoint);
        Assert.Equal([large.Length], records.Select(static r => r.Length));
        Assert.True(_memory.IsCheckpointWanted);
        _memory.Checkpoint([3]);
        Assert.False(_memory.IsCheckpointWanted);
        _memory.Append([8]);
        Reads([3], [[8]]);
    }

    [Fact]
    public void A_record_that_fills_the_area_to_the_last_byte_fits()
    {
        byte[] large = new byte[StateMemory.AreaSize - AreaHeader - FrameHeader - 1];
        large[^1] = 42;
        _memory.Checkpoint([1]);
        _memory.Append(large);
        (_, List<byte[]> records, bool isBroken) = Read(_memory);
        Assert.False(isBroken);
        Assert.Equal(large, Assert.Single(records));
    }

    [Fact]
    public void A_checkpoint_that_does_not_fit_makes_known_that_what_is_there_is_old()
    {
        _memory.Checkpoint([1]);
        _memory.Append([2]);
        _memory.Checkpoint(new byte[StateMemory.AreaSize]);
        _memory.Append([3]);
        (byte[] checkpoint, List<byte[]> records, bool isBroken) = Read(_memory);
        Assert.True(isBroken);
        Assert.Equal([1], checkpoint);
        Assert.Equal([2], Assert.Single(records));
        _memory.Checkpoint([4]);
        Reads([4], []);
    }

    [Fact]
    public void Any_records_come_back_as_they_were()
    {
        Prop.ForAll<byte[][]>(given =>
        {
            byte[][] records = [.. given.OfType<byte[]>()];
            _memory.Checkpoint([1]);
            foreach (byte[] record in records)
            {
                _memory.Append(record);
            }

            Reads([1], records);
        }).QuickCheckThrowOnFailure();
    }

    [Fact]
    public void A_byte_of_the_log_that_is_not_what_was_written_is_noticed_wherever_it_is()
    {
        byte[][] records = Log();
        int length = records.Sum(static r => r.Length + FrameHeader);
        for (int at = 0; at < length; at++)
        {
            foreach (int difference in (int[])[0x01, 0x80, 0xFF])
            {
                long place = Page + StateArea() + AreaHeader + 3 + at;
                byte was = ByteAt(place);
                Put(place, (byte)(was ^ difference));
                Assert.False(Another().TryRead(out _, out _, out _), $"byte {at} ^ {difference:x}");
                Put(place, was);
            }
        }

        Reads([1, 2, 3], records);
    }

    [Fact]
    public void A_log_that_ends_within_a_record_is_refused_and_one_that_ends_after_one_is_not()
    {
        byte[][] records = Log();
        var ends = new Dictionary<int, int> { [0] = 0 };
        foreach (byte[] record in records)
        {
            ends.Add(ends.Keys.Max() + FrameHeader + record.Length, ends.Count);
        }

        for (int length = 0; length <= ends.Keys.Max(); length++)
        {
            PutNumber(Page + StateArea() + 8, length);
            bool isWhole = Another().TryRead(out _, out IReadOnlyList<ReadOnlyMemory<byte>>? read, out _);
            Assert.Equal(ends.ContainsKey(length), isWhole);
            Assert.Equal(isWhole ? ends[length] : null, read?.Count);
        }
    }

    [Theory]
    [InlineData(0, -1)]
    [InlineData(0, long.MinValue)]
    [InlineData(0, long.MaxValue)]
    [InlineData(0, StateMemory.AreaSize)]
    [InlineData(0, StateMemory.AreaSize - 24)]
    [InlineData(8, -1)]
    [InlineData(8, long.MinValue)]
    [InlineData(8, long.MaxValue)]
    [InlineData(8, StateMemory.AreaSize)]
    [InlineData(8, StateMemory.AreaSize - 24)]
    [InlineData(8, StateMemory.AreaSize - 27)]
    public void Lengths_that_cannot_be_are_refused(int field, long value)
    {
        _ = Log();
        PutNumber(Page + StateArea() + field, value);
        Assert.False(Another().TryRead(out byte[]? checkpoint, out IReadOnlyList<ReadOnlyMemory<byte>>? records, out _));
        Assert.Null(checkpoint);
        Assert.Null(records);
    }

    [Fact]
    public void Another_format_and_what_is_no_state_are_refused()
    {
        Put(7, (byte)'2');
        int copy = LibC.fcntl(_memory.Descriptor, LibC.F_DUPFD_CLOEXEC, 3);
        Assert.Null(StateMemory.Open(copy, out string? failure));
        Assert.Equal("the state is of another format", failure);
        StateFile.Close(copy);
        int empty = LibC.memfd_create("empty", LibC.MFD_CLOEXEC);
        Assert.Null(StateMemory.Open(empty, out failure));
        Assert.Equal($"the descriptor {empty} holds no log of a daemon", failure);
        StateFile.Close(empty);
        Assert.Null(StateMemory.Open(-1, out failure));
        Assert.NotNull(failure);
    }

    [Fact]
    public void After_its_end_nothing_is_written_and_nothing_read()
    {
        StateMemory memory = Another();
        memory.Dispose();
        memory.Append([1]);
        memory.Checkpoint([1]);
        Assert.False(memory.TryRead(out _, out _, out _));
        Reads([], []);
    }

    [Fact]
    public void Threads_that_write_at_once_leave_whole_records()
    {
        _memory.Checkpoint([1]);
        Parallel.For(0, 4, thread =>
        {
            for (int i = 0; i < 500; i++)
            {
                _memory.Append([(byte)thread, (byte)i, (byte)(i >> 8)]);
            }
        });
        List<byte[]> records = Read(Another()).Records;
        Assert.Equal(2000, records.Count);
        for (byte thread = 0; thread < 4; thread++)
        {
            Assert.Equal(Enumerable.Range(0, 500), records.Where(r => r[0] == thread).Select(static r => r[1] | (r[2] << 8)));
        }
    }

    /// <summary>A checkpoint of three bytes and some records of different lengths.</summary>
    private byte[][] Log()
    {
        byte[][] records = [[1], [], [.. Enumerable.Range(0, 40).Select(static i => (byte)(i * 7))], [0, 0, 0, 0, 0, 0, 0, 0, 0], [255]];
        _memory.Checkpoint([1, 2, 3]);
        foreach (byte[] record in records)
        {
            _memory.Append(record);
        }

        return records;
    }

    /// <summary>The same memory as another process would have it; its descriptor is its own.</summary>
    private StateMemory Another()
    {
        StateMemory another = StateMemory.Open(LibC.fcntl(_memory.Descriptor, LibC.F_DUPFD_CLOEXEC, 3), out string? failure)!;
        Assert.Null(failure);
        _others.Add(another);
        return another;
    }

    private void Reads(byte[] checkpoint, byte[][] records)
    {
        foreach (StateMemory memory in (StateMemory[])[_memory, Another()])
        {
            (byte[] read, List<byte[]> log, bool isBroken) = Read(memory);
            Assert.False(isBroken);
            Assert.Equal(checkpoint, read);
            Assert.Equal(records, log);
        }
    }

    private static (byte[] Checkpoint, List<byte[]> Records, bool IsBroken) Read(StateMemory memory)
    {
        Assert.True(memory.TryRead(out byte[]? checkpoint, out IReadOnlyList<ReadOnlyMemory<byte>>? records, out bool isBroken));
        return (checkpoint, [.. records.Select(static r => r.ToArray())], isBroken);
    }

    private unsafe long Taken()
    {
        LibC.StatX stat;
        Assert.Equal(0, LibC.statx(_memory.Descriptor, "", LibC.AT_EMPTY_PATH, LibC.STATX_BASIC_STATS, &stat));

        // The blocks of 512 bytes that are taken; man 2 statx.
        return *(long*)((byte*)&stat + 48) * 512;
    }

    /// <summary>Where the area in force begins, behind the first page.</summary>
    private long StateArea() => ByteAt(8) * (long)StateMemory.AreaSize;

    private byte ByteAt(long place)
    {
        _bytes.Position = place;
        return (byte)_bytes.ReadByte();
    }

    private void Put(long place, byte value)
    {
        _bytes.Position = place;
        _bytes.WriteByte(value);
    }

    private void PutNumber(long place, long value)
    {
        _bytes.Position = place;
        _bytes.Write(BitConverter.GetBytes(value));
    }
}
