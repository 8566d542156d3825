using Steward.Cli.Shell;
using Steward.Client;

namespace Steward.Cli;

// The interactive shell.
internal sealed partial class CtlSession
{
    private ShellInterrupt? _shellInterrupt;

    /// <summary>
    /// Shows the status, then reads and carries out lines until the input ends or a command leaves. On a terminal with an editor, a
    /// history and completion; otherwise line by line, with the prompts all the same, as scripts know it.
    /// </summary>
    /// <param name="leave">Ends the process at Ctrl-C while a command is waited for.</param>
    public void RunShell(Action<int> leave)
    {
        var history = new History();
        if (_settings.HistoryFile is { } file)
        {
            history.Load(file);
        }

        using var interrupt = new ShellInterrupt(_streams.OnInterrupt, () =>
        {
            _out.Line("");
            _out.Flush();
            SaveHistory(history);
            leave(ExitStatus.Success);
        });
        _shellInterrupt = interrupt;
        try
        {
            Execute("status");
            ReadLines(history);
        }
        finally
        {
            _shellInterrupt = null;
            SaveHistory(history);
        }
    }

    private void SaveHistory(History history)
    {
        if (_settings.HistoryFile is { } file)
        {
            history.Save(file);
        }
    }

    private void ReadLines(History history)
    {
        string prompt = _settings.Prompt + "> ";
        bool edits = _streams.Terminal.IsTerminal(0) && _streams.Terminal.IsTerminal(1)
            && Variable("TERM") is not ("dumb" or "" or null);
        var completer = new Completer(ActionNames, () => Offer(client => client.GetAllProcessInfo()), () => Offer(client => client.GetAllConfigInfo()));
        LineEditor? editor = edits
            ? new LineEditor(_input, _out, () => _streams.Terminal.Columns, history, completer.Complete)
            : null;
        while (!Left)
        {
            string? line = editor is null ? Ask(prompt) : Edit(editor, prompt);
            if (line is null)
            {
                _out.Line("");
                _out.Flush();
                return;
            }

            history.Add(line);
            Execute(line);
            completer.Forget();
        }
    }

    // Empty at the end (Ctrl-D, Ctrl-C, or a terminal that is gone): the editor itself has gone to a new line.
    private string Edit(LineEditor editor, string prompt)
    {
        LineEnd end;
        string line;
        using (_streams.Terminal.EnterRawMode())
        {
            end = editor.Read(prompt, out line);
            _out.Flush();
        }

        if (end == LineEnd.Entered)
        {
            return line;
        }

        Left = true;
        return "";
    }

    private IReadOnlyList<T> Offer<T>(Func<SupervisorClient, Answer<IReadOnlyList<T>>> call)
    {
        // Completion offers what it can; why it cannot is told when the line is carried out.
        Answer<IReadOnlyList<T>> answer = call(Client);
        return answer.IsValue ? answer.Value : [];
    }

    private string? Variable(string name) => _streams.Environment.Variables.GetValueOrDefault(name);
}
