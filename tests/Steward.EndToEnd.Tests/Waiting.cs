using System.Diagnostics;

namespace Steward.EndToEnd;

/// <summary>Waiting for something to become true: often looked at, with a limit that only a fault reaches.</summary>
internal static class Waiting
{
    /// <summary>Generous on purpose: what it limits takes milliseconds to a few seconds on an idle machine.</summary>
    public static readonly TimeSpan Limit = TimeSpan.FromSeconds(90);

    public static async Task<T> ForAsync<T>(Func<Task<T?>> look, Func<string> complaint)
    {
        var clock = Stopwatch.StartNew();
        while (true)
        {
            if (await look() is { } found)
            {
                return found;
            }

            // Only then: what is looked at for the complaint may be just ending.
            if (clock.Elapsed >= Limit)
            {
                Assert.Fail(complaint());
            }

            await Task.Delay(20);
        }
    }

    public static Task UntilAsync(Func<Task<bool>> condition, Func<string> complaint) =>
        ForAsync(async () => await condition() ? "yes" : null, complaint);

    public static Task UntilAsync(Func<bool> condition, Func<string> complaint) =>
        UntilAsync(() => Task.FromResult(condition()), complaint);
}
