using System.Collections.Concurrent;
using Steward.Core.Config;
using Steward.Core.Effects;
using Steward.Core.Events;
using Steward.Core.Inputs;
using Steward.Core.Model;
using Steward.Core.Supervision;

namespace Steward.Engine;

// What the control adapters call, on their own threads.
public sealed partial class Engine
{
    private readonly ConcurrentDictionary<long, Waiter> _waiting = new();
    private long _lastRequest;
    private volatile Configuration? _control;

    /// <inheritdoc/>
    public DaemonState State => _supervisor.State;

    /// <inheritdoc/>
    public string Identifier => _supervisor.Settings.Identifier;

    /// <inheritdoc/>
    public int Pid { get; set; } = Environment.ProcessId;

    /// <inheritdoc/>
    public string? MainLogPath => _log.Path;

    /// <inheritdoc/>
    public IReadOnlyList<RpcInterfaceConfig> RpcInterfaces => _control?.RpcInterfaces ?? [];

    private Configuration Control
    {
        set => _control = value;
    }

    /// <inheritdoc/>
    public Task<Outcome> ExecuteAsync(Command command, string requester) =>
        AskAsync(request => new CommandReceived(request, command, requester));

    /// <inheritdoc/>
    public Task<Outcome> RereadAsync(string requester)
    {
        if (State != DaemonState.Running)
        {
            return Refusal(FaultCode.ShutdownState);
        }

        ReadResult read = _read();
        return read.Configuration is { } configuration
            ? AskAsync(request => new ConfigurationRead(request, configuration, requester))
            : RefuseReread(read.Failure, requester);
    }

    /// <summary>Reads the options of a program: group, name, keys and values. Null: programs cannot be added.</summary>
    public Func<string, string, IReadOnlyList<KeyValuePair<string, string>>, ProgramReading>? ProgramReader { get; set; }

    /// <inheritdoc/>
    public Task<Outcome> AddProgramAsync(string group, string program, IReadOnlyList<KeyValuePair<string, string>> options, string requester)
    {
        if (State != DaemonState.Running)
        {
            return Refusal(FaultCode.ShutdownState);
        }

        if (ProgramReader is not { } reader)
        {
            return Refusal(FaultCode.Failed, "programs cannot be added to this daemon");
        }

        ProgramReading read = reader(group, program, options);
        return read.Processes is { } processes
            ? ExecuteAsync(new AddProcesses(group, processes), requester)
            : Refusal(FaultCode.IncorrectParameters, read.FirstError);
    }

    /// <inheritdoc/>
    public string[] GroupNames()
    {
        lock (_state)
        {
            return _supervisor.GroupNames();
        }
    }

    /// <inheritdoc/>
    public EventPoolSnapshot[] EventPools()
    {
        lock (_state)
        {
            return _supervisor.EventPools();
        }
    }

    Intent[] ISupervisorControl.Intents()
    {
        lock (_state)
        {
            return _supervisor.Intents();
        }
    }

    /// <inheritdoc/>
    public Task<Outcome> ClearMainLogAsync(string requester)
    {
        if (State != DaemonState.Running)
        {
            return Refusal(FaultCode.ShutdownState);
        }

        if (_log.Path is not { } path || !File.Exists(path))
        {
            return Refusal(FaultCode.NoFile);
        }

        if (!_log.Clear())
        {
            return Refusal(FaultCode.Failed);
        }

        Log(LogLevel.Info, "reopening log file");
        _log.Flush();
        return Task.FromResult<Outcome>(Done.Instance);
    }

    /// <inheritdoc/>
    public ProcessSnapshot? Find(string group, string process)
    {
        lock (_state)
        {
            return _supervisor.Find(group, process, _clock.Now);
        }
    }

    /// <inheritdoc/>
    public ProcessSnapshot[] All()
    {
        lock (_state)
        {
            return _supervisor.All(_clock.Now);
        }
    }

    /// <inheritdoc/>
    public ConfigSnapshot[] AllConfigs()
    {
        lock (_state)
        {
            return _supervisor.AllConfigs();
        }
    }

    /// <inheritdoc/>
    public void Log(LogLevel level, string text) => _log.Write(level, text, _clock.Now.Wall);

    /// <inheritdoc/>
    public bool IsLogged(LogLevel level) => _log.IsEnabled(level);

    /// <inheritdoc/>
    public void HadBurst() => _memory.Note();

    private Task<Outcome> RefuseReread(string? failure, string requester)
    {
        Record(new ConfigFact(ConfigAction.Refused, failure, requester.Length == 0 ? null : requester));
        return Refusal(FaultCode.CantReread, failure);
    }

    private static Task<Outcome> Refusal(FaultCode code, string? extra = null) =>
        Task.FromResult<Outcome>(new Refused(new Fault(code, extra)));

    private Task<Outcome> AskAsync(Func<RequestId, Input> input)
    {
        if (_waiting.Count >= MaxWaiting)
        {
            return Refusal(FaultCode.Failed, $"{MaxWaiting} requests wait already");
        }

        var waiter = new Waiter();
        var request = new RequestId(Interlocked.Increment(ref _lastRequest));
        lock (_inbox)
        {
            // Both or neither is seen by a snapshot.
            _waiting[request.Value] = waiter;
            Post(request, () => Apply(input(request)));
        }

        if (_isEnding)
        {
            Complete(request, new Refused(new Fault(FaultCode.ShutdownState)));
        }

        return waiter.Task = AwaitAsync(waiter.Answer.Task);
    }

    private async Task<Outcome> AwaitAsync(Task<Outcome> answer)
    {
        Outcome outcome = await answer.ConfigureAwait(false);

        // Who has the answer also finds the lines about it in the log.
        _log.Flush();
        return outcome;
    }

    private void Complete(RequestId request, Outcome outcome)
    {
        if (_waiting.TryRemove(request.Value, out Waiter? waiter))
        {
            Answered?.Invoke(request, outcome);
            waiter.Answer.SetResult(outcome);
        }
    }

    /// <summary>Somebody who waits for an answer.</summary>
    private sealed class Waiter
    {
        public TaskCompletionSource<Outcome> Answer { get; } = new(TaskCreationOptions.RunContinuationsAsynchronously);

        /// <summary>What the one who waits has in hand; null for a moment at first, and where nobody has rejoined.</summary>
        public Task<Outcome>? Task { get; set; }
    }
}
