using Steward.Core.Config;
using Steward.Linux.Host;

namespace Steward.Linux.Tests.Host;

public sealed class DaemonLockTests : IDisposable
{
    private readonly TempDirectory _directory = new();
    private readonly List<LoadMessage> _messages = [];

    private string Config => Path.Combine(_directory.Path, "d.conf");

    private string PidFile => Path.Combine(_directory.Path, "d.pid");

    public void Dispose() => _directory.Dispose();

    [Fact]
    public void A_second_one_is_refused_and_told_who_has_it_until_the_first_ends()
    {
        string name = Name();
        using (DaemonLock.Take(name, Config, "/nonexistent", _messages))
        {
            StartException refused = Assert.Throws<StartException>(() => DaemonLock.Take(name, Config, "/nonexistent", _messages));
            Assert.Contains($"another supervisord (pid {Environment.ProcessId}) runs with the configuration {Config}", refused.Message, StringComparison.Ordinal);
        }

        using DaemonLock? again = DaemonLock.Take(name, Config, "/nonexistent", _messages);
        Assert.NotNull(again);
        Assert.Empty(_messages);
    }

    [Fact]
    public void Many_who_were_refused_leave_it_as_it_is()
    {
        string name = Name();
        using DaemonLock? held = DaemonLock.Take(name, Config, "/nonexistent", _messages);
        for (int i = 0; i < 300; i++)
        {
            StartException refused = Assert.Throws<StartException>(() => DaemonLock.Take(name, Config, "/nonexistent", _messages));
            Assert.StartsWith("another supervisord", refused.Message, StringComparison.Ordinal);
        }
    }

    [Fact]
    public void The_name_is_that_of_file_identifier_and_pid_file_however_they_are_reached()
    {
        string link = Path.Combine(_directory.Path, "link");
        Directory.CreateSymbolicLink(link, _directory.Path);
        File.WriteAllText(Config, "");
        File.CreateSymbolicLink(Path.Combine(_directory.Path, "other.conf"), Config);

        Assert.Equal(Name(), DaemonLock.NameFor(Path.Combine(link, "d.conf"), "supervisor", Path.Combine(link, "d.pid"), null));
        Assert.Equal(Name(), DaemonLock.NameFor(Path.Combine(_directory.Path, "other.conf"), "supervisor", PidFile, null));

        string[] others =
        [
            DaemonLock.NameFor(Config + "2", "supervisor", PidFile, null),
            DaemonLock.NameFor(Config, "other", PidFile, null),
            DaemonLock.NameFor(Config, "supervisor", PidFile + "2", null),
            DaemonLock.NameFor(Config, "supervisor", PidFile, 12345),
        ];
        Assert.Equal(5, others.Append(Name()).Distinct().Count());
    }

    [Fact]
    public void An_editor_that_puts_a_new_file_in_its_place_changes_nothing()
    {
        File.WriteAllText(Config, "");
        string before = Name();
        File.WriteAllText(Config + ".new", "");
        File.Move(Config + ".new", Config, overwrite: true);
        Assert.Equal(before, Name());
    }

    private string Name() => DaemonLock.NameFor(Config, "supervisor", PidFile, null);
}
