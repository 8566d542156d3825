using System.Globalization;
using Steward.Core.Config;
using Steward.Core.Model;
using Steward.Linux.Host;
using Steward.Linux.Interop;

namespace Steward.Linux.Tests.Host;

public class ConfigEnvironmentTests
{
    private static readonly ConfigEnvironment Machine = new();

    private static ConfigEnvironment With(params (string Name, string Value)[] variables) =>
        new([.. variables.Select(pair => new KeyValuePair<string, string>(pair.Name, pair.Value))]);

    public sealed class Patterns
    {
        [Theory]
        [InlineData("*.conf", "a.conf", true)]
        [InlineData("*.conf", ".conf", false)]
        [InlineData("*.conf", "a.conf~", false)]
        [InlineData(".*", ".conf", true)]
        [InlineData("?", "é", true)]
        [InlineData("?", "\U0001F600", true)]
        [InlineData("?", "ab", false)]
        [InlineData("[a-c]x", "bx", true)]
        [InlineData("[a-c]x", "dx", false)]
        [InlineData("[!a-c]x", "dx", true)]
        [InlineData("[^a-c]x", "ax", false)]
        [InlineData("[]]", "]", true)]
        [InlineData("[!]]", "]", false)]
        [InlineData("[a-]", "-", true)]
        [InlineData("[ab", "[ab", true)]
        [InlineData("[", "[", true)]
        [InlineData("[]", "[]", true)]
        [InlineData("**", "abc", true)]
        [InlineData("a*b*c", "aXbYbZc", true)]
        [InlineData("a*b*c", "aXbYbZ", false)]
        [InlineData("", "", true)]
        [InlineData("\\*", "\\abc", true)]
        public void A_pattern_matches_what_a_shell_would(string pattern, string name, bool expected) =>
            Assert.Equal(expected, ShellPattern.Matches(pattern, name));

        [Fact]
        public void A_pattern_of_many_stars_is_decided() =>
            Assert.False(ShellPattern.Matches(string.Concat(Enumerable.Repeat("a*", 200)) + "b", new string('a', 20000)));
    }

    public sealed class Files : IDisposable
    {
        private readonly TempDirectory _place = new();

        public void Dispose() => _place.Dispose();

        private IEnumerable<string> Glob(string pattern) =>
            Machine.Glob(_place.File(pattern)).Select(path => path[(_place.Path.Length + 1)..]);

        [Fact]
        public void Matches_come_in_code_point_order()
        {
            foreach (string name in (string[])["b.conf", "B.conf", "a.conf", "\uff5e.conf", "\U0001F600.conf", ".hidden.conf", "c.ini"])
            {
                _place.Write(name, "");
            }

            Assert.Equal(["B.conf", "a.conf", "b.conf", "\uff5e.conf", "\U0001F600.conf"], Glob("*.conf"));
            Assert.Equal([".hidden.conf"], Glob(".*.conf"));
        }

        [Fact]
        public void Directories_in_between_may_be_patterns()
        {
            Directory.CreateDirectory(_place.File("one/sub"));
            Directory.CreateDirectory(_place.File("two/sub"));
            _place.Write("one/sub/x.conf", "");
            _place.Write("two/sub/y.conf", "");
            _place.Write("file", "");
            Assert.Equal(["one/sub/x.conf", "two/sub/y.conf"], Glob("*/sub/[xy].conf"));
            Assert.Equal(["one/", "two/"], Glob("*/"));
        }

        [Fact]
        public void A_plain_name_matches_itself_when_it_is_there()
        {
            _place.Write("plain", "");
            Assert.Equal(["plain"], Glob("plain"));
            Assert.Empty(Glob("absent"));
            Assert.Empty(Glob("absent/*"));
            Assert.Empty(Machine.Glob("a\0b*"));
            Assert.Empty(Machine.Glob(""));
        }

        [Fact]
        public void A_relative_pattern_counts_from_the_working_directory()
        {
            string name = $"steward-{Guid.NewGuid():N}";
            string path = Path.Join(Machine.CurrentDirectory, name);
            File.WriteAllText(path, "");
            try
            {
                Assert.Equal([name], Machine.Glob(name[..^1] + "?"));
            }
            finally
            {
                File.Delete(path);
            }
        }

        [Fact]
        public void A_file_is_read_whole()
        {
            byte[] content = [.. Enumerable.Range(0, 100000).Select(i => (byte)i)];
            File.WriteAllBytes(_place.File("x"), content);
            FileContent read = Machine.ReadFile(_place.File("x"));
            Assert.Equal(content, read.Bytes);
            Assert.Equal((0, null), (read.Errno, read.Error));
        }

        [Fact]
        public void Why_a_file_cannot_be_read_is_told()
        {
            Assert.Equal(new FileContent(null, Errno.ENOENT, "No such file or directory"), Machine.ReadFile(_place.File("x")));
            Assert.Equal(new FileContent(null, Errno.EISDIR, "Is a directory"), Machine.ReadFile(_place.Path));
            Assert.Equal(new FileContent(null, Errno.EINVAL, "Invalid argument"), Machine.ReadFile("a\0b"));
            using (FileStream big = File.Create(_place.File("big")))
            {
                big.SetLength((16 << 20) + 1);
            }

            Assert.Equal(new FileContent(null, Errno.EFBIG, "File too large"), Machine.ReadFile(_place.File("big")));
        }

        [Fact]
        public void What_exists_and_what_is_a_directory()
        {
            string file = _place.Write("x", "");
            File.CreateSymbolicLink(_place.File("dangling"), "/no/such");
            File.CreateSymbolicLink(_place.File("loop"), "loop");
            Assert.True(Machine.Exists(file));
            Assert.False(Machine.IsDirectory(file));
            Assert.True(Machine.IsDirectory(_place.Path));
            Assert.False(Machine.Exists(_place.File("dangling")));
            Assert.False(Machine.Exists(_place.File("loop")));
            Assert.False(Machine.Exists(""));
            Assert.False(Machine.Exists("a\0b"));
        }

        [Fact]
        public void A_configuration_and_what_it_includes_are_read()
        {
            Directory.CreateDirectory(_place.File("conf.d"));
            _place.Write("conf.d/b.conf", "[program:b]\ncommand=/bin/echo %(here)s\n");
            _place.Write("conf.d/a.conf", "[program:a]\ncommand=/bin/cat\nuser=root\n");
            _place.Write("s.conf", "[supervisord]\nuser=root\nchildlogdir=%(here)s\n[include]\nfiles=conf.d/*.conf none*\n");
            ConfigReading reading = ConfigReader.Read(_place.File("s.conf"), Machine, ConfigOverrides.None);
            Assert.Null(reading.FirstError);
            Assert.Equal(["a", "b"], reading.Configuration!.Groups.Select(group => group.Name));
            Assert.Equal($"/bin/echo {_place.Path}/conf.d", reading.Configuration.Groups[1].Processes[0].Command);
            Assert.Equal(0, reading.Configuration.Groups[0].Processes[0].User!.Uid);
            Assert.Equal(
                [
                    $"No file matches via include \"{_place.Path}/none*\"",
                    $"Included extra file \"{_place.Path}/conf.d/a.conf\" during parsing",
                    $"Included extra file \"{_place.Path}/conf.d/b.conf\" during parsing",
                ],
                reading.Configuration.Messages.Select(message => message.Text));
        }
    }

    public sealed class Users
    {
        // What the database says, read the plain way.
        private static IEnumerable<string[]> Entries(string file) =>
            File.ReadLines(file).Select(line => line.Split(':')).Where(fields => fields.Length >= 4 && fields[0].Length > 0);

        [Fact]
        public void Everybody_in_the_database_is_found_by_name_and_number()
        {
            var groups = Entries("/etc/group").Select(fields => (Gid: int.Parse(fields[2], CultureInfo.InvariantCulture), Members: fields[3].Split(','))).ToList();
            foreach (string[] fields in Entries("/etc/passwd").DistinctBy(fields => fields[0]))
            {
                int gid = int.Parse(fields[3], CultureInfo.InvariantCulture);
                UserIdentity user = Machine.FindUser(fields[0])!;
                Assert.Equal((fields[0], fields[2], gid), (user.Name, user.Uid.ToString(CultureInfo.InvariantCulture), user.Gid));
                Assert.Equal(gid, user.Groups[0]);
                Assert.Equal(
                    groups.Where(group => group.Members.Contains(fields[0])).Select(group => group.Gid).Append(gid).Distinct().Order(),
                    user.Groups.Distinct().Order());
                Assert.Equal(user.Uid, Machine.FindUser(user.Uid)!.Uid);
                Assert.Equal(fields[5], Machine.HomeDirectory(fields[0]));
            }
        }

        [Fact]
        public void Every_group_of_the_database_is_found()
        {
            foreach (string[] fields in Entries("/etc/group").DistinctBy(fields => fields[0]))
            {
                Assert.Equal(fields[2], Machine.FindGroup(fields[0])!.Value.ToString(CultureInfo.InvariantCulture));
                Assert.True(Machine.GroupExists(int.Parse(fields[2], CultureInfo.InvariantCulture)));
            }
        }

        [Fact]
        public void Unknown_names_are_nobody()
        {
            Assert.Null(Machine.FindUser("no-such-user-here"));
            Assert.Null(Machine.FindUser(""));
            Assert.Null(Machine.FindUser("root\0x"));
            Assert.Null(Machine.FindUser(-1));
            Assert.Null(Machine.FindUser(1_999_999_999));
            Assert.Null(Machine.FindGroup("no-such-group-here"));
            Assert.False(Machine.GroupExists(1_999_999_999));
            Assert.False(Machine.GroupExists(-1));
            Assert.Null(Machine.HomeDirectory("no-such-user-here"));
        }

        [Fact]
        public void The_current_user_lives_where_HOME_says()
        {
            Assert.Equal("/somewhere", With(("HOME", "/somewhere")).HomeDirectory(""));
            Assert.Equal(Machine.HomeDirectory(Machine.FindUser((int)LibC.getuid())!.Name), With().HomeDirectory(""));
        }
    }

    public sealed class Surroundings
    {
        [Fact]
        public void Directory_host_and_user_are_the_process_s_own()
        {
            Assert.Equal(Environment.CurrentDirectory, Machine.CurrentDirectory);
            Assert.Equal(File.ReadAllText("/proc/sys/kernel/hostname").TrimEnd('\n'), Machine.HostName);
            Assert.Equal((int)LibC.geteuid(), Machine.UserId);
            Assert.Equal(Environment.GetEnvironmentVariable("PATH"), Machine.Variables["PATH"]);
        }

        [Fact]
        public void Temporary_files_go_where_the_first_usable_variable_says()
        {
            using var place = new TempDirectory();
            Assert.Equal(place.Path, With(("TMP", place.Path)).TempDirectory);
            Assert.Equal(place.Path, With(("TMPDIR", place.Path), ("TMP", "/")).TempDirectory);
            Assert.Equal(place.Path, With(("TMPDIR", "/no/such/directory"), ("TEMP", place.Path)).TempDirectory);
            Assert.Equal("/tmp", With(("TMPDIR", "")).TempDirectory);
        }
    }
}
