using Steward.Linux.Handover;
using Steward.Linux.Interop;
using Steward.Linux.Tests.Host;

namespace Steward.Linux.Tests.Handover;

public sealed class PacketSocketTests : IDisposable
{
    private readonly PacketSocket _ours;
    private readonly PacketSocket _theirs;

    public PacketSocketTests()
    {
        Assert.True(PacketSocket.TryPair(out PacketSocket? ours, out int theirs, out string? failure));
        Assert.Null(failure);
        _ours = ours;
        _theirs = PacketSocket.Open(theirs);
    }

    public void Dispose()
    {
        _ours.Dispose();
        _theirs.Dispose();
    }

    [Fact]
    public void Words_come_as_they_were_sent_one_packet_at_a_time_and_in_both_directions()
    {
        string[][] packets =
        [
            ["one"], ["two", "words"], ["", "a", "", ""], ["with space", "with\ttab", "ümlaut 鉄 \ud83d\ude80"], ["a path with\na new line", "/b"],

            // A byte of a file name that is no UTF-8, as the runtime does not know it.
            ["/tmp/\udce9"],
        ];
        foreach (string[] words in packets)
        {
            Assert.True(_ours.Send(words));
        }

        foreach (string[] words in packets)
        {
            Packet? packet = _theirs.Receive();
            Assert.Equal(words, Words(packet));
            Assert.Empty(packet!.Descriptors);
        }

        Assert.True(_theirs.Send(["back"]));
        Assert.Equal(["back"], Words(_ours.Receive()));
    }

    [Theory]
    [InlineData(1)]
    [InlineData(2)]
    [InlineData(PacketSocket.MaxDescriptors - 1)]
    [InlineData(PacketSocket.MaxDescriptors)]
    public unsafe void Descriptors_come_as_copies_that_close_at_exec(int count)
    {
        (int read, int write) = Descriptors.Pipe();
        Assert.True(_ours.Send(["hold"], [.. Enumerable.Repeat(write, count)]));

        // What is on its way lives on without its sender.
        Descriptors.Close(write);
        Packet packet = _theirs.Receive()!;
        Assert.Equal(["hold"], Words(packet));
        Assert.Equal(count, packet.Descriptors.Distinct().Count());
        foreach (int fd in packet.Descriptors)
        {
            Assert.InRange(fd, 3, int.MaxValue);
            Assert.Equal(LibC.FD_CLOEXEC, LibC.fcntl(fd, LibC.F_GETFD, 0));
            byte b = 42;
            Assert.Equal(1, LibC.write(fd, &b, 1));
            b = 0;
            Assert.Equal(1, LibC.read(read, &b, 1));
            Assert.Equal(42, b);
        }

        Descriptors.Close([read, .. packet.Descriptors]);
    }

    [Fact]
    public void What_is_too_large_or_nothing_at_all_is_a_defect_of_the_sender()
    {
        string longest = new('x', PacketSocket.MaxBytes);
        Assert.True(_ours.Send([longest]));
        Assert.Equal([longest], Words(_theirs.Receive()));
        Assert.Throws<InvalidOperationException>(() => _ours.Send([longest + "x"]));
        Assert.Throws<InvalidOperationException>(() => _ours.Send([longest, ""]));

        // No bytes are what the end looks like to a receiver.
        Assert.Throws<InvalidOperationException>(() => _ours.Send([]));
        Assert.Throws<InvalidOperationException>(() => _ours.Send([""]));
        Assert.Throws<InvalidOperationException>(() => _ours.Send(["hold"], new int[PacketSocket.MaxDescriptors + 1]));
        Assert.True(_ours.Send(["still there"]));
        Assert.Equal(["still there"], Words(_theirs.Receive()));
    }

    [Fact]
    public unsafe void A_packet_that_is_longer_than_any_of_ours_ends_the_conversation_and_is_not_cut()
    {
        // Somebody else's: of what is left of it nobody could say what it meant.
        byte[] bytes = [.. Enumerable.Repeat((byte)'x', PacketSocket.MaxBytes + 1)];
        fixed (byte* start = bytes)
        {
            Assert.Equal(bytes.Length, LibC.write(_ours.Descriptor, start, (nuint)bytes.Length));
        }

        Assert.Null(_theirs.Receive());
    }

    [Fact]
    public void What_was_sent_arrives_though_its_sender_is_gone_and_then_comes_the_end()
    {
        (int read, int write) = Descriptors.Pipe();
        Assert.True(_theirs.Send(["unread by the one that dies"]));
        Assert.True(_ours.Send(["first"], [read]));
        Assert.True(_ours.Send(["last"]));
        Assert.False(_theirs.HasEnded);
        _ours.Dispose();
        Assert.True(_theirs.HasEnded);
        Packet first = _theirs.Receive()!;
        Assert.Equal(["first"], Words(first));
        Assert.Equal(["last"], Words(_theirs.Receive()));
        Assert.Null(_theirs.Receive());
        Assert.False(_theirs.Send(["to nobody"]));
        Descriptors.Close([read, write, .. first.Descriptors]);
    }

    [Fact]
    public async Task Who_waits_is_told_of_the_end_by_either_side()
    {
        foreach (PacketSocket side in (PacketSocket[])[_ours, _theirs])
        {
            Assert.True(PacketSocket.TryPair(out PacketSocket? one, out int fd, out _));
            using PacketSocket other = PacketSocket.Open(fd);
            using (one)
            {
                Task<Packet?> waiting = Task.Run(other.Receive);
                (side == _ours ? one : other).Shutdown();
                Assert.Null(await waiting.WaitAsync(TimeSpan.FromSeconds(60)));
                Assert.False(one.Send(["too late"]));
                Assert.False(other.Send(["too late"]));
            }
        }
    }

    [Fact]
    public void After_its_own_end_nothing_is_sent_to_whoever_has_the_number_by_then()
    {
        // The lowest free number is given out next; should a test beside this one get it, nothing may be sent there either.
        _ours.Dispose();
        Assert.True(PacketSocket.TryPair(out PacketSocket? one, out int other, out _));
        using (one)
        using (PacketSocket two = PacketSocket.Open(other))
        {
            Assert.False(_ours.Send(["stray"]));
            Assert.True(one.Send(["own"]));
            Assert.Equal(["own"], Words(two.Receive()));
        }

        _ours.Dispose();
    }

    [Fact]
    public void A_receiver_that_takes_nothing_is_given_up_and_nothing_that_was_accepted_is_lost()
    {
        // The wait is the test's only one: some seconds, once the kernel's buffer is full.
        string text = new('x', 10_000);
        int accepted = 0;
        while (_ours.Send([text, $"{accepted}"]))
        {
            accepted++;
            Assert.InRange(accepted, 1, 10_000);
        }

        Assert.InRange(accepted, 5, 10_000);
        for (int i = 0; i < accepted; i++)
        {
            Assert.Equal([text, $"{i}"], Words(_theirs.Receive()));
        }

        Assert.True(_ours.Send(["room again"]));
        Assert.Equal(["room again"], Words(_theirs.Receive()));
    }

    [Fact]
    public async Task Threads_that_send_at_once_send_whole_packets()
    {
        const int each = 300;
        Task senders = Task.WhenAll(Enumerable.Range(0, 4).Select(thread => Task.Run(() =>
        {
            for (int i = 0; i < each; i++)
            {
                Assert.True(_ours.Send([$"{thread}", $"{i}", new string('x', i)]));
            }
        })));
        int[] next = new int[4];
        for (int i = 0; i < 4 * each; i++)
        {
            Packet packet = _theirs.Receive()!;
            int number = next[int.Parse(packet.Words[0], null)]++;
            Assert.Equal($"{number}", packet.Words[1]);
            Assert.Equal(number, packet.Words[2].Length);
        }

        await senders.WaitAsync(TimeSpan.FromSeconds(60));
    }

    /// <summary>As an array: a literal is compared with nothing else by its elements.</summary>
    private static string[] Words(Packet? packet) => [.. packet!.Words];
}
