using Steward.Core.Config;
using Steward.Linux.Output;

namespace Steward.Linux.Tests.Output;

public static class LastOutputTests
{
    public sealed class GivenAProgramWithLogFiles : IDisposable
    {
        private readonly Outside _outside = new();

        public void Dispose() => _outside.Dispose();

        [Fact]
        public void When_it_dies_Then_the_lines_of_its_own_run_are_told_with_stderr_last()
        {
            File.WriteAllText(_outside.File("out"), "an earlier run\n");
            Outside.Program program = _outside.Start();
            program.Write("listening\n");
            program.WriteError("fatal: no database\n");

            program.Die(wantsOutput: true);

            Assert.Equal("listening\nfatal: no database\n", _outside.LastOutput);
        }

        [Fact]
        public void When_nobody_wants_them_Then_nothing_is_told()
        {
            Outside.Program program = _outside.Start();
            program.Write("listening\n");

            program.Die();

            Assert.Null(_outside.LastOutput);
        }

        [Fact]
        public void When_it_was_silent_Then_there_is_nothing()
        {
            File.WriteAllText(_outside.File("out"), "an earlier run\n");

            _outside.Start().Die(wantsOutput: true);

            Assert.Null(_outside.LastOutput);
        }

        [Fact]
        public void When_it_wrote_much_Then_whole_lines_within_the_bound_are_told_and_stderr_has_its_room()
        {
            Outside.Program program = _outside.Start();
            for (int i = 0; i < 2000; i++)
            {
                program.Write($"line {i}\n");
            }

            program.WriteError(new string('x', 100) + "\n");
            program.Die(wantsOutput: true);

            string told = _outside.LastOutput!;
            Assert.InRange(told.Length, LastOutput.Limit - 20, LastOutput.Limit);
            Assert.StartsWith("line ", told, StringComparison.Ordinal);
            Assert.EndsWith("line 1999\n" + new string('x', 100) + "\n", told, StringComparison.Ordinal);
        }

        [Fact]
        public void When_the_log_was_rotated_meanwhile_Then_what_the_present_file_has_is_told()
        {
            Outside.Program program = _outside.Start(config: c => c with { Stdout = new ChildLogConfig { MaxBytes = 100, Backups = 1 } });
            program.Write(new string('a', 120) + "\n");
            Outside.Until(() => File.Exists(_outside.File("out.1")), "it is not rotated");
            program.Write("after\n");

            program.Die(wantsOutput: true);

            Assert.Equal("after\n", _outside.LastOutput);
        }

        [Fact]
        public void When_its_file_was_renamed_Then_it_is_read_all_the_same()
        {
            Outside.Program program = _outside.Start();
            File.Move(_outside.File("out"), _outside.File("elsewhere"));
            program.Write("still here\n");

            program.Die(wantsOutput: true);

            Assert.Equal("still here\n", _outside.LastOutput);
        }
    }

    public sealed class GivenAProgramWithoutLogs : IDisposable
    {
        private readonly Outside _outside = new();

        public void Dispose() => _outside.Dispose();

        [Fact]
        public void When_it_dies_Then_its_last_bytes_were_remembered()
        {
            Outside.Program program = _outside.Start(stdoutLog: null, stderrLog: "/dev/null");
            program.Write("one\n" + new string('-', RecentOutput.Size) + "\n");
            program.Write("two\nthree\n");
            program.WriteError("four\n");

            program.Die(wantsOutput: true);

            Assert.EndsWith("-\ntwo\nthree\nfour\n", "-\n" + _outside.LastOutput, StringComparison.Ordinal);
            Assert.DoesNotContain("one", _outside.LastOutput, StringComparison.Ordinal);
        }
    }

    public sealed class GivenTheRing
    {
        [Fact]
        public void When_pieces_of_any_size_are_added_Then_it_holds_the_end_of_all_of_them()
        {
            var random = new Random(7);
            for (int round = 0; round < 200; round++)
            {
                var ring = new RecentOutput();
                var all = new List<byte>();
                for (int i = random.Next(12); i >= 0; i--)
                {
                    byte[] piece = new byte[random.Next(3) == 0 ? random.Next(3000) : random.Next(300)];
                    random.NextBytes(piece);
                    ring.Add(piece);
                    all.AddRange(piece);
                }

                Assert.Equal(all.TakeLast(RecentOutput.Size), ring.ToArray());
                Assert.Equal(all.Count > RecentOutput.Size, ring.IsCut);
            }
        }
    }
}
