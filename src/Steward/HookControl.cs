using Steward.Core.Config;
using Steward.Core.Model;
using Steward.Engine;
using Steward.Hooks;

namespace Steward;

/// <summary>Puts hooks and engine together: facts are told to hooks while there are any, and clients see how they are doing. Any thread.</summary>
internal sealed class HookControl(HookRunner runner, Engine.Engine engine) : IHookControl
{
    private readonly Lock _gate = new();
    private bool _isListening;

    public IReadOnlyList<HookStatus> Hooks => runner.Status;

    public Task<string?>? TestAsync(string name) => runner.TestAsync(name);

    /// <summary>Goes on with the hooks of a configuration.</summary>
    public void Apply(Configuration configuration)
    {
        lock (_gate)
        {
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
