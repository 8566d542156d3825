using Steward.Core.Events;

namespace Steward.Core.Tests.Events;

public sealed class ListenerProtocolTests
{
    [Theory]
    [InlineData(1)]
    [InlineData(129)]
    [InlineData(1000)]
    public void A_line_that_is_too_long_is_shown_the_same_however_much_of_it_came_at_once(int chunk)
    {
        var listener = new ListenerProtocol { State = ListenerState.Busy };
        byte[] line = [.. Enumerable.Repeat((byte)'y', 500), (byte)'\n'];
        ListenerSignal signal = ListenerSignal.None;
        for (int at = 0; at < line.Length && signal == ListenerSignal.None; at += chunk)
        {
            listener.Append(line[at..Math.Min(line.Length, at + chunk)]);
            signal = listener.Next();
        }

        Assert.Equal(ListenerSignal.BadResultLine, signal);
        Assert.Equal(new string('y', 128), listener.BadLine);
    }
}
