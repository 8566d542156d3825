using Steward.Core.Model;

namespace Steward.Core.Supervision;

/// <summary>Looks over the machine's shoulder: what the tests of the table and the simulator count and check.</summary>
internal interface IMachineObserver
{
    /// <summary>A cell of the table is about to run; the process is still in the state of the cell.</summary>
    void Cell(ProcessSlot slot, ProcessTrigger trigger, ProcessAction action);

    /// <summary>A process has changed its state.</summary>
    void Changed(ProcessSlot slot, ProcessState from);
}
