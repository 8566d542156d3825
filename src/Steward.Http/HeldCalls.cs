using System.Globalization;
using Steward.Core.Model;
using Steward.Core.Snapshots;
using Steward.Protocol.XmlRpc;

namespace Steward.Http;

/// <summary>Calls that another image of the program has left to this one, read and not gone on with yet.</summary>
public sealed class HeldCalls
{
    private HeldCalls(List<HeldCall> calls) => Calls = calls;

    /// <summary>What the calls wait for, to be waited for anew before the engine can give an answer.</summary>
    public IEnumerable<RequestId> Requests => Calls.Select(static call => call.Request).OfType<RequestId>();

    internal IReadOnlyList<HeldCall> Calls { get; }

    /// <summary>Reads the calls.</summary>
    /// <param name="reader">Where from.</param>
    /// <param name="field">The field of each.</param>
    /// <param name="take">Gives the descriptor that was left in a role.</param>
    /// <exception cref="SnapshotRefusedException">They cannot be taken up.</exception>
    public static HeldCalls Restore(ref SnapshotReader reader, int field, DescriptorTaker take)
    {
        var calls = new List<HeldCall>();
        while (reader.Next(field, "calls", out SnapshotReader inner))
        {
            string requester = inner.Text(1, "requester");
            if (XmlRpcReader.ReadCall(inner.Bytes(2, "call"), out XmlRpcCall? call) != XmlRpcReadError.None || call is null)
            {
                throw inner.Refusal("call", "it is no call");
            }

            RequestId? request = inner.OptionalInteger(3, "request", 1) is { } id ? new RequestId(id) : null;
            int part = inner.Int32(4, "part", 0);
            byte[] written = inner.Bytes(5, "written").ToArray();
            inner.End();
            calls.Add(new HeldCall(take(inner, Role(calls.Count)), requester, call, request, part, written));
        }

        return new HeldCalls(calls);
    }

    /// <summary>Gives the descriptor that was left in a role.</summary>
    /// <param name="reader">Who asks, for the refusal.</param>
    /// <param name="role">The role.</param>
    public delegate int DescriptorTaker(in SnapshotReader reader, string role);

    internal static string Role(int place) => string.Create(CultureInfo.InvariantCulture, $"held:{place}");
}

/// <summary>One of them.</summary>
/// <param name="Fd">The connection.</param>
/// <param name="Requester">Who asks.</param>
/// <param name="Call">What is asked.</param>
/// <param name="Request">Under which id the core has what is waited for; null when nothing had come of it.</param>
/// <param name="Part">Of a multicall: how many of its calls are answered.</param>
/// <param name="Written">Of a multicall: what is written of the answer.</param>
internal sealed record HeldCall(int Fd, string Requester, XmlRpcCall Call, RequestId? Request, int Part, byte[] Written) : IRequester;
