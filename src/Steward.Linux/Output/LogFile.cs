using System.Globalization;
using Steward.Core.Config;
using Steward.Core.Model;
using Steward.Core.Snapshots;
using Steward.Linux.Handover;
using Steward.Linux.Interop;

namespace Steward.Linux.Output;

/// <summary>
/// One log that is open: a file that is appended to and rotated, or something that is written through (a pipe, a terminal, a
/// socket, a device), which is never rotated.
/// </summary>
/// <remarks>
/// <para>
/// A write never fails towards its caller. What cannot be written (a full disk, a reader that has gone) is counted; the loss is
/// said once when it begins and with its sum when a later write works, at most every second, or when the log is closed.
/// </para>
/// <para>
/// What is written through does not block either. What its reader does not take now is kept (<see cref="IsBlocked"/>,
/// <see cref="WritePending"/>): the hub stops reading the programs that write there, so they are held up, and nobody else is. Only
/// beyond <see cref="PendingLimit"/>, which the last bytes of programs that have ended can reach, bytes are dropped and counted.
/// </para>
/// <para>
/// A file may be shared by several streams, which see one rotation. Any thread may call any member; one that finds the file busy
/// waits for a single write of another thread.
/// </para>
/// </remarks>
internal sealed unsafe class LogFile
{
    /// <summary>The most bytes kept for a reader that does not read.</summary>
    internal const int PendingLimit = 4 << 20;

    private const int CreateMode = 0x1b6; // 0666, less the umask
    private const int PipeBuf = 4096;
    private const int SayEveryMs = 1000;

    private static readonly TimeSpan BusyPatience = TimeSpan.FromSeconds(1);

    private readonly Lock _gate = new();
    private readonly Action<LogLevel, string> _say;
    private long _maxBytes;
    private int _backups;
    private long _rotateAt;
    private long _position;
    private int _opening;
    private int _fd;
    private Kind _kind;

    private byte[]? _pending;
    private int _pendingStart;
    private int _pendingLength;

    private long _lost;
    private long _saidAt;

    private LogFile(string path, Opened opened, long maxBytes, int backups, Action<LogLevel, string> say)
    {
        Path = path;
        _say = say;
        Adopt(opened);
        SetLimits(maxBytes, backups);
    }

    private enum Kind : byte
    {
        /// <summary>A regular file.</summary>
        File,

        /// <summary>Not seekable; our own open file description, non-blocking.</summary>
        Stream,

        /// <summary>Not seekable; a description shared with others, whose flags are not ours to change.</summary>
        SharedStream,

        /// <summary>A socket, shared with others.</summary>
        Socket,
    }

    /// <summary>The path it was opened by.</summary>
    internal string Path { get; }

    /// <summary>How many streams use it; guarded by the registry.</summary>
    internal int Users { get; set; }

    /// <summary>Which file it is, whatever its name.</summary>
    internal FileIdentity Identity { get; private set; }

    /// <summary>Says whether it is a file with a name of its own, which can be rotated, removed and made anew.</summary>
    internal bool IsFile => _kind == Kind.File;

    /// <summary>Says whether bytes wait for the reader.</summary>
    internal bool IsBlocked => Volatile.Read(ref _pendingLength) > 0;

    /// <summary>How many bytes wait for the reader.</summary>
    internal int WaitingBytes => Volatile.Read(ref _pendingLength);

    /// <summary>The descriptor, to wait for the reader.</summary>
    internal int Descriptor => _fd;

    /// <summary>How many bytes can be written before the file is rotated; for one who writes several lines at once.</summary>
    internal long RoomBeforeRotation => _rotateAt == long.MaxValue ? long.MaxValue : Math.Max(0, _rotateAt - _position);

    /// <summary>Opens (and creates) a log.</summary>
    /// <param name="path">Its path.</param>
    /// <param name="maxBytes">Rotate when this size is reached; 0: never.</param>
    /// <param name="backups">How many old files to keep; 0: empty the file instead.</param>
    /// <param name="say">Takes lines for the activity log; any thread.</param>
    /// <param name="errno">Why it could not be opened.</param>
    internal static LogFile? TryOpen(string path, long maxBytes, int backups, Action<LogLevel, string> say, out int errno)
    {
        errno = Opened.Try(path, out Opened opened);
        return errno == 0 ? new LogFile(path, opened, maxBytes, backups, say) : null;
    }

    /// <summary>Takes over a descriptor that was opened for a log.</summary>
    internal static LogFile Adopt(string path, Opened opened, long maxBytes, int backups, Action<LogLevel, string> say) =>
        new(path, opened, maxBytes, backups, say);

    /// <summary>Writes to a descriptor that is somebody else's, without changing or closing it.</summary>
    internal static LogFile Borrow(int fd, string name, Action<LogLevel, string> say) => new(name, Opened.Borrowed(fd), 0, 0, say);

    /// <summary>Writes the log down as a field and leaves its descriptor: a file that was renamed meanwhile goes on being written.</summary>
    internal void Save(SnapshotWriter writer, int field, DescriptorTable table, string role)
    {
        lock (_gate)
        {
            table.Add(role, _fd);
            writer.Begin(field);
            writer.Text(1, Path);
            writer.Integer(2, _maxBytes);
            writer.Integer(3, _backups);
            writer.Integer(4, (int)_kind);
            writer.Integer(5, _position);
            writer.Due(6, _rotateAt);
            if (_pendingLength > 0)
            {
                writer.Bytes(7, _pending.AsSpan(_pendingStart, _pendingLength));
            }

            writer.Integer(8, _lost);
            writer.End();
        }
    }

    /// <summary>Makes an equal log of what was written down.</summary>
    /// <exception cref="SnapshotRefusedException">It cannot be taken up.</exception>
    internal static LogFile Restore(SnapshotReader reader, DescriptorTable table, string role, Action<LogLevel, string> say)
    {
        string path = reader.Text(1, "path");
        long maxBytes = reader.Integer(2, "maxBytes");
        int backups = reader.Int32(3, "backups", 0);
        Kind kind = reader.Choice<Kind>(4, "kind");
        Opened opened = table.TakeLog(reader, role, kind is Kind.SharedStream or Kind.Socket, reader.Integer(5, "position", 0));
        var log = new LogFile(path, opened, maxBytes, backups, say)
        {
            _rotateAt = reader.Due(6, "rotateAt"),
            _pending = reader.OptionalBytes(7, "pending"),
        };
        log._pendingLength = log._pending?.Length ?? 0;
        log._lost = reader.Integer(8, "lost", 0);
        if (log._kind != kind || log._pendingLength > PendingLimit)
        {
            throw reader.Refusal("kind", $"{kind} with {log._pendingLength} waiting bytes does not go with the descriptor, which is for {log._kind}");
        }

        reader.End();
        return log;
    }

    /// <summary>Leaves the descriptor of a log that has nothing else to be remembered.</summary>
    internal void Leave(DescriptorTable table, string role)
    {
        lock (_gate)
        {
            table.Add(role, _fd);
        }
    }

    /// <summary>Sets when to rotate from now on.</summary>
    internal void SetLimits(long maxBytes, int backups)
    {
        lock (_gate)
        {
            _maxBytes = maxBytes;
            _backups = backups;
            _rotateAt = CanRotate ? maxBytes : long.MaxValue;
        }
    }

    /// <summary>Writes, then rotates when the file has reached its limit. Pieces are never cut by a rotation.</summary>
    /// <param name="data">The piece.</param>
    /// <param name="memory">Is told beforehand what is done to which file, so that a successor can go on; null: there will be none.</param>
    internal void Write(ReadOnlySpan<byte> data, OutputMemory? memory = null)
    {
        lock (_gate)
        {
            Announce(memory);
            Put(data);
            RotateWhenFull(memory);
        }
    }

    /// <summary>
    /// Completes the write of a piece that another process had begun when it died: exactly what is missing is written, and a rotation is
    /// brought to its end.
    /// </summary>
    /// <returns>False when nobody can tell whether it was written, as this is no file: nothing is done then.</returns>
    internal bool Complete(ReadOnlySpan<byte> data, OutputMemory memory)
    {
        lock (_gate)
        {
            if (_kind != Kind.File)
            {
                return false;
            }

            (FileIdentity file, long before) = memory.Target;
            if (memory.PieceStage == OutputMemory.Stage.Rotating)
            {
                CompleteRotation(file, memory);
                return true;
            }

            if (file == Identity)
            {
                Put(data[Written(_fd, before, data)..]);
            }
            else if (OpenRenamed(file) is { } renamed)
            {
                // Somebody has moved it away; what follows goes to the new one, this still belongs there.
                (_fd, int present) = (renamed.Fd, _fd);
                Put(data[Written(_fd, before, data)..]);
                (_fd, present) = (present, _fd);
                _ = LibC.close(present);
                return true;
            }
            else
            {
                // With it went what was written to it.
                Announce(memory);
                Put(data);
            }

            RotateWhenFull(memory);
            return true;
        }
    }

    /// <summary>Writes what was kept, as far as the reader takes it.</summary>
    internal void WritePending()
    {
        lock (_gate)
        {
            if (_pendingLength == 0)
            {
                return;
            }

            int written = WriteNow(_pending.AsSpan(_pendingStart, _pendingLength), out int errno);
            _pendingStart += written;
            Volatile.Write(ref _pendingLength, _pendingLength - written);
            if (_pendingLength > 0 && errno == Errno.EAGAIN)
            {
                return;
            }

            int gone = _pendingLength;
            Volatile.Write(ref _pendingLength, 0);
            _pending = null;
            _pendingStart = 0;
            if (gone > 0)
            {
                Lose(gone, errno);
            }
            else if (_lost > 0)
            {
                SayRecovered();
            }
        }
    }

    /// <summary>The present end, from which a later <see cref="ReadSince"/> begins.</summary>
    internal LogMark Mark()
    {
        lock (_gate)
        {
            return new LogMark(_opening, _kind == Kind.File ? Math.Max(0, LibC.lseek(_fd, 0, LibC.SEEK_END)) : 0);
        }
    }

    /// <summary>
    /// Reads the end of a file, not before a mark; of a file that was rotated since then, what the present one has. Nothing where it
    /// cannot be read.
    /// </summary>
    internal (byte[] Bytes, bool IsCut) ReadSince(LogMark mark, int limit)
    {
        lock (_gate)
        {
            // Ours is for writing only. By its number it is the same file under whatever name.
            int fd = _kind != Kind.File ? -1 : LibC.open(
                "/proc/self/fd/" + _fd.ToString(CultureInfo.InvariantCulture), LibC.O_RDONLY | LibC.O_CLOEXEC | LibC.O_NOCTTY | LibC.O_NONBLOCK, 0);
            if (fd < 0)
            {
                return ([], false);
            }

            long size = LibC.lseek(fd, 0, LibC.SEEK_END);
            long start = mark.Opening == _opening && mark.Position <= size ? mark.Position : 0;
            long from = Math.Max(start, size - limit);
            byte[] bytes = new byte[Math.Max(0, size - from)];
            nint count;
            fixed (byte* buffer = bytes)
            {
                do
                {
                    count = LibC.pread(fd, buffer, (nuint)bytes.Length, (nint)from);
                }
                while (LibC.Interrupted(count));
            }

            _ = LibC.close(fd);
            return (count < bytes.Length ? bytes[..(int)Math.Max(0, count)] : bytes, from > start || mark.Opening != _opening);
        }
    }

    /// <summary>Opens the same path again and goes on there; where that fails the old file stays in use.</summary>
    internal void Reopen()
    {
        if (_kind != Kind.File)
        {
            return;
        }

        int errno = Opened.Try(Path, out Opened opened);
        if (errno != 0)
        {
            _say(LogLevel.Error, $"log {PythonText.Repr(Path)} cannot be reopened: {ErrnoText.Python(errno)}; the old file stays in use");
            return;
        }

        lock (_gate)
        {
            Adopt(opened);
        }
    }

    /// <summary>Goes on in a file that was opened under the same path; false, and closed, when it could not for being busy.</summary>
    internal bool Replace(Opened opened)
    {
        if (!_gate.TryEnter(BusyPatience))
        {
            opened.Close();
            return false;
        }

        try
        {
            Adopt(opened);
            return true;
        }
        finally
        {
            _gate.Exit();
        }
    }

    /// <summary>
    /// Removes the file and goes on in a new one; nothing happens to what is no file. False when that failed, or when a write to a
    /// disk that stands still is in the way.
    /// </summary>
    internal bool Clear()
    {
        if (_kind != Kind.File || Opened.IsStandardStream(Path))
        {
            return true;
        }

        if (!_gate.TryEnter(BusyPatience))
        {
            return false;
        }

        try
        {
            if (LibC.unlink(Path) != 0 && LibC.LastError != Errno.ENOENT)
            {
                return false;
            }

            if (Opened.Try(Path, out Opened opened) != 0)
            {
                return false;
            }

            Adopt(opened);
            return true;
        }
        finally
        {
            _gate.Exit();
        }
    }

    /// <summary>Closes; what was lost and not yet said is said.</summary>
    internal void Close()
    {
        lock (_gate)
        {
            if (_pendingLength > 0)
            {
                _lost += _pendingLength;
                Volatile.Write(ref _pendingLength, 0);
                _pending = null;
            }

            if (_lost > 0)
            {
                _say(LogLevel.Error, string.Create(CultureInfo.InvariantCulture, $"log {PythonText.Repr(Path)}: {_lost} bytes of output were lost"));
                _lost = 0;
            }

            if (_fd >= 0)
            {
                _ = LibC.close(_fd);
                _fd = -1;
            }
        }
    }

    private void Announce(OutputMemory? memory)
    {
        if (memory is null)
        {
            return;
        }

        if (_kind == Kind.File)
        {
            // The true end: somebody else may have appended or cut.
            memory.Writing(Identity, LibC.lseek(_fd, 0, LibC.SEEK_END));
        }
        else
        {
            memory.Passing(OutputMemory.Stage.Passing);
        }
    }

    private void Put(ReadOnlySpan<byte> data)
    {
        if (_pendingLength > 0)
        {
            Keep(data);
            return;
        }

        int written = WriteNow(data, out int errno);
        if (written < data.Length)
        {
            if (errno == Errno.EAGAIN)
            {
                Keep(data[written..]);
            }
            else
            {
                Lose(data.Length - written, errno);
            }
        }
        else if (_lost > 0)
        {
            SayRecovered();
        }
    }

    private void RotateWhenFull(OutputMemory? memory)
    {
        if (_rotateAt != long.MaxValue && _pendingLength == 0)
        {
            // The true end of the file, also after somebody else has appended or cut it.
            _position = LibC.lseek(_fd, 0, LibC.SEEK_END);
            if (_position >= _rotateAt)
            {
                memory?.Point?.Invoke();
                Rotate(memory, _backups - 1);
            }
        }
    }

    /// <summary>A file that was being rotated when another process died: what was renamed stays so, the rest follows.</summary>
    private void CompleteRotation(FileIdentity file, OutputMemory memory)
    {
        if (file != Identity || !CanRotate)
        {
            // The last one was renamed, and ours is new.
            return;
        }

        if (_backups == 0)
        {
            // Emptied already when it is shorter.
            RotateWhenFull(memory);
            return;
        }

        int step = Math.Min(memory.Step, _backups - 1);
        LibC.StatX stat;
        bool isRenamed = LibC.statx(LibC.AT_FDCWD, Numbered(step), 0, LibC.STATX_BASIC_STATS, &stat) != 0;
        Rotate(memory, isRenamed ? step - 1 : step);
    }

    /// <summary>How much of a piece stands in a file already: the bytes behind what the file had before.</summary>
    private static int Written(int fd, long before, ReadOnlySpan<byte> data)
    {
        const int searched = 4 << 20;
        long added = LibC.lseek(fd, 0, LibC.SEEK_END) - before;
        if (added <= 0)
        {
            return 0;
        }

        int count = (int)Math.Min(added, data.Length);
        byte[] there = ReadBack(fd, before, (int)Math.Min(added, searched));
        if (there.Length < count || data[..count].SequenceEqual(there.AsSpan(0, count)))
        {
            // Or it may not be read: then its length has to do.
            return count;
        }

        // Somebody else appends there as well.
        return there.AsSpan().IndexOf(data) >= 0 ? data.Length : 0;
    }

    private static byte[] ReadBack(int fd, long from, int count)
    {
        int readable = LibC.open(
            "/proc/self/fd/" + fd.ToString(CultureInfo.InvariantCulture), LibC.O_RDONLY | LibC.O_CLOEXEC | LibC.O_NOCTTY | LibC.O_NONBLOCK, 0);
        if (readable < 0)
        {
            return [];
        }

        byte[] bytes = new byte[count];
        int done = 0;
        fixed (byte* start = bytes)
        {
            while (done < count)
            {
                nint more = LibC.pread(readable, start + done, (nuint)(count - done), (nint)(from + done));
                if (more <= 0 && !LibC.Interrupted(more))
                {
                    break;
                }

                done += (int)Math.Max(0, more);
            }
        }

        _ = LibC.close(readable);
        return bytes[..done];
    }

    /// <summary>Looks in the folder of the log for the file under another name and opens it.</summary>
    private Opened? OpenRenamed(FileIdentity file)
    {
        const int mostNames = 100_000;
        try
        {
            string folder = System.IO.Path.GetDirectoryName(System.IO.Path.GetFullPath(Path))!;
            foreach (string name in Directory.EnumerateFiles(folder).Take(mostNames))
            {
                LibC.StatX stat;
                if (LibC.statx(LibC.AT_FDCWD, name, 0, LibC.STATX_BASIC_STATS, &stat) == 0
                    && new FileIdentity(stat.DeviceMajor, stat.DeviceMinor, stat.Inode) == file && stat.Type == LibC.S_IFREG
                    && Opened.Try(name, out Opened opened) == 0)
                {
                    if (opened.Identity == file)
                    {
                        return opened;
                    }

                    opened.Close();
                }
            }
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            _say(LogLevel.Error, $"where log {PythonText.Repr(Path)} was moved to cannot be looked for: {e.Message}");
        }

        return null;
    }

    private bool CanRotate => _maxBytes > 0 && _kind == Kind.File && !Opened.IsStandardStream(Path);

    private void Adopt(Opened opened)
    {
        if (_fd > 0)
        {
            _ = LibC.close(_fd);
        }

        _fd = opened.Fd;
        _opening++;
        _kind = opened.IsFile ? Kind.File : opened.IsSocket ? Kind.Socket : opened.IsShared ? Kind.SharedStream : Kind.Stream;
        _position = opened.Size;
        Identity = opened.Identity;
        _rotateAt = CanRotate ? _maxBytes : long.MaxValue;
    }

    /// <summary>Writes as much as goes; the error number is that of the rest.</summary>
    private int WriteNow(ReadOnlySpan<byte> data, out int errno)
    {
        errno = 0;
        int done = 0;
        fixed (byte* start = data)
        {
            while (done < data.Length)
            {
                nint written = WriteSome(start + done, (nuint)(data.Length - done));
                if (written > 0)
                {
                    done += (int)written;
                    continue;
                }

                // Nothing written without an error does not happen; it must not be tried for ever.
                errno = written == 0 ? Errno.EIO : LibC.LastError;
                if (errno != Errno.EINTR)
                {
                    break;
                }
            }
        }

        return done;
    }

    private nint WriteSome(byte* data, nuint length)
    {
        switch (_kind)
        {
            case Kind.Socket:
                return LibC.send(_fd, data, length, LibC.MSG_DONTWAIT | LibC.MSG_NOSIGNAL);

            case Kind.SharedStream:
                // Ready means that a piece of this size goes in without waiting (man 7 pipe, PIPE_BUF).
                var ready = new LibC.PollFd { Fd = _fd, Events = LibC.POLLOUT };
                if (LibC.poll(&ready, 1, 0) == 0)
                {
                    System.Runtime.InteropServices.Marshal.SetLastPInvokeError(Errno.EAGAIN);
                    return -1;
                }

                return LibC.write(_fd, data, Math.Min(length, PipeBuf));

            default:
                return LibC.write(_fd, data, length);
        }
    }

    private void Keep(ReadOnlySpan<byte> data)
    {
        int kept = Math.Min(data.Length, PendingLimit - _pendingLength);
        if (_pending is null || _pendingStart + _pendingLength + kept > _pending.Length)
        {
            byte[] larger = new byte[Math.Min(PendingLimit, Math.Max(2 * _pendingLength, _pendingLength + kept))];
            _pending.AsSpan(_pendingStart, _pendingLength).CopyTo(larger);
            _pending = larger;
            _pendingStart = 0;
        }

        data[..kept].CopyTo(_pending.AsSpan(_pendingStart + _pendingLength));
        Volatile.Write(ref _pendingLength, _pendingLength + kept);
        if (kept < data.Length)
        {
            Lose(data.Length - kept, Errno.EAGAIN);
        }
    }

    private void Lose(int bytes, int errno)
    {
        if (_lost == 0)
        {
            _saidAt = Environment.TickCount64;
            string reason = errno == Errno.EAGAIN ? "its reader does not read" : ErrnoText.Python(errno);
            _say(LogLevel.Error, $"log {PythonText.Repr(Path)} cannot be written: {reason}; what cannot be written is lost");
        }

        _lost += bytes;
    }

    private void SayRecovered()
    {
        // A disk that is full every other moment must not fill the activity log.
        if (Environment.TickCount64 - _saidAt >= SayEveryMs)
        {
            _say(LogLevel.Error, string.Create(
                CultureInfo.InvariantCulture, $"log {PythonText.Repr(Path)} can be written again; {_lost} bytes of output were lost"));
            _lost = 0;
        }
    }

    /// <param name="memory">Is told of each step before it is made.</param>
    /// <param name="first">The highest number of a file that is still to be renamed.</param>
    private void Rotate(OutputMemory? memory, int first)
    {
        int errno = 0;
        if (_backups == 0)
        {
            memory?.Rotating(0);
            if (LibC.ftruncate(_fd, 0) == 0)
            {
                _position = 0;
                _opening++;
                return;
            }

            errno = LibC.LastError;
        }
        else
        {
            // Without a descriptor for the new file the present one keeps its name, under which it is looked for.
            int spare = LibC.fcntl(_fd, LibC.F_DUPFD_CLOEXEC, 0);
            errno = spare < 0 ? LibC.LastError : LibC.close(spare) == 0 ? 0 : LibC.LastError;
            for (int i = first; i >= 0 && errno == 0; i--)
            {
                memory?.Rotating(i);

                // Whoever removed one of them meanwhile is right.
                if (LibC.rename(Numbered(i), Numbered(i + 1)) != 0 && LibC.LastError != Errno.ENOENT)
                {
                    errno = LibC.LastError;
                }
            }

            Opened opened = default;
            memory?.Point?.Invoke();
            errno = errno == 0 ? Opened.Try(Path, out opened) : errno;
            if (errno == 0)
            {
                Adopt(opened);
                return;
            }
        }

        // Written on in the same file, and tried again when as much has been added: not at each write.
        _rotateAt = _position + _maxBytes;
        _say(LogLevel.Error, $"log {PythonText.Repr(Path)} cannot be rotated: {ErrnoText.Python(errno)}; it grows beyond its limit");
    }

    private string Numbered(int number) =>
        number == 0 ? Path : Path + "." + number.ToString(CultureInfo.InvariantCulture);

    /// <summary>A descriptor that was opened for a log, and what it is.</summary>
    internal readonly record struct Opened(int Fd, bool IsFile, bool IsSocket, bool IsShared, long Size, FileIdentity Identity)
    {
        /// <summary>Opens a path for appending, creating it. Never waits for a reader (ENXIO for a named pipe without one).</summary>
        /// <returns>0, or the error number.</returns>
        internal static int Try(string path, out Opened opened)
        {
            const int Flags = LibC.O_WRONLY | LibC.O_CREAT | LibC.O_APPEND | LibC.O_CLOEXEC | LibC.O_NOCTTY | LibC.O_NONBLOCK;
            opened = default;
            int fd;
            do
            {
                fd = LibC.open(path, Flags, CreateMode);
            }
            while (LibC.Interrupted(fd));

            int errno = fd < 0 ? LibC.LastError : 0;
            bool isShared = false;
            if (fd < 0 && errno is Errno.ENXIO or Errno.EACCES && StandardDescriptor(path) is { } standard)
            {
                // A socket cannot be opened by its name, and after a change of user neither can root's pipe: our own copy can be used.
                fd = LibC.fcntl(standard, LibC.F_DUPFD_CLOEXEC, 3);
                isShared = fd >= 0;
            }

            if (fd < 0)
            {
                return errno;
            }

            fd = Processes.Descriptors.AboveStandard(fd);
            errno = fd < 0 ? LibC.LastError : Describe(fd, isShared, out opened);
            if (errno != 0 && fd >= 0)
            {
                _ = LibC.close(fd);
            }

            return errno;
        }

        /// <summary>Describes a descriptor that another image of the program opened for the same log.</summary>
        internal static int Inherited(int fd, out Opened opened)
        {
            // What we open by its name does not block; what blocks is a copy of one that others use as well.
            int flags = LibC.fcntl(fd, LibC.F_GETFL, 0);
            opened = default;
            return flags < 0 ? LibC.LastError : Describe(fd, (flags & LibC.O_NONBLOCK) == 0, out opened);
        }

        /// <summary>Describes a copy of a descriptor that others use as well.</summary>
        internal static Opened Borrowed(int fd)
        {
            int copy = LibC.fcntl(fd, LibC.F_DUPFD_CLOEXEC, 3);
            Opened opened = default;
            int errno = copy < 0 ? LibC.LastError : Describe(copy, isShared: true, out opened);
            if (errno != 0)
            {
                _ = LibC.close(copy);
                throw new Host.StartException("cannot write to descriptor " + fd.ToString(CultureInfo.InvariantCulture), errno);
            }

            return opened;
        }

        /// <summary>Says whether a path is one of our own open descriptors rather than the name of a file.</summary>
        internal static bool IsStandardStream(string path) =>
            StandardDescriptor(path) is not null
            || path.StartsWith("/dev/fd/", StringComparison.Ordinal)
            || path.StartsWith("/proc/", StringComparison.Ordinal);

        internal void Close() => _ = LibC.close(Fd);

        private static int? StandardDescriptor(string path) => path switch
        {
            "/dev/stdout" or "/dev/fd/1" or "/proc/self/fd/1" => 1,
            "/dev/stderr" or "/dev/fd/2" or "/proc/self/fd/2" => 2,
            _ => null,
        };

        private static int Describe(int fd, bool isShared, out Opened opened)
        {
            opened = default;
            LibC.StatX stat;
            if (LibC.statx(fd, "", LibC.AT_EMPTY_PATH, LibC.STATX_BASIC_STATS, &stat) != 0)
            {
                return LibC.LastError;
            }

            opened = new Opened(
                fd,
                IsFile: stat.Type == LibC.S_IFREG,
                IsSocket: stat.Type == LibC.S_IFSOCK,
                isShared,
                (long)stat.Size,
                new FileIdentity(stat.DeviceMajor, stat.DeviceMinor, stat.Inode));
            return 0;
        }
    }
}
