using System.Globalization;
using Steward.Core.Model;

namespace Steward.Core.Config;

// (4): namespaces of methods: built in, or served by another program.
internal sealed partial class ConfigLoad
{
    private const string MainFactory = "supervisor.rpcinterface:make_main_rpcinterface";
    private const string TwiddlerFactory = "supervisor_twiddler.rpcinterface:make_twiddler_rpcinterface";
    private const string LaforgeFactory = "mr.laforge.rpcinterface:make_laforge_rpcinterface";
    private const string FactoryKey = "supervisor.rpcinterface_factory";
    private const string UrlKey = "steward.rpc_url";
    private const string TimeoutKey = "steward.rpc_timeout";
    private const string WhitelistKey = "whitelist";
    private const int MaxRpcTimeout = 3600;

    private List<RpcInterfaceConfig> ReadRpcInterfaces(out IniOption? extra, out IniSection? extraSection)
    {
        extra = null;
        extraSection = null;
        var interfaces = new List<RpcInterfaceConfig>();
        foreach (IniSection section in Sections("rpcinterface:"))
        {
            var reader = new SectionReader(this, section, decorated: false);
            if (section.Find(UrlKey) is not null)
            {
                if (ReadPeer(reader) is { } peer)
                {
                    interfaces.Add(peer);
                }

                continue;
            }

            RpcInterfaceConfig? built = ReadBuiltIn(reader);
            if (built is not null)
            {
                interfaces.Add(built);
            }

            // What [DEFAULT] gives to all sections is not meant for the interface.
            foreach (IniOption option in section.Own)
            {
                if (option.Key != FactoryKey && !(option.Key == WhitelistKey && built?.Kind == RpcInterfaceKind.Twiddler))
                {
                    _ = reader.Text(option.Key, _names);
                    extra ??= option;
                    extraSection ??= section;
                }
            }
        }

        return interfaces;
    }

    private RpcInterfaceConfig? ReadBuiltIn(SectionReader reader)
    {
        IniSection section = reader.Section;
        string name = section.Name["rpcinterface:".Length..];
        if (section.Find(FactoryKey) is null)
        {
            reader.Error(
                FactoryKey, $"section [{section.Name}] does not specify a {FactoryKey}",
                $"add {FactoryKey}={MainFactory}, or {UrlKey} for a namespace that another program serves");
            return null;
        }

        switch (reader.Text(FactoryKey, _names))
        {
            case null:
                return null;

            case MainFactory:
                return new RpcInterfaceConfig(name, MainFactory);

            case TwiddlerFactory:
                return new RpcInterfaceConfig(name, TwiddlerFactory)
                {
                    Kind = RpcInterfaceKind.Twiddler,
                    Whitelist = EquatableList.From(ConfigValue.Strings(reader.Text(WhitelistKey, _names) ?? "").Where(item => item.Length > 0)),
                };

            case LaforgeFactory:
                return new RpcInterfaceConfig(name, LaforgeFactory) { Kind = RpcInterfaceKind.Laforge };

            case { } factory:
                reader.Error(
                    FactoryKey,
                    $"{factory} cannot be resolved within [{section.Name}]: {ImportError(factory)} "
                    + $"(Python is not loaded here; a program of its own can serve the methods, see {UrlKey})",
                    $"let a program of its own serve the methods over XML-RPC and name it with {UrlKey}, take the section out, or use {MainFactory}");
                return null;
        }
    }

    // Settings beside the address are the other program's, or those of the factory that a daemon in Python would load.
    private RpcInterfaceConfig? ReadPeer(SectionReader reader)
    {
        IniSection section = reader.Section;
        string name = section.Name["rpcinterface:".Length..];
        if (name.Length == 0 || name is "supervisor" or "system" or "steward" || name.Any(c => PythonText.IsSpace(c) || c == '.'))
        {
            reader.Error(
                UrlKey, $"the namespace {PythonText.Repr(name)} of [{section.Name}] cannot be served by another program",
                "use another name, without blanks and dots");
        }

        int timeout = reader.Integer(TimeoutKey, _hereNames, RpcPeer.DefaultTimeout);
        if (timeout is < 1 or > MaxRpcTimeout)
        {
            reader.Error(
                TimeoutKey,
                string.Create(CultureInfo.InvariantCulture, $"[{section.Name}] section sets invalid {TimeoutKey} ({timeout})"),
                string.Create(CultureInfo.InvariantCulture, $"write seconds from 1 to {MaxRpcTimeout}"));
        }

        if (reader.Text(UrlKey, _hereNames) is not { } url)
        {
            return null;
        }

        if (!RpcPeer.TryParse(url, timeout, out RpcPeer? peer, out string? error))
        {
            reader.Error(
                UrlKey, $"Invalid {UrlKey} in [{section.Name}]: {error}", "write unix:///path/to/socket or http://127.0.0.1:port/RPC2");
            return null;
        }

        return new RpcInterfaceConfig(name, section.Find(FactoryKey)?.Value ?? "") { Kind = RpcInterfaceKind.Peer, Peer = peer };
    }

    // What Python says of an entry point that does not exist; here none exists but those that are built in.
    private static string ImportError(string entryPoint)
    {
        int colon = entryPoint.IndexOf(':', StringComparison.Ordinal);
        string module = colon < 0 ? entryPoint : entryPoint[..colon];
        if (module is "supervisor.rpcinterface" or "supervisor.dispatchers")
        {
            return $"module '{module}' has no attribute {PythonText.Repr(colon < 0 ? "" : entryPoint[(colon + 1)..])}";
        }

        bool own = module.StartsWith("supervisor.", StringComparison.Ordinal);
        int dot = module.IndexOf('.', StringComparison.Ordinal);
        string name = own || dot < 0 ? module : module[..dot];
        return "No module named " + PythonText.Repr(name);
    }
}
