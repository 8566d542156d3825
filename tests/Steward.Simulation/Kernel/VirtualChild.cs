using Steward.Core.Model;

namespace Steward.Simulation.Kernel;

/// <summary>Where a child is on its way out.</summary>
internal enum ChildStage
{
    /// <summary>It runs.</summary>
    Alive,

    /// <summary>It is dead and its pid is still its own.</summary>
    Zombie,

    /// <summary>It has been waited for, its pid is free, and its output is still being read.</summary>
    Reaped,

    /// <summary>It is dead and was waited for by others: its pid may be anybody's already, and its daemon has not noticed.</summary>
    Gone,
}

/// <summary>A child of the simulated kernel: what its program will do, and what has become of it.</summary>
internal class VirtualChild(int pid, ProcessId process, Incarnation incarnation)
{
    public int Pid { get; } = pid;

    public ProcessId Process { get; protected set; } = process;

    public Incarnation Incarnation { get; protected set; } = incarnation;

    public ChildStage Stage { get; set; }

    /// <summary>When it ends by itself, and how; <see cref="long.MaxValue"/> for never.</summary>
    public long DiesAt { get; set; } = long.MaxValue;

    public WaitStatus Status { get; set; }

    /// <summary>How it ended, as its daemon was told: the truth, or that nobody observed it.</summary>
    public WaitStatus Told { get; set; }

    /// <summary>When it was reaped.</summary>
    public long ReapedAt { get; set; }

    /// <summary>It ends on no signal but SIGKILL.</summary>
    public bool IgnoresSignals { get; init; }

    /// <summary>How long it takes to die of a signal.</summary>
    public long DeathTakes { get; init; }

    /// <summary>The daemon may not signal it.</summary>
    public bool IsForeign { get; init; }

    /// <summary>Whether a signal was refused, ever: then the daemon may leave it behind.</summary>
    public bool WasRefused { get; set; }

    /// <summary>Whether this is a listener.</summary>
    public bool IsListener { get; init; }

    /// <summary>Whether it has closed its stdin.</summary>
    public bool IsDeaf { get; init; }

    /// <summary>Whether it is a listener that likes no event.</summary>
    public bool RejectsAlways { get; init; }

    /// <summary>What it has written and nobody has read yet.</summary>
    public Queue<byte[]> Output { get; } = new();
}
