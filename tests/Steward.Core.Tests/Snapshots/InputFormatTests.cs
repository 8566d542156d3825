using System.Reflection;
using Steward.Core.Config;
using Steward.Core.Inputs;
using Steward.Core.Model;
using Steward.Core.Snapshots;
using Steward.Core.Supervision;

namespace Steward.Core.Tests.Snapshots;

public static class InputFormatTests
{
    private static readonly SnapshotOrigin s_origin = new("b", default, "p");
    private static readonly Configuration s_full = CompletenessTests.GivenAConfigurationInWhichNothingIsAsByDefault.Full;
    private static readonly ProcessId s_process = new(3);
    private static readonly Incarnation s_incarnation = new(4);
    private static readonly RequestId s_request = new(5);

    private static readonly Command[] s_commands =
    [
        new StartProcess("a", true), new StartGroup("a", true), new StartAll(true), new StopProcess("a", true), new StopGroup("a", true),
        new StopAll(true), new SignalProcess("a", "HUP"), new SignalGroup("a", "HUP"), new SignalAll("HUP"), new SignalProcessTree("a", "HUP"),
        new AddProcesses("g", s_full.Groups[0].Processes), new RemoveProcess("g", "p"), new SendProcessStdin("a", [0, 255]),
        new SendRemoteCommEvent("t", "\udcffd"), new ClearProcessLogs("a"), new ClearAllProcessLogs(), new AddProcessGroup("g"),
        new RemoveProcessGroup("g"), new SetIntent("a", true, "why"), new Shutdown(), new Restart(),
    ];

    private static readonly Input[] s_inputs =
    [
        TimePassed.Instance,
        new ConfigurationRead(s_request, s_full, "who"),
        new GroupPrepared(s_request, s_full.Groups[0], [new AutoLog("p", OutputChannel.Stderr, "/l")], "bad", "who") { Extends = true },
        new DaemonStarted(),
        new ChildSpawned(s_process, s_incarnation, 6),
        new SpawnFailed(s_process, s_incarnation, "bad", "fork"),
        new ChildAdopted(s_process, s_incarnation, 6, 7, true, true, true),
        new ChildReaped(s_process, s_incarnation),
        new ChildExited(s_process, s_incarnation, WaitStatus.FromExit(1), 7, true, "last"),
        new OrphanReaped(6, WaitStatus.FromExit(1)),
        new OutputArrived(s_process, s_incarnation, OutputChannel.Stderr, [0, 10, 255]),
        new CommunicationCaptured(s_process, s_incarnation, OutputChannel.Stderr, [0, 10, 255]),
        new SignalAnswered(s_process, s_incarnation, s_request, 15, SignalResult.Refused, "no"),
        new StdinAnswered(s_process, s_incarnation, s_request, StdinResult.Full),
        new CommandChecked(s_process, s_request, new Fault(FaultCode.NoFile, "x") { Foreign = "f" }),
        new LogsCleared(s_process, s_request, true),
        new MemoryMeasured(s_process, s_incarnation, 8, 9),
        new HealthProbed(s_process, s_incarnation, "status 503"),
        new SurvivorsFound(s_process, s_incarnation, ["4711 (sleep 100)", "4712 (x)"]),
        new IntentsRead([new Intent("g:p", true, "why", 9, "who")]),
        new SignalReceived(1),
        new ReloadValidated("bad"),
        new CommandReceived(s_request, s_commands[0], "who"),
        new Reloading(new SupervisorSettings("it", LogLevel.Trace)),
    ];

    private static byte[] Written(Input input) => Snapshot.Seal(s_origin, writer => InputFormat.Write(writer, 1, input));

    private static Input Read(byte[] bytes) => InputFormat.Read(Snapshot.Open(bytes, "log", "b", out _).Record(1, "input"));

    private static Type[] Kinds(Type of) => [.. of.Assembly.GetTypes().Where(type => type.IsSubclassOf(of) && !type.IsAbstract)];

    public sealed class GivenOneOfEveryKind
    {
        [Fact]
        public void When_a_kind_is_added_Then_it_is_among_them()
        {
            Assert.Equal(Names(Kinds(typeof(Input))), Names(s_inputs.Select(input => input.GetType())));
            Assert.Equal(Names(Kinds(typeof(Command))), Names(s_commands.Select(command => command.GetType())));

            static IEnumerable<string> Names(IEnumerable<Type> types) => types.Select(type => type.Name).Order(StringComparer.Ordinal);
        }

        [Fact]
        public void When_a_field_is_added_Then_it_has_a_value_here_that_is_not_its_default()
        {
            object[] parts = [new AutoLog("p", OutputChannel.Stderr, "/l"), s_inputs.OfType<IntentsRead>().Single().Intents[0], ((Reloading)s_inputs[^1]).Settings];
            Assert.All([.. s_inputs, .. s_commands, .. parts], part =>
            {
                foreach ((string name, FieldInfo field) in Dump.Fields(part.GetType()))
                {
                    string value = Dump.Of(field.GetValue(part));
                    object? nothing = field.FieldType.IsValueType ? Activator.CreateInstance(field.FieldType) : null;
                    Assert.True(value is not ("null" or "[]" or "\"\"") && value != Dump.Of(nothing), $"{part.GetType().Name}.{name}");
                }
            });
        }

        [Fact]
        public void When_it_is_written_and_read_Then_it_is_the_same() =>
            Assert.All([.. s_inputs, .. s_commands.Select(command => new CommandReceived(s_request, command, "who"))], RoundTrip);

        [Fact]
        public void When_a_byte_is_changed_Then_it_is_read_or_refused_and_nothing_else_is_thrown() =>
            Assert.All([.. s_inputs, .. s_commands.Select(command => new CommandReceived(s_request, command, "who"))], input =>
            {
                // The content begins behind the header and the origin; what stands there is the record of the input.
                byte[] whole = Written(input);
                for (int at = 0; at < Math.Min(whole.Length, 400); at++)
                {
                    foreach (byte value in new byte[] { 0, 0x7f, 0xff, (byte)(whole[at] + 1) })
                    {
                        byte[] changed = [.. whole];
                        changed[at] = value;
                        Survives(changed);
                    }
                }
            });
    }

    public sealed class GivenFieldsThatMayBeMissing
    {
        public static TheoryData<string, Input> Inputs => new()
        {
            { "group", new GroupPrepared(default, s_full.Groups[0], [], null) },
            { "spawn", new SpawnFailed(s_process, s_incarnation, "") },
            { "exit unknown", new ChildExited(s_process, s_incarnation, new WaitStatus(-1), long.MinValue) },
            { "exit known", new ChildExited(s_process, s_incarnation, default, long.MaxValue, false, "") },
            { "signal", new SignalAnswered(s_process, s_incarnation, default, 0, SignalResult.Delivered, null) },
            { "command", new CommandChecked(s_process, s_request, null) },
            { "fault", new CommandChecked(s_process, s_request, new Fault(FaultCode.NotExecutable)) },
            { "foreign fault", new CommandChecked(s_process, s_request, new Fault((FaultCode)(-7)) { Foreign = "" }) },
            { "health", new HealthProbed(s_process, s_incarnation, null) },
            { "survivors", new SurvivorsFound(s_process, s_incarnation, []) },
            { "intents", new IntentsRead([]) },
            { "intent", new IntentsRead([new Intent("", null, null, 0), new Intent("x", false, "", -1, "")]) },
            { "reload", new ReloadValidated(null) },
            { "output", new OutputArrived(s_process, s_incarnation, OutputChannel.Stdout, []) },
            { "processes", new CommandReceived(default, new AddProcesses("", [])) },
        };

        [Theory]
        [MemberData(nameof(Inputs))]
        public void When_they_are_Then_what_is_read_is_the_same(string name, Input input)
        {
            Assert.NotEmpty(name);
            RoundTrip(input);
        }
    }

    public sealed class GivenRandomValues
    {
        [Fact]
        public void When_they_are_written_and_read_Then_they_are_the_same()
        {
            var random = new Random(20_260_101);
            Type[] kinds = Kinds(typeof(Input));
            for (int i = 0; i < 3000; i++)
            {
                RoundTrip((Input)Make(kinds[i % kinds.Length], random)!);
            }
        }

        [Fact]
        public void When_a_byte_is_changed_Then_it_is_read_or_refused_and_nothing_else_is_thrown()
        {
            var random = new Random(20_260_102);
            Type[] kinds = Kinds(typeof(Input));
            for (int i = 0; i < 3000; i++)
            {
                byte[] bytes = Written((Input)Make(kinds[i % kinds.Length], random)!);
                bytes[random.Next(bytes.Length)] = (byte)random.Next(256);
                Survives(bytes);
            }
        }

        private static object? Make(Type type, Random random)
        {
            if (type == typeof(Configuration))
            {
                return s_full with { ServerUrl = (string?)Make(typeof(string), random) };
            }

            if (type == typeof(GroupConfig))
            {
                return s_full.Groups[0] with { Name = (string)Make(typeof(string), random)! };
            }

            if (type == typeof(IReadOnlyList<ProcessConfig>))
            {
                return Enumerable.Range(0, random.Next(3)).Select(i => s_full.Groups[0].Processes[0] with { Priority = i }).ToArray();
            }

            if (type == typeof(Input) || type == typeof(Command))
            {
                Type[] kinds = Kinds(type);
                return Make(kinds[random.Next(kinds.Length)], random);
            }

            if (type == typeof(string))
            {
                // Every sixth one a half of a surrogate pair or a sign outside the first plane.
                string[] signs = ["a", "ä", "\n", "\0", "\udcff", "\ud83d\ude00"];
                return string.Concat(Enumerable.Range(0, random.Next(5)).Select(_ => signs[random.Next(signs.Length)]));
            }

            if (type == typeof(byte[]))
            {
                byte[] bytes = new byte[random.Next(40)];
                random.NextBytes(bytes);
                return bytes;
            }

            if (type == typeof(bool))
            {
                return random.Next(2) == 1;
            }

            // Ids, pids and numbers of waiting requests are not negative.
            if (type == typeof(int))
            {
                return random.Next(1, int.MaxValue);
            }

            if (type == typeof(long))
            {
                return random.NextInt64();
            }

            if (type.IsEnum)
            {
                Array values = Enum.GetValues(type);
                return values.GetValue(random.Next(values.Length));
            }

            if (Nullable.GetUnderlyingType(type) is { } underlying)
            {
                return random.Next(3) == 0 ? null : Make(underlying, random);
            }

            if (type.IsGenericType && type.GetGenericTypeDefinition() == typeof(IReadOnlyList<>))
            {
                var items = Array.CreateInstance(type.GetGenericArguments()[0], random.Next(4));
                for (int i = 0; i < items.Length; i++)
                {
                    items.SetValue(Make(type.GetGenericArguments()[0], random), i);
                }

                return items;
            }

            ConstructorInfo constructor = type.GetConstructors().OrderByDescending(candidate => candidate.GetParameters().Length).First();
            var nullability = new NullabilityInfoContext();
            object made = constructor.Invoke([.. constructor.GetParameters().Select(parameter =>
                nullability.Create(parameter).WriteState == NullabilityState.Nullable && random.Next(3) == 0 ? null : Make(parameter.ParameterType, random))]);
            foreach (PropertyInfo property in type.GetProperties().Where(property => property.CanWrite
                && !constructor.GetParameters().Any(parameter => parameter.Name == property.Name)))
            {
                property.SetValue(made, Make(property.PropertyType, random));
            }

            return made;
        }
    }

    public sealed class GivenWhatNobodyWrote
    {
        [Theory]
        [InlineData(0)]
        [InlineData(25)]
        [InlineData(-1)]
        public void When_the_kind_is_unknown_Then_it_is_refused_by_name(int kind)
        {
            SnapshotRefusedException refusal = Refused(writer => writer.Integer(1, kind));

            Assert.Equal("log.input.kind", refusal.Field);
        }

        [Fact]
        public void When_the_kind_of_a_command_is_unknown_Then_it_is_refused_by_name()
        {
            SnapshotRefusedException refusal = Refused(writer =>
            {
                writer.Integer(1, 22);
                writer.Integer(2, 0);
                writer.Begin(3);
                writer.Integer(1, 22);
                writer.End();
            });

            Assert.Equal("log.input.command.kind", refusal.Field);
        }

        [Fact]
        public void When_a_field_is_missing_Then_it_is_refused_by_name()
        {
            SnapshotRefusedException refusal = Refused(writer =>
            {
                writer.Integer(1, 5);
                writer.Integer(2, 1);
                writer.Integer(3, 1);
            });

            Assert.Equal("the snapshot (format 1) is refused: log.input.pid: it is missing", refusal.Message);
        }

        [Fact]
        public void When_it_has_more_that_must_not_be_ignored_Then_it_is_refused()
        {
            SnapshotRefusedException refusal = Refused(writer =>
            {
                writer.Integer(1, 1);
                writer.Integer(Snapshot.FirstVital, 1);
            });

            Assert.Equal("log.input.#512", refusal.Field);
        }

        [Fact]
        public void When_a_fault_of_ours_has_an_unknown_code_Then_it_is_refused()
        {
            SnapshotRefusedException refusal = Refused(writer => WriteFields(writer, new CommandChecked(s_process, s_request, new Fault((FaultCode)7))));

            Assert.Equal("log.input.fault.code", refusal.Field);
        }

        [Fact]
        public void When_an_input_has_no_notation_Then_that_is_a_defect() =>
            Assert.Throws<ArgumentException>(() => Written(new Unheard()));

        private sealed record Unheard : Input;

        private static SnapshotRefusedException Refused(Action<SnapshotWriter> record)
        {
            byte[] bytes = Snapshot.Seal(s_origin, writer =>
            {
                writer.Begin(1);
                record(writer);
                writer.End();
            });
            return Assert.Throws<SnapshotRefusedException>(() => Read(bytes));
        }

        // The fields of CommandChecked without the record around them.
        private static void WriteFields(SnapshotWriter writer, CommandChecked input)
        {
            writer.Integer(1, 14);
            writer.Integer(2, input.Process.Value);
            writer.Integer(4, input.Request.Value);
            writer.Begin(5);
            writer.Integer(1, (int)input.Fault!.Code);
            writer.End();
        }
    }

    private static void RoundTrip(Input input)
    {
        byte[] bytes = Written(input);

        Input read = Read(bytes);

        Assert.Equal(Dump.Of(input), Dump.Of(read));
        Assert.Equal(bytes, Written(read));
    }

    /// <summary>Reads bytes whose checksum is made right again; the one thing that may be thrown is a refusal.</summary>
    private static void Survives(byte[] bytes)
    {
        try
        {
            Read(Sealed(bytes));
        }
        catch (SnapshotRefusedException)
        {
            // As it should be.
        }
    }

    private static byte[] Sealed(byte[] bytes)
    {
        uint crc = uint.MaxValue;
        foreach (byte b in bytes.AsSpan(..^sizeof(uint)))
        {
            crc = System.Numerics.BitOperations.Crc32C(crc, b);
        }

        System.Buffers.Binary.BinaryPrimitives.WriteUInt32LittleEndian(bytes.AsSpan(bytes.Length - sizeof(uint)), ~crc);
        return bytes;
    }
}
