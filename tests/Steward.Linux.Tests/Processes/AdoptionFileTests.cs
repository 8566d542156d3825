using System.Diagnostics;
using System.Globalization;
using Steward.Core.Config;
using Steward.Core.Model;
using Steward.Linux.Handover;
using Steward.Linux.Processes;
using Steward.Linux.Tests.Host;

namespace Steward.Linux.Tests.Processes;

[Collection(ProcessesCollection.Name)]
public sealed class AdoptionFileTests : IDisposable
{
    private readonly TempDirectory _directory = new();
    private readonly List<string> _said = [];

    private string PidFile => Path.Combine(_directory.Path, "d.pid");

    private string FilePath => PidFile + ".adopt";

    public void Dispose() => _directory.Dispose();

    [Fact]
    public void What_runs_is_read_back_and_what_ended_is_not()
    {
        Orphan one = Program(11, "a group", "näme%\u0007");
        Orphan three = Program(13, "g", "\udcff");
        using (AdoptionFile file = Open())
        {
            file.Add(one);
            file.Add(Program(12, "g", "two"));
            file.Add(three);
            file.Ended(12);
            file.Ended(99);
        }

        Assert.Equal([one, three], Read());
        Assert.Equal((UnixFileMode)0b110_000_000, File.GetUnixFileMode(FilePath));
        Assert.Empty(_said);
    }

    [Fact]
    public void The_file_is_there_only_while_something_runs()
    {
        using AdoptionFile file = Open();
        Assert.False(File.Exists(FilePath));
        file.Add(Program(11, "g", "a"));
        Assert.True(File.Exists(FilePath));
        file.Ended(11);
        file.Dispose();
        Assert.Empty(Directory.GetFileSystemEntries(_directory.Path));
    }

    [Fact]
    public void It_does_not_grow_with_the_programs_that_ended()
    {
        using AdoptionFile file = Open();
        Orphan stays = Program(5, "g", "stays");
        file.Add(stays);
        for (int i = 0; i < 5000; i++)
        {
            file.Add(Program(100 + i, "g", "comes and goes"));
            file.Ended(100 + i);
        }

        Assert.InRange(File.ReadAllLines(FilePath).Length, 2, 300);
        Assert.Equal([stays], Read());
    }

    [Fact]
    public void A_line_that_was_cut_off_counts_for_nothing()
    {
        Orphan one = Program(11, "g", "a");
        using (AdoptionFile file = Open())
        {
            file.Add(one);
        }

        File.AppendAllText(FilePath, "+ 12 5 5 abc g b");
        Assert.Equal([one], Read());
    }

    [Theory]
    [InlineData("web", "group", true)]
    [InlineData("other", "group", false)]
    [InlineData("web", "other", false)]
    public void A_program_whose_spawn_its_daemon_did_not_live_to_see_is_found_by_its_names(string name, string group, bool isFound)
    {
        using (AdoptionFile file = Open())
        {
            file.Add(Program(11, "g", "a"));
            file.Spawning("group", new ProcessConfig { Name = "web", Program = "web", Command = "/bin/sleep" });
        }

        var start = new ProcessStartInfo("/usr/bin/setsid", ["/bin/sh", "-c", "echo; exec sleep 1000"]) { RedirectStandardOutput = true };
        start.Environment["SUPERVISOR_PROCESS_NAME"] = name;
        start.Environment["SUPERVISOR_GROUP_NAME"] = group;
        using Process process = Process.Start(start)!;
        Assert.NotNull(process.StandardOutput.ReadLine());
        try
        {
            IReadOnlyList<Orphan> found = Read();
            Assert.Equal(isFound ? [11, process.Id] : [11], found.Select(static orphan => orphan.Pid));
            if (isFound)
            {
                Assert.Equal(("group", "web"), (found[1].Group, found[1].Process));
                Assert.True(ForeignProcesses.Lives(found[1].Pid, found[1].StartTime));
            }
        }
        finally
        {
            process.Kill();
            process.WaitForExit();
        }
    }

    [Fact]
    public void A_spawn_that_failed_leaves_nothing_to_look_for()
    {
        using AdoptionFile file = Open();
        file.Add(Program(11, "g", "a"));
        file.Spawning("group", new ProcessConfig { Name = "web", Program = "web", Command = "/bin/sleep" });
        file.NotSpawned();
        Assert.Equal("x", File.ReadAllLines(FilePath)[^1]);
        Assert.Equal(11, Assert.Single(Read()).Pid);
    }

    [Fact]
    public void A_file_of_another_start_of_the_machine_goes()
    {
        Leave();
        File.WriteAllText(FilePath, File.ReadAllText(FilePath).Replace(StateFile.BootId(), "another", StringComparison.Ordinal));
        Assert.Empty(Read());
        Assert.False(File.Exists(FilePath));
    }

    [Fact]
    public void The_file_of_a_daemon_that_lives_is_left_alone()
    {
        Leave();
        ulong since = Linux.Watching.ProcessEntry.Read(1)!.Value.StartTime;
        string[] lines = File.ReadAllLines(FilePath);
        lines[0] = string.Create(CultureInfo.InvariantCulture, $"steward-adopt 1 {StateFile.BootId()} 1 {since}");
        File.WriteAllLines(FilePath, lines);
        Assert.Empty(Read());
        Assert.Contains("is another daemon's, which runs with pid 1", Assert.Single(_said), StringComparison.Ordinal);
        Assert.True(File.Exists(FilePath));
    }

    [Fact]
    public void A_file_that_others_may_write_is_not_believed()
    {
        Leave();
        File.SetUnixFileMode(FilePath, (UnixFileMode)0b110_000_010);
        Assert.Empty(Read());
        Assert.Contains("others may write it", Assert.Single(_said), StringComparison.Ordinal);
    }

    [Fact]
    public void A_link_is_not_followed()
    {
        Leave();
        File.Move(FilePath, FilePath + ".moved");
        File.CreateSymbolicLink(FilePath, FilePath + ".moved");
        Assert.Empty(Read());
        Assert.Contains("no regular file", Assert.Single(_said), StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("")]
    [InlineData("something else\n")]
    public void Something_else_is_said(string text)
    {
        File.WriteAllText(FilePath, text);
        File.SetUnixFileMode(FilePath, (UnixFileMode)0b110_000_000);
        Assert.Empty(Read());
        Assert.Contains("cannot be understood", Assert.Single(_said), StringComparison.Ordinal);
    }

    [Fact]
    public void What_cannot_be_written_is_said_once_and_written_when_it_can_be()
    {
        string folder = Path.Combine(_directory.Path, "later");
        string pidFile = Path.Combine(folder, "d.pid");
        using var file = new AdoptionFile(pidFile, Say);
        Orphan one = Program(11, "g", "a");
        Orphan two = Program(12, "g", "b");
        file.Add(one);
        file.Add(Program(13, "g", "c"));
        Assert.Contains("cannot be written", Assert.Single(_said), StringComparison.Ordinal);
        Directory.CreateDirectory(folder);
        file.Add(two);
        file.Ended(13);
        Assert.Equal([one, two], AdoptionFile.Read(pidFile, Say).OrderBy(static orphan => orphan.Pid));
    }

    [Fact]
    public void With_another_pid_file_it_is_another_file()
    {
        using AdoptionFile file = Open();
        Orphan one = Program(11, "g", "a");
        file.Add(one);
        string other = Path.Combine(_directory.Path, "other.pid");
        file.MoveTo(other);
        Assert.False(File.Exists(FilePath));
        Assert.Equal([one], AdoptionFile.Read(other, Say));
    }

    [Theory]
    [InlineData("/run/a.pid", "/run/a.pid.adopt")]
    [InlineData("/dev/null", null)]
    [InlineData("/proc/self/fd/1", null)]
    [InlineData("/dev/shm/a.pid", "/dev/shm/a.pid.adopt")]
    public void Devices_have_no_file_beside_them(string pidFile, string? path) => Assert.Equal(path, AdoptionFile.PathFor(pidFile));

    [Fact]
    public void Equal_configurations_have_the_same_digest_and_others_another()
    {
        var config = new ProcessConfig { Name = "a", Program = "a", Command = "/bin/a" };
        Assert.Equal(AdoptionFile.DigestOf(config), AdoptionFile.DigestOf(config with { }));
        Assert.NotEqual(AdoptionFile.DigestOf(config), AdoptionFile.DigestOf(config with { StopWaitSecs = 99 }));
    }

    private static Orphan Program(int pid, string group, string name) => new(group, name, pid, 4711, 5_000_000_000, "0123abcd");

    private AdoptionFile Open() => new(PidFile, Say);

    private IReadOnlyList<Orphan> Read() => AdoptionFile.Read(PidFile, Say);

    private void Leave()
    {
        using AdoptionFile file = Open();
        file.Add(Program(11, "g", "a"));
    }

    private void Say(LogLevel level, string text) => _said.Add(text);
}
