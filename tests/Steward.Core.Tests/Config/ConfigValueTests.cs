using Steward.Core.Config;
using Steward.Core.Model;

namespace Steward.Core.Tests.Config;

public sealed class ConfigValueTests
{
    private static readonly FakeEnvironment Machine = new();

    [Theory]
    [InlineData("010", 10)]
    [InlineData(" -1_000 ", -1000)]
    [InlineData("99999999999999999999999", int.MaxValue)]
    public void Integers(string text, int expected)
    {
        Assert.True(ConfigValue.TryInteger(text, out int value, out _));
        Assert.Equal(expected, value);
    }

    [Theory]
    [InlineData("1.5")]
    [InlineData("")]
    [InlineData("1__0")]
    public void Not_integers(string text)
    {
        Assert.False(ConfigValue.TryInteger(text, out _, out string? error));
        Assert.Equal($"invalid literal for int() with base 10: '{text}'", error);
    }

    [Theory]
    [InlineData("5", 5, null)]
    [InlineData("50MB", 50L << 20, null)]
    [InlineData("3 kb", 3072, null)]
    [InlineData("1gB", 1L << 30, null)]
    [InlineData("999999999999999999GB", long.MaxValue, null)]
    [InlineData("10K", 0, "invalid literal for int() with base 10: '10k'")]
    [InlineData("5TB", 0, "invalid literal for int() with base 10: '5tb'")]
    [InlineData("1.5MB", 0, "invalid literal for int() with base 10: '1.5'")]
    public void Byte_sizes(string text, long expected, string? error)
    {
        Assert.Equal(error is null, ConfigValue.TryByteSize(text, out long value, out string? actual));
        Assert.Equal((expected, error), (value, actual));
    }

    [Theory]
    [InlineData("022", 18, null)]
    [InlineData("0o700", 448, null)]
    [InlineData("9", 0, "9 can not be converted to an octal type")]
    [InlineData("", 0, " can not be converted to an octal type")]
    public void Octals(string text, int expected, string? error)
    {
        Assert.Equal(error is null, ConfigValue.TryOctal(text, out int value, out string? actual));
        Assert.Equal((expected, error), (value, actual));
    }

    [Theory]
    [InlineData("YES", true, null)]
    [InlineData("1", true, null)]
    [InlineData("Off", false, null)]
    [InlineData("Maybe", false, "not a valid boolean value: 'Maybe'")]
    public void Booleans(string text, bool expected, string? error)
    {
        Assert.Equal(error is null, ConfigValue.TryBoolean(text, out bool value, out string? actual));
        Assert.Equal((expected, error), (value, actual));
    }

    [Theory]
    [InlineData("Unexpected", AutoRestart.Unexpected, null)]
    [InlineData("ON", AutoRestart.True, null)]
    [InlineData("no", AutoRestart.False, null)]
    [InlineData("Some", AutoRestart.False, "invalid 'autorestart' value 'some'")]
    public void Autorestart(string text, AutoRestart expected, string? error)
    {
        Assert.Equal(error is null, ConfigValue.TryAutoRestart(text, out AutoRestart value, out string? actual));
        Assert.Equal((expected, error), (value, actual));
    }

    [Theory]
    [InlineData("term", 15, null)]
    [InlineData("SIGQUIT", 3, null)]
    [InlineData("0", 0, null)]
    [InlineData("64", 64, null)]
    [InlineData("FOO", -1, "value 'FOO' is not a valid signal name")]
    [InlineData("SIG_DFL", -1, "value 'SIG_DFL' is not a valid signal name")]
    [InlineData("40", 40, "value '40' is not a valid signal number")]
    public void SignalValues(string text, int expected, string? error)
    {
        Assert.Equal(error is null, ConfigValue.TrySignal(text, out int value, out string? actual));
        Assert.Equal((expected, error), (value, actual));
    }

    [Theory]
    [InlineData("", "", null)]
    [InlineData(" 1 , 2,255", "1 2 255", null)]
    [InlineData("1,", null, "not a valid list of exit codes: '1,'")]
    [InlineData("256", null, "not a valid list of exit codes: '256'")]
    public void Exit_codes(string text, string? expected, string? error)
    {
        Assert.Equal(error is null, ConfigValue.TryExitCodes(text, out EquatableList<int>? value, out string? actual));
        Assert.Equal((expected, error), (value is null ? null : string.Join(' ', value), actual));
    }

    [Theory]
    [InlineData("BLATHER", LogLevel.Blather, null)]
    [InlineData("warning", LogLevel.Warn, null)]
    [InlineData("Loud", LogLevel.Info, "bad logging level name 'Loud'")]
    public void Levels(string text, LogLevel expected, string? error)
    {
        Assert.Equal(error is null, ConfigValue.TryLogLevel(text, out LogLevel value, out string? actual));
        Assert.Equal((expected, error), (value, actual));
    }

    [Theory]
    [InlineData("9001", "", 9001, null)]
    [InlineData(":9001", "", 9001, null)]
    [InlineData("*:9001", "", 9001, null)]
    [InlineData("LocalHost:1", "localhost", 1, null)]
    [InlineData("[::1]:80", "[::1]", 80, null)]
    [InlineData("x", null, 0, "not a valid port number: 'x' ")]
    [InlineData("0", null, 0, "not a valid port number: '0' ")]
    [InlineData("h:", null, 0, "no port number specified in ''")]
    [InlineData("h:0", null, 0, "0 is below lower bound (1)")]
    [InlineData("h:65536", null, 65536, "65536 is above upper bound (65535)")]
    [InlineData("h:p", null, 0, "invalid literal for int() with base 10: 'p'")]
    public void Addresses(string text, string? host, int port, string? error)
    {
        Assert.Equal(error is null, ConfigValue.TryInetAddress(text, out string? actualHost, out int actualPort, out string? actual));
        Assert.Equal((host, port, error), (actualHost, actualPort, actual));
    }

    [Theory]
    [InlineData(" web ", "web", null)]
    [InlineData("", "", null)]
    [InlineData("x y", null, "Invalid name: 'x y' because of character: ' '")]
    [InlineData("a/b:c", null, "Invalid name: 'a/b:c' because of character: ':'")]
    public void Names(string text, string? expected, string? error)
    {
        Assert.Equal(error is null, ConfigValue.TryName(text, out string? value, out string? actual));
        Assert.Equal((expected, error), (value, actual));
    }

    [Theory]
    [InlineData("~/x", "/home/me/x", null)]
    [InlineData("name", "name", null)]
    [InlineData("/nope/x", null, "The directory named as part of the path /nope/x does not exist")]
    [InlineData("~who/x", null, "The directory named as part of the path ~who/x does not exist")]
    public void Directory_paths(string text, string? expected, string? error)
    {
        Assert.Equal(error is null, ConfigValue.TryExistingDirectoryPath(text, "/cwd", Machine, out string? value, out string? actual));
        Assert.Equal((expected, error), (value, actual));
    }

    [Theory]
    [InlineData("~", "/home/me", null)]
    [InlineData("/nope", null, "/nope is not an existing directory")]
    [InlineData("", null, " is not an existing directory")]
    public void Directories(string text, string? expected, string? error)
    {
        Assert.Equal(error is null, ConfigValue.TryExistingDirectory(text, "/cwd", Machine, out string? value, out string? actual));
        Assert.Equal((expected, error), (value, actual));
    }

    [Theory]
    [InlineData("me", 1000, -1)]
    [InlineData("0:100", 0, 100)]
    [InlineData("nobody:users", 65534, 100)]
    public void Owners(string text, int uid, int gid)
    {
        Assert.True(ConfigValue.TryOwner(text, Machine, out int actualUid, out int actualGid));
        Assert.Equal((uid, gid), (actualUid, actualGid));
    }

    [Theory]
    [InlineData("me:nope")]
    [InlineData("nope")]
    [InlineData("me:7")]
    public void Not_owners(string text) => Assert.False(ConfigValue.TryOwner(text, Machine, out _, out _));

    [Theory]
    [InlineData("nope", "Invalid user name nope")]
    [InlineData("77", "Invalid user id 77")]
    public void Not_users(string text, string error)
    {
        Assert.False(ConfigValue.TryUser(text, Machine, out _, out string? actual));
        Assert.Equal(error, actual);
    }

    [Theory]
    [InlineData("A=\"1\",B=two", "A=1 B=two", "")]
    [InlineData("A=1,B=2,", "A=1 B=2", "")]
    [InlineData("A=1,\nB=2", "A=1 B=2", "")]
    [InlineData("A=1;B=2", "A=1 B=2", ";")]
    [InlineData("A=hello world", "A=hello", "world")]
    [InlineData("A=x@", "A=x", "@")]
    [InlineData("A=\"x\"y", "A=xy", "")]
    [InlineData("A=\"\"", "A=", "")]
    [InlineData("A=a#b,C=d", "A=a", "")]
    [InlineData("A=\"x\\\"y\"", "A=x\"y", "")]
    [InlineData("A=\"c:\\\\d\"", "A=c:\\d", "")]
    [InlineData("A=1,A=2", "A=2", "")]
    [InlineData("", "", "")]
    public void Environments(string text, string expected, string ignored)
    {
        Assert.True(EnvironmentList.TryParse(text, out EnvironmentList? list, out _));
        Assert.Equal(expected, string.Join(' ', list.Pairs.Select(pair => pair.Key + "=" + pair.Value)));
        Assert.Equal(ignored, string.Join(' ', list.Ignored));
    }

    [Theory]
    [InlineData("A=1 B=2", "Unexpected end of key/value pairs in value 'A=1 B=2'")]
    [InlineData("A=", "Unexpected end of key/value pairs in value 'A='")]
    [InlineData("A=x@y", "Unexpected end of key/value pairs in value 'A=x@y'")]
    [InlineData("A=\"x", "No closing quotation")]
    [InlineData("A=x\\", "No escaped character")]
    public void Not_environments(string text, string expected)
    {
        Assert.False(EnvironmentList.TryParse(text, out _, out string? error));
        Assert.Equal(expected, error);
    }

    [Theory]
    [InlineData("/a//b/../c/.", "/a/c")]
    [InlineData("//a", "//a")]
    [InlineData("///a", "/a")]
    [InlineData("../x", "../x")]
    [InlineData("", ".")]
    [InlineData("/..", "/")]
    public void Paths(string path, string expected) => Assert.Equal(expected, PosixPath.Normalize(path));
}
