using Steward.Core.Supervision;

namespace Steward.Core.Tests.Supervision;

public sealed class DeadlineQueueTests
{
    private sealed class Alarm(int number) : Timed
    {
        public int Number { get; } = number;

        public override long Rank => Number;
    }

    [Fact]
    public void Equal_deadlines_come_in_the_order_of_their_rank()
    {
        // Processes whose deadlines fall together are dealt with in the order in which they were made.
        var queue = new DeadlineQueue();
        foreach (int number in Enumerable.Range(0, 300).Reverse())
        {
            new Alarm(number).SetDue(7, queue);
        }

        var order = new List<int>();
        while (queue.TakeDue(7) is Alarm alarm)
        {
            order.Add(alarm.Number);
        }

        Assert.Equal(Enumerable.Range(0, 300), order);
    }
}
