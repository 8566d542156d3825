namespace Steward.Simulation;

/// <summary>What may go wrong in a run. Each is switched on or off by the seed, so that some runs meet one alone and some all of them.</summary>
[Flags]
internal enum Fault
{
    None = 0,

    /// <summary>Spawns fail, with each of the texts that there are.</summary>
    Spawn = 1 << 0,

    /// <summary>The child is there and ends with 127 at once.</summary>
    Exec = 1 << 1,

    /// <summary>Programs end before startsecs, at startsecs, and a moment after it.</summary>
    QuickExit = 1 << 2,

    /// <summary>Programs do not end on the stop signal.</summary>
    IgnoreTerm = 1 << 3,

    /// <summary>Programs take their time to die even of SIGKILL.</summary>
    SlowDeath = 1 << 4,

    /// <summary>The kernel refuses signals to some children: EPERM.</summary>
    Refused = 1 << 5,

    /// <summary>Exits are reported long after the death, for output is still being read.</summary>
    LateExit = 1 << 6,

    /// <summary>Inputs come twice, or about an earlier run.</summary>
    StaleNews = 1 << 7,

    /// <summary>A pid is given to the next child as soon as it is free.</summary>
    PidReuse = 1 << 8,

    /// <summary>The wall clock is set, forwards and backwards.</summary>
    WallJump = 1 << 9,

    /// <summary>Pipes to stdin are full or closed.</summary>
    Stdin = 1 << 10,

    /// <summary>Listeners reject, stall, violate the protocol or die over an event.</summary>
    Listener = 1 << 11,

    /// <summary>Commands are not found, groups cannot be prepared, logs not cleared, configurations not read.</summary>
    Preparation = 1 << 12,

    /// <summary>Deadlines are looked at late: the machine was busy.</summary>
    LateTimer = 1 << 13,

    /// <summary>All that concerns the core; what follows concerns the daemon around it.</summary>
    All = (1 << 14) - 1,

    /// <summary>The daemon is killed between any two things it does, and a successor goes on.</summary>
    Crash = 1 << 14,

    /// <summary>The disk is full for a while.</summary>
    DiskFull = 1 << 15,

    /// <summary>Writes to the disk fail.</summary>
    DiskError = 1 << 16,

    /// <summary>Writes take a part of what they are given, or are interrupted.</summary>
    ShortWrite = 1 << 17,

    /// <summary>Writes take long.</summary>
    SlowDisk = 1 << 18,

    /// <summary>Programs are slow to read what is written to them.</summary>
    SlowReader = 1 << 19,

    /// <summary>The keeper is killed, alone or together with the daemon.</summary>
    KeeperCrash = 1 << 20,

    /// <summary>The kernel does not tell how a process ended that is nobody's child.</summary>
    Unobserved = 1 << 21,

    /// <summary>The keeper tells of ends late, and of some again.</summary>
    LateKeeper = 1 << 22,

    /// <summary>What has to do with the keeper: without it runs are those of a keeper that never dies.</summary>
    OfTheKeeper = KeeperCrash | Unobserved | LateKeeper,

    Everything = (1 << 23) - 1,
}
