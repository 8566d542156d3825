using Steward.Core.Model;

namespace Steward.Core.Config;

/// <summary>What is done about a program that is above its limit or unhealthy.</summary>
public enum WatchAction
{
    /// <summary>It is stopped as an operator would stop it, and started again.</summary>
    Restart,

    /// <summary>It is said in the log; the program is left alone.</summary>
    Alert,
}

/// <summary>A ceiling for the memory of a process and of everything that descends from it.</summary>
public sealed record MemoryLimitConfig
{
    /// <summary><c>memory_limit</c> in bytes, at least 1.</summary>
    public required long Bytes { get; init; }

    /// <summary><c>memory_check_secs</c>: seconds between two looks, at least 1. Default 10.</summary>
    public int CheckSecs { get; init; } = 10;

    /// <summary><c>on_memory_limit</c>. Default restart.</summary>
    public WatchAction Action { get; init; } = WatchAction.Restart;
}

/// <summary>An HTTP address that a healthy process answers.</summary>
public sealed record HealthConfig
{
    /// <summary><c>health_http</c>, expanded: an absolute <c>http://</c> address.</summary>
    public required string Url { get; init; }

    /// <summary><c>health_interval</c>: seconds between two probes, at least 1. Default 10.</summary>
    public int Interval { get; init; } = 10;

    /// <summary><c>health_timeout</c>: seconds that an answer may take, at least 1. Default 3.</summary>
    public int Timeout { get; init; } = 3;

    /// <summary><c>health_failures</c>: failed probes in a row that make it unhealthy, at least 1. Default 3.</summary>
    public int Failures { get; init; } = 3;

    /// <summary><c>health_grace</c>: seconds from the start to the first probe. Default 10, or <c>startsecs</c> if that is longer.</summary>
    public int Grace { get; init; } = 10;

    /// <summary><c>health_status</c>: the good status codes as pairs of first and last. Default 200 to 399.</summary>
    public EquatableList<int> Status { get; init; } = [200, 399];

    /// <summary><c>on_unhealthy</c>. Default restart.</summary>
    public WatchAction Action { get; init; } = WatchAction.Restart;

    /// <summary>Says whether a status code is a good one.</summary>
    public bool IsGood(int status)
    {
        for (int i = 0; i + 1 < Status.Count; i += 2)
        {
            if (status >= Status[i] && status <= Status[i + 1])
            {
                return true;
            }
        }

        return false;
    }
}
