using Steward.Core.Config;

namespace Steward.Core.Tests.Config;

public static class ConfigFaultTests
{
    [Theory]
    [InlineData(
        "Format string '%(x)s' for 'program:a.command' contains names ('x') which cannot be expanded. Available names: ENV_A, ENV_B, here in section 'program:a' (file: 'f')",
        "f:3: [program:a] command=%(x)s: Format string '%(x)s' for 'program:a.command' contains names ('x') which cannot be expanded in section 'program:a' (file: 'f')")]
    [InlineData(
        "Format string '%(x)s' for 'include.files' contains names ('x') which cannot be expanded. Available names: ENV_A, here",
        "f:3: [program:a] command=%(x)s: Format string '%(x)s' for 'include.files' contains names ('x') which cannot be expanded")]
    public static void A_line_does_not_list_the_whole_environment(string text, string expected) =>
        Assert.Equal(expected, new ConfigFault(FaultSeverity.Error, "f", 3, "program:a", "command", "%(x)s", text, null).Render());
}
