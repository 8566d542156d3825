using Steward.Core.Model;
using Steward.Linux.Host;
using Steward.Linux.Output;
using Steward.Linux.Tests.Host;
using Descriptors = Steward.Linux.Tests.Host.Descriptors;

namespace Steward.Linux.Tests.Output;

/// <summary>The activity log. Alone, because one test changes the time zone of the process.</summary>
[Collection(Processes.ProcessesCollection.Name)]
public sealed class ActivityLogTests : IDisposable
{
    private readonly TempDirectory _directory = new();

    public void Dispose() => _directory.Dispose();

    [Fact]
    public void Lines_are_in_the_file_after_a_flush_in_the_form_of_Supervisor()
    {
        using var log = new ActivityLog(new ActivityLogOptions { Path = _directory.File("log") });
        long wall = DateTimeOffset.Parse("2026-03-04T05:06:07.899Z").ToUnixTimeMilliseconds() * Moment.Millisecond + 999_999;
        log.Write(LogLevel.Info, "spawned: 'web' with pid 4711", wall);
        log.Write(LogLevel.Debug, "not written", wall);
        log.Write(LogLevel.Critical, "two\nlines \udcff", wall);
        log.Flush();
        string local = DateTimeOffset.FromUnixTimeMilliseconds(wall / Moment.Millisecond).ToLocalTime().ToString("yyyy-MM-dd HH:mm:ss','fff");
        Assert.Equal(
            $"{local} INFO spawned: 'web' with pid 4711\n{local} CRIT two\nlines \xff\n",
            File.ReadAllText(_directory.File("log"), System.Text.Encoding.Latin1));
        Assert.EndsWith(",899", local, StringComparison.Ordinal);
    }

    [Fact]
    public void The_file_in_use_is_told_whenever_it_is_another_one()
    {
        string path = _directory.File("log");
        var told = new List<string>();
        using var log = new ActivityLog(new ActivityLogOptions { Path = path, MaxBytes = 1000, Backups = 1 })
        {
            Opened = fd => told.Add(new FileInfo($"/proc/self/fd/{fd}").LinkTarget!),
        };
        Write("one");
        Write("two");
        Assert.Equal([path], told);
        File.Move(path, path + ".moved");
        log.Reopen();
        Write("three");
        Assert.Equal([path, path], told);
        Write(new string('x', 1000));
        Write("four");
        Assert.Equal([path, path, path], told);
        Assert.True(File.Exists(path + ".1"));

        void Write(string text)
        {
            log.Write(LogLevel.Info, text, 0);
            log.Flush();
        }
    }

    [Fact]
    public void A_file_that_cannot_be_opened_is_a_start_failure()
    {
        StartException failure = Assert.Throws<StartException>(() => new ActivityLog(new ActivityLogOptions { Path = _directory.File("no/log") }));
        Assert.Matches("^cannot open the log file '.*/no/log': \\[Errno 2\\] No such file or directory$", failure.Message);
    }

    [Fact]
    public void Lines_of_many_threads_are_all_there_each_threads_in_order_over_rotations()
    {
        const int Threads = 4;
        const int Each = 2000;
        using (var log = new ActivityLog(new ActivityLogOptions { Path = _directory.File("log"), MaxBytes = 20_000, Backups = 100 }))
        {
            Thread[] threads = [.. Enumerable.Range(0, Threads).Select(t => new Thread(() =>
            {
                for (int i = 0; i < Each; i++)
                {
                    log.Write(LogLevel.Info, $"{t} {i}", 0);
                    if (i % 100 == 0)
                    {
                        log.Flush();
                    }
                }
            }))];
            Array.ForEach(threads, static thread => thread.Start());
            Array.ForEach(threads, static thread => thread.Join());
        }

        int files = Directory.GetFiles(_directory.Path).Length;
        string[] lines = [.. Enumerable.Range(1, files - 1).Reverse().Select(i => "log." + i).Append("log").SelectMany(name => File.ReadLines(_directory.File(name)))];
        Assert.Equal(Threads * Each, lines.Length);
        for (int t = 0; t < Threads; t++)
        {
            Assert.Equal(
                Enumerable.Range(0, Each).Select(i => $"{t} {i}"),
                lines.Select(static line => line[29..]).Where(line => line.StartsWith($"{t} ", StringComparison.Ordinal)));
        }

        // Rotated after the very line that reaches the limit.
        foreach (int i in Enumerable.Range(1, files - 1))
        {
            Assert.InRange(new FileInfo(_directory.File("log." + i)).Length, 20_000, 20_000 + 40);
        }
    }

    [Fact]
    public void Lines_beyond_the_bound_are_counted_where_they_would_have_stood()
    {
        using var log = new ActivityLog(new ActivityLogOptions { Path = _directory.File("log") });
        string text = new('x', 100_000);
        int written = 0;

        // Faster than it can be written: each text is queued in no time. Only a queue that is full drops.
        string? said = null;
        Outside.Until(
            () =>
            {
                for (int i = 0; i < 1000; i++, written++)
                {
                    log.Write(LogLevel.Info, text, 0);
                }

                log.Flush();
                said = File.ReadLines(_directory.File("log")).FirstOrDefault(static line => line.EndsWith("faster than they could be written", StringComparison.Ordinal));
                return said is not null;
            },
            "the queue was never full");
        log.Flush();
        long lost = File.ReadLines(_directory.File("log")).Where(static line => line.Contains(" lines of this log were lost", StringComparison.Ordinal))
            .Sum(static line => long.Parse(line[29..].Split(' ')[0]));
        long kept = File.ReadLines(_directory.File("log")).Count(static line => line.EndsWith("xxx", StringComparison.Ordinal));
        Assert.Equal(written, lost + kept);
    }

    [Fact]
    public void Clear_and_reopen_come_after_the_lines_before_them()
    {
        string path = _directory.File("log");
        using var log = new ActivityLog(new ActivityLogOptions { Path = path });
        log.Write(LogLevel.Info, "old", 0);
        Assert.True(log.Clear());
        log.Write(LogLevel.Info, "kept", 0);
        log.Flush();
        File.Move(path, path + ".moved");
        log.Write(LogLevel.Info, "before", 0);
        log.Reopen();
        log.Write(LogLevel.Info, "after", 0);
        log.Flush();
        Assert.Equal(["kept", "before"], File.ReadLines(path + ".moved").Select(static line => line[29..]));
        Assert.Equal(["after"], File.ReadLines(path).Select(static line => line[29..]));

        Directory.Delete(_directory.Path, recursive: true);
        Assert.False(log.Clear());
        Directory.CreateDirectory(_directory.Path);
    }

    [Fact]
    public void Syslog_and_stdout_get_the_same_lines()
    {
        using var syslog = new SyslogSocket();
        string stdout = _directory.Write("stdout", "");
        using var file = new FileStream(stdout, FileMode.Append);
        using (var log = new ActivityLog(new ActivityLogOptions
        {
            Syslog = true,
            SyslogSocket = syslog.Path,
            SyslogTag = "daemon",
            EchoToStdout = true,
            EchoDescriptor = (int)file.SafeFileHandle.DangerousGetHandle(),
        }))
        {
            Assert.Null(log.Path);
            log.Write(LogLevel.Warn, "one\ntwo", 0);
        }

        Assert.Matches("^[-0-9]{10} [:0-9]{8},000 WARN one\ntwo\n$", File.ReadAllText(stdout));
        Assert.Matches("^<14>[A-Z][a-z]{2} [ 1-3][0-9] [:0-9]{8} daemon: [-0-9]{10} [:0-9]{8},000 WARN one$", syslog.Receive());
        Assert.Matches("^<14>.* daemon: [-0-9]{10} [:0-9]{8},000 WARN two$", syslog.Receive());
    }

    [Fact]
    public void A_reader_of_stdout_that_does_not_read_does_not_hold_up_the_file()
    {
        (int read, int write) = Descriptors.Pipe();
        const int Lines = 2000;
        using (var log = new ActivityLog(new ActivityLogOptions { Path = _directory.File("log"), EchoToStdout = true, EchoDescriptor = write }))
        {
            string text = new('y', 100);
            for (int i = 0; i < Lines; i++)
            {
                log.Write(LogLevel.Info, text, 0);
            }

            log.Flush();
            Assert.Equal(Lines, File.ReadLines(_directory.File("log")).Count());

            // It reads after all: everything comes.
            byte[] all = new byte[Lines * 130];
            Assert.Equal(all.Length, Fifo.Read(read, all));
        }

        Descriptors.Close(read, write);
    }

    [Theory]
    [InlineData("2026-03-29T00:59:59Z", "2026-03-29 01:59:59,000")]
    [InlineData("2026-03-29T01:00:00Z", "2026-03-29 03:00:00,000")]
    [InlineData("2026-10-25T00:59:59Z", "2026-10-25 02:59:59,000")]
    [InlineData("2026-10-25T01:00:00Z", "2026-10-25 02:00:00,000")]
    public void Local_time_follows_the_zone_and_its_summer_time(string utc, string expected)
    {
        string? zone = Zone.Get();
        try
        {
            // Written out, so that no zone data has to be installed.
            Zone.Set("CET-1CEST,M3.5.0,M10.5.0/3");
            var time = new LocalTime();
            time.ZoneChanged();
            byte[] text = new byte[LocalTime.Length];
            time.Format(DateTimeOffset.Parse(utc).ToUnixTimeSeconds() * Moment.Second, text);
            Assert.Equal(expected, System.Text.Encoding.ASCII.GetString(text));
        }
        finally
        {
            Zone.Set(zone);
        }
    }
}
