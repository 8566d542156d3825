using System.Collections.Concurrent;
using Steward.Core.Config;
using Steward.Core.Effects;
using Steward.Core.Inputs;
using Steward.Core.Model;
using Steward.Core.Ports;
using Steward.Core.Supervision;

namespace Steward.Engine;

/// <summary>What reading the configuration came to: exactly one of the two is set.</summary>
/// <param name="Configuration">What was read.</param>
/// <param name="Failure">The first fault, as <c>supervisord</c> prints it.</param>
public sealed record ReadResult(Configuration? Configuration, string? Failure);

/// <summary>
/// The loop: one thread takes what happens, one thing at a time, gives it to the <see cref="Supervisor"/> and carries out what that
/// decides. Nothing is decided here.
/// </summary>
/// <remarks>
/// <para>Each turn looks at, in this order: signals; dead children (at most <see cref="ReapsPerTurn"/>); what the children's output came
/// to; deadlines; requests (at most <see cref="RequestsPerTurn"/>). So a storm of dying children does not shut out the operator, nor a
/// flood of requests the children.</para>
/// <para>Bounds: a signal that is already waiting is not queued again; tapped output is bounded by the host's credit; there is one end of
/// output a child; at most <see cref="MaxWaiting"/> requests wait, further ones are refused at once.</para>
/// <para>Without anything to do the thread sleeps until the next deadline, or for ever.</para>
/// </remarks>
public sealed partial class Engine : ISupervisorControl, IProcessHostEvents, IDisposable
{
    /// <summary>The most requests that wait for their answer at once.</summary>
    public const int MaxWaiting = 1024;

    private const int ReapsPerTurn = 100;
    private const int RequestsPerTurn = 64;

    // A start of so many programs leaves some hundred kilobytes of garbage behind.
    private const int SpawnsOfBurst = 32;
    private const int StackSize = 4 << 20;

    private readonly Supervisor _supervisor;
    private readonly IActivityLog _log;
    private readonly IClock _clock;
    private readonly Func<ReadResult> _read;
    private readonly Func<ReadResult> _readForReload;

    // Guards the supervisor's state between the engine's steps and queries of other threads.
    private readonly Lock _state = new();

    // Guards what waits for the engine; the thread sleeps on it.
    private readonly object _inbox = new();
    private readonly List<int> _signals = [];
    private readonly Queue<Arrival> _arrivals = new();
    private readonly Queue<Request> _requests = new();
    private bool _childrenExited;
    private bool _isEnding;

    // The engine's thread alone.
    private readonly Dictionary<int, Child> _children = [];
    private readonly Dictionary<ProcessId, Child> _dead = [];
    private readonly Stack<List<Effect>> _spareLists = new();
    private readonly List<int> _takenSignals = [];
    private readonly IdleMemory _memory = new();
    private int _spawns;
    private IProcessHost? _host;
    private Thread? _thread;

    private TaskCompletionSource<bool> _stopped = NewStopped();

    // Actions that were posted and have not begun.
    private readonly ConcurrentDictionary<TaskCompletionSource, byte> _invocations = new();

    /// <summary>Makes an engine; nothing runs before <see cref="Start"/>.</summary>
    /// <param name="settings">The settings of the configuration.</param>
    /// <param name="log">The activity log.</param>
    /// <param name="clock">The clocks.</param>
    /// <param name="read">Reads the configuration file anew; may be called on any thread.</param>
    /// <param name="readForReload">
    /// Reads it and also makes sure that the daemon could start with it (its sockets can be opened); called on the engine's thread.
    /// Null: reading is all there is to it.
    /// </param>
    public Engine(SupervisorSettings settings, IActivityLog log, IClock clock, Func<ReadResult> read, Func<ReadResult>? readForReload = null)
        : this(new Supervisor(settings), log, clock, read, readForReload)
    {
    }

    private Engine(Supervisor supervisor, IActivityLog log, IClock clock, Func<ReadResult> read, Func<ReadResult>? readForReload)
    {
        _supervisor = supervisor;
        _log = log;
        _clock = clock;
        _read = read;
        _readForReload = readForReload ?? read;
    }

    /// <summary>The configuration that a reload was validated with; it is the one to start anew with.</summary>
    public Configuration? ValidatedReload { get; private set; }

    /// <summary>The configuration in force: the one that the daemon was started or reloaded with.</summary>
    public Configuration? InForce => _control;

    /// <summary>Where intents are kept; null: they end with the daemon. Set before <see cref="Start"/>.</summary>
    public IIntentStore? Intents { get; set; }

    /// <summary>
    /// Completes when everything is stopped: true for a reload, false for good. Faulted when the engine died of a defect of its own.
    /// </summary>
    public Task<bool> Stopped
    {
        get
        {
            lock (_inbox)
            {
                return _stopped.Task;
            }
        }
    }

    /// <summary>Takes the kernel's side on, which reports to this engine. Once, before anything else.</summary>
    public void Attach(IProcessHost host) => _host = host;

    /// <summary>Takes in what was remembered of an earlier life. At start, before <see cref="Load"/>.</summary>
    public void Recall(IReadOnlyList<Intent> intents) => Apply(new IntentsRead(intents));

    /// <summary>
    /// Takes on a program that an earlier daemon started. After <see cref="Load"/> and before
    /// <see cref="BeginRunning"/>.
    /// </summary>
    /// <param name="group">Its group.</param>
    /// <param name="process">Its name there.</param>
    /// <param name="pid">Its pid.</param>
    /// <param name="startedAt">When it was started: wall time in nanoseconds.</param>
    /// <param name="isOlder">Whether that was with another configuration.</param>
    /// <param name="isToStop">Whether it is not wanted.</param>
    /// <param name="watch">Has the host take it on, as if it had been spawned so: whether its output comes here; null when it is gone.</param>
    /// <returns>Null when there is no such process, or when it has been started already; else whether it lives.</returns>
    public bool? Adopt(
        string group, string process, int pid, long startedAt, bool isOlder, bool isToStop, Func<Spawn, bool?> watch)
    {
        if (_supervisor.Adoptable(group, process) is not { } spawn)
        {
            return null;
        }

        if (watch(spawn) is not { } hasOutput)
        {
            return false;
        }

        _children.Add(pid, new Child(spawn.Process, spawn.Incarnation) { Pid = pid, Spawn = hasOutput ? spawn : null });
        Apply(new ChildAdopted(spawn.Process, spawn.Incarnation, pid, startedAt, isOlder, isToStop, hasOutput));
        return true;
    }

    /// <summary>
    /// Makes a configuration the present one and activates its groups. At start on the calling thread, before <see cref="Start"/>; at
    /// a reload through <see cref="InvokeAsync"/>.
    /// </summary>
    /// <returns>
    /// Why groups could not be activated, one text each; empty when all are. The others are active: whether a daemon without
    /// these groups is wanted is for the caller to say.
    /// </returns>
    public IReadOnlyList<string> Load(Configuration configuration)
    {
        NoteControl(configuration);
        Control = configuration;
        Apply(new ConfigurationRead(default, configuration));
        var failures = new List<string>();

        // Those that are active already: a predecessor that died over this got so far.
        var names = new HashSet<string>(_supervisor.GroupNames(), StringComparer.Ordinal);
        foreach (GroupConfig group in configuration.Groups)
        {
            // Of two groups of one name the first counts; nothing is made for the other.
            if (!names.Add(group.Name))
            {
                continue;
            }

            GroupPrepared prepared = Host.PrepareGroup(default, group);
            if (prepared.Failure is { } failure)
            {
                failures.Add(failure);
            }
            else
            {
                Apply(prepared);
            }
        }

        return failures;
    }

    /// <summary>Drops all groups before a reload's <see cref="Load"/>. Through <see cref="InvokeAsync"/>.</summary>
    public void StartOver(SupervisorSettings settings)
    {
        lock (_inbox)
        {
            _stopped = NewStopped();
        }

        Apply(new Reloading(settings));
    }

    /// <summary>The start-up sequence is complete: the daemon is RUNNING and its programs start. On the engine's thread or before it runs.</summary>
    public void BeginRunning()
    {
        NoteValidated(null);
        ValidatedReload = null;
        Apply(new DaemonStarted());
    }

    /// <summary>Starts the thread.</summary>
    public void Start()
    {
        lock (_inbox)
        {
            _isAtRest = false;
        }

        _thread = new Thread(Run, StackSize) { Name = "engine", IsBackground = true };
        _thread.Start();
    }

    /// <summary>
    /// Runs an action on the engine's thread between two steps. Fails when the engine ends before it comes to that.
    /// </summary>
    public Task InvokeAsync(Action action)
    {
        var done = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
        _invocations.TryAdd(done, default);
        Post(default, () =>
        {
            _invocations.TryRemove(done, out _);
            try
            {
                action();
                done.TrySetResult();
            }
            catch (Exception failure)
            {
                // It belongs to the one who waits for it.
                done.TrySetException(failure);
            }
        });
        if (_isEnding)
        {
            FailInvocations();
        }

        return done.Task;
    }

    /// <summary>Takes in a signal to the daemon; one that waits already is not queued again.</summary>
    public void Signal(int number)
    {
        lock (_inbox)
        {
            if (!_signals.Contains(number))
            {
                NoteSignal(number);
                _signals.Add(number);
                Monitor.Pulse(_inbox);
            }
        }
    }

    /// <summary>Ends the thread, whatever is left; requests that wait are refused with SHUTDOWN_STATE.</summary>
    public void Dispose()
    {
        lock (_inbox)
        {
            _isEnding = true;
            Monitor.Pulse(_inbox);
        }

        if (_thread is not null && _thread != Thread.CurrentThread)
        {
            _thread.Join();
        }

        RefuseAll();
        _memory.Dispose();
    }

    private static TaskCompletionSource<bool> NewStopped() => new(TaskCreationOptions.RunContinuationsAsynchronously);

    private IProcessHost Host => _host ?? throw new InvalidOperationException("Attach comes first.");

    private void Post(RequestId id, Action action)
    {
        lock (_inbox)
        {
            (_isSuspending ? _held : _requests).Enqueue(new Request(id, action));
            Monitor.Pulse(_inbox);
        }
    }

    private void Run()
    {
        try
        {
            while (WaitForWork())
            {
                Turn();
            }
        }
        catch (Exception defect)
        {
            // A decision that failed half-way leaves nothing to go on with. The one who waits for the end says so and exits.
            lock (_inbox)
            {
                _isEnding = true;
                _stopped.TrySetException(defect);
            }

            FailInvocations();
        }
    }

    private bool WaitForWork()
    {
        lock (_inbox)
        {
            while (!_isEnding)
            {
                if (_isSuspending && _requests.Count == 0)
                {
                    _isAtRest = true;
                    return false;
                }

                if (_childrenExited || _signals.Count > 0 || _arrivals.Count > 0 || _requests.Count > 0)
                {
                    return true;
                }

                long due = _supervisor.NextDeadline;
                if (due == long.MaxValue)
                {
                    Monitor.Wait(_inbox);
                    continue;
                }

                long left = due - _clock.Now.Monotonic;
                if (left <= 0)
                {
                    return true;
                }

                // Rounded up: woken early it would only sleep again.
                Monitor.Wait(_inbox, (int)Math.Min(int.MaxValue, (left + Moment.Millisecond - 1) / Moment.Millisecond));
            }

            return false;
        }
    }

    private void Turn()
    {
        CheckpointWhenWanted();
        bool reap;
        lock (_inbox)
        {
            _takenSignals.AddRange(_signals);
            _signals.Clear();
            reap = _childrenExited;
        }

        foreach (int number in _takenSignals)
        {
            Apply(new SignalReceived(number));
        }

        _takenSignals.Clear();
        if (reap)
        {
            Reap();
        }

        TakeArrivals();
        if (_supervisor.NextDeadline <= _clock.Now.Monotonic)
        {
            Apply(TimePassed.Instance);
        }

        for (int i = 0; i < RequestsPerTurn; i++)
        {
            Request request;
            lock (_inbox)
            {
                if (!_requests.TryDequeue(out request))
                {
                    break;
                }
            }

            request.Run();
        }
    }

    private void Reap()
    {
        // Before it is looked: what is told after the last look would otherwise be told to nobody. (Of our own children we are told again
        // after ReapingDone, of the keeper's once.)
        lock (_inbox)
        {
            _childrenExited = false;
        }

        for (int i = 0; i < ReapsPerTurn; i++)
        {
            if (!Host.TryFindDead(out int pid, out WaitStatus status))
            {
                Host.ReapingDone();
                return;
            }

            if (_children.TryGetValue(pid, out Child? child))
            {
                child.Status = status;
                child.ExitedAt = _clock.Now.Monotonic;
                if (_sinks.Length > 0 && status.Signal == Signals.Kill)
                {
                    child.OutOfMemory = child.IsKilled ? false : Host.TakeOutOfMemoryKill();
                }

                NoteDeath(pid, child);
                Host.Reap(pid);

                // From here on the pid may be somebody else's: signals find no child any more.
                _children.Remove(pid);
                _dead[child.Process] = child;
                Apply(new ChildReaped(child.Process, child.Incarnation));
                FinishOutput(child);
            }
            else
            {
                Apply(new OrphanReaped(pid, status));
            }
        }

        lock (_inbox)
        {
            _childrenExited = true;
        }
    }

    private void TakeArrivals()
    {
        int count;
        lock (_inbox)
        {
            count = _arrivals.Count;
        }

        for (; count > 0; count--)
        {
            Arrival arrival;
            lock (_inbox)
            {
                arrival = _arrivals.Dequeue();
            }

            Moment now = _clock.Now;
            NoteTaken(now);
            Take(arrival, now);
            if (arrival is { Data: { } data, IsCapture: false })
            {
                Host.OutputConsumed(data.Length);
            }
        }
    }

    private void Take(Arrival arrival, Moment now)
    {
        if (arrival.Data is null)
        {
            if (_dead.TryGetValue(arrival.Process, out Child? child) && child.Incarnation == arrival.Incarnation)
            {
                _dead.Remove(arrival.Process);
                Apply(new ChildExited(
                    child.Process, child.Incarnation, child.Status, child.ExitedAt, child.OutOfMemory, arrival.LastOutput), now);
            }
        }
        else if (arrival.IsCapture)
        {
            Apply(new CommunicationCaptured(arrival.Process, arrival.Incarnation, arrival.Channel, arrival.Data), now);
        }
        else
        {
            Apply(new OutputArrived(arrival.Process, arrival.Incarnation, arrival.Channel, arrival.Data), now);
        }
    }

    private void FinishOutput(Child child) => Host.FinishOutput(
        child.Process, child.Incarnation, _sinks.Length > 0 && _supervisor.IsUnexpected(child.Process, child.Incarnation, child.Status));

    /// <summary>What was never looked at and what waits alike: the daemon is on its way out.</summary>
    private void RefuseAll()
    {
        FailInvocations();
        foreach (long request in _waiting.Keys)
        {
            Complete(new RequestId(request), new Refused(new Fault(FaultCode.ShutdownState)));
        }
    }

    private void FailInvocations()
    {
        foreach (TaskCompletionSource done in _invocations.Keys)
        {
            done.TrySetException(new InvalidOperationException("The engine has ended."));
        }
    }

    /// <summary>A child that lives, or is dead and has output to be read.</summary>
    private sealed class Child(ProcessId process, Incarnation incarnation)
    {
        public ProcessId Process { get; } = process;

        public Incarnation Incarnation { get; } = incarnation;

        /// <summary>The pid it has or had; 0 when an older snapshot does not say it of a dead one.</summary>
        public int Pid { get; set; }

        /// <summary>What it was started with; null when an older snapshot does not say it.</summary>
        public Spawn? Spawn { get; set; }

        public WaitStatus Status { get; set; }

        public long ExitedAt { get; set; }

        /// <summary>Whether a SIGKILL of ours reached it.</summary>
        public bool IsKilled { get; set; }

        /// <summary>Whether the kernel killed it for want of memory; null when that is not known.</summary>
        public bool? OutOfMemory { get; set; }
    }

    /// <summary>Something to be done between two steps, and who waits for its answer; zero for nobody.</summary>
    private readonly record struct Request(RequestId Id, Action Run);

    /// <summary>Something the host reported about a child's output; without data it is the end of it.</summary>
    private readonly record struct Arrival(ProcessId Process, Incarnation Incarnation, OutputChannel Channel, byte[]? Data, bool IsCapture, string? LastOutput = null);
}
