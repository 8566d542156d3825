using System.Globalization;
using Microsoft.AspNetCore.Connections;
using Microsoft.AspNetCore.Hosting.Server;
using Microsoft.AspNetCore.Hosting.Server.Abstractions;
using Microsoft.AspNetCore.Http;
using Microsoft.AspNetCore.Http.Features;
using Steward.Core.Model;
using Steward.Engine;
using Steward.Http.Api;
using Steward.Http.Logs;
using Steward.Http.Pages;
using Steward.Http.XmlRpc;
using Steward.Journal;

namespace Steward.Http;

/// <summary>
/// Where a request goes. The first match of the path counts: <c>/RPC2…</c>, <c>/logtail…</c>, <c>/mainlogtail…</c>, <c>/api/v1/…</c>, the pages,
/// the style sheet. Every one of them wants the credentials of the socket it came in on.
/// </summary>
internal sealed class HttpApplication(
    ISupervisorControl control,
    JournalHolder? journal,
    string supervisorVersion,
    RpcEndpoint rpc,
    CancellationToken endStreams,
    CancellationToken endWaiting)
    : IHttpApplication<Exchange>
{
    private readonly ISupervisorControl _control = control;
    private readonly RpcEndpoint _rpc = rpc;
    private readonly EventsApi _events = new(new JournalQueries(control, journal), endStreams);
    private readonly LogStreams _streams = new(control, endStreams);
    private readonly StatusPages _pages = new(control, supervisorVersion, endWaiting);

    public Exchange CreateContext(IFeatureCollection contextFeatures)
    {
        Exchange exchange = contextFeatures is IHostContextContainer<Exchange> container
            ? container.HostContext ??= new Exchange(contextFeatures)
            : new Exchange(contextFeatures);
        exchange.BeginRequest();
        return exchange;
    }

    /// <summary>The end of a request: the exchange lives on with its connection, but a long answer's buffer does not.</summary>
    public void DisposeContext(Exchange context, Exception? exception) => context.EndRequest();

    public Task ProcessRequestAsync(Exchange context)
    {
        try
        {
            Task answered = Answer(context);
            if (!answered.IsCompletedSuccessfully || _control.IsLogged(LogLevel.Trace))
            {
                return FinishAsync(context, answered);
            }

            return answered;
        }
        catch (Exception e)
        {
            return FinishAsync(context, Task.FromException(e));
        }
    }

    private Task Answer(Exchange exchange)
    {
        exchange.BeginResponse();
        if (!exchange.IsAuthorized())
        {
            exchange.ResponseHeaders.WWWAuthenticate = "Basic realm=\"default\"";
            return exchange.SendErrorAsync(401, close: true);
        }

        string path = exchange.Path;
        if (path.StartsWith("/RPC2", StringComparison.Ordinal))
        {
            return _rpc.Answer(exchange);
        }

        if (path.StartsWith("/logtail", StringComparison.Ordinal))
        {
            return HttpMethods.IsGet(exchange.Method) ? _streams.ProcessLog(exchange) : exchange.SendErrorAsync(400);
        }

        if (path.StartsWith("/mainlogtail", StringComparison.Ordinal))
        {
            return HttpMethods.IsGet(exchange.Method) ? _streams.MainLog(exchange) : exchange.SendErrorAsync(400);
        }

        return path.StartsWith(EventsApi.Prefix, StringComparison.Ordinal) ? _events.Answer(exchange) : _pages.Answer(exchange);
    }

    private async Task FinishAsync(Exchange exchange, Task answered)
    {
        try
        {
            await answered.ConfigureAwait(false);
        }
        catch (Exception e) when (e is OperationCanceledException or ConnectionResetException or ConnectionAbortedException)
        {
            // The client is gone, or the daemon ends and the request may not hold it up.
            exchange.Abort();
        }
        catch (BadHttpRequestException e) when (!exchange.HasStarted)
        {
            await exchange.SendErrorAsync(e.StatusCode, close: true).ConfigureAwait(false);
        }
        catch (Exception e)
        {
            _control.Log(LogLevel.Error, $"{(exchange.IsTcp ? exchange.Peer : exchange.Endpoint.Name)}:Server Error: {e}");
            if (exchange.HasStarted)
            {
                exchange.Abort();
            }
            else
            {
                await exchange.SendErrorAsync(500).ConfigureAwait(false);
            }
        }

        if (_control.IsLogged(LogLevel.Trace))
        {
            string now = DateTime.UtcNow.ToString("dd/MMM/yyyy:HH:mm:ss", CultureInfo.InvariantCulture);
            _control.Log(LogLevel.Trace, string.Create(
                CultureInfo.InvariantCulture,
                $"{exchange.Peer} - - [{now} +0000] \"{exchange.Method} {exchange.Target} {exchange.Protocol}\" {exchange.Status} "
                + $"{exchange.ResponseHeaders.ContentLength ?? 0}"));
        }
    }
}
