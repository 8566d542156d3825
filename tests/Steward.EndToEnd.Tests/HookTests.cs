using System.Collections.Concurrent;
using System.Net;
using System.Text;
using System.Text.Json;

namespace Steward.EndToEnd;

/// <summary>Somebody is told what happens, by the real daemon.</summary>
public sealed class HookTests
{
    [Fact]
    public async Task A_program_crashes_and_the_webhook_gets_the_reason_and_the_last_output()
    {
        using var receiver = new Receiver();
        await using var daemon = new TestDaemon($"""
            [hook:ops]
            url={receiver.Url}
            events=crash
            secret=env:HOOK_SECRET

            [program:web]
            command=/bin/sh -c 'echo listening; sleep 0.2; echo disk is full >&2; exit 3'
            startsecs=0
            autorestart=false
            redirect_stderr=true
            """);
        await daemon.StartAsync(("HOOK_SECRET", "hunter2"));
        await receiver.ReceivedAsync(1, daemon);

        var (signature, message) = receiver.Messages.First();
        Assert.StartsWith("sha256=", signature, StringComparison.Ordinal);
        Assert.Equal("crash", message.GetProperty("event").GetString());
        Assert.Equal("web", message.GetProperty("name").GetString());
        Assert.Equal(3, message.GetProperty("exit").GetProperty("code").GetInt32());
        Assert.Contains("disk is full", message.GetProperty("output").GetString(), StringComparison.Ordinal);
        Assert.Equal("EXITED", message.GetProperty("to").GetString());
        Assert.NotEqual("", message.GetProperty("reason").GetString());

        var hooks = await daemon.CtlAsync("hooks");
        Assert.Contains("ops", hooks.Output, StringComparison.Ordinal);
        Assert.DoesNotContain("secret-path", hooks.Output + daemon.ReadLog(), StringComparison.Ordinal);
        Assert.DoesNotContain("hunter2", hooks.Output + daemon.ReadLog(), StringComparison.Ordinal);
        Assert.Equal(0, await daemon.StopAsync());
    }

    [Fact]
    public async Task A_program_of_a_hook_is_run_and_is_no_stranger_to_the_daemon()
    {
        await using var daemon = new TestDaemon("""
            [program:web]
            command=/bin/sh -c 'exit 3'
            startsecs=0
            autorestart=false
            on_crash=exec:/bin/sh -c 'cat > %(here)s/told.new && mv %(here)s/told.new %(here)s/told'
            """);
        await daemon.StartAsync();
        var told = Path.Combine(daemon.Folder, "told");
        await Waiting.UntilAsync(() => File.Exists(told), () => "nothing was told\n" + daemon.Account());

        Assert.Equal("on_crash:web", JsonDocument.Parse(await File.ReadAllTextAsync(told)).RootElement.GetProperty("hook").GetString());
        Assert.DoesNotContain("unknown pid", daemon.ReadLog(), StringComparison.Ordinal);
        Assert.Equal(0, await daemon.StopAsync());
    }

    [Fact]
    public async Task A_crash_that_could_not_be_told_yet_is_told_by_the_successor_of_a_daemon_that_was_killed()
    {
        await using var daemon = new TestDaemon("""
            [hook:ops]
            exec=/bin/sh -c '[ -e %(here)s/up ] || exit 1; cat > %(here)s/told.$$.new && mv %(here)s/told.$$.new %(here)s/told.$$'
            events=crash
            retries=1000

            [program:web]
            command=/bin/sh -c 'exit 3'
            startsecs=0
            autorestart=false
            """, "keeper=true");
        await daemon.StartAsync();
        for (var life = 1; life <= 3; life++)
        {
            await Waiting.UntilAsync(
                () => daemon.ReadLog().Split("hook 'ops': web crash is tried again later").Length > life, () => $"no attempt {life}\n{daemon.Account()}");
            var pid = ProcessTable.ChildrenOf(daemon.Pid).Single(static child => File.ReadAllText($"/proc/{child}/cmdline").Contains("--kept", StringComparison.Ordinal));
            await TestDaemon.SignalAsync(pid, "KILL");
            await Waiting.UntilAsync(
                () => daemon.ReadLog().Split("everything is under control again").Length > life, () => $"no successor {life}\n{daemon.Account()}");
        }

        await File.WriteAllTextAsync(Path.Combine(daemon.Folder, "up"), "");
        string[] told = [];
        await Waiting.UntilAsync(
            () => (told = [.. Directory.GetFiles(daemon.Folder, "told.*").Where(static file => !file.EndsWith(".new", StringComparison.Ordinal))]).Length > 0,
            () => "nothing was told\n" + daemon.Account());
        Assert.Equal(3, JsonDocument.Parse(await File.ReadAllTextAsync(Assert.Single(told))).RootElement.GetProperty("exit").GetProperty("code").GetInt32());
        Assert.Equal(0, await daemon.StopAsync());
    }

    [Fact]
    public async Task A_hook_that_comes_with_update_is_tested_by_hand()
    {
        using var receiver = new Receiver();
        await using var daemon = new TestDaemon("");
        await daemon.StartAsync();
        Assert.Equal("no hooks are configured\n", (await daemon.CtlAsync("hooks")).Output);

        daemon.WriteConfig($"[hook:ops]\nurl={receiver.Url}\n");
        await daemon.CtlAsync("update");
        var tested = await daemon.CtlAsync("hooks", "test", "ops");

        Assert.Equal((0, "ops: delivered\n"), (tested.Status, tested.Output));
        Assert.True(receiver.Messages.Single().Message.GetProperty("test").GetBoolean());
        Assert.Equal(0, await daemon.StopAsync());
    }

    /// <summary>A web server that keeps what it is told.</summary>
    private sealed class Receiver : IDisposable
    {
        private readonly HttpListener _listener = new();
        private readonly int _port = TestDaemon.FreePort();

        public Receiver()
        {
            _listener.Prefixes.Add(FormattableString.Invariant($"http://127.0.0.1:{_port}/"));
            _listener.Start();
            _ = ServeAsync();
        }

        public string Url => FormattableString.Invariant($"http://127.0.0.1:{_port}/secret-path");

        public ConcurrentQueue<(string? Signature, JsonElement Message)> Messages { get; } = [];

        public Task ReceivedAsync(int count, TestDaemon daemon) =>
            Waiting.UntilAsync(() => Messages.Count >= count, () => "nothing arrives\n" + daemon.Account());

        public void Dispose() => _listener.Close();

        private async Task ServeAsync()
        {
            try
            {
                while (true)
                {
                    var context = await _listener.GetContextAsync();
                    using var reader = new StreamReader(context.Request.InputStream, Encoding.UTF8);
                    var message = JsonDocument.Parse(await reader.ReadToEndAsync()).RootElement;
                    Messages.Enqueue((context.Request.Headers["X-Steward-Signature"], message));
                    context.Response.Close();
                }
            }
            catch (Exception e) when (e is HttpListenerException or ObjectDisposedException)
            {
                // The end of the test.
            }
        }
    }
}
