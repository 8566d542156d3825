namespace Steward.Cli.Tests;

public sealed class OptionTests : IDisposable
{
    private readonly Place _place = new();

    public void Dispose() => _place.Dispose();

    [Theory]
    [InlineData("--serv", "option --serverurl requires argument")]
    [InlineData("--h", "option --h not a unique prefix")]
    [InlineData("--interactive=yes", "option --interactive must not have an argument")]
    [InlineData("-ix", "option -x not recognized")]
    [InlineData("-p", "option -p requires argument")]
    [InlineData("--serverurl=x", "invalid value for --serverurl 'x': value 'x' is not a URL")]
    [InlineData("-u a --username=b", "conflicting command line option '--username'")]
    [InlineData("-i -i", "conflicting command line option '-i'")]
    [InlineData("-r a --history-file b", "conflicting command line option '--history-file'")]
    public void Wrong_options_are_told(string line, string error) =>
        Assert.Equal((2, "", $"Error: {error}\nFor help, use ctl -h\n"), _place.Run(line.Split(' ')));

    [Theory]
    [InlineData("-iuname -ppass -cx status a -s b", "x", true, null, "name", "pass", null, "status a -s b")]
    [InlineData("--conf=x --user n --inter --hist f --pass= -- -x", "x", true, null, "n", "", "f", "-x")]
    [InlineData("--history-file=f - -i", null, false, null, null, null, "f", "- -i")]
    [InlineData("-s unix:///a", null, false, "unix:///a", null, null, null, "")]
    public void Options_end_at_the_first_other_word(
        string line, string? file, bool interactive, string? url, string? user, string? password, string? history, string words)
    {
        var options = CtlOptions.Parse(line.Split(' '));
        Assert.Equal(
            (file, interactive, url, user, password, history, words),
            (options.ConfigFile, options.Interactive, options.ServerUrl, options.UserName, options.Password, options.HistoryFile, string.Join(' ', options.Words)));
    }

    [Fact]
    public void The_section_is_expanded_and_the_command_line_beats_it()
    {
        string conf = _place.Write("a.conf",
            "[supervisorctl]\nserverurl = unix://%(here)s/sub/../%(ENV_WHERE)s ; where\nusername=u\npassword=p%%\nprompt=%(ENV_TERM)s\nhistory_file=~/.h\n");
        CtlSettings settings = Load("-c", conf, "status");
        Assert.Equal("unix://" + _place.At("ctl.sock"), settings.ServerUrl);
        Assert.Equal(new Client.Credentials("u", "p%"), settings.Credentials);
        Assert.Equal(("xterm", _place.At("home/.h"), false), (settings.Prompt, settings.HistoryFile, settings.Interactive));

        settings = Load("-c", conf, "-s", "http://x:1", "-p", "other", "-r", "h");
        Assert.Equal(("http://x:1", _place.At("h"), true), (settings.ServerUrl, settings.HistoryFile, settings.Interactive));
        Assert.Equal(new Client.Credentials("u", "other"), settings.Credentials);
    }

    [Fact]
    public void A_configuration_is_looked_for_beside_the_program_and_in_the_working_directory()
    {
        Assert.Equal(CtlSettings.DefaultServerUrl, Load("status").ServerUrl);
        _place.Write("supervisord.conf", "[supervisorctl]\nserverurl=http://second:1\n");
        Assert.Equal("http://second:1", Load("status").ServerUrl);
        Directory.CreateDirectory(_place.At("etc"));
        _place.Write("etc/supervisord.conf", "[supervisorctl]\nserverurl=http://first:1\n");
        Assert.Equal("http://first:1", Load("status").ServerUrl);
    }

    [Fact]
    public void An_included_file_is_asked_when_the_main_one_has_no_section()
    {
        Directory.CreateDirectory(_place.At("conf.d"));
        _place.Write("conf.d/a.conf", "[supervisorctl]\nserverurl=unix://%(here)s/x\n");
        string conf = _place.Write("main.conf", "[supervisord]\n[include]\nfiles = none/../conf.d/*.conf conf.d/*.conf\n".Replace("none/../conf.d/*.conf ", ""));
        Assert.Equal("unix://" + _place.At("conf.d/x"), Load("-c", conf, "status").ServerUrl);
    }

    [Theory]
    [InlineData("stray\n", "File contains no section headers.\nfile: '{0}', line: 1\n'stray\\n'")]
    [InlineData("[supervisorctl]\nserverurl=%(nope)s\n", "Format string '%(nope)s' for 'supervisorctl.serverurl' contains names ('nope') which cannot be expanded. Available names: ENV_TERM, ENV_WHERE, here")]
    [InlineData("[supervisorctl]\n[ctlplugin:x]\n", "section [ctlplugin:x] does not specify a supervisor.ctl_factory")]
    [InlineData("[include]\n", ".ini file does not include supervisorctl section")]
    public void A_faulty_configuration_is_told_in_two_lines(string text, string error)
    {
        string conf = _place.Write("a.conf", text);
        Assert.Equal((2, "", $"Error: {string.Format(error, conf)}\nFor help, use ctl -h\n"), _place.Run(["-c", conf, "status"]));
    }

    [Fact]
    public void What_cannot_be_read_or_loaded_is_told()
    {
        Assert.Equal(
            (2, "", $"Error: could not read config file {_place.Folder}\nFor help, use ctl -h\n"), _place.Run(["-c", _place.Folder, "status"]));
        string conf = _place.Write("a.conf", "[supervisorctl]\n[ctlplugin:x]\nsupervisor.ctl_factory=m:f\n");
        Assert.Equal(
            (0, "quit\tExit the supervisor shell.\n", "warning: [ctlplugin:x] names the Python plugin m:f, which cannot be loaded here: its commands do not exist (steward.ctl_command=COMMAND makes 'x' an action that runs a command)\n"),
            _place.Run(["-c", conf, "help", "quit"]));
    }

    private CtlSettings Load(params string[] args) => CtlSettings.Load(CtlOptions.Parse(args), _place.At("bin/ctl"), _place.Environment);
}
