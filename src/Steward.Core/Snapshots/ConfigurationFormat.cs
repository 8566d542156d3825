using Steward.Core.Config;
using Steward.Core.Events;
using Steward.Core.Model;

namespace Steward.Core.Snapshots;

/// <summary>
/// A configuration as it is written down: resolved, so that what runs is taken up as it was started, whatever the file says now.
/// </summary>
public static class ConfigurationFormat
{
    /// <summary>Writes a configuration as a field.</summary>
    public static void Write(SnapshotWriter writer, int field, Configuration configuration)
    {
        writer.Begin(field);
        writer.Text(1, configuration.File);
        writer.Text(2, configuration.Here);
        Write(writer, 3, configuration.Supervisord);
        foreach (ServerConfig server in configuration.Servers)
        {
            Write(writer, 4, server);
        }

        foreach (RpcInterfaceConfig rpc in configuration.RpcInterfaces)
        {
            writer.Begin(5);
            writer.Text(1, rpc.Name);
            writer.Text(2, rpc.Factory);
            writer.Integer(3, (int)rpc.Kind);
            if (rpc.Peer is { } peer)
            {
                writer.Text(4, peer.Url);
                writer.Integer(5, peer.TimeoutSeconds);
            }

            foreach (string method in rpc.Whitelist)
            {
                writer.Text(6, method);
            }

            writer.End();
        }

        foreach (GroupConfig group in configuration.Groups)
        {
            Write(writer, 6, group);
        }

        writer.Text(7, configuration.ServerUrl);
        foreach (LoadMessage message in configuration.Messages)
        {
            writer.Begin(8);
            writer.Integer(1, (int)message.Level);
            writer.Text(2, message.Text);
            writer.End();
        }

        writer.Text(9, configuration.FullPath);
        foreach (HookConfig hook in configuration.Hooks)
        {
            Write(writer, 10, hook);
        }

        writer.End();
    }

    /// <summary>Reads a configuration.</summary>
    /// <exception cref="SnapshotRefusedException">It cannot be taken up.</exception>
    public static Configuration Read(SnapshotReader reader)
    {
        string file = reader.Text(1, "file");
        string here = reader.Text(2, "here");
        SupervisordConfig supervisord = ReadSupervisord(reader.Record(3, "supervisord"));
        var servers = new List<ServerConfig>();
        while (reader.Next(4, "servers", out SnapshotReader server))
        {
            servers.Add(ReadServer(server));
        }

        var rpcInterfaces = new List<RpcInterfaceConfig>();
        while (reader.Next(5, "rpcInterfaces", out SnapshotReader rpc))
        {
            rpcInterfaces.Add(ReadRpcInterface(rpc));
        }

        var groups = new List<GroupConfig>();
        while (reader.Next(6, "groups", out SnapshotReader group))
        {
            groups.Add(ReadGroup(group));
        }

        string? serverUrl = reader.OptionalText(7, "serverUrl");
        var messages = new List<LoadMessage>();
        while (reader.Next(8, "messages", out SnapshotReader message))
        {
            messages.Add(new LoadMessage(message.Choice<LogLevel>(1, "level"), message.Text(2, "text")));
            message.End();
        }

        string fullPath = reader.Text(9, "fullPath");
        var hooks = new List<HookConfig>();
        while (reader.Next(10, "hooks", out SnapshotReader hook))
        {
            hooks.Add(ReadHook(hook));
        }

        reader.End();
        return new Configuration
        {
            File = file,
            FullPath = fullPath,
            Here = here,
            Supervisord = supervisord,
            Servers = servers,
            RpcInterfaces = rpcInterfaces,
            Groups = groups,
            Hooks = hooks,
            ServerUrl = serverUrl,
            Messages = messages,
        };
    }

    private static RpcInterfaceConfig ReadRpcInterface(SnapshotReader reader)
    {
        string name = reader.Text(1, "name");
        string factory = reader.Text(2, "factory");
        RpcInterfaceKind kind = reader.OptionalChoice<RpcInterfaceKind>(3, "kind") ?? RpcInterfaceKind.Supervisor;
        RpcPeer? peer = null;
        if (reader.OptionalText(4, "url") is { } url
            && !RpcPeer.TryParse(url, reader.OptionalInt32(5, "timeout", 1) ?? RpcPeer.DefaultTimeout, out peer, out string? error))
        {
            throw reader.Refusal("url", error!);
        }

        if (kind == RpcInterfaceKind.Peer != peer is not null)
        {
            throw reader.Refusal("url", "a namespace has an address exactly when another program serves it");
        }

        var read = new RpcInterfaceConfig(name, factory) { Kind = kind, Peer = peer, Whitelist = EquatableList.From(reader.Texts(6, "whitelist")) };
        reader.End();
        return read;
    }

    /// <summary>The configuration of one process as bytes: the same ones for equal configurations, other ones for others.</summary>
    public static byte[] Bytes(ProcessConfig process)
    {
        var writer = new SnapshotWriter();
        Write(writer, 1, process);
        return writer.Written.ToArray();
    }

    internal static void Write(SnapshotWriter writer, int field, GroupConfig group)
    {
        writer.Begin(field);
        writer.Integer(1, (int)group.Kind);
        writer.Text(2, group.Name);
        writer.Integer(3, group.Priority);
        foreach (ProcessConfig process in group.Processes)
        {
            Write(writer, 4, process);
        }

        if (group.Pool is { } pool)
        {
            writer.Begin(5);
            foreach (string name in pool.Events)
            {
                writer.Text(1, name);
            }

            writer.Integer(2, pool.BufferSize);
            writer.Text(3, pool.ResultHandler);
            writer.Flag(4, !pool.UnknownRestart);
            writer.Integer(5, pool.ResultTimeout);
            writer.End();
        }

        writer.End();
    }

    internal static GroupConfig ReadGroup(SnapshotReader reader)
    {
        GroupKind kind = reader.Choice<GroupKind>(1, "kind");
        string name = reader.Text(2, "name");
        int priority = reader.Int32(3, "priority");
        var processes = new List<ProcessConfig>();
        while (reader.Next(4, "processes", out SnapshotReader process))
        {
            processes.Add(ReadProcess(process));
        }

        EventPoolConfig? pool = null;
        if (reader.TryRecord(5, "pool", out SnapshotReader inner))
        {
            pool = new EventPoolConfig(EquatableList.From(inner.Texts(1, "events")), inner.Int32(2, "bufferSize"), inner.Text(3, "resultHandler"))
            {
                // Older snapshots have neither.
                UnknownRestart = inner.OptionalInt32(4, "keepUnknown", 0, 1) != 1,
                ResultTimeout = inner.OptionalInt32(5, "resultTimeout", 0) ?? 0,
            };
            inner.End();
        }

        reader.End();
        return new GroupConfig { Kind = kind, Name = name, Priority = priority, Processes = EquatableList.From(processes), Pool = pool };
    }

    private static void Write(SnapshotWriter writer, int field, HookConfig hook)
    {
        writer.Begin(field);
        writer.Text(1, hook.Name);
        writer.Integer(2, (long)hook.Events);
        foreach (string pattern in hook.Programs)
        {
            writer.Text(3, pattern);
        }

        foreach (string process in hook.Processes)
        {
            writer.Text(4, process);
        }

        writer.Integer(5, (int)hook.Kind);
        writer.Text(6, hook.Target);
        writer.Integer(7, hook.Timeout);
        Write(writer, 8, hook.User);
        writer.Integer(9, (int)hook.Format);
        writer.Text(10, hook.Template);
        writer.Text(11, hook.Secret);
        writer.Text(12, hook.Token);
        writer.Text(13, hook.Chat);
        foreach ((string name, string value) in hook.Headers)
        {
            writer.Begin(14);
            writer.Text(1, name);
            writer.Text(2, value);
            writer.End();
        }

        writer.Integer(15, hook.Retries ?? -1);
        writer.Integer(16, hook.RetryFor);
        writer.Integer(17, hook.QueueSize);
        writer.Integer(18, hook.MinInterval);
        writer.Text(19, hook.SendMail);
        writer.Text(20, hook.SmtpHost);
        writer.Integer(21, hook.SmtpPort);
        writer.Text(22, hook.From);
        writer.End();
    }

    private static HookConfig ReadHook(SnapshotReader reader)
    {
        string name = reader.Text(1, "name");
        var events = (HookEvents)reader.Integer(2, "events");
        EquatableList<string> programs = EquatableList.From(reader.Texts(3, "programs"));
        EquatableList<string> processes = EquatableList.From(reader.Texts(4, "processes"));
        HookKind kind = reader.Choice<HookKind>(5, "kind");
        string target = reader.Text(6, "target");
        int timeout = reader.Int32(7, "timeout");
        UserIdentity? user = ReadUser(ref reader, 8);
        HookFormat format = reader.Choice<HookFormat>(9, "format");
        string? template = reader.OptionalText(10, "template");
        string? secret = reader.OptionalText(11, "secret");
        string? token = reader.OptionalText(12, "token");
        string? chat = reader.OptionalText(13, "chat");
        var headers = new List<KeyValuePair<string, string>>();
        while (reader.Next(14, "headers", out SnapshotReader header))
        {
            headers.Add(KeyValuePair.Create(header.Text(1, "name"), header.Text(2, "value")));
            header.End();
        }

        int retries = reader.Int32(15, "retries");
        var hook = new HookConfig
        {
            Name = name,
            Events = events,
            Programs = programs,
            Processes = processes,
            Kind = kind,
            Target = target,
            Timeout = timeout,
            User = user,
            Format = format,
            Template = template,
            Secret = secret,
            Token = token,
            Chat = chat,
            Headers = EquatableList.From(headers),
            Retries = retries < 0 ? null : retries,
            RetryFor = reader.Int32(16, "retryFor"),
            QueueSize = reader.Int32(17, "queueSize"),
            MinInterval = reader.Int32(18, "minInterval"),
            SendMail = reader.Text(19, "sendMail"),
            SmtpHost = reader.OptionalText(20, "smtpHost"),
            SmtpPort = reader.Int32(21, "smtpPort"),
            From = reader.OptionalText(22, "from"),
        };
        reader.End();
        return hook;
    }

    private static void Write(SnapshotWriter writer, int field, SupervisordConfig config)
    {
        writer.Begin(field);
        writer.Integer(1, config.MinFds);
        writer.Integer(2, config.MinProcs);
        writer.Text(3, config.Directory);
        Write(writer, 4, config.User);
        writer.Integer(5, config.Umask);
        writer.Text(6, config.LogFile);
        writer.Integer(7, config.LogFileMaxBytes);
        writer.Integer(8, config.LogFileBackups);
        writer.Integer(9, (int)config.LogLevel);
        writer.Text(10, config.PidFile);
        writer.Text(11, config.Identifier);
        writer.Flag(12, config.NoDaemon);
        writer.Flag(13, config.Silent);
        writer.Text(14, config.ChildLogDir);
        writer.Flag(15, config.NoCleanup);
        writer.Flag(16, config.StripAnsi);
        writer.Text(17, config.JournalPath);
        writer.Integer(18, config.JournalMaxBytes);
        writer.Integer(19, config.JournalMaxDays);
        writer.Integer(20, (int)config.OrphanPolicy);
        writer.Flag(21, config.Keeper);
        writer.End();
    }

    private static SupervisordConfig ReadSupervisord(SnapshotReader reader)
    {
        var config = new SupervisordConfig
        {
            MinFds = reader.Int32(1, "minFds"),
            MinProcs = reader.Int32(2, "minProcs"),
            Directory = reader.OptionalText(3, "directory"),
            User = ReadUser(ref reader, 4),
            Umask = reader.Int32(5, "umask"),
            LogFile = reader.OptionalText(6, "logFile"),
            LogFileMaxBytes = reader.Integer(7, "logFileMaxBytes"),
            LogFileBackups = reader.Int32(8, "logFileBackups"),
            LogLevel = reader.Choice<LogLevel>(9, "logLevel"),
            PidFile = reader.Text(10, "pidFile"),
            Identifier = reader.Text(11, "identifier"),
            NoDaemon = reader.Flag(12, "noDaemon"),
            Silent = reader.Flag(13, "silent"),
            ChildLogDir = reader.Text(14, "childLogDir"),
            NoCleanup = reader.Flag(15, "noCleanup"),
            StripAnsi = reader.Flag(16, "stripAnsi"),

            // Missing from snapshots of the first versions.
            JournalPath = reader.OptionalText(17, "journalPath"),
            JournalMaxBytes = reader.OptionalInteger(18, "journalMaxBytes") ?? 256L << 20,
            JournalMaxDays = reader.OptionalInt32(19, "journalMaxDays") ?? 30,
            OrphanPolicy = (OrphanPolicy)(reader.OptionalInt32(20, "orphanPolicy", 0, 1) ?? 0),
            Keeper = reader.OptionalInt32(21, "keeper", 0, 1) == 1,
        };
        reader.End();
        return config;
    }

    private static void Write(SnapshotWriter writer, int field, UserIdentity? user)
    {
        if (user is null)
        {
            return;
        }

        writer.Begin(field);
        writer.Text(1, user.Name);
        writer.Integer(2, user.Uid);
        writer.Integer(3, user.Gid);
        foreach (int group in user.Groups)
        {
            writer.Integer(4, group);
        }

        writer.End();
    }

    private static UserIdentity? ReadUser(ref SnapshotReader reader, int field)
    {
        if (!reader.TryRecord(field, "user", out SnapshotReader inner))
        {
            return null;
        }

        var user = new UserIdentity(inner.Text(1, "name"), inner.Int32(2, "uid"), inner.Int32(3, "gid"), EquatableList.From(inner.Int32s(4, "groups")));
        inner.End();
        return user;
    }

    private static void Write(SnapshotWriter writer, int field, ServerConfig server)
    {
        writer.Begin(field);
        writer.Integer(1, (int)server.Kind);
        writer.Text(2, server.Section);
        writer.Text(3, server.Host);
        writer.Integer(4, server.Port);
        writer.Text(5, server.File);
        writer.Integer(6, server.Chmod);
        writer.Integer(7, server.OwnerUid);
        writer.Integer(8, server.OwnerGid);
        writer.Text(9, server.Username);
        writer.Text(10, server.Password);
        writer.End();
    }

    private static ServerConfig ReadServer(SnapshotReader reader)
    {
        var server = new ServerConfig
        {
            Kind = reader.Choice<ServerKind>(1, "kind"),
            Section = reader.Text(2, "section"),
            Host = reader.Text(3, "host"),
            Port = reader.Int32(4, "port"),
            File = reader.Text(5, "file"),
            Chmod = reader.Int32(6, "chmod"),
            OwnerUid = reader.Int32(7, "ownerUid"),
            OwnerGid = reader.Int32(8, "ownerGid"),
            Username = reader.OptionalText(9, "username"),
            Password = reader.OptionalText(10, "password"),
        };
        reader.End();
        return server;
    }

    internal static void Write(SnapshotWriter writer, int field, ProcessConfig process)
    {
        writer.Begin(field);
        writer.Text(1, process.Name);
        writer.Text(2, process.Program);
        writer.Text(3, process.Command);
        writer.Integer(4, process.Priority);
        writer.Flag(5, process.AutoStart);
        writer.Integer(6, (int)process.AutoRestart);
        writer.Integer(7, process.StartSecs);
        writer.Integer(8, process.StartRetries);
        writer.Integer(9, process.StopSignal);
        writer.Integer(10, process.StopWaitSecs);
        writer.Flag(11, process.StopAsGroup);
        writer.Flag(12, process.KillAsGroup);
        foreach (int code in process.ExitCodes)
        {
            writer.Integer(13, code);
        }

        writer.Flag(14, process.RedirectStderr);
        writer.Text(15, process.ServerUrl);
        Write(writer, 16, process.User);
        writer.Integer(17, process.Umask);
        writer.Text(18, process.Directory);
        foreach ((string key, string value) in process.Environment)
        {
            writer.Begin(19);
            writer.Text(1, key);
            writer.Text(2, value);
            writer.End();
        }

        Write(writer, 20, process.Stdout);
        Write(writer, 21, process.Stderr);
        Write(writer, 22, process.Socket);
        writer.Flag(23, process.IsListener);
        if (process.MemoryLimit is { } limit)
        {
            writer.Begin(30);
            writer.Integer(1, limit.Bytes);
            writer.Integer(2, limit.CheckSecs);
            writer.Integer(3, (int)limit.Action);
            writer.End();
        }

        Write(writer, 31, process.Health);
        writer.Integer(32, process.KillMode == KillMode.Process ? null : (int)process.KillMode);
        writer.Integer(33, process.AutoStartAsLast ? 1 : null);
        writer.End();
    }

    internal static ProcessConfig ReadProcess(SnapshotReader reader)
    {
        var process = new ProcessConfig
        {
            Name = reader.Text(1, "name"),
            Program = reader.Text(2, "program"),
            Command = reader.Text(3, "command"),
            Priority = reader.Int32(4, "priority"),
            AutoStart = reader.Flag(5, "autoStart"),
            AutoRestart = reader.Choice<AutoRestart>(6, "autoRestart"),
            StartSecs = reader.Int32(7, "startSecs"),
            StartRetries = reader.Int32(8, "startRetries"),
            StopSignal = reader.Int32(9, "stopSignal"),
            StopWaitSecs = reader.Int32(10, "stopWaitSecs"),
            StopAsGroup = reader.Flag(11, "stopAsGroup"),
            KillAsGroup = reader.Flag(12, "killAsGroup"),
            ExitCodes = EquatableList.From(reader.Int32s(13, "exitCodes")),
            RedirectStderr = reader.Flag(14, "redirectStderr"),
            ServerUrl = reader.OptionalText(15, "serverUrl"),
            User = ReadUser(ref reader, 16),
            Umask = reader.OptionalInt32(17, "umask"),
            Directory = reader.OptionalText(18, "directory"),
            Environment = ReadEnvironment(ref reader),
            Stdout = ReadLog(reader.Record(20, "stdout")),
            Stderr = ReadLog(reader.Record(21, "stderr")),
            Socket = ReadSocket(ref reader),
            IsListener = reader.Flag(23, "isListener"),
            MemoryLimit = ReadMemoryLimit(ref reader),
            Health = ReadHealth(ref reader),
            KillMode = reader.OptionalChoice<KillMode>(32, "killMode") ?? KillMode.Process,
            AutoStartAsLast = reader.OptionalInt32(33, "autoStartAsLast", 0, 1) == 1,
        };
        reader.End();
        return process;
    }

    private static MemoryLimitConfig? ReadMemoryLimit(ref SnapshotReader reader)
    {
        if (!reader.TryRecord(30, "memoryLimit", out SnapshotReader inner))
        {
            return null;
        }

        var limit = new MemoryLimitConfig
        {
            Bytes = inner.Integer(1, "bytes", 1),
            CheckSecs = inner.Int32(2, "checkSecs", 1),
            Action = inner.Choice<WatchAction>(3, "action"),
        };
        inner.End();
        return limit;
    }

    private static void Write(SnapshotWriter writer, int field, HealthConfig? health)
    {
        if (health is null)
        {
            return;
        }

        writer.Begin(field);
        writer.Text(1, health.Url);
        writer.Integer(2, health.Interval);
        writer.Integer(3, health.Timeout);
        writer.Integer(4, health.Failures);
        writer.Integer(5, health.Grace);
        foreach (int bound in health.Status)
        {
            writer.Integer(6, bound);
        }

        writer.Integer(7, (int)health.Action);
        writer.End();
    }

    private static HealthConfig? ReadHealth(ref SnapshotReader reader)
    {
        if (!reader.TryRecord(31, "health", out SnapshotReader inner))
        {
            return null;
        }

        var health = new HealthConfig
        {
            Url = inner.Text(1, "url"),
            Interval = inner.Int32(2, "interval", 1),
            Timeout = inner.Int32(3, "timeout", 1),
            Failures = inner.Int32(4, "failures", 1),
            Grace = inner.Int32(5, "grace", 0),
            Status = EquatableList.From(inner.Int32s(6, "status")),
            Action = inner.Choice<WatchAction>(7, "action"),
        };
        inner.End();
        return health;
    }

    private static EquatableList<KeyValuePair<string, string>> ReadEnvironment(ref SnapshotReader reader)
    {
        var variables = new List<KeyValuePair<string, string>>();
        while (reader.Next(19, "environment", out SnapshotReader variable))
        {
            variables.Add(KeyValuePair.Create(variable.Text(1, "key"), variable.Text(2, "value")));
            variable.End();
        }

        return EquatableList.From(variables);
    }

    private static void Write(SnapshotWriter writer, int field, ChildLogConfig log)
    {
        writer.Begin(field);
        writer.Integer(1, (int)log.Kind);
        writer.Text(2, log.Path);
        writer.Integer(3, log.MaxBytes);
        writer.Integer(4, log.Backups);
        writer.Integer(5, log.CaptureMaxBytes);
        writer.Flag(6, log.EventsEnabled);
        writer.Flag(7, log.Syslog);
        writer.End();
    }

    private static ChildLogConfig ReadLog(SnapshotReader reader)
    {
        var log = new ChildLogConfig
        {
            Kind = reader.Choice<ChildLogKind>(1, "kind"),
            Path = reader.Text(2, "path"),
            MaxBytes = reader.Integer(3, "maxBytes"),
            Backups = reader.Int32(4, "backups"),
            CaptureMaxBytes = reader.Integer(5, "captureMaxBytes"),
            EventsEnabled = reader.Flag(6, "eventsEnabled"),
            Syslog = reader.Flag(7, "syslog"),
        };
        reader.End();
        return log;
    }

    /// <summary>Writes the socket of a FastCGI section as a field; nothing for null.</summary>
    public static void Write(SnapshotWriter writer, int field, FastCgiSocketConfig? socket)
    {
        if (socket is null)
        {
            return;
        }

        writer.Begin(field);
        writer.Text(1, socket.Program);
        writer.Text(2, socket.Path);
        writer.Text(3, socket.Host);
        writer.Integer(4, socket.Port);
        writer.Integer(5, socket.Backlog);
        writer.Integer(6, socket.OwnerUid);
        writer.Integer(7, socket.OwnerGid);
        writer.Integer(8, socket.Mode);
        writer.End();
    }

    private static FastCgiSocketConfig? ReadSocket(ref SnapshotReader reader) =>
        reader.TryRecord(22, "socket", out SnapshotReader inner) ? ReadSocket(inner) : null;

    /// <summary>Reads the socket of a FastCGI section.</summary>
    /// <exception cref="SnapshotRefusedException">It cannot be taken up.</exception>
    public static FastCgiSocketConfig ReadSocket(SnapshotReader reader)
    {
        var socket = new FastCgiSocketConfig
        {
            Program = reader.Text(1, "program"),
            Path = reader.OptionalText(2, "path"),
            Host = reader.Text(3, "host"),
            Port = reader.Int32(4, "port"),
            Backlog = reader.OptionalInt32(5, "backlog"),
            OwnerUid = reader.Int32(6, "ownerUid"),
            OwnerGid = reader.Int32(7, "ownerGid"),
            Mode = reader.Int32(8, "mode"),
        };
        reader.End();
        return socket;
    }
}
