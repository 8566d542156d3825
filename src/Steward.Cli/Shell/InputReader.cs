using System.Text;

namespace Steward.Cli.Shell;

/// <summary>Standard input byte by byte and line by line; what was read ahead for the one is there for the other. One thread.</summary>
internal sealed class InputReader(ITerminal terminal)
{
    /// <summary>A longer line is cut: its rest is read and thrown away, so that input cannot fill the memory.</summary>
    public const int MaxLineBytes = 64 << 10;

    // How often a wait looks whether it is still wanted.
    private const int LookMs = 200;

    private readonly byte[] _buffer = new byte[4096];
    private int _at;
    private int _end;

    /// <summary>The next byte; -1 at the end of input, -2 when the time is over.</summary>
    public int ReadByte(int timeoutMs = -1)
    {
        if (_at == _end)
        {
            int count = terminal.Read(_buffer, timeoutMs);
            if (count <= 0)
            {
                return count == 0 ? -1 : -2;
            }

            _at = 0;
            _end = count;
        }

        return _buffer[_at++];
    }

    /// <summary>The next line without its end; null at the end of input or once <paramref name="cancelled"/> says so.</summary>
    public string? ReadLine(Func<bool>? cancelled = null)
    {
        var bytes = new List<byte>();
        while (true)
        {
            int next = ReadByte(cancelled is null ? -1 : LookMs);
            if (cancelled is not null && cancelled())
            {
                return null;
            }

            if (next == -2)
            {
                continue;
            }

            if (next == '\n' || next == -1)
            {
                return next == -1 && bytes.Count == 0
                    ? null
                    : Encoding.UTF8.GetString([.. bytes]);
            }

            if (bytes.Count < MaxLineBytes)
            {
                bytes.Add((byte)next);
            }
        }
    }
}
