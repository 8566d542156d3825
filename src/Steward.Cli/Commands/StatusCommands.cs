using System.Globalization;
using Steward.Client;
using Steward.Core.Model;

namespace Steward.Cli;

// status, pid, version, avail: what is asked and only shown.
internal sealed partial class CtlSession
{
    private const int StateWidth = 10;
    private const int NameGap = 3;
    private const int NameWidth = 30;

    private void Status(string argument)
    {
        if (!UpCheck())
        {
            Fail(ExitStatus.StatusUnknown);
            return;
        }

        IReadOnlyList<ProcessInfo> all = Demand(client => client.GetAllProcessInfo());
        string[] names = Words(argument);
        var shown = new List<ProcessInfo>();
        if (names.Length == 0 || names.Contains("all"))
        {
            shown.AddRange(all);
        }
        else
        {
            foreach (string name in names.SelectMany(name => Expand(name, all)))
            {
                Namespec wanted = Namespec.Parse(name);
                int before = shown.Count;
                shown.AddRange(all.Where(info => info.Group == wanted.Group && (wanted.Process is null || info.Name == wanted.Process)));
                if (shown.Count == before)
                {
                    _out.Line(wanted.Process is null ? $"{wanted.Group}: ERROR (no such group)" : $"{name}: ERROR (no such process)");
                    Fail(ExitStatus.StatusUnknown);
                }
            }
        }

        int width = NameGap + shown.Aggregate(NameWidth, (most, info) => Math.Max(most, info.Namespec.Length));
        foreach (ProcessInfo info in shown)
        {
            _out.Line(info.Namespec.PadRight(width) + info.StateName.PadRight(StateWidth) + info.Description);
            if (info.State.IsStopped())
            {
                Fail(ExitStatus.StatusNotRunning);
            }
        }
    }

    private void Pid(string argument)
    {
        if (!UpCheck())
        {
            return;
        }

        string[] names = Words(argument);
        if (names.Length == 0)
        {
            _out.Line(Number(Demand(client => client.GetPid())));
        }
        else if (names.Contains("all"))
        {
            foreach (ProcessInfo info in Demand(client => client.GetAllProcessInfo()))
            {
                _out.Line(Number(info.Pid));
            }
        }
        else
        {
            foreach (string name in Expand(names))
            {
                Answer<ProcessInfo> answer = Ask(client => client.GetProcessInfo(name));
                if (answer.Fault is { Code: (int)FaultCode.BadName })
                {
                    _out.Line("No such process " + name);
                    Fail(ExitStatus.Generic);
                    continue;
                }

                ProcessInfo info = answer.IsValue ? answer.Value : throw Unexpected(answer);
                _out.Line(Number(info.Pid));
                if (info.Pid == 0)
                {
                    Fail(ExitStatus.NotRunning);
                }
            }
        }
    }

    private void Version(string argument)
    {
        if (argument.Length > 0)
        {
            Usage("Error: version accepts no arguments", HelpTexts.Version);
        }
        else if (UpCheck())
        {
            _out.Line(Demand(client => client.GetSupervisorVersion()));
        }
    }

    private void Avail(string argument)
    {
        if (argument.Length > 0)
        {
            Usage("Error: avail accepts no arguments", HelpTexts.Avail);
            return;
        }

        Answer<IReadOnlyList<ConfigInfo>> answer = Ask(client => client.GetAllConfigInfo());
        if (answer.Fault is { Code: (int)FaultCode.ShutdownState })
        {
            _out.Line("ERROR: supervisor shutting down");
            Fail(ExitStatus.Generic);
            return;
        }

        foreach (ConfigInfo info in answer.IsValue ? answer.Value : throw Unexpected(answer))
        {
            _out.Line(string.Create(
                CultureInfo.InvariantCulture,
                $"{info.Namespec,-32} {(info.InUse ? "in use" : "avail"),-9} {(info.AutoStart ? "auto" : "manual"),-9} {info.GroupPriority}:{info.ProcessPriority}"));
        }
    }

    private static string Number(long value) => value.ToString(CultureInfo.InvariantCulture);
}
