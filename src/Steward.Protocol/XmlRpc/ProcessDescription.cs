using System.Globalization;
using Steward.Core.Model;
using Steward.Core.Supervision;

namespace Steward.Protocol.XmlRpc;

/// <summary>The <c>description</c> of a process: what <c>supervisorctl status</c> prints behind the state.</summary>
internal static class ProcessDescription
{
    public static string Of(in ProcessSnapshot process) => process.State switch
    {
        ProcessState.Running => string.Create(
            CultureInfo.InvariantCulture, $"pid {process.Pid}, uptime {Uptime(process.UptimeSeconds)}"),
        ProcessState.Fatal or ProcessState.Backoff => process.SpawnErr.Length > 0
            ? process.SpawnErr
            : $"unknown error (try \"tail {process.Name}\")",
        ProcessState.Stopped or ProcessState.Exited => process.Start == 0
            ? "Not started"
            : DateTimeOffset.FromUnixTimeSeconds(process.Stop / Moment.Second).ToLocalTime()
                .ToString("MMM dd hh:mm tt", CultureInfo.InvariantCulture),
        _ => "",
    };

    private static string Uptime(long seconds)
    {
        seconds = Math.Max(0, seconds);
        long days = seconds / 86400;
        string clock = string.Create(
            CultureInfo.InvariantCulture, $"{seconds / 3600 % 24}:{seconds / 60 % 60:00}:{seconds % 60:00}");
        return days switch
        {
            0 => clock,
            1 => "1 day, " + clock,
            _ => string.Create(CultureInfo.InvariantCulture, $"{days} days, {clock}"),
        };
    }
}
