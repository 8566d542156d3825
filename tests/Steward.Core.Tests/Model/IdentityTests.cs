using Steward.Core.Inputs;
using Steward.Core.Model;

namespace Steward.Core.Tests.Model;

public sealed class IdentityTests
{
    [Fact]
    public void An_input_can_be_shown()
    {
        Assert.Equal("7", new Incarnation(7).ToString());
        Assert.Contains("Incarnation = 7", new ChildSpawned(new ProcessId(1), new Incarnation(7), 3).ToString(), StringComparison.Ordinal);
    }
}
