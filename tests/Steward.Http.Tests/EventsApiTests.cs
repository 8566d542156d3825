using System.Net;
using System.Text.Json;
using Steward.Core.Events;
using Steward.Core.Model;
using Steward.Journal;
using Steward.Linux.Host;

namespace Steward.Http.Tests;

/// <summary>The journal over HTTP, with a journal of the test's own.</summary>
public sealed class EventsApiTests : IAsyncLifetime, IDisposable
{
    private readonly DirectoryInfo _directory = Directory.CreateTempSubdirectory("steward-api-");
    private readonly JournalHolder _journal;
    private readonly HttpClient _client = new();
    private TestServer _server = null!;

    static EventsApiTests() => SqliteLibrary.LoadWith(MemoryLibrary.Load);

    public EventsApiTests() => _journal = new JournalHolder(SystemClock.Instance, static (_, _) => { });

    public async Task InitializeAsync()
    {
        _journal.Configure(new JournalOptions(Path.Combine(_directory.FullName, "j")) { MaxAge = TimeSpan.FromDays(36_500) });
        _journal.Start();
        for (int i = 1; i <= 5; i++)
        {
            Append(i, new SpawnFact(100 + i, By: "autostart"));
        }

        Append(6, ExitFact.Of(105, WaitStatus.FromExit(3), false, null, 1000, "last words\n"));
        Assert.True(_journal.Current!.Flush(TimeSpan.FromSeconds(60)));
        _server = await TestServer.StartAsync(journal: _journal);
        _client.BaseAddress = new Uri($"http://127.0.0.1:{_server.Port}");
    }

    public async Task DisposeAsync()
    {
        await _server.DisposeAsync();
    }

    public void Dispose()
    {
        _client.Dispose();
        _journal.Dispose();
        _directory.Delete(recursive: true);
    }

    [Fact]
    public async Task Pages_go_on_from_their_cursor()
    {
        JsonElement first = await GetAsync("events?limit=4");
        Assert.Equal([1L, 2L, 3L, 4L], Numbers(first));
        Assert.True(first.GetProperty("more").GetBoolean());
        JsonElement second = await GetAsync($"events?limit=4&after={first.GetProperty("next").GetInt64()}");
        Assert.Equal([5L, 6L], Numbers(second));
        Assert.False(second.GetProperty("more").GetBoolean());
    }

    [Theory]
    [InlineData("events?last=1&limit=2", "5,6")]
    [InlineData("events?kind=exit", "6")]
    [InlineData("events?kind=exit,spawn&process=web&after=4", "5,6")]
    [InlineData("events?process=other", "")]
    [InlineData("events?since=4", "4,5,6")]
    [InlineData("events?since=1970-01-01T00:00:05Z", "5,6")]
    [InlineData("history?limit=1", "6")]
    [InlineData("history/web:*?limit=2", "5,6")]
    public async Task Filters_choose(string query, string numbers) => Assert.Equal(numbers, string.Join(',', Numbers(await GetAsync(query))));

    [Theory]
    [InlineData("events?kind=nonsense", 400)]
    [InlineData("events?after=-1", 400)]
    [InlineData("events?since=soon", 400)]
    [InlineData("why/nobody", 404)]
    [InlineData("history/nobody", 404)]
    [InlineData("nothing", 404)]
    public async Task What_cannot_be_answered_has_a_status_and_a_text(string query, int status)
    {
        using HttpResponseMessage answer = await _client.GetAsync("/api/v1/" + query);
        Assert.Equal(status, (int)answer.StatusCode);
        Assert.NotEmpty(JsonDocument.Parse(await answer.Content.ReadAsStringAsync()).RootElement.GetProperty("error").GetString()!);
    }

    [Fact]
    public async Task Pages_of_other_sites_are_kept_out()
    {
        using var request = new HttpRequestMessage(HttpMethod.Get, "/api/v1/events");
        request.Headers.Add("Origin", "http://elsewhere");
        using HttpResponseMessage answer = await _client.SendAsync(request);
        Assert.Equal(HttpStatusCode.Forbidden, answer.StatusCode);
    }

    [Fact]
    public async Task A_follower_gets_what_comes()
    {
        using HttpResponseMessage answer = await _client.GetAsync("/api/v1/events?follow=1&after=5", HttpCompletionOption.ResponseHeadersRead);
        Assert.Equal("text/event-stream", answer.Content.Headers.ContentType!.MediaType);
        using var reader = new StreamReader(await answer.Content.ReadAsStreamAsync());
        Assert.Equal("id: 6", await NextAsync(reader));
        Append(7, new SpawnFact(107));
        Assert.Equal("id: 7", await NextAsync(reader));
    }

    [Fact]
    public async Task A_daemon_without_a_journal_says_which_key_to_set()
    {
        _journal.Configure(null);
        using HttpResponseMessage answer = await _client.GetAsync("/api/v1/why/web");
        Assert.Equal(501, (int)answer.StatusCode);
        Assert.Contains("journal=", await answer.Content.ReadAsStringAsync(), StringComparison.Ordinal);
    }

    private static async Task<string> NextAsync(StreamReader reader)
    {
        while (true)
        {
            string line = await reader.ReadLineAsync().WaitAsync(TimeSpan.FromSeconds(60)) ?? throw new InvalidOperationException("the stream ended");
            if (line.StartsWith("id: ", StringComparison.Ordinal))
            {
                return line;
            }
        }
    }

    private static IEnumerable<long> Numbers(JsonElement page) =>
        page.GetProperty("entries").EnumerateArray().Select(static entry => entry.GetProperty("number").GetInt64());

    private void Append(long second, JournalFact fact) => _journal.Append(new JournalEntry(0, second * Moment.Second, "web", "web", 1, fact));

    private async Task<JsonElement> GetAsync(string query)
    {
        using HttpResponseMessage answer = await _client.GetAsync("/api/v1/" + query);
        string text = await answer.Content.ReadAsStringAsync();
        Assert.True(answer.IsSuccessStatusCode, text);
        return JsonDocument.Parse(text).RootElement;
    }
}
