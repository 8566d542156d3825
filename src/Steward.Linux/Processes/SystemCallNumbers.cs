using System.Runtime.InteropServices;

namespace Steward.Linux.Processes;

/// <summary>
/// The numbers of the calls in a child's list: x86-64 has its own (<c>asm/unistd_64.h</c>), the younger 64-bit architectures
/// share theirs (<c>asm-generic/unistd.h</c>).
/// </summary>
internal sealed record SystemCallNumbers
{
    private static readonly SystemCallNumbers X64 = new()
    {
        RtSigAction = 13, RtSigProcMask = 14, ExecVe = 59, ChDir = 80, UMask = 95, SetPgid = 109, SetGroups = 116,
        SetResUid = 117, SetResGid = 119, Dup3 = 292, PrLimit64 = 302, CloseRange = 436, Write = 1,
    };

    private static readonly SystemCallNumbers Generic = new()
    {
        RtSigAction = 134, RtSigProcMask = 135, ExecVe = 221, ChDir = 49, UMask = 166, SetPgid = 154, SetGroups = 159,
        SetResUid = 147, SetResGid = 149, Dup3 = 24, PrLimit64 = 261, CloseRange = 436, Write = 64,
    };

    /// <summary>Those of this machine.</summary>
    /// <exception cref="PlatformNotSupportedException">It is not a 64-bit architecture that we know.</exception>
    internal static SystemCallNumbers Current => RuntimeInformation.ProcessArchitecture switch
    {
        Architecture.X64 => X64,
        Architecture.Arm64 or Architecture.RiscV64 or Architecture.LoongArch64 => Generic,
        Architecture other => throw new PlatformNotSupportedException(
            $"Programs cannot be started on {other}: use an x64, arm64, riscv64 or loongarch64 system."),
    };

    internal required nint RtSigAction { get; init; }

    internal required nint RtSigProcMask { get; init; }

    internal required nint ExecVe { get; init; }

    internal required nint ChDir { get; init; }

    internal required nint UMask { get; init; }

    internal required nint SetPgid { get; init; }

    internal required nint SetGroups { get; init; }

    internal required nint SetResUid { get; init; }

    internal required nint SetResGid { get; init; }

    internal required nint Dup3 { get; init; }

    internal required nint PrLimit64 { get; init; }

    internal required nint CloseRange { get; init; }

    internal required nint Write { get; init; }
}
