using System.Diagnostics;
using System.Globalization;
using System.Net.Sockets;

namespace Steward.Keeper.Tests;

/// <summary>A keeper in a process of its own, whose daemons do what the test says.</summary>
internal sealed class TestKeeper : IDisposable
{
    /// <summary>Generous on purpose: only a fault reaches it.</summary>
    public static readonly TimeSpan Limit = TimeSpan.FromSeconds(60);

    private readonly string _folder = Directory.CreateTempSubdirectory("steward-keeper.").FullName;
    private readonly Socket _listener = new(AddressFamily.Unix, SocketType.Stream, ProtocolType.Unspecified);
    private readonly Process _process;
    private readonly List<string> _said = [];
    private readonly List<TestedDaemon> _daemons = [];

    public TestKeeper()
    {
        string socket = File("socket");
        _listener.Bind(new UnixDomainSocketEndPoint(socket));
        _listener.Listen();
        Image("first");
        IReadOnlyList<string> command = TestProgram.Command;
        _process = Process.Start(new ProcessStartInfo(command[0], [.. command.Skip(1), "keep", File("first"), socket]) { RedirectStandardOutput = true })!;
        _process.OutputDataReceived += (_, line) =>
        {
            lock (_said)
            {
                _said.Add(line.Data ?? "");
            }
        };
        _process.BeginOutputReadLine();
    }

    public int Pid => _process.Id;

    public string File(string name) => Path.Combine(_folder, name);

    /// <summary>
    /// Makes an executable file that is an image of daemon and keeper and tells its name; what it does stands in its <see cref="Script"/>.
    /// </summary>
    /// <param name="name">Its name.</param>
    /// <param name="renew">What it does when it is to take the place of another one of the keeper, instead of that: shell.</param>
    public string Image(string name, string renew = ":")
    {
        string file = File(name);
        string command = string.Join(' ', TestProgram.Command);
        System.IO.File.WriteAllText(Script(name), $"""
            case "$1" in
                --kept) shift; exec {command} daemon {name} "$@" ;;
                --renew-keeper) {renew} ;;
            esac
            exec {command} keeper {name} "$@"

            """);

        // No script by itself: those cannot be executed by a descriptor that closes meanwhile, and no image of the program is one.
        System.IO.File.WriteAllText(file + ".c", $$"""
            #include <unistd.h>
            int main(int count, char **words)
            {
                char *all[count + 2];
                all[0] = "sh";
                all[1] = "{{Script(name)}}";
                for (int i = 1; i <= count; i++)
                    all[i + 1] = words[i];
                execv("/bin/sh", all);
                return 127;
            }

            """);
        using var compiler = Process.Start("gcc", ["-o", file, file + ".c"]);
        compiler.WaitForExit();
        Assert.Equal(0, compiler.ExitCode);
        return file;
    }

    /// <summary>What an image does: shell.</summary>
    public string Script(string name) => File(name + ".sh");

    /// <summary>Waits for the next daemon.</summary>
    public async Task<TestedDaemon> NextAsync()
    {
        using var limit = new CancellationTokenSource(Limit);
        try
        {
            var daemon = new TestedDaemon(await _listener.AcceptAsync(limit.Token));
            _daemons.Add(daemon);
            await daemon.BeginAsync();
            return daemon;
        }
        catch (OperationCanceledException)
        {
            throw new TimeoutException("no daemon comes: " + Said);
        }
    }

    /// <summary>Waits for the keeper's end.</summary>
    public async Task<int> EndsAsync()
    {
        using var limit = new CancellationTokenSource(Limit);
        await _process.WaitForExitAsync(limit.Token);
        return _process.ExitCode;
    }

    public Task SaysAsync(string text) => UntilAsync(() => Said.Contains(text, StringComparison.Ordinal), () => $"\"{text}\" is not said, but: {Said}");

    /// <summary>Looks until something holds; nothing tells when it does.</summary>
    public static async Task UntilAsync(Func<bool> condition, Func<string> complaint)
    {
        var clock = Stopwatch.StartNew();
        while (!condition())
        {
            if (clock.Elapsed >= Limit)
            {
                Assert.Fail(complaint());
            }

            await Task.Delay(20);
        }
    }

    public string Said
    {
        get
        {
            lock (_said)
            {
                return string.Join('\n', _said);
            }
        }
    }

    public static void Signal(int pid, string name)
    {
        using var kill = Process.Start("/bin/kill", ["-s", name, pid.ToString(CultureInfo.InvariantCulture)]);
        kill.WaitForExit();
    }

    public void Dispose()
    {
        if (!_process.HasExited)
        {
            _process.Kill();
        }

        // A daemon ends when its line does; while one lives what it prints has no end, for which it is waited.
        _daemons.ForEach(static daemon => daemon.Dispose());
        _listener.Dispose();
        _process.WaitForExit();
        _process.Dispose();
        Directory.Delete(_folder, recursive: true);
    }
}

/// <summary>The line to one daemon.</summary>
internal sealed class TestedDaemon(Socket socket) : IDisposable
{
    private readonly NetworkStream _stream = new(socket, ownsSocket: true);
    private readonly List<string> _events = [];
    private StreamReader _reader = StreamReader.Null;

    public int Pid { get; private set; }

    /// <summary>Of which image it is.</summary>
    public string Image { get; private set; } = "";

    public int Attempt { get; private set; }

    /// <summary>What the keeper held when it was started.</summary>
    public string[] Roles { get; private set; } = [];

    /// <summary>How the one before died; empty: there was none.</summary>
    public string Death { get; private set; } = "";

    public async Task BeginAsync()
    {
        _reader = new StreamReader(_stream);
        string[] words = (await LineAsync()).Split(' ', 7);
        Assert.Equal("begin", words[0]);
        Assert.Equal("/the/start", words[4]);
        Pid = int.Parse(words[1], CultureInfo.InvariantCulture);
        Image = words[2];
        Attempt = int.Parse(words[3], CultureInfo.InvariantCulture);
        Roles = words[5].Split(',', StringSplitOptions.RemoveEmptyEntries);
        Death = words[6];
    }

    /// <summary>Has it do something; what it says to that, without what it reports by itself.</summary>
    public async Task<string> DoAsync(string line)
    {
        await _stream.WriteAsync(System.Text.Encoding.UTF8.GetBytes(line + "\n"));
        string answer = "";
        while (await LineAsync() is var next && next != "done")
        {
            if (next.Split(' ')[0] is "exit" or "signal" or "renewed" or "unrenewed")
            {
                _events.Add(next);
            }
            else
            {
                answer = next;
            }
        }

        return answer;
    }

    /// <summary>Has it exit.</summary>
    public async Task ExitAsync(int status) => await _stream.WriteAsync(System.Text.Encoding.UTF8.GetBytes($"exit {status}\n"));

    /// <summary>The next that it reports by itself.</summary>
    public async Task<string> EventAsync()
    {
        if (_events.Count == 0)
        {
            return await LineAsync();
        }

        string next = _events[0];
        _events.RemoveAt(0);
        return next;
    }

    public void Kill() => TestKeeper.Signal(Pid, "KILL");

    public void Dispose() => _stream.Dispose();

    private async Task<string> LineAsync()
    {
        using var limit = new CancellationTokenSource(TestKeeper.Limit);
        return await _reader.ReadLineAsync(limit.Token) ?? throw new InvalidOperationException("The daemon is gone.");
    }
}
