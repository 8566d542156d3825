using Steward.Core.Config;
using Steward.Core.Model;
using Steward.Linux.Interop;

namespace Steward.Linux.Processes;

/// <summary>
/// Finds the file that a command runs and says whether it can be run, with the daemon's identity, before a child exists.
/// </summary>
/// <remarks>
/// Relative names are looked up from the program's <c>directory</c>, because that is where exec will look. A search along PATH
/// goes on past a file that cannot be run; when nothing better follows, the first such file is what the refusal is about.
/// </remarks>
internal static unsafe class CommandFinder
{
    private const int AnyExecute = 0x49;

    /// <summary>Where commands are looked for when PATH is unset or empty.</summary>
    private const string DefaultPath = "/bin:/usr/bin:/usr/local/bin";

    /// <summary>Splits a program's command and finds its file.</summary>
    /// <param name="config">The program.</param>
    /// <param name="inheritedPath">PATH of the daemon's own environment.</param>
    /// <param name="words">The words; the first is argv[0] as written.</param>
    /// <param name="file">What exec is to be given; may be relative to <c>directory</c>.</param>
    /// <returns>Null when the command can be run.</returns>
    public static Fault? Find(ProcessConfig config, string? inheritedPath, out IReadOnlyList<string> words, out string file)
    {
        file = "";
        words = [];
        if (!CommandLine.TrySplit(config.Command, out IReadOnlyList<string>? split, out string? error))
        {
            return Unparsable(config.Command, error);
        }

        if (config.Command.Contains('\0'))
        {
            // A word ends at a zero byte for the kernel: what runs would not be what is written.
            return Unparsable(config.Command, "embedded null byte");
        }

        words = split;
        if (words.Count == 0)
        {
            return new Fault(FaultCode.NotExecutable, "command is empty");
        }

        string name = words[0];
        if (name.Contains('/'))
        {
            file = name;
            return Examine(name, config.Directory) ?? (Exists(name, config.Directory) ? null : NotFound(name));
        }

        string? path = inheritedPath;
        foreach (KeyValuePair<string, string> variable in config.Environment)
        {
            path = variable.Key == "PATH" ? variable.Value : path;
        }

        Fault? refusal = null;
        foreach (string element in (string.IsNullOrEmpty(path) ? DefaultPath : path).Split(':'))
        {
            // An empty element is the working directory.
            string candidate = element.Length == 0 || element.EndsWith('/') ? element + name : element + "/" + name;
            if (!Exists(candidate, config.Directory))
            {
                continue;
            }

            Fault? fault = Examine(candidate, config.Directory);
            if (fault is null)
            {
                file = candidate;
                return null;
            }

            refusal ??= fault;
        }

        return refusal ?? NotFound(name);
    }

    private static Fault Unparsable(string command, string reason) =>
        new(FaultCode.NotExecutable, $"can't parse command {PythonText.Repr(command)}: {reason}");

    private static Fault NotFound(string name) => new(FaultCode.NoFile, $"can't find command {PythonText.Repr(name)}");

    private static string Resolve(string file, string? directory) =>
        directory is null || file.StartsWith('/') ? (file.Length == 0 ? "." : file) : Path.Join(directory, file);

    private static bool Exists(string file, string? directory) => Mode(Resolve(file, directory)) >= 0;

    /// <summary>Why an existing file cannot be run; null when it can, or does not exist.</summary>
    private static Fault? Examine(string file, string? directory)
    {
        string resolved = Resolve(file, directory);
        int mode = Mode(resolved);
        string? reason = mode switch
        {
            < 0 => null,
            _ when (mode & LibC.S_IFMT) == LibC.S_IFDIR => $"command at {PythonText.Repr(file)} is a directory",
            _ when (mode & AnyExecute) == 0 => $"command at {PythonText.Repr(file)} is not executable",
            _ when LibC.access(resolved, LibC.X_OK) != 0 => $"no permission to run command {PythonText.Repr(file)}",
            _ => null,
        };
        return reason is null ? null : new Fault(FaultCode.NotExecutable, reason);
    }

    private static int Mode(string path)
    {
        LibC.StatX status;
        return LibC.statx(LibC.AT_FDCWD, path, 0, LibC.STATX_BASIC_STATS, &status) == 0 ? status.Mode : -1;
    }
}
