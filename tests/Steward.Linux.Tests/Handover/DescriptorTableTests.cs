using Steward.Core.Snapshots;
using Steward.Linux.Handover;
using Steward.Linux.Interop;
using Steward.Linux.Tests.Host;

namespace Steward.Linux.Tests.Handover;

public sealed unsafe class DescriptorTableTests
{
    [Fact]
    public void What_was_left_is_taken_once_and_closes_at_the_next_exec()
    {
        (int read, int write) = Descriptors.Pipe();
        var table = new DescriptorTable();
        table.Add("in", read);
        table.Add("out", write);
        table.SetInherited(true);
        Assert.Equal(0, LibC.fcntl(read, LibC.F_GETFD, 0));
        byte[] bytes = Written(table);

        SnapshotReader reader = Open(bytes);
        DescriptorTable read1 = DescriptorTable.Restore(reader, areOpen: true);
        Assert.Equal(LibC.FD_CLOEXEC, LibC.fcntl(read, LibC.F_GETFD, 0));
        Assert.True(read1.Has("in"));
        Assert.Equal(read, read1.Take(reader, "in"));
        Assert.False(read1.Has("in"));
        Refuses("there is none that was left as in", () => read1.Take(Open(bytes), "in"));
        Refuses("there is none that was left as log", () => read1.Take(Open(bytes), "log"));

        // What nobody wants is closed, what was taken is not.
        read1.CloseRest();
        Assert.Equal(-1, LibC.fcntl(write, LibC.F_GETFD, 0));
        Assert.NotEqual(-1, LibC.fcntl(read, LibC.F_GETFD, 0));
        Descriptors.Close(read);
    }

    [Fact]
    public void Another_file_under_the_number_is_refused_and_left_alone()
    {
        (int read, int write) = Descriptors.Pipe();
        var table = new DescriptorTable();
        table.Add("in", read);
        byte[] bytes = Written(table);
        (int other, int end) = Descriptors.Pipe(0);
        Assert.Equal(read, LibC.dup2(other, read));
        Refuses($"what stands under {read} is not what was left as in", () => DescriptorTable.Restore(Open(bytes), areOpen: true));
        Assert.Equal(0, LibC.fcntl(read, LibC.F_GETFD, 0));

        // The other end of the same pipe is the same file, and yet not what was left.
        Assert.Equal(read, LibC.dup2(end, read));
        Refuses("is not what was left", () => DescriptorTable.Restore(Open(bytes), areOpen: true));
        Descriptors.Close(read);
        Refuses("is not what was left", () => DescriptorTable.Restore(Open(bytes), areOpen: true));

        // In a rehearsal nobody looks.
        Assert.True(DescriptorTable.Restore(Open(bytes), areOpen: false).Has("in"));
        Descriptors.Close(write, other, end);
    }

    [Fact]
    public void A_role_has_one_descriptor_and_a_descriptor_one_role()
    {
        (int read, int write) = Descriptors.Pipe();
        var table = new DescriptorTable();
        table.Add("in", read);
        Assert.Throws<InvalidOperationException>(() => table.Add("in", write));
        Assert.Throws<InvalidOperationException>(() => table.Add("none", -1));
        table.Add("again", read);
        byte[] bytes = Written(table);
        Refuses($"its number {read} is there twice", () => DescriptorTable.Restore(Open(bytes), areOpen: true));
        Descriptors.Close(read, write);
    }

    private static byte[] Written(DescriptorTable table) => Snapshot.Seal(new SnapshotOrigin("boot", default, "1"), writer => table.Save(writer, 1));

    private static SnapshotReader Open(byte[] bytes) => Snapshot.Open(bytes, "state", "boot", out _).Record(1, "descriptors");

    private static void Refuses(string reason, Action action) =>
        Assert.Contains(reason, Assert.Throws<SnapshotRefusedException>(action).Message, StringComparison.Ordinal);
}
