using System.Buffers;
using System.IO.Pipelines;
using System.Text;
using Microsoft.AspNetCore.Http;
using Microsoft.Extensions.Primitives;
using Steward.Core.Model;
using Steward.Engine;
using Steward.Http.Api;
using ReadResult = System.IO.Pipelines.ReadResult;
using Steward.Protocol.XmlRpc;

namespace Steward.Http.XmlRpc;

/// <summary>
/// <c>POST /RPC2</c>: body → call → answer. A call that needs no waiting is decoded, carried out and written on the thread that
/// read it, without a task.
/// </summary>
internal sealed class RpcEndpoint(
    ISupervisorControl control, JournalQueries journal, IHookControl? hooks, string supervisorVersion, CancellationToken endWaiting)
{
    private const int FirstBytes = 64 << 10;
    private const int LongAnswer = 128 << 10;

    private static readonly StringValues TextXml = "text/xml";

    private readonly RpcCalls _calls = new(control, new JournalCalls(journal), hooks, supervisorVersion, endWaiting);

    public Task Answer(Exchange exchange)
    {
        if (!HttpMethods.IsPost(exchange.Method))
        {
            return exchange.SendErrorAsync(400);
        }

        if (RequestOrigin.IsForeign(exchange))
        {
            return exchange.SendErrorAsync(403);
        }

        long? length = exchange.RequestHeaders.ContentLength;
        if (length is null && exchange.RequestHeaders.TransferEncoding.Count == 0)
        {
            return exchange.SendErrorAsync(411, close: true);
        }

        if (length == 0)
        {
            return exchange.SendErrorAsync(400);
        }

        if (length > XmlRpcReader.MaxBytes)
        {
            return exchange.SendErrorAsync(413, close: true);
        }

        PipeReader body = exchange.Body;
        if (length is not null && body.TryRead(out ReadResult read))
        {
            if (read.Buffer.Length == length && read.Buffer.IsSingleSegment)
            {
                XmlRpcReadError error = XmlRpcReader.ReadCall(read.Buffer.FirstSpan, out XmlRpcCall? call);
                if (error != XmlRpcReadError.None)
                {
                    LogInvalid(read.Buffer.FirstSpan, error);
                }

                body.AdvanceTo(read.Buffer.End);
                return Answer(exchange, error, call);
            }

            body.AdvanceTo(read.Buffer.Start);
        }

        return CollectAsync(exchange, body);
    }

    /// <summary>For a body in several pieces.</summary>
    private async Task CollectAsync(Exchange exchange, PipeReader body)
    {
        // Grows with what arrives: a length that is only announced costs nothing.
        byte[] buffer = ArrayPool<byte>.Shared.Rent((int)Math.Min(exchange.RequestHeaders.ContentLength ?? FirstBytes, FirstBytes));
        try
        {
            int length = 0;
            while (true)
            {
                ReadResult read = await body.ReadAsync().ConfigureAwait(false);
                if (read.Buffer.Length > XmlRpcReader.MaxBytes - length)
                {
                    await exchange.SendErrorAsync(413, close: true).ConfigureAwait(false);
                    return;
                }

                int piece = (int)read.Buffer.Length;
                if (buffer.Length - length < piece)
                {
                    byte[] larger = ArrayPool<byte>.Shared.Rent(Math.Max(length + piece, 2 * buffer.Length));
                    buffer.AsSpan(0, length).CopyTo(larger);
                    ArrayPool<byte>.Shared.Return(buffer);
                    buffer = larger;
                }

                read.Buffer.CopyTo(buffer.AsSpan(length));
                length += piece;
                body.AdvanceTo(read.Buffer.End);
                if (read.IsCompleted)
                {
                    break;
                }
            }

            XmlRpcReadError error = XmlRpcReader.ReadCall(buffer.AsSpan(0, length), out XmlRpcCall? call);
            if (error != XmlRpcReadError.None)
            {
                LogInvalid(buffer.AsSpan(0, length), error);
            }

            await Answer(exchange, error, call).ConfigureAwait(false);
        }
        finally
        {
            ArrayPool<byte>.Shared.Return(buffer);
        }
    }

    private Task Answer(Exchange exchange, XmlRpcReadError error, XmlRpcCall? call)
    {
        if (call is null)
        {
            return exchange.SendErrorAsync(error == XmlRpcReadError.TooLarge ? 413 : 400);
        }

        bool traced = control.IsLogged(LogLevel.Trace);
        if (traced)
        {
            control.Log(LogLevel.Trace, $"XML-RPC method called: {Shown(call)}()");
        }

        XmlRpcWriter writer = exchange.Writer;
        writer.Clear();
        try
        {
            writer.BeginResponse();
            Task<Fault?>? deferred = _calls.Call(call.Method, call.Parameters, exchange, writer, out Fault? fault);
            if (deferred is not null)
            {
                return AnswerLaterAsync(exchange, call, deferred, traced);
            }

            return Send(exchange, call, fault, traced);
        }
        catch (Exception e)
        {
            return SendFailure(exchange, call, e);
        }
    }

    private async Task AnswerLaterAsync(Exchange exchange, XmlRpcCall call, Task<Fault?> deferred, bool traced)
    {
        Fault? fault;
        try
        {
            fault = await deferred.ConfigureAwait(false);
        }
        catch (Exception e) when (e is not OperationCanceledException)
        {
            await SendFailure(exchange, call, e).ConfigureAwait(false);
            return;
        }

        await Send(exchange, call, fault, traced).ConfigureAwait(false);
    }

    private Task Send(Exchange exchange, XmlRpcCall call, Fault? fault, bool traced)
    {
        XmlRpcWriter writer = exchange.Writer;
        if (fault is null)
        {
            writer.EndResponse();
        }
        else
        {
            writer.Rewind(0);
            writer.WriteFaultResponse((int)fault.Code, fault.Text);
        }

        if (traced)
        {
            control.Log(LogLevel.Trace, fault is null
                ? $"XML-RPC method {Shown(call)}() returned successfully"
                : $"XML-RPC method {Shown(call)}() returned fault: [{(int)fault.Code}] {fault.Text}");
        }

        if (writer.Length > LongAnswer)
        {
            control.HadBurst();
        }

        return exchange.SendAsync(200, TextXml, writer.Written);
    }

    private Task SendFailure(Exchange exchange, XmlRpcCall call, Exception e)
    {
        // The parameters may hold secrets, so the call is named, not shown.
        control.Log(
            LogLevel.Critical, $"Handling XML-RPC request with data '{Shown(call)}' raised an unexpected exception: {e}");
        return exchange.SendErrorAsync(500);
    }

    /// <summary>A method's name for the log, where a client's line ends and escapes have no business.</summary>
    private static string Shown(XmlRpcCall call)
    {
        const int shown = 100;
        string name = call.Method;
        return name.Length <= shown && !name.AsSpan().ContainsAnyInRange('\0', '\u001F')
            ? name
            : string.Concat(name.Take(shown).Select(c => char.IsControl(c) ? '?' : c));
    }

    private void LogInvalid(ReadOnlySpan<byte> body, XmlRpcReadError error)
    {
        string why = error == XmlRpcReadError.NoMethodName ? "no method name" : "unmarshallable";
        control.Log(LogLevel.Error, $"XML-RPC request data {Quote(body)} is invalid: {why}");
    }

    /// <summary>The first bytes of a request on one line, printable whatever they are.</summary>
    private static string Quote(ReadOnlySpan<byte> body)
    {
        const int shown = 200;
        var text = new StringBuilder("'");
        foreach (byte b in body[..Math.Min(body.Length, shown)])
        {
            _ = b switch
            {
                (byte)'\n' => text.Append("\\n"),
                (byte)'\r' => text.Append("\\r"),
                (byte)'\t' => text.Append("\\t"),
                (byte)'\'' or (byte)'\\' => text.Append('\\').Append((char)b),
                >= 0x20 and < 0x7F => text.Append((char)b),
                _ => text.Append("\\x").Append(b.ToString("x2", System.Globalization.CultureInfo.InvariantCulture)),
            };
        }

        return text.Append(body.Length > shown ? "...'" : "'").ToString();
    }
}
