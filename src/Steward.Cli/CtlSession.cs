using Steward.Cli.Shell;
using Steward.Client;
using Steward.Core.Model;

namespace Steward.Cli;

/// <summary>
/// One run of the control tool: the settings, the connection, and the exit status that the commands leave behind. A command is a
/// line; each is a method in <c>Commands/</c>. One thread; only <c>tail -f</c> and <c>fg</c> have others beside it.
/// </summary>
internal sealed partial class CtlSession : IDisposable
{
    private const int RunningState = (int)ProcessState.Running;

    private readonly CtlSettings _settings;
    private readonly CtlStreams _streams;
    private readonly ScreenOutput _out;
    private readonly ScreenOutput _error;
    private readonly InputReader _input;

    // Supervisor's, ours, and those of the configuration: help lists them apart.
    private readonly SortedDictionary<string, CtlAction> _actions;
    private readonly SortedDictionary<string, CtlAction> _more;
    private readonly SortedDictionary<string, CtlAction> _own;
    private SupervisorClient? _client;
    private string _url;
    private Credentials? _credentials;

    public CtlSession(CtlSettings settings, CtlStreams streams, ScreenOutput output, ScreenOutput error)
    {
        _settings = settings;
        _streams = streams;
        _out = output;
        _error = error;
        _input = new InputReader(streams.Terminal);
        _url = settings.ServerUrl;
        _credentials = settings.Credentials;
        _actions = new SortedDictionary<string, CtlAction>(StringComparer.Ordinal)
        {
            ["add"] = new(Add, HelpTexts.Add),
            ["avail"] = new(Avail, HelpTexts.Avail),
            ["clear"] = new(Clear, HelpTexts.Clear),
            ["exit"] = new(_ => Leave(), HelpTexts.Exit),
            ["fg"] = new(Foreground, HelpTexts.Foreground),
            ["maintail"] = new(MainTail, HelpTexts.MainTail),
            ["open"] = new(Open, HelpTexts.Open),
            ["pid"] = new(Pid, HelpTexts.Pid),
            ["quit"] = new(_ => Leave(), HelpTexts.Quit),
            ["reload"] = new(Reload, HelpTexts.Reload),
            ["remove"] = new(Remove, HelpTexts.Remove),
            ["reread"] = new(Reread, HelpTexts.Reread),
            ["restart"] = new(Restart, HelpTexts.Restart),
            ["shutdown"] = new(Shutdown, HelpTexts.Shutdown),
            ["signal"] = new(Signal, HelpTexts.Signal),
            ["start"] = new(Start, HelpTexts.Start),
            ["status"] = new(Status, HelpTexts.Status),
            ["stop"] = new(Stop, HelpTexts.Stop),
            ["tail"] = new(Tail, HelpTexts.Tail),
            ["update"] = new(Update, HelpTexts.Update),
            ["version"] = new(Version, HelpTexts.Version),
        };
        _more = new SortedDictionary<string, CtlAction>(StringComparer.Ordinal)
        {
            ["disable"] = new(Disable, HelpTexts.Disable),
            ["enable"] = new(Enable, HelpTexts.Enable),
            ["events"] = new(Events, HelpTexts.Events),
            ["history"] = new(History, HelpTexts.History),
            ["hooks"] = new(Hooks, HelpTexts.Hooks),
            ["intent"] = new(ShowIntents, HelpTexts.Intent),
            ["kill"] = new(Kill, HelpTexts.Kill),
            ["listeners"] = new(Listeners, HelpTexts.Listeners),
            ["mrestart"] = new(RestartMany, HelpTexts.RestartMany),
            ["mstart"] = new(StartMany, HelpTexts.StartMany),
            ["mstop"] = new(StopMany, HelpTexts.StopMany),
            ["serialrestart"] = new(SerialRestart, HelpTexts.SerialRestart),
            ["upgrade"] = new(Upgrade, HelpTexts.Upgrade),
            ["why"] = new(Why, HelpTexts.Why),
        };
        _own = new SortedDictionary<string, CtlAction>(StringComparer.Ordinal);
        foreach (CtlPlugin plugin in settings.Plugins.Where(plugin => !IsBuiltIn(plugin.Name)))
        {
            _own[plugin.Name] = new CtlAction(argument => RunPlugin(plugin, argument), HelpTexts.Plugin(plugin));
        }
    }

    /// <summary>What the commands so far leave as exit status: the last failure counts, success changes nothing.</summary>
    public int Result { get; private set; }

    /// <summary>Says whether a command asked to leave.</summary>
    public bool Left { get; private set; }

    /// <summary>The actions as the shell offers them.</summary>
    public IReadOnlyList<string> ActionNames => ["help", .. _actions.Keys.Concat(_more.Keys).Concat(_own.Keys).Order(StringComparer.Ordinal)];

    /// <summary>Says whether an action is there without a configuration.</summary>
    private bool IsBuiltIn(string name) => name is "help" or "EOF" || _actions.ContainsKey(name) || _more.ContainsKey(name);

    private CtlAction? Find(string name) =>
        _actions.GetValueOrDefault(name) ?? _more.GetValueOrDefault(name) ?? _own.GetValueOrDefault(name);

    private SupervisorClient Client => _client ??= new SupervisorClient(ServerAddress.Parse(_url), _credentials);

    /// <summary>Carries out one line.</summary>
    public void Execute(string line)
    {
        line = line.Trim();
        while (true)
        {
            try
            {
                Dispatch(line);
            }
            catch (CommandFailedException e) when (e.NeedsLogin)
            {
                _out.Line(e.Message);
                if (_settings.Interactive && AskForLogin())
                {
                    continue;
                }

                Fail(ExitStatus.Generic);
            }
            catch (CommandFailedException e)
            {
                _out.Line("error: " + e.Message);
                if (e.Failure is { } failure)
                {
                    ExplainMissing(failure);
                }

                Fail(ExitStatus.Generic);
            }

            _out.Flush();
            return;
        }
    }

    public void Dispose() => _client?.Dispose();

    // The first word is letters, digits and underscores: "tail-f x" is tail with "-f x".
    private void Dispatch(string line)
    {
        if (line.Length == 0)
        {
            return;
        }

        string command = line[0] == '?' ? "help " + line[1..] : line;
        int end = 0;
        while (end < command.Length && (char.IsAsciiLetterOrDigit(command[end]) || command[end] == '_'))
        {
            end++;
        }

        string name = command[..end];
        string argument = command[end..].Trim();
        if (name == "help")
        {
            HelpFor(argument);
        }
        else if (name == "EOF")
        {
            Leave();
        }
        else if (Find(name) is { } action)
        {
            action.Run(argument);
        }
        else
        {
            _out.Line("*** Unknown syntax: " + line);
            Fail(ExitStatus.Generic);
        }
    }

    private void Leave()
    {
        _out.Line("");
        Left = true;
    }

    private void HelpFor(string topic)
    {
        if (topic.Length == 0)
        {
            List("default", _actions.Keys);
            if (_settings.ListsEverything)
            {
                List("more", _more.Keys);
            }

            if (_own.Count > 0)
            {
                List("plugin", _own.Keys);
            }
        }
        else if (topic == "help")
        {
            _out.Line(HelpTexts.Help);
        }
        else
        {
            _out.Line(Find(topic)?.Help ?? "*** No help on " + topic);
        }
    }

    private void List(string kind, IEnumerable<string> names)
    {
        string heading = kind + HelpTexts.ListHeading;
        _out.Line("");
        _out.Line(heading);
        _out.Line(new string('=', heading.Length));
        foreach (string row in Columns.Rows([.. names], HelpTexts.ListWidth))
        {
            _out.Line(row);
        }

        _out.Line("");
    }

    // A later failure replaces an earlier one.
    private void Fail(int status) => Result = status;

    private void Usage(string error, string help, int status = ExitStatus.Generic)
    {
        _out.Line(error);
        _out.Line(help);
        Fail(status);
    }

    private static string[] Words(string argument) =>
        argument.Split((char[]?)null, StringSplitOptions.RemoveEmptyEntries);

    /// <summary>
    /// The daemon is asked for the version of its interface before a command that works on processes. What it lacks is told
    /// here, and the command ends without another word.
    /// </summary>
    private bool UpCheck()
    {
        Answer<string> answer = Ask(client => client.GetApiVersion());
        if (answer.IsValue)
        {
            if (answer.Value == Protocol.XmlRpc.XmlRpcMethods.ApiVersion)
            {
                return true;
            }

            _out.Line($"Sorry, this version of supervisorctl expects to talk to a server with API version "
                + $"{Protocol.XmlRpc.XmlRpcMethods.ApiVersion}, but the remote version is {answer.Value}.");
            Fail(ExitStatus.NotInstalled);
        }
        else if (answer.Fault is { Code: (int)FaultCode.UnknownMethod })
        {
            _out.Line("Sorry, supervisord responded but did not recognize the supervisor namespace commands that supervisorctl uses to "
                + "control it.  Please check that the [rpcinterface:supervisor] section is enabled in the configuration file "
                + "(see sample.conf).");
            Fail(ExitStatus.Unimplemented);
        }
        else if (answer.Failure is { Kind: TransportFailureKind.Refused or TransportFailureKind.NoSuchFile } failure)
        {
            _out.Line(failure.Describe(_url));
            ExplainMissing(failure);
            Fail(failure.Kind == TransportFailureKind.Refused ? ExitStatus.InsufficientPrivileges : ExitStatus.NotRunning);
        }
        else
        {
            throw Unexpected(answer);
        }

        return false;
    }

    /// <summary>Calls the daemon; what was printed so far is on the screen before it takes its time.</summary>
    private Answer<T> Ask<T>(Func<SupervisorClient, Answer<T>> call)
    {
        _out.Flush();
        Answer<T> answer = call(Client);
        return answer.Failure is { Kind: TransportFailureKind.Unauthorized } ? throw Unexpected(answer) : answer;
    }

    /// <summary>Calls the daemon where any refusal ends the command.</summary>
    private T Demand<T>(Func<SupervisorClient, Answer<T>> call)
    {
        Answer<T> answer = Ask(call);
        return answer.IsValue ? answer.Value : throw Unexpected(answer);
    }

    /// <summary>What ends a command: a fault that it has no words for, or no answer.</summary>
    private CommandFailedException Unexpected<T>(Answer<T> answer) => answer.Fault is { } fault
        ? new CommandFailedException(FaultText(fault))
        : new CommandFailedException(answer.Failure!.Describe(_url))
        {
            NeedsLogin = answer.Failure.Kind == TransportFailureKind.Unauthorized, Failure = answer.Failure,
        };

    // As every client in Python prints it: <Fault 10: 'BAD_NAME: x'>.
    private static string FaultText(RpcFault fault) =>
        string.Create(System.Globalization.CultureInfo.InvariantCulture, $"<Fault {fault.Code}: {Core.Config.PythonText.Repr(fault.Text)}>");

    // False when nobody answers the questions.
    private bool AskForLogin()
    {
        if (Ask("Username:") is not { } user || AskSecret("Password:") is not { } password)
        {
            _out.Line("");
            return false;
        }

        _out.Line("");
        Connect(_url, new Credentials(user, password));
        return true;
    }

    private void Connect(string url, Credentials? credentials)
    {
        _client?.Dispose();
        _client = null;
        _url = url;
        _credentials = credentials;
    }

    private string? Ask(string question)
    {
        _out.Text(question);
        _out.Flush();
        return _input.ReadLine();
    }

    private string? AskSecret(string question)
    {
        using IDisposable hidden = _streams.Terminal.HideInput();
        return Ask(question);
    }

    // The list of actions is as Supervisor prints it; what is ours alone has its help all the same.
    private sealed record CtlAction(Action<string> Run, string Help);
}

/// <summary>A command cannot go on; the message says why.</summary>
internal sealed class CommandFailedException(string message) : Exception(message)
{
    /// <summary>Says whether the daemon wants a login.</summary>
    public bool NeedsLogin { get; init; }

    /// <summary>Why there was no answer; null when there was one.</summary>
    public TransportFailure? Failure { get; init; }
}
