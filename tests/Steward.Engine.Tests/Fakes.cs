using System.Collections.Concurrent;
using Steward.Core.Config;
using Steward.Core.Effects;
using Steward.Core.Inputs;
using Steward.Core.Model;
using Steward.Core.Ports;

namespace Steward.Engine.Tests;

/// <summary>A clock in the hand; may be read on any thread.</summary>
internal sealed class ManualClock : IClock
{
    private long _monotonic = 1000 * Moment.Second;
    private long _reads;

    public long Reads => Interlocked.Read(ref _reads);

    public Moment Now
    {
        get
        {
            Interlocked.Increment(ref _reads);
            long now = Interlocked.Read(ref _monotonic);
            return new Moment(now, now + 1_767_225_600 * Moment.Second);
        }
    }

    public void AdvanceTo(long monotonic) => Interlocked.Exchange(ref _monotonic, monotonic);

    public void Advance(double seconds) => Interlocked.Add(ref _monotonic, (long)(seconds * Moment.Second));
}

/// <summary>Keeps the lines.</summary>
internal sealed class FakeLog : IActivityLog
{
    public ConcurrentQueue<string> Lines { get; } = new();

    public string? Path => null;

    public bool IsEnabled(LogLevel level) => level >= LogLevel.Info;

    public void Write(LogLevel level, string text, long wall)
    {
        if (IsEnabled(level))
        {
            Lines.Enqueue($"{level.Code()} {text}");
        }
    }

    /// <summary>The number of the last line that had one.</summary>
    public long LastNumber { get; private set; }

    public void Write(LogLevel level, string text, long wall, long number)
    {
        Write(level, text, wall);
        LastNumber = number;
    }

    public void Flush()
    {
    }

    public void Reopen() => Lines.Enqueue("reopened");

    public bool Clear() => true;
}

/// <summary>A kernel that does as it is told. Its members are called on the engine's thread alone.</summary>
internal sealed class FakeHost : IProcessHost
{
    private readonly ConcurrentQueue<(int, WaitStatus)> _dead = new();
    private Action? _foundNone;

    /// <summary>Has something happen once, when it was looked for the dead and none was there.</summary>
    public void WhenNoneIsFound(Action action) => _foundNone = action;

    public required IProcessHostEvents Events { get; init; }

    public int LastPid { get; set; } = 100;

    /// <summary>Takes children over that another one has started; none of what it was about to start is there.</summary>
    public bool IsSuccessor { get; init; }

    public ConcurrentQueue<string> Calls { get; } = new();

    /// <summary>Reports the end of a dead child's output at once, unless one wants to hold it back.</summary>
    public bool HoldsOutput { get; set; }

    public ConcurrentQueue<(ProcessId, Incarnation)> Held { get; } = new();

    public Func<Spawn, string?> SpawnError { get; set; } = _ => null;

    public void Die(params (int Pid, WaitStatus Status)[] children)
    {
        foreach ((int, WaitStatus) child in children)
        {
            _dead.Enqueue(child);
        }

        Events.ChildrenExited();
    }

    public GroupPrepared PrepareGroup(RequestId request, GroupConfig group) => new(request, group, [], null);

    public Fault? CheckCommand(ProcessConfig config) => null;

    public SpawnAnswer Spawn(Spawn request)
    {
        Calls.Enqueue("spawn " + request.Config.Name);
        return SpawnError(request) is { } error ? new SpawnAnswer(0, error) : new SpawnAnswer(++LastPid, null);
    }

    public SignalResult Signal(int pid, int number, bool toGroup, out string? error)
    {
        Calls.Enqueue($"kill {pid} {number}");
        error = null;
        return SignalResult.Delivered;
    }

    public StdinResult WriteStdin(ProcessId process, Incarnation incarnation, ReadOnlyMemory<byte> data) => StdinResult.Accepted;

    public bool TryReap(out int pid, out WaitStatus status)
    {
        bool any = _dead.TryDequeue(out (int Pid, WaitStatus Status) child);
        (pid, status) = child;
        if (!any)
        {
            Interlocked.Exchange(ref _foundNone, null)?.Invoke();
        }

        return any;
    }

    public int? FindSpawned(Spawn spawn, long since) => IsSuccessor ? null : throw new NotSupportedException();

    public void Adopt(Spawn spawn, int pid, bool isDead)
    {
        Assert.True(IsSuccessor);
        Calls.Enqueue($"adopt {spawn.Config.Name} {pid}{(isDead ? " dead" : "")}");
    }

    public void ReapingDone() => Calls.Enqueue("reaping done");

    /// <summary>What the kernel's log of memory says.</summary>
    public bool? IsOutOfMemory { get; set; }

    public bool? TakeOutOfMemoryKill() => IsOutOfMemory;

    public void FinishOutput(ProcessId process, Incarnation incarnation, bool wantsOutput)
    {
        if (HoldsOutput)
        {
            Held.Enqueue((process, incarnation));
        }
        else
        {
            Events.OutputFinished(process, incarnation, wantsOutput ? "last words\n" : null);
        }
    }

    public void OutputConsumed(int bytes) => Calls.Enqueue($"consumed {bytes}");

    public bool ClearLogs(ProcessId process, string? stdoutLog, string? stderrLog) => true;

    public void ReopenLogs() => Calls.Enqueue("reopen");

    public IReadOnlyList<string> EndSurvivors(EndSurvivors request) => [];

    public void MeasureMemory(ProcessId process, Incarnation incarnation, int pid) => Events.MemoryMeasured(process, incarnation, 7 << 20, 1);

    public void ProbeHealth(ProcessId process, Incarnation incarnation, HealthConfig health) =>
        Events.HealthProbed(process, incarnation, "status 503");
}
