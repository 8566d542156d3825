using System.Globalization;
using Steward.Core.Config;
using Steward.Core.Events;
using Steward.Core.Model;
using Steward.Core.Ports;

namespace Steward.Hooks;

/// <summary>
/// All hooks: takes what happens, finds out who wants to know, and lets each hook deliver at its own pace. Without hooks it does nothing and
/// holds nothing.
/// </summary>
/// <remarks>
/// <see cref="Append(in JournalEntry)"/> is called on the thread on which things happen, and returns without waiting. Everything else is called on any thread.
/// A reload or a reading of the configuration brings other hooks; one that keeps its name and target keeps what waits for it.
/// </remarks>
public sealed class HookRunner : IJournalSink, IDisposable
{
    private readonly Lock _gate = new();
    private readonly IHookProcesses _processes;
    private readonly IActivityLog _log;
    private readonly IClock _clock;
    private readonly HookTimings _timings;
    private readonly TimeProvider _time;
    private readonly HookSender _sender;
    private readonly CancellationTokenSource _abandon = new();
    private readonly Dictionary<string, HookSubject> _subjects = new(StringComparer.Ordinal);
    private volatile Hook[] _hooks = [];
    private volatile HookOrigin _origin;
    private long _lastNumber;

    // Up to which number facts have been taken, and up to which a daemon before was done with them. Nobody is told while there is no keeper.
    private long _taken;
    private long _done;
    private Action<long>? _isDone;
    private bool _isStopped;

    /// <summary>Makes a runner without hooks.</summary>
    /// <param name="processes">Runs programs.</param>
    /// <param name="log">The activity log.</param>
    /// <param name="clock">For the times of what is shown.</param>
    /// <param name="host">The machine's name.</param>
    /// <param name="time">The time that is waited by; null for the system's.</param>
    /// <param name="timings">How long; null for the defaults.</param>
    public HookRunner(
        IHookProcesses processes, IActivityLog log, IClock clock, string host, TimeProvider? time = null, HookTimings? timings = null)
    {
        _processes = processes;
        _log = log;
        _clock = clock;
        _time = time ?? TimeProvider.System;
        _timings = timings ?? new HookTimings();
        _origin = new HookOrigin(host, "supervisor");
        _sender = new HookSender(processes, _time);
    }

    /// <summary>How the hooks are doing, in the order of the configuration.</summary>
    public IReadOnlyList<HookStatus> Status => [.. _hooks.Select(static hook => hook.Status)];

    /// <summary>Goes on with other hooks.</summary>
    /// <param name="hooks">The hooks of the configuration; of two of one name the first counts.</param>
    /// <param name="identifier"><c>identifier</c> of the daemon.</param>
    public void Apply(IReadOnlyList<HookConfig> hooks, string identifier)
    {
        lock (_gate)
        {
            if (_isStopped)
            {
                return;
            }

            _origin = _origin with { Identifier = identifier };
            var former = _hooks.ToDictionary(static hook => hook.Config.Name, StringComparer.Ordinal);
            var next = new List<Hook>();
            var setting = new HookSetting(_sender, _time, _timings, Log, Wall, Concluded);
            foreach (HookConfig config in hooks.DistinctBy(static hook => hook.Name))
            {
                if (former.TryGetValue(config.Name, out Hook? hook) && hook.Config.Kind == config.Kind && hook.Config.Target == config.Target)
                {
                    former.Remove(config.Name);
                    hook.Reconfigure(config);
                    next.Add(hook);
                }
                else
                {
                    next.Add(new Hook(config, setting, () => _origin, _abandon.Token));
                }
            }

            _hooks = [.. next];
            if (next.Count == 0)
            {
                _subjects.Clear();
            }

            TellDone();
            foreach (Hook gone in former.Values)
            {
                if (gone.Abandon() is > 0 and var left)
                {
                    Log(LogLevel.Warn, string.Create(
                        CultureInfo.InvariantCulture, $"hook '{gone.Config.Name}': removed or sent elsewhere; {left} events that waited are dropped"));
                }
            }
        }
    }

    /// <summary>
    /// Has somebody told, from here on, up to which number of facts (<see cref="FactPlace"/>) nothing waits any more: delivered, given up, dropped, or
    /// wanted by no hook; <see cref="long.MaxValue"/> while there are no hooks.
    /// </summary>
    /// <param name="done">Up to which number a daemon before was done: what it tells is remembered for what belongs to it, and not sent.</param>
    /// <param name="isDone">Called on the threads on which facts are taken and delivered, one at a time; returns at once.</param>
    public void Keep(long done, Action<long> isDone)
    {
        lock (_gate)
        {
            _isDone = isDone;
            SkipTo(done);
            TellDone();
        }
    }

    /// <summary>Facts up to this number are not sent.</summary>
    public void SkipTo(long done)
    {
        lock (_gate)
        {
            _done = Math.Max(_done, done);
            _taken = Math.Max(_taken, done);
        }
    }

    /// <inheritdoc/>
    public void Append(in JournalEntry entry) => Append(entry, default);

    /// <inheritdoc/>
    public void Append(in JournalEntry entry, FactPlace place)
    {
        if (_hooks.Length == 0)
        {
            return;
        }

        lock (_gate)
        {
            HookSubject? subject = Remember(entry);
            if (place.Series == 0 || place.Number > _done)
            {
                Offer(entry, place, subject);
            }

            if (place.Number > _taken)
            {
                _taken = place.Number;
                TellDone();
            }
        }
    }

    /// <summary>Sends a test event to a hook.</summary>
    /// <returns>Null when there is no such hook; else a task of null when it was taken, or of what the attempt said.</returns>
    public Task<string?>? TestAsync(string name)
    {
        Hook? hook = Array.Find(_hooks, hook => hook.Config.Name == name);
        if (hook is null)
        {
            return null;
        }

        var entry = new JournalEntry(0, Wall(), null, null, 0, new DaemonFact(DaemonAction.Started, "", Environment.ProcessId));
        return hook.TestAsync(new HookEvent(Delivery(entry), HookEvents.None, entry) { IsTest = true });
    }

    /// <summary>
    /// Ends it: what waits is tried once more, all within <see cref="HookTimings.StopLimit"/>, and what is left is said. Nothing is taken any
    /// more.
    /// </summary>
    public void Stop()
    {
        Hook[] hooks;
        lock (_gate)
        {
            if (_isStopped)
            {
                return;
            }

            _isStopped = true;
            hooks = _hooks;
        }

        if (hooks.Length == 0)
        {
            return;
        }

        Task all = Task.WhenAll(hooks.Select(static hook => hook.StopAsync()));
        bool isDone = all.Wait(_timings.StopLimit);
        _abandon.Cancel();
        _processes.EndAll();
        foreach (Hook hook in hooks)
        {
            if (hook.Status is { Waiting: > 0 } status)
            {
                Log(LogLevel.Warn, string.Create(
                    CultureInfo.InvariantCulture,
                    $"hook '{status.Name}': the daemon ends, and {status.Waiting} events were not delivered{(isDone ? "" : " in time")}"
                    + $"{(status.LastError is null ? "" : "; the last error was: " + status.LastError)}"));
            }
        }
    }

    /// <inheritdoc/>
    public void Dispose()
    {
        Stop();
        _sender.Dispose();
        _abandon.Dispose();
    }

    private void Offer(in JournalEntry entry, FactPlace place, HookSubject? subject)
    {
        HookEvents kind = HookEventNames.Of(entry.Fact);
        if (kind == HookEvents.None)
        {
            return;
        }

        HookEvent? happened = null;
        foreach (Hook hook in _hooks)
        {
            HookConfig config = hook.Config;
            if ((config.Events & kind) == 0 || !config.Concerns(entry.Group, entry.Process))
            {
                continue;
            }

            if (happened is null)
            {
                happened = new HookEvent(Delivery(entry, place), kind, entry) { Number = place.Number };
                subject?.Open(happened);
            }

            hook.Add(happened);
        }
    }

    /// <summary>A hook has done with an event. It holds no lock: this one comes first.</summary>
    private void Concluded()
    {
        if (Volatile.Read(ref _isDone) is null)
        {
            return;
        }

        lock (_gate)
        {
            TellDone();
        }
    }

    private void TellDone()
    {
        if (_isDone is not { } isDone || _isStopped)
        {
            // At the end what is left is said, and nobody comes after.
            return;
        }

        long done = _hooks.Length == 0 ? long.MaxValue : _taken;
        foreach (Hook hook in _hooks)
        {
            done = Math.Min(done, hook.OldestWaiting - 1);
        }

        isDone(done);
    }

    private HookSubject? Remember(in JournalEntry entry)
    {
        if (entry.Group is null || entry.Process is null)
        {
            return null;
        }

        string key = entry.Group + ":" + entry.Process;
        if (entry.Fact is ConfigFact { Action: ConfigAction.Removed })
        {
            _subjects.Remove(key);
            return null;
        }

        if (!_subjects.TryGetValue(key, out HookSubject? subject))
        {
            // As many as there are processes; they go when those are removed.
            subject = new HookSubject();
            _subjects.Add(key, subject);
        }

        subject.Take(entry);
        return subject;
    }

    // A fact that a successor may tell again has a name of its own, so that whoever gets it twice can see that. For the others the start of the
    // daemon keeps those of two runs apart.
    private string Delivery(in JournalEntry entry, FactPlace place = default) => place.Series != 0
        ? string.Create(CultureInfo.InvariantCulture, $"{place.Series:x}-{place.Number}")
        : entry.Number > 0 ? entry.Number.ToString(CultureInfo.InvariantCulture)
        : string.Create(CultureInfo.InvariantCulture, $"{entry.Wall / Moment.Millisecond:x}-{Interlocked.Increment(ref _lastNumber)}");

    private long Wall() => _clock.Now.Wall;

    private void Log(LogLevel level, string text) => _log.Write(level, text, Wall());
}
