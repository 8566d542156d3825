using Steward.Core.Model;
using Steward.Engine;

namespace Steward.Http.Tests;

/// <summary>Two hooks: <c>good</c>, and <c>bad</c>, whose target does not answer.</summary>
internal sealed class FakeHooks : IHookControl
{
    public IReadOnlyList<HookStatus> Hooks { get; } =
    [
        new("good", "url", "https://example.org/…", 3, 1, 2, 4, "the answer was 500", 1_800_000_000 * Moment.Second, 1_800_000_001 * Moment.Second),
        new("bad", "mail", "ops@example.org", 0, 0, 0, 0, null, 0, 0),
    ];

    public Task<string?>? TestAsync(string name) => name switch
    {
        "good" => Task.FromResult<string?>(null),
        "bad" => Task.FromResult<string?>("connection refused"),
        _ => null,
    };
}
