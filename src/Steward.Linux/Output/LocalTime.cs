using Steward.Core.Model;
using Steward.Linux.Interop;

namespace Steward.Linux.Output;

/// <summary>
/// Local time as text. The C library knows the zone (<c>TZ</c>, <c>/etc/localtime</c>), in every mode of the runtime. It is asked once
/// a second of the clock. One thread.
/// </summary>
internal sealed unsafe class LocalTime
{
    /// <summary>The length of <c>YYYY-MM-DD HH:MM:SS,mmm</c>.</summary>
    internal const int Length = 23;

    private const string Months = "JanFebMarAprMayJunJulAugSepOctNovDec";

    private readonly byte[] _text = new byte[Length];
    private long _second = long.MinValue;
    private LibC.Tm _tm;

    /// <summary>Looks at the zone again: it may have been changed.</summary>
    internal void ZoneChanged()
    {
        LibC.tzset();
        _second = long.MinValue;
    }

    /// <summary>Writes <c>YYYY-MM-DD HH:MM:SS,mmm</c>, the milliseconds cut, not rounded.</summary>
    internal void Format(long wall, Span<byte> output)
    {
        var moment = new Moment(0, wall);
        SetSecond(moment.UnixSeconds);
        _text.CopyTo(output);
        Digits(output[20..23], (int)((wall - (moment.UnixSeconds * Moment.Second)) / Moment.Millisecond));
    }

    /// <summary>Writes <c>Nov 22 07:58:01 </c> as the C library's syslog does; returns the length.</summary>
    internal int FormatSyslog(long wall, Span<byte> output)
    {
        SetSecond(new Moment(0, wall).UnixSeconds);
        for (int i = 0; i < 3; i++)
        {
            output[i] = (byte)Months[(_tm.Month * 3) + i];
        }

        output[3] = (byte)' ';
        Digits(output[4..6], _tm.Day);
        if (_tm.Day < 10)
        {
            output[4] = (byte)' ';
        }

        output[6] = (byte)' ';
        _text.AsSpan(11, 8).CopyTo(output[7..]);
        output[15] = (byte)' ';
        return 16;
    }

    private void SetSecond(long second)
    {
        if (second == _second)
        {
            return;
        }

        LibC.Tm tm = default;
        if (LibC.localtime_r(&second, &tm) is null)
        {
            // A year that does not fit: no clock says so.
            tm = default;
        }

        _second = second;
        _tm = tm;
        "0000-00-00 00:00:00,000"u8.CopyTo(_text);
        Digits(_text.AsSpan(0, 4), tm.Year + 1900);
        Digits(_text.AsSpan(5, 2), tm.Month + 1);
        Digits(_text.AsSpan(8, 2), tm.Day);
        Digits(_text.AsSpan(11, 2), tm.Hour);
        Digits(_text.AsSpan(14, 2), tm.Minute);
        Digits(_text.AsSpan(17, 2), tm.Second);
    }

    private static void Digits(Span<byte> output, int value)
    {
        for (int i = output.Length - 1; i >= 0; i--)
        {
            output[i] = (byte)('0' + (value % 10));
            value /= 10;
        }
    }
}
