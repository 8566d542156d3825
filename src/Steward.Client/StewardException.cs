namespace Steward.Client;

/// <summary>A call of <see cref="StewardClient"/> came to nothing: see the two kinds.</summary>
public abstract class StewardException : Exception
{
    private protected StewardException(string message)
        : base(message)
    {
    }
}

/// <summary>The daemon refused: a process of that name is not there, runs already, does not start.</summary>
public sealed class StewardFaultException : StewardException
{
    internal StewardFaultException(RpcFault fault)
        : base(fault.Text) => Fault = fault;

    /// <summary>Code and text; the codes are those of <see cref="Core.Model.FaultCode"/>.</summary>
    public RpcFault Fault { get; }
}

/// <summary>There is no answer: nobody listens, the login is wrong, the time is over. What became of the call is not known.</summary>
public sealed class StewardConnectionException : StewardException
{
    internal StewardConnectionException(TransportFailure failure, string url)
        : base(failure.Describe(url)) => Failure = failure;

    /// <summary>Why.</summary>
    public TransportFailure Failure { get; }
}
