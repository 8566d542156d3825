using System.Text;
using Steward.Core.Config;
using Steward.Core.Effects;
using Steward.Core.Inputs;
using Steward.Core.Model;
using Steward.Core.Snapshots;
using Steward.Core.Supervision;

namespace Steward.Core.Tests.Snapshots;

public static class SupervisorSnapshotTests
{
    private const string Boot = "6f9d1f0e-1111-2222-3333-444455556666";

    internal static byte[] Save(Supervisor supervisor) =>
        Snapshot.Seal(new SnapshotOrigin(Boot, new Moment(5, 6), "0.1.0"), writer => supervisor.Save(writer, 1));

    internal static Supervisor Restore(ReadOnlySpan<byte> bytes)
    {
        SnapshotReader reader = Snapshot.Open(bytes, "state", Boot, out _);
        var supervisor = Supervisor.Restore(reader.Record(1, "supervisor"));
        reader.End();
        return supervisor;
    }

    /// <summary>A machine to which something has happened.</summary>
    internal static Supervisor Grown(int seed, int steps)
    {
        var world = new SupervisorWorld(seed);
        var supervisor = new Supervisor(world.NextSettings());
        var effects = new List<Effect>();
        foreach (Input input in world.Beginning().Concat(Enumerable.Range(0, steps).Select(_ => world.Next())))
        {
            effects.Clear();
            supervisor.Step(world.NextMoment(supervisor.NextDeadline), input, effects);
            world.Take(effects);
        }

        return supervisor;
    }

    public sealed class GivenAMachineWithAHistory
    {
        // What the machine does not write down because it follows from the rest or is valid during one step alone, and the stale
        // entries of the queue of deadlines.
        private static readonly string[] NotWritten =
        [
            "Supervisor._sorted", "Supervisor._slots", "Supervisor._groups", "Supervisor._now", "Supervisor._effects", "Supervisor._exit", "Supervisor._spawnStage", "Supervisor._requester", "Supervisor._deadlines", "Supervisor._told",
            "ListenerProtocol._buffer", "ListenerProtocol._start", "ListenerProtocol.BadLine",
        ];

        [Fact]
        public void When_it_is_written_and_read_anywhere_Then_it_is_the_same_and_goes_on_the_same_way()
        {
            var met = new HashSet<string>();
            for (int seed = 1; seed <= 24; seed++)
            {
                var world = new SupervisorWorld(seed);
                var original = new Supervisor(world.NextSettings());
                Supervisor restored = original;
                var effects = new List<Effect>();
                var again = new List<Effect>();
                int count = 0;
                foreach (Input input in world.Beginning().Concat(Enumerable.Range(0, 400).Select(_ => world.Next())))
                {
                    if (count++ % 9 == 0)
                    {
                        byte[] bytes = Save(original);
                        restored = Restore(bytes);
                        Assert.Equal(bytes, Save(restored));
                    }

                    if (count % 45 == 1)
                    {
                        Assert.Equal(Dump.Of(original, NotWritten), Dump.Of(restored, NotWritten));
                    }

                    Moment now = world.NextMoment(original.NextDeadline);
                    Assert.Equal(original.NextDeadline, restored.NextDeadline);
                    effects.Clear();
                    again.Clear();
                    original.Step(now, input, effects);
                    restored.Step(now, input, again);
                    Assert.Equal(effects.Select(SupervisorWorld.Tell), again.Select(SupervisorWorld.Tell));
                    world.Take(effects);
                    met.UnionWith(effects.Select(effect => effect.GetType().Name));
                    met.UnionWith(original.All(now).Select(process => process.State.Name()));
                }
            }

            // The world is rich enough to mean something.
            Assert.Superset(new HashSet<string>
            {
                "Spawn", "Signal", "WriteStdin", "CheckCommand", "PrepareGroup", "ClearLogs", "ReopenLogs", "Log", "Reply", "ValidateReload", "Stopped",
                "STOPPED", "STARTING", "RUNNING", "BACKOFF", "STOPPING", "EXITED", "FATAL",
            }, met);
        }

        [Fact]
        public void When_it_is_written_twice_Then_the_bytes_are_the_same()
        {
            Supervisor supervisor = Grown(3, 200);

            Assert.Equal(Save(supervisor), Save(supervisor));
        }
    }

    public sealed class GivenAPidThatWasGivenAwayAgain
    {
        [Fact]
        public void When_the_output_of_the_dead_child_that_had_it_is_still_read_Then_it_is_taken_up()
        {
            var supervisor = new Supervisor(new SupervisorSettings("supervisor", LogLevel.Info));
            GroupConfig group = new()
            {
                Kind = GroupKind.Program,
                Name = "g",
                Priority = 1,
                Processes = [new ProcessConfig { Name = "a", Program = "g", Command = "a" }, new ProcessConfig { Name = "b", Program = "g", Command = "b" }],
            };
            var effects = new List<Effect>();
            foreach (Input input in (Input[])[new GroupPrepared(default, group, [], null), new DaemonStarted()])
            {
                supervisor.Step(new Moment(1, 1), input, effects);
            }

            Spawn[] spawns = [.. effects.OfType<Spawn>()];
            supervisor.Step(new Moment(1, 1), new ChildSpawned(spawns[0].Process, spawns[0].Incarnation, 7), effects);
            supervisor.Step(new Moment(2, 2), new ChildReaped(spawns[0].Process, spawns[0].Incarnation), effects);
            supervisor.Step(new Moment(3, 3), new ChildSpawned(spawns[1].Process, spawns[1].Incarnation, 7), effects);

            Supervisor restored = Restore(Save(supervisor));

            Assert.Equal([7, 7], restored.Children.Select(child => child.Pid));
        }
    }

    public sealed class GivenHostileBytes
    {
        private static readonly byte[] Good = CompletenessTests.GivenASnapshotOfTheFirstRelease.Recorded();

        [Fact]
        public void When_they_end_anywhere_Then_they_are_refused()
        {
            for (int length = 0; length < Good.Length; length++)
            {
                Assert.Throws<SnapshotRefusedException>(() => { Restore(Good.AsSpan(0, length)); });
            }
        }

        [Fact]
        public void When_a_bit_is_flipped_anywhere_Then_they_are_refused()
        {
            for (int bit = 0; bit < Good.Length * 8; bit++)
            {
                byte[] bytes = [.. Good];
                bytes[bit / 8] ^= (byte)(1 << (bit % 8));
                Assert.Throws<SnapshotRefusedException>(() => { Restore(bytes); });
            }
        }

        [Fact]
        public void When_they_are_changed_and_the_checksum_is_right_Then_they_are_refused_or_mean_a_machine()
        {
            int refused = 0;
            int taken = 0;
            for (int bit = 16 * 8; bit < (Good.Length - 4) * 8; bit++)
            {
                byte[] bytes = [.. Good];
                bytes[bit / 8] ^= (byte)(1 << (bit % 8));
                Try(Sealed(bytes), ref refused, ref taken);
            }

            Assert.True(refused > 0 && taken > 0);
        }

        [Fact]
        public void When_pieces_are_cut_out_doubled_or_made_up_Then_they_are_refused_or_mean_a_machine()
        {
            var random = new Random(5);
            int refused = 0;
            int taken = 0;
            for (int i = 0; i < 20_000; i++)
            {
                List<byte> bytes = [.. Good];
                for (int change = random.Next(1, 4); change > 0; change--)
                {
                    int at = random.Next(16, bytes.Count - 4);
                    int length = Math.Min(random.Next(1, 12), bytes.Count - 4 - at);
                    switch (random.Next(3))
                    {
                        case 0:
                            bytes.RemoveRange(at, length);
                            break;
                        case 1:
                            bytes.InsertRange(at, bytes.GetRange(at, length));
                            break;
                        default:
                            bytes[at] = random.Next(2) == 0 ? (byte)0xff : (byte)random.Next(256);
                            break;
                    }
                }

                Try(Sealed([.. bytes]), ref refused, ref taken);
            }

            Assert.True(refused > 0);
        }

        /// <summary>What is taken up must work: it can be written, read again and stepped.</summary>
        private static void Try(byte[] bytes, ref int refused, ref int taken)
        {
            Supervisor supervisor;
            try
            {
                supervisor = Restore(bytes);
            }
            catch (SnapshotRefusedException refusal)
            {
                Assert.NotEmpty(refusal.Field);
                refused++;
                return;
            }

            taken++;
            byte[] written = Save(supervisor);
            Assert.Equal(written, Save(Restore(written)));
            var effects = new List<Effect>();
            var now = new Moment(supervisor.NextDeadline == long.MaxValue ? 1 : supervisor.NextDeadline, 1);
            supervisor.Step(now, TimePassed.Instance, effects);
            supervisor.Step(now, new CommandReceived(new RequestId(1), new StopAll(Wait: true)), effects);
            supervisor.Step(now, new SignalReceived(Signals.Term), effects);
        }

        /// <summary>Puts length and checksum right.</summary>
        private static byte[] Sealed(byte[] bytes)
        {
            BitConverter.TryWriteBytes(bytes.AsSpan(12), bytes.Length - 20);
            uint crc = uint.MaxValue;
            foreach (byte b in bytes.AsSpan(..^4))
            {
                crc = System.Numerics.BitOperations.Crc32C(crc, b);
            }

            BitConverter.TryWriteBytes(bytes.AsSpan(^4..), ~crc);
            return bytes;
        }
    }
}
