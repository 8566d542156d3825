using System.Globalization;
using System.Text;
using Steward.Client;
using Steward.Core.Config;

namespace Steward.Cli;

// Nobody answers: what can be found out about the daemon, in one line on standard error. What scripts read stays as it is.
internal sealed partial class CtlSession
{
    private void ExplainMissing(TransportFailure failure)
    {
        if (failure.Kind is not (TransportFailureKind.NoSuchFile or TransportFailureKind.Refused) || _settings.PidFile is not { } file
            || _url != _settings.ServerUrl || !_url.StartsWith("unix://", StringComparison.Ordinal))
        {
            return;
        }

        IConfigEnvironment machine = _streams.Environment;
        string text;
        if (!machine.Exists(file) || machine.ReadFile(file).Bytes is not { } bytes)
        {
            // No daemon, as everything says: there is nothing to add.
            return;
        }

        if (!int.TryParse(Encoding.Latin1.GetString(bytes), NumberStyles.AllowLeadingWhite | NumberStyles.AllowTrailingWhite,
            CultureInfo.InvariantCulture, out int pid) || pid <= 0)
        {
            text = $"{file} names no process";
        }
        else if (machine.IsDirectory(string.Create(CultureInfo.InvariantCulture, $"/proc/{pid}")))
        {
            text = string.Create(CultureInfo.InvariantCulture,
                $"{file} names process {pid}, which runs: if it is the daemon, its socket has vanished or is another one; look at its log");
        }
        else
        {
            text = string.Create(CultureInfo.InvariantCulture, $"{file} names process {pid}, which does not run: the daemon ended without removing it");
        }

        _out.Flush();
        _error.Line(text);
        _error.Flush();
    }
}
