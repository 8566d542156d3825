using System.Diagnostics;
using System.Text;
using Steward.Core.Config;
using Steward.Core.Effects;
using Steward.Core.Model;
using Steward.Core.Ports;
using Steward.Linux.Handover;
using Steward.Linux.Interop;
using Steward.Linux.Output;
using Steward.Linux.Processes;
using Steward.Linux.Tests.Host;
using Descriptors = Steward.Linux.Tests.Host.Descriptors;

namespace Steward.Linux.Tests.Output;

/// <summary>
/// A hub dies at each place where that makes a difference, its successor at each place of the recovery, and the logs and reports are those
/// of a hub that lived.
/// </summary>
public sealed class OutputRecoveryTests
{
    private const string Begin = "<!--XSUPERVISOR:BEGIN-->";
    private const string End = "<!--XSUPERVISOR:END-->";

    [Fact]
    public void Plain_output_is_there_once() => DieEverywhere(_ => { }, "one\n", "two\n", "three");

    [Fact]
    public void Bytes_that_look_like_nothing_are_there_once() => DieEverywhere(_ => { }, "\0\0\0", "\xff\xff\xff", "a\xff", "\xff");

    [Fact]
    public void A_rotation_is_brought_to_its_end_and_no_backup_is_lost() => DieEverywhere(
        given => given.Config = config => config with { Stdout = config.Stdout with { MaxBytes = 10, Backups = 3 } },
        "1 12345678\n", "2 1234\n", "3 1234\n", "4 12345678\n", "5 12345678\n", "6 12345678\n", "7");

    [Fact]
    public void A_log_without_backups_is_emptied_once() => DieEverywhere(
        given => given.Config = config => config with { Stdout = config.Stdout with { MaxBytes = 10, Backups = 0 } },
        "1 12345678\n", "2 1234\n", "3 1234\n", "4 1234\n");

    [Fact]
    public void Two_streams_with_one_log_share_its_rotation() => DieEverywhere(
        given =>
        {
            given.StderrLog = "out";
            given.Config = config => config with
            {
                Stdout = config.Stdout with { MaxBytes = 10, Backups = 2 }, Stderr = config.Stderr with { MaxBytes = 10, Backups = 2 },
            };
        },
        "out 1\n", "!err 1\n", "out 2\n", "!err 2\n", "out 3\n");

    [Fact]
    public void A_capture_goes_on_where_it_was() => DieEverywhere(
        given => given.Config = config => config with { Stdout = config.Stdout with { CaptureMaxBytes = 1000 } },
        $"a{Begin}b", "c", $"d{End}e{Begin}f{End}g", "h<!--XSUPER", $"VISOR:BEGIN-->i{End[..5]}", $"{End[5..]}j", "k<!--", "l<!");

    [Fact]
    public void What_is_tapped_is_reported_once() => DieEverywhere(
        given =>
        {
            given.IsTapped = true;
            given.Config = config => config with { Stdout = config.Stdout with { CaptureMaxBytes = 5 } };
        },
        "one\n", $"two{Begin}three{End}four", "!five", $"{Begin}0123456789{End}{Begin}x{End}");

    [Fact]
    public void A_control_sequence_goes_on_where_it_was() => DieEverywhere(
        given => given.StripsAnsi = true, "a\x1b", "[3", "1mb", "\x1b[", "0mc\x1b", "d", "e\x1b");

    [Fact]
    public void A_capture_of_a_rotated_log_is_in_pieces_of_which_each_is_there_once() => DieEverywhere(
        given =>
        {
            given.IsTapped = true;
            given.Config = config => config with { Stdout = config.Stdout with { MaxBytes = 4, Backups = 5, CaptureMaxBytes = 100 } };
        },
        $"one1{Begin}c{End}two2{Begin}d{End}3", "four");

    [Fact]
    public void Each_length_of_a_write_that_was_cut_short_is_completed()
    {
        const string text = "0123456789\n";
        for (int done = 0; done <= text.Length; done++)
        {
            using var given = new Given();
            given.Succeed();
            given.Write("before\n");
            given.Read();
            given.Write(text);
            given.DieAt(OutputMemory.Stage.Writing, written: text[..done]);
            given.Succeed();
            given.Recover();
            Assert.Equal("before\n" + text, given.Logs()["out"]);
        }
    }

    [Fact]
    public void A_log_that_was_moved_meanwhile_gets_the_rest_of_what_was_begun_there()
    {
        using var given = new Given();
        given.Succeed();
        given.Write("0123456789\n");
        given.DieAt(OutputMemory.Stage.Writing, written: "0123");
        File.Move(given.File("out"), given.File("moved"));
        given.Succeed();
        given.Recover();
        given.Write("next\n");
        given.Read();
        Assert.Equal("0123456789\n", given.Logs()["moved"]);
        Assert.Equal("next\n", given.Logs()["out"]);
    }

    [Fact]
    public void Who_else_appends_to_the_log_is_not_taken_for_the_hub()
    {
        using var given = new Given();
        given.Succeed();
        given.Write("0123456789\n");
        given.DieAt(OutputMemory.Stage.Writing, written: "another's\n");
        given.Succeed();
        given.Recover();
        Assert.Equal("another's\n0123456789\n", given.Logs()["out"]);
    }

    [Fact]
    public void What_went_into_a_pipe_is_never_there_twice_and_the_log_says_so()
    {
        using var given = new Given();
        Assert.Equal(0, Fifo.Make(given.File("out")));
        using FileStream reader = new(given.File("out"), FileMode.Open, FileAccess.ReadWrite);
        given.Succeed();
        given.Write("0123456789\n");
        given.DieAt(OutputMemory.Stage.Passing, written: "");
        given.Succeed();
        given.Recover();
        Assert.Contains(given.Lines, static line => line.Contains("11 bytes of 'web' stdout were on their way", StringComparison.Ordinal));
    }

    [Fact]
    public void A_place_for_a_filter_is_given_out_once_and_again_when_it_is_free()
    {
        using OutputMemory memory = OutputMemory.Create(out _)!;
        memory.Begin(OutputMemory.Kind.State, default, 0);
        for (int i = 0; i < OutputMemory.SlotCount; i++)
        {
            Assert.Equal(i, memory.Keep(-1, new StreamKey(new ProcessId(i + 1), new Incarnation(1), OutputChannel.Stdout), 1, default));
        }

        Assert.Equal(-1, memory.Keep(-1, default, 1, default));
        memory.Free(7);
        Assert.Equal(7, memory.Keep(-1, default, 1, default));
    }

    [Theory]
    [InlineData(1, "", false)]
    [InlineData(2, "", true)]
    [InlineData(3, "one\n", false)]
    public void Without_a_pipe_of_its_own_only_what_is_within_the_read_is_lost_and_the_log_says_so(int death, string log, bool isLost)
    {
        using var given = new Given(withPipe: false);
        given.Succeed();
        given.Write("one\n");
        int points = 0;
        given.OnPoint = () =>
        {
            if (++points == death)
            {
                throw new Death();
            }
        };
        Assert.Throws<Death>(given.Read);
        given.OnPoint = static () => { };
        given.Succeed();
        given.Recover();
        Assert.Equal(log, given.Logs()["out"]);
        Assert.Equal(isLost, given.Lines.Contains("what was being read of 'web' stdout may be lost"));
        given.Read();
        Assert.Equal(isLost ? "" : "one\n", given.Logs()["out"]);
    }

    [Fact]
    public void A_capture_beyond_what_is_kept_loses_its_beginning_and_the_log_says_so()
    {
        using var given = new Given { Config = static config => config with { Stdout = config.Stdout with { CaptureMaxBytes = 1 << 20 } } };
        given.Succeed();
        given.Write(Begin + new string('a', 30_000));
        given.Read();
        given.Write(new string('b', 60_000));
        given.Read();
        given.Succeed();
        given.Recover();
        given.Write(End);
        given.Read();
        int kept = OutputMemory.CaptureSize - 60_000;
        Assert.Equal([$"captured '{new string('a', kept)}{new string('b', 60_000)}'"], given.Reports);
        Assert.Contains($"the first {30_000 - kept} bytes of what 'web' stdout captures are lost", given.Lines);
    }

    [Fact]
    public void What_is_no_memory_of_a_hub_is_refused()
    {
        int fd = LibC.fcntl(0, LibC.F_DUPFD_CLOEXEC, 3);
        Assert.Null(OutputMemory.Open(fd, -1, -1, out string? failure));
        Assert.Contains("holds no output", failure, StringComparison.Ordinal);
        _ = LibC.close(fd);
    }

    /// <summary>Dies once at each point, and for each of these once more at each point of the recovery and of what follows.</summary>
    private static void DieEverywhere(Action<Given> prepare, params string[] chunks)
    {
        using var whole = new Given();
        prepare(whole);
        int points = Play(whole, chunks, []);
        Assert.True(points > chunks.Length * 4, $"{points} points");
        for (int first = 1; first <= points; first++)
        {
            int second = 0;
            int rest;
            do
            {
                using var given = new Given();
                prepare(given);
                rest = Play(given, chunks, second == 0 ? [first] : [first, second]);
                string where = $"died at {first} of {points}, then at {second}";
                Assert.True(whole.Logs().OrderBy(static log => log.Key).SequenceEqual(given.Logs().OrderBy(static log => log.Key)), where + Told(whole, given));
                Assert.True(whole.Reports.SequenceEqual(given.Reports), where + Told(whole, given));

                // Two deaths that are far from each other are as one each.
                second++;
            }
            while (second <= Math.Min(rest, 14));
        }
    }

    private static string Told(Given whole, Given given) =>
        $"\nexpected {Text(whole)}\nfound    {Text(given)}\n{string.Join('\n', given.Lines)}";

    private static string Text(Given given) =>
        string.Join(' ', given.Logs().OrderBy(static log => log.Key).Select(static log => $"{log.Key}='{log.Value}'")) + " reports " + string.Join(' ', given.Reports);

    /// <summary>Each chunk is written and read; a hub that dies is succeeded.</summary>
    /// <returns>How many points there were since the last death.</returns>
    private static int Play(Given given, string[] chunks, int[] deaths)
    {
        var left = new Queue<int>(deaths);
        int points = 0;
        given.OnPoint = () =>
        {
            points++;
            if (left.TryPeek(out int death) && points == death)
            {
                left.Dequeue();
                points = 0;
                throw new Death();
            }
        };
        given.Succeed();
        foreach (string chunk in chunks)
        {
            given.Write(chunk);
            Survive(given.Read);
        }

        given.Close();
        Survive(given.Read);
        return points;

        void Survive(Action action)
        {
            while (true)
            {
                try
                {
                    action();
                    return;
                }
                catch (Death)
                {
                    while (true)
                    {
                        try
                        {
                            given.Succeed();
                            given.Recover();
                            break;
                        }
                        catch (Death)
                        {
                        }
                    }
                }
            }
        }
    }

    private sealed class Death : Exception;

    /// <summary>What outlives hubs: the pipes of a program, the memory, and what the engine has written down.</summary>
    private sealed unsafe class Given(bool withPipe = true) : IProcessHostEvents, IDisposable
    {
        private readonly TempDirectory _directory = new();
        private readonly OutputMemory _kept = OutputMemory.Create(out _)!;
        private readonly (int Read, int Write) _stdout = Pipe();
        private readonly (int Read, int Write) _stderr = Pipe();
        private bool _isClosed;
        private OutputHub? _hub;

        public Func<ProcessConfig, ProcessConfig> Config { get; set; } = static config => config;

        public string StderrLog { get; set; } = "err";

        public bool IsTapped { get; set; }

        public bool StripsAnsi { get; set; }

        public Action OnPoint { get; set; } = static () => { };

        public OutputMemory Memory { get; private set; } = null!;

        public List<string> Reports { get; } = [];

        public List<string> Lines { get; } = [];

        public string File(string name) => _directory.File(name);

        public Dictionary<string, string> Logs() => Directory.GetFiles(_directory.Path).ToDictionary(static path => Path.GetFileName(path), static path => System.IO.File.ReadAllText(path, Encoding.Latin1));

        /// <summary>Text for stdout, or with a mark in front for stderr.</summary>
        public void Write(string text) =>
            Outside.Program.WriteTo(text.StartsWith('!') ? _stderr.Write : _stdout.Write, Encoding.Latin1.GetBytes(text));

        public void Read() => _hub!.ReadAtRest(new ProcessId(1), new Incarnation(1));

        /// <summary>Reads and dies when a piece has come so far; this is in the file by then.</summary>
        public void DieAt(OutputMemory.Stage stage, string written)
        {
            OnPoint = () =>
            {
                if (Memory.PieceStage == stage)
                {
                    if (written.Length > 0)
                    {
                        System.IO.File.AppendAllText(File("out"), written);
                    }

                    throw new Death();
                }
            };
            Assert.Throws<Death>(Read);
            OnPoint = static () => { };
        }

        public void Close()
        {
            if (!_isClosed)
            {
                _isClosed = true;
                _ = LibC.close(_stdout.Write);
                _ = LibC.close(_stderr.Write);
            }
        }

        /// <summary>The first hub, or another one in the place of the one before.</summary>
        public void Succeed()
        {
            Bury();
            Memory = OutputMemory.Open(
                Copy(_kept.Descriptor), withPipe ? Copy(_kept.ScratchRead) : -1, withPipe ? Copy(_kept.ScratchWrite) : -1, out string? failure)
                ?? throw new InvalidOperationException(failure);
            bool isFirst = _hub is null;
            _hub = OutputHub.AtRest(this, new ProcessHostOptions { ChildLogDir = _directory.Path, StripAnsi = StripsAnsi }, finished: null);
            var process = Config(new ProcessConfig { Name = "web", Program = "web", Command = "web" });
            var spawn = new Spawn(new ProcessId(1), new Incarnation(1), "web", process, File("out"), File(StderrLog), IsTapped, IsTapped);
            Assert.True(_hub.TryOpenLogs(spawn, out int errno), $"logs: {errno}");
            _hub.Attach(spawn, 1, -1, Copy(_stdout.Read), Copy(_stderr.Read));
            if (isFirst)
            {
                Memory.Point = () => OnPoint();
                _hub.Recover(Memory, Reports.Count);
            }
        }

        public void Recover()
        {
            Memory.Point = () => OnPoint();
            _hub!.Recover(Memory, Reports.Count);
        }

        public void Dispose()
        {
            Bury();
            Close();
            _ = LibC.close(_stdout.Read);
            _ = LibC.close(_stderr.Read);
            _kept.Dispose();
            _directory.Dispose();
        }

        void IProcessHostEvents.ChildrenExited() => throw new UnreachableException();

        void IProcessHostEvents.Output(ProcessId process, Incarnation incarnation, OutputChannel channel, byte[] data) =>
            Report($"{channel} '{Encoding.Latin1.GetString(data)}'");

        void IProcessHostEvents.Communication(ProcessId process, Incarnation incarnation, OutputChannel channel, byte[] data) =>
            Report($"captured '{Encoding.Latin1.GetString(data)}'");

        void IProcessHostEvents.OutputFinished(ProcessId process, Incarnation incarnation, string? lastOutput) => throw new UnreachableException();

        void IProcessHostEvents.MemoryMeasured(ProcessId process, Incarnation incarnation, long bytes, int processes) => throw new UnreachableException();

        void IProcessHostEvents.HealthProbed(ProcessId process, Incarnation incarnation, string? failure) => throw new UnreachableException();

        void IProcessHostEvents.Log(LogLevel level, string text) => Lines.Add(text);

        private static (int Read, int Write) Pipe()
        {
            (int read, int write) = Descriptors.Pipe();
            _ = LibC.fcntl(read, LibC.F_SETFL, LibC.O_NONBLOCK);
            return (read, write);
        }

        private static int Copy(int fd) => LibC.fcntl(fd, LibC.F_DUPFD_CLOEXEC, 3);

        private void Report(string report)
        {
            OnPoint();
            Reports.Add(report);
            OnPoint();
        }

        /// <summary>What the kernel does for a process that died: its descriptors are closed.</summary>
        private void Bury()
        {
            if (_hub is { } hub)
            {
                Memory.Point = null;
                hub.Dispose();
            }
        }
    }
}
