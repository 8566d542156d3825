using Steward.Core.Model;
using Steward.Core.Output;
using Steward.Linux.Handover;

namespace Steward.Linux.Output;

/// <summary>One output stream of a child: its pipe and what becomes of its bytes. Hub's thread.</summary>
internal sealed class OutputStream(ChildOutput child, OutputChannel channel, int fd, OutputFilter filter, LogFile? log, bool isTapped, byte[]? syslogPrefix)
    : Watched
{
    /// <summary>Whose it is.</summary>
    public ChildOutput Child { get; } = child;

    /// <summary>Which one.</summary>
    public OutputChannel Channel { get; } = channel;

    /// <summary>The read end of the pipe; -1 after its end.</summary>
    public int Descriptor { get; set; } = fd;

    /// <summary>Strips and captures.</summary>
    public OutputFilter Filter { get; } = filter;

    /// <summary>Where its bytes go; null for nowhere.</summary>
    public LogFile? Log { get; } = log;

    /// <summary>Whether the engine wants to see the bytes.</summary>
    public bool IsTapped { get; } = isTapped;

    /// <summary>What stands before its lines in syslog; null when they do not go there.</summary>
    public byte[]? SyslogPrefix { get; } = syslogPrefix;

    /// <summary>The last bytes of what goes to no file; null before the first.</summary>
    public RecentOutput? Recent { get; set; }

    /// <summary>Its name in the memory of the hub.</summary>
    public StreamKey Key => new(Child.Process, Child.Incarnation, Channel);

    /// <summary>Where in the memory the state of its filter is written; -1 while that is in the middle of nothing.</summary>
    public int Slot { get; set; } = -1;

    /// <summary>Whether it is not read until somebody has room.</summary>
    public bool IsPaused { get; set; }

    /// <summary>How many reads in a row found the pipe full; -1 once it was enlarged.</summary>
    public sbyte FullReads { get; set; }

    /// <summary>Whether it writes so much that it is read in every round, unwatched.</summary>
    public bool IsHot { get; set; }

    /// <summary>How many reads in a row brought much, while it is not hot.</summary>
    public sbyte HotReads { get; set; }

    /// <summary>How many reads in a row brought nothing, while it is hot.</summary>
    public sbyte EmptyReads { get; set; }
}
