using System.Text;
using Steward.Core.Model;
using Steward.Linux.Tests.Processes;
using Steward.Linux.Watching;

namespace Steward.Linux.Tests.Watching;

[Collection(ProcessesCollection.Name)]
public sealed class MemorySamplerTests
{
    private static readonly ProcessId s_process = new(7);

    [Fact]
    public void A_tree_is_summed_up_with_everything_that_descends_from_it()
    {
        using var kernel = new Kernel();
        var events = new WatchingEvents();
        using var sampler = new MemorySampler(events);
        int pid = kernel.Spawn(Kernel.Shell("/bin/sh -c 'sleep 1000 & echo up; wait' & wait")).Pid;
        kernel.ReadLine(pid);

        sampler.Measure(s_process, new Incarnation(3), pid);

        (ProcessId process, Incarnation incarnation, long bytes, int processes) = events.TakeMemory();
        Assert.Equal((s_process, new Incarnation(3), 3), (process, incarnation, processes));
        long own = ProcessEntry.Read(pid)!.Value.ResidentPages * Environment.SystemPageSize;
        Assert.InRange(bytes, own + 1, 1L << 30);
    }

    [Fact]
    public void A_process_that_is_gone_is_not_reported_and_the_next_one_is()
    {
        var events = new WatchingEvents();
        using var sampler = new MemorySampler(events);

        sampler.Measure(new ProcessId(1), new Incarnation(1), int.MaxValue);
        sampler.Measure(s_process, new Incarnation(1), Environment.ProcessId);

        Assert.Equal(s_process, events.TakeMemory().Process);
    }

    [Theory]
    [InlineData("1 (a) b) R) S 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 19 77 21 99 18446744073709551615 24", 'S', 2, 3, 4, 77, 99)]
    [InlineData("1 () Z 1 1 1 0 -1 0 0 0 0 0 0 0 0 0 20 0 1 0 5 0 0 0", 'Z', 1, 1, 1, 5, 0)]
    public void A_line_of_the_process_table_is_understood_whatever_the_name(
        string stat, char state, int parent, int group, int session, ulong start, long pages)
    {
        // Field 4 of the manual is the parent, 22 the start, 24 the pages.
        ProcessEntry entry = ProcessEntry.Parse(1, Encoding.ASCII.GetBytes(stat))!.Value;
        Assert.Equal(new ProcessEntry(1, state, parent, group, session, start, pages), entry);
    }

    [Theory]
    [InlineData("")]
    [InlineData("1 (a)")]
    [InlineData("1 (a) S 1 2 3")]
    public void A_line_that_is_cut_off_is_none(string stat) => Assert.Null(ProcessEntry.Parse(1, Encoding.ASCII.GetBytes(stat)));

    [Fact]
    public void A_circle_of_reused_pids_is_walked_once()
    {
        var tree = new ProcessTree([Entry(2, 3), Entry(3, 2), Entry(4, 3)]);
        Assert.Equal([2, 3, 4], tree.From(2).Select(entry => entry.Pid));
        Assert.Empty(tree.From(9));

        static ProcessEntry Entry(int pid, int parent) => new(pid, 'S', parent, pid, pid, 1, 1);
    }
}
