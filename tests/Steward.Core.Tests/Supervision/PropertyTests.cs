using System.Text;
using FsCheck;
using FsCheck.Fluent;
using Steward.Core.Config;
using Steward.Core.Events;
using Steward.Core.Model;
using Steward.Core.Supervision;

namespace Steward.Core.Tests.Supervision;

/// <summary>What holds for any input. A failure prints its seed; <c>Config.WithReplay</c> plays it again.</summary>
public sealed class PropertyTests
{
    private sealed class Alarm(int number) : Timed
    {
        public int Number { get; } = number;

        public override long Rank => Number;
    }

    [Fact]
    public void Deadlines_come_out_in_order_each_once_whatever_was_changed_before()
    {
        Gen<(int, int)[]> changes = Gen.ArrayOf(
            from alarm in Gen.Choose(0, 5)
            from due in Gen.Choose(-1, 40)
            select (alarm, due));
        Prop.ForAll(Arb.From(changes), steps =>
        {
            var queue = new DeadlineQueue();
            Alarm[] alarms = [.. Enumerable.Range(0, 6).Select(i => new Alarm(i))];
            var model = new Dictionary<int, long>();
            foreach ((int alarm, int due) in steps)
            {
                if (due < 0)
                {
                    model.Remove(alarm);
                    alarms[alarm].SetDue(long.MaxValue, queue);
                }
                else
                {
                    model[alarm] = due;
                    alarms[alarm].SetDue(due, queue);
                }

                if (queue.Next != (model.Count == 0 ? long.MaxValue : model.Values.Min()))
                {
                    return false;
                }
            }

            for (long now = 0; now <= 40; now++)
            {
                HashSet<int> taken = [];
                while (queue.TakeDue(now) is Alarm alarm)
                {
                    if (!taken.Add(alarm.Number) || alarm.Due != long.MaxValue)
                    {
                        return false;
                    }
                }

                if (!taken.SetEquals(model.Where(pair => pair.Value == now).Select(pair => pair.Key)))
                {
                    return false;
                }
            }

            return queue.Next == long.MaxValue;
        }).QuickCheckThrowOnFailure();
    }

    [Fact]
    public void A_deadline_that_is_set_for_ever_anew_does_not_fill_the_memory()
    {
        var queue = new DeadlineQueue();
        Alarm[] alarms = [new(0), new(1), new(2)];
        for (int i = 0; i < 100_000; i++)
        {
            alarms[i % 3].SetDue(1_000_000 - i, queue);
        }

        Assert.InRange(queue.Entries, 3, 512);
        Assert.Equal(1_000_000 - 99_999, queue.Next);
    }

    [Fact]
    public void A_pool_keeps_its_bound_and_its_order_and_counts_what_it_drops()
    {
        Gen<(int, int[])> cases =
            from size in Gen.Choose(1, 5)
            from moves in Gen.ArrayOf(Gen.Choose(0, 3))
            select (size, moves);
        Prop.ForAll(Arb.From(cases), ((int Size, int[] Moves) given) =>
        {
            var pool = new EventPool(new ProcessGroup(Machine.Pool("pool", given.Size, ["EVENT"])));
            var taken = new Stack<PooledEvent>();
            long added = 0, gone = 0, kept = 0;
            foreach (int move in given.Moves)
            {
                if (move <= 1)
                {
                    gone += pool.Add(added++, EventType.Tick5, "") is null ? 0 : 1;
                }
                else if (move == 2 && pool.Take() is { } item)
                {
                    taken.Push(item);
                }
                else if (taken.TryPop(out PooledEvent? back))
                {
                    gone += pool.Return(back) is null ? 0 : 1;
                }

                kept = pool.Count;
                if (kept > given.Size || added != kept + gone + taken.Count)
                {
                    return false;
                }
            }

            long last = -1;
            while (pool.Take() is { } item)
            {
                if (item.Serial <= last)
                {
                    return false;
                }

                last = item.Serial;
            }

            return true;
        }).QuickCheckThrowOnFailure();
    }

    [Fact]
    public void A_listener_is_understood_the_same_however_its_output_is_cut()
    {
        Gen<string> piece = Gen.Elements(
            "READY\n", "RESULT 2\nOK", "RESULT 4\nFAIL", "RESULT 0\n", "RESULT 3\nOK\n", "READ", "x", "\n", "RESULT ", "RESULT -1\n", "RESULT 99\nx",
            new string('y', 130), "RESULT 2" + new string(' ', 200) + "\nOK");
        Gen<(string[], int[])> cases =
            from pieces in Gen.ArrayOf(piece)
            from cuts in Gen.NonEmptyListOf(Gen.Choose(1, 9))
            select (pieces, cuts.ToArray());
        Prop.ForAll(Arb.From(cases), ((string[] Pieces, int[] Cuts) given) =>
        {
            string all = string.Concat(given.Pieces);
            List<string> whole = Listen([all]);
            List<string> bytes = Listen(all.Select(c => c.ToString()));
            List<string> cut = Listen(Cut(all, given.Cuts));
            return whole.SequenceEqual(bytes) && whole.SequenceEqual(cut);
        }).QuickCheckThrowOnFailure();
    }

    [Fact]
    public void Text_is_the_same_text_however_its_bytes_are_cut()
    {
        Gen<(string, int[])> cases =
            from runes in Gen.ArrayOf(Gen.Elements("a", "\u00e9", "\u20ac", "\ud83d\ude80", "\n", "\0", "\u07ff", "\uffff"))
            from cuts in Gen.NonEmptyListOf(Gen.Choose(1, 5))
            select (string.Concat(runes), cuts.ToArray());
        Prop.ForAll(Arb.From(cases), ((string Text, int[] Cuts) given) =>
        {
            var carry = new Utf8Carry();
            var text = new StringBuilder();
            foreach (string piece in Cut(Encoding.Latin1.GetString(Encoding.UTF8.GetBytes(given.Text)), given.Cuts))
            {
                text.Append(carry.Decode(Encoding.Latin1.GetBytes(piece)));
            }

            return text.ToString() == given.Text && !carry.IsHolding && carry.End() is null;
        }).QuickCheckThrowOnFailure();
    }

    [Fact]
    public void No_byte_is_held_back_for_longer_than_a_character_can_be()
    {
        Prop.ForAll(Arb.From(Gen.ArrayOf(Gen.ArrayOf(Gen.Elements<byte>(0x41, 0x80, 0xbf, 0xc3, 0xe2, 0xf0, 0xff, 0xc0, 0xed, 0xa0)))), pieces =>
        {
            var carry = new Utf8Carry();
            int given = 0;
            string shown = "";
            foreach (byte[] piece in pieces)
            {
                given += piece.Length;
                shown += carry.Decode(piece);
            }

            string? rest = carry.End();
            return (rest is null || rest.Length <= "Undecodable: b'\\x00\\x00\\x00'".Length) && (given == 0 || shown.Length + (rest?.Length ?? 0) > 0);
        }).QuickCheckThrowOnFailure();
    }

    [Fact]
    public void Names_that_are_joined_are_split_into_the_same_two()
    {
        Gen<string> name = Gen.Elements("a", "b", "prog_00", "x.y", "\u00fc", "-");
        Gen<(string, string)> cases =
            from left in name
            from right in name
            select (left, right);
        Prop.ForAll(Arb.From(cases), ((string Group, string Process) given) =>
            Namespec.Parse(Namespec.Join(given.Group, given.Process)) == new Namespec(given.Group, given.Process)
            && Namespec.Parse(given.Group + ":*") == new Namespec(given.Group, null)
            && Namespec.Parse(given.Group + ":") == new Namespec(given.Group, null)).QuickCheckThrowOnFailure();
        Prop.ForAll(Arb.From<string>(Gen.ArrayOf(Gen.Elements(':', '*', 'a', ' ', '/')).Select(chars => new string(chars))), text =>
        {
            Namespec parsed = Namespec.Parse(text);
            return !parsed.Group.Contains(':') && (text.Contains(':') ? parsed.Process is not "" and not "*" : parsed == new Namespec(text, text));
        }).QuickCheckThrowOnFailure();
    }

    private static IEnumerable<string> Cut(string text, int[] sizes)
    {
        for (int at = 0, i = 0; at < text.Length; i++)
        {
            int size = Math.Min(sizes[i % sizes.Length], text.Length - at);
            yield return text.Substring(at, size);
            at += size;
        }
    }

    /// <summary>Feeds a listener that is handed an event whenever it is READY and nothing more is there to be read.</summary>
    private static List<string> Listen(IEnumerable<string> chunks)
    {
        var protocol = new ListenerProtocol();
        var seen = new List<string>();
        foreach (string chunk in chunks)
        {
            protocol.Append(Encoding.Latin1.GetBytes(chunk));
            for (ListenerSignal signal; (signal = protocol.Next()) != ListenerSignal.None;)
            {
                seen.Add(signal == ListenerSignal.BadResultLine ? $"{signal} {protocol.BadLine}" : signal.ToString());
                protocol.State = signal switch
                {
                    // Handed its event at once, as if that had been waiting: so it does not matter when the rest arrives.
                    ListenerSignal.Ready => ListenerState.Busy,
                    ListenerSignal.Accepted or ListenerSignal.Rejected => ListenerState.Acknowledged,
                    _ => ListenerState.Unknown,
                };
                if (protocol.State == ListenerState.Unknown)
                {
                    protocol.Drop();
                }
            }
        }

        return seen;
    }
}
