using System.Text;
using FsCheck;
using FsCheck.Fluent;
using Steward.Core.Model;
using Steward.Linux.Interop;
using Steward.Linux.Output;
using Steward.Linux.Tests.Host;
using Steward.Linux.Tests.Processes;

namespace Steward.Linux.Tests.Output;

/// <summary>Files that are appended to and rotated.</summary>
public sealed class LogFileTests : IDisposable
{
    private readonly TempDirectory _directory = new();
    private readonly List<string> _said = [];

    public void Dispose() => _directory.Dispose();

    [Fact]
    public void Any_pieces_through_any_rotation_are_the_newest_bytes_of_all_whole_pieces_in_order()
    {
        int run = 0;
        Prop.ForAll(
            ArbMap.Default.ArbFor<byte[][]>(),
            Gen.Choose(1, 64).ToArbitrary(),
            Gen.Choose(0, 4).ToArbitrary(),
            (pieces, maxBytes, backups) =>
            {
                string path = _directory.File("p" + run++);
                LogFile log = Open(path, maxBytes, backups);
                var files = new List<List<byte>> { new() };
                foreach (byte[] piece in pieces)
                {
                    log.Write(piece);

                    // The rule: after each write, a file that has reached the limit is the newest backup.
                    files[0].AddRange(piece);
                    if (files[0].Count >= maxBytes)
                    {
                        files.Insert(0, []);
                        if (files.Count > backups + 1)
                        {
                            files.RemoveAt(files.Count - 1);
                        }
                    }
                }

                log.Close();
                for (int i = 0; i < files.Count; i++)
                {
                    Assert.Equal(files[i], File.ReadAllBytes(i == 0 ? path : $"{path}.{i}"));
                }

                Assert.False(File.Exists($"{path}.{files.Count}"));
            }).QuickCheckThrowOnFailure();
        Assert.Empty(_said);
    }

    [Fact]
    public void A_file_is_continued_and_its_old_size_counts()
    {
        string path = _directory.Write("log", "12345678");
        LogFile log = Open(path, 10, 1);
        log.Write("9"u8);
        Assert.False(File.Exists(path + ".1"));
        log.Write("0"u8);
        log.Close();
        Assert.Equal("1234567890", File.ReadAllText(path + ".1"));
        Assert.Equal("", File.ReadAllText(path));
    }

    [Fact]
    public void A_file_that_somebody_cuts_does_not_rotate_before_its_time()
    {
        string path = _directory.File("log");
        LogFile log = Open(path, 10, 1);
        log.Write("12345678"u8);
        File.WriteAllText(path, "");
        log.Write("90"u8);
        log.Close();
        Assert.Equal("90", File.ReadAllText(path));
    }

    [Fact]
    public void What_cannot_be_rotated_goes_on_in_the_same_file_and_is_said_once()
    {
        string path = _directory.File("log");
        Directory.CreateDirectory(path + ".1/full");
        LogFile log = Open(path, 10, 1);
        log.Write("1234567890"u8);
        log.Write("12345"u8);
        Assert.Equal("123456789012345", File.ReadAllText(path));
        Assert.Equal($"ERRO log '{path}' cannot be rotated: [Errno 21] Is a directory; it grows beyond its limit", Assert.Single(_said));

        // When it can be again it is, after as many bytes again.
        Directory.Delete(path + ".1", recursive: true);
        log.Write("67890"u8);
        log.Close();
        Assert.Equal("12345678901234567890", File.ReadAllText(path + ".1"));
    }

    [Fact]
    public void A_removed_backup_is_no_obstacle()
    {
        string path = _directory.File("log");
        LogFile log = Open(path, 2, 3);
        foreach (string piece in (string[])["aa", "bb", "cc"])
        {
            log.Write(Encoding.ASCII.GetBytes(piece));
        }

        File.Delete(path + ".2");
        File.Delete(path);
        log.Write("dd"u8);
        log.Close();
        Assert.Equal(["log", "log.2", "log.3"], Directory.GetFiles(_directory.Path).Select(Path.GetFileName).Order(StringComparer.Ordinal));
        Assert.Equal("cc", File.ReadAllText(path + ".2"));
        Assert.Equal("aa", File.ReadAllText(path + ".3"));
    }

    [Fact]
    public void A_device_that_takes_nothing_loses_what_is_counted()
    {
        LogFile log = Open("/dev/full", 10, 1);
        log.Write("123"u8);
        log.Write("45"u8);
        Assert.Equal("ERRO log '/dev/full' cannot be written: [Errno 28] No space left on device; what cannot be written is lost", Assert.Single(_said));
        log.Close();
        Assert.Equal("ERRO log '/dev/full': 5 bytes of output were lost", _said[1]);
    }

    [RootFact]
    public void A_disk_that_was_full_is_written_again_when_there_is_room_and_the_loss_is_said()
    {
        string mount = Directory.CreateDirectory(_directory.File("disk")).FullName;
        if (TinyDisk.Mount(mount) is { } refusal)
        {
            Assert.Contains("mount", refusal, StringComparison.Ordinal);
            return;
        }

        try
        {
            string ballast = Path.Combine(mount, "ballast");
            File.WriteAllBytes(ballast, new byte[48 << 10]);
            string path = Path.Combine(mount, "log");
            LogFile log = Open(path, 0, 0);
            byte[] piece = new byte[10_000];
            for (int i = 0; i < 3; i++)
            {
                log.Write(piece);
            }

            Assert.Contains("[Errno 28] No space left on device", Assert.Single(_said), StringComparison.Ordinal);
            long kept = new FileInfo(path).Length;
            Assert.Equal(16 << 10, kept);
            File.Delete(ballast);
            Outside.Until(
                () =>
                {
                    log.Write("x"u8);
                    return _said.Count == 2;
                },
                "the recovery is not said");
            log.Close();
            Assert.Equal($"ERRO log '{path}' can be written again; {30_000 - kept} bytes of output were lost", _said[1]);
            Assert.Equal(2, _said.Count);
        }
        finally
        {
            TinyDisk.Unmount(mount);
        }
    }

    private LogFile Open(string path, long maxBytes, int backups)
    {
        LogFile? log = LogFile.TryOpen(path, maxBytes, backups, (level, text) => _said.Add($"{level.Code()} {text}"), out int errno);
        Assert.True(log is not null, $"errno {errno}");
        return log;
    }
}
