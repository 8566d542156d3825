using Steward.Core.Model;
using Steward.Protocol.XmlRpc;

namespace Steward.Http.XmlRpc;

/// <summary>What a call to another program came to: exactly one of the two is set.</summary>
/// <param name="Value">Its result.</param>
/// <param name="Fault">Its fault, or why there is none.</param>
internal readonly record struct PeerAnswer(XmlRpcValue? Value, Fault? Fault);
