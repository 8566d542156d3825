using Steward.Core.Config;
using Steward.Core.Model;
using Steward.Engine;
using Steward.Hooks;
using Steward.Linux.Handover;

namespace Steward;

/// <summary>Puts hooks and engine together: facts are told to hooks while there are any, and clients see how they are doing. Any thread.</summary>
internal sealed class HookControl(HookRunner runner, Engine.Engine engine) : IHookControl
{
    private readonly Lock _gate = new();
    private bool _isListening;
    private StateMemory? _state;

    public IReadOnlyList<HookStatus> Hooks => runner.Status;

    public Task<string?>? TestAsync(string name) => runner.TestAsync(name);

    /// <summary>
    /// From here on a successor knows which facts hooks are done with; of what it finds there, those that a daemon before was done with are not sent
    /// again. After the hooks are there, and before facts are told that a daemon before may have told.
    /// </summary>
    public void Keep(StateMemory state)
    {
        lock (_gate)
        {
            _state = state;

            // Where a daemon before had no hooks, those of now are told what happens from here on.
            long done = state.HooksHave;
            runner.Keep(done == long.MaxValue ? engine.FactsTold : done, number => state.HooksHave = number);
        }
    }

    /// <summary>Goes on with the hooks of a configuration.</summary>
    public void Apply(Configuration configuration)
    {
        lock (_gate)
        {
            if (_state is { HooksHave: long.MaxValue })
            {
                // There were none so far: they are told what happens from here on.
                runner.SkipTo(engine.FactsTold);
            }

            runner.Apply(configuration.Hooks, configuration.Supervisord.Identifier);
            bool wanted = configuration.Hooks.Count > 0;
            if (wanted == _isListening)
            {
                return;
            }

            _isListening = wanted;
            if (wanted)
            {
                engine.AddSink(runner);
            }
            else
            {
                engine.RemoveSink(runner);
            }
        }
    }
}
