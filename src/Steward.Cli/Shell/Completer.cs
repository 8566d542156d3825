using Steward.Client;

namespace Steward.Cli.Shell;

/// <summary>Finds what a word at the prompt can become.</summary>
/// <param name="actions">The names of the actions, in the order in which they are offered.</param>
/// <param name="processes">Asks the daemon for its processes; none when it does not answer.</param>
/// <param name="configured">Asks the daemon for what is configured; none when it does not answer.</param>
internal sealed class Completer(
    IReadOnlyList<string> actions, Func<IReadOnlyList<ProcessInfo>> processes, Func<IReadOnlyList<ConfigInfo>> configured)
{
    // Readline's word delimiters without ':', '*' and '-', which are parts of names here.
    private const string Delimiters = " \t\n`~!@#$%^&()=+[{]}\\|;'\",<>?";

    private IReadOnlyList<ProcessInfo>? _processes;
    private IReadOnlyList<ConfigInfo>? _configured;

    /// <summary>Forgets what the daemon said; called when a command has run.</summary>
    public void Forget()
    {
        _processes = null;
        _configured = null;
    }

    /// <summary>Finds the candidates for the word that ends at the cursor.</summary>
    public Completion Complete(string line, int cursor)
    {
        int start = cursor;
        while (start > 0 && !Delimiters.Contains(line[start - 1], StringComparison.Ordinal))
        {
            start--;
        }

        string text = line[start..cursor];
        string before = line[..start].TrimStart();
        IEnumerable<string> names;
        if (before.Length == 0)
        {
            names = actions;
        }
        else
        {
            int end = 0;
            while (end < before.Length && (char.IsLetterOrDigit(before[end]) || before[end] == '_'))
            {
                end++;
            }

            names = before[..end] switch
            {
                "help" => actions,
                "add" => Configured().Where(entry => !entry.InUse).Select(entry => entry.Group),
                "remove" or "update" => Processes().Select(process => process.Group),
                "clear" or "fg" or "pid" or "restart" or "signal" or "start" or "status" or "stop" or "tail"
                    or "disable" or "enable" or "kill" or "mrestart" or "mstart" or "mstop" or "serialrestart" => ProcessNames(text),
                _ => [],
            };
        }

        return new Completion(start, [.. names
            .Where(name => name.StartsWith(text, StringComparison.Ordinal))
            .Distinct()
            .Select(name => name + " ")]);
    }

    private IEnumerable<string> ProcessNames(string text)
    {
        string? group = null;
        foreach (ProcessInfo process in Processes())
        {
            if (process.Group == process.Name && !text.Contains(':', StringComparison.Ordinal))
            {
                yield return process.Name;
                continue;
            }

            if (process.Group != group)
            {
                group = process.Group;
                yield return group + ":*";
            }

            yield return process.Group + ":" + process.Name;
        }
    }

    private IReadOnlyList<ProcessInfo> Processes() => _processes ??= processes();

    private IReadOnlyList<ConfigInfo> Configured() => _configured ??= configured();
}
