using Steward.Core.Config;
using Steward.Core.Events;
using Steward.Core.Model;

namespace Steward.Core.Tests.Config;

public static class HookConfigTests
{
    private const string Main = "/etc/s.conf";

    private static ConfigReading Read(string text, FakeEnvironment? machine = null) =>
        ConfigReader.Read(Main, (machine ?? new FakeEnvironment()).File(Main, "[supervisord]\n" + text), ConfigOverrides.None);

    private static HookConfig Hook(string keys, FakeEnvironment? machine = null)
    {
        ConfigReading reading = Read("[hook:ops]\n" + keys, machine);
        Assert.Equal([], reading.Faults.Select(fault => fault.Render()));
        return Assert.Single(reading.Configuration!.Hooks);
    }

    public sealed class GivenAHook
    {
        [Fact]
        public void When_only_the_target_is_named_Then_the_rest_is_as_documented()
        {
            HookConfig hook = Hook("url=https://example.org/x\n");

            Assert.Equal(
                new HookConfig { Name = "ops", Kind = HookKind.Url, Target = "https://example.org/x" },
                hook);
            Assert.Equal(HookEvents.Crash | HookEvents.Fatal, hook.Events);
        }

        [Fact]
        public void When_everything_is_said_Then_everything_is_there()
        {
            FakeEnvironment machine = new FakeEnvironment().File("/run/secret", "s");
            machine.Environment["KEY"] = "k";

            HookConfig hook = Hook(
                "url=env:KEY\nevents=crash, PROCESS_STATE_FATAL,lost_events\nprograms=web:*, db?\nformat=PagerDuty\ntoken=env:KEY\nsecret=file:/run/secret\n"
                + "header.X-Team=%(host_node_name)s%%\nheader.authorization=env:KEY\nretries=3\nretry_for=60\nqueue_size=7\nmin_interval=30\ntimeout=5\n"
                    .Replace("%(host_node_name)s", "box", StringComparison.Ordinal),
                machine);

            Assert.Equal(HookEvents.Crash | HookEvents.Fatal | HookEvents.LostEvents, hook.Events);
            Assert.Equal(["web:*", "db?"], hook.Programs);
            Assert.Equal((HookFormat.PagerDuty, "env:KEY", "file:/run/secret"), (hook.Format, hook.Token, hook.Secret));
            Assert.Equal([KeyValuePair.Create("x-team", "box%"), KeyValuePair.Create("authorization", "env:KEY")], hook.Headers);
            Assert.Equal((3, 60, 7, 30, 5), (hook.Retries, hook.RetryFor, hook.QueueSize, hook.MinInterval, hook.Timeout));
        }

        [Fact]
        public void When_it_runs_a_program_Then_it_does_so_once_and_as_the_user_it_names()
        {
            HookConfig hook = Hook("exec=/bin/notify 'a b'\nuser=nobody\n");

            Assert.Equal((HookKind.Exec, "/bin/notify 'a b'", 0, "nobody"), (hook.Kind, hook.Target, hook.Retries, hook.User!.Name));
        }

        [Fact]
        public void When_it_mails_Then_addresses_and_ways_are_read()
        {
            HookConfig hook = Hook("mail=ops@example.org ,root\nsmtp=mail.example.org:2525\nfrom=steward@example.org\n");

            Assert.Equal(("ops@example.org, root", "mail.example.org", 2525, "steward@example.org"), (hook.Target, hook.SmtpHost, hook.SmtpPort, hook.From));
        }

        [Fact]
        public void When_a_template_is_given_Then_its_percent_signs_are_its_own()
        {
            Assert.Equal("{\"t\":\"%(summary)s 100%%\"}", Hook("url=https://h/\ntemplate={\"t\":\"%(summary)s 100%%\"}\n").Template);
        }
    }

    public sealed class GivenAProgramWithOnCrash
    {
        [Theory]
        [InlineData("mail:ops@example.org", HookKind.Mail, "ops@example.org")]
        [InlineData("https://example.org/x", HookKind.Url, "https://example.org/x")]
        [InlineData("exec:/bin/notify now", HookKind.Exec, "/bin/notify now")]
        [InlineData("env:NAME", HookKind.Url, "env:NAME")]
        public void When_it_is_read_Then_a_hook_for_its_processes_is_made(string written, HookKind kind, string target)
        {
            ConfigReading reading = Read(
                $"[program:web]\ncommand=/bin/cat\nprocess_name=%(program_name)s_%(process_num)d\nnumprocs=2\non_crash={written}\n"
                + "[group:a]\nprograms=web\n[group:b]\nprograms=web\n");

            Assert.Null(reading.FirstError);
            HookConfig hook = Assert.Single(reading.Configuration!.Hooks);
            Assert.Equal(("on_crash:web", kind, target), (hook.Name, hook.Kind, hook.Target));
            Assert.Equal(["a:web_0", "a:web_1", "b:web_0", "b:web_1"], hook.Processes);
            Assert.True(hook.Concerns("a", "web_1"));
            Assert.False(hook.Concerns("c", "web_1"));
            Assert.False(hook.Concerns(null, null));
        }
    }

    public sealed class GivenAFault
    {
        [Theory]
        [InlineData("", "2: [hook:ops]: [hook:ops] section requires exactly one of exec, url and mail — add url=https://host/path, mail=ops@example.org or exec=/path/to/program")]
        [InlineData("url=https://h/\nmail=a@b\n", "4: [hook:ops] mail=a@b: [hook:ops] section requires exactly one of exec, url and mail — keep one, and make a section for each of the others")]
        [InlineData("url=ftp://user:hunter2@h/\n", "3: [hook:ops] url=***: this is no URL of http or https — write https://host/path, env:NAME or file:/path")]
        [InlineData("url=https://user:hunter2@h/\n", "3: [hook:ops] url=***: the URL holds a user and a password, which are not sent — use header.Authorization=env:NAME")]
        [InlineData("url=env:HUNTER2\n", "3: [hook:ops] url=***: the environment variable 'HUNTER2' is not set — set it for the daemon, or write file:/path")]
        [InlineData("url=https://h/\nsecret=file:/nowhere\n", "4: [hook:ops] secret=***: could not read the secret in /nowhere: No such file or directory — name a file that the daemon can read")]
        [InlineData("url=https://h/\nevents=crsh\n", "4: [hook:ops] events=crsh: Unknown event crsh in [hook:ops] events — did you mean crash?")]
        [InlineData("url=https://h/\nevents=TICK_5\n", "4: [hook:ops] events=TICK_5: Unknown event TICK_5 in [hook:ops] events — hooks are not told of it; an [eventlistener:x] is")]
        [InlineData("url=https://h/\nformat=slak\n", "4: [hook:ops] format=slak: no such format is known: 'slak', did you mean slack? — write one of json, slack, teams, discord, pagerduty, opsgenie, telegram")]
        [InlineData("url=https://h/\ntemplate=%(nmae)s\n", "4: [hook:ops] template=***: no such field is known: 'nmae', did you mean name? — write %(name)s for a field of the event, and %% for a percent sign")]
        [InlineData("url=https://h/\ntemplate=50% off\n", "4: [hook:ops] template=***: a percent sign stands alone before ' off' — write %(name)s for a field of the event, and %% for a percent sign")]
        [InlineData("url=https://h/\nformat=telegram\n", "4: [hook:ops] format=telegram: this format needs chat= — add chat= with the id of the chat")]
        [InlineData("url=https://h/\nformat=pagerduty\n", "4: [hook:ops] format=pagerduty: this format needs token= — add token=env:NAME with the routing key or API key")]
        [InlineData("url=https://h/\nuser=nobody\n", "4: [hook:ops] user=nobody: user is for exec — take the line out")]
        [InlineData("exec=/bin/x 'a\n", "3: [hook:ops] exec=/bin/x 'a: can't parse command: No closing quotation — write a program with its arguments")]
        [InlineData("mail=-oQ/tmp\n", "3: [hook:ops] mail=-oQ/tmp: '-oQ/tmp' is no mail address — write name@host, several with commas between them")]
        [InlineData("mail=a@b\nsmtp=h:99999\n", "4: [hook:ops] smtp=h:99999: 99999 is above upper bound (65535) — write host:port")]
        [InlineData("url=https://h/\nqueue_size=0\n", "4: [hook:ops] queue_size=0: 0 is below lower bound (1) — write a number from 1 to 100000")]
        [InlineData("url=https://h/\nheader.host=x\n", "4: [hook:ops] header.host=***: the header host is set by Steward — take the line out")]
        [InlineData("url=https://h/\nquue_size=5\n", "4: warning: [hook:ops] quue_size=5: no such key is known here: it is ignored — did you mean queue_size?")]
        [InlineData("url=https://h/\nsecrt=hunter2\n", "4: warning: [hook:ops] secrt=***: no such key is known here: it is ignored — did you mean secret?")]
        public void When_it_is_read_Then_it_is_told_with_its_place_and_without_secrets(string keys, string expected)
        {
            ConfigReading reading = Read("[hook:ops]\n" + keys);

            Assert.Equal(Main + ":" + expected, Assert.Single(reading.Faults).Render());
            Assert.DoesNotContain("hunter2", reading.FirstError ?? "");
        }

        [Fact]
        public void When_an_expansion_fails_in_a_secret_Then_the_secret_is_not_shown()
        {
            ConfigReading reading = Read("[hook:ops]\nurl=https://h/hunter2%(nothing)s\n");

            Assert.DoesNotContain("hunter2", reading.FirstError + string.Join('\n', reading.Faults.Select(fault => fault.Render())));
            Assert.NotNull(reading.FirstError);
        }

        [Theory]
        [InlineData("hunter2")]
        [InlineData("mail:")]
        [InlineData("exec:")]
        [InlineData("https:/x")]
        public void When_on_crash_is_nothing_Then_it_is_told(string written)
        {
            ConfigFault fault = Assert.Single(Read($"[program:web]\ncommand=/bin/cat\non_crash={written}\n").Faults);

            Assert.Equal((FaultSeverity.Error, 4, "on_crash", "***"), (fault.Severity, fault.Line, fault.Key, fault.Value));
        }
    }

    public sealed class GivenPatterns
    {
        [Theory]
        [InlineData("*", "g", "p", true)]
        [InlineData("g:*", "g", "p", true)]
        [InlineData("g:*", "gg", "p", false)]
        [InlineData("p", "g", "p", true)]
        [InlineData("g", "g", "p", true)]
        [InlineData("we?_*2", "g", "web_a2b2", true)]
        [InlineData("we?_*2", "g", "web_a2b", false)]
        [InlineData("**a*", "g", "bab", true)]
        [InlineData("G", "g", "p", false)]
        public void When_a_process_is_looked_at_Then_the_whole_name_must_fit(string pattern, string group, string process, bool fits)
        {
            var hook = new HookConfig { Name = "h", Kind = HookKind.Url, Target = "", Programs = [pattern] };

            Assert.Equal(fits, hook.Concerns(group, process));
        }
    }

    public sealed class GivenFacts
    {
        [Theory]
        [InlineData("crash", "crash")]
        [InlineData("CRASH", "crash")]
        [InlineData("failed_start", "failed-start")]
        [InlineData("PROCESS_STATE_FATAL", "fatal")]
        [InlineData("SUPERVISOR_STATE_CHANGE_RUNNING", "daemon-started")]
        [InlineData("TICK", "")]
        [InlineData("", "")]
        public void When_a_word_is_looked_up_Then_it_is_the_event(string word, string name) => Assert.Equal(name, HookEventNames.Name(HookEventNames.Find(word)));

        [Fact]
        public void When_the_words_are_listed_Then_each_is_found_and_every_event_has_one()
        {
            Assert.All(HookEventNames.All, word => Assert.NotEqual(HookEvents.None, HookEventNames.Find(word)));
            Assert.All(
                Enum.GetValues<HookEvents>().Where(value => value != HookEvents.None),
                value => Assert.Equal(value, HookEventNames.Find(HookEventNames.Name(value))));
        }

        [Fact]
        public void When_a_run_ends_Then_what_was_expected_is_no_crash()
        {
            Assert.Equal("crash", HookEventNames.Name(HookEventNames.Of(new ExitFact(1, 3, null, null, false, null, 5))));
            Assert.Equal("oom", HookEventNames.Name(HookEventNames.Of(new ExitFact(1, null, 9, false, false, true, 5))));
            Assert.Equal("exit", HookEventNames.Name(HookEventNames.Of(new ExitFact(1, 0, null, null, true, null, 5))));
            Assert.Equal("fatal", HookEventNames.Name(HookEventNames.Of(new StateFact(ProcessState.Backoff, ProcessState.Fatal))));
            Assert.Equal(HookEvents.None, HookEventNames.Of(new RequestFact("stop", null, null)));
        }
    }
}
