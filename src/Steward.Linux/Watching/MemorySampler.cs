using Steward.Core.Model;
using Steward.Core.Ports;

namespace Steward.Linux.Watching;

/// <summary>
/// Measures the memory of process trees on a thread of its own, which there is only while there is something to measure. What falls due
/// together is answered by one look at the process table.
/// </summary>
/// <remarks>
/// The table is read and not <c>/proc/PID/task/TID/children</c>: not every kernel has that file, and it is documented as exact for
/// stopped processes only. At most one measurement of a process waits, so the queue is bounded by the number of processes.
/// </remarks>
internal sealed class MemorySampler(IProcessHostEvents events) : IDisposable
{
    /// <summary>How long the thread stays when there is nothing to do: longer than the time between two looks usually is.</summary>
    private static readonly TimeSpan Linger = TimeSpan.FromSeconds(30);

    private readonly object _gate = new();
    private readonly Dictionary<ProcessId, (Incarnation Incarnation, int Pid)> _asked = [];
    private bool _hasThread;
    private bool _isDisposed;

    /// <summary>Begins a measurement.</summary>
    public void Measure(ProcessId process, Incarnation incarnation, int pid)
    {
        lock (_gate)
        {
            if (_isDisposed)
            {
                return;
            }

            _asked[process] = (incarnation, pid);
            if (_hasThread)
            {
                Monitor.Pulse(_gate);
                return;
            }

            _hasThread = true;
        }

        new Thread(Run, 256 << 10) { Name = "memory", IsBackground = true }.Start();
    }

    /// <summary>Ends the thread; nothing is reported any more but what is being measured.</summary>
    public void Dispose()
    {
        lock (_gate)
        {
            _isDisposed = true;
            _asked.Clear();
            Monitor.Pulse(_gate);
        }
    }

    private void Run()
    {
        while (true)
        {
            KeyValuePair<ProcessId, (Incarnation Incarnation, int Pid)>[] batch;
            lock (_gate)
            {
                while (_asked.Count == 0)
                {
                    if (_isDisposed || (!Monitor.Wait(_gate, Linger) && _asked.Count == 0))
                    {
                        _hasThread = false;
                        return;
                    }
                }

                batch = [.. _asked];
                _asked.Clear();
            }

            var tree = new ProcessTree(ReadProcesses());
            foreach ((ProcessId process, (Incarnation incarnation, int pid)) in batch)
            {
                List<ProcessEntry> family = tree.From(pid);
                if (family.Count > 0)
                {
                    long pages = family.Sum(static entry => entry.ResidentPages);
                    events.MemoryMeasured(process, incarnation, pages * Environment.SystemPageSize, family.Count);
                }
            }
        }
    }

    private List<ProcessEntry> ReadProcesses()
    {
        try
        {
            return ProcessEntry.ReadAll();
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            events.Log(LogLevel.Error, $"memory limits have no effect: the process table cannot be read: {e.Message}");
            return [];
        }
    }
}
