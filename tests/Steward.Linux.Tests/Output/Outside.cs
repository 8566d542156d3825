using System.Collections.Concurrent;
using System.Diagnostics;
using System.Text;
using Steward.Core.Config;
using Steward.Core.Effects;
using Steward.Core.Model;
using Steward.Core.Ports;
using Steward.Core.Snapshots;
using Steward.Linux.Handover;
using Steward.Linux.Interop;
using Steward.Linux.Output;
using Steward.Linux.Processes;
using Steward.Linux.Tests.Host;
using Descriptors = Steward.Linux.Tests.Host.Descriptors;

namespace Steward.Linux.Tests.Output;

/// <summary>A hub, a directory, and the other ends of the pipes of programs that are not there.</summary>
internal sealed unsafe class Outside : IProcessHostEvents, IDisposable
{
    /// <summary>How long anything may take before a test gives up.</summary>
    public static readonly TimeSpan Patience = TimeSpan.FromSeconds(60);

    private readonly TempDirectory _directory = new();
    private readonly List<Program> _programs = [];
    private readonly SemaphoreSlim _changed = new(0);
    private int _incarnation;

    public Outside(Func<ProcessHostOptions, ProcessHostOptions>? options = null)
    {
        var given = new ProcessHostOptions { ChildLogDir = _directory.Path };
        Hub = new OutputHub(this, options?.Invoke(given) ?? given);
    }

    public OutputHub Hub { get; private set; }

    public ConcurrentQueue<string> Lines { get; } = [];

    public ConcurrentQueue<(Incarnation Incarnation, OutputChannel Channel, byte[] Data)> Output { get; } = [];

    public ConcurrentQueue<(Incarnation Incarnation, OutputChannel Channel, byte[] Data)> Captures { get; } = [];

    public ConcurrentQueue<Incarnation> Finished { get; } = [];

    /// <summary>What the last report of an end carried.</summary>
    public string? LastOutput { get; private set; }

    public string File(string name) => _directory.File(name);

    public string Read(string name) => System.IO.File.ReadAllText(File(name), Encoding.Latin1);

    /// <summary>Opens the logs of a program and attaches it.</summary>
    public Program Start(
        string? stdoutLog = "out", string? stderrLog = "err", bool tapStdout = false, bool tapStderr = false, Func<ProcessConfig, ProcessConfig>? config = null)
    {
        var process = new ProcessConfig { Name = "web", Program = "web", Command = "web" };
        process = config?.Invoke(process) ?? process;
        var request = new Spawn(
            new ProcessId(_incarnation + 1), new Incarnation(++_incarnation), "web", process, At(stdoutLog), At(stderrLog), tapStdout, tapStderr);
        Assert.True(Hub.TryOpenLogs(request, out int errno), $"logs: {errno}");
        (int stdin, int stdinWrite) = Descriptors.Pipe();
        (int stdoutRead, int stdout) = Descriptors.Pipe();
        (int stderrRead, int stderr) = process.RedirectStderr ? (-1, -1) : Descriptors.Pipe();
        foreach (int ours in (int[])[stdinWrite, stdoutRead, stderrRead])
        {
            _ = LibC.fcntl(ours, LibC.F_SETFL, LibC.O_NONBLOCK | (ours == stdinWrite ? LibC.O_WRONLY : LibC.O_RDONLY));
        }

        Hub.Attach(request, 4711, stdinWrite, stdoutRead, stderrRead);
        var program = new Program(this, request, stdin, stdout, stderr);
        _programs.Add(program);
        return program;
    }

    /// <summary>
    /// Brings the hub to rest, writes it down and goes on with another that was read back, as another image of the program does; the
    /// descriptors are the same, and the first hub touches them no more.
    /// </summary>
    /// <param name="meanwhile">What happens while nobody is in charge.</param>
    public void HandOver(Action? meanwhile = null)
    {
        Assert.True(Hub.Suspend(Patience));
        byte[] bytes = Written(Hub);
        meanwhile?.Invoke();
        SnapshotReader reader = Snapshot.Open(bytes, "state", "boot", out _);
        SnapshotReader ahead = reader;
        DescriptorTable table = DescriptorTable.Restore(ahead.Record(2, "descriptors"), areOpen: true);
        Hub = OutputHub.Restore(reader.Record(1, "output"), table, this, new ProcessHostOptions { ChildLogDir = _directory.Path });

        // What was read back is what was written down.
        Assert.Equal(bytes, Written(Hub));
        Hub.Begin();
    }

    private static byte[] Written(OutputHub hub) => Snapshot.Seal(new SnapshotOrigin("boot", default, "1"), writer =>
    {
        var table = new DescriptorTable();
        hub.Save(writer, 1, table);
        table.Save(writer, 2);
    });

    public string? At(string? log) => log is null || log.StartsWith('/') ? log : File(log);

    /// <summary>Waits until something has come true that the hub's thread brings about.</summary>
    public static void Until(Func<bool> condition, string what)
    {
        Assert.True(SpinWait.SpinUntil(condition, Patience), what);
    }

    public void Dispose()
    {
        foreach (Program program in _programs)
        {
            program.Close();
        }

        Hub.Dispose();
        _directory.Dispose();
        _changed.Dispose();
    }

    void IProcessHostEvents.ChildrenExited() => throw new System.Diagnostics.UnreachableException();

    void IProcessHostEvents.Output(ProcessId process, Incarnation incarnation, OutputChannel channel, byte[] data) =>
        Output.Enqueue((incarnation, channel, data));

    void IProcessHostEvents.Communication(ProcessId process, Incarnation incarnation, OutputChannel channel, byte[] data) =>
        Captures.Enqueue((incarnation, channel, data));

    void IProcessHostEvents.OutputFinished(ProcessId process, Incarnation incarnation, string? lastOutput)
    {
        LastOutput = lastOutput;
        Finished.Enqueue(incarnation);
    }

    void IProcessHostEvents.MemoryMeasured(ProcessId process, Incarnation incarnation, long bytes, int processes) =>
        throw new UnreachableException();

    void IProcessHostEvents.HealthProbed(ProcessId process, Incarnation incarnation, string? failure) =>
        throw new UnreachableException();

    void IProcessHostEvents.Log(LogLevel level, string text) => Lines.Enqueue($"{level.Code()} {text}");

    /// <summary>The program's side of its pipes.</summary>
    internal sealed class Program(Outside outside, Spawn request, int stdin, int stdout, int stderr)
    {
        public ProcessId Process => request.Process;

        public Incarnation Incarnation => request.Incarnation;

        public int Stdin { get; private set; } = stdin;

        public int Stdout { get; private set; } = stdout;

        public int Stderr { get; private set; } = stderr;

        /// <summary>Writes all of it; blocks as a program does.</summary>
        public void Write(ReadOnlySpan<byte> data) => WriteTo(Stdout, data);

        public void Write(string text) => WriteTo(Stdout, Encoding.Latin1.GetBytes(text));

        public void WriteError(string text) => WriteTo(Stderr, Encoding.Latin1.GetBytes(text));

        public static void WriteTo(int fd, ReadOnlySpan<byte> data)
        {
            fixed (byte* start = data)
            {
                int done = 0;
                while (done < data.Length)
                {
                    nint count = LibC.write(fd, start + done, (nuint)(data.Length - done));
                    Assert.True(count > 0 || LibC.Interrupted(count), $"write: {LibC.LastError}");
                    done += (int)Math.Max(0, count);
                }
            }
        }

        /// <summary>The program dies: its ends are closed, and the hub is told. Waits for the end of its output.</summary>
        public void Die(bool keepPipes = false, bool wantsOutput = false)
        {
            if (!keepPipes)
            {
                Close();
            }

            outside.Hub.Finish(Process, Incarnation, wantsOutput);
            Until(() => outside.Finished.Contains(Incarnation), "the output does not end");
        }

        public void Close()
        {
            foreach (int fd in (int[])[Stdin, Stdout, Stderr])
            {
                if (fd >= 0)
                {
                    _ = LibC.close(fd);
                }
            }

            (Stdin, Stdout, Stderr) = (-1, -1, -1);
        }
    }
}
