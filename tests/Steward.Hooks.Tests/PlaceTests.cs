using Steward.Core.Config;
using Steward.Core.Events;
using Steward.Core.Model;
using Steward.Core.Ports;

namespace Steward.Hooks.Tests;

/// <summary>Facts that are told again by the successor of a daemon that died: what hooks were done with is known, and nothing else is left out.</summary>
public sealed class PlaceTests
{
    private const long Series = 0x7b;

    [Fact]
    public async Task What_waits_holds_the_number_back_until_it_is_delivered()
    {
        using var hold = new ManualResetEventSlim();
        using var server = new WebServer((_, _) => hold.Wait(Waiting.Limit) ? 200 : 500);
        using World world = new World().With(World.Url(server.Url) with { Events = HookEvents.Crash });
        long done = -1;
        world.Runner.Keep(0, number => Volatile.Write(ref done, number));
        Assert.Equal(0, done);
        Tell(world, 1, new StateFact(ProcessState.Starting, ProcessState.Running));
        Assert.Equal(1, Volatile.Read(ref done));
        Crash(world, 2);
        Tell(world, 3, new StateFact(ProcessState.Running, ProcessState.Exited));
        Assert.Equal(1, Volatile.Read(ref done));

        // What a successor cannot tell again counts for nothing.
        world.Crashes();
        hold.Set();
        await Waiting.UntilAsync(() => Volatile.Read(ref done) == 3, () => $"{Volatile.Read(ref done)}\n{world.Log.All}");
        await world.UntilAsync(static status => status.Delivered == 2);
        Assert.Equal("7b-2", server.Requests.First().Headers["x-steward-delivery"]);
    }

    [Fact]
    public async Task A_successor_sends_what_was_not_done_with_and_what_goes_out_twice_has_the_same_name()
    {
        using var server = new WebServer(static (_, _) => 200);
        using (World first = new World().With(World.Url(server.Url) with { Events = HookEvents.Crash }))
        {
            first.Runner.Keep(0, static _ => { });
            Crash(first, 1);
            Crash(first, 2);
            await first.UntilAsync(static status => status.Delivered == 2);
        }

        // It died before it could say that of the second.
        using World second = new World().With(World.Url(server.Url) with { Events = HookEvents.Crash });
        long done = -1;
        second.Runner.Keep(1, number => Volatile.Write(ref done, number));
        Assert.Equal(1, done);
        for (int i = 1; i <= 3; i++)
        {
            Crash(second, i);
        }

        await Waiting.UntilAsync(() => Volatile.Read(ref done) == 3, () => $"{Volatile.Read(ref done)}\n{second.Log.All}");
        Assert.Equal(["7b-1", "7b-2", "7b-2", "7b-3"], server.Requests.Select(static request => request.Headers["x-steward-delivery"]));
    }

    [Fact]
    public async Task A_message_that_stands_for_several_holds_back_the_number_of_the_first()
    {
        using var server = new WebServer(static (_, _) => 200);
        using World world = new World().With(World.Url(server.Url) with { Events = HookEvents.Crash, MinInterval = 3600 });
        long done = -1;
        world.Runner.Keep(0, number => Volatile.Write(ref done, number));
        Crash(world, 1);
        await Waiting.UntilAsync(() => Volatile.Read(ref done) == 1, () => $"{Volatile.Read(ref done)}\n{world.Log.All}");
        Crash(world, 2);
        Crash(world, 3);
        Crash(world, 4);
        Assert.Equal(1, Volatile.Read(ref done));
    }

    [Fact]
    public void What_is_dropped_or_wanted_by_nobody_does_not_hold_the_number_back()
    {
        using World world = new World(timings: World.Quick with { Settle = TimeSpan.FromHours(1) });
        world.With(World.Url("http://127.0.0.1:9/") with { Events = HookEvents.Crash, QueueSize = 2 });
        long done = -1;
        world.Runner.Keep(0, number => Volatile.Write(ref done, number));
        for (int i = 1; i <= 10; i++)
        {
            Crash(world, i);
        }

        Assert.Equal(8, done);
        world.With();
        Assert.Equal(long.MaxValue, done);

        // With the first hook it is said what is behind: that is not asked for again.
        world.Runner.SkipTo(10);
        world.With(World.Url("http://127.0.0.1:9/") with { Events = HookEvents.Crash });
        Assert.Equal(10, done);
    }

    private static void Crash(World world, int number) => Tell(world, number, new ExitFact(4711, 3, null, null, false, null, 5400, null));

    private static void Tell(World world, int number, JournalFact fact) =>
        world.Runner.Append(new JournalEntry(0, StillClock.Wall, "web", "web", number, fact), new FactPlace(Series, number));
}
