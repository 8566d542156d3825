namespace Steward.Http;

/// <summary>What is known of a connection; a feature of it.</summary>
internal sealed class ConnectionState
{
    private volatile bool _hasServed;
    private volatile bool _isServed;

    /// <summary>Whether the server looks after it; one that is turned away for being too many never gets there.</summary>
    public bool IsServed
    {
        get => _isServed;
        set => _isServed = value;
    }

    /// <summary>Whether a request of it was answered: it may be idle, and its client knows that such connections end at any time.</summary>
    public bool HasServed
    {
        get => _hasServed;
        set => _hasServed = value;
    }
}
