using Steward.Linux.Host;

namespace Steward.Linux.Tests.Host;

public sealed class OutOfMemoryWatchTests : IDisposable
{
    private readonly TempDirectory _directory = new();

    public void Dispose() => _directory.Dispose();

    [Fact]
    public void A_kill_in_the_own_cgroup_is_told_once_for_each()
    {
        Write("events", "low 0\nhigh 0\nmax 3\noom 1\noom_kill 2\n");
        Write("vmstat", "nr_free_pages 1\noom_kill 7\n");
        OutOfMemoryWatch watch = Watch();
        Assert.False(watch.Take());
        Write("events", "oom 2\noom_kill 4\n");
        Write("vmstat", "oom_kill 9\n");
        Assert.True(watch.Take());
        Assert.True(watch.Take());
        Assert.False(watch.Take());
    }

    [Fact]
    public void A_kill_elsewhere_in_the_system_leaves_it_open()
    {
        Write("events", "oom_kill 0\n");
        Write("vmstat", "oom_kill 0\n");
        OutOfMemoryWatch watch = Watch();
        Write("vmstat", "oom_kill 1\n");
        Assert.Null(watch.Take());
        Assert.False(watch.Take());
    }

    [Fact]
    public void Without_counters_nothing_is_known()
    {
        OutOfMemoryWatch watch = Watch();
        Assert.Null(watch.Take());
    }

    [Theory]
    [InlineData("0::/a.slice/b\n", "a.slice/b/memory.events")]
    [InlineData("0::/../host/path\n", "memory.events")]
    [InlineData("5:cpu,cpuacct:/x\n4:memory:/y\n0::/\n", "memory/y/memory.oom_control")]
    [InlineData("4:memory:/of/the/host\n0::/\n", "memory/memory.oom_control")]
    [InlineData("1:name=systemd:/\n", null)]
    public void The_counter_of_the_own_cgroup_is_found(string membership, string? counter)
    {
        Write("membership", membership);
        if (counter is not null)
        {
            Directory.CreateDirectory(Path.GetDirectoryName(_directory.File("root/" + counter))!);
            Write("root/" + counter, "oom_kill 0\n");
        }

        Assert.Equal(
            counter is null ? null : _directory.File("root/" + counter),
            OutOfMemoryWatch.FindCounter(_directory.File("membership"), _directory.File("root")));
    }

    [Fact]
    public void This_machine_has_counters_or_none_without_harm() => _ = OutOfMemoryWatch.OfThisProcess().Take();

    private OutOfMemoryWatch Watch() => new(_directory.File("events"), _directory.File("vmstat"));

    private void Write(string name, string text) => File.WriteAllText(_directory.File(name), text);
}
