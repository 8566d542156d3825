using System.Diagnostics;
using System.Globalization;
using System.Net.Sockets;
using System.Runtime.InteropServices;
using Microsoft.Win32.SafeHandles;
using Steward.Core.Model;
using Steward.Linux.Handover;
using Steward.Linux.Host;

[assembly: System.Runtime.Versioning.SupportedOSPlatform("linux")]

namespace Steward.Keeper.Tests;

/// <summary>This assembly as a program: a keeper, and the daemon that it starts.</summary>
internal static class TestProgram
{
    /// <summary>The words that start this assembly as a program.</summary>
    public static IReadOnlyList<string> Command =>
    [
        Path.GetFullPath(Path.Combine(RuntimeEnvironment.GetRuntimeDirectory(), "../../../dotnet")),
        "exec",
        typeof(TestProgram).Assembly.Location,
    ];

    public static int Main(string[] arguments) => arguments switch
    {
        ["keep", string image, string socket] => Keep(image, socket),
        ["daemon", string name, string fd, string socket] => Obey(name, fd, socket),
        ["keeper", string name, KeeperStart.RenewWord, string handles, ..] => Renew(name, handles, refused: null),
        ["keeper", string name, KeeperStart.KeepOnWord, string handles, string refused, ..] => Renew(name, handles, refused),
        _ => 2,
    };

    private static int Obey(string name, string fd, string socket)
    {
        using var daemon = new ObedientDaemon(name, fd, socket);
        return daemon.Run();
    }

    private static int Renew(string name, string handles, string? refused)
    {
        DaemonSignals.PrepareBlocked();
        return KeeperProcess.Resume(handles, refused, name, SystemClock.Instance, Console.WriteLine) ?? 3;
    }

    private static int Keep(string image, string socket)
    {
        DaemonSignals.Prepare();
        var start = new KeeperStart(["name", socket], "/the/start", IsDetached: false, static () => Console.WriteLine("started")) { Image = image };
        return KeeperProcess.Run(start, SystemClock.Instance, Console.WriteLine);
    }

    /// <summary>A daemon that does what the test says, a line each, and tells it what it sees.</summary>
    private sealed class ObedientDaemon : IDisposable
    {
        private readonly KeeperLink _link;
        private readonly StreamReader _reader;
        private readonly StreamWriter _writer;
        private readonly List<PosixSignalRegistration> _signals = [];
        private readonly string _name;

        public ObedientDaemon(string name, string fd, string path)
        {
            _name = name;
            _link = KeeperLink.Open(int.Parse(fd, CultureInfo.InvariantCulture))!;
            var socket = new Socket(AddressFamily.Unix, SocketType.Stream, ProtocolType.Unspecified);
            socket.Connect(new UnixDomainSocketEndPoint(path));
            var stream = new NetworkStream(socket, ownsSocket: true);
            _reader = new StreamReader(stream);
            _writer = new StreamWriter(stream) { AutoFlush = true };
            foreach (PosixSignal signal in (PosixSignal[])[PosixSignal.SIGTERM, PosixSignal.SIGHUP])
            {
                _signals.Add(PosixSignalRegistration.Create(signal, context =>
                {
                    context.Cancel = true;
                    Tell($"signal {context.Signal}");
                }));
            }
        }

        public int Run()
        {
            Tell(string.Create(CultureInfo.InvariantCulture, $"begin {Environment.ProcessId} {_name} {_link.Attempt} {_link.StartPath} {string.Join(',', _link.Table.Roles.Order(StringComparer.Ordinal))} {_link.Death}"));
            _link.Listen(() =>
            {
                while (_link.TryTakeExit(out int pid, out WaitStatus status))
                {
                    Tell($"exit {pid} {status.Describe()}");
                }
            });
            while (_reader.ReadLine() is { } line)
            {
                switch (line.Split(' '))
                {
                    case ["hold", var role, var path]:
                        using (SafeFileHandle file = File.OpenHandle(path))
                        {
                            _link.Hold([role], [(int)file.DangerousGetHandle()]);
                        }

                        break;

                    case ["read", var role]:
                        using (var held = new FileStream(new SafeFileHandle(_link.Table.TryTake(role), ownsHandle: true), FileAccess.Read))
                        using (var text = new StreamReader(held))
                        {
                            Tell(text.ReadLine() ?? "nothing");
                        }

                        break;

                    case ["drop", .. var roles]:
                        _link.Drop(roles);
                        break;

                    case ["adopt", .. var pids]:
                        _link.Adopt([.. pids.Select(static pid => int.Parse(pid, CultureInfo.InvariantCulture))]);
                        break;

                    case ["reap", var pid]:
                        _link.Reap(int.Parse(pid, CultureInfo.InvariantCulture));
                        break;

                    case ["ready"]:
                        _link.Ready();
                        break;

                    case ["renew"]:
                        _link.Renew(version => Tell($"renewed {version}"), reason => Tell($"unrenewed {reason}"));
                        break;

                    case ["gone"]:
                        Tell(_link.Gone.Wait(TestKeeper.Limit) ? "gone" : "still there");
                        break;

                    case ["ending"]:
                        _link.Ending();
                        break;

                    case ["exit", var status]:
                        return int.Parse(status, CultureInfo.InvariantCulture);

                    case ["spawn", ..]:
                        using (var program = Process.Start(new ProcessStartInfo("/bin/sh", ["-c", line["spawn ".Length..]]))!)
                        {
                            Tell($"pid {program.Id}");
                        }

                        break;
                }

                Tell("done");
            }

            return 99;
        }

        public void Dispose()
        {
            _reader.Dispose();
            _writer.Dispose();
        }

        private void Tell(string line)
        {
            lock (_link)
            {
                _writer.WriteLine(line);
            }
        }
    }
}
