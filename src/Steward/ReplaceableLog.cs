using Steward.Core.Model;
using Steward.Core.Ports;
using Steward.Linux.Handover;
using Steward.Linux.Host;
using Steward.Linux.Output;

namespace Steward;

/// <summary>The activity log in use: a reload may bring another one. Any thread.</summary>
internal sealed class ReplaceableLog(ActivityLogOptions options) : IActivityLog, IDisposable
{
    private volatile ActivityLog _log = new(options);
    private Action<long>? _written;
    private Action<int>? _opened;

    public string? Path => _log.Path;

    public bool IsEnabled(LogLevel level) => _log.IsEnabled(level);

    public void Write(LogLevel level, string text, long wall) => _log.Write(level, text, wall);

    public void Write(LogLevel level, string text, long wall, long number) => _log.Write(level, text, wall, number);

    /// <summary>Has somebody told up to which number lines are out, from here on.</summary>
    public void TellWritten(Action<long> written)
    {
        _written = written;
        _log.Written = written;
    }

    /// <summary>Has somebody told of the file in use whenever it is another one, from here on: <see cref="ActivityLog.Opened"/>.</summary>
    public void TellOpened(Action<int> opened)
    {
        _opened = opened;
        _log.Opened = opened;
    }

    public void Flush() => _log.Flush();

    public void Reopen() => _log.Reopen();

    public bool Clear() => _log.Clear();

    /// <summary>
    /// Goes on with another log; the lines of the present one are written out first. Nobody else may be writing: a line that comes in
    /// between would be dropped.
    /// </summary>
    /// <returns>Null, or why the other one cannot be opened: then the present one stays.</returns>
    public string? Replace(ActivityLogOptions options)
    {
        ActivityLog former = _log;
        former.Flush();
        try
        {
            _log = new ActivityLog(options) { Written = _written, Opened = _opened };
        }
        catch (StartException e)
        {
            return e.Message;
        }

        former.Dispose();
        return null;
    }

    /// <summary>Leaves the descriptor of the file to another image of the program; nothing where there is no file.</summary>
    public void Leave(DescriptorTable table, string role) => _log.Leave(table, role);

    public void Dispose() => _log.Dispose();
}
