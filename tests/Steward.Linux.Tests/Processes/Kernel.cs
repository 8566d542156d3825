using System.Collections.Concurrent;
using System.Diagnostics;
using System.Text;
using Steward.Core.Config;
using Steward.Core.Effects;
using Steward.Core.Inputs;
using Steward.Core.Model;
using Steward.Core.Ports;
using Steward.Core.Snapshots;
using Steward.Linux.Handover;
using Steward.Linux.Interop;
using Steward.Linux.Processes;

namespace Steward.Linux.Tests.Processes;

/// <summary>
/// Tests that make and reap children run alone: they reap whatever child there is. The runtime's own handling of children is
/// put back after each.
/// </summary>
[CollectionDefinition(Name, DisableParallelization = true)]
public sealed class ProcessesCollection
{
    public const string Name = "processes";
}

/// <summary>A process host, a temporary directory and what an engine would do with both. Leaves no child behind.</summary>
internal sealed unsafe class Kernel : IProcessHostEvents, IDisposable
{
    /// <summary>How long anything may take before a test gives up.</summary>
    public static readonly TimeSpan Patience = TimeSpan.FromSeconds(60);

    private readonly nint _childHandler = LibC.signal(LibC.SIGCHLD, LibC.SIG_DFL);
    private readonly SemaphoreSlim _exited = new(0);
    private readonly Queue<(int, WaitStatus)> _reaped = [];
    private readonly Dictionary<int, Spawn> _living = [];
    private int _incarnation;

    public Kernel(bool helper = false, Func<ProcessHostOptions, ProcessHostOptions>? options = null)
    {
        Directory = System.IO.Directory.CreateTempSubdirectory("steward-").FullName;
        File.SetUnixFileMode(Directory, (UnixFileMode)0b111_101_101);
        var given = new ProcessHostOptions { ChildLogDir = Directory, Identifier = "test", ServerUrl = "unix:///test.sock" };
        Host = new ProcessHost(this, options?.Invoke(given) ?? given, Hub = new CollectingHub(this), helper ? TestProgram.Command : null);
    }

    public string Directory { get; }

    public ProcessHost Host { get; }

    public CollectingHub Hub { get; }

    public int LastIncarnation => _incarnation;

    public ConcurrentQueue<string> Lines { get; } = [];

    public static ProcessConfig Shell(string script) => Command($"/bin/sh -c \"{script}\"");

    public static ProcessConfig Command(string command) => new() { Name = "web_1", Program = "web", Command = command };

    public SpawnAnswer Spawn(ProcessConfig config)
    {
        var request = new Spawn(new ProcessId(1), new Incarnation(++_incarnation), "group", config, null, null, false, false);
        SpawnAnswer answer = Host.Spawn(request);
        if (answer.Pid > 0)
        {
            _living.Add(answer.Pid, request);
        }

        return answer;
    }

    /// <summary>Reaps any child, waiting for one.</summary>
    public (int Pid, WaitStatus Status) Reap()
    {
        while (_reaped.Count == 0)
        {
            Assert.True(_exited.Wait(Patience), "no child exited");
            while (Host.TryReap(out int pid, out WaitStatus status))
            {
                _reaped.Enqueue((pid, status));
            }

            Host.ReapingDone();
        }

        (int reaped, WaitStatus how) = _reaped.Dequeue();
        if (_living.Remove(reaped, out Spawn? request))
        {
            Host.FinishOutput(request.Process, request.Incarnation, wantsOutput: false);
        }

        return (reaped, how);
    }

    /// <summary>Runs a program to its end and answers with what it wrote.</summary>
    public (WaitStatus Status, string Stdout, string Stderr) Run(ProcessConfig config)
    {
        SpawnAnswer answer = Spawn(config);
        Assert.Null(answer.SpawnErr);
        Spawn request = _living[answer.Pid];
        WaitStatus status;
        (int Pid, WaitStatus Status) reaped;
        do
        {
            reaped = Reap();
            status = reaped.Status;
        }
        while (reaped.Pid != answer.Pid);

        (string stdout, string stderr) = Hub.Collected(request.Incarnation);
        return (status, stdout, stderr);
    }

    /// <summary>Waits until a line of a living program's stdout is there.</summary>
    public string ReadLine(int pid) => Hub.ReadLine(_living[pid].Incarnation);

    public void Dispose()
    {
        foreach (int pid in _living.Keys)
        {
            _ = LibC.kill(-pid, Signals.Kill);
        }

        while (_living.Count > 0)
        {
            Reap();
        }

        Host.Dispose();
        System.IO.Directory.Delete(Directory, recursive: true);
        _ = LibC.signal(LibC.SIGCHLD, _childHandler);
        _exited.Dispose();
    }

    void IProcessHostEvents.ChildrenExited() => _exited.Release();

    void IProcessHostEvents.MemoryMeasured(ProcessId process, Incarnation incarnation, long bytes, int processes) =>
        throw new UnreachableException();

    void IProcessHostEvents.HealthProbed(ProcessId process, Incarnation incarnation, string? failure) =>
        throw new UnreachableException();

    void IProcessHostEvents.Log(LogLevel level, string text) => Lines.Enqueue($"{level.Code()} {text}");

    void IProcessHostEvents.OutputFinished(ProcessId process, Incarnation incarnation, string? lastOutput)
    {
    }

    void IProcessHostEvents.Output(ProcessId process, Incarnation incarnation, OutputChannel channel, byte[] data) =>
        throw new UnreachableException();

    void IProcessHostEvents.Communication(ProcessId process, Incarnation incarnation, OutputChannel channel, byte[] data) =>
        throw new UnreachableException();
}

/// <summary>Keeps what children write in memory; on the test's thread alone.</summary>
internal sealed unsafe class CollectingHub(IProcessHostEvents events) : IOutputHub
{
    private readonly Dictionary<int, Streams> _attached = [];
    private readonly Dictionary<int, (string, string)> _collected = [];

    /// <summary>What opening log files answers with.</summary>
    public int OpenErrno { get; set; }

    /// <summary>Children whose logs are open.</summary>
    public int Opened { get; private set; }

    public bool TryOpenLogs(Spawn request, out int errno)
    {
        errno = OpenErrno;
        Opened += errno == 0 ? 1 : 0;
        return errno == 0;
    }

    public void Abandon(ProcessId process, Incarnation incarnation) => Opened--;

    public void Attach(Spawn request, int pid, int stdin, int stdout, int stderr) =>
        _attached.Add(request.Incarnation.Value, new Streams(stdin, stdout, stderr));

    public StdinResult WriteStdin(ProcessId process, Incarnation incarnation, ReadOnlyMemory<byte> data)
    {
        if (!_attached.TryGetValue(incarnation.Value, out Streams? streams) || streams.Stdin < 0)
        {
            return StdinResult.Closed;
        }

        fixed (byte* start = data.Span)
        {
            return LibC.write(streams.Stdin, start, (nuint)data.Length) == data.Length ? StdinResult.Accepted : StdinResult.Closed;
        }
    }

    public void Finish(ProcessId process, Incarnation incarnation, bool wantsOutput)
    {
        _attached.Remove(incarnation.Value, out Streams? streams);
        Assert.NotNull(streams);
        string stdout = Rest(streams.Stdout, streams.Pending);
        string stderr = Rest(streams.Stderr, new StringBuilder());
        _collected.Add(incarnation.Value, (stdout, stderr));
        Close(streams);
        Opened--;
        events.OutputFinished(process, incarnation);
    }

    public (string Stdout, string Stderr) Collected(Incarnation incarnation) => _collected[incarnation.Value];

    public string ReadLine(Incarnation incarnation)
    {
        Streams streams = _attached[incarnation.Value];
        while (true)
        {
            string text = streams.Pending.ToString();
            int end = text.IndexOf('\n', StringComparison.Ordinal);
            if (end >= 0)
            {
                streams.Pending.Remove(0, end + 1);
                return text[..end];
            }

            Assert.True(ReadSome(streams.Stdout, streams.Pending), "stdout ended before a whole line");
        }
    }

    public void OutputConsumed(int bytes) => throw new UnreachableException();

    public bool ClearLogs(ProcessId process, string? stdoutLog, string? stderrLog) => throw new UnreachableException();

    public void ReopenLogs() => throw new UnreachableException();

    public void Reconfigure(ProcessHostOptions options)
    {
    }

    public bool Suspend(TimeSpan patience) => throw new UnreachableException();

    public void Continue() => throw new UnreachableException();

    public void Save(SnapshotWriter writer, int field, DescriptorTable table) => throw new UnreachableException();

    public void Remember(OutputMemory memory, long reports) => throw new NotSupportedException();

    public void Recover(OutputMemory memory, long reports) => throw new NotSupportedException();

    public void Begin() => throw new UnreachableException();

    public void Dispose()
    {
        foreach (Streams streams in _attached.Values)
        {
            Close(streams);
        }
    }

    private static string Rest(int fd, StringBuilder text)
    {
        while (fd >= 0 && ReadSome(fd, text))
        {
        }

        return text.ToString();
    }

    /// <summary>Waits for bytes; false at the end of the stream.</summary>
    private static bool ReadSome(int fd, StringBuilder text)
    {
        byte* buffer = stackalloc byte[4096];
        var ready = new LibC.PollFd { Fd = fd, Events = LibC.POLLIN };
        Assert.True(LibC.poll(&ready, 1, (int)Kernel.Patience.TotalMilliseconds) > 0, "nothing to read");
        int count = (int)LibC.read(fd, buffer, 4096);
        Assert.True(count >= 0, "read failed");
        text.Append(Encoding.UTF8.GetString(buffer, count));
        return count > 0;
    }

    private static void Close(Streams streams)
    {
        foreach (int fd in (int[])[streams.Stdin, streams.Stdout, streams.Stderr])
        {
            if (fd >= 0)
            {
                _ = LibC.close(fd);
            }
        }
    }

    private sealed record Streams(int Stdin, int Stdout, int Stderr)
    {
        public StringBuilder Pending { get; } = new();
    }
}

/// <summary>A test that only root can do; says so where it is skipped.</summary>
public sealed class RootFactAttribute : FactAttribute
{
    public RootFactAttribute()
    {
        if (LibC.geteuid() != 0)
        {
            Skip = "needs root: changes the user of children";
        }
    }
}

/// <summary>The same for a table.</summary>
public sealed class RootTheoryAttribute : TheoryAttribute
{
    public RootTheoryAttribute()
    {
        if (LibC.geteuid() != 0)
        {
            Skip = "needs root: changes the user of children";
        }
    }
}
