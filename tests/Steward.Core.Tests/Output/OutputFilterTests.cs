using System.Text;
using FsCheck;
using FsCheck.Fluent;
using Steward.Core.Config;
using Steward.Core.Model;
using Steward.Core.Output;
using Steward.Core.Snapshots;

namespace Steward.Core.Tests.Output;

public sealed class OutputFilterTests
{
    private const string B = "<!--XSUPERVISOR:BEGIN-->";
    private const string E = "<!--XSUPERVISOR:END-->";

    private sealed class Recorder : IOutputSink
    {
        public List<string> Calls { get; } = [];

        public StringBuilder Logged { get; } = new();

        public StringBuilder Tapped { get; } = new();

        public List<string> Captures { get; } = [];

        public void Log(ReadOnlySpan<byte> data)
        {
            Calls.Add("log " + Encoding.Latin1.GetString(data));
            Logged.Append(Encoding.Latin1.GetString(data));
        }

        public void Tap(ReadOnlySpan<byte> data)
        {
            Calls.Add("tap " + Encoding.Latin1.GetString(data));
            Tapped.Append(Encoding.Latin1.GetString(data));
        }

        public void Captured(ReadOnlySpan<byte> data)
        {
            Calls.Add("captured " + Encoding.Latin1.GetString(data));
            Captures.Add(Encoding.Latin1.GetString(data));
        }
    }

    private static Recorder Play(OutputFilterOptions options, IEnumerable<string> chunks, out long unfinished)
    {
        var filter = new OutputFilter(options);
        var recorder = new Recorder();
        foreach (string chunk in chunks)
        {
            filter.Write(Encoding.Latin1.GetBytes(chunk), ref recorder);
        }

        unfinished = filter.Flush(ref recorder);
        return recorder;
    }

    private static Recorder Play(OutputFilterOptions options, params string[] chunks) => Play(options, chunks, out _);

    private static IEnumerable<string> Cut(string text, int size) =>
        Enumerable.Range(0, (text.Length + size - 1) / size).Select(i => text.Substring(i * size, Math.Min(size, text.Length - (i * size))));

    [Fact]
    public void Without_options_a_chunk_is_one_log_and_one_tap()
    {
        Recorder got = Play(default, "a" + B + "b\x1b[31m", "");
        Assert.Equal(["log a" + B + "b\x1b[31m", "tap a" + B + "b\x1b[31m"], got.Calls);
    }

    [Theory]
    [InlineData("\x1b[31mred\x1b[0m plain", "red plain")]
    [InlineData("a\x1b[3Gb hello", "ab hello")]
    [InlineData("\x1b[?25l\x1b[2J\x1b[10;20H\x1b[1 qx", "x")]
    [InlineData("\x1b]0;title\x07x", "\x1b]0;title\x07x")]
    [InlineData("\x1b\x1b[1mx\x1b", "\x1bx\x1b")]
    [InlineData("broken \x1b[12\nline", "broken \nline")]
    [InlineData("broken \x1b[1 2m", "broken 2m")]
    [InlineData("\x1b[1\x1b[2mx", "x")]
    [InlineData("\x1b[\u00e9x", "\u00e9x")]
    [InlineData("end \x1b[1", "end ")]
    public void Control_sequences_are_stripped_wherever_the_chunks_are_cut(string input, string output)
    {
        for (int size = 1; size <= input.Length; size++)
        {
            Recorder got = Play(new OutputFilterOptions { StripAnsi = true }, Cut(input, size), out _);
            Assert.Equal(output, got.Logged.ToString());
            Assert.Equal(output, got.Tapped.ToString());
        }
    }

    [Fact]
    public void Stripping_keeps_one_chunk_one_call()
    {
        Recorder got = Play(new OutputFilterOptions { StripAnsi = true }, "a\x1b[1mb\x1b[0mc");
        Assert.Equal(["log abc", "tap abc"], got.Calls);
    }

    [Fact]
    public void Captured_text_goes_to_the_capture_and_the_tap_but_not_to_the_log()
    {
        string input = "before" + B + "one" + E + "middle" + B + E + "after";
        for (int size = 1; size <= input.Length; size++)
        {
            Recorder got = Play(new OutputFilterOptions { CaptureMaxBytes = 100 }, Cut(input, size), out long unfinished);
            Assert.Equal("beforemiddleafter", got.Logged.ToString());
            Assert.Equal("beforeonemiddleafter", got.Tapped.ToString());
            Assert.Equal(["one", ""], got.Captures);
            Assert.Equal(0, unfinished);
        }
    }

    [Fact]
    public void Captured_text_can_be_kept_from_the_tap()
    {
        Recorder got = Play(new OutputFilterOptions { CaptureMaxBytes = 100, CapturedIsNotTapped = true }, "a" + B + "b" + E + "c");
        Assert.Equal("ac", got.Tapped.ToString());
    }

    [Fact]
    public void Only_a_true_token_prefix_is_held_back()
    {
        Recorder got = Play(new OutputFilterOptions { CaptureMaxBytes = 100 }, "short\n", "x<!--XS", "UPPER\n", "<");
        Assert.Equal(
            ["log short\n", "tap short\n", "log x", "tap x", "log <!--XS", "tap <!--XS", "log UPPER\n", "tap UPPER\n", "log <", "tap <"],
            got.Calls);
    }

    [Fact]
    public void An_end_outside_and_a_begin_inside_are_data()
    {
        Recorder got = Play(new OutputFilterOptions { CaptureMaxBytes = 100 }, E + B + "x" + B + "y" + E);
        Assert.Equal(E, got.Logged.ToString());
        Assert.Equal(["x" + B + "y"], got.Captures);
    }

    [Fact]
    public void An_unfinished_capture_is_counted()
    {
        Recorder got = Play(new OutputFilterOptions { CaptureMaxBytes = 100 }, [B + "abc<!--X"], out long unfinished);
        Assert.Empty(got.Captures);
        Assert.Equal("", got.Logged.ToString());
        Assert.Equal(8, unfinished);
    }

    [Fact]
    public void Clearing_empties_a_capture_that_goes_on()
    {
        var filter = new OutputFilter(new OutputFilterOptions { CaptureMaxBytes = 100 });
        var got = new Recorder();
        filter.Write(Encoding.Latin1.GetBytes(B + "old"), ref got);
        filter.ClearCapture();
        filter.Write(Encoding.Latin1.GetBytes("new" + E), ref got);
        Assert.Equal(["new"], got.Captures);
    }

    [Fact]
    public void A_listener_taps_raw_bytes_and_captures_nothing_on_stdout()
    {
        var listener = new ProcessConfig
        {
            Name = "l", Program = "l", Command = "/bin/cat", IsListener = true,
            Stdout = new ChildLogConfig { CaptureMaxBytes = 10 },
            Stderr = new ChildLogConfig { CaptureMaxBytes = 10 },
        };
        OutputFilterOptions stdout = OutputFilterOptions.For(listener, OutputChannel.Stdout, stripAnsi: true);
        Assert.Equal(0, stdout.CaptureMaxBytes);
        Assert.Equal(10, OutputFilterOptions.For(listener, OutputChannel.Stderr, stripAnsi: true).CaptureMaxBytes);
        Assert.Equal(["log x", "tap \x1b[1mx"], Play(stdout, "\x1b[1mx").Calls);
    }

    [Fact]
    public void A_capture_keeps_exactly_the_newest_bytes()
    {
        Gen<(int Limit, int[] Sizes)> runs =
            from limit in Gen.Choose(1, 1200)
            from sizes in Gen.ListOf(Gen.Choose(1, 700))
            select (limit, sizes.ToArray());
        Prop.ForAll(runs.ToArbitrary(), run =>
        {
            var all = new StringBuilder();
            var chunks = new List<string> { B };
            foreach (int size in run.Sizes)
            {
                var chunk = new StringBuilder();
                for (int i = 0; i < size; i++)
                {
                    chunk.Append((char)('0' + ((all.Length + i) % 75)));
                }

                all.Append(chunk);
                chunks.Add(chunk.ToString());
            }

            string text = all.ToString();
            chunks.Add(E);
            string captured = Assert.Single(Play(new OutputFilterOptions { CaptureMaxBytes = run.Limit }, chunks, out _).Captures);

            // A chunk may hold "<" at its end, which changes nothing: only END ends a capture.
            return captured == text[Math.Max(0, text.Length - run.Limit)..];
        }).QuickCheckThrowOnFailure();
    }

    [Fact]
    public void Cutting_a_stream_differently_changes_nothing()
    {
        string[] words = [B, E, "<!--XSUPERVISOR:", "<", "<!--", "BEGIN-->", "\x1b[1m", "\x1b[", "\x1b", "m", "text", "\n"];
        Gen<(string Text, int[] Cuts)> streams =
            from parts in Gen.ListOf(Gen.Elements(words))
            from cuts in Gen.ListOf(Gen.Choose(1, 9))
            select (string.Concat(parts), cuts.ToArray());
        Prop.ForAll(streams.ToArbitrary(), stream =>
        {
            var options = new OutputFilterOptions { StripAnsi = true, CaptureMaxBytes = 50 };
            Recorder whole = Play(options, stream.Text);
            var chunks = new List<string>();
            int at = 0;
            for (int i = 0; at < stream.Text.Length; i++)
            {
                int size = stream.Cuts.Length == 0 ? 3 : stream.Cuts[i % stream.Cuts.Length];
                size = Math.Min(size, stream.Text.Length - at);
                chunks.Add(stream.Text.Substring(at, size));
                at += size;
            }

            Recorder pieces = Play(options, chunks, out _);
            return whole.Logged.Equals(pieces.Logged) && whole.Tapped.Equals(pieces.Tapped) && whole.Captures.SequenceEqual(pieces.Captures);
        }).QuickCheckThrowOnFailure();
    }

    [Fact]
    public void A_filter_that_is_written_down_between_any_two_bytes_goes_on_the_same()
    {
        string[] words = [B, E, "<!--XSUPERVISOR:", "<", "<!--", "BEGIN-->", "\x1b[1m", "\x1b[", "\x1b", "m", "text", "\n"];
        Prop.ForAll(Gen.ListOf(Gen.Elements(words)).ToArbitrary(), parts =>
        {
            var options = new OutputFilterOptions { StripAnsi = true, CaptureMaxBytes = 50 };
            string text = string.Concat(parts);
            Recorder whole = Play(options, Cut(text, 1), out long unfinished);
            var handedOver = new Recorder();
            var filter = new OutputFilter(options);
            foreach (string chunk in Cut(text, 1))
            {
                filter.Write(Encoding.Latin1.GetBytes(chunk), ref handedOver);
                byte[] written = Written(filter);
                filter = Read(written);
                Assert.Equal(written, Written(filter));
            }

            long rest = filter.Flush(ref handedOver);
            return rest == unfinished && whole.Calls.SequenceEqual(handedOver.Calls);
        }).QuickCheckThrowOnFailure();
    }

    [Theory]
    [InlineData(0, 5, false, null, "snapshot.filter.held")]
    [InlineData(50, 24, false, null, "snapshot.filter.held")]
    [InlineData(0, 0, true, null, "snapshot.filter.held")]
    [InlineData(50, 0, false, "x", "snapshot.filter.captured")]
    public void What_no_filter_can_be_is_refused(long captureMaxBytes, int held, bool isCapturing, string? captured, string field)
    {
        byte[] bytes = Snapshot.Seal(new SnapshotOrigin("boot", default, "1"), writer =>
        {
            writer.Begin(1);
            writer.Flag(1, false);
            writer.Integer(2, captureMaxBytes);
            writer.Flag(3, false);
            writer.Flag(4, false);
            writer.Integer(5, 0);
            writer.Integer(6, held);
            writer.Flag(7, isCapturing);
            if (captured is not null)
            {
                writer.Bytes(8, Encoding.Latin1.GetBytes(captured));
            }

            writer.End();
        });
        var refused = Assert.Throws<SnapshotRefusedException>(() => Read(bytes));
        Assert.Contains(field, refused.Message, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData(4, false, "")]
    [InlineData(1, false, "")]
    [InlineData(-1, true, "")]
    [InlineData(24 << 8, true, "")]
    [InlineData(0, true, "x")]
    public void A_place_that_is_none_is_refused_and_nothing_changes(int place, bool captures, string captured)
    {
        var filter = new OutputFilter(new OutputFilterOptions { CaptureMaxBytes = captures ? 10 : 0 });
        Assert.False(filter.TryGoOn(place, Encoding.Latin1.GetBytes(captured)));
        Assert.Equal(0, filter.Place);
    }

    private static byte[] Written(OutputFilter filter) =>
        Snapshot.Seal(new SnapshotOrigin("boot", default, "1"), writer => filter.Save(writer, 1));

    private static OutputFilter Read(byte[] bytes) =>
        OutputFilter.Restore(Snapshot.Open(bytes, "snapshot", "boot", out _).Record(1, "filter"));
}
