using Steward.Core.Effects;
using Steward.Core.Inputs;
using Steward.Core.Model;

namespace Steward.Core.Supervision;

/// <summary>Settings that the machine needs beside the groups.</summary>
/// <param name="Identifier">The <c>server:</c> token of events.</param>
/// <param name="LogLevel">Decides whether child output is echoed to the activity log.</param>
public sealed record SupervisorSettings(string Identifier, LogLevel LogLevel);

/// <summary>
/// The machine that decides everything. One call, one input, all consequences as effects; nothing in here reads a clock,
/// waits, or touches the outside.
/// </summary>
public sealed class Supervisor
{
    /// <summary>Makes a machine without groups; the daemon's state is RUNNING once <see cref="DaemonStarted"/> came.</summary>
    public Supervisor(SupervisorSettings settings)
    {
        Settings = settings;
    }

    /// <summary>The settings in force.</summary>
    public SupervisorSettings Settings { get; }

    /// <summary>The daemon's state.</summary>
    public DaemonState State { get; private set; } = DaemonState.Running;

    /// <summary>Monotonic nanoseconds of the next moment at which a step is needed; <see cref="long.MaxValue"/> for none.</summary>
    public long NextDeadline { get; private set; } = long.MaxValue;

    /// <summary>Changes the state by one input and appends what is to be done.</summary>
    /// <param name="now">The time of this step; monotonic time never goes back between steps.</param>
    /// <param name="input">What happened.</param>
    /// <param name="effects">Where effects are appended.</param>
    public void Step(in Moment now, Input input, List<Effect> effects)
    {
        throw new NotSupportedException();
    }

    /// <summary>Finds one process by the exact names of its group and itself.</summary>
    public ProcessSnapshot? Find(string group, string process, in Moment now) => throw new NotSupportedException();

    /// <summary>Returns every process sorted by group name, then process name (code-point order).</summary>
    public ProcessSnapshot[] All(in Moment now) => throw new NotSupportedException();

    /// <summary>Returns every process of the configuration as last read, sorted by process name (stable).</summary>
    public ConfigSnapshot[] AllConfigs() => throw new NotSupportedException();
}
