using Steward.Core.Events;
using Steward.Core.Model;

namespace Steward.Core.Tests.Events;

/// <summary>Stories as a reader sees them. The times are seconds after 2026-11-26 10:00:00 UTC.</summary>
public class WhyStoryTests
{
    private const long Epoch = 1_795_687_200L * Moment.Second;

    private readonly List<JournalEntry> _entries = [];

    private static string Told(WhyStory story, long now) => string.Join('\n', story.Lines(Epoch + now * Moment.Second, TimeZoneInfo.Utc));

    private void At(long second, int incarnation, params JournalFact[] facts)
    {
        foreach (JournalFact fact in facts)
        {
            _entries.Add(new JournalEntry(_entries.Count + 1, Epoch + second * Moment.Second, "web", "web", incarnation, fact));
        }
    }

    private void Run(long second, int incarnation, int pid, string by)
    {
        At(second, incarnation, new StateFact(ProcessState.Stopped, ProcessState.Starting, null, 0), new SpawnFact(pid, By: by));
        At(second + 1, incarnation, new StateFact(ProcessState.Starting, ProcessState.Running, pid));
    }

    private WhyStory Story() => WhyStory.Of("web", Enumerable.Reverse(_entries));

    [Fact]
    public void A_crash_with_an_exit_code()
    {
        Run(0, 1, 41, "autostart");
        At(313, 1,
            ExitFact.Of(41, WaitStatus.FromExit(3), false, null, 313_000, "listening\nfatal: no database\n"),
            new StateFact(ProcessState.Running, ProcessState.Exited, 41),
            new DecisionFact(DecisionKind.Restart, "autorestart=unexpected and 3 is not in exitcodes=0"));
        Run(313, 2, 57, "autorestart");
        Assert.Equal(
            """
            web is RUNNING again: it exited with code 3, and was started anew.

              2026-11-26 10:00:00  started  pid 41, by autostart
              2026-11-26 10:00:01  ready    RUNNING with pid 41
              2026-11-26 10:05:13  exited   exit code 3, after 5m 13s; not expected
                | listening
                | fatal: no database
              2026-11-26 10:05:13  decided  start it again: autorestart=unexpected and 3 is not in exitcodes=0
              2026-11-26 10:05:13  started  pid 57, by autorestart
              2026-11-26 10:05:14  ready    RUNNING with pid 57
            """,
            Told(Story(), 400));
    }

    [Fact]
    public void An_invalid_memory_access()
    {
        Run(0, 1, 41, "root");
        At(10, 1,
            ExitFact.Of(41, WaitStatus.FromSignal(11, coreDumped: true), false, null, 10_000, null),
            new StateFact(ProcessState.Running, ProcessState.Exited, 41),
            new DecisionFact(DecisionKind.Leave, "autorestart=false"));
        Assert.Equal(
            """
            web has EXITED: it was killed by SIGSEGV (an invalid memory access), core dumped.

              2026-11-26 10:00:00  started  pid 41, by root
              2026-11-26 10:00:01  ready    RUNNING with pid 41
              2026-11-26 10:00:10  exited   killed by SIGSEGV (an invalid memory access), core dumped, after 10s; not expected
              2026-11-26 10:00:10  decided  leave it: autorestart=false

            Next: nothing by itself. `steward start web` starts it.
            """,
            Told(Story(), 400));
    }

    [Fact]
    public void An_end_that_nobody_observed()
    {
        Run(0, 1, 41, "an earlier daemon");
        At(10, 1,
            ExitFact.Of(41, WaitStatus.Unobserved, false, null, 10_000, null),
            new StateFact(ProcessState.Running, ProcessState.Exited, 41),
            new DecisionFact(DecisionKind.Leave, "autorestart=unexpected and how it ended is not known"));
        Assert.Equal(
            """
            web has EXITED: it ended, nobody observed how.

              2026-11-26 10:00:00  started  pid 41, by an earlier daemon
              2026-11-26 10:00:01  ready    RUNNING with pid 41
              2026-11-26 10:00:10  exited   nobody observed how it ended, after 10s
              2026-11-26 10:00:10  decided  leave it: autorestart=unexpected and how it ended is not known

            Next: nothing by itself. `steward start web` starts it.
            """,
            Told(Story(), 400));
    }

    [Fact]
    public void An_out_of_memory_kill()
    {
        Run(0, 1, 41, "autostart");
        At(7200, 1,
            ExitFact.Of(41, WaitStatus.FromSignal(9), false, true, 7_200_000, "caching\u001b[31m everything\n"),
            new StateFact(ProcessState.Running, ProcessState.Exited, 41),
            new DecisionFact(DecisionKind.Restart, "autorestart=true"));
        At(7200, 2, new StateFact(ProcessState.Exited, ProcessState.Starting, null, 0), new SpawnFact(42, By: "autorestart"));
        Assert.Equal(
            """
            web is STARTING again: it was killed by SIGKILL (out of memory), and was started anew.

              2026-11-26 10:00:00  started  pid 41, by autostart
              2026-11-26 10:00:01  ready    RUNNING with pid 41
              2026-11-26 12:00:00  exited   killed by SIGKILL (out of memory), after 2h 0m; not expected
                | caching\x1b[31m everything
              2026-11-26 12:00:00  decided  start it again: autorestart=true
              2026-11-26 12:00:00  started  pid 42, by autorestart
            """,
            Told(Story(), 7200));
    }

    [Theory]
    [InlineData(ProcessState.Stopped, "disk full", "nothing by itself, as it is disabled (disk full): nobody can start it before `steward enable web`")]
    [InlineData(ProcessState.Fatal, "", "nothing by itself, as it is disabled: nobody can start it before `steward enable web`")]
    [InlineData(ProcessState.Running, "a\nb", "nothing changes by itself. It is disabled (a; b): nobody can start it before `steward enable web`")]
    [InlineData(ProcessState.Backoff, "", "another try. It is disabled: nobody can start it before `steward enable web`")]
    public void What_comes_next_says_that_it_is_disabled(ProcessState state, string reason, string next)
    {
        At(0, 1, new StateFact(ProcessState.Starting, state));
        Assert.Equal(next, WhyStory.Of("web", _entries, reason).Next);
        Assert.NotEqual(next, Story().Next);
    }

    [Fact]
    public void Who_disabled_it_and_who_tried_to_start_it()
    {
        Run(0, 1, 41, "autostart");
        At(60, 1, ExitFact.Of(41, WaitStatus.FromExit(1), true, false, 60_000, null), new StateFact(ProcessState.Running, ProcessState.Stopped, 41));
        At(61, 0, new RequestFact("disable", "alice", null, Reason: "disk full"), new RequestFact("start", "bob", null, "web is disabled (disk full)"));
        string told = Told(WhyStory.Of("web", Enumerable.Reverse(_entries), "disk full"), 100);
        Assert.Contains("asked    disable, by alice: disk full\n", told, StringComparison.Ordinal);
        Assert.Contains("asked    start, by bob; refused: web is disabled (disk full)\n", told, StringComparison.Ordinal);
        Assert.EndsWith("\nNext: nothing by itself, as it is disabled (disk full): nobody can start it before `steward enable web`.", told, StringComparison.Ordinal);
    }

    [Fact]
    public void An_operators_stop()
    {
        Run(0, 1, 41, "autostart");
        At(60, 1,
            new RequestFact("stop", "alice", "unix socket"),
            new SignalFact(15, 41, ToGroup: false),
            new StateFact(ProcessState.Running, ProcessState.Stopping, 41));
        At(70, 1,
            new DecisionFact(DecisionKind.Kill, "it did not stop within stopwaitsecs=10"),
            new SignalFact(9, 41, ToGroup: false),
            ExitFact.Of(41, WaitStatus.FromSignal(9), true, false, 70_000, null),
            new StateFact(ProcessState.Stopping, ProcessState.Stopped, 41));
        Assert.Equal(
            """
            web is STOPPED: stop was asked for, by alice (unix socket).

              2026-11-26 10:00:00  started  pid 41, by autostart
              2026-11-26 10:00:01  ready    RUNNING with pid 41
              2026-11-26 10:01:00  asked    stop, by alice (unix socket)
              2026-11-26 10:01:00  signal   SIGTERM to pid 41
              2026-11-26 10:01:10  decided  kill it: it did not stop within stopwaitsecs=10
              2026-11-26 10:01:10  signal   SIGKILL to pid 41
              2026-11-26 10:01:10  exited   killed by SIGKILL, after 1m 10s

            Next: nothing by itself. `steward start web` starts it.
            """,
            Told(Story(), 400));
    }

    [Fact]
    public void Fatal_after_retries_goes_back_to_the_crash()
    {
        // An earlier life, which is not part of the story.
        Run(-500, 1, 30, "autostart");
        At(-400, 1, ExitFact.Of(30, WaitStatus.FromExit(0), true, null, 100_000, null), new StateFact(ProcessState.Running, ProcessState.Exited));
        Run(0, 2, 41, "root");
        At(30, 2,
            ExitFact.Of(41, WaitStatus.FromExit(1), false, null, 30_000, "address in use\n"),
            new StateFact(ProcessState.Running, ProcessState.Exited),
            new DecisionFact(DecisionKind.Restart, "autorestart=true"));
        At(30, 3,
            new StateFact(ProcessState.Exited, ProcessState.Starting, null, 0),
            new SpawnFact(null, "can't find command '/srv/web'", "exec", 0, "autorestart"),
            new StateFact(ProcessState.Starting, ProcessState.Backoff, null, 1),
            new DecisionFact(DecisionKind.BackOff, "it could not be started", Epoch + 31 * Moment.Second, 1, 1));
        At(31, 4,
            new StateFact(ProcessState.Backoff, ProcessState.Starting, null, 1),
            new SpawnFact(null, "can't find command '/srv/web'", "exec", 1, "retry"),
            new StateFact(ProcessState.Starting, ProcessState.Backoff, null, 2),
            new DecisionFact(DecisionKind.GiveUp, "startretries=1 are used up", null, 2, 1),
            new StateFact(ProcessState.Backoff, ProcessState.Fatal));
        Assert.Equal(
            """
            web is FATAL: it could not be started: can't find command '/srv/web', attempt 2 of 2. Steward has given up.

              2026-11-26 10:00:00  started  pid 41, by root
              2026-11-26 10:00:01  ready    RUNNING with pid 41
              2026-11-26 10:00:30  exited   exit code 1, after 30s; not expected
                | address in use
              2026-11-26 10:00:30  decided  start it again: autorestart=true
              2026-11-26 10:00:30  failed   could not be started, by autorestart: can't find command '/srv/web' (stage: exec)
              2026-11-26 10:00:30  decided  try again later, attempt 1 of 2: it could not be started
              2026-11-26 10:00:31  failed   could not be started, by retry: can't find command '/srv/web' (stage: exec)
              2026-11-26 10:00:31  decided  give up: startretries=1 are used up

            Next: nothing by itself. `steward start web` tries again.
            """,
            Told(Story(), 400));
    }

    [Fact]
    public void A_retry_that_is_due()
    {
        At(0, 1,
            new StateFact(ProcessState.Stopped, ProcessState.Starting, null, 0),
            new SpawnFact(41, By: "autostart"),
            ExitFact.Of(41, WaitStatus.FromExit(127), false, null, 20, null),
            new StateFact(ProcessState.Starting, ProcessState.Backoff, null, 1),
            new DecisionFact(DecisionKind.BackOff, "it exited before startsecs=1", Epoch + 5 * Moment.Second, 1, 3));
        Assert.EndsWith("Next: another try at 2026-11-26 10:00:05 (in 2s).", Told(Story(), 3));
        Assert.StartsWith("web is in BACKOFF: it exited with code 127, attempt 1 of 4.\n", Told(Story(), 3));
    }

    [Fact]
    public void A_configuration_change()
    {
        Run(0, 1, 41, "autostart");
        At(50, 1, new ConfigFact(ConfigAction.Changed, "command: /srv/a -> /srv/b\nnumprocs: 1 -> 2\n", "root", "unix socket"));
        At(51, 1,
            new SignalFact(15, 41, ToGroup: true),
            new StateFact(ProcessState.Running, ProcessState.Stopping, 41),
            ExitFact.Of(41, WaitStatus.FromSignal(15), true, null, 51_000, null),
            new StateFact(ProcessState.Stopping, ProcessState.Stopped, 41));
        Run(52, 2, 44, "update");
        Assert.Equal(
            """
            web is RUNNING again: its configuration was changed, by root.

              2026-11-26 10:00:00  started  pid 41, by autostart
              2026-11-26 10:00:01  ready    RUNNING with pid 41
              2026-11-26 10:00:50  config   changed, by root (unix socket): command: /srv/a -> /srv/b; numprocs: 1 -> 2
              2026-11-26 10:00:51  signal   SIGTERM to the process group of pid 41
              2026-11-26 10:00:51  exited   killed by SIGTERM, after 51s
              2026-11-26 10:00:52  started  pid 44, by update
              2026-11-26 10:00:53  ready    RUNNING with pid 44
            """,
            Told(Story(), 400));
    }

    [Fact]
    public void A_new_daemon_counts_runs_anew_and_the_story_is_not_led_astray_by_it()
    {
        Run(-500, 1, 30, "autostart");
        Run(0, 1, 41, "autostart");
        At(30, 1, ExitFact.Of(41, WaitStatus.FromExit(1), false, null, 30_000, null), new StateFact(ProcessState.Running, ProcessState.Exited));
        Assert.Equal(["started", "ready", "exited"], Story().Rows.Select(static row => row.What));
        Assert.Equal(Epoch, Story().Rows[0].Wall);
    }

    [Fact]
    public void A_process_that_nobody_knows() =>
        Assert.Equal("web: the journal knows nothing of it.", Told(WhyStory.Of("web", []), 0));

    [Fact]
    public void A_first_run_without_an_end()
    {
        At(-1, 0, new RequestFact("start", "root", "unix socket"));
        Run(0, 1, 41, "root");
        _entries.Add(new JournalEntry(99, Epoch, "other", "other", 1, ExitFact.Of(1, WaitStatus.FromExit(1), false, null, 1, null)));
        Assert.Equal(
            """
            web is RUNNING.

              2026-11-26 09:59:59  asked    start, by root (unix socket)
              2026-11-26 10:00:00  started  pid 41, by root
              2026-11-26 10:00:01  ready    RUNNING with pid 41
            """,
            Told(Story(), 3));
    }

    [Fact]
    public void A_long_series_is_cut_in_the_middle()
    {
        Run(0, 1, 41, "autostart");
        At(5, 1, ExitFact.Of(41, WaitStatus.FromExit(1), false, null, 5000, null), new StateFact(ProcessState.Running, ProcessState.Exited));
        for (int i = 2; i < 102; i++)
        {
            At(i * 10, i, new SpawnFact(null, "no", "exec", i, "retry"), new StateFact(ProcessState.Starting, ProcessState.Backoff));
        }

        WhyStory story = Story();
        Assert.Equal(WhyStory.RowLimit, story.Rows.Count);
        Assert.Equal(("started", "..."), (story.Rows[0].What, story.Rows[10].What));
        Assert.Equal("64 more, see `steward history`", story.Rows[10].Text);
        Assert.Equal(Epoch + 1010 * Moment.Second, story.Rows[^1].Wall);
    }

    [Fact]
    public void A_history_has_a_row_for_each_entry_of_every_kind()
    {
        foreach (object[] form in JournalJsonTests.Forms)
        {
            At(0, 1, (JournalFact)form[0]);
        }

        Assert.Equal(_entries.Count, WhyStory.History(_entries).Count());
        Assert.All(WhyStory.History(_entries), static told => Assert.True(told.Row.Text.Length > 0 && told.Row.What != "unknown"));
    }

    [Theory]
    [InlineData(-5, "0s")]
    [InlineData(0, "0s")]
    [InlineData(349, "0.3s")]
    [InlineData(9_999, "9.9s")]
    [InlineData(59_999, "59s")]
    [InlineData(3_599_999, "59m 59s")]
    [InlineData(86_399_999, "23h 59m")]
    [InlineData(90_000_000, "1d 1h")]
    public void Durations_are_short(long milliseconds, string text) => Assert.Equal(text, WhyStory.Duration(milliseconds));
}
