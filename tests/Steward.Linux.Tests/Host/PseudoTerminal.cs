using System.Runtime.InteropServices;
using System.Text;
using Steward.Linux.Interop;

namespace Steward.Linux.Tests.Host;

/// <summary>Both ends of a terminal (man 7 pty).</summary>
internal sealed class PseudoTerminal : IDisposable
{
    private const nuint TIOCSWINSZ = 0x5414;

    public PseudoTerminal()
    {
        Master = posix_openpt(LibC.O_RDWR | LibC.O_NOCTTY | LibC.O_CLOEXEC);
        byte[] name = new byte[128];
        Assert.True(Master >= 0 && grantpt(Master) == 0 && unlockpt(Master) == 0 && ptsname_r(Master, name, (nuint)name.Length) == 0);
        Name = Encoding.UTF8.GetString(name).TrimEnd('\0');
        Slave = LibC.open(Name, LibC.O_RDWR | LibC.O_NOCTTY | LibC.O_CLOEXEC, 0);
        Assert.True(Slave >= 0);
    }

    public int Master { get; private set; }

    public int Slave { get; }

    public string Name { get; }

    public void Resize(ushort columns, ushort rows)
    {
        ushort[] size = [rows, columns, 0, 0];
        Assert.Equal(0, ioctl(Master, TIOCSWINSZ, size));
    }

    /// <summary>The mode bits that lines are edited and shown by.</summary>
    public (bool Echo, bool Lines, bool Signals) Modes()
    {
        byte[] modes = new byte[128];
        Assert.Equal(0, tcgetattr(Slave, modes));
        uint local = BitConverter.ToUInt32(modes, 12);
        return ((local & LibC.Termios.ECHO) != 0, (local & LibC.Termios.ICANON) != 0, (local & LibC.Termios.ISIG) != 0);
    }

    public void CloseMaster()
    {
        if (Master >= 0)
        {
            _ = LibC.close(Master);
            Master = -1;
        }
    }

    public void Dispose()
    {
        CloseMaster();
        _ = LibC.close(Slave);
    }

    [DllImport("libc")]
    private static extern int posix_openpt(int flags);

    [DllImport("libc")]
    private static extern int grantpt(int fd);

    [DllImport("libc")]
    private static extern int unlockpt(int fd);

    [DllImport("libc")]
    private static extern int ptsname_r(int fd, byte[] name, nuint size);

    [DllImport("libc")]
    private static extern int ioctl(int fd, nuint request, ushort[] size);

    [DllImport("libc")]
    private static extern int tcgetattr(int fd, byte[] modes);
}
