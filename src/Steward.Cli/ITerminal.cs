using System.Runtime.InteropServices;
using Steward.Core.Config;

namespace Steward.Cli;

/// <summary>Standard input and what is special about it when somebody sits in front of it.</summary>
public interface ITerminal
{
    /// <summary>The columns of the screen; 80 when nobody knows.</summary>
    int Columns { get; }

    /// <summary>Says whether a descriptor is a terminal.</summary>
    bool IsTerminal(int descriptor);

    /// <summary>Keys come one by one, unechoed and without meaning to the kernel (Ctrl-C too), until the result is disposed of.</summary>
    IDisposable EnterRawMode();

    /// <summary>What is typed is not shown, but for the end of the line, until the result is disposed of: for passwords.</summary>
    IDisposable HideInput();

    /// <summary>Reads what is there from standard input, waiting for it.</summary>
    /// <param name="buffer">Where the bytes go.</param>
    /// <param name="timeoutMs">How long to wait, in milliseconds; -1: until something comes.</param>
    /// <returns>How many bytes were read; 0 at the end of input, -1 when the time is over.</returns>
    int Read(Span<byte> buffer, int timeoutMs);
}

/// <summary>The surroundings of a control program: where it reads and writes, and how it hears of Ctrl-C.</summary>
/// <param name="Output">Standard output; written in whole pieces and flushed by the program.</param>
/// <param name="Error">Standard error.</param>
/// <param name="Terminal">Standard input.</param>
/// <param name="Environment">The files, the variables and the home directories that a configuration speaks of.</param>
public sealed record CtlStreams(Stream Output, Stream Error, ITerminal Terminal, IConfigEnvironment Environment)
{
    /// <summary>
    /// Runs a command on our terminal and waits for its end. Its name comes first; of the variables, null takes one away.
    /// </summary>
    public Func<IReadOnlyList<string>, IReadOnlyList<KeyValuePair<string, string?>>, CommandEnd> RunCommand { get; init; } =
        static (words, _) => new CommandEnd(ExitStatus.Generic, $"cannot run {words[0]}: commands cannot be run here");

    /// <summary>
    /// Has an action called at SIGINT instead of the process ended, until the result is disposed of. The action runs on another thread.
    /// </summary>
    public Func<Action, IDisposable> OnInterrupt { get; init; } = action => PosixSignalRegistration.Create(
        PosixSignal.SIGINT,
        context =>
        {
            context.Cancel = true;
            action();
        });
}
