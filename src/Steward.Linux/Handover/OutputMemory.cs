using System.Buffers.Binary;
using System.Globalization;
using System.Runtime.CompilerServices;
using Steward.Core.Model;
using Steward.Linux.Interop;
using Steward.Linux.Output;

namespace Steward.Linux.Handover;

/// <summary>
/// What the output hub has in hand, in memory that the keeper holds as well: the bytes of the one read that is under way, how far they
/// are written, and what the filters of all streams are in the middle of. A hub that takes the place of one whose process was killed, at
/// whatever instruction, goes on from there: no byte is lost and none is there twice.
/// </summary>
/// <remarks>
/// <para>
/// The gap that no memory can close by itself is within read(2): the bytes have left the pipe, and the process dies before it knows how
/// many they are. So they are first moved, by one splice(2), into a pipe of our own, which the keeper holds too and nobody else writes to.
/// What is in there is not lost; its length is written down before it is read; and what is missing from it later was read.
/// </para>
/// <para>
/// One chunk at a time, numbered. <c>begun</c> is stored when everything that tells of it stands in the header, <c>committed</c> when it is
/// done with: one store, which at the same time puts the states of filters in force that were written under that number. Each of these
/// has two places, of which the one with the higher number that is committed holds.
/// </para>
/// <para>
/// A chunk comes out of its filter in pieces, which are the same when the same bytes go through the same state again. The header tells
/// how many of them are done, and of the one under way the file, its size before, and the step of a rotation. Of reports to the engine it is
/// enough to know how many there had been before: the engine counts those that it has written down.
/// </para>
/// <para>Process death alone is survived: everything is in memory, and orders of stores need no fences to the disk. Hub's thread.</para>
/// </remarks>
internal sealed unsafe class OutputMemory : IDisposable
{
    /// <summary>The most bytes of one read.</summary>
    internal const int BufferSize = 128 << 10;

    /// <summary>How many streams can be within a capture, or within a control sequence, at the same time.</summary>
    internal const int SlotCount = 256;

    /// <summary>The newest bytes of a capture that are kept.</summary>
    internal const int CaptureSize = HalfSize - HalfHeader;

    /// <summary>Under which roles the keeper holds the memory and the two ends of the pipe.</summary>
    internal static readonly string[] Roles = [MemoryRole, "output:read", "output:write"];

    private const string MemoryRole = "output";
    private const int PageSize = 4096;
    private const int HalfSize = 64 << 10;
    private const int HalfHeader = 40;
    private const long SlotsAt = PageSize + BufferSize;
    private const long Total = SlotsAt + (2L * SlotCount * HalfSize);

    // Each buffer of a pipe is a page at the most, and often not full.
    private const int ScratchSize = 256 << 10;

    private const int NotMoved = -1;
    private const int ReadDirectly = -2;

    private readonly Stack<int> _free = new();
    private Header* _header;
    private bool _canMove;
    private bool _isDisposed;

    private OutputMemory(int fd, int read, int write, byte* start)
    {
        Descriptor = fd;
        ScratchRead = read;
        ScratchWrite = write;
        _header = (Header*)start;
        _canMove = read >= 0 && write >= 0;
    }

    /// <summary>What a chunk is.</summary>
    internal enum Kind
    {
        /// <summary>Only the state of a filter changes.</summary>
        State,

        /// <summary>Bytes of a read.</summary>
        Bytes,

        /// <summary>The end of a stream: what its filter held back goes out.</summary>
        End,
    }

    /// <summary>How far the piece under way is.</summary>
    internal enum Stage
    {
        /// <summary>Nothing has been done.</summary>
        None,

        /// <summary>Being written to a file.</summary>
        Writing,

        /// <summary>Written; the file is being rotated.</summary>
        Rotating,

        /// <summary>Being written to what has no places: a pipe, a device.</summary>
        Passing,

        /// <summary>Written to the log, being sent to syslog.</summary>
        Sending,
    }

    /// <summary>Called wherever a death makes a difference; for tests, which die there.</summary>
    internal Action? Point { get; set; }

    /// <summary>The memory, for handing over; it closes at exec, as the other two do.</summary>
    internal int Descriptor { get; }

    /// <summary>The read end of the pipe; -1 when there could be none.</summary>
    internal int ScratchRead { get; }

    /// <summary>The write end of the pipe.</summary>
    internal int ScratchWrite { get; }

    /// <summary>Where the bytes of a chunk are.</summary>
    internal byte* Buffer => (byte*)_header + PageSize;

    /// <summary>Whether a chunk is under way.</summary>
    internal bool IsUnderWay => Volatile.Read(ref _header->Begun) != Volatile.Read(ref _header->Committed);

    /// <summary>What the chunk under way is.</summary>
    internal Kind Chunk => (Kind)_header->Kind;

    /// <summary>Whose it is.</summary>
    internal StreamKey Stream =>
        new(new ProcessId(_header->Process), new Incarnation(_header->Incarnation), (OutputChannel)_header->Channel);

    /// <summary>How many reports to the engine there had been before it.</summary>
    internal long Reported => _header->Reported;

    /// <summary>How many pieces of it are done with.</summary>
    internal int Piece => (int)(_header->Progress >> 32);

    /// <summary>How far the next one is.</summary>
    internal Stage PieceStage => (Stage)((_header->Progress >> 24) & 0xff);

    /// <summary>Within a rotation: the number of the file that is being renamed.</summary>
    internal int Step => (int)(_header->Progress & 0xffffff);

    /// <summary>The file that the piece is being written to, and its size before.</summary>
    internal (FileIdentity File, long Size) Target => (new FileIdentity(_header->Major, _header->Minor, _header->Inode), _header->Size);

    /// <summary>How many bytes wait, in the hub's own memory, for readers of logs.</summary>
    internal long Waiting
    {
        get => Volatile.Read(ref _header->Waiting);
        set => Volatile.Write(ref _header->Waiting, value);
    }

    /// <summary>Whether a read can be made up for; when not, the bytes of one that is under way are lost with the process.</summary>
    internal bool IsExact => _canMove;

    private static ulong Magic => BinaryPrimitives.ReadUInt64LittleEndian("STEWOUT1"u8);

    /// <summary>Makes new memory, with nothing under way.</summary>
    internal static OutputMemory? Create(out string? failure)
    {
        int fd = SharedMemory.Create("steward-output", Total, out failure);
        if (fd < 0)
        {
            return null;
        }

        int* pipe = stackalloc int[2];
        if (LibC.pipe2(pipe, LibC.O_CLOEXEC | LibC.O_NONBLOCK) != 0)
        {
            pipe[0] = -1;
            pipe[1] = -1;
        }
        else
        {
            // Where that is too much for the user, a read is shorter.
            _ = LibC.fcntl(pipe[1], LibC.F_SETPIPE_SZ, ScratchSize);
        }

        OutputMemory? memory = Map(fd, pipe[0], pipe[1], out failure);
        if (memory is not null)
        {
            memory._header->Magic = Magic;
            for (int slot = SlotCount - 1; slot >= 0; slot--)
            {
                memory._free.Push(slot);
            }
        }

        return memory;
    }

    /// <summary>Takes over the memory of another hub, whose process is no more. The descriptors are its own from here on, unless it is refused.</summary>
    /// <param name="fd">The memory.</param>
    /// <param name="read">The read end of the pipe; -1: none.</param>
    /// <param name="write">The write end of the pipe; -1: none.</param>
    /// <param name="failure">Why it is refused.</param>
    internal static OutputMemory? Open(int fd, int read, int write, out string? failure)
    {
        if (!SharedMemory.HasSize(fd, Total))
        {
            failure = string.Create(CultureInfo.InvariantCulture, $"the descriptor {fd} holds no output");
            return null;
        }

        OutputMemory? memory = Map(fd, read, write, out failure);
        if (memory is not null && memory._header->Magic != Magic)
        {
            memory.Unmap();
            failure = "the output is of another format";
            return null;
        }

        return memory;
    }

    /// <summary>Begins a chunk that is no read.</summary>
    internal void Begin(Kind kind, StreamKey stream, long reported)
    {
        Header* header = _header;
        header->Kind = (int)kind;
        header->Process = stream.Process.Value;
        header->Incarnation = stream.Incarnation.Value;
        header->Channel = (int)stream.Channel;
        header->Reported = reported;
        header->Progress = 0;
        header->Length = kind == Kind.Bytes ? NotMoved : 0;
        Volatile.Write(ref header->Begun, header->Committed + 1);
        Point?.Invoke();
    }

    /// <summary>Reads a pipe once, into <see cref="Buffer"/>, as a chunk.</summary>
    /// <returns>How much there was; 0 at its end and -1 with an error, as read(2): then there is no chunk.</returns>
    internal nint Read(int fd, StreamKey stream, long reported)
    {
        Begin(Kind.Bytes, stream, reported);
        nint count;
        if (_canMove)
        {
            do
            {
                count = LibC.splice(fd, null, ScratchWrite, null, BufferSize, LibC.SPLICE_F_MOVE | LibC.SPLICE_F_NONBLOCK);
            }
            while (LibC.Interrupted(count));

            Point?.Invoke();
            if (count > 0)
            {
                Volatile.Write(ref _header->Length, (int)count);
                Point?.Invoke();
                count = Fill(0, (int)count);
                Point?.Invoke();
                return count;
            }

            if (count == 0 || LibC.LastError is not (Errno.EINVAL or Errno.ENOSYS or Errno.EPERM))
            {
                Commit();
                return count;
            }

            // No pipe, or a sandbox that knows no splice.
            _canMove = false;
        }

        Volatile.Write(ref _header->Length, ReadDirectly);
        do
        {
            count = LibC.read(fd, Buffer, BufferSize);
        }
        while (LibC.Interrupted(count));

        Point?.Invoke();
        Volatile.Write(ref _header->Length, (int)Math.Max(0, count));
        Point?.Invoke();
        if (count <= 0)
        {
            Commit();
        }

        return count;
    }

    /// <summary>The chunk is done with, and the states written meanwhile hold.</summary>
    internal void Commit()
    {
        Point?.Invoke();
        Volatile.Write(ref _header->Committed, _header->Begun);
        Point?.Invoke();
    }

    /// <summary>Brings the bytes of the chunk under way together that a hub before was reading.</summary>
    /// <returns>How many they are; -1 when that cannot be known, and they are lost.</returns>
    internal int Recover()
    {
        int length = _header->Length;
        int held = 0;
        if (ScratchRead >= 0 && LibC.ioctl(ScratchRead, LibC.FIONREAD, &held) != 0)
        {
            held = 0;
        }

        switch (length)
        {
            case ReadDirectly:
                return -1;

            case NotMoved when held == 0:
                return 0;

            case NotMoved:
                held = Math.Min(held, BufferSize);
                Volatile.Write(ref _header->Length, held);
                return (int)Fill(0, held);

            default:
                return (int)Fill(length - Math.Min(held, length), Math.Min(held, length));
        }
    }

    /// <summary>A piece is about to be written to the end of a file.</summary>
    internal void Writing(FileIdentity file, long size)
    {
        // Whoever reads this with the former stage looks at none of it.
        (_header->Major, _header->Minor, _header->Inode) = (file.Major, file.Minor, file.Inode);
        _header->Size = size;
        Advance(Piece, Stage.Writing, 0);
    }

    /// <summary>The piece is written; a file of the rotation is about to be renamed, or emptied.</summary>
    internal void Rotating(int step) => Advance(Piece, Stage.Rotating, step);

    /// <summary>The piece is about to go where nobody can look up whether it arrived.</summary>
    internal void Passing(Stage stage) => Advance(Piece, stage, 0);

    /// <summary>Everything that was to be done with the piece is done.</summary>
    internal void PieceDone() => Advance(Piece + 1, Stage.None, 0);

    /// <summary>Writes down what a filter is in the middle of; it holds with the commit of the chunk under way.</summary>
    /// <param name="slot">Where it was written before; -1: nowhere.</param>
    /// <param name="stream">Whose filter.</param>
    /// <param name="place">Its state; 0: in the middle of nothing.</param>
    /// <param name="captured">What it has captured; the newest <see cref="CaptureSize"/> bytes are kept.</param>
    /// <returns>Where; -1 when all places are taken.</returns>
    internal int Keep(int slot, StreamKey stream, int place, ReadOnlySpan<byte> captured)
    {
        if (slot < 0 && !_free.TryPop(out slot))
        {
            return -1;
        }

        Half* half = At(slot, 1 - InForce(slot));
        int kept = Math.Min(captured.Length, CaptureSize);
        half->Number = _header->Begun;
        half->Process = stream.Process.Value;
        half->Incarnation = stream.Incarnation.Value;
        half->Channel = (int)stream.Channel;
        half->Place = place;
        half->Length = kept;
        half->Cut = captured.Length - kept;
        captured[^kept..].CopyTo(new Span<byte>((byte*)half + HalfHeader, kept));
        Point?.Invoke();
        return slot;
    }

    /// <summary>Gives a place back, whatever stands there: another filter's state may be written there.</summary>
    internal void Free(int slot) => _free.Push(slot);

    /// <summary>Reads what stands at a place.</summary>
    /// <returns>False when nothing does.</returns>
    internal bool TryRead(int slot, out StreamKey stream, out int place, out ReadOnlySpan<byte> captured, out long cut)
    {
        Half* half = At(slot, InForce(slot));
        stream = new StreamKey(new ProcessId(half->Process), new Incarnation(half->Incarnation), (OutputChannel)half->Channel);
        place = half->Place;
        cut = half->Cut;
        captured = new ReadOnlySpan<byte>((byte*)half + HalfHeader, Math.Clamp(half->Length, 0, CaptureSize));
        return half->Number > 0 && half->Number <= _header->Committed && place != 0;
    }

    /// <inheritdoc/>
    public void Dispose()
    {
        // The numbers may be others' by the second time.
        if (_isDisposed)
        {
            return;
        }

        _isDisposed = true;
        Unmap();
        StateFile.Close(Descriptor);
        StateFile.Close(ScratchRead);
        StateFile.Close(ScratchWrite);
    }

    private static OutputMemory? Map(int fd, int read, int write, out string? failure)
    {
        byte* start = SharedMemory.Map(fd, Total, "it", out failure);
        return start is null ? null : new OutputMemory(fd, read, write, start);
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private void Advance(int piece, Stage stage, int step)
    {
        Volatile.Write(ref _header->Progress, ((long)piece << 32) | ((long)stage << 24) | (uint)step);
        Point?.Invoke();
    }

    /// <summary>Reads the pipe of our own; it holds the bytes.</summary>
    private nint Fill(int from, int count)
    {
        int done = 0;
        while (done < count)
        {
            nint more = LibC.read(ScratchRead, Buffer + from + done, (nuint)(count - done));
            if (more <= 0 && !LibC.Interrupted(more))
            {
                // They are there and nobody else reads them: it does not happen, and must not be tried for ever.
                Volatile.Write(ref _header->Length, from + done);
                break;
            }

            done += (int)Math.Max(0, more);
        }

        return from + done;
    }

    private Half* At(int slot, int half) => (Half*)((byte*)_header + SlotsAt + (((2L * slot) + half) * HalfSize));

    /// <summary>Which of its two places holds: the higher number of those that are committed.</summary>
    private int InForce(int slot)
    {
        long committed = _header->Committed;
        long first = At(slot, 0)->Number;
        long second = At(slot, 1)->Number;
        return second <= committed && (first > committed || second > first) ? 1 : 0;
    }

    private void Unmap()
    {
        if (_header is not null)
        {
            _ = LibC.munmap(_header, (nuint)Total);
            _header = null;
        }
    }

    /// <summary>The first page. Read by another process of the same machine and boot.</summary>
    private struct Header
    {
        public ulong Magic;
        public long Begun;
        public long Committed;
        public int Length;
        public int Kind;
        public int Process;
        public int Incarnation;
        public int Channel;
        public uint Major;
        public long Reported;
        public long Progress;
        public ulong Inode;
        public long Size;
        public long Waiting;
        public uint Minor;
    }

    /// <summary>One of the two places of a filter's state; the captured bytes follow.</summary>
    private struct Half
    {
        public long Number;
        public int Process;
        public int Incarnation;
        public int Channel;
        public int Place;
        public int Length;
        public long Cut;
    }
}

/// <summary>Which stream of which start of which process.</summary>
internal readonly record struct StreamKey(ProcessId Process, Incarnation Incarnation, OutputChannel Channel);
