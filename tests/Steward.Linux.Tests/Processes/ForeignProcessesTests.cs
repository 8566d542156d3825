using System.Collections.Concurrent;
using System.Diagnostics;
using Steward.Core.Inputs;
using Steward.Core.Model;
using Steward.Linux.Interop;
using Steward.Linux.Processes;
using Steward.Linux.Watching;

namespace Steward.Linux.Tests.Processes;

/// <summary>Processes whose parent is dead, watched by somebody who is not their parent.</summary>
[Collection(ProcessesCollection.Name)]
public sealed class ForeignProcessesTests : IDisposable
{
    private readonly BlockingCollection<(int Pid, WaitStatus Status)> _ended = [];
    private readonly ForeignProcesses _foreign;
    private readonly List<int> _made = [];
    private readonly string _folder = Directory.CreateTempSubdirectory("steward-foreign.").FullName;

    public ForeignProcessesTests() => _foreign = new ForeignProcesses((pid, status) => _ended.Add((pid, status)));

    /// <summary>Whether this machine's kernel tells how processes end that are not one's own: 6.15.</summary>
    private static bool KernelTells => Environment.OSVersion.Version >= new Version(6, 15);

    public void Dispose()
    {
        _foreign.Dispose();
        foreach (int pid in _made)
        {
            _ = LibC.kill(pid, Signals.Kill);
        }

        _ended.Dispose();
        Directory.Delete(_folder, recursive: true);
    }

    [Theory]
    [InlineData("exit 7", 7 << 8)]
    [InlineData("exit 0", 0)]
    [InlineData("kill -SEGV $$", 11)]
    public void The_end_of_one_is_told_once_with_its_status(string ending, int status)
    {
        int pid = Make($"read line < $0; {ending}", out string gate);
        Add(pid);

        Open(gate);

        (int ended, WaitStatus how) = Next();
        Assert.Equal(pid, ended);
        if (KernelTells)
        {
            // Whether a core was written is the machine's affair.
            Assert.Equal(status, how.Raw & ~0x80);
        }

        Assert.True(_foreign.Contains(pid));
        _foreign.Forget(pid);
        Assert.False(_foreign.Contains(pid));
        Assert.Equal(SignalResult.Gone, _foreign.Signal(pid, 0, toGroup: false, out _));

        // Another one ends after it: nothing was told of the first in between.
        int other = Make("exec sleep 1000", out _);
        Add(other);
        Assert.Equal(SignalResult.Delivered, _foreign.Signal(other, Signals.Kill, toGroup: false, out _));
        Assert.Equal(other, Next().Pid);
    }

    [Fact]
    public void One_that_started_at_another_time_is_another_one()
    {
        int pid = Make("exec sleep 1000", out _);
        ulong start = ProcessEntry.Read(pid)!.Value.StartTime;
        Assert.False(_foreign.TryAdd(pid, start + 1, out string? failure));
        Assert.Contains("another process", failure, StringComparison.Ordinal);
        Assert.True(_foreign.TryAdd(pid, start, out _));
        Assert.False(_foreign.TryAdd(pid, start, out failure));
        Assert.Contains("already", failure, StringComparison.Ordinal);
    }

    [Fact]
    public void A_signal_reaches_one_or_the_group_that_it_leads()
    {
        int pid = Make("sleep 1000 & echo $!; wait", out _, out Process shell);
        int child = int.Parse(shell.StandardOutput.ReadLine()!, System.Globalization.CultureInfo.InvariantCulture);
        ulong start = ProcessEntry.Read(child)!.Value.StartTime;
        Add(pid);
        Assert.Equal(SignalResult.Delivered, _foreign.Signal(pid, 0, toGroup: true, out _));
        Assert.True(ForeignProcesses.Lives(child, start));

        Assert.Equal(SignalResult.Delivered, _foreign.Signal(pid, Signals.Kill, toGroup: true, out string? error));

        Assert.Null(error);
        Assert.Equal(pid, Next().Pid);
        Waiting(() => !ForeignProcesses.Lives(child, start));
        shell.Dispose();
    }

    /// <summary>The number alone proves nothing where others may have waited for the process.</summary>
    [Fact]
    public void A_signal_to_one_that_is_not_watched_reaches_none_that_started_at_another_time()
    {
        int pid = Make("exec sleep 1000", out _);
        ulong start = ProcessEntry.Read(pid)!.Value.StartTime;

        Assert.Equal(SignalResult.Gone, ForeignProcesses.Signal(pid, start + 1, Signals.Kill, toGroup: false, out _));
        Assert.Equal(SignalResult.Gone, ForeignProcesses.Signal(pid, start + 1, Signals.Kill, toGroup: true, out _));
        Assert.True(ForeignProcesses.Lives(pid, start));

        Assert.Equal(SignalResult.Delivered, ForeignProcesses.Signal(pid, start, Signals.Kill, toGroup: false, out string? error));
        Assert.Null(error);
        Waiting(() => !ForeignProcesses.Lives(pid, start));
    }

    [Fact]
    public void Those_that_nobody_supervises_are_ended_with_force_if_need_be()
    {
        int polite = Make("exec sleep 1000", out _);
        int deaf = Make("trap '' TERM; echo; exec sleep 1000", out _, out Process shell);
        Assert.NotNull(shell.StandardOutput.ReadLine());
        (int, ulong)[] both = [(polite, ProcessEntry.Read(polite)!.Value.StartTime), (deaf, ProcessEntry.Read(deaf)!.Value.StartTime)];
        var said = new List<string>();

        ForeignProcesses.End(both, TimeSpan.FromMilliseconds(300), said.Add);

        Assert.Empty(said);
        Assert.All(both, one => Assert.False(ForeignProcesses.Lives(one.Item1, one.Item2)));
        shell.Dispose();
    }

    [Fact]
    public void Many_are_watched_by_one_thread()
    {
        int[] pids = [.. Enumerable.Range(0, 40).Select(_ => Make("exec sleep 1000", out string _))];
        Array.ForEach(pids, Add);
        Array.ForEach(pids, pid => Assert.Equal(SignalResult.Delivered, _foreign.Signal(pid, Signals.Kill, toGroup: false, out _)));
        Assert.Equal(pids.Order(), Enumerable.Range(0, pids.Length).Select(_ => Next().Pid).Order());
    }

    private static void Waiting(Func<bool> condition)
    {
        long began = Stopwatch.GetTimestamp();
        Assert.True(SpinWait.SpinUntil(condition, Kernel.Patience), $"it did not come to that within {Stopwatch.GetElapsedTime(began)}");
    }

    private static void Open(string gate) => File.WriteAllText(gate, "\n");

    private void Add(int pid)
    {
        Assert.True(_foreign.TryAdd(pid, ProcessEntry.Read(pid)!.Value.StartTime, out string? failure), failure);
    }

    private (int Pid, WaitStatus Status) Next()
    {
        Assert.True(_ended.TryTake(out (int, WaitStatus) ended, Kernel.Patience), "nothing ended");
        return ended;
    }

    private int Make(string script, out string gate)
    {
        int pid = Make(script, out gate, out Process shell);
        shell.Dispose();
        return pid;
    }

    /// <summary>A shell that leads a session and whose parent is dead; its first word is a pipe that it may read.</summary>
    private int Make(string script, out string gate, out Process shell)
    {
        gate = Path.Combine(_folder, Guid.NewGuid().ToString("N"));
        var start = new ProcessStartInfo("/bin/sh") { RedirectStandardOutput = true };
        start.ArgumentList.Add("-c");
        start.ArgumentList.Add("mkfifo $1; setsid /bin/sh -c \"$0\" $1 & echo $!");
        start.ArgumentList.Add(script);
        start.ArgumentList.Add(gate);
        shell = Process.Start(start)!;
        int pid = int.Parse(shell.StandardOutput.ReadLine()!, System.Globalization.CultureInfo.InvariantCulture);
        _made.Add(pid);
        shell.WaitForExit(Kernel.Patience);
        return pid;
    }
}
