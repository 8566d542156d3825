using Steward.Client;
using Steward.Core.Model;

namespace Steward.Cli;

// reread, update, add, remove: what follows from a changed configuration.
internal sealed partial class CtlSession
{
    private void Reread(string argument)
    {
        if (argument.Length > 0)
        {
            Usage("Error: reread accepts no arguments", HelpTexts.Reread);
            return;
        }

        if (ReadConfiguration("ERROR: supervisor shutting down") is not { } differences)
        {
            return;
        }

        var lines = new SortedDictionary<string, string>(StringComparer.Ordinal);
        foreach (string name in differences.Added)
        {
            lines[name] = "available";
        }

        foreach (string name in differences.Changed)
        {
            lines[name] = "changed";
        }

        foreach (string name in differences.Removed)
        {
            lines[name] = "disappeared";
        }

        foreach ((string name, string what) in lines)
        {
            _out.Line($"{name}: {what}");
        }

        if (lines.Count == 0)
        {
            _out.Line("No config updates to processes");
        }
    }

    private void Update(string argument)
    {
        if (ReadConfiguration("ERROR: already shutting down") is not { } differences)
        {
            return;
        }

        string[] names = Words(argument);
        Func<string, bool> wanted = _ => true;
        if (names.Length > 0 && !names.Contains("all"))
        {
            var known = new HashSet<string>(Demand(client => client.GetAllProcessInfo()).Select(info => info.Group), StringComparer.Ordinal);
            known.UnionWith(differences.Added);
            foreach (string name in names.Distinct(StringComparer.Ordinal).Where(name => !known.Contains(name)))
            {
                _out.Line("ERROR: no such group: " + name);
                Fail(ExitStatus.Generic);
            }

            wanted = names.ToHashSet(StringComparer.Ordinal).Contains;
        }

        foreach (string group in differences.Removed.Where(wanted))
        {
            IReadOnlyList<ProcessResult> results = Demand(client => client.StopProcessGroup(group));
            _out.Line($"{group}: stopped");
            if (results.Any(result => result.Status == (int)FaultCode.Failed))
            {
                _out.Line($"{group}: has problems; not removing");
                Fail(ExitStatus.Generic);
                continue;
            }

            Demand(client => client.RemoveProcessGroup(group));
            _out.Line($"{group}: removed process group");
        }

        foreach (string group in differences.Changed.Where(wanted))
        {
            IReadOnlyList<ProcessResult> stopped = Demand(client => client.StopProcessGroup(group));
            _out.Line($"{group}: stopped");
            Demand(client => client.RemoveProcessGroup(group));
            Demand(client => client.AddProcessGroup(group));
            _out.Line($"{group}: updated process group");
            WarnOfStopped(group, stopped);
        }

        foreach (string group in differences.Added.Where(wanted))
        {
            Demand(client => client.AddProcessGroup(group));
            _out.Line($"{group}: added process group");
        }
    }

    // A program with autostart=false that was running is not started again by an update: nobody should have to find out.
    private void WarnOfStopped(string group, IReadOnlyList<ProcessResult> stopped)
    {
        if (stopped.Count == 0)
        {
            return;
        }

        // Only a remark hangs on the answer. (Supervisor 4.4 before its release cannot answer when some program has autorestart=true.)
        Answer<IReadOnlyList<ConfigInfo>> configured = Ask(client => client.GetAllConfigInfo());
        if (!configured.IsValue)
        {
            return;
        }

        string[] left =
        [
            .. configured.Value
                .Where(info => info.Group == group && !info.AutoStart
                    && stopped.Any(result => result.Name == info.Name && result.Status == (int)FaultCode.Success))
                .Select(info => info.Namespec),
        ];
        if (left.Length > 0)
        {
            _out.Flush();
            _error.Line($"warning: {string.Join(", ", left)} ran before the update and now does not (autostart=false); to start: "
                + $"start {string.Join(' ', left)}");
            _error.Flush();
        }
    }

    private void Add(string argument)
    {
        foreach (string name in Words(argument))
        {
            Answer<bool> answer = Ask(client => client.AddProcessGroup(name));
            switch ((FaultCode?)answer.Fault?.Code)
            {
                case null when answer.IsValue:
                    _out.Line($"{name}: added process group");
                    break;
                case FaultCode.ShutdownState:
                    Refuse("ERROR: shutting down");
                    break;
                case FaultCode.AlreadyAdded:
                    _out.Line("ERROR: process group already active");
                    break;
                case FaultCode.BadName:
                    Refuse("ERROR: no such process/group: " + name);
                    break;
                default:
                    throw Unexpected(answer);
            }
        }
    }

    private void Remove(string argument)
    {
        foreach (string name in Words(argument))
        {
            Answer<bool> answer = Ask(client => client.RemoveProcessGroup(name));
            switch ((FaultCode?)answer.Fault?.Code)
            {
                case null when answer.IsValue:
                    _out.Line($"{name}: removed process group");
                    break;
                case FaultCode.StillRunning:
                    Refuse("ERROR: process/group still running: " + name);
                    break;
                case FaultCode.BadName:
                    Refuse("ERROR: no such process/group: " + name);
                    break;
                default:
                    throw Unexpected(answer);
            }
        }
    }

    // Null after the error was told.
    private ConfigDifferences? ReadConfiguration(string shuttingDown)
    {
        Answer<ConfigDifferences> answer = Ask(client => client.ReloadConfig());
        switch ((FaultCode?)answer.Fault?.Code)
        {
            case FaultCode.ShutdownState:
                Refuse(shuttingDown);
                return null;
            case FaultCode.CantReread:
                Refuse("ERROR: " + answer.Fault!.Text);
                return null;
            default:
                return answer.IsValue ? answer.Value : throw Unexpected(answer);
        }
    }

    private void Refuse(string line)
    {
        _out.Line(line);
        Fail(ExitStatus.Generic);
    }
}
