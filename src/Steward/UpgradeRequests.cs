using Steward.Core.Effects;
using Steward.Core.Model;

namespace Steward;

/// <summary>Somebody wants an upgrade: at most one at a time. Asked for on any thread, carried out on the main thread.</summary>
internal sealed class UpgradeRequests
{
    private readonly Lock _gate = new();
    private Request? _underWay;
    private TaskCompletionSource _wanted = NewWanted();

    /// <summary>Completes when one is wanted.</summary>
    public Task Wanted
    {
        get
        {
            lock (_gate)
            {
                return _wanted.Task;
            }
        }
    }

    /// <summary>Asks for one; the task completes only when nothing came of it in this image of the program.</summary>
    public Task<Outcome> AskAsync(Engine.Engine engine, string? file, string requester)
    {
        lock (_gate)
        {
            if (_underWay is not null)
            {
                return Task.FromResult<Outcome>(new Refused(new Fault(FaultCode.Failed, "an upgrade is under way")));
            }

            // Stopping or reloading: there is nothing to go on with.
            if (engine.State != DaemonState.Running)
            {
                return Task.FromResult<Outcome>(new Refused(new Fault(FaultCode.ShutdownState)));
            }

            _underWay = new Request(file, requester);
            _wanted.SetResult();
            return _underWay.Answer.Task;
        }
    }

    /// <summary>The one that is wanted.</summary>
    public Request Take()
    {
        lock (_gate)
        {
            return _underWay ?? throw new InvalidOperationException("Nobody wants an upgrade.");
        }
    }

    /// <summary>Nothing came of it, if there is one: whoever asked is told why, and the next may be asked for.</summary>
    public void Refuse(string reason)
    {
        Request? refused;
        lock (_gate)
        {
            refused = _underWay;
            _underWay = null;
            if (refused is not null)
            {
                _wanted = NewWanted();
            }
        }

        refused?.Answer.SetResult(new Refused(new Fault(FaultCode.Failed, reason)));
    }

    private static TaskCompletionSource NewWanted() => new(TaskCreationOptions.RunContinuationsAsynchronously);

    /// <summary>One request.</summary>
    /// <param name="File">The executable; null: the path of the start.</param>
    /// <param name="Requester">Who asks.</param>
    public sealed record Request(string? File, string Requester)
    {
        public TaskCompletionSource<Outcome> Answer { get; } = new(TaskCreationOptions.RunContinuationsAsynchronously);
    }
}
