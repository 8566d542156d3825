using Steward.Core.Config;
using Steward.Core.Model;

namespace Steward.Simulation.Clients;

/// <summary>Configurations at random: a few groups, each of which comes and goes and has two forms.</summary>
internal sealed class ConfigurationMaker
{
    private static readonly string[] s_names = ["a", "b", "c", "d"];
    private static readonly string[] s_pools = ["x", "y"];

    private static readonly EquatableList<string>[] s_subscriptions =
        [["EVENT"], ["PROCESS_STATE"], ["TICK_5"], ["REMOTE_COMMUNICATION"], ["PROCESS_GROUP", "SUPERVISOR_STATE_CHANGE"], ["PROCESS_STATE", "TICK"]];

    private readonly SimRandom _random;
    private readonly GroupConfig[][] _candidates;

    public ConfigurationMaker(SimRandom random)
    {
        _random = random;
        int groups = 1 + random.Below(s_names.Length);
        int pools = random.Below(s_pools.Length + 1);
        _candidates = new GroupConfig[groups + pools][];
        for (int i = 0; i < _candidates.Length; i++)
        {
            _candidates[i] = i < groups ? [Programs(s_names[i]), Programs(s_names[i])] : [Pool(s_pools[i - groups]), Pool(s_pools[i - groups])];
        }
    }

    /// <summary>Every name that a client may know.</summary>
    public static IEnumerable<string> Groups => [.. s_names, .. s_pools];

    public Configuration Next()
    {
        var groups = new List<GroupConfig>();
        foreach (GroupConfig[] forms in _candidates)
        {
            if (_random.Percent(80))
            {
                groups.Add(forms[_random.Percent(75) ? 0 : 1]);
            }
        }

        groups.Sort((left, right) => left.Priority != right.Priority
            ? left.Priority.CompareTo(right.Priority)
            : string.CompareOrdinal(left.Name, right.Name));
        return new Configuration
        {
            File = "steward.conf",
            FullPath = "/etc/steward.conf",
            Here = "/etc",
            Supervisord = new SupervisordConfig { PidFile = "/run/p", ChildLogDir = "/var/log" },
            Servers = [],
            RpcInterfaces = [],
            Groups = groups,
            ServerUrl = null,
            Messages = [],
        };
    }

    private GroupConfig Programs(string name)
    {
        var processes = new ProcessConfig[1 + _random.Below(3)];
        for (int i = 0; i < processes.Length; i++)
        {
            processes[i] = Process(i == 0 ? name : name + (char)('0' + i), isListener: false);
        }

        return new GroupConfig
        {
            Kind = GroupKind.Program,
            Name = name,
            Priority = _random.Pick<int>([1, 5, 999, 999]),
            Processes = EquatableList.From(processes),
        };
    }

    private GroupConfig Pool(string name)
    {
        var processes = new ProcessConfig[1 + _random.Below(3)];
        for (int i = 0; i < processes.Length; i++)
        {
            processes[i] = Process(name + (char)('0' + i), isListener: true);
        }

        return new GroupConfig
        {
            Kind = GroupKind.EventListener,
            Name = name,
            Priority = _random.Pick<int>([-1, -1, 999]),
            Processes = EquatableList.From(processes),
            Pool = new EventPoolConfig(
                _random.Pick<EquatableList<string>>(s_subscriptions), _random.Pick<int>([1, 2, 10]), "supervisor.dispatchers:default_handler")
            {
                UnknownRestart = _random.Percent(70),
                ResultTimeout = _random.Pick<int>([0, 0, 1, 30]),
            },
        };
    }

    private ProcessConfig Process(string name, bool isListener)
    {
        bool asGroup = _random.Percent(20);
        return new ProcessConfig
        {
            Name = name,
            Program = name,
            Command = "/bin/" + name,
            Priority = _random.Pick<int>([1, 999, 999]),
            AutoStart = _random.Percent(70),
            AutoRestart = _random.Pick<AutoRestart>([AutoRestart.False, AutoRestart.Unexpected, AutoRestart.True]),
            StartSecs = _random.Pick<int>([0, 1, 1, 2, 5, -1]),
            StartRetries = _random.Pick<int>([0, 1, 3, 3]),
            StopSignal = _random.Pick<int>([Signals.Term, Signals.Term, Signals.Quit, Signals.Usr1, 0]),
            StopWaitSecs = _random.Pick<int>([0, 1, 3, 10]),
            StopAsGroup = asGroup,
            KillAsGroup = asGroup || _random.Percent(20),
            ExitCodes = _random.Percent(70) ? [0] : [0, 2],
            IsListener = isListener,
            KillMode = _random.Percent(20) ? KillMode.Tree : KillMode.Process,
            AutoStartAsLast = _random.Percent(20),
            MemoryLimit = _random.Percent(20) ? new MemoryLimitConfig { Bytes = 1, CheckSecs = _random.Pick<int>([1, 10]) } : null,
            Health = _random.Percent(20) ? new HealthConfig { Url = "http://h/", Interval = 1, Failures = 2, Grace = 0 } : null,
        };
    }
}
