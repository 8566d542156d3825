using Steward.Core.Config;
using Steward.Core.Effects;
using Steward.Core.Inputs;
using Steward.Core.Model;
using Steward.Core.Ports;
using Steward.Linux.Interop;
using Steward.Linux.Tests.Processes;
using Steward.Linux.Watching;

namespace Steward.Linux.Tests.Watching;

[Collection(ProcessesCollection.Name)]
public sealed class SurvivorsTests : IDisposable
{
    // Nobody who stays behind holds the pipes: the host of these tests reads them to their end.
    // Away from its parent, its process group and its session: nothing but the environment tells whose it is.
    private const string Daemonise = "(setsid sleep 1000 >/dev/null 2>&1 &) ; echo up; exec sleep 1000";

    private readonly Kernel _kernel = new();

    public void Dispose()
    {
        _kernel.Dispose();
        _ = LibC.prctl(LibC.PR_SET_CHILD_SUBREAPER, 0, 0, 0, 0);
    }

    [Theory]
    [InlineData(KillMode.Tree, Daemonise)]
    [InlineData(KillMode.Tree, "sleep 1000 >/dev/null 2>&1 & echo up; wait")]
    [InlineData(KillMode.Cgroup, Daemonise)]
    [InlineData(KillMode.Cgroup, "(env -i setsid sleep 1000 >/dev/null 2>&1 &) ; echo up; exec sleep 1000")]
    public void What_a_dead_process_left_behind_is_found_and_ended(KillMode mode, string script)
    {
        if (mode == KillMode.Cgroup && !CanMakeControlGroups())
        {
            // A machine without control groups of its own; there it is said once, and taken for tree.
            Start(mode, "echo up; exec sleep 1000");
            Assert.Single(_kernel.Lines, line => line.StartsWith("WARN kill_mode=cgroup is taken for kill_mode=tree", StringComparison.Ordinal));
            return;
        }

        (SpawnAnswer answer, ProcessConfig config) = Start(mode, script);
        Die(answer.Pid);

        // What stays behind may still be on its way to become what it shall be.
        WaitFor(() => End(config, answer.Pid, 0) is [{ } one] && one.Contains("(sleep 1000)", StringComparison.Ordinal));

        IReadOnlyList<string> left = End(config, answer.Pid, Signals.Kill);

        string survivor = Assert.Single(left);
        Assert.Contains("(sleep 1000)", survivor, StringComparison.Ordinal);
        int pid = int.Parse(survivor.Split(' ')[0], System.Globalization.CultureInfo.InvariantCulture);
        Assert.Equal((pid, Signals.Kill), Reaped());
        Assert.Empty(End(config, answer.Pid, Signals.Kill));
    }

    [Fact]
    public void Those_who_were_there_when_the_stop_began_are_remembered_whatever_they_do_then()
    {
        (SpawnAnswer answer, ProcessConfig config) = Start(KillMode.Tree, "env -i setsid sh -c 'sleep 1000 & wait' >/dev/null 2>&1 & echo up; wait");
        WaitFor(() => ProcessTreeOf(answer.Pid).Any(entry => ProcessEntry.Describe(entry.Pid).Contains("(sleep", StringComparison.Ordinal)));
        Assert.Equal(SignalResult.Delivered, _kernel.Host.Signal(answer.Pid, Signals.Kill, toGroup: false, out _));
        Assert.Equal(answer.Pid, _kernel.Reap().Pid);

        Assert.Equal(2, End(config, answer.Pid, Signals.Kill).Count);

        Reaped();
        WaitFor(() => End(config, answer.Pid, Signals.Kill).Count == 0);
    }

    [Fact]
    public void The_children_of_others_are_left_alone()
    {
        (SpawnAnswer other, _) = Start(KillMode.Tree, "sleep 1000 >/dev/null 2>&1 & echo up; wait");
        (SpawnAnswer answer, ProcessConfig config) = Start(KillMode.Tree, "echo up; exec sleep 1000");
        Die(answer.Pid);

        // The other bears the same names even: it is a child that lives.
        Assert.Empty(End(config, answer.Pid, Signals.Kill));
        Assert.Equal(2, ProcessTreeOf(other.Pid).Count);
    }

    [Fact]
    public void A_group_is_looked_at_and_left_alone()
    {
        (SpawnAnswer answer, ProcessConfig config) = Start(KillMode.Group, "sleep 1000 >/dev/null 2>&1 & echo up; exec sleep 1000");
        Die(answer.Pid);
        string left = Assert.Single(End(config, answer.Pid, 0));
        Assert.Contains("(sleep 1000)", left, StringComparison.Ordinal);
        Assert.Equal(0, LibC.kill(-answer.Pid, Signals.Kill));
    }

    [Fact]
    public void Without_tree_or_cgroup_the_daemon_is_no_subreaper()
    {
        Start(KillMode.Process, "echo up; exec sleep 1000");
        Start(KillMode.Group, "echo up; exec sleep 1000");
        Assert.False(IsSubreaper());
        Start(KillMode.Tree, "echo up; exec sleep 1000");
        Assert.True(IsSubreaper());
    }

    private static bool CanMakeControlGroups()
    {
        string? made = new ControlGroups().Make("probe", out _);
        if (made is not null)
        {
            ControlGroups.Remove(made);
        }

        return made is not null;
    }

    private static unsafe bool IsSubreaper()
    {
        const int PR_GET_CHILD_SUBREAPER = 37;
        int value = -1;
        Assert.Equal(0, LibC.prctl(PR_GET_CHILD_SUBREAPER, (nint)(&value), 0, 0, 0));
        return value == 1;
    }

    private static List<ProcessEntry> ProcessTreeOf(int pid) => new ProcessTree(ProcessEntry.ReadAll()).From(pid);

    private static void WaitFor(Func<bool> condition) =>
        Assert.True(SpinWait.SpinUntil(condition, Kernel.Patience), "what is waited for does not come");

    private (SpawnAnswer Answer, ProcessConfig Config) Start(KillMode mode, string script)
    {
        ProcessConfig config = Kernel.Shell(script) with { KillMode = mode };
        SpawnAnswer answer = _kernel.Spawn(config);
        Assert.Equal("up", _kernel.ReadLine(answer.Pid));
        return (answer, config);
    }

    private void Die(int pid)
    {
        Assert.Equal(0, LibC.kill(pid, Signals.Kill));

        // The one in between that went at once may come first.
        while (_kernel.Reap().Pid != pid)
        {
        }
    }

    private (int Pid, int Signal) Reaped()
    {
        (int pid, WaitStatus status) = _kernel.Reap();
        return (pid, status.Raw & 0x7F);
    }

    private IReadOnlyList<string> End(ProcessConfig config, int pid, int number) => _kernel.Host.EndSurvivors(
        new EndSurvivors(new ProcessId(1), new Incarnation(_kernel.LastIncarnation), "group", config, pid, number));
}
