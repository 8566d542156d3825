using Steward.Protocol.XmlRpc;

namespace Steward.Client;

/// <summary>What an operator wants of a process; the members are those of <c>steward.getIntents</c>.</summary>
/// <param name="Group">The group's name.</param>
/// <param name="Name">The process's name.</param>
/// <param name="IsEnabled">Says whether it may be started.</param>
/// <param name="Reason">Why it may not; may be empty.</param>
/// <param name="IsStopped">Says whether it was last stopped by hand, which counts with <c>autostart=last</c>.</param>
/// <param name="By">Who made the last change, in words for people; empty when that is not known.</param>
/// <param name="Since">When that was, in Unix time.</param>
public sealed record IntentInfo(string Group, string Name, bool IsEnabled, string Reason, bool IsStopped, string By, long Since)
{
    /// <summary>The name as users give it.</summary>
    public string Namespec => Core.Model.Namespec.Join(Group, Name);

    internal static IntentInfo? Read(XmlRpcValue value) =>
        value is XmlRpcStruct members && members.Text("name") is { } name && members.Text("group") is { } group
            ? new IntentInfo(
                group,
                name,
                members.Truth("enabled"),
                members.Text("reason") ?? "",
                members.Truth("stopped"),
                members.Text("by") ?? "",
                members.Number("since"))
            : null;
}
