using System.Globalization;
using System.Text;
using Steward.Core.Model;
using Steward.Linux.Interop;

namespace Steward.Linux.Host;

/// <summary>
/// Going into the background. A runtime with threads cannot be forked, so the daemon that is to be detached starts itself once more
/// in a session of its own, with the same arguments and streams, and waits. The second half starts up completely: what is
/// wrong with configuration, logs or sockets still appears on the terminal and in the exit status. When all is well it says so, lets
/// go of the streams, and the first half ends with 0.
/// </summary>
public sealed unsafe class Detachment
{
    private static readonly byte[] Prefix = Encoding.ASCII.GetBytes(ProcessEnvironment.DetachVariable + "=");

    private readonly int _fd;

    private Detachment(int fd, string startPath)
    {
        _fd = fd;
        StartPath = startPath;
    }

    /// <summary>The path by which the first half was started.</summary>
    public string StartPath { get; }

    /// <summary>
    /// Finds out whether this process is a second half; null when it is not. To be called once, before any thread may read the
    /// environment: the mark is taken away, programs never see it.
    /// </summary>
    public static Detachment? Continue()
    {
        byte[]? entry = ProcessEnvironment.Entries().Find(static entry => entry.AsSpan().StartsWith(Prefix));
        string[] mark = entry is null ? [] : NativeText.Decode(entry.AsSpan(Prefix.Length)).Split(':', 2);
        if (mark.Length != 2 || !int.TryParse(mark[0], NumberStyles.None, CultureInfo.InvariantCulture, out int fd) || fd <= 2)
        {
            return null;
        }

        ProcessEnvironment.Remove(ProcessEnvironment.DetachVariable);
        return LibC.fcntl(fd, LibC.F_SETFD, LibC.FD_CLOEXEC) == 0 ? new Detachment(fd, mark[1]) : null;
    }

    /// <summary>Is the first half: starts the second and waits until it has started up, or ended.</summary>
    /// <param name="arguments">The command line, program name included.</param>
    /// <param name="startPath">The path by which this half was started.</param>
    /// <returns>The exit status: 0 when the daemon runs in the background, else what it ended with.</returns>
    /// <exception cref="StartException">It could not be started.</exception>
    public static int Run(IReadOnlyList<string> arguments, string startPath)
    {
        int* pipe = stackalloc int[2];
        if (LibC.pipe2(pipe, LibC.O_CLOEXEC) != 0)
        {
            throw new StartException("cannot go into the background", LibC.LastError);
        }

        List<byte[]> environment = ProcessEnvironment.Entries();
        environment.Add([.. Prefix, .. NativeText.Encode(string.Create(CultureInfo.InvariantCulture, $"{pipe[1]}:{startPath}"))]);
        int pid = HelperProcess.Start(
            "/proc/self/exe", [.. arguments.Select(NativeText.Encode)], environment, newSession: true, keepFd: pipe[1], out int errno);
        _ = LibC.close(pipe[1]);
        if (pid == 0)
        {
            throw new StartException("cannot go into the background", errno);
        }

        byte word;
        nint count;
        do
        {
            count = LibC.read(pipe[0], &word, 1);
        }
        while (LibC.Interrupted(count));

        if (count == 1)
        {
            return 0;
        }

        WaitStatus status = HelperProcess.Wait(pid);
        return status.Exited ? status.Code : 128 + status.Signal;
    }

    /// <summary>All is well: lets go of the terminal and releases the first half.</summary>
    public void Complete()
    {
        StandardStreams.RedirectToNull();
        byte word = (byte)'\n';
        while (LibC.Interrupted(LibC.write(_fd, &word, 1)))
        {
        }

        _ = LibC.close(_fd);
    }
}
