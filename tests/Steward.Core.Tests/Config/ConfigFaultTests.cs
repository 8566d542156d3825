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

    [Fact]
    public static void A_fault_is_one_line_whatever_the_names_in_it_hold() =>
        Assert.Equal(
            "f:3: [group:a] programs=b c: no program b c \u2014 add a section [program:b c]",
            new ConfigFault(FaultSeverity.Error, "f", 3, "group:a", "programs", "b\n c", "no program b\r\nc", "add a section [program:b\nc]").Render());
}
