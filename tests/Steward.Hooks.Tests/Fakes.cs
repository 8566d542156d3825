using System.Collections.Concurrent;
using System.Diagnostics;
using Steward.Core.Config;
using Steward.Core.Events;
using Steward.Core.Model;
using Steward.Core.Ports;

[assembly: System.Runtime.Versioning.SupportedOSPlatform("linux")]

namespace Steward.Hooks.Tests;

/// <summary>Waiting for something to become true, with a limit that only a fault reaches.</summary>
internal static class Waiting
{
    public static readonly TimeSpan Limit = TimeSpan.FromSeconds(60);

    public static async Task UntilAsync(Func<bool> condition, Func<string> complaint)
    {
        var clock = Stopwatch.StartNew();
        while (!condition())
        {
            Assert.True(clock.Elapsed < Limit, complaint());
            await Task.Delay(10);
        }
    }
}

/// <summary>A log that keeps its lines.</summary>
internal sealed class Lines : IActivityLog
{
    private readonly ConcurrentQueue<string> _lines = [];

    public string? Path => null;

    public string All => string.Join('\n', _lines);

    public IEnumerable<string> Of(LogLevel level) => _lines.Where(line => line.StartsWith(level + " ", StringComparison.Ordinal));

    public bool IsEnabled(LogLevel level) => true;

    public void Write(LogLevel level, string text, long wall) => _lines.Enqueue(level + " " + text);

    public void Flush()
    {
    }

    public void Reopen()
    {
    }

    public bool Clear() => false;
}

/// <summary>The clocks stand still: times in what is sent are known.</summary>
internal sealed class StillClock : IClock
{
    public const long Wall = 1_800_000_000_123_456_789;

    public Moment Now => new(1, Wall);
}

/// <summary>No programs; for tests without any.</summary>
internal sealed class NoProcesses : IHookProcesses
{
    public bool IsEnded { get; private set; }

    public HookProcessResult Run(HookProcess process) => throw new InvalidOperationException("This test runs no program.");

    public void EndAll() => IsEnded = true;
}

/// <summary>A runner with little patience, and what happens.</summary>
internal sealed class World : IDisposable
{
    public static readonly HookTimings Quick = new()
    {
        Settle = TimeSpan.FromMilliseconds(1),
        FirstRetry = TimeSpan.FromMilliseconds(20),
        LongestRetry = TimeSpan.FromMilliseconds(80),
        StopLimit = TimeSpan.FromSeconds(2),
    };

    private long _number;

    public World(IHookProcesses? processes = null, HookTimings? timings = null) =>
        Runner = new HookRunner(processes ?? new NoProcesses(), Log, new StillClock(), "box", timings: timings ?? Quick);

    public Lines Log { get; } = new();

    public HookRunner Runner { get; }

    public HookStatus Status => Assert.Single(Runner.Status);

    public static HookConfig Url(string url) => new() { Name = "ops", Kind = HookKind.Url, Target = url };

    public World With(params HookConfig[] hooks)
    {
        Runner.Apply(hooks, "prod");
        return this;
    }

    public long Happens(JournalFact fact, string process = "web", string group = "web", int incarnation = 1)
    {
        Runner.Append(new JournalEntry(++_number, StillClock.Wall, group, process, incarnation, fact));
        return _number;
    }

    /// <summary>A whole crash, as the daemon tells it.</summary>
    public long Crashes(string process = "web", int code = 3, int incarnation = 1, string? output = "one\ntwo <&> \"three\"\n")
    {
        long number = Happens(new ExitFact(4711, code, null, null, false, null, 5400, output), process, incarnation: incarnation);
        Happens(
            new DecisionFact(DecisionKind.Restart, "autorestart=unexpected and exit code 3 is not in exitcodes=0"), process, incarnation: incarnation);
        Happens(new StateFact(ProcessState.Running, ProcessState.Exited, 4711), process, incarnation: incarnation);
        return number;
    }

    public Task UntilAsync(Func<HookStatus, bool> condition) =>
        Waiting.UntilAsync(() => condition(Status), () => $"{Status}\n{Log.All}");

    public void Dispose() => Runner.Dispose();
}
