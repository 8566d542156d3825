using System.Text;
using Steward.Core.Config;

namespace Steward.Core.Tests.Config;

public sealed class IniReaderTests
{
    private static IniDocument Read(params string[] texts)
    {
        var document = new IniDocument();
        for (int i = 0; i < texts.Length; i++)
        {
            IniReader.Read(texts[i], "f" + (i + 1), document);
        }

        return document;
    }

    [Theory]
    [InlineData("[s]\ncommand=echo a;b c ; note", "command", "echo a;b c")]
    [InlineData("[s]\ncommand=echo a # note", "command", "echo a")]
    [InlineData("[s]\ncommand=bash -c 'foo ; bar'", "command", "bash -c 'foo")]
    [InlineData("[s]\ncommand=;x", "command", ";x")]
    [InlineData("[s]\ncommand=#x", "command", "#x")]
    [InlineData("[s]\ncommand= ; only comment", "command", "")]
    [InlineData("[s]\ncommand=x\n autostart=false", "command", "x\nautostart=false")]
    [InlineData("[s]\nCommand : y=z", "command", "y=z")]
    [InlineData("[s] trailing words\na=1", "a", "1")]
    [InlineData("[s]\n    a=1\n    b=2", "b", "2")]
    [InlineData("[s]\n    a=1\n  b=2\n   c=3", "b", "2\nc=3")]
    [InlineData("[s]\n    a=1\n  b=2\n c=3", "c", "3")]
    [InlineData("[s]\na=a#b #c ;d", "a", "a#b #c")]
    [InlineData("[s]\na=1\n\n  2\n\n", "a", "1\n\n2")]
    [InlineData("[s]\na=1\n  ; comment\n  2", "a", "1\n2")]
    [InlineData("[s]\r\na=1\r\n  2\r\n", "a", "1\n2")]
    [InlineData("[s]\ra=1\r  2", "a", "1\n2")]
    [InlineData("[s]\na=1\n[t]\n[s]\na=2", "a", "2")]
    [InlineData("[DEFAULT]\na=0\n[s]\nb=1", "a", "0")]
    [InlineData("[s]\na=[x]\n [y]", "a", "[x]\n[y]")]
    public void A_value_is_read(string text, string key, string expected) =>
        Assert.Equal(expected, Read(text).Find("s")?.Find(key)?.Value);

    [Fact]
    public void Section_names_end_at_the_last_bracket_and_keep_their_case() =>
        Assert.Equal(["program:c]", "Program:x"], Read("[program:c]]\n[Program:x] more").Sections.Select(s => s.Name));

    [Fact]
    public void Each_section_and_key_knows_its_place()
    {
        IniDocument document = Read("; c\n[s]\n\na=1\n  2\nb=3", "[t]\n[s]\nb=4\n");
        Assert.Equal(("f1", 2), (document.Find("s")!.File, document.Find("s")!.Line));
        Assert.Equal(new IniOption("a", "1\n2", "f1", 4), document.Find("s")!.Find("a"));
        Assert.Equal(new IniOption("b", "4", "f2", 3), document.Find("s")!.Find("b"));
        Assert.Equal([new IniOverride("s", new IniOption("b", "3", "f1", 6), new IniOption("b", "4", "f2", 3))], document.Overrides);
    }

    [Fact]
    public void Bad_lines_are_reported_together()
    {
        IniDocument document = Read("[s]\none\na=1\n=2\n");
        Assert.Equal(
            "Source contains parsing errors: 'f1'\n\t[line  2]: 'one\\n'\n\t[line  4]: '=2\\n'",
            IniReader.Describe(document.Errors, "f1"));
        Assert.Equal("1", document.Find("s")!.Find("a")!.Value);
    }

    [Fact]
    public void A_line_before_any_header_is_reported_alone() => Assert.Equal(
        "File contains no section headers.\nfile: 'f1', line: 2\n'stray=1\\n'",
        IniReader.Describe(Read("\nstray=1\n[s]\nbad\n").Errors, "f1"));

    [Theory]
    [InlineData(new byte[] { (byte)'[', (byte)'a', (byte)']', 10, 0xff }, "'utf-8' codec can't decode byte 0xff in position 4: invalid start byte")]
    [InlineData(new byte[] { 0xe2, 0x28 }, "'utf-8' codec can't decode byte 0xe2 in position 0: invalid continuation byte")]
    [InlineData(new byte[] { 65, 0xe2, 0x82, 0x28 }, "'utf-8' codec can't decode bytes in position 1-2: invalid continuation byte")]
    [InlineData(new byte[] { 0xe2, 0x82 }, "'utf-8' codec can't decode bytes in position 0-1: unexpected end of data")]
    [InlineData(new byte[] { 0xc0, 0x80 }, "'utf-8' codec can't decode byte 0xc0 in position 0: invalid start byte")]
    public void What_is_not_UTF8_is_refused(byte[] bytes, string expected)
    {
        Assert.False(IniReader.TryDecode(bytes, out _, out string? error));
        Assert.Equal(expected, error);
    }

    [Fact]
    public void A_byte_order_mark_is_skipped()
    {
        Assert.True(IniReader.TryDecode(Encoding.UTF8.GetBytes("\ufeff[ü]"), out string? text, out _));
        Assert.Equal("[ü]", text);
    }

    [Theory]
    [InlineData("%(here)s/x", "/d/x")]
    [InlineData("%%(here)s %(here)s", "%%(here)s /d")]
    [InlineData("%%%(here)s", "%%/d")]
    [InlineData("%(ENV_X)s", "%(ENV_X)s")]
    public void The_directory_is_put_into_values(string value, string expected)
    {
        IniDocument document = Read("[s]\na=" + value);
        document.ReplaceHere("/d");
        Assert.Equal(expected, document.Find("s")!.Find("a")!.Value);
    }
}
