using Steward.Protocol.XmlRpc;

namespace Steward.Http.Tests;

public partial class RpcTests
{
    [Fact]
    public async Task Hooks_say_how_they_are_doing() => Assert.Equal(
        """
        [{"name":"good","kind":"url","target":"https://example.org/…","delivered":3,"failed":1,"dropped":2,"waiting":4,"last_error":"the answer was 500","last_error_time":1800000000,"last_success_time":1800000001},{"name":"bad","kind":"mail","target":"ops@example.org","delivered":0,"failed":0,"dropped":0,"waiting":0,"last_error":"","last_error_time":0,"last_success_time":0}]
        """,
        Show((XmlRpcValue)await CallAsync("steward.getHooks")));

    [Fact]
    public async Task A_hook_is_tested_and_the_error_is_the_answer()
    {
        Assert.Equal("\"\"", Show((XmlRpcValue)await CallAsync("steward.testHook", "good")));
        Assert.Equal("\"connection refused\"", Show((XmlRpcValue)await CallAsync("steward.testHook", "bad")));
        Assert.Equal("10 BAD_NAME: ugly", await CallAsync("steward.testHook", "ugly"));
        Assert.Equal("2 INCORRECT_PARAMETERS", await CallAsync("steward.testHook"));
        Assert.Equal("2 INCORRECT_PARAMETERS", await CallAsync("steward.testHook", 1));
        Assert.Equal("2 INCORRECT_PARAMETERS", await CallAsync("steward.getHooks", "x"));
        Assert.Equal("1 UNKNOWN_METHOD", await CallAsync("steward.nothing"));
    }
}
