namespace Steward.Http;

/// <summary>Where a request comes from.</summary>
internal interface IRequester
{
    /// <summary>Who asks, in words for people.</summary>
    string Requester { get; }
}
