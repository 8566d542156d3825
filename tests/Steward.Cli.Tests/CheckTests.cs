using System.Text;

namespace Steward.Cli.Tests;

public sealed class CheckTests : IDisposable
{
    private readonly Place _place = new();

    public void Dispose() => _place.Dispose();

    private (int Status, string Output, string Error) Check(params string[] args)
    {
        var output = new MemoryStream();
        var error = new MemoryStream();
        int status = CheckProgram.Run(args, "steward check", output, error, _place.Environment, _place.At("bin/steward"));
        return (status, Encoding.UTF8.GetString(output.ToArray()), Encoding.UTF8.GetString(error.ToArray()));
    }

    [Fact]
    public void A_file_without_faults_says_nothing()
    {
        _place.Write("run", "");
        string file = _place.Write("s.conf", $"[supervisord]\n[program:web]\ncommand={_place.At("run")} now\ndirectory={_place.Folder}\n");
        Assert.Equal((0, "", ""), Check(file));
    }

    [Fact]
    public void Each_fault_is_a_line_and_the_sum_goes_to_stderr()
    {
        _place.Write("run", "");
        string file = _place.Write(
            "s.conf",
            $"[supervisord]\nloglevel=loud\n[program:web]\ncommand={_place.At("run")}\nautostrat=no\nnumprocs=many\n");
        (int status, string output, string error) = Check(file);
        Assert.Equal(
            $"{file}:2: [supervisord] loglevel=loud: bad logging level name 'loud' \u2014 write critical, error, warn, info, debug, trace or blather\n"
            + $"{file}:6: [program:web] numprocs=many: invalid literal for int() with base 10: 'many' in section 'program:web' (file: '{file}')"
            + " \u2014 write a whole number\n"
            + $"{file}:5: warning: [program:web] autostrat=no: no such key is known here: it is ignored \u2014 did you mean autostart?\n",
            output);
        Assert.Equal((1, $"{file}: 2 errors, 1 warning\n"), (status, error));
    }

    [Fact]
    public void Warnings_alone_are_no_failure()
    {
        string file = _place.Write(
            "s.conf", "[supervisord]\n[program:web]\ncommand=/no/such/program\n[program:worker]\ncommand=sh\ndirectory=/no/such/dir\n");
        (int status, string output, string error) = Check(file);
        Assert.Contains("can't find command '/no/such/program'", output, StringComparison.Ordinal);
        Assert.Contains("/no/such/dir is not an existing directory", output, StringComparison.Ordinal);
        Assert.Equal((0, $"{file}: 0 errors, 2 warnings\n"), (status, error));
    }

    [Fact]
    public void A_password_is_not_shown()
    {
        string file = _place.Write(
            "s.conf", $"[supervisord]\n[unix_http_server]\nfile={_place.At("s.sock")}\nusername=me\npassword=se%cret\npasword=se%cret2\n");
        (int status, string output, _) = Check(file);
        Assert.Equal(1, status);
        Assert.Contains("password=***: Format string '***' for 'unix_http_server.password'", output, StringComparison.Ordinal);
        Assert.DoesNotContain("se%cret ", output, StringComparison.Ordinal);
        Assert.DoesNotContain("se%cret'", output, StringComparison.Ordinal);
        Assert.DoesNotContain("se%cret2", output, StringComparison.Ordinal);
    }

    [Fact]
    public void Without_a_file_the_usual_places_are_searched()
    {
        (int status, string output, string error) = Check();
        Assert.Equal((1, ""), (status, output));
        Assert.StartsWith($"Error: No config file found at default paths ({_place.At("etc/supervisord.conf")}, ", error, StringComparison.Ordinal);
        _place.Write("supervisord.conf", "[supervisord]\n");
        Assert.Equal((0, "", ""), Check());
    }

    [Fact]
    public void A_file_that_is_not_there_is_an_error()
    {
        (int status, string output, _) = Check(_place.At("absent"));
        Assert.Equal((1, $"could not find config file {_place.At("absent")} \u2014 name an existing file\n"), (status, output));
    }

    [Theory]
    [InlineData("--frobnicate")]
    [InlineData("a.conf", "b.conf")]
    public void A_wrong_command_line_shows_the_usage(params string[] args)
    {
        (int status, string output, string error) = Check(args);
        Assert.Equal((2, ""), (status, output));
        Assert.StartsWith("Error: ", error, StringComparison.Ordinal);
        Assert.EndsWith("Usage: steward check [FILE]\n", error, StringComparison.Ordinal);
    }

    [Fact]
    public void Help_goes_to_stdout()
    {
        (int status, string output, string error) = Check("--help");
        Assert.Equal((0, ""), (status, error));
        Assert.StartsWith("Usage: steward check [FILE]\n", output, StringComparison.Ordinal);
    }

    [Fact]
    public void A_reader_that_has_gone_is_no_crash()
    {
        string file = _place.Write("s.conf", "");
        Assert.Equal(1, CheckProgram.Run([file], "steward check", new Broken(), new MemoryStream(), _place.Environment, "steward"));
    }

    private sealed class Broken : MemoryStream
    {
        public override void Write(ReadOnlySpan<byte> buffer) => throw new IOException("broken pipe");
    }
}
