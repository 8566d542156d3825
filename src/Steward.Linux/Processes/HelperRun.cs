using System.Diagnostics;
using Steward.Core.Model;
using Steward.Linux.Handover;
using Steward.Linux.Interop;

namespace Steward.Linux.Processes;

/// <summary>A helper program under way: what it prints and how it ends.</summary>
public sealed unsafe class HelperRun : IDisposable
{
    private const int MaxBytes = 16 << 10;

    private readonly TaskCompletionSource<WaitStatus> _ended = new(TaskCreationOptions.RunContinuationsAsynchronously);
    private int _output;

    internal HelperRun(int pid, int output)
    {
        Pid = pid;
        _output = output;
    }

    /// <summary>Its pid; valid until <see cref="Ended"/>.</summary>
    public int Pid { get; }

    /// <summary>How it ended, once it has been reaped.</summary>
    public Task<WaitStatus> Ended => _ended.Task;

    /// <summary>Reads what it prints until it closes its output, at most 16 KiB (what follows is read and dropped).</summary>
    /// <param name="limit">How long to wait for the end.</param>
    /// <param name="isWhole">Whether the end was reached.</param>
    public string ReadOutput(TimeSpan limit, out bool isWhole)
    {
        long began = Stopwatch.GetTimestamp();
        byte[] bytes = new byte[MaxBytes];
        byte* rest = stackalloc byte[512];
        int length = 0;
        while (true)
        {
            int left = (int)(limit - Stopwatch.GetElapsedTime(began)).TotalMilliseconds;
            var poll = new LibC.PollFd { Fd = _output, Events = LibC.POLLIN };
            int ready = left <= 0 ? 0 : LibC.poll(&poll, 1, left);
            if (LibC.Interrupted(ready))
            {
                continue;
            }

            nint count = 0;
            if (ready > 0)
            {
                fixed (byte* start = bytes)
                {
                    count = length < MaxBytes ? LibC.read(_output, start + length, (nuint)(MaxBytes - length)) : LibC.read(_output, rest, 512);
                }

                if (LibC.Interrupted(count))
                {
                    continue;
                }
            }

            if (count <= 0)
            {
                isWhole = ready > 0;
                return NativeText.Decode(bytes.AsSpan(0, length));
            }

            length = Math.Min(MaxBytes, length + (int)count);
        }
    }

    /// <summary>Closes our end of its output.</summary>
    public void Dispose() => StateFile.Close(Interlocked.Exchange(ref _output, -1));

    internal void End(WaitStatus status) => _ended.TrySetResult(status);
}
