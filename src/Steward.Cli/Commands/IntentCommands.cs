using Steward.Client;
using Steward.Core.Model;

namespace Steward.Cli;

// enable, disable and intent: what operators want, which outlives the daemon.
internal sealed partial class CtlSession
{
    private const string ReasonOption = "--reason";
    private const int IntentWidth = 10;

    private void Enable(string argument)
    {
        if (UpCheck() && Names(argument, "enable", HelpTexts.Enable, ExitStatus.InvalidArguments) is { } names)
        {
            SetIntents(names, isEnabled: true, "");
        }
    }

    /// <summary><c>disable name ... [--reason TEXT]</c>; the text is all that follows.</summary>
    private void Disable(string argument)
    {
        if (!UpCheck())
        {
            return;
        }

        string reason = "";
        string[] words = Words(argument);
        int option = Array.FindIndex(words, static word => word == ReasonOption || word.StartsWith(ReasonOption + "=", StringComparison.Ordinal));
        if (option >= 0)
        {
            reason = Unquoted(string.Join(' ', words[option..])[ReasonOption.Length..].TrimStart(' ', '='));
            if (reason.Length == 0)
            {
                Usage("Error: --reason requires a text", HelpTexts.Disable, ExitStatus.InvalidArguments);
                return;
            }

            argument = string.Join(' ', words[..option]);
        }

        if (Names(argument, "disable", HelpTexts.Disable, ExitStatus.InvalidArguments) is { } names)
        {
            SetIntents(names, isEnabled: false, reason);
        }
    }

    private void ShowIntents(string argument)
    {
        if (argument.Length > 0)
        {
            Usage("Error: intent accepts no arguments", HelpTexts.Intent, ExitStatus.InvalidArguments);
            return;
        }

        if (!UpCheck())
        {
            return;
        }

        IReadOnlyList<IntentInfo> intents = Demand(client => Remembering(client.GetIntents()));
        if (intents.Count == 0)
        {
            _out.Line("no intents are remembered");
            return;
        }

        int width = NameGap + intents.Aggregate(NameWidth, (most, intent) => Math.Max(most, intent.Namespec.Length));
        foreach (IntentInfo intent in intents)
        {
            string[] told =
            [
                intent.Reason, intent.IsStopped ? "stopped by hand" : "", intent.By.Length > 0 ? "by " + intent.By : "", "since " + Time(intent.Since),
            ];
            _out.Line(intent.Namespec.PadRight(width) + (intent.IsEnabled ? "enabled" : "disabled").PadRight(IntentWidth)
                + string.Join(", ", told.Where(static one => one.Length > 0)));
        }
    }

    private void SetIntents(string[] names, bool isEnabled, string reason)
    {
        Act(
            names,
            client => OneByOne(null, name => Set(client, name)),
            (client, group) => OneByOne(group, name => Set(client, name)),
            Set,
            isEnabled ? "enabled" : "disabled");

        Answer<bool> Set(SupervisorClient client, string name) => Remembering(client.SetIntent(name, isEnabled, reason));
    }

    // A daemon that knows no intents is told once, not for each name.
    private static Answer<T> Remembering<T>(Answer<T> answer) => answer.Fault is { Code: (int)FaultCode.UnknownMethod }
        ? throw new CommandFailedException("this daemon remembers no intents: it is an older Steward, or another supervisord")
        : answer;

    /// <summary>In the shell of the tool no other shell has taken the quotes away.</summary>
    private static string Unquoted(string text) =>
        text.Length >= 2 && text[0] is '"' or '\'' && text[^1] == text[0] ? text[1..^1] : text;
}
