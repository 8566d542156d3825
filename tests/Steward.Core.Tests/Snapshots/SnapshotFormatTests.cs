using Steward.Core.Model;
using Steward.Core.Snapshots;

namespace Steward.Core.Tests.Snapshots;

public static class SnapshotFormatTests
{
    private static readonly SnapshotOrigin Origin = new("boot", new Moment(1, 2), "0.1.0");

    private static byte[] Write(Action<SnapshotWriter> content) => Snapshot.Seal(Origin, content);

    public sealed class GivenARecord
    {
        [Theory]
        [InlineData(0)]
        [InlineData(-1)]
        [InlineData(63)]
        [InlineData(64)]
        [InlineData(long.MaxValue)]
        [InlineData(long.MinValue)]
        public void When_an_integer_is_written_Then_it_is_read(long value)
        {
            SnapshotReader reader = Snapshot.Open(Write(writer => writer.Integer(1, value)), "state", "boot", out SnapshotOrigin origin);

            Assert.Equal(value, reader.Integer(1, "value"));
            Assert.Equal(Origin, origin);
        }

        [Theory]
        [InlineData("")]
        [InlineData("ä\ud83d\ude00")]
        [InlineData("\ud83d")]
        [InlineData("\udcffx")]
        [InlineData("\ude00\ud83d")]
        public void When_text_is_written_Then_it_is_read(string value)
        {
            SnapshotReader reader = Snapshot.Open(Write(writer => writer.Text(1, value)), "state", "boot", out _);

            Assert.Equal(value, reader.Text(1, "value"));
        }

        [Fact]
        public void When_a_newer_program_wrote_more_that_may_be_ignored_Then_it_is_ignored()
        {
            byte[] bytes = Write(writer =>
            {
                writer.Integer(1, 7);
                writer.Integer(2, 8);
                writer.Begin(3);
                writer.Text(1, "x");
                writer.End();
                writer.Integer(4, 9);
                writer.Text(511, "y");
            });

            SnapshotReader reader = Snapshot.Open(bytes, "state", "boot", out _);
            Assert.Equal(7, reader.Integer(1, "one"));
            Assert.Equal(9, reader.Integer(4, "four"));
            reader.End();
        }

        [Fact]
        public void When_a_newer_program_wrote_what_must_not_be_ignored_Then_it_is_refused_by_name()
        {
            byte[] bytes = Write(writer => writer.Integer(Snapshot.FirstVital, 7));

            SnapshotRefusedException refusal = Assert.Throws<SnapshotRefusedException>(() =>
            {
                SnapshotReader reader = Snapshot.Open(bytes, "state", "boot", out _);
                reader.End();
            });
            Assert.Equal((1, "state.#512"), (refusal.Version, refusal.Field));
        }

        [Fact]
        public void When_a_field_is_missing_deep_inside_Then_the_refusal_names_format_and_place()
        {
            byte[] bytes = Write(writer =>
            {
                for (int i = 0; i < 2; i++)
                {
                    writer.Begin(3);
                    writer.Integer(1, i == 0 ? 5 : null);
                    writer.End();
                }
            });

            SnapshotRefusedException refusal = Assert.Throws<SnapshotRefusedException>(() =>
            {
                SnapshotReader reader = Snapshot.Open(bytes, "state", "boot", out _);
                while (reader.Next(3, "slots", out SnapshotReader slot))
                {
                    slot.Integer(1, "pid");
                }
            });
            Assert.Equal("the snapshot (format 1) is refused: state.slots[1].pid: it is missing", refusal.Message);
        }

        [Fact]
        public void When_a_number_is_out_of_range_or_of_another_kind_Then_it_is_refused()
        {
            byte[] bytes = Write(writer => writer.Integer(1, 7));

            Assert.Throws<SnapshotRefusedException>(() => Snapshot.Open(bytes, "state", "boot", out _).Int32(1, "n", 0, 6));
            Assert.Throws<SnapshotRefusedException>(() => Snapshot.Open(bytes, "state", "boot", out _).Choice<ProcessState>(1, "n"));
            Assert.Throws<SnapshotRefusedException>(() => Snapshot.Open(bytes, "state", "boot", out _).Text(1, "n"));
        }

        [Fact]
        public void When_fields_are_written_out_of_order_Then_that_is_a_defect() =>
            Assert.Throws<InvalidOperationException>(() => Write(writer =>
            {
                writer.Integer(2, 1);
                writer.Integer(1, 1);
            }));
    }

    public sealed class GivenAWholeSnapshot
    {
        [Fact]
        public void When_the_machine_was_started_since_Then_it_is_refused()
        {
            byte[] bytes = Write(static _ => { });

            SnapshotRefusedException refusal = Assert.Throws<SnapshotRefusedException>(() => { Snapshot.Open(bytes, "state", "other", out _); });
            Assert.Equal("snapshot.boot", refusal.Field);
        }

        [Fact]
        public void When_it_is_of_another_format_Then_the_refusal_names_it()
        {
            byte[] bytes = Write(static _ => { });
            bytes[8] = 2;

            SnapshotRefusedException refusal = Assert.Throws<SnapshotRefusedException>(() => { Snapshot.Open(bytes, "state", "boot", out _); });
            Assert.Equal((2, "format"), (refusal.Version, refusal.Field));
        }
    }
}
