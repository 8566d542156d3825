namespace Steward.Cli.Shell;

/// <summary>What Ctrl-C does at this moment: what the running command says, else the session's own action.</summary>
internal sealed class ShellInterrupt : IDisposable
{
    private readonly Action _fallback;
    private readonly IDisposable _registration;
    private Action _current;

    public ShellInterrupt(Func<Action, IDisposable> register, Action fallback)
    {
        _fallback = fallback;
        _current = fallback;
        _registration = register(() => Volatile.Read(ref _current)());
    }

    /// <summary>Puts an action in place until the result is disposed of.</summary>
    public IDisposable Replace(Action action)
    {
        Volatile.Write(ref _current, action);
        return new Restorer(this);
    }

    public void Dispose() => _registration.Dispose();

    private sealed class Restorer(ShellInterrupt owner) : IDisposable
    {
        public void Dispose() => Volatile.Write(ref owner._current, owner._fallback);
    }
}
