using Steward.Client;
using Steward.Core.Model;

namespace Steward.Cli;

// start, stop, restart, signal, clear: one action on some processes, a line for each that was tried.
internal sealed partial class CtlSession
{
    private void Start(string argument)
    {
        if (UpCheck() && Names(argument, "start", HelpTexts.Start, ExitStatus.InvalidArguments) is { } names)
        {
            Act(
                names,
                client => client.StartAllProcesses(),
                (client, group) => client.StartProcessGroup(group),
                (client, name) => client.StartProcess(name),
                "started",
                ignored: FaultCode.AlreadyStarted,
                noGroup: ExitStatus.InvalidArguments);
        }
    }

    private void Stop(string argument)
    {
        if (UpCheck() && Names(argument, "stop", HelpTexts.Stop, ExitStatus.Generic) is { } names)
        {
            Act(
                names,
                client => client.StopAllProcesses(),
                (client, group) => client.StopProcessGroup(group),
                (client, name) => client.StopProcess(name),
                "stopped",
                ignored: FaultCode.NotRunning);
        }
    }

    // All are stopped before the first is started; names that are wrong are told twice.
    private void Restart(string argument)
    {
        if (UpCheck() && Names(argument, "restart", HelpTexts.Restart, ExitStatus.Generic) is not null)
        {
            Stop(argument);
            Start(argument);
        }
    }

    private void Signal(string argument)
    {
        if (!UpCheck())
        {
            return;
        }

        string[] words = Words(argument);
        if (words.Length < 2)
        {
            Usage("Error: signal requires a signal name and a process name", HelpTexts.Signal);
            return;
        }

        string signal = words[0];
        Act(
            words[1..],
            client => client.SignalAllProcesses(signal),
            (client, group) => client.SignalProcessGroup(group, signal),
            (client, name) => client.SignalProcess(name, signal),
            "signalled");
    }

    private void Clear(string argument)
    {
        if (UpCheck() && Names(argument, "clear", HelpTexts.Clear, ExitStatus.Generic) is { } names)
        {
            Act(
                names,
                client => client.ClearAllProcessLogs(),
                (client, group) => OneByOne(group, client.ClearProcessLogs),
                (client, name) => client.ClearProcessLogs(name),
                "cleared",
                failed: "failed");
        }
    }

    // For what has no method for a group, or for all (null): the processes one by one.
    private Answer<IReadOnlyList<ProcessResult>> OneByOne(string? group, Func<string, Answer<bool>> act)
    {
        ProcessInfo[] members = [.. Demand(client => client.GetAllProcessInfo()).Where(info => group is null || info.Group == group)];
        if (members.Length == 0 && group is not null)
        {
            return new Answer<IReadOnlyList<ProcessResult>>(new RpcFault((int)FaultCode.BadName, "BAD_NAME: " + group));
        }

        var results = new List<ProcessResult>();
        foreach (ProcessInfo member in members)
        {
            Answer<bool> answer = act(member.Namespec);
            if (answer.Failure is { } failure)
            {
                return new Answer<IReadOnlyList<ProcessResult>>(failure);
            }

            results.Add(new ProcessResult(
                member.Group, member.Name, answer.Fault?.Code ?? (int)FaultCode.Success, answer.Fault?.Text ?? "OK"));
        }

        return new Answer<IReadOnlyList<ProcessResult>>(results);
    }

    // Null after the error was told.
    private string[]? Names(string argument, string action, string help, int status)
    {
        string[] names = Words(argument);
        if (names.Length > 0)
        {
            return names;
        }

        Usage($"Error: {action} requires a process name", help, status);
        return null;
    }

    // 'all' anywhere means all and nothing else. Otherwise each name waits for the one before; a group goes at once, on the server.
    private void Act(
        string[] names,
        Func<SupervisorClient, Answer<IReadOnlyList<ProcessResult>>> all,
        Func<SupervisorClient, string, Answer<IReadOnlyList<ProcessResult>>> group,
        Func<SupervisorClient, string, Answer<bool>> one,
        string done,
        FaultCode ignored = FaultCode.Success,
        int noGroup = ExitStatus.Generic,
        string? failed = null)
    {
        if (names.Contains("all"))
        {
            foreach (ProcessResult result in Demand(all))
            {
                Report(result, done, ignored, failed);
            }

            return;
        }

        foreach (string name in Expand(names))
        {
            Namespec wanted = Namespec.Parse(name);
            if (wanted.Process is { } process)
            {
                Answer<bool> answer = Ask(client => one(client, name));
                if (answer.Failure is not null)
                {
                    throw Unexpected(answer);
                }

                Report(
                    answer.Fault is { } fault
                        ? new ProcessResult(wanted.Group, process, fault.Code, fault.Text)
                        : new ProcessResult(wanted.Group, process, (int)FaultCode.Success, "OK"),
                    done,
                    ignored,
                    failed);
                continue;
            }

            Answer<IReadOnlyList<ProcessResult>> results = Ask(client => group(client, wanted.Group));
            if (results.Fault is { Code: (int)FaultCode.BadName })
            {
                _out.Line($"{wanted.Group}: ERROR (no such group)");
                Fail(noGroup);
                continue;
            }

            foreach (ProcessResult result in results.IsValue ? results.Value : throw Unexpected(results))
            {
                Report(result, done, ignored, failed);
            }
        }
    }

    private void Report(ProcessResult result, string done, FaultCode ignored, string? failed)
    {
        string name = Namespec.Join(result.Group, result.Name);
        var code = (FaultCode)result.Status;
        // stop and signal say a FAILED in the daemon's own words, without a name; they hold it.
        _out.Line(code switch
        {
            FaultCode.Success => $"{name}: {done}",
            FaultCode.Failed when done is "stopped" or "signalled" => result.Description,
            FaultCode.BadName => $"{name}: ERROR (no such process)",
            FaultCode.BadSignal => $"{name}: ERROR (bad signal name)",
            FaultCode.NoFile => $"{name}: ERROR (no such file)",
            FaultCode.NotExecutable => $"{name}: ERROR (file is not executable)",
            FaultCode.AlreadyStarted => $"{name}: ERROR (already started)",
            FaultCode.SpawnError => $"{name}: ERROR (spawn error)",
            FaultCode.AbnormalTermination => $"{name}: ERROR (abnormal termination)",
            FaultCode.NotRunning => $"{name}: ERROR (not running)",
            FaultCode.Failed when failed is not null => $"{name}: ERROR ({failed})",
            _ => $"{name}: ERROR ({result.Description})",
        });
        if (code != FaultCode.Success && code != ignored)
        {
            Fail(code is FaultCode.AbnormalTermination or FaultCode.SpawnError or FaultCode.NotRunning
                ? ExitStatus.NotRunning
                : ExitStatus.Generic);
        }
    }
}
