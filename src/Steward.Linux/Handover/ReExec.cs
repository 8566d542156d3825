using System.Globalization;
using Steward.Core.Config;
using Steward.Linux.Host;
using Steward.Linux.Interop;

namespace Steward.Linux.Handover;

/// <summary>
/// One image of the program gives way to another in the same process (man 2 execve): the pid, the children and the descriptors that are
/// to stay are the same afterwards, everything else is gone.
/// </summary>
public static unsafe class ReExec
{
    /// <summary>
    /// Opens the file that this process runs, so that it can be gone back to even when it is deleted or replaced. It closes at exec.
    /// </summary>
    /// <returns>The descriptor; -1 when it cannot be opened, with the reason.</returns>
    public static int OpenOwnImage(out string? failure) => OpenImage("/proc/self/exe", out failure);

    /// <summary>Opens a file to execute it later, whatever its path means by then. It closes at exec.</summary>
    /// <returns>As <see cref="OpenOwnImage"/>.</returns>
    public static int OpenImage(string file, out string? failure)
    {
        int fd = Processes.Descriptors.AboveStandard(LibC.open(file, LibC.O_PATH | LibC.O_CLOEXEC, 0));
        failure = fd >= 0 ? null : "the program's own file cannot be opened: " + ErrnoText.Python(LibC.LastError);
        return fd;
    }

    /// <summary>
    /// The path by which this process was started, made absolute; the file behind it may be another one by now, which is the point. To be
    /// called before the working directory changes.
    /// </summary>
    public static string StartPath()
    {
        string? path = NativeText.Decode((byte*)LibC.getauxval(LibC.AT_EXECFN));

        // A path into /proc is one of this very process or of the shell that opened it: it means nothing later.
        return string.IsNullOrEmpty(path) || path.StartsWith("/proc/", StringComparison.Ordinal) || path.StartsWith("/dev/fd/", StringComparison.Ordinal)
            ? Environment.ProcessPath ?? "/proc/self/exe"
            : Path.GetFullPath(path);
    }

    /// <summary>
    /// Says why a file is not one to go on with: it must be a regular file, executable, and only its owner may write it, who is root or
    /// our user.
    /// </summary>
    /// <returns>Null when it is one.</returns>
    public static string? Refusal(string file)
    {
        string shown = PythonText.Repr(file);
        LibC.StatX stat;
        if (!file.StartsWith('/'))
        {
            return $"{shown} is no absolute path";
        }

        if (LibC.statx(LibC.AT_FDCWD, file, 0, LibC.STATX_BASIC_STATS, &stat) != 0)
        {
            return $"{shown} cannot be used: {ErrnoText.Python(LibC.LastError)}";
        }

        if (stat.Type != LibC.S_IFREG)
        {
            return $"{shown} is no regular file";
        }

        if (LibC.access(file, LibC.X_OK) != 0)
        {
            return $"{shown} cannot be executed: {ErrnoText.Python(LibC.LastError)}";
        }

        if (stat.Uid != 0 && stat.Uid != LibC.getuid())
        {
            return string.Create(CultureInfo.InvariantCulture, $"{shown} belongs to the user {stat.Uid}, not to root or to the daemon's user");
        }

        return (stat.Mode & 0x12) == 0
            ? null
            : $"{shown} can be written by others than its owner; take that away (chmod go-w) and try again";
    }

    /// <summary>Executes another image. Does not come back when that works.</summary>
    /// <param name="file">Its file.</param>
    /// <param name="words">Its command line, the name first.</param>
    /// <param name="table">The descriptors that stay open.</param>
    /// <param name="more">Further descriptors that stay open: the state, the image to go back to.</param>
    /// <returns>Why it did not work; everything is as before.</returns>
    public static string Run(string file, IReadOnlyList<string> words, DescriptorTable table, params ReadOnlySpan<int> more)
    {
        using var argv = new NativeStrings([.. words.Select(NativeText.Encode)]);
        using var environment = new NativeStrings(ProcessEnvironment.Entries());
        RemoveDiagnosticsSocket();

        // From here to the handlers of the next image signals wait in the kernel: their default would end the daemon.
        DaemonSignals.Block();
        table.SetInherited(true);
        foreach (int fd in more)
        {
            _ = LibC.fcntl(fd, LibC.F_SETFD, 0);
        }

        _ = LibC.execve(file, argv.Pointer, environment.Pointer);
        int errno = LibC.LastError;
        table.SetInherited(false);
        foreach (int fd in more)
        {
            _ = LibC.fcntl(fd, LibC.F_SETFD, LibC.FD_CLOEXEC);
        }

        DaemonSignals.Unblock();
        return ErrnoText.Python(errno, file);
    }

    /// <summary>Executes the image that a descriptor was opened on.</summary>
    /// <returns>As <see cref="Run"/>.</returns>
    public static string RunImage(int image, IReadOnlyList<string> words, DescriptorTable table, params ReadOnlySpan<int> more) =>
        Run(string.Create(CultureInfo.InvariantCulture, $"/proc/self/fd/{image}"), words, table, more);

    /// <summary>Takes descriptors over that are not in a table: they close at the next exec.</summary>
    public static void Adopt(params ReadOnlySpan<int> descriptors)
    {
        foreach (int fd in descriptors)
        {
            _ = LibC.fcntl(fd, LibC.F_SETFD, LibC.FD_CLOEXEC);
        }
    }

    /// <summary>
    /// The runtime's socket for diagnostics (where there is one) bears pid and start time, which stay: the next image could not bind it.
    /// </summary>
    private static void RemoveDiagnosticsSocket()
    {
        string pattern = string.Create(CultureInfo.InvariantCulture, $"dotnet-diagnostic-{Environment.ProcessId}-*-socket");
        try
        {
            foreach (string socket in Directory.EnumerateFiles(Path.GetTempPath(), pattern))
            {
                _ = LibC.unlink(socket);
            }
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            // A temporary directory that cannot be read holds nothing of ours; without diagnostics the daemon is no worse.
        }
    }
}
