using System.Text;

namespace Steward.Cli;

/// <summary>
/// Text on its way to a stream, gathered so that a table is one write. Any thread. Flushed before every call to the daemon and every
/// wait for input, so that a line is on the screen when the next thing takes its time; at 64 KiB at the latest.
/// </summary>
internal sealed class ScreenOutput(Stream stream)
{
    private const int FlushBytes = 64 << 10;

    private readonly Lock _gate = new();
    private byte[] _buffer = new byte[4096];
    private int _length;

    public void Line(string text)
    {
        lock (_gate)
        {
            Append(text);
            Append("\n");
        }
    }

    public void Text(string text)
    {
        lock (_gate)
        {
            Append(text);
        }
    }

    /// <summary>Writes bytes as they are and flushes.</summary>
    public void Raw(ReadOnlySpan<byte> bytes)
    {
        lock (_gate)
        {
            FlushLocked();
            stream.Write(bytes);
            stream.Flush();
        }
    }

    public void Flush()
    {
        lock (_gate)
        {
            FlushLocked();
        }
    }

    private void Append(string text)
    {
        int most = Encoding.UTF8.GetMaxByteCount(text.Length);
        if (_buffer.Length - _length < most)
        {
            if (_length + most > FlushBytes)
            {
                FlushLocked();
            }

            if (_buffer.Length - _length < most)
            {
                Array.Resize(ref _buffer, Math.Max(_buffer.Length * 2, _length + most));
            }
        }

        _length += Encoding.UTF8.GetBytes(text, _buffer.AsSpan(_length));
    }

    private void FlushLocked()
    {
        if (_length == 0)
        {
            return;
        }

        int length = _length;
        // What cannot be written is gone: the exception that tells so must not meet the same bytes again.
        _length = 0;
        stream.Write(_buffer.AsSpan(0, length));
        stream.Flush();
    }
}
