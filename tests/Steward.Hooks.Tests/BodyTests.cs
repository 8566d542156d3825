using System.Runtime.CompilerServices;
using System.Text;
using System.Text.Json;
using Steward.Core.Config;
using Steward.Core.Events;
using Steward.Core.Model;

namespace Steward.Hooks.Tests;

public static class BodyTests
{
    private static readonly HookOrigin Origin = new("box", "prod");

    private static HookFields Fields(string output = "one\ntwo <&> \"three\" ```x\n", HookEvents wanted = HookEvents.Crash)
    {
        var exit = new ExitFact(4711, null, 11, true, false, null, 5400, output);
        var happened = new HookEvent(
            "42", HookEventNames.Of(exit), new JournalEntry(42, StillClock.Wall, "shop", "web_1", 7, exit));
        happened.Add(exit);
        happened.Add(new DecisionFact(DecisionKind.BackOff, "it died before startsecs=10", StillClock.Wall + 2_000_000_000, 2, 3));
        happened.Add(new StateFact(ProcessState.Starting, ProcessState.Backoff, 4711, 2));
        return new HookFields(happened, wanted, "ops", 1, Origin);
    }

    public sealed class GivenACrash
    {
        [Theory]
        [InlineData(HookFormat.Json)]
        [InlineData(HookFormat.Slack)]
        [InlineData(HookFormat.Teams)]
        [InlineData(HookFormat.Discord)]
        [InlineData(HookFormat.PagerDuty)]
        [InlineData(HookFormat.Opsgenie)]
        [InlineData(HookFormat.Telegram)]
        public void When_it_is_put_into_a_form_Then_it_is_as_recorded(HookFormat format)
        {
            var hook = new HookConfig { Name = "ops", Kind = HookKind.Url, Target = "", Format = format, Chat = "-100200" };

            byte[] body = HookBodies.Make(hook, Fields(), "the-token");

            using JsonDocument document = JsonDocument.Parse(body);
            using var pretty = new MemoryStream();
            using (var writer = new Utf8JsonWriter(pretty, new JsonWriterOptions { Indented = true, Encoder = JournalJson.WriterOptions.Encoder, NewLine = "\n" }))
            {
                document.WriteTo(writer);
            }

            Golden(format.ToString().ToLowerInvariant() + ".json", Encoding.UTF8.GetString(pretty.ToArray()) + "\n");
        }

        [Theory]
        [InlineData(HookFormat.Slack, "text", 3500)]
        [InlineData(HookFormat.Discord, "content", 2000)]
        [InlineData(HookFormat.Telegram, "text", 4096)]
        public void When_the_output_is_long_Then_the_limit_holds_and_the_end_is_there(HookFormat format, string member, int limit)
        {
            var hook = new HookConfig { Name = "ops", Kind = HookKind.Url, Target = "", Format = format, Chat = "1" };
            string output = string.Concat(Enumerable.Range(0, 2000).Select(i => $"😀 line {i}\n"));

            string text = JsonDocument.Parse(HookBodies.Make(hook, Fields(output), "")).RootElement.GetProperty(member).GetString()!;

            Assert.InRange(text.Length, limit - 200, limit);
            Assert.Contains("line 1999", text);
            Assert.DoesNotContain('\ufffd', text);
        }

        [Fact]
        public void When_a_template_is_JSON_Then_values_are_escaped_for_it()
        {
            var hook = new HookConfig { Name = "ops", Kind = HookKind.Url, Target = "", Template = "{\"a\":\"%(output)s\",\"b\":\"100%% %(signal_name)s %(uptime)s\"}" };

            JsonElement body = JsonDocument.Parse(HookBodies.Make(hook, Fields(), "")).RootElement;

            Assert.Equal("one\ntwo <&> \"three\" ```x\n", body.GetProperty("a").GetString());
            Assert.Equal("100% SIGSEGV 5.4s", body.GetProperty("b").GetString());
        }

        [Fact]
        public void When_a_template_is_text_Then_values_stand_as_they_are()
        {
            var hook = new HookConfig { Name = "ops", Kind = HookKind.Url, Target = "", Template = string.Join('|', HookTemplate.Fields.Select(name => $"{name}=%({name})s")) };

            Assert.Equal(
                "event=crash|name=shop:web_1|group=shop|process=web_1|summary=shop:web_1: killed by SIGSEGV (an invalid memory access), core dumped, after 5.4s; "
                + "not expected (1 more since the last message)|reason=it died before startsecs=10|output=one\ntwo <&> \"three\" ```x\n|"
                + "next=another try (attempt 3 of 4)|next_try=2027-01-15T08:00:02.123456789Z|from=STARTING|to=BACKOFF|code=|signal=11|signal_name=SIGSEGV|"
                + "expected=false|uptime=5.4s|pid=4711|tries=2|repeats=1|host=box|identifier=prod|time=2027-01-15T08:00:00.123456789Z|number=42|delivery=42|hook=ops",
                Encoding.UTF8.GetString(HookBodies.Make(hook, Fields(), "")));
        }
    }

    public sealed class GivenGoodNews
    {
        [Fact]
        public void When_a_process_runs_again_Then_PagerDuty_resolves_and_the_old_end_is_not_told()
        {
            var running = new StateFact(ProcessState.Starting, ProcessState.Running, 5);
            var happened = new HookEvent("43", HookEventNames.Of(running), new JournalEntry(43, StillClock.Wall, "web", "web", 8, running));
            happened.Add(new ExitFact(4711, 1, null, null, false, null, 5, "old"));
            happened.Add(running);
            happened.Add(new DecisionFact(DecisionKind.GiveUp, "of a later failure"));
            var hook = new HookConfig { Name = "ops", Kind = HookKind.Url, Target = "", Format = HookFormat.PagerDuty };

            JsonElement body = JsonDocument.Parse(HookBodies.Make(hook, new HookFields(happened, HookEvents.Running, "ops", 0, Origin), "t")).RootElement;

            Assert.Equal(("resolve", "steward/box/prod/web"), (body.GetProperty("event_action").GetString(), body.GetProperty("dedup_key").GetString()));
            Assert.Equal("web is RUNNING", body.GetProperty("payload").GetProperty("summary").GetString());
            JsonElement details = body.GetProperty("payload").GetProperty("custom_details");
            Assert.False(details.TryGetProperty("exit", out _));
            Assert.False(details.TryGetProperty("next", out _));
        }
    }

    private static void Golden(string name, string text, [CallerFilePath] string here = "")
    {
        string file = Path.Combine(Path.GetDirectoryName(here)!, "golden", name);
        if (Environment.GetEnvironmentVariable("STEWARD_GOLDEN") == "write")
        {
            Directory.CreateDirectory(Path.GetDirectoryName(file)!);
            File.WriteAllText(file, text);
        }

        Assert.True(File.Exists(file), $"{name} is missing; STEWARD_GOLDEN=write and this test write it");
        Assert.Equal(File.ReadAllText(file), text);
    }
}
