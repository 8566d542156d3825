using System.Globalization;
using Steward.Core.Config;
using Steward.Core.Effects;
using Steward.Core.Inputs;
using Steward.Core.Model;
using Steward.Core.Supervision;
using Steward.Protocol.XmlRpc;

namespace Steward.Http.XmlRpc;

// The methods that Supervisor does not have, and those of other programs.
internal sealed partial class RpcCalls
{
    private const string NativeNamespace = "steward";

    private const long NanosecondsPerSecond = 1_000_000_000;

    /// <summary>The version of the plugins whose methods are built in.</summary>
    private const string PluginVersion = "1.0";

    /// <summary>supervisor_twiddler's own code; it has no name in Supervisor's table.</summary>
    private const FaultCode NotInWhitelist = (FaultCode)230;

    private readonly RpcPeers _peers = new(control, endWaiting);

    private static bool IsListed(RpcInterfaceConfig space, string method)
    {
        foreach (string entry in space.Whitelist)
        {
            if (entry == method || (entry.Length == space.Name.Length + 1 + method.Length
                && entry.StartsWith(space.Name + ".", StringComparison.Ordinal) && entry.EndsWith(method, StringComparison.Ordinal)))
            {
                return true;
            }
        }

        return false;
    }

    private async Task<Fault?> ForwardAsync(RpcInterfaceConfig space, string name, IReadOnlyList<XmlRpcValue> parameters, XmlRpcWriter writer)
    {
        PeerAnswer answer = await _peers.CallAsync(space, name, [.. parameters]).ConfigureAwait(false);
        if (answer.Fault is not null)
        {
            return answer.Fault;
        }

        int before = writer.Length;
        try
        {
            writer.WriteValue(answer.Value!);
            return null;
        }
        catch (ArgumentException e)
        {
            writer.Rewind(before);
            return new Fault(FaultCode.Failed, $"{space.Name}: the answer of {space.Peer!.Url} cannot be passed on: {e.Message}");
        }
    }

    private async Task<Fault?> ListMethodsAsync(XmlRpcWriter writer)
    {
        List<string> names = OwnMethods();
        Task<IReadOnlyList<string>>[] asked = [.. control.RpcInterfaces.Where(one => one.Peer is not null).Select(_peers.MethodsAsync)];
        foreach (IReadOnlyList<string> methods in await Task.WhenAll(asked).ConfigureAwait(false))
        {
            names.AddRange(methods);
        }

        WriteNames(names, writer);
        return null;
    }

    private Task<Outcome>? BeginNative(
        XmlRpcVerb verb, in Parameters p, IReadOnlyList<XmlRpcValue> parameters, IRequester client, XmlRpcWriter writer, out Fault? fault)
    {
        fault = null;
        string name;
        string other;
        switch (verb)
        {
            case XmlRpcVerb.GetEventPools:
                WriteEventPools(writer);
                return null;

            case XmlRpcVerb.ListNativeMethods:
                WriteNames(
                    [.. XmlRpcMethods.Steward.Keys.Select(member => NativeNamespace + "." + member), .. JournalCalls.Names, .. HookCalls.Names], writer);
                return null;

            case XmlRpcVerb.GetIntents:
                WriteIntents(writer);
                return null;

            case XmlRpcVerb.SetIntent:
                other = "";
                return p.Text(0, out name) && parameters[1] is XmlRpcBoolean enabled && (parameters.Count < 3 || p.Text(2, out other))
                    ? control.ExecuteAsync(new SetIntent(name, enabled.Value, other), client.Requester)
                    : Wrong(out fault);

            case XmlRpcVerb.SignalProcessTree:
                return p.Text(0, out name) && p.Signal(1, out string signal)
                    ? control.ExecuteAsync(new SignalProcessTree(name, signal), client.Requester)
                    : Wrong(out fault);

            case XmlRpcVerb.GetPluginVersion:
                writer.WriteString(PluginVersion);
                return null;

            case XmlRpcVerb.GetGroupNames:
                WriteNames([.. control.GroupNames()], writer);
                return null;

            case XmlRpcVerb.WriteLog:
                LogLevel level = LogLevel.Info;
                if (!p.Text(0, out string line) || (parameters.Count > 1 && !TryLevel(parameters[1], out level)))
                {
                    return Wrong(out fault);
                }

                // One call, one line.
                control.Log(level, line.ReplaceLineEndings(" "));
                writer.WriteBoolean(true);
                return null;

            case XmlRpcVerb.AddProgramToGroup:
                return p.Text(0, out name) && p.Text(1, out other) && TryOptions(parameters[2], out KeyValuePair<string, string>[] options)
                    ? control.AddProgramAsync(name, other, options, client.Requester)
                    : Wrong(out fault);

            case XmlRpcVerb.RemoveProcessFromGroup:
                return p.Text(0, out name) && p.Text(1, out other)
                    ? control.ExecuteAsync(new RemoveProcess(name, other), client.Requester)
                    : Wrong(out fault);

            default:
                throw new InvalidOperationException("no such verb: " + verb);
        }
    }

    private static bool TryLevel(XmlRpcValue value, out LogLevel level)
    {
        level = LogLevel.Info;
        switch (value)
        {
            case XmlRpcInt { Value: >= 0 and <= int.MaxValue } number when Enum.IsDefined((LogLevel)number.Value):
                level = (LogLevel)number.Value;
                return true;
            case XmlRpcString text:
                return ConfigValue.TryLogLevel(text.Value, out level, out _);
            default:
                return false;
        }
    }

    private static bool TryOptions(XmlRpcValue value, out KeyValuePair<string, string>[] options)
    {
        options = [];
        if (value is not XmlRpcStruct members)
        {
            return false;
        }

        var read = new List<KeyValuePair<string, string>>();
        foreach ((string key, XmlRpcValue member) in members.Members)
        {
            string? text = member switch
            {
                XmlRpcString one => one.Value,
                XmlRpcInt one => one.Value.ToString(CultureInfo.InvariantCulture),
                XmlRpcBoolean one => one.Value ? "true" : "false",
                _ => null,
            };
            if (text is null)
            {
                return false;
            }

            read.Add(KeyValuePair.Create(key, text));
        }

        options = [.. read];
        return true;
    }

    private void WriteEventPools(XmlRpcWriter writer)
    {
        writer.BeginArray();
        foreach (EventPoolSnapshot pool in control.EventPools())
        {
            writer.WriteValue(new XmlRpcStruct(
                Member("name", pool.Name),
                Member("events", new XmlRpcArray([.. pool.Events.Select(XmlRpcValue.FromString)])),
                Member("buffer_size", pool.BufferSize),
                Member("buffered", pool.Buffered),
                Member("delivered", pool.Delivered),
                Member("rejected", pool.Rejected),
                Member("returned", pool.Returned),
                Member("discarded", pool.Discarded),
                Member("listeners", new XmlRpcArray([.. pool.Listeners.Select(Listener)]))));
            writer.EndItem();
        }

        writer.EndArray();
    }

    private void WriteIntents(XmlRpcWriter writer)
    {
        writer.BeginArray();
        foreach (Intent intent in control.Intents())
        {
            Namespec spec = Namespec.Parse(intent.Name);
            writer.WriteValue(new XmlRpcStruct(
                Member("group", spec.Group),
                Member("name", spec.Process ?? ""),
                Member("enabled", intent.DisabledFor is null),
                Member("reason", intent.DisabledFor ?? ""),
                Member("stopped", intent.IsWanted == false),
                Member("by", intent.By),
                Member("since", intent.Since / NanosecondsPerSecond)));
            writer.EndItem();
        }

        writer.EndArray();
    }

    private static XmlRpcStruct Listener(ListenerSnapshot listener) => new(
        Member("name", listener.Name),
        Member("state", (int)listener.State),
        Member("statename", listener.State.Name()),
        Member("protocol", listener.Protocol),
        Member("serial", listener.Serial?.ToString(CultureInfo.InvariantCulture) ?? ""));

    private static KeyValuePair<string, XmlRpcValue> Member(string name, XmlRpcValue value) => KeyValuePair.Create(name, value);
}
