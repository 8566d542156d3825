using System.Buffers.Binary;
using System.Diagnostics.CodeAnalysis;
using System.Globalization;
using Steward.Core.Ports;
using Steward.Core.Snapshots;
using Steward.Linux.Interop;

namespace Steward.Linux.Handover;

/// <summary>
/// The daemon's state in memory that the keeper holds as well (man 2 memfd_create): a daemon writes, its successor reads and goes on
/// writing. Writing costs a copy and no system call, and what is written is there whatever ends the writer.
/// </summary>
/// <remarks>
/// <para>
/// Format 1, numbers little-endian. The first page: 8 bytes <c>STEWLOG1</c>, 4 bytes number of the area in force, 4 bytes
/// nothing, 8 bytes number of the last line of the activity log that is out, 8 bytes number of the last fact that is in the journal, 8
/// bytes of the last that hooks are done with. Two areas of <see cref="AreaSize"/> follow. An area: 8 bytes length of the checkpoint, 8 bytes length of the log, 8 bytes whose first says that the log is
/// broken; the checkpoint; the log. The log is frames: 4 bytes length, 4 bytes CRC-32C, the record.
/// </para>
/// <para>
/// A length is written after what it counts, and the number of the area after the area: one store makes the new visible. Two
/// threads that write have a lock; the reader is another process, after the writer's death.
/// </para>
/// <para>Memory is taken as it is used (the file is sparse) and given back when a checkpoint leaves more than <see cref="KeptBytes"/> behind.</para>
/// </remarks>
public sealed unsafe class StateMemory : IStateLog, IDisposable
{
    /// <summary>The most bytes of a checkpoint and its log together.</summary>
    public const int AreaSize = 64 << 20;

    private const int PageSize = 4096;
    private const int LinesPlace = 16;
    private const int JournalPlace = 24;
    private const int HooksPlace = 32;
    private const int AreaHeader = 24;
    private const int FrameHeader = 8;
    private const long Total = PageSize + (2L * AreaSize);

    // A log of this length, or as long as its checkpoint, is replaced: reading it takes some milliseconds.
    private const int LongLog = 512 << 10;
    private const int KeptBytes = 1 << 20;
    private const int MadviseRemove = 9;

    private readonly Lock _gate = new();
    private byte* _start;
    private bool _isWanted = true;
    private bool _isDisposed;

    // Bytes of records that were left out since the last checkpoint that did not fit.
    private long _missed;

    private StateMemory(int fd, byte* start)
    {
        Descriptor = fd;
        _start = start;
    }

    private static ReadOnlySpan<byte> Magic => "STEWLOG1"u8;

    /// <summary>The descriptor, for handing over; it closes at exec.</summary>
    public int Descriptor { get; }

    /// <inheritdoc/>
    public bool IsCheckpointWanted => Volatile.Read(ref _isWanted);

    /// <inheritdoc/>
    public long LinesOut => Get(LinesPlace);

    /// <inheritdoc/>
    public long FactsOut => Math.Min(JournalHas, HooksHave);

    /// <summary>Up to which number facts are in the journal; <see cref="long.MaxValue"/> when there is none. Any thread; one at a time writes.</summary>
    public long JournalHas
    {
        get => Get(JournalPlace);
        set => Set(JournalPlace, value);
    }

    /// <summary>Up to which number hooks are done with facts; <see cref="long.MaxValue"/> when there are none. Any thread; one at a time writes.</summary>
    public long HooksHave
    {
        get => Get(HooksPlace);
        set => Set(HooksPlace, value);
    }

    /// <summary>Makes new memory without a checkpoint.</summary>
    public static StateMemory? Create(out string? failure)
    {
        int fd = SharedMemory.Create("steward-log", Total, out failure);
        StateMemory? memory = fd < 0 ? null : Map(fd, out failure);
        if (memory is not null)
        {
            Magic.CopyTo(new Span<byte>(memory._start, Magic.Length));
        }

        return memory;
    }

    /// <summary>Takes over the memory of another daemon; the descriptor is its own from here on, unless it is refused.</summary>
    public static StateMemory? Open(int fd, out string? failure)
    {
        if (!SharedMemory.HasSize(fd, Total))
        {
            failure = string.Create(CultureInfo.InvariantCulture, $"the descriptor {fd} holds no log of a daemon");
            return null;
        }

        StateMemory? memory = Map(fd, out failure);
        if (memory is not null && !new ReadOnlySpan<byte>(memory._start, Magic.Length).SequenceEqual(Magic))
        {
            memory.Unmap();
            failure = "the state is of another format";
            return null;
        }

        return memory;
    }

    /// <summary>Reads what is written down.</summary>
    /// <param name="checkpoint">The checkpoint; empty when there has been none yet.</param>
    /// <param name="records">The records since then, in order.</param>
    /// <param name="isBroken">Whether records are missing after these: one did not fit.</param>
    /// <returns>False when the bytes are not those that were written.</returns>
    public bool TryRead(
        [NotNullWhen(true)] out byte[]? checkpoint, [NotNullWhen(true)] out IReadOnlyList<ReadOnlyMemory<byte>>? records, out bool isBroken)
    {
        lock (_gate)
        {
            checkpoint = null;
            records = null;
            isBroken = false;
            if (_start is null)
            {
                return false;
            }

            byte* area = Area(Active);
            long held = Volatile.Read(ref *(long*)area);
            long logged = Volatile.Read(ref *(long*)(area + 8));
            isBroken = area[16] != 0;
            if (held < 0 || logged < 0 || held > AreaSize || logged > AreaSize || AreaHeader + held + logged > AreaSize)
            {
                return false;
            }

            byte[] log = new Span<byte>(area + AreaHeader + held, (int)logged).ToArray();
            var found = new List<ReadOnlyMemory<byte>>();
            for (int at = 0; at < log.Length;)
            {
                int length = log.Length - at < FrameHeader ? -1 : BinaryPrimitives.ReadInt32LittleEndian(log.AsSpan(at));
                if (length < 0 || length > log.Length - at - FrameHeader)
                {
                    return false;
                }

                ReadOnlyMemory<byte> record = log.AsMemory(at + FrameHeader, length);
                if (Crc32C.Of(record.Span) != BinaryPrimitives.ReadUInt32LittleEndian(log.AsSpan(at + sizeof(int))))
                {
                    return false;
                }

                found.Add(record);
                at += FrameHeader + length;
            }

            checkpoint = new Span<byte>(area + AreaHeader, (int)held).ToArray();
            records = found;
            Volatile.Write(ref _isWanted, isBroken || held == 0 || logged > Math.Max(LongLog, held));
            return true;
        }
    }

    /// <inheritdoc/>
    public void LinesAreOut(long number) => Set(LinesPlace, number);

    /// <inheritdoc/>
    public void Append(ReadOnlySpan<byte> record)
    {
        lock (_gate)
        {
            if (_start is null)
            {
                return;
            }

            byte* area = Area(Active);
            long held = *(long*)area;
            long logged = *(long*)(area + 8);
            if (area[16] != 0)
            {
                // A state that was too large may have become smaller.
                _missed += record.Length;
                if (_missed > AreaSize)
                {
                    _missed = 0;
                    Volatile.Write(ref _isWanted, true);
                }

                return;
            }

            if (held == 0)
            {
                return;
            }

            if (AreaHeader + held + logged + FrameHeader + record.Length > AreaSize)
            {
                area[16] = 1;
                Volatile.Write(ref _isWanted, true);
                return;
            }

            byte* at = area + AreaHeader + held + logged;
            *(int*)at = record.Length;
            *(uint*)(at + sizeof(int)) = Crc32C.Of(record);
            record.CopyTo(new Span<byte>(at + FrameHeader, record.Length));
            logged += FrameHeader + record.Length;
            Volatile.Write(ref *(long*)(area + 8), logged);
            if (logged > Math.Max(LongLog, held))
            {
                Volatile.Write(ref _isWanted, true);
            }
        }
    }

    /// <inheritdoc/>
    public void Checkpoint(ReadOnlySpan<byte> checkpoint)
    {
        lock (_gate)
        {
            if (_start is null)
            {
                return;
            }

            int next = 1 - Active;
            byte* area = Area(next);
            if (AreaHeader + (long)checkpoint.Length > AreaSize)
            {
                // What is there is older than what happens from here on: of no use. It is not tried again after each step.
                Area(Active)[16] = 1;
                _missed = 0;
                Volatile.Write(ref _isWanted, false);
                return;
            }

            *(long*)area = checkpoint.Length;
            *(long*)(area + 8) = 0;
            area[16] = 0;
            checkpoint.CopyTo(new Span<byte>(area + AreaHeader, checkpoint.Length));
            byte* former = Area(Active);
            long used = AreaHeader + *(long*)former + *(long*)(former + 8);
            Volatile.Write(ref *(int*)(_start + 8), next);
            Volatile.Write(ref _isWanted, false);
            if (used > KeptBytes)
            {
                // Refused, it is only not given back.
                _ = LibC.madvise(former + KeptBytes, (nuint)(((used - KeptBytes) + PageSize - 1) / PageSize * PageSize), MadviseRemove);
            }
        }
    }

    /// <inheritdoc/>
    public void Dispose()
    {
        lock (_gate)
        {
            // The number may be another's by the second time.
            if (!_isDisposed)
            {
                _isDisposed = true;
                Unmap();
                StateFile.Close(Descriptor);
            }
        }
    }

    private int Active => Volatile.Read(ref *(int*)(_start + 8)) & 1;

    private long Get(int place)
    {
        lock (_gate)
        {
            return _start is null ? 0 : *(long*)(_start + place);
        }
    }

    private void Set(int place, long number)
    {
        lock (_gate)
        {
            if (_start is not null)
            {
                Volatile.Write(ref *(long*)(_start + place), number);
            }
        }
    }

    private byte* Area(int number) => _start + PageSize + ((long)number * AreaSize);

    private static StateMemory? Map(int fd, out string? failure)
    {
        byte* start = SharedMemory.Map(fd, Total, "the state", out failure);
        return start is null ? null : new StateMemory(fd, start);
    }

    private void Unmap()
    {
        if (_start is not null)
        {
            _ = LibC.munmap(_start, (nuint)Total);
            _start = null;
        }
    }
}
