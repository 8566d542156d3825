using Steward.Core.Config;
using Steward.Core.Model;
using Steward.Core.Ports;
using Steward.Linux.Interop;
using Steward.Linux.Processes;

namespace Steward.Linux.Tests.Processes;

/// <summary>What a start that fails says, and where.</summary>
[Collection(ProcessesCollection.Name)]
public sealed class SpawnErrorTests
{
    [Theory]
    [InlineData("/bin/cat 'unclosed", "can't parse command \"/bin/cat 'unclosed\": No closing quotation", FaultCode.NotExecutable)]
    [InlineData("/bin/cat \"unclosed", "can't parse command '/bin/cat \"unclosed': No closing quotation", FaultCode.NotExecutable)]
    [InlineData("/bin/cat \\", @"can't parse command '/bin/cat \\': No escaped character", FaultCode.NotExecutable)]
    [InlineData("  ", "command is empty", FaultCode.NotExecutable)]
    [InlineData("/no/such/program x", "can't find command '/no/such/program'", FaultCode.NoFile)]
    [InlineData("no-such-program x", "can't find command 'no-such-program'", FaultCode.NoFile)]
    [InlineData("DIR/folder", "command at 'DIR/folder' is a directory", FaultCode.NotExecutable)]
    [InlineData("DIR/plain", "command at 'DIR/plain' is not executable", FaultCode.NotExecutable)]
    [InlineData("plain", "command at 'DIR/plain' is not executable", FaultCode.NotExecutable)]
    [InlineData("\"\"", "command at 'DIR/' is a directory", FaultCode.NotExecutable)]
    [InlineData("./missing", "can't find command './missing'", FaultCode.NoFile)]
    public void A_command_that_cannot_be_run_is_a_spawn_error(string command, string text, FaultCode code)
    {
        using var kernel = new Kernel();
        Directory.CreateDirectory(Path.Combine(kernel.Directory, "folder"));
        File.WriteAllText(Path.Combine(kernel.Directory, "plain"), "");
        text = text.Replace("DIR", kernel.Directory, StringComparison.Ordinal);
        ProcessConfig config = Kernel.Command(command.Replace("DIR", kernel.Directory, StringComparison.Ordinal)) with
        {
            Environment = [new("PATH", kernel.Directory + ":/bin")],
        };

        Assert.Equal(new Fault(code, text), kernel.Host.CheckCommand(config));
        Assert.Equal(new SpawnAnswer(0, text, "command"), kernel.Spawn(config));
        Assert.Equal(0, kernel.Hub.Opened);
    }

    [Fact]
    public void A_search_goes_on_past_what_cannot_be_run_and_starts_from_the_programs_directory()
    {
        using var kernel = new Kernel();
        string folder = Directory.CreateDirectory(Path.Combine(kernel.Directory, "folder")).FullName;
        File.WriteAllText(Path.Combine(kernel.Directory, "echo"), "");
        File.WriteAllText(Path.Combine(folder, "run"), "#!/bin/sh\necho here\n");
        File.SetUnixFileMode(Path.Combine(folder, "run"), (UnixFileMode)0b111_101_101);

        ProcessConfig past = Kernel.Command("echo found") with { Environment = [new("PATH", kernel.Directory + ":/bin")] };
        Assert.Equal("found\n", kernel.Run(past).Stdout);
        Assert.Equal("here\n", kernel.Run(Kernel.Command("./run") with { Directory = folder }).Stdout);
        Assert.Equal(
            "here\n",
            kernel.Run(Kernel.Command("run") with { Directory = folder, Environment = [new("PATH", "/bin:")] }).Stdout);
        Assert.NotNull(kernel.Spawn(Kernel.Command("./run")).SpawnErr);
    }

    [Theory]
    [InlineData(Errno.EMFILE, "too many open files to spawn 'web_1'")]
    [InlineData(Errno.EACCES, "unknown error making dispatchers for 'web_1': EACCES")]
    [InlineData(Errno.EISDIR, "unknown error making dispatchers for 'web_1': EISDIR")]
    public void A_log_that_cannot_be_opened_is_a_spawn_error(int errno, string text)
    {
        using var kernel = new Kernel();
        kernel.Hub.OpenErrno = errno;
        Assert.Equal(new SpawnAnswer(0, text, "pipes and logs"), kernel.Spawn(Kernel.Command("/bin/true")));
    }

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public void What_fails_between_fork_and_exec_is_a_child_that_exits_127_with_two_lines_on_its_stderr(bool helper)
    {
        using var kernel = new Kernel(helper);
        string script = Path.Combine(kernel.Directory, "script");
        File.WriteAllText(script, "echo no interpreter line\n");
        File.SetUnixFileMode(script, (UnixFileMode)0b111_101_101);
        string lost = Path.Combine(kernel.Directory, "lost");
        File.WriteAllText(lost, "#!/no/such/interpreter\n");
        File.SetUnixFileMode(lost, (UnixFileMode)0b111_101_101);

        Expect(kernel, Kernel.Command(script), $"couldn't exec {script}: ENOEXEC");
        Expect(kernel, Kernel.Command(lost), $"couldn't exec {lost}: ENOENT");
        Expect(kernel, Kernel.Command("/bin/echo " + new string('x', 200_000)), "couldn't exec /bin/echo: E2BIG");
        Expect(kernel, Kernel.Command("/bin/cat") with { Directory = "/no/such/dir" }, "couldn't chdir to /no/such/dir: ENOENT");
        Expect(kernel, Kernel.Command("/bin/cat") with { Directory = script }, $"couldn't chdir to {script}: ENOTDIR");

        (_, string stdout, string stderr) = kernel.Run(Kernel.Command(script) with { RedirectStderr = true });
        Assert.Equal($"supervisor: couldn't exec {script}: ENOEXEC\nsupervisor: child process was not spawned\n", stdout);
        Assert.Equal("", stderr);
    }

    [RootTheory]
    [InlineData(false)]
    [InlineData(true)]
    public void The_directory_is_entered_with_the_rights_of_the_programs_user(bool helper)
    {
        using var kernel = new Kernel(helper);
        string closed = Directory.CreateDirectory(Path.Combine(kernel.Directory, "closed"), (UnixFileMode)0b111_000_000).FullName;
        var nobody = new UserIdentity("nobody", 65534, 65534, [65534]);
        Expect(kernel, Kernel.Command("/bin/cat") with { Directory = closed, User = nobody }, $"couldn't chdir to {closed}: EACCES");

        var crowd = nobody with { Groups = [.. Enumerable.Range(0, 65537)] };
        Expect(kernel, Kernel.Command("/bin/cat") with { User = crowd }, "couldn't setuid to 65534: Could not set groups of effective user");
    }

    [Fact]
    public void A_helper_that_is_not_there_is_a_spawn_error()
    {
        using var kernel = new Kernel();
        using var host = new ProcessHost(kernel, new ProcessHostOptions { ChildLogDir = kernel.Directory }, kernel.Hub, ["/no/such/helper"]);
        SpawnAnswer answer = host.Spawn(new Core.Effects.Spawn(
            new ProcessId(1), new Incarnation(1), "g", Kernel.Command("/bin/true"), null, null, false, false));
        Assert.Equal(new SpawnAnswer(0, "unknown error during fork for 'web_1': ENOENT", "fork"), answer);
        Assert.Equal(0, kernel.Hub.Opened);
    }

    private static void Expect(Kernel kernel, ProcessConfig config, string reason)
    {
        (WaitStatus status, string stdout, string stderr) = kernel.Run(config);
        Assert.Equal($"supervisor: {reason}\nsupervisor: child process was not spawned\n", stderr);
        Assert.Equal("exit status 127", status.Describe());
        Assert.Equal("", stdout);
    }
}
