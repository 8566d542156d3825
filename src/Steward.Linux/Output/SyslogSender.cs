using System.Globalization;
using Steward.Core.Config;
using Steward.Core.Model;
using Steward.Linux.Interop;

namespace Steward.Linux.Output;

/// <summary>
/// Sends lines to the system's log as datagrams, in the form of the C library's <c>syslog</c>:
/// <c>&lt;14&gt;Nov 22 07:58:01 supervisord: LINE</c> (facility USER, severity INFO). Never waits: what cannot be sent is counted,
/// said once when it begins and with its sum when lines can be sent again. One thread.
/// </summary>
internal sealed unsafe class SyslogSender : IDisposable
{
    /// <summary>Where the system's log listens.</summary>
    internal const string DefaultSocket = "/dev/log";

    /// <summary>The name of the daemon.</summary>
    internal const string DefaultTag = "supervisord";

    // sun_path in man 7 unix, with its terminator.
    private const int MaxPath = 108;
    private const int RetryMs = 1000;

    private readonly string _path;
    private readonly byte[] _tag;
    private readonly Action<LogLevel, string> _say;
    private readonly LocalTime _time = new();
    private byte[] _buffer = new byte[1024];
    private int _fd = -1;
    private long _retryAt;
    private long _lost;
    private long _saidAt;

    /// <summary>Makes a sender; the socket is opened with the first line.</summary>
    /// <param name="path">The socket.</param>
    /// <param name="tag">What stands before each line: the program's name.</param>
    /// <param name="say">Takes lines for the activity log.</param>
    internal SyslogSender(string path, string tag, Action<LogLevel, string> say)
    {
        _path = path;
        _tag = NativeText.Encode(tag + ": ");
        _say = say;
    }

    /// <summary>
    /// Sends each line of a piece of text: newlines at its end are removed, inner empty lines are messages of their own.
    /// </summary>
    /// <param name="prefix">Stands before every line.</param>
    /// <param name="text">The lines.</param>
    /// <param name="wall">Unix nanoseconds of the time stamp.</param>
    internal void Send(ReadOnlySpan<byte> prefix, ReadOnlySpan<byte> text, long wall)
    {
        text = text.TrimEnd((byte)'\n');
        while (true)
        {
            int end = text.IndexOf((byte)'\n');
            SendLine(prefix, end < 0 ? text : text[..end], wall);
            if (end < 0)
            {
                return;
            }

            text = text[(end + 1)..];
        }
    }

    public void Dispose()
    {
        Disconnect();
        if (_lost > 0)
        {
            _say(LogLevel.Error, string.Create(CultureInfo.InvariantCulture, $"syslog: {_lost} lines were lost"));
        }
    }

    private void SendLine(ReadOnlySpan<byte> prefix, ReadOnlySpan<byte> line, long wall)
    {
        int needed = 64 + _tag.Length + prefix.Length + line.Length;
        if (_buffer.Length < needed)
        {
            _buffer = new byte[needed];
        }

        Span<byte> message = _buffer;
        "<14>"u8.CopyTo(message);
        int length = 4 + _time.FormatSyslog(wall, message[4..]);
        _tag.CopyTo(message[length..]);
        length += _tag.Length;
        prefix.CopyTo(message[length..]);
        length += prefix.Length;
        line.CopyTo(message[length..]);
        length += line.Length;

        int errno = _fd >= 0 ? Put(message[..length]) : Errno.ENOTCONN;
        if (errno is not (0 or Errno.EAGAIN or Errno.EMSGSIZE or Errno.ENOBUFS))
        {
            // The log's daemon was started anew, or is not there (yet).
            errno = Connect();
            errno = errno == 0 ? Put(message[..length]) : errno;
        }

        if (errno != 0)
        {
            Lose(errno);
        }
        else if (_lost > 0 && Environment.TickCount64 - _saidAt >= RetryMs)
        {
            _say(LogLevel.Error, string.Create(CultureInfo.InvariantCulture, $"syslog takes lines again; {_lost} lines were lost"));
            _lost = 0;
        }
    }

    private int Put(ReadOnlySpan<byte> message)
    {
        fixed (byte* start = message)
        {
            nint sent;
            do
            {
                sent = LibC.send(_fd, start, (nuint)message.Length, LibC.MSG_DONTWAIT | LibC.MSG_NOSIGNAL);
            }
            while (LibC.Interrupted(sent));

            return sent >= 0 ? 0 : LibC.LastError;
        }
    }

    private int Connect()
    {
        long now = Environment.TickCount64;
        if (now < _retryAt)
        {
            return Errno.ENOTCONN;
        }

        Disconnect();
        byte[] path = NativeText.Encode(_path);
        if (path.Length >= MaxPath)
        {
            return Errno.ENAMETOOLONG;
        }

        byte* address = stackalloc byte[2 + MaxPath];
        new Span<byte>(address, 2 + MaxPath).Clear();
        *(ushort*)address = LibC.AF_UNIX;
        path.CopyTo(new Span<byte>(address + 2, MaxPath));
        _fd = LibC.socket(LibC.AF_UNIX, LibC.SOCK_DGRAM | LibC.SOCK_CLOEXEC | LibC.SOCK_NONBLOCK, 0);
        if (_fd >= 0 && LibC.connect(_fd, address, 2 + MaxPath) == 0)
        {
            return 0;
        }

        int errno = LibC.LastError;
        _retryAt = now + RetryMs;
        Disconnect();
        return errno;
    }

    private void Disconnect()
    {
        if (_fd >= 0)
        {
            _ = LibC.close(_fd);
            _fd = -1;
        }
    }

    private void Lose(int errno)
    {
        if (_lost++ == 0)
        {
            _saidAt = Environment.TickCount64;
            string reason = errno == Errno.EAGAIN ? "it does not read" : ErrnoText.Python(errno);
            _say(LogLevel.Error, $"syslog ({PythonText.Repr(_path)}) does not take lines: {reason}; they are lost there");
        }
    }
}
