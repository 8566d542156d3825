using Steward.Cli;
using Steward.Linux.Host;

namespace Steward;

/// <summary>The terminal of the Linux layer as the control tool wants it.</summary>
internal sealed class CommandTerminal : ITerminal
{
    private readonly Terminal _terminal = new();

    public int Columns => _terminal.Size.Columns;

    public bool IsTerminal(int descriptor) => Terminal.IsTerminal(descriptor);

    public IDisposable EnterRawMode() => _terminal.EnterRawMode();

    public IDisposable HideInput() => _terminal.HideInput();

    public int Read(Span<byte> buffer, int timeoutMs) => _terminal.Read(buffer, timeoutMs);
}
