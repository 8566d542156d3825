using System.Text.RegularExpressions;
using Steward.Core.Model;
using Steward.Linux.Host;
using Steward.Linux.Output;
using Steward.Linux.Tests.Host;

namespace Steward.Linux.Tests.Output;

/// <summary>The activity log.</summary>
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
    public void A_file_that_cannot_be_opened_is_a_start_failure()
    {
        StartException failure = Assert.Throws<StartException>(() => new ActivityLog(new ActivityLogOptions { Path = _directory.File("no/log") }));
        Assert.Matches("^cannot open the log file '.*/no/log': \\[Errno 2\\] No such file or directory$", failure.Message);
    }
}
