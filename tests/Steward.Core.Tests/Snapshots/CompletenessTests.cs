using System.Reflection;
using Steward.Core.Config;
using Steward.Core.Effects;
using Steward.Core.Events;
using Steward.Core.Model;
using Steward.Core.Snapshots;
using Steward.Core.Supervision;

namespace Steward.Core.Tests.Snapshots;

public static class CompletenessTests
{
    public sealed class GivenTheStateOfTheMachine
    {
        // Every field of every type that makes up the state. Left of the bar: written to snapshots. Right of it: not written, for it
        // follows from what is written or means nothing between two steps. Whoever adds a field decides here, and in
        // Supervisor.Snapshot.cs, which it is.
        [Theory]
        [InlineData("Supervision.Supervisor",
            "Settings State _isUp _lastProcess _nextSerial _latest _byActivation _slices _tickTimer _stopping _told _stoppedFor _mayHaveStopped "
            + "_stoppingTimer _reloadAsked _reloadRequest _reloadBy _stoppingBy _intents",
            "_slots _groups _byPriority _sorted _deadlines _pools _wanted _now _effects _exit _spawnStage _requester IsRecording _haveIntentsChanged Observer")]
        [InlineData("Supervision.SupervisorSettings", "Identifier LogLevel", "")]
        [InlineData("Supervision.ProcessGroup", "Config Slots Pool", "ByPriority")]
        [InlineData("Supervision.ProcessSlot",
            "Id StdoutLog StderrLog State Incarnation Pid Backoff SpawnErr ExitStatus LastStatus LastStart LastStop StartedAt StartedBy StateDue ReportDue "
            + "OutOfReach Purpose InFlight Waiters IsRecovering Violations Listener StdoutCarry StderrCarry RestartReason Memory Health Linger IsKilled",
            "Group Config Due")]
        [InlineData("Supervision.Linger", "Exit KillAt GiveUpAt Due Pause IsSaid IsKillSaid", "")]
        [InlineData("Supervision.MemoryWatch", "Due Bytes High Restarts", "")]
        [InlineData("Supervision.HealthWatch", "Due IsKnown Failures Reason IsUnhealthy IsPutOff Restarts Pause NotBefore", "")]
        [InlineData("Model.Intent", "Name IsWanted DisabledFor Since By", "")]
        [InlineData("Supervision.Operation", "Kind Request Name Wait Batch By Signal ToGroup", "")]
        [InlineData("Supervision.Batch", "Request Open Items", "")]
        [InlineData("Effects.ProcessStatus", "Name Group Code Description", "")]
        [InlineData("Supervision.Timed", "Due", "")]
        [InlineData("Events.EventPool", "_buffer _nextSerial _rejected _rejections Due Delivered Rejections Returned Discarded", "Group Mask Capacity")]
        [InlineData("Events.PooledEvent", "Serial PoolSerial Type Payload", "")]
        [InlineData("Events.ListenerProtocol", "State Event Due IsDeaf _buffer _start _resultLeft _resultSeen _isOk", "BadLine")]
        [InlineData("Events.Utf8Carry", "_held", "")]
        [InlineData("Model.WaitStatus", "Raw", "")]
        public void When_a_field_is_added_Then_somebody_decides_whether_it_is_written(string type, string written, string notWritten)
        {
            IEnumerable<string> decided = (written + " " + notWritten).Split(' ', StringSplitOptions.RemoveEmptyEntries);

            Type there = typeof(Supervisor).Assembly.GetType("Steward.Core." + type, throwOnError: true)!;

            Assert.Equal(decided.Order(), Dump.Fields(there).Select(field => field.Name).Order());
        }
    }

    public sealed class GivenAConfigurationInWhichNothingIsAsByDefault
    {
        private static UserIdentity User => new("www", 33, 34, [34, 35]);

        internal static readonly Configuration Full = new()
        {
            File = "/etc/a\udcff.conf",
            FullPath = "/full/a.conf",
            Here = "/etc",
            Supervisord = new SupervisordConfig
            {
                MinFds = 2,
                MinProcs = 3,
                Directory = "/",
                User = User,
                Umask = 7,
                LogFile = "/log",
                LogFileMaxBytes = 5,
                LogFileBackups = 6,
                LogLevel = LogLevel.Trace,
                PidFile = "/pid",
                Identifier = "it",
                NoDaemon = true,
                Silent = true,
                ChildLogDir = "/tmp",
                NoCleanup = true,
                StripAnsi = true,
                JournalPath = "/journal",
                JournalMaxBytes = 8,
                JournalMaxDays = 9,
                OrphanPolicy = OrphanPolicy.Stop,
                Keeper = true,
            },
            Servers =
            [
                new ServerConfig
                {
                    Kind = ServerKind.Unix,
                    Section = "unix_http_server",
                    Host = "h",
                    Port = 9,
                    File = "/sock",
                    Chmod = 1,
                    OwnerUid = 2,
                    OwnerGid = 3,
                    Username = "u",
                    Password = "p",
                },
            ],
            RpcInterfaces =
            [
                new RpcInterfaceConfig("supervisor", "factory"),
                new RpcInterfaceConfig("twiddler", "") { Kind = RpcInterfaceKind.Twiddler, Whitelist = ["log", "getGroupNames"] },
                new RpcInterfaceConfig("x", "")
                {
                    Kind = RpcInterfaceKind.Peer,
                    Peer = new RpcPeer("http://localhost:7/y", "", "127.0.0.1", 7, "/y", 3),
                },
            ],
            Groups =
            [
                new GroupConfig
                {
                    Kind = GroupKind.FastCgi,
                    Name = "g",
                    Priority = 4,
                    Processes =
                    [
                        new ProcessConfig
                        {
                            Name = "p",
                            Program = "g",
                            Command = "c",
                            Priority = 1,
                            AutoStart = false,
                            AutoStartAsLast = true,
                            AutoRestart = AutoRestart.True,
                            StartSecs = 2,
                            StartRetries = 4,
                            StopSignal = 1,
                            StopWaitSecs = 11,
                            StopAsGroup = true,
                            KillAsGroup = true,
                            ExitCodes = [1, -2],
                            RedirectStderr = true,
                            ServerUrl = "unix:///x",
                            User = User,
                            Umask = 2,
                            Directory = "/d",
                            Environment = [KeyValuePair.Create("K", "ä\ud83d\ude00"), KeyValuePair.Create("L", "\udc80x")],
                            Stdout = new ChildLogConfig
                            {
                                Kind = ChildLogKind.File,
                                Path = "/o",
                                MaxBytes = long.MaxValue,
                                Backups = 1,
                                CaptureMaxBytes = long.MinValue,
                                EventsEnabled = true,
                                Syslog = true,
                            },
                            Stderr = new ChildLogConfig { Kind = ChildLogKind.None },
                            Socket = new FastCgiSocketConfig
                            {
                                Program = "g",
                                Path = "/fcgi",
                                Host = "h",
                                Port = 1,
                                Backlog = 5,
                                OwnerUid = 6,
                                OwnerGid = 7,
                                Mode = 8,
                            },
                            IsListener = true,
                            KillMode = KillMode.Cgroup,
                            MemoryLimit = new MemoryLimitConfig { Bytes = 1, CheckSecs = 2, Action = WatchAction.Alert },
                            Health = new HealthConfig
                            {
                                Url = "http://h/", Interval = 1, Timeout = 2, Failures = 4, Grace = 5, Status = [204, 204], Action = WatchAction.Alert,
                            },
                        },
                    ],
                    Pool = new EventPoolConfig(["EVENT"], 3, "h") { UnknownRestart = false, ResultTimeout = 7 },
                },
            ],
            Hooks =
            [
                new HookConfig
                {
                    Name = "h",
                    Events = HookEvents.Running,
                    Programs = ["a*", "b"],
                    Processes = ["g:p"],
                    Kind = HookKind.Mail,
                    Target = "a@b",
                    Timeout = 3,
                    User = User,
                    Format = HookFormat.Telegram,
                    Template = "%(name)s",
                    Secret = "s",
                    Token = "t",
                    Chat = "c",
                    Headers = [KeyValuePair.Create("x", "y")],
                    Retries = 2,
                    RetryFor = 4,
                    QueueSize = 5,
                    MinInterval = 6,
                    SendMail = "/bin/mail",
                    SmtpHost = "m",
                    SmtpPort = 7,
                    From = "f@g",
                },
            ],
            ServerUrl = "unix:///sock",
            Messages = [new LoadMessage(LogLevel.Warn, "text")],
        };

        [Fact]
        public void When_it_is_written_and_read_Then_it_is_the_same()
        {
            byte[] bytes = Snapshot.Seal(new SnapshotOrigin("b", default, "p"), writer => ConfigurationFormat.Write(writer, 1, Full));

            Configuration read = ConfigurationFormat.Read(Snapshot.Open(bytes, "state", "b", out _).Record(1, "configuration"));

            Assert.Equal(Dump.Of(Full), Dump.Of(read));
        }

        [Fact]
        public void When_a_property_is_added_Then_it_has_a_value_here_that_is_not_its_default()
        {
            var ordinary = new object[]
            {
                new SupervisordConfig { PidFile = "", ChildLogDir = "" },
                new ServerConfig { Kind = default, Section = "" },
                new GroupConfig { Kind = default, Name = "", Priority = 0, Processes = [] },
                new ProcessConfig { Name = "", Program = "", Command = "" },
                new ChildLogConfig(),
                new FastCgiSocketConfig { Program = "" },
                new MemoryLimitConfig { Bytes = 0 },
                new HealthConfig { Url = "" },
                new HookConfig { Name = "", Kind = default, Target = "" },
                new Configuration
                {
                    File = "",
                    FullPath = "",
                    Here = "",
                    Supervisord = new SupervisordConfig { PidFile = "", ChildLogDir = "" },
                    Servers = [],
                    RpcInterfaces = [],
                    Groups = [],
                    ServerUrl = null,
                    Messages = [],
                },
            };
            ProcessConfig process = Full.Groups[0].Processes[0];
            object[] full = [Full.Supervisord, Full.Servers[0], Full.Groups[0], process, process.Stdout, process.Socket!, process.MemoryLimit!, process.Health!, Full.Hooks[0], Full];

            Assert.All(ordinary.Zip(full), pair =>
            {
                Assert.Equal(pair.First.GetType(), pair.Second.GetType());
                foreach ((string name, FieldInfo field) in Dump.Fields(pair.First.GetType()))
                {
                    Assert.True(Dump.Of(field.GetValue(pair.First)) != Dump.Of(field.GetValue(pair.Second)), $"{pair.First.GetType().Name}.{name}");
                }
            });
        }
    }

    public sealed class GivenASnapshotOfTheFirstRelease
    {
        internal static byte[] Recorded()
        {
            using Stream stream = typeof(CompletenessTests).Assembly.GetManifestResourceStream("format1.base64")!;
            return Convert.FromBase64String(new StreamReader(stream).ReadToEnd());
        }

        [Fact]
        public void When_it_is_read_Then_it_is_taken_up()
        {
            Supervisor supervisor = SupervisorSnapshotTests.Restore(Recorded());

            // The names that enumerations had when it was written: their numbers keep their meaning.
            Assert.Equal(
                "a db BACKOFF, a listener STARTING, b listener STOPPED, single single STARTING, a web EXITED, b web RUNNING",
                string.Join(", ", supervisor.All(new Moment(1, 1)).Select(process => $"{process.Name} {process.Group} {process.State.Name()}")));
        }
    }
}
