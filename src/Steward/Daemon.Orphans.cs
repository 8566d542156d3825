using System.Globalization;
using Steward.Core.Config;
using Steward.Core.Model;
using Steward.Linux.Host;
using Steward.Linux.Processes;

namespace Steward;

// What a daemon that was killed left behind: its programs, which are found again, so that none ever runs twice.
internal sealed partial class Daemon
{
    private static readonly TimeSpan UnknownPatience = TimeSpan.FromSeconds(10);

    private static string LockName(Configuration configuration) => DaemonLock.NameFor(
        configuration.FullPath, configuration.Supervisord.Identifier, configuration.Supervisord.PidFile, configuration.Supervisord.User?.Uid);

    /// <summary>The image before had no lock: it was an older one, or was refused it.</summary>
    private DaemonLock? TakeLateLock(Engine.Engine engine)
    {
        try
        {
            return TakeLock([]);
        }
        catch (StartException refusal)
        {
            engine.Log(LogLevel.Error, $"this daemon goes on without a lock: {refusal.Message}");
            return null;
        }
    }

    /// <summary>
    /// Programs of which somebody has to make the socket anew (<c>[fcgi-program:x]</c>) hold the old one: they cannot be taken on, and end
    /// before the socket is tried.
    /// </summary>
    private void EndThoseWithSockets(Engine.Engine engine, IReadOnlyList<Orphan> orphans)
    {
        List<Orphan> holders = [.. orphans.Where(orphan => Find(orphan) is { Socket: not null })];
        if (holders.Count == 0)
        {
            return;
        }

        long seconds = holders.Max(orphan => (long)Find(orphan)!.StopWaitSecs);
        engine.Log(LogLevel.Info, "an earlier daemon left programs behind that hold their socket; they end before they are started again: "
            + string.Join(", ", holders.Select(static orphan => Namespec.Join(orphan.Group, orphan.Process))));
        ForeignProcesses.End(
            holders.Select(static orphan => (orphan.Pid, orphan.StartTime)),
            TimeSpan.FromSeconds(Math.Max(0, seconds)),
            text => engine.Log(LogLevel.Error, text));
    }

    /// <summary>Takes on what an earlier daemon left behind, and writes down from here on what runs.</summary>
    private void Adopt(Engine.Engine engine, ProcessHost host, IReadOnlyList<Orphan> orphans)
    {
        bool isToStop = Settings.OrphanPolicy == OrphanPolicy.Stop;
        var unknown = new List<Orphan>();
        var adopted = new List<Orphan>();
        var gone = new List<Orphan>();

        // Of two of one name, which a former reload may have left, the younger one.
        foreach (Orphan orphan in orphans.Reverse())
        {
            bool isOlder = Find(orphan) is { } config && AdoptionFile.DigestOf(config) != orphan.Digest;
            bool? isAdopted = engine.Adopt(
                orphan.Group, orphan.Process, orphan.Pid, orphan.StartedAt, isOlder, isToStop,
                spawn => host.TryAdopt(spawn, orphan.Pid, orphan.StartTime));
            if (isAdopted is null)
            {
                unknown.Add(orphan);
            }
            else if (isAdopted.Value)
            {
                adopted.Add(orphan);
            }
            else
            {
                gone.Add(orphan);
            }
        }

        if (gone.Count > 0)
        {
            engine.Log(LogLevel.Info, $"ended while no daemon ran, and nobody observed how: {Names(gone)}");
        }

        host.Keep(new AdoptionFile(Settings.PidFile, engine.Log), adopted);
        unknown.RemoveAll(static orphan => !ForeignProcesses.Lives(orphan.Pid, orphan.StartTime));
        if (unknown.Count == 0)
        {
            return;
        }

        string names = Names(unknown);
        if (!isToStop)
        {
            engine.Log(LogLevel.Warn, $"an earlier daemon left programs behind that the configuration does not know any more; they are left alone: {names}");
            return;
        }

        engine.Log(LogLevel.Info, $"an earlier daemon left programs behind that the configuration does not know any more; they are stopped: {names}");
        new Thread(
            () => ForeignProcesses.End(
                unknown.Select(static orphan => (orphan.Pid, orphan.StartTime)), UnknownPatience, text => engine.Log(LogLevel.Error, text)),
            256 << 10) { Name = "orphans", IsBackground = true }.Start();
    }

    private static string Names(IEnumerable<Orphan> orphans) => string.Join(", ", orphans.Select(
        static orphan => string.Create(CultureInfo.InvariantCulture, $"{Namespec.Join(orphan.Group, orphan.Process)} (pid {orphan.Pid})")));

    private ProcessConfig? Find(Orphan orphan) => _configuration.Groups
        .FirstOrDefault(group => group.Name == orphan.Group)?.Processes.FirstOrDefault(process => process.Name == orphan.Process);
}
