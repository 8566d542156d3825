using Steward.Core.Config;
using Steward.Core.Effects;
using Steward.Core.Inputs;
using Steward.Core.Model;
using Steward.Simulation.Checks;

namespace Steward.Simulation.Clients;

/// <summary>Clients that ask for anything at any time, and remember what they have not been told yet.</summary>
internal sealed class VirtualClients(SimRandom random)
{
    private static readonly string[] s_groups = [.. ConfigurationMaker.Groups];

    private static readonly string[] s_names =
        ["a", "a:a1", "b", "b:b1", "b:b2", "c", "d", "d:d1", "x:x0", "x:x1", "y:y0", "a:*", "b:", "x:*", "nobody", "a:nobody", ""];

    private readonly Dictionary<long, string> _open = [];
    private long _lastRequest;

    public int Open => _open.Count;

    public long Answered { get; private set; }

    public IEnumerable<string> OpenTexts => _open.Values;

    /// <summary>Gives a number to something that is asked.</summary>
    public RequestId Ask(string what)
    {
        _open.Add(++_lastRequest, what);
        return new RequestId(_lastRequest);
    }

    public CommandReceived Next()
    {
        Command command = Make();
        return new CommandReceived(Ask(command.GetType().Name), command);
    }

    /// <summary>Any command.</summary>
    public Command Make() => random.Below(22) switch
    {
        0 or 1 or 2 or 3 => new StartProcess(Name(), random.Percent(60)),
        4 => new StartGroup(Group(), random.Percent(60)),
        5 => new StartAll(random.Percent(60)),
        6 or 7 or 8 or 9 => new StopProcess(Name(), random.Percent(60)),
        10 => new StopGroup(Group(), random.Percent(60)),
        11 => new StopAll(random.Percent(60)),
        12 => new SignalProcess(Name(), Signal()),
        13 => new SignalGroup(Group(), Signal()),
        14 => new SignalAll(Signal()),
        15 => new SendProcessStdin(Name(), [1, 2, 3]),
        16 => new SendRemoteCommEvent("t", "data"),
        17 => random.Percent(50) ? new ClearProcessLogs(Name()) : new ClearAllProcessLogs(),
        18 or 19 => new AddProcessGroup(Group()),
        20 when random.Percent(30) => new AddProcesses(Group(), [Joining()]),
        21 when random.Percent(30) => new RemoveProcess(Group(), random.Pick<string>(["joined", "joined2"])),
        _ => new RemoveProcessGroup(Group()),
    };

    public void Take(Reply reply)
    {
        if (!_open.Remove(reply.Request.Value))
        {
            throw new InvariantException($"request {reply.Request.Value} is answered although nobody waits for it");
        }

        Answered++;
    }

    private ProcessConfig Joining()
    {
        string name = random.Pick<string>(["joined", "joined2"]);
        return new ProcessConfig { Name = name, Program = name, Command = "/bin/" + name };
    }

    private string Name() => random.Pick<string>(s_names);

    private string Group() => random.Pick<string>(s_groups);

    private string Signal() => random.Pick<string>(["HUP", "TERM", "KILL", "10", "0", "NONE"]);
}
