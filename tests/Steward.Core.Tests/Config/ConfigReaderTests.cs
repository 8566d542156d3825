using Steward.Core.Config;
using Steward.Core.Model;

namespace Steward.Core.Tests.Config;

public sealed class ConfigReaderTests
{
    private const string Main = "/etc/s.conf";
    private const string Factory = "supervisor.rpcinterface_factory=supervisor.rpcinterface:make_main_rpcinterface\n";

    private static ConfigReading Read(string text, FakeEnvironment? machine = null, ConfigOverrides? overrides = null) =>
        ConfigReader.Read(Main, (machine ?? new FakeEnvironment()).File(Main, text), overrides ?? ConfigOverrides.None);

    private static Configuration Good(string text, FakeEnvironment? machine = null, ConfigOverrides? overrides = null)
    {
        ConfigReading reading = Read(text, machine, overrides);
        Assert.Null(reading.FirstError);
        return reading.Configuration!;
    }

    // Programs under a [supervisord] of their own.
    private static Configuration Programs(string text) => Good("[supervisord]\n" + text);

    private static ProcessConfig Process(string keys) =>
        Programs("[program:p]\ncommand=/bin/cat\n" + keys + "\n").Groups[0].Processes[0];

    private static void Refused(string expected, string text, FakeEnvironment? machine = null)
    {
        ConfigReading reading = Read(text, machine);
        Assert.Equal(expected, reading.FirstError);
        Assert.Null(reading.Configuration);
    }

    private static string[] Warnings(string text) =>
        [.. Read(text).Faults.Where(fault => fault.Severity == FaultSeverity.Warning).Select(fault => fault.Render())];

    public sealed class Finding
    {
        [Fact]
        public void Six_places_are_searched()
        {
            Assert.False(ConfigReader.TryFindFile("/usr/bin/supervisord", new FakeEnvironment(), out _, out string? error));
            Assert.Equal(
                "No config file found at default paths (/usr/etc/supervisord.conf, /usr/supervisord.conf, supervisord.conf, etc/supervisord.conf, "
                + "/etc/supervisord.conf, /etc/supervisor/supervisord.conf); use the -c option to specify a config file at a different path",
                error);
            Assert.False(ConfigReader.TryFindFile("supervisord", new FakeEnvironment(), out _, out error));
            Assert.Contains("(etc/supervisord.conf, supervisord.conf, supervisord.conf, ", error);
        }

        [Fact]
        public void The_first_one_counts()
        {
            FakeEnvironment machine = new FakeEnvironment().File("/etc/supervisor/supervisord.conf", "");
            Assert.True(ConfigReader.TryFindFile("/usr/bin/supervisord", machine, out string? file, out _));
            Assert.Equal("/etc/supervisor/supervisord.conf", file);
            machine.File("/cwd/supervisord.conf", "").File("/usr/supervisord.conf", "");
            Assert.True(ConfigReader.TryFindFile("/opt/bin/supervisord", machine, out file, out _));
            Assert.Equal("supervisord.conf", file);
        }

        [Fact]
        public void Files_that_cannot_be_read()
        {
            Assert.Equal("could not find config file x", ConfigReader.Read("x", new FakeEnvironment(), ConfigOverrides.None).FirstError);
            Assert.Equal(
                "could not read config file /etc", ConfigReader.Read("/etc", new FakeEnvironment(), ConfigOverrides.None).FirstError);
            ConfigReading reading = ConfigReader.Read("/etc/x", new FakeEnvironment().Unreadable("/etc/x"), ConfigOverrides.None);
            Assert.Equal("could not read config file /etc/x", reading.FirstError);
            Assert.Equal("could not read config file /etc/x \u2014 Permission denied", reading.Faults[0].Render());
        }

        [Fact]
        public void A_relative_path_is_kept_for_messages_and_made_absolute_for_reloads()
        {
            FakeEnvironment machine = new FakeEnvironment().File("/cwd/a/s.conf", "[supervisord]\nidentifier=%(here)s\n");
            Configuration configuration = ConfigReader.Read("a/s.conf", machine, ConfigOverrides.None).Configuration!;
            Assert.Equal(("a/s.conf", "/cwd/a/s.conf", "/cwd/a"), (configuration.File, configuration.FullPath, configuration.Here));
            Assert.Equal("/cwd/a", configuration.Supervisord.Identifier);
        }

        [Fact]
        public void Text_that_is_not_UTF8_is_refused_and_a_byte_order_mark_is_skipped()
        {
            Assert.Equal(
                "'utf-8' codec can't decode byte 0xff in position 1: invalid start byte",
                ConfigReader.Read(Main, new FakeEnvironment().File(Main, [(byte)'[', 0xff]), ConfigOverrides.None).FirstError);
            Good("\ufeff[supervisord]\n");
        }
    }

    public sealed class Including
    {
        private static FakeEnvironment Machine => new FakeEnvironment()
            .File("/etc/conf.d/b.conf", "[program:b]\ncommand=%(here)s %%(here)s\n[program:a]\npriority=3\n")
            .File("/etc/conf.d/a.conf", "[program:a]\ncommand=/bin/a\n");

        [Fact]
        public void Matches_are_read_in_order_and_merge()
        {
            Configuration configuration = Good("[supervisord]\n[include]\nfiles = conf.d/*.conf nothing/*.conf\n", Machine);
            Assert.Equal(["a", "b"], configuration.Groups.Select(group => group.Name));
            Assert.Equal(3, configuration.Groups[0].Priority);
            Assert.Equal("/etc/conf.d %(here)s", configuration.Groups[1].Processes[0].Command);
            Assert.Equal(
                [
                    "Warn No file matches via include \"/etc/nothing/*.conf\"",
                    "Info Included extra file \"/etc/conf.d/a.conf\" during parsing",
                    "Info Included extra file \"/etc/conf.d/b.conf\" during parsing",
                ],
                configuration.Messages.Select(message => $"{message.Level} {message.Text}"));
        }

        [Fact]
        public void Supervisord_may_stand_in_an_included_file() =>
            Assert.Equal("me", Good("[include]\nfiles=x\n", new FakeEnvironment().File("/etc/x", "[supervisord]\nidentifier=me\n")).Supervisord.Identifier);

        [Fact]
        public void Included_files_do_not_include()
        {
            FakeEnvironment machine = new FakeEnvironment().File("/etc/x", "[include]\nfiles=y\n").File("/etc/y", "rubbish");
            ConfigReading reading = Read("[supervisord]\n[include]\nfiles=x\n", machine);
            Assert.Null(reading.FirstError);
            Assert.Contains("/etc/x:2: warning: [include] files=y: included files cannot include", reading.Faults[0].Render());
        }

        [Fact]
        public void A_file_that_cannot_be_read_is_passed_over_with_a_warning()
        {
            Configuration configuration = Good("[supervisord]\n[include]\nfiles=x\n", new FakeEnvironment().Unreadable("/etc/x"));
            Assert.Equal(
                new LoadMessage(LogLevel.Warn, "Could not read included file \"/etc/x\": Permission denied"), Assert.Single(configuration.Messages));
        }

        [Theory]
        [InlineData("[include]\nfiles=%(nope)s\n", "Format string '%(nope)s' for 'include.files' contains names ('nope') which cannot be expanded. Available names: ENV_HOME, ENV_NAME, here, host_node_name")]
        [InlineData("[include]\n", ".ini file has [include] section, but no files setting")]
        [InlineData("[include]\nfiles=x\n", "Source contains parsing errors: '/etc/x'\n\t[line  2]: 'rubbish\\n'\n\t[line  3]: 'more\\n'")]
        [InlineData("[include]\nfiles=y\n", "File contains no section headers.\nfile: '/etc/y', line: 1\n'a=1\\n'")]
        public void Errors(string text, string expected) => Refused(
            expected, text + "[supervisord]\n", new FakeEnvironment().File("/etc/x", "[x]\nrubbish\nmore\n").File("/etc/y", "a=1\n"));

        [Fact]
        public void Errors_name_the_file_that_introduced_the_section()
        {
            FakeEnvironment machine = new FakeEnvironment().File("/etc/x", "[program:n]\ncommand=a\nstartsecs=x\n").File("/etc/y", "[program:m]\nstartsecs=x\n");
            Refused("invalid literal for int() with base 10: 'x' in section 'program:n' (file: '/etc/x')", "[supervisord]\n[include]\nfiles=x\n", machine);
            ConfigReading reading = Read("[supervisord]\n[program:m]\ncommand=a\n[include]\nfiles=y\n", machine);
            Assert.Equal("invalid literal for int() with base 10: 'x' in section 'program:m' (file: '/etc/s.conf')", reading.FirstError);
            Assert.Equal(("/etc/y", 2), (reading.Faults[0].File, reading.Faults[0].Line));
        }
    }

    public sealed class Daemon
    {
        [Fact]
        public void Defaults()
        {
            SupervisordConfig config = Good("[supervisord]\n").Supervisord;
            Assert.Equal(new SupervisordConfig
            {
                LogFile = "/cwd/supervisord.log",
                PidFile = "/cwd/supervisord.pid",
                ChildLogDir = "/tmp",
                JournalPath = "/cwd/supervisor.journal",
            }, config);
        }

        [Fact]
        public void Everything_set()
        {
            SupervisordConfig config = Good(
                """
                [supervisord]
                minfds=1
                minprocs=2
                directory=~/
                user=me
                umask=077
                logfile=~/x.log
                logfile_maxbytes=1KB
                logfile_backups=3
                loglevel=WARNING
                pidfile=../tmp/p
                identifier=%(ENV_NAME)s
                nodaemon=yes
                silent=1
                childlogdir=/etc/../etc
                nocleanup=on
                strip_ansi=True
                journal=~/j
                journal_maxbytes=2MB
                journal_maxdays=7
                orphan_policy=Stop
                keeper=true
                """).Supervisord;
            Assert.Equal(
                new SupervisordConfig
                {
                    MinFds = 1,
                    MinProcs = 2,
                    Directory = "/home/me/",
                    User = new UserIdentity("me", 1000, 100, [100, 27]),
                    Umask = 63,
                    LogFile = "/home/me/x.log",
                    LogFileMaxBytes = 1024,
                    LogFileBackups = 3,
                    LogLevel = LogLevel.Warn,
                    PidFile = "/tmp/p",
                    Identifier = "value",
                    NoDaemon = true,
                    Silent = true,
                    ChildLogDir = "/etc",
                    NoCleanup = true,
                    StripAnsi = true,
                    JournalPath = "/home/me/j",
                    JournalMaxBytes = 2 << 20,
                    JournalMaxDays = 7,
                    OrphanPolicy = OrphanPolicy.Stop,
                    Keeper = true,
                },
                config);
        }

        [Theory]
        [InlineData("", "/cwd/supervisor.journal")]
        [InlineData("logfile=/tmp/x.log\nidentifier=a/b\n", "/tmp/a_b.journal")]
        [InlineData("journal=auto\nlogfile=syslog\n", null)]
        [InlineData("journal=none\n", null)]
        [InlineData("journal=/etc/j\nlogfile=syslog\n", "/etc/j")]
        public void The_journal_is_beside_the_log_unless_something_else_is_said(string text, string? path) =>
            Assert.Equal(path, Good("[supervisord]\n" + text).Supervisord.JournalPath);

        [Theory]
        [InlineData("journal=/etc", "/etc is a directory and cannot be the journal")]
        [InlineData("journal_maxbytes=5KB", "5KB is too small for the journal: it needs 1MB at least")]
        [InlineData("journal_maxdays=0", "0 is not within 1 to 36500 days")]
        public void What_the_journal_cannot_be_is_refused(string line, string error) => Refused(error, "[supervisord]\n" + line + "\n");

        [Fact]
        public void An_orphan_policy_that_there_is_not_is_refused() =>
            Refused("'kill' is no orphan_policy", "[supervisord]\norphan_policy=kill\n");

        [Fact]
        public void The_command_line_wins()
        {
            SupervisordConfig config = Good(
                "[supervisord]\nuser=no-such-user\nlogfile=/tmp/l\npidfile=/tmp/p\nminfds=5\n",
                overrides: new ConfigOverrides
                {
                    MinFds = 1,
                    MinProcs = 2,
                    User = "0",
                    Umask = 63,
                    Directory = "~",
                    LogFile = "syslog",
                    LogFileMaxBytes = 4,
                    LogFileBackups = 5,
                    LogLevel = LogLevel.Blather,
                    PidFile = "~/p",
                    Identifier = "i",
                    ChildLogDir = "../etc",
                    NoCleanup = true,
                    NoDaemon = true,
                    Silent = true,
                    StripAnsi = true,
                }).Supervisord;
            Assert.Equal(
                new SupervisordConfig
                {
                    MinFds = 1,
                    MinProcs = 2,
                    Directory = "/home/me",
                    User = new UserIdentity("root", 0, 0, [0]),
                    Umask = 63,
                    LogFile = null,
                    LogFileMaxBytes = 4,
                    LogFileBackups = 5,
                    LogLevel = LogLevel.Blather,
                    PidFile = "/home/me/p",
                    Identifier = "i",
                    ChildLogDir = "/etc",
                    NoCleanup = true,
                    NoDaemon = true,
                    Silent = true,
                    StripAnsi = true,
                },
                config);
        }

        [Theory]
        [InlineData("minfds=x", "invalid literal for int() with base 10: 'x'")]
        [InlineData("directory=/nope", "/nope is not an existing directory")]
        [InlineData("umask=8", "8 can not be converted to an octal type")]
        [InlineData("logfile=~nobodyhere/x", "The directory named as part of the path ~nobodyhere/x does not exist")]
        [InlineData("logfile_maxbytes=1K", "invalid literal for int() with base 10: '1k'")]
        [InlineData("logfile=", "/cwd is a directory and cannot be the log file")]
        [InlineData("loglevel=x", "bad logging level name 'x'")]
        [InlineData("silent=x", "not a valid boolean value: 'x'")]
        [InlineData("user=nope", "Invalid user name nope")]
        [InlineData("user=4711", "Invalid user id 4711")]
        [InlineData("identifier=%(nope)s", "Format string '%(nope)s' for 'supervisord.identifier' contains names ('nope') which cannot be expanded. Available names: ENV_HOME, ENV_NAME, here")]
        [InlineData("identifier=%s", "Format string '%s' for 'supervisord.identifier' is badly formatted: %s format: a name in parentheses is required, as in %(here)s; a percent sign itself is written %%")]
        [InlineData("environment=%(nope)s", "Format string '%(nope)s' for 'environment' contains names ('nope') which cannot be expanded. Available names: ENV_HOME, ENV_NAME, here, host_node_name")]
        [InlineData("environment=A=1 B=2", "Unexpected end of key/value pairs in value 'A=1 B=2'")]
        [InlineData("environment=A='", "No closing quotation")]
        public void Errors(string line, string expected) => Refused(expected, "[supervisord]\n" + line + "\n");

        [Fact]
        public void The_first_error_in_the_order_of_evaluation_is_told_first_and_all_are_told()
        {
            ConfigReading reading = Read("[program:p]\nstartsecs=x\npriority=y\n[supervisord]\nuser=nope\nsilent=maybe\nminfds=x\n");
            Assert.Equal("invalid literal for int() with base 10: 'x'", reading.FirstError);
            Assert.Equal(
                ["minfds", "silent", "priority", "priority", "startsecs", null, "user"],
                reading.Faults.Select(fault => fault.Key));
        }

        [Fact]
        public void Its_environment_serves_what_comes_after_it()
        {
            Configuration configuration = Good("[supervisord]\nenvironment=LEVEL=\"7\",A=\"50%%\"\n[program:p]\ncommand=x %(ENV_A)s\npriority=%(ENV_LEVEL)s\nenvironment=A=b,B=c\n");
            ProcessConfig process = configuration.Groups[0].Processes[0];
            Assert.Equal(("x b", 7), (process.Command, process.Priority));
            Assert.Equal(["A=b", "B=c", "LEVEL=7"], process.Environment.Select(pair => pair.Key + "=" + pair.Value));
            Refused(
                "Format string '%(ENV_LEVEL)s' for 'supervisord.identifier' contains names ('ENV_LEVEL') which cannot be expanded. Available names: ENV_HOME, ENV_NAME, here",
                "[supervisord]\nenvironment=LEVEL=7\nidentifier=%(ENV_LEVEL)s\n");
        }
    }

    public sealed class Servers
    {
        [Fact]
        public void Inet_comes_before_unix_and_each_kind_in_the_order_of_the_file()
        {
            Configuration configuration = Good(
                "[supervisord]\n[unix_http_server]\nfile=~/s\nchmod=0777\nchown=me:users\n[inet_http_server]\nport=*:9001\n"
                + "[unix_http_server:b]\nfile=%(here)s/t\nusername=u\npassword={SHA}x\n[inet_http_server:b]\nport=LocalHost:80\n");
            Assert.Equal(
                [
                    new ServerConfig { Kind = ServerKind.Inet, Section = "inet_http_server", Port = 9001 },
                    new ServerConfig { Kind = ServerKind.Inet, Section = "inet_http_server:b", Host = "localhost", Port = 80 },
                    new ServerConfig { Kind = ServerKind.Unix, Section = "unix_http_server", File = "/home/me/s", Chmod = 511, OwnerUid = 1000, OwnerGid = 100 },
                    new ServerConfig { Kind = ServerKind.Unix, Section = "unix_http_server:b", File = "/etc/t", Username = "u", Password = "{SHA}x" },
                ],
                configuration.Servers);
            Assert.Equal("unix:///home/me/s", configuration.ServerUrl);
        }

        [Theory]
        [InlineData("", null)]
        [InlineData("[inet_http_server]\nport=9001\n", "http://localhost:9001")]
        [InlineData("[inet_http_server]\nport=9001\n[inet_http_server:2]\nport=h:2\n", "http://h:2")]
        [InlineData("[unix_http_server]\nfile=/a\n[unix_http_server:2]\nfile=/b\n", "unix:///a")]
        public void The_address_for_children(string sections, string? expected) => Assert.Equal(expected, Programs(sections).ServerUrl);

        [Theory]
        [InlineData("[unix_http_server]\n", "section [unix_http_server] has no file value")]
        [InlineData("[inet_http_server:x]\n", "section [inet_http_server:x] has no port value")]
        [InlineData("[inet_http_server]\nport=x\n", "not a valid port number: 'x' ")]
        [InlineData("[inet_http_server]\nport=a:\n", "no port number specified in ''")]
        [InlineData("[inet_http_server]\nport=a:70000\n", "70000 is above upper bound (65535)")]
        [InlineData("[inet_http_server]\nport=a:0\n", "0 is below lower bound (1)")]
        [InlineData("[unix_http_server]\nfile=/a\nchmod=9\nchown=nope\n", "Invalid sockchown value nope")]
        [InlineData("[unix_http_server]\nfile=/a\nchmod=9\n", "Invalid chmod value 9")]
        [InlineData("[unix_http_server]\nfile=/a\npassword=x\nchmod=9\n", "Section [unix_http_server] contains incomplete authentication: If a username or a password is specified, both the username and password must be specified")]
        [InlineData("[inet_http_server]\nport=x\nusername=x\n", "Section [inet_http_server] contains incomplete authentication: If a username or a password is specified, both the username and password must be specified")]
        [InlineData("[unix_http_server]\nfile=%(host_node_name)s\n", "Format string '%(host_node_name)s' for 'unix_http_server.file' contains names ('host_node_name') which cannot be expanded. Available names: ENV_HOME, ENV_NAME, here")]
        [InlineData("[inet_http_server]\nport=%(here)s\n", "Format string '%(here)s' for 'inet_http_server.port' contains names ('here') which cannot be expanded. Available names: ENV_HOME, ENV_NAME")]
        [InlineData("[unix_http_server]\nfile=/x\n[inet_http_server]\nport=1\nusername=a\npassword=a%b\n", "Format string 'a%b' for 'inet_http_server.password' is badly formatted: unsupported format character 'b' (0x62) at index 2")]
        public void Errors(string sections, string expected) => Refused(expected, "[supervisord]\n" + sections);
    }

    public sealed class Plugins
    {
        [Fact]
        public void The_main_interface_is_built_in() =>
            Assert.Equal([new RpcInterfaceConfig("supervisor", "supervisor.rpcinterface:make_main_rpcinterface")], Programs("[rpcinterface:supervisor]\n" + Factory).RpcInterfaces);

        [Theory]
        [InlineData("[rpcinterface:x]\n", "section [rpcinterface:x] does not specify a supervisor.rpcinterface_factory")]
        [InlineData("[rpcinterface:x]\nsupervisor.rpcinterface_factory=a.b:c\n", "a.b:c cannot be resolved within [rpcinterface:x]: No module named 'a' (Python is not loaded here; a program of its own can serve the methods, see steward.rpc_url)")]
        [InlineData("[rpcinterface:x]\nsteward.rpc_url=tcp://x\n", "Invalid steward.rpc_url in [rpcinterface:x]: 'tcp://x' begins with neither unix:// nor http://")]
        [InlineData("[rpcinterface:x]\nsteward.rpc_url=http://10.0.0.1:80/\n", "Invalid steward.rpc_url in [rpcinterface:x]: 'http://10.0.0.1:80/' does not stay on this machine")]
        [InlineData("[rpcinterface:x]\nsteward.rpc_url=unix:///a\nsteward.rpc_timeout=0\n", "[rpcinterface:x] section sets invalid steward.rpc_timeout (0)")]
        [InlineData("[rpcinterface:supervisor]\nsteward.rpc_url=unix:///a\n", "the namespace 'supervisor' of [rpcinterface:supervisor] cannot be served by another program")]
        [InlineData("[rpcinterface:x]\nsupervisor.rpcinterface_factory=supervisor.rpcinterface:c\n", "supervisor.rpcinterface:c cannot be resolved within [rpcinterface:x]: module 'supervisor.rpcinterface' has no attribute 'c' (Python is not loaded here; a program of its own can serve the methods, see steward.rpc_url)")]
        [InlineData("[eventlistener:x]\ncommand=a\nevents=TICK\nresult_handler=a.b:c\n", "a.b:c cannot be resolved within [eventlistener:x]: No module named 'a'")]
        [InlineData("[inet_http_server]\nport=1\n[rpcinterface:x]\nother=1\n" + Factory, "Could not make x rpc interface")]
        public void Errors(string sections, string expected)
        {
            Refused(expected, "[supervisord]\n" + sections);
            Assert.NotNull(Read("[supervisord]\n" + sections).Faults.First(fault => fault.Severity == FaultSeverity.Error).Remedy);
        }

        [Fact]
        public void Another_program_may_serve_a_namespace()
        {
            RpcInterfaceConfig one = Programs(
                "[unix_http_server]\nfile=/s\n[rpcinterface:mine]\nsteward.rpc_url=unix://%(here)s/mine.sock\nsteward.rpc_timeout=3\n"
                + "supervisor.rpcinterface_factory=mine:make\ncolor=red\n").RpcInterfaces[0];
            Assert.Equal(RpcInterfaceKind.Peer, one.Kind);
            Assert.Equal(new RpcPeer("unix:///etc/mine.sock", "/etc/mine.sock", "", 0, "/RPC2", 3), one.Peer);
        }

        [Theory]
        [InlineData("http://127.0.0.1:9", "127.0.0.1 9 /RPC2")]
        [InlineData("http://127.0.0.1:9/", "127.0.0.1 9 /RPC2")]
        [InlineData("http://localhost:9/x/y?z", "127.0.0.1 9 /x/y?z")]
        [InlineData("http://[::1]:9/x", "::1 9 /x")]
        [InlineData("http://127.0.0.1", "'http://127.0.0.1' names no port")]
        [InlineData("http://[::1]", "'http://[::1]' names no port")]
        [InlineData("http://127.0.0.1:0", "'http://127.0.0.1:0' names no port")]
        [InlineData("http://example.org:9", "'http://example.org:9' does not stay on this machine")]
        [InlineData("http://0.0.0.0:9", "'http://0.0.0.0:9' does not stay on this machine")]
        [InlineData("http://127.0.0.1:9/a b", "the path of 'http://127.0.0.1:9/a b' has characters that cannot be sent")]
        [InlineData("unix://a", "the path of 'unix://a' is not absolute")]
        public void Its_address_is_on_this_machine(string url, string expected) =>
            Assert.Equal(expected, RpcPeer.TryParse(url, 1, out RpcPeer? peer, out string? error) ? $"{peer!.Address} {peer.Port} {peer.Target}" : error);

        [Fact]
        public void The_methods_of_known_plugins_are_built_in() => Assert.Equal(
            [(RpcInterfaceKind.Twiddler, "log,addProgramToGroup"), (RpcInterfaceKind.Laforge, "")],
            Programs(
                "[unix_http_server]\nfile=/s\n[rpcinterface:twiddler]\nsupervisor.rpcinterface_factory=supervisor_twiddler.rpcinterface:make_twiddler_rpcinterface\n"
                + "whitelist=log, addProgramToGroup\n[rpcinterface:laforge]\nsupervisor.rpcinterface_factory=mr.laforge.rpcinterface:make_laforge_rpcinterface\n")
                .RpcInterfaces.Select(one => (one.Kind, string.Join(',', one.Whitelist))));

        [Fact]
        public void Defaults_of_all_sections_are_not_settings_of_the_interface() =>
            Programs("[DEFAULT]\nstartsecs=3\n[inet_http_server]\nport=1\n[rpcinterface:x]\n" + Factory);
    }

    public sealed class Groups
    {
        [Fact]
        public void They_are_sorted_by_priority_and_name()
        {
            Configuration configuration = Programs(
                "[program:b]\ncommand=a\n[program:a]\ncommand=a\n[program:z]\ncommand=a\npriority=1\n[eventlistener:l]\ncommand=a\nevents=TICK\n"
                + "[group:g]\nprograms=m,k\npriority=5\n[program:k]\ncommand=a\n[program:m]\ncommand=a\n");
            Assert.Equal(
                ["EventListener l -1 l", "Program z 1 z", "Program g 5 m,k", "Program a 999 a", "Program b 999 b"],
                configuration.Groups.Select(group => $"{group.Kind} {group.Name} {group.Priority} {string.Join(',', group.Processes.Select(p => p.Name))}"));
        }

        [Fact]
        public void Processes_are_sorted_inside_their_section()
        {
            GroupConfig group = Programs("[program:p]\ncommand=a %(process_num)d of %(numprocs)s\nprocess_name=p_%(process_num)s\nnumprocs=3\nnumprocs_start=9\n").Groups[0];
            Assert.Equal(["p_10 a 10 of 3", "p_11 a 11 of 3", "p_9 a 9 of 3"], group.Processes.Select(p => p.Name + " " + p.Command));
        }

        [Fact]
        public void A_program_may_belong_to_several_groups()
        {
            Configuration configuration = Programs("[program:p]\ncommand=%(group_name)s\n[group:b]\nprograms=p\n[group:a]\nprograms=p, p\n");
            Assert.Equal(["a", "b"], configuration.Groups.Select(group => group.Name));
            Assert.Equal(["a", "b"], configuration.Groups.Select(group => group.Processes[0].Command));
        }

        [Theory]
        [InlineData("[program:p]\nnumprocs=0\n")]
        [InlineData("[group:g]\n")]
        [InlineData("[group:g]\nprograms=\n")]
        public void An_empty_group_is_accepted(string sections) => Assert.Empty(Programs(sections).Groups[0].Processes);

        [Theory]
        [InlineData("[group:a b]\n", "Invalid name: 'a b' because of character: ' '")]
        [InlineData("[group:g]\nprograms=p,\n[program:p]\ncommand=a\n", "[group:g] names unknown program or fcgi-program ")]
        [InlineData("[group:g]\nprograms=p,q\n[program:p]\ncommand=a\n", "[group:g] names unknown program or fcgi-program q")]
        [InlineData("[group:g]\nprograms=l\n[eventlistener:l]\ncommand=a\nevents=TICK\n", "[group:g] names unknown program or fcgi-program l")]
        [InlineData("[group:g]\nprograms=p\n[program:p]\n[fcgi-program:p]\n", "[group:g] name p is ambiguous (exists as program and fcgi-program)")]
        [InlineData("[group:g]\npriority=x\n", "invalid literal for int() with base 10: 'x'")]
        [InlineData("[group:g]\nprograms=%(program_name)s\n", "Format string '%(program_name)s' for 'group:g.programs' contains names ('program_name') which cannot be expanded. Available names: ENV_HOME, ENV_NAME, here")]
        [InlineData("[group:g]\nprograms=p\n[program:p]\ncommand=a\npriority=x\n", "invalid literal for int() with base 10: 'x' in section 'program:p' (file: '/etc/s.conf')")]
        [InlineData("[group:g]\nprograms=a:b\n[program:a:b]\ncommand=a\n", "Invalid name: 'a:b' because of character: ':' in section 'program:a:b' (file: '/etc/s.conf')")]
        public void Errors(string sections, string expected) => Refused(expected, "[supervisord]\n" + sections);

        [Fact]
        public void Two_of_one_name_are_warned_about()
        {
            Configuration configuration = Programs("[program:a]\ncommand=x\n[eventlistener:a]\ncommand=y\nevents=TICK\n");
            Assert.Equal(GroupKind.EventListener, configuration.Groups[0].Kind);
            Assert.Equal(
                "[program:a] makes another group named 'a', which [eventlistener:a] makes already; the other one counts", Assert.Single(configuration.Messages).Text);
        }

        [Fact]
        public void Of_two_processes_of_one_name_the_last_counts()
        {
            Configuration configuration = Programs("[group:g]\nprograms=a,b\n[program:a]\ncommand=x\nprocess_name=n\n[program:b]\ncommand=y\nprocess_name=n\n");
            Assert.Equal("y", Assert.Single(configuration.Groups[0].Processes).Command);
            Assert.Equal("Group 'g' has several processes named 'n'; only the last one counts", Assert.Single(configuration.Messages).Text);
        }
    }

    public sealed class ProgramSections
    {
        [Fact]
        public void Defaults() => Assert.Equal(new ProcessConfig { Name = "p", Program = "p", Command = "/bin/cat" }, Process(""));

        [Fact]
        public void Everything_set()
        {
            ProcessConfig actual = Process(
                """
                process_name=n_%(process_num)02d
                priority=7
                autostart=no
                autorestart=TRUE
                startsecs=-3
                startretries=9
                exitcodes=1, 2,255
                stopsignal=sigquit
                stopwaitsecs=4
                stopasgroup=on
                killasgroup=1
                redirect_stderr=no
                stdout_logfile=~/o
                stdout_logfile_maxbytes=3KB
                stdout_logfile_backups=4
                stdout_capture_maxbytes=2MB
                stdout_events_enabled=true
                stdout_syslog=true
                stderr_logfile=NONE
                stderr_logfile_maxbytes=0
                stderr_logfile_backups=0
                stderr_capture_maxbytes=512
                stderr_events_enabled=1
                stderr_syslog=1
                user=me
                umask=077
                directory=~/x
                serverurl=http://x:1
                environment=B="%(program_name)s",A="1"
                """);
            Assert.Equal(
                new ProcessConfig
                {
                    Name = "n_00",
                    Program = "p",
                    Command = "/bin/cat",
                    Priority = 7,
                    AutoStart = false,
                    AutoRestart = AutoRestart.True,
                    StartSecs = -3,
                    StartRetries = 9,
                    ExitCodes = [1, 2, 255],
                    StopSignal = 3,
                    StopWaitSecs = 4,
                    StopAsGroup = true,
                    KillAsGroup = true,
                    Stdout = new ChildLogConfig
                    {
                        Kind = ChildLogKind.File, Path = "/home/me/o", MaxBytes = 3072, Backups = 4, CaptureMaxBytes = 2 << 20, EventsEnabled = true, Syslog = true,
                    },
                    Stderr = new ChildLogConfig { Kind = ChildLogKind.None, MaxBytes = 0, Backups = 0, CaptureMaxBytes = 512, EventsEnabled = true, Syslog = true },
                    User = new UserIdentity("me", 1000, 100, [100, 27]),
                    Umask = 63,
                    Directory = "~/x",
                    ServerUrl = "http://x:1",
                    Environment = [new("A", "1"), new("B", "p")],
                },
                actual);
        }

        [Theory]
        [InlineData("command=\n", "")]
        [InlineData("command=a %%s\n", "a %s")]
        [InlineData("command=a\n  b\n", "a\nb")]
        [InlineData("environment=X=1\ncommand=%(ENV_X)s %(ENV_NAME)s %(here)s %(host_node_name)s %(group_name)s\n", "1 value /etc box p")]
        [InlineData("environment=NAME=own\ncommand=%(ENV_NAME)s\n", "own")]
        public void Commands(string keys, string expected) =>
            Assert.Equal(expected, Programs("[program:p]\n" + keys).Groups[0].Processes[0].Command);

        [Theory]
        [InlineData("stdout_logfile=x", ChildLogKind.File, "x")]
        [InlineData("stdout_logfile=%(program_name)s-50%%%%.log", ChildLogKind.File, "p-50%.log")]
        [InlineData("stdout_logfile=/tmp/50%%.log", ChildLogKind.File, "/tmp/50%.log")]
        [InlineData("stdout_logfile=OFF", ChildLogKind.None, "")]
        [InlineData("stdout_logfile=", ChildLogKind.None, "")]
        [InlineData("stdout_logfile=Auto", ChildLogKind.Auto, "")]
        [InlineData("stdout_logfile=/dev/stdout", ChildLogKind.File, "/dev/stdout")]
        public void Logs(string key, ChildLogKind kind, string path)
        {
            ConfigReading reading = Read("[supervisord]\n[program:p]\ncommand=a\n" + key, new FakeEnvironment().Directory("/dev"));
            ChildLogConfig log = reading.Configuration!.Groups[0].Processes[0].Stdout;
            Assert.Equal((kind, path), (log.Kind, log.Path));
        }

        [Theory]
        [InlineData("serverurl= auto ", null)]
        [InlineData("serverurl=", "")]
        public void Server_urls(string key, string? expected) => Assert.Equal(expected, Process(key).ServerUrl);

        [Fact]
        public void Killing_the_group_follows_stopping_it() => Assert.True(Process("stopasgroup=true").KillAsGroup);

        [Theory]
        [InlineData("priority=x", "invalid literal for int() with base 10: 'x'", false)]
        [InlineData("priority=%(program_name)s", "Format string '%(program_name)s' for 'program:p.priority' contains names ('program_name') which cannot be expanded. Available names: ENV_HOME, ENV_NAME, here", false)]
        [InlineData("autostart=x", "not a valid boolean value: 'x'", true)]
        [InlineData("autorestart=X", "invalid 'autorestart' value 'x'", true)]
        [InlineData("startsecs=1.5", "invalid literal for int() with base 10: '1.5'", true)]
        [InlineData("startretries=", "invalid literal for int() with base 10: ''", true)]
        [InlineData("stopsignal=33", "value '33' is not a valid signal number", true)]
        [InlineData("stopsignal=FOO", "value 'FOO' is not a valid signal name", true)]
        [InlineData("exitcodes=0,", "not a valid list of exit codes: '0,'", true)]
        [InlineData("numprocs=2", "%(process_num) must be present within process_name when numprocs > 1", true)]
        [InlineData("numprocs=2\nprocess_name=a b", "Invalid name: 'a b' because of character: ' '", true)]
        [InlineData("stopasgroup=true\nkillasgroup=false", "Cannot set stopasgroup=true and killasgroup=false", true)]
        [InlineData("user=nope", "Invalid user name nope", true)]
        [InlineData("umask=x", "x can not be converted to an octal type", true)]
        [InlineData("stdout_capture_maxbytes=1TB", "invalid literal for int() with base 10: '1tb'", true)]
        [InlineData("environment=A", "Unexpected end of key/value pairs in value 'A'", true)]
        [InlineData("environment=A=1,B=\"%(ENV_A)s\"", "Format string 'A=1,B=\"%(ENV_A)s\"' for 'environment' contains names ('ENV_A') which cannot be expanded. Available names: ENV_HOME, ENV_NAME, group_name, here, host_node_name, numprocs, process_num, program_name", true)]
        [InlineData("stderr_logfile=/no/x", "The directory named as part of the path /no/x does not exist", true)]
        [InlineData("directory=%(x)s", "Format string '%(x)s' for 'program:p.directory' contains names ('x') which cannot be expanded. Available names: ENV_HOME, ENV_NAME, group_name, here, host_node_name, numprocs, process_num, program_name", true)]
        [InlineData("startsecs=%(process_num)d", "Format string '%(process_num)d' for 'program:p.startsecs' contains names ('process_num') which cannot be expanded. Available names: ENV_HOME, ENV_NAME, group_name, here, host_node_name, program_name", true)]
        [InlineData("process_name=%(x)s", "Format string '%(x)s' for 'process_name' contains names ('x') which cannot be expanded. Available names: ENV_HOME, ENV_NAME, group_name, here, host_node_name, numprocs, process_num, program_name", true)]
        [InlineData("numprocs=70000\nprocess_name=%(process_num)d", "numprocs=70000 makes more than 65536 processes, or numbers that are too large", true)]
        [InlineData("numprocs_start=99999999999", "numprocs=1 makes more than 65536 processes, or numbers that are too large", true)]
        public void Errors(string keys, string expected, bool decorated) => Refused(
            expected + (decorated ? " in section 'program:p' (file: '/etc/s.conf')" : ""), "[supervisord]\n[program:p]\ncommand=a\n" + keys + "\n");

        [Fact]
        public void A_name_that_is_not_allowed_is_told_once()
        {
            ConfigReading reading = Read("[supervisord]\n[program:a b]\ncommand=a\n");
            Assert.Equal("Invalid name: 'a b' because of character: ' '", reading.FirstError);
            Assert.Single(reading.Faults);
        }

        [Fact]
        public void A_fault_of_many_processes_is_told_once() =>
            Assert.Single(Read("[supervisord]\n[program:p]\ncommand=a\nprocess_name=%(process_num)d\nnumprocs=500\nstdout_logfile=/no/%(process_num)d/x\n").Faults);

        [Theory]
        [InlineData("stdout_logfile=syslog", "For [program:p], stdout_logfile=syslog but this is deprecated and will be removed.  Use stdout_syslog=true to enable syslog instead.")]
        [InlineData("stderr_logfile_maxbytes=0", "For [program:p], AUTO logging used for stderr_logfile without rollover, set maxbytes > 0 to avoid filling up filesystem unintentionally")]
        [InlineData("redirect_stderr=true\nstderr_logfile=x", "For [program:p], redirect_stderr=true but stderr_logfile has also been set to a filename, the filename has been ignored")]
        [InlineData("environment=A=hello world", "For [program:p], environment has 'world' where only a comma is meant to stand; it is ignored, put the value in double quotes")]
        public void Warnings_for_the_log(string keys, string expected) =>
            Assert.Equal(expected, Assert.Single(Programs("[program:p]\ncommand=a\n" + keys + "\n").Messages).Text);

        [Fact]
        public void The_word_syslog_means_what_the_key_means()
        {
            ChildLogConfig log = Process("stderr_logfile=SysLog").Stderr;
            Assert.Equal((ChildLogKind.None, true), (log.Kind, log.Syslog));
        }
    }

    public sealed class Listeners
    {
        [Fact]
        public void A_pool_has_settings_of_its_own()
        {
            GroupConfig pool = Programs("[eventlistener: l]\ncommand=a\nevents=tick_5, PROCESS_STATE,TICK_5\nbuffer_size=3\n").Groups[0];
            Assert.Equal((" l", -1), (pool.Name, pool.Priority));
            Assert.Equal(new EventPoolConfig(["PROCESS_STATE", "TICK_5"], 3, "supervisor.dispatchers:default_handler"), pool.Pool);
            Assert.Equal(("l", 999, true), (pool.Processes[0].Name, pool.Processes[0].Priority, pool.Processes[0].IsListener));
        }

        [Fact]
        public void What_happens_to_a_listener_that_fails_is_a_setting()
        {
            EventPoolConfig pool = Programs("[eventlistener:l]\ncommand=a\nevents=TICK_5\nunknown_restart=no\nresult_timeout=30\n").Groups[0].Pool!;
            Assert.Equal((false, 30), (pool.UnknownRestart, pool.ResultTimeout));
        }

        [Theory]
        [InlineData("events=TICK\nresult_timeout=-1", "[eventlistener:l] section sets invalid result_timeout (-1)")]
        [InlineData("", "[eventlistener:l] section requires an \"events\" line")]
        [InlineData("events=", "[eventlistener:l] section requires an \"events\" line")]
        [InlineData("events=TICK,", "Unknown event type  in [eventlistener:l] events")]
        [InlineData("events=tikc", "Unknown event type TIKC in [eventlistener:l] events")]
        [InlineData("buffer_size=0\nevents=x", "[eventlistener:l] section sets invalid buffer_size (0)")]
        [InlineData("buffer_size=x", "invalid literal for int() with base 10: 'x'")]
        [InlineData("events=TICK\nredirect_stderr=true", "[eventlistener:l] section sets redirect_stderr=true but this is not allowed because it will interfere with the eventlistener protocol")]
        [InlineData("events=TICK\nstartsecs=x", "invalid literal for int() with base 10: 'x' in section 'eventlistener:l' (file: '/etc/s.conf')")]
        public void Errors(string keys, string expected) => Refused(expected, "[supervisord]\n[eventlistener:l]\ncommand=a\n" + keys + "\n");
    }

    public sealed class FastCgi
    {
        private static FastCgiSocketConfig Socket(string keys) =>
            Programs("[fcgi-program:f]\ncommand=a\n" + keys + "\n").Groups[0].Processes[0].Socket!;

        [Fact]
        public void Unix_sockets() => Assert.Equal(
            new FastCgiSocketConfig { Program = "f", Path = "/tmp/f", Backlog = 7, OwnerUid = 0, OwnerGid = 100, Mode = 511 },
            Socket("socket=unix:///tmp/../tmp/%(program_name)s\nsocket_backlog=7\nsocket_owner=root:users\nsocket_mode=0777"));

        [Fact]
        public void Tcp_sockets() => Assert.Equal(new FastCgiSocketConfig { Program = "f", Host = "box", Port = 9000 }, Socket("socket=tcp://BOX:9000"));

        [Theory]
        [InlineData("user=nobody", 65534, 65534)]
        [InlineData("user=me", -1, -1)]
        public void The_socket_belongs_to_the_user_of_the_program(string key, int uid, int gid)
        {
            FastCgiSocketConfig socket = Socket("socket=unix:///x\n" + key);
            Assert.Equal((uid, gid), (socket.OwnerUid, socket.OwnerGid));
        }

        [Fact]
        public void In_a_group_it_keeps_its_socket()
        {
            GroupConfig group = Programs("[group:g]\nprograms=f\n[fcgi-program:f]\ncommand=a\nsocket=unix:///x\n").Groups[0];
            Assert.Equal((GroupKind.Program, "unix:///x"), (group.Kind, group.Processes[0].Socket!.Url));
        }

        [Theory]
        [InlineData("", "[fcgi-program:f] section requires a \"socket\" line")]
        [InlineData("socket=", "[fcgi-program:f] section requires a \"socket\" line")]
        [InlineData("socket=unix://x", "Unix socket path x is not an absolute path in [fcgi-program:f] socket")]
        [InlineData("socket=http://x", "Bad socket format http://x in [fcgi-program:f] socket")]
        [InlineData("socket=tcp://x:1/", "Bad socket format tcp://x:1/ in [fcgi-program:f] socket")]
        [InlineData("socket=tcp://x:0", "0 is below lower bound (1) in [fcgi-program:f] socket")]
        [InlineData("socket=tcp://x:1\nsocket_mode=0700", "socket_owner and socket_mode params should only be used with a Unix domain socket in [fcgi-program:f] socket")]
        [InlineData("socket_backlog=0", "Invalid socket_backlog value 0")]
        [InlineData("socket_backlog=x", "invalid literal for int() with base 10: 'x'")]
        [InlineData("socket_owner=me:nope", "Invalid socket_owner value me:nope")]
        [InlineData("socket_mode=x", "Invalid socket_mode value x")]
        [InlineData("user=nope", "Invalid user name nope")]
        public void Errors(string keys, string expected) => Refused(expected, "[supervisord]\n[fcgi-program:f]\ncommand=a\n" + keys + "\n");
    }

    public sealed class Oddities
    {
        [Theory]
        [InlineData("[progam:x]\ncommand=a\n", "/etc/s.conf:2: warning: [progam:x]: no such section is known: it is ignored \u2014 did you mean [program:x]?")]
        [InlineData("[Program:x]\ncommand=a\n", "/etc/s.conf:2: warning: [Program:x]: no such section is known: it is ignored \u2014 did you mean [program:x]?")]
        [InlineData("[zoo]\n", "/etc/s.conf:2: warning: [zoo]: no such section is known: it is ignored")]
        [InlineData("[program:x]\ncommand=a\nstartsec=2\n", "/etc/s.conf:4: warning: [program:x] startsec=2: no such key is known here: it is ignored \u2014 did you mean startsecs?")]
        [InlineData("[program:x]\ncommand=a\nhtml=2\n", "/etc/s.conf:4: warning: [program:x] html=2: no such key is known here: it is ignored")]
        [InlineData("[program:x]\ncommand=a\ncommand=b\n", "/etc/s.conf:3: warning: [program:x] command=a: the key is given again further down, and only the last one counts \u2014 keep one of them")]
        [InlineData("[program:x]\ncommand=a\n autostart=no\n", "/etc/s.conf:3: warning: [program:x] command=a autostart=no: the line 'autostart=no' is indented, so it belongs to this value \u2014 let it begin in the first column if it is meant to stand for itself")]
        [InlineData("[program:x]\ncommand=a 'b\n", "/etc/s.conf:3: warning: [program:x] command=a 'b: can't parse command: No closing quotation \u2014 close the quotes; each start would fail")]
        [InlineData("[program:x]\ncommand=a\nredirect_stderr=true\nstderr_syslog=true\n", "/etc/s.conf:5: warning: [program:x] stderr_syslog=true: has no effect with redirect_stderr=true \u2014 take the line out")]
        [InlineData("[eventlistener:x]\ncommand=a\nevents=TICK\nstdout_syslog=true\n", "/etc/s.conf:5: warning: [eventlistener:x] stdout_syslog=true: has no effect for an event listener, whose stdout carries the protocol \u2014 take the line out")]
        [InlineData("[program:x]\ncommand=a\nstdout_logfile=/tmp/l\n[program:y]\ncommand=a\nstdout_logfile=/tmp/../tmp/l\n", "/etc/s.conf:7: warning: [program:y] stdout_logfile=/tmp/../tmp/l: stdout of x is written to the same file, and each rotates it by itself \u2014 give each a file of its own, or set stdout_logfile_maxbytes=0 for both")]
        [InlineData("[unix_http_server]\nfile=/a\nusername=\npassword=x\n", "/etc/s.conf:4: warning: [unix_http_server] username=: an empty username lets everybody in \u2014 name a user, or take username and password out")]
        [InlineData("[rpcinterface:x]\nother=1\n" + Factory, "/etc/s.conf:3: warning: [rpcinterface:x] other=1: no such key is known here: it is ignored")]
        [InlineData("[ctlplugin:x]\nother=1\n", "/etc/s.conf:2: warning: [ctlplugin:x]: plugins in Python cannot be loaded: the control tool will not have its commands \u2014 name a command with steward.ctl_command")]
        [InlineData("[ctlplugin:x]\nsteward.ctl_command=/x\n[zoo]\n", "/etc/s.conf:4: warning: [zoo]: no such section is known: it is ignored")]
        [InlineData("identifier=my host\n", "/etc/s.conf:2: warning: [supervisord] identifier=my host: identifier 'my host' has a blank or a colon in it, at which event listeners will cut it in two \u2014 write it with letters, digits, dots and hyphens")]
        [InlineData("[DEFAULT]\nstartsec=2\n", "/etc/s.conf:3: warning: [DEFAULT] startsec=2: no section knows this key \u2014 did you mean startsecs?")]
        public void Are_warned_about(string text, string expected) => Assert.Equal([expected], Warnings("[supervisord]\n" + text));

        [Fact]
        public void A_shared_section_across_files_is_a_way_to_configure()
        {
            ConfigReading reading = Read(
                "[supervisord]\nidentifier=a\n[include]\nfiles=x\n", new FakeEnvironment().File("/etc/x", "[supervisord]\nidentifier=b\n"));
            Assert.Empty(reading.Faults);
            Assert.Equal("b", reading.Configuration!.Supervisord.Identifier);
        }

        [Fact]
        public void What_is_not_there_is_told_when_asked_for()
        {
            FakeEnvironment machine = new FakeEnvironment().File("/usr/bin/there", "").File(
                Main,
                "[supervisord]\n[program:a]\ncommand=there x\n[program:b]\ncommand=absent x\n[program:c]\ncommand=/usr/bin/there\ndirectory=/nope\n"
                + "[unix_http_server]\nfile=/nope/s\n[fcgi-program:f]\ncommand=there\nsocket=unix:///nope/f\n");
            machine.Environment["PATH"] = "/bin:/usr/bin";
            Assert.Empty(ConfigReader.Read(Main, machine, ConfigOverrides.None).Faults);
            Assert.Equal(
                [
                    "/etc/s.conf:5: warning: [program:b] command=absent x: can't find command 'absent' \u2014 correct the path, or install the program",
                    "/etc/s.conf:8: warning: [program:c] directory=/nope: /nope is not an existing directory \u2014 make the directory, or name another one",
                    "/etc/s.conf:13: warning: [fcgi-program:f] socket=unix:///nope/f: /nope is not an existing directory \u2014 make the directory, or name another one",
                    "/etc/s.conf:10: warning: [unix_http_server] file=/nope/s: /nope is not an existing directory \u2014 make the directory, or name another one",
                ],
                ConfigReader.Check(Main, machine, ConfigOverrides.None).Faults.Select(fault => fault.Render()));
        }

        [Fact]
        public void A_file_of_rubbish_has_a_bounded_list_of_faults()
        {
            ConfigReading reading = Read("[x]\n" + string.Concat(Enumerable.Repeat("rubbish\n", 5000)));
            Assert.Equal(1001, reading.Faults.Count);
            Assert.Equal("warning: 4002 more faults", reading.Faults[^1].Render());
        }
    }

    public sealed class Watches
    {
        [Theory]
        [InlineData("", true, false)]
        [InlineData("autostart=false", false, false)]
        [InlineData("autostart=LAST", true, true)]
        public void Autostart_may_be_as_it_was_last(string keys, bool autoStart, bool asLast) =>
            Assert.Equal((autoStart, asLast), (Process(keys).AutoStart, Process(keys).AutoStartAsLast));

        [Fact]
        public void A_memory_limit_has_defaults()
        {
            Assert.Null(Process("").MemoryLimit);
            Assert.Null(Process("memory_limit=0").MemoryLimit);
            Assert.Equal(new MemoryLimitConfig { Bytes = 200L << 20 }, Process("memory_limit=200MB").MemoryLimit);
            Assert.Equal(
                new MemoryLimitConfig { Bytes = 5, CheckSecs = 1, Action = WatchAction.Alert },
                Process("memory_limit=5\nmemory_check_secs=1\non_memory_limit=ALERT").MemoryLimit);
        }

        [Theory]
        [InlineData("", KillMode.Process, false)]
        [InlineData("kill_mode=process", KillMode.Process, false)]
        [InlineData("kill_mode=Group", KillMode.Group, true)]
        [InlineData("kill_mode=tree", KillMode.Tree, false)]
        [InlineData("kill_mode=cgroup\nstopasgroup=true", KillMode.Cgroup, true)]
        public void A_kill_mode_says_how_far_a_stop_reaches(string keys, KillMode mode, bool asGroup)
        {
            ProcessConfig process = Process(keys);
            Assert.Equal((mode, asGroup, asGroup), (process.KillMode, process.StopAsGroup, process.KillAsGroup));
        }

        [Fact]
        public void A_health_probe_has_defaults_and_an_address_for_each_process()
        {
            Assert.Null(Process("").Health);
            Assert.Equal(new HealthConfig { Url = "http://127.0.0.1:8080/" }, Process("health_http=http://127.0.0.1:8080/").Health);
            Assert.Equal(25, Process("health_http=http://h/\nstartsecs=25").Health!.Grace);
            HealthConfig all = Process("health_http=http://h/\nhealth_interval=1\nhealth_timeout=2\nhealth_failures=4\nhealth_grace=0\n"
                + "health_status=204, 300-302\non_unhealthy=alert").Health!;
            Assert.Equal(
                new HealthConfig
                {
                    Url = "http://h/", Interval = 1, Timeout = 2, Failures = 4, Grace = 0, Status = [204, 204, 300, 302], Action = WatchAction.Alert,
                },
                all);
            Assert.Equal([true, false, true], new[] { 204, 200, 301 }.Select(all.IsGood));
            Configuration many = Programs(
                "[program:p]\ncommand=/bin/cat\nnumprocs=2\nprocess_name=%(process_num)d\nhealth_http=http://h:80%(process_num)02d/\n");
            Assert.Equal(["http://h:8000/", "http://h:8001/"], many.Groups[0].Processes.Select(process => process.Health!.Url));
        }

        [Theory]
        [InlineData("memory_limit=-1", "memory_limit=-1 is less than nothing")]
        [InlineData("memory_limit=1\nmemory_check_secs=0", "memory_check_secs=0 is less than 1")]
        [InlineData("memory_limit=1\non_memory_limit=kill", "'kill' is no action")]
        [InlineData("health_http=https://h/", "'https://h/' is no address that can be asked over HTTP")]
        [InlineData("kill_mode=mixed", "'mixed' is no kill_mode")]
        [InlineData("health_http=8080", "'8080' is no address that can be asked over HTTP")]
        [InlineData("health_http=http://h/\nhealth_status=20", "'20' is no range of status codes")]
        [InlineData("health_http=http://h/\nhealth_status=300-200", "'300-200' is no range of status codes")]
        [InlineData("health_http=http://h/\nhealth_failures=0", "health_failures=0 is less than 1")]
        public void What_cannot_be_meant_is_refused(string keys, string expected) =>
            Refused($"{expected} in section 'program:p' (file: '{Main}')", "[supervisord]\n[program:p]\ncommand=/bin/cat\n" + keys + "\n");

        [Fact]
        public void A_key_without_the_one_it_belongs_to_is_warned_about() => Assert.Contains(
            Warnings("[supervisord]\n[program:p]\ncommand=/bin/cat\nhealth_interval=3\n"),
            warning => warning.Contains("health_interval has no effect without health_http", StringComparison.Ordinal));
    }
}
