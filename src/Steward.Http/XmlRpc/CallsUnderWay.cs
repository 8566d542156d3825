using Steward.Core.Effects;
using Steward.Core.Model;
using Steward.Core.Snapshots;
using Steward.Protocol.XmlRpc;

namespace Steward.Http.XmlRpc;

/// <summary>
/// The calls that wait for the core. While the core rests they stand still, and what they need to be gone on with in another image of the
/// program can be written down: the connection, the call, and how far it is.
/// </summary>
internal sealed class CallsUnderWay
{
    private readonly HashSet<Entry> _calls = [];

    /// <summary>How many wait for an answer of the core.</summary>
    public int Waiting
    {
        get
        {
            lock (_calls)
            {
                return _calls.Count(static call => call.Deferred.IsWaiting);
            }
        }
    }

    /// <summary>Adds a call until the answer is disposed.</summary>
    public Entry Add(Entry call)
    {
        lock (_calls)
        {
            _calls.Add(call);
        }

        call.Ended = Remove;
        return call;
    }

    /// <summary>How many stand still as long as the core rests: those that it has, not those whose answer is on its way.</summary>
    /// <param name="requestOf">As in <see cref="Save"/>.</param>
    public int Resting(Func<Task<Outcome>, RequestId?> requestOf)
    {
        lock (_calls)
        {
            return _calls.Count(call => IsHeld(call, requestOf));
        }
    }

    /// <summary>Writes those that wait down, each as a field of its own. While the core rests.</summary>
    /// <param name="writer">Where to.</param>
    /// <param name="field">The field.</param>
    /// <param name="place">The place of the first in the list of all.</param>
    /// <param name="leave">Takes the role and the descriptor of each connection.</param>
    /// <param name="requestOf">Under which id the core has what is waited for; null when it has given its answer.</param>
    /// <returns>The place behind the last.</returns>
    public int Save(SnapshotWriter writer, int field, int place, Action<string, int> leave, Func<Task<Outcome>, RequestId?> requestOf)
    {
        Entry[] calls;
        lock (_calls)
        {
            calls = [.. _calls.Where(call => IsHeld(call, requestOf) && call.Descriptor() >= 0)];
        }

        foreach (Entry call in calls)
        {
            using var bytes = new XmlRpcWriter();
            bytes.WriteCall(call.Call.Method, [.. call.Call.Parameters]);
            leave(HeldCalls.Role(place++), call.Descriptor());
            writer.Begin(field);
            writer.Text(1, call.Requester);
            writer.Bytes(2, bytes.Written.Span);
            writer.Integer(3, requestOf(call.Deferred.Pending!)?.Value);
            writer.Integer(4, call.Deferred.Part);
            writer.Bytes(5, call.Deferred.Written == 0 ? [] : call.Writer.Written.Span[..call.Deferred.Written]);
            writer.End();
        }

        return place;
    }

    // Who waits for an upgrade waits for no answer of the core.
    private static bool IsHeld(Entry call, Func<Task<Outcome>, RequestId?> requestOf) =>
        call.Deferred.Pending is { IsCompleted: false } pending
        && (requestOf(pending) is not null || RpcCalls.IsUpgrade(call.Call, call.Deferred.Part));

    private void Remove(Entry call)
    {
        lock (_calls)
        {
            _calls.Remove(call);
        }
    }

    /// <summary>One call.</summary>
    /// <param name="Call">The call.</param>
    /// <param name="Deferred">How far it is.</param>
    /// <param name="Requester">Who asks.</param>
    /// <param name="Writer">What is written of the answer.</param>
    /// <param name="Descriptor">The connection's descriptor; -1 when it has none.</param>
    internal sealed record Entry(XmlRpcCall Call, DeferredCall Deferred, string Requester, XmlRpcWriter Writer, Func<int> Descriptor) : IDisposable
    {
        public Action<Entry>? Ended { get; set; }

        public bool Equals(Entry? other) => ReferenceEquals(this, other);

        public override int GetHashCode() => System.Runtime.CompilerServices.RuntimeHelpers.GetHashCode(this);

        public void Dispose() => Ended?.Invoke(this);
    }
}
