using System.Runtime.InteropServices;
using Steward.Linux.Interop;

namespace Steward.Linux.Host;

/// <summary>
/// Catches signals and reports their numbers, one at a time, on a thread of the runtime. The kernel merges a signal that is sent
/// again before the first is taken (man 7 signal); beyond that none is lost.
/// </summary>
internal sealed unsafe class SignalWatch : IDisposable
{
    private readonly PosixSignalRegistration[] _registrations;
    private readonly Lock _oneAtATime = new();
    private readonly Action<int> _deliver;
    private volatile bool _stopped;

    public SignalWatch(ReadOnlySpan<int> numbers, Action<int> deliver)
    {
        _deliver = deliver;
        _registrations = new PosixSignalRegistration[numbers.Length];
        for (int i = 0; i < numbers.Length; i++)
        {
            int number = numbers[i];
            // The runtime leaves a signal alone that was ignored when the program started, as INT and QUIT are in what a shell
            // puts into the background; Supervisor does not.
            if (IsIgnored(number))
            {
                _ = LibC.signal(number, LibC.SIG_DFL);
            }

            // A positive value is the number itself, whatever names the runtime knows.
            _registrations[i] = PosixSignalRegistration.Create((PosixSignal)number, context =>
            {
                context.Cancel = true;
                Deliver(number);
            });
        }
    }

    /// <summary>Says whether a signal is ignored by this process.</summary>
    public static bool IsIgnored(int number)
    {
        nint* action = stackalloc nint[LibC.SigActionSize / sizeof(nint)];
        return LibC.sigaction(number, null, action) == 0 && action[0] == LibC.SIG_IGN;
    }

    /// <summary>The signals have their default effect again.</summary>
    public void Dispose()
    {
        _stopped = true;
        foreach (PosixSignalRegistration registration in _registrations)
        {
            registration.Dispose();
        }
    }

    private void Deliver(int number)
    {
        lock (_oneAtATime)
        {
            // One that was on its way when the watch ended: its receiver has gone.
            if (!_stopped)
            {
                _deliver(number);
            }
        }
    }
}
