using Steward.Core.Inputs;
using Steward.Core.Model;
using Steward.Core.Snapshots;

namespace Steward.Core.Supervision;

/// <summary>The time between the death of a main process and the end of everything that it left behind.</summary>
internal sealed class Linger
{
    /// <summary>How the main process ended; it counts once nothing is left.</summary>
    public required ChildExited Exit { get; set; }

    /// <summary>When SIGKILL is sent instead of the stop signal.</summary>
    public required long KillAt { get; set; }

    /// <summary>When what is still there is left behind.</summary>
    public required long GiveUpAt { get; set; }

    /// <summary>When to look again; <see cref="long.MaxValue"/> while the answer to a look is on its way.</summary>
    public long Due { get; set; } = long.MaxValue;

    /// <summary>The pause before the next look but one.</summary>
    public long Pause { get; set; }

    /// <summary>Whether something has been found and said.</summary>
    public bool IsSaid { get; set; }

    /// <summary>Whether it has been said that SIGKILL is sent.</summary>
    public bool IsKillSaid { get; set; }

    public void Write(SnapshotWriter writer, int field)
    {
        writer.Begin(field);
        writer.Integer(1, Exit.Status.Raw);
        writer.Integer(2, Exit.ExitedAt);
        writer.Integer(3, KillAt);
        writer.Integer(4, GiveUpAt);
        writer.Due(5, Due);
        writer.Integer(6, Pause);
        writer.Flag(7, IsSaid);
        writer.Flag(8, IsKillSaid);
        writer.Integer(9, Exit.OutOfMemory is { } outOfMemory ? outOfMemory ? 1 : 0 : null);
        writer.Text(10, Exit.LastOutput);
        writer.End();
    }

    public static Linger Read(SnapshotReader reader, ProcessId process, Incarnation incarnation)
    {
        var exit = new ChildExited(process, incarnation, new WaitStatus(reader.Int32(1, "status")), reader.Integer(2, "exitedAt"));
        var linger = new Linger
        {
            Exit = exit,
            KillAt = reader.Integer(3, "killAt"),
            GiveUpAt = reader.Integer(4, "giveUpAt"),
            Due = reader.Due(5, "due"),
            Pause = reader.Integer(6, "pause", 0),
            IsSaid = reader.Flag(7, "isSaid"),
            IsKillSaid = reader.Flag(8, "isKillSaid"),
        };
        bool? outOfMemory = reader.OptionalInt32(9, "outOfMemory", 0, 1) is { } flag ? flag == 1 : null;
        linger.Exit = exit with { OutOfMemory = outOfMemory, LastOutput = reader.OptionalText(10, "lastOutput") };
        reader.End();
        return linger;
    }
}
