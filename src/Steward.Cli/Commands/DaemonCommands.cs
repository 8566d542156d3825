using Steward.Client;
using Steward.Core.Config;
using Steward.Core.Model;

namespace Steward.Cli;

// shutdown, reload, upgrade, open: the daemon itself.
internal sealed partial class CtlSession
{
    private void Shutdown(string argument)
    {
        if (argument.Length > 0)
        {
            Usage("Error: shutdown accepts no arguments", HelpTexts.Shutdown);
            return;
        }

        if (!Confirm("Really shut the remote supervisord process down y/N? "))
        {
            return;
        }

        Answer<bool> answer = Ask(client => client.Shutdown());
        if (answer.IsValue)
        {
            _out.Line("Shut down");
        }
        else if (answer.Fault is { Code: (int)FaultCode.ShutdownState })
        {
            // No failure: it is on its way.
            _out.Line("ERROR: already shutting down");
        }
        else if (answer.Failure is { Kind: TransportFailureKind.Refused or TransportFailureKind.NoSuchFile } failure)
        {
            Refuse($"ERROR: {failure.Describe(_url)} (already shut down?)");
        }
        else
        {
            throw Unexpected(answer);
        }
    }

    private void Reload(string argument)
    {
        if (argument.Length > 0)
        {
            Usage("Error: reload accepts no arguments", HelpTexts.Reload);
            return;
        }

        if (!Confirm("Really restart the remote supervisord process y/N? "))
        {
            return;
        }

        Answer<bool> answer = Ask(client => client.Restart());
        if (answer.IsValue)
        {
            _out.Line("Restarted supervisord");
        }
        else if (answer.Fault is { Code: (int)FaultCode.ShutdownState })
        {
            Refuse("ERROR: already shutting down");
        }
        else
        {
            throw Unexpected(answer);
        }
    }

    private void Upgrade(string argument)
    {
        // The path may hold spaces: it is the rest of the line.
        const string option = "--binary";
        string rest = argument.StartsWith(option, StringComparison.Ordinal) ? argument[option.Length..] : "";
        string file = rest.StartsWith(' ') || rest.StartsWith('=') ? rest[1..].Trim() : "";
        if (argument.Length > 0 && file.Length == 0)
        {
            Usage("Error: upgrade accepts --binary FILE and nothing else", HelpTexts.Upgrade);
            return;
        }

        Answer<bool> answer = Ask(client => client.Upgrade(
            file.Length == 0 ? "" : PosixPath.Absolute(file, _streams.Environment.CurrentDirectory)));
        if (answer.IsValue)
        {
            _out.Line("Upgraded supervisord");
        }
        else if (answer.Fault is { Code: (int)FaultCode.ShutdownState })
        {
            Refuse("ERROR: already shutting down");
        }
        else if (answer.Fault is { Code: (int)FaultCode.UnknownMethod })
        {
            Refuse("ERROR: the daemon cannot be upgraded in place; it is not Steward");
        }
        else if (answer.Fault is { Code: (int)FaultCode.Failed } refused)
        {
            Refuse("ERROR: not upgraded: " + refused.Text);
        }
        else
        {
            throw Unexpected(answer);
        }
    }

    private void Open(string argument)
    {
        if (!argument.StartsWith("unix:", StringComparison.OrdinalIgnoreCase) && !argument.StartsWith("http:", StringComparison.OrdinalIgnoreCase))
        {
            Refuse("ERROR: url must be http:// or unix://");
            return;
        }

        Connect(argument, _credentials);
        // What it shows says nothing about whether the opening went well.
        int before = Result;
        Status("");
        Result = before;
    }

    // Only who sits in front of it is asked.
    private bool Confirm(string question) =>
        !_settings.Interactive || (Ask(question) is ['y' or 'Y', ..]);
}
