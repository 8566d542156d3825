namespace Steward.Http;

/// <summary>What is known of a connection; a feature of it.</summary>
internal sealed class ConnectionState
{
    private volatile bool _hasBegun;
    private volatile bool _isServed;

    /// <summary>Whether the server looks after it; one that is turned away for being too many never gets there.</summary>
    public bool IsServed
    {
        get => _isServed;
        set => _isServed = value;
    }

    /// <summary>
    /// Whether a request of it has come: it is answered in any case, and behind it the connection is idle, of which its client knows that such
    /// connections end at any time.
    /// </summary>
    public bool HasBegun
    {
        get => _hasBegun;
        set => _hasBegun = value;
    }
}
