using System.Diagnostics;

namespace Steward.Keeper.Tests;

/// <summary>A real keeper with daemons that do what is said here.</summary>
public sealed class KeeperProcessTests : IDisposable
{
    private readonly TestKeeper _keeper = new();

    public void Dispose() => _keeper.Dispose();

    [Theory]
    [InlineData("ready", "ending", 0)]
    [InlineData("ready", "ending", 7)]
    [InlineData("adopt", "ending", 3)]

    // It refused its configuration, say: it never answered anybody.
    [InlineData("adopt", "adopt", 2)]
    public async Task A_daemon_that_is_to_end_ends_its_keeper_with_its_status(string first, string second, int status)
    {
        using TestedDaemon daemon = await _keeper.NextAsync();
        Assert.Equal((1, "", "first"), (daemon.Attempt, daemon.Death, daemon.Image));
        Assert.Empty(daemon.Roles);
        await daemon.DoAsync(first);
        await daemon.DoAsync(second);
        await daemon.ExitAsync(status);
        Assert.Equal(status, await _keeper.EndsAsync());
        Assert.Equal(first == "ready", _keeper.Said.Contains("started", StringComparison.Ordinal));
    }

    [Fact]
    public async Task What_is_held_goes_to_the_next_daemon_and_what_is_dropped_does_not()
    {
        await File.WriteAllTextAsync(_keeper.File("a"), "text of a\n");
        await File.WriteAllTextAsync(_keeper.File("b"), "text of b\n");
        TestedDaemon daemon = await ReadyAsync();
        foreach (string line in (string[])["hold x " + _keeper.File("a"), "hold y " + _keeper.File("a"), "hold z " + _keeper.File("a"), "drop y nobody", "hold x " + _keeper.File("b")])
        {
            await daemon.DoAsync(line);
        }

        daemon.Kill();
        daemon = await ReadyAsync();
        Assert.Equal(["x", "z"], daemon.Roles);
        Assert.Equal("text of b", await daemon.DoAsync("read x"));
        await daemon.DoAsync("drop x");

        // Exit by itself without a word is a death like any other.
        await daemon.ExitAsync(0);
        daemon = await ReadyAsync();
        Assert.Equal(["z"], daemon.Roles);
        Assert.EndsWith("died (exit status 0)", daemon.Death, StringComparison.Ordinal);
        Assert.Equal(1, _keeper.Said.Split("started").Length - 1);
    }

    [Fact]
    public async Task Programs_of_a_daemon_that_died_are_told_of_when_they_end_and_stay_until_that_is_acknowledged()
    {
        TestedDaemon daemon = await ReadyAsync();
        int early = await SpawnAsync(daemon, $"mkfifo {_keeper.File("early")}; read x < {_keeper.File("early")}; exit 3");
        int late = await SpawnAsync(daemon, $"mkfifo {_keeper.File("late")}; read x < {_keeper.File("late")}; kill -9 $$");
        int stranger = await SpawnAsync(daemon, $"mkfifo {_keeper.File("stranger")}; read x < {_keeper.File("stranger")}; exit 5");
        daemon.Kill();

        // One ends before the next daemon says whose it is, and waits.
        daemon = await _keeper.NextAsync();
        await OpenAsync("early");
        await UntilAsync(() => State(early) == 'Z');
        await daemon.DoAsync($"adopt {early} {late}");
        await daemon.DoAsync("ready");
        Assert.Equal($"exit {early} exit status 3", await daemon.EventAsync());

        // What nobody knows is reaped as it dies, but not while something else waits to be.
        Assert.Equal('Z', State(early));
        await daemon.DoAsync($"reap {early}");
        await UntilAsync(() => State(early) is null);
        await OpenAsync("stranger");
        await UntilAsync(() => State(stranger) is null);

        // Told to one that dies of it, it is told to the next.
        await OpenAsync("late");
        Assert.StartsWith($"exit {late} terminated by SIGKILL", await daemon.EventAsync(), StringComparison.Ordinal);
        daemon.Kill();
        daemon = await _keeper.NextAsync();
        await daemon.DoAsync($"adopt {late}");
        Assert.StartsWith($"exit {late} terminated by SIGKILL", await daemon.EventAsync(), StringComparison.Ordinal);
        await daemon.DoAsync($"reap {late}");
        await UntilAsync(() => State(late) is null);
    }

    [Fact]
    public async Task Daemons_that_never_answer_count_as_attempts_and_are_waited_for_longer_and_longer()
    {
        using TestedDaemon first = await ReadyAsync();
        await first.DoAsync("hold x /dev/null");
        first.Kill();
        for (int attempt = 1; attempt <= 4; attempt++)
        {
            using TestedDaemon next = await _keeper.NextAsync();
            Assert.Equal(attempt, next.Attempt);
            Assert.Equal(["x"], next.Roles);
            next.Kill();
        }

        await _keeper.SaysAsync("another one is started in 1 s");
        await _keeper.SaysAsync("another one is started in 2 s");
        TestedDaemon last = await ReadyAsync();
        Assert.Equal(5, last.Attempt);
        last.Kill();
        Assert.Equal(1, (await _keeper.NextAsync()).Attempt);
    }

    [Fact]
    public async Task The_image_that_is_held_is_the_one_to_start()
    {
        TestedDaemon daemon = await ReadyAsync();
        string image = _keeper.Image("second");
        await daemon.DoAsync("hold image " + image);

        // The file itself, whatever its path means by then.
        File.Delete(image);
        daemon.Kill();
        daemon = await ReadyAsync();
        Assert.Equal("second", daemon.Image);

        // One that has said nothing of itself is what was started.
        daemon.Kill();
        Assert.Equal("second", (await _keeper.NextAsync()).Image);
    }

    [Fact]
    public async Task Another_image_of_the_keeper_goes_on_where_this_one_is_and_the_daemon_does_not_notice()
    {
        const int count = 100;
        TestedDaemon daemon = await ReadyAsync();
        int told = await SpawnAsync(daemon, $"mkfifo {_keeper.File("told")}; read x < {_keeper.File("told")}; exit 3");
        int late = await SpawnAsync(daemon, $"mkfifo {_keeper.File("late")}; read x < {_keeper.File("late")}; exit 4");
        daemon.Kill();
        daemon = await _keeper.NextAsync();
        await daemon.DoAsync($"adopt {told} {late}");
        await daemon.DoAsync("ready");
        await OpenAsync("told");
        Assert.Equal($"exit {told} exit status 3", await daemon.EventAsync());
        await daemon.DoAsync("hold image " + _keeper.Image("second"));
        await daemon.DoAsync("renew");
        for (int i = 0; i < count; i++)
        {
            // Before, while and after it changes.
            await daemon.DoAsync($"hold x{i:000} /dev/null");
        }

        Assert.Equal("renewed second", await daemon.EventAsync());
        Assert.Contains("\0keeper\0second\0", await File.ReadAllTextAsync($"/proc/{_keeper.Pid}/cmdline"), StringComparison.Ordinal);

        // What was told is not told again, and stays until it is acknowledged.
        Assert.Equal('Z', State(told));
        await daemon.DoAsync($"reap {told}");
        await UntilAsync(() => State(told) is null);
        await OpenAsync("late");
        Assert.Equal($"exit {late} exit status 4", await daemon.EventAsync());
        TestKeeper.Signal(_keeper.Pid, "HUP");
        Assert.Equal("signal SIGHUP", await daemon.EventAsync());
        daemon.Kill();
        daemon = await _keeper.NextAsync();
        Assert.Equal(("second", 1), (daemon.Image, daemon.Attempt));
        Assert.Equal(["image", .. Enumerable.Range(0, count).Select(static i => $"x{i:000}")], daemon.Roles);
        await daemon.DoAsync($"adopt {late}");
        Assert.Equal($"exit {late} exit status 4", await daemon.EventAsync());
        await daemon.DoAsync("ready");
        await daemon.DoAsync("renew");
        Assert.Equal("renewed second", await daemon.EventAsync());
        await daemon.DoAsync("ending");
        await daemon.ExitAsync(7);
        Assert.Equal(7, await _keeper.EndsAsync());
        Assert.Equal(1, _keeper.Said.Split("started").Length - 1);
    }

    [Theory]
    [InlineData("exec /proc/self/fd/${2#*:} --keep-on ${2%:*}:-1 'it tastes odd'", "it tastes odd")]
    [InlineData(null, "[Errno 13] Permission denied")]
    public async Task A_keeper_whose_other_image_refuses_goes_on_as_it_was(string? refusal, string reason)
    {
        TestedDaemon daemon = await ReadyAsync();
        await daemon.DoAsync("hold x /dev/null");
        await daemon.DoAsync("hold image " + (refusal is null ? "/dev/null" : _keeper.Image("second", refusal)));
        await daemon.DoAsync("renew");
        Assert.StartsWith($"unrenewed {reason}", await daemon.EventAsync(), StringComparison.Ordinal);

        // It hears what is said to it.
        await daemon.DoAsync("hold y /dev/null");
        await daemon.DoAsync("drop image");
        daemon.Kill();
        daemon = await ReadyAsync();
        Assert.Equal("first", daemon.Image);
        Assert.Equal(["x", "y"], daemon.Roles);
        await daemon.DoAsync("renew");
        Assert.Equal("unrenewed the daemon has left no file to go on with", await daemon.EventAsync());
        await daemon.DoAsync("ending");
        await daemon.ExitAsync(0);
        Assert.Equal(0, await _keeper.EndsAsync());
    }

    [Fact]
    public async Task A_keeper_that_can_neither_go_on_nor_back_says_so_and_ends()
    {
        TestedDaemon daemon = await ReadyAsync();
        await daemon.DoAsync("hold image " + _keeper.Image("second", "shift 2; set -- --renew-keeper 0:-1 \"$@\""));
        await daemon.DoAsync("renew");
        Assert.Equal("gone", await daemon.DoAsync("gone"));
        await daemon.ExitAsync(0);
        Assert.Equal(3, await _keeper.EndsAsync());
        await _keeper.SaysAsync("the keeper cannot go on: the descriptor 0 holds no state of a daemon");
    }

    [Fact]
    public async Task A_keeper_is_not_renewed_for_a_daemon_that_does_not_answer_or_ends()
    {
        TestedDaemon daemon = await _keeper.NextAsync();
        await daemon.DoAsync("renew");
        Assert.Equal("unrenewed the daemon is not ready", await daemon.EventAsync());
        await daemon.DoAsync("ready");
        await daemon.DoAsync("ending");
        await daemon.DoAsync("renew");
        Assert.Equal("unrenewed the daemon is not ready", await daemon.EventAsync());
        await daemon.ExitAsync(0);
        Assert.Equal(0, await _keeper.EndsAsync());
    }

    [Fact]
    public async Task A_start_that_fails_is_tried_again_and_is_no_attempt()
    {
        TestedDaemon daemon = await ReadyAsync();
        string image = _keeper.File("first");
        await daemon.DoAsync("hold image /dev/null");
        File.Move(image, image + ".gone");
        daemon.Kill();
        await _keeper.SaysAsync("the file that the daemon ran cannot be started: [Errno 13] Permission denied");
        await _keeper.SaysAsync("no daemon can be started: [Errno 2] No such file or directory");
        File.Move(image + ".gone", image);
        daemon = await _keeper.NextAsync();
        Assert.Equal(("first", 1), (daemon.Image, daemon.Attempt));
    }

    [Fact]
    public async Task Signals_reach_the_daemon()
    {
        TestedDaemon daemon = await ReadyAsync();
        TestKeeper.Signal(_keeper.Pid, "HUP");
        Assert.Equal("signal SIGHUP", await daemon.EventAsync());
        TestKeeper.Signal(_keeper.Pid, "TERM");
        Assert.Equal("signal SIGTERM", await daemon.EventAsync());
    }

    [Fact]
    public async Task A_signal_that_comes_while_no_daemon_could_take_it_waits_for_one_that_answers()
    {
        TestedDaemon daemon = await ReadyAsync();
        string image = _keeper.File("first");
        File.Move(image, image + ".gone");
        daemon.Kill();
        await _keeper.SaysAsync("no daemon can be started");
        TestKeeper.Signal(_keeper.Pid, "TERM");
        File.Move(image + ".gone", image);

        // It is not spent on one that dies before it has looked at it, either.
        (await _keeper.NextAsync()).Kill();
        daemon = await _keeper.NextAsync();
        TestKeeper.Signal(_keeper.Pid, "HUP");
        await daemon.DoAsync("ready");
        string[] events = [await daemon.EventAsync(), await daemon.EventAsync()];
        Assert.Equal(["signal SIGHUP", "signal SIGTERM"], events.Order(StringComparer.Ordinal));
        await daemon.DoAsync("ending");
        await daemon.ExitAsync(0);
        Assert.Equal(0, await _keeper.EndsAsync());
    }

    [Fact]
    public async Task A_daemon_that_does_not_read_what_is_held_is_replaced_and_never_gets_a_part_of_it()
    {
        // More than the kernel's buffer takes. The image sleeps once, longer than the keeper waits, and then reads what there is.
        const int count = 900;
        TestedDaemon daemon = await ReadyAsync();
        string name = new('x', 400);
        for (int i = 0; i < count; i++)
        {
            await daemon.DoAsync($"hold {name}{i} /dev/null");
        }

        string image = _keeper.Image("second");
        string text = await File.ReadAllTextAsync(_keeper.Script("second"));
        await File.WriteAllTextAsync(_keeper.Script("second"), $"mkdir {_keeper.File("slept")} 2>/dev/null && sleep 12\n" + text);
        await daemon.DoAsync("hold image " + image);
        daemon.Kill();
        Assert.Equal(count + 1, (await _keeper.NextAsync()).Roles.Length);
    }

    private async Task<TestedDaemon> ReadyAsync()
    {
        TestedDaemon daemon = await _keeper.NextAsync();
        await daemon.DoAsync("adopt");
        await daemon.DoAsync("ready");
        return daemon;
    }

    private static async Task<int> SpawnAsync(TestedDaemon daemon, string command)
    {
        string answer = await daemon.DoAsync("spawn " + command);
        Assert.StartsWith("pid ", answer, StringComparison.Ordinal);
        string fifo = command.Split(' ', ';')[1];
        await UntilAsync(() => File.Exists(fifo));
        return int.Parse(answer[4..], null);
    }

    private Task OpenAsync(string name) => File.WriteAllTextAsync(_keeper.File(name), "\n");

    private static char? State(int pid)
    {
        try
        {
            string stat = File.ReadAllText($"/proc/{pid}/stat");
            return stat[stat.LastIndexOf(')') + 2];
        }
        catch (Exception e) when (e is FileNotFoundException or DirectoryNotFoundException or IOException)
        {
            return null;
        }
    }

    private static Task UntilAsync(Func<bool> condition) => TestKeeper.UntilAsync(condition, static () => "it does not come to that");
}
