using System.Globalization;
using Steward.Core.Model;
using Steward.Core.Output;
using Steward.Core.Ports;
using Steward.Core.Snapshots;
using Steward.Linux.Handover;
using Steward.Linux.Interop;
using Steward.Linux.Processes;

namespace Steward.Linux.Output;

// The hub comes to rest with nothing between a read and its write, is written down, and goes on: here or in another image of the program.
internal sealed unsafe partial class OutputHub
{
    // Guarded by _inboxGate.
    private bool _isRestWanted;

    // Set by the hub's thread as its last deed, or before it starts.
    private volatile bool _isAtRest;

    /// <inheritdoc/>
    public bool Suspend(TimeSpan patience)
    {
        Thread thread = _thread ?? throw new InvalidOperationException("The hub has not been started.");
        lock (_inboxGate)
        {
            _isRestWanted = true;
        }

        Post(new Order(OrderKind.Rest, null));
        thread.Join(patience);
        lock (_inboxGate)
        {
            // One that comes too late finds that nobody wants it any more.
            _isRestWanted = _isAtRest;
            return _isAtRest;
        }
    }

    /// <inheritdoc/>
    public void Continue()
    {
        lock (_inboxGate)
        {
            if (!_isAtRest)
            {
                throw new InvalidOperationException("The hub is not at rest.");
            }

            _isAtRest = false;
            _isRestWanted = false;
        }

        StartThread();
    }

    /// <inheritdoc/>
    public void Save(SnapshotWriter writer, int field, DescriptorTable table)
    {
        if (!_isAtRest)
        {
            throw new InvalidOperationException("The hub is not at rest.");
        }

        writer.Begin(field);
        Dictionary<LogFile, int> logs = _logs.Save(writer, 1, table);
        lock (_children)
        {
            foreach (ChildOutput child in _children.Values.OrderBy(static child => child.Process.Value))
            {
                writer.Begin(2);
                writer.Integer(1, child.Process.Value);
                writer.Integer(2, child.Incarnation.Value);
                writer.Text(3, child.Name);
                writer.Integer(4, child.StdoutLog is null ? null : logs[child.StdoutLog]);
                writer.Integer(5, child.StderrLog is null ? null : logs[child.StderrLog]);
                child.Stdin?.Save(writer, 6, table, Role("stdin", child));
                Save(writer, 7, child.Stdout, table, "stdout");
                Save(writer, 8, child.Stderr, table, "stderr");
                writer.End();
            }
        }

        writer.Integer(3, Interlocked.Read(ref _outstanding));
        writer.End();
    }

    /// <summary>Makes a hub that does nothing before <see cref="Begin"/>.</summary>
    internal static OutputHub AtRest(IProcessHostEvents events, ProcessHostOptions options, Action<ProcessId, Incarnation>? finished) =>
        new(events, options, outstanding: 0, finished) { _isAtRest = true };

    /// <summary>
    /// Makes an equal hub of what was written down. It does nothing before <see cref="Begin"/>: until then the pipes can still be another's.
    /// </summary>
    /// <exception cref="SnapshotRefusedException">It cannot be taken up.</exception>
    internal static OutputHub Restore(SnapshotReader reader, DescriptorTable table, IProcessHostEvents events, ProcessHostOptions options, Action<ProcessId, Incarnation>? finished = null)
    {
        OutputHub hub = AtRest(events, options, finished);
        List<LogFile> logs = hub._logs.Restore(ref reader, 1, table);
        while (reader.Next(2, "children", out SnapshotReader inner))
        {
            var process = new ProcessId(inner.Int32(1, "process", 1));
            var incarnation = new Incarnation(inner.Int32(2, "incarnation", 1));
            string name = inner.Text(3, "name");
            LogFile? stdout = hub.Log(logs, inner.OptionalInt32(4, "stdoutLog", 0, logs.Count - 1));
            LogFile? stderr = hub.Log(logs, inner.OptionalInt32(5, "stderrLog", 0, logs.Count - 1));
            var child = new ChildOutput(process, incarnation, name, stdout, stderr);
            child.Stdin = inner.TryRecord(6, "stdin", out SnapshotReader stdin) ? StdinQueue.Restore(stdin, table, Role("stdin", child)) : null;
            child.Stdout = Restore(ref inner, 7, child, OutputChannel.Stdout, table);
            child.Stderr = Restore(ref inner, 8, child, OutputChannel.Stderr, table);
            inner.End();
            if (!hub._children.TryAdd(process, child))
            {
                throw inner.Refusal("process", $"{process.Value} is there twice");
            }
        }

        hub._outstanding = reader.Integer(3, "outstanding", 0);
        reader.End();
        return hub;
    }

    /// <inheritdoc/>
    public void Begin()
    {
        // Nobody else is here yet: what the hub's thread will own is set up by this one.
        foreach (ChildOutput child in _children.Values)
        {
            Watch(child.Stdout);
            Watch(child.Stderr);
            if (child.Stdin is { IsWaiting: true } stdin)
            {
                WatchStdin(stdin);
            }
        }

        foreach (LogFile log in _logs.Blocked())
        {
            _ = WaitFor(log);
        }

        Continue();
    }

    private static string Role(string stream, ChildOutput child) =>
        string.Create(CultureInfo.InvariantCulture, $"{stream}:{child.Process.Value}:{child.Incarnation.Value}");

    private static void Save(SnapshotWriter writer, int field, OutputStream? stream, DescriptorTable table, string name)
    {
        if (stream is null)
        {
            return;
        }

        writer.Begin(field);
        writer.Flag(1, stream.Descriptor >= 0);
        if (stream.Descriptor >= 0)
        {
            table.Add(Role(name, stream.Child), stream.Descriptor);
        }

        writer.Flag(2, stream.IsTapped);
        writer.Flag(3, stream.SyslogPrefix is not null);
        stream.Filter.Save(writer, 4);
        writer.End();
    }

    private static OutputStream? Restore(ref SnapshotReader reader, int field, ChildOutput child, OutputChannel channel, DescriptorTable table)
    {
        string name = Name(channel);
        if (!reader.TryRecord(field, name, out SnapshotReader inner))
        {
            return null;
        }

        int fd = inner.Flag(1, "isOpen") ? table.Take(inner, Role(name, child)) : -1;
        bool isTapped = inner.Flag(2, "isTapped");
        byte[]? prefix = inner.Flag(3, "isSyslog") ? NativeText.Encode(child.Name + " ") : null;
        OutputFilter filter = OutputFilter.Restore(inner.Record(4, "filter"));
        inner.End();
        return new OutputStream(
            child, channel, fd, filter, channel == OutputChannel.Stdout ? child.StdoutLog : child.StderrLog, isTapped, prefix);
    }

    private LogFile? Log(List<LogFile> logs, int? place)
    {
        if (place is not { } index)
        {
            return null;
        }

        _logs.Join(logs[index]);
        return logs[index];
    }

    private void ComeToRest()
    {
        lock (_inboxGate)
        {
            _isAtRest = _isRestWanted;
        }
    }

    private void StartThread()
    {
        _thread = new Thread(Run, 256 * 1024) { Name = "output", IsBackground = true };
        _thread.Start();
    }
}
