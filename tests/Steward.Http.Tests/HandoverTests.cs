using System.Runtime.InteropServices;
using Steward.Core.Effects;
using Steward.Core.Inputs;
using Steward.Core.Model;
using Steward.Core.Snapshots;

namespace Steward.Http.Tests;

/// <summary>Servers that give way to others: another image of the program, or the same one when nothing came of it.</summary>
public sealed class HandoverTests
{
    private static readonly TimeSpan Generous = TimeSpan.FromSeconds(30);

    private static string Wrapped(string name) => $"<value><struct><member><name>methodName</name><value>{name}</value></member></struct></value>";

    [Fact]
    public async Task A_call_that_waits_is_answered_by_the_others()
    {
        await using TestServer first = await TestServer.StartAsync();
        var pending = new TaskCompletionSource<Outcome>();
        first.Control.Answer = _ => pending.Task;
        using TestClient client = first.Connect();
        client.Send(TestServer.PostText(TestServer.CallText("supervisor.startAllProcesses")));
        await UntilAsync(() => first.Control.Commands.Count == 1);

        await using TestServer second = await TestServer.StartAsync();
        HeldCalls calls = await HandOverAsync(first, task => ReferenceEquals(task, pending.Task) ? new RequestId(7) : null);
        var answer = new TaskCompletionSource<Outcome>();
        RequestId? rejoined = null;
        second.Servers.Resume(
            calls,
            request =>
            {
                rejoined = request;
                return answer.Task;
            },
            Done.Instance);
        Assert.Equal(new RequestId(7), rejoined);
        answer.SetResult(new Statuses([]));
        TestResponse response = client.Receive();
        Assert.Equal((200, "close"), (response.Status, response["Connection"]));
        Assert.Contains("<value><array><data>\n</data></array></value>", response.Body, StringComparison.Ordinal);
        Assert.Empty(second.Control.Commands);
    }

    [Fact]
    public async Task A_call_of_which_nothing_had_come_is_carried_out_by_the_others()
    {
        await using TestServer first = await TestServer.StartAsync();
        first.Control.Answer = static _ => new TaskCompletionSource<Outcome>().Task;
        using TestClient client = first.Connect();
        client.Send(TestServer.PostText(TestServer.CallText(
            "supervisor.stopProcess", "<params><param><value>a</value></param><param><value><boolean>1</boolean></value></param></params>")));
        await UntilAsync(() => first.Control.Commands.Count == 1);

        await using TestServer second = await TestServer.StartAsync();
        second.Servers.Resume(await HandOverAsync(first, static _ => new RequestId(1)), static _ => null, Done.Instance);
        Assert.Contains("<boolean>1</boolean>", client.Receive().Body, StringComparison.Ordinal);
        Assert.Equal([new StopProcess("a", true)], second.Control.Commands);
        Assert.Equal(first.Control.Requesters, second.Control.Requesters);
    }

    [Fact]
    public async Task A_multicall_goes_on_with_the_call_that_it_was_at()
    {
        await using TestServer first = await TestServer.StartAsync();
        first.Control.Answer = static _ => new TaskCompletionSource<Outcome>().Task;
        using TestClient client = first.Connect();
        string calls = Wrapped("supervisor.getIdentification") + Wrapped("supervisor.startAllProcesses") + Wrapped("supervisor.getPID");
        client.Send(TestServer.PostText(TestServer.CallText(
            "system.multicall", $"<params><param><value><array><data>{calls}</data></array></value></param></params>")));
        await UntilAsync(() => first.Control.Commands.Count == 1);

        await using TestServer second = await TestServer.StartAsync();
        second.Control.Identifier = "other";
        second.Servers.Resume(
            await HandOverAsync(first, static _ => new RequestId(1)), static _ => Task.FromResult<Outcome>(Done.Instance), Done.Instance);
        Assert.Contains(
            "<value><string>supervisor</string></value>\n<value><boolean>1</boolean></value>\n<value><int>4711</int></value>",
            client.Receive().Body,
            StringComparison.Ordinal);
    }

    [Fact]
    public async Task Who_asked_for_the_upgrade_is_told_by_the_others_what_came_of_it()
    {
        string? asked = null;
        await using TestServer first = await TestServer.StartAsync(upgrade: (file, _) =>
        {
            asked = file;
            return new TaskCompletionSource<Outcome>().Task;
        });
        using TestClient client = first.Connect();
        client.Send(TestServer.PostText(TestServer.CallText("steward.upgrade", "<params><param><value>/new</value></param></params>")));
        await UntilAsync(() => asked == "/new");
        await using TestServer second = await TestServer.StartAsync();
        second.Servers.Resume(
            await HandOverAsync(first, static _ => null), static _ => null, new Refused(new Fault(FaultCode.Failed, "it is older")));
        Assert.Contains("FAILED: it is older", client.Receive().Body, StringComparison.Ordinal);

        // Where there is nobody to carry it out there is no such method.
        Assert.Contains("UNKNOWN_METHOD", second.Post(TestServer.CallText("steward.upgrade")).Body, StringComparison.Ordinal);
    }

    [Fact]
    public async Task With_the_gate_closed_idle_connections_end_newcomers_wait_and_those_who_wait_go_on()
    {
        await using TestServer server = await TestServer.StartAsync();
        var pending = new TaskCompletionSource<Outcome>();
        server.Control.Answer = _ => pending.Task;
        using TestClient idle = server.Connect();
        idle.Send(TestServer.PostText(TestServer.CallText("supervisor.getPID")));
        Assert.Equal(200, idle.Receive().Status);
        using TestClient waiting = server.Connect();
        waiting.Send(TestServer.PostText(TestServer.CallText("supervisor.startAllProcesses")));
        await UntilAsync(() => server.Control.Commands.Count == 1);
        await server.Servers.CloseGateAsync(Generous);
        Assert.True(idle.IsClosed());

        using TestClient newcomer = server.Connect();
        newcomer.Send(TestServer.PostText(TestServer.CallText("supervisor.getPID")));
        await server.OpenAgainAsync();
        Assert.Contains("4711", newcomer.Receive().Body, StringComparison.Ordinal);
        pending.SetResult(new Statuses([]));
        Assert.Equal(200, waiting.Receive().Status);
    }

    [Fact]
    public async Task Who_was_just_let_in_is_answered_whoever_else_waits()
    {
        foreach (int before in (int[])[0, 30, 100])
        {
            await using TestServer server = await TestServer.StartAsync();
            server.Control.Answer = static _ => new TaskCompletionSource<Outcome>().Task;
            using TestClient waiting = server.Connect();
            waiting.Send(TestServer.PostText(TestServer.CallText("supervisor.getPID")));
            Assert.Equal(200, waiting.Receive().Status);
            waiting.Send(TestServer.PostText(TestServer.CallText("supervisor.startAllProcesses")));
            await UntilAsync(() => server.Control.Commands.Count == 1);

            // When the gate closes it is let in, or still in the queue (nobody tells which, and both must be right); what it wants comes later.
            using TestClient fresh = server.Connect();
            await Task.Delay(before);
            Task closing = server.Servers.CloseGateAsync(Generous);
            await Task.Delay(30);
            fresh.Send(TestServer.PostText(TestServer.CallText("supervisor.getPID")));
            await closing;
            await server.OpenAgainAsync();
            Assert.Contains("4711", fresh.Receive().Body, StringComparison.Ordinal);
        }
    }

    /// <summary>What the first leave, as the others read it; the connections are duplicates, as the first live on here.</summary>
    private static async Task<HeldCalls> HandOverAsync(TestServer first, Func<Task<Outcome>, RequestId?> requestOf)
    {
        await first.Servers.CloseGateAsync(Generous);
        await first.Servers.SettleAsync(requestOf, Generous);
        var left = new Dictionary<string, int>();
        byte[] bytes = Snapshot.Seal(
            new SnapshotOrigin("boot", default, "1"),
            writer => Assert.Equal(1, first.Servers.SaveCalls(writer, 3, 0, (role, fd) => left.Add(role, dup(fd)), requestOf)));
        SnapshotReader reader = Snapshot.Open(bytes, "state", "boot", out _);
        return HeldCalls.Restore(ref reader, 3, (in SnapshotReader _, string role) => left[role]);
    }

    private static async Task UntilAsync(Func<bool> condition)
    {
        using var limit = new CancellationTokenSource(Generous);
        while (!condition())
        {
            await Task.Delay(1, limit.Token);
        }
    }

    [DllImport("libc")]
    private static extern int dup(int fd);
}
