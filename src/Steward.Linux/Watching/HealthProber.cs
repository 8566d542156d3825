using System.Diagnostics;
using System.Globalization;
using System.Net.Sockets;
using System.Text;
using Steward.Core.Config;
using Steward.Core.Model;
using Steward.Core.Ports;

namespace Steward.Linux.Watching;

/// <summary>Asks processes over HTTP whether they are well: one request, one status line, no redirects.</summary>
/// <remarks>
/// At most one probe of a process is under way and at most <see cref="MaxAtOnce"/> in all; the others wait their turn, which does not
/// count as the process's time. When even the clock of a probe is far behind, the machine is starved or was asleep: that says
/// nothing about the process, and nothing is reported.
/// </remarks>
internal sealed class HealthProber(IProcessHostEvents events) : IDisposable
{
    internal const int MaxAtOnce = 32;

    /// <summary>A status line is shorter; what follows it is not read.</summary>
    private const int MaxStatusLine = 1024;

    private static readonly TimeSpan Starved = TimeSpan.FromSeconds(2);

    private readonly Lock _gate = new();
    private readonly HashSet<(ProcessId, Incarnation)> _underWay = [];
    private readonly SemaphoreSlim _turns = new(MaxAtOnce);
    private readonly CancellationTokenSource _end = new();

    /// <summary>Begins a probe.</summary>
    public void Probe(ProcessId process, Incarnation incarnation, HealthConfig health)
    {
        lock (_gate)
        {
            if (_end.IsCancellationRequested || !_underWay.Add((process, incarnation)))
            {
                return;
            }
        }

        _ = Task.Run(() => RunAsync(process, incarnation, health));
    }

    /// <summary>Gives up what is under way; nothing is reported any more.</summary>
    public void Dispose() => _end.Cancel();

    private async Task RunAsync(ProcessId process, Incarnation incarnation, HealthConfig health)
    {
        try
        {
            await _turns.WaitAsync(_end.Token).ConfigureAwait(false);
            try
            {
                var clock = Stopwatch.StartNew();
                var limit = TimeSpan.FromSeconds(health.Timeout);
                string? failure = await AskAsync(health, limit, _end.Token).ConfigureAwait(false);
                if (failure is null || clock.Elapsed < limit + Starved)
                {
                    events.HealthProbed(process, incarnation, failure);
                }
            }
            finally
            {
                _turns.Release();
            }
        }
        catch (OperationCanceledException) when (_end.IsCancellationRequested)
        {
            // The daemon ends; nobody waits for the answer.
        }
        finally
        {
            lock (_gate)
            {
                _underWay.Remove((process, incarnation));
            }
        }
    }

    /// <summary>Asks once; null when the answer is a good one, else what was wrong.</summary>
    internal static async Task<string?> AskAsync(HealthConfig health, TimeSpan limit, CancellationToken end)
    {
        if (!Uri.TryCreate(health.Url, UriKind.Absolute, out Uri? url))
        {
            return $"'{health.Url}' is no address";
        }

        using var timeout = CancellationTokenSource.CreateLinkedTokenSource(end);
        timeout.CancelAfter(limit);
        string at = "connecting";
        try
        {
            using var socket = new Socket(SocketType.Stream, ProtocolType.Tcp) { NoDelay = true };
            await socket.ConnectAsync(url.DnsSafeHost, url.Port, timeout.Token).ConfigureAwait(false);
            at = "asking";
            ReadOnlyMemory<byte> request = Encoding.UTF8.GetBytes(Request(url));
            while (!request.IsEmpty)
            {
                request = request[await socket.SendAsync(request, timeout.Token).ConfigureAwait(false)..];
            }

            at = "waiting for the answer";
            byte[] buffer = new byte[MaxStatusLine];
            int length = 0;
            while (length < buffer.Length)
            {
                int count = await socket.ReceiveAsync(buffer.AsMemory(length), timeout.Token).ConfigureAwait(false);
                length += count;
                if (count == 0 || buffer.AsSpan(0, length).Contains((byte)'\n'))
                {
                    break;
                }
            }

            return Judge(health, buffer.AsSpan(0, length));
        }
        catch (OperationCanceledException) when (!end.IsCancellationRequested)
        {
            return string.Create(CultureInfo.InvariantCulture, $"no answer within {limit.TotalSeconds:0.###} seconds ({at})");
        }
        catch (SocketException e)
        {
            return $"{at} failed: {e.Message}";
        }
    }

    private static string Request(Uri url)
    {
        string credentials = url.UserInfo.Length == 0
            ? ""
            : $"Authorization: Basic {Convert.ToBase64String(Encoding.UTF8.GetBytes(Uri.UnescapeDataString(url.UserInfo)))}\r\n";
        return $"GET {url.PathAndQuery} HTTP/1.1\r\nHost: {url.Authority}\r\nUser-Agent: steward\r\nAccept: */*\r\n{credentials}Connection: close\r\n\r\n";
    }

    private static string? Judge(HealthConfig health, ReadOnlySpan<byte> answer)
    {
        // HTTP/1.1 200 ...
        if (answer.IsEmpty)
        {
            return "the connection was closed without an answer";
        }

        if (answer.Length < 12 || !answer.StartsWith("HTTP/1."u8) || answer[8] != ' '
            || !int.TryParse(answer.Slice(9, 3), NumberStyles.None, CultureInfo.InvariantCulture, out int status))
        {
            return "the answer is not HTTP";
        }

        return health.IsGood(status) ? null : string.Create(CultureInfo.InvariantCulture, $"status {status}");
    }
}
