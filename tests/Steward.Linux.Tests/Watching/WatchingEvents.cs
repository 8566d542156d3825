using System.Collections.Concurrent;
using System.Diagnostics;
using Steward.Core.Model;
using Steward.Core.Ports;

namespace Steward.Linux.Tests.Watching;

/// <summary>Keeps what was measured and found.</summary>
internal sealed class WatchingEvents : IProcessHostEvents
{
    public static readonly TimeSpan Patience = TimeSpan.FromSeconds(60);

    public BlockingCollection<(ProcessId Process, Incarnation Incarnation, long Bytes, int Processes)> Memory { get; } = [];

    public BlockingCollection<(ProcessId Process, Incarnation Incarnation, string? Failure)> Health { get; } = [];

    public (ProcessId Process, Incarnation Incarnation, long Bytes, int Processes) TakeMemory()
    {
        Assert.True(Memory.TryTake(out var taken, Patience), "nothing was measured");
        return taken;
    }

    public string? TakeHealth()
    {
        Assert.True(Health.TryTake(out var taken, Patience), "no probe came back");
        return taken.Failure;
    }

    void IProcessHostEvents.MemoryMeasured(ProcessId process, Incarnation incarnation, long bytes, int processes) =>
        Memory.Add((process, incarnation, bytes, processes));

    void IProcessHostEvents.HealthProbed(ProcessId process, Incarnation incarnation, string? failure) =>
        Health.Add((process, incarnation, failure));

    void IProcessHostEvents.Log(LogLevel level, string text) => throw new UnreachableException(text);

    void IProcessHostEvents.ChildrenExited() => throw new UnreachableException();

    void IProcessHostEvents.Output(ProcessId process, Incarnation incarnation, OutputChannel channel, byte[] data) =>
        throw new UnreachableException();

    void IProcessHostEvents.Communication(ProcessId process, Incarnation incarnation, OutputChannel channel, byte[] data) =>
        throw new UnreachableException();

    void IProcessHostEvents.OutputFinished(ProcessId process, Incarnation incarnation, string? lastOutput) => throw new UnreachableException();
}
