using Steward.Core.Model;
using Steward.Linux.Interop;

namespace Steward.Linux.Processes;

/// <summary>How a child ended, looked at before it is reaped (man 2 waitid, WNOWAIT): until then its pid is nobody else's.</summary>
internal static unsafe class ChildStatus
{
    // Of a siginfo_t, on 64-bit systems; man 2 sigaction.
    private const int CodeOffset = 8;
    private const int PidOffset = 16;
    private const int StatusOffset = 24;
    private const int CldExited = 1;
    private const int CldDumped = 3;

    /// <summary>Looks whether a child is dead; it stays as it is.</summary>
    /// <param name="pid">Which; 0: any.</param>
    /// <param name="dead">The dead child; 0 for none.</param>
    /// <param name="status">How it ended.</param>
    public static bool TryPeek(int pid, out int dead, out WaitStatus status)
    {
        byte* info = stackalloc byte[LibC.SizeOfSigInfo];
        new Span<byte>(info, LibC.SizeOfSigInfo).Clear();
        int result;
        do
        {
            result = LibC.waitid(
                pid == 0 ? LibC.P_ALL : LibC.P_PID, (uint)pid, info, LibC.WEXITED | LibC.WNOHANG | LibC.WNOWAIT);
        }
        while (LibC.Interrupted(result));

        dead = result == 0 ? *(int*)(info + PidOffset) : 0;
        int value = *(int*)(info + StatusOffset);
        status = *(int*)(info + CodeOffset) switch
        {
            CldExited => WaitStatus.FromExit(value),
            CldDumped => WaitStatus.FromSignal(value, coreDumped: true),
            _ => WaitStatus.FromSignal(value),
        };
        return dead != 0;
    }

    /// <summary>Reaps a child that is dead.</summary>
    public static void Reap(int pid)
    {
        int status;
        while (LibC.Interrupted(LibC.waitpid(pid, &status, LibC.WNOHANG)))
        {
        }
    }
}
