using System.Globalization;
using System.Text;
using Steward.Core.Model;
using Steward.Core.Supervision;

namespace Steward.Simulation.Checks;

/// <summary>Branches that are worth little if no run ever takes them.</summary>
internal enum Rare
{
    SpawnFailed,
    ExecFailed,
    QuickExit,
    PidReused,
    SignalRefused,
    SignalGone,
    StdinClosed,
    StdinFull,
    ListenerStalled,
    ListenerViolated,
    ListenerDied,
    EventRejected,
    EventOverflow,
    DeliveryPaused,
    DiedInTheTickOfADeadline,
    StaleInput,
    DuplicateInput,
    WallClockSet,
    ReloadRefused,
    Reloaded,
    ReloadBecameShutdown,
    CommandDuringShutdown,
    GroupRefused,
    LeftBehind,
    RetryDueWhileStopping,
}

/// <summary>Counts which cells of the process table, which changes of state and which rare branches the runs have reached.</summary>
internal sealed class Coverage
{
    private static readonly ProcessState[] s_states = Enum.GetValues<ProcessState>();
    private static readonly ProcessTrigger[] s_triggers = Enum.GetValues<ProcessTrigger>();
    private static readonly Rare[] s_rare = Enum.GetValues<Rare>();

    private readonly long[] _cells = new long[s_states.Length * s_triggers.Length];
    private readonly long[] _rare = new long[s_rare.Length];

    public void Cell(ProcessState state, ProcessTrigger trigger) => _cells[Index(state) * s_triggers.Length + (int)trigger]++;

    public void Mark(Rare rare) => _rare[(int)rare]++;

    public long Of(ProcessState state, ProcessTrigger trigger) => _cells[Index(state) * s_triggers.Length + (int)trigger];

    public long Of(Rare rare) => _rare[(int)rare];

    public void Add(Coverage other)
    {
        for (int i = 0; i < _cells.Length; i++)
        {
            _cells[i] += other._cells[i];
        }

        for (int i = 0; i < _rare.Length; i++)
        {
            _rare[i] += other._rare[i];
        }
    }

    /// <summary>Which cells that do something no run has reached.</summary>
    public IEnumerable<string> Missing()
    {
        foreach (ProcessTrigger trigger in s_triggers)
        {
            foreach (ProcessState state in s_states)
            {
                if (state != ProcessState.Unknown && ProcessTable.Action(state, trigger) != ProcessAction.Nothing && Of(state, trigger) == 0)
                {
                    yield return $"{state.Name()} x {trigger}";
                }
            }
        }

        foreach (Rare rare in s_rare)
        {
            if (Of(rare) == 0)
            {
                yield return rare.ToString();
            }
        }
    }

    public string Table()
    {
        var table = new StringBuilder();
        table.Append(CultureInfo.InvariantCulture, $"{"",-12}");
        foreach (ProcessState state in s_states)
        {
            table.Append(CultureInfo.InvariantCulture, $"{state.Name(),11}");
        }

        table.AppendLine();
        foreach (ProcessTrigger trigger in s_triggers)
        {
            table.Append(CultureInfo.InvariantCulture, $"{trigger,-12}");
            foreach (ProcessState state in s_states)
            {
                bool isNothing = ProcessTable.Action(state, trigger) == ProcessAction.Nothing;
                table.Append(CultureInfo.InvariantCulture, $"{(isNothing ? "." : Of(state, trigger).ToString(CultureInfo.InvariantCulture)),11}");
            }

            table.AppendLine();
        }

        foreach (Rare rare in s_rare)
        {
            table.AppendLine(CultureInfo.InvariantCulture, $"{rare,-28}{Of(rare),12}");
        }

        return table.ToString();
    }

    private static int Index(ProcessState state) => Array.IndexOf(s_states, state);
}
