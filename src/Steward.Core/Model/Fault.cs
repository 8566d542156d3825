namespace Steward.Core.Model;

/// <summary>The fault codes of the XML-RPC interface (Supervisor docs, "XML-RPC API Documentation").</summary>
public enum FaultCode
{
    /// <summary>UNKNOWN_METHOD</summary>
    UnknownMethod = 1,

    /// <summary>INCORRECT_PARAMETERS</summary>
    IncorrectParameters = 2,

    /// <summary>BAD_ARGUMENTS</summary>
    BadArguments = 3,

    /// <summary>SIGNATURE_UNSUPPORTED</summary>
    SignatureUnsupported = 4,

    /// <summary>SHUTDOWN_STATE</summary>
    ShutdownState = 6,

    /// <summary>BAD_NAME</summary>
    BadName = 10,

    /// <summary>BAD_SIGNAL</summary>
    BadSignal = 11,

    /// <summary>NO_FILE</summary>
    NoFile = 20,

    /// <summary>NOT_EXECUTABLE</summary>
    NotExecutable = 21,

    /// <summary>FAILED</summary>
    Failed = 30,

    /// <summary>ABNORMAL_TERMINATION</summary>
    AbnormalTermination = 40,

    /// <summary>SPAWN_ERROR</summary>
    SpawnError = 50,

    /// <summary>ALREADY_STARTED</summary>
    AlreadyStarted = 60,

    /// <summary>NOT_RUNNING</summary>
    NotRunning = 70,

    /// <summary>SUCCESS; only as the status of one process in an array, never a fault.</summary>
    Success = 80,

    /// <summary>ALREADY_ADDED</summary>
    AlreadyAdded = 90,

    /// <summary>STILL_RUNNING</summary>
    StillRunning = 91,

    /// <summary>CANT_REREAD</summary>
    CantReread = 92,
}

/// <summary>Names of <see cref="FaultCode"/>.</summary>
public static class FaultCodes
{
    /// <summary>Returns the name in capitals, <c>UNKNOWN</c> for a code outside the table.</summary>
    public static string Name(this FaultCode code) => code switch
    {
        FaultCode.UnknownMethod => "UNKNOWN_METHOD",
        FaultCode.IncorrectParameters => "INCORRECT_PARAMETERS",
        FaultCode.BadArguments => "BAD_ARGUMENTS",
        FaultCode.SignatureUnsupported => "SIGNATURE_UNSUPPORTED",
        FaultCode.ShutdownState => "SHUTDOWN_STATE",
        FaultCode.BadName => "BAD_NAME",
        FaultCode.BadSignal => "BAD_SIGNAL",
        FaultCode.NoFile => "NO_FILE",
        FaultCode.NotExecutable => "NOT_EXECUTABLE",
        FaultCode.Failed => "FAILED",
        FaultCode.AbnormalTermination => "ABNORMAL_TERMINATION",
        FaultCode.SpawnError => "SPAWN_ERROR",
        FaultCode.AlreadyStarted => "ALREADY_STARTED",
        FaultCode.NotRunning => "NOT_RUNNING",
        FaultCode.Success => "SUCCESS",
        FaultCode.AlreadyAdded => "ALREADY_ADDED",
        FaultCode.StillRunning => "STILL_RUNNING",
        FaultCode.CantReread => "CANT_REREAD",
        _ => "UNKNOWN",
    };
}

/// <summary>A refusal: a code and what it is about.</summary>
/// <param name="Code">Which refusal.</param>
/// <param name="Extra">What stands behind the name in the fault string; null for nothing.</param>
public sealed record Fault(FaultCode Code, string? Extra = null)
{
    /// <summary>The whole fault string of another program, whose codes and names are its own; null for a fault of ours.</summary>
    public string? Foreign { get; init; }

    /// <summary>The fault string of clients: <c>BAD_NAME: foo</c>, or <c>FAILED</c> alone.</summary>
    public string Text => Foreign ?? (Extra is null ? Code.Name() : Code.Name() + ": " + Extra);
}
