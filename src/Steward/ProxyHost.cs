using Steward.Cli;
using Steward.Core.Model;
using Steward.Linux.Host;

namespace Steward;

/// <summary>The Linux layer as <c>pidproxy</c> wants it.</summary>
internal sealed class ProxyHost : IPidProxyHost
{
    private readonly PidProxyHost _host = new();

    public string? Spawn(IReadOnlyList<string> argv)
    {
        try
        {
            _host.Spawn(argv);
            return null;
        }
        catch (StartException e)
        {
            return e.Message;
        }
    }

    public (int Signal, WaitStatus? Ended) Next()
    {
        ProxyEvent happened = _host.Next();
        return (happened.Signal, happened.Ended);
    }

    public int? ReadPidFile(string path) => PidProxyHost.ReadPidFile(path);

    public string? Kill(int pid, int signal) => PidProxyHost.Kill(pid, signal, out string? error) ? null : error;

    public void Dispose() => _host.Dispose();
}
