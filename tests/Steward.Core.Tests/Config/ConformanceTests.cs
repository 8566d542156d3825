using System.Text.Json;
using Steward.Core.Config;

namespace Steward.Core.Tests.Config;

/// <summary>
/// Every refused configuration of the differential scenarios (<c>tests/conformance/scenarios/s02_config.py</c>) is refused with
/// the message that the recorded reference gave.
/// </summary>
public sealed class ConformanceTests
{
    private const string Base = "[supervisord]\nlogfile=/etc/l.log\npidfile=/etc/p.pid\n";

    private static readonly Dictionary<string, string> Table = new()
    {
        ["no section"] = "!" + "[program:x]\ncommand=/bin/cat\n",
        ["no command"] = "[program:x]\nautostart=false\n",
        ["priority text"] = "[program:x]\ncommand=/bin/cat\npriority=high\n",
        ["autostart text"] = "[program:x]\ncommand=/bin/cat\nautostart=maybe\n",
        ["autorestart text"] = "[program:x]\ncommand=/bin/cat\nautorestart=sometimes\n",
        ["stopsignal text"] = "[program:x]\ncommand=/bin/cat\nstopsignal=FOO\n",
        ["exitcodes text"] = "[program:x]\ncommand=/bin/cat\nexitcodes=1,x\n",
        ["numprocs without num"] = "[program:x]\ncommand=/bin/cat\nnumprocs=2\n",
        ["unknown expansion"] = "[program:x]\ncommand=/bin/cat %(nope)s\n",
        ["bad format"] = "[program:x]\ncommand=/bin/cat 100%\n",
        ["stopasgroup without killasgroup"] = "[program:x]\ncommand=/bin/cat\nstopasgroup=true\nkillasgroup=false\n",
        ["log folder missing"] = "[program:x]\ncommand=/bin/cat\nstdout_logfile=/no/such/dir/x.log\n",
        ["bad bytes"] = "[program:x]\ncommand=/bin/cat\nstdout_logfile_maxbytes=5TB\n",
        ["group names nobody"] = "[group:g]\nprograms=a,b\n",
        ["listener without events"] = "[eventlistener:l]\ncommand=/bin/cat\n",
        ["listener unknown event"] = "[eventlistener:l]\ncommand=/bin/cat\nevents=FOO\n",
        ["unix without file"] = "[unix_http_server]\nchmod=0700\n",
        ["inet without port"] = "[inet_http_server]\nusername=a\npassword=b\n",
        ["half a login"] = "[unix_http_server]\nfile=/no/such/x.sock\nusername=a\n",
        ["no factory"] = "[rpcinterface:supervisor]\nfoo=1\n",
        ["bad user"] = "[program:x]\ncommand=/bin/cat\nuser=no-such-user-here\n",
        ["bad name"] = "[program:x y]\ncommand=/bin/cat\n",
        ["no header"] = "!stray=1\n" + Base,
        ["no value"] = "[program:x]\ncommand\n",
        ["include without files"] = "[include]\nfoo=1\n",
    };

    private static readonly Dictionary<string, string?> Main = new()
    {
        ["missing file"] = null,
        ["empty file"] = "",
        ["loglevel"] = "[supervisord]\nloglevel=loud\n",
        ["umask"] = "[supervisord]\numask=9\n",
        ["logfile folder"] = "[supervisord]\nlogfile=/no/such/dir/s.log\n",
        ["pidfile folder"] = "[supervisord]\npidfile=/no/such/dir/s.pid\n",
        ["childlogdir"] = "[supervisord]\nchildlogdir=/no/such/dir\n",
        ["directory"] = "[supervisord]\ndirectory=/no/such/dir\n",
        ["minfds"] = "[supervisord]\nminfds=many\n",
        ["nodaemon"] = "[supervisord]\nnodaemon=perhaps\n",
        ["user"] = "[supervisord]\nuser=no-such-user-here\n",
        ["environment"] = "[supervisord]\nenvironment=A=1,B\n",
    };

    public static TheoryData<string> TableNames => [.. Names("badconfig.table")];

    public static TheoryData<string> MainNames => [.. Names("badconfig.supervisord_section")];

    [Theory]
    [MemberData(nameof(TableNames))]
    public void A_broken_configuration_is_refused_as_recorded(string name)
    {
        string text = Table[name];
        Check("badconfig.table", name, "/etc/bad.conf", text.StartsWith('!') ? text[1..] : Base + text);
    }

    [Theory]
    [MemberData(nameof(MainNames))]
    public void A_broken_daemon_section_is_refused_as_recorded(string name) =>
        Check("badconfig.supervisord_section", name, "/etc/x.conf", Main[name]);

    private static void Check(string scenario, string name, string path, string? text)
    {
        var machine = new FakeEnvironment();
        if (text is not null)
        {
            machine.File(path, text);
        }

        string expected = string.Join('\n', Record(scenario).GetProperty(name)[2].EnumerateArray().Select(line => line.GetString()!
            .Replace("<DIR>", "/etc", StringComparison.Ordinal)).Where(line => !line.StartsWith("For help", StringComparison.Ordinal)));
        ConfigReading reading = ConfigReader.Read(path, machine, ConfigOverrides.None);
        string actual = "Error: " + reading.FirstError;

        // The names depend on the machine; the record has a mark in their place.
        int names = expected.IndexOf("<NAMES>", StringComparison.Ordinal);
        if (names >= 0)
        {
            Assert.StartsWith(expected[..names] + "ENV_HOME, ENV_NAME, group_name, here, host_node_name, numprocs, process_num, program_name", actual);
            return;
        }

        Assert.Equal(expected, actual);
        Assert.Null(reading.Configuration);
        Assert.Contains(reading.Faults, fault => fault.Severity == FaultSeverity.Error);
    }

    private static IEnumerable<string> Names(string scenario) =>
        Record(scenario).EnumerateObject().Select(property => property.Name);

    private static JsonElement Record(string scenario)
    {
        string? folder = AppContext.BaseDirectory;
        while (folder is not null && !File.Exists(Path.Combine(folder, "Steward.slnx")))
        {
            folder = Path.GetDirectoryName(folder);
        }

        Assert.NotNull(folder);
        using JsonDocument record = JsonDocument.Parse(File.ReadAllBytes(Path.Combine(folder, "tests/conformance/reference-4.4.json")));
        return record.RootElement.GetProperty(scenario).Clone();
    }
}
