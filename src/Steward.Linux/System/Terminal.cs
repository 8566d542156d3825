using System.Diagnostics;
using System.Globalization;
using System.Runtime.InteropServices;
using Steward.Linux.Interop;

namespace Steward.Linux.Host;

/// <summary>
/// The terminal of an interactive command: its modes, its size and its keys as bytes. Whatever mode was set is taken back when
/// its scope ends, when the program exits and when a signal ends it; after a stop and continue it is set again.
/// </summary>
/// <param name="input">The descriptor that is read.</param>
/// <param name="output">The descriptor that is written to and asked for the size.</param>
public sealed unsafe class Terminal(int input = StandardStreams.Input, int output = StandardStreams.Output)
{
    /// <summary>Says whether a descriptor is a terminal.</summary>
    public static bool IsTerminal(int fd) => StandardStreams.IsTerminal(fd);

    /// <summary>The size in characters; from <c>COLUMNS</c> and <c>LINES</c>, else 80 × 24, when there is no terminal.</summary>
    public (int Columns, int Rows) Size
    {
        get
        {
            foreach (int fd in (ReadOnlySpan<int>)[output, input])
            {
                LibC.WinSize size;
                if (LibC.ioctl(fd, LibC.TIOCGWINSZ, &size) == 0 && size.Columns > 0 && size.Rows > 0)
                {
                    return (size.Columns, size.Rows);
                }
            }

            return (FromVariable("COLUMNS", 80), FromVariable("LINES", 24));
        }
    }

    /// <summary>
    /// Keys come one by one, unechoed, Ctrl-C and Ctrl-Z as bytes 3 and 26, Enter as 13. Output is still translated: a newline
    /// also returns the carriage. Without a terminal nothing changes.
    /// </summary>
    /// <returns>Restores the former mode.</returns>
    public IDisposable EnterRawMode() => new ModeScope(input, static modes =>
    {
        modes->InputFlags &= ~(LibC.Termios.BRKINT | LibC.Termios.ICRNL | LibC.Termios.INPCK | LibC.Termios.ISTRIP | LibC.Termios.IXON);
        modes->LocalFlags &= ~(LibC.Termios.ECHO | LibC.Termios.ICANON | LibC.Termios.IEXTEN | LibC.Termios.ISIG);
        modes->Characters[LibC.Termios.VMIN] = 1;
        modes->Characters[LibC.Termios.VTIME] = 0;
    });

    /// <summary>Lines are edited and Ctrl-C works as ever, but what is typed is not shown: for passwords.</summary>
    /// <returns>Restores the former mode.</returns>
    public IDisposable HideInput() => new ModeScope(input, static modes =>
        modes->LocalFlags = (modes->LocalFlags & ~LibC.Termios.ECHO) | LibC.Termios.ECHONL);

    /// <summary>Waits for input and reads what there is.</summary>
    /// <param name="buffer">Receives the bytes; not empty.</param>
    /// <param name="timeoutMs">The limit; negative for none.</param>
    /// <returns>The number of bytes; 0 at the end of input (also when the terminal is gone); -1 when the limit was reached.</returns>
    /// <exception cref="IOException">The descriptor cannot be read.</exception>
    public int Read(Span<byte> buffer, int timeoutMs)
    {
        while (Poll(input, timeoutMs))
        {
            nint count;
            fixed (byte* start = buffer)
            {
                count = LibC.read(input, start, (nuint)buffer.Length);
            }

            if (count >= 0)
            {
                return (int)count;
            }

            switch (LibC.LastError)
            {
                // EAGAIN: somebody else shares the terminal, set it to non-blocking and took the bytes.
                case Errno.EINTR or Errno.EAGAIN:
                    break;
                case Errno.EIO:
                    return 0;
                case var errno:
                    throw new IOException("cannot read standard input: " + ErrnoText.Describe(errno));
            }
        }

        return -1;
    }

    /// <summary>Waits until a descriptor can be read or is at its end.</summary>
    /// <param name="fd">The descriptor.</param>
    /// <param name="timeoutMs">The limit; negative for none.</param>
    /// <returns>False when the limit was reached.</returns>
    public static bool Poll(int fd, int timeoutMs)
    {
        long began = Stopwatch.GetTimestamp();
        var poll = new LibC.PollFd { Fd = fd, Events = LibC.POLLIN };
        int remaining = timeoutMs;
        while (true)
        {
            int ready = LibC.poll(&poll, 1, remaining);
            if (ready >= 0)
            {
                return ready > 0;
            }

            if (LibC.LastError != Errno.EINTR)
            {
                throw new IOException("cannot wait for input: " + ErrnoText.Describe(LibC.LastError));
            }

            if (timeoutMs >= 0)
            {
                remaining = (int)Math.Max(0, timeoutMs - Stopwatch.GetElapsedTime(began).TotalMilliseconds);
            }
        }
    }

    private static int FromVariable(string name, int otherwise) =>
        int.TryParse(Environment.GetEnvironmentVariable(name), NumberStyles.None, CultureInfo.InvariantCulture, out int value) && value > 0
            ? value
            : otherwise;

    private delegate void ChangeModes(LibC.Termios* modes);

    private sealed class ModeScope : IDisposable
    {
        // By number: the name carries an attribute that this platform is not the only one.
        private const int SigCont = 18;

        private readonly int _fd;
        private readonly bool _isTerminal;
        private readonly List<PosixSignalRegistration> _registrations = [];
        private readonly Lock _gate = new();
        private LibC.Termios _former;
        private LibC.Termios _wanted;
        private bool _over;

        public ModeScope(int fd, ChangeModes change)
        {
            _fd = fd;
            LibC.Termios modes;
            _isTerminal = LibC.tcgetattr(fd, &modes) == 0;
            if (!_isTerminal)
            {
                return;
            }

            _former = modes;
            change(&modes);
            _wanted = modes;
            foreach (PosixSignal signal in (ReadOnlySpan<PosixSignal>)
                [PosixSignal.SIGHUP, PosixSignal.SIGINT, PosixSignal.SIGQUIT, PosixSignal.SIGTERM])
            {
                // Not cancelled: the signal then has its own effect.
                _registrations.Add(PosixSignalRegistration.Create(signal, _ => Set(_former)));
            }

            _registrations.Add(PosixSignalRegistration.Create((PosixSignal)SigCont, _ => Set(_wanted)));
            AppDomain.CurrentDomain.ProcessExit += OnExit;
            Set(_wanted);
        }

        public void Dispose()
        {
            if (!_isTerminal)
            {
                return;
            }

            lock (_gate)
            {
                if (_over)
                {
                    return;
                }

                Apply(_former);
                _over = true;
            }

            AppDomain.CurrentDomain.ProcessExit -= OnExit;
            foreach (PosixSignalRegistration registration in _registrations)
            {
                registration.Dispose();
            }
        }

        private void OnExit(object? sender, EventArgs e) => Set(_former);

        private void Set(LibC.Termios modes)
        {
            lock (_gate)
            {
                if (!_over)
                {
                    Apply(modes);
                }
            }
        }

        // A terminal that is gone (EIO) has no mode to set.
        private void Apply(LibC.Termios modes)
        {
            while (LibC.Interrupted(LibC.tcsetattr(_fd, LibC.TCSADRAIN, &modes)))
            {
            }
        }
    }
}
