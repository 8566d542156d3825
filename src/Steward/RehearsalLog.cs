using Steward.Core.Model;
using Steward.Core.Ports;

namespace Steward;

/// <summary>The activity log of a rehearsal: the daemon's own is not touched, and there is nothing to say that the exit status does not.</summary>
internal sealed class RehearsalLog : IActivityLog
{
    public string? Path => null;

    public bool IsEnabled(LogLevel level) => false;

    public void Write(LogLevel level, string text, long wall)
    {
    }

    public void Flush()
    {
    }

    public void Reopen()
    {
    }

    public bool Clear() => true;
}
