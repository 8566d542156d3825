using Steward.Core.Events;
using Steward.Core.Model;

namespace Steward.Journal.Tests;

public class JournalTests
{
    public sealed class GivenAnEmptyOne
    {
        [Fact]
        public void It_says_that_it_is_empty()
        {
            using var test = new TestJournal();
            test.WaitFor(() => test.Journal.Read(new JournalQuery()).Failure is null, "open");
            JournalPage page = test.Journal.Read(new JournalQuery());
            Assert.Empty(page.Entries);
            Assert.False(page.More);
            Assert.Equal((0, 1, 0), (page.Next, page.Oldest, page.Newest));
            Assert.False(page.HasGapAfter(0));
        }

        [Fact]
        public void Its_file_is_for_its_user_alone()
        {
            using var test = new TestJournal(options => options with { Path = Path.Combine(options.Path, "sub", "journal.db") });
            test.Fill(1);
            Assert.Equal(UnixFileMode.UserRead | UnixFileMode.UserWrite, File.GetUnixFileMode(test.Path));
            Assert.Equal(UnixFileMode.UserRead | UnixFileMode.UserWrite, File.GetUnixFileMode(test.Path + "-wal"));
        }

        [Fact]
        public void Numbers_begin_with_one_and_follow_the_order_of_appending()
        {
            using var test = new TestJournal();
            test.Fill(2500);
            List<JournalEntry> all = test.All();
            Assert.Equal(Enumerable.Range(1, 2500).Select(static i => (long)i), all.Select(static entry => entry.Number));
            Assert.Equal(Enumerable.Range(1, 2500).Select(static i => (long)i), all.Select(static entry => entry.Wall));
            Assert.Equal(2500, test.Journal.LastNumber);
            Assert.Equal(2500, test.Journal.Written);
            Assert.Equal(0, test.Journal.Dropped);
        }

        [Fact]
        public void Entries_keep_everything()
        {
            using var test = new TestJournal();
            JournalEntry[] entries =
            [
                new(0, 5, "g", "p", 7, new ExitFact(42, null, 11, true, false, null, 61_000, "a \"line\"\nüñí 😀\n")),
                new(0, 6, "g", null, 0, new ConfigFact(ConfigAction.Changed, "command: a -> b", "root", "unix socket")),
                new(0, 4, null, null, 0, new DaemonFact(DaemonAction.Started, "0.1.0", 1)),
            ];
            foreach (JournalEntry entry in entries)
            {
                test.Journal.Append(entry);
            }

            test.Flush();
            Assert.Equal(entries.Select(static (entry, i) => entry with { Number = i + 1 }), test.All());
        }
    }

    public sealed class GivenAnEarlierRun
    {
        [Fact]
        public void Numbers_go_on()
        {
            using var test = new TestJournal();
            test.Fill(10);
            test.Reopen();
            test.Fill(5);
            Assert.Equal(Enumerable.Range(1, 15).Select(static i => (long)i), test.All().Select(static entry => entry.Number));
        }

        [Fact]
        public void Numbers_go_on_when_everything_has_grown_too_old()
        {
            using var test = new TestJournal(options => options with { MaxAge = TimeSpan.FromHours(1) });
            test.Fill(10);
            test.Reopen();
            test.WaitFor(() => test.Journal.Read(new JournalQuery()).Oldest == 10, "all but the newest pruned");
            test.Fill(1);
            Assert.Equal(11, test.Journal.LastNumber);
        }

        [Fact]
        public void After_a_power_cut_no_number_is_given_twice()
        {
            using var test = new TestJournal();
            test.Fill(10);
            test.Journal.Dispose();
            using (var store = new SqliteDatabase(test.Path, write: true, 1000))
            {
                // As it looks when the machine went down in between.
                store.Execute("UPDATE meta SET value = 'another boot'");
            }

            test.Reopen();
            test.Fill(1);
            Assert.Equal(10 + JournalStore.PowerCutSkip + 1, test.Journal.LastNumber);
            Assert.True(test.HasSaid("the machine went down"), test.Said());
        }
    }

    public sealed class GivenFilters
    {
        [Fact]
        public void They_choose_by_name_kind_and_time()
        {
            using var test = new TestJournal(options => options with { PageLimit = 7 });
            for (int i = 1; i <= 200; i++)
            {
                JournalFact fact = i % 3 == 0 ? new SignalFact(15, i, false) : new HealthFact("ready", true);
                test.Journal.Append(new JournalEntry(0, i, "g" + i % 2, "p" + i % 5, i, fact));
            }

            test.Flush();
            Assert.Equal(Wanted(i => i % 2 == 1), Numbers(new JournalQuery { Group = "g1" }));
            Assert.Equal(Wanted(i => i % 5 == 2), Numbers(new JournalQuery { Process = "p2" }));
            Assert.Equal(Wanted(i => i % 10 == 7), Numbers(new JournalQuery { Group = "g1", Process = "p2" }));
            Assert.Equal(Wanted(i => i % 3 == 0), Numbers(new JournalQuery { Kinds = [JournalKind.Signal] }));
            Assert.Equal(Wanted(i => i >= 50 && i < 99), Numbers(new JournalQuery { Since = 50, Until = 99 }));
            Assert.Equal(
                Wanted(i => i >= 50 && i % 10 == 7).Reverse(),
                Numbers(new JournalQuery { Cursor = long.MaxValue, Backwards = true, Group = "g1", Process = "p2", Since = 50 }));
            Assert.Empty(Numbers(new JournalQuery { Group = "nobody" }));

            IEnumerable<long> Numbers(JournalQuery query) => test.All(query).Select(static entry => entry.Number);
            static IEnumerable<long> Wanted(Func<int, bool> choose) => Enumerable.Range(1, 200).Where(choose).Select(static i => (long)i);
        }

        [Fact]
        public void A_page_looks_at_a_bounded_number_of_entries_and_its_cursor_goes_on_all_the_same()
        {
            using var test = new TestJournal(options => options with { ScanLimit = 10 });
            test.Fill(95);
            test.Journal.Append(TestJournal.Entry(1, "rare", new HealthFact("ready", false)));
            test.Flush();
            var query = new JournalQuery { Kinds = [JournalKind.Health] };
            JournalPage page = test.Journal.Read(query);
            Assert.Empty(page.Entries);
            Assert.True(page.More);
            Assert.Equal(10, page.Next);
            Assert.Equal([96], test.All(query).Select(static entry => entry.Number));
        }

        [Fact]
        public void A_clock_that_was_set_back_hides_nothing_of_what_is_asked_for_by_number()
        {
            using var test = new TestJournal();
            foreach (long wall in (long[])[100, 200, 50, 60, 300])
            {
                test.Journal.Append(TestJournal.Entry(wall));
            }

            test.Flush();
            Assert.Equal([100, 200, 50, 60, 300], test.All().Select(static entry => entry.Wall));
            Assert.All(test.All(new JournalQuery { Since = 150 }), static entry => Assert.True(entry.Wall >= 150));
        }
    }

    public sealed class GivenBounds
    {
        [Fact]
        public void The_size_is_kept_by_removing_the_oldest_and_a_reader_sees_the_gap()
        {
            using var test = new TestJournal(options => options with { MaxBytes = 1 << 20 });
            var fact = new HealthFact("ready", true, new string('x', 1000));
            for (int i = 0; i < 8; i++)
            {
                test.Fill(1000, fact: fact);
            }

            test.WaitFor(() => test.Journal.Read(new JournalQuery()).Oldest > 6000, "pruned");
            JournalPage page = test.Journal.Read(new JournalQuery { Cursor = 5 });
            Assert.True(page.HasGapAfter(5));
            Assert.False(page.HasGapAfter(page.Oldest - 1));
            Assert.Equal(page.Oldest, page.Entries[0].Number);
            Assert.Equal(8000, page.Newest);
            test.WaitFor(() => new FileInfo(test.Path).Length < 8L << 20, "the file small");
        }

        [Fact]
        public void What_is_too_old_goes_and_the_rest_stays()
        {
            using var test = new TestJournal(options => options with { MaxAge = TimeSpan.FromHours(1) });
            long now = test.Clock.Now.Wall;
            for (int i = 0; i < 20; i++)
            {
                test.Journal.Append(TestJournal.Entry(now - ((20 - i) * 600 - 60) * Moment.Second));
            }

            test.Flush();
            test.Reopen();
            test.WaitFor(() => test.Journal.Read(new JournalQuery()).Oldest > 1, "pruned");
            Assert.Equal(15, test.Journal.Read(new JournalQuery()).Oldest);
        }

        [Fact]
        public void What_does_not_fit_into_the_queue_is_counted_and_told_of_in_its_place()
        {
            using var test = Blocked(options => options with { QueueEntries = 100 });
            for (int i = 1; i <= 150; i++)
            {
                test.Journal.Append(TestJournal.Entry(i));
            }

            Assert.Equal(50, test.Journal.Dropped);
            Assert.Equal(100, test.Journal.Waiting);
            Unblock(test);
            test.WaitFor(() => test.Journal.LastNumber == 101, "the loss written");
            JournalEntry last = test.All()[^1];
            Assert.Equal(new LossFact(50, 101, 150, "the queue was full while nothing could be written"), last.Fact);
            Assert.True(test.HasSaid("the journal lost 50 entries: the queue was full"), test.Said());
        }

        [Fact]
        public void The_queue_is_bounded_in_bytes_as_well()
        {
            using var test = Blocked(options => options with { QueueBytes = 1 << 20 });
            var fact = new EventFact("PROCESS_LOG_STDOUT", 1, new string('x', 5000));
            for (int i = 1; i <= 200; i++)
            {
                test.Journal.Append(TestJournal.Entry(i, fact: fact));
            }

            // 160 bytes an entry, two a character.
            Assert.Equal(200 - (1 << 20) / (160 + 2 * (5000 + "PROCESS_LOG_STDOUT".Length)), test.Journal.Dropped);
            Unblock(test);
        }

        /// <summary>A journal whose place is taken, and that will not look again before the clock has jumped.</summary>
        private static TestJournal Blocked(Func<JournalOptions, JournalOptions> change)
        {
            var test = new TestJournal(options =>
            {
                string inTheWay = Path.Combine(Path.GetDirectoryName(options.Path)!, "sub");
                File.WriteAllText(inTheWay, "a file");
                return change(options with { Path = Path.Combine(inTheWay, "journal.db"), RetryAfter = TimeSpan.FromHours(1) });
            });
            test.WaitFor(() => test.Journal.Failure is not null, "blocked");
            return test;
        }

        private static void Unblock(TestJournal test)
        {
            File.Delete(Path.GetDirectoryName(test.Path)!);
            test.Clock.Jump(TimeSpan.FromHours(2));
            test.Flush();
        }

        [Fact]
        public void A_page_has_at_most_so_many_entries_whatever_is_asked_for()
        {
            using var test = new TestJournal(options => options with { PageLimit = 10 });
            test.Fill(25);
            JournalPage page = test.Journal.Read(new JournalQuery { Limit = 1_000_000 });
            Assert.Equal(10, page.Entries.Count);
            Assert.True(page.More);
        }
    }

    public sealed class GivenFollowers
    {
        [Fact]
        public async Task They_are_told_after_the_commit()
        {
            using var test = new TestJournal();
            test.Fill(3);
            Assert.Equal(FollowOutcome.Ready, await test.Journal.WaitAsync(2, default));
            Task<FollowOutcome> waiting = test.Journal.WaitAsync(3, default);
            Assert.False(waiting.IsCompleted);
            test.Journal.Append(TestJournal.Entry(4));
            Assert.Equal(FollowOutcome.Ready, await waiting.WaitAsync(TestJournal.Patience));
            Assert.Equal(4, Assert.Single(test.Journal.Read(new JournalQuery { Cursor = 3 }).Entries).Wall);
        }

        [Fact]
        public async Task There_are_only_so_many_and_one_that_leaves_makes_room()
        {
            using var test = new TestJournal(options => options with { Followers = 2 });
            using var leave = new CancellationTokenSource();
            Task<FollowOutcome> first = test.Journal.WaitAsync(0, leave.Token);
            Task<FollowOutcome> second = test.Journal.WaitAsync(0, default);
            Assert.Equal(FollowOutcome.TooMany, await test.Journal.WaitAsync(0, default));
            await leave.CancelAsync();
            await Assert.ThrowsAnyAsync<OperationCanceledException>(() => first);
            Task<FollowOutcome> third = test.Journal.WaitAsync(0, default);
            test.Journal.Dispose();
            Assert.Equal(FollowOutcome.Closed, await second.WaitAsync(TestJournal.Patience));
            Assert.Equal(FollowOutcome.Closed, await third.WaitAsync(TestJournal.Patience));
            Assert.Equal(FollowOutcome.Closed, await test.Journal.WaitAsync(0, default));
        }
    }

    public sealed class GivenReadersWhileItIsWritten
    {
        [Fact]
        public async Task They_see_all_entries_once_and_in_order()
        {
            const int Total = 20_000;
            using var test = new TestJournal(options => options with { PageLimit = 97 });
            Task<long>[] readers = [.. Enumerable.Range(0, 2).Select(_ => Task.Run(() => Follow(test.Journal, Total)))];
            for (int i = 1; i <= Total; i++)
            {
                test.Journal.Append(TestJournal.Entry(i, "p" + i % 100));
            }

            test.Flush();
            foreach (Task<long> reader in readers)
            {
                Assert.Equal(Total, await reader.WaitAsync(TestJournal.Patience));
            }

            Assert.Equal(0, test.Journal.Dropped);
        }

        private static async Task<long> Follow(EventJournal journal, int total)
        {
            long seen = 0;
            long cursor = 0;
            while (seen < total)
            {
                Assert.Equal(FollowOutcome.Ready, await journal.WaitAsync(cursor, default));
                JournalPage page = journal.Read(new JournalQuery { Cursor = cursor });
                Assert.Null(page.Failure);
                foreach (JournalEntry entry in page.Entries)
                {
                    Assert.Equal(++seen, entry.Wall);
                    Assert.Equal("p" + seen % 100, entry.Process);
                }

                cursor = page.Next;
            }

            return seen;
        }

        [Fact]
        public async Task More_of_them_than_may_are_told_to_come_again()
        {
            using var test = new TestJournal(options => options with { Readers = 1, ReadPatience = TimeSpan.FromMilliseconds(1) });
            test.Fill(1);
            using var entered = new ManualResetEventSlim();
            using var go = new ManualResetEventSlim();
            // A collection that does not answer holds the only turn.
            var slow = new SlowKinds(entered, go);
            Task<JournalPage> first = Task.Run(() => test.Journal.Read(new JournalQuery { Kinds = slow }));
            Assert.True(entered.Wait(TestJournal.Patience));
            Assert.Contains("try again", test.Journal.Read(new JournalQuery()).Failure);
            // Nor is the writer held up meanwhile.
            test.Fill(10);
            go.Set();
            JournalPage late = await first.WaitAsync(TestJournal.Patience);
            Assert.Null(late.Failure);
            Assert.Equal(1, late.Newest);
            Assert.Null(test.Journal.Read(new JournalQuery()).Failure);
        }

        private sealed class SlowKinds(ManualResetEventSlim entered, ManualResetEventSlim go) : IReadOnlyCollection<JournalKind>, ICollection<JournalKind>
        {
            public int Count => 1;

            public bool IsReadOnly => true;

            public bool Contains(JournalKind item)
            {
                entered.Set();
                Assert.True(go.Wait(TestJournal.Patience));
                return true;
            }

            public IEnumerator<JournalKind> GetEnumerator() => throw new NotSupportedException();

            System.Collections.IEnumerator System.Collections.IEnumerable.GetEnumerator() => throw new NotSupportedException();

            public void Add(JournalKind item) => throw new NotSupportedException();

            public void Clear() => throw new NotSupportedException();

            public void CopyTo(JournalKind[] array, int arrayIndex) => throw new NotSupportedException();

            public bool Remove(JournalKind item) => throw new NotSupportedException();
        }
    }
}
