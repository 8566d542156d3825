using System.Text;
using Steward.Core.Inputs;
using Steward.Core.Model;
using Steward.Linux.Interop;
using Steward.Linux.Tests.Host;
using Steward.Linux.Tests.Output;

namespace Steward.Linux.Tests.Handover;

/// <summary>The output of programs goes on in another image where it was in the first.</summary>
public sealed unsafe class OutputHandoverTests
{
    public sealed class GivenAProgramThatWrites
    {
        [Fact]
        public void When_the_hub_is_handed_over_Then_each_byte_is_in_the_log_once()
        {
            using var outside = new Outside();
            Outside.Program web = outside.Start();
            for (int i = 0; i < 20; i++)
            {
                web.Write($"{i} before\n");
                outside.HandOver(() => web.Write($"{i} meanwhile\n"));
            }

            web.WriteError("error\n");
            web.Die();
            Assert.Equal(string.Concat(Enumerable.Range(0, 20).Select(i => $"{i} before\n{i} meanwhile\n")), outside.Read("out"));
            Assert.Equal("error\n", outside.Read("err"));
            Assert.Single(outside.Finished);
            Assert.Empty(outside.Lines);
        }

        [Fact]
        public void When_its_log_was_renamed_Then_the_same_file_goes_on_being_written()
        {
            using var outside = new Outside();
            Outside.Program web = outside.Start();
            web.Write("one\n");
            File.Move(outside.File("out"), outside.File("moved"));
            outside.HandOver();
            web.Write("two\n");
            web.Die();
            Assert.Equal("one\ntwo\n", outside.Read("moved"));
            Assert.False(File.Exists(outside.File("out")));
        }

        [Fact]
        public void When_two_share_a_log_Then_they_share_its_rotation_afterwards()
        {
            using var outside = new Outside();
            Outside.Program one = Start("one");
            Outside.Program two = Start("two");
            outside.HandOver();
            one.Write(new string('1', 60));
            Outside.Until(() => outside.Read("out").Length == 60, "nothing is written");
            two.Write(new string('2', 60));
            one.Die();
            two.Die();
            Assert.Equal(120, outside.Read("out.1").Length);
            Assert.Equal("", outside.Read("out"));

            Outside.Program Start(string name) => outside.Start(config: config => config with
            {
                Name = name,
                Stdout = config.Stdout with { MaxBytes = 100, Backups = 1 },
            });
        }

        [Fact]
        public void When_its_end_was_reported_already_Then_it_is_not_reported_again()
        {
            using var outside = new Outside();
            Outside.Program web = outside.Start();
            web.Die();
            outside.HandOver();
            outside.Start("next", null).Die();
            Assert.Equal(2, outside.Finished.Count);
        }

        [Fact]
        public void When_it_has_closed_a_stream_Then_that_stays_closed()
        {
            using var outside = new Outside();
            Outside.Program web = outside.Start(tapStdout: true);
            web.Write("x");
            Outside.Until(() => outside.Output.Count == 1, "no output");
            outside.Hub.OutputConsumed(1);
            web.Close();
            outside.HandOver();
            web.Die();
            Assert.Equal("x", outside.Read("out"));
        }
    }

    public sealed class GivenAStreamInTheMiddleOfSomething
    {
        [Fact]
        public void When_a_capture_is_under_way_Then_it_is_completed()
        {
            using var outside = new Outside();
            Outside.Program web = outside.Start(config: config => config with { Stdout = config.Stdout with { CaptureMaxBytes = 100 } });
            web.Write("a<!--XSUPERVISOR:BEGIN-->first ");
            Outside.Until(() => outside.Read("out") == "a", "the log is not written");
            outside.HandOver(() => web.Write("second<!--XSUPERVISOR:EN"));
            outside.HandOver(() => web.Write("D-->b"));
            web.Die();
            Assert.Equal("first second", Encoding.Latin1.GetString(Assert.Single(outside.Captures).Data));
            Assert.Equal("ab", outside.Read("out"));
        }

        [Fact]
        public void When_input_waits_behind_a_full_pipe_Then_it_arrives_in_order()
        {
            using var outside = new Outside();
            Outside.Program web = outside.Start();
            byte[] sent = new byte[600 << 10];
            new Random(3).NextBytes(sent);
            Assert.Equal(StdinResult.Accepted, outside.Hub.WriteStdin(web.Process, web.Incarnation, sent));
            outside.HandOver();
            Assert.Equal(StdinResult.Accepted, outside.Hub.WriteStdin(web.Process, web.Incarnation, "end"u8.ToArray()));
            byte[] received = new byte[sent.Length + 3];
            fixed (byte* start = received)
            {
                for (int done = 0; done < received.Length;)
                {
                    nint count = LibC.read(web.Stdin, start + done, (nuint)(received.Length - done));
                    Assert.True(count > 0);
                    done += (int)count;
                }
            }

            Assert.True(received.AsSpan().SequenceEqual([.. sent, .. "end"u8]));
        }

        [Fact]
        public void When_tapped_bytes_are_not_given_back_Then_the_credit_is_still_used_up()
        {
            using var outside = new Outside();
            Outside.Program web = outside.Start(stdoutLog: null, tapStdout: true);
            byte[] all = new byte[6 << 20];
            var writer = new Thread(() => web.Write(all));
            writer.Start();
            Outside.Until(() => Tapped() > 3 << 20, "no output");
            outside.HandOver();
            outside.HandOver();
            Assert.InRange(Tapped(), 3 << 20, 4 << 20);
            outside.Hub.OutputConsumed((int)Tapped());
            Outside.Until(() => Tapped() == all.Length, "the rest does not come");
            writer.Join();

            long Tapped() => outside.Output.Sum(output => (long)output.Data.Length);
        }

        [Fact]
        public void When_the_reader_of_a_log_does_not_read_Then_it_gets_everything_later()
        {
            using var outside = new Outside();
            string fifo = outside.File("fifo");
            Assert.Equal(0, mkfifo(fifo, 0x180));
            int reader = LibC.open(fifo, LibC.O_RDONLY | LibC.O_NONBLOCK | LibC.O_CLOEXEC, 0);
            Outside.Program web = outside.Start(fifo, null);
            byte[] sent = new byte[300 << 10];
            new Random(9).NextBytes(sent);
            var writer = new Thread(() => web.Write(sent));
            writer.Start();
            Outside.Until(() => Held(reader) == 64 << 10, "the pipe does not fill");
            outside.HandOver();
            var received = new List<byte>();
            byte[] buffer = new byte[8192];
            Outside.Until(
                () =>
                {
                    fixed (byte* start = buffer)
                    {
                        nint count = LibC.read(reader, start, (nuint)buffer.Length);
                        received.AddRange(buffer.AsSpan(0, (int)Math.Max(0, count)));
                    }

                    return received.Count == sent.Length;
                },
                "not everything comes");
            writer.Join();
            Assert.True(sent.AsSpan().SequenceEqual(received.ToArray()));
            web.Die();
            Descriptors.Close(reader);
        }
    }

    [Fact]
    public void A_hub_that_is_brought_to_rest_goes_on_when_it_was_not_needed()
    {
        using var outside = new Outside();
        Outside.Program web = outside.Start();
        web.Write("one\n");
        Assert.True(outside.Hub.Suspend(Outside.Patience));
        web.Write("two\n");
        outside.Hub.Continue();
        web.Die();
        Assert.Equal("one\ntwo\n", outside.Read("out"));
        Assert.Throws<InvalidOperationException>(outside.Hub.Continue);
    }

    private static int Held(int pipe)
    {
        int held = 0;
        Assert.Equal(0, LibC.ioctl(pipe, LibC.FIONREAD, &held));
        return held;
    }

    [System.Runtime.InteropServices.DllImport("libc")]
    private static extern int mkfifo([System.Runtime.InteropServices.MarshalAs(System.Runtime.InteropServices.UnmanagedType.LPStr)] string path, uint mode);
}
