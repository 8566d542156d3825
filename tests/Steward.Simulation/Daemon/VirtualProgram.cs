using System.Globalization;
using System.Text;
using Steward.Core.Effects;
using Steward.Core.Model;
using Steward.Simulation.Checks;
using Steward.Simulation.Kernel;

namespace Steward.Simulation.Daemon;

/// <summary>The pipes between a program and its daemon, as the keeper has them.</summary>
internal sealed record Pipes(Spawn Spawn, Pipe Stdin, Pipe Stdout, Pipe Stderr)
{
    public Pipe Of(OutputChannel channel) => channel == OutputChannel.Stdout ? Stdout : Stderr;
}

/// <summary>Whose child a program is.</summary>
internal enum Parent
{
    /// <summary>That of the daemon that lives.</summary>
    Daemon,

    /// <summary>That of the keeper: an earlier daemon has started it.</summary>
    Keeper,

    /// <summary>That of process 1, which waits for it at once and tells nobody.</summary>
    Nobody,
}

/// <summary>A program of the simulated machine, with pipes.</summary>
internal sealed class VirtualProgram(int pid, Pipes pipes) : VirtualChild(pid, pipes.Spawn.Process, pipes.Spawn.Incarnation)
{
    private readonly StringBuilder _input = new();
    private readonly int[] _lines = new int[2];
    private readonly Queue<byte>[] _unwritten = [new(), new()];

    public Pipes Pipes { get; } = pipes;

    public Parent Parent { get; set; }

    /// <summary>Whether nobody holds the other ends of its pipes any more.</summary>
    public bool HasLostPipes { get; private set; }

    /// <summary>Whether all of its output was read and the end of it told.</summary>
    public bool IsFinished { get; set; }

    /// <summary>Whether its daemon has not come to know that it is there.</summary>
    public bool IsUncertain { get; set; }

    /// <summary>A listener that has broken the protocol, or was asked for more than it can tell apart.</summary>
    public bool HasViolated { get; set; }

    /// <summary>Whether it dies, sooner or later, of a SIGKILL.</summary>
    public bool IsKilled { get; set; }

    /// <summary>The serial of the event in its hands; -1 for none.</summary>
    public long InHand { get; set; } = -1;

    /// <summary>The serials of the events that it was given whole.</summary>
    public List<long> Given { get; } = [];

    /// <summary>Whether it waits for the rest of an event, or for its first byte, and has nothing more to write.</summary>
    public bool WaitsForEvent => InHand < 0 && !IsDeaf && Pipes.Stdin.Count == 0 && Pipes.Stdout.Count == 0 && _unwritten[0].Count == 0;

    public void Say(OutputChannel channel, ReadOnlySpan<byte> bytes)
    {
        foreach (byte b in bytes)
        {
            _unwritten[(int)channel].Enqueue(b);
        }
    }

    /// <summary>Everybody who knew it is dead; so far it is no process of any daemon.</summary>
    public void LoseEverybody()
    {
        HasLostPipes = true;
        IsFinished = true;
        (Process, Incarnation) = (default, default);
    }

    /// <summary>A daemon takes it on.</summary>
    public void BecomeProcess(ProcessId process, Incarnation incarnation) => (Process, Incarnation, IsFinished) = (process, incarnation, false);

    /// <summary>The next line of what it writes, different from every other.</summary>
    public void SayLine(OutputChannel channel) => Say(channel, Encoding.ASCII.GetBytes(string.Create(
        CultureInfo.InvariantCulture, $"{Process.Value}.{Incarnation.Value}{(channel == OutputChannel.Stdout ? 'o' : 'e')}{_lines[(int)channel]++}\n")));

    /// <summary>Writes what the pipes take.</summary>
    public void Write(int most)
    {
        for (int i = 0; i < 2; i++)
        {
            Pipe pipe = i == 0 ? Pipes.Stdout : Pipes.Stderr;
            for (int n = 0; n < most && _unwritten[i].TryPeek(out byte b) && pipe.Write([b]) == 1; n++)
            {
                _unwritten[i].Dequeue();
            }
        }
    }

    /// <summary>Reads from its stdin; true when a listener has an event in its hands now that it did not have before.</summary>
    public bool Read(int most)
    {
        Span<byte> bytes = stackalloc byte[64];
        int count = Pipes.Stdin.Read(bytes[..Math.Min(most, bytes.Length)]);
        if (!IsListener || IsDeaf)
        {
            return false;
        }

        // What clients send to a listener's stdin, bytes below 4, stands between events; a listener skips it.
        foreach (byte b in bytes[..count])
        {
            if (b >= 4)
            {
                _input.Append((char)b);
            }
        }

        string text = _input.ToString();
        int end = text.IndexOf('\n', StringComparison.Ordinal);
        if (end < 0)
        {
            return false;
        }

        string header = text[..end];
        if (!header.StartsWith("ver:3.0 ", StringComparison.Ordinal) || header.LastIndexOf("ver:3.0 ", StringComparison.Ordinal) > 0)
        {
            throw new InvariantException($"the listener {Process.Value}#{Incarnation} reads no header of an event: '{header}'");
        }

        int length = (int)Number(header, " len:");
        if (text.Length < end + 1 + length)
        {
            return false;
        }

        _input.Remove(0, end + 1 + length);
        long serial = Number(header, " serial:");
        if (InHand >= 0)
        {
            throw new InvariantException($"the listener {Process.Value}#{Incarnation} gets event {serial} with event {InHand} in its hands");
        }

        if (Given.Contains(serial))
        {
            throw new InvariantException($"the listener {Process.Value}#{Incarnation} gets event {serial} for the second time");
        }

        InHand = serial;
        return true;
    }

    /// <summary>The listener is done with its event.</summary>
    public void Finish(bool isAccepted)
    {
        if (isAccepted)
        {
            Given.Add(InHand);
        }

        InHand = -1;
    }

    private static long Number(string header, string key)
    {
        int at = header.IndexOf(key, StringComparison.Ordinal) + key.Length;
        int end = header.IndexOf(' ', at);
        return long.Parse(header.AsSpan(at, (end < 0 ? header.Length : end) - at), CultureInfo.InvariantCulture);
    }
}
