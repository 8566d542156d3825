using System.Globalization;
using Steward.Core.Config;
using Steward.Core.Events;
using Steward.Core.Model;

namespace Steward.Hooks;

/// <summary>What a hook needs of the rest.</summary>
/// <param name="Sender">Makes attempts.</param>
/// <param name="Time">The time that is waited by.</param>
/// <param name="Timings">How long.</param>
/// <param name="Log">Writes to the activity log.</param>
/// <param name="Wall">Unix nanoseconds, for what is shown.</param>
/// <param name="Concluded">Called when an event waits no more because it was sent or given up; without a lock of the hook.</param>
internal sealed record HookSetting(
    HookSender Sender, TimeProvider Time, HookTimings Timings, Action<LogLevel, string> Log, Func<long> Wall, Action Concluded);

/// <summary>
/// A hook at work: a bounded queue, and while there is something in it one task that delivers, one after the other.
/// </summary>
/// <remarks>
/// <para><see cref="Add"/> is called by the engine's thread: it takes a lock that is never held for longer than a look at the queue.</para>
/// <para>What is full drops the oldest that is not on its way. What fails is tried again, and what comes after it waits, so order is kept;
/// after <c>retry_for</c> it is given up. The wait between attempts belongs to the target, not to the event: a target that is down is not asked
/// once for each event.</para>
/// <para>While the queue is empty there is no task, timer or connection.</para>
/// </remarks>
internal sealed class Hook(HookConfig config, HookSetting setting, Func<HookOrigin> origin, CancellationToken abandoned)
{
    private const int RememberedLimit = 4096;

    private readonly Lock _gate = new();
    private readonly LinkedList<Item> _queue = new();

    // For min_interval: when an event of this kind was last let through, and the one that waits until the next may be.
    private readonly Dictionary<(string Name, HookEvents Kind), (long Due, LinkedListNode<Item>? Held)> _lastTaken = [];
    private HookConfig _config = config;
    private Task _worker = Task.CompletedTask;
    private TaskCompletionSource _wake = NewWake();
    private bool _isWorking;
    private bool _isSending;
    private bool _isStopping;
    private bool _isFull;
    private int _failures;
    private long _notBefore;
    private long _nextWarning;
    private long _unsaid;
    private long _delivered;
    private long _failed;
    private long _dropped;
    private string? _lastError;
    private long _lastErrorWall;
    private long _lastSuccessWall;

    /// <summary>The configuration in force.</summary>
    public HookConfig Config
    {
        get
        {
            lock (_gate)
            {
                return _config;
            }
        }
    }

    /// <summary>How it is doing.</summary>
    public HookStatus Status
    {
        get
        {
            lock (_gate)
            {
                return new HookStatus(
                    _config.Name, _config.Kind.ToString().ToLowerInvariant(), Shown(_config), _delivered, _failed, _dropped, _queue.Count, _lastError,
                    _lastErrorWall, _lastSuccessWall);
            }
        }
    }

    /// <summary>The number of the oldest event that waits or is on its way, of those that have one; <see cref="long.MaxValue"/> for none.</summary>
    public long OldestWaiting
    {
        get
        {
            lock (_gate)
            {
                // They wait in the order in which they came; what stands for several stands at the place of the first, with its number.
                for (LinkedListNode<Item>? node = _queue.First; node is not null; node = node.Next)
                {
                    if (node.Value.Number > 0)
                    {
                        return node.Value.Number;
                    }
                }

                return long.MaxValue;
            }
        }
    }

    /// <summary>Where a hook sends, without what may be secret.</summary>
    public static string Shown(HookConfig config) => config.Kind switch
    {
        HookKind.Mail => config.Target,
        HookKind.Exec => CommandLine.TrySplit(config.Target, out IReadOnlyList<string>? words, out _) && words.Count > 0 ? words[0] : "",
        _ when Uri.TryCreate(config.Target, UriKind.Absolute, out Uri? url) && url.Scheme is "http" or "https" => $"{url.Scheme}://{url.Authority}/…",
        _ => config.Target,
    };

    /// <summary>Goes on with another configuration of the same target; what waits stays.</summary>
    public void Reconfigure(HookConfig config)
    {
        lock (_gate)
        {
            _config = config;
        }
    }

    /// <summary>Takes an event that the hook subscribed. Returns at once.</summary>
    public void Add(HookEvent happened)
    {
        lock (_gate)
        {
            long now = Now;
            long due = now + (long)setting.Timings.Settle.TotalMilliseconds;
            if (_config.MinInterval > 0)
            {
                AddSpaced(happened, now, due);
            }
            else
            {
                Enqueue(new Item(happened, now, due, null));
            }
        }
    }

    /// <summary>Sends a test event.</summary>
    /// <returns>Null when it was taken at once, else what the first attempt said.</returns>
    public Task<string?> TestAsync(HookEvent happened)
    {
        var answer = new TaskCompletionSource<string?>(TaskCreationOptions.RunContinuationsAsynchronously);
        lock (_gate)
        {
            if (_isStopping)
            {
                answer.SetResult("the daemon is on its way out");
                return answer.Task;
            }

            // Ahead of what waits: whoever tests wants to see what the target says now.
            _notBefore = 0;
            Enqueue(new Item(happened, Now, 0, answer), first: true);
        }

        return answer.Task;
    }

    /// <summary>Lets what waits be tried once more, without waiting in between; nothing is taken any more.</summary>
    /// <returns>Completes when that is done.</returns>
    public Task StopAsync()
    {
        lock (_gate)
        {
            _isStopping = true;
            _wake.TrySetResult();
            return _worker;
        }
    }

    /// <summary>Drops what waits, as the hook is no more; how many that were.</summary>
    public int Abandon()
    {
        lock (_gate)
        {
            _isStopping = true;
            int left = 0;
            for (LinkedListNode<Item>? node = _queue.First; node is not null;)
            {
                LinkedListNode<Item>? next = node.Next;
                if (!node.Value.IsOnItsWay)
                {
                    _queue.Remove(node);
                    node.Value.Answer?.TrySetResult("the hook was removed");
                    left++;
                }

                node = next;
            }

            _wake.TrySetResult();
            return left;
        }
    }

    private long Now => (long)setting.Time.GetElapsedTime(0).TotalMilliseconds;

    private static TaskCompletionSource NewWake() => new(TaskCreationOptions.RunContinuationsAsynchronously);

    // An event of the same kind about the same process, too soon after the last one: it waits, and stands for those that follow.
    private void AddSpaced(HookEvent happened, long now, long due)
    {
        (string, HookEvents) key = (happened.Entry.Name ?? "", happened.Kind & _config.Events);
        long interval = _config.MinInterval * 1000L;
        if (_lastTaken.TryGetValue(key, out (long Due, LinkedListNode<Item>? Held) last))
        {
            if (last.Held is { List: not null, Value.IsOnItsWay: false, Value.Attempts: 0 } held)
            {
                held.Value = held.Value.With(happened);
                return;
            }

            due = Math.Max(due, last.Due + interval);
        }
        else if (_lastTaken.Count >= RememberedLimit)
        {
            foreach ((string, HookEvents) old in _lastTaken.Where(pair => pair.Value.Due + interval <= now).Select(static pair => pair.Key).ToList())
            {
                _lastTaken.Remove(old);
            }
        }

        bool isHeld = last.Held is not null || last.Due > 0;
        LinkedListNode<Item>? node = Enqueue(new Item(happened, now, due, null));
        _lastTaken[key] = (due, isHeld ? node : null);
    }

    private LinkedListNode<Item>? Enqueue(Item item, bool first = false)
    {
        if (_isStopping)
        {
            _dropped++;
            return null;
        }

        if (_queue.Count - (_isSending ? 1 : 0) >= _config.QueueSize)
        {
            DropOldest();
        }

        LinkedListNode<Item> node = first ? _queue.AddFirst(item) : _queue.AddLast(item);
        if (_isWorking)
        {
            _wake.TrySetResult();
        }
        else
        {
            _isWorking = true;
            _worker = Task.Run(WorkAsync, CancellationToken.None);
        }

        return node;
    }

    private void DropOldest()
    {
        for (LinkedListNode<Item>? node = _queue.First; node is not null; node = node.Next)
        {
            if (!node.Value.IsOnItsWay)
            {
                _queue.Remove(node);
                node.Value.Answer?.TrySetResult("there was no room for it");
                _dropped++;
                break;
            }
        }

        if (!_isFull)
        {
            _isFull = true;
            setting.Log(
                LogLevel.Warn,
                string.Create(CultureInfo.InvariantCulture, $"hook '{_config.Name}': {_config.QueueSize} events wait, which is all there is room for: the oldest are dropped"));
        }
    }

    private async Task WorkAsync()
    {
        while (true)
        {
            LinkedListNode<Item>? node;
            HookConfig config;
            Task wake;
            long wait;
            lock (_gate)
            {
                node = Next();
                if (node is null)
                {
                    SayEmpty();
                    _isWorking = false;
                    return;
                }

                wait = _isStopping ? 0 : Math.Max(node.Value.Due, _notBefore) - Now;
                if (_wake.Task.IsCompleted)
                {
                    _wake = NewWake();
                }

                wake = _wake.Task;
                config = _config;
                node.Value.IsOnItsWay = wait <= 0;
                _isSending = wait <= 0;
            }

            if (wait > 0)
            {
                await wake.WaitAsync(TimeSpan.FromMilliseconds(wait), setting.Time, abandoned)
                    .ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
                if (abandoned.IsCancellationRequested)
                {
                    return;
                }

                continue;
            }

            Item item = node.Value;
            HookAttempt attempt;
            try
            {
                attempt = await setting.Sender.SendAsync(
                    config, new HookFields(item.Event, config.Events, config.Name, item.Repeats, origin()), abandoned).ConfigureAwait(false);
            }
            catch (OperationCanceledException) when (abandoned.IsCancellationRequested)
            {
                item.Answer?.TrySetResult("the daemon is on its way out");
                return;
            }
            catch (Exception defect) when (defect is not OutOfMemoryException)
            {
                // One event is lost, and it is said; the others are not to wait for ever. The message could hold a secret, the stack cannot.
                setting.Log(LogLevel.Critical, $"hook '{config.Name}': a defect of its own: {defect.GetType()}{Environment.NewLine}{defect.StackTrace}");
                attempt = HookAttempt.Refused("a defect of Steward, see the log");
            }

            bool goesOn;
            lock (_gate)
            {
                goesOn = Conclude(node, attempt);
                _isWorking = goesOn;
            }

            setting.Concluded();
            if (!goesOn)
            {
                return;
            }
        }
    }

    // The one that is due first; of those that are due, the one that came first.
    private LinkedListNode<Item>? Next()
    {
        long now = Now;
        LinkedListNode<Item>? next = null;
        for (LinkedListNode<Item>? node = _queue.First; node is not null; node = node.Next)
        {
            if (node.Value.Due <= now)
            {
                return node;
            }

            next = next is null || node.Value.Due < next.Value.Due ? node : next;
        }

        return next;
    }

    // False when nothing more is to be tried.
    private bool Conclude(LinkedListNode<Item> node, HookAttempt attempt)
    {
        Item item = node.Value;
        item.IsOnItsWay = false;
        _isSending = false;
        item.Answer?.TrySetResult(attempt.Error);
        if (attempt.Error is null)
        {
            _queue.Remove(node);
            _delivered++;
            _lastSuccessWall = setting.Wall();
            if (_failures > 0)
            {
                setting.Log(
                    LogLevel.Info, string.Create(CultureInfo.InvariantCulture, $"hook '{_config.Name}': delivers again after {_failures} failed attempts"));
            }

            _failures = 0;
            _notBefore = 0;
            _nextWarning = 0;
            _unsaid = 0;
            return true;
        }

        _failures++;
        item.Attempts++;
        _lastError = attempt.Error;
        _lastErrorWall = setting.Wall();
        long now = Now;
        bool isOver = !attempt.Again || item.Answer is not null || item.Attempts > (_config.Retries ?? int.MaxValue)
            || now - item.Since >= _config.RetryFor * 1000L;
        Warn(now, item, attempt, isOver);
        if (isOver)
        {
            _queue.Remove(node);
            _failed++;
        }

        if (attempt.Again && item.Answer is null)
        {
            // However long the target wants to be left alone, somebody may be waiting to hear that it does not work.
            TimeSpan wait = setting.Timings.RetryAfter(_failures);
            wait = attempt.NotBefore > wait ? attempt.NotBefore : wait;
            _notBefore = now + (long)Math.Min(wait.TotalMilliseconds, TimeSpan.FromHours(1).TotalMilliseconds);
        }

        // At the daemon's end a target that does not take one will not take the others either.
        return !_isStopping || !attempt.Again;
    }

    private void Warn(long now, Item item, HookAttempt attempt, bool isOver)
    {
        if (now < _nextWarning)
        {
            _unsaid++;
            return;
        }

        _nextWarning = now + (long)setting.Timings.WarnEvery.TotalMilliseconds;
        string more = _unsaid == 0 ? "" : string.Create(CultureInfo.InvariantCulture, $" ({_unsaid} more failures since the last message)");
        _unsaid = 0;
        setting.Log(
            LogLevel.Warn,
            $"hook '{_config.Name}': {item.Event.Entry.Name ?? "daemon"} {HookEventNames.Name(item.Event.Kind & _config.Events)} "
            + $"{(isOver ? "is given up" : "is tried again later")}: {attempt.Error}{more}");
    }

    private void SayEmpty()
    {
        if (_isFull)
        {
            _isFull = false;
            setting.Log(
                LogLevel.Info,
                string.Create(CultureInfo.InvariantCulture, $"hook '{_config.Name}': nothing waits any more; {_dropped} events were dropped so far"));
        }
    }

    /// <summary>An event that waits.</summary>
    private sealed class Item(HookEvent happened, long since, long due, TaskCompletionSource<string?>? answer)
    {
        public HookEvent Event { get; private init; } = happened;

        public long Since { get; } = since;

        public long Due { get; } = due;

        public TaskCompletionSource<string?>? Answer { get; } = answer;

        /// <summary>The number of the first event that it stands for; 0 for none.</summary>
        public long Number { get; private init; } = happened.Number;

        public int Repeats { get; private init; }

        public int Attempts { get; set; }

        public bool IsOnItsWay { get; set; }

        /// <summary>The newest stands for all of them.</summary>
        public Item With(HookEvent newer) => new(newer, Since, Due, null) { Repeats = Repeats + 1, Number = Number };
    }
}
