using Steward.Core.Config;

namespace Steward.Core.Tests.Config;

public sealed class ExpanderTests
{
    private static readonly Expansions Names = new Expansions(
            Expansions.OfEnvironment([new("X", "x"), new("HOME", "/root")]))
        .Set("here", "/etc").Set("program_name", "web").Set("process_num", 7).Set("ENV_X", "own");

    [Theory]
    [InlineData("100%%", "100%")]
    [InlineData("%(program_name)s_%(process_num)02d", "web_07")]
    [InlineData("%(ENV_HOME)s/%(here)-6s|%(process_num)x", "/root//etc  |7")]
    [InlineData("%(ENV_X)s", "own")]
    [InlineData("%(program_name)r", "'web'")]
    [InlineData("plain", "plain")]
    public void A_value_is_expanded(string value, string expected)
    {
        Assert.True(Expander.TryExpand(value, Names, "s.k", out string? result, out _));
        Assert.Equal(expected, result);
    }

    [Theory]
    [InlineData("a %Y", "unsupported format character 'Y' (0x59) at index 3")]
    [InlineData("100%", "incomplete format")]
    [InlineData("%(here)", "incomplete format")]
    [InlineData("%(here", "incomplete format key")]
    [InlineData("%(program_name)d", "%d format: a real number is required, not str")]
    [InlineData("%d", "%d format: a real number is required, not dict")]
    [InlineData("%s %s", "not enough arguments for format string")]
    [InlineData("100% x", "%x format: an integer is required, not dict")]
    [InlineData("date +%s", "%s format: a name in parentheses is required, as in %(here)s; a percent sign itself is written %%")]
    [InlineData("%(here)9999999999s", "width too big")]
    public void A_bad_format_is_explained(string value, string reason)
    {
        Assert.False(Expander.TryExpand(value, Names, "program:web.command", out _, out string? error));
        Assert.Equal($"Format string {PythonText.Repr(value)} for 'program:web.command' is badly formatted: {reason}", error);
    }

    [Fact]
    public void An_unknown_name_is_answered_with_the_known_ones()
    {
        Assert.False(Expander.TryExpand("%(nope)s", Names, "environment", out _, out string? error));
        Assert.Equal(
            "Format string '%(nope)s' for 'environment' contains names ('nope') which cannot be expanded. " +
            "Available names: ENV_HOME, ENV_X, here, process_num, program_name",
            error);
    }
}
