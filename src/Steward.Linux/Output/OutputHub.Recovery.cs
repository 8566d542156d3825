using System.Globalization;
using Steward.Core.Model;
using Steward.Linux.Handover;

namespace Steward.Linux.Output;

// What the hub has in hand is in memory that outlives it, and a hub that takes the place of one that was killed goes on there.
internal sealed unsafe partial class OutputHub
{
    // Null: nobody would go on, and nothing is written down.
    private OutputMemory? _memory;

    // How many reports to the engine there have been, in all lives.
    private long _reports;

    // Of the chunk under way: reports that the engine has from a hub before; the number of the next piece.
    private long _knownReports;
    private int _piece;

    // Bytes that nobody can tell of whether they arrived.
    private long _unsure;
    private bool _isLackSaid;
    private bool _isInexactSaid;

    /// <inheritdoc/>
    public void Remember(OutputMemory memory, long reports)
    {
        _reports = reports;
        _memory = memory;
        lock (_children)
        {
            // Of a hub that was handed over, streams may be in the middle of something.
            foreach (OutputStream stream in Streams())
            {
                if (stream.Filter.Place != 0)
                {
                    memory.Begin(OutputMemory.Kind.State, stream.Key, _reports);
                    Settle(stream);
                }
            }
        }

        SayInexact(memory);
    }

    /// <inheritdoc/>
    public void Recover(OutputMemory memory, long reports)
    {
        _memory = memory;
        _reports = reports;
        lock (_children)
        {
            Dictionary<StreamKey, OutputStream> streams = Streams().ToDictionary(static stream => stream.Key);
            TakeUpFilters(memory, streams);
            if (memory.IsUnderWay)
            {
                TakeUpChunk(memory, streams);
            }
        }

        if (memory.Waiting > 0)
        {
            _events.Log(LogLevel.Error, string.Create(
                CultureInfo.InvariantCulture, $"{memory.Waiting} bytes of output that waited for the readers of logs are lost"));
            memory.Waiting = 0;
        }

        SayInexact(memory);
    }

    /// <summary>Reads both streams of a child once; for tests, of a hub whose thread does not run.</summary>
    internal void ReadAtRest(ProcessId process, Incarnation incarnation)
    {
        if (Find(process, incarnation) is { } child)
        {
            foreach (OutputStream? stream in (ReadOnlySpan<OutputStream?>)[child.Stdout, child.Stderr])
            {
                if (stream is { Descriptor: >= 0 })
                {
                    _ = Read(stream);
                }
            }
        }
    }

    private void TakeUpFilters(OutputMemory memory, Dictionary<StreamKey, OutputStream> streams)
    {
        for (int slot = OutputMemory.SlotCount - 1; slot >= 0; slot--)
        {
            if (!memory.TryRead(slot, out StreamKey key, out int place, out ReadOnlySpan<byte> captured, out long cut)
                || !streams.TryGetValue(key, out OutputStream? stream)
                || !stream.Filter.TryGoOn(place, captured))
            {
                memory.Free(slot);
                continue;
            }

            stream.Slot = slot;
            if (cut > 0)
            {
                _events.Log(LogLevel.Error, string.Create(
                    CultureInfo.InvariantCulture, $"the first {cut} bytes of what '{stream.Child.Name}' {Name(stream.Channel)} captures are lost"));
            }
        }
    }

    private void TakeUpChunk(OutputMemory memory, Dictionary<StreamKey, OutputStream> streams)
    {
        int length = memory.Chunk == OutputMemory.Kind.Bytes ? memory.Recover() : 0;
        if (!streams.TryGetValue(memory.Stream, out OutputStream? stream))
        {
            if (length != 0)
            {
                _events.Log(LogLevel.Error, $"output that was being read is lost: process {memory.Stream.Process.Value} is not known any more");
            }

            memory.Commit();
            return;
        }

        if (length < 0)
        {
            _events.Log(LogLevel.Error, $"what was being read of '{stream.Child.Name}' {Name(stream.Channel)} may be lost");
            memory.Commit();
            return;
        }

        _knownReports = Math.Max(0, _reports - memory.Reported);
        switch (memory.Chunk)
        {
            case OutputMemory.Kind.Bytes when length > 0:
                Take(stream, length);
                _events.Log(LogLevel.Info, string.Create(
                    CultureInfo.InvariantCulture, $"the last {length} bytes that were read of '{stream.Child.Name}' {Name(stream.Channel)} are in order"));
                break;

            case OutputMemory.Kind.End:
                Flush(stream);
                break;

            default:
                memory.Commit();
                break;
        }

        _knownReports = 0;
        if (_unsure > 0)
        {
            _events.Log(LogLevel.Error, string.Create(
                CultureInfo.InvariantCulture,
                $"{_unsure} bytes of '{stream.Child.Name}' {Name(stream.Channel)} were on their way when the daemon died, and may not have arrived"));
            _unsure = 0;
        }
    }

    /// <summary>One piece of a chunk to where it goes, as far as it has not been there before.</summary>
    private void Log(OutputStream stream, ReadOnlySpan<byte> data, OutputMemory memory)
    {
        if (_piece++ < memory.Piece)
        {
            return;
        }

        OutputMemory.Stage stage = memory.PieceStage;
        switch (stage)
        {
            case OutputMemory.Stage.None:
                stream.Log?.Write(data, memory);
                break;

            case OutputMemory.Stage.Writing or OutputMemory.Stage.Rotating when stream.Log?.Complete(data, memory) == true:
            case OutputMemory.Stage.Sending:
                break;

            default:
                // Lost or not: never twice.
                _unsure += data.Length;
                break;
        }

        if (stream.SyslogPrefix is { } prefix)
        {
            if (stage == OutputMemory.Stage.Sending)
            {
                _unsure += data.Length;
            }
            else
            {
                memory.Passing(OutputMemory.Stage.Sending);
                _syslog.Send(prefix, data, WallClock.Now);
            }
        }

        memory.PieceDone();
    }

    /// <summary>Says whether the engine does not have this report, which it is about to get.</summary>
    private bool IsNews()
    {
        if (_knownReports > 0)
        {
            _knownReports--;
            return false;
        }

        _reports++;
        return true;
    }

    /// <summary>A chunk has been dealt with: what the filter is in the middle of is written down, and the chunk is no more.</summary>
    private void Settle(OutputStream stream)
    {
        if (_memory is not { } memory)
        {
            return;
        }

        int place = stream.Filter.Place;
        if (place != 0 || stream.Slot >= 0)
        {
            int slot = memory.Keep(stream.Slot, stream.Key, place, stream.Filter.UnderCapture);
            if (place == 0)
            {
                memory.Free(slot);
                slot = -1;
            }
            else if (slot < 0 && !_isLackSaid)
            {
                _isLackSaid = true;
                _events.Log(LogLevel.Warn, string.Create(
                    CultureInfo.InvariantCulture, $"more than {OutputMemory.SlotCount} streams are within a capture; were the daemon to die, those of the rest would be lost"));
            }

            stream.Slot = slot;
        }

        memory.Commit();
    }

    private void ClearCapture(OutputStream? stream)
    {
        if (stream is null)
        {
            return;
        }

        if (stream.Slot < 0)
        {
            stream.Filter.ClearCapture();
            return;
        }

        _memory!.Begin(OutputMemory.Kind.State, stream.Key, _reports);
        stream.Filter.ClearCapture();
        Settle(stream);
    }

    /// <summary>What waits in this process's memory would be lost with it: a successor is to know how much.</summary>
    private void CountWaiting()
    {
        if (_memory is { } memory)
        {
            long waiting = 0;
            foreach (LogFile log in _blocked.Keys)
            {
                waiting += log.WaitingBytes;
            }

            memory.Waiting = waiting;
        }
    }

    private void SayInexact(OutputMemory memory)
    {
        if (!memory.IsExact && !_isInexactSaid)
        {
            _isInexactSaid = true;
            _events.Log(LogLevel.Warn, "there is no pipe for the output that is being read: were the daemon to die meanwhile, it would be lost");
        }
    }

    private void CloseAll()
    {
        foreach (ChildOutput child in _children.Values)
        {
            StateFile.Close(child.Stdout?.Descriptor ?? -1);
            StateFile.Close(child.Stderr?.Descriptor ?? -1);
            child.Stdin?.Close();
            child.StdoutLog?.Close();
            child.StderrLog?.Close();
        }

        _children.Clear();
    }

    private IEnumerable<OutputStream> Streams()
    {
        foreach (ChildOutput child in _children.Values)
        {
            if (child.Stdout is { Descriptor: >= 0 } stdout)
            {
                yield return stdout;
            }

            if (child.Stderr is { Descriptor: >= 0 } stderr)
            {
                yield return stderr;
            }
        }
    }
}
