using Steward.Core.Model;

namespace Steward.Simulation.Daemon;

/// <summary>What the daemon was at with the chunk in the output memory.</summary>
internal enum ChunkState
{
    /// <summary>Nothing.</summary>
    None,

    /// <summary>It is being read; whether anything was, the buffer shows.</summary>
    Reading,

    /// <summary>It is being written and told.</summary>
    Writing,
}

/// <summary>The memory that the keeper has too: the chunk of output that is on its way. Nothing in here is lost with the daemon.</summary>
internal sealed class OutputMemory
{
    /// <summary>What stands where nothing was read: no program here writes it.</summary>
    public const byte Nothing = 0xff;

    public ChunkState State { get; set; }

    public ProcessId Process { get; set; }

    public Incarnation Incarnation { get; set; }

    public OutputChannel Channel { get; set; }

    public byte[] Buffer { get; } = [.. Enumerable.Repeat(Nothing, 96)];

    public int Count { get; set; }

    /// <summary>Null: it goes into no log.</summary>
    public string? Path { get; set; }

    public long Inode { get; set; }

    public long Offset { get; set; }

    public bool IsTapped { get; set; }

    /// <summary>Tapped bytes of all chunks before this one.</summary>
    public long TappedBefore { get; set; }

    /// <summary>Where the chunk begins in what was read for its log; for the checks alone.</summary>
    public int Start { get; set; }

    /// <summary>Keeper and daemon are dead: nobody has it any more.</summary>
    public void Vanish()
    {
        State = ChunkState.None;
        Count = 0;
        Buffer.AsSpan().Fill(Nothing);
    }
}
