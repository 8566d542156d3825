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
    public void A_stream_that_was_hot_is_still_heard_when_it_writes_little_again()
    {
        using var outside = new Outside();
        Outside.Program web = outside.Start();
        var expected = new StringBuilder();
        for (int round = 0; round < 3; round++)
        {
            // Far beyond what makes a pipe hot; the write blocks while the pipe is full.
            string much = new((char)('a' + round), 32 << 10);
            for (int i = 0; i < 64; i++)
            {
                web.Write(much);
                expected.Append(much);
            }

            Outside.Until(() => outside.Read("out").Length == expected.Length, "not all of it is in the log");
            for (int i = 0; i < 10; i++)
            {
                // One at a time: each is seen by itself, first in the hot rounds and then by the poller.
                web.Write("line\n");
                expected.Append("line\n");
                Outside.Until(() => outside.Read("out").Length == expected.Length, "not all of it is in the log");
            }
        }

        web.Die();
        Assert.Equal(expected.ToString(), outside.Read("out"));
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

    [Fact]
    public void Numbered_lines_are_neither_lost_nor_doubled_by_rotation()
    {
        const int Lines = 100_000;
        using var outside = new Outside();
        Outside.Program web = outside.Start(config: static process => process with
        {
            Stdout = new ChildLogConfig { MaxBytes = 50_000, Backups = 1000 },
        });
        var text = new StringBuilder();
        for (int i = 0; i < Lines; i++)
        {
            text.Append(i).Append('\n');
            if (text.Length > 1000)
            {
                web.Write(text.ToString());
                text.Clear();
            }
        }

        web.Write(text.ToString());
        web.Die();

        int files = Directory.GetFiles(Path.GetDirectoryName(outside.File("out"))!, "out*").Length;
        Assert.InRange(files, 3, 100);
        IEnumerable<string> all = Enumerable.Range(1, files - 1).Reverse().Select(i => "out." + i).Append("out").Select(outside.Read);
        Assert.Equal(Enumerable.Range(0, Lines).Select(static i => i.ToString()), string.Concat(all).Split('\n')[..^1]);
        foreach (int i in Enumerable.Range(1, files - 1))
        {
            Assert.InRange(new FileInfo(outside.File("out." + i)).Length, 50_000, 50_000 + (128 << 10));
        }
    }

    [Fact]
    public void Programs_that_name_the_same_file_share_its_rotation()
    {
        using var outside = new Outside();
        Func<ProcessConfig, ProcessConfig> small = static process => process with
        {
            Stdout = new ChildLogConfig { MaxBytes = 100, Backups = 1000 },
            Stderr = new ChildLogConfig { MaxBytes = 100, Backups = 1000 },
        };
        Outside.Program[] programs = [outside.Start("log", "log", config: small), outside.Start("log", "log", config: small)];
        int sum = 0;
        for (int i = 0; i < 500; i++)
        {
            string line = new string('x', i % 30) + "\n";
            programs[i % 2].Write(line);
            programs[i % 2].WriteError(line);
            sum += 2 * line.Length;
        }

        programs[0].Die();
        programs[1].Die();
        string[] files = Directory.GetFiles(Path.GetDirectoryName(outside.File("log"))!);
        Assert.Equal(sum, files.Sum(static file => new FileInfo(file).Length));
        Assert.All(files.Where(static file => !file.EndsWith("log", StringComparison.Ordinal)), static file => Assert.True(new FileInfo(file).Length >= 100));
    }

    [Fact]
    public void A_reader_that_does_not_read_holds_up_those_who_write_to_it_and_gets_everything_in_the_end()
    {
        using var outside = new Outside();
        string fifo = outside.File("fifo");
        Assert.Equal(0, Fifo.Make(fifo));
        int reader = LibC.open(fifo, LibC.O_RDONLY | LibC.O_NONBLOCK | LibC.O_CLOEXEC, 0);
        Outside.Program slow = outside.Start("fifo", null);
        Outside.Program other = outside.Start("out", null);
        byte[] all = new byte[1 << 20];
        new Random(3).NextBytes(all);
        var writer = new Thread(() => slow.Write(all));
        writer.Start();

        // The pipe of the log is full when the other one's output still moves.
        Outside.Until(() => Fifo.Held(reader) >= 64 << 10, "the pipe does not fill");
        other.Write("moves");
        Outside.Until(() => outside.Read("out") == "moves", "the other one is held up");
        Assert.True(writer.IsAlive);
        other.Die();

        byte[] received = new byte[all.Length];
        int half = Fifo.Read(reader, received.AsSpan(0, all.Length / 2));
        while (writer.IsAlive)
        {
            half += Fifo.Read(reader, received.AsSpan(half, Math.Min(4096, received.Length - half)));
        }

        // It ends with bytes on their way; they are kept for the reader.
        writer.Join();
        slow.Die();
        Assert.Equal(all.Length, half + Fifo.Read(reader, received.AsSpan(half)));
        Assert.True(all.AsSpan().SequenceEqual(received));
        Assert.Empty(outside.Lines);
        _ = LibC.close(reader);
    }

    [Fact]
    public void A_named_pipe_without_a_reader_is_refused_and_nobody_waits()
    {
        using var outside = new Outside();
        Assert.Equal(0, Fifo.Make(outside.File("fifo")));
        var request = new Core.Effects.Spawn(
            new ProcessId(7), new Incarnation(1), "g", new ProcessConfig { Name = "a", Program = "a", Command = "a" },
            outside.File("fifo"), null, false, false);
        Assert.False(outside.Hub.TryOpenLogs(request, out int errno));
        Assert.Equal(Errno.ENXIO, errno);
    }

    [Fact]
    public void Captures_are_reported_and_an_unfinished_one_is_said()
    {
        using var outside = new Outside();
        Outside.Program web = outside.Start(config: static process => process with { Stdout = new ChildLogConfig { CaptureMaxBytes = 5 } });
        web.Write("a<!--XSUPERVISOR:BEGIN-->1234567<!--XSUPERVISOR:END-->b<!--XSUPERVISOR:BEGIN-->xyz");
        web.Die();
        Assert.Equal("ab", outside.Read("out"));
        Assert.Equal("34567"u8, Assert.Single(outside.Captures).Data);
        Assert.Equal("WARN 'web' stdout ended within a capture; its 3 bytes are lost", Assert.Single(outside.Lines));
    }

    [Fact]
    public void Clearing_empties_a_capture()
    {
        using var outside = new Outside();
        Outside.Program web = outside.Start(
            tapStdout: true, config: static process => process with { Stdout = new ChildLogConfig { CaptureMaxBytes = 100 } });
        web.Write("<!--XSUPERVISOR:BEGIN-->old");
        Outside.Until(() => !outside.Output.IsEmpty, "not read");
        Assert.True(outside.Hub.ClearLogs(web.Process, outside.File("out"), null));

        // Posted after the clearing on the same thread, so it comes after it.
        outside.Hub.ReopenLogs();
        File.Delete(outside.File("out"));
        Outside.Until(() => File.Exists(outside.File("out")) || Reopened(), "not cleared");
        web.Write("new<!--XSUPERVISOR:END-->");
        web.Die();
        Assert.Equal("new"u8, Assert.Single(outside.Captures).Data);

        bool Reopened()
        {
            outside.Hub.ReopenLogs();
            return false;
        }
    }

    [Fact]
    public void With_redirect_stderr_both_are_one_stream()
    {
        using var outside = new Outside();
        Outside.Program web = outside.Start(config: static process => process with { RedirectStderr = true });
        web.Write("both");
        web.Die();
        Assert.Equal("both", outside.Read("out"));
        Assert.False(File.Exists(outside.File("err")));
    }

    [Fact]
    public void Lines_go_to_syslog_with_the_name_of_the_process()
    {
        using var syslog = new SyslogSocket();
        using var outside = new Outside(options => options with { SyslogSocket = syslog.Path });
        Outside.Program web = outside.Start(config: static process => process with { Stdout = new ChildLogConfig { Syslog = true } });
        web.Write("one\n\ntwo\n\n");
        web.Die();
        foreach (string line in (string[])["one", "", "two"])
        {
            Assert.Matches($"^<14>[A-Z][a-z]{{2}} [ 1-3][0-9] [0-9:]{{8}} supervisord: web {line}$", syslog.Receive());
        }

        Assert.Equal("one\n\ntwo\n\n", outside.Read("out"));
        Assert.Empty(outside.Lines);
    }

    [Fact]
    public void A_missing_syslog_is_said_once()
    {
        using (var outside = new Outside(static options => options with { SyslogSocket = "/nonexistent/log" }))
        {
            Outside.Program web = outside.Start(config: static process => process with { Stdout = new ChildLogConfig { Syslog = true } });
            web.Write("one\ntwo\n");
            web.Die();
            Assert.Equal(
                "ERRO syslog ('/nonexistent/log') does not take lines: [Errno 2] No such file or directory; they are lost there",
                Assert.Single(outside.Lines));
            outside.Hub.Dispose();
            Assert.Equal("ERRO syslog: 2 lines were lost", outside.Lines.Last());
        }
    }

    [Fact]
    public void Without_logs_output_is_read_and_thrown_away()
    {
        using var outside = new Outside();
        Outside.Program web = outside.Start(null, null);
        web.Write(new byte[1 << 20]);
        web.Die();
        Assert.Empty(outside.Lines);
    }
}
