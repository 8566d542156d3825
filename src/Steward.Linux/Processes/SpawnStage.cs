namespace Steward.Linux.Processes;

/// <summary>The steps between the daemon's decision and a program's first instruction.</summary>
internal enum SpawnStage
{
    /// <summary>Making the process. A failure here leaves no child.</summary>
    Clone,

    /// <summary>Signal dispositions and mask.</summary>
    Signals,

    /// <summary>A process group of its own.</summary>
    ProcessGroup,

    /// <summary>A control group of its own.</summary>
    ControlGroup,

    /// <summary>Descriptors 0, 1 and 2.</summary>
    Descriptors,

    /// <summary>RLIMIT_NOFILE.</summary>
    Limits,

    /// <summary>Supplementary groups.</summary>
    Groups,

    /// <summary>The group id.</summary>
    GroupId,

    /// <summary>The user id.</summary>
    UserId,

    /// <summary>The working directory.</summary>
    Directory,

    /// <summary>The umask.</summary>
    Umask,

    /// <summary>Closing every other descriptor.</summary>
    CloseOthers,

    /// <summary>execve.</summary>
    Exec,
}

/// <summary>What a spawn came to.</summary>
/// <param name="Pid">The child; 0 when there is none (<see cref="SpawnStage.Clone"/> failed).</param>
/// <param name="Stage">The step that failed.</param>
/// <param name="Errno">Why; 0 when all went well.</param>
internal readonly record struct SpawnResult(int Pid, SpawnStage Stage, int Errno);
