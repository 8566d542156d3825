using System.Runtime.InteropServices;
using Steward.Linux.Interop;

namespace Steward.Linux.Processes;

/// <summary>
/// A page of machine code that makes a child and walks its <see cref="SystemCallList"/>; the source is <c>spawn-stub.S</c>.
/// </summary>
/// <remarks>
/// Why machine code: the child runs on the memory of a managed program with threads. Managed code in it could meet a garbage
/// collection that waits for threads which do not exist there, and copying the memory instead (fork) costs more the larger the
/// heap is. The stub touches neither the heap nor the stack nor the C library. It is called with a transition, so a collection
/// in another thread does not wait for the child's exec, however slow the disk.
/// </remarks>
internal sealed unsafe class SpawnStub
{
    private const int PageSize = 4096;

    private readonly delegate* unmanaged<Plan*, nint> _entry;

    private SpawnStub(void* page)
    {
        _entry = (delegate* unmanaged<Plan*, nint>)page;
    }

    /// <summary>The code for x86-64.</summary>
    internal static ReadOnlySpan<byte> X64Code =>
    [
        0x53, 0x41, 0x54, 0x41, 0x55, 0x48, 0x89, 0xfb, 0x4c, 0x8b, 0x23, 0x4c, 0x8b, 0x6b, 0x08, 0x48,
        0x8b, 0x7b, 0x10, 0x31, 0xf6, 0x31, 0xd2, 0x45, 0x31, 0xd2, 0x45, 0x31, 0xc0, 0xb8, 0x38, 0x00,
        0x00, 0x00, 0x0f, 0x05, 0x48, 0x85, 0xc0, 0x74, 0x06, 0x41, 0x5d, 0x41, 0x5c, 0x5b, 0xc3, 0x4d,
        0x39, 0xec, 0x73, 0x39, 0x49, 0x8b, 0x04, 0x24, 0x49, 0x8b, 0x7c, 0x24, 0x08, 0x49, 0x8b, 0x74,
        0x24, 0x10, 0x49, 0x8b, 0x54, 0x24, 0x18, 0x4d, 0x8b, 0x54, 0x24, 0x20, 0x4d, 0x8b, 0x44, 0x24,
        0x28, 0x4d, 0x8b, 0x4c, 0x24, 0x30, 0x0f, 0x05, 0x48, 0x85, 0xc0, 0x79, 0x1e, 0x41, 0xf6, 0x44,
        0x24, 0x38, 0x01, 0x75, 0x16, 0x48, 0x89, 0x43, 0x18, 0x4c, 0x89, 0x63, 0x20, 0xbf, 0x7f, 0x00,
        0x00, 0x00, 0xb8, 0xe7, 0x00, 0x00, 0x00, 0x0f, 0x05, 0xeb, 0xf2, 0x49, 0x83, 0xc4, 0x40, 0xeb,
        0xae,
    ];

    /// <summary>
    /// Places the code in memory of its own, writable first and executable after, never both. Null where there is no code for
    /// the architecture or the system forbids new executable memory (SELinux execmem, systemd MemoryDenyWriteExecute).
    /// </summary>
    internal static SpawnStub? TryCreate()
    {
        if (RuntimeInformation.ProcessArchitecture != Architecture.X64)
        {
            return null;
        }

        void* page = LibC.mmap(null, PageSize, LibC.PROT_READ | LibC.PROT_WRITE, LibC.MAP_PRIVATE | LibC.MAP_ANONYMOUS, -1, 0);
        if ((nint)page == -1)
        {
            return null;
        }

        X64Code.CopyTo(new Span<byte>(page, PageSize));

        // The page is never unmapped: one for the life of the program.
        return LibC.mprotect(page, PageSize, LibC.PROT_READ | LibC.PROT_EXEC) == 0 ? new SpawnStub(page) : null;
    }

    /// <summary>Makes the child; comes back when it executes its program or has exited.</summary>
    /// <param name="list">What it does.</param>
    /// <param name="sharesDescriptors">Whether it begins with our table of descriptors; then the list unshares it first thing.</param>
    internal SpawnResult Run(SystemCallList list, bool sharesDescriptors)
    {
        const int SetMask = 2;
        nint maskCall = SystemCallNumbers.Current.RtSigProcMask;
        Plan plan = new()
        {
            First = list.First,
            End = list.First + list.Count,

            // SIGCHLD: a child as fork makes them. The handlers are a copy (no CLONE_SIGHAND).
            Flags = LibC.CLONE_VM | LibC.CLONE_VFORK | LibC.SIGCHLD | (sharesDescriptors ? LibC.CLONE_FILES : 0),
        };

        // No handler of ours may run in the child, on our stack: it inherits the blocked mask and unblocks when all
        // dispositions are default. The raw call, because that of the C library spares two signals.
        ulong all = ulong.MaxValue;
        ulong before;
        _ = LibC.syscall(maskCall, SetMask, (nint)(&all), (nint)(&before), sizeof(ulong), 0, 0);
        nint pid = _entry(&plan);
        _ = LibC.syscall(maskCall, SetMask, (nint)(&before), 0, sizeof(ulong), 0, 0);

        if (pid < 0)
        {
            return new SpawnResult(0, SpawnStage.Clone, (int)-pid);
        }

        return plan.Failed is null
            ? new SpawnResult((int)pid, SpawnStage.Exec, 0)
            : new SpawnResult((int)pid, list.StageOf((int)(plan.Failed - list.First)), (int)-plan.Result);
    }

    /// <summary>The layout is known to the stub.</summary>
    [StructLayout(LayoutKind.Sequential)]
    private struct Plan
    {
        internal SystemCallList.SystemCall* First;
        internal SystemCallList.SystemCall* End;
        internal nint Flags;
        internal nint Result;
        internal SystemCallList.SystemCall* Failed;
    }
}
