using System.Buffers;
using Steward.Core.Snapshots;

namespace Steward.Core.Output;

/// <summary>
/// What happens to the bytes of one output stream between the pipe and the log: terminal control sequences are removed, and what
/// stands between capture tokens goes to the capture instead of the log.
/// </summary>
/// <remarks>
/// Sequences and tokens may straddle chunks, so both stages keep their state from one <see cref="Write{TSink}"/> to the next. Nothing
/// is delayed without need: of a token only a true prefix at the end of a chunk is held back (its bytes are known, so none are
/// stored), of a control sequence only the ESC before it is known to be one. One chunk without tokens comes out as one call. A filter
/// belongs to one run of a process and to one thread; it allocates for captures only.
/// </remarks>
public sealed class OutputFilter
{
    private const int CapturingPlace = 1 << 24;

    private readonly OutputFilterOptions _options;
    private readonly CaptureBuffer? _capture;
    private AnsiStripper _stripper;

    // The token expected next begins with this many bytes that were seen at the end of the stream and not delivered.
    private int _held;
    private bool _capturing;

    /// <summary>Makes the filter of a stream at its beginning: outside of a capture.</summary>
    public OutputFilter(OutputFilterOptions options)
    {
        _options = options;
        if (options.CaptureMaxBytes > 0)
        {
            _capture = new CaptureBuffer(options.CaptureMaxBytes);
        }
    }

    /// <summary>What begins a capture.</summary>
    public static ReadOnlySpan<byte> BeginToken => "<!--XSUPERVISOR:BEGIN-->"u8;

    /// <summary>What ends a capture.</summary>
    public static ReadOnlySpan<byte> EndToken => "<!--XSUPERVISOR:END-->"u8;

    /// <summary>Takes in what was read from the pipe.</summary>
    /// <param name="chunk">The bytes of one read; empty does nothing.</param>
    /// <param name="sink">Where they go.</param>
    public void Write<TSink>(ReadOnlySpan<byte> chunk, ref TSink sink)
        where TSink : IOutputSink, allows ref struct
    {
        if (chunk.IsEmpty)
        {
            return;
        }

        if (!_options.StripAnsi || _stripper.LeavesAlone(chunk))
        {
            Split(chunk, ref sink);
        }
        else
        {
            byte[] scratch = ArrayPool<byte>.Shared.Rent(chunk.Length + AnsiStripper.MaxGrowth);
            int length = _stripper.Strip(chunk, scratch);
            Split(scratch.AsSpan(0, length), ref sink);
            ArrayPool<byte>.Shared.Return(scratch);
        }

        if (_options.TapsRaw)
        {
            sink.Tap(chunk);
        }
    }

    /// <summary>Ends the stream: delivers what was held back and forgets a capture that was not completed.</summary>
    /// <param name="sink">Where it goes.</param>
    /// <returns>The number of bytes of an unfinished capture that are lost; the caller has something to say if it is not 0.</returns>
    public long Flush<TSink>(ref TSink sink)
        where TSink : IOutputSink, allows ref struct
    {
        if (_stripper.EndHeld())
        {
            Split("\e"u8, ref sink);
        }

        int held = _held;
        _held = 0;
        Deliver((_capturing ? EndToken : BeginToken)[..held], ref sink);
        long unfinished = _capturing ? _capture!.Length : 0;
        ClearCapture();
        _capturing = false;
        return unfinished;
    }

    /// <summary>Empties the capture without ending it (the logs of the process were cleared).</summary>
    public void ClearCapture() => _capture?.Clear();

    /// <summary>Where in its stream it is, as a number; 0: in the middle of nothing, as at the beginning.</summary>
    public int Place => _stripper.State | (_held << 8) | (_capturing ? CapturingPlace : 0);

    /// <summary>What the capture under way has; valid until the next change.</summary>
    public ReadOnlySpan<byte> UnderCapture => _capture is { Length: > 0 } ? _capture.Contents() : default;

    /// <summary>Goes on, from the beginning of its stream, where another filter with the same options was.</summary>
    /// <param name="place">The other's <see cref="Place"/>.</param>
    /// <param name="captured">The other's <see cref="UnderCapture"/>.</param>
    /// <returns>False, and nothing is changed, when that is no place of a filter with these options.</returns>
    public bool TryGoOn(int place, ReadOnlySpan<byte> captured)
    {
        int stripper = place & 0xff;
        int held = (place & ~CapturingPlace) >> 8;
        bool capturing = (place & CapturingPlace) != 0;
        int token = (capturing ? EndToken : BeginToken).Length;
        if (place < 0 || stripper > AnsiStripper.LastState || held >= token
            || (stripper > 0 && !_options.StripAnsi) || ((held > 0 || capturing) && _capture is null) || (!captured.IsEmpty && !capturing))
        {
            return false;
        }

        _stripper = new AnsiStripper(stripper);
        _held = held;
        _capturing = capturing;
        _capture?.Clear();
        if (!captured.IsEmpty)
        {
            _capture!.Append(captured);
        }

        return true;
    }

    /// <summary>Writes everything down that this filter knows, as a field: its options and where in its stream it is.</summary>
    public void Save(SnapshotWriter writer, int field)
    {
        writer.Begin(field);
        writer.Flag(1, _options.StripAnsi);
        writer.Integer(2, _options.CaptureMaxBytes);
        writer.Flag(3, _options.CapturedIsNotTapped);
        writer.Flag(4, _options.TapsRaw);
        writer.Integer(5, _stripper.State);
        writer.Integer(6, _held);
        writer.Flag(7, _capturing);
        if (_capture is { Length: > 0 })
        {
            writer.Bytes(8, _capture.Contents());
        }

        writer.End();
    }

    /// <summary>Makes an equal filter of what was written down: the same bytes come out as the same from here on.</summary>
    /// <exception cref="SnapshotRefusedException">It cannot be taken up.</exception>
    public static OutputFilter Restore(SnapshotReader reader)
    {
        var filter = new OutputFilter(new OutputFilterOptions
        {
            StripAnsi = reader.Flag(1, "stripAnsi"),
            CaptureMaxBytes = reader.Integer(2, "captureMaxBytes", 0),
            CapturedIsNotTapped = reader.Flag(3, "capturedIsNotTapped"),
            TapsRaw = reader.Flag(4, "tapsRaw"),
        });
        filter._stripper = new AnsiStripper(reader.Int32(5, "stripper", 0, AnsiStripper.LastState));
        int held = reader.Int32(6, "held", 0);
        filter._capturing = reader.Flag(7, "capturing");
        ReadOnlySpan<byte> token = filter._capturing ? EndToken : BeginToken;
        if (held >= token.Length || ((held > 0 || filter._capturing) && filter._capture is null))
        {
            throw reader.Refusal("held", $"{held} bytes of a token do not go with the other fields");
        }

        filter._held = held;
        byte[]? captured = reader.OptionalBytes(8, "captured");
        if (captured is not null)
        {
            if (!filter._capturing)
            {
                throw reader.Refusal("captured", "no capture is under way");
            }

            filter._capture!.Append(captured);
        }

        reader.End();
        return filter;
    }

    private void Split<TSink>(ReadOnlySpan<byte> data, ref TSink sink)
        where TSink : IOutputSink, allows ref struct
    {
        if (_capture is null)
        {
            Deliver(data, ref sink);
            return;
        }

        while (!data.IsEmpty)
        {
            ReadOnlySpan<byte> token = _capturing ? EndToken : BeginToken;
            if (_held > 0)
            {
                ReadOnlySpan<byte> rest = token[_held..];
                if (data.StartsWith(rest))
                {
                    data = data[rest.Length..];
                    _held = 0;
                    PassToken(ref sink);
                }
                else if (rest.StartsWith(data))
                {
                    _held += data.Length;
                    return;
                }
                else
                {
                    // It was no token. A later byte of what was held may still begin one.
                    int shorter = TokenPrefixAtEnd(token[1.._held], token);
                    int released = _held - shorter;
                    _held = shorter;
                    Deliver(token[..released], ref sink);
                }

                continue;
            }

            int at = data.IndexOf(token);
            if (at >= 0)
            {
                Deliver(data[..at], ref sink);
                data = data[(at + token.Length)..];
                PassToken(ref sink);
                continue;
            }

            _held = TokenPrefixAtEnd(data, token);
            Deliver(data[..^_held], ref sink);
            return;
        }
    }

    private static int TokenPrefixAtEnd(ReadOnlySpan<byte> data, ReadOnlySpan<byte> token)
    {
        int length = Math.Min(data.Length, token.Length - 1);
        while (length > 0 && !data.EndsWith(token[..length]))
        {
            length--;
        }

        return length;
    }

    private void PassToken<TSink>(ref TSink sink)
        where TSink : IOutputSink, allows ref struct
    {
        if (_capturing)
        {
            sink.Captured(_capture!.Contents());
            _capture.Clear();
        }

        _capturing = !_capturing;
    }

    private void Deliver<TSink>(ReadOnlySpan<byte> data, ref TSink sink)
        where TSink : IOutputSink, allows ref struct
    {
        if (data.IsEmpty)
        {
            return;
        }

        if (_capturing)
        {
            _capture!.Append(data);
        }
        else
        {
            sink.Log(data);
        }

        if (!_options.TapsRaw && !(_capturing && _options.CapturedIsNotTapped))
        {
            sink.Tap(data);
        }
    }
}
