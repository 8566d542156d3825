namespace Steward.Simulation.Daemon;

/// <summary>A pipe of the simulated kernel. It lives as long as somebody holds an end of it, the keeper too.</summary>
internal sealed class Pipe(int capacity)
{
    private readonly Queue<byte> _bytes = new();

    /// <summary>How many bytes wait in it.</summary>
    public int Count => _bytes.Count;

    /// <summary>Whether the program still holds its end: as writer of its output or reader of its input.</summary>
    public bool IsProgramThere { get; set; } = true;

    /// <summary>Writes as much as there is room for.</summary>
    public int Write(ReadOnlySpan<byte> bytes)
    {
        int taken = Math.Min(bytes.Length, capacity - _bytes.Count);
        foreach (byte b in bytes[..taken])
        {
            _bytes.Enqueue(b);
        }

        return taken;
    }

    /// <summary>Reads at most as much as there is room for.</summary>
    public int Read(Span<byte> into)
    {
        int taken = Math.Min(into.Length, _bytes.Count);
        for (int i = 0; i < taken; i++)
        {
            into[i] = _bytes.Dequeue();
        }

        return taken;
    }
}
