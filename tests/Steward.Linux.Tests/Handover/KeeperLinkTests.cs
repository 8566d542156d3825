using System.Globalization;
using Steward.Core.Model;
using Steward.Linux.Handover;
using Steward.Linux.Interop;
using Steward.Linux.Tests.Host;

namespace Steward.Linux.Tests.Handover;

public sealed class KeeperLinkTests : IDisposable
{
    private static readonly TimeSpan s_limit = TimeSpan.FromSeconds(60);

    private readonly PacketSocket _keeper;
    private readonly int _end;
    private KeeperLink? _link;

    public KeeperLinkTests()
    {
        Assert.True(PacketSocket.TryPair(out PacketSocket? keeper, out _end, out _));
        _keeper = keeper;
    }

    public void Dispose()
    {
        _keeper.Dispose();
        _link?.Dispose();
    }

    [Fact]
    public void The_first_daemon_finds_nothing_and_a_successor_the_table_and_how_the_one_before_died()
    {
        KeeperLink first = Open(["begin", "1", "foreground", "/bin/x"]);
        Assert.Empty(first.Table.Roles);
        Assert.Null(first.Death);
        Assert.Equal((1, false, "/bin/x"), (first.Attempt, first.IsDetached, first.StartPath));

        (int read, int write) = Descriptors.Pipe();
        Assert.True(PacketSocket.TryPair(out PacketSocket? keeper, out int end, out _));
        using (keeper)
        {
            Assert.True(keeper.Send(["table", "in", "out"], [read, write]));
            Assert.True(keeper.Send(["of a later version", "17"]));
            Assert.True(keeper.Send(["table", "again"], [write]));
            Assert.True(keeper.Send(["died", "it died", "12345678901"]));
            Assert.True(keeper.Send(["begin", "3", "background", "/with\nnew line"]));
            using KeeperLink second = KeeperLink.Open(end)!;
            Assert.Equal(["again", "in", "out"], second.Table.Roles.Order(StringComparer.Ordinal));
            Assert.Equal(("it died", 12345678901), (second.Death, second.DiedAt));
            Assert.Equal((3, true, "/with\nnew line"), (second.Attempt, second.IsDetached, second.StartPath));
            second.Table.CloseRest();
        }

        Descriptors.Close(read, write);
    }

    [Fact]
    public void A_keeper_that_is_gone_before_it_has_told_everything_is_none()
    {
        Assert.True(_keeper.Send(["died", "it died", "1"]));
        _keeper.Dispose();
        Assert.Null(KeeperLink.Open(_end));
    }

    [Fact]
    public void A_table_of_which_descriptors_are_missing_is_not_gone_on_with()
    {
        // The kernel leaves out what there are no numbers for: programs would lose their output without a word.
        (int read, int write) = Descriptors.Pipe();
        Assert.True(_keeper.Send(["table", "in", "out"], [read]));
        Assert.True(_keeper.Send(["begin", "1", "foreground", "/bin/x"]));
        Assert.Null(KeeperLink.Open(_end));
        Descriptors.Close(read, write);
    }

    [Fact]
    public void What_is_left_with_the_keeper_comes_there_in_order()
    {
        KeeperLink link = Open(["begin", "1", "foreground", "/bin/x"]);
        (int read, int write) = Descriptors.Pipe();
        link.Hold(["in", "out"], [read, write]);
        link.Drop("in", "other");
        link.Reap(77);
        link.Ready();
        link.Ending();
        Packet held = _keeper.Receive()!;
        Assert.Equal(["hold", "in", "out"], Words(held));
        Assert.Equal(2, held.Descriptors.Length);
        foreach (string[] words in (string[][])[["drop", "in", "other"], ["reaped", "77"], ["ready"], ["ending"]])
        {
            Assert.Equal(words, Words(_keeper.Receive()));
        }

        Descriptors.Close([read, write, .. held.Descriptors]);
    }

    [Theory]
    [InlineData(0, 1)]
    [InlineData(1, 1)]
    [InlineData(999, 1)]
    [InlineData(1000, 1)]
    [InlineData(1001, 2)]
    [InlineData(2000, 2)]
    [InlineData(4500, 5)]
    public void However_many_programs_are_adopted_each_is_named_once_and_the_last_part_says_that_it_is_the_last(int count, int packets)
    {
        KeeperLink link = Open(["begin", "1", "foreground", "/bin/x"]);
        int[] pids = [.. Enumerable.Range(4_000_000, count)];
        link.Adopt(pids);
        var named = new List<int>();
        for (int i = 0; i < packets; i++)
        {
            Packet packet = _keeper.Receive()!;
            Assert.Equal(i == packets - 1 ? "adopt" : "own", packet.Words[0]);
            named.AddRange(packet.Words.Skip(1).Where(static w => w.Length > 0).Select(static w => int.Parse(w, CultureInfo.InvariantCulture)));
        }

        Assert.Equal(pids, named);
        link.Ending();
        Assert.Equal(["ending"], Words(_keeper.Receive()));
    }

    [Fact]
    public void Ends_are_told_and_taken_one_after_the_other()
    {
        KeeperLink link = Open(["begin", "1", "foreground", "/bin/x"]);
        using var told = new SemaphoreSlim(0);
        link.Listen(() => told.Release());
        (int read, int write) = Descriptors.Pipe();
        Assert.True(_keeper.Send(["exit", "11", $"{WaitStatus.FromExit(3).Raw}"]));
        Assert.True(_keeper.Send(["of a later version", "x", "y", "z"], [read]));
        Assert.True(_keeper.Send(["orphan", "12", "0"]));
        Assert.True(_keeper.Send(["exit", "13", $"{WaitStatus.FromSignal(9).Raw}"]));
        for (int i = 0; i < 3; i++)
        {
            Assert.True(told.Wait(s_limit));
        }

        Assert.True(link.TryTakeExit(out int pid, out WaitStatus status));
        Assert.Equal((11, 3), (pid, status.Code));
        Assert.True(link.TryTakeExit(out pid, out status));
        Assert.Equal((13, 9), (pid, status.Signal));
        Assert.False(link.TryTakeExit(out _, out _));
        Assert.True(link.TryTakeOrphan(out pid, out _));
        Assert.Equal(12, pid);
        Assert.False(link.TryTakeOrphan(out _, out _));
        Assert.False(link.Gone.IsCompleted);

        // What nobody asked for is closed: the pipe has no reader but ours.
        Descriptors.Close(read);
        Assert.True(IsWithoutReader(write));
        Descriptors.Close(write);
    }

    [Fact]
    public async Task When_the_keeper_dies_it_is_known_and_nothing_is_sent_any_more()
    {
        KeeperLink link = Open(["begin", "1", "foreground", "/bin/x"]);
        link.Listen(static () => { });
        Assert.False(link.Gone.IsCompleted);
        Assert.True(_keeper.Send(["exit", "11", "0"]));
        _keeper.Dispose();
        await link.Gone.WaitAsync(s_limit);

        // Its last word is there.
        Assert.True(link.TryTakeExit(out int pid, out _));
        Assert.Equal(11, pid);
        link.Drop("a");
        link.Ending();
    }

    [Fact]
    public void A_daemon_that_does_not_listen_yet_learns_of_the_keepers_end_when_it_sends()
    {
        KeeperLink link = Open(["begin", "1", "foreground", "/bin/x"]);
        _keeper.Dispose();
        link.Ready();
        Assert.True(link.Gone.IsCompletedSuccessfully);
    }

    [Fact]
    public void Another_image_goes_on_with_the_conversation()
    {
        KeeperLink link = Open(["begin", "1", "background", "/bin/x"]);
        using KeeperLink next = KeeperLink.GoOn(LibC.fcntl(link.Descriptor, LibC.F_DUPFD_CLOEXEC, 3), isDetached: true);
        Assert.Equal(link.KeeperPid, next.KeeperPid);
        Assert.True(next.IsDetached);
        next.Drop("a");
        Assert.Equal(["drop", "a"], Words(_keeper.Receive()));
    }

    private KeeperLink Open(string[] begin)
    {
        Assert.True(_keeper.Send(begin));
        return _link = KeeperLink.Open(_end)!;
    }

    private static unsafe bool IsWithoutReader(int write)
    {
        var poll = new LibC.PollFd { Fd = write };
        return LibC.poll(&poll, 1, (int)s_limit.TotalMilliseconds) > 0 && (poll.Returned & LibC.POLLERR) != 0;
    }

    /// <summary>As an array: a literal is compared with nothing else by its elements.</summary>
    private static string[] Words(Packet? packet) => [.. packet!.Words];
}
