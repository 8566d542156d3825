using Steward.Core.Effects;
using Steward.Core.Inputs;
using Steward.Core.Model;
using Steward.Core.Ports;

namespace Steward.Engine;

// One step and its consequences. The answer to an effect is a step of its own, taken before the next effect.
public sealed partial class Engine
{
    private void Apply(Input input)
    {
        Moment now = _clock.Now;
        NoteInput(input, now);
        Apply(input, now);
    }

    private void Apply(Input input, Moment now)
    {
        List<Effect> effects = _spareLists.TryPop(out List<Effect>? spare) ? spare : [];
        lock (_state)
        {
            _supervisor.Step(now, input, effects);
        }

        foreach (Effect effect in effects)
        {
            CarryOut(effect);
        }

        effects.Clear();
        _spareLists.Push(effects);
    }

    private void CarryOut(Effect effect)
    {
        if (IsReplayed(effect))
        {
            return;
        }

        switch (effect)
        {
            case Spawn spawn:
                Apply(Spawn(spawn));
                break;

            case Signal signal:
                Apply(Send(signal));
                break;

            case WriteStdin write:
                StdinResult written = Host.WriteStdin(write.Process, write.Incarnation, write.Data);
                Apply(new StdinAnswered(write.Process, write.Incarnation, write.Request, written));
                break;

            case CheckCommand check:
                Apply(new CommandChecked(check.Process, check.Request, Host.CheckCommand(check.Config)));
                break;

            case PrepareGroup prepare:
                Apply(Host.PrepareGroup(prepare.Request, prepare.Group) with { Requester = prepare.Requester, Extends = prepare.Extends });
                break;

            case ClearLogs clear:
                bool cleared = Host.ClearLogs(clear.Process, clear.StdoutLog, clear.StderrLog);
                Apply(new LogsCleared(clear.Process, clear.Request, cleared));
                break;

            case ReopenLogs:
                _log.Reopen();
                Host.ReopenLogs();
                break;

            case EndSurvivors end:
                Apply(new SurvivorsFound(end.Process, end.Incarnation, Host.EndSurvivors(end)));
                break;

            case SaveIntents save:
                Intents?.Save(save.Intents);
                break;

            case MeasureMemory measure:
                Host.MeasureMemory(measure.Process, measure.Incarnation, measure.Pid);
                break;

            case ProbeHealth probe:
                Host.ProbeHealth(probe.Process, probe.Incarnation, probe.Health);
                break;

            case Log line:
                LogLine(line, _clock.Now.Wall);
                break;

            case Record record:
                TellFact(record.Entry);
                break;

            case Reply reply:
                Complete(reply.Request, reply.Outcome);
                break;

            case ValidateReload:
                ReadResult read = _readForReload();
                NoteValidated(read.Configuration);
                ValidatedReload = read.Configuration;
                Apply(new ReloadValidated(read.Failure));
                break;

            case Stopped stopped:
                lock (_inbox)
                {
                    if (!_stopped.TrySetResult(stopped.Reload))
                    {
                        // A reload that became a shutdown before its end: whoever asks next gets the last word.
                        _stopped = NewStopped();
                        _stopped.SetResult(stopped.Reload);
                    }
                }

                break;

            default:
                throw new InvalidOperationException($"Nobody carries out {effect.GetType().Name}.");
        }
    }

    private Input Spawn(Spawn spawn)
    {
        SpawnAnswer answer = Host.Spawn(spawn);
        if (answer.SpawnErr is { } error)
        {
            return new SpawnFailed(spawn.Process, spawn.Incarnation, error, answer.Stage);
        }

        if (++_spawns % SpawnsOfBurst == 0)
        {
            _memory.Note();
        }

        _children.Add(answer.Pid, new Child(spawn.Process, spawn.Incarnation) { Pid = answer.Pid, Spawn = spawn });
        return new ChildSpawned(spawn.Process, spawn.Incarnation, answer.Pid);
    }

    private SignalAnswered Send(Signal signal)
    {
        string? error = "[Errno 3] No such process";
        SignalResult result = SignalResult.Gone;
        if (_children.TryGetValue(signal.Pid, out Child? child) && child.Process == signal.Process && child.Incarnation == signal.Incarnation)
        {
            result = Host.Signal(signal.Pid, signal.Number, signal.ToGroup, out error);
            child.IsKilled |= signal.Number == Signals.Kill && result == SignalResult.Delivered;
        }

        return new SignalAnswered(signal.Process, signal.Incarnation, signal.Request, signal.Number, result, error);
    }
}
