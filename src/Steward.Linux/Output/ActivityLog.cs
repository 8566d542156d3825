using System.Buffers;
using System.Globalization;
using System.Text;
using Steward.Core.Config;
using Steward.Core.Model;
using Steward.Core.Ports;
using Steward.Linux.Host;
using Steward.Linux.Interop;

namespace Steward.Linux.Output;

/// <summary>
/// The activity log: lines of the form <c>2026-11-22 07:58:01,123 INFO message</c> in a file that is rotated, on stdout, in syslog.
/// </summary>
/// <remarks>
/// <para>
/// <c>Write</c> only queues. One thread formats what is queued, many lines at a time, and writes it; without lines it sleeps.
/// So neither a slow disk nor a terminal that somebody has stopped holds up those who log.
/// </para>
/// <para>
/// Bounds: <see cref="MaxLines"/> lines and <see cref="MaxCharacters"/> characters wait; further lines are counted, and the count is
/// written where they would have stood. For a reader of stdout that does not read up to <see cref="LogFile.PendingLimit"/> bytes are kept
/// while the file goes on; then lines are dropped there, and counted, until it reads again. Waiting for the disk (<see cref="Flush"/>,
/// <see cref="Clear"/>) ends after a second.
/// </para>
/// </remarks>
public sealed unsafe class ActivityLog : IActivityLog, IDisposable
{
    /// <summary>The most lines that wait.</summary>
    internal const int MaxLines = 64 << 10;

    /// <summary>The most characters that wait in them: 4 MiB of memory.</summary>
    internal const int MaxCharacters = 2 << 20;

    private const int KeptEntries = 4096;
    private const int BlockedLookMs = 100;
    private const int BatchBytes = 64 << 10;

    private static readonly TimeSpan Patience = TimeSpan.FromSeconds(1);
    private static readonly TimeSpan StopPatience = TimeSpan.FromSeconds(5);

    // Guards what waits; who waits for it or for the writer sleeps on it.
    private readonly object _gate = new();
    private List<Entry> _queue = [];
    private int _characters;
    private long _dropped;
    private long _queued;
    private long _done;
    private bool _isWriterAsleep;
    private bool _isStalled;
    private bool _isEnding;

    // The writer's thread alone.
    private readonly Thread _writer;
    private readonly LogFile? _file;
    private readonly LogFile? _echo;
    private readonly SyslogSender? _syslog;
    private readonly LocalTime _time = new();
    private ArrayBufferWriter<byte> _batch = new(4096);
    private List<Entry> _taken = [];
    private FileIdentity? _opened;

    /// <summary>Opens the log and starts its thread.</summary>
    /// <param name="options">Where it goes.</param>
    /// <exception cref="StartException">The file cannot be opened.</exception>
    public ActivityLog(ActivityLogOptions options)
    {
        Path = options.Path;
        Level = options.Level;
        if (options.Path is { } path)
        {
            LogFile.Opened opened;
            int errno = options.Descriptor is { } inherited ? LogFile.Opened.Inherited(inherited, out opened) : LogFile.Opened.Try(path, out opened);
            _file = errno == 0
                ? LogFile.Adopt(path, opened, options.MaxBytes, options.Backups, Say)
                : throw new StartException($"cannot open the log file {PythonText.Repr(path)}", errno);
        }

        if (options.EchoToStdout)
        {
            _echo = LogFile.Borrow(options.EchoDescriptor, "stdout", Say);
        }

        if (options.Syslog)
        {
            _syslog = new SyslogSender(options.SyslogSocket, options.SyslogTag, Say);
        }

        _writer = new Thread(Run, 256 * 1024) { Name = "activity log", IsBackground = true };
        _writer.Start();
    }

    /// <inheritdoc/>
    public string? Path { get; }

    /// <summary>The level from which on lines are written.</summary>
    public LogLevel Level { get; }

    /// <inheritdoc/>
    public bool IsEnabled(LogLevel level) => level >= Level;

    /// <summary>Told of the last numbered line that is handed to the system, on the writer's thread.</summary>
    public Action<long>? Written { get; set; }

    /// <summary>
    /// Told of the descriptor of the file behind the first line, and whenever it is another file by then: rotated, reopened. On the writer's
    /// thread; valid during the call.
    /// </summary>
    public Action<int>? Opened { get; set; }

    /// <inheritdoc/>
    public void Write(LogLevel level, string text, long wall) => Write(level, text, wall, 0);

    /// <inheritdoc/>
    public void Write(LogLevel level, string text, long wall, long number)
    {
        if (level < Level)
        {
            return;
        }

        lock (_gate)
        {
            // A single text that is too long waits alone: it is not lost for that.
            if (_queue.Count >= MaxLines || (_characters + (long)text.Length > MaxCharacters && _queue.Count > 0))
            {
                _dropped++;
                return;
            }

            _characters += text.Length;
            Enqueue(new Entry(level, text, wall, null, _dropped, number));
            _dropped = 0;
        }
    }

    /// <inheritdoc/>
    public void Flush()
    {
        lock (_gate)
        {
            long target = _queued;
            long deadline = Environment.TickCount64 + (long)Patience.TotalMilliseconds;
            while (_done < target && !_isStalled)
            {
                long left = deadline - Environment.TickCount64;
                if (left <= 0 || !Monitor.Wait(_gate, (int)left))
                {
                    // Until the writer has got something done nobody waits for it again.
                    _isStalled = _done < target;
                }
            }
        }
    }

    /// <summary>Closes and opens the file again, after the lines that were written before; looks at the time zone again.</summary>
    public void Reopen()
    {
        lock (_gate)
        {
            Enqueue(new Entry(default, "", 0, new Order(IsClear: false), 0));
        }
    }

    /// <summary>
    /// Removes the file and opens it again, after the lines that were written before; false when that failed or the disk stands still.
    /// </summary>
    public bool Clear()
    {
        var order = new Order(IsClear: true);
        lock (_gate)
        {
            Enqueue(new Entry(default, "", 0, order, 0));
        }

        Flush();
        return order.Succeeded;
    }

    /// <summary>Leaves the descriptor of the file to another image of the program; nothing where there is no file.</summary>
    public void Leave(Handover.DescriptorTable table, string role) => _file?.Leave(table, role);

    /// <summary>Writes what waits, for five seconds at most, and closes.</summary>
    public void Dispose()
    {
        lock (_gate)
        {
            _isEnding = true;
            Monitor.PulseAll(_gate);
        }

        if (_writer.Join(StopPatience))
        {
            _file?.Close();
            _echo?.Close();
            _syslog?.Dispose();
        }
    }

    private void Say(LogLevel level, string text) => Write(level, text, WallClock.Now);

    private void Enqueue(Entry entry)
    {
        _queue.Add(entry);
        _queued++;
        if (_isWriterAsleep)
        {
            _isWriterAsleep = false;
            Monitor.PulseAll(_gate);
        }
    }

    // From here on everything happens on the writer's thread.

    private void Run()
    {
        while (Take(out long lost))
        {
            long number = 0;
            foreach (Entry entry in _taken)
            {
                number = Math.Max(number, entry.Number);
                if (entry.Order is { } order)
                {
                    PutOut();
                    CarryOut(order);
                    continue;
                }

                if (entry.DroppedBefore > 0)
                {
                    AddLost(entry.DroppedBefore, entry.Wall);
                }

                Add(entry.Level, entry.Text, entry.Wall);
            }

            if (lost > 0)
            {
                AddLost(lost, WallClock.Now);
            }

            PutOut();
            if (number > 0)
            {
                Written?.Invoke(number);
            }

            if (_file is { } file && Opened is { } opened && file.Identity != _opened)
            {
                _opened = file.Identity;
                opened(file.Descriptor);
            }

            lock (_gate)
            {
                _done += _taken.Count;
                _isStalled = false;
                Monitor.PulseAll(_gate);
            }

            _taken.Clear();
            if (_taken.Capacity > KeptEntries)
            {
                _taken.Capacity = 0;
            }
        }
    }

    /// <summary>Waits for lines; false at the end.</summary>
    private bool Take(out long lost)
    {
        // Only what is written through can be blocked. Nothing tells when its reader reads again, so it is looked for.
        while (_file is { IsBlocked: true } || _echo is { IsBlocked: true })
        {
            _file?.WritePending();
            _echo?.WritePending();
            lock (_gate)
            {
                if (_queue.Count > 0 || _isEnding)
                {
                    break;
                }

                _isWriterAsleep = true;
                Monitor.Wait(_gate, BlockedLookMs);
            }
        }

        lock (_gate)
        {
            while (_queue.Count == 0 && !_isEnding)
            {
                _isWriterAsleep = true;
                Monitor.Wait(_gate);
            }

            (_queue, _taken) = (_taken, _queue);
            _characters = 0;
            lost = _dropped;
            _dropped = 0;
            return _taken.Count > 0;
        }
    }

    private void AddLost(long lines, long wall) => Add(LogLevel.Error, string.Create(
        CultureInfo.InvariantCulture, $"{lines} lines of this log were lost: they came faster than they could be written"), wall);

    private void Add(LogLevel level, string text, long wall)
    {
        int begin = _batch.WrittenCount;
        Span<byte> head = _batch.GetSpan(LocalTime.Length + 6);
        _time.Format(wall, head);
        head[LocalTime.Length] = (byte)' ';
        Encoding.ASCII.GetBytes(level.Code(), head[(LocalTime.Length + 1)..]);
        head[LocalTime.Length + 5] = (byte)' ';
        _batch.Advance(LocalTime.Length + 6);
        if (text.AsSpan().ContainsAnyInRange('\ud800', '\udfff'))
        {
            // Perhaps bytes of the system that are no UTF-8: they go out as they came.
            _batch.Write(NativeText.Encode(text));
        }
        else
        {
            Encoding.UTF8.GetBytes(text, _batch);
        }

        if (_syslog is not null)
        {
            SendToSyslog(_batch.WrittenSpan[begin..], wall);
        }

        _batch.Write("\n"u8);

        // A file is rotated after the line that reaches its limit, so lines go out together only up to there.
        if (_batch.WrittenCount >= BatchBytes || (_file is not null && _batch.WrittenCount >= _file.RoomBeforeRotation))
        {
            PutOut();
        }
    }

    /// <summary>Every line of a message of several lines bears the time and level.</summary>
    private void SendToSyslog(ReadOnlySpan<byte> message, long wall)
    {
        int head = LocalTime.Length + 6;
        _syslog!.Send(message[..head], message[head..], wall);
    }

    private void PutOut()
    {
        if (_batch.WrittenCount == 0)
        {
            return;
        }

        _file?.Write(_batch.WrittenSpan);
        _echo?.Write(_batch.WrittenSpan);
        _batch.ResetWrittenCount();
        if (_batch.Capacity > 4 * BatchBytes)
        {
            // One very long text; its room is not kept.
            _batch = new ArrayBufferWriter<byte>(4096);
        }
    }

    private void CarryOut(Order order)
    {
        if (order.IsClear)
        {
            order.Succeeded = _file is null || _file.Clear();
        }
        else
        {
            _time.ZoneChanged();
            _file?.Reopen();
        }
    }

    /// <summary>Something to be done between two lines.</summary>
    private sealed class Order(bool IsClear)
    {
        public bool IsClear { get; } = IsClear;

        public bool Succeeded { get; set; }
    }

    /// <summary>One line, or an order.</summary>
    private readonly record struct Entry(LogLevel Level, string Text, long Wall, Order? Order, long DroppedBefore, long Number = 0);
}
