using Steward.Core.Config;
using Steward.Core.Effects;
using Steward.Core.Events;
using Steward.Core.Inputs;
using Steward.Core.Model;
using Steward.Core.Supervision;
using Steward.Simulation.Checks;
using Steward.Simulation.Clients;
using Steward.Simulation.Kernel;

namespace Steward.Simulation;

/// <summary>Carries effects out as the engine does: the answer to one is a step of its own, taken before the next one.</summary>
internal sealed class VirtualEngine(
    Supervisor supervisor,
    VirtualKernel kernel,
    VirtualClock clock,
    VirtualClients clients,
    Invariants invariants,
    SimRandom random,
    Coverage coverage,
    Trace trace)
{
    private readonly Stack<List<Effect>> _spareLists = new();

    /// <summary>Counts the steps of the core, nested ones included.</summary>
    public long Steps { get; private set; }

    /// <summary>Everything is stopped and a reload is to follow.</summary>
    public bool IsStoppedForReload { get; set; }

    /// <summary>Everything is stopped.</summary>
    public bool IsStoppedForGood { get; private set; }

    /// <summary>The newest input of each kind that can come late or twice.</summary>
    public List<Input> News { get; } = [];

    public void Apply(Input input)
    {
        List<Effect> effects = _spareLists.TryPop(out List<Effect>? spare) ? spare : [];
        Note(input);
        (EventPool Pool, long Serial)? inHand = input is OutputArrived output ? InHand(output) : null;
        supervisor.Step(clock.Now, input, effects);
        Steps++;
        trace.Took(input, supervisor, clock.Monotonic);
        if (input is TimePassed && supervisor.NextDeadline <= clock.Monotonic)
        {
            throw new InvariantException("a deadline that has passed is still due after the step that looked at it");
        }

        foreach (Effect effect in effects)
        {
            if (inHand is { } held && effect is Log { Level: LogLevel.Debug } log && log.Text.EndsWith(": event was processed", StringComparison.Ordinal))
            {
                invariants.Accepted(held.Pool, held.Serial);
            }

            trace.Did(effect);
            CarryOut(effect);
        }

        effects.Clear();
        _spareLists.Push(effects);
    }

    /// <summary>An input that may change nothing at all.</summary>
    public void ApplyWithoutConsequence(Input input)
    {
        long before = Invariants.Fingerprint(supervisor);
        var effects = new List<Effect>();
        supervisor.Step(clock.Now, input, effects);
        trace.Took(input, supervisor, clock.Monotonic);
        if (effects.Count > 0)
        {
            throw new InvariantException($"late or repeated news has consequences: {input} leads to {effects[0]}");
        }

        if (Invariants.Fingerprint(supervisor) != before)
        {
            throw new InvariantException($"late or repeated news changes the state: {input}");
        }
    }

    private void CarryOut(Effect effect)
    {
        switch (effect)
        {
            case Spawn spawn:
                Apply(kernel.Spawn(spawn));
                break;

            case Signal signal:
                SignalResult result = kernel.Signal(signal, out string? error);
                Apply(new SignalAnswered(signal.Process, signal.Incarnation, signal.Request, signal.Number, result, error));
                break;

            case WriteStdin write:
                if (write.Request == default)
                {
                    invariants.Sent(write);
                }

                Apply(new StdinAnswered(write.Process, write.Incarnation, write.Request, kernel.Write(write)));
                break;

            case CheckCommand check:
                Core.Model.Fault? fault = Fails(15) ? new Core.Model.Fault(FaultCode.NoFile, "can't find command '/x'") : null;
                Apply(new CommandChecked(check.Process, check.Request, fault));
                break;

            case PrepareGroup prepare:
                Apply(Prepare(prepare.Request, prepare.Group) with { Extends = prepare.Extends });
                break;

            case ClearLogs clear:
                Apply(new LogsCleared(clear.Process, clear.Request, !Fails(20)));
                break;

            case Reply reply:
                clients.Take(reply);
                break;

            case ValidateReload:
                bool refused = Fails(30);
                if (refused)
                {
                    coverage.Mark(Rare.ReloadRefused);
                }

                Apply(new ReloadValidated(refused ? "steward.conf, line 1: no" : null));
                break;

            case Log log:
                Look(log);
                break;

            case ReopenLogs or SaveIntents:
                break;

            case MeasureMemory measure:
                Apply(new MemoryMeasured(measure.Process, measure.Incarnation, Fails(40) ? 2 : 1, 1));
                break;

            case ProbeHealth probe:
                Apply(new HealthProbed(probe.Process, probe.Incarnation, Fails(40) ? "status 503" : null));
                break;

            case EndSurvivors end:
                Apply(new SurvivorsFound(end.Process, end.Incarnation, Fails(50) ? ["1 (it)"] : []));
                break;

            case Stopped stopped:
                if (IsStoppedForReload && !stopped.Reload)
                {
                    coverage.Mark(Rare.ReloadBecameShutdown);
                }

                IsStoppedForReload = stopped.Reload;
                IsStoppedForGood |= !stopped.Reload;
                invariants.AtTheEnd(clients.Open, clients.OpenTexts);
                break;

            default:
                throw new InvariantException($"nobody carries out {effect.GetType().Name}");
        }
    }

    public GroupPrepared Prepare(RequestId request, GroupConfig group)
    {
        bool fails = request != default && Fails(20);
        if (fails)
        {
            coverage.Mark(Rare.GroupRefused);
        }

        return new GroupPrepared(request, group, [], fails ? "Could not create FastCGI socket tcp://x:1: in use" : null);
    }

    private bool Fails(int percent) => kernel.Has(Fault.Preparation) && random.Percent(percent);

    private void Look(Log log)
    {
        if (log.Level == LogLevel.Error && log.Text.Contains("overflowed", StringComparison.Ordinal))
        {
            coverage.Mark(Rare.EventOverflow);
        }
    }

    private (EventPool, long)? InHand(OutputArrived output)
    {
        foreach (ProcessSlot slot in supervisor.Slots)
        {
            if (slot.Id == output.Process && slot.Listener is { Event: { } item } && slot.Group.Pool is { } pool)
            {
                return (pool, item.Serial);
            }
        }

        return null;
    }

    private void Note(Input input)
    {
        if (input is ChildSpawned or SpawnFailed or ChildExited or SignalAnswered or CommandChecked or SurvivorsFound)
        {
            if (News.Count == 8)
            {
                News.RemoveAt(0);
            }

            News.Add(input);
        }
    }
}
