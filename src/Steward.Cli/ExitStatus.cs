namespace Steward.Cli;

/// <summary>The exit codes of the control tool: those of init scripts (Linux Standard Base, "Init Script Actions").</summary>
internal static class ExitStatus
{
    public const int Success = 0;
    public const int Generic = 1;
    public const int InvalidArguments = 2;
    public const int Unimplemented = 3;
    public const int InsufficientPrivileges = 4;
    public const int NotInstalled = 5;
    public const int NotRunning = 7;

    /// <summary><c>status</c>: some process that was asked about is not running.</summary>
    public const int StatusNotRunning = 3;

    /// <summary><c>status</c>: nothing can be told.</summary>
    public const int StatusUnknown = 4;
}
