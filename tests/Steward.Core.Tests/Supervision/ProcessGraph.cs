using Steward.Core.Model;
using Steward.Core.Supervision;

namespace Steward.Core.Tests.Supervision;

/// <summary>The documented ways from one state to another, and which action of the table goes them. Written by hand: it is what is checked.</summary>
internal static class ProcessGraph
{
    /// <summary>Every change of a state that there may ever be.</summary>
    public static readonly (ProcessAction Action, ProcessState From, ProcessState To, string When)[] Edges =
    [
        (ProcessAction.Launch, ProcessState.Stopped, ProcessState.Starting, "autostart, a request, or the pause of a listener that broke the protocol is over"),
        (ProcessAction.Launch, ProcessState.Exited, ProcessState.Starting, "autorestart or a request"),
        (ProcessAction.Launch, ProcessState.Fatal, ProcessState.Starting, "a request"),
        (ProcessAction.Launch, ProcessState.Backoff, ProcessState.Starting, "the retry is due: after the k-th failure in a row, k seconds"),
        (ProcessAction.FailSpawn, ProcessState.Starting, ProcessState.Backoff, "no child came to be"),
        (ProcessAction.FailSpawn, ProcessState.Backoff, ProcessState.Fatal, "and more failures than startretries, or the daemon stops"),
        (ProcessAction.DieEarly, ProcessState.Starting, ProcessState.Backoff, "died before startsecs"),
        (ProcessAction.DieEarly, ProcessState.Backoff, ProcessState.Fatal, "and more failures than startretries, or the daemon stops"),
        (ProcessAction.DieEarly, ProcessState.Starting, ProcessState.Running, "died after startsecs, before the deadline was looked at"),
        (ProcessAction.DieEarly, ProcessState.Running, ProcessState.Exited, "and so on, in one step"),
        (ProcessAction.Adopt, ProcessState.Starting, ProcessState.Running, "the child is there and startsecs is 0"),
        (ProcessAction.Promote, ProcessState.Starting, ProcessState.Running, "up for longer than startsecs"),
        (ProcessAction.Die, ProcessState.Running, ProcessState.Exited, "ended by itself"),
        (ProcessAction.Terminate, ProcessState.Starting, ProcessState.Stopping, "the stop signal is sent"),
        (ProcessAction.Terminate, ProcessState.Running, ProcessState.Stopping, "the stop signal is sent"),
        (ProcessAction.Recycle, ProcessState.Starting, ProcessState.Stopping, "the stop signal is sent; it is started again once it is down"),
        (ProcessAction.Recycle, ProcessState.Running, ProcessState.Stopping, "the stop signal is sent; it is started again once it is down"),
        (ProcessAction.Settle, ProcessState.Stopping, ProcessState.Stopped, "ended as wanted"),
        (ProcessAction.Abandon, ProcessState.Backoff, ProcessState.Stopped, "a request; there is no child"),
        (ProcessAction.Forsake, ProcessState.Backoff, ProcessState.Fatal, "the daemon stops"),
    ];

    private static readonly HashSet<(ProcessState, ProcessState)> s_allowed = [.. Edges.Select(edge => (edge.From, edge.To))];

    /// <summary>Says whether the change is one of the documented ones.</summary>
    public static bool Allows(ProcessState from, ProcessState to) => s_allowed.Contains((from, to));
}
