using Steward.Linux.Interop;

namespace Steward.Linux.Processes;

/// <summary>The pipes of one child about to be spawned; closes what has not been taken.</summary>
internal sealed unsafe class Descriptors : IDisposable
{
    private readonly int[] _fds = [-1, -1, -1, -1, -1, -1];

    /// <summary>The child's end of stdin; -1 when it is no pipe.</summary>
    public int ChildStdin => _fds[0];

    /// <summary>The child's end of stdout.</summary>
    public int ChildStdout => _fds[1];

    /// <summary>The child's end of stderr: that of stdout with <c>redirect_stderr</c>.</summary>
    public int ChildStderr => _fds[2] >= 0 ? _fds[2] : _fds[1];

    /// <summary>
    /// Creates the pipes. Our ends do not block, all close at exec, and all belong to the child's user, so that the program may
    /// open <c>/dev/stdout</c> by its name.
    /// </summary>
    /// <returns>0, or why not; what exists then is closed by <see cref="Dispose"/>.</returns>
    public int Open(bool stdin, bool stderr, int uid, int gid)
    {
        int errno = stdin ? Pipe(0, 3, childReads: true, uid, gid) : 0;
        errno = errno != 0 ? errno : Pipe(1, 4, childReads: false, uid, gid);
        return errno != 0 || !stderr ? errno : Pipe(2, 5, childReads: false, uid, gid);
    }

    /// <summary>Our ends: stdin, stdout, stderr; -1 where there is none.</summary>
    public ReadOnlySpan<int> Ours => _fds.AsSpan(3);

    /// <summary>Hands over our ends: stdin, stdout, stderr; -1 where there is none.</summary>
    public (int Stdin, int Stdout, int Stderr) TakeOurs()
    {
        (int, int, int) ours = (_fds[3], _fds[4], _fds[5]);
        _fds.AsSpan(3).Fill(-1);
        return ours;
    }

    public void Dispose()
    {
        foreach (int fd in _fds)
        {
            if (fd >= 0)
            {
                _ = LibC.close(fd);
            }
        }

        _fds.AsSpan().Fill(-1);
    }

    /// <summary>
    /// Moves a descriptor out of the way of 0, 1 and 2, which it may have got when the daemon was started with these closed. The
    /// answer is negative, with the error set, when the argument is or when there is no room.
    /// </summary>
    public static int AboveStandard(int fd)
    {
        if (fd is < 0 or > 2)
        {
            return fd;
        }

        int moved = LibC.fcntl(fd, LibC.F_DUPFD_CLOEXEC, 3);
        int errno = LibC.LastError;
        _ = LibC.close(fd);
        System.Runtime.InteropServices.Marshal.SetLastPInvokeError(errno);
        return moved;
    }

    private int Pipe(int child, int ours, bool childReads, int uid, int gid)
    {
        int* pair = stackalloc int[2];
        if (LibC.pipe2(pair, LibC.O_CLOEXEC) != 0)
        {
            return LibC.LastError;
        }

        _fds[child] = AboveStandard(childReads ? pair[0] : pair[1]);
        int errno = _fds[child] < 0 ? LibC.LastError : 0;
        _fds[ours] = AboveStandard(childReads ? pair[1] : pair[0]);
        errno = _fds[ours] < 0 ? LibC.LastError : errno;
        if (errno == 0 && LibC.fcntl(_fds[ours], LibC.F_SETFL, LibC.O_NONBLOCK | (childReads ? LibC.O_WRONLY : LibC.O_RDONLY)) != 0)
        {
            errno = LibC.LastError;
        }

        if (errno == 0 && uid >= 0)
        {
            // Not being allowed to is no reason not to start: the change of user itself will say so.
            _ = LibC.fchown(_fds[child], (uint)uid, (uint)gid);
        }

        return errno;
    }
}
