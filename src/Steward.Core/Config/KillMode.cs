namespace Steward.Core.Config;

/// <summary>How far the stop of a process reaches.</summary>
public enum KillMode
{
    /// <summary>As Supervisor: the process, and its group where <c>stopasgroup</c> and <c>killasgroup</c> say so; nobody looks for more.</summary>
    Process,

    /// <summary>Both signals go to the process group; what survives in it is reported.</summary>
    Group,

    /// <summary>The signals go to the process; what descends from it is found and ended after it.</summary>
    Tree,

    /// <summary>As tree; besides, a control group of its own holds everything, whatever it does. Without control groups it is tree.</summary>
    Cgroup,
}
