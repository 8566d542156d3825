using Steward.Core.Model;

namespace Steward.Http.Tests;

public class LogStreamTests
{
    private static async Task<(TestServer Server, string Log)> StartAsync(string content = "")
    {
        TestServer server = await TestServer.StartAsync();
        string log = server.File_("cat.log", content);
        server.Control.Add(FakeControl.Snapshot("g", "cat") with { StdoutLog = log });
        return (server, log);
    }

    private static TestClient Follow(TestServer server, string target = "/logtail/g:cat")
    {
        TestClient client = server.Connect();
        client.Send($"GET {target} HTTP/1.1\r\nHost: x\r\n\r\n");
        TestResponse head = client.ReceiveHead();
        Assert.Equal(200, head.Status);
        Assert.Equal("text/plain;charset=utf-8", head["Content-Type"]);
        Assert.Equal("chunked", head["Transfer-Encoding"]);
        Assert.Equal("no", head["X-Accel-Buffering"]);
        Assert.NotNull(head["Last-Modified"]);
        return client;
    }

    [Theory]
    [InlineData("/logtail/g:cat")]
    [InlineData("/logtail/g:cat/stdout")]
    [InlineData("/logtail/g%3Acat/stdout")]
    [InlineData("/logtailXYZ/g:cat")]
    public async Task A_stream_begins_with_the_last_1024_bytes(string target)
    {
        string content = string.Concat(Enumerable.Range(0, 40).Select(i => $"{i:D49}\n"));
        (TestServer server, string log) = await StartAsync(content);
        await using (server)
        using (TestClient client = Follow(server, target))
        {
            Assert.Equal(content[^1024..], client.ReceiveChunk());
            File.AppendAllText(log, "wörld\n");
            Assert.Equal("wörld\n", client.ReceiveChunksUntil("\n"));
        }
    }

    [Theory]
    [InlineData("/logtail/g:cat/stderr")]
    [InlineData("/logtail/g:cat/other")]
    [InlineData("/logtail/g:cat/stdout/more")]
    [InlineData("/logtail/g:*")]
    [InlineData("/logtail/g:")]
    [InlineData("/logtail/cat")]
    [InlineData("/logtail/nope/stdout")]
    public async Task What_has_no_log_is_404(string target)
    {
        (TestServer server, _) = await StartAsync();
        await using (server)
        {
            Assert.Equal(404, server.Get(target).Status);
        }
    }

    [Fact]
    public async Task A_file_that_is_absent_or_not_regular_is_404()
    {
        (TestServer server, string log) = await StartAsync();
        await using (server)
        {
            File.Delete(log);
            Assert.Equal(404, server.Get("/logtail/g:cat").Status);
            server.Control.Add(FakeControl.Snapshot("g", "cat") with { StdoutLog = "/dev/stdout" });
            Assert.Equal(404, server.Get("/logtail/g:cat").Status);
            server.Control.Add(FakeControl.Snapshot("g", "cat") with { StdoutLog = server.Folder });
            Assert.Equal(404, server.Get("/logtail/g:cat").Status);
        }
    }

    [Theory]
    [InlineData("/mainlogtail")]
    [InlineData("/mainlogtailXYZ")]
    public async Task The_daemons_log_is_streamed(string target)
    {
        await using TestServer server = await TestServer.StartAsync();
        server.Control.MainLogPath = server.File_("main.log", "first\n");
        using TestClient client = Follow(server, target);
        Assert.Equal("first\n", client.ReceiveChunksUntil("\n"));
        File.AppendAllText(server.Control.MainLogPath, "second\n");
        Assert.Equal("second\n", client.ReceiveChunksUntil("\n"));
    }

    [Fact]
    public async Task After_a_rotation_the_rest_of_the_old_file_comes_before_the_new_one()
    {
        (TestServer server, string log) = await StartAsync("begin\n");
        await using (server)
        using (TestClient client = Follow(server))
        {
            client.ReceiveChunksUntil("begin\n");
            for (int i = 0; i < 3; i++)
            {
                File.AppendAllText(log, $"old {i}\n");
                File.Move(log, log + ".1", overwrite: true);
                File.WriteAllText(log, $"new {i}\n");
                Assert.Equal($"old {i}\nnew {i}\n", client.ReceiveChunksUntil($"new {i}\n"));
            }
        }
    }

    [Fact]
    public async Task A_file_that_replaces_the_log_is_streamed_from_its_beginning()
    {
        (TestServer server, string log) = await StartAsync("begin\n");
        await using (server)
        using (TestClient client = Follow(server))
        {
            client.ReceiveChunksUntil("begin\n");
            File.Move(server.File_("other", "replaced\n"), log, overwrite: true);
            Assert.Equal("replaced\n", client.ReceiveChunksUntil("\n"));
        }
    }

    [Fact]
    public async Task A_deleted_file_is_followed_until_something_takes_its_place()
    {
        (TestServer server, string log) = await StartAsync("begin\n");
        await using (server)
        using (TestClient client = Follow(server))
        using (var writer = new StreamWriter(new FileStream(log, FileMode.Append, FileAccess.Write, FileShare.ReadWrite | FileShare.Delete)))
        {
            writer.AutoFlush = true;
            client.ReceiveChunksUntil("begin\n");
            File.Delete(log);
            writer.Write("unseen by others\n");
            Assert.Equal("unseen by others\n", client.ReceiveChunksUntil("\n"));
            File.WriteAllText(log, "again\n");
            Assert.Equal("again\n", client.ReceiveChunksUntil("\n"));
        }
    }

    [Fact]
    public async Task A_link_that_points_elsewhere_is_noticed()
    {
        await using TestServer server = await TestServer.StartAsync();
        string first = server.File_("first", "one\n");
        string second = server.File_("second", "two\n");
        string link = Path.Combine(server.Folder, "link");
        File.CreateSymbolicLink(link, first);
        server.Control.Add(FakeControl.Snapshot("cat", "cat") with { StdoutLog = link });
        using TestClient client = Follow(server, "/logtail/cat");
        client.ReceiveChunksUntil("one\n");
        File.CreateSymbolicLink(link + "2", second);
        File.Move(link + "2", link, overwrite: true);
        Assert.Equal("two\n", client.ReceiveChunksUntil("\n"));
    }

    [Fact]
    public async Task A_truncated_file_is_marked_and_streamed_from_its_beginning()
    {
        (TestServer server, string log) = await StartAsync("a long first line\n");
        await using (server)
        using (TestClient client = Follow(server))
        {
            client.ReceiveChunksUntil("line\n");
            File.WriteAllText(log, "");
            Assert.Equal("==> File truncated <==\n", client.ReceiveChunksUntil("<==\n"));
            File.AppendAllText(log, "short\n");
            Assert.Equal("short\n", client.ReceiveChunksUntil("\n"));
        }
    }

    [Fact]
    public async Task The_stream_of_a_removed_process_ends_with_all_its_output()
    {
        (TestServer server, string log) = await StartAsync("begin\n");
        await using (server)
        using (TestClient client = Follow(server))
        {
            client.ReceiveChunksUntil("begin\n");
            File.AppendAllText(log, "last words\n");
            server.Control.Processes.Clear();
            Assert.Equal("last words\n", client.ReceiveChunksUntil("\n"));
            Assert.Equal("", client.ReceiveChunk());
            client.Send("GET /ok.html HTTP/1.1\r\nHost: x\r\n\r\n");
            Assert.Equal("OK", client.Receive().Body);
        }
    }

    [Fact]
    public async Task A_log_that_moves_to_another_path_is_followed_there()
    {
        (TestServer server, _) = await StartAsync("begin\n");
        await using (server)
        using (TestClient client = Follow(server))
        {
            client.ReceiveChunksUntil("begin\n");
            server.Control.Add(FakeControl.Snapshot("g", "cat") with { StdoutLog = server.File_("elsewhere.log", "there\n") });
            Assert.Equal("there\n", client.ReceiveChunksUntil("\n"));
        }
    }

    [Fact]
    public async Task Streams_end_cleanly_with_the_daemon()
    {
        (TestServer server, _) = await StartAsync("begin\n");
        await using (server)
        using (TestClient client = Follow(server))
        {
            client.ReceiveChunksUntil("begin\n");
            server.Control.State = DaemonState.Shutdown;
            Task closed = server.CloseAsync();
            Assert.Equal("", client.ReceiveChunk());
            Assert.True(client.IsClosed());
            await closed.WaitAsync(TimeSpan.FromMilliseconds(TestClient.LimitMs));
        }
    }

    [Fact]
    public async Task HTTP_1_0_streams_until_the_connection_ends()
    {
        (TestServer server, string log) = await StartAsync("begin\n");
        await using (server)
        using (TestClient client = server.Connect())
        {
            client.Send("GET /logtail/g:cat HTTP/1.0\r\n\r\n");
            TestResponse head = client.ReceiveHead();
            Assert.Null(head["Transfer-Encoding"]);
            Assert.Equal("begin\n", client.ReceiveSome());
            File.AppendAllText(log, "more\n");
            Assert.Equal("more\n", client.ReceiveSome());
            server.Control.Processes.Clear();
            Assert.True(client.IsClosed());
        }
    }

    [Fact]
    public async Task A_slow_reader_gets_everything()
    {
        (TestServer server, string log) = await StartAsync("begin\n");
        await using (server)
        using (TestClient client = Follow(server))
        {
            client.ReceiveChunksUntil("begin\n");
            byte[] much = new byte[8 << 20];
            Array.Fill(much, (byte)'x');
            much[^1] = (byte)'\n';
            using (var file = new FileStream(log, FileMode.Append, FileAccess.Write, FileShare.ReadWrite))
            {
                file.Write(much);
            }

            Assert.Equal(much.Length, client.ReceiveChunksUntil("\n").Length);
        }
    }

    [Fact]
    public async Task Many_streams_do_not_hold_up_calls()
    {
        (TestServer server, string log) = await StartAsync("begin\n");
        await using (server)
        {
            TestClient[] clients = [.. Enumerable.Range(0, 50).Select(_ => Follow(server))];
            File.AppendAllText(log, "more\n");
            Assert.All(clients, client => Assert.Equal("begin\nmore\n", client.ReceiveChunksUntil("more\n")));
            Assert.Equal(200, server.Post(TestServer.CallText("supervisor.getState")).Status);
            Assert.All(clients, client => client.Dispose());
        }
    }
}
