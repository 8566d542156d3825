namespace Steward.Simulation.Daemon;

/// <summary>The daemon has been killed: nothing of it does anything any more.</summary>
internal sealed class CrashedException(string where) : Exception(where);

/// <summary>
/// When the daemon is killed. Everything it does beyond its own memory passes a point here before and after, and any of them may be its last.
/// </summary>
internal sealed class Crashes(SimRandom random)
{
    private int _left;
    private int _keeperLeft;

    /// <summary>Whether the daemon of this life is dead.</summary>
    public bool IsDead { get; private set; }

    /// <summary>The point at which it was killed last.</summary>
    public string Where { get; private set; } = "";

    /// <summary>Whether it must not be killed at present.</summary>
    public bool IsSpared { get; set; }

    /// <summary>How many points have been passed in all lives.</summary>
    public long Passed { get; private set; }

    /// <summary>Kills the keeper.</summary>
    public Action? KillKeeper { get; init; }

    /// <summary>A new life begins.</summary>
    /// <param name="mayCrash">Whether it may be killed.</param>
    /// <param name="mayKeeperDie">Whether the keeper may be, beside it.</param>
    public void Begin(bool mayCrash, bool mayKeeperDie)
    {
        IsDead = false;
        IsSpared = false;
        _left = !mayCrash ? 0 : random.Below(3) switch
        {
            0 => 1 + random.Below(12),
            1 => 1 + random.Below(100),
            _ => 1 + random.Below(1500),
        };
        _keeperLeft = !mayKeeperDie || random.Percent(50) ? 0 : 1 + random.Below(random.Percent(50) ? 40 : 1500);
    }

    /// <summary>It is not killed any more in this life.</summary>
    public void Spare() => _left = _keeperLeft = 0;

    /// <summary>Kills it between two things.</summary>
    public void Kill(string where)
    {
        IsDead = true;
        Where = where;
    }

    /// <summary>A point that is passed so seldom that it is rather likely to be killed there.</summary>
    /// <exception cref="CrashedException">It is.</exception>
    public void RarePoint(string where)
    {
        if (_left > 0 && !IsDead && !IsSpared && random.Percent(30))
        {
            _left = 1;
        }

        Point(where);
    }

    /// <summary>A point at which it may be killed.</summary>
    /// <exception cref="CrashedException">It is.</exception>
    public void Point(string where)
    {
        Passed++;
        if (!IsDead && !IsSpared && _keeperLeft > 0 && --_keeperLeft == 0)
        {
            KillKeeper!();
        }

        if (!IsDead && !IsSpared && _left > 0 && --_left == 0)
        {
            Kill(where);
        }

        if (IsDead)
        {
            throw new CrashedException(where);
        }
    }
}
