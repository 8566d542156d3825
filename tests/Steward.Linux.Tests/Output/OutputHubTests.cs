using System.Text;
using Steward.Core.Config;
using Steward.Core.Inputs;
using Steward.Core.Model;
using Steward.Linux.Interop;
using Steward.Linux.Output;
using Steward.Linux.Tests.Host;

namespace Steward.Linux.Tests.Output;

/// <summary>Bytes of children between pipes and logs.</summary>
public sealed unsafe class OutputHubTests
{
    [Fact]
    public void What_a_program_writes_is_in_its_logs_when_it_is_reported_dead()
    {
        using var outside = new Outside();
        Outside.Program web = outside.Start();
        web.Write("one\n");
        web.WriteError("two\n");
        web.Write("three");
        web.Die();

        Assert.Equal("one\nthree", outside.Read("out"));
        Assert.Equal("two\n", outside.Read("err"));
        Assert.Single(outside.Finished);
        Assert.Empty(outside.Output);
        Assert.Empty(outside.Lines);
    }

    [Fact]
    public void A_log_that_cannot_be_opened_is_refused_with_its_reason_and_leaves_nothing_open()
    {
        using var outside = new Outside();
        Outside.Program first = outside.Start("same", null);
        var request = new Core.Effects.Spawn(
            new ProcessId(77), new Incarnation(1), "g", new ProcessConfig { Name = "a", Program = "a", Command = "a" },
            outside.File("same"), outside.File("no/such"), false, false);
        Assert.False(outside.Hub.TryOpenLogs(request, out int errno));
        Assert.Equal(Errno.ENOENT, errno);

        // The shared log is still open for the other.
        first.Write("x");
        first.Die();
        Assert.Equal("x", outside.Read("same"));
    }

    [Fact]
    public void A_descendant_that_holds_and_fills_the_pipe_does_not_delay_the_end()
    {
        using var outside = new Outside();
        Outside.Program web = outside.Start();
        web.Write("last words");
        web.Die(keepPipes: true);
        Assert.Equal("last words", outside.Read("out"));

        // The descendant meets a closed pipe.
        byte b = 0;
        Assert.Equal(-1, LibC.write(web.Stdout, &b, 1));
        Assert.Equal(Errno.EPIPE, LibC.LastError);
    }

    [Fact]
    public void Stdin_is_queued_behind_a_full_pipe_up_to_its_bound_and_arrives_in_order()
    {
        using var outside = new Outside();
        Outside.Program web = outside.Start();
        byte[] piece = new byte[256 << 10];
        new Random(7).NextBytes(piece);
        var sent = new List<byte>();
        while (outside.Hub.WriteStdin(web.Process, web.Incarnation, piece) == StdinResult.Accepted)
        {
            sent.AddRange(piece);
        }

        Assert.Equal(StdinResult.Full, outside.Hub.WriteStdin(web.Process, web.Incarnation, piece));
        Assert.InRange(sent.Count, 1 << 20, (1 << 20) + (128 << 10));
        byte[] received = new byte[sent.Count];
        fixed (byte* start = received)
        {
            int done = 0;
            while (done < received.Length)
            {
                nint count = LibC.read(web.Stdin, start + done, (nuint)(received.Length - done));
                Assert.True(count > 0);
                done += (int)count;
            }
        }

        Assert.True(sent.SequenceEqual(received));
        Assert.Equal(StdinResult.Accepted, outside.Hub.WriteStdin(web.Process, web.Incarnation, "x"u8.ToArray()));
        web.Close();
        Assert.Equal(StdinResult.Closed, outside.Hub.WriteStdin(web.Process, web.Incarnation, "x"u8.ToArray()));
        web.Die();
        Assert.Equal(StdinResult.Closed, outside.Hub.WriteStdin(web.Process, web.Incarnation, "x"u8.ToArray()));
    }

    [Fact]
    public void Tapped_output_stops_at_the_credit_and_goes_on_when_it_is_given_back()
    {
        using var outside = new Outside();
        Outside.Program web = outside.Start(stdoutLog: null, tapStdout: true);
        const int Total = 12 << 20;
        byte[] all = new byte[Total];
        new Random(5).NextBytes(all);
        var writer = new Thread(() => web.Write(all));
        writer.Start();
        using var received = new MemoryStream();
        int outstanding = 0;
        int most = 0;
        while (received.Length < Total)
        {
            Outside.Until(() => !outside.Output.IsEmpty, "no output");
            while (outside.Output.TryDequeue(out (Incarnation, OutputChannel, byte[] Data) output))
            {
                received.Write(output.Data);
                outstanding += output.Data.Length;
                most = Math.Max(most, outstanding);
            }

            // Only when nothing comes any more, so that the bound is really reached.
            if (!SpinWait.SpinUntil(() => !outside.Output.IsEmpty, 50))
            {
                outside.Hub.OutputConsumed(outstanding);
                outstanding = 0;
            }
        }

        writer.Join();
        Assert.True(all.AsSpan().SequenceEqual(received.ToArray()));
        Assert.InRange(most, OutputHub.Credit / 2, OutputHub.Credit - 1);
    }

    [Fact]
    public void Logs_are_cleared_and_reopened_under_a_running_program()
    {
        using var outside = new Outside();
        Outside.Program web = outside.Start();
        web.Write("before");
        Outside.Until(() => outside.Read("out") == "before", "not written");
        Assert.True(outside.Hub.ClearLogs(web.Process, outside.File("out"), outside.File("err")));
        web.Write("after");
        Outside.Until(() => outside.Read("out") == "after", "not cleared");
        File.Move(outside.File("out"), outside.File("moved"));
        outside.Hub.ReopenLogs();
        Outside.Until(() => File.Exists(outside.File("out")), "not reopened");
        web.Write("new");
        web.Die();
        Assert.Equal("after", outside.Read("moved"));
        Assert.Equal("new", outside.Read("out"));

        Assert.True(outside.Hub.ClearLogs(web.Process, outside.File("out"), null));
        Assert.Equal("", outside.Read("out"));
    }
}
