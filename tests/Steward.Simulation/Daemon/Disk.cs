using System.Text;
using Steward.Core.Model;
using Steward.Simulation.Checks;
using Steward.Simulation.Kernel;

namespace Steward.Simulation.Daemon;

/// <summary>A file of the simulated disk, under whichever name.</summary>
internal sealed class VirtualFile(long inode, Track track)
{
    public long Inode { get; } = inode;

    public List<byte> Bytes { get; } = [];

    public Track Track { get; } = track;
}

/// <summary>Everything that was read for one log, what came to stand in its files, and what was counted as lost.</summary>
internal sealed class Track
{
    public List<byte> Read { get; } = [];

    public List<byte> Written { get; } = [];

    public List<(int From, int To)> Lost { get; } = [];
}

/// <summary>What became of a write.</summary>
internal enum DiskError
{
    None,
    Interrupted,
    NoSpace,
    Fault,
    Slow,
}

/// <summary>Files by name. What is written stays when the daemon dies.</summary>
internal sealed class Disk(SimRandom random, VirtualClock clock, Machine machine, Tally tally)
{
    private readonly Dictionary<string, VirtualFile> _files = new(StringComparer.Ordinal);
    private readonly Dictionary<string, Track> _tracks = new(StringComparer.Ordinal);
    private long _lastInode;
    private long _fullUntil;
    private long _slowUntil;

    public Track TrackOf(string path)
    {
        if (!_tracks.TryGetValue(path, out Track? track))
        {
            _tracks.Add(path, track = new Track());
        }

        return track;
    }

    /// <summary>Opens a file for appending; it is made when it is not there.</summary>
    public VirtualFile Open(string path)
    {
        if (!_files.TryGetValue(path, out VirtualFile? file))
        {
            _files.Add(path, file = new VirtualFile(++_lastInode, TrackOf(path)));
        }

        return file;
    }

    public VirtualFile? Find(string path) => _files.GetValueOrDefault(path);

    public void Remove(string path) => _files.Remove(path);

    public void Rename(string path, string to)
    {
        if (_files.Remove(path, out VirtualFile? file))
        {
            _files[to] = file;
        }
    }

    /// <summary>Writes at the end; what was not taken is to be tried again, or given up.</summary>
    public DiskError Write(VirtualFile file, ReadOnlySpan<byte> bytes, out int taken)
    {
        taken = 0;
        if (machine.Has(Fault.SlowDisk))
        {
            if (clock.Monotonic < _slowUntil)
            {
                return DiskError.Slow;
            }

            if (random.Percent(5))
            {
                _slowUntil = clock.Monotonic + random.Below(3000) * Moment.Millisecond;
                tally.Count("slow writes");
                return DiskError.Slow;
            }
        }

        if (machine.Has(Fault.DiskFull))
        {
            if (random.Percent(2))
            {
                _fullUntil = clock.Monotonic + random.Below(5000) * Moment.Millisecond;
            }

            if (clock.Monotonic < _fullUntil)
            {
                tally.Count("writes without space");
                return DiskError.NoSpace;
            }
        }

        if (machine.Has(Fault.DiskError) && random.Percent(3))
        {
            tally.Count("writes that failed");
            return DiskError.Fault;
        }

        if (machine.Has(Fault.ShortWrite) && random.Percent(20))
        {
            tally.Count("short and interrupted writes");
            taken = random.Below(bytes.Length);
            Append(file, bytes[..taken]);
            return taken == 0 ? DiskError.Interrupted : DiskError.None;
        }

        taken = bytes.Length;
        Append(file, bytes);
        return DiskError.None;
    }

    /// <summary>Waits until the disk is quick again.</summary>
    public void Wait() => _slowUntil = 0;

    /// <summary>What was read for a log and does not stand there is lost.</summary>
    public void LoseRest(string path)
    {
        Track track = TrackOf(path);
        int lost = track.Lost.Sum(part => Math.Min(part.To, track.Read.Count) - part.From);
        int missing = track.Read.Count - lost - track.Written.Count;
        track.Lost.Add((track.Read.Count - missing, track.Read.Count));
        tally.Count("bytes of output lost with both", missing);
    }

    /// <summary>What the files of all logs hold is what was read for them, each byte once, but for what was counted as lost.</summary>
    public void Check()
    {
        foreach ((string path, Track track) in _tracks)
        {
            var expected = new List<byte>(track.Read.Count);
            for (int i = 0; i < track.Read.Count; i++)
            {
                if (!track.Lost.Exists(lost => i >= lost.From && i < lost.To))
                {
                    expected.Add(track.Read[i]);
                }
            }

            if (!expected.SequenceEqual(track.Written))
            {
                int at = expected.Zip(track.Written).TakeWhile(pair => pair.First == pair.Second).Count();
                throw new InvariantException($"log {path}: {track.Written.Count} bytes are written, {expected.Count} should be; from byte {at} on there is "
                    + $"'{Text(track.Written, at)}' and not '{Text(expected, at)}'");
            }
        }
    }

    private static string Text(List<byte> bytes, int at) =>
        Encoding.ASCII.GetString([.. bytes.Skip(Math.Max(0, at - 10)).Take(60)]).Replace("\n", "\\n", StringComparison.Ordinal);

    private static void Append(VirtualFile file, ReadOnlySpan<byte> bytes)
    {
        foreach (byte b in bytes)
        {
            file.Bytes.Add(b);
            file.Track.Written.Add(b);
        }
    }
}
