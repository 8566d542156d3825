using System.Buffers;
using System.Globalization;
using System.IO.Pipelines;
using System.Reflection;
using System.Text;
using Microsoft.AspNetCore.Http;
using Steward.Core.Effects;
using Steward.Core.Inputs;
using Steward.Core.Model;
using Steward.Core.Supervision;
using Steward.Engine;
using ReadResult = System.IO.Pipelines.ReadResult;
using Steward.Http.Logs;

namespace Steward.Http.Pages;

/// <summary>
/// The pages: the list of processes with its actions, the end of a log, <c>ok.html</c> for monitors, the style sheet. Everything is
/// plain HTML without scripts; the URLs and the texts of results are Supervisor's, which people's scripts call and read.
/// </summary>
internal sealed class StatusPages(ISupervisorControl control, string supervisorVersion, CancellationToken endWaiting)
{
    /// <summary>The longest form that is read, in bytes.</summary>
    private const int MaxFormBytes = 64 << 10;

    private const int LeastTail = 1024;
    private const int MostTail = 1 << 20;

    private static readonly byte[] StyleSheet = LoadStyleSheet();

    public Task Answer(Exchange exchange)
    {
        string page = exchange.Path.TrimStart('/');
        bool isPage = page is "" or "index.html" or "tail.html" or "ok.html";
        bool isGet = HttpMethods.IsGet(exchange.Method) || HttpMethods.IsHead(exchange.Method);
        if (!isPage)
        {
            return !isGet ? exchange.SendErrorAsync(400)
                : page == "stylesheets/supervisor.css" ? SendStyleSheet(exchange)
                : exchange.SendErrorAsync(404);
        }

        if (isGet)
        {
            return AnswerPage(exchange, page, FormFields.Parse(exchange.Query.TrimStart('?'), lastCounts: false));
        }

        if (!HttpMethods.IsPost(exchange.Method))
        {
            return exchange.SendErrorAsync(400);
        }

        if (RequestOrigin.IsCrossSite(exchange))
        {
            return exchange.SendErrorAsync(403);
        }

        if (exchange.RequestHeaders.ContentLength is null && exchange.RequestHeaders.TransferEncoding.Count == 0)
        {
            return exchange.SendErrorAsync(411, close: true);
        }

        return AnswerPostAsync(exchange, page);
    }

    private static Task SendStyleSheet(Exchange exchange)
    {
        exchange.ResponseHeaders.CacheControl = "max-age=3600";
        exchange.AddSecurityHeaders();
        return exchange.SendAsync(200, "text/css", StyleSheet);
    }

    private async Task AnswerPostAsync(Exchange exchange, string page)
    {
        var form = new ArrayBufferWriter<byte>();
        PipeReader body = exchange.Body;
        while (true)
        {
            ReadResult read = await body.ReadAsync().ConfigureAwait(false);
            if (form.WrittenCount + read.Buffer.Length > MaxFormBytes)
            {
                await exchange.SendErrorAsync(413, close: true).ConfigureAwait(false);
                return;
            }

            foreach (ReadOnlyMemory<byte> piece in read.Buffer)
            {
                form.Write(piece.Span);
            }

            body.AdvanceTo(read.Buffer.End);
            if (read.IsCompleted)
            {
                break;
            }
        }

        FormFields fields = FormFields.Parse(exchange.Query.TrimStart('?'), lastCounts: false);
        fields.Overlay(FormFields.Parse(Encoding.UTF8.GetString(form.WrittenSpan), lastCounts: true));
        await AnswerPage(exchange, page, fields).ConfigureAwait(false);
    }

    private Task AnswerPage(Exchange exchange, string page, FormFields fields)
    {
        if (page == "ok.html")
        {
            exchange.AddSecurityHeaders();
            return exchange.SendAsync(200, "text/plain", "OK"u8.ToArray());
        }

        exchange.ResponseHeaders.Pragma = "no-cache";
        exchange.ResponseHeaders.CacheControl = "no-cache";
        exchange.ResponseHeaders.Expires = "Thu, 01 Jan 1970 00:00:00 GMT";
        if (page == "tail.html")
        {
            return exchange.SendPageAsync(200, Exchange.HtmlUtf8, TailPage(fields));
        }

        if (control.State != DaemonState.Running)
        {
            return exchange.SendErrorAsync(503);
        }

        string? action = fields["action"];
        if (string.IsNullOrEmpty(action))
        {
            return exchange.SendPageAsync(200, Exchange.HtmlUtf8, IndexPage(fields["message"]));
        }

        if (RequestOrigin.IsCrossSite(exchange))
        {
            return exchange.SendErrorAsync(403);
        }

        return HttpMethods.IsHead(exchange.Method) ? exchange.SendErrorAsync(400) : ActAsync(exchange, action, fields["processname"]);
    }

    private async Task ActAsync(Exchange exchange, string action, string? name)
    {
        string? message = action switch
        {
            "refresh" => "Page refreshed at " + Now(),
            "stopall" => await StopAllAsync(exchange).ConfigureAwait(false),
            "restartall" => await RestartAllAsync(exchange).ConfigureAwait(false),
            "start" or "stop" or "restart" or "clearlog" when !string.IsNullOrEmpty(name) =>
                !Exists(name) ? "No such process named " + name
                : action switch
                {
                    "start" => StartMessage(name, await DoAsync(exchange, new StartProcess(name, true)).ConfigureAwait(false), "started"),
                    "stop" => Unexpected(await DoAsync(exchange, new StopProcess(name, true)).ConfigureAwait(false))
                        ?? $"Process {name} stopped",
                    "restart" => await RestartAsync(exchange, name).ConfigureAwait(false),
                    _ => Unexpected(await DoAsync(exchange, new ClearProcessLogs(name)).ConfigureAwait(false)) ?? $"Log for {name} cleared",
                },
            _ => null,
        };
        if (message is null)
        {
            await exchange.SendErrorAsync(400).ConfigureAwait(false);
            return;
        }

        string host = exchange.RequestHeaders.Host.ToString();
        if (host.EndsWith(":80", StringComparison.Ordinal))
        {
            host = host[..^3];
        }

        // Supervisor leaves the slash alone.
        string query = "/?message=" + Uri.EscapeDataString(message).Replace("%2F", "/", StringComparison.Ordinal);
        exchange.ResponseHeaders.Location = host.Length == 0 ? query : "http://" + host + query;
        await exchange.SendErrorAsync(301).ConfigureAwait(false);
    }

    private async Task<string> StopAllAsync(Exchange exchange)
    {
        Outcome outcome = await DoAsync(exchange, new StopAll(true)).ConfigureAwait(false);
        return Unexpected(outcome) ?? "All stopped at " + Now();
    }

    private async Task<string> RestartAllAsync(Exchange exchange)
    {
        Outcome stopped = await DoAsync(exchange, new StopAll(true)).ConfigureAwait(false);
        if (Unexpected(stopped) is { } problem)
        {
            return problem;
        }

        Outcome started = await DoAsync(exchange, new StartAll(true)).ConfigureAwait(false);
        return Unexpected(started) ?? "All restarted at " + Now();
    }

    private async Task<string> RestartAsync(Exchange exchange, string name)
    {
        Outcome stopped = await DoAsync(exchange, new StopProcess(name, true)).ConfigureAwait(false);
        if (stopped is Refused { Fault.Code: not FaultCode.NotRunning })
        {
            return Unexpected(stopped)!;
        }

        return StartMessage(name, await DoAsync(exchange, new StartProcess(name, true)).ConfigureAwait(false), "restarted");
    }

    private Task<Outcome> DoAsync(Exchange exchange, Command command) =>
        control.ExecuteAsync(command, exchange.Requester).WaitAsync(endWaiting);

    private static string StartMessage(string name, Outcome outcome, string done) => outcome is not Refused refused
        ? $"Process {name} {done}"
        : $"ERROR: Process {name}: " + refused.Fault.Code switch
        {
            FaultCode.NoFile => "no such file",
            FaultCode.NotExecutable => "file not executable",
            FaultCode.AlreadyStarted => "already started",
            FaultCode.SpawnError => "spawn error",
            FaultCode.AbnormalTermination => "abnormal termination",
            _ => Unexpected(refused),
        };

    private static string? Unexpected(Outcome outcome) => outcome is Refused { Fault: var fault }
        ? string.Create(CultureInfo.InvariantCulture, $"unexpected rpc fault [{(int)fault.Code}] {fault.Text}")
        : null;

    private bool Exists(string name)
    {
        Namespec spec = Namespec.Parse(name);
        return spec.Process is { } process && control.Find(spec.Group, process) is not null;
    }

    private string IndexPage(string? message)
    {
        ProcessSnapshot[] processes = control.All();
        var page = new HtmlPage("Supervisor Status");
        page.Buttons(
            ("index.html?action=refresh", "Refresh"),
            ("index.html?action=restartall", "Restart All"),
            ("index.html?action=stopall", "Stop All"));
        if (!string.IsNullOrEmpty(message))
        {
            page.Markup("<div class=\"status_msg\">").Text(message).Markup("</div>\n");
        }

        if (processes.Length == 0)
        {
            page.Markup("<p>No programs to manage</p>\n");
        }
        else
        {
            page.Markup("<div class=\"scroll\"><table>\n<thead><tr><th>State</th><th>Description</th><th>Name</th>"
                + "<th>Action</th></tr></thead>\n<tbody>\n");
            for (int i = 0; i < processes.Length; i++)
            {
                Row(page, processes[i], shaded: i % 2 == 1);
            }

            page.Markup("</tbody>\n</table></div>\n");
        }

        return page.End(supervisorVersion);
    }

    private static void Row(HtmlPage page, in ProcessSnapshot process, bool shaded)
    {
        string name = Namespec.Join(process.Group, process.Name);
        string escaped = Uri.EscapeDataString(name);
        string status = process.State switch
        {
            ProcessState.Running => "statusrunning",
            ProcessState.Fatal or ProcessState.Backoff => "statuserror",
            _ => "statusnominal",
        };
        page.Markup(shaded ? "<tr class=\"shade\">" : "<tr>")
            .Markup("<td class=\"status\"><span class=\"").Markup(status).Markup("\">")
            .Text(process.State.Name().ToLowerInvariant())
            .Markup("</span></td><td class=\"description\">").Text(Protocol.XmlRpc.ProcessDescription.Of(process))
            .Markup("</td><td>").Link("tail.html?processname=" + escaped, name, newTab: true)
            .Markup("</td><td class=\"action\">");
        string act = "index.html?processname=" + escaped + "&action=";
        if (process.State == ProcessState.Running)
        {
            page.Link(act + "restart", "Restart").Link(act + "stop", "Stop");
        }
        else if (process.State is ProcessState.Stopped or ProcessState.Exited or ProcessState.Fatal)
        {
            page.Link(act + "start", "Start");
        }

        page.Link(act + "clearlog", "Clear Log")
            .Link("logtail/" + escaped, "Tail -f Stdout", newTab: true)
            .Link("logtail/" + escaped + "/stderr", "Tail -f Stderr", newTab: true)
            .Markup("</td></tr>\n");
    }

    private string TailPage(FormFields fields)
    {
        string? name = fields["processname"];
        int limit = int.TryParse(fields["limit"], NumberStyles.None, CultureInfo.InvariantCulture, out int given)
            ? Math.Clamp(given, LeastTail, MostTail)
            : LeastTail;
        var page = new HtmlPage("Supervisor tail of process " + (string.IsNullOrEmpty(name) ? "None" : name));
        string text;
        if (string.IsNullOrEmpty(name))
        {
            text = "No process name found";
        }
        else
        {
            page.Buttons((
                string.Create(CultureInfo.InvariantCulture, $"tail.html?processname={Uri.EscapeDataString(name)}&limit={limit}"),
                "Refresh"));
            text = TailText(name, limit);
        }

        page.Markup("<pre>").Text(text).Markup("</pre>\n");
        return page.End(supervisorVersion);
    }

    private string TailText(string name, int limit)
    {
        Namespec spec = Namespec.Parse(name);
        Fault? fault = control.State != DaemonState.Running ? new Fault(FaultCode.ShutdownState) : null;
        ReadOnlyMemory<byte> text = default;
        if (fault is null)
        {
            fault = spec.Process is { } process && control.Find(spec.Group, process) is { } found
                ? LogFile.Read(found.StdoutLog, -limit, 0, out text)
                : new Fault(FaultCode.BadName, name);
        }

        return fault switch
        {
            null => Encoding.UTF8.GetString(text.Span),
            { Code: FaultCode.NoFile } => "No file for " + name,
            _ => "ERROR: " + Unexpected(new Refused(fault)),
        };
    }

    /// <summary>The time as C's <c>ctime</c> writes it: <c>Sun Nov  1 08:02:32 2026</c>.</summary>
    private static string Now()
    {
        DateTime now = DateTime.Now;
        return now.ToString("ddd MMM ", CultureInfo.InvariantCulture)
            + now.Day.ToString(CultureInfo.InvariantCulture).PadLeft(2)
            + now.ToString(" HH:mm:ss yyyy", CultureInfo.InvariantCulture);
    }

    private static byte[] LoadStyleSheet()
    {
        using Stream stream = Assembly.GetExecutingAssembly().GetManifestResourceStream("supervisor.css")
            ?? throw new InvalidOperationException("The style sheet is not in the assembly.");
        using var copy = new MemoryStream();
        stream.CopyTo(copy);
        return copy.ToArray();
    }
}
