using Microsoft.Extensions.Logging;
using Steward.Engine;

namespace Steward.Http;

/// <summary>Brings the errors of Kestrel itself, which nobody should ever see, to the activity log.</summary>
internal sealed class KestrelLog(ISupervisorControl control) : ILoggerFactory, ILogger
{
    public ILogger CreateLogger(string categoryName) => this;

    public void AddProvider(ILoggerProvider provider) => throw new NotSupportedException();

    public bool IsEnabled(LogLevel logLevel) => logLevel is LogLevel.Error or LogLevel.Critical;

    public IDisposable? BeginScope<TState>(TState state)
        where TState : notnull => null;

    public void Log<TState>(
        LogLevel logLevel, EventId eventId, TState state, Exception? exception, Func<TState, Exception?, string> formatter)
    {
        if (IsEnabled(logLevel))
        {
            control.Log(Core.Model.LogLevel.Error, $"HTTP server: {formatter(state, exception)} {exception}");
        }
    }

    public void Dispose()
    {
    }
}
