using System.Collections.Frozen;
using System.Globalization;
using System.Text;
using Steward.Core.Config;
using Steward.Core.Effects;
using Steward.Core.Inputs;
using Steward.Core.Model;
using Steward.Core.Supervision;
using Steward.Engine;
using Steward.Http.Logs;
using Steward.Protocol.XmlRpc;

namespace Steward.Http.XmlRpc;

/// <summary>
/// Carries out calls. Checks come in Supervisor's order: the name, the number of parameters, the daemon's state, the types of
/// the parameters, then what the core says.
/// </summary>
internal sealed partial class RpcCalls(
    ISupervisorControl control, JournalCalls journal, IHookControl? hooks, string supervisorVersion, CancellationToken endWaiting)
{
    /// <summary>How long the answer of <c>system.multicall</c> gets before the calls that are left are refused, in bytes.</summary>
    private const int MaxMulticallBytes = 64 << 20;

    private const string SystemNamespace = "system";

    private static readonly FrozenDictionary<string, XmlRpcMethod>.AlternateLookup<ReadOnlySpan<char>> SupervisorMethods =
        XmlRpcMethods.Supervisor.GetAlternateLookup<ReadOnlySpan<char>>();

    private static readonly FrozenDictionary<string, XmlRpcMethod>.AlternateLookup<ReadOnlySpan<char>> SystemMethods =
        XmlRpcMethods.System.GetAlternateLookup<ReadOnlySpan<char>>();

    private static readonly Fault ShutdownState = new(FaultCode.ShutdownState);
    private static readonly Fault IncorrectParameters = new(FaultCode.IncorrectParameters);

    /// <summary>
    /// Begins a call. When it is done at once the result is null, and either the value stands behind what
    /// <paramref name="writer"/> held or <paramref name="fault"/> says why not. Otherwise the task says the same later.
    /// </summary>
    public Task<Fault?>? Call(
        string name, IReadOnlyList<XmlRpcValue> parameters, IRequester client, XmlRpcWriter writer, out Fault? fault)
    {
        XmlRpcMethod? method = Find(name, out RpcInterfaceConfig? space);
        if (method is null && HookCalls.Has(name))
        {
            return HookCalls.Call(name, parameters, hooks, writer, endWaiting, out fault);
        }

        if (method is null)
        {
            if (name.StartsWith(JournalCalls.Prefix, StringComparison.Ordinal) && journal.Begin(name, parameters, writer, out fault) is { } read)
            {
                return fault is null ? read : null;
            }

            if (space?.Peer is not null)
            {
                fault = null;
                return ForwardAsync(space, name, parameters, writer);
            }

            fault = new Fault(FaultCode.UnknownMethod);
            return null;
        }

        if (method.Verb == XmlRpcVerb.Multicall && method.Accepts(parameters.Count))
        {
            fault = null;
            if (parameters[0] is not XmlRpcArray calls)
            {
                fault = IncorrectParameters;
                return null;
            }

            return MulticallAsync(calls, client, writer);
        }

        if (method.Verb is XmlRpcVerb.ListMethods && method.Accepts(parameters.Count) && control.RpcInterfaces.Any(one => one.Peer is not null))
        {
            fault = null;
            return ListMethodsAsync(writer);
        }

        if (method.Verb is XmlRpcVerb.MethodHelp or XmlRpcVerb.MethodSignature && parameters is [XmlRpcString described]
            && Find(described.Value, out RpcInterfaceConfig? asked) is null && asked?.Peer is not null)
        {
            fault = null;
            return ForwardAsync(asked, "system." + method.Name, parameters, writer);
        }

        if (space is { Whitelist.Count: > 0 } && !IsListed(space, method.Name))
        {
            fault = new Fault(NotInWhitelist, method.Name);
            return null;
        }

        Task<Outcome>? outcome = Begin(method, parameters, client, writer, out fault);
        return outcome is null ? null : WriteAsync(outcome, writer);
    }

    private async Task<Fault?> WriteAsync(Task<Outcome> pending, XmlRpcWriter writer)
    {
        // Whether the client waits or not, what it asked for goes on; only the answer can be given up.
        Outcome outcome = await pending.WaitAsync(endWaiting).ConfigureAwait(false);
        if (outcome is Refused refused)
        {
            return refused.Fault;
        }

        writer.WriteOutcome(outcome);
        return null;
    }

    private async Task<Fault?> MulticallAsync(XmlRpcArray calls, IRequester client, XmlRpcWriter writer)
    {
        writer.BeginArray();
        foreach (XmlRpcValue item in calls.Items)
        {
            int before = writer.Length;
            Fault? fault;
            try
            {
                fault = before > MaxMulticallBytes
                    ? new Fault(FaultCode.Failed, "the answers so far are too long, call again for the rest")
                    : await CallOneAsync(item, client, writer).ConfigureAwait(false);
            }
            catch (Exception e) when (e is not OperationCanceledException)
            {
                control.Log(LogLevel.Critical, $"A call inside of system.multicall raised an unexpected exception: {e}");
                fault = new Fault(FaultCode.Failed, $"{e.GetType().Name}:{e.Message}");
            }

            if (fault is not null)
            {
                writer.Rewind(before);
                writer.WriteFaultValue((int)fault.Code, fault.Text);
            }

            writer.EndItem();
        }

        writer.EndArray();
        return null;
    }

    private async Task<Fault?> CallOneAsync(XmlRpcValue item, IRequester client, XmlRpcWriter writer)
    {
        if (item is not XmlRpcStruct call)
        {
            return IncorrectParameters;
        }

        if (call.Find("methodName") is not XmlRpcString { Value.Length: > 0 } name)
        {
            return new Fault(FaultCode.IncorrectParameters, "No methodName");
        }

        if (name.Value == "system.multicall")
        {
            return new Fault(FaultCode.IncorrectParameters, "Recursive system.multicall forbidden");
        }

        IReadOnlyList<XmlRpcValue> parameters = [];
        if (call.Find("params") is { } given)
        {
            if (given is not XmlRpcArray array)
            {
                return IncorrectParameters;
            }

            parameters = array.Items;
        }

        Task<Fault?>? later = Call(name.Value, parameters, client, writer, out Fault? fault);
        return later is null ? fault : await later.ConfigureAwait(false);
    }

    /// <summary>A method is <c>namespace.name</c> with one dot; the namespaces are those of the configuration and <c>system</c>.</summary>
    private XmlRpcMethod? Find(string name, out RpcInterfaceConfig? found)
    {
        found = null;
        int dot = name.IndexOf('.', StringComparison.Ordinal);
        if (dot < 0)
        {
            return null;
        }

        ReadOnlySpan<char> space = name.AsSpan(0, dot);
        bool isDeep = name.IndexOf('.', dot + 1) >= 0;
        XmlRpcMethod? method;
        if (space is SystemNamespace)
        {
            return !isDeep && SystemMethods.TryGetValue(name.AsSpan(dot + 1), out method) ? method : null;
        }

        IReadOnlyList<RpcInterfaceConfig> interfaces = control.RpcInterfaces;
        for (int i = 0; i < interfaces.Count; i++)
        {
            if (space.SequenceEqual(interfaces[i].Name))
            {
                found = interfaces[i];
                ReadOnlySpan<char> member = name.AsSpan(dot + 1);
                return found.Kind switch
                {
                    // What another program calls its methods is its own matter.
                    RpcInterfaceKind.Peer => null,
                    _ when isDeep => null,
                    RpcInterfaceKind.Supervisor => SupervisorMethods.TryGetValue(member, out method) ? method : null,
                    RpcInterfaceKind.Twiddler => XmlRpcMethods.Twiddler.GetValueOrDefault(member.ToString()),
                    _ => XmlRpcMethods.Laforge.GetValueOrDefault(member.ToString()),
                };
            }
        }

        return space is NativeNamespace && !isDeep && interfaces.Any(one => one.Kind == RpcInterfaceKind.Supervisor)
            ? XmlRpcMethods.Steward.GetValueOrDefault(name[(dot + 1)..])
            : null;
    }

    /// <summary>Writes the answer of a query; hands a command to the core and returns its task.</summary>
    private Task<Outcome>? Begin(
        XmlRpcMethod method, IReadOnlyList<XmlRpcValue> parameters, IRequester client, XmlRpcWriter writer, out Fault? fault)
    {
        fault = null;
        if (!method.Accepts(parameters.Count))
        {
            fault = IncorrectParameters;
            return null;
        }

        var p = new Parameters(parameters);
        switch (method.Verb)
        {
            case XmlRpcVerb.ListMethods:
                ListMethods(writer);
                return null;
            case XmlRpcVerb.MethodHelp or XmlRpcVerb.MethodSignature:
                fault = Describe(method.Verb, parameters[0], writer);
                return null;
            case XmlRpcVerb.SendRemoteCommEvent:
                // Works during shutdown too.
                return p.Text(0, out string type) && p.Text(1, out string data)
                    ? Ask(new SendRemoteCommEvent(type, data))
                    : Wrong(out fault);
        }

        if (control.State != DaemonState.Running)
        {
            fault = ShutdownState;
            return null;
        }

        if (method.Verb is >= XmlRpcVerb.GetEventPools and <= XmlRpcVerb.RemoveProcessFromGroup)
        {
            return BeginNative(method.Verb, p, parameters, client, writer, out fault);
        }

        string name;
        string signal;
        switch (method.Verb)
        {
            case XmlRpcVerb.GetProcessInfo:
                if (!p.Text(0, out name))
                {
                    return Wrong(out fault);
                }

                if (FindProcess(name) is not { } process)
                {
                    fault = new Fault(FaultCode.BadName, name);
                    return null;
                }

                writer.WriteProcessInfo(process);
                return null;

            case XmlRpcVerb.GetAllProcessInfo:
                writer.WriteProcessInfo(control.All());
                return null;
            case XmlRpcVerb.GetAllConfigInfo:
                writer.WriteConfigInfo(control.AllConfigs());
                return null;
            case XmlRpcVerb.GetApiVersion:
                writer.WriteString(XmlRpcMethods.ApiVersion);
                return null;
            case XmlRpcVerb.GetSupervisorVersion:
                writer.WriteString(supervisorVersion);
                return null;
            case XmlRpcVerb.GetIdentification:
                writer.WriteString(control.Identifier);
                return null;
            case XmlRpcVerb.GetPid:
                writer.WriteInt(control.Pid);
                return null;
            case XmlRpcVerb.GetState:
                writer.BeginStruct();
                writer.MemberName("statecode"u8);
                writer.WriteInt((int)DaemonState.Running);
                writer.EndMember();
                writer.MemberName("statename"u8);
                writer.WriteString("RUNNING");
                writer.EndMember();
                writer.EndStruct();
                return null;

            case XmlRpcVerb.ReadLog:
                if (!p.Integer(0, out long mainOffset) || !p.Integer(1, out long mainLength))
                {
                    return Wrong(out fault);
                }

                fault = Read(control.MainLogPath, mainOffset, mainLength, writer);
                return null;
            case XmlRpcVerb.ReadProcessStdoutLog or XmlRpcVerb.ReadProcessStderrLog
                or XmlRpcVerb.TailProcessStdoutLog or XmlRpcVerb.TailProcessStderrLog:
                if (!p.Text(0, out name) || !p.Integer(1, out long offset) || !p.Integer(2, out long length))
                {
                    return Wrong(out fault);
                }

                if (FindProcess(name) is not { } logged)
                {
                    fault = new Fault(FaultCode.BadName, name);
                    return null;
                }

                bool stderr = method.Verb is XmlRpcVerb.ReadProcessStderrLog or XmlRpcVerb.TailProcessStderrLog;
                string path = stderr ? logged.StderrLog : logged.StdoutLog;
                if (method.Verb is XmlRpcVerb.ReadProcessStdoutLog or XmlRpcVerb.ReadProcessStderrLog)
                {
                    fault = Read(path, offset, length, writer);
                }
                else
                {
                    Tail(path, offset, length, writer);
                }

                return null;

            case XmlRpcVerb.SendProcessStdin:
                if (parameters[1] is not XmlRpcString chars)
                {
                    fault = new Fault(FaultCode.IncorrectParameters, Parameters.Show(parameters[1]));
                    return null;
                }

                return p.Text(0, out name)
                    ? Ask(new SendProcessStdin(name, Encoding.UTF8.GetBytes(chars.Value)))
                    : Wrong(out fault);

            case XmlRpcVerb.StartProcess:
                return p.Text(0, out name) ? Ask(new StartProcess(name, p.Wait(1))) : Wrong(out fault);
            case XmlRpcVerb.StartProcessGroup:
                return p.Text(0, out name) ? Ask(new StartGroup(name, p.Wait(1))) : Wrong(out fault);
            case XmlRpcVerb.StartAllProcesses:
                return Ask(new StartAll(p.Wait(0)));
            case XmlRpcVerb.StopProcess:
                return p.Text(0, out name) ? Ask(new StopProcess(name, p.Wait(1))) : Wrong(out fault);
            case XmlRpcVerb.StopProcessGroup:
                return p.Text(0, out name) ? Ask(new StopGroup(name, p.Wait(1))) : Wrong(out fault);
            case XmlRpcVerb.StopAllProcesses:
                return Ask(new StopAll(p.Wait(0)));
            case XmlRpcVerb.SignalProcess:
                return p.Text(0, out name) && p.Signal(1, out signal)
                    ? Ask(new SignalProcess(name, signal))
                    : Wrong(out fault);
            case XmlRpcVerb.SignalProcessGroup:
                return p.Text(0, out name) && p.Signal(1, out signal)
                    ? Ask(new SignalGroup(name, signal))
                    : Wrong(out fault);
            case XmlRpcVerb.SignalAllProcesses:
                return p.Signal(0, out signal) ? Ask(new SignalAll(signal)) : Wrong(out fault);
            case XmlRpcVerb.ClearProcessLogs:
                return p.Text(0, out name) ? Ask(new ClearProcessLogs(name)) : Wrong(out fault);
            case XmlRpcVerb.ClearAllProcessLogs:
                return Ask(new ClearAllProcessLogs());
            case XmlRpcVerb.ClearLog:
                return control.ClearMainLogAsync(client.Requester);
            case XmlRpcVerb.AddProcessGroup:
                return p.Text(0, out name) ? Ask(new AddProcessGroup(name)) : Wrong(out fault);
            case XmlRpcVerb.RemoveProcessGroup:
                return p.Text(0, out name) ? Ask(new RemoveProcessGroup(name)) : Wrong(out fault);
            case XmlRpcVerb.ReloadConfig:
                return control.RereadAsync(client.Requester);
            case XmlRpcVerb.Shutdown:
                return Ask(new Shutdown());
            case XmlRpcVerb.Restart:
                return Ask(new Restart());
            default:
                throw new InvalidOperationException("no such verb: " + method.Verb);
        }

        Task<Outcome> Ask(Command command) => control.ExecuteAsync(command, client.Requester);
    }

    private static Task<Outcome>? Wrong(out Fault? fault)
    {
        fault = IncorrectParameters;
        return null;
    }

    private ProcessSnapshot? FindProcess(string name)
    {
        Namespec spec = Namespec.Parse(name);
        return spec.Process is null ? null : control.Find(spec.Group, spec.Process);
    }

    private static Fault? Read(string? path, long offset, long length, XmlRpcWriter writer)
    {
        Fault? fault = LogFile.Read(path, offset, length, out ReadOnlyMemory<byte> text);
        if (fault is null)
        {
            writer.WriteString(text.Span);
        }

        return fault;
    }

    private static void Tail(string path, long offset, long length, XmlRpcWriter writer)
    {
        LogTail tail = LogFile.Tail(path, offset, length);
        writer.BeginArray();
        writer.WriteString(tail.Text.Span);
        writer.EndItem();
        writer.WriteInt(tail.Offset);
        writer.EndItem();
        writer.WriteBoolean(tail.Overflow);
        writer.EndItem();
        writer.EndArray();
    }

    private void ListMethods(XmlRpcWriter writer)
    {
        WriteNames(OwnMethods(), writer);
    }

    /// <summary>The names of the methods that the daemon itself carries out.</summary>
    private List<string> OwnMethods()
    {
        var names = new List<string>();
        foreach (RpcInterfaceConfig one in control.RpcInterfaces.Where(one => one.Name != SystemNamespace).DistinctBy(one => one.Name))
        {
            IEnumerable<string> members = one.Kind switch
            {
                RpcInterfaceKind.Supervisor => XmlRpcMethods.Supervisor.Keys,
                RpcInterfaceKind.Twiddler => XmlRpcMethods.Twiddler.Keys,
                RpcInterfaceKind.Laforge => XmlRpcMethods.Laforge.Keys,
                _ => [],
            };
            names.AddRange(members.Select(member => one.Name + "." + member));
        }

        names.AddRange(XmlRpcMethods.System.Keys.Select(member => SystemNamespace + "." + member));
        return names;
    }

    private static void WriteNames(List<string> names, XmlRpcWriter writer)
    {
        names.Sort(StringComparer.Ordinal);
        writer.BeginArray();
        foreach (string name in names)
        {
            writer.WriteString(name);
            writer.EndItem();
        }

        writer.EndArray();
    }

    private Fault? Describe(XmlRpcVerb verb, XmlRpcValue name, XmlRpcWriter writer)
    {
        if (name is not XmlRpcString text || Find(text.Value, out _) is not { } method)
        {
            return new Fault(FaultCode.SignatureUnsupported);
        }

        if (verb == XmlRpcVerb.MethodHelp)
        {
            writer.WriteString(method.Help);
            return null;
        }

        writer.BeginArray();
        foreach (string word in method.Signature)
        {
            writer.WriteString(word);
            writer.EndItem();
        }

        writer.EndArray();
        return null;
    }

    /// <summary>Parameters as the methods see them, with Supervisor's conversions.</summary>
    private readonly struct Parameters(IReadOnlyList<XmlRpcValue> values)
    {
        public bool Text(int index, out string text)
        {
            text = (values[index] as XmlRpcString)?.Value ?? "";
            return values[index] is XmlRpcString;
        }

        /// <summary>A number, a number as text, a truncated fraction or a boolean.</summary>
        public bool Integer(int index, out long number)
        {
            switch (values[index])
            {
                case XmlRpcInt value:
                    number = value.Value;
                    return true;
                case XmlRpcBoolean value:
                    number = value.Value ? 1 : 0;
                    return true;
                case XmlRpcDouble value when double.IsFinite(value.Value):
                    // Saturates (ECMA-335 leaves it open; C# on .NET 9 and later does).
                    number = (long)value.Value;
                    return true;
                case XmlRpcString value:
                    return long.TryParse(
                        value.Value,
                        NumberStyles.AllowLeadingSign | NumberStyles.AllowLeadingWhite | NumberStyles.AllowTrailingWhite,
                        CultureInfo.InvariantCulture,
                        out number);
                default:
                    number = 0;
                    return false;
            }
        }

        /// <summary>A signal's name, or its number as text or number.</summary>
        public bool Signal(int index, out string signal)
        {
            signal = values[index] switch
            {
                XmlRpcString text => text.Value,
                XmlRpcInt number => number.Value.ToString(CultureInfo.InvariantCulture),
                _ => "",
            };
            return values[index] is XmlRpcString or XmlRpcInt;
        }

        /// <summary>Judged by truth as Python does: even the text "false" is true. Default true.</summary>
        public bool Wait(int index) => index >= values.Count || values[index] switch
        {
            XmlRpcBoolean value => value.Value,
            XmlRpcInt value => value.Value != 0,
            XmlRpcDouble value => value.Value != 0,
            XmlRpcString value => value.Value.Length > 0,
            XmlRpcArray value => value.Items.Count > 0,
            XmlRpcStruct value => value.Members.Count > 0,
            XmlRpcNil => false,
            _ => true,
        };

        /// <summary>How a value of a wrong type stands in a fault.</summary>
        public static string Show(XmlRpcValue value) => value switch
        {
            XmlRpcInt number => number.Value.ToString(CultureInfo.InvariantCulture),
            XmlRpcBoolean boolean => boolean.Value ? "True" : "False",
            XmlRpcDouble real => real.Value.ToString("R", CultureInfo.InvariantCulture),
            XmlRpcDateTime date => date.Value.ToString("yyyy-MM-dd HH:mm:ss", CultureInfo.InvariantCulture),
            XmlRpcArray => "an array",
            XmlRpcStruct => "a struct",
            _ => "None",
        };
    }
}
