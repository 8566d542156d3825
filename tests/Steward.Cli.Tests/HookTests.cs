using Steward.Protocol.XmlRpc;

namespace Steward.Cli.Tests;

public sealed class HookTests : IDisposable
{
    private readonly Place _place = new();
    private readonly FakeServer _server;

    public HookTests() => _server = new FakeServer(_place.At("s.sock"));

    public void Dispose()
    {
        _server.Dispose();
        _place.Dispose();
    }

    private (int Status, string Output, string Error) Run(string line) => _place.Run(["-s", _server.Url, line]);

    [Fact]
    public void Hooks_are_shown_in_a_table()
    {
        _server.On("steward.getHooks", _ => FakeServer.Array(
            FakeServer.Struct(
                ("name", "ops"), ("kind", "url"), ("target", "https://example.org/…"), ("delivered", 12), ("waiting", 3), ("last_error", "the answer was 500"),
                ("last_error_time", 1), ("last_success_time", 0)),
            FakeServer.Struct(("name", "on_crash:web"), ("kind", "mail"), ("target", "ops@example.org"), ("failed", 1), ("dropped", 2))));

        (int status, string output, string _) = Run("hooks");

        Assert.Equal(0, status);
        Assert.Equal(
            "NAME          TARGET                     DELIVERED  FAILED  DROPPED  WAITING  LAST SUCCESS\n"
            + "ops           url https://example.org/…         12       0        0        3  never\n"
            + $"    last error, {DateTimeOffset.FromUnixTimeSeconds(1).LocalDateTime:yyyy-MM-dd HH:mm:ss}: the answer was 500\n"
            + "on_crash:web  mail ops@example.org               0       1        2        0  never\n",
            output);
    }

    [Fact]
    public void A_hook_is_tested()
    {
        _server.On("steward.testHook", parameters => ((XmlRpcString)parameters[0]).Value switch
        {
            "good" => "",
            "bad" => "connection refused",
            _ => FakeServer.Fault(10, "BAD_NAME: x"),
        });

        Assert.Equal((0, "good: delivered\n", ""), Run("hooks test good"));
        Assert.Equal((1, "bad: ERROR (connection refused)\n", ""), Run("hooks test bad"));
        Assert.Equal((1, "x: ERROR (no such hook)\n", ""), Run("hooks test x"));
        Assert.StartsWith("Error: hooks takes nothing", Run("hooks try x").Output);
    }

    [Fact]
    public void A_daemon_without_hooks_is_told_apart()
    {
        _server.On("steward.getHooks", _ => FakeServer.Fault(1, "UNKNOWN_METHOD"));

        Assert.StartsWith("ERROR: this daemon has no hooks", Run("hooks").Output);
    }
}
