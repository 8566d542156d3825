using System.Text;
using FsCheck;
using FsCheck.Fluent;
using Steward.Core.Config;
using Steward.Core.Model;

namespace Steward.Core.Tests.Config;

/// <summary>Whatever a file holds, reading ends with an answer, the same each time; and what differs is seen to differ.</summary>
public sealed class ConfigPropertyTests
{
    private const string Main = "/etc/s.conf";

    private const string Sample =
        """
        [supervisord]
        logfile=/tmp/s.log
        loglevel=info
        environment=A="1",B='two words'
        [unix_http_server]
        file=/tmp/s.sock
        username=u
        password=p
        [inet_http_server]
        port=127.0.0.1:9001
        [rpcinterface:supervisor]
        supervisor.rpcinterface_factory=supervisor.rpcinterface:make_main_rpcinterface
        [program:web]
        command=/bin/web --port %(process_num)04d --home "%(ENV_HOME)s"
        process_name=%(program_name)s_%(process_num)02d
        numprocs=3
        environment=PORT="80%(process_num)d",C=%(ENV_A)s
        stdout_logfile=/tmp/%(program_name)s-%(process_num)d.log
        stdout_logfile_maxbytes=1MB
        stopsignal=QUIT
        exitcodes=0,2
        [program:job]
        command=/bin/job
            --with more
        autorestart=unexpected ; comment
        user=me
        [group:all]
        programs=web,job
        priority=5
        [eventlistener:watch]
        command=/bin/watch
        events=PROCESS_STATE,TICK_60
        buffer_size=20
        [fcgi-program:cgi]
        command=/bin/cgi
        socket=unix:///tmp/%(program_name)s.sock
        socket_owner=me:users
        socket_mode=0770
        [include]
        files=conf.d/*.conf

        """;

    private static readonly string[] Fragments =
    [
        "[", "]", "=", ":", ";", "#", "%", "%(", ")s", "%(here)s", "%(ENV_HOME)s", "%(process_num)065535d", "%(a(b)c)s", "\"", "'", "\\", ",",
        "\n", "\r", "\t", " ", "\0", "\u2028", "\ufeff", "\ud800", "99999999999999999999", "-1", "0x", "KB", "none", "AUTO", "syslog", "~", "~root",
        "/", "../", "numprocs=", "numprocs=65536", "programs=web,web,,nope", "[program:", "[group:", "[DEFAULT]", "[include]", "files=*",
        "events=", "socket=", "tcp://a:1", "port=", "user=0", "process_name=", "environment=", "é", "\U0001F600",
    ];

    private static FakeEnvironment Machine(string text) => Machine(Encoding.UTF8.GetBytes(text));

    private static FakeEnvironment Machine(byte[] bytes) => new FakeEnvironment().File(Main, bytes)
        .File("/etc/conf.d/more.conf", "[program:more]\ncommand=%(here)s/more\n");

    private static ConfigReading Read(string text) => ConfigReader.Check(Main, Machine(text), ConfigOverrides.None);

    // Either a configuration or a first error, never both; every error in the list, every list within its bound.
    private static void IsSound(ConfigReading reading)
    {
        Assert.Equal(reading.FirstError is null, reading.Configuration is not null);
        Assert.Equal(reading.FirstError is not null, reading.Faults.Any(fault => fault.Severity == FaultSeverity.Error));
        Assert.True(reading.Faults.Count <= 1001);
        Assert.All(reading.Faults, fault => Assert.DoesNotContain('\n', fault.Render()));
    }

    [Fact]
    public void The_sample_is_in_order()
    {
        ConfigReading reading = ConfigReader.Read(Main, Machine(Sample), ConfigOverrides.None);
        Assert.Null(reading.FirstError);
        Assert.Equal(["all", "cgi", "more", "watch"], reading.Configuration!.Groups.Select(group => group.Name).Order(StringComparer.Ordinal));
    }

    [Fact]
    public void Random_bytes_are_read_or_refused() => Prop.ForAll<byte[]>(bytes =>
    {
        IsSound(ConfigReader.Check(Main, Machine(bytes), ConfigOverrides.None));
        IsSound(ConfigReader.Check(Main, Machine([.. "[supervisord]\n[program:x]\n"u8, .. bytes]), ConfigOverrides.None));
    }).QuickCheckThrowOnFailure();

    [Fact]
    public void Random_values_are_read_or_refused() => Prop.ForAll<string, int>((value, number) =>
    {
        string[] lines = [.. Sample.Split('\n').Where(line => line.Contains('='))];
        int at = (int)((uint)number % lines.Length);
        string key = lines[at].Split('=')[0];
        IsSound(Read(Sample.Replace(lines[at], $"{key}={value}")));
        foreach (string name in (string[])["supervisord", "program:web", "group:all", "eventlistener:watch", "fcgi-program:cgi", "inet_http_server"])
        {
            IsSound(Read($"{Sample}[{name}]\n{key}={value}\n"));
        }
    }).QuickCheckThrowOnFailure();

    // About 10,000 lines of configuration, each file the sample with some of its lines broken. The seeds are fixed, so a failure
    // comes again.
    [Fact]
    public void Mutated_configurations_are_read_or_refused()
    {
        string[] lines = Sample.Split('\n');
        int taken = 0;
        for (int seed = 0; seed < 10000 / lines.Length; seed++)
        {
            var random = new Random(seed);
            var text = new StringBuilder();
            foreach (string original in lines)
            {
                string line = original;
                for (int i = random.Next(12) == 0 ? random.Next(1, 4) : 0; i > 0; i--)
                {
                    int at = random.Next(line.Length + 1);
                    line = random.Next(4) switch
                    {
                        0 => line[..at],
                        1 => lines[random.Next(lines.Length)],
                        2 => line[..at] + Fragments[random.Next(Fragments.Length)],
                        _ => line[..at] + Fragments[random.Next(Fragments.Length)] + line[at..],
                    };
                }

                text.Append(line).Append('\n');
            }

            ConfigReading reading = Read(text.ToString());
            IsSound(reading);
            taken += reading.Configuration is null ? 0 : 1;
            AssertSame(reading, Read(text.ToString()));
        }

        // Neither all nor none: the mutations reach what they are meant to reach.
        Assert.InRange(taken, 1, (10000 / lines.Length) - 1);
    }

    [Fact]
    public void What_expansions_produce_is_bounded()
    {
        ConfigReading reading = Read("[supervisord]\n[program:p]\nnumprocs=60000\nprocess_name=%(process_num)d\ncommand=%(process_num)065535d\n");
        Assert.StartsWith("Format string for 'program:p.command' makes the configuration longer than 67108864 characters", reading.FirstError);
    }

    [Fact]
    public void Reading_twice_gives_equal_configurations() => AssertSame(Read(Sample), Read(Sample));

    private static void AssertSame(ConfigReading first, ConfigReading second)
    {
        Assert.Equal(first.FirstError, second.FirstError);
        Assert.Equal(first.Faults, second.Faults);
        Assert.Equal(first.Configuration?.Groups, second.Configuration?.Groups);
        Assert.Equal(first.Configuration?.Servers, second.Configuration?.Servers);
        Assert.Equal(first.Configuration?.Supervisord, second.Configuration?.Supervisord);
        Assert.Equal(first.Configuration?.Messages, second.Configuration?.Messages);
    }

    public sealed class Comparing
    {
        private static GroupConfig Group(string text) =>
            ConfigReader.Read(Main, Machine("[supervisord]\n" + text), ConfigOverrides.None).Configuration!.Groups[0];

        [Theory]
        [InlineData("command=b")]
        [InlineData("process_name=q")]
        [InlineData("process_name=p_%(process_num)d\nnumprocs=2")]
        [InlineData("priority=1")]
        [InlineData("autostart=false")]
        [InlineData("autorestart=true")]
        [InlineData("startsecs=2")]
        [InlineData("startretries=2")]
        [InlineData("exitcodes=1")]
        [InlineData("stopsignal=INT")]
        [InlineData("stopwaitsecs=2")]
        [InlineData("stopasgroup=true")]
        [InlineData("killasgroup=true")]
        [InlineData("user=me")]
        [InlineData("redirect_stderr=true")]
        [InlineData("stdout_logfile=/tmp/x")]
        [InlineData("stdout_logfile=NONE")]
        [InlineData("stdout_logfile_maxbytes=1")]
        [InlineData("stdout_logfile_backups=1")]
        [InlineData("stdout_capture_maxbytes=1")]
        [InlineData("stdout_events_enabled=true")]
        [InlineData("stdout_syslog=true")]
        [InlineData("stderr_logfile=/tmp/x")]
        [InlineData("stderr_logfile_maxbytes=1")]
        [InlineData("stderr_logfile_backups=1")]
        [InlineData("stderr_capture_maxbytes=1")]
        [InlineData("stderr_events_enabled=true")]
        [InlineData("stderr_syslog=true")]
        [InlineData("environment=A=1")]
        [InlineData("directory=/tmp")]
        [InlineData("umask=022")]
        [InlineData("serverurl=http://x")]
        public void Every_key_of_a_program_counts(string key)
        {
            GroupConfig before = Group("[program:p]\ncommand=a\n");
            GroupConfig after = Group($"[program:p]\ncommand=a\n{key}\n");
            Assert.NotEqual(before, after);
            Assert.NotEqual(after, before);
            Assert.Equal(after, Group($"; moved\n\n[program:p]\n{key.Split('=')[0]}=ignored\ncommand=a\n{key}\n".Replace("ignored", key.Split('=', 2)[1].Split('\n')[0])));
        }

        [Theory]
        [InlineData("socket=unix:///y")]
        [InlineData("socket=unix:///x\nsocket_mode=0777")]
        [InlineData("socket=unix:///x\nsocket_owner=root")]
        [InlineData("socket=unix:///x\nsocket_backlog=5")]
        public void Every_key_of_a_socket_counts(string keys) => Assert.NotEqual(
            Group("[fcgi-program:p]\ncommand=a\nsocket=unix:///x\n"), Group($"[fcgi-program:p]\ncommand=a\n{keys}\n"));

        [Theory]
        [InlineData("events=TICK_60")]
        [InlineData("events=TICK_5\nbuffer_size=5")]
        [InlineData("events=TICK_5\npriority=5")]
        public void Every_key_of_a_pool_counts(string keys) => Assert.NotEqual(
            Group("[eventlistener:p]\ncommand=a\nevents=TICK_5\n"), Group($"[eventlistener:p]\ncommand=a\n{keys}\n"));

        [Theory]
        [InlineData("[program:p]\ncommand=a\nenvironment=A=1,B=2\n", "\n[program:p]\nenvironment=B=2,A=1\ncommand=a ; comment\n")]
        [InlineData("[program:p]\ncommand=a\n", "[program:p]\ncommand=a\nstdout_logfile=auto\nautostart=TRUE\nuser_note=x\n")]
        [InlineData("[program:p]\ncommand=a\nuser=me\n", "[program:p]\ncommand=a\nuser=1000\n")]
        [InlineData("[eventlistener:p]\ncommand=a\nevents=TICK_5,EVENT\n", "[eventlistener:p]\ncommand=a\nevents=EVENT,TICK_5\n")]
        public void What_means_the_same_is_equal(string first, string second) => Assert.Equal(Group(first), Group(second));

        [Fact]
        public void Order_in_a_group_and_the_kind_of_a_group_count()
        {
            const string Programs = "[program:a]\ncommand=a\n[program:b]\ncommand=b\n";
            Assert.NotEqual(Group("[group:g]\nprograms=a,b\n" + Programs), Group("[group:g]\nprograms=b,a\n" + Programs));
            Assert.NotEqual(Group("[program:p]\ncommand=a\n"), Group("[eventlistener:p]\ncommand=a\nevents=TICK\npriority=999\n"));
        }
    }
}
