using System.Collections.Concurrent;
using Steward.Core.Config;
using Steward.Core.Effects;
using Steward.Core.Inputs;
using Steward.Core.Model;
using Steward.Core.Supervision;
using Steward.Engine;

namespace Steward.Http.Tests;

/// <summary>A daemon without processes behind it: answers are what a test says, calls and log lines are kept.</summary>
internal sealed class FakeControl : ISupervisorControl
{
    public DaemonState State { get; set; } = DaemonState.Running;

    public string Identifier { get; set; } = "supervisor";

    public int Pid { get; set; } = 4711;

    public string? MainLogPath { get; set; }

    public IReadOnlyList<RpcInterfaceConfig> RpcInterfaces { get; set; } =
        [new("supervisor", "supervisor.rpcinterface:make_main_rpcinterface")];

    public ConcurrentDictionary<string, ProcessSnapshot> Processes { get; } = new(StringComparer.Ordinal);

    public ConfigSnapshot[] Configs { get; set; } = [];

    public ConcurrentQueue<Command> Commands { get; } = new();

    public ConcurrentQueue<string> Requesters { get; } = new();

    public ConcurrentQueue<(LogLevel Level, string Text)> Lines { get; } = new();

    /// <summary>Released once for every line.</summary>
    public SemaphoreSlim LineAdded { get; } = new(0);

    public LogLevel Level { get; set; } = LogLevel.Info;

    public Func<Command, Task<Outcome>> Answer { get; set; } = _ => Task.FromResult<Outcome>(Done.Instance);

    public Func<Task<Outcome>> AnswerReread { get; set; } = () => Task.FromResult<Outcome>(new Reread([], [], []));

    public Func<Task<Outcome>> AnswerClearMainLog { get; set; } = () => Task.FromResult<Outcome>(Done.Instance);

    public static ProcessSnapshot Snapshot(string group, string name, ProcessState state = ProcessState.Running) => new()
    {
        Name = name,
        Group = group,
        Start = 1_700_000_000_000_000_000,
        Stop = 0,
        Now = 1_700_000_100_000_000_000,
        State = state,
        SpawnErr = "",
        ExitStatus = 0,
        LastStatus = null,
        StdoutLog = "",
        StderrLog = "",
        Pid = state == ProcessState.Running ? 123 : 0,
        UptimeSeconds = 100,
    };

    public void Add(ProcessSnapshot process) => Processes[process.Group + ":" + process.Name] = process;

    public Task<Outcome> ExecuteAsync(Command command, string requester)
    {
        Commands.Enqueue(command);
        Requesters.Enqueue(requester);
        return Answer(command);
    }

    public Task<Outcome> RereadAsync(string requester) => AnswerReread();

    public Task<Outcome> AddProgramAsync(string group, string program, IReadOnlyList<KeyValuePair<string, string>> options, string requester)
    {
        Added.Enqueue($"{group} {program} {string.Join(',', options.Select(option => option.Key + "=" + option.Value))}");
        return Task.FromResult<Outcome>(Done.Instance);
    }

    public ConcurrentQueue<string> Added { get; } = new();

    public EventPoolSnapshot[] Pools { get; set; } = [];

    public string[] GroupNames() => [.. Processes.Values.Select(process => process.Group).Distinct().Order(StringComparer.Ordinal)];

    public EventPoolSnapshot[] EventPools() => Pools;

    public Intent[] Remembered { get; set; } = [];

    public Intent[] Intents() => Remembered;

    public Task<Outcome> ClearMainLogAsync(string requester) => AnswerClearMainLog();

    public ProcessSnapshot? Find(string group, string process) =>
        Processes.TryGetValue(group + ":" + process, out ProcessSnapshot? found) ? found : null;

    public ProcessSnapshot[] All() =>
        [.. Processes.Values.OrderBy(p => p.Group, StringComparer.Ordinal).ThenBy(p => p.Name, StringComparer.Ordinal)];

    public ConfigSnapshot[] AllConfigs() => Configs;

    public void Log(LogLevel level, string text)
    {
        if (IsLogged(level))
        {
            Lines.Enqueue((level, text));
            LineAdded.Release();
        }
    }

    public bool IsLogged(LogLevel level) => level >= Level;
}
