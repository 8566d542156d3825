using Steward.Core.Effects;
using Steward.Core.Model;
using Steward.Core.Ports;
using Steward.Linux.Processes;

namespace Steward.Hooks.Tests;

/// <summary>Tests that make and reap children run alone: whoever reaps takes whatever child there is.</summary>
[CollectionDefinition(Name, DisableParallelization = true)]
public sealed class ProgramsCollection
{
    public const string Name = "programs";
}

/// <summary>A process host whose children are reaped by a thread, as the engine does it; and a directory.</summary>
internal sealed class Programs : IProcessHostEvents, IDisposable
{
    private readonly ProcessHost _host;
    private readonly SemaphoreSlim _exited = new(0);
    private readonly Thread _reaper;
    private volatile bool _isEnding;

    public Programs()
    {
        Folder = Directory.CreateTempSubdirectory("steward-hooks.").FullName;
        File.SetUnixFileMode(Folder, (UnixFileMode)0b111_101_101);
        _host = new ProcessHost(this, new ProcessHostOptions { ChildLogDir = Folder });
        _reaper = new Thread(Reap) { IsBackground = true };
        _reaper.Start();
    }

    public string Folder { get; }

    public List<int> Strangers { get; } = [];

    public IHookProcesses Processes => _host.HookProcesses;

    public string Script(string text, string name = "script")
    {
        string path = Path.Combine(Folder, name);
        File.WriteAllText(path, "#!/bin/sh\n" + text.ReplaceLineEndings("\n"));
        File.SetUnixFileMode(path, (UnixFileMode)0b111_101_101);
        return path;
    }

    public HookProcessResult Run(string command, string stdin = "", int timeoutMs = 60_000) =>
        Processes.Run(new HookProcess(command, null, [KeyValuePair.Create("STEWARD_NAME", "web")], System.Text.Encoding.UTF8.GetBytes(stdin), timeoutMs));

    public void ChildrenExited() => _exited.Release();

    public void Output(ProcessId process, Incarnation incarnation, OutputChannel channel, byte[] data)
    {
    }

    public void Communication(ProcessId process, Incarnation incarnation, OutputChannel channel, byte[] data)
    {
    }

    public void MemoryMeasured(ProcessId process, Incarnation incarnation, long bytes, int processes)
    {
    }

    public void HealthProbed(ProcessId process, Incarnation incarnation, string? failure)
    {
    }

    public void OutputFinished(ProcessId process, Incarnation incarnation, string? lastOutput)
    {
    }

    public void Log(LogLevel level, string text)
    {
    }

    public void Dispose()
    {
        _isEnding = true;
        _exited.Release();
        _reaper.Join();
        _host.Dispose();
        Directory.Delete(Folder, recursive: true);
    }

    private void Reap()
    {
        while (true)
        {
            _exited.Wait();
            if (_isEnding)
            {
                return;
            }

            while (_host.TryReap(out int pid, out _))
            {
                Strangers.Add(pid);
            }

            _host.ReapingDone();
        }
    }
}
