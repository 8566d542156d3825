using System.Globalization;
using Steward.Client;
using Steward.Core.Model;

namespace Steward.Cli;

// What Supervisor's own client does not have: several processes by patterns, and what plugins of it are known for.
internal sealed partial class CtlSession
{
    private const string NoMatch = "No process matched given expression.";

    private static readonly TimeSpan LookAgain = TimeSpan.FromMilliseconds(100);

    private void StartMany(string argument) => Many(argument, "mstart", HelpTexts.StartMany, StartAtOnce);

    private void StopMany(string argument) => Many(argument, "mstop", HelpTexts.StopMany, StopAtOnce);

    private void RestartMany(string argument) => Many(argument, "mrestart", HelpTexts.RestartMany, chosen =>
    {
        StopAtOnce([.. chosen.Where(info => !info.State.IsStopped())]);
        StartAtOnce(chosen);
    });

    /// <summary>One process after the other is stopped and started; the next one has to wait until this one is RUNNING.</summary>
    private void SerialRestart(string argument) => Many(argument, "serialrestart", HelpTexts.SerialRestart, chosen =>
    {
        for (int i = 0; i < chosen.Count; i++)
        {
            string name = chosen[i].Namespec;
            if (!chosen[i].State.IsStopped())
            {
                Stop(name);
            }

            int before = Result;
            Result = ExitStatus.Success;
            Start(name);
            if (Result != ExitStatus.Success)
            {
                if (i + 1 < chosen.Count)
                {
                    _out.Line(string.Create(
                        CultureInfo.InvariantCulture, $"ERROR: {name} did not start, the other {chosen.Count - i - 1} are left as they are"));
                }

                return;
            }

            Result = before;
        }
    });

    /// <summary><c>kill [-g] SIGNAL name ...</c></summary>
    private void Kill(string argument)
    {
        if (!UpCheck())
        {
            return;
        }

        string[] words = Words(argument);
        bool tree = words is ["-g", ..];
        words = tree ? words[1..] : words;
        if (words.Length < 2)
        {
            Usage("Error: kill requires a signal name and a process name", HelpTexts.Kill);
            return;
        }

        string signal = words[0];
        Act(
            words[1..],
            client => tree ? TreeOfAll(signal) : client.SignalAllProcesses(signal),
            (client, group) => tree ? client.SignalGroupTree(group, signal) : client.SignalProcessGroup(group, signal),
            (client, name) => tree ? client.SignalProcessTree(name, signal) : client.SignalProcess(name, signal),
            "signal sent");
    }

    private Answer<IReadOnlyList<ProcessResult>> TreeOfAll(string signal)
    {
        var results = new List<ProcessResult>();
        foreach (ProcessInfo info in Demand(client => client.GetAllProcessInfo()).Where(info => info.Pid != 0))
        {
            Answer<bool> answer = Ask(client => client.SignalProcessTree(info.Namespec, signal));
            if (answer.Failure is { } failure)
            {
                return new Answer<IReadOnlyList<ProcessResult>>(failure);
            }

            results.Add(new ProcessResult(info.Group, info.Name, answer.Fault?.Code ?? (int)FaultCode.Success, answer.Fault?.Text ?? "OK"));
        }

        return new Answer<IReadOnlyList<ProcessResult>>(results);
    }

    private void Listeners(string argument)
    {
        if (argument.Length > 0)
        {
            Usage("Error: listeners accepts no arguments", HelpTexts.Listeners);
            return;
        }

        if (!UpCheck())
        {
            return;
        }

        Answer<IReadOnlyList<EventPoolInfo>> answer = Ask(client => client.GetEventPools());
        if (answer.Fault is { Code: (int)FaultCode.UnknownMethod })
        {
            _out.Line("ERROR: this daemon does not tell how its event listeners do");
            Fail(ExitStatus.Generic);
            return;
        }

        IReadOnlyList<EventPoolInfo> pools = answer.IsValue ? answer.Value : throw Unexpected(answer);
        int width = NameGap + pools.SelectMany(pool => pool.Listeners.Select(listener => listener.Name.Length + 2).Prepend(pool.Name.Length))
            .Prepend(10).Max();
        foreach (EventPoolInfo pool in pools)
        {
            _out.Line(string.Create(
                CultureInfo.InvariantCulture,
                $"{pool.Name.PadRight(width)}{pool.Buffered} of {pool.BufferSize} buffered, {pool.Delivered} delivered, "
                + $"{pool.Rejected} rejected, {pool.Returned} returned, {pool.Discarded} discarded"));
            foreach (EventListenerInfo listener in pool.Listeners)
            {
                string events = listener.Serial.Length > 0 ? "event " + listener.Serial : "";
                _out.Line($"{("  " + listener.Name).PadRight(width)}{listener.StateName.PadRight(StateWidth)}{listener.Protocol.PadRight(13)}{events}".TrimEnd());
            }
        }
    }

    // Names and patterns; 'all' for everything. What they mean is decided before anything is done.
    private void Many(string argument, string action, string help, Action<IReadOnlyList<ProcessInfo>> act)
    {
        if (!UpCheck() || Names(argument, action, help, ExitStatus.Generic) is not { } words)
        {
            return;
        }

        IReadOnlyList<ProcessInfo> all = Demand(client => client.GetAllProcessInfo());
        NamePattern[] patterns = [.. words.Select(word => NamePattern.Parse(word == "all" ? "*" : word))];
        ProcessInfo[] chosen = [.. all.Where(info => Array.Exists(patterns, pattern => pattern.Matches(info)))];
        if (chosen.Length == 0)
        {
            _out.Line(NoMatch);
            Fail(ExitStatus.Generic);
            return;
        }

        act(chosen);
    }

    private void StartAtOnce(IReadOnlyList<ProcessInfo> chosen) => AtOnce(
        chosen,
        (client, name) => client.StartProcess(name, wait: false),
        state => state == ProcessState.Starting ? null : state switch
        {
            ProcessState.Running => FaultCode.Success,
            ProcessState.Backoff or ProcessState.Fatal => FaultCode.SpawnError,
            _ => FaultCode.AbnormalTermination,
        },
        "started",
        FaultCode.AlreadyStarted);

    private void StopAtOnce(IReadOnlyList<ProcessInfo> chosen) => AtOnce(
        chosen,
        (client, name) => client.StopProcess(name, wait: false),
        state => state.IsStopped() ? FaultCode.Success : null,
        "stopped",
        FaultCode.NotRunning);

    /// <summary>Asks for all without waiting, then looks until each has got somewhere, and tells each as it does. Ctrl-C ends the waiting.</summary>
    private void AtOnce(
        IReadOnlyList<ProcessInfo> chosen,
        Func<SupervisorClient, string, Answer<bool>> ask,
        Func<ProcessState, FaultCode?> verdict,
        string done,
        FaultCode ignored)
    {
        var open = new HashSet<string>(StringComparer.Ordinal);
        foreach (ProcessInfo info in chosen)
        {
            Answer<bool> answer = Ask(client => ask(client, info.Namespec));
            if (answer.Failure is not null)
            {
                throw Unexpected(answer);
            }

            if (answer.Fault is { } fault)
            {
                Report(new ProcessResult(info.Group, info.Name, fault.Code, fault.Text), done, ignored, null);
            }
            else
            {
                open.Add(info.Namespec);
            }
        }

        using var interrupted = new ManualResetEventSlim();
        using IDisposable interrupt = OnInterrupt(interrupted.Set);
        while (open.Count > 0)
        {
            var seen = new HashSet<string>(StringComparer.Ordinal);
            foreach (ProcessInfo info in Demand(client => client.GetAllProcessInfo()).Where(info => open.Contains(info.Namespec)))
            {
                seen.Add(info.Namespec);
                if (verdict(info.State) is { } code)
                {
                    open.Remove(info.Namespec);
                    Report(new ProcessResult(info.Group, info.Name, (int)code, code.Name()), done, ignored, null);
                }
            }

            // Taken out of the configuration meanwhile.
            open.IntersectWith(seen);
            _out.Flush();
            if (open.Count > 0 && interrupted.Wait(LookAgain))
            {
                _out.Line("");
                Fail(ExitStatus.Generic);
                return;
            }
        }
    }

    /// <summary>Puts the names of processes in the place of patterns. A pattern that matches nothing stays, and will not be found.</summary>
    private string[] Expand(string[] names)
    {
        if (names.Contains("all") || !Array.Exists(names, NamePattern.IsPattern))
        {
            return names;
        }

        IReadOnlyList<ProcessInfo> all = Demand(client => client.GetAllProcessInfo());
        return [.. names.SelectMany(name => Expand(name, all))];
    }

    private static string[] Expand(string name, IReadOnlyList<ProcessInfo> all)
    {
        if (!NamePattern.IsPattern(name))
        {
            return [name];
        }

        Namespec exact = Namespec.Parse(name);
        if (all.Any(info => info.Group == exact.Group && (exact.Process is null || info.Name == exact.Process)))
        {
            return [name];
        }

        NamePattern pattern = NamePattern.Parse(name);
        string[] found = [.. all.Where(pattern.Matches).Select(info => info.Namespec)];
        return found.Length == 0 ? [name] : found;
    }
}
