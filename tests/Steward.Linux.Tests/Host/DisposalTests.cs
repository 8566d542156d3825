using Steward.Linux.Handover;
using Steward.Linux.Interop;
using Steward.Linux.Output;
using Steward.Linux.Processes;
using Steward.Linux.Tests.Processes;

namespace Steward.Linux.Tests.Host;

/// <summary>
/// What owns descriptors closes each once, however often it is disposed of: the number belongs to somebody else by the second time.
/// </summary>
[Collection(ProcessesCollection.Name)]
public sealed class DisposalTests
{
    private static readonly Dictionary<string, Func<IDisposable>> Makers = new(StringComparer.Ordinal)
    {
        ["state"] = static () => StateMemory.Create(out _)!,
        ["output"] = static () => OutputMemory.Create(out _)!,
        ["poller"] = static () => new Poller(),
        ["slots"] = static () => ChildSlots.TryCreate()!,
        ["helper"] = static () =>
        {
            (int read, int write) = Descriptors.Pipe();
            Descriptors.Close(write);
            return new HelperRun(1, read);
        },
    };

    public static TheoryData<string> Owners => [.. Makers.Keys];

    [Theory]
    [MemberData(nameof(Owners))]
    public void The_second_time_closes_nothing(string owner)
    {
        HashSet<int> before = Open();
        IDisposable disposable = Makers[owner]();
        int[] own = [.. Open().Except(before)];
        Assert.NotEmpty(own);
        disposable.Dispose();
        (int read, int write) = Descriptors.Pipe();
        HashSet<int> others = [read, write, .. own.Where(fd => fd != read && fd != write).Select(fd => LibC.fcntl(read, LibC.F_DUPFD_CLOEXEC, fd))];
        Assert.Subset(others, own.ToHashSet());
        disposable.Dispose();
        Assert.Subset(Open(), others);
        Descriptors.Close([.. others]);
    }

    private static HashSet<int> Open() => [.. Enumerable.Range(3, 1021).Where(static fd => LibC.fcntl(fd, LibC.F_GETFD, 0) != -1)];
}
