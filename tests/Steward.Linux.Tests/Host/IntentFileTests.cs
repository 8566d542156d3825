using Steward.Core.Model;
using Steward.Linux.Host;

namespace Steward.Linux.Tests.Host;

public sealed class IntentFileTests : IDisposable
{
    private static readonly Intent[] s_intents =
    [
        new("a:a", false, null, 1), new("g:ü", null, "the disk is full", 1_767_225_600_000_000_000, "10.0.0.7 as admin"), new("z:z", true, "", 3),
    ];

    private readonly TempDirectory _folder = new();
    private readonly List<string> _said = [];

    private string FilePath => Path.Combine(_folder.Path, "supervisor.intent");

    public void Dispose() => _folder.Dispose();

    private IntentFile Open() => new(FilePath, (level, text) => _said.Add($"{level.Code()} {text}"));

    [Fact]
    public void What_is_kept_is_read_back()
    {
        using (IntentFile file = Open())
        {
            file.Save([s_intents[0]]);
            file.Save(s_intents);
        }

        Assert.Equal(s_intents, Open().Read());
        Assert.Equal([FilePath], Directory.GetFileSystemEntries(_folder.Path));
        Assert.Equal(UnixFileMode.UserRead | UnixFileMode.UserWrite, File.GetUnixFileMode(FilePath));
        Assert.Empty(_said);
    }

    [Fact]
    public void A_file_that_does_not_say_by_whom_is_read()
    {
        File.WriteAllText(FilePath, "steward-intent 1\na:a\tdown\tdisabled\t5\tdisk\n");
        Assert.Equal([new Intent("a:a", false, "disk", 5)], Open().Read());
    }

    [Fact]
    public void Nothing_is_touched_before_a_change()
    {
        using (IntentFile file = Open())
        {
            Assert.Empty(file.Read());
        }

        Assert.Empty(Directory.GetFileSystemEntries(_folder.Path));
    }

    [Theory]
    [InlineData("", "its first line is not 'steward-intent 1'")]
    [InlineData("steward-intent 2\n", "its first line is not 'steward-intent 1'")]
    [InlineData("steward-intent 1\na:a\tdown\tenabled\t1\t", "its last line is cut off")]
    [InlineData("steward-intent 1\na:a\tdown\tenabled\t1\t\nb:b\tsideways\tenabled\t1\t\n", "line 3")]
    [InlineData("steward-intent 1\na:a\tdown\n", "line 2")]
    public void One_that_cannot_be_understood_is_moved_aside_and_said(string text, string reason)
    {
        File.WriteAllText(FilePath, text);
        Assert.Empty(Open().Read());
        Assert.Equal([$"ERRO {FilePath} cannot be understood ({reason}) and is now {FilePath}.broken: no intent is remembered"], _said);
        Assert.Equal(text, File.ReadAllText(FilePath + ".broken"));
        Assert.False(File.Exists(FilePath));
    }

    [Fact]
    public void One_that_cannot_be_written_is_said()
    {
        Directory.CreateDirectory(FilePath + ".new");
        using (IntentFile file = Open())
        {
            file.Save(s_intents);
        }

        Assert.StartsWith($"ERRO {FilePath} cannot be written: ", Assert.Single(_said));
    }
}
