using Steward.Core.Effects;
using Steward.Core.Inputs;
using Steward.Core.Model;
using Steward.Core.Ports;
using Steward.Simulation.Checks;

namespace Steward.Simulation.Daemon;

/// <summary>
/// Moves output from pipes through the output memory to logs and to the engine, and input to stdin, a step at a time: what the daemon's hub does on
/// its thread. Dies with the daemon.
/// </summary>
internal sealed class Hub(OutputMemory memory, Machine machine, Disk disk, Crashes crashes, SimRandom random, IProcessHostEvents events, Tally tally)
{
    private const int MaxLog = 150;
    private const int MaxStdin = 1000;

    private readonly Dictionary<(ProcessId, Incarnation), Stream> _streams = [];
    private long _tapped;
    private bool _isReady;

    /// <summary>Whether a chunk is on its way.</summary>
    public bool IsBusy => memory.State != ChunkState.None;

    /// <summary>Tapped bytes handed to the engine in all lives.</summary>
    public long Tapped => _tapped;

    /// <summary>Whose end was told last.</summary>
    public (ProcessId Process, Incarnation Incarnation)? Ended { get; private set; }

    public void Add(Pipes pipes)
    {
        Spawn spawn = pipes.Spawn;
        var stream = new Stream(pipes);
        if (spawn.StdoutLog is { } stdout)
        {
            stream.Files[0] = disk.Open(stdout);
        }

        if (spawn.StderrLog is { } stderr)
        {
            stream.Files[1] = disk.Open(stderr);
        }

        _streams.Add((spawn.Process, spawn.Incarnation), stream);
    }

    /// <summary>Whether bytes for its stdin wait here.</summary>
    public bool HoldsStdin(ProcessId process, Incarnation incarnation) => _streams.TryGetValue((process, incarnation), out Stream? stream) && stream.Stdin.Count > 0;

    public bool Has(ProcessId process, Incarnation incarnation) => _streams.ContainsKey((process, incarnation));

    /// <summary>Writes what a predecessor has read and not written.</summary>
    public void RecoverFile()
    {
        if (memory.State == ChunkState.None)
        {
            return;
        }

        tally.Count(memory.State == ChunkState.Reading ? "chunks taken over while they were read" : "chunks taken over while they were written");
        if (memory.State == ChunkState.Reading)
        {
            int count = Array.FindLastIndex(memory.Buffer, b => b != OutputMemory.Nothing) + 1;
            if (count == 0)
            {
                memory.State = ChunkState.None;
                return;
            }

            crashes.Point("hub: recover, counted");
            VirtualFile? present = memory.Path is { } path ? disk.Open(path) : null;
            memory.Count = count;
            memory.Inode = present?.Inode ?? 0;
            memory.Offset = present?.Bytes.Count ?? 0;
            memory.TappedBefore = -1;
            memory.State = ChunkState.Writing;
            crashes.Point("hub: recover, published");
        }

        WriteFile(FileOfChunk(), patiently: true);

        // From here on the log may be cleared: nobody must look for the chunk in it any more.
        memory.Path = null;
        crashes.Point("hub: recover, written");
    }

    /// <summary>Tells the engine what a predecessor has read and not told, and goes on.</summary>
    /// <param name="arrived">How many tapped bytes the engine has been told in all lives.</param>
    public void RecoverTaps(long arrived)
    {
        _tapped = arrived;
        if (memory.State == ChunkState.Writing)
        {
            if (memory.TappedBefore < 0)
            {
                memory.TappedBefore = arrived;
            }

            int already = checked((int)(arrived - memory.TappedBefore));
            if (already < 0 || already > memory.Count)
            {
                throw new InvariantException($"the engine was told {arrived} bytes, {memory.TappedBefore} before a chunk of {memory.Count}");
            }

            // The next one to take over must not take what is told here for the whole.
            Tell(already);
            Clear();
        }

        _isReady = true;
    }

    /// <summary>Does one thing; false when there is nothing to do.</summary>
    public bool Step()
    {
        if (!_isReady)
        {
            return false;
        }

        if (memory.State == ChunkState.Writing)
        {
            return Continue(patiently: false);
        }

        if (_streams.Count == 0)
        {
            return false;
        }

        int first = random.Below(_streams.Count);
        Stream[] streams = [.. _streams.Values];
        for (int i = 0; i < streams.Length; i++)
        {
            Stream stream = streams[(first + i) % streams.Length];
            if (stream.Stdin.Count > 0 && Feed(stream))
            {
                return true;
            }

            OutputChannel channel = random.Percent(50) ? OutputChannel.Stdout : OutputChannel.Stderr;
            if (Read(stream, channel) || Read(stream, 1 - channel))
            {
                return true;
            }

            if (stream.IsEnding)
            {
                Finish(stream);
                return true;
            }
        }

        return false;
    }

    public void End(ProcessId process, Incarnation incarnation, bool wantsOutput)
    {
        if (_streams.TryGetValue((process, incarnation), out Stream? stream))
        {
            stream.IsEnding = true;
            stream.WantsOutput = wantsOutput;
            if (stream.Stdin.Count > 0)
            {
                stream.Stdin.Clear();
                events.StdinWaits(process, incarnation, false);
            }

            return;
        }

        // Its pipes were given up already by a predecessor, who did not come to say so.
        events.OutputFinished(process, incarnation);
    }

    public StdinResult Write(ProcessId process, Incarnation incarnation, ReadOnlySpan<byte> data)
    {
        if (!_streams.TryGetValue((process, incarnation), out Stream? stream) || !stream.Pipes.Stdin.IsProgramThere)
        {
            return StdinResult.Closed;
        }

        if (stream.Stdin.Count + data.Length > MaxStdin || (machine.Has(Fault.Stdin) && random.Percent(10)))
        {
            return StdinResult.Full;
        }

        bool waited = stream.Stdin.Count > 0;
        int taken = waited ? 0 : stream.Pipes.Stdin.Write(data);
        crashes.Point("stdin: written");
        foreach (byte b in data[taken..])
        {
            stream.Stdin.Enqueue(b);
        }

        if (!waited && stream.Stdin.Count > 0)
        {
            tally.Count("stdin that waited");
            events.StdinWaits(process, incarnation, true);
        }

        return StdinResult.Accepted;
    }

    /// <summary>Removes the files of a process and makes them anew.</summary>
    public void ClearLogs(ProcessId process, params ReadOnlySpan<string?> paths)
    {
        // A predecessor's chunk stands in its file already, and is told once it is known how much of it was.
        if (_isReady && memory.State == ChunkState.Writing && memory.Process == process)
        {
            Continue(patiently: true);
        }

        foreach (string? path in paths)
        {
            if (path is not null)
            {
                disk.Remove(path);
                crashes.Point("clear: removed");
                VirtualFile file = disk.Open(path);
                foreach (Stream stream in _streams.Values)
                {
                    stream.Replace(path, file);
                }
            }
        }
    }

    public void Reopen()
    {
        foreach (Stream stream in _streams.Values)
        {
            Spawn spawn = stream.Pipes.Spawn;
            stream.Files[0] = spawn.StdoutLog is { } stdout ? disk.Open(stdout) : null;
            stream.Files[1] = spawn.StderrLog is { } stderr ? disk.Open(stderr) : null;
        }
    }

    private bool Feed(Stream stream)
    {
        byte[] waiting = [.. stream.Stdin];
        int taken = stream.Pipes.Stdin.Write(waiting);
        crashes.Point("stdin: fed");
        for (int i = 0; i < taken; i++)
        {
            stream.Stdin.Dequeue();
        }

        if (stream.Stdin.Count == 0)
        {
            events.StdinWaits(stream.Pipes.Spawn.Process, stream.Pipes.Spawn.Incarnation, false);
        }

        return taken > 0;
    }

    private bool Read(Stream stream, OutputChannel channel)
    {
        Pipe pipe = stream.Pipes.Of(channel);
        if (pipe.Count == 0)
        {
            return false;
        }

        Spawn spawn = stream.Pipes.Spawn;
        VirtualFile? file = stream.Files[(int)channel];
        memory.Buffer.AsSpan(0, memory.Count).Fill(OutputMemory.Nothing);
        memory.Count = 0;
        memory.Process = spawn.Process;
        memory.Incarnation = spawn.Incarnation;
        memory.Channel = channel;
        memory.Path = channel == OutputChannel.Stdout ? spawn.StdoutLog : spawn.StderrLog;
        memory.IsTapped = channel == OutputChannel.Stdout ? spawn.TapStdout : spawn.TapStderr;
        memory.Start = file?.Track.Read.Count ?? 0;
        memory.State = ChunkState.Reading;
        crashes.Point("hub: reading");
        int count = pipe.Read(memory.Buffer.AsSpan(0, 1 + random.Below(memory.Buffer.Length)));
        file?.Track.Read.AddRange(memory.Buffer[..count]);
        crashes.Point("hub: read");
        memory.Count = count;
        memory.Inode = file?.Inode ?? 0;
        memory.Offset = file?.Bytes.Count ?? 0;
        memory.TappedBefore = _tapped;
        memory.State = ChunkState.Writing;
        crashes.Point("hub: published");
        Continue(patiently: false);
        return true;
    }

    /// <summary>Goes on with the chunk; false when the disk is too slow.</summary>
    private bool Continue(bool patiently)
    {
        VirtualFile? file = _streams.TryGetValue((memory.Process, memory.Incarnation), out Stream? stream) ? stream.Files[(int)memory.Channel] : null;
        if (!WriteFile(memory.Path is null ? null : file, patiently))
        {
            return false;
        }

        if (file is not null && memory.Path is { } path && file.Bytes.Count > MaxLog && disk.Find(path) == file)
        {
            crashes.Point("hub: before rotation");
            disk.Rename(path, path + ".1");
            crashes.Point("hub: renamed");
            stream!.Replace(path, disk.Open(path));
            tally.Count("rotations");
        }

        crashes.Point("hub: written");
        Tell(0);
        Clear();
        return true;
    }

    private void Tell(int already)
    {
        int left = memory.Count - already;
        if (memory.IsTapped && left > 0)
        {
            _tapped += left;
            events.Output(memory.Process, memory.Incarnation, memory.Channel, memory.Buffer[already..memory.Count]);
            crashes.Point("hub: told");
        }
    }

    private void Clear()
    {
        memory.State = ChunkState.None;
        crashes.Point("hub: cleared");
    }

    private VirtualFile? FileOfChunk()
    {
        if (memory.Path is not { } path)
        {
            return null;
        }

        if (disk.Find(path) is { } file && file.Inode == memory.Inode)
        {
            return file;
        }

        if (disk.Find(path + ".1") is { } rotated && rotated.Inode == memory.Inode)
        {
            return rotated;
        }

        VirtualFile present = disk.Open(path);
        memory.Inode = present.Inode;
        memory.Offset = present.Bytes.Count;
        return present;
    }

    /// <summary>Writes what does not stand in the file yet.</summary>
    private bool WriteFile(VirtualFile? file, bool patiently)
    {
        while (file is not null && memory.Path is not null)
        {
            int written = (int)(file.Bytes.Count - memory.Offset);
            if (written >= memory.Count)
            {
                return true;
            }

            DiskError error = disk.Write(file, memory.Buffer.AsSpan(written, memory.Count - written), out _);
            crashes.Point("hub: some written");
            switch (error)
            {
                case DiskError.Slow when !patiently:
                    return false;

                case DiskError.NoSpace or DiskError.Fault:
                    written = (int)(file.Bytes.Count - memory.Offset);
                    file.Track.Lost.Add((memory.Start + written, memory.Start + memory.Count));
                    memory.Path = null;
                    return true;

                case DiskError.Slow:
                    disk.Wait();
                    break;
            }
        }

        return true;
    }

    private void Finish(Stream stream)
    {
        Spawn spawn = stream.Pipes.Spawn;
        _streams.Remove((spawn.Process, spawn.Incarnation));
        if (machine.Programs.FirstOrDefault(program => program.Pipes == stream.Pipes) is { } program)
        {
            program.IsFinished = true;
        }

        Ended = (spawn.Process, spawn.Incarnation);
        events.OutputFinished(spawn.Process, spawn.Incarnation, stream.WantsOutput ? "last words\n" : null);
        crashes.Point("hub: end told");
        machine.Drop(spawn.Process, spawn.Incarnation);
        crashes.Point("hub: dropped");
    }

    private sealed class Stream(Pipes pipes)
    {
        public Pipes Pipes { get; } = pipes;

        public VirtualFile?[] Files { get; } = new VirtualFile?[2];

        public Queue<byte> Stdin { get; } = new();

        public bool IsEnding { get; set; }

        public bool WantsOutput { get; set; }

        public void Replace(string path, VirtualFile file)
        {
            if (Pipes.Spawn.StdoutLog == path)
            {
                Files[0] = file;
            }

            if (Pipes.Spawn.StderrLog == path)
            {
                Files[1] = file;
            }
        }
    }
}
