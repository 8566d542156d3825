using System.Buffers;
using System.Globalization;
using System.IO.Pipelines;
using Steward.Core.Model;
using Steward.Core.Supervision;
using Steward.Engine;

namespace Steward.Http.Logs;

/// <summary>
/// <c>/logtail/NAME/CHANNEL</c> and <c>/mainlogtail</c>: the last 1024 bytes of a log, then what is added to it, until the client
/// leaves, the process is removed or the daemon ends. The file is looked at four times a second while somebody reads, and not at all
/// otherwise.
/// </summary>
internal sealed class LogStreams(ISupervisorControl control, CancellationToken endStreams)
{
    private const int FirstBytes = 1024;
    private const int PieceBytes = 64 << 10;

    private static readonly TimeSpan LookEvery = TimeSpan.FromMilliseconds(250);

    public Task MainLog(Exchange exchange) => StreamAsync(exchange, () => control.MainLogPath);

    public Task ProcessLog(Exchange exchange)
    {
        // /logtail…/NAME or /logtail…/NAME/CHANNEL
        string path = exchange.Path;
        int slash = path.IndexOf('/', 1);
        if (slash < 0)
        {
            return exchange.SendErrorAsync(404);
        }

        string name = path[(slash + 1)..];
        string channel = "stdout";
        slash = name.IndexOf('/', StringComparison.Ordinal);
        if (slash >= 0)
        {
            channel = name[(slash + 1)..];
            name = name[..slash];
        }

        Namespec spec = Namespec.Parse(name);
        if (spec.Process is not { } process || channel is not ("stdout" or "stderr"))
        {
            return exchange.SendErrorAsync(404);
        }

        return StreamAsync(exchange, () => control.Find(spec.Group, process) switch
        {
            ProcessSnapshot found => channel == "stdout" ? found.StdoutLog : found.StderrLog,
            null => null,
        });
    }

    /// <summary>Streams the log that <paramref name="findPath"/> names; null or empty ends the stream.</summary>
    private async Task StreamAsync(Exchange exchange, Func<string?> findPath)
    {
        FollowedFile? file = findPath() is { Length: > 0 } path ? FollowedFile.TryOpen(path, FirstBytes) : null;
        if (file is null)
        {
            await exchange.SendErrorAsync(404).ConfigureAwait(false);
            return;
        }

        using var end = CancellationTokenSource.CreateLinkedTokenSource(exchange.Gone, endStreams);
        byte[] piece = ArrayPool<byte>.Shared.Rent(PieceBytes);
        try
        {
            exchange.AllowSlowReader();
            exchange.SetStatus(200);
            exchange.ResponseHeaders.LastModified = file.LastModified.ToString("R", CultureInfo.InvariantCulture);
            exchange.ResponseHeaders.ContentType = "text/plain;charset=utf-8";
            exchange.ResponseHeaders.XContentTypeOptions = "nosniff";
            // Proxies are not to hold lines back (nginx, X-Accel-Buffering).
            exchange.ResponseHeaders["X-Accel-Buffering"] = "no";
            PipeWriter output = exchange.Output;
            await output.FlushAsync(end.Token).ConfigureAwait(false);

            using var timer = new PeriodicTimer(LookEvery);
            while (true)
            {
                await SendAddedAsync(file, piece, output, end.Token).ConfigureAwait(false);
                string? now = findPath();
                if (string.IsNullOrEmpty(now))
                {
                    // What was written between the last look and the removal.
                    await SendAddedAsync(file, piece, output, end.Token).ConfigureAwait(false);
                    return;
                }

                if (file.Successor(now) is { } next)
                {
                    // What was written between the last look and the rotation is still in the old file.
                    await SendAddedAsync(file, piece, output, end.Token).ConfigureAwait(false);
                    file.Dispose();
                    file = next;
                    continue;
                }

                await timer.WaitForNextTickAsync(end.Token).ConfigureAwait(false);
            }
        }
        catch (OperationCanceledException) when (endStreams.IsCancellationRequested && !exchange.Gone.IsCancellationRequested)
        {
            // The daemon ends: so does the stream, with all that was written and its last chunk. A client that does not take it
            // is cut off when the servers' time is up.
            await SendAddedAsync(file, piece, exchange.Output, exchange.Gone).ConfigureAwait(false);
        }
        finally
        {
            file.Dispose();
            ArrayPool<byte>.Shared.Return(piece);
        }
    }

    private static async Task SendAddedAsync(FollowedFile file, byte[] piece, PipeWriter output, CancellationToken end)
    {
        while (true)
        {
            int n = file.Read(piece.AsSpan(0, PieceBytes), out bool truncated);
            if (truncated)
            {
                await output.WriteAsync("==> File truncated <==\n"u8.ToArray(), end).ConfigureAwait(false);
            }

            if (n == 0)
            {
                return;
            }

            // Waits while the client reads more slowly than the log grows: nothing piles up here.
            FlushResult flushed = await output.WriteAsync(piece.AsMemory(0, n), end).ConfigureAwait(false);
            if (flushed.IsCompleted)
            {
                throw new OperationCanceledException("The client is gone.");
            }
        }
    }
}
