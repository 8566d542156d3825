using System.Globalization;
using Steward.Core.Config;
using Steward.Core.Effects;
using Steward.Core.Events;
using Steward.Core.Inputs;
using Steward.Core.Model;

namespace Steward.Core.Supervision;

// Memory and health of running processes: when to look, and what follows from what was seen. A single bad reading never stops anything.
public sealed partial class Supervisor
{
    /// <summary>Readings in a row above the limit that count; one may be a spike, or a fork that is about to exec.</summary>
    private const int HighReadings = 2;

    private static readonly long FirstHealthPause = 10 * Moment.Second;
    private static readonly long LongestHealthPause = 300 * Moment.Second;

    private static long WatchDue(ProcessSlot slot) => Math.Min(slot.Memory?.Due ?? long.MaxValue, slot.Health?.Due ?? long.MaxValue);

    private static void BeginWatches(ProcessSlot slot)
    {
        if (slot is { Memory: { } memory, Config.MemoryLimit: { } limit })
        {
            memory.Bytes = null;
            memory.High = 0;
            memory.Due = slot.StartedAt + limit.CheckSecs * Moment.Second;
        }

        if (slot is { Health: { } health, Config.Health: { } config })
        {
            health.IsKnown = false;
            health.Failures = 0;
            health.Reason = null;
            health.IsUnhealthy = false;
            health.IsPutOff = false;
            health.Due = slot.StartedAt + config.Grace * Moment.Second;
        }
    }

    /// <summary>There is nothing to look at any more; what was seen last stays to be told.</summary>
    private static void EndWatches(ProcessSlot slot)
    {
        if (slot.Memory is { } memory)
        {
            memory.Due = long.MaxValue;
        }

        if (slot.Health is { } health)
        {
            health.Due = long.MaxValue;
        }
    }

    private void RunWatches(ProcessSlot slot)
    {
        // The next look is due whether or not this one is answered: nothing waits for what may never come.
        if (slot.Memory is { } memory && memory.Due <= _now.Monotonic)
        {
            memory.Due = _now.Monotonic + slot.Config.MemoryLimit!.CheckSecs * Moment.Second;
            _effects.Add(new MeasureMemory(slot.Id, slot.Incarnation, slot.Pid));
        }

        if (slot.Health is { } health && health.Due <= _now.Monotonic)
        {
            health.Due = _now.Monotonic + slot.Config.Health!.Interval * Moment.Second;
            if (slot.State == ProcessState.Running)
            {
                _effects.Add(new ProbeHealth(slot.Id, slot.Incarnation, slot.Config.Health));
            }
        }
    }

    private void TakeMemory(ProcessSlot slot, MemoryMeasured measured)
    {
        if (slot is not { Memory: { Due: not long.MaxValue } memory, Config.MemoryLimit: { } limit })
        {
            return;
        }

        memory.Bytes = measured.Bytes;
        if (measured.Bytes <= limit.Bytes)
        {
            if (memory.High >= HighReadings)
            {
                TellHealth(slot, "memory", isGood: true, Size(measured.Bytes));
                Log(LogLevel.Info, $"memory of {slot.Namespec} is {Size(measured.Bytes)}, below its limit of {Size(limit.Bytes)} again");
            }

            memory.High = 0;
            return;
        }

        memory.High = Math.Min(memory.High + 1, HighReadings + 1);
        string found = string.Create(
            CultureInfo.InvariantCulture,
            $"memory of {slot.Namespec} is {Size(measured.Bytes)} in {measured.Processes} process{(measured.Processes == 1 ? "" : "es")}");
        if (memory.High == HighReadings)
        {
            TellHealth(slot, "memory", isGood: false, $"{Size(measured.Bytes)}, above {Size(limit.Bytes)}");
        }

        if (memory.High < HighReadings)
        {
            Log(LogLevel.Info, string.Create(
                CultureInfo.InvariantCulture, $"{found}, above its limit of {Size(limit.Bytes)}; looking again in {limit.CheckSecs} seconds"));
        }
        else if (limit.Action == WatchAction.Restart && State == DaemonState.Running)
        {
            memory.Restarts++;
            Log(LogLevel.Warn, string.Create(
                CultureInfo.InvariantCulture,
                $"{found}, twice in a row above its limit of {Size(limit.Bytes)}: restarting it (restart {memory.Restarts} by memory_limit)"));
            Recycle(slot, $"{found}, above its limit of {Size(limit.Bytes)}");
        }
        else if (memory.High == HighReadings)
        {
            Log(LogLevel.Warn, $"{found}, twice in a row above its limit of {Size(limit.Bytes)}: it is left running");
        }
    }

    private void TakeHealth(ProcessSlot slot, string? failure)
    {
        if (slot is not { State: ProcessState.Running, Health: { Due: not long.MaxValue } health, Config.Health: { } config })
        {
            return;
        }

        health.IsKnown = true;
        health.Reason = failure;
        if (failure is null)
        {
            TakeGoodHealth(slot, health);
            return;
        }

        health.Failures = Math.Min(health.Failures + 1, int.MaxValue - 1);
        if (health.Failures < config.Failures)
        {
            Log(LogLevel.Info, string.Create(
                CultureInfo.InvariantCulture, $"health of {slot.Namespec}: probe failed, {health.Failures} of {config.Failures}: {failure}"));
            return;
        }

        string found = string.Create(
            CultureInfo.InvariantCulture, $"{slot.Namespec} is unhealthy: {health.Failures} probes failed in a row, the last one: {failure}");
        if (!health.IsUnhealthy)
        {
            TellHealth(slot, "http", isGood: false, failure);
        }

        bool mayRestart = config.Action == WatchAction.Restart && State == DaemonState.Running;
        if (mayRestart && _now.Monotonic >= health.NotBefore)
        {
            health.IsUnhealthy = true;
            health.Restarts++;
            health.Pause = health.Pause == 0 ? FirstHealthPause : Math.Min(2 * health.Pause, LongestHealthPause);
            health.NotBefore = _now.Monotonic + health.Pause;
            Log(LogLevel.Warn, string.Create(
                CultureInfo.InvariantCulture,
                $"{found}: restarting it (restart {health.Restarts} by health_http; the next one not within {health.Pause / Moment.Second} seconds)"));
            Recycle(slot, found);
        }
        else if (mayRestart && !health.IsPutOff)
        {
            health.IsUnhealthy = true;
            health.IsPutOff = true;
            long left = (health.NotBefore - _now.Monotonic + Moment.Second - 1) / Moment.Second;
            Log(LogLevel.Warn, string.Create(CultureInfo.InvariantCulture, $"{found}: its restart is put off for {left} seconds"));
        }
        else if (!health.IsUnhealthy)
        {
            health.IsUnhealthy = true;
            Log(LogLevel.Warn, $"{found}: it is left running");
        }
    }

    private void TakeGoodHealth(ProcessSlot slot, HealthWatch health)
    {
        if (health.IsUnhealthy)
        {
            TellHealth(slot, "http", isGood: true, null);
            Log(LogLevel.Info, $"{slot.Namespec} is healthy again");
        }

        health.Failures = 0;
        health.IsUnhealthy = false;
        health.IsPutOff = false;
        if (health.Pause > 0 && _now.Monotonic >= health.NotBefore + health.Pause)
        {
            // Well for as long as it had to wait: the next trouble is a new one.
            health.Pause = 0;
        }
    }

    private void Recycle(ProcessSlot slot, string reason)
    {
        slot.RestartReason = reason;
        if (IsRecording)
        {
            Tell(slot, new DecisionFact(DecisionKind.Restart, reason));
        }

        Trigger(slot, ProcessTrigger.Restart);
    }

    private void TellHealth(ProcessSlot slot, string check, bool isGood, string? detail)
    {
        if (IsRecording)
        {
            Tell(slot, new HealthFact(check, isGood, detail));
        }
    }

    private static string Size(long bytes) => bytes switch
    {
        >= 10L << 30 => string.Create(CultureInfo.InvariantCulture, $"{bytes >> 30}GB"),
        >= 10L << 20 => string.Create(CultureInfo.InvariantCulture, $"{bytes >> 20}MB"),
        _ => string.Create(CultureInfo.InvariantCulture, $"{bytes >> 10}KB"),
    };
}
