using System.Globalization;
using System.Net.Sockets;
using System.Text;
using Steward.Core.Config;
using Steward.Core.Model;
using Steward.Core.Ports;

namespace Steward.Hooks;

/// <summary>Makes one attempt to deliver, whatever the kind of hook. Any thread; at most <see cref="MaxAtOnce"/> at once over all hooks.</summary>
internal sealed class HookSender(IHookProcesses processes, TimeProvider time) : IDisposable
{
    /// <summary>Attempts at once over all hooks; more wait for one that ends.</summary>
    public const int MaxAtOnce = 8;

    // A program is killed by its host; this is for a host that does not come back from a disk, so that a queue does not stand for ever.
    private const int ProcessGraceMs = 10_000;

    private readonly SemaphoreSlim _slots = new(MaxAtOnce);
    private readonly Lazy<HookPost> _post = new(static () => new HookPost());

    /// <summary>Makes an attempt. Never throws, except for the cancellation.</summary>
    public async Task<HookAttempt> SendAsync(HookConfig hook, HookFields fields, CancellationToken cancellation)
    {
        await _slots.WaitAsync(cancellation).ConfigureAwait(false);
        try
        {
            return hook.Kind == HookKind.Exec || (hook.Kind == HookKind.Mail && hook.SmtpHost is null)
                ? await RunAsync(hook, fields, cancellation).ConfigureAwait(false)
                : await TalkAsync(hook, fields, cancellation).ConfigureAwait(false);
        }
        finally
        {
            _slots.Release();
        }
    }

    public void Dispose()
    {
        if (_post.IsValueCreated)
        {
            _post.Value.Dispose();
        }

        // The semaphore has no handle to close; an attempt that is being given up may still return its slot.
    }

    private async Task<HookAttempt> TalkAsync(HookConfig hook, HookFields fields, CancellationToken cancellation)
    {
        using var limit = new CancellationTokenSource(TimeSpan.FromSeconds(hook.Timeout), time);
        using var both = CancellationTokenSource.CreateLinkedTokenSource(limit.Token, cancellation);
        try
        {
            return hook.Kind == HookKind.Url
                ? await _post.Value.SendAsync(hook, fields, time, both.Token).ConfigureAwait(false)
                : await HookMail.SendAsync(hook, fields, both.Token).ConfigureAwait(false);
        }
        catch (OperationCanceledException) when (!cancellation.IsCancellationRequested)
        {
            return HookAttempt.Later(string.Create(CultureInfo.InvariantCulture, $"no answer within {hook.Timeout} s"));
        }
        catch (Exception failure) when (failure is HttpRequestException or SocketException or IOException or FormatException or ArgumentException)
        {
            cancellation.ThrowIfCancellationRequested();
            return HookAttempt.Later(HookPost.Explain(failure));
        }
    }

    private async Task<HookAttempt> RunAsync(HookConfig hook, HookFields fields, CancellationToken cancellation)
    {
        byte[] input = hook.Kind == HookKind.Exec ? fields.Json() : Encoding.UTF8.GetBytes(HookMail.Compose(hook, fields));
        var process = new HookProcess(
            hook.Kind == HookKind.Exec ? hook.Target : hook.SendMail,
            hook.User,
            [.. HookTemplate.Fields.Select(name => KeyValuePair.Create("STEWARD_" + name.ToUpperInvariant(), fields.Field(name).Replace("\0", "", StringComparison.Ordinal)))],
            input,
            hook.Timeout * 1000);

        // A thread of its own: it waits in the kernel.
        Task<HookProcessResult> run = Task.Factory.StartNew(
            () => processes.Run(process), CancellationToken.None, TaskCreationOptions.LongRunning, TaskScheduler.Default);
        HookProcessResult result;
        try
        {
            result = await run.WaitAsync(TimeSpan.FromMilliseconds(process.TimeoutMs + ProcessGraceMs), time, cancellation).ConfigureAwait(false);
        }
        catch (TimeoutException)
        {
            return HookAttempt.Later("the program's start or end was not seen in time");
        }

        string? error = result switch
        {
            { Error: { } reason } => reason,
            { TimedOut: true } => string.Create(CultureInfo.InvariantCulture, $"it took longer than {hook.Timeout} s and was killed"),
            { Status: null } => "its end was not seen",
            { Status: { Signalled: true } status } => "it was killed by " + Signals.LogName(status.Signal),
            { Status: { Code: not 0 } status } => string.Create(CultureInfo.InvariantCulture, $"it exited with code {status.Code}"),
            _ => null,
        };
        return error is null ? HookAttempt.Taken : HookAttempt.Later(error + Said(result.Output));
    }

    private static string Said(string output)
    {
        string text = output.TrimEnd();
        return text.Length == 0 ? "" : "; it said: " + string.Concat(text.Select(static c => c == '\n' ? '|' : char.IsControl(c) ? '?' : c));
    }
}
