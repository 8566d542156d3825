using Steward.Core.Model;

namespace Steward.Keeper.Tests;

public sealed class RestartPolicyTests
{
    private readonly RestartPolicy _policy = new();

    [Fact]
    public void Two_that_never_answered_are_succeeded_at_once_and_then_each_wait_is_twice_the_one_before_up_to_the_longest() =>
        Assert.Equal([0, 0, 1, 2, 4, 8, 16, 30, 30, 30, 30, 30], Waits(lifetime: 0, deaths: 12, answers: false));

    [Fact]
    public void Those_that_answered_are_succeeded_at_once_until_they_are_too_many_in_a_short_time()
    {
        // Each daemon dies as soon as it answers: the waits between them do not count as time in which one lived.
        List<long> waits = Waits(lifetime: 0, deaths: RestartPolicy.FreeDeaths + 8, answers: true);
        Assert.Equal(Enumerable.Repeat(0L, RestartPolicy.FreeDeaths), waits.Take(RestartPolicy.FreeDeaths));
        Assert.Equal([1, 2, 4, 8, 16, 30, 30, 30], waits.Skip(RestartPolicy.FreeDeaths));
    }

    [Fact]
    public void Deaths_that_are_far_between_are_each_answered_at_once() =>
        Assert.All(Waits(RestartPolicy.Window / RestartPolicy.FreeDeaths + 1, deaths: 100, answers: true), static wait => Assert.Equal(0, wait));

    [Fact]
    public void Somewhat_more_than_are_free_wait_a_little() => Assert.All(
        Waits(RestartPolicy.Window / RestartPolicy.FreeDeaths, deaths: 100, answers: true).Skip(RestartPolicy.FreeDeaths),
        static wait => Assert.Equal(1, wait));

    [Fact]
    public void A_daemon_that_lives_longer_than_the_window_is_no_continuation_of_what_was_before()
    {
        long now = Waits(lifetime: 0, deaths: 40, answers: true).Sum(static wait => wait * Moment.Second) + 17 + RestartPolicy.Window + 1;
        for (int i = 0; i < RestartPolicy.FreeDeaths; i++)
        {
            _policy.Ready();
            Assert.Equal(0, _policy.Died(now));
        }

        _policy.Ready();
        Assert.Equal(Moment.Second, _policy.Died(now));
    }

    [Fact]
    public void Attempts_count_from_the_last_daemon_that_answered_clients()
    {
        Assert.Equal(1, _policy.Attempt);
        _policy.Died(0);
        Assert.Equal(2, _policy.Attempt);
        _policy.Ready();
        _policy.Died(1);
        Assert.Equal(1, _policy.Attempt);
        _policy.Died(2);
        _policy.Died(3);
        Assert.Equal(3, _policy.Attempt);
    }

    [Fact]
    public void A_daemon_that_could_not_be_started_is_waited_for_and_is_no_attempt()
    {
        // For want of processes, say: nothing of what it would have gone on with has been tried.
        long now = 0;
        for (int i = 0; i < 100; i++)
        {
            long wait = _policy.NotStarted(now);
            Assert.InRange(wait, Moment.Second, RestartPolicy.MaxDelay);
            now += wait;
        }

        Assert.Equal(RestartPolicy.MaxDelay, _policy.NotStarted(now));
        Assert.Equal(1, _policy.Attempt);
    }

    private List<long> Waits(long lifetime, int deaths, bool answers)
    {
        var waits = new List<long>();
        long now = 17;
        for (int i = 0; i < deaths; i++)
        {
            now += lifetime;
            if (answers)
            {
                _policy.Ready();
            }

            long wait = _policy.Died(now);
            waits.Add(wait / Moment.Second);
            now += wait;
        }

        return waits;
    }
}
