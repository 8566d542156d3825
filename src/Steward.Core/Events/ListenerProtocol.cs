using System.Globalization;
using System.Text;

namespace Steward.Core.Events;

/// <summary>The states of a listener (Supervisor docs, "Event Listener States").</summary>
internal enum ListenerState
{
    Acknowledged,
    Ready,
    Busy,
    Unknown,
}

/// <summary>What came out of a listener's stdout.</summary>
internal enum ListenerSignal
{
    /// <summary>Nothing yet: more bytes are needed.</summary>
    None,

    /// <summary>It is READY.</summary>
    Ready,

    /// <summary>It has processed its event.</summary>
    Accepted,

    /// <summary>It has refused its event.</summary>
    Rejected,

    /// <summary>The line that should say RESULT does not; <see cref="ListenerProtocol.BadLine"/> holds it.</summary>
    BadResultLine,

    /// <summary>It wrote what it may not write in its state.</summary>
    Violation,
}

/// <summary>
/// Reads the stdout of one run of a listener. The caller sets the states; this only knows what may come in which. Keeps at most one
/// line: of a result nothing but its beginning matters.
/// </summary>
internal sealed partial class ListenerProtocol
{
    /// <summary>A result line is <c>RESULT n</c>; one longer than this is not one.</summary>
    private const int MaxLine = 128;

    private const int ReadyLength = 6;

    private byte[] _buffer = [];
    private int _start;

    // Inside a result: how many of its bytes are still to come, and whether those so far are the beginning of OK.
    private long _resultLeft = -1;
    private long _resultSeen;
    private bool _isOk;

    public ListenerState State { get; set; } = ListenerState.Acknowledged;

    /// <summary>The event it is busy with.</summary>
    public PooledEvent? Event { get; set; }

    /// <summary>When its result has to be there, monotonic; <see cref="long.MaxValue"/> unless it is busy and there is a limit.</summary>
    public long Due { get; set; } = long.MaxValue;

    /// <summary>Its stdin is closed: it gets no more events.</summary>
    public bool IsDeaf { get; set; }

    /// <summary>The line that was not a result.</summary>
    public string BadLine { get; private set; } = "";

    /// <summary>The bytes not understood yet.</summary>
    public ReadOnlySpan<byte> Pending => _buffer.AsSpan(_start);

    /// <summary>Takes bytes in. What may follow from them comes out of <see cref="Next"/>.</summary>
    public void Append(byte[] data)
    {
        if (State != ListenerState.Unknown)
        {
            _buffer = _start == _buffer.Length ? data : [.. Pending, .. data];
            _start = 0;
        }
    }

    /// <summary>Forgets what is pending.</summary>
    public void Drop()
    {
        _buffer = [];
        _start = 0;
        _resultLeft = -1;
    }

    /// <summary>Reads on. To be called until it says None or Violation, setting the state as each signal says.</summary>
    public ListenerSignal Next()
    {
        switch (State)
        {
            case ListenerState.Acknowledged when Pending.Length < ReadyLength:
                return ListenerSignal.None;

            case ListenerState.Acknowledged when Pending.StartsWith("READY\n"u8):
                _start += ReadyLength;
                return ListenerSignal.Ready;

            case ListenerState.Ready when Pending.IsEmpty:
            case ListenerState.Unknown:
                return ListenerSignal.None;

            case ListenerState.Busy:
                return _resultLeft >= 0 ? ReadResult() : ReadLine();

            default:
                return ListenerSignal.Violation;
        }
    }

    private ListenerSignal ReadLine()
    {
        int end = Pending.IndexOf((byte)'\n');
        if (end < 0 && Pending.Length <= MaxLine)
        {
            return ListenerSignal.None;
        }

        // Cut where it is known to be too long, so that it does not matter how much of it came at once.
        ReadOnlySpan<byte> line = Pending[..(end < 0 ? MaxLine : Math.Min(end, MaxLine))];
        ReadOnlySpan<byte> prefix = "RESULT "u8;
        if (end < 0 || end > MaxLine || !line.StartsWith(prefix)
            || !long.TryParse(line[prefix.Length..], NumberStyles.AllowLeadingWhite | NumberStyles.AllowTrailingWhite,
                CultureInfo.InvariantCulture, out long length))
        {
            BadLine = Encoding.UTF8.GetString(line);
            return ListenerSignal.BadResultLine;
        }

        _start += end + 1;
        _resultLeft = length;
        _resultSeen = 0;
        _isOk = true;
        return ReadResult();
    }

    private ListenerSignal ReadResult()
    {
        ReadOnlySpan<byte> ok = "OK"u8;
        ReadOnlySpan<byte> part = Pending[..(int)Math.Min(_resultLeft, Pending.Length)];
        foreach (byte b in part)
        {
            if (_resultSeen >= ok.Length || b != ok[(int)_resultSeen])
            {
                _isOk = false;
            }

            _resultSeen++;
            if (!_isOk)
            {
                _resultSeen = ok.Length;
                break;
            }
        }

        _start += part.Length;
        _resultLeft -= part.Length;
        if (_resultLeft > 0)
        {
            return ListenerSignal.None;
        }

        _resultLeft = -1;
        return _isOk && _resultSeen == ok.Length ? ListenerSignal.Accepted : ListenerSignal.Rejected;
    }
}
