using Steward.Core.Config;
using Steward.Linux.Interop;
using Steward.Linux.Processes;

namespace Steward.Linux.Tests.Processes;

/// <summary>Tables that need no kernel.</summary>
public sealed class TextTests
{
    [Theory]
    [InlineData(Errno.EPERM, "EPERM", "[Errno 1] Operation not permitted")]
    [InlineData(Errno.EAGAIN, "EAGAIN", "[Errno 11] Resource temporarily unavailable")]
    [InlineData(Errno.EADDRINUSE, "EADDRINUSE", "[Errno 98] Address already in use")]
    [InlineData(Errno.EHWPOISON, "EHWPOISON", "[Errno 133] Memory page has hardware error")]
    [InlineData(4711, "4711", "[Errno 4711] Unknown error 4711")]
    public void Errors_have_names_and_texts(int errno, string code, string text)
    {
        Assert.Equal(code, ErrnoText.Code(errno));
        Assert.Equal(text, ErrnoText.Python(errno));
    }

    [Theory]
    [InlineData("web-stdout---sup-abcdefgh.log", true)]
    [InlineData("web-stdout---sup-abcdefgh.log.3", true)]
    [InlineData("web-stdout---sup-abcdefgh.log.old", true)]
    [InlineData("web-stdout---sup-abcdefgh.lo", false)]
    [InlineData("web-stdout---other-abcdefgh.log", false)]
    [InlineData("---sup-abcdefgh.log", false)]
    [InlineData("web---sup-.log", false)]
    [InlineData("web---sup-a b.log", false)]
    [InlineData("a---sup-b c---sup-d.log", true)]
    public void Clean_up_takes_auto_logs_and_their_rotated_copies(string name, bool taken) =>
        Assert.Equal(taken, AutoLogs.IsAutoLog(name, "sup"));

    [Fact]
    public void A_plan_survives_its_journey()
    {
        var plan = new ChildPlan
        {
            File = "/bin/ü"u8.ToArray(),
            Arguments = ["a"u8.ToArray(), []],
            Environment = [[0xff, (byte)'=', 1]],
            Stdin = 0,
            Stdout = 1,
            Stderr = 2,
            User = new UserIdentity("u", 1, 2, [2, 3]),
            Directory = "/x"u8.ToArray(),
            Umask = 18,
            NoFile = 1L << 40,
            ControlGroup = "/c"u8.ToArray(),
        };
        ChildPlan read = ChildPlan.Deserialize(plan.Serialize());
        Assert.Equal(plan.Serialize(), read.Serialize());
        Assert.Equal(plan.User, read.User);
        Assert.Equal(plan.NoFile, read.NoFile);
        Assert.Equal(plan.ControlGroup, read.ControlGroup);

        ChildPlan bare = plan with { User = null, Directory = null, Umask = null, NoFile = null, ControlGroup = null };
        read = ChildPlan.Deserialize(bare.Serialize());
        Assert.Null(read.User);
        Assert.Null(read.Directory);
        Assert.Null(read.Umask);
        Assert.Null(read.NoFile);
        Assert.Null(read.ControlGroup);
    }

    [Fact]
    public void The_inherited_environment_is_taken_byte_for_byte()
    {
        var environment = new ChildEnvironment([[(byte)'A', (byte)'=', 0xff], "B=1"u8.ToArray(), "B=2"u8.ToArray(), "none"u8.ToArray(), "=x"u8.ToArray()]);
        var config = new ProcessConfig { Name = "p", Program = "p", Command = "x", Environment = [new("B", "3")] };
        IReadOnlyList<byte[]> entries = environment.For(config, "g", null);
        Assert.Equal<byte[]>(
            [[(byte)'A', (byte)'=', 0xff], "B=3"u8.ToArray(), "SUPERVISOR_ENABLED=1"u8.ToArray(), "SUPERVISOR_PROCESS_NAME=p"u8.ToArray(), "SUPERVISOR_GROUP_NAME=g"u8.ToArray()],
            entries);
        Assert.Null(environment.Path);
    }
}
