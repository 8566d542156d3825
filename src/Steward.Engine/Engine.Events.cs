using Steward.Core.Inputs;
using Steward.Core.Model;

namespace Steward.Engine;

// What the kernel's side reports, on its threads. Nothing is done here but to put it down and wake the engine.
public sealed partial class Engine
{
    /// <inheritdoc/>
    public void ChildrenExited()
    {
        if (_log.IsEnabled(LogLevel.Debug))
        {
            Log(LogLevel.Debug, "received SIGCHLD indicating a child quit");
        }

        lock (_inbox)
        {
            _childrenExited = true;
            Monitor.Pulse(_inbox);
        }
    }

    /// <inheritdoc/>
    public void Output(ProcessId process, Incarnation incarnation, OutputChannel channel, byte[] data) =>
        Arrive(new Arrival(process, incarnation, channel, data, IsCapture: false));

    /// <inheritdoc/>
    public void Communication(ProcessId process, Incarnation incarnation, OutputChannel channel, byte[] data) =>
        Arrive(new Arrival(process, incarnation, channel, data, IsCapture: true));

    /// <inheritdoc/>
    public void OutputFinished(ProcessId process, Incarnation incarnation, string? lastOutput = null) =>
        Arrive(new Arrival(process, incarnation, default, Data: null, IsCapture: false, lastOutput));

    /// <inheritdoc/>
    public void MemoryMeasured(ProcessId process, Incarnation incarnation, long bytes, int processes) =>
        Post(default, () => Apply(new MemoryMeasured(process, incarnation, bytes, processes)));

    /// <inheritdoc/>
    public void HealthProbed(ProcessId process, Incarnation incarnation, string? failure) =>
        Post(default, () => Apply(new HealthProbed(process, incarnation, failure)));

    /// <inheritdoc/>
    public void StdinWaits(ProcessId process, Incarnation incarnation, bool waits)
    {
        lock (_inbox)
        {
            NoteWaiting(process, incarnation, waits);
            if (waits)
            {
                _stdinWaits.Add((process, incarnation));
            }
            else
            {
                _stdinWaits.Remove((process, incarnation));
            }
        }
    }

    private void Arrive(Arrival arrival)
    {
        lock (_inbox)
        {
            NoteArrival(arrival);
            Count(arrival);
            _arrivals.Enqueue(arrival);
            Monitor.Pulse(_inbox);
        }
    }
}
