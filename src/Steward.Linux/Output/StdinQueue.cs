using Steward.Core.Inputs;
using Steward.Core.Snapshots;
using Steward.Linux.Handover;
using Steward.Linux.Interop;

namespace Steward.Linux.Output;

/// <summary>
/// A child's stdin: what its pipe does not take at once waits here, at most <see cref="Limit"/> bytes. Written on the engine's
/// thread, continued on the hub's; the pipe never blocks, so neither waits for the child.
/// </summary>
internal sealed unsafe class StdinQueue(int fd) : Watched
{
    /// <summary>The most bytes that wait.</summary>
    internal const int Limit = 1 << 20;

    private readonly Lock _gate = new();
    private int _fd = fd;
    private byte[] _waiting = [];
    private int _start;
    private int _length;

    /// <summary>The write end of the pipe; -1 when there is none any more.</summary>
    internal int Descriptor => _fd;

    /// <summary>Says whether something waits.</summary>
    internal bool IsWaiting
    {
        get
        {
            lock (_gate)
            {
                return _length > 0;
            }
        }
    }

    /// <summary>Writes the queue down as a field and leaves its descriptor.</summary>
    internal void Save(SnapshotWriter writer, int field, DescriptorTable table, string role)
    {
        lock (_gate)
        {
            writer.Begin(field);
            writer.Flag(1, _fd >= 0);
            if (_fd >= 0)
            {
                table.Add(role, _fd);
            }

            writer.Bytes(2, _waiting.AsSpan(_start, _length));
            writer.End();
        }
    }

    /// <summary>Makes an equal queue of what was written down.</summary>
    /// <exception cref="SnapshotRefusedException">It cannot be taken up.</exception>
    internal static StdinQueue Restore(SnapshotReader reader, DescriptorTable table, string role)
    {
        bool isOpen = reader.Flag(1, "isOpen");
        ReadOnlySpan<byte> waiting = reader.Bytes(2, "waiting");
        if (waiting.Length > Limit || (!isOpen && waiting.Length > 0))
        {
            throw reader.Refusal("waiting", $"{waiting.Length} bytes cannot wait here");
        }

        var queue = new StdinQueue(isOpen ? table.Take(reader, role) : -1);
        queue.Keep(waiting);
        reader.End();
        return queue;
    }

    /// <summary>Writes or queues all of the data, or none of it.</summary>
    /// <param name="data">The bytes.</param>
    /// <param name="waits">Whether the pipe has to be watched from now on.</param>
    internal StdinResult Write(ReadOnlySpan<byte> data, out bool waits)
    {
        waits = false;
        lock (_gate)
        {
            if (_fd < 0)
            {
                return StdinResult.Closed;
            }

            if (_length + (long)data.Length > Limit)
            {
                return StdinResult.Full;
            }

            int written = 0;
            if (_length == 0 && !TryWrite(data, out written))
            {
                return StdinResult.Closed;
            }

            if (written < data.Length)
            {
                waits = _length == 0;
                Keep(data[written..]);
            }

            return StdinResult.Accepted;
        }
    }

    /// <summary>The pipe takes more, or its reader has gone. True while something waits.</summary>
    internal bool Continue()
    {
        lock (_gate)
        {
            if (_fd < 0 || !TryWrite(_waiting.AsSpan(_start, _length), out int written))
            {
                return false;
            }

            _start += written;
            _length -= written;
            if (_length == 0)
            {
                _waiting = [];
                _start = 0;
            }

            return _length > 0;
        }
    }

    /// <summary>Closes the pipe and drops what waits.</summary>
    internal void Close()
    {
        lock (_gate)
        {
            CloseNow();
        }
    }

    /// <summary>Writes what goes; false, and closed, when nobody reads any more.</summary>
    private bool TryWrite(ReadOnlySpan<byte> data, out int written)
    {
        written = 0;
        fixed (byte* start = data)
        {
            while (written < data.Length)
            {
                nint count = LibC.write(_fd, start + written, (nuint)(data.Length - written));
                if (count >= 0)
                {
                    written += (int)count;
                }
                else if (LibC.LastError == Errno.EAGAIN)
                {
                    break;
                }
                else if (LibC.LastError != Errno.EINTR)
                {
                    CloseNow();
                    return false;
                }
            }
        }

        return true;
    }

    private void Keep(ReadOnlySpan<byte> data)
    {
        if (_start + _length + data.Length > _waiting.Length)
        {
            byte[] larger = new byte[Math.Min(Limit, Math.Max(2 * _length, _length + data.Length))];
            _waiting.AsSpan(_start, _length).CopyTo(larger);
            _waiting = larger;
            _start = 0;
        }

        data.CopyTo(_waiting.AsSpan(_start + _length));
        _length += data.Length;
    }

    private void CloseNow()
    {
        if (_fd >= 0)
        {
            // Closing takes it out of the poller as well: nobody else has a copy (all descriptors close at exec).
            _ = LibC.close(_fd);
            _fd = -1;
        }

        _waiting = [];
        _start = 0;
        _length = 0;
    }
}
