using System.Collections.Concurrent;
using System.Text;
using Steward.Core.Config;

namespace Steward.Cli.Tests;

/// <summary>Standard input of a test: bytes given beforehand or one by one; the end of input when it is closed.</summary>
internal sealed class FakeTerminal(bool isTerminal = false) : ITerminal
{
    private readonly BlockingCollection<byte> _bytes = [];

    public int Columns { get; init; } = 80;

    public int Raw { get; private set; }

    public int Hidden { get; private set; }

    public FakeTerminal Type(string text)
    {
        foreach (byte b in Encoding.UTF8.GetBytes(text))
        {
            _bytes.Add(b);
        }

        return this;
    }

    public FakeTerminal End()
    {
        _bytes.CompleteAdding();
        return this;
    }

    public bool IsTerminal(int descriptor) => isTerminal;

    public IDisposable EnterRawMode()
    {
        Raw++;
        return new MemoryStream();
    }

    public IDisposable HideInput()
    {
        Hidden++;
        return new MemoryStream();
    }

    public int Read(Span<byte> buffer, int timeoutMs)
    {
        if (_bytes.TryTake(out buffer[0], timeoutMs))
        {
            return 1;
        }

        return _bytes.IsCompleted ? 0 : -1;
    }
}

/// <summary>The real file system under a made-up environment.</summary>
internal sealed class FakeEnvironment(string directory) : IConfigEnvironment
{
    public string CurrentDirectory => directory;

    public string HostName => "node";

    public string TempDirectory => directory;

    public int UserId => 1000;

    public Dictionary<string, string> Changes { get; } = new(StringComparer.Ordinal) { ["TERM"] = "xterm", ["WHERE"] = "ctl.sock" };

    public IReadOnlyDictionary<string, string> Variables => Changes;

    // The machine's own /etc does not belong to the test.
    public bool Exists(string path) =>
        Path.Combine(directory, path).StartsWith(directory, StringComparison.Ordinal) && Path.Exists(Path.Combine(directory, path));

    public bool IsDirectory(string path) => Directory.Exists(path);

    public FileContent ReadFile(string path)
    {
        path = Path.Combine(directory, path);
        return Directory.Exists(path)
            ? new FileContent(null, 21, "Is a directory")
            : new FileContent(File.ReadAllBytes(path), 0, null);
    }

    public IReadOnlyList<string> Glob(string pattern) =>
        [.. Directory.GetFiles(Path.GetDirectoryName(pattern)!, Path.GetFileName(pattern)).Order(StringComparer.Ordinal)];

    public UserIdentity? FindUser(string name) => null;

    public UserIdentity? FindUser(int uid) => null;

    public int? FindGroup(string name) => null;

    public bool GroupExists(int gid) => false;

    public string? HomeDirectory(string userName) => userName.Length == 0 ? Path.Combine(directory, "home") : null;
}

/// <summary>A folder of its own, and runs of the control tool in it.</summary>
internal sealed class Place : IDisposable
{
    public Place()
    {
        Folder = Directory.CreateTempSubdirectory("steward-cli-").FullName;
        Environment = new FakeEnvironment(Folder);
    }

    public string Folder { get; }

    public FakeEnvironment Environment { get; }

    /// <summary>What was registered for Ctrl-C last.</summary>
    public Action? Interrupt { get; private set; }

    public MemoryStream? Output { get; private set; }

    public string At(string name) => Path.Combine(Folder, name);

    public string Write(string name, string text)
    {
        File.WriteAllText(At(name), text);
        return At(name);
    }

    /// <summary>The commands that were run, their words between bars.</summary>
    public List<string> Commands { get; } = [];

    /// <summary>What was put into their environments.</summary>
    public List<string> CommandEnvironments { get; } = [];

    public (int Status, string Output, string Error) Run(string[] args, FakeTerminal? terminal = null) => RunAs("ctl", args, terminal);

    public (int Status, string Output, string Error) RunAs(string name, string[] args, FakeTerminal? terminal = null)
    {
        var captured = new MemoryStream();
        Output = captured;
        var error = new MemoryStream();
        var streams = new CtlStreams(Stream.Synchronized(captured), error, terminal ?? new FakeTerminal().End(), Environment)
        {
            OnInterrupt = action =>
            {
                Interrupt = action;
                return new MemoryStream();
            },
            RunCommand = (words, environment) =>
            {
                if (words[0] == "x")
                {
                    return new CommandEnd(1, "cannot run 'x'");
                }

                Commands.Add(string.Join('|', words));
                CommandEnvironments.Add(string.Join(',', environment.Select(variable => $"{variable.Key}={variable.Value}")));
                return new CommandEnd(words[0] == "/opt/fails" ? 9 : 0, null);
            },
        };
        int status = CtlProgram.Run(args, name, streams, At("bin/ctl"));
        return (status, Encoding.UTF8.GetString(captured.ToArray()), Encoding.UTF8.GetString(error.ToArray()));
    }

    public void Dispose() => Directory.Delete(Folder, recursive: true);
}
