using Steward.Linux.Handover;
using Steward.Linux.Interop;
using Steward.Linux.Tests.Host;

namespace Steward.Linux.Tests.Handover;

public sealed unsafe class StateFileTests
{
    [Theory]
    [InlineData(0)]
    [InlineData(1)]
    [InlineData(3 << 20)]
    public void What_is_written_is_read_any_number_of_times_and_cannot_be_changed(int length)
    {
        byte[] bytes = new byte[length];
        new Random(length).NextBytes(bytes);
        int fd = StateFile.Write(bytes, out string? failure);
        Assert.Null(failure);
        Assert.Equal(LibC.FD_CLOEXEC, LibC.fcntl(fd, LibC.F_GETFD, 0));
        byte b = 0;
        Assert.Equal(-1, LibC.write(fd, &b, 1));
        Assert.Equal(-1, LibC.ftruncate(fd, length + 1));
        for (int i = 0; i < 2; i++)
        {
            Assert.Equal(bytes, StateFile.Read(fd, out failure));
            Assert.Null(failure);
        }

        StateFile.Close(fd);
    }

    [Fact]
    public void What_is_no_state_is_refused()
    {
        using var directory = new TempDirectory();
        File.WriteAllText(directory.File("text"), "text");
        int file = LibC.open(directory.File("text"), LibC.O_RDONLY | LibC.O_CLOEXEC, 0);
        int open = LibC.memfd_create("open", LibC.MFD_CLOEXEC);
        foreach (int fd in (int[])[file, open, -1])
        {
            Assert.Null(StateFile.Read(fd, out string? failure));
            Assert.Equal($"the descriptor {fd} holds no state of a daemon", failure);
        }

        Descriptors.Close(file, open);
    }

    [Fact]
    public void The_machine_has_an_id_of_its_present_start()
    {
        Assert.Equal(36, StateFile.BootId().Length);
        Assert.Equal(StateFile.BootId(), StateFile.BootId());
    }
}
