using System.Diagnostics;
using System.Globalization;
using System.Text;
using Steward.Core.Events;
using Steward.Core.Model;

namespace Steward.Journal.Tests;

/// <summary>What the journal does when the disk or the file does not do what it should, and when it is killed.</summary>
public class FailureTests
{
    private static readonly HealthFact s_large = new("ready", true, new string('x', 2000));

    [Fact]
    public void When_its_process_is_killed_Then_every_entry_that_was_flushed_is_there_and_nothing_is_torn()
    {
        DirectoryInfo directory = Directory.CreateTempSubdirectory("steward-journal-");
        try
        {
            string path = Path.Combine(directory.FullName, "journal.db");
            long before = 0;
            for (int round = 0; round < 3; round++)
            {
                long promised = KillWhileAppending(path);
                using var test = new TestJournal(directory: directory.FullName);
                test.WaitFor(() => test.Journal.Read(new JournalQuery()).Failure is null, "open");
                List<JournalEntry> all = test.All();
                Assert.Equal(Enumerable.Range(1, all.Count).Select(static i => (long)i), all.Select(static entry => entry.Number));
                // What this round wrote: whole, in order, from the first.
                JournalEntry[] round1 = [.. all.Skip((int)before)];
                Assert.Equal(Enumerable.Range(1, round1.Length).Select(static i => (long)i), round1.Select(static entry => entry.Wall));
                Assert.True(round1.Length >= promised, $"{promised} were promised, {round1.Length} are there");
                Assert.All(round1, static entry => Assert.Equal("p" + entry.Wall % 7, entry.Process));
                before = all.Count;
                using var check = new SqliteDatabase(path, write: false, 1000);
                Assert.Equal("ok", check.Text("PRAGMA integrity_check"));
            }
        }
        finally
        {
            directory.Delete(recursive: true);
        }
    }

    [Fact]
    public void When_its_process_is_killed_again_and_again_and_tells_everything_anew_Then_every_entry_is_there_once()
    {
        DirectoryInfo directory = Directory.CreateTempSubdirectory("steward-journal-");
        try
        {
            string path = Path.Combine(directory.FullName, "journal.db");
            long promised = 0;
            for (int round = 1; round <= 4; round++)
            {
                promised = KillWhileAppending(path, promised + 500, "tell-again-for-ever", "7");
                using var test = new TestJournal(directory: directory.FullName);
                test.WaitFor(() => test.Journal.Read(new JournalQuery()).Failure is null, "open");
                List<JournalEntry> all = test.All();
                Assert.Equal(Enumerable.Range(1, all.Count).Select(static i => (long)i), all.Select(static entry => entry.Wall));
                Assert.True(all.Count >= promised, $"{promised} were promised, {all.Count} are there");
            }
        }
        finally
        {
            directory.Delete(recursive: true);
        }
    }

    [Fact]
    public void When_it_is_closed_with_entries_waiting_Then_they_are_written_even_if_it_was_never_started()
    {
        using var test = new TestJournal();
        test.Fill(1);
        test.Journal.Dispose();
        var journal = EventJournal.Create(test.Options, test.Clock, static (_, _) => { });
        journal.Append(TestJournal.Entry(2));
        journal.Append(TestJournal.Entry(3));
        Assert.True(journal.Close(TestJournal.Patience));
        Assert.Equal((2, 0), (journal.Written, journal.Dropped));
        using var again = new TestJournal(directory: test.Directory);
        again.WaitFor(() => again.Journal.Read(new JournalQuery()).Failure is null, "open");
        Assert.Equal([1, 2, 3], again.All().Select(static entry => entry.Wall));
    }

    [Fact]
    public void When_the_file_is_damaged_at_opening_Then_it_is_moved_aside_and_a_new_one_begun()
    {
        using var test = new TestJournal();
        test.Fill(10);
        test.Journal.Dispose();
        Overwrite(test.Path, 0, 100);
        using var again = new TestJournal(directory: test.Directory);
        again.Fill(1);
        Assert.Equal(1, again.Journal.Written);
        Assert.True(again.HasSaid("is damaged (file is not a database"), again.Said());
        again.WaitFor(() => again.HasSaid("is written again"), "said");
        string aside = Assert.Single(Directory.GetFiles(test.Directory, "journal.db.damaged-*"));
        Assert.True(new FileInfo(aside).Length > 0);
        // The last number could not be read: the clock is ahead of every count.
        long number = Assert.Single(again.All()).Number;
        Assert.InRange(number, 1_700_000_000_000, 10_000_000_000_000);
        Assert.Null(again.Journal.Failure);
        Assert.Equal(0, again.Journal.Dropped);
    }

    [Fact]
    public void When_a_part_that_is_only_read_is_damaged_Then_the_reader_is_told_and_numbers_go_on()
    {
        using var test = new TestJournal();
        test.Fill(3000, fact: s_large);
        test.Reopen();
        long length = new FileInfo(test.Path).Length;
        // The first page (the tables) stays; leaves in the middle do not. Nothing of it is in the writer's or a fresh reader's cache.
        Overwrite(test.Path, length / 2 / 4096 * 4096, 4096 * 40);
        JournalPage page = new([], 0, true, 0, 0);
        test.WaitFor(
            () =>
            {
                page = test.Journal.Read(new JournalQuery { Cursor = page.Next });
                return page.Failure is not null;
            },
            "the damage met");
        Assert.Contains("malformed", page.Failure);
        test.WaitFor(() => test.HasSaid("moved to"), "moved aside");
        test.Fill(1);
        Assert.Equal(3001, Assert.Single(test.All()).Number);
    }

    [Fact]
    public void When_many_files_were_damaged_Then_only_the_newest_are_kept()
    {
        using var test = new TestJournal();
        test.Fill(1);
        for (int i = 0; i < 4; i++)
        {
            test.Journal.Dispose();
            Overwrite(test.Path, 0, 100);
            test.Reopen();
            test.Fill(1);
        }

        Assert.Equal(2, Directory.GetFiles(test.Directory, "journal.db.damaged-*").Length);
        Assert.True(test.HasSaid("damaged journals are kept"), test.Said());
    }

    [Fact]
    public void When_the_file_is_of_a_newer_version_Then_it_is_kept_aside()
    {
        using var test = new TestJournal();
        test.Fill(5);
        test.Journal.Dispose();
        using (var database = new SqliteDatabase(test.Path, write: true, 1000))
        {
            database.Execute("PRAGMA user_version=99");
        }

        test.Reopen();
        test.Fill(1);
        Assert.True(test.HasSaid("the journal is of version 99, and this Steward knows up to 1"), test.Said());
        Assert.Equal(6, Assert.Single(test.All()).Number);
    }

    [Fact]
    public void When_the_path_is_another_programs_database_Then_it_is_not_touched()
    {
        DirectoryInfo directory = Directory.CreateTempSubdirectory("steward-journal-");
        try
        {
            string path = Path.Combine(directory.FullName, "journal.db");
            using (var loaded = new TestJournal())
            {
                loaded.Fill(1);
            }

            using (var other = new SqliteDatabase(path, write: true, 1000))
            {
                other.Execute("CREATE TABLE theirs(a); INSERT INTO theirs VALUES(1)");
            }

            using var test = new TestJournal(directory: directory.FullName);
            test.Journal.Append(TestJournal.Entry(1));
            test.WaitFor(() => test.Journal.Failure is not null, "refused");
            Assert.Contains("a database of another program: give the journal a path of its own", test.Journal.Failure);
            Assert.Contains("another program", test.Journal.Read(new JournalQuery()).Failure);
            Assert.False(test.Journal.Flush(TimeSpan.FromMilliseconds(50)));
            test.Journal.Dispose();
            Assert.Equal(1, test.Journal.Dropped);
            using var untouched = new SqliteDatabase(path, write: false, 1000);
            Assert.Equal(1, untouched.Number("SELECT a FROM theirs"));
        }
        finally
        {
            directory.Delete(recursive: true);
        }
    }

    [Fact]
    public void When_the_database_may_not_grow_Then_what_waits_stays_and_what_does_not_fit_is_counted()
    {
        using var test = new TestJournal(options => options with { HardPageLimit = 60, QueueEntries = 200 });
        for (int i = 1; i <= 1000; i++)
        {
            test.Journal.Append(TestJournal.Entry(i, fact: s_large));
            if (i % 20 == 0)
            {
                test.Journal.Flush(TimeSpan.FromMilliseconds(20));
            }
        }

        test.WaitFor(() => test.Journal.Failure is not null, "full");
        Assert.Contains("full", test.Journal.Failure);
        Assert.True(test.Journal.Dropped > 0);
        // What is on disk can still be read, and all of it is as it was appended.
        List<JournalEntry> all = test.All();
        Assert.Equal(test.Journal.Written, all.Count);
        Assert.Equal(all.Select(static entry => entry.Number), all.Select(static entry => entry.Wall));
        test.Journal.Dispose();
        Assert.Equal(1000, all.Count + test.Journal.Dropped);
        Assert.True(test.HasSaid("the journal was closed while nothing could be written"), test.Said());
    }

    [Fact]
    public void When_the_disk_is_full_and_then_has_room_Then_everything_within_the_bound_is_written_and_the_loss_is_told()
    {
        DirectoryInfo disk = Directory.CreateTempSubdirectory("steward-journal-disk-");
        // Needs root, as ./test.sh says.
        Run("mount", "-t", "tmpfs", "-o", "size=1m", "steward-test", disk.FullName);
        try
        {
            using var test = new TestJournal(options => options with { QueueEntries = 300 }, disk.FullName);
            test.Fill(10);
            string ballast = Path.Combine(disk.FullName, "ballast");
            FillUp(ballast);
            for (int i = 11; i <= 500; i++)
            {
                test.Journal.Append(TestJournal.Entry(i, fact: s_large));
                test.WaitFor(() => test.Journal.Waiting < 20 || test.Journal.Failure is not null, "taken or refused");
            }

            test.WaitFor(() => test.Journal.Failure is not null, "full");
            Assert.True(test.HasSaid("cannot be written"), test.Said());
            long dropped = test.Journal.Dropped;
            Assert.True(dropped > 0);
            File.Delete(ballast);
            Run("mount", "-o", "remount,size=16m", disk.FullName);
            test.Flush();
            test.WaitFor(() => test.Journal.Failure is null, "healed");
            test.WaitFor(() => test.All()[^1].Fact is LossFact, "the loss told");
            List<JournalEntry> all = test.All();
            Assert.Equal(dropped, ((LossFact)all[^1].Fact).Count);
            Assert.Equal(500, all.Count - 1 + dropped);
            Assert.Equal(Enumerable.Range(1, all.Count).Select(static i => (long)i), all.Select(static entry => entry.Number));
            Assert.True(test.HasSaid("is written again"), test.Said());
            test.Journal.Dispose();
        }
        finally
        {
            Run("umount", "-l", disk.FullName);
            disk.Delete();
        }
    }

    [Fact]
    public void When_the_directory_cannot_be_made_Then_it_waits_until_it_can()
    {
        DirectoryInfo directory = Directory.CreateTempSubdirectory("steward-journal-");
        try
        {
            string inTheWay = Path.Combine(directory.FullName, "sub");
            File.WriteAllText(inTheWay, "a file");
            using var test = new TestJournal(options => options with { Path = Path.Combine(inTheWay, "journal.db") }, directory.FullName);
            test.Journal.Append(TestJournal.Entry(1));
            test.WaitFor(() => test.Journal.Failure is not null, "refused");
            Assert.Contains(inTheWay, test.Journal.Failure);
            File.Delete(inTheWay);
            test.Flush();
            Assert.Equal(1, Assert.Single(test.All()).Number);
        }
        finally
        {
            directory.Delete(recursive: true);
        }
    }

    [Fact]
    public void When_the_file_is_removed_Then_a_new_one_is_begun_and_numbers_go_on()
    {
        using var test = new TestJournal();
        test.Fill(10);
        File.Delete(test.Path);
        // The place is looked at now and then, by the monotonic clock.
        test.Clock.Jump(TimeSpan.FromSeconds(11));
        test.Fill(1);
        Assert.True(test.HasSaid("was removed"), test.Said());
        Assert.Equal(11, Assert.Single(test.All()).Number);
    }

    [Fact]
    public void Two_journals_on_one_file_give_no_number_twice()
    {
        using var test = new TestJournal();
        using var other = new TestJournal(directory: test.Directory);
        for (int i = 0; i < 20; i++)
        {
            test.Fill(5);
            other.Fill(5);
        }

        Assert.Equal(Enumerable.Range(1, 200).Select(static i => (long)i), test.All().Select(static entry => entry.Number));
    }

    private static long KillWhileAppending(string path, long enough = 500, string verb = "append-for-ever", params string[] more)
    {
        var start = new ProcessStartInfo(TestProgram.Command[0]) { RedirectStandardOutput = true, RedirectStandardError = true };
        foreach (string word in TestProgram.Command.Skip(1).Concat([verb, path, .. more]))
        {
            start.ArgumentList.Add(word);
        }

        using Process child = Process.Start(start)!;
        long promised = 0;
        try
        {
            while (promised < enough)
            {
                string line = child.StandardOutput.ReadLine() ?? throw new InvalidOperationException(child.StandardError.ReadToEnd());
                promised = long.Parse(line, CultureInfo.InvariantCulture);
            }
        }
        finally
        {
            child.Kill();
            child.WaitForExit();
        }

        foreach (string line in child.StandardOutput.ReadToEnd().Split('\n', StringSplitOptions.RemoveEmptyEntries))
        {
            // The last line may be cut; a cut number is a smaller one.
            promised = Math.Max(promised, long.Parse(line, CultureInfo.InvariantCulture));
        }

        return promised;
    }

    private static void Overwrite(string path, long at, int count)
    {
        using FileStream file = new(path, FileMode.Open, FileAccess.Write, FileShare.ReadWrite);
        file.Position = at;
        byte[] garbage = new byte[count];
        Encoding.ASCII.GetBytes("garbage").CopyTo(garbage, 0);
        garbage.AsSpan(7).Fill(0xa5);
        file.Write(garbage);
    }

    private static void FillUp(string path)
    {
        using FileStream file = File.Create(path);
        byte[] block = new byte[4096];
        try
        {
            while (true)
            {
                file.Write(block);
                file.Flush();
            }
        }
        catch (IOException)
        {
            // That is what it was for.
        }
    }

    private static void Run(string program, params string[] arguments)
    {
        using Process process = Process.Start(new ProcessStartInfo(program, arguments) { RedirectStandardError = true })!;
        string said = process.StandardError.ReadToEnd();
        process.WaitForExit();
        Assert.True(process.ExitCode == 0, $"{program}: {said}");
    }
}
