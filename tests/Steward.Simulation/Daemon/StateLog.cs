using Steward.Core.Ports;

namespace Steward.Simulation.Daemon;

/// <summary>The memory that the keeper has too: the last checkpoint and what was written down since. Nothing in here is lost with the daemon.</summary>
internal sealed class StateMemory
{
    public byte[]? Checkpoint { get; set; }

    public List<ReadOnlyMemory<byte>> Records { get; } = [];

    public long LinesOut { get; set; }

    public long FactsOut { get; set; }

    /// <summary>Keeper and daemon are dead: nobody has it any more.</summary>
    public void Vanish()
    {
        Checkpoint = null;
        Records.Clear();
        LinesOut = 0;
        FactsOut = 0;
    }
}

/// <summary>The state log of one life.</summary>
internal sealed class StateLog(StateMemory memory, Crashes crashes, SimRandom random, Tally tally) : IStateLog
{
    private int _left = 1 + random.Below(400);

    private bool _isBroken;

    public bool IsCheckpointWanted => _isBroken || memory.Records.Count >= _left;

    public long LinesOut => memory.LinesOut;

    public long FactsOut => memory.FactsOut;

    public void LinesAreOut(long number)
    {
        crashes.Point("line");
        memory.LinesOut = number;
    }

    public void Append(ReadOnlySpan<byte> record)
    {
        // Now and then it is full: nothing is kept until the next checkpoint, and a daemon that dies before it has no successor.
        if (!_isBroken && ((ulong)crashes.Passed * 0x9e3779b97f4a7c15) >> 54 == 0)
        {
            tally.Count("logs that were full");
            _isBroken = true;
            crashes.IsSpared = true;
        }

        if (_isBroken)
        {
            return;
        }

        crashes.Point("append");
        memory.Records.Add(record.ToArray());
        crashes.Point("appended");
    }

    public void Checkpoint(ReadOnlySpan<byte> checkpoint)
    {
        crashes.Point("checkpoint");
        memory.Checkpoint = checkpoint.ToArray();
        memory.Records.Clear();
        _isBroken = false;
        crashes.IsSpared = false;
        _left = 1 + random.Below(400);
        tally.Count("checkpoints");
        crashes.Point("checkpointed");
    }
}
