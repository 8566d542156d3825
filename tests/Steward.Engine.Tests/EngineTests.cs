using Steward.Core.Config;
using Steward.Core.Effects;
using Steward.Core.Inputs;
using Steward.Core.Model;
using Steward.Core.Supervision;

namespace Steward.Engine.Tests;

/// <summary>The loop against a kernel, a log and a clock that do as they are told.</summary>
public sealed class EngineTests : IDisposable
{
    private static readonly TimeSpan s_limit = TimeSpan.FromSeconds(60);

    private readonly ManualClock _clock = new();
    private readonly FakeLog _log = new();
    private readonly Engine _engine;
    private readonly FakeHost _host;
    private readonly Configuration _configuration;

    public EngineTests()
    {
        ProcessConfig[] processes = [.. Enumerable.Range(0, 250).Select(i => Process($"p{i:000}", c => c with { AutoStart = false, StartSecs = 0 }))];
        _configuration = Configure(Group("p", Process("p")), Group("many", processes));
        _engine = new Engine(new SupervisorSettings("supervisor", LogLevel.Info), _log, _clock, () => new ReadResult(_configuration, null));
        _host = new FakeHost { Events = _engine };
        _engine.Attach(_host);
        Assert.Empty(_engine.Load(_configuration));
        _engine.BeginRunning();
        _engine.Start();
    }

    public void Dispose() => _engine.Dispose();

    [Fact]
    public async Task A_deadline_is_looked_at_when_the_clock_says_so()
    {
        Assert.Equal(ProcessState.Starting, StateOf("p", "p"));
        _clock.Advance(2);
        await Poke();
        await Poke();
        Assert.Equal(ProcessState.Running, StateOf("p", "p"));
    }

    [Fact]
    public async Task A_command_is_answered()
    {
        Assert.Equal("true", await Ask(new StopProcess("p", Wait: false)));
        Assert.Equal("NOT_RUNNING: p", await Ask(new StopProcess("p", Wait: false)));
    }

    [Fact]
    public async Task An_exit_counts_when_all_output_of_the_child_has_been_read()
    {
        _host.HoldsOutput = true;
        _host.Die((101, WaitStatus.FromExit(1)));
        await Poke();
        await Poke();
        Assert.Equal(ProcessState.Starting, StateOf("p", "p"));

        // Long enough to be called RUNNING, were it not dead; and its pid may be somebody else's, so no signal goes there.
        _clock.Advance(5);
        await Poke();
        Assert.Equal(ProcessState.Starting, StateOf("p", "p"));
        Assert.Equal("true", await Ask(new SignalProcess("p", "HUP")));
        Assert.DoesNotContain(_host.Calls, call => call.StartsWith("kill", StringComparison.Ordinal));
        Assert.True(_host.Held.TryDequeue(out (ProcessId Process, Incarnation Incarnation) held));
        _engine.OutputFinished(held.Process, held.Incarnation);
        await Poke();
        Assert.Equal(ProcessState.Backoff, StateOf("p", "p"));
        Assert.Contains("WARN exited: p (exit status 1; not expected)", _log.Lines);
    }

    [Fact]
    public async Task A_storm_of_the_dead_is_reaped_to_its_end_and_requests_come_in_between()
    {
        Assert.Contains("many", await Ask(new StartGroup("many", Wait: true)), StringComparison.Ordinal);
        _host.Calls.Clear();
        _host.Die([.. Enumerable.Range(102, 250).Select(pid => (pid, WaitStatus.FromExit(0)))]);
        for (int i = 0; i < 5; i++)
        {
            await Poke();
        }

        Assert.All(_engine.All().Where(p => p.Group == "many"), p => Assert.Equal(ProcessState.Exited, p.State));
        Assert.Single(_host.Calls, "reaping done");
    }

    [Fact]
    public async Task Who_dies_behind_the_last_look_is_looked_for_again()
    {
        // The keeper tells of a death once: nobody says it again after ReapingDone.
        _host.WhenNoneIsFound(() => _host.Die((101, WaitStatus.FromExit(3))));
        _host.Die((7, WaitStatus.FromSignal(Signals.Kill)));
        await Poke();
        await Poke();
        await Poke();
        Assert.Contains("WARN exited: p (exit status 3; not expected)", _log.Lines);
    }

    [Fact]
    public async Task A_stranger_is_reaped_and_said()
    {
        _host.Die((7, WaitStatus.FromSignal(Signals.Kill)));
        await Poke();
        await Poke();
        Assert.Contains("INFO reaped unknown pid 7 (terminated by SIGKILL)", _log.Lines);
    }

    [Fact]
    public async Task In_a_turn_signals_come_first_then_the_dead_then_requests()
    {
        using var gate = new ManualResetEventSlim();
        Task blocked = _engine.InvokeAsync(() => Assert.True(gate.Wait(s_limit)));
        Task<string> request = Ask(new SendRemoteCommEvent("t", "d"));
        Task<string> wrong = Ask(new StartProcess("nobody", Wait: false));
        _host.Die((101, WaitStatus.FromExit(3)));
        _engine.Signal(Signals.Usr1);
        _engine.Signal(Signals.Usr1);
        gate.Set();
        await blocked.WaitAsync(s_limit);
        await request;
        Assert.Equal("BAD_NAME: nobody", await wrong);
        await Poke();
        await Poke();
        string[] lines = [.. _log.Lines.SkipWhile(line => !line.Contains("received", StringComparison.Ordinal))];
        Assert.Equal(["INFO received SIGUSR1 indicating nothing", "WARN exited: p (exit status 3; not expected)"], lines);
    }

    [Fact]
    public async Task More_requests_than_may_wait_are_refused_at_once_and_all_others_are_answered()
    {
        using var gate = new ManualResetEventSlim();
        Task blocked = _engine.InvokeAsync(() => Assert.True(gate.Wait(s_limit)));
        Task<string>[] waiting = [.. Enumerable.Range(0, Engine.MaxWaiting).Select(_ => Ask(new SendRemoteCommEvent("t", "d")))];
        Assert.Equal("FAILED: 1024 requests wait already", await Ask(new SendRemoteCommEvent("t", "d")));
        Assert.All(waiting, task => Assert.False(task.IsCompleted));
        gate.Set();
        await blocked.WaitAsync(s_limit);
        Assert.All(await Task.WhenAll(waiting).WaitAsync(s_limit), answer => Assert.Equal("true", answer));
        Assert.Equal("true", await Ask(new SendRemoteCommEvent("t", "d")));
    }

    [Fact]
    public async Task Who_waits_when_the_engine_ends_is_refused()
    {
        Task<string> waiting = Ask(new StopProcess("p", Wait: true));
        await Poke();
        Assert.False(waiting.IsCompleted);
        _engine.Dispose();
        Assert.Equal("SHUTDOWN_STATE", await waiting);
        Assert.Equal("SHUTDOWN_STATE", await Ask(new StopProcess("p", Wait: true)));
    }

    [Fact]
    public async Task A_shutdown_completes_when_the_last_child_is_gone()
    {
        Assert.Equal("true", await Ask(new Shutdown()));
        Assert.False(_engine.Stopped.IsCompleted);
        Assert.Equal("SHUTDOWN_STATE", Text(await _engine.RereadAsync("a test").WaitAsync(s_limit)));
        Assert.Equal("SHUTDOWN_STATE", Text(await _engine.ClearMainLogAsync("a test").WaitAsync(s_limit)));
        _host.Die((101, WaitStatus.FromExit(0)));
        Assert.False(await _engine.Stopped.WaitAsync(s_limit));
    }

    [Fact]
    public async Task A_reload_stops_starts_over_and_runs_again()
    {
        Assert.Equal("true", await Ask(new Restart()));
        _host.Die((101, WaitStatus.FromExit(0)));
        Assert.True(await _engine.Stopped.WaitAsync(s_limit));
        Assert.Same(_configuration, _engine.ValidatedReload);
        await _engine.InvokeAsync(() =>
        {
            _engine.StartOver(new SupervisorSettings("supervisor", LogLevel.Info));
            Assert.Empty(_engine.Load(_configuration));
            _engine.BeginRunning();
        }).WaitAsync(s_limit);
        Assert.Equal(DaemonState.Running, _engine.State);
        Assert.Equal(ProcessState.Starting, StateOf("p", "p"));
        Assert.False(_engine.Stopped.IsCompleted);
    }

    [Fact]
    public async Task Reading_again_says_the_difference() =>
        Assert.Equal("+[] ~[] -[]", Text(await _engine.RereadAsync("a test").WaitAsync(s_limit)));

    [Fact]
    public async Task The_failure_of_an_action_belongs_to_the_one_who_waits_for_it()
    {
        await Assert.ThrowsAsync<InvalidOperationException>(
            () => _engine.InvokeAsync(() => throw new InvalidOperationException("mine")).WaitAsync(s_limit));
        Assert.Equal("true", await Ask(new SendRemoteCommEvent("t", "d")));
    }

    [Fact]
    public async Task An_action_that_is_never_come_to_fails_instead_of_waiting_for_ever()
    {
        var begun = new ManualResetEventSlim();
        var blocked = new ManualResetEventSlim();
        Task running = _engine.InvokeAsync(() =>
        {
            begun.Set();
            blocked.Wait(s_limit);
        });
        Assert.True(begun.Wait(s_limit));
        Task never = _engine.InvokeAsync(() => throw new InvalidOperationException("defect in an action is its own"));
        Task end = Task.Run(_engine.Dispose);
        blocked.Set();
        await end.WaitAsync(s_limit);
        await running.WaitAsync(s_limit);
        await Assert.ThrowsAsync<InvalidOperationException>(() => never.WaitAsync(s_limit));
        await Assert.ThrowsAsync<InvalidOperationException>(() => _engine.InvokeAsync(() => { }).WaitAsync(s_limit));
    }

    [Fact]
    public async Task A_defect_ends_the_engine_and_is_said_to_the_one_who_waits_for_its_end()
    {
        _host.SpawnError = _ => throw new InvalidOperationException("a defect");
        Task<string> asked = Ask(new StartProcess("many:p001", Wait: true));
        InvalidOperationException defect = await Assert.ThrowsAsync<InvalidOperationException>(() => _engine.Stopped.WaitAsync(s_limit));
        Assert.Equal("a defect", defect.Message);
        _engine.Dispose();
        Assert.Equal("SHUTDOWN_STATE", await asked);
    }

    [Fact]
    public async Task Output_that_was_taken_in_gives_its_credit_back()
    {
        _engine.Output(new ProcessId(1), new Incarnation(1), OutputChannel.Stdout, [1, 2, 3]);
        await Poke();
        Assert.Contains("consumed 3", _host.Calls);
    }

    [Fact]
    public async Task USR2_opens_the_logs_again()
    {
        _engine.Signal(Signals.Usr2);
        await Poke();
        Assert.Contains("reopened", _log.Lines);
        Assert.Contains("reopen", _host.Calls);
    }

    [Fact]
    public async Task A_turn_reads_the_clock_a_few_times_and_an_idle_engine_not_at_all()
    {
        await Poke();
        long before = _clock.Reads;
        for (int i = 0; i < 100; i++)
        {
            await Poke();
        }

        Assert.InRange(_clock.Reads - before, 0, 1000);
    }

    private static ProcessConfig Process(string name, Func<ProcessConfig, ProcessConfig>? with = null)
    {
        var config = new ProcessConfig { Name = name, Program = name, Command = "/bin/" + name };
        return with is null ? config : with(config);
    }

    private static GroupConfig Group(string name, params ProcessConfig[] processes) =>
        new() { Kind = GroupKind.Program, Name = name, Priority = 999, Processes = EquatableList.From(processes) };

    private static Configuration Configure(params GroupConfig[] groups) => new()
    {
        File = "steward.conf",
        FullPath = "/etc/steward.conf",
        Here = "/etc",
        Supervisord = new SupervisordConfig { PidFile = "/run/p", ChildLogDir = "/var/log" },
        Servers = [],
        RpcInterfaces = [],
        Groups = groups,
        ServerUrl = null,
        Messages = [],
    };

    private static string Text(Outcome outcome) => outcome switch
    {
        Done => "true",
        Refused refused => refused.Fault.Text,
        Statuses statuses => string.Join("; ", statuses.Items.Select(item => $"{item.Group}:{item.Name} {item.Description}")),
        Reread reread => $"+[{string.Join(' ', reread.Added)}] ~[{string.Join(' ', reread.Changed)}] -[{string.Join(' ', reread.Removed)}]",
        _ => throw new InvalidOperationException(outcome.GetType().Name),
    };

    private async Task<string> Ask(Command command) => Text(await _engine.ExecuteAsync(command, "a test").WaitAsync(s_limit));

    /// <summary>Comes back when the engine has looked at everything that was there before.</summary>
    private Task Poke() => _engine.InvokeAsync(() => { }).WaitAsync(s_limit);

    private ProcessState StateOf(string group, string process) => _engine.Find(group, process)!.State;
}
