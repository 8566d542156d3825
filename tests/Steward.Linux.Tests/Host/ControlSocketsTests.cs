using System.Net;
using System.Net.Sockets;
using Steward.Core.Config;
using Steward.Linux.Host;

namespace Steward.Linux.Tests.Host;

public sealed class ControlSocketsTests : IDisposable
{
    private readonly TempDirectory _folder = new();
    private readonly List<string> _said = [];

    public void Dispose() => _folder.Dispose();

    private string PathOf(string name) => Path.Combine(_folder.Path, name);

    private ServerConfig Unix(string name, int mode = 0x1C0) =>
        new() { Kind = ServerKind.Unix, Section = "unix_http_server", File = PathOf(name), Chmod = mode };

    private ControlSockets Create(ServerConfig[] servers, ControlSockets? former = null) => ControlSockets.Create(servers, _said.Add, former);

    private static bool Connects(string path)
    {
        using var socket = new Socket(AddressFamily.Unix, SocketType.Stream, ProtocolType.Unspecified);
        try
        {
            socket.Connect(new UnixDomainSocketEndPoint(path));
            return true;
        }
        catch (SocketException)
        {
            return false;
        }
    }

    private static int FreePort()
    {
        using var socket = new Socket(AddressFamily.InterNetwork, SocketType.Stream, ProtocolType.Tcp);
        socket.Bind(new IPEndPoint(IPAddress.Loopback, 0));
        return ((IPEndPoint)socket.LocalEndPoint!).Port;
    }

    [Fact]
    public void A_unix_socket_has_its_mode_and_goes_with_its_owner()
    {
        using (ControlSockets sockets = Create([Unix("a.sock", 0x1A4)]))
        {
            Assert.Equal((UnixFileMode)0x1A4, File.GetUnixFileMode(PathOf("a.sock")) & (UnixFileMode)0x1FF);
            Assert.True(Connects(PathOf("a.sock")));
            Assert.Equal(["a.sock"], Directory.GetFileSystemEntries(_folder.Path).Select(Path.GetFileName));
        }

        Assert.Empty(Directory.GetFileSystemEntries(_folder.Path));
    }

    [Fact]
    public void A_socket_that_somebody_listens_on_is_not_taken_and_nothing_is_left_behind()
    {
        using ControlSockets first = Create([Unix("a.sock")]);
        StartException refused = Assert.Throws<StartException>(() => Create([Unix("b.sock"), Unix("a.sock")]));
        Assert.StartsWith("Another program is already listening on a port", refused.Message, StringComparison.Ordinal);
        Assert.True(Connects(PathOf("a.sock")));
        Assert.Equal(["a.sock"], Directory.GetFileSystemEntries(_folder.Path).Select(Path.GetFileName));
        Assert.Empty(_said);
    }

    [Fact]
    public void A_socket_file_that_nobody_listens_on_is_replaced()
    {
        using (var stale = new Socket(AddressFamily.Unix, SocketType.Stream, ProtocolType.Unspecified))
        {
            stale.Bind(new UnixDomainSocketEndPoint(PathOf("was.sock")));
            stale.Listen();
            File.Move(PathOf("was.sock"), PathOf("a.sock"));
        }

        using ControlSockets sockets = Create([Unix("a.sock")]);
        Assert.Equal(["Unlinking stale socket " + PathOf("a.sock")], _said);
        Assert.True(Connects(PathOf("a.sock")));
    }

    [Fact]
    public void A_file_that_is_no_socket_is_left_alone()
    {
        File.WriteAllText(PathOf("a.sock"), "precious");
        StartException refused = Assert.Throws<StartException>(() => Create([Unix("a.sock")]));
        Assert.Contains("is no socket", refused.Message, StringComparison.Ordinal);
        Assert.Equal("precious", File.ReadAllText(PathOf("a.sock")));
    }

    [Fact]
    public void Another_file_in_its_place_is_not_removed_at_the_end()
    {
        ControlSockets sockets = Create([Unix("a.sock")]);
        File.Delete(PathOf("a.sock"));
        File.WriteAllText(PathOf("a.sock"), "somebody else's");
        sockets.Dispose();
        Assert.Equal("somebody else's", File.ReadAllText(PathOf("a.sock")));
    }

    [Fact]
    public void What_a_reload_keeps_stays_open_and_what_it_drops_is_removed()
    {
        ControlSockets former = Create([Unix("kept.sock"), Unix("dropped.sock")]);
        using var waiting = new Socket(AddressFamily.Unix, SocketType.Stream, ProtocolType.Unspecified);
        waiting.Connect(new UnixDomainSocketEndPoint(PathOf("kept.sock")));

        using ControlSockets next = Create([Unix("kept.sock") with { Username = "me", Password = "x" }, Unix("new.sock")], former);
        next.TakeOver(former);

        // The connection made to the former socket waits in the queue of the new one: it is the same.
        using var accepting = new Socket(new SafeSocketHandle(next.Sockets[0].Fd, ownsHandle: false));
        Assert.True(accepting.Poll(TimeSpan.FromSeconds(10), SelectMode.SelectRead));
        Assert.True(Connects(PathOf("new.sock")));
        Assert.False(File.Exists(PathOf("dropped.sock")));
    }

    [Fact]
    public void A_reload_that_changes_the_mode_puts_a_new_socket_in_the_place_of_the_old()
    {
        ControlSockets former = Create([Unix("a.sock", 0x180)]);
        ControlSockets next = Create([Unix("a.sock", 0x1B0)], former);
        Assert.Equal((UnixFileMode)0x180, File.GetUnixFileMode(PathOf("a.sock")) & (UnixFileMode)0x1FF);
        next.TakeOver(former);
        Assert.Equal((UnixFileMode)0x1B0, File.GetUnixFileMode(PathOf("a.sock")) & (UnixFileMode)0x1FF);
        Assert.True(Connects(PathOf("a.sock")));
        next.Dispose();
        Assert.Empty(Directory.GetFileSystemEntries(_folder.Path));
    }

    [Fact]
    public void A_reload_that_is_given_up_leaves_the_former_sockets_as_they_were()
    {
        using ControlSockets former = Create([Unix("a.sock", 0x180)]);
        ControlSockets next = Create([Unix("a.sock", 0x1B0), Unix("b.sock")], former);
        next.Dispose();
        Assert.True(Connects(PathOf("a.sock")));
        Assert.Equal(["a.sock"], Directory.GetFileSystemEntries(_folder.Path).Select(Path.GetFileName));
    }

    [Fact]
    public void A_port_in_use_is_told_as_Supervisor_tells_it()
    {
        int port = FreePort();
        var server = new ServerConfig { Kind = ServerKind.Inet, Section = "inet_http_server", Host = "127.0.0.1", Port = port };
        using ControlSockets first = Create([server]);
        StartException refused = Assert.Throws<StartException>(() => Create([server]));
        Assert.StartsWith("Another program is already listening on a port", refused.Message, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("no-such-host.invalid", "Cannot open an HTTP server: socket.error reported -2")]
    [InlineData("192.0.2.1", "Cannot open an HTTP server: socket.error reported errno.EADDRNOTAVAIL (99)")]
    public void An_address_that_is_not_ours_is_told(string host, string expected)
    {
        var server = new ServerConfig { Kind = ServerKind.Inet, Section = "inet_http_server", Host = host, Port = FreePort() };
        StartException refused = Assert.Throws<StartException>(() => Create([server]));
        Assert.StartsWith(expected, refused.Message, StringComparison.Ordinal);
    }

    [Fact]
    public void A_path_too_long_for_a_socket_names_the_key()
    {
        StartException refused = Assert.Throws<StartException>(() => Create([Unix(new string('x', 120))]));
        Assert.Contains("file= in [unix_http_server]", refused.Message, StringComparison.Ordinal);
    }

    [Fact]
    public void A_file_that_vanished_is_made_anew_as_it_was()
    {
        using ControlSockets sockets = Create([Unix("a.sock", 0x1A4), Unix("b.sock")]);
        Assert.Equal([PathOf("a.sock"), PathOf("b.sock")], sockets.Files);
        Assert.Empty(sockets.Restore(_said.Add));
        File.Delete(PathOf("a.sock"));

        ControlSocket restored = Assert.Single(sockets.Restore(_said.Add));

        Assert.Equal(PathOf("a.sock"), restored.Config.File);
        Assert.Equal([$"socket file {PathOf("a.sock")} had vanished and is there again"], _said);
        Assert.Equal((UnixFileMode)0x1A4, File.GetUnixFileMode(PathOf("a.sock")) & (UnixFileMode)0x1FF);
        Assert.True(Connects(PathOf("a.sock")));
        Assert.Equal(restored.Fd, sockets.Sockets[0].Fd);
        sockets.Dispose();
        Assert.Empty(Directory.GetFileSystemEntries(_folder.Path));
    }

    [Fact]
    public void What_somebody_else_put_in_its_place_stays()
    {
        using ControlSockets sockets = Create([Unix("a.sock")]);
        File.Delete(PathOf("a.sock"));
        File.WriteAllText(PathOf("a.sock"), "mine");
        Assert.Empty(sockets.Restore(_said.Add));
        sockets.Dispose();
        Assert.Equal("mine", File.ReadAllText(PathOf("a.sock")));
    }

    [Fact]
    public void A_file_whose_folder_is_gone_too_cannot_be_made_anew_and_it_is_said()
    {
        string folder = Directory.CreateDirectory(PathOf("f")).FullName;
        using ControlSockets sockets = Create([Unix("f/a.sock")]);
        Directory.Delete(folder, recursive: true);
        Assert.Empty(sockets.Restore(_said.Add));
        Assert.StartsWith($"socket file {folder}/a.sock has vanished and cannot be made anew: ", Assert.Single(_said));
    }
}
