using Steward.Core.Config;

namespace Steward.Cli;

// Actions of one's own: [ctlplugin:NAME] sections that name a command.
internal sealed partial class CtlSession
{
    private const string ArgumentsMark = "{args}";

    private void RunPlugin(CtlPlugin plugin, string argument)
    {
        if (!CommandLine.TrySplit(argument, out IReadOnlyList<string>? arguments, out string? error))
        {
            Refuse($"Error: {plugin.Name}: {error}");
            return;
        }

        var words = new List<string>();
        bool placed = false;
        foreach (string word in plugin.Command)
        {
            if (word == ArgumentsMark)
            {
                words.AddRange(arguments);
                placed = true;
            }
            else
            {
                words.Add(word);
            }
        }

        if (!placed)
        {
            words.AddRange(arguments);
        }

        List<KeyValuePair<string, string?>> environment =
        [
            new("SUPERVISOR_SERVER_URL", _url),
            new("SUPERVISOR_USERNAME", _credentials?.UserName),
            new("SUPERVISOR_PASSWORD", _credentials?.Password),
        ];
        _out.Flush();
        // Ctrl-C is for the command: it has the terminal.
        using IDisposable interrupt = OnInterrupt(static () => { });
        CommandEnd end = _streams.RunCommand(words, environment);
        if (end.Error is not null)
        {
            _out.Line($"error: {plugin.Name}: {end.Error}");
        }

        if (end.Status != ExitStatus.Success)
        {
            Fail(end.Status);
        }
    }
}
