using System.Text.Json;
using Steward.Core.Config;
using Steward.Core.Model;
using Steward.Core.Ports;

namespace Steward.Hooks.Tests;

public static class ProgramTests
{
    private static string Comm(int pid) => File.Exists($"/proc/{pid}/stat") ? File.ReadAllText($"/proc/{pid}/stat") : "";

    private static bool IsAlive(int pid) => Comm(pid) is { Length: > 0 } stat && stat[(stat.LastIndexOf(')') + 2)..] is not ['Z' or 'X', ..];

    [Collection(ProgramsCollection.Name)]
    public sealed class GivenAProgram
    {
        [Fact]
        public void When_it_runs_Then_it_has_stdin_and_variables_and_its_end_is_known()
        {
            using var programs = new Programs();

            HookProcessResult result = programs.Run("/bin/sh -c 'cat; echo $STEWARD_NAME >&2; exit 3'", "hello ");

            Assert.Null(result.Error);
            Assert.Equal((3, false, "hello web\n"), (result.Status!.Value.Code, result.TimedOut, result.Output));
        }

        [Fact]
        public void When_it_says_much_Then_the_last_is_kept()
        {
            using var programs = new Programs();

            HookProcessResult result = programs.Run("/bin/sh -c 'i=0; while [ $i -lt 20000 ]; do echo line $i; i=$((i+1)); done; echo end'");

            Assert.Equal(4096, result.Output.Length);
            Assert.EndsWith("line 19999\nend\n", result.Output);
        }

        [Fact]
        public void When_it_does_not_read_Then_that_is_its_own_affair()
        {
            using var programs = new Programs();

            Assert.Equal(0, programs.Run("/bin/true", new string('x', 1 << 20)).Status!.Value.Code);
            Assert.Equal(new string('x', 4096), programs.Run("/bin/cat", new string('x', 1 << 20)).Output);
        }

        [Fact]
        public async Task When_it_takes_too_long_Then_its_whole_group_is_killed()
        {
            using var programs = new Programs();
            string pids = Path.Combine(programs.Folder, "pids");
            string script = programs.Script($"sleep 1000 &\necho $! $$ > {pids}\nwait\n");

            HookProcessResult result = programs.Run(script, timeoutMs: 1000);

            Assert.True(result.TimedOut);
            Assert.Equal(Signals.Kill, result.Status!.Value.Signal);
            foreach (int pid in (await File.ReadAllTextAsync(pids)).Split((char[]?)null, StringSplitOptions.RemoveEmptyEntries).Select(int.Parse))
            {
                await Waiting.UntilAsync(() => !IsAlive(pid), () => $"{pid} lives: {Comm(pid)}");
            }
        }

        [Fact]
        public async Task When_it_leaves_something_in_the_background_Then_that_is_not_waited_for()
        {
            using var programs = new Programs();
            string pids = Path.Combine(programs.Folder, "pids");

            HookProcessResult result = programs.Run(programs.Script($"sleep 1000 &\necho $! > {pids}\necho said\n"));

            Assert.Equal((0, false, "said\n"), (result.Status!.Value.Code, result.TimedOut, result.Output));
            int left = int.Parse(await File.ReadAllTextAsync(pids));
            Assert.True(IsAlive(left));
            using var kill = System.Diagnostics.Process.GetProcessById(left);
            kill.Kill();
        }

        [Fact]
        public void When_it_cannot_be_started_Then_it_is_said_why()
        {
            using var programs = new Programs();
            string bad = programs.Script("", "bad");
            File.WriteAllText(bad, "#!/nowhere/sh\n");

            Assert.Equal("can't find command '/nowhere/x'", programs.Run("/nowhere/x").Error);
            Assert.Contains("ENOENT", programs.Run(bad).Error);
            Assert.Contains("No closing quotation", programs.Run("x 'y").Error);
        }

        [Fact]
        public async Task When_many_run_at_once_Then_each_has_its_own_end_and_nobody_is_a_stranger()
        {
            using var programs = new Programs();

            int[] codes = await Task.WhenAll(Enumerable.Range(0, 60).Select(i => Task.Factory.StartNew(
                () => programs.Run($"/bin/sh -c 'exit {i}'").Status!.Value.Code, TaskCreationOptions.LongRunning)));

            Assert.Equal(Enumerable.Range(0, 60), codes);
            Assert.Empty(programs.Strangers);
        }

        [Fact]
        public async Task When_the_daemon_ends_Then_what_runs_is_killed_and_nothing_is_started()
        {
            using var programs = new Programs();
            string begun = Path.Combine(programs.Folder, "begun");
            Task<HookProcessResult> run = Task.Run(() => programs.Run($"/bin/sh -c 'echo > {begun}; exec sleep 1000'"));
            await Waiting.UntilAsync(() => File.Exists(begun), () => "it does not begin");

            programs.Processes.EndAll();

            Assert.True((await run).TimedOut);
            Assert.Equal("the daemon is on its way out", programs.Run("/bin/true").Error);
        }
    }

    [Collection(ProgramsCollection.Name)]
    public sealed class GivenAHookThatRunsAProgram
    {
        [Fact]
        public async Task When_something_happens_Then_it_gets_the_event_as_JSON_and_as_variables()
        {
            using var programs = new Programs();
            string got = Path.Combine(programs.Folder, "got");
            string script = programs.Script($"cat > {got}.new\nenv | grep ^STEWARD_ | sort >> {got}.new\nmv {got}.new {got}\n");
            using World world = new World(programs.Processes).With(new HookConfig { Name = "ops", Kind = HookKind.Exec, Target = script, Retries = 0 });

            world.Crashes(output: "the end\n");
            await world.UntilAsync(static status => status.Delivered == 1);

            string[] text = (await File.ReadAllTextAsync(got)).Split("}STEWARD_", 2);
            Assert.Equal("crash", JsonDocument.Parse(text[0] + "}").RootElement.GetProperty("event").GetString());
            text[1] = "STEWARD_" + text[1];
            Assert.Contains("STEWARD_CODE=3\n", text[1]);
            Assert.Contains("STEWARD_OUTPUT=the end\n", text[1]);
            Assert.Contains("STEWARD_NAME=web\n", text[1]);
        }

        [Fact]
        public async Task When_it_fails_Then_what_it_said_is_in_the_log_and_it_is_not_run_again()
        {
            using var programs = new Programs();
            string count = Path.Combine(programs.Folder, "count");
            string script = programs.Script($"echo x >> {count}\necho oh no\necho dear >&2\nexit 7\n");
            using World world = new World(programs.Processes).With(new HookConfig { Name = "ops", Kind = HookKind.Exec, Target = script, Retries = 0 });

            world.Crashes();
            await world.UntilAsync(static status => status.Failed == 1);

            Assert.Equal("Warn hook 'ops': web crash is given up: it exited with code 7; it said: oh no|dear", Assert.Single(world.Log.Of(LogLevel.Warn)));
            Assert.Single(await File.ReadAllLinesAsync(count));
        }

        [Fact]
        public async Task When_it_hangs_Then_it_is_killed_and_said()
        {
            using var programs = new Programs();
            using World world = new World(programs.Processes).With(
                new HookConfig { Name = "ops", Kind = HookKind.Exec, Target = "/bin/sleep 1000", Retries = 0, Timeout = 1 });

            world.Crashes();
            await world.UntilAsync(static status => status.Failed == 1);

            Assert.Equal("it took longer than 1 s and was killed", world.Status.LastError);
        }
    }
}
